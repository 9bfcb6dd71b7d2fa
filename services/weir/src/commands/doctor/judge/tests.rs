//! Each fault alone, in a set-up in which nothing else is wrong.

mod healthy;

use std::time::Duration;

use super::super::check::{Check, State};
use super::super::facts::*;
use super::all;
use healthy::{GATEWAY, HOUR_MS, NOW_MS, healthy};

/// What is worse than good after a change of healthy facts.
fn findings(change: impl FnOnce(&mut Facts)) -> Vec<Check> {
    let mut facts = healthy();
    change(&mut facts);
    all(&facts)
        .into_iter()
        .filter(|check| check.state > State::Good)
        .collect()
}

/// The one finding after a change, by name and state, with its texts.
fn finding(change: impl FnOnce(&mut Facts)) -> (&'static str, State, String) {
    let found = findings(change);
    assert_eq!(found.len(), 1, "{found:#?}");
    let check = &found[0];
    assert!(!check.mend.is_empty(), "nothing says how to mend {check:?}");
    (check.name, check.state, format!("{} | {}", check.found, check.mend))
}

fn main_server(facts: &mut Facts) -> &mut Seen {
    facts.servers[0].seen.as_mut().unwrap()
}

fn set(name: &str, value: &str) -> impl FnOnce(&mut Facts) {
    move |facts| {
        main_server(facts).settings.insert(name.to_owned(), value.to_owned());
    }
}

fn report(facts: &mut Facts) -> &mut Report {
    facts.services[GATEWAY].report.as_mut().unwrap()
}

fn backups(facts: &mut Facts) -> &mut Backups {
    facts.backups.as_mut().unwrap()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let found = findings(|_| ());
    assert!(found.is_empty(), "{found:#?}");
    let skipped: Vec<_> = all(&healthy())
        .into_iter()
        .filter(|check| check.state == State::Skipped)
        .collect();
    assert!(skipped.is_empty(), "{skipped:#?}");
}

#[test]
fn every_check_has_a_known_name_and_they_are_in_order() {
    let checks = all(&healthy());
    let places: Vec<usize> = checks.iter().map(|check| super::names::place(check.name)).collect();
    assert!(places.is_sorted());
    for (name, _) in super::names::NAMES {
        assert!(checks.iter().any(|check| check.name == *name), "{name} is never made");
    }
    assert!(
        checks
            .iter()
            .all(|check| super::names::place(check.name) < super::names::NAMES.len())
    );
}

#[test]
fn settings_of_the_server_are_judged_by_what_is_wanted() {
    for (name, value, check, state, mend) in [
        (
            "wal_level",
            "replica",
            "server.wal_level",
            State::Problem,
            "wal_level = 'logical'",
        ),
        (
            "max_replication_slots",
            "1",
            "server.replication_slots",
            State::Problem,
            "max_replication_slots = 6",
        ),
        (
            "max_wal_senders",
            "2",
            "server.wal_senders",
            State::Problem,
            "max_wal_senders = 7",
        ),
        (
            "max_connections",
            "30",
            "server.connections",
            State::Problem,
            "max_connections = 127",
        ),
        (
            "max_connections",
            "100",
            "server.connections",
            State::Warning,
            "store.connections_max",
        ),
        (
            "superuser_reserved_connections",
            "180",
            "server.connections",
            State::Problem,
            "gateway.pool_max",
        ),
        (
            "track_io_timing",
            "off",
            "server.io_timing",
            State::Note,
            "track_io_timing = on",
        ),
        (
            "track_activity_query_size",
            "1024",
            "server.query_text",
            State::Note,
            "restart",
        ),
        (
            "statement_timeout",
            "5000",
            "server.statement_timeout",
            State::Note,
            "gateway.statement_timeout",
        ),
        (
            "idle_in_transaction_session_timeout",
            "0",
            "server.idle_in_transaction",
            State::Note,
            "10min",
        ),
        (
            "password_encryption",
            "md5",
            "server.passwords",
            State::Warning,
            "scram-sha-256",
        ),
        (
            "data_checksums",
            "off",
            "server.checksums",
            State::Note,
            "pg_checksums --enable",
        ),
        ("fsync", "off", "server.durability", State::Problem, "fsync = on"),
        (
            "full_page_writes",
            "off",
            "server.durability",
            State::Problem,
            "full_page_writes = on",
        ),
        (
            "autovacuum",
            "off",
            "server.autovacuum",
            State::Warning,
            "autovacuum = on",
        ),
        (
            "compute_query_id",
            "off",
            "server.query_id",
            State::Warning,
            "compute_query_id = 'auto'",
        ),
        (
            "archive_mode",
            "on",
            "server.archive",
            State::Warning,
            "archive_command",
        ),
        (
            "shared_preload_libraries",
            "auto_explain",
            "extension.pg_stat_statements",
            State::Warning,
            "restart",
        ),
    ] {
        let (found, how, text) = finding(set(name, value));
        assert_eq!((found, how), (check, state), "{name} = {value}: {text}");
        assert!(text.contains(mend), "{name} = {value}: {text}");
    }
}

