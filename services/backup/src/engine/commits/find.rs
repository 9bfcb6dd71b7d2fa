//! Finds commits in the log: what a restore has to know of the moment at which it ends.
//!
//! Everything is in the order of the log, which is the order of recovery. Times are those that servers wrote; where their
//! clocks jumped, later commits may have earlier times.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::index::Index;
use super::line::Line;
use super::names::Names;
use super::tally::{Committed, Counts, Key};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::Repository;
use crate::repo::state::{BackupEntry, Position};

/// Times of commits that were made at once are in another order than these by less than this.
const DISORDER_US: i64 = 3_600_000_000;

/// How long somebody who wants commits waits for names.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// So many segments without a commit are looked through for the last one.
const QUIET_MAX: usize = 16;

/// A commit in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundCommit {
    pub xid: u32,
    pub timeline: u32,
    /// Where its record begins: who ends there does not have it.
    pub start: u64,
    /// The position after its record: who ends there has it.
    pub end: u64,
    pub unix_us: i64,
    /// Empty: not known.
    pub database: String,
    /// 0: not known.
    pub database_oid: u32,
    /// What it changed, the most changed relation first.
    pub changes: Vec<FoundChange>,
}

impl FoundCommit {
    /// The position after it.
    pub(crate) const fn position(&self) -> Position {
        Position {
            timeline: self.timeline,
            lsn: self.end,
        }
    }
}

/// What a commit changed in one relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundChange {
    /// As `schema.name`; a number where that is not known.
    pub table: String,
    pub counts: Counts,
}

/// A named point in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundPoint {
    pub name: String,
    /// The position after it.
    pub position: Position,
    pub unix_us: i64,
}

/// The commits of the log that leads to a timeline.
#[derive(Debug)]
pub(crate) struct Commits<'k> {
    line: Line,
    names: Names,
    repository: Repository,
    /// The backup whose names were not learnt yet.
    backup: Option<BackupEntry>,
    /// Whose server is asked for the names of what has no index yet.
    keeper: Option<&'k Keeper>,
}

impl<'k> Commits<'k> {
    /// Those of a timeline; 0: of the latest. None: there is no log.
    pub(crate) async fn of(repository: &Repository, timeline: u32) -> Result<Option<Self>, Error> {
        let Some(line) = Line::of(repository, timeline).await? else {
            return Ok(None);
        };
        let state = repository.state().await?;
        Ok(Some(Self {
            line,
            names: Names::default(),
            backup: state.of_cluster().next_back().cloned(),
            repository: repository.clone(),
            keeper: None,
        }))
    }

    /// The same with names of the open end, as the server says now.
    pub(crate) fn asking(self, keeper: &'k Keeper) -> Self {
        Self {
            keeper: Some(keeper),
            ..self
        }
    }

    /// How many segments there are.
    pub(super) fn segments(&self) -> usize {
        self.line.stretches.len()
    }

    /// Where a segment begins.
    pub(super) fn start_of(&self, at: usize) -> u64 {
        self.line.start_of(at)
    }

    /// The segment in which something that ends there is found; the next one where that is missing.
    fn segment_of(&self, end: u64) -> usize {
        self.line
            .stretches
            .partition_point(|stretch| stretch.segment.end() < end)
    }

    async fn index(&mut self, at: usize) -> Result<Arc<Index>, Error> {
        let index = self.line.index(at).await?;
        self.names.learn_index(&index);
        // One that was stored says what could be known.
        if !self.line.is_indexed(at) && self.names.lack(&index) {
            self.learn_names(&index).await;
        }
        Ok(index)
    }

    /// Learns the names that an index made in passing does not have. Commits are told with numbers rather than not at all.
    async fn learn_names(&mut self, index: &Index) {
        if let Some(backup) = self.backup.take() {
            match self.repository.manifest(&backup).await {
                Ok(manifest) => self.names.learn_manifest(&manifest),
                Err(error) => {
                    tracing::warn!(backup.id = backup.id, error = %error, "the names of a backup cannot be read");
                }
            }
        }
        if let Some(keeper) = self.keeper {
            let asking = self.names.hear(keeper, index);
            if tokio::time::timeout(ASK_WITHIN, asking).await.is_err() {
                tracing::debug!("the names of relations are not known: no answer within {ASK_WITHIN:?}");
            }
        }
    }

    /// The commits of a segment that lie on this line, in order.
    pub(super) async fn commits(&mut self, at: usize) -> Result<(Arc<Index>, Vec<Committed>), Error> {
        let index = self.index(at).await?;
        let mut commits = index.commits();
        let until = self.line.until_of(at);
        commits.retain(|commit| commit.end <= until);
        Ok((index, commits))
    }

