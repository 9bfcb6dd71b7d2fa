//! Shapes under loads that change, minute by minute, without a clock.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use weir_model::{Fingerprint, Project};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What running a shape is like.
#[derive(Debug, Clone, Copy)]
struct Load {
    per_second: f64,
    hit_ratio: f64,
    miss_us: u64,
    overhead_us: u64,
}

const CHEAP_AND_NEVER_HIT: Load = Load {
    per_second: 1_000.0,
    hit_ratio: 0.0,
    miss_us: 40,
    overhead_us: 3,
};
const WELL_HIT: Load = Load {
    hit_ratio: 0.8,
    ..CHEAP_AND_NEVER_HIT
};

/// One account and the time.
struct Run {
    account: Account,
    now: Instant,
    owed: f64,
    randomness: fastrand::Rng,
    served: u64,
    left_alone: u64,
}

impl Run {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            account: Account::new(now),
            now,
            owed: 0.0,
            randomness: fastrand::Rng::with_seed(7),
            served: 0,
            left_alone: 0,
        }
    }

    /// Runs statements for so long, and says how often the shape was put off or came back.
    fn run(&mut self, load: Load, lasting: Duration) -> &mut Self {
        let until = self.now + lasting;
        (self.served, self.left_alone) = (0, 0);
        while self.now < until {
            self.now += Duration::from_millis(100);
            self.owed += load.per_second / 10.0;
            while self.owed >= 1.0 {
                self.owed -= 1.0;
                self.statement(load);
            }
        }
        self
    }

    fn statement(&mut self, load: Load) {
        let key = self.randomness.u64(..).to_ne_bytes();
        match self.account.mode(self.now, &key) {
            Mode::Observe(reason) => {
                self.account.bypass(reason);
                self.left_alone += 1;
            }
            _ if self.randomness.f64() < load.hit_ratio => {
                self.account.hit(Level::Memory, Duration::from_micros(1));
                self.served += 1;
            }
            _ => {
                let (server, overhead) = (
                    Duration::from_micros(load.miss_us),
                    Duration::from_micros(load.overhead_us),
                );
                self.account.miss(MissReason::Absent, server, overhead);
                self.served += 1;
            }
        }
    }

    fn is_off(&self) -> bool {
        self.account.balance(self.now).standing == Standing::Off
    }

    fn turns(&self) -> u64 {
        self.account.turns()
    }

    fn share_served(&self) -> f64 {
        self.served as f64 / (self.served + self.left_alone) as f64
    }
}

#[test]
fn a_shape_that_loses_goes_off_soon_and_costs_little_from_then_on() {
    let mut run = Run::new();
    assert_eq!(run.account.mode(run.now, b"k"), Mode::Serve, "a new shape is looked up");
    assert!(
        !run.run(CHEAP_AND_NEVER_HIT, SECOND / 2).is_off(),
        "it has a fair chance first"
    );
    assert!(run.run(CHEAP_AND_NEVER_HIT, 2 * SECOND).is_off());
    let share = run.run(CHEAP_AND_NEVER_HIT, 120 * MINUTE).share_served();
    assert!((0.06..0.065).contains(&share), "a sixteenth is the sample: {share}");
    let bypasses = run.account.balance(run.now).counts.bypasses;
    assert!(bypasses[BypassReason::NoBenefit as usize] > 1_000_000);
}

#[test]
fn it_comes_back_when_the_load_has_changed_and_stays() {
    let mut run = Run::new();
    run.run(CHEAP_AND_NEVER_HIT, MINUTE);
    assert!(run.run(WELL_HIT, 10 * SECOND).share_served() > 0.7, "it is seen soon");
    let share = run.run(WELL_HIT, 60 * MINUTE).share_served();
    assert!(!run.is_off() && share == 1.0, "{share}");
}

#[test]
fn what_is_rare_or_expensive_stays_although_it_is_never_hit() {
    let rare = Load {
        per_second: 0.5,
        ..CHEAP_AND_NEVER_HIT
    };
    let expensive = Load {
        per_second: 20.0,
        miss_us: 500_000,
        ..CHEAP_AND_NEVER_HIT
    };
    let expensive_and_seldom_hit = Load {
        hit_ratio: 0.01,
        per_second: 1_000.0,
        ..expensive
    };
    for load in [rare, expensive, expensive_and_seldom_hit] {
        let mut run = Run::new();
        let share = run.run(load, 30 * MINUTE).share_served();
        assert!(share == 1.0, "{load:?}: {share}");
    }
}

