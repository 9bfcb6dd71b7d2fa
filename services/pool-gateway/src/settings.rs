//! The `[gateway]` section, and what it means for a pool.

mod cache;
mod cluster;
mod firewall;
mod mirror;
mod statements;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use weir_config::{DatabaseSettings, Error, Origin, RedactedUrl, Setting, Sources, computed, unset};
use weir_model::Project;
use weir_upstream::Target;

use crate::rules::Rules;
pub(crate) use cache::{CacheUse, Consistency};
pub(crate) use cluster::Reads;
use cluster::Replicas;
pub(crate) use firewall::{FirewallMode, Strictness};
pub(crate) use mirror::SampleBy;
use statements::StatementsFile;

weir_config::section! {
    /// The data path: doors, pool, events.
    pub struct GatewaySettings("gateway") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7001",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8001",
        /// Where PostgreSQL's own protocol is served.
        wire_listen: SocketAddr = "127.0.0.1:6432",
        /// The Unix socket on which the next process of the gateway takes over the ports of this one, without a refused connection (an absolute path, the same for both); docs/guides/restarting.md says how. Only for the gateway as a process of its own: `weir up` refuses it.
        handover: Option<PathBuf> = unset(),
        /// How long a process that takes over may need to be ready; then it gives up, and the present one goes on.
        handover_timeout: Duration = "30s",
        /// How long a process that has handed over serves the clients that it has. Those who are left then are told to come again, as at a shutdown.
        handover_drain: Duration = "5m",
        /// Threads that may serve the PostgreSQL door, each with its own share of clients; the pool is common to all.
        workers: usize = computed("cores", default_workers),
        /// Threads that serve the PostgreSQL door even when there is little to do; more join as the load needs them.
        workers_min: usize = "1",
        /// How long a client keeps a connection: for a `transaction`, for its whole `session`, or for one `statement`.
        pool_mode: PoolMode = "transaction",
        /// Rules for databases, users, applications and projects, such as `database=shop user=report : pool_max=5 statement_timeout=1m`; docs/guides/limits.md says what they can say. For every setting the first rule that is about the caller and names it decides.
        rules: Rules = "[]",
        /// Clients of the PostgreSQL door at once at most.
        clients_max: usize = "20000",
        /// Longest time for a client to log in.
        login_timeout: Duration = "60s",
        /// The query that finds a user's verifier, where the URL's role may not read `pg_authid`; it is given the name as `$1` and returns `rolpassword`, whether the user may log in, and whether the password has expired.
        auth_query: Option<String> = unset(),
        /// The certificate chain of the PostgreSQL door (PEM); without it the door speaks in clear only.
        tls_certificate: Option<PathBuf> = unset(),
        /// The private key that belongs to it (PEM).
        tls_key: Option<PathBuf> = unset(),
        /// Authorities whose client certificates are accepted instead of a password, where the name is the user's (PEM).
        tls_client_authority: Option<PathBuf> = unset(),
        /// The project of callers that name none.
        default_project: Project = "default",
        /// Server connections of one pool at most.
        pool_max: u32 = computed("cores × 2 + 4", default_pool_max), also ["DB_POOL_MAX" in ""],
        /// Whether pools find their size themselves, between `pool_min` and `pool_max`: they grow while callers wait and statements do not take longer, and shrink until three quarters are in use.
        pool_autoscale: bool = "false",
        /// Server connections kept open when idle; a quarter of the maximum without it.
        pool_min: Option<u32> = unset(), also ["DB_POOL_MIN" in ""],
        /// Steady size of a pool, an alternative to `pool_max`: the pool may grow to this plus `pool_overflow` and shrinks back at once.
        pool_steady: Option<u32> = unset(), also ["DATABASE_POOL_SIZE" in ""],
        /// How far above the steady size a burst may go; 30 where only the steady size is set.
        pool_overflow: Option<u32> = unset(), also ["DATABASE_MAX_OVERFLOW" in ""],
        /// Pools (one for each database) at most.
        pools_max: usize = "32",
        /// Callers that may wait for a connection of one pool at once; further ones are refused at once.
        waiting_max: usize = "10000",
        /// Longest wait for a connection.
        acquire_timeout: Duration = "60s", also ["DB_ACQUIRE_TIMEOUT" in "ms", "DATABASE_POOL_TIMEOUT" in "s"],
        /// Longest time to open a server connection.
        connect_timeout: Duration = "5s",
        /// An idle connection above the minimum is closed after this.
        idle_timeout: Duration = "10s", also ["DB_IDLE_TIMEOUT" in "ms"],
        /// A connection is replaced at this age, give or take a tenth.
        recycle_after: Duration = "1h", also ["DATABASE_POOL_RECYCLE" in "s"],
        /// How often the names of servers are looked up for the connections that there are: where a name no longer leads to the address of a connection, three times in a row, that is closed after its present use. New connections look it up anyway. 0s: never.
        dns_check_every: Duration = "15s",
        /// A statement is cancelled after this, or after the caller's own deadline if that is sooner.
        statement_timeout: Duration = "15s", also ["DB_STATEMENT_TIMEOUT" in "ms", "QUERY_TIMEOUT_SECONDS" in "s"],
        /// A client that holds a connection in an open transaction and says nothing is disconnected after this; 0s: never.
        idle_in_transaction_timeout: Duration = "5m",
        /// A client that holds a connection in an open transaction and says nothing is told of in the log, with its last statement, after this; 0s: never.
        leak_after: Duration = "5m",
        /// Statements that stay prepared on one server connection; beyond it the one used longest ago goes.
        prepared_max: usize = "500",
        /// Failures in a row to reach the upstream, after which callers are refused at once.
        breaker_failures: u32 = "5", also ["CIRCUIT_BREAKER_FAILURE_THRESHOLD" in ""],
        /// Time until a caller may try again; the gateway itself asks all the time.
        breaker_recovery: Duration = "30s", also ["CIRCUIT_BREAKER_RECOVERY_TIMEOUT" in "s"],
        /// How often a plain read of a gRPC call is asked again whose server was lost before the caller was sent anything of an answer, with growing pauses between 50 ms and 1 s; 0: never. Nothing else is ever done twice.
        read_retries: u32 = "5",
        /// Further servers of the same cluster (`host:port`, divided by commas), with role, password, encryption and database as in `database.url`; which of all is the primary is watched. A change takes a restart.
        replicas: Replicas = "",
        /// Who answers what only reads: a replica where one is fit (`replicas`), or always the `primary`.
        reads: Reads = "replicas",
        /// A replica further behind the primary than this answers nobody.
        replica_lag_max: Duration = "10s",
        /// How long a caller waits for a new primary while the present one cannot be reached, where there are several servers; at most as long as for a connection.
        failover_wait: Duration = "10s",
        /// A database to which a share of what clients of the PostgreSQL door do is sent once more, to see how it does: another version, index or configuration (`postgres://user:password@host:port/database`). Its answers are compared and thrown away; docs/guides/routing.md says more.
        mirror_url: Option<RedactedUrl> = unset(),
        /// The database whose clients are mirrored; that of `database.url` without it.
        mirror_database: Option<String> = unset(),
        /// The share that is mirrored, from 0 (nothing) to 1 (everything that may be).
        mirror_share: f64 = "1",
        /// What is sampled: each `transaction`, or each `session` with all of its transactions.
        mirror_sample_by: SampleBy = "transaction",
        /// Whether only transactions are mirrored that do nothing but plain reads; without it the mirror also gets what writes.
        mirror_reads_only: bool = "true",
        /// Connections to the mirror at most.
        mirror_connections: usize = "4",
        /// Transactions that wait for the mirror at most; beyond it whole transactions are dropped and counted.
        mirror_queue_max: usize = "1000",
        /// What all mirrored transactions may hold together until the mirror has done them, in bytes; beyond it whole transactions are dropped and counted.
        mirror_queue_bytes_max: usize = "16777216",
        /// A statement on the mirror is cancelled after this.
        mirror_statement_timeout: Duration = "15s",
        /// Whether repeated reads are answered from memory: `off`, `on`, or `dry-run` (nothing is answered from memory, and what would have been saved is counted). It needs the cache service; docs/guides/cache.md says more.
        cache: CacheUse = "off",
        /// Where the cache service is.
        cache_url: String = "http://127.0.0.1:7003",
        /// How fresh an answer from memory is, where nobody says otherwise: `strict`, `session`, `bounded` or `off`.
        cache_consistency: Consistency = "session",
        /// What is answered from memory is never older than this, whatever fails.
        cache_bound: Duration = "1s",
        /// How long a read waits until memory is fresh enough for it, before PostgreSQL is asked instead.
        cache_wait: Duration = "10ms",
        /// What results may hold in the memory of this process, in bytes.
        cache_bytes_max: usize = "67108864",
        /// Results of one project may hold this share of it.
        cache_project_share: f64 = "1",
        /// A larger result is not kept, in bytes.
        cache_result_bytes_max: usize = "1048576",
        /// How long an empty result is kept at most.
        cache_empty_ttl: Duration = "5s",
                /// A fault of the cache, for its checker. Only a build with the feature `planted`, which nobody ships, takes one.
        cache_fault: Option<String> = unset(),
        /// A Redis that gateways share results through (`redis://host:port`, `rediss://`, `redis+sentinel://host:port,host:port/name`, `redis+cluster://host:port,host:port`); none without it.
        cache_redis_url: Option<RedactedUrl> = unset(),
        /// How long Redis may take to answer; then PostgreSQL is asked.
        cache_redis_timeout: Duration = "5ms",
        /// How long results live in Redis at most.
        cache_redis_ttl: Duration = "1h",
        /// The catalogue of statements that are called by their names over gRPC, and how session tokens are resolved (TOML); docs/guides/auth-reads.md says what stands in it. Read at the start and at each reload.
        statements_file: StatementsFile = unset(),
        /// What the firewall does with statements: `off`, `learn` (it learns their shapes and tells of what is dangerous), `monitor` (it tells of what is suspicious, and refuses nothing) or `enforce` (it refuses what is dangerous, and of the unknown as much as `firewall_strictness` says); docs/guides/firewall.md says more.
        firewall: FirewallMode = "monitor",
        /// From this score on, of 100, a statement is dangerous; from 30 on it is suspicious.
        firewall_threshold: u16 = "50",
        /// How much of what is not on its list the firewall refuses where it enforces: what is suspicious (`balanced`), or all of it (`strict`).
        firewall_strictness: Strictness = "balanced",
        /// Whether statements on files of the server, on other servers and on rights are forbidden to roles that are no superusers: told of, and refused where the firewall enforces, whatever is on its list.
        firewall_forbidden: bool = "true",
        /// Whether the firewall keeps its list in Weir's own tables (`store.url`, schema `weir_gateway`), where it outlives the process and reaches other gateways. Nothing is made there before something has been learned or decided.
        firewall_store: bool = "true",
        /// Longest statement text that is accepted, in bytes.
        statement_bytes_max: usize = "1048576",
        /// Largest reply of a call that returns all rows at once, in bytes; larger ones are for the streaming call.
        reply_bytes_max: usize = "4000000",
        /// Statements in one batch at most.
        batch_statements_max: usize = "10000",
        /// Statements and parameters of one batch together, in bytes.
        batch_bytes_max: usize = "4000000",
        /// A transaction whose caller sends no step for so long is rolled back.
        transaction_idle_timeout: Duration = "30s",
        /// Whether the table `public.weir_idempotency` may be created in a database when the first idempotency key is sent for it.
        idempotency_create: bool = "false",
        /// How long the outcome of a write with an idempotency key is kept.
        idempotency_keep: Duration = "1d",
        /// Whether an event is emitted for every statement.
        events: bool = "true", also ["PERFORMANCE_MONITORING_ENABLED" in ""],
        /// Events held while the bus is slow or away; beyond it they are dropped and counted.
        events_buffer_max: usize = "65536",
        /// Events in one message at most.
        events_batch_max: usize = "512",
        /// How long an event may wait for others to share its message.
        events_flush_after: Duration = "100ms",
        /// How often the state of all pools and servers is told on the bus; 0s: only when a pool is nearly used up, or a circuit breaker opens or closes.
        pool_state_every: Duration = "5s",
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn default_pool_max() -> String {
    (cores() * 2 + 4).to_string()
}

fn default_workers() -> String {
    cores().to_string()
}

/// How long a client keeps a server connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// Until its transaction ends.
    Transaction,
    /// Until it leaves.
    Session,
    /// Until its statement ends; transactions of several statements are refused.
    Statement,
}