    /// The commit of a transaction; of several of that number the latest.
    pub(crate) async fn transaction(&mut self, xid: u32) -> Result<Option<FoundCommit>, Error> {
        for at in (0..self.segments()).rev() {
            let (index, commits) = self.commits(at).await?;
            if let Some(commit) = commits.iter().rfind(|commit| commit.xid == xid) {
                return Ok(Some(self.told(&index, commit)));
            }
        }
        Ok(None)
    }

    /// The first commit after a position whose time is later than this, or, where `before`, as late: recovery to that
    /// time ends before it. None: the log does not reach that far.
    pub(crate) async fn first_later(
        &mut self,
        after: u64,
        unix_us: i64,
        before: bool,
    ) -> Result<Option<FoundCommit>, Error> {
        let is_later = |time: i64| time > unix_us || (before && time == unix_us);
        let first = self.segment_of(after);
        let from = self.first_reaching(first..self.segments(), unix_us).await?;
        for at in from..self.segments() {
            let (index, commits) = self.commits(at).await?;
            let mut here = commits.iter().filter(|commit| commit.end > after);
            if let Some(commit) = here.find(|commit| is_later(commit.unix_us)) {
                return Ok(Some(self.told(&index, commit)));
            }
        }
        Ok(None)
    }

    /// The last commit that somebody who ends at this position has.
    pub(crate) async fn last_until(&mut self, position: u64) -> Result<Option<FoundCommit>, Error> {
        let last = self.segment_of(position).saturating_add(1).min(self.segments());
        for at in (0..last).rev() {
            let (index, commits) = self.commits(at).await?;
            if let Some(commit) = commits.iter().rfind(|commit| commit.end <= position) {
                return Ok(Some(self.told(&index, commit)));
            }
        }
        Ok(None)
    }

    /// The first commits that somebody who ends at this position does not have.
    pub(crate) async fn missing_after(&mut self, position: u64, count: usize) -> Result<Vec<FoundCommit>, Error> {
        let mut missing = Vec::new();
        for at in self.segment_of(position)..self.segments() {
            let (index, commits) = self.commits(at).await?;
            let later = commits.iter().filter(|commit| commit.end > position);
            let wanted = count - missing.len();
            missing.extend(later.take(wanted).map(|commit| self.told(&index, commit)));
            if missing.len() >= count {
                break;
            }
        }
        Ok(missing)
    }

    /// The latest restore point of this name; with `after`, the first after that position, which is where recovery from
    /// there ends.
    pub(crate) async fn restore_point(&mut self, name: &str, after: Option<u64>) -> Result<Option<FoundPoint>, Error> {
        let first = after.map_or(0, |after| self.segment_of(after));
        let mut found = None;
        for step in first..self.segments() {
            let at = if after.is_some() {
                step
            } else {
                self.segments() - 1 - (step - first)
            };
            let index = self.index(at).await?;
            let until = self.line.until_of(at);
            let mut named = index.points.iter().filter(|point| {
                point.name == name && point.end <= until && after.is_none_or(|after| point.end > after)
            });
            found = if after.is_some() {
                named.next()
            } else {
                named.next_back()
            }
            .map(|point| FoundPoint {
                name: point.name.clone(),
                position: Position {
                    timeline: self.line.timeline_at(point.end),
                    lsn: point.end,
                },
                unix_us: point.unix_us,
            });
            if found.is_some() {
                break;
            }
        }
        Ok(found)
    }

    /// The end of the log: the position after the last whole record. None: there is no record.
    #[cfg(test)]
    pub(crate) async fn end(&mut self) -> Result<Option<Position>, Error> {
        for at in (0..self.segments()).rev() {
            let index = self.index(at).await?;
            if index.first_record.is_some() || index.end > index.start() {
                return Ok(Some(Position {
                    timeline: self.line.timeline_at(index.end),
                    lsn: index.end,
                }));
            }
        }
        Ok(None)
    }

