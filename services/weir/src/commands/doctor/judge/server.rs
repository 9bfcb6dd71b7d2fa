//! A PostgreSQL server: its release, room, log and settings. Pure.

use std::time::Duration;

use weir_model::size_in_words;

use super::super::check::{Check, State, Subject};
use super::super::facts::{Duty, Facts, Seen, Server, Wanted};
use super::releases::{self, Day};
use super::{certificate, clock, extensions, role, span};

/// Connections that Weir opens beside its pools and tables: those of the monitor, the cache, the door, maintenance.
const CONNECTIONS_BESIDE: u64 = 12;
/// Minor releases that a server may be behind before somebody should plan an update; and before that is late.
const MINORS_NOTE: i64 = 2;
const MINORS_WARNING: i64 = 4;
/// What a slot may hold back before somebody looks.
const SLOT_NOTE_BYTES: u64 = 1 << 30;
const SLOT_WARNING_BYTES: u64 = 8 << 30;
/// Statements of this length are common.
const QUERY_TEXT_BYTES: u64 = 4_096;
/// Slots of Weir's own begin like this.
const OWN_SLOTS: &str = "weir_";

pub(super) fn judge(server: &Server, facts: &Facts) -> Vec<Check> {
    let place = server.place.as_str();
    let seen = match &server.seen {
        Ok(seen) => seen,
        Err(reason) => return away(server, reason),
    };
    let mut checks = vec![reachable(server, seen), version(place, seen, facts.here.unix_ms)];
    if let Some(gap) = seen.clock {
        checks.push(clock(Subject("server.clock", place), gap, "its clock"));
    }
    if let Some(until_ms) = seen.certificate_until_ms {
        let subject = Subject("server.certificate", place);
        let mend = "put a renewed certificate into the server's ssl_cert_file, then: select pg_reload_conf();";
        checks.push(certificate(subject, facts.here.unix_ms, until_ms, mend));
    }
    checks.push(encryption(server, seen));
    if server.duty == Duty::Mirror {
        return checks;
    }
    checks.push(slots(place, seen));
    checks.push(connections(server, seen, &facts.wanted));
    checks.extend(settings(place, seen, &facts.wanted));
    if server.duty == Duty::Main {
        checks.push(wal_level(place, seen, &facts.wanted));
        checks.push(replication_slots(place, seen, &facts.wanted));
        checks.push(wal_senders(place, seen, &facts.wanted));
        checks.push(archive(place, seen, &facts.wanted));
        checks.extend(role::judge(place, seen, &facts.wanted));
        checks.extend(extensions::judge(place, seen));
    }
    checks
}

fn away(server: &Server, reason: &str) -> Vec<Check> {
    let subject = Subject("server.reachable", &server.place);
    let mend = match server.duty {
        Duty::Main => {
            "start PostgreSQL, or correct database.url (DATABASE_URL): host, port, user, password, database, pg_hba.conf"
        }
        Duty::Replica => "start the replica, or take it out of gateway.replicas, cache.servers and backup.standbys",
        Duty::Mirror => "start it, or remove gateway.mirror_url",
    };
    vec![subject.problem(reason, mend)]
}

fn reachable(server: &Server, seen: &Seen) -> Check {
    let subject = Subject("server.reachable", &server.place);
    match (server.duty, seen.is_standby) {
        (Duty::Replica, false) => {
            let mend = "make it follow the main server, or take it out of gateway.replicas";
            subject.warning("it is named as a replica and follows nobody", mend)
        }
        (Duty::Main, true) => subject.warning(
            "it follows another server: nothing can be written here",
            "name the primary in database.url, or promote this one: select pg_promote();",
        ),
        _ => subject.good(format!("lets role {} in", seen.role.name)),
    }
}

