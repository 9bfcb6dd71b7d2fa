//! The cluster's log, laid ready for a server that replays it: taken from the repository as the server asks for it, a
//! little ahead.
//!
//! The server's `restore_command` is a few words of shell: it says what it wants by making a file, and waits until that
//! is there or known not to be. What the repository cannot give because it is damaged ends the server, and is told apart
//! from what the repository does not have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::programs::{Programs, refused};
use super::strangers::{Creation, Watch};
use super::target;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo::Repository;
use crate::repo::wal::{Held, Segment};

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// So many segments are laid ready before they are asked for.
const AHEAD: u64 = 3;
/// The server gives up when nothing came for so many looks of a fiftieth of a second.
const LOOKS: u32 = 45_000;

/// Lays log ready in a directory.
#[derive(Debug)]
pub(crate) struct Spool {
    repository: Repository,
    directory: PathBuf,
    programs: Programs,
    segment_bytes: u32,
    /// What is laid ready, and whether as a whole.
    laid: BTreeMap<Segment, bool>,
    missing: Vec<Segment>,
    given_bytes: u64,
    watch: Watch,
    /// Where replay ends before it changes anything, as far as that is known.
    ends_before: u64,
    stranger: Option<Creation>,
}

impl Spool {
    /// Lays ready in `directory`, which belongs to the server's user and has a directory `wanted` in it.
    pub(crate) fn new(repository: &Repository, directory: PathBuf, programs: &Programs, segment_bytes: u32) -> Self {
        Self {
            repository: repository.clone(),
            directory,
            programs: programs.clone(),
            segment_bytes,
            laid: BTreeMap::new(),
            missing: Vec::new(),
            given_bytes: 0,
            watch: Watch::default(),
            ends_before: 0,
            stranger: None,
        }
    }

    /// The server's `restore_command`.
    pub(crate) fn command(&self) -> String {
        let directory = self.directory.display().to_string();
        let quoted = format!("'{}'", directory.replace('\'', "'\\''").replace('%', "%%"));
        let parent = std::process::id();
        format!(
            "d={quoted}; : > \"$d/wanted/%f\" || exit 203; n=0; while :; do \
             if [ -e \"$d/%f\" ]; then exec cp \"$d/%f\" \"%p\"; fi; \
             if [ -e \"$d/%f.none\" ]; then exit 1; fi; \
             if [ -e \"$d/%f.bad\" ]; then exit 200; fi; \
             if [ ! -d /proc/{parent} ]; then exit 201; fi; \
             if [ $n -gt {LOOKS} ]; then exit 202; fi; \
             n=$((n+1)); sleep 0.02; done"
        )
    }

    /// Segments that were asked for and that the repository does not have.
    pub(crate) fn missing(&self) -> &[Segment] {
        &self.missing
    }

    /// Bytes of log given so far.
    pub(crate) const fn given_bytes(&self) -> u64 {
        self.given_bytes
    }

    /// The first tablespace that the log makes outside of the data directory, if replay came so far.
    pub(crate) fn stranger(&self) -> Option<(u64, &str)> {
        self.stranger
            .as_ref()
            .map(|stranger| (stranger.lsn, stranger.location.as_str()))
    }

    /// From now on the server ends replay before the record that begins here.
    pub(crate) fn end_before(&mut self, lsn: u64) {
        self.ends_before = lsn;
    }

    /// Forgets what the server was told is not there: it is going to be asked anew.
    pub(crate) fn forget(&mut self) -> Result<(), Error> {
        self.missing.clear();
        self.laid.clear();
        self.watch = Watch::default();
        self.stranger = None;
        for entry in read_directory(&self.directory)? {
            if entry.is_file() {
                remove(&entry)?;
            }
        }
        Ok(())
    }

    /// Gives what the server asks for, until the repository cannot.
    pub(crate) async fn give(&mut self, pace: &Pace) -> Result<std::convert::Infallible, Error> {
        loop {
            for wanted in read_directory(&self.directory.join("wanted"))? {
                remove(&wanted)?;
                let name = wanted.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                self.answer(name, pace).await?;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = pace.stop().cancelled() => return Err(Error::Stopped),
            }
        }
    }

