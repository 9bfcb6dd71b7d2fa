//! Proofs, with what they found.

use std::cmp::Reverse;

use weir_proto::backup::v1::{
    Check as CheckMessage, GetProofRequest, GetProofResponse, ListProofsRequest, ListProofsResponse, ProofSummary,
    TableContent,
};
use weir_proto::page::Page;

use super::{strange, words};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::prove::{Check, Count, Evidence};
use crate::repo::Repository;
use crate::repo::state::{ProofEntry, State};

/// What a backup holds of each table, from its last proof that counted them.
pub(crate) async fn tables(repository: &Repository, state: &State, backup: &str) -> Result<Vec<TableContent>, Error> {
    for proof in state.proofs.iter().rev().filter(|proof| proof.backup_id == backup) {
        let evidence = repository.evidence(&proof.id).await?;
        if !evidence.ledger.is_empty() {
            return Ok(contents(&evidence));
        }
    }
    Ok(Vec::new())
}

fn contents(evidence: &Evidence) -> Vec<TableContent> {
    let content = |count: &Count| TableContent {
        database: count.database.clone(),
        table: count.table.clone(),
        rows: Some(count.rows),
        bytes: count.bytes,
    };
    evidence.ledger.iter().map(content).collect()
}

/// Answers `ListProofs`.
pub(crate) async fn list(keeper: &Keeper, request: &ListProofsRequest) -> Result<ListProofsResponse, Error> {
    let page = Page::of(request.page.as_ref()).map_err(strange)?;
    let after: Option<(i64, String)> = page.after().map_err(strange)?;
    let mut all = Vec::new();
    for name in keeper.repositories.names() {
        // One that is away hides its own proofs only.
        let state = match keeper.repositories.get(name).await {
            Ok(repository) => repository.state().await.map_err(Error::from),
            Err(error) => Err(error),
        };
        match state {
            Ok(state) => all.extend(matching(&state, name, request)),
            Err(error) => tracing::warn!(repository = name, error = %error, "proofs of a repository cannot be listed"),
        }
    }
    let proofs = part_of(all, after, page.size as usize);
    let page = page.answer(&proofs, key);
    Ok(ListProofsResponse {
        proofs,
        page: Some(page),
    })
}

fn key(proof: &ProofSummary) -> (i64, String) {
    (proof.ended_unix_ms, proof.id.clone())
}

/// The newest first, and of two copies of one the first repository's.
fn part_of(mut all: Vec<ProofSummary>, after: Option<(i64, String)>, size: usize) -> Vec<ProofSummary> {
    all.sort_by_key(|proof| Reverse(key(proof)));
    all.dedup_by(|next, kept| next.id == kept.id);
    let is_after = |proof: &ProofSummary| after.as_ref().is_none_or(|after| key(proof) < *after);
    all.into_iter().filter(is_after).take(size).collect()
}

fn matching(state: &State, repository: &str, request: &ListProofsRequest) -> Vec<ProofSummary> {
    let is_cluster = request.cluster.is_empty() || request.cluster == state.cluster;
    let wanted = |proof: &&ProofEntry| {
        is_cluster
            && (request.backup_id.is_empty() || request.backup_id == proof.backup_id)
            && (request.states.is_empty() || request.states.contains(&proof.state))
    };
    state
        .proofs
        .iter()
        .filter(wanted)
        .map(|proof| words::proof(repository, proof))
        .collect()
}

/// Answers `GetProof`.
pub(crate) async fn show(keeper: &Keeper, request: &GetProofRequest) -> Result<GetProofResponse, Error> {
    let mut trouble = None;
    for name in keeper.repositories.names() {
        match show_in(keeper, name, &request.id).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => trouble = Some(error),
        }
    }
    Err(trouble.unwrap_or_else(|| Error::NoProof(request.id.clone())))
}

async fn show_in(keeper: &Keeper, name: &str, id: &str) -> Result<Option<GetProofResponse>, Error> {
    let repository = keeper.repositories.get(name).await?;
    let state = repository.state().await?;
    let Some(proof) = state.proofs.iter().find(|proof| proof.id == id) else {
        return Ok(None);
    };
    let evidence = repository.evidence(id).await?;
    Ok(Some(GetProofResponse {
        summary: Some(words::proof(name, proof)),
        checks: evidence.checks.iter().map(check).collect(),
    }))
}

fn check(check: &Check) -> CheckMessage {
    CheckMessage {
        name: check.name.clone(),
        passed: check.passed,
        examined: check.examined,
        duration_ms: check.duration_ms,
        findings: check.findings.clone(),
        notes: check.notes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(id: &str, ended_unix_ms: i64) -> ProofSummary {
        ProofSummary {
            id: id.to_owned(),
            ended_unix_ms,
            ..ProofSummary::default()
        }
    }

    #[test]
    fn pages_follow_each_other_and_copies_are_one() {
        let all = vec![proof("a", 1), proof("b", 3), proof("c", 2), proof("b", 3)];
        let ids = |proofs: &[ProofSummary]| proofs.iter().map(|proof| proof.id.clone()).collect::<Vec<_>>();
        let first = part_of(all.clone(), None, 2);
        assert_eq!(ids(&first), ["b", "c"]);
        assert_eq!(ids(&part_of(all, Some(key(&first[1])), 2)), ["a"]);
    }
}
