//! What is needed is never marked, and each step fails where the state has become another.

use proptest::prelude::*;

use super::*;
use crate::repo::state::{Lease, Position};

fn listed(path: &str) -> Listed {
    Listed {
        path: path.to_owned(),
        bytes: 10,
        modified_unix_ms: 5,
    }
}

fn backup(id: &str) -> BackupEntry {
    let mut backup = BackupEntry {
        id: id.to_owned(),
        manifest_hash: id.as_bytes().to_vec(),
        attempt: "1".to_owned(),
        wal_segment_bytes: 16 << 20,
        ..BackupEntry::default()
    };
    backup.set_kind(BackupKind::Full);
    backup.set_state(BackupState::Unproven);
    backup
}

fn lease(id: &str, basis: &str) -> Lease {
    Lease {
        id: id.to_owned(),
        basis: basis.to_owned(),
        ..Lease::default()
    }
}

/// One backup `a` with a pack of its own, and things around it.
fn scene() -> (State, Needed, Inventory) {
    let state = State {
        generation: 7,
        backups: vec![backup("a")],
        ..State::default()
    };
    let mut needed = Needed::default();
    needed.add(&state.backups[0], ["packs/a/0".to_owned()].into_iter());
    let objects = ["manifests/a/1", "packs/a/0", "packs/a/1", "packs/b/0", "manifests/b/1"];
    let there = Inventory {
        objects: objects.iter().map(|path| listed(path)).collect(),
        generations: [(7, 1_000)].into(),
        lock_ms: 0,
    };
    (state, needed, there)
}

fn trash(state: &State) -> Vec<&str> {
    state.trash.iter().map(|trash| trash.path.as_str()).collect()
}

fn doomed(state: &State) -> Vec<&str> {
    state.doomed.iter().map(|trash| trash.path.as_str()).collect()
}

fn patience(until_generation: u64) -> Patience {
    Patience {
        grace_ms: 100,
        hold_ms: 50,
        until_generation,
    }
}

#[test]
fn what_nothing_needs_is_marked_then_doomed_then_forgotten() {
    let (mut state, needed, mut there) = scene();
    let log = LogNeeds::default();
    let found = sweep(&mut state, &needed, &log, &there, patience(7)).unwrap();
    assert_eq!(trash(&state), ["packs/a/1", "packs/b/0", "manifests/b/1"]);
    assert_eq!(
        (found.marked, found.doomed),
        (3, 0),
        "nothing goes in the round that finds it"
    );
    state.generation = 8;
    there.generations.insert(8, 1_000);
    there.generations.insert(9, 1_099);
    assert_eq!(
        sweep(&mut state, &needed, &log, &there, patience(9)).unwrap().doomed,
        0,
        "too soon"
    );
    there.generations.insert(9, 1_100);
    assert_eq!(
        sweep(&mut state, &needed, &log, &there, patience(7)).unwrap().doomed,
        0,
        "in this round"
    );
    assert_eq!(sweep(&mut state, &needed, &log, &there, patience(9)).unwrap().doomed, 3);
    assert_eq!(trash(&state), Vec::<&str>::new());
    let removed: HashSet<String> = state.doomed.iter().map(|doomed| doomed.path.clone()).collect();
    assert_eq!(forget(&mut state, &removed, &there, patience(9)), 0, "its name is held");
    there.generations.insert(10, 1_200);
    assert_eq!(
        forget(&mut state, &HashSet::new(), &there, patience(9)),
        0,
        "it was not removed"
    );
    assert_eq!(forget(&mut state, &removed, &there, patience(9)), 3);
}

#[test]
fn nothing_is_said_of_a_state_with_roots_that_are_not_known() {
    let (mut state, needed, there) = scene();
    state.backups.push(backup("b"));
    let before = state.clone();
    assert_eq!(
        sweep(&mut state, &needed, &LogNeeds::default(), &there, patience(9)),
        None
    );
    assert_eq!(state, before);
    state.backups.pop();
    state.backups[0].manifest_hash = b"another".to_vec();
    assert_eq!(
        sweep(&mut state, &needed, &LogNeeds::default(), &there, patience(9)),
        None
    );
}

#[test]
fn who_writes_keeps_its_own_and_what_it_takes_over() {
    let (mut state, needed, there) = scene();
    let log = LogNeeds::default();
    sweep(&mut state, &needed, &log, &there, patience(7)).unwrap();
    state.leases.push(lease("b", "a"));
    state.backups[0].set_state(BackupState::Expired);
    let found = sweep(&mut state, &needed, &log, &there, patience(9)).unwrap();
    assert_eq!(found.spared, 2, "an attempt that goes on has its packs again");
    assert_eq!(
        trash(&state),
        ["packs/a/1"],
        "what was given up is needed while somebody takes it over"
    );
    assert_eq!(state.backups.len(), 1);
    state.leases.clear();
    sweep(&mut state, &Needed::default(), &log, &there, patience(9)).unwrap();
    assert!(trash(&state).contains(&"packs/a/0") && trash(&state).contains(&"manifests/a/1"));
}

#[test]
fn what_was_given_up_is_forgotten_with_its_manifest() {
    let (mut state, _, mut there) = scene();
    state.backups[0].set_state(BackupState::Expired);
    state.proofs.push(crate::repo::state::ProofEntry {
        id: "p".to_owned(),
        backup_id: "a".to_owned(),
        ..Default::default()
    });
    let (needed, log) = (Needed::default(), LogNeeds::default());
    sweep(&mut state, &needed, &log, &there, patience(7)).unwrap();
    assert_eq!(state.backups.len(), 1);
    there.generations.extend([(8, 2_000), (9, 3_000)]);
    sweep(&mut state, &needed, &log, &there, patience(9)).unwrap();
    assert!(doomed(&state).contains(&"manifests/a/1"));
    assert_eq!((state.backups.len(), state.proofs.len()), (0, 0));
}

