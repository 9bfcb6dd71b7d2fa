//! How fast ids are used up: what was read, what follows from it for now and for each hour of the week. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::ages::{Ids, PerIds};

/// Readings of late that are kept whatever their distance.
const LATELY: usize = 256;
/// The pace of now is that over so many readings: a quarter of an hour, where one is taken a minute.
const NOW_READINGS: usize = 16;
/// Fewer say nothing.
const READINGS_MIN: usize = 3;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 1970 began on a Thursday.
const WEEK_MS: i64 = 7 * DAY_MS;
/// Readings are kept by the minute for so long, by five minutes after it, and forgotten at the end.
const FINE_MS: i64 = 2 * DAY_MS;
const COARSE_MS: i64 = 5 * MINUTE_MS;
const KEPT_MS: i64 = 35 * DAY_MS;
/// Two readings further apart say nothing of the hour in between.
const GAP_MS: i64 = 20 * MINUTE_MS;
const SLOTS: usize = 168;
/// A week is known when so many of its hours were seen in two weeks at least.
const SLOTS_MIN: usize = 150;
const WEEKS_MIN: usize = 2;
/// How much the latest week counts against those before it.
const LATEST: f64 = 0.4;

/// The ids that were to be given next, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The next transaction id, in full.
    pub xid: u64,
    /// The next multixact id, which wraps at 32 bits.
    pub mxid: u32,
    /// The oldest transaction id for which rows are kept; none where nobody held any.
    pub horizon: Option<u64>,
}

impl Reading {
    /// Ids used between two readings; none where they cannot be of the same server's life.
    fn used(&self, later: &Self) -> Option<PerIds<u64>> {
        let multixacts = later.mxid.wrapping_sub(self.mxid);
        let goes_on = later.at_ms > self.at_ms && later.xid >= self.xid && multixacts < 1 << 31;
        goes_on.then(|| PerIds {
            transactions: later.xid - self.xid,
            multixacts: multixacts.into(),
        })
    }

    fn rate(&self, later: &Self, ids: Ids) -> Option<f64> {
        let used = self.used(later)?.of(ids);
        Some(used as f64 * 1e3 / (later.at_ms - self.at_ms) as f64)
    }
}

/// What was read of one cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    lately: VecDeque<Reading>,
    kept: Vec<Reading>,
    transactions: Option<Week>,
    multixacts: Option<Week>,
}

impl History {
    /// What was kept of an earlier life, the oldest first.
    pub(crate) fn of(kept: Vec<Reading>) -> Self {
        let mut history = Self {
            kept,
            ..Self::default()
        };
        history.learn();
        history
    }

    /// The same with what was kept of an earlier life before it.
    pub(crate) fn after(self, kept: Vec<Reading>) -> Self {
        let mut history = Self::of(kept);
        for reading in self.lately {
            history.add(reading);
        }
        history
    }

    /// Adds a reading. True where it is one to keep: the first of its minute.
    pub(crate) fn add(&mut self, reading: Reading) -> bool {
        self.drop_other_lives(&reading);
        if self.lately.len() == LATELY {
            self.lately.pop_front();
        }
        self.lately.push_back(reading);
        let last = self.kept.last().map(|last| last.at_ms);
        let begins = |unit: i64| last.is_none_or(|last| last / unit != reading.at_ms / unit);
        if !begins(MINUTE_MS) {
            return false;
        }
        self.kept.push(reading);
        // An hour is judged by what was usual before it began.
        if begins(HOUR_MS) {
            thin(&mut self.kept, reading.at_ms);
            self.learn();
        }
        true
    }

    /// A clock that was set back, or a server that was restored to an earlier state: what does not fit is forgotten.
    fn drop_other_lives(&mut self, reading: &Reading) {
        let fits = |known: &Reading| known.used(reading).is_some();
        if self.lately.back().is_none_or(fits) && self.kept.last().is_none_or(fits) {
            return;
        }
        self.lately.retain(fits);
        self.kept.retain(fits);
    }

    fn learn(&mut self) {
        self.transactions = Week::of(&self.kept, Ids::Transactions);
        self.multixacts = Week::of(&self.kept, Ids::Multixacts);
    }

    const fn week(&self, ids: Ids) -> Option<&Week> {
        match ids {
            Ids::Transactions => self.transactions.as_ref(),
            Ids::Multixacts => self.multixacts.as_ref(),
        }
    }

