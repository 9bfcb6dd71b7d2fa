//! A gateway of a test's own, and what its tests look at.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use prost::Message as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};
use weir_bus::{Bus, Limits, Subscription};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::common::v1::value::Kind;
use weir_proto::common::v1::{Pool, Value};
use weir_proto::events::v1::{QueryBatch, QueryExecuted};
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::gateway::v1::{ExecuteRequest, ExecuteResponse, Parameter, PoolStateRequest};
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Database, Postgres, eventually, free_port};
use weir_upstream::{ConnectOptions, Connection, Resolve, Target};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway in this process.
pub(crate) struct Gateway {
    pub(crate) client: GatewayServiceClient<Channel>,
    pub(crate) ground: Ground,
    pub(crate) grpc_port: u16,
    pub(crate) ops_port: u16,
    pub(crate) wire_port: u16,
    /// The upstream's own.
    database: String,
}

/// What a call came to.
pub(crate) type Answer = Result<ExecuteResponse, Status>;

impl Gateway {
    /// A gateway with these settings of its section, on a bus of its own.
    pub(crate) async fn start(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::on_bus(Bus::in_memory(Limits::default()), url, settings).await
    }

    /// The same on a given bus.
    pub(crate) async fn on_bus(bus: Bus, url: &str, settings: &[(&str, &str)]) -> Self {
        Self::launch(bus, url, settings, None, None, Clock::system()).await
    }

    /// The same by a clock of the test's own.
    pub(crate) async fn by_clock(clock: Clock, bus: Bus, url: &str, settings: &[(&str, &str)]) -> Self {
        Self::launch(bus, url, settings, None, None, clock).await
    }

    /// The same, with the server's name looked up by the test.
    pub(crate) async fn resolved_by(resolver: Arc<dyn Resolve>, url: &str, settings: &[(&str, &str)]) -> Self {
        let bus = Bus::in_memory(Limits::default());
        Self::launch(bus, url, settings, None, Some(resolver), Clock::system()).await
    }

    /// The same with a settings file.
    pub(crate) async fn with_file(bus: Bus, url: &str, path: &Path) -> Self {
        Self::launch(bus, url, &[], Some(path.to_owned()), None, Clock::system()).await
    }

    async fn launch(
        bus: Bus,
        url: &str,
        settings: &[(&str, &str)],
        path: Option<PathBuf>,
        resolver: Option<Arc<dyn Resolve>>,
        clock: Clock,
    ) -> Self {
        let (grpc_port, ops_port, wire_port) = (free_port(), free_port(), free_port());
        let own = [
            ("DATABASE_URL".to_owned(), url.to_owned()),
            ("WEIR_GATEWAY__GRPC_LISTEN".to_owned(), format!("127.0.0.1:{grpc_port}")),
            ("WEIR_GATEWAY__OPS_LISTEN".to_owned(), format!("127.0.0.1:{ops_port}")),
            ("WEIR_GATEWAY__WIRE_LISTEN".to_owned(), format!("127.0.0.1:{wire_port}")),
        ];
        // Its list is kept where a test is about that; elsewhere nothing is looked for in the test's database.
        let usual = [("firewall_store", "false")];
        let usual = usual
            .iter()
            .filter(|(key, _)| settings.iter().all(|(given, _)| given != key));
        let given = settings
            .iter()
            .chain(usual)
            .map(|(key, value)| (format!("WEIR_GATEWAY__{}", key.to_uppercase()), (*value).to_owned()));
        let sources = Sources::load(path, own.into_iter().chain(given)).unwrap();
        let (_, reloads) = watch::channel(sources.clone());
        let ground = Ground::new(sources, reloads, Tasks::new(), clock);
        match resolver {
            Some(resolver) => weir_pool_gateway::start_resolved_by(ground.clone(), bus, resolver).await,
            None => weir_pool_gateway::start(ground.clone(), bus).await,
        }
        .unwrap();
        let client = GatewayServiceClient::connect(format!("http://127.0.0.1:{grpc_port}"))
            .await
            .unwrap();
        let gateway = Self {
            client,
            ground,
            grpc_port,
            ops_port,
            wire_port,
            database: url.rsplit('/').next().unwrap().to_owned(),
        };
        gateway.until_ready(true).await;
        gateway
    }

    /// Waits for this readiness.
    pub(crate) async fn until_ready(&self, wanted: bool) {
        eventually("the readiness", PATIENCE, || async {
            let report = self.ground.readiness.report();
            if report.ready == wanted {
                Ok(())
            } else {
                Err(format!("{report:?}"))
            }
        })
        .await;
    }

