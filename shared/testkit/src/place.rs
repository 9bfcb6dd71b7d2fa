//! Where test servers live, and what the test processes of one user share.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use uuid::Uuid;

/// A PostgreSQL cluster is a thousand small files; in memory they are copied and removed several times faster.
const MEMORY: &str = "/dev/shm";
/// Room for some dozen clusters with their WAL. Containers often have far less there.
const MEMORY_KIB_MIN: u64 = 4 * 1024 * 1024;

/// The directory for a server's own: in memory where there is plenty, unless TMPDIR names another place.
pub(crate) fn server_home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| choose(std::env::temp_dir(), free_kib(Path::new(MEMORY))))
}

fn choose(temp: PathBuf, memory_kib: Option<u64>) -> PathBuf {
    let plenty = memory_kib.is_some_and(|free| free >= MEMORY_KIB_MIN);
    if temp == Path::new("/tmp") && plenty {
        PathBuf::from(MEMORY)
    } else {
        temp
    }
}

fn free_kib(dir: &Path) -> Option<u64> {
    let output = Command::new("df")
        .args(["-k", "--output=avail"])
        .arg(dir)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().last()?.trim().parse().ok()
}

/// What test processes of one user share: port locks and the prepared PostgreSQL cluster.
pub(crate) fn shared_dir() -> PathBuf {
    std::env::temp_dir().join(format!("weir-testkit-{}", own_uid()))
}

/// The user this process runs as.
pub(crate) fn own_uid() -> u32 {
    fs::metadata("/proc/self")
        .expect("/proc tells who runs this process")
        .uid()
}

/// A few letters and digits that no other run uses.
pub(crate) fn unique() -> String {
    let id = Uuid::now_v7().simple().to_string();
    id.chars().skip(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_taken_only_where_there_is_plenty_and_nobody_chose() {
        let place = |temp: &str, free| choose(temp.into(), free).display().to_string();
        assert_eq!(place("/tmp", Some(MEMORY_KIB_MIN)), MEMORY);
        assert_eq!(place("/tmp", Some(MEMORY_KIB_MIN - 1)), "/tmp");
        assert_eq!(place("/tmp", None), "/tmp");
        assert_eq!(place("/chosen", Some(MEMORY_KIB_MIN)), "/chosen");
    }

    #[test]
    fn free_room_is_told_for_a_directory_and_not_for_a_missing_one() {
        assert!(free_kib(Path::new("/")).is_some());
        assert_eq!(free_kib(Path::new("/no/such/place")), None);
    }
}