impl PoolMode {
    /// Its name in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Session => "session",
            Self::Statement => "statement",
        }
    }
}

impl Setting for PoolMode {
    fn kind() -> String {
        "transaction, session or statement".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        let modes = [Self::Transaction, Self::Session, Self::Statement];
        let found = modes.into_iter().find(|mode| mode.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is not {}", Self::kind()))
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

/// Bounds of one pool, with every rule of the settings applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Kept open when idle.
    pub min: usize,
    /// Above this a connection is closed as soon as nobody waits for it.
    pub steady: usize,
    /// Never exceeded.
    pub max: usize,
}

/// More threads than this help nobody.
const WORKERS_MAX: usize = 256;
/// The state of pools is not told more often.
const POOL_STATE_EVERY_MIN: Duration = Duration::from_millis(100);
/// No statement scores more.
const FIREWALL_SCORE_MAX: u16 = 100;
const STEADY_DEFAULT: u32 = 20;
const OVERFLOW_DEFAULT: u32 = 30;

impl GatewaySettings {
    /// Threads of the PostgreSQL door: at least one.
    pub fn workers(&self) -> usize {
        self.workers.clamp(1, WORKERS_MAX)
    }

    /// The bounds of each pool.
    pub fn bounds(&self) -> Bounds {
        let (steady, max) = match (self.pool_steady, self.pool_overflow) {
            (None, None) => (self.pool_max, self.pool_max),
            (steady, overflow) => {
                let steady = steady.unwrap_or(STEADY_DEFAULT);
                (steady, steady.saturating_add(overflow.unwrap_or(OVERFLOW_DEFAULT)))
            }
        };
        let min = self.pool_min.unwrap_or(steady / 4);
        Bounds {
            min: size(min),
            steady: size(steady),
            max: size(max),
        }
    }
}

pub(crate) fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Validates the settings as the start would, and finds the servers: that of the URL, then the others.
pub fn check(sources: &Sources) -> Result<(GatewaySettings, Vec<Target>), Error> {
    let (mut settings, servers) = check_values(sources)?;
    settings.statements_file.load()?;
    Ok((settings, servers))
}

/// The same where one value has changed: what other files say stays what it was.
pub(crate) fn check_change(sources: &Sources, present: &GatewaySettings) -> Result<GatewaySettings, Error> {
    let (mut settings, _) = check_values(sources)?;
    settings.statements_file.keep(&present.statements_file)?;
    Ok(settings)
}

fn check_values(sources: &Sources) -> Result<(GatewaySettings, Vec<Target>), Error> {
    let settings: GatewaySettings = sources.section()?;
    let bounds = settings.bounds();
    let wrong = |key, reason: String| Err(Error::invalid(key, Origin::File, reason));
    if bounds.max == 0 {
        return wrong("gateway.pool_max", "a pool needs at least one connection".to_owned());
    }
    if bounds.min > bounds.steady {
        return wrong(
            "gateway.pool_min",
            format!("{} is more than the steady size of {}", bounds.min, bounds.steady),
        );
    }
    if settings.handover.as_ref().is_some_and(|path| !path.is_absolute()) {
        let reason = "give an absolute path: both processes have to find the same socket";
        return wrong("gateway.handover", reason.to_owned());
    }
    let at_once = [
        ("gateway.handover_timeout", settings.handover_timeout),
        ("gateway.acquire_timeout", settings.acquire_timeout),
        ("gateway.connect_timeout", settings.connect_timeout),
        ("gateway.recycle_after", settings.recycle_after),
        ("gateway.statement_timeout", settings.statement_timeout),
    ];
    if let Some((key, _)) = at_once.iter().find(|(_, duration)| duration.is_zero()) {
        return wrong(key, "nothing can be done in no time; give a duration".to_owned());
    }
    if !(1..=FIREWALL_SCORE_MAX).contains(&settings.firewall_threshold) {
        let reason = format!("a score is from 1 to {FIREWALL_SCORE_MAX}");
        return wrong("gateway.firewall_threshold", reason);
    }
    if settings.events_batch_max == 0 || settings.events_buffer_max == 0 {
        return wrong("gateway.events_batch_max", "at least one event must fit".to_owned());
    }
    if !settings.pool_state_every.is_zero() && settings.pool_state_every < POOL_STATE_EVERY_MIN {
        let reason = format!("give 0s, or {POOL_STATE_EVERY_MIN:?} at least: pools are not looked at more often");
        return wrong("gateway.pool_state_every", reason);
    }
    let database: DatabaseSettings = sources.section()?;
    let Some(url) = database.url else {
        let reason = "the gateway needs a PostgreSQL; set DATABASE_URL";
        return wrong("database.url", reason.to_owned());
    };
    let target = Target::parse(url.secret().expose());
    let first = target.map_err(|error| Error::Refused(format!("setting database.url: {error}")))?;
    let servers: Vec<Target> = match settings.replicas.targets(&first) {
        Ok(others) => std::iter::once(first).chain(others).collect(),
        Err(reason) => return wrong("gateway.replicas", reason),
    };
    settings.mirror(&servers)?;
    crate::cache::level2::check(&settings)?;
    Ok((settings, servers))
}

/// The settings without any of a user's own.
#[cfg(test)]
pub(crate) fn defaults() -> std::sync::Arc<GatewaySettings> {
    let environment = [("DATABASE_URL".to_owned(), "postgres://u@h/d".to_owned())];
    std::sync::Arc::new(check(&Sources::load(None, environment).unwrap()).unwrap().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(environment: &[(&str, &str)]) -> Sources {
        let base = [("DATABASE_URL", "postgres://u@h/d")];
        let all = base
            .iter()
            .chain(environment)
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Sources::load(None, all.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn bounds_follow_the_established_names() {
        let bounds = |environment: &[_]| check(&sources(environment)).unwrap().0.bounds();
        assert_eq!(
            bounds(&[("DB_POOL_MAX", "12")]),
            Bounds {
                min: 3,
                steady: 12,
                max: 12
            }
        );
        assert_eq!(
            bounds(&[("DATABASE_POOL_SIZE", "8")]),
            Bounds {
                min: 2,
                steady: 8,
                max: 38
            }
        );
        let both = [("DATABASE_MAX_OVERFLOW", "4"), ("DB_POOL_MIN", "2")];
        assert_eq!(
            bounds(&both),
            Bounds {
                min: 2,
                steady: 20,
                max: 24
            }
        );
    }

    #[test]
    fn contradictions_name_the_setting() {
        for (environment, key) in [
            (&[("DB_POOL_MAX", "0")][..], "gateway.pool_max"),
            (&[("DB_POOL_MAX", "2"), ("DB_POOL_MIN", "3")], "gateway.pool_min"),
            (&[("DATABASE_POOL_SIZE", "2"), ("DB_POOL_MIN", "3")], "gateway.pool_min"),
            (&[("DATABASE_POOL_RECYCLE", "0")], "gateway.recycle_after"),
            (&[("WEIR_GATEWAY__REPLICAS", "h:port")], "gateway.replicas"),
            (&[("WEIR_GATEWAY__HANDOVER", "run/weir")], "gateway.handover"),
            (&[("WEIR_GATEWAY__HANDOVER_TIMEOUT", "0s")], "gateway.handover_timeout"),
            (
                &[("WEIR_GATEWAY__FIREWALL_THRESHOLD", "101")],
                "gateway.firewall_threshold",
            ),
            (
                &[("WEIR_GATEWAY__POOL_STATE_EVERY", "99ms")],
                "gateway.pool_state_every",
            ),
        ] {
            let error = check(&sources(environment)).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        let none = Sources::load(None, []).unwrap();
        assert!(check(&none).unwrap_err().to_string().contains("DATABASE_URL"));
    }
}
