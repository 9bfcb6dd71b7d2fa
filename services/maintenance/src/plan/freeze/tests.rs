//! What is frozen, what is left, and why. Pure.

use std::time::Duration;

use super::*;
use crate::plan::ages::HeapAge;
use crate::plan::ages::tests::{server, table};

const MILLION: u64 = 1_000_000;
const DAY: Duration = Duration::from_secs(86_400);

struct Case {
    server: ServerAges,
    pace: Pace,
    holder: Option<&'static str>,
    occasion: Occasion,
}

impl Case {
    /// A pace at which 100 million ids last a hundred days.
    fn slow() -> Self {
        Self {
            server: server(),
            pace: Pace::steady(11.574),
            holder: None,
            occasion: Occasion::open(),
        }
    }

    fn plan(&self, tables: &[TableAge]) -> Vec<Freeze> {
        let still = Pace::steady(0.0);
        let circumstances = Circumstances {
            server: &self.server,
            paces: PerIds {
                transactions: &self.pace,
                multixacts: &still,
            },
            holder: self.holder,
            occasion: self.occasion,
            rule: FreezeRule::default(),
        };
        plan_freeze(tables, &circumstances)
    }

    fn one(&self, table: TableAge) -> Freeze {
        self.plan(&[table]).remove(0)
    }
}

fn verdict(freeze: &Freeze) -> (bool, Urgency) {
    (freeze.selected, freeze.urgency)
}

#[test]
fn a_table_is_due_from_four_fifths_of_its_age_on() {
    let case = Case::slow();
    assert_eq!(verdict(&case.one(table("t", 159 * MILLION))), (false, Urgency::None));
    let due = case.one(table("t", 160 * MILLION));
    assert_eq!(verdict(&due), (true, Urgency::Due));
    assert_eq!(
        due.reason,
        "at 80 % of the 200.0 million transaction ids at which autovacuum starts without asking, reached in 40.0 days, \
         at or beyond 80 %"
    );
    assert_eq!(due.cost_bytes, 600 * 8_192 * 3 + 1_000_000);
    // A limit of its own counts.
    let mut own = table("t", 80_000);
    own.heap.limit.transactions = 100_000;
    assert_eq!(verdict(&case.one(own)), (true, Urgency::Due));
}

#[test]
fn a_table_is_due_when_its_limit_comes_within_a_week_or_before_the_next_window() {
    let mut case = Case::slow();
    case.pace = Pace::steady(100.0);
    // 8.64 million a day.
    let far = || table("t", 130 * MILLION);
    assert_eq!(verdict(&case.one(far())), (false, Urgency::None));
    let near = case.one(table("t", 145 * MILLION));
    assert_eq!(verdict(&near), (true, Urgency::Due));
    assert!(near.reason.contains("in 6.4 days, within 7.0 days"), "{}", near.reason);
    case.occasion.next_opens_in = Some(DAY * 10);
    let before = case.one(far());
    assert_eq!(verdict(&before), (true, Urgency::Due));
    assert!(
        before.reason.contains("before the next window opens in 10.0 days"),
        "{}",
        before.reason
    );
    case.occasion.next_opens_in = Some(DAY * 8);
    assert_eq!(verdict(&case.one(far())), (false, Urgency::None));
}

#[test]
fn only_an_emergency_leaves_the_window_and_says_so() {
    let mut case = Case::slow();
    case.occasion.is_closed = true;
    let due = case.one(table("t", 170 * MILLION));
    assert_eq!(verdict(&due), (false, Urgency::Due));
    assert!(
        due.reason.ends_with("left, because no window is open, and it can wait"),
        "{}",
        due.reason
    );
    let urgent = case.one(table("t", 1_001 * MILLION));
    assert_eq!(verdict(&urgent), (true, Urgency::Emergency));
    assert_eq!(
        urgent.reason,
        "1.00 billion transaction ids old; it leaves the window, because it cannot wait"
    );
    case.occasion.is_closed = false;
    assert!(!case.one(table("t", 1_001 * MILLION)).reason.contains("window"));
}

