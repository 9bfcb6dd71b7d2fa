//! The monitor's own machine: processors, memory, and the disks that are looked after.
//!
//! A disk that does not answer, as one over a dead network, holds up one thread and its own figures, and nothing else.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_model::Clock;
use weir_proto::monitor::v1 as api;
use weir_runtime::TaskResult;

use super::view::Shared;

const PERIOD: Duration = Duration::from_secs(10);
/// Time for one disk.
const DISK_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of the machine, shared. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Host(Arc<Mutex<api::Host>>);

impl Host {
    pub(super) fn get(&self) -> api::Host {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, host: api::Host) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = host;
    }
}

/// What reads it.
pub(super) struct HostWatch {
    pub(super) host: Host,
    /// `monitor.disks`.
    pub(super) paths: Vec<String>,
    /// Servers, whose data may lie here.
    pub(super) servers: Vec<Shared>,
    pub(super) clock: Clock,
    pub(super) changed: Arc<Notify>,
}

type Asked = JoinHandle<std::io::Result<Space>>;

/// A disk, and the question to it that is still open.
struct Disk {
    path: String,
    upstream: String,
    asked: Option<Asked>,
}

/// The space on a disk.
#[derive(Debug, Clone, Copy)]
struct Space {
    total_bytes: u64,
    used_bytes: u64,
    available_bytes: u64,
}

impl HostWatch {
    pub(super) async fn run(self, stop: CancellationToken) -> TaskResult {
        let mut disks: Vec<Disk> = Vec::new();
        let mut busy = None;
        while !stop.is_cancelled() {
            self.find(&mut disks);
            let read = self.read(&mut disks, &mut busy);
            tokio::select! {
                host = read => {
                    self.host.set(host);
                    self.changed.notify_one();
                }
                () = stop.cancelled() => break,
            }
            tokio::select! {
                () = sleep(if disks.is_empty() { PERIOD / 10 } else { PERIOD }) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Disks that are asked for, and those of servers on this machine. A new data directory is a new disk.
    fn find(&self, disks: &mut Vec<Disk>) {
        let configured = self.paths.iter().map(|path| (path.clone(), String::new()));
        let found = self.servers.iter().filter_map(|server| {
            server.with(|view| {
                let path = view.facts.data_directory.clone().filter(|_| view.facts.is_local)?;
                Some((path, view.server.upstream.clone()))
            })
        });
        let wanted: Vec<(String, String)> = configured.chain(found).collect();
        disks.retain(|disk| {
            wanted
                .iter()
                .any(|(path, upstream)| disk.path == *path && disk.upstream == *upstream)
        });
        for (path, upstream) in wanted {
            if !disks.iter().any(|disk| disk.path == path && disk.upstream == upstream) {
                disks.push(Disk {
                    path,
                    upstream,
                    asked: None,
                });
            }
        }
    }

    async fn read(&self, disks: &mut [Disk], busy: &mut Option<Busy>) -> api::Host {
        let file = |path| std::fs::read_to_string(path).unwrap_or_default();
        let (stat, memory) = (file("/proc/stat"), file("/proc/meminfo"));
        let now = busy_of(&stat);
        let before = std::mem::replace(busy, now);
        let mut told = Vec::with_capacity(disks.len());
        for disk in disks {
            told.extend(disk.look().await);
        }
        api::Host {
            cores: cores_of(&stat),
            cpu_ratio: before.zip(now).and_then(|(old, new)| new.since(old)).unwrap_or(-1.0),
            load_1m: first(&file("/proc/loadavg")),
            memory_total_bytes: kibibytes(&memory, "MemTotal:") * 1024,
            memory_available_bytes: kibibytes(&memory, "MemAvailable:") * 1024,
            disks: told,
            read_unix_ms: self.clock.unix_ms(),
        }
    }
}

impl Disk {
    /// Asks, or goes on waiting for the answer to an earlier question. A data directory that is not here after all is
    /// that of a server behind a forwarded port.
    async fn look(&mut self) -> Option<api::HostDisk> {
        let path = self.path.clone();
        let asked = self
            .asked
            .get_or_insert_with(|| tokio::task::spawn_blocking(move || space(&path)));
        let answer = match timeout(DISK_TIMEOUT, &mut *asked).await {
            Ok(answered) => {
                self.asked = None;
                answered.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            }
            Err(_) => Err(std::io::Error::other(format!(
                "it did not answer within {DISK_TIMEOUT:?}"
            ))),
        };
        let told = api::HostDisk {
            path: self.path.clone(),
            upstream: self.upstream.clone(),
            ..api::HostDisk::default()
        };
        match answer {
            Ok(space) => Some(api::HostDisk {
                total_bytes: space.total_bytes,
                used_bytes: space.used_bytes,
                available_bytes: space.available_bytes,
                ..told
            }),
            Err(error) if error.kind() == ErrorKind::NotFound && !self.upstream.is_empty() => None,
            Err(error) => Some(api::HostDisk {
                error: error.to_string(),
                ..told
            }),
        }
    }
}

fn space(path: &str) -> std::io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space {
        total_bytes: bytes(found.f_blocks),
        used_bytes: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
        available_bytes: bytes(found.f_bavail),
    })
}

/// Time that all cores spent, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Busy {
    busy: u64,
    all: u64,
}

