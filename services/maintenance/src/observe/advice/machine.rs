//! The machine on which the server runs: known where it is this one.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use weir_upstream::Connection;

use super::{flag, number, one};
use crate::advise::{Machine, Storage};
use crate::error::Error;

/// What settings say of it counts first.
pub(super) async fn of(connection: &mut Connection, said: Machine) -> Result<Machine, Error> {
    let sql = "select pg_catalog.pg_backend_pid() as pid, pg_catalog.current_database() as database,
        pg_catalog.pg_has_role('pg_read_all_settings', 'usage') as may_ask";
    let row = one(connection.simple_query(sql).await?)?;
    let pid = number(&row, "pid") as u64;
    let mut directory = None;
    if flag(&row, "may_ask") {
        let sql = "select pg_catalog.current_setting('data_directory') as directory";
        directory = one(connection.simple_query(sql).await?)?
            .get("directory")
            .map(str::to_owned);
    }
    let found = if is_here(pid, row.text("database")?) {
        here(pid, directory.as_deref())
    } else {
        Machine::default()
    };
    Ok(Machine {
        memory_bytes: said.memory_bytes.or(found.memory_bytes),
        cores: said.cores.or(found.cores),
        storage: said.storage.or(found.storage),
    })
}

/// Whether the server's process runs beside this one: the process of our own session is here, under the title that
/// PostgreSQL gives it. An address says little: a port of this machine may lead into a container, or elsewhere.
fn is_here(pid: u64, database: &str) -> bool {
    let title = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let title = String::from_utf8_lossy(&title);
    title.starts_with("postgres:") && title.split([' ', '\0']).any(|word| word == database)
}

fn here(pid: u64, directory: Option<&str>) -> Machine {
    let limit = |file: &str| limits_of_group(pid, file);
    let memory = [memory_of_system(), limit("memory.max").into_iter().reduce(f64::min)];
    let cores = std::thread::available_parallelism()
        .ok()
        .map(|cores| cores.get() as f64);
    Machine {
        memory_bytes: memory.into_iter().flatten().reduce(f64::min),
        cores,
        storage: directory.and_then(storage_of),
    }
}

fn memory_of_system() -> Option<f64> {
    memory_of(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn memory_of(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kb: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb * 1024.0)
}

/// Bounds of the group that the server runs in, and of the groups around it.
fn limits_of_group(pid: u64, file: &str) -> Vec<f64> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let Some(path) = groups.lines().find_map(|line| line.strip_prefix("0::")) else {
        return Vec::new();
    };
    let around = std::path::Path::new(path.trim_start_matches('/')).ancestors();
    let read = |group: &std::path::Path| {
        let text = fs::read_to_string(std::path::Path::new("/sys/fs/cgroup").join(group).join(file)).ok()?;
        text.trim().parse().ok()
    };
    around.filter_map(read).collect()
}

/// Whether the disk below a directory turns. None where that cannot be seen, as on a file system of layers.
fn storage_of(directory: &str) -> Option<Storage> {
    let device = fs::metadata(directory).ok()?.dev();
    let major = (device >> 8) & 0xfff | (device >> 32) & !0xfff;
    let minor = device & 0xff | (device >> 12) & !0xff;
    let place = format!("/sys/dev/block/{major}:{minor}");
    let turns = |path: &str| fs::read_to_string(format!("{place}/{path}")).ok();
    let text = turns("queue/rotational").or_else(|| turns("../queue/rotational"))?;
    match text.trim() {
        "0" => Some(Storage::Ssd),
        "1" => Some(Storage::Hdd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_another_kind_is_not_the_server() {
        assert!(!is_here(u64::from(std::process::id()), ""));
        assert!(!is_here(0, "postgres"));
    }

    #[test]
    fn memory_is_read_as_the_system_tells_it() {
        assert_eq!(memory_of("MemFree: 1 kB\nMemTotal:   2048 kB\n"), Some(2_097_152.0));
        assert_eq!(memory_of("MemTotal: many kB"), None);
    }
}
