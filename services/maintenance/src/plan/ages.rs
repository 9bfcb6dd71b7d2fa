//! How old the oldest rows are, how fast ids are used up, and when a limit is reached. Pure.
//!
//! Two kinds of ids wrap around: those of transactions and those of groups of transactions that hold one row together
//! (multixacts). For both, the server does four things as the oldest row grows old: it vacuums without asking, it
//! vacuums without regard for anything else, it warns, it stops.

use std::cmp::Ordering;
use std::time::Duration;

use super::TableName;
use super::rate::Pace;

/// Half of the circle: what is further back would lie in the future.
const WRAP: u64 = 1 << 31;
/// The server warns so many ids before that.
const WARNS_BEFORE: u64 = 40_000_000;
/// The server takes no new ids so many before that.
const STOPS_BEFORE: u64 = 3_000_000;
/// Members of multixacts that may be kept before the server freezes them more eagerly, and where it is at its limit.
const MEMBERS_SAFE: u64 = 1 << 31;
const MEMBERS_DANGER: u64 = (1 << 32) - (1 << 30);
/// What is further away is told as never: nothing that was measured says anything about it.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ids {
    /// Ids of transactions.
    Transactions,
    /// Ids of groups of transactions.
    Multixacts,
}

impl Ids {
    pub(crate) const ALL: [Self; 2] = [Self::Transactions, Self::Multixacts];

    /// The word in metrics and answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Transactions => "xid",
            Self::Multixacts => "mxid",
        }
    }

    /// The words for people.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Transactions => "transaction ids",
            Self::Multixacts => "multixact ids",
        }
    }
}

/// What happens at an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    /// An autovacuum begins that nobody can put off.
    Autovacuum,
    /// Vacuums leave out everything but freezing, and take all the I/O they can.
    Failsafe,
    /// Every statement that takes an id warns.
    Warning,
    /// No statement that takes an id is done any more.
    Stop,
}

impl Limit {
    pub(crate) const ALL: [Self; 4] = [Self::Autovacuum, Self::Failsafe, Self::Warning, Self::Stop];

    /// The word in metrics and answers, with that of the ids before it.
    pub(crate) const fn name(self, ids: Ids) -> &'static str {
        match (ids, self) {
            (Ids::Transactions, Self::Autovacuum) => "xid_autovacuum",
            (Ids::Transactions, Self::Failsafe) => "xid_failsafe",
            (Ids::Transactions, Self::Warning) => "xid_warning",
            (Ids::Transactions, Self::Stop) => "xid_stop",
            (Ids::Multixacts, Self::Autovacuum) => "mxid_autovacuum",
            (Ids::Multixacts, Self::Failsafe) => "mxid_failsafe",
            (Ids::Multixacts, Self::Warning) => "mxid_warning",
            (Ids::Multixacts, Self::Stop) => "mxid_stop",
        }
    }
}

/// One number for each kind of ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PerIds<T> {
    pub(crate) transactions: T,
    pub(crate) multixacts: T,
}

impl<T> PerIds<T> {
    /// The one of a kind.
    pub(crate) const fn get(&self, ids: Ids) -> &T {
        match ids {
            Ids::Transactions => &self.transactions,
            Ids::Multixacts => &self.multixacts,
        }
    }
}

impl<T: Copy> PerIds<T> {
    /// The one of a kind, copied.
    pub(crate) const fn of(&self, ids: Ids) -> T {
        match ids {
            Ids::Transactions => self.transactions,
            Ids::Multixacts => self.multixacts,
        }
    }
}

/// What the server as a whole says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerAges {
    /// Which cluster it is: its system identifier.
    pub cluster: String,
    /// The present database.
    pub database: String,
    /// The ids that are given next: of transactions in full, of multixacts as they wrap.
    pub next: PerIds<u64>,
    /// How far back the oldest id of this database is.
    pub age: PerIds<u64>,
    /// The same of the oldest database of the server; its age is what stops the server.
    pub server_age: PerIds<u64>,
    /// `autovacuum_freeze_max_age` and its like for multixacts.
    pub freeze_max: PerIds<u64>,
    /// `vacuum_failsafe_age` and its like, as the server takes them.
    pub failsafe: PerIds<u64>,
    /// How far back the oldest transaction is that this database's vacuums must leave rows for. 0: nobody holds any.
    pub horizon_age: u64,
    /// Members of multixacts on disk, where that can be known.
    pub members: Option<u64>,
    /// Bytes of a page.
    pub block_bytes: u64,
    /// It follows another server, and nothing can be frozen in it.
    pub is_standby: bool,
}

