//! Base backups over PostgreSQL's replication protocol: without access to the host.
//!
//! The server sends one stream. It is read no faster than the pace allows and the threads can take it, taken apart as it
//! comes, and never held as a whole. What the server says of it in the end, in its own manifest, has to be what
//! arrived; nothing is handed on before that was seen.
//!
//! Where the server keeps books of what changed and the basis knows the server's manifest of itself, the server is
//! asked for changes only. What comes of it is a whole backup all the same: chunks without changes are the basis's, the
//! others are made anew.

mod ask;
mod basis;
mod changes;
mod check;
mod copy;
mod crc;
mod crew;
mod sums;
mod tar;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use weir_upstream::{BackupPart, BaseBackup, CancelToken, Connection, LogPlace, Target};

use super::{Options, Taken};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo::intake::Intake;
use crate::repo::manifest::FileEntry;
use crate::repo::reader::ChunkReader;
use crate::repo::state::Position;

use ask::Facts;
use basis::Basis;
use copy::{Copier, Settled};
use crew::{Batch, Crew, Hand, Shared};

/// Once it has begun to send, a server that is silent for so long is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// So much of a manifest is sent at once.
const UPLOAD_BYTES: usize = 64 * 1024;

/// Takes a backup of the server into a repository. What changed since the basis, if there is one, is all that is
/// stored. The caller renews the lease and commits.
pub(crate) async fn back_up(
    target: &Target,
    intake: &Arc<Intake>,
    options: &Options,
    pace: &Pace,
) -> Result<Taken, Error> {
    let work = Work {
        target,
        intake,
        options,
        pace,
        session: Mutex::new(None),
        moved: AtomicU64::new(0),
    };
    let taken = tokio::select! {
        biased;
        () = pace.stop().cancelled() => Err(Error::Stopped),
        taken = Box::pin(work.run()) => taken,
    };
    if taken.is_err() {
        work.leave().await;
    }
    taken
}

struct Work<'a> {
    target: &'a Target,
    intake: &'a Arc<Intake>,
    options: &'a Options,
    pace: &'a Pace,
    /// What cancels the session at hand.
    session: Mutex<Option<CancelToken>>,
    /// So many bytes were stored and told of.
    moved: AtomicU64,
}

/// A server that has begun to send.
struct Begun {
    backup: BaseBackup,
    facts: Facts,
    basis: Option<Basis>,
    is_incremental: bool,
}

