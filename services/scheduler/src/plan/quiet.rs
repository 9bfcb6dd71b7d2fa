//! The quiet hours of a week, learned from what ran. Pure.
//!
//! - Every hour of the week has the 90th percentile of its load over the days that are known: an hour that is busy now
//!   and then is not quiet.
//! - Quiet is what lies below 30 % of the day's median, or of the week's mean where that is more: a day that is idle for
//!   the greater part is measured by the others. What is busy all the time has no quiet hours.
//! - Of each night, from noon to noon, the longest run of such hours is a window, without the ends that are not among the
//!   quietest fifth of the week; among hours whose load is next to nothing there is no difference to be made.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _, Utc};
use chrono_tz::Tz;

use super::hours::{Hours, Weekdays};

/// Days that have to be known.
pub(crate) const DAYS_MIN: usize = 14;
/// Days among these on which something has to have run: a monitor that was away tells of nothing too.
const BUSY_DAYS_MIN: usize = 10;
const DAY_HOURS: usize = 24;
const WEEK_HOURS: usize = 7 * DAY_HOURS;
const NOON: usize = 12;
const HOUR_MS: i64 = 3_600_000;
/// Hours of a window at least.
const HOURS_MIN: usize = 2;
/// What is quiet, as a share of what is usual.
const QUIET_SHARE: f64 = 0.3;
/// What is next to nothing, as a share of the week's mean.
const SLIGHT_SHARE: f64 = 0.05;

/// What ran in a span of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// When the span begins.
    pub from_unix_ms: i64,
    /// When it ends.
    pub to_unix_ms: i64,
    /// Milliseconds of all that ran.
    pub busy_ms: f64,
}

/// What is known of quiet hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Quiet {
    /// Not enough days are known yet.
    TooEarly {
        /// Those that are.
        days: usize,
    },
    /// These are the quiet hours, on these days; none where the load is even.
    Known(Vec<(Weekdays, Hours)>),
}

/// The load of each hour of each local day.
type Days24 = BTreeMap<NaiveDate, [f64; DAY_HOURS]>;

/// Learns the quiet hours of a project, within hours that an operator allows.
pub(crate) fn quiet_hours(loads: &[Load], zone: Tz, now_unix_ms: i64, allowed: Option<Hours>) -> Quiet {
    let days = by_day(loads, zone, now_unix_ms);
    let known = known_days(&days, zone, now_unix_ms);
    if known < DAYS_MIN || days.len() < BUSY_DAYS_MIN {
        return Quiet::TooEarly {
            days: known.min(days.len()),
        };
    }
    let week = typical_week(&days);
    let is_quiet = quiet_ones(&week, allowed);
    let most = percentile(week.clone(), 20).max(SLIGHT_SHARE * mean(week.iter().copied()));
    let nights = (0..7).filter_map(|day| night(day, &week, &is_quiet, most));
    Quiet::Known(together(nights))
}

/// Loads by local day and hour: whole days only, so neither the first nor today.
fn by_day(loads: &[Load], zone: Tz, now_unix_ms: i64) -> Days24 {
    let local = |unix_ms| DateTime::<Utc>::from_timestamp_millis(unix_ms).map(|at| at.with_timezone(&zone));
    let mut days = Days24::new();
    for load in loads
        .iter()
        .filter(|load| load.to_unix_ms - load.from_unix_ms <= HOUR_MS)
    {
        let Some(at) = local(load.from_unix_ms) else { continue };
        let hours = days.entry(at.date_naive()).or_insert([0.0; DAY_HOURS]);
        if let Some(hour) = usize::try_from(at.hour()).ok().and_then(|hour| hours.get_mut(hour)) {
            *hour += load.busy_ms.max(0.0);
        }
    }
    days.pop_first();
    let today = local(now_unix_ms).map(|now| now.date_naive());
    days.retain(|date, _| today.is_none_or(|today| *date < today));
    days
}

