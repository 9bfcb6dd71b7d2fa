//! What is refused, what is remarked, and in which words.

use super::*;

const SUBJECT: Subject<'static> = Subject {
    name: "public.t",
    needs_bytes: 1024 * 1024,
};

fn holder(xid_age: Option<u64>, xmin_age: Option<u64>, open_s: u64, is_here: bool) -> Holder {
    Holder {
        holding: Holding::Transaction,
        name: "4711".to_owned(),
        user: "ann".to_owned(),
        application: "report".to_owned(),
        database: "shop".to_owned(),
        is_here,
        is_idle: false,
        has_lock: false,
        is_autovacuum: false,
        xid_age,
        xmin_age,
        catalog_age: None,
        open: Some(Duration::from_secs(open_s)),
    }
}

fn with(holders: Vec<Holder>) -> Gates {
    Gates {
        holders,
        free_bytes: Some(1 << 40),
        ..Gates::default()
    }
}

fn asked(kind: Kind, engine: Engine, gates: &Gates) -> Result<Vec<String>, String> {
    gate(kind, engine, SUBJECT, gates, Limits::default())
}

#[test]
fn who_holds_the_horizon_is_named_with_everything_that_finds_him() {
    let gates = with(vec![holder(Some(7), None, 720, false)]);
    assert_eq!(
        asked(Kind::Reorganize, Engine::Rewrite, &gates).unwrap_err(),
        "a transaction in database shop (pid 4711, user ann, app report, open for 12 min) holds the horizon: \
         a rewrite would reclaim nothing"
    );
    asked(Kind::Reorganize, Engine::Copy, &gates).unwrap();
    asked(Kind::Reindex, Engine::Copy, &gates).unwrap();
}

#[test]
fn what_was_begun_a_moment_ago_is_waited_for() {
    let gates = with(vec![holder(Some(7), Some(9), 59, true)]);
    for engine in [Engine::Copy, Engine::Rewrite] {
        asked(Kind::Reorganize, engine, &gates).unwrap();
    }
    asked(Kind::Reindex, Engine::Copy, &gates).unwrap();
}

#[test]
fn vacuum_says_what_stays_and_is_done_all_the_same() {
    let slot = Holder {
        holding: Holding::Slot,
        name: "standby_1".to_owned(),
        is_idle: true,
        open: None,
        ..holder(None, Some(5_000), 0, true)
    };
    let gates = with(vec![holder(None, Some(20), 600, true), slot]);
    let remarks = asked(Kind::Vacuum, Engine::Copy, &gates).unwrap();
    assert_eq!(
        remarks,
        [
            "the replication slot standby_1, which nobody reads holds the horizon: rows that died in the last 5000 transactions stay"
        ]
    );
    asked(Kind::Analyze, Engine::Copy, &gates).unwrap();
}

#[test]
fn an_index_waits_for_whoever_has_the_table_locked() {
    let idle = holder(None, None, 600, true);
    asked(Kind::Reindex, Engine::Copy, &with(vec![idle.clone()])).unwrap();
    let locks = Holder { has_lock: true, ..idle };
    let refused = asked(Kind::Reindex, Engine::Copy, &with(vec![locks])).unwrap_err();
    assert!(
        refused.starts_with("REINDEX CONCURRENTLY would wait for a transaction in database shop"),
        "{refused}"
    );
}

#[test]
fn nobody_waits_for_an_autovacuum_and_the_horizon_does() {
    let autovacuum = Holder {
        is_autovacuum: true,
        ..holder(None, Some(9), 600, true)
    };
    let gates = with(vec![autovacuum]);
    asked(Kind::Reindex, Engine::Copy, &gates).unwrap();
    asked(Kind::Reorganize, Engine::Copy, &gates).unwrap();
    asked(Kind::Reorganize, Engine::Rewrite, &gates).unwrap_err();
}

#[test]
fn a_replica_that_is_behind_is_not_burdened() {
    let replica = |behind_bytes, behind_s| Gates {
        replicas: vec![Replica {
            name: "b".to_owned(),
            behind_bytes,
            behind: Some(Duration::from_secs(behind_s)),
        }],
        ..with(Vec::new())
    };
    asked(Kind::Vacuum, Engine::Copy, &replica(64 << 20, 10)).unwrap();
    for gates in [replica((64 << 20) + 1, 0), replica(0, 11)] {
        for kind in [Kind::Vacuum, Kind::Freeze, Kind::Reindex, Kind::Reorganize] {
            asked(kind, Engine::Copy, &gates).unwrap_err();
        }
        asked(Kind::Sweep, Engine::Copy, &gates).unwrap();
    }
}

#[test]
fn space_that_is_not_there_is_a_reason_and_space_that_is_not_known_a_remark() {
    let space = |free_bytes| Gates {
        free_bytes,
        ..with(Vec::new())
    };
    assert_eq!(
        asked(Kind::Reindex, Engine::Copy, &space(Some(1_400_000))),
        Ok(Vec::new())
    );
    assert_eq!(
        asked(Kind::Reindex, Engine::Copy, &space(Some(1_300_000))).unwrap_err(),
        "public.t needs 2 MiB free, and there are 2 MiB"
    );
    assert_eq!(asked(Kind::Reindex, Engine::Copy, &space(None)).unwrap().len(), 1);
    let strict = Limits {
        needs_known_space: true,
        ..Limits::default()
    };
    gate(Kind::Reindex, Engine::Copy, SUBJECT, &space(None), strict).unwrap_err();
    assert_eq!(asked(Kind::Vacuum, Engine::Copy, &space(None)), Ok(Vec::new()));
}

#[test]
fn what_cannot_be_seen_is_said() {
    let gates = Gates {
        hidden: 3,
        ..with(Vec::new())
    };
    let remarks = asked(Kind::Vacuum, Engine::Copy, &gates).unwrap();
    assert_eq!(
        remarks,
        ["3 sessions of other users cannot be looked into: grant pg_read_all_stats"]
    );
}

#[test]
fn times_are_told_roughly() {
    for (seconds, expected) in [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_200, "2 h"),
        (200_000, "2 days"),
    ] {
        assert_eq!(in_words(Duration::from_secs(seconds)), expected);
    }
}
