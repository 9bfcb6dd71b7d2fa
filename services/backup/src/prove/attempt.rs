//! One proof, from the first byte that is read to what is written down of it.

use std::collections::HashMap;

use tokio::time::Instant;
use uuid::Uuid;
use weir_proto::backup::v1::{ProofDepth, ProofState};

use super::checks::structure::Known;
use super::checks::{self, taken};
use super::choice::{self, Reach};
use super::evidence::{Check, Evidence};
use super::place::Place;
use super::programs::{Programs, refused};
use super::scratch::{self, Scratch, Start};
use super::spool::Spool;
use super::{files, target};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{Consistent, Depth, LogPosition, ProofOrder, RestoreTarget};
use crate::repo::manifest::{FileEntry, Manifest};
use crate::repo::state::{BackupEntry, BackupState, Position, ProofEntry};
use crate::repo::{self, Repository};
use crate::settings::DepthChoice;

/// The name of the directory in which backups are proven.
const PLACE: &str = "proof";
/// The server's words where recovery came to the end of the log first.
const ENDED_BEFORE: &str = "recovery ended before configured recovery target was reached";
/// Words of the server for trouble of this machine.
const MACHINE: [&str; 12] = [
    "No space left on device",
    "Permission denied",
    "Disk quota exceeded",
    "Too many open files",
    "Cannot allocate memory",
    "out of memory",
    "could not map anonymous shared memory",
    "could not create shared memory",
    "could not create any Unix-domain sockets",
    "are incompatible with server",
    "is not supported by this build",
    "child process exited with exit code 20",
];

/// One proof under way.
pub(super) struct Attempt<'a> {
    keeper: &'a Keeper,
    repository: &'a Repository,
    entry: BackupEntry,
    order: &'a ProofOrder,
    pace: &'a Pace,
    proof: ProofEntry,
    evidence: Evidence,
}

impl<'a> Attempt<'a> {
    /// Of a backup in a repository.
    pub(super) fn new(
        keeper: &'a Keeper,
        repository: &'a Repository,
        entry: BackupEntry,
        order: &'a ProofOrder,
        id: Uuid,
        pace: &'a Pace,
    ) -> Self {
        let depth = match (order.depth, keeper.settings.proof_depth) {
            (Depth::Full, _) | (Depth::Unspecified, DepthChoice::Full) => ProofDepth::Full,
            _ => ProofDepth::Changed,
        };
        let proof = ProofEntry {
            id: id.to_string(),
            backup_id: entry.id.clone(),
            depth: depth as i32,
            started_unix_ms: keeper.clock.unix_ms(),
            ..ProofEntry::default()
        };
        let evidence = Evidence {
            id: proof.id.clone(),
            backup_id: entry.id.clone(),
            manifest_hash: entry.manifest_hash.clone(),
            ..Evidence::default()
        };
        Self {
            keeper,
            repository,
            entry,
            order,
            pace,
            proof,
            evidence,
        }
    }

    /// Carries it out, and writes down what came of it.
    pub(super) async fn run(mut self) -> Result<ProofEntry, Error> {
        let ended = self.carry_out().await;
        self.judge(ended);
        self.write_down().await
    }

    async fn carry_out(&mut self) -> Result<(), Error> {
        let settings = &self.keeper.settings;
        let directory = settings.scratch_directory.as_ref();
        let directory =
            directory.ok_or_else(|| refused("nothing is proven without backup.scratch_directory".to_owned()))?;
        let programs = Programs::find(settings, self.entry.server_version).await?;
        let place = Place::take(directory, PLACE, &programs, self.pace.stop()).await?;
        let looked = self.restore_and_look(&place, &programs).await;
        if !settings.proof_rolling {
            place.empty().await?;
        }
        looked
    }

    async fn restore_and_look(&mut self, place: &Place, programs: &Programs) -> Result<(), Error> {
        let began = Instant::now();
        let Some(manifest) = self.restore(place).await? else {
            return Ok(());
        };
        let Some(mut scratch) = self.recover(place, programs, &manifest).await? else {
            return Ok(());
        };
        self.proof.recovery_ms = millis(began);
        let total = manifest.files.iter().map(|file| file.bytes).sum();
        self.pace.progress().begin("check", total);
        let latest = self.look_at_pages(&mut scratch).await?;
        self.look_at_structure(&mut scratch, &manifest, &latest).await?;
        self.count(&mut scratch).await?;
        self.ask(&mut scratch).await?;
        scratch.stop().await
    }

