//! Rules that no test can provoke at a real server in seconds: what takes gigabytes, weeks, or another version.

use std::collections::BTreeMap;

use super::*;
use crate::plan::TableName;

const HOUR_MS: i64 = 3_600_000;
const GB: f64 = 1_073_741_824.0;

fn setting(name: &str, value: &str, unit: &str, vartype: &str) -> Setting {
    let number = matches!(vartype, "integer" | "real");
    Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        shown: value.to_owned(),
        unit: unit.to_owned(),
        context: "sighup".to_owned(),
        source: "default".to_owned(),
        pending_restart: false,
        vartype: vartype.to_owned(),
        min: number.then_some(-1.0),
        max: number.then_some(1e12),
        words: ["off", "on", "lz4", "try"].map(str::to_owned).to_vec(),
        boot_value: value.to_owned(),
    }
}

fn counters(hours: i64, values: &[(&str, f64)]) -> Counters {
    Counters {
        since_unix_ms: Some(0),
        at_unix_ms: hours * HOUR_MS,
        values: values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    }
}

/// A server of 64 GB on which nothing is wrong with the given settings left out.
fn facts(settings: Vec<Setting>) -> Facts {
    Facts {
        now_unix_ms: 100 * HOUR_MS,
        version: 150_000,
        database: "shop".to_owned(),
        machine: Machine {
            memory_bytes: Some(64.0 * GB),
            cores: Some(16.0),
            storage: Some(Storage::Ssd),
        },
        settings: settings
            .into_iter()
            .map(|setting| (setting.name.clone(), setting))
            .collect(),
        workload: counters(100, &[]),
        unused_after_hours: 720.0,
        ..Facts::default()
    }
}

const ALL: Territory<'static> = Territory {
    server: true,
    is_mine: &|_| true,
};

/// Kinds with what they propose.
fn proposed(facts: &Facts) -> Vec<(&'static str, String)> {
    let value = |advice: Advice| {
        (
            advice.kind,
            advice.proposal.and_then(|it| it.proposed).unwrap_or_default(),
        )
    };
    advise(facts, &ALL).advice.into_iter().map(value).collect()
}

fn said(kind: &'static str, value: &str) -> Vec<(&'static str, String)> {
    vec![(kind, value.to_owned())]
}

#[test]
fn a_log_of_whole_pages_is_compressed_and_checkpoints_come_less_often() {
    let heavy = [("wal_bytes", 400.0 * GB), ("wal_page_images", 200.0 * GB / 8192.0)];
    let mut facts = facts(vec![
        setting("checkpoint_timeout", "300", "s", "integer"),
        setting("wal_compression", "off", "", "enum"),
        setting("max_wal_size", "16384", "MB", "integer"),
        setting("min_wal_size", "80", "MB", "integer"),
    ]);
    assert_eq!(proposed(&facts), []);
    facts.workload = counters(100, &heavy);
    let wanted = [
        ("checkpoint-timeout", "15min"),
        ("wal-compression", "lz4"),
        ("min-wal-size", "4GB"),
    ];
    assert_eq!(proposed(&facts), wanted.map(|(kind, value)| (kind, value.to_owned())));
    // A tenth of the pages is no reason, nor is a log that hardly grows.
    facts.workload = counters(
        100,
        &[("wal_bytes", 400.0 * GB), ("wal_page_images", 40.0 * GB / 8192.0)],
    );
    assert_eq!(proposed(&facts), said("min-wal-size", "4GB"));
    facts.workload = counters(100_000, &heavy);
    assert_eq!(proposed(&facts), []);
}

#[test]
fn connections_are_judged_after_a_week_only() {
    let mut setting = setting("max_connections", "2000", "", "integer");
    setting.context = "postmaster".to_owned();
    let mut facts = facts(vec![setting]);
    let peak = |connections, hours| Some(Peak { connections, hours });
    facts.peak = peak(60.0, 167.0);
    assert_eq!(proposed(&facts), []);
    facts.peak = peak(60.0, 169.0);
    assert_eq!(proposed(&facts), said("max-connections", "150"));
    facts.peak = peak(600.0, 169.0);
    assert_eq!(proposed(&facts), []);
}

#[test]
fn compiling_short_statements_is_turned_off() {
    let mut facts = facts(vec![setting("jit", "on", "", "bool")]);
    assert!(advise(&facts, &ALL).left.iter().any(|left| left.what == "jit"));
    let jit = |compiling_ms| {
        Some(Jit {
            compiling_ms,
            running_ms: 1e6,
        })
    };
    facts.jit = jit(99_000.0);
    assert_eq!(proposed(&facts), []);
    facts.jit = jit(101_000.0);
    assert_eq!(proposed(&facts), said("jit", "off"));
}

