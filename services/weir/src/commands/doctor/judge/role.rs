//! What Weir's role may do on the main server. Pure.

use super::super::check::{Check, Subject};
use super::super::facts::{Role, Seen, Wanted};

pub(super) fn judge(place: &str, seen: &Seen, wanted: &Wanted) -> Vec<Check> {
    let role = &seen.role;
    vec![
        superuser(place, role),
        monitor(place, role),
        replication(place, role, wanted),
        backup(place, role, wanted),
        logins(place, role, wanted),
        signal(place, role),
        tables(place, role),
    ]
}

/// A name as SQL wants it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn superuser(place: &str, role: &Role) -> Check {
    let subject = Subject("role.superuser", place);
    if !role.is_superuser {
        return subject.good(format!("{} is no superuser", role.name));
    }
    let found = format!(
        "{} is a superuser: whoever gets hold of database.url owns the server",
        role.name
    );
    subject.note(
        found,
        "give Weir a role of its own with the rights that docs/guides/doctor.md lists, and name it in database.url",
    )
}

fn monitor(place: &str, role: &Role) -> Check {
    let subject = Subject("role.monitor", place);
    if role.sees_stats && role.sees_settings {
        return subject.good(format!("{} sees all of it", role.name));
    }
    let what = match (role.sees_stats, role.sees_settings) {
        (false, true) => "sessions and statements of others",
        (true, false) => "some settings and the data directory",
        _ => "sessions and statements of others, some settings, the data directory",
    };
    let found = format!("{} does not see {what}", role.name);
    subject.warning(found, format!("grant pg_monitor to {};", quoted(&role.name)))
}

fn replication(place: &str, role: &Role, wanted: &Wanted) -> Check {
    let subject = Subject("role.replication", place);
    if role.replicates {
        return subject.good(format!("{} may replicate", role.name));
    }
    let needed = match (wanted.backups.is_on(), wanted.caches) {
        (true, true) => "backups and the cache need it",
        (true, false) => "backups need it",
        (false, true) => "the cache needs it",
        (false, false) => return subject.good("it may not, and neither backups nor the cache are on"),
    };
    let mend = format!(
        "alter role {} replication; and a line for replication in pg_hba.conf",
        quoted(&role.name)
    );
    subject.problem(format!("{} may not read the log; {needed}", role.name), mend)
}

fn backup(place: &str, role: &Role, wanted: &Wanted) -> Check {
    let subject = Subject("role.backup", place);
    match (role.begins_backups || role.replicates, wanted.backups.is_on()) {
        (true, _) => subject.good(format!("{} may begin a backup", role.name)),
        (false, false) => subject.good("it may not, and backups are off"),
        (false, true) => subject.problem(
            format!("{} may neither replicate nor call pg_backup_start", role.name),
            format!(
                "grant execute on function pg_backup_start(text, boolean), pg_backup_stop(boolean) to {};",
                quoted(&role.name)
            ),
        ),
    }
}

fn logins(place: &str, role: &Role, wanted: &Wanted) -> Check {
    let subject = Subject("role.logins", place);
    if role.reads_logins {
        return subject.good(format!("{} may read pg_authid", role.name));
    }
    if wanted.has_auth_query {
        return subject.good("it may not read pg_authid; gateway.auth_query stands in for it");
    }
    let found = format!(
        "{} may not read pg_authid, and gateway.auth_query is not set",
        role.name
    );
    let mend = "set gateway.auth_query to a function of security definer, as docs/guides/pooling.md shows; or, in this database: grant select on pg_authid to the role, which then sees all verifiers";
    if wanted.is_development {
        return subject.warning(
            format!("{found}: only users whom the server trusts can log in at the gateway"),
            mend,
        );
    }
    subject.problem(format!("{found}: nobody can log in at the gateway"), mend)
}

fn signal(place: &str, role: &Role) -> Check {
    let subject = Subject("role.signal", place);
    if role.signals {
        return subject.good(format!("{} may end sessions of others", role.name));
    }
    let found = format!(
        "{} may end its own sessions only; runbooks of blocking chains need more",
        role.name
    );
    subject.note(found, format!("grant pg_signal_backend to {};", quoted(&role.name)))
}

fn tables(place: &str, role: &Role) -> Check {
    let subject = Subject("role.tables", place);
    if role.others_tables == 0 {
        return subject.good(format!(
            "{} may maintain all {} tables of its database",
            role.name, role.tables
        ));
    }
    let found = format!(
        "{} may not maintain {} of {} tables: they are left",
        role.name, role.others_tables, role.tables
    );
    let mend = format!(
        "grant the owners' roles to {0}: grant owner to {0}; from PostgreSQL 17 on: grant pg_maintain to {0};",
        quoted(&role.name)
    );
    subject.warning(found, mend)
}