    /// Keeps a check, and says whether it passed.
    fn keep(&mut self, mut check: Check, began: Instant) -> bool {
        check.duration_ms = millis(began);
        let passed = check.passed;
        self.evidence.checks.push(check);
        passed
    }

    async fn restore(&mut self, place: &Place) -> Result<Option<Manifest>, Error> {
        let (mut check, began) = (Check::named("restore"), Instant::now());
        let restored = self.bring(place, &mut check).await;
        let manifest = found_or_trouble(&mut check, restored)?;
        self.keep(check, began);
        Ok(manifest)
    }

    async fn bring(&self, place: &Place, check: &mut Check) -> Result<Manifest, Error> {
        let manifest = self.repository.manifest(&self.entry).await?;
        place
            .check_room(manifest.files.iter().map(|file| file.bytes).sum())
            .await?;
        let written = files::bring(self.keeper, self.repository, &self.entry, place, self.pace).await?;
        check.examined = written.written_bytes + written.kept_bytes;
        if written.kept_bytes > 0 {
            check.note(format!(
                "{} bytes were there from the proof before and are the same",
                written.kept_bytes
            ));
        }
        check.note(format!("{} bytes were read from the repository", written.read_bytes));
        Ok(manifest)
    }

    async fn recover(
        &mut self,
        place: &Place,
        programs: &Programs,
        manifest: &Manifest,
    ) -> Result<Option<Scratch>, Error> {
        let (mut check, began) = (Check::named("recovery"), Instant::now());
        let recovered = self.replay(place, programs, manifest, &mut check).await;
        let scratch = found_or_trouble(&mut check, recovered)?.flatten();
        self.keep(check, began);
        Ok(scratch)
    }

    async fn replay(
        &mut self,
        place: &Place,
        programs: &Programs,
        manifest: &Manifest,
        check: &mut Check,
    ) -> Result<Option<Scratch>, Error> {
        let control = scratch::control(programs, &place.data())
            .await
            .map_err(|error| unreadable_control(&error))?;
        if control.system_identifier() != Some(manifest.system_identifier) {
            check.found("the files are those of another cluster");
            return Ok(None);
        }
        let segment_bytes = self.entry.wal_segment_bytes;
        let mut spool = Spool::new(self.repository, place.wal(), programs, segment_bytes);
        let mut until = self.target(check).await?;
        let replayed = loop {
            let replayed = self.start(place, programs, &mut spool, &until).await;
            let Err(error) = &replayed else { break replayed };
            let Some((other, why)) = self.other_target(error, &spool, &until) else {
                break replayed;
            };
            check.note(why);
            spool.forget()?;
            until = other;
            if until.before {
                spool.end_before(until.position.map_or(0, |position| position.lsn));
            }
        };
        check.examined = spool.given_bytes();
        self.evidence.target = words(&until);
        match replayed {
            Ok(mut scratch) => {
                let reached = self.reached(&mut scratch).await?;
                self.proof.recovered_to = Some(reached);
                self.evidence.recovered_to = Some(reached);
                Ok(Some(scratch))
            }
            Err(Error::Program { said, .. }) if self.is_finding(&said) => {
                check.found(said);
                for segment in spool.missing() {
                    check.note(format!(
                        "segment {} of the log is not in the repository",
                        segment.name()
                    ));
                }
                Ok(None)
            }
            Err(error) => match checks::damage(&error) {
                Some(said) => {
                    check.found(said);
                    Ok(None)
                }
                None => Err(error),
            },
        }
    }

