//! Everything that runs: PostgreSQL, NATS, and each service as a process of its own.

use std::time::Duration;

use tonic::transport::Channel;
use weir_proto::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use weir_testkit::{Nats, Process, binary_path, eventually, free_port, http_get};
use weir_tests::peers::{Ground, Setup};
use weir_tests::pgbench::initialise;
use weir_tests::wire::Address;

use crate::Failure;
use crate::options::Options;

/// How long a service may take to become ready on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Weir's own tables are beside the application's database, not in it.
const STORE: &str = "weir_store";
/// Binaries, and the sections of their settings.
const SERVICES: [(&str, &str); 4] = [
    ("pool-gateway", "GATEWAY"),
    ("query-monitor", "MONITOR"),
    ("scheduler", "SCHEDULER"),
    ("maintenance", "MAINTENANCE"),
];

/// All of it; it ends when it is dropped.
pub(crate) struct Stage {
    pub(crate) ground: Ground,
    /// The gateway's door.
    pub(crate) door: Address,
    pub(crate) scheduler: SchedulerServiceClient<Channel>,
    services: Vec<(&'static str, Process)>,
    _nats: Nats,
}

impl Stage {
    /// Starts everything, with pgbench's tables, and waits until it is ready.
    pub(crate) async fn set(options: &Options) -> Result<Self, Failure> {
        let ground = ground(options).await?;
        let nats = Nats::start().await;
        let wire = free_port();
        let mut environment = vec![
            ("DATABASE_URL".to_owned(), ground.address.url()),
            ("WEIR_STORE__URL".to_owned(), store(&ground).url()),
            ("WEIR_BUS__URL".to_owned(), nats.url()),
            ("WEIR_GATEWAY__WIRE_LISTEN".to_owned(), format!("127.0.0.1:{wire}")),
        ];
        for setting in &options.set {
            let (name, value) = setting.split_once('=').ok_or("--set takes NAME=VALUE")?;
            environment.push((name.to_owned(), value.to_owned()));
        }
        let mut services = Vec::new();
        let mut scheduler_port = 0;
        for (binary, section) in SERVICES {
            let (grpc, ops) = (free_port(), free_port());
            let mut environment = environment.clone();
            environment.push((format!("WEIR_{section}__GRPC_LISTEN"), format!("127.0.0.1:{grpc}")));
            environment.push((format!("WEIR_{section}__OPS_LISTEN"), format!("127.0.0.1:{ops}")));
            services.push((binary, start(binary, &environment, ops).await));
            if binary == "scheduler" {
                scheduler_port = grpc;
            }
        }
        let scheduler = SchedulerServiceClient::connect(format!("http://127.0.0.1:{scheduler_port}")).await?;
        Ok(Self {
            door: ground.address.at_port(wire),
            ground,
            scheduler,
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

    /// Bytes of the application's database.
    pub(crate) async fn size_bytes(&self) -> Result<f64, Failure> {
        let size = self.ground.psql("select pg_database_size(current_database())").await;
        Ok(size.parse()?)
    }

    /// Changes a third of the accounts and removes most of the history, so that there is something to do; the same
    /// before every run.
    pub(crate) async fn churn(&self) {
        for sql in [
            "update pgbench_accounts set abalance = abalance + 1, filler = 'x' where aid % 3 = 0",
            "truncate pgbench_history",
            "checkpoint",
        ] {
            self.ground.psql(sql).await;
        }
    }

    /// Brings the tables back to where every run begins.
    pub(crate) async fn tidy(&self) {
        for sql in [
            "vacuum full analyze pgbench_accounts",
            "vacuum full analyze pgbench_branches",
            "vacuum full analyze pgbench_tellers",
        ] {
            self.ground.psql(sql).await;
        }
    }
}

async fn ground(options: &Options) -> Result<Ground, Failure> {
    let setup = Setup {
        trust: true,
        shared_buffers: options.shared_buffers.clone(),
        postgres_settings: vec![("autovacuum".to_owned(), "off".to_owned())],
        ..Setup::default()
    };
    let ground = Ground::start(setup).await;
    initialise(&ground, options.scale).await?;
    ground.psql(&format!("create database {STORE}")).await;
    let extensions = "create extension if not exists pgstattuple; create extension if not exists pageinspect";
    ground.psql(extensions).await;
    let has_repack = ground
        .psql("select count(*) from pg_available_extensions where name = 'pg_repack'")
        .await;
    if has_repack == "1" {
        ground.psql("create extension if not exists pg_repack").await;
    } else {
        println!("pg_repack is not installed: tables are not reorganised");
    }
    Ok(ground)
}

fn store(ground: &Ground) -> Address {
    Address {
        database: STORE.to_owned(),
        ..ground.address.clone()
    }
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
