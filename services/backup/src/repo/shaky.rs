//! A file system for tests that fails at one step, ends the process there, or loses what was not written through.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::disk::{Disk, System};

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is refused with this number of the system's, and nothing was done.
    Fails(i32),
    /// It is done, and said to have failed with this number.
    Lost(i32),
    /// A write takes half of its bytes; whatever comes next is refused with this number.
    Short(i32),
    /// It and all after it are refused: the machine is off.
    Off,
    /// The process is killed before it.
    Killed,
}

/// The disk. Cheap to clone; clones count the same steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shaky(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    steps: AtomicU64,
    trouble: Mutex<Option<(u64, Trouble)>>,
    memory: Mutex<Option<Memory>>,
}

impl Shaky {
    /// The step of this number, counted from now on, meets this.
    pub(crate) fn at(&self, step: u64, trouble: Trouble) {
        *self.0.trouble.lock().unwrap() = Some((self.taken() + step, trouble));
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        *self.0.trouble.lock().unwrap() = None;
    }

    /// So many steps were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.0.steps.load(Ordering::SeqCst)
    }

    /// From now on it knows what of this directory would be there after a loss of power.
    pub(crate) fn remembering(self, root: &Path) -> Self {
        *self.0.memory.lock().unwrap() = Some(Memory::of(&fs::canonicalize(root).unwrap()));
        self
    }

    /// The power is lost: what was not written through is gone, or is not; a seed says which of what may be either.
    pub(crate) fn lose_power(&self, seed: u64) {
        let memory = self.0.memory.lock().unwrap().take().expect("it remembers");
        memory.lose_power(&mut fastrand::Rng::with_seed(seed));
    }

    fn step<T>(&self, short: bool, real: impl FnOnce(bool) -> io::Result<T>) -> io::Result<T> {
        let number = self.0.steps.fetch_add(1, Ordering::SeqCst);
        let planned = *self.0.trouble.lock().unwrap();
        match planned {
            Some((at, Trouble::Off)) if number >= at => Err(io::Error::from_raw_os_error(5)),
            Some((at, Trouble::Fails(errno))) if number == at => Err(io::Error::from_raw_os_error(errno)),
            Some((at, Trouble::Lost(errno))) if number == at => {
                real(false).and_then(|_| Err(io::Error::from_raw_os_error(errno)))
            }
            Some((at, Trouble::Short(_))) if number == at && short => real(true),
            Some((at, Trouble::Short(errno))) if number == at || number == at + 1 => {
                Err(io::Error::from_raw_os_error(errno))
            }
            Some((at, Trouble::Killed)) if number >= at => loop {
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                std::thread::park();
            },
            _ => real(false),
        }
    }

    /// Nobody asks the disk for anything any more, which is no failure of its own.
    fn is_off(&self) -> bool {
        let planned = *self.0.trouble.lock().unwrap();
        matches!(planned, Some((at, Trouble::Off)) if self.taken() > at)
    }

    fn note(&self, note: impl FnOnce(&mut Memory)) {
        if let Some(memory) = self.0.memory.lock().unwrap().as_mut() {
            note(memory);
        }
    }
}