    async fn answer(&mut self, name: &str, pace: &Pace) -> Result<(), Error> {
        if let Some(segment) = Segment::of_name(name, self.segment_bytes) {
            return self.answer_segment(segment, pace).await;
        }
        let timeline = name
            .strip_suffix(".history")
            .and_then(|name| u32::from_str_radix(name, 16).ok());
        let Some(timeline) = timeline else {
            return self.lay(&format!("{name}.none"), &[]);
        };
        match self.repository.history(timeline).await {
            Ok(Some(history)) => self.lay(name, &history),
            Ok(None) => self.lay(&format!("{name}.none"), &[]),
            Err(error) => self.tell_bad(name, error.into()),
        }
    }

    async fn answer_segment(&mut self, segment: Segment, pace: &Pace) -> Result<(), Error> {
        let name = segment.name();
        match self.lay_segment(segment).await {
            Ok(true) => {}
            Ok(false) => {
                self.missing.push(segment);
                return self.lay(&format!("{name}.none"), &[]);
            }
            Err(error) => return self.tell_bad(&name, error),
        }
        self.given_bytes += u64::from(segment.bytes);
        pace.progress().add(u64::from(segment.bytes));
        self.clear_before(segment)?;
        let mut next = segment;
        for _ in 0..AHEAD {
            next = next.next();
            // Trouble with what nobody asked for yet is told when somebody does.
            if !matches!(self.lay_segment(next).await, Ok(true)) {
                break;
            }
        }
        Ok(())
    }

    /// Lays a segment ready, unless it is. False: the repository has nothing of it.
    async fn lay_segment(&mut self, segment: Segment) -> Result<bool, Error> {
        if self.laid.get(&segment) == Some(&true) {
            return Ok(true);
        }
        let (content, whole) = match self.repository.segment(segment).await? {
            Held::Whole(content) => (content.to_vec(), true),
            Held::Beginning(content) if content.is_empty() => return Ok(false),
            Held::Beginning(content) => (padded(&content, segment.bytes), false),
        };
        self.check_strangers(segment, &content)?;
        self.lay(&segment.name(), &content)?;
        self.laid.insert(segment, whole);
        Ok(true)
    }

    /// Log that would have the server write outside of its own directory is not given, unless it ends before.
    fn check_strangers(&mut self, segment: Segment, content: &[u8]) -> Result<(), Error> {
        if let Some(found) = self.watch.read(segment.start(), content) {
            self.stranger.get_or_insert(found);
        }
        let Some(found) = self.stranger.as_ref().filter(|found| found.lsn < segment.end()) else {
            return Ok(());
        };
        if self.ends_before != 0 && found.lsn >= self.ends_before {
            return Ok(());
        }
        let (lsn, location) = (target::lsn(found.lsn), &found.location);
        let reason = format!(
            "the log makes a tablespace in {location} at {lsn}, which a scratch server would make in the same place; \
             later backups can be proven"
        );
        Err(refused(reason))
    }

    /// What was replayed is not kept.
    fn clear_before(&mut self, segment: Segment) -> Result<(), Error> {
        let kept = self.laid.split_off(&segment);
        let done = std::mem::replace(&mut self.laid, kept);
        for earlier in done.keys() {
            remove(&self.directory.join(earlier.name()))?;
        }
        Ok(())
    }

    fn tell_bad(&self, name: &str, error: Error) -> Result<(), Error> {
        self.lay(&format!("{name}.bad"), &[])?;
        Err(error)
    }

    /// The server sees a file when it is whole.
    fn lay(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let (at, unfinished) = (self.directory.join(name), self.directory.join("unfinished"));
        std::fs::write(&unfinished, content).map_err(|error| Error::file(&unfinished, error))?;
        self.programs.own(&unfinished)?;
        std::fs::rename(&unfinished, &at).map_err(|error| Error::file(&at, error))
    }
}

/// A segment of which there is the beginning: what follows is as in a segment that is being written.
fn padded(content: &[u8], bytes: u32) -> Vec<u8> {
    let mut whole = content.to_vec();
    whole.resize(bytes as usize, 0);
    whole
}

fn read_directory(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(path).map_err(|error| Error::file(path, error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<Result<_, _>>()
        .map_err(|error| Error::file(path, error))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}
