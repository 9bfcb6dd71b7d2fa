//! What callers are told of commits and of recovery windows.

use weir_proto::backup::v1 as proto;
use weir_proto::common::v1::PageResponse;
use weir_proto::page::Page;

use super::find::{Commits, FoundChange, FoundCommit};
use super::list::{Listed, Query, list_of};
use super::windows::{Window, windows};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::state::Position;

/// Commits in the archived log, the latest first.
pub(crate) async fn list_commits(
    keeper: &Keeper,
    request: &proto::ListCommitsRequest,
) -> Result<proto::ListCommitsResponse, Error> {
    check_cluster(keeper, &request.cluster)?;
    let strange = |error: weir_proto::page::StrangeToken| Error::Field {
        field: "page.token",
        reason: error.to_string(),
    };
    let page = Page::of(request.page.as_ref()).map_err(strange)?;
    let after = page.after::<u64, u32>().map_err(strange)?;
    let query = Query {
        from_unix_ms: request.from_unix_ms,
        until_unix_ms: request.until_unix_ms,
        table: request.table.clone(),
        database: request.database.clone(),
        count: page.size as usize,
        before: after.map(|(before, _)| before),
    };
    let repository = keeper.repositories.first().await?;
    let listed = match Commits::of(&repository, 0).await? {
        Some(commits) => list_of(commits.asking(keeper), &query).await?,
        None => Listed::default(),
    };
    Ok(proto::ListCommitsResponse {
        // A page may be short and have a next one: a search goes on where it was left.
        page: Some(PageResponse {
            next_token: listed.before.map(|before| format!("0~{before}")).unwrap_or_default(),
        }),
        commits: listed.commits.into_iter().map(commit).collect(),
    })
}

/// To which moments one can restore.
pub(crate) async fn recovery_windows(
    keeper: &Keeper,
    request: &proto::GetRecoveryWindowsRequest,
) -> Result<proto::GetRecoveryWindowsResponse, Error> {
    check_cluster(keeper, &request.cluster)?;
    let repository = keeper.repositories.first().await?;
    let found = windows(&repository).await?;
    Ok(proto::GetRecoveryWindowsResponse {
        windows: found.into_iter().map(window).collect(),
    })
}

fn check_cluster(keeper: &Keeper, cluster: &str) -> Result<(), Error> {
    if cluster.is_empty() || cluster == keeper.cluster.name {
        return Ok(());
    }
    Err(Error::Field {
        field: "cluster",
        reason: format!("there is no cluster {cluster}, only {}", keeper.cluster.name),
    })
}

/// A commit in the protocol's words.
pub(crate) fn commit(found: FoundCommit) -> proto::Commit {
    proto::Commit {
        xid: found.xid,
        position: Some(position(found.position())),
        committed_unix_ms: found.unix_us.div_euclid(1_000),
        database: found.database,
        changes: found.changes.into_iter().map(change).collect(),
    }
}

fn change(found: FoundChange) -> proto::TableChange {
    proto::TableChange {
        table: found.table,
        inserted: found.counts.inserted,
        updated: found.counts.updated,
        deleted: found.counts.deleted,
        replaced: found.counts.replaced,
    }
}

fn window(found: Window) -> proto::RecoveryWindow {
    proto::RecoveryWindow {
        from: Some(position(found.from)),
        to: Some(position(found.to)),
        from_unix_ms: found.from_unix_ms,
        to_unix_ms: found.to_unix_ms,
        backup_ids: found.backups,
    }
}

const fn position(position: Position) -> proto::LogPosition {
    proto::LogPosition {
        timeline: position.timeline,
        lsn: position.lsn,
    }
}
