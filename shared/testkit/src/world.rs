//! A whole Weir for end-to-end tests: real servers, the real binaries, ports and settings of their own.
//!
//! ```no_run
//! # use weir_testkit::World;
//! # async fn test() {
//! let world = World::new().with("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "200ms").up().await;
//! let shown = world.weir(&["exec", "select 1"]).await;
//! assert!(shown.succeeded, "{shown:?}");
//! # }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Database, Nats, Postgres, Process, eventually, free_port, http_get};

/// How long a service may take to become ready on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// One service: its binary, and the section of its settings.
const SERVICES: [(&str, &str); 7] = [
    ("pool-gateway", "GATEWAY"),
    ("query-monitor", "MONITOR"),
    ("cache", "CACHE"),
    ("scheduler", "SCHEDULER"),
    ("maintenance", "MAINTENANCE"),
    ("backup", "BACKUP"),
    ("console", "CONSOLE"),
];

/// The doors of a service, and the settings that place them.
const fn doors(section: &str) -> &'static [(&'static str, &'static str)] {
    match section.as_bytes() {
        b"CONSOLE" => &[("ops", "LISTEN")],
        _ => &[("grpc", "GRPC_LISTEN"), ("ops", "OPS_LISTEN")],
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Whether its exit status was 0.
    pub succeeded: bool,
    /// Its exit status, if it was not killed.
    pub code: Option<i32>,
    /// Standard output and standard error.
    pub text: String,
}

/// A world in the making: settings first, then [`Plan::up`] or [`Plan::distributed`].
#[derive(Debug, Default)]
pub struct Plan {
    settings: BTreeMap<String, String>,
}

impl Plan {
    /// Sets an environment variable for every process.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts PostgreSQL and `weir up`, and waits until every service is ready.
    pub async fn up(self) -> World {
        let mut world = World::found(self, None).await;
        world.start("weir", &["up"]);
        world.until_ready().await;
        world
    }

    /// Starts PostgreSQL, NATS and each service as a process of its own, and waits until every one is ready.
    pub async fn distributed(self) -> World {
        let nats = Nats::start().await;
        let mut world = World::found(self, Some(nats)).await;
        for (binary, _) in SERVICES {
            world.start(binary, &[]);
        }
        world.until_ready().await;
        world
    }
}

/// A running Weir. Everything stops when it is dropped.
pub struct World {
    database: Database,
    nats: Option<Nats>,
    settings: BTreeMap<String, String>,
    ports: BTreeMap<String, u16>,
    processes: BTreeMap<String, Process>,
}

impl World {
    /// Begins to plan a world.
    #[expect(clippy::new_ret_no_self, reason = "a world is planned before it exists")]
    pub fn new() -> Plan {
        Plan::default()
    }

    async fn found(plan: Plan, nats: Option<Nats>) -> Self {
        let database = Postgres::shared().await.database().await;
        let mut settings = BTreeMap::from([("DATABASE_URL".to_owned(), database.url())]);
        let mut ports = BTreeMap::new();
        for (binary, section) in SERVICES {
            for (door, key) in doors(section) {
                let port = free_port();
                settings.insert(format!("WEIR_{section}__{key}"), format!("127.0.0.1:{port}"));
                ports.insert(format!("{binary} {door}"), port);
            }
        }
        if let Some(port) = ports.get("cache grpc") {
            settings.insert("WEIR_GATEWAY__CACHE_URL".to_owned(), format!("http://127.0.0.1:{port}"));
        }
        if let Some(port) = ports.get("query-monitor grpc") {
            let place = format!("http://127.0.0.1:{port}");
            settings.insert("WEIR_MAINTENANCE__MONITOR_URL".to_owned(), place);
        }
        let port = free_port();
        settings.insert("WEIR_GATEWAY__WIRE_LISTEN".to_owned(), format!("127.0.0.1:{port}"));
        ports.insert("pool-gateway wire".to_owned(), port);
        if let Some(nats) = &nats {
            settings.insert("WEIR_BUS__URL".to_owned(), nats.url());
        }
        settings.extend(plan.settings);
        Self {
            database,
            nats,
            settings,
            ports,
            processes: BTreeMap::new(),
        }
    }

