//! Lists commits for people, the latest first.

use super::find::{Commits, FoundCommit};
use crate::error::Error;

/// Segments that are looked at for one page.
const SEGMENTS_MAX: usize = 256;

/// Which commits to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Query {
    /// At or after this time. 0: from the beginning.
    pub from_unix_ms: i64,
    /// Before this time. 0: to the end.
    pub until_unix_ms: i64,
    /// That changed this table, as `schema.name`, or as a number. Empty: any.
    pub table: String,
    /// In this database. Empty: any.
    pub database: String,
    /// At most so many.
    pub count: usize,
    /// Only those that end before this position.
    pub before: Option<u64>,
}

/// Commits, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Listed {
    pub commits: Vec<FoundCommit>,
    /// Where to go on. None: these were the last.
    pub before: Option<u64>,
}

/// The same of a repository's latest timeline.
#[cfg(test)]
pub(crate) async fn list(repository: &crate::repo::Repository, query: &Query) -> Result<Listed, Error> {
    match Commits::of(repository, 0).await? {
        Some(commits) => list_of(commits, query).await,
        None => Ok(Listed::default()),
    }
}

/// Lists these.
pub(crate) async fn list_of(mut commits: Commits<'_>, query: &Query) -> Result<Listed, Error> {
    let times = Times::of(query);
    let range = commits.between(times.from_us, times.until_us).await?;
    let mut listed = Listed::default();
    let before = query.before.unwrap_or(u64::MAX);
    let within = range.filter(|at| commits.start_of(*at) < before);
    for (looked, at) in within.rev().collect::<Vec<_>>().into_iter().enumerate() {
        if looked >= SEGMENTS_MAX {
            // What ends where a segment begins is told of by the one before.
            let passed = commits.start_of(at.saturating_add(1));
            listed.before = Some(passed.saturating_add(1));
            break;
        }
        let (index, here) = commits.commits(at).await?;
        let fitting = here
            .iter()
            .rev()
            .filter(|commit| commit.end < before && times.holds(commit.unix_us));
        for commit in fitting {
            let found = commits.told(&index, commit);
            if !query.fits(&found) {
                continue;
            }
            if listed.commits.len() >= query.count {
                listed.before = listed.commits.last().map(|last| last.end);
                return Ok(listed);
            }
            listed.commits.push(found);
        }
    }
    Ok(listed)
}

struct Times {
    from_us: i64,
    until_us: i64,
}

impl Times {
    fn of(query: &Query) -> Self {
        let us = |ms: i64, none: i64| if ms == 0 { none } else { ms.saturating_mul(1_000) };
        Self {
            from_us: us(query.from_unix_ms, i64::MIN),
            until_us: us(query.until_unix_ms, i64::MAX),
        }
    }

    const fn holds(&self, unix_us: i64) -> bool {
        unix_us >= self.from_us && unix_us < self.until_us
    }
}

impl Query {
    fn fits(&self, commit: &FoundCommit) -> bool {
        let in_database = self.database.is_empty() || commit.database == self.database;
        let of_table = self.table.is_empty() || commit.changes.iter().any(|change| change.table == self.table);
        in_database && of_table
    }
}