    /// Where to end instead, if the moment was chosen here and did not do, through no fault of the backup.
    fn other_target(&self, error: &Error, spool: &Spool, until: &RestoreTarget) -> Option<(RestoreTarget, String)> {
        if self.order.target.is_some() || until.before {
            return None;
        }
        match error {
            // Log that is there to its end has no record that begins so late; its end is as good a moment.
            Error::Program { said, .. } if said.contains(ENDED_BEFORE) && !self.lacks(spool, until) => {
                let why = "no record begins after the chosen position; replayed to the end of the log";
                Some((RestoreTarget::default(), why.to_owned()))
            }
            Error::Refused { .. } => {
                let stop = self.entry.stop.unwrap_or_default();
                let (lsn, location) = spool.stranger().filter(|(lsn, _)| *lsn > stop.lsn)?;
                let position = LogPosition {
                    timeline: stop.timeline,
                    lsn,
                };
                let target = RestoreTarget {
                    position: Some(position),
                    before: true,
                    ..RestoreTarget::default()
                };
                let why = format!("replay ended before the log makes a tablespace in {location}, which is not ours");
                Some((target, why))
            }
            _ => None,
        }
    }

    /// Whether the server missed log before the position that it was to replay to.
    fn lacks(&self, spool: &Spool, until: &RestoreTarget) -> bool {
        let end = until.position.map_or(0, |position| position.lsn);
        spool.missing().iter().any(|segment| segment.start() <= end)
    }

    /// Whether the server's last words tell of the backup or its log, rather than of this machine or of a moment that
    /// was asked for and lies behind the end of the log.
    fn is_finding(&self, said: &str) -> bool {
        let asked_too_much = said.contains(ENDED_BEFORE) && self.order.target.is_some();
        !asked_too_much && !MACHINE.iter().any(|words| said.contains(words)) && !said.contains("signal: 9")
    }

    async fn start(
        &self,
        place: &Place,
        programs: &Programs,
        spool: &mut Spool,
        until: &RestoreTarget,
    ) -> Result<Scratch, Error> {
        let timeline = self.entry.start.unwrap_or_default().timeline;
        let how = Start {
            recovery: Some((spool.command(), target::settings(until, timeline))),
            users: vec![self.keeper.cluster.target.user().to_owned(), "postgres".to_owned()],
            settings: Vec::new(),
        };
        let start = self.entry.start.unwrap_or_default().lsn;
        let end = until.position.map_or(0, |position| position.lsn);
        self.pace.progress().begin("replay", end.saturating_sub(start));
        let mut scratch = Scratch::start(programs, &place.data(), &place.run(), &how).await?;
        tokio::select! {
            biased;
            given = spool.give(self.pace) => match given {
                Err(error) => Err(error),
                Ok(never) => match never {},
            },
            open = scratch.wait_open(self.pace.stop()) => open.map(|()| scratch),
        }
    }

    async fn reached(&self, scratch: &mut Scratch) -> Result<Position, Error> {
        let mut connection = scratch.connect(scratch::HOME).await?;
        let rows = connection
            .simple_query("select pg_last_wal_replay_lsn()::text as at")
            .await?;
        let at = rows.first().and_then(|row| target::lsn_of(row.get("at")?));
        Ok(Position {
            timeline: self.entry.start.unwrap_or_default().timeline,
            lsn: at.unwrap_or_default(),
        })
    }

    /// Where to replay to: as ordered, or to a position chosen at random as far as the log reaches.
    async fn target(&self, check: &mut Check) -> Result<RestoreTarget, Error> {
        let reach = self.reach().await?;
        if let Some(hole) = reach.hole {
            let told = format!(
                "segment {} of the log is not in the repository, and later ones are",
                hole.name()
            );
            match choice::is_loss(&self.repository.state().await?, hole) {
                true => check.found(told),
                false => check.note(told),
            }
        }
        if let Some(ordered) = &self.order.target {
            return Ok(ordered.clone());
        }
        if reach.span.is_empty() {
            return Ok(RestoreTarget {
                consistent: Some(Consistent {}),
                ..RestoreTarget::default()
            });
        }
        let timeline = self.entry.start.unwrap_or_default().timeline;
        let lsn = fastrand::u64(reach.span);
        Ok(RestoreTarget {
            position: Some(LogPosition { timeline, lsn }),
            ..RestoreTarget::default()
        })
    }

