//! What to prove, how far to replay, and what a proof means for its backup. Pure.

use std::ops::Range;

use weir_proto::backup::v1::ProofState;

use crate::repo::state::{BackupEntry, BackupState, ProofEntry, State};
use crate::repo::wal::Segment;

/// So many proofs of one backup are kept.
const PROOFS_MAX: usize = 5;

/// The backup whose proof is the most overdue: of those that were never proven the newest, else the one whose proof is
/// the oldest. One that failed is for a person to look at, and proven again only on request.
pub(crate) fn most_overdue(state: &State) -> Option<&BackupEntry> {
    let waits = |entry: &&BackupEntry| entry.state() != BackupState::Failed;
    let last = |entry: &BackupEntry| last_proof(state, &entry.id).map(|proof| proof.ended_unix_ms);
    let unproven = || {
        state
            .of_cluster()
            .filter(|entry| entry.state() == BackupState::Unproven)
    };
    // What could not be carried out lately lets the others go first.
    let first = unproven().rev().find(|entry| !was_tried(state, &entry.id));
    first
        .or_else(|| unproven().min_by_key(|entry| last_try(state, &entry.id)))
        .or_else(|| state.of_cluster().filter(waits).min_by_key(|entry| last(entry)))
}

fn was_tried(state: &State, id: &str) -> bool {
    state.proofs.iter().any(|proof| proof.backup_id == id)
}

fn last_try(state: &State, id: &str) -> Option<i64> {
    let tries = state.proofs.iter().filter(|proof| proof.backup_id == id);
    tries.map(|proof| proof.ended_unix_ms).max()
}

fn last_proof<'a>(state: &'a State, id: &str) -> Option<&'a ProofEntry> {
    let of_it = |proof: &&ProofEntry| proof.backup_id == id && proof.state == ProofState::Proven as i32;
    state.proofs.iter().rev().find(of_it)
}

/// Proofs that succeeded and whose backup is still there, the latest first: what is unchanged since then is known.
pub(crate) fn known_sound(state: &State) -> impl Iterator<Item = (&ProofEntry, &BackupEntry)> {
    let proven = state
        .proofs
        .iter()
        .rev()
        .filter(|proof| proof.state == ProofState::Proven as i32);
    proven.filter_map(|proof| Some((proof, state.backup(&proof.backup_id).ok()?)))
}

/// Writes down how a proof ended, and what that means for its backup. Returns the proofs that are no longer kept.
pub(crate) fn settle(state: &mut State, proof: &ProofEntry) -> Vec<String> {
    if let Ok(backup) = state.backup_mut(&proof.backup_id) {
        let may_change = matches!(
            backup.state(),
            BackupState::Unproven | BackupState::Proven | BackupState::Failed
        );
        match ProofState::try_from(proof.state) {
            Ok(ProofState::Proven) if may_change => backup.set_state(BackupState::Proven),
            Ok(ProofState::Failed) if may_change => backup.set_state(BackupState::Failed),
            _ => {}
        }
    }
    state.proofs.retain(|known| known.id != proof.id);
    state.proofs.push(proof.clone());
    forget_old(state, &proof.backup_id)
}

/// The last proof that succeeded stays, whatever came after it.
fn forget_old(state: &mut State, backup: &str) -> Vec<String> {
    let proven = last_proof(state, backup).map(|proof| proof.id.clone());
    let of_it: Vec<String> = state
        .proofs
        .iter()
        .filter(|proof| proof.backup_id == backup && Some(&proof.id) != proven.as_ref())
        .map(|proof| proof.id.clone())
        .collect();
    let others_max = PROOFS_MAX - usize::from(proven.is_some());
    let old = of_it
        .get(..of_it.len().saturating_sub(others_max))
        .unwrap_or_default()
        .to_vec();
    state.proofs.retain(|proof| !old.contains(&proof.id));
    old
}

/// How far the log of a backup's timeline goes on from where it is consistent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Positions that a replay can end at: any record that begins in here is there, and one after it.
    pub span: Range<u64>,
    /// The first segment that is missing although later ones are there.
    pub hole: Option<Segment>,
}

/// Finds it among the segments that are there, in order. `stop`: from where on the backup is consistent.
pub(crate) fn reach(stop: u64, whole: &[Segment], open: &[Segment]) -> Reach {
    let mut all: Vec<Segment> = whole.iter().chain(open).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|segment| segment.end() > stop);
    let Some(first) = all.first().copied() else {
        return Reach {
            span: stop..stop,
            hole: None,
        };
    };
    let mut expected = Segment::at(first.timeline, stop, first.bytes);
    let mut end = stop;
    for segment in all {
        if segment != expected {
            return Reach {
                span: stop..end,
                hole: Some(expected),
            };
        }
        if whole.contains(&segment) {
            end = segment.start().max(stop);
        }
        expected = segment.next();
    }
    Reach {
        span: stop..end,
        hole: None,
    }
}

