//! Commits in the archived log, and to which moments one can restore.

use weir_proto::backup::v1 as api;
use weir_proto::common::v1::PageResponse;
use weir_proto::page::Page;

use super::strange;
use super::words::position;
use crate::engine::commits::{Commits, FoundChange, FoundCommit, Listed, Query, Window, list_of, windows};
use crate::error::Error;
use crate::keeper::Keeper;

/// Commits in the archived log, the latest first.
pub(crate) async fn list_commits(
    keeper: &Keeper,
    request: &api::ListCommitsRequest,
) -> Result<api::ListCommitsResponse, Error> {
    check_cluster(keeper, &request.cluster)?;
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
    Ok(api::ListCommitsResponse {
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
    request: &api::GetRecoveryWindowsRequest,
) -> Result<api::GetRecoveryWindowsResponse, Error> {
    check_cluster(keeper, &request.cluster)?;
    let repository = keeper.repositories.first().await?;
    let found = windows(&repository).await?;
    Ok(api::GetRecoveryWindowsResponse {
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
pub(super) fn commit(found: FoundCommit) -> api::Commit {
    api::Commit {
        xid: found.xid,
        position: Some(position(found.position())),
        committed_unix_ms: found.unix_us.div_euclid(1_000),
        database: found.database,
        changes: found.changes.into_iter().map(change).collect(),
    }
}

fn change(found: FoundChange) -> api::TableChange {
    api::TableChange {
        table: found.table,
        inserted: found.counts.inserted,
        updated: found.counts.updated,
        deleted: found.counts.deleted,
        replaced: found.counts.replaced,
    }
}

fn window(found: Window) -> api::RecoveryWindow {
    api::RecoveryWindow {
        from: Some(position(found.from)),
        to: Some(position(found.to)),
        from_unix_ms: found.from_unix_ms,
        to_unix_ms: found.to_unix_ms,
        backup_ids: found.backups,
    }
}
