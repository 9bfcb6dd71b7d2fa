//! What is kept, and that no clock can make everything go.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 20_000 * DAY_MS;

fn backup(number: usize, ended_unix_ms: i64) -> BackupEntry {
    let lsn = 1_000 * number as u64;
    let mut backup = BackupEntry {
        id: number.to_string(),
        ended_unix_ms,
        start: Some(Position { timeline: 1, lsn }),
        stop: Some(Position {
            timeline: 1,
            lsn: lsn + 100,
        }),
        ..BackupEntry::default()
    };
    backup.set_kind(BackupKind::Full);
    backup.set_state(BackupState::Unproven);
    backup
}

/// A backup a day, the last today.
fn daily(days: usize) -> State {
    let backups = (0..days).map(|at| backup(at, NOW - (days - 1 - at) as i64 * DAY_MS));
    State {
        backups: backups.collect(),
        ..State::default()
    }
}

fn kept(state: &State, rules: &Rules, now: i64) -> Vec<usize> {
    let kept = verdicts(state, rules, now)
        .into_iter()
        .filter(|verdict| !verdict.expires());
    kept.map(|verdict| verdict.id.parse().unwrap()).collect()
}

#[test]
fn each_rule_keeps_what_it_says_and_is_named() {
    let mut state = daily(60);
    state.backups[3].keep = true;
    state.backups[20].set_state(BackupState::Proven);
    let rules = Rules {
        days: 2,
        count: 5,
        weekly: 3,
        monthly: 2,
        ..Rules::default()
    };
    let by: BTreeMap<String, Vec<&str>> = verdicts(&state, &rules, NOW)
        .into_iter()
        .filter(|verdict| !verdict.expires())
        .map(|verdict| (verdict.id, verdict.kept_by))
        .collect();
    assert_eq!(by["3"], ["keep"]);
    assert_eq!(by["20"], ["last_proven"]);
    // Day 20,000 was Friday, the 4th of October: the last of September, and the Sundays before.
    assert_eq!(by["55"], ["count", "monthly"]);
    assert_eq!(by["56"], ["count"]);
    assert_eq!((&by["54"], &by["47"]), (&vec!["weekly"], &vec!["weekly"]));
    assert_eq!(by.len(), 9);
    assert_eq!(by["57"], ["days", "count"]);
    assert_eq!(by["59"], ["days", "count", "weekly", "monthly", "last"]);
}

#[test]
fn months_and_weeks_are_those_of_the_calendar() {
    // 2024-02-29, 2024-03-01, 2024-12-31, 2025-01-01, 1970-01-01, 1969-12-31.
    let months = [19_782, 19_783, 20_088, 20_089, 0, -1].map(|day| month(day * DAY_MS));
    assert_eq!(months[1] - months[0], 1);
    assert_eq!(months[3] - months[2], 1);
    assert_eq!(months[4] - months[5], 1);
    assert_eq!(months[3] - months[4], 55 * 12);
    // Sunday 2024-03-03 and the Monday after it.
    assert_eq!(week(19_786 * DAY_MS) - week(19_785 * DAY_MS), 1);
    assert_eq!(week(19_785 * DAY_MS), week(19_779 * DAY_MS));
}

#[test]
fn nothing_goes_where_no_rule_is_set() {
    assert_eq!(kept(&daily(9), &Rules::default(), NOW).len(), 9);
}

#[test]
fn exports_go_by_their_projects_own_days() {
    let mut state = daily(40);
    for (at, backup) in state.backups.iter_mut().enumerate() {
        backup.set_kind(BackupKind::Project);
        backup.project = ["own", "other"][at % 2].to_owned();
    }
    let rules = Rules {
        days: 30,
        count: 2,
        projects: [("own".to_owned(), 3)].into(),
        ..Rules::default()
    };
    let kept = kept(&state, &rules, NOW);
    assert_eq!(kept.iter().filter(|at| *at % 2 == 0).collect::<Vec<_>>(), [&36, &38]);
    assert_eq!(kept.iter().filter(|at| *at % 2 == 1).count(), 16);
}

#[test]
fn what_is_locked_stays_and_says_so() {
    let rules = Rules {
        count: 1,
        lock_days: 3,
        ..Rules::default()
    };
    let verdicts = verdicts(&daily(6), &rules, NOW);
    assert_eq!(verdicts[3].kept_by, ["object_lock"]);
    assert!(verdicts[1].expires());
}

#[test]
fn it_is_known_when_something_will_expire() {
    let rules = Rules {
        days: 5,
        count: 1,
        ..Rules::default()
    };
    let verdicts = verdicts(&daily(4), &rules, NOW);
    assert_eq!(verdicts[0].until_unix_ms, NOW + 2 * DAY_MS);
    assert_eq!(verdicts[3].until_unix_ms, 0, "the last is not kept by its days alone");
}

