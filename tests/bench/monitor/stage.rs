//! What the monitor stands on: PostgreSQL, NATS, and the monitor itself as a process of its own.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::time::{Duration, Instant, sleep};
use tonic::transport::Channel;
use weir_bus::{Bus, Message};
use weir_config::Sources;
use weir_proto::gateway::v1::ExecuteRequest;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_testkit::{Nats, Postgres, Process, free_port, http_get};

use crate::Failure;

/// How long a process may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) nats: Nats,
    pub(crate) monitor: Process,
    pub(crate) client: MonitorServiceClient<Channel>,
    bus: Bus,
    monitor_settings: Vec<(String, String)>,
}

impl Stage {
    /// Starts everything, PostgreSQL with these settings.
    pub(crate) async fn set(settings: &[(&str, &str)]) -> Result<Self, Failure> {
        Self::set_with(settings, &[]).await
    }

    /// The same, and the monitor with these.
    pub(crate) async fn set_with(
        settings: &[(&str, &str)],
        monitor_settings: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let monitor_settings = monitor_settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let monitor_settings: Vec<(String, String)> = monitor_settings.collect();
        let postgres = Postgres::start_with(settings).await;
        let nats = Nats::start().await;
        let sources = Sources::load(None, vec![("WEIR_BUS__URL".to_owned(), nats.url())])?;
        let bus = Bus::open(&sources, "bench").await?;
        let (monitor, client) = start_monitor(&postgres, &nats, &monitor_settings).await?;
        Ok(Self {
            monitor_settings,
            postgres,
            nats,
            monitor,
            client,
            bus,
        })
    }

    /// Publishes one message; waits while the bus has enough to carry.
    pub(crate) async fn tell(&self, subject: &str, payload: Bytes) -> Result<(), Failure> {
        loop {
            match self.bus.publish(Message::new(subject, payload.clone())).await {
                Err(error) if error.is_retryable() => sleep(Duration::from_millis(1)).await,
                done => return Ok(done?),
            }
        }
    }

    /// Ends the monitor without a word, and starts another.
    pub(crate) async fn kill_monitor(&mut self) -> Result<(), Failure> {
        self.monitor.kill9();
        self.monitor.wait_exit(READY_WITHIN).await;
        (self.monitor, self.client) = start_monitor(&self.postgres, &self.nats, &self.monitor_settings).await?;
        Ok(())
    }

    /// Stops the monitor in order, and starts another.
    pub(crate) async fn restart_monitor(&mut self) -> Result<(), Failure> {
        self.monitor.term();
        let status = self.monitor.wait_exit(READY_WITHIN).await;
        if !status.success() {
            return Err(format!("the monitor ended with {status}:\n{}", self.monitor.output()).into());
        }
        (self.monitor, self.client) = start_monitor(&self.postgres, &self.nats, &self.monitor_settings).await?;
        Ok(())
    }
}

async fn start_monitor(
    postgres: &Postgres,
    nats: &Nats,
    settings: &[(String, String)],
) -> Result<(Process, MonitorServiceClient<Channel>), Failure> {
    let (grpc, ops) = (free_port(), free_port());
    let (grpc_door, ops_door) = (format!("127.0.0.1:{grpc}"), format!("127.0.0.1:{ops}"));
    let mut environment = vec![
        ("WEIR_STORE__URL", postgres.url("postgres")),
        ("DATABASE_URL", postgres.url("postgres")),
        ("WEIR_BUS__URL", nats.url()),
        ("WEIR_MONITOR__GRPC_LISTEN", grpc_door.clone()),
        ("WEIR_MONITOR__OPS_LISTEN", ops_door),
    ];
    environment.extend(settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let monitor = start("query-monitor", &environment)?;
    until_ready(&monitor, ops).await?;
    let client = MonitorServiceClient::connect(format!("http://{grpc_door}")).await?;
    // Fifty thousand lines are more than a message usually has.
    Ok((monitor, client.max_decoding_message_size(64 << 20)))
}

/// Starts one of Weir's programs, which lies beside this one.
pub(crate) fn start(program: &str, environment: &[(&str, String)]) -> Result<Process, Failure> {
    let path = beside_this_program(program)?;
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Ok(Process::start(path, &[] as &[&str], &environment))
}

/// Benchmarks lie in `target/PROFILE/deps`, programs one higher.
fn beside_this_program(program: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let profile = own.parent().and_then(Path::parent);
    let path = profile.ok_or("this program does not know where it lies")?.join(program);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!(
            "{} is missing; build it with: cargo build --release --workspace --bins",
            path.display()
        )
        .into())
    }
}

/// Waits until a process says that it can work.
pub(crate) async fn until_ready(process: &Process, ops_port: u16) -> Result<(), Failure> {
    let end = Instant::now() + READY_WITHIN;
    while Instant::now() < end {
        if http_get(ops_port, "/readyz")
            .await
            .is_ok_and(|(status, _)| status == 200)
        {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("it does not become ready:\n{}", process.output()).into())
}

/// Weir's gateway before the same PostgreSQL, and a caller of it.
#[derive(Clone)]
pub(crate) struct Gateway {
    _process: std::sync::Arc<Process>,
    client: GatewayServiceClient<Channel>,
}

impl Gateway {
    pub(crate) async fn start(stage: &Stage) -> Result<Self, Failure> {
        let (grpc, wire, ops) = (free_port(), free_port(), free_port());
        let door = |port: u16| format!("127.0.0.1:{port}");
        let environment = [
            ("DATABASE_URL", stage.postgres.url("postgres")),
            ("WEIR_BUS__URL", stage.nats.url()),
            ("WEIR_GATEWAY__GRPC_LISTEN", door(grpc)),
            ("WEIR_GATEWAY__WIRE_LISTEN", door(wire)),
            ("WEIR_GATEWAY__OPS_LISTEN", door(ops)),
        ];
        let process = start("pool-gateway", &environment)?;
        until_ready(&process, ops).await?;
        Ok(Self {
            _process: std::sync::Arc::new(process),
            client: GatewayServiceClient::connect(format!("http://{}", door(grpc))).await?,
        })
    }

    /// Runs one statement.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.execute_for("", sql).await
    }

    /// Runs one statement for a project.
    pub(crate) async fn execute_for(&self, project: &str, sql: &str) -> Result<(), Failure> {
        let request = ExecuteRequest {
            project: project.to_owned(),
            sql: sql.to_owned(),
            ..ExecuteRequest::default()
        };
        self.client.clone().execute(request).await?;
        Ok(())
    }
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> Result<bool, Failure>) -> Result<(), Failure> {
    let end = Instant::now() + READY_WITHIN;
    while Instant::now() < end {
        if holds().await? {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("waited for {what}, in vain").into())
}
