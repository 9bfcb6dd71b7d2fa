//! Pure. The accounts of all shapes in use: a bounded number, shared fairly between projects.
//!
//! An account is asked for when a statement is prepared or first seen, not each time that it is run; whoever holds one
//! counts into it without coming here. Accounts that nobody holds make room for others, the least lately asked for of
//! the project that has most. What they counted stays in their project's total. Where there is no room, shapes share one
//! account of their project, which has no line of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;
use weir_model::{Fingerprint, Project};

use super::account::{Account, Balance, Order};
use super::counts::Counts;
use super::judge::Standing;

/// Accounts that are looked at, from the least lately asked for, for one that nobody holds.
const CANDIDATES: usize = 16;
/// Databases of one project that are told apart.
const DATABASES_MAX: usize = 256;
/// The longest text of a shape that is kept.
const TEXT_BYTES_MAX: usize = 2 * 1024;

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountsLimits {
    /// Accounts of all projects together.
    pub(crate) accounts_max: usize,
    /// Projects. What further ones do is not counted.
    pub(crate) projects_max: usize,
}

impl Default for AccountsLimits {
    fn default() -> Self {
        Self {
            accounts_max: 10_000,
            projects_max: 1_000,
        }
    }
}

/// Every account.
#[derive(Debug)]
pub(crate) struct Accounts {
    limits: AccountsLimits,
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    projects: HashMap<Project, Shelf>,
    count: usize,
    serial: u64,
    /// What projects counted that are remembered no more.
    forgotten: Counts,
    /// How long the lease of each database had run out.
    lapsed: HashMap<Arc<str>, Duration>,
}

/// The accounts of one project.
#[derive(Debug)]
struct Shelf {
    serial: u64,
    databases: Vec<Arc<str>>,
    accounts: LruCache<(usize, Fingerprint), Arc<Entry>>,
    /// For what has no account of its own.
    others: Arc<Account>,
    /// What accounts counted that were closed.
    closed: Counts,
    closed_saved_ns: f64,
    /// How long the lease of one of its databases had run out.
    lapsed: Duration,
}

#[derive(Debug)]
struct Entry {
    account: Arc<Account>,
    /// Another of the same shape later has another.
    serial: u64,
    database: Arc<str>,
    fingerprint: Fingerprint,
    text: Box<str>,
    told: Mutex<Option<Told>>,
}

/// What was last told of an account.
#[derive(Debug, PartialEq)]
struct Told {
    counts: Counts,
    entries: u64,
    bytes: u64,
    order: Order,
    standing: Standing,
    policy_id: String,
}

/// What one project did, as it is told.
#[derive(Debug)]
pub(crate) struct Drained {
    pub(crate) project: Project,
    /// Numbers begin anew where this is another.
    pub(crate) serial: u64,
    pub(crate) counts: Counts,
    pub(crate) saved_ns: f64,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) lapsed: Duration,
    /// Shapes of which there is news.
    pub(crate) lines: Vec<Line>,
}

/// One shape, as it is told.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) serial: u64,
    pub(crate) database: Arc<str>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) balance: Balance,
    /// Where it was not told before.
    pub(crate) text: Option<Box<str>>,
}

/// All projects together.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) accounts: usize,
    /// How long the lease of each database had run out.
    pub(crate) lapsed: HashMap<Arc<str>, Duration>,
}

impl Accounts {
    pub(crate) fn new(limits: AccountsLimits) -> Self {
        Self {
            limits,
            shelves: Mutex::default(),
        }
    }

    /// The account of a shape. `text` is without literals; empty where it is not known.
    pub(crate) fn of(
        &self,
        project: &Project,
        database: &str,
        (fingerprint, text): (Fingerprint, &str),
        now: Instant,
    ) -> Arc<Account> {
        let mut shelves = self.shelves();
        let Some(shelf) = shelves.shelf(project, self.limits, now) else {
            return Arc::new(Account::new(now));
        };
        let others = shelf.others.clone();
        let Some(key) = shelf.database(database).map(|database| (database, fingerprint)) else {
            return others;
        };
        if let Some(entry) = shelf.accounts.get(&key) {
            return entry.account.clone();
        }
        if shelves.count >= self.limits.accounts_max && !shelves.make_room(now) {
            return others;
        }
        shelves.open(project, key, text, now).unwrap_or(others)
    }

