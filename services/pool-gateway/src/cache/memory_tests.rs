//! Who goes when there is no room, and who stays.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use weir_model::Project;
use weir_sql::{Limits, analyse};

use super::super::entry::{Body, Serving};
use super::super::shape::{Shape, says};
use super::super::view::Basis;
use super::super::worth::{Accounts, AccountsLimits};
use super::*;

const ROOM: usize = 1 << 20;
const SMALL: u64 = 64 << 10;

fn shape() -> Arc<Shape> {
    let accounts = Accounts::new(AccountsLimits::default());
    let statement = Arc::new(analyse("select 1", Limits::default()));
    let account = accounts.of(&Project::default(), "db", (statement.fingerprint, ""), Instant::now());
    Arc::new(Shape::new(statement, says(b""), account))
}

/// An entry of a project, of a kilobyte and something.
fn entry(shape: &Arc<Shape>, project: u32) -> Arc<Entry> {
    Arc::new(Entry {
        basis: Basis {
            incarnation: 1,
            stamp: 1,
            buckets: Box::default(),
        },
        complete_at: 0,
        ends_at: u64::MAX,
        serving: Serving {
            level: None,
            bound: Duration::from_secs(1),
            is_ttl: false,
            policies: 0,
        },
        shape: shape.clone(),
        body: Body {
            description: Bytes::new(),
            rows: vec![b'r'; 1_000].into(),
            count: 1,
        },
        key_bytes: 8,
        name: None,
        is_shared: AtomicBool::new(false),
        is_foreign: AtomicBool::new(false),
        was_used: AtomicBool::new(false),
        project,
    })
}

fn key(number: u32) -> [u8; 8] {
    u64::from(number).to_be_bytes()
}

#[test]
fn who_may_fill_all_of_memory_is_never_refused() {
    let (memory, shape) = (Memory::new(ROOM), shape());
    for number in 0..10_000 {
        memory.put(&key(number), entry(&shape, 0), ROOM as u64).unwrap();
        assert!(memory.budgets.of(0) <= ROOM as u64);
    }
    let held = (0..10_000).filter(|number| memory.get(&key(*number)).is_some()).count();
    assert!((400..1_000).contains(&held), "{held}");
    assert_eq!(memory.budgets.places(0), 0, "it needs no line");
}

#[test]
fn in_a_share_the_oldest_go_but_for_those_that_are_used() {
    let (memory, shape) = (Memory::new(ROOM), shape());
    for number in 0..20 {
        memory
            .put(&key(1_000_000 + number), entry(&shape, 1), ROOM as u64)
            .unwrap();
    }
    for number in 0..2_000 {
        memory.put(&key(number), entry(&shape, 0), SMALL).unwrap();
        assert!(memory.budgets.of(0) <= SMALL);
        if let Some(used) = memory.get(&key(7)) {
            used.was_used.store(true, Ordering::Relaxed);
        }
    }
    let held: Vec<u32> = (0..2_000)
        .filter(|number| memory.get(&key(*number)).is_some())
        .collect();
    assert!((40..60).contains(&held.len()), "{}", held.len());
    assert!(
        held.contains(&7) && held.iter().all(|number| *number == 7 || *number > 1_900),
        "{held:?}"
    );
    let theirs = (0..20).filter(|number| memory.get(&key(1_000_000 + number)).is_some());
    assert_eq!(theirs.count(), 20, "others keep what is theirs");
    // Where all are used, one goes all the same.
    for number in &held {
        memory
            .get(&key(*number))
            .unwrap()
            .was_used
            .store(true, Ordering::Relaxed);
    }
    memory.put(&key(9_999), entry(&shape, 0), SMALL).unwrap();
    assert!(memory.get(&key(9_999)).is_some() && memory.budgets.of(0) <= SMALL);
}

#[test]
fn what_fits_into_no_share_is_refused_and_drives_nothing_out() {
    let (memory, shape) = (Memory::new(ROOM), shape());
    memory.put(&key(1), entry(&shape, 0), SMALL).unwrap();
    assert_eq!(memory.put(&key(2), entry(&shape, 0), 1_000), Err(FillRefusal::Budget));
    assert!(memory.get(&key(1)).is_some());
}

#[test]
fn a_share_that_becomes_smaller_is_kept_to() {
    let (memory, shape) = (Memory::new(ROOM), shape());
    for number in 0..200 {
        memory.put(&key(number), entry(&shape, 0), ROOM as u64).unwrap();
    }
    assert!(memory.budgets.of(0) > SMALL);
    memory.put(&key(1_000), entry(&shape, 0), SMALL).unwrap();
    assert!(memory.budgets.of(0) <= SMALL && memory.get(&key(1_000)).is_some());
}

#[test]
fn what_comes_and_goes_again_and_again_leaves_no_line_behind() {
    let (memory, shape) = (Memory::new(ROOM), shape());
    memory.put(&key(0), entry(&shape, 0), SMALL).unwrap();
    for number in 0..20_000 {
        let one = entry(&shape, 0);
        memory.put(&key(1 + number % 3), one.clone(), SMALL).unwrap();
        memory.forget(&key(1 + number % 3), &one);
        assert!(memory.budgets.places(0) <= 1_100, "{}", memory.budgets.places(0));
    }
    assert!(memory.get(&key(0)).is_some());
    assert_eq!(memory.budgets.of(0), entry(&shape, 0).bytes() as u64);
}

#[test]
fn threads_that_put_at_once_keep_to_the_share_in_the_end() {
    let (memory, shape) = (Memory::new(ROOM), shape());
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (memory, shape) = (&memory, &shape);
            scope.spawn(move || {
                for number in 0..3_000 {
                    let number = thread * 10_000 + number;
                    let _kept = memory.put(&key(number), entry(shape, 0), SMALL);
                }
            });
        }
    });
    memory.put(&key(99_999), entry(&shape, 0), SMALL).unwrap();
    let held = (0..40_000).filter(|number| memory.get(&key(*number)).is_some()).count() + 1;
    let bytes = entry(&shape, 0).bytes();
    assert_eq!(memory.budgets.of(0), (held * bytes) as u64);
    assert!(memory.budgets.of(0) <= SMALL);
}
