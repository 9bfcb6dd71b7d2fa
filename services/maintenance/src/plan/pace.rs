//! How hard to work, and from when on, after what came of the work before. Pure.
//!
//! The budget of a VACUUM grows by a step with each piece that nobody suffered from, and is halved with each that was
//! ended for the users' sake. So it settles just below what they notice.

use std::time::{Duration, SystemTime};

/// `vacuum_cost_limit` with nothing known, and within which bounds it moves.
const COST_LIMIT_START: u32 = 400;
const COST_LIMIT_MIN: u32 = 100;
const COST_LIMIT_MAX: u32 = 2_000;
const COST_LIMIT_STEP: u32 = 100;
/// Rest after a piece that users suffered from.
const COOL_DOWN: Duration = Duration::from_mins(15);
/// So many such pieces in one window are enough for it.
const CANCELS_MAX: usize = 3;
/// Where there is no window, so much time stands for one.
const NO_WINDOW: Duration = Duration::from_hours(4);

/// How a piece of work ended, as far as its pace goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was done, and nobody suffered.
    Clean,
    /// It was ended because users suffered, or because it blocked one.
    ForUsers,
    /// In another way: cancelled, out of time, refused. It says nothing of the pace.
    Otherwise,
}

/// One piece of work that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PieceOutcome {
    /// When.
    pub at: SystemTime,
    /// How.
    pub ended: Ended,
    /// The end of the window that it ran in, if there was one.
    pub window_ends: Option<SystemTime>,
}

/// How to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pace {
    /// `vacuum_cost_limit`.
    pub cost_limit: u32,
    /// Nothing begins before this.
    pub not_before: Option<SystemTime>,
    /// Why, in words for people.
    pub reason: String,
}

/// The pace after the last pieces of work on a database, in any order.
pub(crate) fn pace(history: &[PieceOutcome], now: SystemTime) -> Pace {
    // A clock that was set back must not make anybody wait for what it says is still to come.
    let mut history: Vec<PieceOutcome> = history.iter().filter(|piece| piece.at <= now).copied().collect();
    history.sort_by_key(|piece| piece.at);
    let cost_limit = history
        .iter()
        .fold(COST_LIMIT_START, |limit, piece| next_limit(limit, piece.ended));
    let (not_before, why) = rest(&history, now).unzip();
    let budget = format!("vacuum_cost_limit {cost_limit}");
    Pace {
        cost_limit,
        not_before,
        reason: why.map_or(budget.clone(), |why| format!("{why}; then with {budget}")),
    }
}

fn next_limit(limit: u32, ended: Ended) -> u32 {
    let next = match ended {
        Ended::Clean => limit + COST_LIMIT_STEP,
        Ended::ForUsers => limit / 2,
        Ended::Otherwise => limit,
    };
    next.clamp(COST_LIMIT_MIN, COST_LIMIT_MAX)
}

/// Until when to rest, and why.
fn rest(history: &[PieceOutcome], now: SystemTime) -> Option<(SystemTime, String)> {
    let cancels: Vec<&PieceOutcome> = history.iter().filter(|piece| piece.ended == Ended::ForUsers).collect();
    let window = cancels
        .iter()
        .filter_map(|piece| window_of(piece))
        .filter(|ends| *ends > now);
    let enough = window.max().filter(|_| {
        let now_running = |piece: &&&PieceOutcome| window_of(piece).is_some_and(|ends| ends > now);
        cancels.iter().filter(now_running).count() >= CANCELS_MAX
    });
    if let Some(ends) = enough {
        let why = "users suffered from three pieces of work in this window, the next one begins after it";
        return Some((ends, why.to_owned()));
    }
    let until = cancels.last()?.at.checked_add(COOL_DOWN).filter(|until| *until > now)?;
    let minutes = until.duration_since(now).unwrap_or_default().as_secs().div_ceil(60);
    Some((
        until,
        format!("users suffered from the last piece of work, a rest of {minutes} more minutes"),
    ))
}

fn window_of(piece: &PieceOutcome) -> Option<SystemTime> {
    piece.window_ends.or_else(|| piece.at.checked_add(NO_WINDOW))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_mins(100_000 + minutes)
    }

    fn piece(minutes: u64, ended: Ended, window: Option<u64>) -> PieceOutcome {
        PieceOutcome {
            at: at(minutes),
            ended,
            window_ends: window.map(at),
        }
    }

    fn pieces(ended: &[Ended]) -> Vec<PieceOutcome> {
        let piece = |(number, ended): (usize, &Ended)| piece(number as u64, *ended, Some(10));
        ended.iter().enumerate().map(piece).collect()
    }

    #[test]
    fn the_budget_grows_by_steps_and_is_halved() {
        use Ended::{Clean, ForUsers, Otherwise};
        let limit = |ended: &[Ended]| pace(&pieces(ended), at(10_000)).cost_limit;
        assert_eq!(limit(&[]), 400);
        assert_eq!(limit(&[Clean, Clean, Otherwise]), 600);
        assert_eq!(limit(&[Clean, Clean, ForUsers]), 300);
        assert_eq!(limit(&[ForUsers, Clean]), 300);
        assert_eq!(limit(&[ForUsers; 9]), 100);
        assert_eq!(limit(&[Clean; 50]), 2_000);
    }

    #[test]
    fn the_order_in_which_pieces_are_told_does_not_matter() {
        let mut history = pieces(&[Ended::Clean, Ended::Clean, Ended::ForUsers]);
        history.reverse();
        assert_eq!(pace(&history, at(10_000)).cost_limit, 300);
    }

    #[test]
    fn it_rests_for_a_quarter_of_an_hour() {
        let history = [piece(0, Ended::ForUsers, Some(240))];
        let rested = pace(&history, at(5));
        assert_eq!((rested.not_before, rested.cost_limit), (Some(at(15)), 200));
        assert_eq!(
            rested.reason,
            "users suffered from the last piece of work, a rest of 10 more minutes; then with vacuum_cost_limit 200"
        );
        let after = pace(&history, at(15));
        assert_eq!(
            (after.not_before, after.reason.as_str()),
            (None, "vacuum_cost_limit 200")
        );
        let cancelled = [piece(0, Ended::Otherwise, Some(240))];
        assert_eq!(pace(&cancelled, at(1)).not_before, None);
    }

    #[test]
    fn three_cancels_are_enough_for_a_window_and_no_more_than_that() {
        let mut history = vec![
            piece(0, Ended::ForUsers, Some(240)),
            piece(30, Ended::ForUsers, Some(240)),
        ];
        assert_eq!(pace(&history, at(60)).not_before, None);
        history.push(piece(60, Ended::ForUsers, Some(240)));
        let enough = pace(&history, at(80));
        assert_eq!(enough.not_before, Some(at(240)));
        assert!(enough.reason.contains("three pieces"), "{}", enough.reason);
        assert_eq!(pace(&history, at(240)).not_before, None);
        history.push(piece(1_500, Ended::ForUsers, Some(1_680)));
        assert_eq!(pace(&history, at(1_520)).not_before, None);
    }

    #[test]
    fn without_a_window_four_hours_count() {
        let history = [0, 20, 40].map(|minutes| piece(minutes, Ended::ForUsers, None));
        assert_eq!(pace(&history, at(60)).not_before, Some(at(280)));
        assert_eq!(pace(&history, at(241)).not_before, None);
    }

    #[test]
    fn what_lies_in_the_future_is_left_out() {
        let history = [piece(600, Ended::ForUsers, Some(700))];
        assert_eq!(pace(&history, at(0)).not_before, None);
    }
}