    /// The account of what has none of its own: statements that cannot be kept, sessions that stand aside.
    pub(crate) fn others(&self, project: &Project, now: Instant) -> Arc<Account> {
        let mut shelves = self.shelves();
        let shelf = shelves.shelf(project, self.limits, now);
        shelf.map_or_else(|| Arc::new(Account::new(now)), |shelf| shelf.others.clone())
    }

    /// For so long every read of this database went to PostgreSQL because the lease had run out.
    pub(crate) fn lapsed(&self, database: &str, lapsed: Duration) {
        let mut shelves = self.shelves();
        let mut name = None;
        for shelf in shelves.projects.values_mut() {
            if let Some(known) = shelf.databases.iter().find(|known| ***known == *database) {
                name = Some(known.clone());
                shelf.lapsed += lapsed;
            }
        }
        if let Some(name) = name {
            *shelves.lapsed.entry(name).or_default() += lapsed;
        }
    }

    /// What each project did, with the shapes of which there is news since the last time; with all of them where
    /// `anew`. Takes a while; nobody waits for it.
    pub(crate) fn drain(&self, anew: bool, now: Instant) -> Vec<Drained> {
        let projects = self.shelves().projects.keys().cloned().collect::<Vec<_>>();
        projects
            .into_iter()
            .filter_map(|project| self.drain_project(project, anew, now))
            .collect()
    }

    fn drain_project(&self, project: Project, anew: bool, now: Instant) -> Option<Drained> {
        let (mut drained, entries, others) = self.shelves().projects.get(&project)?.begin(project);
        drained.add(&others.balance(now));
        for entry in entries {
            let balance = entry.account.balance(now);
            drained.add(&balance);
            drained.lines.extend(entry.line(balance, anew));
        }
        Some(drained)
    }

