//! What the index of commits knows of the moment that a restore is to end at.

use crate::engine::commits::{Commits, FoundCommit};
use crate::error::Error;
use crate::orders::RestoreTarget;
use crate::plan::restore::Known;
use crate::repo::state::Position;
use crate::repo::{self, Repository};

/// What is known of a moment. Where the log was not looked through yet, nothing is, and a restore goes by what backups
/// say of themselves.
pub(super) async fn known(repository: &Repository, target: &RestoreTarget) -> Result<Known, Error> {
    match looked_up(repository, target).await {
        Ok(known) => Ok(known),
        Err(Error::Repository(repo::Error::Busy(why))) => {
            tracing::info!(
                repository = repository.name(),
                why,
                "a restore is planned without an index of commits"
            );
            Ok(Known::default())
        }
        Err(error) => Err(error),
    }
}

async fn looked_up(repository: &Repository, target: &RestoreTarget) -> Result<Known, Error> {
    let Some(mut commits) = Commits::of(repository, target.timeline).await? else {
        return Ok(Known::default());
    };
    if let Some(xid) = target.xid {
        let found = commits.transaction(xid).await?;
        let at = found.map(|commit| Position {
            timeline: commit.timeline,
            lsn: if target.before { commit.start } else { commit.end },
        });
        // One that was rolled back is in no index, and recovery can end at it all the same.
        return Ok(Known { at, ..Known::default() });
    }
    if let Some(name) = &target.restore_point {
        let found = commits.restore_point(name, None).await?;
        return Ok(Known {
            is_missing: found.is_none(),
            at: found.map(|point| point.position),
            ..Known::default()
        });
    }
    if let Some(unix_ms) = target.time_unix_ms {
        return at_time(&mut commits, unix_ms, target.before).await;
    }
    Ok(Known::default())
}

async fn at_time(commits: &mut Commits<'_>, unix_ms: i64, before: bool) -> Result<Known, Error> {
    let last = commits.last_until(u64::MAX).await?;
    let later = commits.first_later(0, unix_ms.saturating_mul(1_000), before).await?;
    Ok(Known {
        at: later.map(|commit| Position {
            timeline: commit.timeline,
            lsn: commit.start,
        }),
        last_commit_unix_ms: last.map(|commit| commit.unix_us.div_euclid(1_000)),
        is_missing: false,
    })
}

/// The last commit that a restore would have, and the first that it would not. None: the log was not looked through.
pub(crate) async fn around(
    repository: &Repository,
    timeline: u32,
    to: u64,
    count: usize,
) -> Option<(Option<FoundCommit>, Vec<FoundCommit>)> {
    let mut commits = Commits::of(repository, timeline).await.ok()??;
    let last = commits.last_until(to).await.ok()?;
    Some((last, commits.missing_after(to, count).await.ok()?))
}
