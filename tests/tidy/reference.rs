//! The reference pages are complete: every error slug in the sources has its section, and no section is about nothing.
//!
//! Pages that are generated (settings, metrics) are checked where their generator can be called, not here.

use std::collections::BTreeSet;

use crate::facts::{self, File, rust_files};

const ERRORS: &str = "docs/reference/errors.md";

/// What stands before a slug where an error is made rather than classified.
const MADE: [&str; 4] = ["slug: \"", "Obstacle::firm(", "Obstacle::soft(", "Problem::new("];

/// The slugs that the sources can return: the literals in every `fn slug`, and where errors are made with one; tests
/// left out.
fn slugs(files: &[File]) -> BTreeSet<String> {
    files
        .iter()
        .filter(|file| !is_test(&file.path))
        .flat_map(slugs_of)
        .collect()
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn slugs_of(file: &File) -> Vec<String> {
    // The tests that a file has in it end what ships; what it only declares for tests does not.
    let shipped = file.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let bodies = shipped.split("fn slug(").skip(1).filter_map(body);
    let classified = bodies.flat_map(|body| body.split('"').skip(1).step_by(2));
    classified.chain(made(shipped)).map(str::to_owned).collect()
}

/// The first literal after each place where an error is made with its slug.
fn made(text: &str) -> impl Iterator<Item = &str> {
    let places = MADE.iter().flat_map(move |mark| {
        let opened = mark.ends_with('"');
        let after = text.split(mark).skip(1);
        after.filter_map(move |rest| rest.split('"').nth(usize::from(!opened)))
    });
    // A text for a person has spaces; what ends in a dash is the beginning of many.
    let is_slug = |text: &&str| {
        !text.is_empty() && !text.ends_with('-') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    places.filter(is_slug)
}

/// What stands between the braces; none for a declaration without a body.
fn body(after_name: &str) -> Option<&str> {
    let open = after_name.find(['{', ';'])?;
    let rest = after_name.get(open..)?.strip_prefix('{')?;
    let mut depth = 1_usize;
    let end = rest.find(|found: char| {
        depth = match found {
            '{' => depth + 1,
            '}' => depth - 1,
            _ => depth,
        };
        depth == 0
    })?;
    rest.get(..end)
}

fn sections(page: &str) -> Vec<&str> {
    page.lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(str::trim)
        .collect()
}

fn complaints(slugs: &BTreeSet<String>, page: &str) -> Vec<String> {
    let sections = sections(page);
    let documented = |slug: &&String| sections.contains(&slug.as_str());
    let missing = slugs
        .iter()
        .filter(|slug| !documented(slug))
        .map(|slug| format!("{ERRORS} has no section on {slug}: write \"## {slug}\", what happened and what to do"));
    let idle = sections.iter().filter(|section| !slugs.contains(**section));
    let idle = idle.map(|section| format!("{ERRORS} has a section on {section}, which no error is called"));
    let neighbours = sections.iter().zip(sections.iter().skip(1));
    let unsorted = neighbours.filter(|(one, next)| one >= next);
    let unsorted = unsorted.map(|(one, next)| format!("{ERRORS} has {next} behind {one}: sections are sorted"));
    missing.chain(idle).chain(unsorted).collect()
}

#[test]
fn an_undocumented_slug_is_caught() {
    let source = File::new(
        "shared/a/src/error.rs",
        "fn slug(&self) -> &'static str;\nfn slug(&self) -> &'static str {\n    match self {\n        \
         Self::A { .. } => \"a-known\",\n        Self::B => \"b-new\",\n    }\n}\nfn other() { \"no-slug\" }\n\
         #[cfg(test)]\nmod tests { fn slug() { \"in-a-test\" } }\n",
    );
    let helper = File::new("shared/a/src/tests.rs", "fn slug() { \"in-a-test-file\" }");
    let slugs = slugs(&[source, helper]);
    assert_eq!(
        slugs.iter().map(String::as_str).collect::<Vec<_>>(),
        ["a-known", "b-new"]
    );
    crate::assert_caught(
        &complaints(&slugs, "# Errors\n\n## a-known\n"),
        &["no section on b-new"],
    );
    crate::assert_caught(
        &complaints(&slugs, "## a-known\n## b-new\n## c-old\n"),
        &["section on c-old"],
    );
    crate::assert_caught(&complaints(&slugs, "## b-new\n## a-known\n"), &["sorted"]);
}

#[test]
fn errors_are_documented() {
    let slugs = slugs(&rust_files());
    assert!(slugs.contains("pool-timeout"), "the sources are not read: {slugs:?}");
    crate::assert_none(&complaints(&slugs, &facts::text(ERRORS).unwrap_or_default()));
}