#[test]
fn buffers_follow_the_memory_and_the_data() {
    let buffers = |pages: &str| setting("shared_buffers", pages, "8kB", "integer");
    let mut facts = facts(vec![buffers("16384")]);
    assert_eq!(proposed(&facts), said("shared-buffers", "16GB"));
    // Data of a gigabyte has no use for sixteen.
    facts.data_bytes = Some(GB);
    assert_eq!(proposed(&facts), said("shared-buffers", "2GB"));
    facts.data_bytes = Some(0.05 * GB);
    assert_eq!(proposed(&facts), []);
    facts.data_bytes = None;
    facts.settings.insert("shared_buffers".to_owned(), buffers("2097152"));
    assert_eq!(proposed(&facts), []);
    // 40 of 64 GB leave nothing for sessions and the cache of the system.
    facts.settings.insert("shared_buffers".to_owned(), buffers("5242880"));
    let advice = advise(&facts, &ALL).advice;
    assert_eq!(advice[0].impact, Impact::Danger);
    facts.machine.memory_bytes = None;
    assert_eq!(proposed(&facts), []);
    assert!(
        advise(&facts, &ALL)
            .left
            .iter()
            .any(|left| left.what == "shared_buffers")
    );
}

#[test]
fn large_buffers_want_large_pages() {
    let with = |value: &str, status: &str| {
        facts(vec![
            setting("shared_buffers", "2097152", "8kB", "integer"),
            setting("huge_pages", value, "", "enum"),
            setting("huge_pages_status", status, "", "enum"),
            setting("shared_memory_size_in_huge_pages", "8400", "", "integer"),
        ])
    };
    assert_eq!(proposed(&with("off", "off")), said("huge-pages", "try"));
    assert_eq!(proposed(&with("try", "on")), []);
    let advice = advise(&with("try", "off"), &ALL).advice;
    assert_eq!(
        (advice[0].kind, advice[0].statement.as_str()),
        ("huge-pages-missing", "sysctl -w vm.nr_hugepages=8400")
    );
    assert!(!advice[0].is_applicable());
}

#[test]
fn maintenance_gets_memory_where_a_table_is_large_enough_for_it() {
    let mut facts = facts(vec![setting("maintenance_work_mem", "65536", "kB", "integer")]);
    assert_eq!(proposed(&facts), []);
    facts.tables = vec![table("t", 100.0 * GB)];
    assert_eq!(proposed(&facts), said("maintenance-work-mem", "1GB"));
    facts.version = 170_000;
    assert_eq!(proposed(&facts), said("maintenance-work-mem", "2GB"));
}

fn table(name: &str, size_bytes: f64) -> Table {
    Table {
        name: TableName {
            schema: "public".to_owned(),
            name: name.to_owned(),
        },
        is_parent: false,
        is_partition: false,
        is_unlogged: false,
        size_bytes,
        rows: 0.0,
        options: BTreeMap::new(),
        counters: counters(100, &[]),
        toast: None,
        has_primary_key: true,
        replica_identity: "d".to_owned(),
        is_published: false,
        has_plain_columns: true,
    }
}

#[test]
fn a_toast_table_has_an_option_of_its_own() {
    let scale = setting("autovacuum_vacuum_scale_factor", "0.2", "", "real");
    let base = setting("autovacuum_vacuum_threshold", "50", "", "integer");
    let mut facts = facts(vec![scale, base]);
    let mut table = table("t", GB);
    table.toast = Some(Toast {
        size_bytes: 20.0 * GB,
        options: BTreeMap::new(),
        counters: counters(1_000, &[("live", 1e7), ("dead", 1e5), ("del", 2e6)]),
    });
    facts.tables = vec![table];
    let advice = advise(&facts, &ALL).advice;
    assert_eq!(advice.len(), 1);
    assert_eq!(advice[0].id(), "toast-vacuum-scale-factor:shop.public.t");
    assert_eq!(
        advice[0].statement,
        "alter table \"public\".\"t\" set (toast.autovacuum_vacuum_scale_factor = '0.001')"
    );
}

/// From PostgreSQL 16 on it is counted how many rows had to move to another page; only that can be cured.
#[test]
fn updates_that_touch_an_index_are_not_cured_by_room() {
    let mut facts = facts(Vec::new());
    let of = |newpage: f64| {
        let mut table = table("t", GB);
        table.counters = counters(100, &[("upd", 1e6), ("hot", 1e5), ("newpage", newpage)]);
        table
    };
    facts.indexes = vec![index("t_pkey")];
    facts.tables = vec![of(2e5)];
    assert_eq!(proposed(&facts), []);
    facts.tables = vec![of(4e5)];
    assert_eq!(proposed(&facts), said("table-fillfactor", "90"));
    facts.tables[0].options.insert("fillfactor".to_owned(), "70".to_owned());
    facts.changes = vec![KnownChange {
        object: "shop.public.t".to_owned(),
        option: "fillfactor".to_owned(),
        new_value: Some("70".to_owned()),
        evidence: None,
    }];
    assert_eq!(proposed(&facts), [], "never below 70");
}

