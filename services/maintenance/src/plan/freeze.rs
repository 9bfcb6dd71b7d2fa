//! Which tables are to be frozen now, and why. Pure.
//!
//! A table is frozen before the server would vacuum it without asking, in a window of ours rather than at noon. Only an
//! emergency leaves the window. Where somebody holds the horizon, a vacuum would read everything and free nothing: then
//! nothing is done, and it is said who has to end.

use std::time::Duration;

use super::TableName;
use super::ages::{Apart, Ids, Limit, Nearest, PerIds, ServerAges, TableAge, ids_in_words, span};
use super::rate::Pace;

/// A vacuum that gives back less than this share of a table's age is not worth its reading.
const WORTHWHILE: f64 = 0.1;
/// A pace that was watched for less time is not what an emergency is declared by.
const WATCHED_MIN: Duration = Duration::from_secs(3_600);
/// A table that used up less than this share of its limit gains nothing from being frozen, however fast ids are used.
const TOO_YOUNG: f64 = 0.1;
/// The same of one that leaves the window for it.
const OLD_ENOUGH: f64 = 0.5;
/// Tables up to this size come before all others: they are done at once.
const SMALL_BYTES: u64 = 64 << 20;
/// Frozen pages are read, written and logged.
const PASSES: u64 = 3;

/// When a table is to be frozen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FreezeRule {
    /// From this share of its limit on.
    pub age_share: f64,
    /// Or when its limit is reached within this time.
    pub within: Duration,
    /// An emergency: vacuums would go into failsafe within this time.
    pub emergency_within: Duration,
    /// An emergency: so many ids old.
    pub emergency_age: u64,
    /// An emergency: from this share of the failsafe age on.
    pub emergency_share: f64,
}

impl Default for FreezeRule {
    fn default() -> Self {
        Self {
            age_share: 0.8,
            within: Duration::from_secs(7 * 86_400),
            emergency_within: Duration::from_secs(48 * 3_600),
            emergency_age: 1_000_000_000,
            emergency_share: 0.95,
        }
    }
}

/// When this is planned, and when there will be another occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occasion {
    /// No window is open: only what cannot wait is done.
    pub is_closed: bool,
    /// How long until the next window opens, after the one that is open now; none where that is not known.
    pub next_opens_in: Option<Duration>,
}

impl Occasion {
    /// A window is open, and nobody knows when the next one will be.
    pub(crate) const fn open() -> Self {
        Self {
            is_closed: false,
            next_opens_in: None,
        }
    }
}

/// How urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Now, window or not, and as fast as the machine can.
    Emergency,
    /// In this window.
    Due,
    /// Not yet.
    None,
}

impl Urgency {
    /// The word in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Due => "due",
            Self::None => "none",
        }
    }
}

/// One table of the plan: done or left, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Freeze {
    pub table: TableName,
    pub urgency: Urgency,
    /// Whether it is to be done now.
    pub selected: bool,
    /// Why, or why not, in words for people.
    pub reason: String,
    pub nearest: Nearest,
    /// Bytes that it reads and writes, at most.
    pub cost_bytes: u64,
    pub size_bytes: u64,
}

/// What the plan is made from, besides the tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    pub server: &'a ServerAges,
    pub paces: PerIds<&'a Pace>,
    /// Who holds the horizon, where that is known.
    pub holder: Option<&'a str>,
    pub occasion: Occasion,
    pub rule: FreezeRule,
}

/// The plan for a set of tables: emergencies first, then small ones, then by how soon.
pub(crate) fn plan_freeze(tables: &[TableAge], circumstances: &Circumstances<'_>) -> Vec<Freeze> {
    let mut plan: Vec<Freeze> = tables.iter().map(|table| circumstances.verdict(table)).collect();
    plan.sort_by(|left, right| {
        (!left.selected, left.urgency)
            .cmp(&(!right.selected, right.urgency))
            .then((left.size_bytes > SMALL_BYTES).cmp(&(right.size_bytes > SMALL_BYTES)))
            .then(left.nearest.order(&right.nearest))
            .then_with(|| left.table.cmp(&right.table))
    });
    plan
}

