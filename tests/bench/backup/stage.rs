//! Everything that runs: a cluster with data, NATS, scheduler and backup service as processes of their own.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tonic::transport::Channel;
use weir_proto::backup::v1::backup_service_client::BackupServiceClient;
use weir_proto::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use weir_testkit::{Nats, Postgres, PostgresOptions, Process, binary_path, eventually, free_port, http_get};

use crate::Failure;
use crate::options::Options;
use crate::peer::Peer;

/// How long a service may take to become ready on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Digits of a key.
const KEY: &str = "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f";

/// All of it; it ends when it is dropped.
pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) peer: Peer,
    pub(crate) scheduler: SchedulerServiceClient<Channel>,
    pub(crate) backup: BackupServiceClient<Channel>,
    /// Where restores go, and the repository is.
    pub(crate) dir: TempDir,
    services: Vec<(&'static str, Process)>,
    _nats: Nats,
}

impl Stage {
    /// Starts everything and fills the tables.
    pub(crate) async fn set(options: &Options) -> Result<Self, Failure> {
        let postgres = filled(options).await?;
        let peer = Peer::set(&options.pgbackrest, &postgres)?;
        println!("{}", peer.version()?);
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("key"), KEY)?;
        let nats = Nats::start().await;
        let environment = environment(options, &postgres, &nats, &dir)?;
        let mut services = Vec::new();
        let mut ports = Vec::new();
        for (binary, section) in [("scheduler", "SCHEDULER"), ("backup", "BACKUP")] {
            let (grpc, ops) = (free_port(), free_port());
            let mut environment = environment.clone();
            environment.push((format!("WEIR_{section}__GRPC_LISTEN"), format!("127.0.0.1:{grpc}")));
            environment.push((format!("WEIR_{section}__OPS_LISTEN"), format!("127.0.0.1:{ops}")));
            services.push((binary, start(binary, &environment, ops).await));
            ports.push(format!("http://127.0.0.1:{grpc}"));
        }
        let [scheduler, backup] = <[String; 2]>::try_from(ports).map_err(|_| "two services were to start")?;
        Ok(Self {
            postgres,
            peer,
            scheduler: SchedulerServiceClient::connect(scheduler).await?,
            backup: BackupServiceClient::connect(backup).await?,
            dir,
            services,
            _nats: nats,
        })
    }

    /// The process of a service.
    pub(crate) fn pid(&self, binary: &str) -> u32 {
        let found = self.services.iter().find(|(name, _)| *name == binary);
        found.map_or(0, |(_, process)| process.pid())
    }

    /// What a service said.
    pub(crate) fn output(&self, binary: &str) -> String {
        let found = self.services.iter().find(|(name, _)| *name == binary);
        found.map(|(_, process)| process.output()).unwrap_or_default()
    }

    /// Weir's repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    /// Runs statements.
    pub(crate) async fn psql(&self, sql: &str) -> String {
        self.postgres.psql("postgres", sql).await
    }
}

async fn filled(options: &Options) -> Result<Postgres, Failure> {
    let postgres = PostgresOptions::new()
        .checksums()
        .setting("autovacuum", "off")
        .setting("max_wal_size", "8GB")
        .setting("full_page_writes", "on")
        .start()
        .await;
    let scale = options.scale.to_string();
    let port = postgres.port().to_string();
    let filled = Command::new(postgres.bin_dir().join("pgbench"))
        .args([
            "-i",
            "-q",
            "-s",
            &scale,
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "postgres",
        ])
        .output()?;
    if !filled.status.success() {
        return Err(String::from_utf8_lossy(&filled.stderr).into_owned().into());
    }
    let rows = options.events;
    let events = format!(
        "create table events as select g as id, now() - g * interval '1 second' as at, (random() * 1000)::int as shop, \
         jsonb_build_object('user', g % 5000, 'kind', (array['view', 'click', 'buy', 'cart'])[1 + g % 4], \
         'path', '/p/' || md5(g::text), 'session', md5((g / 50)::text), 'price', (random() * 10000)::int, \
         'agent', 'browser/' || g % 300) as body from generate_series(1, {rows}) g; \
         create index on events (id); create index on events (shop); create index on events (at); checkpoint"
    );
    postgres.psql("postgres", &events).await;
    postgres.psql("postgres", "create database weir_store").await;
    let size = "select pg_size_pretty(sum(pg_database_size(oid))) from pg_database";
    println!("a cluster of {}", postgres.psql("postgres", size).await);
    Ok(postgres)
}

fn environment(
    options: &Options,
    postgres: &Postgres,
    nats: &Nats,
    dir: &TempDir,
) -> Result<Vec<(String, String)>, Failure> {
    let at = dir.path().display();
    let repositories = format!("[{{ name = \"local\", url = \"file://{at}/repository\", key_file = \"{at}/key\" }}]");
    let mut environment = vec![
        ("DATABASE_URL".to_owned(), postgres.url("postgres")),
        ("WEIR_STORE__URL".to_owned(), postgres.url("weir_store")),
        ("WEIR_BUS__URL".to_owned(), nats.url()),
        ("WEIR_BACKUP__REPOSITORIES".to_owned(), repositories),
        (
            "WEIR_BACKUP__DATA_DIRECTORY".to_owned(),
            postgres.data_dir().display().to_string(),
        ),
        ("WEIR_BACKUP__PROVE_EACH".to_owned(), "false".to_owned()),
    ];
    for setting in &options.set {
        let (name, value) = setting.split_once('=').ok_or("--set takes NAME=VALUE")?;
        environment.push((name.to_owned(), value.to_owned()));
    }
    Ok(environment)
}

async fn start(binary: &str, environment: &[(String, String)], ops: u16) -> Process {
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let process = Process::start(binary_path(binary), &[] as &[&str], &environment);
    eventually(&format!("{binary} is ready"), READY_WITHIN, async || {
        assert!(process.exit_status().is_none(), "{binary} ended: {}", process.output());
        match http_get(ops, "/readyz").await {
            Ok((200, _)) => Ok(()),
            Ok((code, body)) => Err(format!("{code} {body}")),
            Err(error) => Err(format!("{error}; {}", process.output())),
        }
    })
    .await;
    process
}
