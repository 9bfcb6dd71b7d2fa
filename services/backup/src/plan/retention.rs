//! Which backups are kept, and why; and which log. Pure.
//!
//! A backup's age is not what the clock says it is. It is the sum of the times between the backups that came
//! after it, and no such time counts for more than a gap may: a clock that jumps a year ahead, and whatever is stamped
//! with that, makes everything older by one gap at most, and one that jumps back makes nothing younger. What is the last
//! of a day, a week or a month, and which are the last few, is decided by their order in the log alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::repo::state::{BackupEntry, BackupKind, BackupState, Position, State};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The time between two backups counts for no more than this, or than twice what is usual here, whichever is more.
const GAP_MS: i64 = 8 * DAY_MS;

/// What the settings say of how long something is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// For so many days; 0: not by days.
    pub days: u32,
    /// At least so many, however old.
    pub count: u32,
    /// Of so many days the last.
    pub daily: u32,
    /// Of so many weeks the last.
    pub weekly: u32,
    /// Of so many months the last.
    pub monthly: u32,
    /// Exports of a project that has its own rule: for so many days, and by no other rule.
    pub projects: BTreeMap<String, u32>,
    /// So long objects cannot be removed.
    pub lock_days: u32,
    /// Log is kept for so many days.
    pub wal_days: u32,
}

/// What retention says of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The backup's id.
    pub id: String,
    /// The rules that keep it. None: it expires.
    pub kept_by: Vec<&'static str>,
    /// When it will expire, as things stand. 0: not by time alone.
    pub until_unix_ms: i64,
}

impl Verdict {
    /// Whether it is given up.
    pub(crate) const fn expires(&self) -> bool {
        self.kept_by.is_empty()
    }
}

/// What retention says of every backup that is not given up yet, in the order in which they were committed.
pub(crate) fn verdicts(state: &State, rules: &Rules, now_unix_ms: i64) -> Vec<Verdict> {
    let mut lines: BTreeMap<&str, Vec<&BackupEntry>> = BTreeMap::new();
    for backup in state.backups.iter().filter(|backup| is_held(backup)) {
        lines.entry(line_of(backup)).or_default().push(backup);
    }
    lines.values_mut().for_each(|line| in_order(line));
    let judged = lines
        .iter()
        .flat_map(|(project, line)| judge(line, project, rules, now_unix_ms));
    let mut verdicts: BTreeMap<String, Verdict> = judged.map(|verdict| (verdict.id.clone(), verdict)).collect();
    let held = state.backups.iter().filter(|backup| is_held(backup));
    held.filter_map(|backup| verdicts.remove(&backup.id)).collect()
}

/// Whether it was not given up yet.
pub(crate) fn is_held(backup: &BackupEntry) -> bool {
    backup.state() != BackupState::Expired
}

/// Exports of one project follow each other, and backups of the cluster do.
fn line_of(backup: &BackupEntry) -> &str {
    match backup.kind() {
        BackupKind::Project => &backup.project,
        _ => "",
    }
}

/// In the order of the log: a copy may have been committed after what came later. Exports stay in theirs.
fn in_order(line: &mut [&BackupEntry]) {
    line.sort_by_key(|backup| backup.stop.map(|stop| (stop.timeline, stop.lsn)));
}

