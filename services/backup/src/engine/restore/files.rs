//! The files of a backup in a directory, with what makes a server recover from them.
//!
//! Looked at first, then written, then made durable; the control file comes last, so that no server starts on what is
//! not whole. It goes first where a directory is written anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::fetch::{self, Fetching};
use super::guard::{CONTROL_ASIDE, Found, MARKER, Marker};
use super::layout::{AUTO_CONF, CONTROL, Layout};
use super::open_files::{OpenFiles, Owner, dressed, mode_of};
use super::run::Looks;
use super::survey::{Survey, Surveyor};
use super::{FileOptions, Written, disk};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::plan::restore::Obstacle;
use crate::repo::chunk::CHUNK_BYTES;
use crate::repo::manifest::{EntryKind, FileEntry, Manifest};
use crate::repo::reader::ChunkReader;
use crate::repo::state::BackupEntry;
use crate::repo::{self, Repository};

/// A directory that somebody else restores into is looked at so often, and so long after each other.
const HELD_TRIES: u32 = 40;
const HELD_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Files that say themselves what is in them: by their path, none for those that must not be there.
struct Composed {
    small: Vec<(&'static str, Option<Vec<u8>>)>,
    /// None: the one that is there stays.
    control: Option<Vec<u8>>,
    mode: u32,
}

/// The directory, held where it is there; what is to be done, none where nothing is; and what is written last.
type Looked = (Option<Arc<File>>, Option<Survey>, Composed);

/// One restore of files.
struct Restore {
    manifest: Arc<Manifest>,
    layout: Arc<Layout>,
    options: FileOptions,
    backup: String,
    pace: Pace,
}

/// Writes a backup's files into a directory, with recovery settings. What is there already is kept, if that is asked for
/// or an earlier attempt left it.
pub(crate) async fn files(
    repository: &Repository,
    entry: &BackupEntry,
    directory: &Path,
    options: &FileOptions,
    pace: &Pace,
) -> Result<Written, Error> {
    let manifest = Arc::new(repository.manifest(entry).await?);
    let restore = Arc::new(Restore {
        layout: Arc::new(Layout::of(&manifest, directory, options)?),
        manifest,
        options: options.clone(),
        backup: entry.id.clone(),
        pace: pace.clone(),
    });
    let naming = *repository.keys().naming();
    let (composed, read) = restore.composed(repository).await?;
    let total = entry_bytes(&restore);
    pace.progress().begin("restore", total);
    let looking = Arc::clone(&restore);
    let (held, survey, composed) = blocking(move || looking.look(&naming, composed)).await?;
    let Some(survey) = survey else {
        return Ok(Written {
            kept_bytes: total,
            read_bytes: read,
            ..Written::default()
        });
    };
    let preparing = Arc::clone(&restore);
    let (held, files, mut survey) = blocking(move || preparing.prepare(held, survey)).await?;
    let items = std::mem::take(&mut survey.items);
    let fetching = Arc::new(Fetching {
        repository: repository.clone(),
        manifest: Arc::clone(&restore.manifest),
        files,
        pace: pace.clone(),
        read_bytes: AtomicU64::new(read),
        failed: AtomicBool::new(false),
        _held: Arc::clone(&held),
        openers: std::sync::Mutex::default(),
    });
    fetch::write(Arc::clone(&fetching), items, restore.options.threads).await?;
    let written = Written {
        written_bytes: survey.write_bytes,
        kept_bytes: survey.kept_bytes,
        read_bytes: fetching.read_bytes.load(Ordering::Relaxed),
        removed: survey.remove.len() as u64,
    };
    blocking(move || {
        restore.finish(&survey, &composed, &fetching.files)?;
        // No sooner: whoever waits for this may have been dropped.
        drop(held);
        Ok(())
    })
    .await?;
    Ok(written)
}

/// What writing a backup's files would come to.
#[derive(Debug, Clone, Default)]
pub(super) struct Outlook {
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub kept_bytes: u64,
    pub obstacles: Vec<Obstacle>,
}

/// What [`files`] would do. Changes nothing.
pub(super) async fn outlook(
    repository: &Repository,
    entry: &BackupEntry,
    directory: &Path,
    options: &FileOptions,
    looks: Looks,
    pace: &Pace,
) -> Result<Outlook, Error> {
    let manifest = Arc::new(repository.manifest(entry).await?);
    let restore = Restore {
        layout: Arc::new(Layout::of(&manifest, directory, options)?),
        manifest,
        options: options.clone(),
        backup: entry.id.clone(),
        pace: pace.clone(),
    };
    let naming = *repository.keys().naming();
    blocking(move || restore.outlook(&naming, looks)).await
}

/// Runs what waits for a disk on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| repo::Error::corrupt("restore", error.to_string()))?
}