#[test]
fn what_is_locked_waits() {
    let (mut state, needed, mut there) = scene();
    let log = LogNeeds::default();
    sweep(&mut state, &needed, &log, &there, patience(7)).unwrap();
    there.lock_ms = 2_000;
    there.generations.extend([(8, 1_500), (9, 1_900)]);
    let found = sweep(&mut state, &needed, &log, &there, patience(9)).unwrap();
    assert_eq!((found.doomed, there.locked_bytes(&state)), (0, 30));
    there.generations.insert(10, 2_005);
    assert_eq!(sweep(&mut state, &needed, &log, &there, patience(9)).unwrap().doomed, 3);
}

#[test]
fn exports_evidence_and_commits_go_with_what_they_belong_to() {
    let (mut state, needed, mut there) = scene();
    let mut export = backup("e");
    export.set_kind(BackupKind::Project);
    let mut needed = needed;
    needed.add(&export, std::iter::empty());
    state.backups.push(export);
    state.proofs.push(crate::repo::state::ProofEntry {
        id: "p1".to_owned(),
        ..Default::default()
    });
    let at = |number: u64| Segment::at(1, number << 24, 16 << 20).name();
    let (old, new) = (
        format!("commits/00000001/{}", at(3)),
        format!("commits/00000001/{}", at(9)),
    );
    let paths = [
        "exports/e/x",
        "packs/e/0",
        "exports/f/x",
        "proofs/p1",
        "proofs/p2",
        "commits/other",
    ];
    there.objects = paths
        .iter()
        .map(|path| listed(path))
        .chain([listed(&old), listed(&new)])
        .collect();
    let log = LogNeeds {
        from: Some(Position {
            timeline: 1,
            lsn: 5 << 24,
        }),
        spans: Vec::new(),
    };
    sweep(&mut state, &needed, &log, &there, patience(7)).unwrap();
    assert_eq!(trash(&state), ["exports/f/x", "proofs/p2", &old]);
}

#[test]
fn generations_go_in_order_and_the_last_hundred_stay() {
    let mut there = Inventory {
        generations: (1..=300).map(|number| (number, number as i64)).collect(),
        ..Inventory::default()
    };
    assert_eq!(old_generations(&there), (1..=200).collect::<Vec<u64>>());
    there.lock_ms = 250;
    assert_eq!(old_generations(&there), (1..=50).collect::<Vec<u64>>());
    there.generations.insert(1, 290);
    assert_eq!(
        old_generations(&there),
        Vec::<u64>::new(),
        "one that stays keeps all after it"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the order of steps, nothing that is needed is ever doomed.
    #[test]
    fn what_is_needed_is_never_doomed(steps in proptest::collection::vec((0u8..6, 0u8..5), 1..60)) {
        let mut state = State::default();
        let mut there = Inventory { generations: [(0, 0)].into(), ..Inventory::default() };
        let log = LogNeeds::default();
        for (what, which) in steps {
            let id = which.to_string();
            state.generation += 1;
            there.generations.insert(state.generation, state.generation as i64 * 60);
            let is_doomed = state.doomed.iter().any(|doomed| doomed.path.contains(&format!("/{id}")));
            match what {
                0 if !is_doomed => {
                    let basis = state.backups.iter().find(is_held).map(|backup| backup.id.clone());
                    state.leases.retain(|lease| lease.id != id);
                    state.leases.push(lease(&id, &basis.unwrap_or_default()));
                    there.objects.push(listed(&format!("packs/{id}/{}", state.generation)));
                }
                1 if state.leases.iter().any(|lease| lease.id == id) => {
                    there.objects.push(listed(&format!("manifests/{id}/1")));
                    state.leases.retain(|lease| lease.id != id);
                    state.backups.retain(|backup| backup.id != id);
                    state.backups.push(backup(&id));
                }
                2 => state.leases.retain(|lease| lease.id != id),
                3 => for backup in state.backups.iter_mut().filter(|backup| backup.id == id) {
                    backup.set_state(BackupState::Expired);
                },
                _ => {
                    let mut needed = Needed::default();
                    for backup in rooted(&state) {
                        let packs = there.objects.iter().map(|at| at.path.clone());
                        let own = format!("packs/{}/", backup.id);
                        needed.add(backup, packs.filter(|path| path.starts_with(&own)).collect::<Vec<_>>().into_iter());
                    }
                    let until = state.generation;
                    sweep(&mut state, &needed, &log, &there, patience(until)).unwrap();
                    let gone: HashSet<String> = state.doomed.iter().map(|doomed| doomed.path.clone()).collect();
                    there.objects.retain(|object| !gone.contains(&object.path));
                    forget(&mut state, &gone, &there, patience(until));
                }
            }
            for doomed in &state.doomed {
                let owner = doomed.path.split('/').nth(1).unwrap();
                prop_assert!(!rooted(&state).any(|backup| backup.id == owner), "{} is needed", doomed.path);
                prop_assert!(!state.leases.iter().any(|lease| lease.id == owner), "{} is written", doomed.path);
            }
        }
    }
}

fn is_held(backup: &&BackupEntry) -> bool {
    backup.state() != BackupState::Expired
}