/// What keeps each backup of one line.
fn judge(line: &[&BackupEntry], project: &str, rules: &Rules, now_unix_ms: i64) -> Vec<Verdict> {
    let ages = ages(line, now_unix_ms);
    let own = rules.projects.get(project).copied().filter(|_| !project.is_empty());
    let places = match own {
        Some(_) => Places::default(),
        None => Places::of(line, rules),
    };
    let days = own.unwrap_or(rules.days);
    let all = [rules.days, rules.count, rules.daily, rules.weekly, rules.monthly];
    let unlimited = own.map_or_else(|| all == [0; 5], |days| days == 0);
    let judged = line.iter().zip(&ages).enumerate();
    let by = judged.map(|(at, (backup, age))| {
        let tried = [
            ("keep", backup.keep),
            ("unlimited", unlimited),
            ("days", days > 0 && is_within(*age, days)),
            ("count", places.count.contains(&at)),
            ("daily", places.daily.contains(&at)),
            ("weekly", places.weekly.contains(&at)),
            ("monthly", places.monthly.contains(&at)),
            ("last_proven", places.last_proven == Some(at)),
            ("last", places.last == Some(at)),
            ("object_lock", rules.lock_days > 0 && is_within(*age, rules.lock_days)),
        ];
        let kept_by = tried.into_iter().filter(|(_, keeps)| *keeps).map(|(name, _)| name);
        let kept_by: Vec<&'static str> = kept_by.collect();
        Verdict {
            id: backup.id.clone(),
            until_unix_ms: until(&kept_by, days.max(rules.lock_days), *age, now_unix_ms),
            kept_by,
        }
    });
    by.collect()
}

/// When the last of the days is over that keep something; 0 where something else keeps it.
fn until(kept_by: &[&str], days: u32, age_ms: i64, now_unix_ms: i64) -> i64 {
    let by_time = kept_by.iter().all(|rule| ["days", "object_lock"].contains(rule));
    if kept_by.is_empty() || !by_time {
        return 0;
    }
    let left = i64::from(days).saturating_mul(DAY_MS).saturating_sub(age_ms);
    now_unix_ms.saturating_add(left.max(0))
}

fn is_within(age_ms: i64, days: u32) -> bool {
    age_ms <= i64::from(days).saturating_mul(DAY_MS)
}

/// How old each backup of a line is, as the sum of the gaps after it.
fn ages(line: &[&BackupEntry], now_unix_ms: i64) -> Vec<i64> {
    let ends: Vec<i64> = line
        .iter()
        .map(|backup| backup.ended_unix_ms)
        .chain([now_unix_ms])
        .collect();
    let gaps: Vec<i64> = ends
        .iter()
        .zip(ends.iter().skip(1))
        .map(|(one, next)| next.saturating_sub(*one).max(0))
        .collect();
    // The last of them lasts until now, and says nothing of what is usual.
    let limit = gap_limit(gaps.get(..gaps.len().saturating_sub(1)).unwrap_or_default());
    let mut age = 0;
    let mut ages: Vec<i64> = gaps
        .iter()
        .rev()
        .map(|gap| {
            age += (*gap).min(limit);
            age
        })
        .collect();
    ages.reverse();
    ages
}

/// Twice the usual gap where backups are rarer than weekly. One that a clock made is not the usual one.
fn gap_limit(gaps: &[i64]) -> i64 {
    let mut sorted = gaps.to_vec();
    sorted.sort_unstable();
    let usual = match sorted.len() {
        0 | 1 => 0,
        length => sorted.get((length - 1) / 2).copied().unwrap_or(0),
    };
    GAP_MS.max(usual.saturating_mul(2))
}

/// Which places of a line are kept by rules that count.
#[derive(Debug, Default)]
struct Places {
    count: BTreeSet<usize>,
    daily: BTreeSet<usize>,
    weekly: BTreeSet<usize>,
    monthly: BTreeSet<usize>,
    last_proven: Option<usize>,
    last: Option<usize>,
}

impl Places {
    fn of(line: &[&BackupEntry], rules: &Rules) -> Self {
        let has = |wanted: &[BackupState]| {
            let found = line.iter().enumerate().rev();
            let found = found.filter(|(_, backup)| wanted.contains(&backup.state()));
            found.map(|(at, _)| at).collect::<Vec<usize>>()
        };
        // What failed its proof takes nobody's place.
        let usable = has(&[BackupState::Unproven, BackupState::Proven]);
        let last_of = |periods: u32, period: fn(i64) -> i64| {
            let stamped = usable
                .iter()
                .filter_map(|at| Some((*at, period(line.get(*at)?.ended_unix_ms))));
            last_of_each(stamped, periods)
        };
        Self {
            count: usable.iter().take(rules.count as usize).copied().collect(),
            daily: last_of(rules.daily, day),
            weekly: last_of(rules.weekly, week),
            monthly: last_of(rules.monthly, month),
            last_proven: has(&[BackupState::Proven]).first().copied(),
            last: usable.first().copied(),
        }
    }
}