impl ServerAges {
    /// The age at which something happens, for a table without settings of its own.
    pub(crate) fn limit(&self, ids: Ids, limit: Limit) -> u64 {
        match limit {
            Limit::Autovacuum => self.autovacuum(ids),
            // Never before the autovacuum, whatever is set.
            Limit::Failsafe => self
                .failsafe
                .of(ids)
                .max(self.freeze_max.of(ids) + self.freeze_max.of(ids) / 20),
            Limit::Warning => WRAP - WARNS_BEFORE,
            Limit::Stop => WRAP - STOPS_BEFORE,
        }
    }

    fn autovacuum(&self, ids: Ids) -> u64 {
        let set = self.freeze_max.of(ids);
        match (ids, self.members) {
            (Ids::Multixacts, Some(members)) => set.min(members_limit(members, self.server_age.multixacts)),
            _ => set,
        }
    }

    /// The age that counts for a limit: the server stops for its oldest database, and vacuums each for its own.
    pub(crate) fn age_for(&self, ids: Ids, limit: Limit) -> u64 {
        match limit {
            Limit::Autovacuum | Limit::Failsafe => self.age.of(ids),
            Limit::Warning | Limit::Stop => self.age.of(ids).max(self.server_age.of(ids)),
        }
    }

    /// When a limit is reached at this pace.
    pub(crate) fn eta(&self, ids: Ids, limit: Limit, pace: &Pace) -> Eta {
        eta(self.age_for(ids, limit), self.limit(ids, limit), pace)
    }
}

/// The age of multixacts that the server allows while their members take so much room: less and less of what there is.
fn members_limit(members: u64, multixacts: u64) -> u64 {
    if members <= MEMBERS_SAFE {
        return u64::MAX;
    }
    let share = (members - MEMBERS_SAFE) as f64 / (MEMBERS_DANGER - MEMBERS_SAFE) as f64;
    let victims = (multixacts as f64 * share) as u64;
    multixacts.saturating_sub(victims)
}

/// How old the oldest rows of a heap are, and at which age it is vacuumed without asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeapAge {
    pub age: PerIds<u64>,
    pub limit: PerIds<u64>,
    /// Pages in all.
    pub pages: u64,
    /// Pages on which nothing is left to freeze, where the server counts them.
    pub pages_frozen: u64,
}

/// Why a table's age cannot be helped by a vacuum of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    /// It belongs to the server or to Weir.
    System,
    /// It belongs to another session alone.
    Temporary,
}

/// One table with what is stored out of line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableAge {
    pub table: TableName,
    pub heap: HeapAge,
    pub toast: Option<HeapAge>,
    /// Bytes of both.
    pub size_bytes: u64,
    /// Bytes of its indexes, as its last vacuum left them.
    pub index_bytes: u64,
    pub apart: Option<Apart>,
    /// An autovacuum against wraparound is at it, or waits for it.
    pub has_autovacuum: bool,
}

/// The nearest limit of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Nearest {
    pub ids: Ids,
    pub is_toast: bool,
    pub age: u64,
    pub limit: u64,
    pub eta: Eta,
}

impl Nearest {
    /// The share of the limit that is used up.
    pub(crate) fn share(&self) -> f64 {
        self.age as f64 / self.limit.max(1) as f64
    }
}

impl TableAge {
    fn heaps(&self) -> impl Iterator<Item = (bool, &HeapAge)> {
        std::iter::once((false, &self.heap)).chain(self.toast.iter().map(|heap| (true, heap)))
    }

