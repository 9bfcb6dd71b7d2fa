//! Many processes on one repository, in every order that a seed makes, each of which may be gone between any two
//! requests. Whatever happens, every backup that is listed reads back byte for byte.

use std::collections::BTreeSet;

use super::super::copy::between;
use super::super::rotate::renew;
use super::super::verify::verify;
use super::*;
use crate::repo::faulty::{Fault, beside, in_memory};
use crate::repo::intake::Intake;
use crate::repo::tests::{content, stored_as};

const DEAD: Duration = Duration::from_secs(600);

/// One run.
struct World {
    random: fastrand::Rng,
    stores: [Faulty; 2],
    ledger: Ledger,
    /// Backups that were given up on purpose.
    given_up: BTreeSet<String>,
    /// Backups whose writer was told that they are listed.
    promised: BTreeSet<String>,
    files: Vec<(&'static str, Vec<u8>)>,
    said: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            stores: [in_memory(seed), in_memory(seed + 1)],
            ledger: Ledger::default(),
            given_up: BTreeSet::new(),
            promised: BTreeSet::new(),
            files: vec![("a", content(seed, 30_000)), ("b", content(seed + 1, 9_000))],
            said: Vec::new(),
        }
    }

    /// A process that has opened the repository, and may be gone soon after.
    async fn process(&mut self, which: usize, fails: bool) -> Option<Repository> {
        let store = beside(&self.stores[which], self.random.u64(..));
        store.yielding();
        let opened = process(&store).await.ok()?;
        if fails {
            let fault = self
                .random
                .choice([Fault::Crash, Fault::LostAndCrash, Fault::Fails, Fault::Lost]);
            store.at(self.random.u64(..40), fault.unwrap());
        }
        Some(opened)
    }

    /// A healthy look.
    async fn look(&self, which: usize) -> Repository {
        process(&beside(&self.stores[which], 0)).await.unwrap()
    }

    async fn listed(&mut self, which: usize) -> Option<String> {
        let state = self.look(which).await.state().await.unwrap();
        let listed: Vec<String> = state.of_cluster().map(|backup| backup.id.clone()).collect();
        self.random.choice(listed)
    }

    fn change_files(&mut self) {
        let (which, at) = (self.random.usize(..2), self.random.usize(..9_000));
        self.files[which].1[at] ^= 0xFF;
    }

    async fn step(&mut self, number: usize) {
        let fails = self.random.u8(..3) == 0;
        let what = self.random.u8(..12);
        self.said
            .push(format!("{number}: {what}, {}", if fails { "fails" } else { "well" }));
        match what {
            0..=3 => self.back_up(fails).await,
            4 => self.give_up().await,
            5 | 6 => self.rounds(fails).await,
            7 => self.rotate(fails).await,
            8 => self.copy(fails).await,
            9 => self.interleaved(fails).await,
            10 => self.end_leases().await,
            _ => self.two_writers().await,
        }
        self.check().await;
    }

    async fn back_up(&mut self, fails: bool) {
        self.change_files();
        let (id, files) = (Uuid::now_v7(), self.files.clone());
        self.ledger.note(id, &files);
        let basis = self.listed(0).await;
        // A second attempt under the same id goes on with what the first one left.
        for fails in [fails, false] {
            let Some(repository) = self.process(0, fails).await else {
                return;
            };
            let basis = basis.as_deref().filter(|_| self.random.bool());
            match stored_as(&repository, id, basis, &files).await {
                Ok(_) => {
                    self.promised.insert(id.to_string());
                    return;
                }
                Err(_) if self.random.bool() => return,
                Err(_) => {}
            }
        }
    }

    async fn give_up(&mut self) {
        if let Some(id) = self.listed(0).await {
            self.given_up.insert(id.clone());
            give_up(&self.look(0).await, &id).await.unwrap();
        }
    }

    async fn rounds(&mut self, fails: bool) {
        for fails in [fails, false, false] {
            if let Some(repository) = self.process(0, fails).await {
                let _ = round(&repository, &at_once()).await;
            }
        }
    }

    async fn rotate(&mut self, fails: bool) {
        if let Some(repository) = self.process(0, fails).await {
            let _ = renew(&repository).await;
        }
    }

    async fn copy(&mut self, fails: bool) {
        let Some(id) = self.listed(0).await else { return };
        let (Some(source), Some(target)) = (self.process(0, false).await, self.process(1, fails).await) else {
            return;
        };
        let _ = between(&source, &target, &id, DEAD, &pace()).await;
    }

    /// A writer, a collector and somebody who makes keys anew, all at once.
    async fn interleaved(&mut self, fails: bool) {
        self.change_files();
        let (id, files) = (Uuid::now_v7(), self.files.clone());
        self.ledger.note(id, &files);
        let basis = self.listed(0).await;
        let given_up = self.listed(0).await;
        let (Some(writer), Some(collector), Some(rotator)) = (
            self.process(0, fails).await,
            self.process(0, fails).await,
            self.process(0, fails).await,
        ) else {
            return;
        };
        let given_up = given_up.filter(|_| self.random.bool());
        self.given_up.extend(given_up.clone());
        let writing = stored_as(&writer, id, basis.as_deref(), &files);
        let collecting = async {
            if let Some(id) = &given_up {
                let _ = give_up(&collector, id).await;
            }
            for _ in 0..4 {
                let _ = round(&collector, &at_once()).await;
            }
        };
        let (written, (), _) = tokio::join!(writing, collecting, renew(&rotator));
        if written.is_ok() {
            self.promised.insert(id.to_string());
        }
    }

    /// Writers are taken for dead, also those that are not.
    async fn end_leases(&mut self) {
        let repository = self.look(0).await;
        let begun = Intake::begin(&repository, Uuid::now_v7(), None, "a test")
            .await
            .unwrap();
        let ended = repository.change(|state| {
            state.leases.clear();
            Ok(())
        });
        ended.await.unwrap();
        self.rounds(false).await;
        assert!(begun.commit(Default::default(), BackupEntry::default()).await.is_err());
    }

    /// Two attempts under one id, one of which was taken for dead and does not know it.
    async fn two_writers(&mut self) {
        self.change_files();
        let (id, files) = (Uuid::now_v7(), self.files.clone());
        self.ledger.note(id, &files);
        let (Some(one), Some(other), Some(collector)) = (
            self.process(0, false).await,
            self.process(0, false).await,
            self.process(0, false).await,
        ) else {
            return;
        };
        let collecting = async {
            for _ in 0..3 {
                let _ = round(&collector, &at_once()).await;
            }
        };
        let (one, other, ()) = tokio::join!(
            stored_as(&one, id, None, &files),
            stored_as(&other, id, None, &files),
            collecting
        );
        if one.is_ok() || other.is_ok() {
            self.promised.insert(id.to_string());
        }
    }

    async fn check(&self) {
        let said = self.said.join("; ");
        for which in 0..2 {
            let repository = self.look(which).await;
            let listed = self.ledger.check(&repository, &said).await;
            if which == 0 {
                let ids: BTreeSet<String> = listed.into_iter().map(|backup| backup.id).collect();
                let missing: Vec<&String> = self.promised.difference(&ids).collect();
                let lost: Vec<&&String> = missing.iter().filter(|id| !self.given_up.contains(**id)).collect();
                assert!(lost.is_empty(), "{said}: {lost:?} are not listed any more");
            }
        }
    }

    /// In the end everything settles: nothing is damaged, and nothing is left that nothing needs.
    async fn settle(&mut self) {
        let repository = self.look(0).await;
        let ended = repository.change(|state| {
            state.leases.clear();
            Ok(())
        });
        ended.await.unwrap();
        for _ in 0..4 {
            round(&repository, &at_once()).await.unwrap();
        }
        let said = self.said.join("; ");
        for which in 0..2 {
            let report = verify(&self.look(which).await, &pace()).await.unwrap();
            let told: Vec<_> = report.damage.iter().filter(|damage| damage.path != "HEAD").collect();
            assert!(told.is_empty(), "{said}: {told:?}");
        }
        let state = repository.state().await.unwrap();
        assert_eq!((state.trash.len(), state.doomed.len()), (0, 0), "{said}");
        let mut needed = BTreeSet::new();
        for backup in state.of_cluster() {
            needed.extend(
                repository
                    .manifest(backup)
                    .await
                    .unwrap()
                    .packs
                    .into_iter()
                    .map(|pack| pack.path),
            );
        }
        let packs = repository.shelf().list("packs").await.unwrap();
        let left: BTreeSet<String> = packs.into_iter().map(|object| object.path).collect();
        assert!(
            left.is_subset(&needed),
            "{said}: {:?} are left",
            left.difference(&needed)
        );
        assert_eq!(
            repository.shelf().list("manifests").await.unwrap().len(),
            state.backups.len()
        );
    }
}

