//! Whether work on a relation may begin now, or the sentence that says why not. Pure.
//!
//! What an open transaction does to each kind of work was measured, and differs:
//!
//! | who has it open | VACUUM | VACUUM FULL, CLUSTER | pg_repack | REINDEX CONCURRENTLY |
//! | --- | --- | --- | --- | --- |
//! | a snapshot in this database | what died since stays | writes everything, gains nothing | waits for it | waits for it |
//! | a write in this database | what died since stays | gains nothing | waits for it | waits if it has the table locked |
//! | a write in another database | works | gains nothing | works | works |
//! | a snapshot in another database | works | works | works | works |
//! | nothing but the transaction | works | works | waits for it | waits if it has the table locked |

use std::time::Duration;

use super::Kind;

/// What claims old rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// A session with an open transaction.
    Transaction,
    /// A prepared transaction.
    Prepared,
    /// A replication slot.
    Slot,
    /// A standby that says what its queries need.
    Standby,
}

/// Somebody who may keep old rows from being removed, or whom rewrites wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// What it is.
    pub holding: Holding,
    /// The number of the process, the prepared transaction's name, the slot's name, the standby's address.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// The name that the application gave itself, or a slot's plugin.
    pub application: String,
    /// Where it is; empty for what belongs to no database.
    pub database: String,
    /// Whether it counts in this database.
    pub is_here: bool,
    /// Whether nothing happens in it.
    pub is_idle: bool,
    /// Whether it is an autovacuum, which nobody waits for: it gives way.
    pub is_autovacuum: bool,
    /// Whether it has a lock on the relation in question.
    pub has_lock: bool,
    /// Transactions begun since it got its own number, if it writes.
    pub xid_age: Option<u64>,
    /// Transactions begun since the oldest that it still looks behind.
    pub xmin_age: Option<u64>,
    /// The same for rows of the system's catalogues only.
    pub catalog_age: Option<u64>,
    /// How long it has been open.
    pub open: Option<Duration>,
}

impl Holder {
    /// Who it is, in words for people.
    pub(crate) fn describe(&self) -> String {
        let Self {
            name,
            user,
            application,
            database,
            ..
        } = self;
        match self.holding {
            Holding::Prepared => format!(
                "the prepared transaction '{name}' in database {database} (user {user}{})",
                self.since()
            ),
            Holding::Slot => {
                let state = if self.is_idle { ", which nobody reads" } else { "" };
                format!("the replication slot {name}{state}")
            }
            Holding::Standby => format!("the standby {application} ({name})"),
            Holding::Transaction => {
                let place = if database.is_empty() { "no database" } else { database };
                let app = if application.is_empty() {
                    String::new()
                } else {
                    format!(", app {application}")
                };
                let idle = if self.is_idle { ", idle" } else { "" };
                format!(
                    "a transaction in database {place} (pid {name}, user {user}{app}{}{idle})",
                    self.since()
                )
            }
        }
    }

    fn since(&self) -> String {
        self.open
            .map_or_else(String::new, |open| format!(", open for {}", in_words(open)))
    }

    /// How far back it keeps rows of this database.
    fn holds_here(&self) -> Option<u64> {
        self.is_here.then(|| self.xid_age.max(self.xmin_age)).flatten()
    }

    /// How far back it keeps rows from a statement that has a snapshot of its own: that looks behind every transaction
    /// that writes, wherever that is.
    fn holds_a_rewrite(&self) -> Option<u64> {
        self.holds_here().max(self.xid_age)
    }

    fn is_older_than(&self, limit: Duration) -> bool {
        // What cannot be seen is taken for old.
        self.open.is_none_or(|open| open >= limit)
    }

    /// Whether work here waits for it. A prepared transaction is waited for only by who needs a lock that it has.
    const fn is_waited_for(&self) -> bool {
        match self.holding {
            Holding::Transaction => self.is_here && !self.is_autovacuum,
            Holding::Prepared => self.is_here && self.has_lock,
            Holding::Slot | Holding::Standby => false,
        }
    }
}