fn index(name: &str) -> Index {
    Index {
        table: table("t", 0.0).name,
        name: name.to_owned(),
        method: "btree".to_owned(),
        keys: Vec::new(),
        includes: Vec::new(),
        predicate: String::new(),
        is_unique: true,
        nulls_not_distinct: false,
        is_primary: true,
        is_exclusion: false,
        constraint: name.to_owned(),
        is_referenced: false,
        is_replica_identity: false,
        is_clustered: false,
        is_valid: true,
        is_being_built: false,
        is_parent: false,
        is_attached: false,
        size_bytes: 0.0,
        scans: 0.0,
        oid: 1,
    }
}

#[test]
fn a_sequence_that_ends_soon_is_told_before_it_is_half_used() {
    let mut facts = facts(Vec::new());
    let sequence = Sequence {
        name: table("s", 0.0).name,
        last_value: Some(430_000_000.0),
        increment: 1.0,
        min: 1.0,
        max: 2_147_483_647.0,
        cycles: false,
        of_type: "integer".to_owned(),
        column: None,
        earlier: None,
    };
    facts.sequences = vec![sequence];
    assert_eq!(proposed(&facts), []);
    // Of 20 % half in 90 hours: 30 days are left.
    facts.sequences[0].earlier = Some(SequenceSample {
        at_unix_ms: 10 * HOUR_MS,
        used: 0.1,
    });
    let advice = advise(&facts, &ALL).advice;
    assert!(
        advice[0].reason.contains("at its rate it ends in 30 days"),
        "{}",
        advice[0].reason
    );
    facts.sequences[0].earlier = Some(SequenceSample {
        at_unix_ms: 10 * HOUR_MS,
        used: 0.2,
    });
    assert_eq!(proposed(&facts), []);
}

#[test]
fn what_a_start_fixed_is_told_with_the_reason_why_weir_cannot_change_it() {
    let mut off = setting("fsync", "off", "", "bool");
    off.source = "command line".to_owned();
    let advice = advise(&facts(vec![off]), &ALL).advice;
    assert!(!advice[0].is_applicable());
    assert!(advice[0].by_hand.contains("command line"));
}

#[test]
fn a_value_that_weir_set_is_not_taken_for_an_operators() {
    let mut cost = setting("random_page_cost", "3", "", "real");
    cost.boot_value = "4".to_owned();
    cost.source = "configuration file".to_owned();
    let mut facts = facts(vec![cost]);
    assert_eq!(proposed(&facts), []);
    assert_eq!(
        advise(&facts, &ALL).left[0].reason,
        "3 was set by hand; for an SSD 1.1 is usual"
    );
    facts.changes = vec![KnownChange {
        object: "server".to_owned(),
        option: "random_page_cost".to_owned(),
        new_value: Some("3".to_owned()),
        evidence: None,
    }];
    assert_eq!(proposed(&facts), said("random-page-cost", "1.1"));
}

#[test]
fn nobody_hears_of_what_is_not_his() {
    let mut facts = facts(vec![setting("fsync", "off", "", "bool")]);
    let mut mine = table("mine", 0.0);
    mine.has_primary_key = false;
    let mut other = table("other", 0.0);
    other.has_primary_key = false;
    facts.tables = vec![mine, other];
    let is_mine = |name: &TableName| name.name == "mine";
    let territory = Territory {
        server: false,
        is_mine: &is_mine,
    };
    let ids: Vec<String> = advise(&facts, &territory).advice.iter().map(Advice::id).collect();
    assert_eq!(ids, ["no-primary-key:shop.public.mine"]);
}

#[test]
fn the_same_facts_give_the_same_advice_in_the_same_order() {
    let mut facts = facts(vec![
        setting("fsync", "off", "", "bool"),
        setting("autovacuum", "off", "", "bool"),
    ]);
    facts.tables = ["b", "a", "c"]
        .map(|name| Table {
            has_primary_key: false,
            ..table(name, 0.0)
        })
        .to_vec();
    let first = advise(&facts, &ALL);
    facts.tables.reverse();
    assert_eq!(advise(&facts, &ALL), first);
    let ids: Vec<String> = first.advice.iter().map(Advice::id).collect();
    assert_eq!(ids[..2], ["autovacuum-off", "fsync-off"]);
    assert_eq!(ids[2], "no-primary-key:shop.public.a");
}
