//! Who may import whom.

use crate::facts::{Crate, Dependency};

/// How high a crate stands. What stands low knows nothing of what stands above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Words: no I/O, no clock, no tasks.
    Words,
    /// Plumbing: I/O, no policy.
    Plumbing,
    /// For tests only; never ships.
    Testkit,
    /// A service.
    Service,
    /// The operators' command, which holds every service.
    Command,
    /// The tests of the whole house.
    Tests,
}

/// Every crate and its floor. A new crate is given its floor here, in the change that adds it.
pub(crate) const FLOORS: [(&str, Floor); 24] = [
    ("weir-model", Floor::Words),
    ("weir-sql", Floor::Words),
    ("weir-pgwire", Floor::Words),
    ("weir-events", Floor::Words),
    ("weir-tags", Floor::Words),
    ("weir-proto", Floor::Words),
    ("weir-config", Floor::Plumbing),
    ("weir-telemetry", Floor::Plumbing),
    ("weir-runtime", Floor::Plumbing),
    ("weir-bus", Floor::Plumbing),
    ("weir-upstream", Floor::Plumbing),
    ("weir-store", Floor::Plumbing),
    ("weir-jobs", Floor::Plumbing),
    ("weir-footing", Floor::Plumbing),
    ("weir-testkit", Floor::Testkit),
    ("weir-maintenance", Floor::Service),
    ("weir-console", Floor::Service),
    ("weir-backup", Floor::Service),
    ("weir-cache", Floor::Service),
    ("weir-pool-gateway", Floor::Service),
    ("weir-query-monitor", Floor::Service),
    ("weir-scheduler", Floor::Service),
    ("weir", Floor::Command),
    ("weir-tests", Floor::Tests),
];

pub(crate) fn floor(name: &str) -> Option<Floor> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

/// Whether a crate on one floor may need a crate on another to be built and shipped.
const fn may_ship_with(importer: Floor, imported: Floor) -> bool {
    match importer {
        Floor::Words => matches!(imported, Floor::Words),
        Floor::Plumbing | Floor::Testkit | Floor::Service => matches!(imported, Floor::Words | Floor::Plumbing),
        Floor::Command => matches!(imported, Floor::Words | Floor::Plumbing | Floor::Service),
        Floor::Tests => true,
    }
}

/// Tests of a crate may use the testkit as well.
fn may_import(importer: Floor, imported: Floor, dev: bool) -> bool {
    may_ship_with(importer, imported) || (dev && imported == Floor::Testkit)
}

fn complaints(crates: &[Crate], known: &[(&str, Floor)]) -> Vec<String> {
    let unknown = crates.iter().filter(|found| floor(&found.name).is_none());
    let gone = known
        .iter()
        .filter(|(name, _)| !crates.iter().any(|found| found.name == *name));
    let mut complaints: Vec<String> = unknown
        .map(|found| {
            format!(
                "{} ({}) has no floor: give it one in tests/tidy/floors.rs",
                found.name, found.directory
            )
        })
        .collect();
    complaints.extend(
        gone.map(|(name, _)| format!("{name} has a floor in tests/tidy/floors.rs, but there is no such crate")),
    );
    complaints.extend(crates.iter().flat_map(imports));
    complaints
}

fn imports(importer: &Crate) -> Vec<String> {
    let Some(from) = floor(&importer.name) else {
        return Vec::new();
    };
    let wrong = |found: &&Dependency| floor(&found.name).is_some_and(|to| !may_import(from, to, found.dev));
    let tell = |found: &Dependency| {
        let how = if found.dev { " for its tests" } else { "" };
        format!(
            "{} ({from:?}) imports {} ({:?}){how}: see the table in ARCHITECTURE.md",
            importer.name,
            found.name,
            floor(&found.name)
        )
    };
    importer.dependencies.iter().filter(wrong).map(tell).collect()
}

#[test]
fn a_wrong_import_is_caught() {
    let one = |name: &str, imported: &str, dev: bool| Crate {
        name: name.to_owned(),
        dependencies: vec![Dependency {
            name: imported.to_owned(),
            dev,
        }],
        ..Crate::default()
    };
    let wrong = [
        ("weir-model", "weir-config", false),
        ("weir-model", "weir-config", true),
        ("weir-bus", "weir-scheduler", false),
        ("weir-bus", "weir-testkit", false),
        ("weir-scheduler", "weir-maintenance", false),
        ("weir-scheduler", "weir-maintenance", true),
        ("weir-scheduler", "weir-testkit", false),
        ("weir-testkit", "weir-scheduler", false),
        ("weir", "weir-testkit", false),
        ("weir-scheduler", "weir", false),
        ("weir-scheduler", "weir-tests", true),
    ];
    for (importer, imported, dev) in wrong {
        crate::assert_caught(&complaints(&[one(importer, imported, dev)], &[]), &[imported]);
    }
    let right = [
        ("weir-events", "weir-model", false),
        ("weir-bus", "weir-config", false),
        ("weir-bus", "weir-testkit", true),
        ("weir-scheduler", "weir-testkit", true),
        ("weir", "weir-scheduler", false),
        ("weir-tests", "weir-testkit", false),
    ];
    for (importer, imported, dev) in right {
        crate::assert_none(&complaints(&[one(importer, imported, dev)], &[]));
    }
}

#[test]
fn a_crate_without_a_floor_is_caught() {
    let stray = Crate {
        name: "weir-stray".to_owned(),
        directory: "shared/stray".to_owned(),
        ..Crate::default()
    };
    crate::assert_caught(
        &complaints(&[stray], &[("weir-gone", Floor::Words)]),
        &["weir-stray", "weir-gone"],
    );
}

#[test]
fn floors_hold() {
    crate::assert_none(&complaints(&crate::facts::crates(), &FLOORS));
}
