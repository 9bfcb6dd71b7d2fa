//! To which moments one can restore: spans of log without gaps that begin with a backup.

use super::line::{Line, timelines};
use crate::error::Error;
use crate::repo::Repository;
use crate::repo::state::{BackupEntry, Position, State};

/// Segments that are looked at for the time of a commit.
const LOOKED_MAX: usize = 64;

/// A span of log without gaps that begins with a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// From where on one can restore: where its first backup is consistent.
    pub from: Position,
    /// Up to where.
    pub to: Position,
    /// The time of the first commit in it, or, where there is none, when the backup was consistent.
    pub from_unix_ms: i64,
    /// The time of the last commit in it, or as before.
    pub to_unix_ms: i64,
    /// The backups that can be begun with, the oldest first.
    pub backups: Vec<String>,
}

/// Segments that follow each other, and can be read from the first position to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: usize,
    last: usize,
    from: u64,
    to: u64,
}

/// The windows of every timeline, in order of time. Those of a timeline that others go on from are a part of theirs, and
/// told of only where it was gone on with by itself.
pub(crate) async fn windows(repository: &Repository) -> Result<Vec<Window>, Error> {
    let state = repository.state().await?;
    let mut known: Vec<(Line, Vec<Window>)> = Vec::new();
    for timeline in timelines(repository, &state).await?.into_iter().rev() {
        let Some(mut line) = Line::of(repository, timeline).await? else {
            continue;
        };
        let mut windows = of_line(&mut line, &state).await?;
        windows.retain(|window| !known.iter().any(|(line, theirs)| has(line, theirs, window)));
        known.push((line, windows));
    }
    let mut windows: Vec<Window> = known.into_iter().flat_map(|(_, windows)| windows).collect();
    windows.sort_by_key(|window| (window.from_unix_ms, window.to_unix_ms));
    Ok(windows)
}

/// Whether a later timeline's windows have all that this one has.
fn has(line: &Line, theirs: &[Window], window: &Window) -> bool {
    let is_in =
        |other: &Window| other.to.lsn >= window.to.lsn && window.backups.iter().all(|id| other.backups.contains(id));
    line.holds(window.to) && theirs.iter().any(is_in)
}

async fn of_line(line: &mut Line, state: &State) -> Result<Vec<Window>, Error> {
    let mut windows = Vec::new();
    for run in runs(line).await? {
        let fits = |backup: &&BackupEntry| {
            let (Some(start), Some(stop)) = (backup.start, backup.stop) else {
                return false;
            };
            line.holds(start) && line.holds(stop) && run.from <= start.lsn && stop.lsn <= run.to
        };
        let mut backups: Vec<&BackupEntry> = state.of_cluster().filter(fits).collect();
        backups.sort_by_key(|backup| backup.stop.map_or(0, |stop| stop.lsn));
        if let Some(first) = backups.first().copied() {
            let ids = backups.iter().map(|backup| backup.id.clone()).collect();
            windows.push(window(line, run, first, ids).await?);
        }
    }
    Ok(windows)
}

async fn window(line: &mut Line, run: Run, first: &BackupEntry, backups: Vec<String>) -> Result<Window, Error> {
    let from = first.stop.unwrap_or_default();
    let known = if first.stop_unix_ms == 0 {
        first.ended_unix_ms
    } else {
        first.stop_unix_ms
    };
    let first_us = first_time(line, run, from.lsn).await?;
    let last_us = last_time(line, run, from.lsn).await?;
    Ok(Window {
        from,
        to: Position {
            timeline: line.timeline_at(run.to),
            lsn: run.to,
        },
        from_unix_ms: first_us.map_or(known, |us| us.div_euclid(1_000)),
        to_unix_ms: last_us.map_or(known, |us| us.div_euclid(1_000)),
        backups,
    })
}

async fn first_time(line: &mut Line, run: Run, after: u64) -> Result<Option<i64>, Error> {
    for at in (run.first..=run.last)
        .filter(|at| ends_after(line, *at, after))
        .take(LOOKED_MAX)
        .collect::<Vec<_>>()
    {
        let index = line.index(at).await?;
        let commits = index.commits();
        if let Some(commit) = commits.iter().find(|commit| commit.end > after && commit.end <= run.to) {
            return Ok(Some(commit.unix_us));
        }
    }
    Ok(None)
}

async fn last_time(line: &mut Line, run: Run, after: u64) -> Result<Option<i64>, Error> {
    for at in (run.first..=run.last)
        .rev()
        .filter(|at| ends_after(line, *at, after))
        .take(LOOKED_MAX)
        .collect::<Vec<_>>()
    {
        let index = line.index(at).await?;
        let commits = index.commits();
        if let Some(commit) = commits
            .iter()
            .rfind(|commit| commit.end > after && commit.end <= run.to)
        {
            return Ok(Some(commit.unix_us));
        }
    }
    Ok(None)
}

fn ends_after(line: &Line, at: usize, position: u64) -> bool {
    line.stretches
        .get(at)
        .is_some_and(|stretch| stretch.segment.end() > position)
}

/// What of a line can be read in one go, the oldest first.
async fn runs(line: &mut Line) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    let mut last = line.stretches.len();
    while let Some(end) = last.checked_sub(1) {
        let mut first = end;
        // One of which only the beginning is there is an end.
        while line.follows(first) && line.stretches.get(first - 1).is_some_and(|before| before.whole) {
            first -= 1;
        }
        split(line, first, end, &mut runs).await?;
        last = first;
    }
    runs.reverse();
    Ok(runs)
}

/// Segments that follow each other are one run, unless the log within them is broken. An index knows of the last break
/// before it.
async fn split(line: &mut Line, first: usize, end: usize, runs: &mut Vec<Run>) -> Result<(), Error> {
    let mut last = end;
    loop {
        let index = line.index(last).await?;
        let to = index.break_here().unwrap_or(index.end).min(line.until_of(last));
        let before = if index.broken.is_empty() {
            index.last_break
        } else if last > first {
            line.index(last - 1).await?.last_break
        } else {
            None
        };
        let broken = before.and_then(|position| (first..last).rev().find(|at| line.start_of(*at) <= position));
        let begin = broken.map_or(first, |broken| broken + 1);
        runs.push(Run {
            first: begin,
            last,
            from: line.start_of(begin),
            to,
        });
        match broken {
            Some(broken) => last = broken,
            None => return Ok(()),
        }
    }
}