#[test]
fn nobody_asks_for_more_log_than_is_used() {
    let off = |facts: &mut Facts| {
        facts.wanted.caches = false;
        facts.wanted.backups = BackupWish::default();
    };
    let only_backups = |found: &Check| found.name != "backup.on";
    let mut found = findings(|facts| {
        off(facts);
        set("wal_level", "replica")(facts);
        set("max_wal_senders", "0")(facts);
        set("max_replication_slots", "0")(facts);
        main_server(facts).role.replicates = false;
    });
    found.retain(only_backups);
    assert!(found.is_empty(), "{found:#?}");
    let mut found = findings(|facts| {
        off(facts);
        set("wal_level", "minimal")(facts);
    });
    found.retain(only_backups);
    assert_eq!(found.iter().map(|check| check.state).collect::<Vec<_>>(), [State::Note]);
}

#[test]
fn a_right_that_is_missing_is_named_with_its_grant() {
    let role = |change: fn(&mut Role)| finding(move |facts| change(&mut main_server(facts).role));
    for (change, name, state, mend) in [
        (
            (|role| role.sees_stats = false) as fn(&mut Role),
            "role.monitor",
            State::Warning,
            "grant pg_monitor to \"weir\"",
        ),
        (
            |role| role.replicates = false,
            "role.replication",
            State::Problem,
            "alter role \"weir\" replication",
        ),
        (
            |role| role.reads_logins = false,
            "role.logins",
            State::Problem,
            "gateway.auth_query",
        ),
        (
            |role| role.signals = false,
            "role.signal",
            State::Note,
            "grant pg_signal_backend",
        ),
        (
            |role| role.others_tables = 3,
            "role.tables",
            State::Warning,
            "pg_maintain",
        ),
    ] {
        let (found, how, text) = role(change);
        assert_eq!((found, how), (name, state), "{text}");
        assert!(text.contains(mend), "{text}");
    }
    let found = findings(|facts| {
        let role = &mut main_server(facts).role;
        (role.replicates, role.begins_backups) = (false, false);
    });
    assert!(
        found
            .iter()
            .any(|check| check.name == "role.backup" && check.state == State::Problem),
        "{found:#?}"
    );
    let query = findings(|facts| {
        facts.wanted.has_auth_query = true;
        main_server(facts).role.reads_logins = false;
    });
    assert!(query.is_empty(), "{query:#?}");
}

#[test]
fn a_superuser_is_noted_and_may_use_pages() {
    let found = findings(|facts| main_server(facts).role.is_superuser = true);
    let names: Vec<_> = found.iter().map(|check| (check.name, check.state)).collect();
    assert_eq!(
        names,
        [("role.superuser", State::Note), ("extension.pageinspect", State::Note)]
    );
}

