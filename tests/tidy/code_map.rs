//! `ARCHITECTURE.md` is true: what it points at exists, and every crate is on its map.

use crate::facts::{self, Crate};

const MAP: &str = "ARCHITECTURE.md";

fn complaints(map: &str, crates: &[Crate], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let gone = lines(map).flat_map(|line| {
        let places = places(line, crates);
        let gone = paths(line).filter(|path| !places.iter().any(|place| exists(&format!("{place}{path}"))));
        gone.map(|path| format!("{MAP} names `{path}`, which does not exist"))
            .collect::<Vec<_>>()
    });
    let left_out = crates
        .iter()
        .filter(|found| !map.contains(&found.directory) && !map.contains(&found.name));
    let left_out = left_out.map(|found| format!("{MAP} does not name {} ({})", found.directory, found.name));
    gone.chain(left_out).collect()
}

/// The lines outside of code blocks.
fn lines(map: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    map.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The paths between backticks: what ends in `/` or `.rs`. Patterns and placeholders are none.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|path| (path.ends_with('/') || path.ends_with(".rs")) && !path.contains(['*', '<', ' ', '{', ':']))
}

/// Where the paths of a line may begin: in the root; in a row of the map, in the directory that the row is about;
/// in prose, in the sources of any crate.
fn places(line: &str, crates: &[Crate]) -> Vec<String> {
    let mut places = vec![String::new()];
    if line.starts_with('|') {
        let row = paths(line).next().unwrap_or_default();
        places.extend([row.to_owned(), format!("{row}src/")]);
    } else {
        places.extend(crates.iter().map(|found| format!("{}/src/", found.directory)));
    }
    places
}

#[test]
fn a_wrong_map_is_caught() {
    let map = "| `services/a/` | `plan/` decides, `gone/` is gone, `tap.rs` is of another |\n\
               In `tap.rs` and `plan/due.rs`; not in `plan/gone.rs`, nor in `shared/model/src/gone.rs`.\n\
               `shared/*/` and `services/<name>/` are patterns, `weir up` is a command, `lib.rs::run` a name.\n\
               ```\n`no/path/`\n```\n";
    let crates = ["services/a", "services/b", "shared/model", "shared/unknown"].map(|directory| Crate {
        directory: directory.to_owned(),
        name: "weir-nowhere".to_owned(),
        ..Crate::default()
    });
    let there = [
        "services/a/",
        "services/a/src/plan/",
        "services/a/src/plan/due.rs",
        "services/b/src/tap.rs",
    ];
    let complaints = complaints(map, &crates, |path| there.contains(&path));
    let culprits = [
        "`gone/`",
        "`tap.rs`",
        "`plan/gone.rs`",
        "`shared/model/src/gone.rs`",
        "services/b",
        "shared/unknown",
    ];
    crate::assert_caught(&complaints, &culprits);
}

#[test]
fn code_map_holds() {
    let map = facts::text(MAP).expect("ARCHITECTURE.md lies in the root");
    let root = facts::root();
    crate::assert_none(&complaints(&map, &facts::crates(), |path| root.join(path).exists()));
}