fn version(place: &str, seen: &Seen, now_ms: i64) -> Check {
    let subject = Subject("server.version", place);
    let (major, minor) = (seen.version / 10_000, i64::from(seen.version % 10_000));
    let found = format!("PostgreSQL {major}.{minor}");
    let today = Day::of_unix_ms(now_ms);
    if major < releases::OLDEST {
        let found = format!("{found}; Weir works with {} and later", releases::OLDEST);
        return subject.problem(
            found,
            format!("upgrade with pg_upgrade to PostgreSQL {} or later", releases::OLDEST),
        );
    }
    if major > releases::NEWEST {
        let found = format!(
            "{found}, newer than what this version of Weir knows ({})",
            releases::NEWEST
        );
        return subject.note(found, "look whether there is a newer Weir");
    }
    if releases::is_over(major, today) {
        let found = format!("{found}; PostgreSQL {major} gets no corrections any more");
        return subject.warning(
            found,
            format!("upgrade with pg_upgrade to PostgreSQL {}", releases::NEWEST),
        );
    }
    let behind = releases::minors_by(major, today) - minor;
    let found = if behind > 0 {
        format!("{found}, at least {behind} minor releases behind")
    } else {
        found
    };
    let mend = "install the latest minor release and restart the server; no dump is needed";
    match behind {
        MINORS_WARNING.. => subject.warning(found, mend),
        MINORS_NOTE.. => subject.note(found, mend),
        _ => subject.good(found),
    }
}

fn encryption(server: &Server, seen: &Seen) -> Check {
    let subject = Subject("server.encryption", &server.place);
    match (seen.is_encrypted, server.is_local) {
        (true, _) => subject.good("encrypted"),
        (false, true) => subject.good("in clear, and it does not leave this machine"),
        (false, false) => {
            let server = if seen.setting("ssl") == Some("on") {
                "the server could encrypt"
            } else {
                "the server has ssl = off"
            };
            let mend = "alter system set ssl = on; with ssl_cert_file and ssl_key_file; then sslmode=verify-full in database.url";
            subject.warning(
                format!("statements and results cross the network in clear; {server}"),
                mend,
            )
        }
    }
}

fn slots(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.slots", place);
    let idle = seen.slots.iter().filter(|slot| !slot.is_active);
    let mut worst = (
        State::Good,
        format!("{} slots, none holds log back", seen.slots.len()),
        String::new(),
    );
    for slot in idle {
        let own = if slot.name.starts_with(OWN_SLOTS) {
            "Weir's own slot"
        } else {
            "slot"
        };
        let drop = format!(
            "select pg_drop_replication_slot('{}'); once it is certain that nobody comes back for it",
            slot.name
        );
        let found = format!(
            "{own} {} is used by nobody and holds back {}",
            slot.name,
            size_in_words(slot.retained_bytes)
        );
        let state = match (slot.wal_status.as_str(), slot.retained_bytes) {
            ("lost", _) => State::Warning,
            (_, SLOT_WARNING_BYTES..) => State::Problem,
            (_, SLOT_NOTE_BYTES..) => State::Warning,
            _ => State::Note,
        };
        if state > worst.0 {
            worst = (state, found, drop);
        }
    }
    let (state, found, mend) = worst;
    subject.check(state, found, mend)
}

/// Connections that clients may have: those for superusers and others are kept back.
fn room(seen: &Seen) -> Option<u64> {
    let kept = seen.number("superuser_reserved_connections").unwrap_or_default()
        + seen.number("reserved_connections").unwrap_or_default();
    Some(seen.number("max_connections")?.saturating_sub(kept))
}

fn connections(server: &Server, seen: &Seen, wanted: &Wanted) -> Check {
    let subject = Subject("server.connections", &server.place);
    let Some(room) = room(seen) else {
        return subject.skipped("the role may not see max_connections");
    };
    let own = if server.duty == Duty::Main {
        wanted.store_connections + CONNECTIONS_BESIDE
    } else {
        0
    };
    let needed = wanted.pool_max + own;
    let found = format!(
        "room for {room} clients ({} now); one pool may take {}, Weir's own tables and watches {own}",
        seen.connections, wanted.pool_max
    );
    let more = format!(
        "alter system set max_connections = {}; then restart; or lower gateway.pool_max (DB_POOL_MAX)",
        needed + 20
    );
    match () {
        () if wanted.pool_max > room => subject.problem(found, more),
        () if needed > room => subject.warning(found, format!("{more} or store.connections_max")),
        () if seen.connections * 10 >= room * 9 => {
            let mend = "look who holds them: weir pools show, select application_name, count(*) from pg_stat_activity group by 1;";
            subject.warning(found, mend)
        }
        () => subject.good(found),
    }
}