fn entry_bytes(restore: &Restore) -> u64 {
    let files = restore.manifest.files.iter();
    let taken = files.filter(|entry| entry.kind() == EntryKind::File && restore.layout.takes(entry));
    taken.map(|entry| entry.bytes).sum()
}

impl Restore {
    fn owner(&self) -> Option<Owner> {
        self.options.owner
    }

    /// The files that are written last, and how much was read for them.
    async fn composed(&self, repository: &Repository) -> Result<(Composed, u64), Error> {
        let mut reader = ChunkReader::new(repository.clone(), self.manifest.packs.clone().into());
        let control = match self.entry(CONTROL) {
            Some(entry) if !self.layout.is_partial() => Some(small_file(&mut reader, entry).await?),
            _ => None,
        };
        let conf = if self.layout.is_partial() {
            disk::content(&self.layout.root().join(AUTO_CONF))?
        } else {
            match self.entry(AUTO_CONF) {
                Some(entry) => Some(small_file(&mut reader, entry).await?),
                None => None,
            }
        };
        let recovery = self.options.recovery.clone().map(|mut recovery| {
            // A server that recovers takes directories in the place of links for damage, unless it is told.
            let told = self
                .layout
                .has_in_place(&self.manifest)
                .then(|| ("allow_in_place_tablespaces".to_owned(), "on".to_owned()));
            recovery.settings.extend(told);
            recovery
        });
        let recovery = recovery.as_ref();
        let conf = match recovery {
            Some(recovery) => Some(
                recovery
                    .composed(&String::from_utf8_lossy(&conf.unwrap_or_default()))
                    .into_bytes(),
            ),
            None => conf,
        };
        let signal = |name: &str| {
            recovery
                .filter(|recovery| recovery.signal() == name)
                .map(|_| Vec::new())
        };
        let label = Some(self.manifest.backup_label.to_vec()).filter(|label| !label.is_empty());
        let small = vec![
            (AUTO_CONF, conf),
            ("recovery.signal", signal("recovery.signal")),
            ("standby.signal", signal("standby.signal")),
            ("tablespace_map", None),
            ("postmaster.pid", None),
            ("postmaster.opts", None),
            ("backup_label", label),
        ];
        let mode = self.entry(CONTROL).map_or(0o600, mode_of);
        let composed = Composed { small, control, mode };
        Ok((composed, reader.read_bytes()))
    }

    fn entry(&self, path: &str) -> Option<&FileEntry> {
        self.manifest.files.iter().find(|entry| entry.path == path)
    }

    /// Takes the directory for this restore alone, and says what is to be done; none where nothing is.
    fn look(&self, naming: &[u8; 32], composed: Composed) -> Result<Looked, Error> {
        let root = self.layout.root();
        let failed = |error| Error::file(root, error);
        let held = root.is_dir().then(|| held(root)).transpose()?;
        let found = Found::at(&self.layout, &self.manifest).map_err(failed)?;
        let obstacles = found.obstacles(&self.layout, self.options.delta, self.manifest.system_identifier);
        if let Some(obstacle) = obstacles.iter().find(|obstacle| self.holds(obstacle)) {
            return Err(Error::Refused {
                slug: obstacle.slug,
                reason: obstacle.detail.clone(),
            });
        }
        let survey = self.survey(naming, &found)?;
        let is_done = survey.is_clean() && found.begun.is_none() && !found.is_empty && self.is_composed(&composed)?;
        Ok((held, (!is_done).then_some(survey), composed))
    }

    /// Whether an obstacle is not overridden.
    fn holds(&self, obstacle: &Obstacle) -> bool {
        !(self.options.force && obstacle.can_be_forced)
    }

    fn survey(&self, naming: &[u8; 32], found: &Found) -> Result<Survey, Error> {
        let surveyor = Surveyor {
            manifest: &self.manifest,
            layout: &self.layout,
            naming,
            owner: self.owner(),
            is_empty: found.is_empty,
            threads: self.options.threads,
            pace: &self.pace,
        };
        surveyor.survey()
    }