/// The last place in each of so many periods. The places come the last first.
fn last_of_each(places: impl Iterator<Item = (usize, i64)>, periods: u32) -> BTreeSet<usize> {
    let (mut kept, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (at, period) in places {
        if seen.len() < periods as usize && seen.insert(period) {
            kept.insert(at);
        }
    }
    kept
}

fn day(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(DAY_MS)
}

/// Weeks begin on Monday; 1970 began on a Thursday.
fn week(unix_ms: i64) -> i64 {
    (day(unix_ms) + 3).div_euclid(7)
}

/// Months since the year 0, by the Gregorian calendar in UTC.
fn month(unix_ms: i64) -> i64 {
    // Counted from March of the year 0, so that the leap day is the last of a year.
    let days = day(unix_ms) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    (era * 400 + year) * 12 + (5 * of_year + 2) / 153
}

/// What of the log is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogNeeds {
    /// Where log is kept from: this position, and everything on later timelines. None: all is kept.
    pub from: Option<Position>,
    /// What kept backups need to be consistent.
    pub spans: Vec<Span>,
}

/// A part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub from: Position,
    pub to: Position,
}

impl LogNeeds {
    /// Whether any of the log from `start` to before `end` of a timeline is needed.
    pub(crate) fn has(&self, timeline: u32, start: u64, end: u64) -> bool {
        let Some(from) = self.from else {
            return true;
        };
        let is_after = timeline > from.timeline || timeline == from.timeline && end > from.lsn;
        is_after || self.spans.iter().any(|span| span.touches(timeline, start, end))
    }
}

impl Span {
    fn touches(&self, timeline: u32, start: u64, end: u64) -> bool {
        let begins = self.from.timeline < timeline || self.from.timeline == timeline && self.from.lsn < end;
        let ends = self.to.timeline > timeline || self.to.timeline == timeline && self.to.lsn >= start;
        begins && ends
    }
}

/// What of the log is needed by backups that are not given up, and for the days that the rules say. Where somebody
/// writes a backup, nothing is given up: nobody knows yet where its log begins.
pub(crate) fn log_needs(state: &State, rules: &Rules, now_unix_ms: i64) -> LogNeeds {
    let of_cluster = |backup: &&BackupEntry| is_held(backup) && backup.kind() != BackupKind::Project;
    let mut line: Vec<&BackupEntry> = state.backups.iter().filter(of_cluster).collect();
    in_order(&mut line);
    if !state.leases.is_empty() {
        return LogNeeds::default();
    }
    let spans = line.iter().filter_map(|backup| {
        Some(Span {
            from: backup.start?,
            to: backup.stop?,
        })
    });
    LogNeeds {
        from: log_floor(&line, rules, now_unix_ms),
        spans: spans.collect(),
    }
}

/// Where the last backup before those days begins: from there on every moment of them can be restored to.
fn log_floor(line: &[&BackupEntry], rules: &Rules, now_unix_ms: i64) -> Option<Position> {
    let ages = ages(line, now_unix_ms);
    let days_ms = i64::from(rules.wal_days).saturating_mul(DAY_MS);
    let usable = |backup: &BackupEntry| matches!(backup.state(), BackupState::Unproven | BackupState::Proven);
    let mut sure = line.iter().zip(&ages).filter(|(backup, _)| usable(backup));
    let before = sure.clone().rfind(|(_, age)| **age >= days_ms);
    before.or_else(|| sure.next()).and_then(|(backup, _)| backup.start)
}

#[cfg(test)]
mod tests;