impl Work<'_> {
    async fn run(&self) -> Result<Taken, Error> {
        self.pace.progress().begin("checkpoint", 0);
        let begun = self.begin().await?;
        let total = begun
            .backup
            .tablespaces()
            .iter()
            .map(|tablespace| tablespace.bytes)
            .sum();
        self.pace.progress().begin("copy", total);
        self.copy(begun).await
    }

    /// The server may still wait for its checkpoint, where a closed connection is not noticed.
    async fn leave(&self) {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = session
            && let Err(error) = session.cancel().await
        {
            tracing::debug!(error = %error, "a base backup could not be cancelled at the server");
        }
    }

    async fn connect(&self) -> Result<(Connection, Facts), Error> {
        let mut connection = ask::connect(self.target).await?;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.cancel_token());
        let facts = Facts::ask(&mut connection).await?;
        Ok((connection, facts))
    }

    async fn begin(&self) -> Result<Begun, Error> {
        let (connection, facts) = self.connect().await?;
        let basis = self.intake.basis().cloned().map(Basis::of);
        let known = basis.as_ref().and_then(|basis| basis.server_manifest(facts.timeline));
        if let Some(known) = known.filter(|_| facts.summarizes) {
            match self.begin_incremental(connection, known).await {
                Ok(backup) => {
                    return Ok(Begun {
                        backup,
                        facts,
                        basis,
                        is_incremental: true,
                    });
                }
                Err(error) if is_no_answer(&error) => {
                    tracing::warn!(error = %error, "the server does not say what changed; all of it is read");
                }
                Err(error) => return Err(error),
            }
            let (connection, facts) = self.connect().await?;
            return self.begin_whole(connection, facts, basis).await;
        }
        self.begin_whole(connection, facts, basis).await
    }

    async fn begin_whole(&self, connection: Connection, facts: Facts, basis: Option<Basis>) -> Result<Begun, Error> {
        Ok(Begun {
            backup: connection.base_backup(&command(self.options, false)).await?,
            facts,
            basis,
            is_incremental: false,
        })
    }

    /// Tells the server what the basis has, and asks for what changed since.
    async fn begin_incremental(&self, mut connection: Connection, known: &FileEntry) -> Result<BaseBackup, Error> {
        let packs = self.intake.basis().map(|basis| basis.packs.clone()).unwrap_or_default();
        let mut reader = ChunkReader::new(self.intake.repository().clone(), packs.into());
        let (mut manifest, mut content) = (Vec::new(), Vec::new());
        for chunk in known.chunks() {
            reader.read(&chunk?, &mut content).await?;
            manifest.extend_from_slice(&content);
        }
        let manifest = sums::without_maps(&manifest)?;
        let mut upload = connection.copy_in("UPLOAD_MANIFEST").await?;
        for piece in manifest.chunks(UPLOAD_BYTES) {
            upload.send(piece).await?;
        }
        upload.finish().await?;
        Ok(connection.base_backup(&command(self.options, true)).await?)
    }

    async fn copy(&self, begun: Begun) -> Result<Taken, Error> {
        let threads = self.options.threads.max(1);
        let start = begun.backup.start();
        let judged_since = begun.facts.has_checksums.then_some(start.lsn.0);
        // Whatever way this ends, the threads do not outlive it by more than a piece.
        let stop = self.pace.stop().child_token();
        let _ends = stop.clone().drop_guard();
        let shared = Arc::new(Shared::new(judged_since, stop));
        let (packs, sealed) = mpsc::channel(threads);
        let (batches, queue) = mpsc::channel(threads * 2);
        let worker = |_| self.intake.worker(self.options.compression, packs.clone());
        let workers = (0..threads).map(worker).collect();
        drop(packs);
        let crew = Crew::start(self.intake, workers, queue, &shared);
        let storing = async { Ok(Arc::clone(self.intake).store(sealed, threads.max(2)).await?) };
        let (taken, ()) = tokio::try_join!(self.read(begun, shared, batches, crew), storing)?;
        self.tell_moved();
        Ok(taken)
    }

    fn tell_moved(&self) {
        let (stored, _) = self.intake.stored();
        let told = self.moved.swap(stored, Ordering::Relaxed);
        self.pace.progress().moved(stored.saturating_sub(told));
    }

    async fn read(
        &self,
        begun: Begun,
        shared: Arc<Shared>,
        batches: mpsc::Sender<Batch>,
        crew: Crew,
    ) -> Result<Taken, Error> {
        let Begun {
            mut backup,
            facts,
            basis,
            is_incremental,
        } = begun;
        let start = backup.start();
        let stop = shared.stop.clone();
        let progress = self.pace.progress().clone();
        let intake = Arc::clone(self.intake);
        let tablespaces = backup.tablespaces().to_vec();
        let mut copier = Copier::new(facts, basis, intake, shared, progress, is_incremental, &tablespaces);
        let read = tokio::select! {
            biased;
            // One of the threads failed: what it says counts.
            () = stop.cancelled() => Err(Error::Stopped),
            read = self.take_in(&mut backup, &mut copier, &batches) => read,
        };
        drop(batches);
        let hands = match read {
            Ok(()) => crew.join().await?,
            Err(Error::Stopped) => {
                crew.join().await?;
                return Err(Error::Stopped);
            }
            Err(error) => return Err(error),
        };
        let end = backup.finish().await?;
        check_end(&facts, start, end.stop, &end.connection)?;
        let settled = self.settle(copier, hands).await?;
        if let Some(damage) = end.damage
            && settled.damaged_count == 0
        {
            return Err(weir_upstream::Error::Server(damage).into());
        }
        end.connection.close().await;
        Ok(taken(settled, start, end.stop))
    }

    async fn take_in(
        &self,
        backup: &mut BaseBackup,
        copier: &mut Copier,
        batches: &mpsc::Sender<Batch>,
    ) -> Result<(), Error> {
        loop {
            let part = tokio::time::timeout(SILENCE_MAX, backup.next()).await;
            let part = part.map_err(|_| silent())??;
            let is_end = part == BackupPart::End;
            match part {
                BackupPart::Archive(name) => copier.archive(name)?,
                BackupPart::Manifest => copier.begin_manifest()?,
                BackupPart::Data(data) => {
                    self.pace.take(data.len() as u64).await?;
                    copier.data(data)?;
                }
                BackupPart::Progress(_) => {}
                BackupPart::End => copier.end()?,
            }
            for batch in copier.ready() {
                batches.send(batch).await.map_err(|_| Error::Stopped)?;
                self.tell_moved();
            }
            if is_end {
                return Ok(());
            }
        }
    }

    /// Every piece but the server's manifest is stored, or in a pack that is still open.
    async fn settle(&self, mut copier: Copier, hands: Vec<Hand>) -> Result<Settled, Error> {
        // Sorting and reading the names of a million files takes a while.
        let settling = tokio::task::spawn_blocking(move || {
            let rest = copier.settle()?;
            Ok::<_, Error>((copier, rest))
        });
        let (copier, rest) = settling.await.map_err(|error| crew::broken_down(&error))??;
        crew::wind_up(hands, rest).await?;
        copier.into_settled()
    }
}

