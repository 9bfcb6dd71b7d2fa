//! Nothing in the tree depends on the machine it was written on: no path of a machine, no private registry.

use crate::facts::{File, files};

// Written in two parts, so that this file does not break the rule it states.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// Ends of host names that are private to some network.
const PRIVATE_HOSTS: [&str; 4] = [".internal", ".intranet", ".corp", ".lan"];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn complaints(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    lines
        .flat_map(|(index, line)| line_complaints(&file.path, index + 1, line))
        .collect()
}

fn line_complaints(path: &str, number: usize, line: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if let Some(found) = MACHINE_PATHS.iter().find(|found| names_path(line, found)) {
        complaints.push(format!("{path}:{number} names {found}…, a path of one machine"));
    }
    if hosts(line).any(|host| PRIVATE_HOSTS.iter().any(|end| host.ends_with(end))) {
        complaints.push(format!("{path}:{number} names a private host"));
    }
    if path == "Cargo.lock" && line.starts_with("source = ") && !line.contains(CRATES_IO) {
        complaints.push(format!("{path}:{number} takes a crate from elsewhere than crates.io"));
    }
    if path.ends_with(".cargo/config.toml") && (line.starts_with("[source") || line.starts_with("[registr")) {
        complaints.push(format!(
            "{path}:{number} sets a registry: that belongs into the user's own configuration"
        ));
    }
    complaints
}

/// Whether a path begins so here, and not only goes on so (as `/srv/home/` does).
fn names_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric() && !"._-}".contains(before))
    })
}

/// The hosts of the URLs in a line.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.split("://").skip(1).filter_map(|rest| {
        let authority = rest
            .split(|end: char| !end.is_ascii_alphanumeric() && !".-_@:".contains(end))
            .next()?;
        authority.rsplit('@').next()?.split(':').next()
    })
}

fn complaints_of(path: &str, text: &str) -> Vec<String> {
    complaints(&File::new(path, text))
}

#[test]
fn a_machine_path_is_caught() {
    for start in MACHINE_PATHS {
        crate::assert_caught(
            &complaints_of("README.md", &format!("Look\ninto {start}main now.")),
            &["README.md:2"],
        );
        crate::assert_caught(&complaints_of("a.toml", &format!("path = \"{start}x\"")), &["a.toml:1"]);
        crate::assert_none(&complaints_of(
            "a.md",
            &format!("https://host/a{start}b and /srv{start}b"),
        ));
    }
}

#[test]
fn a_private_registry_is_caught() {
    let lock = |source: &str| complaints_of("Cargo.lock", &format!("[[package]]\nsource = \"{source}\"\n"));
    crate::assert_caught(&lock("registry+https://example.org/index"), &["Cargo.lock:2"]);
    crate::assert_caught(&lock("git+https://github.com/a/b"), &["Cargo.lock:2"]);
    crate::assert_none(&lock(CRATES_IO));
    let host = format!("https://user:pw@crates.example{}:8080/index", PRIVATE_HOSTS[0]);
    crate::assert_caught(&complaints_of("deploy/run", &host), &["private host"]);
    crate::assert_caught(
        &complaints_of(".cargo/config.toml", "[source.crates-io]"),
        &["sets a registry"],
    );
}

#[test]
fn places_hold() {
    let complaints: Vec<String> = files().iter().flat_map(complaints).collect();
    crate::assert_none(&complaints);
}