/// How long something took, roughly.
pub(crate) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A replica that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replica {
    /// The name it gave itself.
    pub name: String,
    /// What it has not replayed, in bytes of the log.
    pub behind_bytes: u64,
    /// How long ago what it replayed last was written, where the server knows.
    pub behind: Option<Duration>,
}

/// What is known of a server at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gates {
    /// Whether it is a standby.
    pub is_standby: bool,
    /// Everybody who may hold something.
    pub holders: Vec<Holder>,
    /// Sessions of which this role may not see anything.
    pub hidden: u64,
    /// Everybody who follows.
    pub replicas: Vec<Replica>,
    /// What the archiver could not archive, if its last attempt failed.
    pub archiver: Option<String>,
    /// Free bytes where the relation lies, if that can be known.
    pub free_bytes: Option<u64>,
    /// The autovacuum on the relation that keeps numbers from running out.
    pub freezing_pid: Option<String>,
}

/// What is about to be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    /// Its name for people.
    pub name: &'a str,
    /// Bytes that will lie beside what is there: of an index the index, of a table the living rows and all indexes.
    pub needs_bytes: u64,
}

/// How a table is reorganized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// pg_repack copies the rows that a snapshot sees.
    Copy,
    /// VACUUM FULL or CLUSTER, which keep every row that anybody might still see.
    Rewrite,
}

/// How much is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Transactions open for longer are not waited for.
    pub transaction: Duration,
    /// Replicas further behind are not burdened.
    pub behind: Duration,
    /// The same in bytes.
    pub behind_bytes: u64,
    /// Whether work that needs space is refused where free space is unknown.
    pub needs_known_space: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transaction: Duration::from_secs(60),
            behind: Duration::from_secs(10),
            behind_bytes: 64 * 1024 * 1024,
            needs_known_space: false,
        }
    }
}

/// Whether a kind of work may begin on a relation: what is to be remarked, or why not.
pub(crate) fn gate(
    kind: Kind,
    engine: Engine,
    subject: Subject<'_>,
    gates: &Gates,
    limits: Limits,
) -> Result<Vec<String>, String> {
    if gates.is_standby {
        return Err("the server is a standby: maintenance works on the primary".to_owned());
    }
    let writes_much = matches!(kind, Kind::Freeze | Kind::Vacuum | Kind::Reindex | Kind::Reorganize);
    if writes_much {
        no_replica_behind(gates, limits)?;
    }
    if matches!(kind, Kind::Vacuum | Kind::Freeze | Kind::Reindex | Kind::Reorganize) {
        no_freezing(subject, gates)?;
    }
    let mut remarks = Vec::new();
    if matches!(kind, Kind::Reindex | Kind::Reorganize) {
        archiver_works(gates)?;
        remarks.extend(enough_space(subject, gates, limits)?);
    }
    remarks.extend(horizon(kind, engine, gates, limits)?);
    if gates.hidden > 0 && !matches!(kind, Kind::Analyze | Kind::Sweep | Kind::Verify) {
        remarks.push(format!(
            "{} sessions of other users cannot be looked into: grant pg_read_all_stats",
            gates.hidden
        ));
    }
    Ok(remarks)
}

fn horizon(kind: Kind, engine: Engine, gates: &Gates, limits: Limits) -> Result<Vec<String>, String> {
    match (kind, engine) {
        (Kind::Reorganize, Engine::Rewrite) => rewrites_gain(gates, limits).map(|()| Vec::new()),
        (Kind::Reorganize, Engine::Copy) => {
            nobody_is_waited_for(gates, limits, "pg_repack", |_| true).map(|()| Vec::new())
        }
        (Kind::Reindex, _) => {
            let waits = |holder: &Holder| holder.xmin_age.is_some() || holder.has_lock;
            nobody_is_waited_for(gates, limits, "REINDEX CONCURRENTLY", waits).map(|()| Vec::new())
        }
        (Kind::Vacuum | Kind::Freeze, _) => Ok(what_stays(gates, limits)),
        _ => Ok(Vec::new()),
    }
}

