//! Everything that a gateway with a cache needs, each as a process of its own: NATS, Redis, the cache service, the
//! gateway, before a PostgreSQL that is there already.

use std::time::Duration;

use weir_testkit::{Nats, Process, Redis, binary_path, eventually, free_port, http_get};

use super::middle::{Middle, Speaks};
use super::{Asker, Counts, Way, at_level};
use crate::peers::Ground;
use crate::wire::Address;

/// How long a service may take to become ready on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take until the first answer comes from memory.
const WARM_WITHIN: Duration = Duration::from_secs(30);
/// A role that is nobody special.
const APP: &str = "app";
/// Weir's own tables are beside the application's database, not in it.
const STORE: &str = "weir_store";

/// What shall run, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `gateway.cache`.
    pub cache: String,
    /// Whether results are shared through Redis.
    pub redis: bool,
    /// Whether the gateway reaches the bus through [`Stage::bus`], which can lose and delay. Where time is measured it
    /// must not: every event would pass through it.
    pub meddled: bool,
    /// The gateway's program.
    pub gateway: String,
    /// Server connections of each pool.
    pub pool: u32,
    /// Further environment of the gateway.
    pub gateway_environment: Vec<(String, String)>,
    /// Further environment of the cache service.
    pub cache_environment: Vec<(String, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            cache: "on".to_owned(),
            redis: false,
            meddled: true,
            gateway: "pool-gateway".to_owned(),
            pool: 20,
            gateway_environment: Vec::new(),
            cache_environment: Vec::new(),
        }
    }
}