#[test]
fn releases_are_judged_by_their_age() {
    let version = |number| finding(move |facts| main_server(facts).version = number);
    assert_eq!(version(140_020).1, State::Problem);
    assert_eq!(version(150_008).1, State::Warning);
    assert_eq!(version(150_013).1, State::Note);
    assert_eq!(version(190_000).1, State::Note);
    let fine = findings(|facts| main_server(facts).version = 150_016);
    assert!(fine.is_empty(), "{fine:#?}");
    let over = finding(|facts| {
        let years = 2 * 365 * 24 * HOUR_MS;
        facts.here.unix_ms += years;
        facts.certificates.clear();
        main_server(facts).certificate_until_ms = None;
        facts.channels = Ok(Vec::new());
        let known = backups(facts);
        known.last_ms = known.last_ms.map(|at| at + years);
        known.proven_ms = known.proven_ms.map(|at| at + years);
    });
    assert!(over.2.contains("no corrections"), "{}", over.2);
}

#[test]
fn clocks_are_compared_within_what_was_measured() {
    let gap = |ahead_ms, give_or_take_ms| {
        findings(move |facts| {
            main_server(facts).clock = Some(ClockGap {
                ahead_ms,
                give_or_take_ms,
            });
        })
        .first()
        .map(|check| check.state)
    };
    assert_eq!(gap(900, 1), None);
    assert_eq!(gap(-1_600, 700), None, "it may be less than a second");
    assert_eq!(gap(2_000, 10), Some(State::Note));
    assert_eq!(gap(-7_000, 10), Some(State::Warning));
    assert_eq!(gap(-70_000, 10), Some(State::Problem));
    let bus = finding(|facts| {
        facts.bus = Bus::Nats {
            place: "nats://bus:4222".to_owned(),
            reached: Ok(Some(ClockGap {
                ahead_ms: 9_000,
                give_or_take_ms: 5,
            })),
        };
    });
    assert_eq!((bus.0, bus.1), ("bus.clock", State::Warning));
}

#[test]
fn what_is_away_does_not_hide_the_rest() {
    let found = findings(|facts| {
        facts.servers[0].seen = Err("cannot reach postgres at db:5432: connection refused".to_owned());
        facts.store.seen = Err("connection refused".to_owned());
        facts.services[GATEWAY].serves = Err("connection refused".to_owned());
        facts.services[GATEWAY].report = Err("connection refused".to_owned());
        facts.bus = Bus::Nats {
            place: "nats://bus:4222".to_owned(),
            reached: Err("connection refused".to_owned()),
        };
        facts.redis = Some(Err("connection refused".to_owned()));
    });
    let names: Vec<_> = found.iter().map(|check| (check.name, check.state)).collect();
    let expected = [
        ("service.grpc", State::Problem),
        ("server.reachable", State::Problem),
        ("store.reachable", State::Problem),
        ("bus.reachable", State::Problem),
        ("redis.reachable", State::Warning),
    ];
    assert_eq!(names, expected, "{found:#?}");
}

#[test]
fn services_are_judged_by_what_they_say() {
    let (name, state, text) = finding(|facts| report(facts).version = Some("0.0.9".to_owned()));
    assert_eq!((name, state), ("service.version", State::Warning), "{text}");
    assert_eq!(finding(|facts| report(facts).version = None).0, "service.version");
    let (name, state, text) = finding(|facts| {
        report(facts).ready = false;
        report(facts).away = vec![Missing {
            name: "store".to_owned(),
            reason: "connection refused".to_owned(),
            optional: false,
        }];
    });
    assert_eq!((name, state), ("service.ready", State::Problem));
    assert!(text.contains("store: connection refused"), "{text}");
    let (name, state, text) = finding(|facts| report(facts).descriptors_max = Some(1_024));
    assert_eq!((name, state), ("service.descriptors", State::Warning));
    assert!(text.contains("20286"), "{text}");
}