/// Who keeps most old rows from being removed in this database, in words.
pub(crate) fn horizon_holder(holders: &[Holder]) -> Option<String> {
    let here: Vec<Holder> = holders.iter().filter(|holder| holder.is_here).cloned().collect();
    let held = |holder: &Holder| holder.xmin_age.max(holder.xid_age);
    furthest(&here, held).map(|(holder, _)| holder.describe())
}

/// The one who holds most.
fn furthest(holders: &[Holder], holds: impl Fn(&Holder) -> Option<u64>) -> Option<(&Holder, u64)> {
    let holding = holders.iter().filter_map(|holder| Some((holder, holds(holder)?)));
    holding.max_by_key(|(_, age)| *age)
}

fn rewrites_gain(gates: &Gates, limits: Limits) -> Result<(), String> {
    let old = gates
        .holders
        .iter()
        .filter(|holder| holder.is_older_than(limits.transaction));
    let old: Vec<Holder> = old.cloned().collect();
    match furthest(&old, Holder::holds_a_rewrite) {
        None => Ok(()),
        Some((holder, _)) => Err(format!(
            "{} holds the horizon: a rewrite would reclaim nothing",
            holder.describe()
        )),
    }
}

fn nobody_is_waited_for(
    gates: &Gates,
    limits: Limits,
    what: &str,
    waits_for: impl Fn(&Holder) -> bool,
) -> Result<(), String> {
    let old =
        |holder: &&Holder| holder.is_waited_for() && holder.is_older_than(limits.transaction) && waits_for(holder);
    let longest = gates.holders.iter().filter(old).max_by_key(|holder| holder.open);
    longest.map_or(Ok(()), |holder| {
        Err(format!("{what} would wait for {}", holder.describe()))
    })
}

/// VACUUM always does some good; what it cannot remove is said.
fn what_stays(gates: &Gates, limits: Limits) -> Vec<String> {
    let old = gates
        .holders
        .iter()
        .filter(|holder| holder.is_older_than(limits.transaction));
    let old: Vec<Holder> = old.cloned().collect();
    let remark = |(holder, age): (&Holder, u64)| {
        format!(
            "{} holds the horizon: rows that died in the last {age} transactions stay",
            holder.describe()
        )
    };
    furthest(&old, Holder::holds_here).map(remark).into_iter().collect()
}

fn no_replica_behind(gates: &Gates, limits: Limits) -> Result<(), String> {
    let is_behind = |replica: &&Replica| {
        replica.behind_bytes > limits.behind_bytes || replica.behind.is_some_and(|behind| behind > limits.behind)
    };
    gates.replicas.iter().find(is_behind).map_or(Ok(()), |replica| {
        let time = replica
            .behind
            .map_or_else(String::new, |behind| format!(", {}", in_words(behind)));
        Err(format!(
            "replica {} is behind: {} bytes{time}",
            replica.name, replica.behind_bytes
        ))
    })
}

fn no_freezing(subject: Subject<'_>, gates: &Gates) -> Result<(), String> {
    gates.freezing_pid.as_ref().map_or(Ok(()), |pid| {
        Err(format!(
            "autovacuum (pid {pid}) works on {} to prevent wraparound: it goes first",
            subject.name
        ))
    })
}

fn archiver_works(gates: &Gates) -> Result<(), String> {
    gates.archiver.as_ref().map_or(Ok(()), |file| {
        Err(format!("the archiver fails at {file}: more log would only pile up"))
    })
}

/// Room for what is written, a fifth more, and a tenth of it as a reserve for everybody else.
fn enough_space(subject: Subject<'_>, gates: &Gates, limits: Limits) -> Result<Option<String>, String> {
    let needed = subject.needs_bytes.saturating_mul(13) / 10;
    match gates.free_bytes {
        Some(free) if free < needed => Err(format!(
            "{} needs {} free, and there are {}",
            subject.name,
            mib(needed),
            mib(free)
        )),
        Some(_) => Ok(None),
        None if limits.needs_known_space => Err("how much space is free on the server is unknown".to_owned()),
        None => Ok(Some(format!(
            "how much space is free on the server is unknown; it takes {}",
            mib(needed)
        ))),
    }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

#[cfg(test)]
mod tests;
