//! `page_checksums`: every page of every relation, as it lies in the files after recovery.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::engine::base::pages::{self, PAGE_BYTES, Verdict};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::prove::evidence::Check;

/// Pages read at once.
const BATCH_PAGES: usize = 64;
/// No log position of a page is later: it is judged by its checksum whenever it was written.
const ALWAYS: u64 = u64::MAX;

/// Looks at all pages of a data directory whose server writes nothing. Returns the latest position that each relation
/// was changed at, by the path of its first file.
pub(in crate::prove) async fn look(
    data: PathBuf,
    has_sums: bool,
    check: &mut Check,
    pace: &Pace,
) -> Result<HashMap<String, u64>, Error> {
    let (pace, mut found) = (pace.clone(), check.clone());
    let looking = tokio::task::spawn_blocking(move || {
        let mut looking = Looking {
            data,
            has_sums,
            pace,
            latest: HashMap::new(),
        };
        let looked = looking.look(&mut found);
        looked.map(|()| (found, looking.latest))
    });
    let looked = looking
        .await
        .map_err(|error| crate::prove::programs::refused(error.to_string()))?;
    let (found, latest) = looked?;
    *check = found;
    Ok(latest)
}

struct Looking {
    data: PathBuf,
    has_sums: bool,
    pace: Pace,
    latest: HashMap<String, u64>,
}

impl Looking {
    fn look(&mut self, check: &mut Check) -> Result<(), Error> {
        for root in ["base", "global", "pg_tblspc"] {
            self.look_in(root, check)?;
        }
        Ok(())
    }

    fn look_in(&mut self, directory: &str, check: &mut Check) -> Result<(), Error> {
        let at = self.data.join(directory);
        for entry in std::fs::read_dir(&at).map_err(|error| Error::file(&at, error))? {
            let name = entry.map_err(|error| Error::file(&at, error))?.file_name();
            let path = format!("{directory}/{}", name.to_string_lossy());
            let full = self.data.join(&path);
            if full.is_dir() {
                self.look_in(&path, check)?;
            } else if let Some(first) = pages::first_block(&path) {
                self.look_at(&path, &full, first, check)?;
            }
        }
        Ok(())
    }

    fn look_at(&mut self, path: &str, full: &Path, first: u32, check: &mut Check) -> Result<(), Error> {
        let failed = |error| Error::file(full, error);
        let file = File::open(full).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes % PAGE_BYTES as u64 != 0 {
            check.found(format!("{path} ends within a page"));
        }
        let mut batch = vec![0; BATCH_PAGES * PAGE_BYTES];
        let (mut block, mut at) = (first, 0);
        while at + PAGE_BYTES as u64 <= bytes {
            let pages_left = (bytes - at) / PAGE_BYTES as u64;
            let length = BATCH_PAGES.min(usize::try_from(pages_left).unwrap_or(BATCH_PAGES)) * PAGE_BYTES;
            let batch = batch.get_mut(..length).unwrap_or_default();
            file.read_exact_at(batch, at).map_err(failed)?;
            self.judge(path, batch, block, check);
            at += length as u64;
            block += u32::try_from(length / PAGE_BYTES).unwrap_or_default();
            self.pace.progress().add(length as u64);
            if self.pace.stop().is_cancelled() {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }

    fn judge(&mut self, path: &str, batch: &[u8], first: u32, check: &mut Check) {
        let (pages, _) = batch.as_chunks::<PAGE_BYTES>();
        let latest = self.latest.entry(relation_of(path).to_owned()).or_default();
        for (block, page) in (first..).zip(pages) {
            check.examined += 1;
            *latest = (*latest).max(position(page));
            if self.has_sums && pages::judge(page, block, ALWAYS) == Verdict::Broken {
                check.found(format!("{path}: page {block} has a wrong checksum"));
            }
        }
    }
}

/// The path of the first file of the relation that a file belongs to.
fn relation_of(path: &str) -> &str {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let end = name.find(['.', '_']).unwrap_or(name.len());
    path.get(..path.len() - name.len() + end).unwrap_or(directory)
}

/// Where a page was last changed.
fn position(page: &[u8; PAGE_BYTES]) -> u64 {
    let [a, b, c, d, e, f, g, h] = *page.first_chunk::<8>().unwrap_or(&[0; 8]);
    u64::from(u32::from_ne_bytes([a, b, c, d])) << 32 | u64::from(u32::from_ne_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_relation_are_one() {
        for path in [
            "base/5/16384",
            "base/5/16384.1",
            "base/5/16384_fsm",
            "base/5/16384_vm.2",
        ] {
            assert_eq!(relation_of(path), "base/5/16384");
        }
    }
}
