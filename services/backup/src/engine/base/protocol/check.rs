//! The server's manifest, held against what arrived: every file of it has to be there as it says, and nothing else. Pure.

use super::copy::{Copier, LABEL};
use super::sums::{Misfit, Named};
use crate::repo::manifest::{EntryKind, FileEntry};

/// Holds a manifest against what arrived.
pub(super) struct Check<'a> {
    copier: &'a Copier,
    /// Files by their paths, and whether the manifest named them.
    order: Vec<(u32, bool)>,
    is_label_named: bool,
}

impl<'a> Check<'a> {
    pub(super) fn of(copier: &'a Copier) -> Self {
        let is_file = |at: &u32| matches!(copier.files.get(*at as usize), Some(file) if file.kind() == EntryKind::File);
        let mut order: Vec<_> = (0..)
            .take(copier.files.len())
            .filter(is_file)
            .map(|at| (at, false))
            .collect();
        order.sort_unstable_by_key(|(at, _)| path_of(copier, *at));
        Self {
            copier,
            order,
            is_label_named: false,
        }
    }

    /// The file that the manifest names; none: it is the label.
    pub(super) fn file(&mut self, named: &Named<'_>) -> Result<Option<&'a FileEntry>, Misfit> {
        let differs = |what: &str| Misfit::Other(format!("{} {what}", named.path));
        if named.path == LABEL {
            let fits = |(bytes, crc)| named.has(bytes, crc);
            self.is_label_named = self.copier.label.sent.is_some_and(fits);
            return if self.is_label_named {
                Ok(None)
            } else {
                Err(differs("has another content"))
            };
        }
        let changed = self.copier.changed_path(&named.path);
        let path = changed.as_deref().unwrap_or(&named.path);
        let found = self
            .order
            .binary_search_by_key(&path, |(at, _)| path_of(self.copier, *at));
        let found = found.ok().and_then(|found| self.order.get_mut(found));
        let (at, seen) = found.ok_or_else(|| differs("did not arrive"))?;
        if std::mem::replace(seen, true) {
            return Err(differs("is named twice"));
        }
        let entry = self
            .copier
            .files
            .get(*at as usize)
            .ok_or_else(|| differs("did not arrive"))?;
        let sent = self.copier.changed.get(at).copied();
        if changed.is_some() != sent.is_some() {
            return Err(differs("arrived otherwise"));
        }
        let (bytes, crc) = sent.unwrap_or((entry.bytes, entry.crc32c));
        if named.has(bytes, crc) {
            Ok(Some(entry))
        } else {
            Err(differs("has another content"))
        }
    }

    pub(super) fn end(&self) -> Result<(), Misfit> {
        if let Some((at, _)) = self.order.iter().find(|(_, seen)| !seen) {
            return Err(Misfit::Other(format!("{} is not named", path_of(self.copier, *at))));
        }
        if self.is_label_named {
            Ok(())
        } else {
            Err(Misfit::Other("its label is not named".to_owned()))
        }
    }
}

fn path_of(copier: &Copier, at: u32) -> &str {
    copier.files.get(at as usize).map_or("", |file| file.path.as_str())
}