    /// The first segment of these up to which a commit was as late as this.
    async fn first_reaching(&mut self, range: Range<usize>, unix_us: i64) -> Result<usize, Error> {
        let (mut low, mut high) = (range.start, range.end);
        // Where the highest time so far is older than the beginning, it says nothing of what lies in between.
        if low < high
            && self
                .index(low)
                .await?
                .highest_unix_us
                .is_some_and(|highest| highest >= unix_us)
        {
            return Ok(low);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let highest = self.highest(low, middle).await?;
            if highest.is_some_and(|highest| highest >= unix_us) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// The latest time up to a segment. Where log is missing before it, and it has no commit, the one before says.
    async fn highest(&mut self, first: usize, at: usize) -> Result<Option<i64>, Error> {
        for at in (first..=at).rev() {
            let highest = self.index(at).await?.highest_unix_us;
            if highest.is_some() {
                return Ok(highest);
            }
        }
        Ok(None)
    }

    /// The time of the last commit, if there is one in the last segments.
    async fn newest(&mut self) -> Result<Option<i64>, Error> {
        for at in (0..self.segments()).rev().take(QUIET_MAX) {
            if let Some(times) = self.index(at).await?.times() {
                return Ok(Some(times.last));
            }
        }
        Ok(None)
    }

    /// The segments in which commits of these times can be; all, where clocks jumped.
    pub(super) async fn between(&mut self, from_us: i64, until_us: i64) -> Result<Range<usize>, Error> {
        let all = 0..self.segments();
        let Some(last) = self.segments().checked_sub(1) else {
            return Ok(all);
        };
        let highest = self.highest(0, last).await?;
        let newest = self.newest().await?;
        let has_jumped = newest
            .zip(highest)
            .is_none_or(|(newest, highest)| highest - newest > DISORDER_US);
        let start = if from_us == i64::MIN {
            0
        } else {
            self.first_reaching(all.clone(), from_us).await?
        };
        if has_jumped || until_us == i64::MAX {
            return Ok(start..all.end);
        }
        let end = self
            .first_reaching(start..all.end, until_us.saturating_add(DISORDER_US))
            .await?;
        Ok(start..end.saturating_add(1).min(all.end))
    }

    /// A commit with everything that is known by name.
    pub(super) fn told(&self, index: &Index, commit: &Committed) -> FoundCommit {
        let name = self.names.database(commit.database).map(str::to_owned);
        FoundCommit {
            xid: commit.xid,
            timeline: self.line.timeline_at(commit.end),
            start: commit.start,
            end: commit.end,
            unix_us: commit.unix_us,
            database: name.unwrap_or_default(),
            database_oid: commit.database,
            changes: self.changes(index, commit),
        }
    }

    /// What a commit changed in tables; in the catalogue, if there alone.
    fn changes(&self, index: &Index, commit: &Committed) -> Vec<FoundChange> {
        let mut users: BTreeMap<String, Counts> = BTreeMap::new();
        let mut own: BTreeMap<String, Counts> = BTreeMap::new();
        for (place, counts) in &commit.counts {
            let Some(relation) = index.relations.get(*place as usize) else {
                continue;
            };
            let named = self.names.relation(relation.key());
            let (name, kind) = named.map_or(("", ""), |named| (named.name.as_str(), named.kind.as_str()));
            match sort_of(relation.key(), name, kind) {
                Sort::Users => users.entry(shown(relation.key(), name)).or_default().add(counts),
                Sort::Own => own.entry(shown(relation.key(), name)).or_default().add(counts),
                Sort::Attached => {}
            }
        }
        let all = if users.is_empty() { own } else { users };
        let mut changes: Vec<FoundChange> = all
            .into_iter()
            .map(|(table, counts)| FoundChange { table, counts })
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse(weight(&change.counts)));
        changes
    }
}

/// Whose a relation is.
enum Sort {
    Users,
    /// PostgreSQL's own.
    Own,
    /// An index or the like, which belongs to a table.
    Attached,
}

fn sort_of(key: Key, name: &str, kind: &str) -> Sort {
    let is_low = matches!(key, Key::Files(locator) if locator.node < super::names::FIRST_OF_USERS);
    if matches!(kind, "i" | "I" | "t" | "S") || name.starts_with("pg_toast.") {
        Sort::Attached
    } else if name.starts_with("pg_catalog.") || name.starts_with("information_schema.") || (is_low && name.is_empty())
    {
        Sort::Own
    } else {
        Sort::Users
    }
}

fn shown(key: Key, name: &str) -> String {
    match key {
        _ if !name.is_empty() => name.to_owned(),
        Key::Files(locator) => locator.node.to_string(),
        Key::Oid(_, oid) => oid.to_string(),
        Key::Others => "others".to_owned(),
    }
}

const fn weight(counts: &Counts) -> u64 {
    let rows = counts.inserted.saturating_add(counts.updated);
    rows.saturating_add(counts.deleted)
        .saturating_add(counts.replaced as u64)
}