    async fn reach(&self) -> Result<Reach, Error> {
        let stop = self.entry.stop.unwrap_or_default();
        let bytes = self.entry.wal_segment_bytes;
        let whole = self.repository.segments(stop.timeline, bytes).await?;
        let whole: Vec<_> = whole.iter().map(|listed| listed.segment).collect();
        let open = self.repository.open_segments(stop.timeline, bytes).await?;
        Ok(choice::reach(stop.lsn, &whole, &open))
    }

    async fn look_at_pages(&mut self, scratch: &mut Scratch) -> Result<HashMap<String, u64>, Error> {
        let (mut check, began) = (Check::named("page_checksums"), Instant::now());
        let looked = self.pages(scratch, &mut check).await;
        let latest = match looked {
            Ok(latest) => latest,
            Err(error) => {
                taken(&mut check, Err(error), scratch)?;
                HashMap::new()
            }
        };
        self.keep(check, began);
        Ok(latest)
    }

    async fn pages(&self, scratch: &mut Scratch, check: &mut Check) -> Result<HashMap<String, u64>, Error> {
        let mut asking = checks::Asking::begin(scratch, scratch::HOME, self.pace.stop()).await?;
        // From here on nobody writes until the next check begins.
        asking.ask("checkpoint").await?;
        let sums = asking.ask("show data_checksums").await?;
        let has_sums = sums.first().is_some_and(|row| row.get("data_checksums") == Some("on"));
        if !has_sums {
            check.note("the cluster has no page checksums");
        }
        checks::pages::look(scratch.data().to_owned(), has_sums, check, self.pace).await
    }

    async fn look_at_structure(
        &mut self,
        scratch: &mut Scratch,
        manifest: &Manifest,
        latest: &HashMap<String, u64>,
    ) -> Result<(), Error> {
        let (mut check, began) = (Check::named("structure"), Instant::now());
        let deep = self.proof.depth == ProofDepth::Full as i32;
        let known = match deep {
            true => Known::Nothing,
            false => self.known(manifest, latest).await?,
        };
        let looked = checks::structure::look(scratch, &known, deep, &mut check, self.pace.stop()).await;
        match looked {
            Ok(all) => self.evidence.structure_known = all && check.passed,
            Err(error) => taken(&mut check, Err(error), scratch)?,
        }
        self.keep(check, began);
        Ok(())
    }

    /// What is as it was when it was last known to be sound.
    async fn known(&self, manifest: &Manifest, latest: &HashMap<String, u64>) -> Result<Known, Error> {
        let state = self.repository.state().await?;
        for (proof, entry) in choice::known_sound(&state) {
            let Ok(evidence) = self.repository.evidence(&proof.id).await else {
                continue;
            };
            if !evidence.structure_known || evidence.manifest_hash != entry.manifest_hash {
                continue;
            }
            let Ok(sound) = self.repository.manifest(entry).await else {
                continue;
            };
            let since = self.entry.start.unwrap_or_default().lsn;
            return Ok(Known::Unchanged(unchanged(&sound, manifest, latest, since)));
        }
        Ok(Known::Nothing)
    }

    async fn count(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        let (mut check, began) = (Check::named("row_counts"), Instant::now());
        match checks::counts::count(scratch, &mut check, self.pace.stop()).await {
            Ok(ledger) => self.evidence.ledger = ledger,
            Err(error) => taken(&mut check, Err(error), scratch)?,
        }
        let state = self.repository.state().await?;
        let before = choice::known_sound(&state).next().map(|(proof, _)| proof.id.clone());
        if let Some(before) = before
            && let Ok(before) = self.repository.evidence(&before).await
        {
            checks::counts::compare(&mut check, &before.ledger, &self.evidence.ledger);
        }
        self.keep(check, began);
        Ok(())
    }

    async fn ask(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        let keeper = self.keeper;
        for smoke in &keeper.settings.smoke.0 {
            let (mut check, began) = (Check::named(&smoke.name), Instant::now());
            let asked = checks::smoke::ask(scratch, smoke, &mut check, self.pace.stop()).await;
            taken(&mut check, asked, scratch)?;
            self.keep(check, began);
        }
        Ok(())
    }