    /// Runs a request.
    pub(crate) async fn execute(&self, request: impl tonic::IntoRequest<ExecuteRequest>) -> Answer {
        let answer = self.client.clone().execute(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// Runs a statement.
    pub(crate) async fn run(&self, sql: &str) -> Answer {
        self.execute(request(sql)).await
    }

    /// The only value of a statement's result.
    pub(crate) async fn value(&self, sql: &str) -> Kind {
        only_value(&self.run(sql).await.unwrap())
    }

    /// Begins a call and lets it run. Aborting the task drops the call.
    pub(crate) fn begin(&self, request: impl tonic::IntoRequest<ExecuteRequest>) -> JoinHandle<Answer> {
        let (mut client, request) = (self.client.clone(), request.into_request());
        #[expect(clippy::disallowed_methods, reason = "the test is the caller, not a service")]
        tokio::spawn(async move { client.execute(request).await.map(tonic::Response::into_inner) })
    }

    /// The pool of the upstream's own database.
    pub(crate) async fn pool(&self) -> Pool {
        let own = PoolStateRequest {
            database: self.database.clone(),
            ..PoolStateRequest::default()
        };
        let asked = self.client.clone().pool_state(own).await;
        asked.unwrap().into_inner().pools.into_iter().next().unwrap()
    }

    /// Waits until the pool is as wanted.
    pub(crate) async fn until_pool(&self, what: &str, wanted: impl Fn(&Pool) -> bool) -> Pool {
        eventually(what, PATIENCE, || async {
            let pool = self.pool().await;
            if wanted(&pool) {
                Ok(pool)
            } else {
                Err(format!("{pool:?}"))
            }
        })
        .await
    }

    /// Waits until nobody uses or wants a connection, and sees that as many statements as may run at once do.
    pub(crate) async fn until_whole(&self, database: &Database) {
        let quiet = |pool: &Pool| pool.active == 0 && pool.waiting == 0;
        let max = self.until_pool("a quiet pool", quiet).await.max;
        let gate = Gate::shut(database).await;
        let calls: Vec<_> = (0..max).map(|_| self.begin(request(Gate::PASS))).collect();
        eventually("all places in use", PATIENCE, || async {
            let at_the_gate = gate.crowd(database).await;
            if at_the_gate == max {
                Ok(())
            } else {
                Err(at_the_gate.to_string())
            }
        })
        .await;
        gate.open().await;
        for call in calls {
            call.await.unwrap().unwrap();
        }
        self.until_pool("a quiet pool", quiet).await;
    }

    /// Ends it as a signal would, and sees that it ends well.
    pub(crate) async fn stop(&self) {
        assert_eq!(self.ground.tasks.descend(PATIENCE).await, Outcome::Clean);
    }
}

/// A request with nothing but a statement.
pub(crate) fn request(sql: &str) -> ExecuteRequest {
    ExecuteRequest {
        sql: sql.to_owned(),
        ..ExecuteRequest::default()
    }
}

/// A parameter.
pub(crate) fn parameter(kind: Kind, type_name: &str) -> Parameter {
    Parameter {
        value: Some(Value { kind: Some(kind) }),
        type_name: type_name.to_owned(),
    }
}

/// The only value of a result.
pub(crate) fn only_value(answer: &ExecuteResponse) -> Kind {
    assert_eq!((answer.rows.len(), answer.columns.len()), (1, 1));
    answer.rows[0].values[0].kind.clone().unwrap()
}

/// Sees that a call was refused so.
#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, slug: &str) -> Status {
    let status = answer.unwrap_err();
    let found = status.metadata().get("weir-error").map(|slug| slug.to_str().unwrap());
    assert_eq!((status.code(), found), (code, Some(slug)), "{status:?}");
    status
}

/// A fresh database of the shared server.
pub(crate) async fn database() -> Database {
    Postgres::shared().await.database().await
}

/// Waits until so many of the gateway's sessions run a statement with this text.
pub(crate) async fn until_running(database: &Database, text: &str, wanted: u32) {
    let sql = format!(
        "select count(*) from pg_stat_activity where application_name = 'weir' and state = 'active' \
         and datname = current_database() and query like '%{text}%'"
    );
    until_count(database, "the number of running statements", &sql, wanted).await;
}

/// Waits until so many of the database's servers wait for somebody to take their rows.
pub(crate) async fn until_blocked(database: &Database, wanted: u32) {
    let sql = "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and datname = current_database()";
    until_count(database, "servers that wait", sql, wanted).await;
}

async fn until_count(database: &Database, what: &str, sql: &str, wanted: u32) {
    eventually(what, PATIENCE, || async {
        let count = database.psql(sql).await;
        if count == wanted.to_string() {
            Ok(())
        } else {
            Err(count)
        }
    })
    .await;
}

/// Waits until a statement that counts its rows with the sequence `made` waits for its reader: how many it has made.
pub(crate) async fn until_made_no_more(database: &Database) -> u64 {
    let seen = Cell::new(0);
    eventually("a server that waits for its reader", PATIENCE, || async {
        let made: u64 = database.psql("select last_value from made").await.parse().unwrap();
        if made > 1 && seen.replace(made) == made {
            Ok(made)
        } else {
            Err(made.to_string())
        }
    })
    .await
}

/// Holds statements back until it is opened.
pub(crate) struct Gate(Connection);

impl Gate {
    /// The statement that waits at it.
    pub(crate) const PASS: &'static str = "select pg_advisory_xact_lock_shared(4711)";

    pub(crate) async fn shut(database: &Database) -> Self {
        let target = Target::parse(&database.url()).unwrap();
        let mut connection = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
        connection.simple_query("select pg_advisory_lock(4711)").await.unwrap();
        Self(connection)
    }

    /// How many wait.
    pub(crate) async fn crowd(&self, database: &Database) -> u32 {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted \
                       and database = (select oid from pg_database where datname = current_database())";
        database.psql(waiting).await.parse().unwrap()
    }

    pub(crate) async fn open(self) {
        self.0.close().await;
    }
}

/// Every batch of events that has come, and how many bytes each had.
pub(crate) fn taken(subscription: &mut Subscription) -> Vec<(usize, QueryBatch)> {
    std::iter::from_fn(|| subscription.next().now_or_never().flatten())
        .map(|message| (message.payload.len(), QueryBatch::decode(message.payload).unwrap()))
        .collect()
}

/// The events of all batches.
pub(crate) fn events(batches: &[(usize, QueryBatch)]) -> Vec<&QueryExecuted> {
    batches.iter().flat_map(|(_, batch)| &batch.events).collect()
}