#[test]
fn what_failed_takes_nobodys_place() {
    let mut state = daily(5);
    for at in [3, 4] {
        state.backups[at].set_state(BackupState::Failed);
    }
    let rules = Rules {
        count: 2,
        ..Rules::default()
    };
    assert_eq!(kept(&state, &rules, NOW), [1, 2]);
}

#[test]
fn log_is_kept_from_the_backup_before_its_days_and_where_backups_need_it() {
    let mut state = daily(20);
    let rules = Rules {
        days: 30,
        wal_days: 7,
        ..Rules::default()
    };
    let needs = log_needs(&state, &rules, NOW);
    assert_eq!(
        needs.from,
        Some(Position {
            timeline: 1,
            lsn: 12_000
        })
    );
    assert!(needs.has(1, 12_000, 12_016) && needs.has(1, 11_990, 12_006) && needs.has(2, 0, 16));
    assert!(
        !needs.has(1, 11_900, 11_916) && needs.has(1, 11_090, 11_106),
        "only what backups need"
    );
    state.leases.push(crate::repo::state::Lease::default());
    assert!(log_needs(&state, &rules, NOW).has(1, 11_900, 11_916), "somebody writes");
    assert!(
        log_needs(&State::default(), &rules, NOW).has(1, 0, 1),
        "there is no backup"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever clocks do, the last few, the last proven, what is to be kept and every backup of the last days stay.
    #[test]
    fn no_clock_makes_what_is_needed_go(
        stamps in proptest::collection::vec(-400i64..400, 1..40),
        jump in -800i64..800,
        proven in 0usize..40,
        keep in 0usize..40,
        count in 1u32..4,
    ) {
        let mut state = daily(stamps.len());
        for (backup, shift) in state.backups.iter_mut().zip(&stamps) {
            // One in four was taken while the clock was wrong.
            if shift % 4 == 0 {
                backup.ended_unix_ms += shift * DAY_MS;
            }
        }
        let last = stamps.len() - 1;
        let (proven, keep) = (proven % stamps.len(), keep % stamps.len());
        state.backups[proven].set_state(BackupState::Proven);
        state.backups[keep].keep = true;
        let rules = Rules { days: 30, count, ..Rules::default() };
        let kept = kept(&state, &rules, NOW + jump * DAY_MS);
        prop_assert!(kept.contains(&last) && kept.contains(&keep) && kept.contains(&proven));
        prop_assert!(kept.len() >= stamps.len().min(count as usize));
        // Time that a clock made counts for one gap only, as long as most clocks are right.
        let wrong = stamps.iter().filter(|shift| *shift % 4 == 0).count();
        if wrong * 4 < last {
            prop_assert!(kept.contains(&last.saturating_sub(2)), "{kept:?} of {}", stamps.len());
        }
    }

    /// With clocks that are right, days are days.
    #[test]
    fn days_are_days_where_clocks_are_right(days in 1u32..40, count in 1usize..80) {
        let rules = Rules { days, ..Rules::default() };
        let kept = kept(&daily(count), &rules, NOW);
        prop_assert_eq!(kept.len(), count.min(days as usize + 1));
    }

    /// A jump of a year, once, makes nothing older than a gap.
    #[test]
    fn a_jump_of_a_year_expires_little(count in 3usize..40, at in 0usize..40, back in any::<bool>()) {
        let mut state = daily(count);
        let year = if back { -365 } else { 365 } * DAY_MS;
        for backup in state.backups.iter_mut().skip(at) {
            backup.ended_unix_ms += year;
        }
        let rules = Rules { days: 30, ..Rules::default() };
        for now in [NOW, NOW + year] {
            let jumped = kept(&state, &rules, now).len();
            let usual = kept(&daily(count), &rules, NOW).len();
            prop_assert!(jumped + 16 >= usual, "{jumped} rather than {usual}");
        }
    }

    /// What is needed at a later time was needed before: floors only rise.
    #[test]
    fn the_floor_of_the_log_only_rises(count in 1usize..40, days in 0u32..20, wait in 0i64..30) {
        let rules = Rules { days: 90, wal_days: days, ..Rules::default() };
        let floor = |state: &State, now| log_needs(state, &rules, now).from.unwrap().lsn;
        let state = daily(count);
        let before = floor(&state, NOW);
        let mut later = state.clone();
        later.backups.push(backup(count, NOW + wait * DAY_MS));
        prop_assert!(floor(&later, NOW + wait * DAY_MS) >= before);
        for at in 0..count {
            let lsn = 1_000 * at as u64;
            prop_assert!(log_needs(&state, &rules, NOW).has(1, lsn, lsn + 100), "a backup is consistent");
        }
    }
}