/// Days from the first that is known to yesterday.
fn known_days(days: &Days24, zone: Tz, now_unix_ms: i64) -> usize {
    let today = DateTime::<Utc>::from_timestamp_millis(now_unix_ms).map(|now| now.with_timezone(&zone).date_naive());
    let first = days.first_key_value().map(|(date, _)| *date);
    let known = today.zip(first).map(|(today, first)| (today - first).num_days());
    known.and_then(|known| usize::try_from(known).ok()).unwrap_or_default()
}

/// The 90th percentile of each hour of the week. A day without anything was idle if it is so every week, and is left out
/// otherwise: then nobody was there to see.
fn typical_week(days: &Days24) -> Vec<f64> {
    let mut week: Vec<Vec<f64>> = vec![Vec::new(); WEEK_HOURS];
    for (date, hours) in days {
        let day = usize::try_from(date.weekday().num_days_from_monday()).unwrap_or_default();
        let bins = week.iter_mut().skip(day * DAY_HOURS);
        bins.zip(hours).for_each(|(bin, hour)| bin.push(*hour));
    }
    week.into_iter().map(|bin| percentile(bin, 90)).collect()
}

/// The value that this share of them does not exceed; 0 of none.
fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(rank).copied().unwrap_or_default()
}

fn quiet_ones(week: &[f64], allowed: Option<Hours>) -> Vec<bool> {
    let mean = mean(week.iter().copied());
    let mut quiet = Vec::with_capacity(WEEK_HOURS);
    for day in week.chunks(DAY_HOURS) {
        let usual = percentile(day.to_vec(), 50).max(mean);
        let hours = (0u16..).zip(day);
        quiet.extend(hours.map(|(hour, load)| {
            let is_allowed = allowed.is_none_or(|allowed| allowed.have_hour(hour));
            is_allowed && usual > 0.0 && *load < QUIET_SHARE * usual
        }));
    }
    quiet
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// The window of the night that begins on a day at noon.
fn night(day: usize, week: &[f64], is_quiet: &[bool], most: f64) -> Option<(usize, usize)> {
    let noon = day * DAY_HOURS + NOON;
    let hour = |offset: usize| (noon + offset) % WEEK_HOURS;
    let load = |offset: usize| week.get(hour(offset)).copied().unwrap_or(f64::MAX);
    let quiet = |offset: usize| is_quiet.get(hour(offset)).copied().unwrap_or_default();
    let (mut from, mut to) = longest_run(quiet)?;
    while to - from >= HOURS_MIN {
        let (first, last) = (load(from), load(to - 1));
        if first <= most && last <= most && mean((from..to).map(load)) <= most {
            return Some((hour(from), to - from));
        }
        if first > last { from += 1 } else { to -= 1 }
    }
    None
}

/// The longest run of hours of a night that hold, as offsets.
fn longest_run(holds: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
    let (mut best, mut from) = (None::<(usize, usize)>, 0);
    for offset in 0..=DAY_HOURS {
        if offset < DAY_HOURS && holds(offset) {
            continue;
        }
        if offset > from && best.is_none_or(|(start, end)| offset - from > end - start) {
            best = Some((from, offset));
        }
        from = offset + 1;
    }
    best
}

/// Nights of the same hours as one window. Each is given by its first hour of the week and how many it has.
fn together(nights: impl Iterator<Item = (usize, usize)>) -> Vec<(Weekdays, Hours)> {
    let mut days: BTreeMap<Hours, BTreeSet<u32>> = BTreeMap::new();
    for (first, length) in nights {
        let minute = |hour: usize| u16::try_from(hour % DAY_HOURS * 60).unwrap_or_default();
        let hours = Hours::of(minute(first), minute(first + length));
        days.entry(hours).or_default().extend(u32::try_from(first / DAY_HOURS));
    }
    days.into_iter()
        .map(|(hours, days)| (Weekdays::of(days), hours))
        .collect()
}

#[cfg(test)]
#[path = "quiet_tests.rs"]
mod tests;