    /// All projects together.
    pub(crate) fn totals(&self, now: Instant) -> Totals {
        let (mut totals, projects) = self.shelves().begin();
        for project in projects {
            let begun = self.shelves().projects.get(&project).map(|shelf| shelf.begin(project));
            let Some((drained, entries, others)) = begun else {
                continue;
            };
            totals.counts.add(&drained.counts);
            let accounts = entries.into_iter().map(|entry| entry.account.clone());
            for account in accounts.chain([others]) {
                let balance = account.balance(now);
                totals.counts.add(&balance.counts);
                totals.entries += balance.entries;
                totals.bytes += balance.bytes;
            }
        }
        totals
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn begin(&self) -> (Totals, Vec<Project>) {
        let totals = Totals {
            counts: self.forgotten.clone(),
            accounts: self.count,
            lapsed: self.lapsed.clone(),
            ..Totals::default()
        };
        (totals, self.projects.keys().cloned().collect())
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn shelf(&mut self, project: &Project, limits: AccountsLimits, now: Instant) -> Option<&mut Shelf> {
        if !self.projects.contains_key(project) {
            if self.projects.len() >= limits.projects_max && !self.forget_one(now) {
                return None;
            }
            let shelf = Shelf::new(self.next_serial(), now);
            self.projects.insert(project.clone(), shelf);
        }
        self.projects.get_mut(project)
    }

    /// Forgets a project that has no accounts and that nobody counts for.
    fn forget_one(&mut self, now: Instant) -> bool {
        let is_idle = |shelf: &Shelf| shelf.accounts.is_empty() && Arc::strong_count(&shelf.others) == 1;
        let found = self
            .projects
            .iter()
            .find(|(_, shelf)| is_idle(shelf))
            .map(|(project, _)| project.clone());
        let Some(shelf) = found.and_then(|project| self.projects.remove(&project)) else {
            return false;
        };
        self.forgotten.add(&shelf.closed);
        self.forgotten.add(&shelf.others.balance(now).counts);
        true
    }

    /// Closes one account of the project that has most.
    fn make_room(&mut self, now: Instant) -> bool {
        let Some(shelf) = self.projects.values_mut().max_by_key(|shelf| shelf.accounts.len()) else {
            return false;
        };
        let closed = shelf.close_one(now);
        self.count -= usize::from(closed);
        closed
    }

    fn open(&mut self, project: &Project, key: (usize, Fingerprint), text: &str, now: Instant) -> Option<Arc<Account>> {
        let serial = self.next_serial();
        let shelf = self.projects.get_mut(project)?;
        let entry = Entry {
            account: Arc::new(Account::new(now)),
            serial,
            database: shelf.databases.get(key.0)?.clone(),
            fingerprint: key.1,
            text: cut(text).into(),
            told: Mutex::default(),
        };
        let account = entry.account.clone();
        shelf.accounts.push(key, Arc::new(entry));
        self.count += 1;
        Some(account)
    }
}

impl Shelf {
    fn new(serial: u64, now: Instant) -> Self {
        Self {
            serial,
            databases: Vec::new(),
            accounts: LruCache::unbounded(),
            others: Arc::new(Account::new(now)),
            closed: Counts::default(),
            closed_saved_ns: 0.0,
            lapsed: Duration::ZERO,
        }
    }

    fn database(&mut self, name: &str) -> Option<usize> {
        let known = self.databases.iter().position(|known| **known == *name);
        known.or_else(|| {
            let place = self.databases.len();
            (place < DATABASES_MAX).then(|| {
                self.databases.push(name.into());
                place
            })
        })
    }

    fn close_one(&mut self, now: Instant) -> bool {
        let is_free = |entry: &Arc<Entry>| Arc::strong_count(entry) == 1 && Arc::strong_count(&entry.account) == 1;
        let mut oldest = self.accounts.iter().rev().take(CANDIDATES);
        let free = oldest.find(|(_, entry)| is_free(entry)).map(|(key, _)| *key);
        let Some(entry) = free.and_then(|key| self.accounts.pop(&key)) else {
            return false;
        };
        let balance = entry.account.balance(now);
        self.closed.add(&balance.counts);
        self.closed_saved_ns += balance.saved_ns;
        true
    }

    /// What was counted by accounts that are closed, and those that have to be added to it. Whichever of them is closed
    /// from now on is in the second only.
    fn begin(&self, project: Project) -> (Drained, Vec<Arc<Entry>>, Arc<Account>) {
        let drained = Drained {
            project,
            serial: self.serial,
            counts: self.closed.clone(),
            saved_ns: self.closed_saved_ns,
            entries: 0,
            bytes: 0,
            lapsed: self.lapsed,
            lines: Vec::new(),
        };
        let entries = self.accounts.iter().map(|(_, entry)| entry.clone()).collect();
        (drained, entries, self.others.clone())
    }
}

impl Drained {
    fn add(&mut self, balance: &Balance) {
        self.counts.add(&balance.counts);
        self.saved_ns += balance.saved_ns;
        self.entries += balance.entries;
        self.bytes += balance.bytes;
    }
}

impl Entry {
    fn line(&self, balance: Balance, anew: bool) -> Option<Line> {
        let news = Told {
            counts: balance.counts.clone(),
            entries: balance.entries,
            bytes: balance.bytes,
            order: balance.order,
            standing: balance.standing,
            policy_id: balance.policy_id.clone(),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = told.is_none();
        let is_silent = is_first && news.counts == Counts::default();
        if is_silent || !anew && told.as_ref() == Some(&news) {
            return None;
        }
        *told = Some(news);
        Some(Line {
            serial: self.serial,
            database: self.database.clone(),
            fingerprint: self.fingerprint,
            balance,
            text: (is_first || anew).then(|| self.text.clone()),
        })
    }
}

fn cut(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    format!("{}…", text.get(..end).unwrap_or_default())
}