fn wal_level(place: &str, seen: &Seen, wanted: &Wanted) -> Check {
    let subject = Subject("server.wal_level", place);
    let Some(level) = seen.setting("wal_level") else {
        return subject.skipped("the role may not see wal_level");
    };
    let mend = "alter system set wal_level = 'logical'; then restart PostgreSQL";
    match level {
        "logical" => subject.good("logical"),
        _ if wanted.caches => subject.problem(format!("{level}; the cache reads the log, and needs logical"), mend),
        "minimal" if wanted.backups.is_on() => {
            let mend = "alter system set wal_level = 'replica'; then restart PostgreSQL";
            subject.problem("minimal; backups need replica or logical", mend)
        }
        "minimal" => subject.note("minimal; neither backups nor the cache can be switched on", mend),
        other => subject.good(format!("{other}; the cache, which is off, would need logical")),
    }
}

/// Readers of the log that the settings ask for.
fn readers(wanted: &Wanted) -> u64 {
    let backup = u64::from(wanted.backups.is_on() && wanted.backups.takes_log);
    backup + if wanted.caches { wanted.followed } else { 0 }
}

fn replication_slots(place: &str, seen: &Seen, wanted: &Wanted) -> Check {
    let subject = Subject("server.replication_slots", place);
    let Some(max) = seen.number("max_replication_slots") else {
        return subject.skipped("the role may not see max_replication_slots");
    };
    let others = seen
        .slots
        .iter()
        .filter(|slot| !slot.name.starts_with(OWN_SLOTS))
        .count();
    let needed = readers(wanted) + u64::try_from(others).unwrap_or(u64::MAX);
    let found = format!("{max} slots; backups, the cache and others need {needed}");
    if needed <= max {
        return subject.good(found);
    }
    subject.problem(
        found,
        format!(
            "alter system set max_replication_slots = {}; then restart PostgreSQL",
            needed + 4
        ),
    )
}

fn wal_senders(place: &str, seen: &Seen, wanted: &Wanted) -> Check {
    let subject = Subject("server.wal_senders", place);
    let Some(max) = seen.number("max_wal_senders") else {
        return subject.skipped("the role may not see max_wal_senders");
    };
    // A backup over the protocol takes one more while it runs.
    let needed = readers(wanted) + u64::from(wanted.backups.is_on());
    let found = format!("{max} senders; backups and the cache need {needed}");
    if needed <= max {
        return subject.good(found);
    }
    subject.problem(
        found,
        format!(
            "alter system set max_wal_senders = {}; then restart PostgreSQL",
            needed + 4
        ),
    )
}

fn archive(place: &str, seen: &Seen, wanted: &Wanted) -> Check {
    let subject = Subject("server.archive", place);
    let is_on = seen.setting("archive_mode").is_some_and(|mode| mode != "off");
    let has = |name: &str| seen.setting(name).is_some_and(|value| !value.is_empty());
    if !is_on {
        if wanted.backups.has_archive_directory {
            let mend = "alter system set archive_mode = 'on'; set archive_command to weir backup wal-push, as docs/guides/backup.md says; then restart";
            return subject.warning("backup.wal_archive_directory is set, and archive_mode is off", mend);
        }
        return subject.good("off; Weir takes the log by streaming");
    }
    if let Some(segment) = &seen.archive_failed {
        let mend =
            "look into the server's log for archive_command; until it works the log piles up on the server's disk";
        return subject.problem(
            format!("segment {segment} cannot be archived, and none was since"),
            mend,
        );
    }
    if seen.role.sees_settings && !has("archive_command") && !has("archive_library") {
        let mend = "set archive_command or archive_library, or: alter system set archive_mode = 'off'; then restart";
        return subject.warning("archive_mode is on, and nothing archives: the log piles up", mend);
    }
    subject.good("on, and the last segment went well")
}

fn settings(place: &str, seen: &Seen, wanted: &Wanted) -> Vec<Check> {
    vec![
        durability(place, seen),
        checksums(place, seen),
        autovacuum(place, seen),
        passwords(place, seen),
        io_timing(place, seen),
        query_text(place, seen),
        query_id(place, seen),
        statement_timeout(place, seen, wanted),
        idle_in_transaction(place, seen),
        pending_restart(place, seen),
    ]
}