    /// How fast these ids are used up, as far as that is known now.
    pub(crate) fn pace(&self, ids: Ids, now_ms: i64) -> Pace {
        let from = self.lately.len().saturating_sub(NOW_READINGS);
        let lately: Vec<&Reading> = self.lately.range(from..).collect();
        let recent = mean(&lately, ids).filter(|_| lately.len() >= READINGS_MIN);
        let day: Vec<&Reading> = self.kept.iter().filter(|one| one.at_ms > now_ms - DAY_MS).collect();
        let steady = mean(&day, ids).filter(|_| day.len() >= READINGS_MIN).or(recent);
        let watched_ms = self.lately.back().zip(self.kept.first().or(self.lately.front()));
        let watched_ms = watched_ms.map_or(0, |(last, first)| last.at_ms - first.at_ms);
        Pace {
            recent,
            steady,
            week: self.week(ids).cloned(),
            watched: Duration::from_millis(watched_ms.unsigned_abs()),
            now_ms,
        }
    }

    /// How long the horizon has stood where it is, while ids were used. None: it moves, or nobody holds it.
    pub(crate) fn stands_still(&self) -> Option<Duration> {
        let last = self.lately.back()?;
        let stuck = last.horizon?;
        let all = self.lately.iter().rev().chain(self.kept.iter().rev());
        let since = all
            .take_while(|reading| reading.horizon == Some(stuck))
            .map(|reading| reading.at_ms)
            .min()?;
        let used = self.lately.front().is_some_and(|first| first.xid < last.xid);
        (used && since < last.at_ms).then(|| Duration::from_millis((last.at_ms - since).unsigned_abs()))
    }
}

fn mean(readings: &[&Reading], ids: Ids) -> Option<f64> {
    readings.first()?.rate(readings.last()?, ids)
}

/// Keeps the first reading of each minute of late, of each five minutes before that, and nothing that is too old.
fn thin(kept: &mut Vec<Reading>, now_ms: i64) {
    let mut last = None;
    kept.retain(|reading| {
        let age_ms = now_ms - reading.at_ms;
        let step = if age_ms > FINE_MS { COARSE_MS } else { MINUTE_MS };
        let place = Some((step, reading.at_ms / step));
        let is_first = place != last;
        last = place;
        is_first && age_ms <= KEPT_MS
    });
}

/// What is usual in each hour of the week, in ids a second, and the most that 99 of 100 readings of it saw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Week {
    usual: Vec<f64>,
    most: Vec<f64>,
}

/// What was seen of one hour of the week: ids and milliseconds of each week, and the pace between each two readings.
#[derive(Debug, Default)]
struct Hour {
    weeks: BTreeMap<i64, (u64, i64)>,
    rates: Vec<f64>,
}

impl Week {
    fn of(kept: &[Reading], ids: Ids) -> Option<Self> {
        let mut hours: Vec<Hour> = std::iter::repeat_with(Hour::default).take(SLOTS).collect();
        for (earlier, later) in kept.iter().zip(kept.iter().skip(1)) {
            let middle = earlier.at_ms.midpoint(later.at_ms);
            let (Some(used), Some(hour)) = (earlier.used(later), hours.get_mut(slot(middle))) else {
                continue;
            };
            let took = later.at_ms - earlier.at_ms;
            if took <= GAP_MS {
                hour.saw(middle.div_euclid(WEEK_MS), used.of(ids), took);
            }
        }
        let known = hours.iter().filter(|hour| hour.weeks.len() >= WEEKS_MIN).count();
        (known >= SLOTS_MIN).then(|| Self::summed_up(&mut hours))
    }

    /// Hours that were never seen are taken for middling ones.
    fn summed_up(hours: &mut [Hour]) -> Self {
        let seen: Vec<f64> = hours.iter().filter_map(Hour::usual).collect();
        let middling = seen.iter().sum::<f64>() / seen.len().max(1) as f64;
        let usual: Vec<f64> = hours.iter().map(|hour| hour.usual().unwrap_or(middling)).collect();
        let most = hours.iter_mut().map(|hour| hour.most().unwrap_or(middling)).collect();
        Self { usual, most }
    }

    /// The time until so many ids are used, at the pace that is usual.
    fn until(&self, ids: u64, now_ms: i64) -> Option<Duration> {
        walk(&self.usual, ids as f64, now_ms)
    }
}

impl Hour {
    fn saw(&mut self, week: i64, used: u64, took_ms: i64) {
        let (ids, ms) = self.weeks.entry(week).or_default();
        *ids += used;
        *ms += took_ms;
        self.rates.push(used as f64 * 1e3 / took_ms as f64);
    }