/// Whether a hole in the log is one that somebody has to know of: nothing gave that log up, and no backup begins after
/// it that would make it needless.
pub(crate) fn is_loss(state: &State, hole: Segment) -> bool {
    let floor = state
        .wal_floors
        .iter()
        .filter(|floor| floor.timeline == hole.timeline)
        .map(|floor| floor.lsn)
        .max();
    let given_up = floor.is_some_and(|floor| hole.end() <= floor);
    let begins_after = |entry: &BackupEntry| {
        entry
            .start
            .is_some_and(|start| start.timeline == hole.timeline && start.lsn >= hole.end())
    };
    !given_up && !state.of_cluster().any(begins_after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::state::{BackupKind, Position};

    fn backup(id: &str, state: BackupState) -> BackupEntry {
        let mut entry = BackupEntry {
            id: id.to_owned(),
            ..BackupEntry::default()
        };
        entry.set_kind(BackupKind::Full);
        entry.set_state(state);
        entry
    }

    fn proof(id: &str, backup: &str, state: ProofState, ended_unix_ms: i64) -> ProofEntry {
        ProofEntry {
            id: id.to_owned(),
            backup_id: backup.to_owned(),
            state: state as i32,
            ended_unix_ms,
            ..ProofEntry::default()
        }
    }

    fn overdue(state: &State) -> Option<&str> {
        most_overdue(state).map(|entry| entry.id.as_str())
    }

    #[test]
    fn the_newest_that_was_never_proven_comes_first_then_the_longest_since() {
        use BackupState::{Failed, Proven, Unproven};
        let mut state = State {
            backups: vec![
                backup("a", Proven),
                backup("b", Unproven),
                backup("c", Unproven),
                backup("d", Failed),
            ],
            ..State::default()
        };
        state.proofs.push(proof("1", "a", ProofState::Proven, 5));
        assert_eq!(overdue(&state), Some("c"));
        // One that could not be carried out does not hold up the others.
        state.proofs.push(proof("2", "c", ProofState::Inconclusive, 7));
        assert_eq!(overdue(&state), Some("b"));
        settle(&mut state, &proof("3", "b", ProofState::Proven, 8));
        assert_eq!(overdue(&state), Some("c"));
        settle(&mut state, &proof("4", "c", ProofState::Proven, 9));
        assert_eq!(overdue(&state), Some("a"));
        settle(&mut state, &proof("5", "a", ProofState::Proven, 10));
        assert_eq!(overdue(&state), Some("b"));
        assert_eq!(overdue(&State::default()), None);
    }

    #[test]
    fn an_outcome_decides_the_state_and_trouble_does_not() {
        let mut state = State {
            backups: vec![backup("a", BackupState::Unproven)],
            ..State::default()
        };
        let after = |state: &State| state.backups[0].state();
        settle(&mut state, &proof("1", "a", ProofState::Inconclusive, 1));
        assert_eq!(after(&state), BackupState::Unproven);
        settle(&mut state, &proof("2", "a", ProofState::Failed, 2));
        assert_eq!(after(&state), BackupState::Failed);
        settle(&mut state, &proof("3", "a", ProofState::Inconclusive, 3));
        assert_eq!(after(&state), BackupState::Failed);
        settle(&mut state, &proof("4", "a", ProofState::Proven, 4));
        assert_eq!(after(&state), BackupState::Proven);
        state.backups[0].set_state(BackupState::Expired);
        settle(&mut state, &proof("5", "a", ProofState::Proven, 5));
        assert_eq!(after(&state), BackupState::Expired);
    }

    #[test]
    fn five_proofs_are_kept_and_the_last_good_one_among_them() {
        let mut state = State {
            backups: vec![backup("a", BackupState::Unproven)],
            proofs: vec![proof("other", "b", ProofState::Proven, 0)],
            ..State::default()
        };
        settle(&mut state, &proof("good", "a", ProofState::Proven, 0));
        let mut gone = Vec::new();
        for at in 1..8 {
            gone.extend(settle(
                &mut state,
                &proof(&at.to_string(), "a", ProofState::Inconclusive, at),
            ));
        }
        let kept: Vec<&str> = state.proofs.iter().map(|proof| proof.id.as_str()).collect();
        assert_eq!(kept, ["other", "good", "4", "5", "6", "7"]);
        assert_eq!(gone, ["1", "2", "3"]);
    }

    #[test]
    fn replay_may_go_as_far_as_there_is_no_hole() {
        let at = |number| Segment {
            timeline: 1,
            number,
            bytes: 16,
        };
        let whole: Vec<Segment> = (1..6).map(at).collect();
        assert_eq!(
            reach(20, &whole, &[at(6)]),
            Reach {
                span: 20..80,
                hole: None
            }
        );
        let holed = [at(1), at(2), at(4)];
        assert_eq!(
            reach(20, &holed, &[]),
            Reach {
                span: 20..32,
                hole: Some(at(3))
            }
        );
        assert_eq!(reach(20, &[at(3)], &[]).hole, Some(at(1)), "the log of the stop itself");
        assert_eq!(
            reach(20, &[], &[at(1)]),
            Reach {
                span: 20..20,
                hole: None
            }
        );
        assert_eq!(
            reach(20, &[at(0)], &[]),
            Reach {
                span: 20..20,
                hole: None
            }
        );
    }

    #[test]
    fn a_hole_is_a_loss_unless_it_was_given_up_or_a_backup_begins_after_it() {
        let hole = Segment {
            timeline: 1,
            number: 3,
            bytes: 16,
        };
        let mut state = State::default();
        assert!(is_loss(&state, hole));
        state.wal_floors.push(Position { timeline: 1, lsn: 64 });
        assert!(!is_loss(&state, hole));
        state.wal_floors.clear();
        let mut later = backup("later", BackupState::Unproven);
        later.start = Some(Position { timeline: 1, lsn: 64 });
        state.backups.push(later);
        assert!(!is_loss(&state, hole));
    }
}