impl Busy {
    /// The part of the time since then that was busy.
    fn since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        Some(self.busy.saturating_sub(before.busy) as f64 / all as f64)
    }
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. Guests are in user already.
fn busy_of(stat: &str) -> Option<Busy> {
    let mut words = stat.lines().next()?.split_whitespace();
    words.next().filter(|word| *word == "cpu")?;
    let ticks: Vec<u64> = words.take(8).filter_map(|word| word.parse().ok()).collect();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    let all: u64 = ticks.iter().sum();
    Some(Busy { busy: all - idle, all })
}

fn cores_of(stat: &str) -> u32 {
    let is_core = |line: &&str| {
        let number = line.strip_prefix("cpu").and_then(|rest| rest.chars().next());
        number.is_some_and(|first| first.is_ascii_digit())
    };
    u32::try_from(stat.lines().filter(is_core).count()).unwrap_or_default()
}

fn first(text: &str) -> f64 {
    let word = text.split_whitespace().next();
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

fn kibibytes(memory: &str, name: &str) -> u64 {
    let line = memory.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |rest| first(rest) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n";

    #[test]
    fn the_kernel_s_figures_are_read() {
        let before = busy_of(STAT).unwrap();
        assert_eq!(before, Busy { busy: 150, all: 1_000 });
        let after = busy_of("cpu  150 0 50 825 75 0 0 0 20 0\n").unwrap();
        assert_eq!(after.since(before), Some(0.5));
        assert_eq!(before.since(before), None);
        assert_eq!(cores_of(STAT), 2);
        assert_eq!(
            kibibytes("MemTotal:  16 kB\nMemAvailable:   7 kB\n", "MemAvailable:"),
            7
        );
        assert_eq!((busy_of(""), cores_of(""), kibibytes("", "MemTotal:")), (None, 0, 0));
    }

    #[tokio::test]
    async fn a_disk_tells_its_space_and_a_path_that_is_none_why_not() {
        let look = async |path: &str, upstream: &str| {
            let mut disk = Disk {
                path: path.to_owned(),
                upstream: upstream.to_owned(),
                asked: None,
            };
            disk.look().await
        };
        let found = look("/", "").await.unwrap();
        assert!(found.error.is_empty() && found.total_bytes > 0, "{found:?}");
        assert!(found.total_bytes >= found.used_bytes + found.available_bytes);
        let none = look("/no/such/path", "").await.unwrap();
        assert!(none.error.contains("No such file"), "{none:?}");
        assert_eq!(look("/no/such/path", "db:5432").await, None);
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_asked_by_one_thread_only() {
        let (answer, asked) = std::sync::mpsc::channel();
        let hanging = tokio::task::spawn_blocking(move || {
            let _ = asked.recv();
            space("/")
        });
        let mut disk = Disk {
            path: "/".to_owned(),
            upstream: String::new(),
            asked: Some(hanging),
        };
        for _ in 0..2 {
            assert!(disk.look().await.unwrap().error.contains("did not answer"));
        }
        answer.send(()).unwrap();
        assert_eq!(disk.look().await.unwrap().error, "");
    }
}