    /// The user's database.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// The NATS server of a distributed world.
    ///
    /// # Panics
    /// In a world without one.
    pub fn nats(&mut self) -> &mut Nats {
        self.nats
            .as_mut()
            .expect("this world has no NATS: it was not started as distributed")
    }

    /// The gRPC address of a service, for a client.
    pub fn grpc(&self, binary: &str) -> String {
        format!("http://127.0.0.1:{}", self.port(&format!("{binary} grpc")))
    }

    /// The port of the PostgreSQL door.
    pub fn wire(&self) -> u16 {
        self.port("pool-gateway wire")
    }

    /// The ops port of a service.
    pub fn ops(&self, binary: &str) -> u16 {
        self.port(&format!("{binary} ops"))
    }

    fn port(&self, door: &str) -> u16 {
        *self
            .ports
            .get(door)
            .unwrap_or_else(|| panic!("there is no {door} port"))
    }

    /// A process by the name of its binary.
    ///
    /// # Panics
    /// If it was not started.
    pub fn process(&self, binary: &str) -> &Process {
        self.processes
            .get(binary)
            .unwrap_or_else(|| panic!("{binary} was not started"))
    }

    /// Changes a setting for processes that are started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// Starts a process; one of the same binary is killed first.
    pub fn start(&mut self, binary: &str, arguments: &[&str]) {
        self.processes.remove(binary);
        let process = self.run(binary, arguments);
        self.processes.insert(binary.to_owned(), process);
    }

    /// The environment of every process, for one that is started in another way.
    pub const fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    fn run(&self, binary: &str, arguments: &[&str]) -> Process {
        let settings: Vec<(&str, &str)> = self
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Process::start(binary_path(binary), arguments, &settings)
    }

    /// Waits until every service is ready.
    pub async fn until_ready(&self) {
        for (binary, _) in SERVICES {
            eventually(&format!("{binary} is ready"), READY_WITHIN, async || {
                match http_get(self.ops(binary), "/readyz").await {
                    Ok((200, _)) => Ok(()),
                    Ok((code, body)) => Err(format!("{code} {body}")),
                    Err(error) => Err(format!("{error}; {}", self.outputs())),
                }
            })
            .await;
        }
    }

    /// What the processes said so far, for a failure's text.
    pub fn outputs(&self) -> String {
        self.processes
            .iter()
            .map(|(binary, process)| format!("--- {binary}\n{}", process.output()))
            .collect()
    }

    /// Runs the operators' command to its end.
    pub async fn weir(&self, arguments: &[&str]) -> Said {
        let process = self.run("weir", arguments);
        let status = process.wait_exit(COMMAND_WITHIN).await;
        Said {
            succeeded: status.success(),
            code: status.code(),
            text: process.output(),
        }
    }

    /// A figure of a service's metrics, summed over its label sets.
    pub async fn metric(&self, binary: &str, name: &str) -> f64 {
        let (_, text) = http_get(self.ops(binary), "/metrics")
            .await
            .expect("the ops door answers");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            (series.split('{').next() == Some(name))
                .then(|| value.parse::<f64>().ok())
                .flatten()
        });
        values.sum()
    }
}

/// A binary of the workspace, beside this test's own.
///
/// # Panics
/// If it was not built: `cargo test` builds only what it tests.
pub fn binary_path(binary: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let directory = own
        .parent()
        .and_then(Path::parent)
        .expect("tests lie in target/<profile>/deps");
    let path = directory.join(binary);
    assert!(
        path.exists(),
        "{} is missing; build it first: cargo build --workspace --bins",
        path.display()
    );
    path
}
