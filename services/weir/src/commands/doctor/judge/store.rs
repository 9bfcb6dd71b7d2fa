//! Weir's own tables. Pure.

use super::super::check::{Check, Subject};
use super::super::facts::{Duty, Facts, Schema, Server, StoreSeen};

pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    let place = facts.store.place.as_str();
    let subject = Subject("store.reachable", place);
    let mut checks = match &facts.store.seen {
        Err(reason) => vec![subject.problem(
            reason,
            "start that server, or correct store.url (without it, database.url)",
        )],
        Ok(seen) => {
            let mut checks = vec![subject.good(format!("lets role {} in", seen.role))];
            checks.extend(seen.schemas.iter().flat_map(|schema| of_schema(schema, seen)));
            checks
        }
    };
    checks.extend(
        facts
            .servers
            .iter()
            .filter(|server| server.duty == Duty::Main)
            .filter_map(leftovers),
    );
    checks
}

fn of_schema(schema: &Schema, seen: &StoreSeen) -> Vec<Check> {
    let subject = Subject("store.schema", schema.name);
    if !schema.exists {
        return vec![absent(subject, seen)];
    }
    if !schema.usable {
        let mend = format!("alter schema {} owner to \"{}\";", schema.name, seen.role);
        return vec![subject.problem(format!("role {} may not use it", seen.role), mend)];
    }
    vec![subject.good("there"), migrations(schema)]
}

fn absent(subject: Subject<'_>, seen: &StoreSeen) -> Check {
    if seen.may_create {
        return subject.note("not there yet; its service makes it at its start", "start the service");
    }
    let found = format!(
        "not there, and role {} may not make it in database {}",
        seen.role, seen.database
    );
    let mend = format!("grant create on database \"{}\" to \"{}\";", seen.database, seen.role);
    subject.problem(found, mend)
}

fn migrations(schema: &Schema) -> Check {
    let subject = Subject("store.migrations", schema.name);
    let listed = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
    if !schema.hidden.is_empty() {
        return subject.skipped(format!("its tables cannot be read: {}", schema.hidden));
    }
    if !schema.failed.is_empty() {
        let mend =
            "read its service's log; once the cause is mended, delete the row that failed and start the service again";
        return subject.problem(format!("failed half-way: {}", listed(&schema.failed)), mend);
    }
    if !schema.changed.is_empty() {
        let mend = "install the version of Weir that made these tables, or a later release of it";
        return subject.problem(format!("made by another build: {}", listed(&schema.changed)), mend);
    }
    if !schema.unknown.is_empty() {
        let mend = "install the version of Weir that the services had; an older one cannot use these tables";
        return subject.problem(format!("newer than this version: {}", listed(&schema.unknown)), mend);
    }
    if schema.missing > 0 {
        let found = format!("{} not applied yet", schema.missing);
        return subject.warning(found, "start the service: it migrates at its start");
    }
    subject.good("as this version expects")
}

fn leftovers(server: &Server) -> Option<Check> {
    let subject = Subject("store.leftovers", &server.place);
    let left = &server.seen.as_ref().ok()?.leftovers;
    if left.is_empty() {
        return Some(subject.good("none"));
    }
    let mend =
        "weir jobs run sweep --wait removes what is Weir's; docs/runbooks/leftovers.md says what to do with the rest";
    Some(subject.warning(left.join(", "), mend))
}