    /// The latest weeks count most.
    fn usual(&self) -> Option<f64> {
        let rates = self.weeks.values().map(|(ids, ms)| *ids as f64 * 1e3 / *ms as f64);
        rates.reduce(|before, rate| before + LATEST * (rate - before))
    }

    fn most(&mut self) -> Option<f64> {
        self.rates.sort_by(f64::total_cmp);
        let place = (self.rates.len() as f64 * 0.99).ceil() as usize;
        self.rates.get(place.saturating_sub(1)).copied()
    }
}

fn slot(at_ms: i64) -> usize {
    usize::try_from(at_ms.rem_euclid(WEEK_MS) / HOUR_MS).unwrap_or_default()
}

/// Goes from hour to hour until so many ids are used.
fn walk(rates: &[f64], ids: f64, now_ms: i64) -> Option<Duration> {
    let hour = HOUR_MS as f64 / 1e3;
    let week: f64 = rates.iter().sum::<f64>() * hour;
    if week <= 0.0 {
        return None;
    }
    let whole = (ids / week).floor();
    let (mut left, mut seconds) = (ids - whole * week, whole * WEEK_MS as f64 / 1e3);
    let mut length = hour - now_ms.rem_euclid(HOUR_MS) as f64 / 1e3;
    for step in 0..=SLOTS {
        let rate = rates.get((slot(now_ms) + step) % SLOTS).copied().unwrap_or_default();
        if rate * length >= left && rate > 0.0 {
            seconds += left / rate;
            break;
        }
        left -= rate * length;
        seconds += length;
        length = hour;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// What a pace rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// Too few readings.
    None,
    /// The last quarter of an hour.
    Recent,
    /// What is usual in each hour of the week.
    Week,
    /// The last quarter of an hour, because this hour of the week never saw such a pace.
    Unusual,
}

impl Basis {
    /// The word in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Recent => "recent",
            Self::Week => "week",
            Self::Unusual => "unusual",
        }
    }
}

/// How fast one kind of ids is used up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pace {
    /// Over the last quarter of an hour, in ids a second.
    recent: Option<f64>,
    /// Over the last day, or as long as was watched.
    steady: Option<f64>,
    week: Option<Week>,
    /// How long was watched in all.
    watched: Duration,
    now_ms: i64,
}

impl Pace {
    /// Nothing is known.
    pub(crate) const fn unknown() -> Self {
        Self {
            recent: None,
            steady: None,
            week: None,
            watched: Duration::ZERO,
            now_ms: 0,
        }
    }

    /// A pace that stays as it is, watched for a day.
    #[cfg(test)]
    pub(crate) fn steady(per_second: f64) -> Self {
        Self {
            recent: Some(per_second),
            steady: Some(per_second),
            week: None,
            watched: Duration::from_secs(86_400),
            now_ms: 0,
        }
    }

    /// The same, watched for another time.
    #[cfg(test)]
    pub(crate) fn watched_for(self, watched: Duration) -> Self {
        Self { watched, ..self }
    }

    /// What it rests on.
    pub(crate) fn basis(&self) -> Basis {
        match (&self.week, self.recent) {
            (None, None) => Basis::None,
            (None, Some(_)) => Basis::Recent,
            (Some(week), Some(recent)) if week.most.get(slot(self.now_ms)).is_some_and(|most| recent > *most) => {
                Basis::Unusual
            }
            (Some(_), _) => Basis::Week,
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.basis() != Basis::None
    }

    /// Ids a second now.
    pub(crate) fn per_second(&self) -> Option<f64> {
        self.recent
            .or_else(|| self.week.as_ref()?.usual.get(slot(self.now_ms)).copied())
    }

    /// How long was watched.
    pub(crate) const fn watched(&self) -> Duration {
        self.watched
    }

    /// The time until so many ids are used. A pace beyond all that this hour ever saw is taken to last.
    pub(crate) fn until(&self, ids: u64) -> Option<Duration> {
        match (self.basis(), &self.week) {
            (Basis::Week, Some(week)) => week.until(ids, self.now_ms),
            _ => at_rate(ids, self.recent?),
        }
    }

    /// The same without regard for what happens just now: what an emergency is judged by.
    pub(crate) fn until_steadily(&self, ids: u64) -> Option<Duration> {
        match &self.week {
            Some(week) => week.until(ids, self.now_ms),
            None => at_rate(ids, self.steady?),
        }
    }
}

fn at_rate(ids: u64, per_second: f64) -> Option<Duration> {
    if per_second <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(ids as f64 / per_second).ok()
}

#[cfg(test)]
mod tests;