impl Disk for Shaky {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.step(false, |_| {
            let file = System.create(path)?;
            let inode = file.metadata()?.ino();
            self.note(|memory| {
                // Numbers are used again.
                memory.written.remove(&inode);
                memory.spoilt.remove(&inode);
                memory.changed(path);
            });
            Ok(file)
        })
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        self.step(true, |short| {
            let some = if short { bytes.len().div_ceil(2) } else { bytes.len() };
            System.write(file, &bytes[..some])
        })
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let inode = file.metadata()?.ino();
        let synced = self.step(false, |_| System.sync(file));
        if self.is_off() {
            return synced;
        }
        self.note(|memory| match synced {
            Ok(()) if !memory.spoilt.contains(&inode) => drop(memory.written.insert(inode)),
            Ok(()) => {}
            // What could not be written counts as written from then on, and is not.
            Err(_) => drop(memory.spoilt.insert(inode)),
        });
        synced
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(false, |_| {
            System.link(from, to)?;
            self.note(|memory| memory.changed(to));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(false, |_| {
            self.note(|memory| memory.going(to));
            System.rename(from, to)?;
            self.note(|memory| memory.changed(to));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(false, |_| {
            self.note(|memory| memory.going(path));
            System.remove(path)?;
            self.note(|memory| memory.changed(path));
            Ok(())
        })
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.step(false, |_| {
            System.make_dir(path)?;
            self.note(|memory| memory.changed(path));
            Ok(())
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step(false, |_| {
            System.remove_dir(path)?;
            self.note(|memory| {
                memory.dirs.remove(path);
                memory.changed(path);
            });
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let synced = self.step(false, |_| System.sync_dir(path));
        if self.is_off() {
            return synced;
        }
        self.note(|memory| {
            let names = names(path);
            let dir = memory.dirs.entry(path.to_owned()).or_default();
            if synced.is_ok() && dir.is_changed {
                dir.lasting = names;
                dir.gone.clear();
            }
            // As with files: a failure is told once.
            dir.is_changed = false;
        });
        synced
    }
}

/// What of a directory would be there after a loss of power.
#[derive(Debug)]
struct Memory {
    root: PathBuf,
    /// Where old content is kept that may come back.
    shadow: tempfile::TempDir,
    dirs: HashMap<PathBuf, Names>,
    /// Files whose content was written through, by inode.
    written: HashSet<u64>,
    /// Files whose content can never be again.
    spoilt: HashSet<u64>,
    kept: u64,
}

#[derive(Debug, Default)]
struct Names {
    lasting: HashSet<OsString>,
    /// What was removed or replaced since, with where its content is.
    gone: Vec<(OsString, PathBuf)>,
    is_changed: bool,
}

fn names(path: &Path) -> HashSet<OsString> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

impl Memory {
    fn of(root: &Path) -> Self {
        let mut memory = Self {
            root: root.to_owned(),
            shadow: tempfile::tempdir_in(root.parent().unwrap()).unwrap(),
            dirs: HashMap::new(),
            written: HashSet::new(),
            spoilt: HashSet::new(),
            kept: 0,
        };
        let mut open = vec![root.to_owned()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(&dir).unwrap().flatten() {
                let about = entry.metadata().unwrap();
                if about.is_dir() {
                    open.push(entry.path());
                } else {
                    memory.written.insert(about.ino());
                }
            }
            let lasting = names(&dir);
            memory.dirs.insert(
                dir,
                Names {
                    lasting,
                    ..Names::default()
                },
            );
        }
        memory
    }

    fn dir_of(&mut self, path: &Path) -> &mut Names {
        self.dirs.entry(path.parent().unwrap().to_owned()).or_default()
    }

    fn changed(&mut self, path: &Path) {
        self.dir_of(path).is_changed = true;
    }

    /// A name goes, or goes to another file: until that is written through it may be back.
    fn going(&mut self, path: &Path) {
        let name = path.file_name().unwrap().to_owned();
        if !self.dir_of(path).lasting.contains(&name) {
            return;
        }
        let shadow = self.shadow.path().join(self.kept.to_string());
        self.kept += 1;
        if fs::hard_link(path, &shadow).is_ok() {
            self.dir_of(path).gone.push((name, shadow));
        }
    }

    fn lose_power(mut self, random: &mut fastrand::Rng) {
        let root = self.root.clone();
        self.lose_below(&root, random);
    }

    fn lose_below(&mut self, dir: &Path, random: &mut fastrand::Rng) {
        let known = self.dirs.remove(dir).unwrap_or_default();
        for name in names(dir) {
            let path = dir.join(&name);
            let about = fs::symlink_metadata(&path).unwrap();
            match (known.lasting.contains(&name), about.is_dir()) {
                (false, true) => fs::remove_dir_all(&path).unwrap(),
                (false, false) => fs::remove_file(&path).unwrap(),
                (true, true) => self.lose_below(&path, random),
                (true, false) if !self.written.contains(&about.ino()) => {
                    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
                }
                (true, false) => {}
            }
        }
        for (name, shadow) in known.gone {
            if random.bool() {
                let path = dir.join(name);
                drop(fs::remove_file(&path));
                fs::hard_link(shadow, path).unwrap();
            }
        }
    }
}