fn durability(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.durability", place);
    let off: Vec<&str> = ["fsync", "full_page_writes"]
        .into_iter()
        .filter(|name| seen.setting(name) == Some("off"))
        .collect();
    if off.is_empty() {
        return subject.good("fsync and full_page_writes are on");
    }
    let mend: Vec<String> = off
        .iter()
        .map(|name| format!("alter system set {name} = on;"))
        .collect();
    let found = format!(
        "{} off: a crash of the machine may damage every table",
        off.join(" and ")
    );
    subject.problem(found, format!("{} then: select pg_reload_conf();", mend.join(" ")))
}

fn checksums(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.checksums", place);
    match seen.setting("data_checksums") {
        Some("on") => subject.good("on"),
        _ => subject.note(
            "off: a disk that returns wrong bytes is not noticed",
            "stop PostgreSQL, run pg_checksums --enable -D its data directory, start it again",
        ),
    }
}

fn autovacuum(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.autovacuum", place);
    match seen.setting("autovacuum") {
        Some("off") => subject.warning(
            "off: outside of Weir's windows nobody removes dead rows",
            "alter system set autovacuum = on; select pg_reload_conf();",
        ),
        _ => subject.good("on"),
    }
}

fn passwords(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.passwords", place);
    match seen.setting("password_encryption") {
        Some("md5") => subject.warning(
            "md5: verifiers that are stolen are as good as passwords",
            "alter system set password_encryption = 'scram-sha-256'; select pg_reload_conf(); then set each password anew",
        ),
        Some(kind) => subject.good(kind),
        None => subject.skipped("the role may not see password_encryption"),
    }
}

fn io_timing(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.io_timing", place);
    match seen.setting("track_io_timing") {
        Some("on") => subject.good("on"),
        _ => subject.note(
            "off: plans and pg_stat_io do not say how long disks took",
            "alter system set track_io_timing = on; select pg_reload_conf(); (pg_test_timing says what it costs)",
        ),
    }
}

fn query_text(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.query_text", place);
    let Some(bytes) = seen.number("track_activity_query_size") else {
        return subject.skipped("the role may not see track_activity_query_size");
    };
    let found = format!("the server shows {bytes} bytes of a running statement");
    if bytes >= QUERY_TEXT_BYTES {
        return subject.good(found);
    }
    let mend = format!("alter system set track_activity_query_size = {QUERY_TEXT_BYTES}; then restart PostgreSQL");
    subject.note(
        format!("{found}; a longer one has no fingerprint in weir's view of sessions"),
        mend,
    )
}

fn query_id(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.query_id", place);
    match seen.setting("compute_query_id") {
        Some("off") => subject.warning(
            "off: pg_stat_statements counts nothing",
            "alter system set compute_query_id = 'auto'; select pg_reload_conf();",
        ),
        Some(value) => subject.good(value),
        None => subject.skipped("the role may not see compute_query_id"),
    }
}

fn statement_timeout(place: &str, seen: &Seen, wanted: &Wanted) -> Check {
    let subject = Subject("server.statement_timeout", place);
    let own = seen.number("statement_timeout").map(Duration::from_millis);
    let gateway = wanted.statement_timeout;
    match own {
        None => subject.skipped("it is not known"),
        Some(own) if own.is_zero() => subject.good(format!("none; the gateway cancels after {}", span(gateway))),
        Some(own) if own < gateway => subject.note(
            format!(
                "{}, before the gateway would cancel ({}): clients see PostgreSQL's words",
                span(own),
                span(gateway)
            ),
            "alter system set statement_timeout = 0; or set gateway.statement_timeout below it (DB_STATEMENT_TIMEOUT)",
        ),
        Some(own) => subject.good(format!("{}, beyond the gateway's {}", span(own), span(gateway))),
    }
}

fn idle_in_transaction(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.idle_in_transaction", place);
    match seen.number("idle_in_transaction_session_timeout") {
        Some(0) => subject.note(
            "no limit: a session past the gateway that forgets its transaction holds locks and dead rows for ever",
            "alter system set idle_in_transaction_session_timeout = '10min'; select pg_reload_conf();",
        ),
        Some(ms) => subject.good(span(Duration::from_millis(ms))),
        None => subject.skipped("the role may not see it"),
    }
}

fn pending_restart(place: &str, seen: &Seen) -> Check {
    let subject = Subject("server.pending_restart", place);
    if seen.pending_restart.is_empty() {
        return subject.good("none");
    }
    let found = format!("changed and not in force: {}", seen.pending_restart.join(", "));
    subject.note(found, "restart PostgreSQL at a quiet moment")
}