#[test]
fn a_small_loss_is_a_loss_where_there_is_much_of_it() {
    // 0.3 % of what PostgreSQL takes.
    let small = Load {
        miss_us: 1_000,
        ..CHEAP_AND_NEVER_HIT
    };
    assert!(Run::new().run(small, MINUTE).is_off());
}

#[test]
fn an_hour_of_gain_does_not_excuse_a_loss_now() {
    let mut run = Run::new();
    assert!(!run.run(WELL_HIT, 60 * MINUTE).is_off());
    assert!(run.run(CHEAP_AND_NEVER_HIT, 3 * MINUTE).left_alone > 60_000);
}

#[test]
fn however_the_load_changes_a_shape_does_not_go_to_and_fro() {
    for swing in [SECOND, 7 * SECOND, 20 * SECOND, 45 * SECOND, 5 * MINUTE, 17 * MINUTE] {
        let (mut run, mut elapsed) = (Run::new(), Duration::ZERO);
        while elapsed < 240 * MINUTE {
            run.run(slow(CHEAP_AND_NEVER_HIT), swing).run(slow(WELL_HIT), swing);
            elapsed += 2 * swing;
        }
        assert!(run.turns() <= 40, "{} turns in four hours, {swing:?}", run.turns());
    }
    let mut run = Run::new();
    let mut randomness = fastrand::Rng::with_seed(11);
    for _ in 0..1_000 {
        let load = if randomness.bool() {
            CHEAP_AND_NEVER_HIT
        } else {
            WELL_HIT
        };
        run.run(slow(load), Duration::from_millis(randomness.u64(100..30_000)));
    }
    assert!(run.turns() <= 40, "{} turns", run.turns());
}

fn slow(load: Load) -> Load {
    Load {
        per_second: 200.0,
        ..load
    }
}

/// Keys that are remembered once they were looked up, as memory does it, and asked for in no order.
fn asked(run: &mut Run, keys: u32, known: &mut HashSet<u32>, per_second: u32, lasting: Duration) {
    let until = run.now + lasting;
    while run.now < until {
        run.now += SECOND / per_second;
        let key = run.randomness.u32(..keys);
        match run.account.mode(run.now, &key.to_ne_bytes()) {
            Mode::Serve if known.contains(&key) => run.account.hit(Level::Memory, Duration::from_micros(1)),
            Mode::Serve => {
                known.insert(key);
                let (server, overhead) = (Duration::from_micros(40), Duration::from_micros(3));
                run.account.miss(MissReason::Absent, server, overhead);
            }
            Mode::Observe(reason) => run.account.bypass(reason),
            Mode::DryRun => panic!("nobody ordered it"),
        }
    }
}

#[test]
fn many_keys_that_come_seldom_are_found_to_pay_in_the_end() {
    // Each key comes every 100 seconds: in its first second, and its first turns, nothing is hit.
    let (mut run, mut known) = (Run::new(), HashSet::new());
    asked(&mut run, 10_000, &mut known, 100, 10 * SECOND);
    assert!(run.is_off());
    asked(&mut run, 10_000, &mut known, 100, 30 * MINUTE);
    assert!(!run.is_off());
}

#[test]
fn a_shape_of_one_key_has_its_turn() {
    let (mut run, mut known) = (Run::new(), HashSet::new());
    // What is remembered is void at the next look-up, for a while.
    for _ in 0..3_000 {
        asked(&mut run, 1, &mut known, 100, SECOND / 100);
        known.clear();
    }
    assert!(run.is_off());
    asked(&mut run, 1, &mut known, 100, 2 * MINUTE);
    assert!(!run.is_off());
}

#[test]
fn near_the_edge_a_shape_does_not_go_to_and_fro_either() {
    // Gains about as much as it loses.
    let even = Load {
        hit_ratio: 0.07,
        ..slow(CHEAP_AND_NEVER_HIT)
    };
    let mut run = Run::new();
    run.run(even, 240 * MINUTE);
    assert!(run.turns() <= 20, "{} turns in four hours", run.turns());
}

