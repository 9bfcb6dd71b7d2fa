//! Every Rust file: it opens with what it owns, is short, keeps its promise to be pure, and takes no way around a lint.

use crate::facts::{File, rust_files};

const LINES_MAX: usize = 600;

/// Rooms that are pure by the plan of the house, so that every file in them has to say so.
const PURE_ROOMS: [&str; 7] = ["aggregate", "detect", "guard", "invalidate", "plan", "policy", "route"];

/// What a pure file does not contain: waiting, I/O, the time of day, and the libraries for them.
const IMPURE: [&str; 9] = [
    ".await",
    "async fn",
    "async move",
    "tokio::",
    "sqlx::",
    "std::fs",
    "std::net",
    "std::process",
    "Instant::now",
];

/// A point in time that tests can move is a fact like any other, as long as it is given.
const MOMENT: &str = "tokio::time::Instant";

// Written in two parts, so that this file does not break the rules it states.
const FORBIDDEN: [(&str, &str); 4] = [
    (concat!("#[", "allow("), "name the lint in an #[expect] with a reason"),
    (concat!("#![", "allow("), "name the lint in an #![expect] with a reason"),
    (concat!("to", "do!("), "finish it, or leave it out"),
    (concat!("unimpl", "emented!("), "finish it, or leave it out"),
];

fn complaints(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    let lines = file.text.lines().count();
    if !file.text.starts_with("//!") {
        complaints.push(format!(
            "{} does not open with //!: say what it owns and what it must never do",
            file.path
        ));
    }
    if lines > LINES_MAX {
        complaints.push(format!(
            "{} has {lines} lines, more than {LINES_MAX}: it holds more than one thing",
            file.path
        ));
    }
    if in_pure_room(&file.path) && !says_pure(file) {
        complaints.push(format!(
            "{} lies in a pure room, and its header does not say \"Pure.\"",
            file.path
        ));
    }
    if says_pure(file) {
        complaints.extend(impurities(file));
    }
    for (word, instead) in FORBIDDEN {
        let at = code(file).filter(|(_, line)| line.contains(word));
        complaints.extend(at.map(|(number, _)| format!("{}:{number} has {word}…: {instead}", file.path)));
    }
    complaints
}

fn in_pure_room(path: &str) -> bool {
    let room = path.strip_prefix("services/").and_then(|rest| rest.split('/').nth(2));
    room.is_some_and(|room| PURE_ROOMS.contains(&room)) && !path.ends_with("/tests.rs")
}

/// Whether the header promises it: "Pure." or "Pure: …".
fn says_pure(file: &File) -> bool {
    let header = file.text.lines().take_while(|line| line.starts_with("//!"));
    header
        .flat_map(str::split_whitespace)
        .any(|word| ["Pure.", "Pure:"].contains(&word))
}

/// Lines with their numbers, comments left out.
fn code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let numbered = file.text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// What breaks the promise, in the part that ships; its tests may read a file or wait.
fn impurities(file: &File) -> Vec<String> {
    let shipped = code(file).take_while(|(_, line)| *line != "#[cfg(test)]");
    let found = shipped.filter_map(|(number, line)| {
        let line = line.replace(MOMENT, "Instant");
        let impure = IMPURE.iter().find(|word| line.contains(*word))?;
        Some(format!(
            "{}:{number} has {impure}, and the file says it is pure",
            file.path
        ))
    });
    found.collect()
}

fn complaints_of(path: &str, text: &str) -> Vec<String> {
    complaints(&File::new(path, text))
}

#[test]
fn a_missing_header_is_caught() {
    crate::assert_caught(
        &complaints_of("shared/a.rs", "use std::fmt;\n"),
        &["shared/a.rs does not open with //!"],
    );
    crate::assert_caught(&complaints_of("shared/a.rs", ""), &["shared/a.rs"]);
}

#[test]
fn a_long_file_is_caught() {
    let text = |lines: usize| format!("//! A.\n{}", "\n".repeat(lines - 1));
    crate::assert_caught(&complaints_of("shared/a.rs", &text(601)), &["601 lines"]);
    crate::assert_none(&complaints_of("shared/a.rs", &text(600)));
}

#[test]
fn a_broken_promise_of_purity_is_caught() {
    let body = "// .await in a comment\nasync fn f() {\n    g().await;\n}\nuse tokio::time;\n";
    crate::assert_caught(
        &complaints_of("shared/a.rs", &format!("//! A. Pure.\n{body}")),
        &[":3 ", ":4 ", ":6 "],
    );
    crate::assert_caught(
        &complaints_of("shared/a.rs", &format!("//! A.\n//! Pure: it decides.\n{body}")),
        &[":4", ":5", ":7"],
    );
    crate::assert_none(&complaints_of("shared/a.rs", &format!("//! Purely waits.\n{body}")));
    crate::assert_none(&complaints_of(
        "shared/a.rs",
        &format!("//! A. Pure.\n#[cfg(test)]\n{body}"),
    ));
    crate::assert_caught(&complaints_of("services/a/src/plan/b.rs", "//! B.\n"), &["pure room"]);
    crate::assert_none(&complaints_of("services/a/src/plan/tests.rs", "//! B.\n"));
}

#[test]
fn a_way_around_a_lint_is_caught() {
    let text = format!(
        "//! A.\n{}dead_code)]\nfn f() {{ {}) }}\n",
        FORBIDDEN[0].0, FORBIDDEN[2].0
    );
    crate::assert_caught(&complaints_of("shared/a.rs", &text), &[":2 ", ":3 "]);
}

#[test]
fn sources_hold() {
    let complaints: Vec<String> = rust_files().iter().flat_map(complaints).collect();
    crate::assert_none(&complaints);
}
