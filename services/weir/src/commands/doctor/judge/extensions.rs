//! Extensions of the main database: installed, available, preloaded. Pure.

use super::super::check::{Check, Subject};
use super::super::facts::{Extension, Seen};

pub(super) fn judge(place: &str, seen: &Seen) -> Vec<Check> {
    vec![
        statements(place, seen),
        pages(place, seen),
        tuples(place, seen),
        repack(place, seen),
        hypopg(place, seen),
    ]
}

fn extension(seen: &Seen, name: &str) -> Extension {
    seen.extensions.get(name).cloned().unwrap_or_default()
}

fn statements(place: &str, seen: &Seen) -> Check {
    let subject = Subject("extension.pg_stat_statements", place);
    let found = extension(seen, "pg_stat_statements");
    let libraries = seen.setting("shared_preload_libraries");
    let is_loaded = libraries.map(|list| list.split(',').any(|library| library.trim() == "pg_stat_statements"));
    let create = "create extension pg_stat_statements;";
    let load = "alter system set shared_preload_libraries = 'pg_stat_statements' (behind what is there, after a comma); then restart PostgreSQL";
    match (found.installed, found.available, is_loaded) {
        (Some(version), _, Some(false)) => subject.warning(
            format!("{version} is installed and not preloaded: it counts nothing"),
            load,
        ),
        (Some(version), _, _) if is_older(&version, (1, 8)) => subject.warning(
            format!("{version} is too old; 1.8 is needed"),
            "alter extension pg_stat_statements update;",
        ),
        (Some(version), _, _) => subject.good(format!("{version}, preloaded")),
        (None, Some(_), Some(true)) => subject.warning("preloaded, and not in this database", create),
        (None, Some(_), _) => subject.warning(
            "neither preloaded nor in this database",
            format!("{load}; then: {create}"),
        ),
        (None, None, _) => subject.warning(
            "the server does not have it",
            "install PostgreSQL's contrib package (postgresql-contrib) on the server",
        ),
    }
}

/// Whether a version such as `1.10` is before another.
fn is_older(version: &str, than: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) < than
}

fn pages(place: &str, seen: &Seen) -> Check {
    let subject = Subject("extension.pageinspect", place);
    let found = extension(seen, "pageinspect");
    match (found.installed, found.available) {
        (Some(version), _) if seen.role.is_superuser => subject.good(version),
        (Some(version), _) => subject.good(format!(
            "{version}; only a superuser may use it, so pgstattuple is used instead"
        )),
        // Without a superuser it is of no use, and pgstattuple's check says what is.
        (None, _) if !seen.role.is_superuser => subject.good("not there; only a superuser could use it"),
        (None, Some(_)) => subject.note(
            "not in this database: bloat is measured less exactly",
            "create extension pageinspect;",
        ),
        (None, None) => subject.note(
            "the server does not have it: bloat is measured less exactly",
            "install PostgreSQL's contrib package (postgresql-contrib) on the server",
        ),
    }
}

fn tuples(place: &str, seen: &Seen) -> Check {
    let subject = Subject("extension.pgstattuple", place);
    let found = extension(seen, "pgstattuple");
    let has_pages = seen.role.is_superuser && extension(seen, "pageinspect").installed.is_some();
    match (found.installed, found.available) {
        (Some(version), _) => subject.good(version),
        (None, _) if has_pages => subject.good("not there; pageinspect does its work"),
        (None, Some(_)) => subject.note(
            "not in this database: bloat is only estimated",
            "create extension pgstattuple; grant pg_stat_scan_tables to Weir's role",
        ),
        (None, None) => subject.note(
            "the server does not have it: bloat is only estimated",
            "install PostgreSQL's contrib package (postgresql-contrib) on the server",
        ),
    }
}

fn repack(place: &str, seen: &Seen) -> Check {
    let subject = Subject("extension.pg_repack", place);
    let found = extension(seen, "pg_repack");
    let mend = "install the package postgresql-<version>-repack on the server and beside maintenance; then: create extension pg_repack;";
    match (found.installed, found.available) {
        (Some(version), _) => subject.good(version),
        (None, Some(_)) => subject.note(
            "not in this database: tables are written anew only by VACUUM FULL, on order",
            mend,
        ),
        (None, None) => subject.note(
            "the server does not have it: tables are written anew only by VACUUM FULL, on order",
            mend,
        ),
    }
}

fn hypopg(place: &str, seen: &Seen) -> Check {
    let subject = Subject("extension.hypopg", place);
    match extension(seen, "hypopg").installed {
        Some(version) => subject.good(version),
        None => subject.good("not there, and nothing of Weir's needs it"),
    }
}