#[test]
fn rules_come_before_measurements() {
    let mut run = Run::new();
    run.run(CHEAP_AND_NEVER_HIT, MINUTE);
    let modes = |run: &Run| {
        (0..1_000_u32)
            .map(|key| run.account.mode(run.now, &key.to_ne_bytes()))
            .collect::<Vec<_>>()
    };
    let in_sample = modes(&run).iter().filter(|mode| **mode == Mode::Serve).count();
    assert!((30..100).contains(&in_sample), "{in_sample}");
    let left = (0..1_000_u32).find(|key| run.account.mode(run.now, &key.to_ne_bytes()) != Mode::Serve);
    let key = left.unwrap().to_ne_bytes();
    for (order, mode) in [
        (Order::Always, Mode::Serve),
        (Order::Never, Mode::Observe(BypassReason::Policy)),
        (Order::DryRun, Mode::DryRun),
        (Order::Auto, Mode::Observe(BypassReason::NoBenefit)),
    ] {
        run.account.ordered(order, "rule");
        assert_eq!(run.account.mode(run.now, &key), mode, "{order:?}");
        let balance = run.account.balance(run.now);
        assert_eq!((balance.order, balance.policy_id.as_str()), (order, "rule"));
    }
}

#[test]
fn a_dry_run_counts_what_would_have_been_saved_and_nothing_else() {
    let (account, now) = (Account::new(Instant::now()), Instant::now());
    let (server, took, overhead) = (100, 2, 5);
    for _ in 0..3 {
        account.would_hit(Duration::from_micros(took), Duration::from_micros(server));
    }
    account.would_miss(Duration::from_micros(server), Duration::from_micros(overhead));
    let balance = account.balance(now + SECOND);
    assert!((balance.counts.would_have_saved_ns() - 289_000.0).abs() < 1.0);
    assert_eq!((balance.counts.hits_total(), balance.counts.misses_total()), (0, 0));
    assert!(balance.saved_ns == 0.0);
}

#[test]
fn what_was_saved_is_what_postgresql_would_have_taken_less_what_memory_took() {
    let (account, now) = (Account::new(Instant::now()), Instant::now());
    account.miss(MissReason::Absent, Duration::from_micros(100), Duration::from_micros(4));
    for _ in 0..10 {
        account.hit(Level::Shared, Duration::from_micros(1));
    }
    let saved_ns = account.balance(now + SECOND).saved_ns;
    assert!((saved_ns - 986_000.0).abs() < 1.0, "{saved_ns}");
    assert!(
        (account.balance(now + 2 * SECOND).saved_ns - saved_ns).abs() < 1.0,
        "it is not counted twice"
    );
}

#[test]
fn threads_lose_nothing() {
    let account = Account::new(Instant::now());
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let account = &account;
            scope.spawn(move || {
                crate::workers::set_current_worker(worker);
                for _ in 0..10_000 {
                    account.hit(Level::Memory, Duration::from_nanos(3));
                    account.filled(10);
                    account.gone(10, Gone::Evicted);
                }
                account.filled(7);
            });
        }
    });
    let balance = account.balance(Instant::now());
    assert_eq!(balance.counts.hits, [40_000, 0]);
    assert_eq!((balance.counts.hit_ns, balance.counts.evictions), (120_000, 40_000));
    assert_eq!((balance.entries, balance.bytes), (4, 28));
}

fn project(name: &str) -> Project {
    Project::parse(name).unwrap()
}

fn shape(number: u64) -> (Fingerprint, &'static str) {
    (Fingerprint::new(number), "select $1")
}

fn accounts(accounts_max: usize) -> (Accounts, Instant) {
    let limits = AccountsLimits {
        accounts_max,
        projects_max: 3,
    };
    (Accounts::new(limits), Instant::now())
}

#[test]
fn a_shape_has_one_account_in_each_database_and_project() {
    let (accounts, now) = accounts(10);
    let of = |name, database, number| accounts.of(&project(name), database, shape(number), now);
    let one = of("a", "orders", 1);
    assert!(std::sync::Arc::ptr_eq(&one, &of("a", "orders", 1)));
    for other in [of("a", "stock", 1), of("b", "orders", 1), of("a", "orders", 2)] {
        assert!(!std::sync::Arc::ptr_eq(&one, &other));
    }
}

#[test]
fn what_closed_accounts_counted_stays_in_the_total() {
    let (accounts, now) = accounts(4);
    let a = project("a");
    for number in 0..100 {
        accounts.of(&a, "orders", shape(number), now).bypass(BypassReason::Gap);
    }
    let drained = accounts.drain(false, now);
    assert_eq!(drained[0].counts.bypasses[BypassReason::Gap as usize], 100);
    assert_eq!((drained[0].lines.len(), accounts.totals(now).accounts), (4, 4));
    assert_eq!(accounts.totals(now).counts.bypasses[BypassReason::Gap as usize], 100);
}