    fn outlook(&self, naming: &[u8; 32], looks: Looks) -> Result<Outlook, Error> {
        let root = self.layout.root();
        let found = Found::at(&self.layout, &self.manifest).map_err(|error| Error::file(root, error))?;
        let mut obstacles = found.obstacles(&self.layout, self.options.delta, self.manifest.system_identifier);
        // What may not be reused is not compared: how much of it happens to be the same is of no use.
        let is_compared = found.is_empty || looks == Looks::Closely;
        if !is_compared || obstacles.iter().any(|obstacle| self.holds(obstacle)) {
            return Ok(Outlook {
                write_bytes: entry_bytes(self),
                obstacles,
                ..Outlook::default()
            });
        }
        let survey = self.survey(naming, &found)?;
        let mut needed: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let (mut read_bytes, mut last) = (0, None);
        let mut items = survey.items;
        items.sort_unstable();
        for item in &items {
            let chunk = item.chunk(&self.manifest)?;
            if last != Some(chunk.at) {
                read_bytes += u64::from(chunk.at.stored);
            }
            last = Some(chunk.at);
            let place = self
                .entries(&[item.file])
                .map(|entry| self.layout.place_of(&entry.path).to_owned())
                .next();
            *needed.entry(place.unwrap_or_default()).or_default() += u64::from(chunk.at.length);
        }
        // What is there already is written over in its place.
        if found.is_empty {
            let needed = needed.iter().map(|(place, bytes)| (place.as_path(), *bytes));
            obstacles.extend(super::facts::trouble_of_room(needed)?);
        }
        Ok(Outlook {
            read_bytes,
            write_bytes: survey.write_bytes,
            kept_bytes: survey.kept_bytes,
            obstacles,
        })
    }