    /// The greatest age of the table and what is stored out of line.
    pub(crate) fn oldest(&self, ids: Ids) -> u64 {
        self.heaps().map(|(_, heap)| heap.age.of(ids)).max().unwrap_or_default()
    }

    /// When autovacuum starts without asking because of ids of this kind.
    pub(crate) fn eta(&self, ids: Ids, pace: &Pace) -> Eta {
        let heaps = self
            .heaps()
            .map(|(_, heap)| eta(heap.age.of(ids), heap.limit.of(ids), pace));
        heaps.fold(Eta::Never, Eta::sooner)
    }

    /// The limit of this table that comes first; where none is in sight, the one that is used up most.
    pub(crate) fn nearest(&self, paces: &PerIds<&Pace>) -> Nearest {
        let mut nearest: Option<Nearest> = None;
        for (is_toast, heap) in self.heaps() {
            for ids in Ids::ALL {
                let (age, limit) = (heap.age.of(ids), heap.limit.of(ids));
                let found = Nearest {
                    ids,
                    is_toast,
                    age,
                    limit,
                    eta: eta(age, limit, paces.of(ids)),
                };
                if nearest.is_none_or(|known| found.order(&known).is_lt()) {
                    nearest = Some(found);
                }
            }
        }
        nearest.unwrap_or(Nearest {
            ids: Ids::Transactions,
            is_toast: false,
            age: 0,
            limit: u64::MAX,
            eta: Eta::Never,
        })
    }

    /// Bytes that a vacuum that freezes has to read, and at most to write: its pages that are not frozen.
    pub(crate) fn unfrozen_bytes(&self, block: u64) -> u64 {
        let pages: u64 = self
            .heaps()
            .map(|(_, heap)| heap.pages.saturating_sub(heap.pages_frozen))
            .sum();
        pages * block
    }
}

impl Nearest {
    /// The sooner one first; of those that are not in sight the one that used up more.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let order = self.eta.seconds().total_cmp(&other.eta.seconds());
        order.then(other.share().total_cmp(&self.share()))
    }
}

/// When something is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Eta {
    /// It is.
    Now,
    /// So much later.
    In(Duration),
    /// No id is used, or so few that it is out of sight.
    Never,
    /// Not watched for long enough to say.
    Unknown,
}

impl Eta {
    /// The time until then; endless where it is not in sight.
    pub(crate) fn seconds(self) -> f64 {
        match self {
            Self::Now => 0.0,
            Self::In(time) => time.as_secs_f64(),
            Self::Never | Self::Unknown => f64::INFINITY,
        }
    }

    /// The one that comes first.
    pub(crate) fn sooner(self, other: Self) -> Self {
        match (self, other) {
            // What is not known may come first.
            (Self::Never, Self::Unknown) => other,
            _ if other.seconds() < self.seconds() => other,
            _ => self,
        }
    }

    /// Whether it is reached within a time.
    pub(crate) fn is_within(self, time: Duration) -> bool {
        self.seconds() < time.as_secs_f64()
    }

    /// In words, such as `in 3.2 days`.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Now => "now".to_owned(),
            Self::In(time) => format!("in {}", span(time)),
            Self::Never => "not in sight".to_owned(),
            Self::Unknown => "not known yet".to_owned(),
        }
    }
}

/// When an age reaches a limit.
pub(crate) fn eta(age: u64, limit: u64, pace: &Pace) -> Eta {
    if age >= limit {
        return Eta::Now;
    }
    if !pace.is_known() {
        return Eta::Unknown;
    }
    match pace.until(limit - age) {
        Some(time) if time < FAR => Eta::In(time),
        _ => Eta::Never,
    }
}

/// A time with the unit that fits.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds < 172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ if seconds < 730.0 * 86_400.0 => format!("{:.1} days", seconds / 86_400.0),
        _ => format!("{:.0} years", seconds / (365.25 * 86_400.0)),
    }
}

/// A count of ids with the unit that fits.
pub(crate) fn ids_in_words(count: u64) -> String {
    let number = count as f64;
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{:.0} thousand", number / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} million", number / 1e6),
        _ => format!("{:.2} billion", number / 1e9),
    }
}

#[cfg(test)]
pub(crate) mod tests;