    /// What the proof says in the end. What was found wrong counts, even where the rest could not be looked at.
    fn judge(&mut self, ended: Result<(), Error>) {
        let wrong = self.evidence.checks.iter().find(|check| !check.passed);
        let (state, reason) = match (wrong, ended) {
            (Some(check), _) => (ProofState::Failed, failure(check)),
            (None, Err(error)) => (ProofState::Inconclusive, error.to_string()),
            (None, Ok(())) => (ProofState::Proven, String::new()),
        };
        self.proof.state = state as i32;
        self.proof.reason = reason;
    }

    async fn write_down(mut self) -> Result<ProofEntry, Error> {
        self.proof.ended_unix_ms = self.keeper.clock.unix_ms();
        let state = self.repository.state().await?;
        let is_listed = state
            .backup(&self.entry.id)
            .is_ok_and(|entry| entry.state() != BackupState::Expired);
        if !is_listed && self.proof.state == ProofState::Failed as i32 {
            self.proof.state = ProofState::Inconclusive as i32;
            self.proof.reason = format!("retention gave the backup up meanwhile ({})", self.proof.reason);
        }
        self.repository.put_evidence(&self.evidence).await?;
        let proof = &self.proof;
        let old = self.repository.change(|state| Ok(choice::settle(state, proof))).await?;
        for id in old {
            if let Err(error) = self.repository.shelf().delete(&super::evidence::path_of(&id)).await {
                tracing::warn!(proof.id = id, error = %error, "the evidence of an old proof stays");
            }
        }
        Ok(self.proof)
    }
}

fn failure(check: &Check) -> String {
    let first = check.findings.first().map_or("", String::as_str);
    match check.findings_total {
        0 | 1 => format!("{}: {first}", check.name),
        more => format!("{}: {first} (and {} more)", check.name, more - 1),
    }
}

/// What is wrong with the repository's objects is a finding; anything else is trouble.
fn found_or_trouble<T>(check: &mut Check, done: Result<T, Error>) -> Result<Option<T>, Error> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Error::Repository(error @ (repo::Error::Corrupt { .. } | repo::Error::Missing { .. }))) => {
            check.found(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A control file that the server's own program cannot read is damage, not trouble.
fn unreadable_control(error: &Error) -> Error {
    match error {
        Error::Program { said, .. } if !MACHINE.iter().any(|words| said.contains(words)) => {
            repo::Error::corrupt("global/pg_control", said.clone()).into()
        }
        other => refused(other.to_string()),
    }
}

/// By path of the first file: whether a relation consists of the same chunks as before, and replay did not touch it.
fn unchanged(sound: &Manifest, now: &Manifest, latest: &HashMap<String, u64>, since: u64) -> HashMap<String, bool> {
    let before: HashMap<&str, &FileEntry> = sound.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut all = HashMap::new();
    for file in &now.files {
        let Some(relation) = main_fork_of(&file.path) else {
            continue;
        };
        let is_same = before
            .get(file.path.as_str())
            .is_some_and(|was| same_content(was, file));
        let is_touched = latest.get(relation).is_none_or(|latest| *latest >= since);
        *all.entry(relation.to_owned()).or_insert(true) &= is_same && !is_touched;
    }
    all
}

/// The path of the first file of a relation, for a file of its main fork.
fn main_fork_of(path: &str) -> Option<&str> {
    crate::engine::base::pages::first_block(path)?;
    let name = path.rsplit('/').next()?;
    (!name.contains('_')).then_some(())?;
    let end = name.find('.').unwrap_or(name.len());
    path.get(..path.len() - name.len() + end)
}

fn same_content(was: &FileEntry, now: &FileEntry) -> bool {
    let ids = |file: &FileEntry| -> Option<Vec<_>> { file.chunks().map(|chunk| Some(chunk.ok()?.at.id)).collect() };
    was.bytes == now.bytes && ids(was).is_some() && ids(was) == ids(now)
}

fn words(target: &RestoreTarget) -> String {
    let settings = target::settings(target, 0);
    let moment = settings
        .iter()
        .find(|(name, _)| !name.ends_with("timeline") && !name.ends_with("inclusive"));
    moment.map_or_else(
        || "the end of the log".to_owned(),
        |(name, value)| format!("{name} = {value}"),
    )
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