#[test]
fn an_emergency_is_an_age_a_share_or_a_time_that_was_watched_for_long_enough() {
    let mut case = Case::slow();
    case.server.failsafe.transactions = 300 * MILLION;
    let share = case.one(table("t", 285 * MILLION));
    assert_eq!(share.urgency, Urgency::Emergency);
    assert!(share.reason.contains("95 % of the failsafe age"), "{}", share.reason);
    assert_eq!(case.one(table("t", 284 * MILLION)).urgency, Urgency::Due);
    case.server.failsafe.transactions = 1_600 * MILLION;
    case.pace = Pace::steady(10_000.0);
    let soon = case.one(table("t", 170 * MILLION));
    assert_eq!(soon.urgency, Urgency::Emergency);
    assert!(soon.reason.contains("is reached in 39.7 h"), "{}", soon.reason);
    // However fast: one that was frozen lately gains nothing.
    assert_eq!(case.one(table("halfway", 99 * MILLION)).urgency, Urgency::Due);
    assert_eq!(case.one(table("young", 19 * MILLION)).urgency, Urgency::None);
    case.pace = Pace::steady(1e9).watched_for(WATCHED_MIN / 2);
    assert_eq!(case.one(table("t", 170 * MILLION)).urgency, Urgency::Due);
}

#[test]
fn nothing_is_vacuumed_while_the_horizon_does_not_move() {
    let mut case = Case::slow();
    case.server.horizon_age = 160 * MILLION;
    let held = case.one(table("t", 170 * MILLION));
    assert_eq!(verdict(&held), (false, Urgency::Due));
    assert!(
        held.reason
            .contains("whoever holds the oldest transaction has to end first"),
        "{}",
        held.reason
    );
    case.holder = Some("pid 4711 (app, idle in transaction for 9 h)");
    // Not in an emergency either: it would read everything and free nothing.
    case.server.horizon_age = 1_000 * MILLION;
    let held = case.one(table("t", 1_050 * MILLION));
    assert_eq!(verdict(&held), (false, Urgency::Emergency));
    assert!(
        held.reason
            .contains("pid 4711 (app, idle in transaction for 9 h) has to end first; autovacuum starts now, the server takes no more writes in 5 years"),
        "{}",
        held.reason
    );
    // One that holds back a part only is no reason to do nothing.
    case.server.horizon_age = 100 * MILLION;
    assert_eq!(verdict(&case.one(table("t", 170 * MILLION))), (true, Urgency::Due));
}

#[test]
fn what_cannot_be_helped_by_a_vacuum_is_left_with_its_reason() {
    let case = Case::slow();
    let reason = |change: &dyn Fn(&mut TableAge)| {
        let mut table = table("t", 170 * MILLION);
        change(&mut table);
        let freeze = case.one(table);
        assert!(!freeze.selected, "{}", freeze.reason);
        freeze.reason
    };
    assert!(reason(&|table| table.has_autovacuum = true).contains("is at it already"));
    assert!(reason(&|table| table.apart = Some(Apart::System)).contains("by itself"));
    assert!(reason(&|table| table.apart = Some(Apart::Temporary)).contains("when its session ends"));
    let mut standby = Case::slow();
    standby.server.is_standby = true;
    let left = standby.one(table("t", 170 * MILLION));
    assert!(!left.selected && left.reason.contains("standby"), "{}", left.reason);
}

#[test]
fn what_is_stored_out_of_line_makes_its_table_due() {
    let mut toasted = table("t", 10);
    toasted.toast = Some(HeapAge {
        age: PerIds {
            transactions: 190 * MILLION,
            multixacts: 0,
        },
        ..toasted.heap
    });
    let due = Case::slow().one(toasted);
    assert_eq!(verdict(&due), (true, Urgency::Due));
    assert!(due.reason.starts_with("its TOAST is at 95 %"), "{}", due.reason);
}

#[test]
fn emergencies_come_first_then_small_tables_then_those_that_are_soon() {
    let big = |name, age| TableAge {
        size_bytes: SMALL_BYTES + 1,
        ..table(name, age)
    };
    let plan = Case::slow().plan(&[
        table("young", 5),
        big("big_soon", 195 * MILLION),
        table("small_later", 165 * MILLION),
        big("big_later", 170 * MILLION),
        table("small_soon", 190 * MILLION),
        big("urgent", 1_100 * MILLION),
    ]);
    let order: Vec<&str> = plan.iter().map(|freeze| freeze.table.name.as_str()).collect();
    assert_eq!(
        order,
        ["urgent", "small_soon", "small_later", "big_soon", "big_later", "young"]
    );
}