#[test]
fn a_project_with_many_shapes_takes_no_room_from_one_with_few() {
    let (accounts, now) = accounts(10);
    let (few, many) = (project("few"), project("many"));
    accounts.of(&few, "orders", shape(1), now).bypass(BypassReason::Gap);
    for number in 0..1_000 {
        accounts
            .of(&many, "orders", shape(number), now)
            .bypass(BypassReason::Gap);
    }
    let drained = accounts.drain(false, now);
    let lines = |name: &str| {
        drained
            .iter()
            .find(|found| found.project.as_str() == name)
            .unwrap()
            .lines
            .len()
    };
    assert_eq!((lines("few"), lines("many")), (1, 9));
}

#[test]
fn accounts_that_are_held_are_not_closed_and_further_shapes_share_one() {
    let (accounts, now) = accounts(3);
    let a = project("a");
    let held: Vec<_> = (0..3)
        .map(|number| accounts.of(&a, "orders", shape(number), now))
        .collect();
    let (fourth, fifth) = (
        accounts.of(&a, "orders", shape(4), now),
        accounts.of(&a, "orders", shape(5), now),
    );
    assert!(std::sync::Arc::ptr_eq(&fourth, &fifth));
    fourth.bypass(BypassReason::Gap);
    held[0].bypass(BypassReason::Gap);
    let drained = accounts.drain(false, now);
    assert_eq!(drained[0].counts.bypasses[BypassReason::Gap as usize], 2);
    assert_eq!(drained[0].lines.len(), 1);
    drop((held, fourth, fifth));
    let sixth = accounts.of(&a, "orders", shape(6), now);
    assert!(!std::sync::Arc::ptr_eq(&sixth, &accounts.others(&a, now)));
}

#[test]
fn projects_are_bounded_and_what_forgotten_ones_counted_stays() {
    let (accounts, now) = accounts(3);
    for number in 0..50 {
        accounts
            .others(&project(&format!("p{number}")), now)
            .bypass(BypassReason::Gap);
    }
    assert_eq!(accounts.drain(false, now).len(), 3);
    assert_eq!(accounts.totals(now).counts.bypasses[BypassReason::Gap as usize], 50);
}

#[test]
fn only_news_is_told_and_texts_once() {
    let (accounts, now) = accounts(10);
    let a = project("a");
    let (quiet, busy) = (
        accounts.of(&a, "orders", shape(1), now),
        accounts.of(&a, "orders", shape(2), now),
    );
    let long = "é".repeat(2_000);
    accounts
        .of(&a, "orders", (Fingerprint::new(3), &long), now)
        .bypass(BypassReason::Gap);
    busy.bypass(BypassReason::Gap);
    let told = |anew| {
        let mut lines = accounts.drain(anew, now).remove(0).lines;
        lines.sort_by_key(|line| line.fingerprint);
        lines
            .into_iter()
            .map(|line| (line.fingerprint.get(), line.text))
            .collect::<Vec<_>>()
    };
    let first = told(false);
    assert_eq!(first[0], (2, Some("select $1".into())));
    assert!(first[1].1.as_ref().unwrap().len() < 2_100 && first.len() == 2);
    assert_eq!(told(false), []);
    quiet.filled(100);
    busy.bypass(BypassReason::Gap);
    assert_eq!(told(false), [(1, Some("select $1".into())), (2, None)]);
    assert_eq!(told(true).iter().filter(|(_, text)| text.is_some()).count(), 3);
    busy.ordered(Order::Never, "rule");
    assert_eq!(told(false), [(2, None)], "a rule is news");
}

#[test]
fn a_lease_that_ran_out_is_told_by_those_who_use_the_database() {
    let (accounts, now) = accounts(10);
    accounts.of(&project("a"), "orders", shape(1), now);
    accounts.of(&project("b"), "stock", shape(1), now);
    accounts.lapsed("orders", 3 * SECOND);
    let mut lapsed = accounts.drain(false, now);
    lapsed.sort_by(|a, b| a.project.cmp(&b.project));
    assert_eq!((lapsed[0].lapsed, lapsed[1].lapsed), (3 * SECOND, Duration::ZERO));
}