async fn run(seed: u64, steps: usize) {
    let mut world = World::new(seed);
    world.said.push(format!("seed {seed}"));
    for number in 0..steps {
        world.step(number).await;
    }
    world.settle().await;
}

#[tokio::test]
async fn whatever_happens_every_listed_backup_reads_back() {
    for seed in 0..40 {
        run(seed, 12).await;
    }
}

/// The request of every number fails, is done without an answer, or is the last one: during a backup, a round, a copy
/// and a rotation. Doing it again succeeds, and what was listed is whole.
#[tokio::test]
async fn a_fault_at_every_request_leaves_everything_whole() {
    for fault in [Fault::Fails, Fault::Lost, Fault::Crash, Fault::LostAndCrash] {
        for what in 0..4 {
            // Where nothing was done, every other request says as much.
            let every = if matches!(fault, Fault::Fails | Fault::Crash) {
                3
            } else {
                1
            };
            for number in (0..).step_by(every) {
                if !fails_at(what, number, fault).await {
                    assert!(number > 5, "{what} makes {number} requests");
                    break;
                }
            }
        }
    }
}

/// False where the command makes fewer requests.
async fn fails_at(what: usize, number: u64, fault: Fault) -> bool {
    let mut world = World::new(7);
    for _ in 0..2 {
        world.back_up(false).await;
    }
    let first = world.look(0).await.state().await.unwrap().backups[0].id.clone();
    give_up(&world.look(0).await, &first).await.unwrap();
    round(&world.look(0).await, &at_once()).await.unwrap();
    let (own, other) = (beside(&world.stores[0], 1), beside(&world.stores[1], 2));
    let (repository, target) = (process(&own).await.unwrap(), process(&other).await.unwrap());
    let faulty = if what == 2 { &other } else { &own };
    let (id, files) = (Uuid::now_v7(), world.files.clone());
    world.ledger.note(id, &files);
    let last = repository
        .state()
        .await
        .unwrap()
        .of_cluster()
        .last()
        .unwrap()
        .id
        .clone();
    let before = faulty.calls();
    faulty.at(number, fault);
    // With the fault, again, and once more.
    for attempt in 0..3 {
        let done = match what {
            0 => stored_as(&repository, id, Some(&last), &files)
                .await
                .map(drop)
                .map_err(Error::from),
            1 => round(&repository, &at_once()).await.map(drop),
            2 => between(&repository, &target, &last, DEAD, &pace()).await.map(drop),
            _ => renew(&repository).await.map(drop).map_err(Error::from),
        };
        if attempt == 0 && faulty.calls() - before <= number {
            return false;
        }
        faulty.heal();
        assert!(
            attempt == 0 || done.is_ok(),
            "{what}, {fault:?} at {number}, attempt {attempt}: {done:?}"
        );
        for which in 0..2 {
            let said = format!("{what}, {fault:?} at {number}, attempt {attempt}");
            let listed = world.ledger.check(&world.look(which).await, &said).await;
            assert!(which == 1 || listed.iter().any(|backup| backup.id == last), "{said}");
        }
    }
    for which in 0..2 {
        let report = verify(&world.look(which).await, &pace()).await.unwrap();
        let told: Vec<_> = report.damage.iter().filter(|damage| damage.path != "HEAD").collect();
        assert!(told.is_empty(), "{what}, {fault:?} at {number}: {told:?}");
    }
    true
}