/// Lines of `postgresql.conf` that a server needs for all of it.
pub fn postgres_settings() -> Vec<(String, String)> {
    let pairs = [
        ("wal_level", "logical"),
        ("max_wal_senders", "20"),
        ("max_replication_slots", "20"),
        ("max_prepared_transactions", "10"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

struct Ports {
    wire: u16,
    grpc: u16,
    ops: u16,
    cache_grpc: u16,
    cache_ops: u16,
}

/// Everything that runs; it ends when it is dropped.
pub struct Stage {
    plan: Plan,
    ports: Ports,
    /// PostgreSQL, which the others stand before.
    pub ground: Ground,
    /// The bus.
    pub nats: Nats,
    /// What the gateway reaches the bus through.
    pub bus: Middle,
    /// The shared level.
    pub redis: Option<Redis>,
    /// What the gateway reaches it through.
    pub shared: Option<Middle>,
    cache: Option<Process>,
    gateway: Option<Process>,
}

impl Stage {
    /// Starts everything before a server of its own and waits until it is ready.
    pub async fn start(plan: Plan, ground: Ground) -> Self {
        for sql in [
            format!("create role {APP} login password '{APP}'"),
            format!("create database {STORE}"),
        ] {
            ground.psql(&sql).await;
        }
        let nats = Nats::start().await;
        let bus = Middle::before(nats.port(), Speaks::Nats).await;
        let redis = if plan.redis { Some(Redis::start().await) } else { None };
        let ports = Ports {
            wire: free_port(),
            grpc: free_port(),
            ops: free_port(),
            cache_grpc: free_port(),
            cache_ops: free_port(),
        };
        let mut stage = Self {
            plan,
            ports,
            ground,
            nats,
            bus,
            redis,
            shared: None,
            cache: None,
            gateway: None,
        };
        stage.meddle_with_redis().await;
        stage.start_cache().await;
        stage.start_gateway().await;
        stage
    }

    /// Starts the cache service, after killing one that runs.
    pub async fn start_cache(&mut self) {
        self.cache = None;
        let door = |port: u16| format!("127.0.0.1:{port}");
        let mut environment = vec![
            ("DATABASE_URL".to_owned(), self.ground.address.url()),
            ("WEIR_STORE__URL".to_owned(), self.store().url()),
            ("WEIR_BUS__URL".to_owned(), self.nats.url()),
            ("WEIR_CACHE__GRPC_LISTEN".to_owned(), door(self.ports.cache_grpc)),
            ("WEIR_CACHE__OPS_LISTEN".to_owned(), door(self.ports.cache_ops)),
        ];
        environment.extend(self.plan.cache_environment.iter().cloned());
        let process = start("cache", &environment);
        until_ready("cache", &process, self.ports.cache_ops).await;
        self.cache = Some(process);
    }

    /// Starts the gateway, after killing one that runs.
    pub async fn start_gateway(&mut self) {
        self.gateway = None;
        let door = |port: u16| format!("127.0.0.1:{port}");
        let mut environment = vec![
            ("DATABASE_URL".to_owned(), self.ground.address.url()),
            ("WEIR_BUS__URL".to_owned(), self.bus_url()),
            ("WEIR_GATEWAY__WIRE_LISTEN".to_owned(), door(self.ports.wire)),
            ("WEIR_GATEWAY__GRPC_LISTEN".to_owned(), door(self.ports.grpc)),
            ("WEIR_GATEWAY__OPS_LISTEN".to_owned(), door(self.ports.ops)),
            ("WEIR_GATEWAY__CACHE".to_owned(), self.plan.cache.clone()),
            (
                "WEIR_GATEWAY__CACHE_URL".to_owned(),
                format!("http://{}", door(self.ports.cache_grpc)),
            ),
            ("DB_POOL_MAX".to_owned(), self.plan.pool.to_string()),
        ];
        if let Some(shared) = self.shared.as_ref().filter(|_| self.plan.redis) {
            let url = format!("redis://{}/", door(shared.port()));
            environment.push(("WEIR_GATEWAY__CACHE_REDIS_URL".to_owned(), url));
        }
        environment.extend(self.plan.gateway_environment.iter().cloned());
        let process = start(&self.plan.gateway, &environment);
        until_ready("the gateway", &process, self.ports.ops).await;
        self.gateway = Some(process);
    }

    fn bus_url(&self) -> String {
        if self.plan.meddled {
            format!("nats://127.0.0.1:{}", self.bus.port())
        } else {
            self.nats.url()
        }
    }

    /// Starts the gateway again so that it shares results through Redis.
    pub async fn share(&mut self) {
        self.redis = Some(Redis::start().await);
        self.meddle_with_redis().await;
        self.plan.redis = true;
        self.start_gateway().await;
    }

    async fn meddle_with_redis(&mut self) {
        if let Some(redis) = &self.redis {
            self.shared = Some(Middle::before(redis.port(), Speaks::Anything).await);
        }
    }

    /// The gateway's door, for the superuser of the ground.
    pub fn door(&self) -> Address {
        self.ground.address.at_port(self.ports.wire)
    }

    /// The gateway's door for a role that is nobody special.
    pub fn app_door(&self) -> Address {
        as_app(&self.door())
    }

    /// PostgreSQL itself for that role.
    pub fn app_direct(&self) -> Address {
        as_app(&self.ground.address)
    }

    fn store(&self) -> Address {
        Address {
            database: STORE.to_owned(),
            ..self.ground.address.clone()
        }
    }

    /// Where gRPC is served.
    pub fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.grpc)
    }

    /// The gateway's port for metrics.
    pub const fn ops(&self) -> u16 {
        self.ports.ops
    }

    /// Where the cache service answers.
    pub fn cache_grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.cache_grpc)
    }

    /// The cache service.
    pub const fn cache(&self) -> Option<&Process> {
        self.cache.as_ref()
    }

    /// The gateway.
    ///
    /// # Panics
    /// Never once the stage is set.
    pub fn gateway(&self) -> &Process {
        self.gateway.as_ref().expect("the gateway was started")
    }

    /// Whether answers may come from memory.
    pub fn caches(&self) -> bool {
        self.plan.cache == "on"
    }

    /// What the processes said, for a failure's text.
    pub fn outputs(&self) -> String {
        let cache = self.cache.as_ref().map(Process::output).unwrap_or_default();
        format!("--- gateway\n{}\n--- cache\n{cache}", self.gateway().output())
    }

    /// Waits until a statement of the superuser is answered from memory.
    pub async fn until_warm(&self, sql: &str) {
        eventually("an answer from memory", WARM_WITHIN, async || {
            match self.is_hit(sql).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(format!("{}\n{}", Counts::read(self.ops()).await, self.outputs())),
                Err(fault) => Err(fault.to_string()),
            }
        })
        .await;
    }

    /// Waits until PostgreSQL answers a statement of the superuser.
    pub async fn until_cold(&self, sql: &str) {
        eventually("an answer of PostgreSQL's", WARM_WITHIN, async || {
            match self.is_hit(sql).await {
                Ok(false) => Ok(()),
                Ok(true) => Err(format!("{}\n{}", Counts::read(self.ops()).await, self.outputs())),
                Err(fault) => Err(fault.to_string()),
            }
        })
        .await;
    }

    async fn is_hit(&self, sql: &str) -> Result<bool, crate::wire::Fault> {
        let mut asker = Asker::open(&self.door()).await?;
        let sql = at_level("session", sql);
        let mut hit = false;
        for _ in 0..3 {
            let before = Counts::read(self.ops()).await;
            asker.ask(Way::Simple, &sql, &[]).await?;
            hit |= Counts::read(self.ops()).await.hits() > before.hits();
        }
        Ok(hit)
    }
}

fn as_app(address: &Address) -> Address {
    Address {
        user: APP.to_owned(),
        password: APP.to_owned(),
        ..address.clone()
    }
}

fn start(binary: &str, environment: &[(String, String)]) -> Process {
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    Process::start(binary_path(binary), &[] as &[&str], &environment)
}

async fn until_ready(what: &str, process: &Process, ops: u16) {
    eventually(&format!("{what} is ready"), READY_WITHIN, async || {
        // Whoever ended, because of a wrong setting perhaps, will never be.
        assert!(process.exit_status().is_none(), "{what} ended: {}", process.output());
        match http_get(ops, "/readyz").await {
            Ok((200, _)) => Ok(()),
            Ok((code, body)) => Err(format!("{code} {body}")),
            Err(error) => Err(format!("{error}; {}", process.output())),
        }
    })
    .await;
}