/// No map of tablespaces is asked for: with one, a server leaves out those that lie inside of its data directory, and
/// names the map in its manifest, which is another wherever the tablespaces lie elsewhere.
fn command(options: &Options, is_incremental: bool) -> String {
    let checkpoint = if options.checkpoint_now { "fast" } else { "spread" };
    let incremental = if is_incremental { ", INCREMENTAL true" } else { "" };
    format!(
        "BASE_BACKUP (LABEL {}, PROGRESS true, CHECKPOINT '{checkpoint}', WAIT false, MANIFEST 'yes', \
         MANIFEST_CHECKSUMS 'CRC32C', VERIFY_CHECKSUMS true{incremental})",
        ask::quoted(&options.label)
    )
}

/// Whether the server, or what it is to be asked with, is the reason that it does not say what changed.
fn is_no_answer(error: &Error) -> bool {
    match error {
        Error::Upstream(error) => error.server().is_some(),
        Error::Refused { slug, .. } => *slug == "backup-manifest-differs",
        _ => false,
    }
}

/// A server that became another while it was read has not given one backup.
fn check_end(facts: &Facts, start: LogPlace, stop: LogPlace, connection: &Connection) -> Result<(), Error> {
    if start.timeline == stop.timeline && facts.is_standby == ask::is_standby(connection) {
        return Ok(());
    }
    Err(Error::Refused {
        slug: "backup-promoted",
        reason: format!(
            "the server was promoted while it was read, from timeline {} to {}; begin anew",
            start.timeline, stop.timeline
        ),
    })
}

fn silent() -> Error {
    Error::Refused {
        slug: "backup-silent",
        reason: format!(
            "the server was silent for {} minutes in the middle of a backup",
            SILENCE_MAX.as_secs() / 60
        ),
    }
}

fn taken(settled: Settled, start: LogPlace, stop: LogPlace) -> Taken {
    let position = |place: LogPlace| Position {
        timeline: place.timeline,
        lsn: place.lsn.0,
    };
    Taken {
        files: settled.files,
        tablespaces: settled.tablespaces,
        backup_label: settled.label,
        tablespace_map: settled.map,
        start: position(start),
        stop: position(stop),
        source_bytes: settled.source_bytes,
        corrupt_pages: settled.damaged,
        corrupt_page_count: settled.damaged_count,
    }
}
