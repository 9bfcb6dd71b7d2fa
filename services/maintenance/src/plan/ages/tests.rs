//! Limits and times from ages and paces. Pure.

use std::time::Duration;

use super::*;
use crate::plan::TableName;

pub(crate) fn server() -> ServerAges {
    ServerAges {
        cluster: "1".to_owned(),
        database: "shop".to_owned(),
        next: PerIds {
            transactions: 3_000_000_000,
            multixacts: 1_000,
        },
        age: PerIds {
            transactions: 150_000_000,
            multixacts: 1_000,
        },
        server_age: PerIds {
            transactions: 180_000_000,
            multixacts: 1_000,
        },
        freeze_max: PerIds {
            transactions: 200_000_000,
            multixacts: 400_000_000,
        },
        failsafe: PerIds {
            transactions: 1_600_000_000,
            multixacts: 1_600_000_000,
        },
        horizon_age: 10,
        members: None,
        block_bytes: 8_192,
        is_standby: false,
    }
}

pub(crate) fn table(name: &str, xid_age: u64) -> TableAge {
    let limit = PerIds {
        transactions: 200_000_000,
        multixacts: 400_000_000,
    };
    TableAge {
        table: TableName {
            schema: "public".to_owned(),
            name: name.to_owned(),
        },
        heap: HeapAge {
            age: PerIds {
                transactions: xid_age,
                multixacts: 0,
            },
            limit,
            pages: 1_000,
            pages_frozen: 400,
        },
        toast: None,
        size_bytes: 8_192_000,
        index_bytes: 1_000_000,
        apart: None,
        has_autovacuum: false,
    }
}

#[test]
fn limits_are_those_of_the_server() {
    let mut server = server();
    let limit = |server: &ServerAges, limit| server.limit(Ids::Transactions, limit);
    assert_eq!(
        Limit::ALL.map(|one| limit(&server, one)),
        [200_000_000, 1_600_000_000, 2_107_483_648, 2_144_483_648]
    );
    // Failsafe never comes before 105 % of what starts an autovacuum.
    server.freeze_max.transactions = 1_800_000_000;
    assert_eq!(limit(&server, Limit::Failsafe), 1_890_000_000);
    server.failsafe.transactions = 0;
    assert_eq!(limit(&server, Limit::Failsafe), 1_890_000_000);
}

#[test]
fn members_of_multixacts_that_take_much_room_lower_the_limit() {
    let mut server = server();
    server.server_age.multixacts = 100_000_000;
    let limit = |members: u64| {
        let server = ServerAges {
            members: Some(members),
            ..server.clone()
        };
        server.limit(Ids::Multixacts, Limit::Autovacuum)
    };
    assert_eq!(limit(1 << 31), 400_000_000);
    assert_eq!(limit((1 << 31) + (1 << 29)), 50_000_000);
    assert_eq!(limit(1 << 32), 0);
}

#[test]
fn times_follow_from_age_limit_and_pace() {
    let server = server();
    let pace = Pace::steady(1_000.0);
    let eta = |limit| server.eta(Ids::Transactions, limit, &pace);
    assert_eq!(eta(Limit::Autovacuum), Eta::In(Duration::from_secs(50_000)));
    assert_eq!(eta(Limit::Failsafe), Eta::In(Duration::from_secs(1_450_000)));
    // The server stops for its oldest database.
    assert_eq!(eta(Limit::Stop), Eta::In(Duration::from_millis(1_964_483_648)));
    assert_eq!(super::eta(7, 7, &Pace::unknown()), Eta::Now);
    assert_eq!(super::eta(6, 7, &Pace::unknown()), Eta::Unknown);
    assert_eq!(super::eta(6, 7, &Pace::steady(0.0)), Eta::Never);
    assert_eq!(super::eta(0, 1 << 40, &Pace::steady(1.0)), Eta::Never);
}

#[test]
fn the_nearest_of_a_tables_four_limits_counts() {
    let (xids, mxids) = (Pace::steady(100.0), Pace::steady(100.0));
    let paces = PerIds {
        transactions: &xids,
        multixacts: &mxids,
    };
    let mut table = table("t", 50_000_000);
    let nearest = table.nearest(&paces);
    assert_eq!(
        (nearest.ids, nearest.is_toast, nearest.limit),
        (Ids::Transactions, false, 200_000_000)
    );
    table.toast = Some(HeapAge {
        age: PerIds {
            transactions: 60_000_000,
            multixacts: 0,
        },
        ..table.heap
    });
    assert!(table.nearest(&paces).is_toast);
    table.heap.age.multixacts = 399_000_000;
    let nearest = table.nearest(&paces);
    assert_eq!((nearest.ids, nearest.age), (Ids::Multixacts, 399_000_000));
    assert_eq!(nearest.eta, Eta::In(Duration::from_secs(10_000)));
    assert_eq!(table.unfrozen_bytes(8_192), 1_200 * 8_192);
    // No pace says which comes first: what is used up most does.
    let none = Pace::unknown();
    let paces = PerIds {
        transactions: &none,
        multixacts: &none,
    };
    assert_eq!(table.nearest(&paces).ids, Ids::Multixacts);
}

#[test]
fn figures_are_short() {
    let words = [30, 600, 36_000, 864_000, 1 << 30].map(|seconds| span(Duration::from_secs(seconds)));
    assert_eq!(words, ["30 s", "10 min", "10.0 h", "10.0 days", "34 years"]);
    let words = [999, 80_000, 200_000_000, 1_600_000_000].map(ids_in_words);
    assert_eq!(words, ["999", "80 thousand", "200.0 million", "1.60 billion"]);
}
