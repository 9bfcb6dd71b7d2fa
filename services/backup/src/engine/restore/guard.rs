//! What lies where a restore is to write, and what of it forbids that.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{CONTROL, Layout, tablespace_of};
use crate::plan::restore::Obstacle;
use crate::repo::manifest::Manifest;

/// Says that a restore has begun here and not ended.
pub(super) const MARKER: &str = ".weir-restore";
/// Where the control file of a cluster is while one of its tablespaces is restored.
pub(super) const CONTROL_ASIDE: &str = "global/pg_control.weir-restore";

/// What a restore notes where it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub backup: String,
    pub system_identifier: u64,
    /// Where its tablespaces go: what lies there is its own, even before the links lead there.
    #[serde(default)]
    pub places: Vec<PathBuf>,
}

/// What lies where a restore is to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub is_empty: bool,
    /// It looks like a data directory.
    pub is_cluster: bool,
    /// A server that works on it, by its process id.
    pub running: Option<i32>,
    /// The cluster that it belongs to.
    pub system_identifier: Option<u64>,
    /// A restore that did not end.
    pub begun: Option<Marker>,
    /// Tablespaces whose place holds files, and that do not belong to this data directory.
    pub taken: Vec<(u32, PathBuf)>,
}

impl Found {
    /// Looks. Changes nothing.
    pub(crate) fn at(layout: &Layout, manifest: &Manifest) -> Result<Self> {
        let root = layout.root();
        let begun = fs::read(root.join(MARKER)).ok();
        let begun = begun.and_then(|text| serde_json::from_slice::<Marker>(&text).ok());
        let of_control = control_of(root)?;
        let taken = taken(layout, manifest, begun.as_ref())?;
        Ok(Self {
            is_empty: is_empty(root)?,
            is_cluster: of_control.is_some() || begun.is_some() || root.join("PG_VERSION").is_file(),
            running: running(root),
            system_identifier: of_control.or(begun.as_ref().map(|begun| begun.system_identifier)),
            begun,
            taken,
        })
    }

    /// Whether what is there is reused: asked for, or a restore of the same cluster that did not end.
    pub(crate) fn is_reused(&self, delta: bool, system_identifier: u64) -> bool {
        let begun = self.begun.as_ref();
        delta || begun.is_some_and(|begun| begun.system_identifier == system_identifier)
    }

    /// What forbids to write here.
    pub(crate) fn obstacles(&self, layout: &Layout, delta: bool, system_identifier: u64) -> Vec<Obstacle> {
        let root = layout.root().display();
        let mut obstacles = Vec::new();
        if let Some(process) = self.running {
            obstacles.push(Obstacle::firm(
                "backup-restore-running",
                format!("a server works on {root}, process {process}; stop it first"),
            ));
        }
        for (oid, place) in &self.taken {
            obstacles.push(Obstacle::firm(
                "backup-restore-not-empty",
                format!(
                    "{} holds files, and {root} has no tablespace {oid} there; give the tablespace another directory",
                    place.display()
                ),
            ));
        }
        obstacles.extend(self.trouble_of_root(layout, delta, system_identifier));
        obstacles
    }

    fn trouble_of_root(&self, layout: &Layout, delta: bool, system_identifier: u64) -> Option<Obstacle> {
        let root = layout.root().display();
        if layout.is_partial() {
            let is_own = self.system_identifier == Some(system_identifier);
            return (!is_own).then(|| {
                let detail = format!("{root} is not the data directory of this cluster, which a tablespace needs");
                Obstacle::firm("backup-restore-foreign", detail)
            });
        }
        if self.is_empty {
            return None;
        }
        if !self.is_reused(delta, system_identifier) {
            let detail = format!("{root} is not empty; empty it, or ask for a delta restore to reuse what is there");
            return Some(Obstacle::firm("backup-restore-not-empty", detail));
        }
        match self.system_identifier {
            Some(here) if here == system_identifier => None,
            Some(here) => Some(Obstacle::soft(
                "backup-restore-foreign",
                format!("{root} belongs to another cluster, {here:016x}, which would be overwritten"),
            )),
            None if self.is_cluster => Some(Obstacle::soft(
                "backup-restore-foreign",
                format!("{root} does not say which cluster it belongs to, and would be overwritten"),
            )),
            None => Some(Obstacle::firm(
                "backup-restore-foreign",
                format!("{root} is no data directory; empty it first"),
            )),
        }
    }
}

/// Whether nothing is in a directory, or it is not there.
fn is_empty(directory: &Path) -> Result<bool> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(error),
    };
    for entry in entries {
        // A file system of its own has this at its root.
        if entry?.file_name() != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The cluster that a data directory belongs to, as its control file says in the first eight bytes.
fn control_of(root: &Path) -> Result<Option<u64>> {
    for name in [CONTROL, CONTROL_ASIDE] {
        match fs::read(root.join(name)) {
            Ok(bytes) => return Ok(bytes.first_chunk::<8>().map(|id| u64::from_ne_bytes(*id))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The process of a server that works on a data directory.
fn running(root: &Path) -> Option<i32> {
    let text = fs::read_to_string(root.join("postmaster.pid")).ok()?;
    let number = text.lines().next()?.trim().parse::<i32>().ok()?;
    // In single-user mode it is negative.
    let process = rustix::process::Pid::from_raw(number.abs())?;
    if rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH) {
        return None;
    }
    // The number may be another's by now. A server's working directory is its data directory.
    let works_in = fs::metadata(format!("/proc/{}/cwd", number.abs()));
    let here = fs::metadata(root);
    match (works_in, here) {
        (Ok(there), Ok(here)) if (there.dev(), there.ino()) != (here.dev(), here.ino()) => None,
        _ => Some(number),
    }
}

/// What of the backup lies right below the places of tablespaces, such as `PG_15_202209061`. What else is there is
/// somebody else's.
pub(super) fn heads(layout: &Layout, manifest: &Manifest) -> BTreeSet<(u32, PathBuf)> {
    let places: BTreeSet<u32> = layout.places().map(|(oid, _)| oid).collect();
    let of = |path: &str| {
        let (oid, rest) = tablespace_of(path)?;
        let head = rest.split('/').next().filter(|head| !head.is_empty())?;
        places.contains(&oid).then(|| (oid, format!("pg_tblspc/{oid}/{head}")))
    };
    let names: BTreeSet<(u32, String)> = manifest.files.iter().filter_map(|file| of(&file.path)).collect();
    names.into_iter().map(|(oid, name)| (oid, layout.path(&name))).collect()
}

fn taken(layout: &Layout, manifest: &Manifest, begun: Option<&Marker>) -> Result<Vec<(u32, PathBuf)>> {
    let mut taken = Vec::new();
    for (oid, head) in heads(layout, manifest) {
        let place = head.parent().unwrap_or(&head);
        let is_linked = fs::read_link(layout.link(oid)).is_ok_and(|target| target == place);
        let is_begun = begun.is_some_and(|begun| begun.places.iter().any(|known| known == place));
        if !is_linked && !is_begun && !is_empty(&head)? {
            taken.push((oid, place.to_owned()));
        }
    }
    Ok(taken)
}