#[test]
fn slots_that_nobody_reads_are_judged_by_what_they_hold() {
    let idle = |retained_bytes, wal_status: &str| {
        let slot = Slot {
            name: "forgotten".to_owned(),
            is_active: false,
            wal_status: wal_status.to_owned(),
            retained_bytes,
        };
        finding(move |facts| main_server(facts).slots.push(slot))
    };
    assert_eq!(idle(1 << 20, "reserved").1, State::Note);
    assert_eq!(idle(2 << 30, "extended").1, State::Warning);
    assert_eq!(idle(9 << 30, "extended").1, State::Problem);
    assert_eq!(idle(0, "lost").1, State::Warning);
    assert!(idle(1, "reserved").2.contains("pg_drop_replication_slot('forgotten')"));
}

#[test]
fn disks_are_judged_by_share_and_by_bytes() {
    let disk = |total_bytes, available_bytes| {
        findings(move |facts| {
            facts.disks[0].space = Ok(Space {
                total_bytes,
                available_bytes,
            });
        })
        .first()
        .map(|check| check.state)
    };
    assert_eq!(disk(1 << 20, 0), Some(State::Problem), "a disk that is full");
    assert_eq!(disk(100 << 30, 1 << 30), Some(State::Problem));
    assert_eq!(disk(100 << 30, 9 << 30), Some(State::Warning));
    assert_eq!(disk(4 << 30, 1 << 30), Some(State::Warning));
    assert_eq!(
        disk(100 << 40, 1 << 40),
        None,
        "a hundredth of a hundred terabytes is plenty"
    );
    assert_eq!(disk(100 << 30, 50 << 30), None);
}

#[test]
fn certificates_are_judged_by_the_time_that_is_left() {
    let ends_in = |days: i64| {
        findings(move |facts| facts.certificates[0].until_ms = Ok(NOW_MS + days * 24 * HOUR_MS))
            .first()
            .map(|check| check.state)
    };
    assert_eq!([ends_in(60), ends_in(20)], [None, Some(State::Warning)]);
    assert_eq!([ends_in(3), ends_in(-1)], [Some(State::Problem); 2]);
    let of_server = finding(|facts| main_server(facts).certificate_until_ms = Some(NOW_MS + HOUR_MS));
    assert_eq!((of_server.0, of_server.1), ("server.certificate", State::Problem));
}

#[test]
fn schemas_are_judged_by_who_may_make_them_and_what_they_hold() {
    let schema =
        |change: fn(&mut Schema)| finding(move |facts| change(&mut facts.store.seen.as_mut().unwrap().schemas[0]));
    assert_eq!(schema(|schema| schema.usable = false).0, "store.schema");
    assert_eq!(schema(|schema| schema.exists = false).1, State::Note);
    assert_eq!(schema(|schema| schema.missing = 2).1, State::Warning);
    for change in [
        (|schema: &mut Schema| schema.unknown.extend(["_m 9".to_owned()])) as fn(&mut Schema),
        |schema| schema.changed.extend(["_m 9".to_owned()]),
        |schema| schema.failed.extend(["_m 9".to_owned()]),
    ] {
        let (name, state, text) = schema(change);
        assert_eq!((name, state), ("store.migrations", State::Problem));
        assert!(text.contains("_m 9"), "{text}");
    }
    let (name, state, text) = finding(|facts| {
        let seen = facts.store.seen.as_mut().unwrap();
        seen.may_create = false;
        seen.schemas[0].exists = false;
    });
    assert_eq!((name, state), ("store.schema", State::Problem));
    assert!(text.contains("grant create on database \"app\" to \"weir\""), "{text}");
    let left = finding(|facts| main_server(facts).leftovers.push("invalid index a_ccnew".to_owned()));
    assert_eq!((left.0, left.1), ("store.leftovers", State::Warning));
}