    fn is_composed(&self, composed: &Composed) -> Result<bool, Error> {
        let control = composed.control.clone().map(|control| (CONTROL, Some(control)));
        for (name, content) in composed.small.iter().cloned().chain(control) {
            if disk::content(&self.layout.root().join(name))? != content {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// From here on the directory is no cluster until it is whole.
    fn prepare(&self, held: Option<Arc<File>>, survey: Survey) -> Result<(Arc<File>, OpenFiles, Survey), Error> {
        let held = match held {
            Some(held) => held,
            None => self.make_root()?,
        };
        self.begin()?;
        for path in &survey.remove {
            disk::remove(path)?;
        }
        for (_, place) in self.layout.places() {
            disk::make_directory(place, self.root_mode(), self.owner())?;
        }
        for entry in self.entries(&survey.directories) {
            disk::make_directory(&self.layout.path(&entry.path), mode_of(entry), self.owner())?;
        }
        for (path, target) in &survey.links {
            disk::link(path, target, self.owner())?;
        }
        let files = OpenFiles::of(
            Arc::clone(&self.manifest),
            Arc::clone(&self.layout),
            self.owner(),
            survey.lacking.clone(),
        );
        self.make_zero(&survey, &files)?;
        for entry in self.entries(&survey.make) {
            let file = files.open_one(entry)?;
            files.finish(entry, &file)?;
        }
        Ok((held, files, survey))
    }

    fn make_root(&self) -> Result<Arc<File>, Error> {
        let root = self.layout.root();
        disk::make_directory(root, self.root_mode(), self.owner())?;
        if let Some(above) = root.parent() {
            disk::sync_directory(above)?;
        }
        let held = held(root)?;
        // Somebody else may have been here since it was looked at.
        let found = Found::at(&self.layout, &self.manifest).map_err(|error| Error::file(root, error))?;
        if found.is_empty { Ok(held) } else { Err(busy(root)) }
    }

    fn entries<'a>(&'a self, numbers: &'a [u32]) -> impl Iterator<Item = &'a FileEntry> {
        numbers
            .iter()
            .filter_map(|number| self.manifest.files.get(*number as usize))
    }

    fn begin(&self) -> Result<(), Error> {
        let root = self.layout.root();
        let marker = Marker {
            backup: self.backup.clone(),
            system_identifier: self.manifest.system_identifier,
            places: self.layout.places().map(|(_, place)| place.to_owned()).collect(),
        };
        let text = serde_json::to_vec(&marker).map_err(|error| repo::Error::corrupt(MARKER, error.to_string()))?;
        disk::put(&root.join(MARKER), &text, 0o600, self.owner())?;
        disk::sync_directory(root)?;
        let control = root.join(CONTROL);
        if !control.exists() {
            return Ok(());
        }
        if self.layout.is_partial() {
            let aside = root.join(CONTROL_ASIDE);
            std::fs::rename(&control, &aside).map_err(|error| Error::file(&aside, error))?;
        } else {
            disk::remove(&control)?;
        }
        disk::sync_directory(&root.join("global"))
    }

    /// A data directory lets a group read if the directories in it do.
    fn root_mode(&self) -> u32 {
        self.entry("base").map_or(0o700, mode_of)
    }

    fn make_zero(&self, survey: &Survey, files: &OpenFiles) -> Result<(), Error> {
        let zeros = vec![0; CHUNK_BYTES];
        for (file, number, length) in &survey.zero {
            let open = files.get(*file)?;
            let zeros = zeros.get(..*length as usize).unwrap_or_default();
            let written = open.write_all_at(zeros, u64::from(*number) * CHUNK_BYTES as u64);
            written.map_err(|error| files.failed(*file, error))?;
            self.pace.progress().add(zeros.len() as u64);
        }
        Ok(())
    }

    fn finish(&self, survey: &Survey, composed: &Composed, files: &OpenFiles) -> Result<(), Error> {
        // Pieces that became zero changed the time of a file that lacked nothing else.
        let zeroed = survey
            .zero
            .iter()
            .map(|(file, _, _)| *file)
            .filter(|file| files.is_whole(*file));
        let dress: BTreeSet<u32> = survey.dress.iter().copied().chain(zeroed).collect();
        for entry in self.entries(&dress.into_iter().collect::<Vec<_>>()) {
            let path = self.layout.path(&entry.path);
            let open = disk::opened(&path)?;
            dressed(&open, entry, self.owner()).map_err(|error| Error::file(&path, error))?;
        }
        let root = self.layout.root();
        for (name, content) in &composed.small {
            let path = root.join(name);
            match content {
                Some(content) => disk::put(&path, content, composed.mode, self.owner())?,
                None => disk::remove(&path)?,
            }
        }
        self.sync()?;
        match &composed.control {
            Some(control) => disk::put(&root.join(CONTROL), control, composed.mode, self.owner())?,
            None => put_back(root)?,
        }
        disk::sync_directory(&root.join("global"))?;
        disk::remove(&root.join(MARKER))?;
        disk::sync_directory(root)
    }

    /// Once for each file system that was written to: one request instead of one for each file.
    fn sync(&self) -> Result<(), Error> {
        let mut synced = BTreeSet::new();
        let root = self.layout.root();
        let log = root.join("pg_wal");
        let places = self.layout.places().map(|(_, place)| place);
        for place in places.chain([root, &log]).filter(|place| place.is_dir()) {
            let facts = std::fs::metadata(place).map_err(|error| Error::file(place, error))?;
            if synced.insert(facts.dev()) {
                disk::sync_file_system(place)?;
            }
        }
        Ok(())
    }
}

/// The control file of a cluster of which one tablespace was restored.
fn put_back(root: &Path) -> Result<(), Error> {
    let aside = root.join(CONTROL_ASIDE);
    if aside.exists() {
        std::fs::rename(&aside, root.join(CONTROL)).map_err(|error| Error::file(&aside, error))?;
    }
    Ok(())
}

/// Keeps others from restoring into the same directory, until it is dropped. Threads of a restore that has just failed
/// may take a moment to see it. To be called on a thread that may wait.
fn held(root: &Path) -> Result<Arc<File>, Error> {
    let directory = disk::opened(root)?;
    for _ in 0..HELD_TRIES {
        match rustix::fs::flock(&directory, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Arc::new(directory)),
            Err(_) => std::thread::sleep(HELD_PAUSE),
        }
    }
    Err(busy(root))
}

fn busy(root: &Path) -> Error {
    Error::Refused {
        slug: "backup-restore-running",
        reason: format!("another restore writes to {}", root.display()),
    }
}

async fn small_file(reader: &mut ChunkReader, entry: &FileEntry) -> Result<Vec<u8>, Error> {
    let (mut content, mut piece) = (Vec::new(), Vec::new());
    for chunk in entry.chunks() {
        reader.read(&chunk?, &mut piece).await?;
        content.extend_from_slice(&piece);
    }
    Ok(content)
}
