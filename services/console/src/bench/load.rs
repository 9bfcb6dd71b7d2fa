//! The load: so many clients ask for so long, each call is timed as its client feels it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use weir_model::Sketch;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::report::{Mode, Span};

/// A call that takes longer has failed.
const CALL_WITHIN: Duration = Duration::from_secs(10);
/// Half of the calls ask for one of so many rows, again and again.
const HOT_ROWS: u64 = 200;

/// What one way asks.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) target: Target,
    /// Whether each call makes a connection of its own.
    pub(super) connects_each: bool,
    pub(super) table: String,
    pub(super) rows: u64,
    pub(super) clients: u64,
    pub(super) lasts: Duration,
    pub(super) seed: u64,
    /// Only rows that are asked for again.
    pub(super) repeats: bool,
}

/// What the clients of a way felt.
#[derive(Debug, Default)]
pub(super) struct Felt {
    calls: Sketch,
    connects: Sketch,
    calls_us: u64,
    connects_us: u64,
    max_us: u64,
    errors: u64,
    seconds: Vec<Second>,
    /// The first thing that went wrong.
    pub(super) trouble: Option<String>,
}

#[derive(Debug, Default)]
struct Second {
    calls: Sketch,
    errors: u64,
}

/// Runs the load to its end, or until it is stopped.
pub(super) async fn run(load: Load, stop: &CancellationToken) -> (Felt, Duration) {
    let load = Arc::new(load);
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..load.clients {
        clients.spawn(
            stop.clone()
                .run_until_cancelled_owned(client(Arc::clone(&load), number, begun)),
        );
    }
    let mut felt = Felt::default();
    while let Some(ended) = clients.join_next().await {
        if let Ok(Some(own)) = ended {
            felt.add(own);
        }
    }
    (felt, begun.elapsed())
}

async fn client(load: Arc<Load>, number: u64, begun: Instant) -> Felt {
    let mut felt = Felt::default();
    let mut random = fastrand::Rng::with_seed(load.seed.wrapping_add(number));
    let mut kept = None;
    while begun.elapsed() < load.lasts {
        let sql = load.statement(&mut random);
        let second = usize::try_from(begun.elapsed().as_secs()).unwrap_or_default();
        let called = Instant::now();
        let outcome = timeout(CALL_WITHIN, call(&load, &mut kept, &sql, &mut felt)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {CALL_WITHIN:?}")));
        felt.note(second, called.elapsed(), outcome);
    }
    if let Some(connection) = kept {
        Connection::close(connection).await;
    }
    felt
}

/// One call, over the connection that is kept or one of its own.
async fn call(load: &Load, kept: &mut Option<Connection>, sql: &str, felt: &mut Felt) -> Result<(), String> {
    let mut connection = match kept.take().filter(|connection| !connection.is_broken()) {
        Some(connection) => connection,
        None => {
            let begun = Instant::now();
            let made = Connection::connect(&load.target, ConnectOptions::default()).await;
            felt.connected(begun.elapsed());
            made.map_err(|error| error.to_string())?
        }
    };
    let answered = connection.simple_query(sql).await;
    if load.connects_each {
        connection.close().await;
    } else {
        *kept = Some(connection);
    }
    match answered {
        Ok(rows) if rows.len() == 1 => Ok(()),
        Ok(rows) => Err(format!("{} rows came instead of one", rows.len())),
        Err(error) => Err(error.to_string()),
    }
}

impl Load {
    /// Nine of ten calls read one row by its key, one adds up a hundred.
    fn statement(&self, random: &mut fastrand::Rng) -> String {
        let is_hot = self.repeats || random.bool();
        let id = random.u64(1..=if is_hot { HOT_ROWS.min(self.rows) } else { self.rows });
        if random.u8(0..10) == 0 {
            let first = 1 + (id % 20) * 100 % self.rows.max(1);
            return format!(
                "select sum(amount) from {} where id between {first} and {}",
                self.table,
                first + 99
            );
        }
        format!("select note, amount from {} where id = {id}", self.table)
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

impl Felt {
    fn connected(&mut self, took: Duration) {
        self.connects.add(micros(took));
        self.connects_us += micros(took);
    }

    fn note(&mut self, second: usize, took: Duration, outcome: Result<(), String>) {
        let us = micros(took);
        self.calls.add(us);
        self.calls_us += us;
        self.max_us = self.max_us.max(us);
        if self.seconds.len() <= second {
            self.seconds.resize_with(second + 1, Second::default);
        }
        if let Some(span) = self.seconds.get_mut(second) {
            span.calls.add(us);
            span.errors += u64::from(outcome.is_err());
        }
        if let Err(trouble) = outcome {
            self.errors += 1;
            self.trouble.get_or_insert(trouble);
        }
    }

    /// Connections that were made.
    pub(super) fn connections(&self) -> u64 {
        self.connects.count()
    }

    fn add(&mut self, other: Self) {
        self.calls.merge(&other.calls);
        self.connects.merge(&other.connects);
        self.calls_us += other.calls_us;
        self.connects_us += other.connects_us;
        self.max_us = self.max_us.max(other.max_us);
        self.errors += other.errors;
        self.trouble = self.trouble.take().or(other.trouble);
        if self.seconds.len() < other.seconds.len() {
            self.seconds.resize_with(other.seconds.len(), Second::default);
        }
        for (own, others) in self.seconds.iter_mut().zip(other.seconds) {
            own.calls.merge(&others.calls);
            own.errors += others.errors;
        }
    }

    /// As it is reported.
    pub(super) fn mode(&self, (name, title): (&str, &str), clients: u64, started_unix_ms: i64, took: Duration) -> Mode {
        let calls = self.calls.count();
        let connected = self.connects.count() > 0;
        let connect = |share| connected.then(|| self.connects.quantile_us(share) / 1_000.0);
        let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Mode {
            mode: name.to_owned(),
            title: title.to_owned(),
            started_unix_ms,
            took_ms: took.as_secs_f64() * 1_000.0,
            clients,
            calls,
            errors: self.errors,
            success_ratio: (calls > 0).then(|| ratio(calls - self.errors, calls)),
            queries_per_second: calls as f64 / took.as_secs_f64().max(f64::EPSILON),
            p50_ms: self.calls.quantile_us(0.5) / 1_000.0,
            p95_ms: self.calls.quantile_us(0.95) / 1_000.0,
            p99_ms: self.calls.quantile_us(0.99) / 1_000.0,
            mean_ms: ratio(self.calls_us, calls) / 1_000.0,
            max_ms: self.max_us as f64 / 1_000.0,
            connect_p50_ms: connect(0.5),
            connect_p95_ms: connect(0.95),
            connect_share: ratio(self.connects_us, self.calls_us),
            spans: self.spans(started_unix_ms),
            ..Mode::default()
        }
    }

    fn spans(&self, started_unix_ms: i64) -> Vec<Span> {
        let seconds = (0..).zip(&self.seconds);
        seconds
            .map(|(number, second): (i64, &Second)| {
                let calls = second.calls.count();
                let at = |share| (calls > 0).then(|| second.calls.quantile_us(share) / 1_000.0);
                Span {
                    at_unix_ms: started_unix_ms + number * 1_000,
                    calls,
                    errors: second.errors,
                    p50_ms: at(0.5),
                    p95_ms: at(0.95),
                    p99_ms: at(0.99),
                }
            })
            .collect()
    }
}