#[test]
fn backups_are_judged_by_age_proof_and_key() {
    let known = |change: fn(&mut Backups)| finding(move |facts| change(backups(facts)));
    for (change, name, state) in [
        (
            (|known| known.last_ms = None) as fn(&mut Backups),
            "backup.recent",
            State::Problem,
        ),
        (
            |known| known.last_ms = Some(NOW_MS - 27 * HOUR_MS),
            "backup.recent",
            State::Problem,
        ),
        (|known| known.proven_ms = None, "backup.proven", State::Warning),
        (
            |known| known.proven_ms = Some(NOW_MS - 9 * 24 * HOUR_MS),
            "backup.proven",
            State::Warning,
        ),
        (
            |known| known.proof_failed = Some("x".to_owned()),
            "backup.proven",
            State::Problem,
        ),
        (
            |known| known.repositories[0].reachable = false,
            "backup.repositories",
            State::Problem,
        ),
        (|known| known.log[0].exposure_ms = 60_000, "backup.log", State::Problem),
        (|known| known.log[0].is_off = true, "backup.log", State::Problem),
    ] {
        let (found, how, text) = known(change);
        assert_eq!((found, how), (name, state), "{text}");
    }
    let key = |mode, is_beside_backups| {
        finding(move |facts| {
            facts.keys[0].file = Ok(KeyFile {
                mode,
                is_beside_backups,
            });
        })
    };
    assert_eq!(
        (key(0o644, false).0, key(0o644, false).1),
        ("backup.key", State::Warning)
    );
    assert_eq!(key(0o600, true).1, State::Note);
    assert_eq!(
        finding(|facts| facts.keys[0].file = Err("gone".to_owned())).1,
        State::Problem
    );
    assert_eq!(
        finding(|facts| facts.wanted.backups.scheduled = false).0,
        "backup.schedule"
    );
    assert_eq!(finding(|facts| facts.wanted.backups.encrypted = false).0, "backup.key");
    let off = finding(|facts| facts.wanted.backups.enabled = false);
    assert_eq!((off.0, off.1), ("backup.on", State::Warning));
}

#[test]
fn settings_are_held_against_each_other() {
    let look = Look {
        setting: "gateway.cache_url",
        says: "http://127.0.0.1:7009".to_owned(),
        of: "cache",
        listens: "127.0.0.1:7003".to_owned(),
    };
    assert_eq!(
        finding(move |facts| facts.wanted.looks.push(look)).0,
        "settings.addresses"
    );
    let refused = finding(|facts| {
        facts
            .refused
            .push("setting gateway.pool_min (file): above the maximum".to_owned());
    });
    assert_eq!((refused.0, refused.1), ("settings.valid", State::Problem));
    let slow = finding(|facts| facts.wanted.slow_query_threshold = Duration::from_secs(20));
    assert_eq!((slow.0, slow.1), ("settings.timeouts", State::Warning));
    let open = finding(|facts| facts.wanted.open_doors.push("gRPC of cache on 0.0.0.0:7003".to_owned()));
    assert_eq!((open.0, open.1), ("settings.security", State::Note));
    let dumb = finding(|facts| facts.wanted.channels = 0);
    assert_eq!((dumb.0, dumb.1), ("alerts.channels", State::Warning));
    let refusing = finding(|facts| {
        let channel = &mut facts.channels.as_mut().unwrap()[0];
        channel.last_error_unix_ms = NOW_MS - 1_000;
        channel.last_error = "404".to_owned();
    });
    assert_eq!((refusing.0, refusing.1), ("alerts.delivery", State::Problem));
}

#[test]
fn what_leaves_the_machine_in_clear_is_found() {
    let clear = |is_local| {
        findings(move |facts| {
            facts.servers[0].is_local = is_local;
            main_server(facts).is_encrypted = false;
        })
    };
    assert!(clear(true).is_empty());
    assert_eq!(clear(false)[0].name, "server.encryption");
}