impl Circumstances<'_> {
    fn verdict(&self, table: &TableAge) -> Freeze {
        let nearest = table.nearest(&self.paces);
        let (urgency, why) = self.urgency(table, &nearest);
        let not = (urgency != Urgency::None)
            .then(|| self.why_not(table, &nearest, urgency))
            .flatten();
        let outside = urgency == Urgency::Emergency && self.occasion.is_closed;
        let reason = match (&not, outside) {
            (Some(not), _) => format!("{why}; left, because {not}"),
            (None, true) => format!("{why}; it leaves the window, because it cannot wait"),
            (None, false) => why,
        };
        Freeze {
            table: table.table.clone(),
            urgency,
            selected: urgency != Urgency::None && not.is_none(),
            reason,
            cost_bytes: table.unfrozen_bytes(self.server.block_bytes) * PASSES + table.index_bytes,
            size_bytes: table.size_bytes,
            nearest,
        }
    }

    fn urgency(&self, table: &TableAge, nearest: &Nearest) -> (Urgency, String) {
        if let Some(why) = self.emergency(table, nearest) {
            return (Urgency::Emergency, why);
        }
        let here = self.here(nearest);
        if nearest.share() >= self.rule.age_share {
            let percent = self.rule.age_share * 100.0;
            return (Urgency::Due, format!("{here}, at or beyond {percent:.0} %"));
        }
        if nearest.share() < TOO_YOUNG {
            return (Urgency::None, here);
        }
        if nearest.eta.is_within(self.rule.within) {
            return (Urgency::Due, format!("{here}, within {}", span(self.rule.within)));
        }
        if let Some(next) = self.occasion.next_opens_in
            && nearest.eta.is_within(next)
        {
            return (
                Urgency::Due,
                format!("{here}, before the next window opens in {}", span(next)),
            );
        }
        (Urgency::None, here)
    }

    /// Where the table stands, such as "82 % of 200.0 million transaction ids; autovacuum would start in 3.1 days".
    fn here(&self, nearest: &Nearest) -> String {
        let place = if nearest.is_toast { "its TOAST is at " } else { "at " };
        format!(
            "{place}{:.0} % of the {} {} at which autovacuum starts without asking, reached {}",
            nearest.share() * 100.0,
            ids_in_words(nearest.limit),
            nearest.ids.in_words(),
            nearest.eta.in_words(),
        )
    }

    fn emergency(&self, table: &TableAge, nearest: &Nearest) -> Option<String> {
        Ids::ALL.into_iter().find_map(|ids| {
            let (age, failsafe) = (table.oldest(ids), self.server.limit(ids, Limit::Failsafe));
            let words = ids.in_words();
            if age > self.rule.emergency_age {
                return Some(format!("{} {words} old", ids_in_words(age)));
            }
            let share = age as f64 / failsafe.max(1) as f64;
            if share >= self.rule.emergency_share {
                return Some(format!("at {:.0} % of the failsafe age of {words}", share * 100.0));
            }
            let is_old = nearest.ids == ids && nearest.share() >= OLD_ENOUGH;
            is_old.then(|| self.failsafe_is_near(ids, age, failsafe)).flatten()
        })
    }

    /// A burst does not make an emergency.
    fn failsafe_is_near(&self, ids: Ids, age: u64, failsafe: u64) -> Option<String> {
        let pace = self.paces.of(ids);
        if pace.watched() < WATCHED_MIN {
            return None;
        }
        let left = pace.until_steadily(failsafe.saturating_sub(age))?;
        (left < self.rule.emergency_within)
            .then(|| format!("the failsafe age of {} is reached in {}", ids.in_words(), span(left)))
    }

    /// Why it is not done although it is due.
    fn why_not(&self, table: &TableAge, nearest: &Nearest, urgency: Urgency) -> Option<String> {
        if self.server.is_standby {
            return Some("this server is a standby: its primary has to do it".to_owned());
        }
        match table.apart {
            Some(Apart::System) => {
                return Some("it belongs to the system, and autovacuum freezes it by itself".to_owned());
            }
            Some(Apart::Temporary) => return Some("it is temporary: it goes when its session ends".to_owned()),
            None => {}
        }
        if table.has_autovacuum {
            return Some("an autovacuum against wraparound is at it already".to_owned());
        }
        if let Some(held) = self.held(table, nearest) {
            return Some(held);
        }
        (urgency != Urgency::Emergency && self.occasion.is_closed)
            .then(|| "no window is open, and it can wait".to_owned())
    }

    /// What a vacuum gives back is what lies between the oldest row and the horizon.
    fn held(&self, table: &TableAge, nearest: &Nearest) -> Option<String> {
        let horizon = self.server.horizon_age;
        // Who holds groups of transactions cannot be seen from outside before a vacuum has tried.
        if nearest.ids != Ids::Transactions || horizon == 0 {
            return None;
        }
        let age = table.oldest(Ids::Transactions);
        let gain = age.saturating_sub(horizon);
        (gain as f64 <= age as f64 * WORTHWHILE).then(|| {
            let holder = self.holder.unwrap_or("whoever holds the oldest transaction");
            format!(
                "the horizon does not move: {holder} has to end first; {}",
                self.deadline(nearest)
            )
        })
    }

    fn deadline(&self, nearest: &Nearest) -> String {
        let stop = self.server.eta(nearest.ids, Limit::Stop, self.paces.of(nearest.ids));
        format!(
            "autovacuum starts {}, the server takes no more writes {}",
            nearest.eta.in_words(),
            stop.in_words()
        )
    }
}

#[cfg(test)]
mod tests;
