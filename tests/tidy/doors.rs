//! The rule of doors: what stands under `services/` can be started, what stands under `shared/` cannot; and a crate
//! is called as its directory.

use crate::facts::Crate;

fn complaints(crates: &[Crate]) -> Vec<String> {
    crates
        .iter()
        .flat_map(|found| [door(found), name(found), binary(found)])
        .flatten()
        .collect()
}

/// Where a crate lies, and the last part of that.
fn place(found: &Crate) -> (&str, &str) {
    found.directory.split_once('/').unwrap_or(("", &found.directory))
}

fn door(found: &Crate) -> Option<String> {
    match (place(found).0, found.has_main) {
        ("services", false) => Some(format!(
            "{} has no src/main.rs, and every service has one",
            found.directory
        )),
        ("shared", true) => Some(format!(
            "{} has a src/main.rs, and nothing under shared/ has one",
            found.directory
        )),
        ("services" | "shared" | "", _) => None,
        (other, _) => Some(format!(
            "{} lies in {other}/, where no crate is looked for",
            found.directory
        )),
    }
}

/// Directory `x` holds crate `weir-x`; the command is called as what it is.
fn name(found: &Crate) -> Option<String> {
    let expected = match place(found) {
        ("services", "weir") => "weir".to_owned(),
        (_, directory) => format!("weir-{directory}"),
    };
    (found.name != expected).then(|| format!("{} holds {}, not {expected}", found.directory, found.name))
}

fn binary(found: &Crate) -> Option<String> {
    let (area, directory) = place(found);
    let fits = if area == "services" {
        found.binaries == [directory]
    } else {
        found.binaries.is_empty()
    };
    (!fits).then(|| {
        format!(
            "{} builds {:?}: a service builds one program of its directory's name, others none",
            found.directory, found.binaries
        )
    })
}

#[test]
fn a_wrong_door_is_caught() {
    let one = |directory: &str, name: &str, has_main: bool, binaries: &[&str]| {
        let binaries = binaries.iter().map(|&name| name.to_owned()).collect();
        complaints(&[Crate {
            directory: directory.to_owned(),
            name: name.to_owned(),
            has_main,
            binaries,
            ..Crate::default()
        }])
    };
    crate::assert_caught(
        &one("services/cache", "weir-cache", false, &["cache"]),
        &["has no src/main.rs"],
    );
    crate::assert_caught(&one("shared/bus", "weir-bus", true, &[]), &["has a src/main.rs"]);
    crate::assert_caught(&one("shared/bus", "weir-bus", false, &["bus"]), &["builds"]);
    crate::assert_caught(&one("shared/bus", "weir-omnibus", false, &[]), &["not weir-bus"]);
    crate::assert_caught(&one("services/weir", "weir-weir", true, &["weir"]), &["not weir"]);
    crate::assert_caught(&one("services/cache", "weir-cache", true, &["weir-cache"]), &["builds"]);
    crate::assert_caught(
        &one("lib/bus", "weir-bus", false, &[]),
        &["where no crate is looked for"],
    );
    crate::assert_none(&one("services/weir", "weir", true, &["weir"]));
    crate::assert_none(&one("tests", "weir-tests", false, &[]));
}

#[test]
fn doors_hold() {
    crate::assert_none(&complaints(&crate::facts::crates()));
}
