//! Callers of the gRPC door, who share a few connections and the pool with the clients of the PostgreSQL door: reads,
//! writes, batches, streams and transactions, some of them given up, cancelled or cut off by their deadline.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::gateway::v1::query_response::Part as Streamed;
use weir_proto::gateway::v1::statement_result::Outcome as Ended;
use weir_proto::gateway::v1::transaction_request::Step;
use weir_proto::gateway::v1::transaction_response::Part;
use weir_proto::gateway::v1::{
    BatchRequest, Begin, CancelRequest, Commit, ExecuteRequest, ExecuteResponse, Parameter, QueryRequest, Rollback,
    Row, Statement, TransactionRequest, TransactionResponse, TransactionStatement,
};

use crate::client::Shared;
use crate::ledger::{Entry, Fate, Ledger};
use crate::tally::Oracle;

/// Connections that all callers share.
const CHANNELS: usize = 4;
/// Longer than any answer may take.
const HUNG_AFTER: Duration = Duration::from_secs(30);
const INSERT: &str = "insert into ledger values ($1::int, $2::bigint)";
/// What no call changes, and clients of the other door do.
const SESSION: &str = "select current_setting('TimeZone'), current_setting('search_path'), coalesce(current_setting('app.tag', true), '')";
const SLOW_INSERT: &str = "insert into ledger select $1::int, $2::bigint from pg_sleep($3::float8)";

type Client = GatewayServiceClient<Channel>;
/// What must not happen, and what it looked like.
type Outcome = Result<(), (Oracle, String)>;

/// What callers do, each as often as it stands here.
const OPS: [&str; 16] = [
    "call read",
    "call read",
    "call read",
    "call twice",
    "call session",
    "call write",
    "call write",
    "call batch",
    "call batch in vain",
    "call stream",
    "call half a stream",
    "call transaction",
    "call transaction in vain",
    "call given up",
    "call cut off",
    "call cancelled",
];

/// Connections for callers.
pub(crate) async fn channels(port: u16) -> Result<Vec<Channel>, tonic::transport::Error> {
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let place = Channel::from_shared(format!("http://127.0.0.1:{port}")).expect("an address");
        channels.push(place.connect().await?);
    }
    Ok(channels)
}

/// Where the outcomes of calls with a key are kept, as the guide says.
pub(crate) const KEYS: &str = "create table if not exists public.weir_idempotency (project text not null,
    key text not null, request bytea not null, answer bytea, created_at timestamptz not null default pg_catalog.now(),
    primary key (project, key))";

/// What a call's session looks like before anybody has changed anything.
pub(crate) async fn session(channel: Channel) -> Vec<String> {
    let answer = Client::new(channel).execute(request(SESSION, Vec::new())).await;
    texts(&answer.expect("a first call is answered").into_inner().rows)
}

/// One caller.
pub(crate) struct Caller {
    id: u32,
    rng: fastrand::Rng,
    shared: Arc<Shared>,
    client: Client,
    session: Arc<[String]>,
    ledger: Ledger,
    tags: u64,
}

impl Caller {
    pub(crate) fn new(id: u32, seed: u64, shared: Arc<Shared>, channel: Channel, session: Arc<[String]>) -> Self {
        Self {
            id,
            rng: fastrand::Rng::with_seed(seed.wrapping_add(u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            shared,
            client: Client::new(channel),
            session,
            ledger: Ledger::default(),
            tags: 0,
        }
    }

    /// Works until the run ends; the ledger tells what was written.
    pub(crate) async fn work(mut self) -> Ledger {
        while self.shared.goes_on() {
            let op = OPS[self.rng.usize(0..OPS.len())];
            let outcome = timeout(HUNG_AFTER, Box::pin(self.step(op))).await;
            let outcome = outcome.unwrap_or_else(|_| Err((Oracle::Hung, String::new())));
            match outcome {
                Ok(()) => {
                    self.shared.tally.queries.fetch_add(1, Ordering::Relaxed);
                    self.shared.tally.did(op);
                }
                Err((Oracle::Broken, _)) if self.shared.chaos => {
                    self.shared.tally.broken_by_chaos.fetch_add(1, Ordering::Relaxed);
                }
                Err((oracle, what)) => {
                    let id = self.id;
                    self.shared.tally.saw(oracle, || format!("caller {id} in {op}: {what}"));
                }
            }
        }
        self.ledger
    }

    async fn step(&mut self, op: &str) -> Outcome {
        match op {
            "call read" => self.read().await,
            "call twice" => self.write_twice_with_a_key().await,
            "call session" => self.look_at_session().await,
            "call write" => self.write().await,
            "call batch" => self.batch(false).await,
            "call batch in vain" => self.batch(true).await,
            "call stream" => self.stream(true).await,
            "call half a stream" => self.stream(false).await,
            "call transaction" => self.transaction(true).await,
            "call transaction in vain" => self.transaction(false).await,
            "call given up" => self.give_up().await,
            "call cut off" => self.cut_off().await,
            _ => self.cancel().await,
        }
    }

    fn tag(&mut self) -> String {
        self.tags += 1;
        format!("g{}s{}", self.id, self.tags)
    }

    fn row(&self, entry: Entry) -> Vec<Parameter> {
        vec![int(self.id.into()), int(entry.seq() as i64)]
    }

    /// The same text each time, so that it is prepared; or one of its own.
    async fn read(&mut self) -> Outcome {
        let (tag, number) = (self.tag(), self.rng.i64(0..1_000_000));
        let (sql, parameters) = if self.rng.bool() {
            ("select $1::text, $2::bigint".to_owned(), vec![text(&tag), int(number)])
        } else {
            (format!("select '{tag}', {number}::bigint"), Vec::new())
        };
        let answer = self
            .client
            .execute(request(&sql, parameters))
            .await
            .map_err(unexpected)?;
        is_same(&texts(&answer.into_inner().rows), &[tag, number.to_string()])
    }

    async fn look_at_session(&mut self) -> Outcome {
        let answer = self
            .client
            .execute(request(SESSION, Vec::new()))
            .await
            .map_err(unexpected)?;
        let seen = texts(&answer.into_inner().rows);
        if seen == *self.session {
            Ok(())
        } else {
            Err((Oracle::SetLeaked, format!("{seen:?}")))
        }
    }

    async fn write(&mut self) -> Outcome {
        let entry = self.ledger.begin();
        let answer = self
            .client
            .execute(request(INSERT, self.row(entry)))
            .await
            .map_err(unexpected)?;
        inserted(&answer.into_inner())?;
        self.ledger.settle(entry, Fate::Acknowledged);
        Ok(())
    }

    /// The second call with the same key has the first one's answer.
    async fn write_twice_with_a_key(&mut self) -> Outcome {
        let entry = self.ledger.begin();
        let asked = ExecuteRequest {
            idempotency_key: self.tag(),
            ..request(INSERT, self.row(entry))
        };
        for _ in 0..2 {
            let answer = self.client.execute(asked.clone()).await.map_err(unexpected)?;
            inserted(&answer.into_inner())?;
        }
        self.ledger.settle(entry, Fate::Acknowledged);
        Ok(())
    }

    async fn batch(&mut self, in_vain: bool) -> Outcome {
        let entries = [self.ledger.begin(), self.ledger.begin()];
        let tag = self.tag();
        let mut statements = vec![
            statement(INSERT, self.row(entries[0])),
            statement("select $1::text", vec![text(&tag)]),
            statement(INSERT, self.row(entries[1])),
        ];
        if in_vain {
            statements.push(statement("select 1 / 0", Vec::new()));
        }
        let asked = BatchRequest {
            statements,
            transaction: true,
            ..BatchRequest::default()
        };
        let answer = self.client.batch(asked).await;
        let fate = match answer {
            Ok(_) if in_vain => return Err((Oracle::Desync, "a batch that cannot be was done".to_owned())),
            Ok(answer) => {
                let results = answer.into_inner().results;
                let middle = results.get(1).and_then(|result| result.outcome.as_ref());
                let Some(Ended::Answer(middle)) = middle else {
                    return Err((Oracle::WrongRows, format!("{results:?}")));
                };
                is_same(&texts(&middle.rows), &[tag])?;
                Fate::Acknowledged
            }
            Err(status) if in_vain && is(&status, "22012") => Fate::Refused,
            Err(status) => return Err(unexpected(status)),
        };
        entries.iter().for_each(|entry| self.ledger.settle(*entry, fate));
        Ok(())
    }

    async fn stream(&mut self, to_the_end: bool) -> Outcome {
        let (tag, rows) = (self.tag(), self.rng.usize(1..3_000));
        let asked = QueryRequest {
            sql: "select $1::text, g from generate_series(1, $2::int) g".to_owned(),
            parameters: vec![text(&tag), int(rows as i64)],
            ..QueryRequest::default()
        };
        let mut stream = self.client.query(asked).await.map_err(unexpected)?.into_inner();
        let wanted = if to_the_end { rows } else { self.rng.usize(0..rows) };
        let mut seen = 0;
        while let Some(message) = stream.message().await.map_err(unexpected)? {
            let Some(Streamed::Rows(batch)) = message.part else {
                continue;
            };
            for row in batch.rows {
                seen += 1;
                is_same(&texts(&[row]), &[tag.clone(), seen.to_string()])?;
            }
            if !to_the_end && seen >= wanted {
                return Ok(());
            }
        }
        is_same(&[seen.to_string()], &[rows.to_string()])
    }

    /// A transaction step by step: it is kept, or undone by word or by going away.
    async fn transaction(&mut self, keeps: bool) -> Outcome {
        let (entry, tag) = (self.ledger.begin(), self.tag());
        // Without its commit it cannot be there.
        self.ledger
            .settle(entry, if keeps { Fate::Unknown } else { Fate::Refused });
        let (sender, receiver) = mpsc::channel(8);
        let begin = Step::Begin(Begin::default());
        for step in [
            begin,
            execute(INSERT, self.row(entry)),
            execute("select $1::text", vec![text(&tag)]),
        ] {
            say(&sender, step).await;
        }
        let called = self.client.transaction(ReceiverStream::new(receiver)).await;
        let mut answers = called.map_err(unexpected)?.into_inner();
        let mut seen = Vec::new();
        loop {
            let Some(TransactionResponse { step, part: Some(part) }) = answers.message().await.map_err(unexpected)?
            else {
                return Err((Oracle::Broken, "a transaction ended by itself".to_owned()));
            };
            match part {
                Part::Rows(batch) => seen.extend(texts(&batch.rows)),
                Part::Error(error) => return Err((Oracle::UnexpectedError, error.message)),
                Part::Summary(_) if step == 3 => break,
                _ => {}
            }
        }
        is_same(&seen, &[tag])?;
        if !keeps && self.rng.bool() {
            return Ok(());
        }
        let last = if keeps {
            Step::Commit(Commit::default())
        } else {
            Step::Rollback(Rollback {})
        };
        say(&sender, last).await;
        match answers
            .message()
            .await
            .map_err(unexpected)?
            .and_then(|answer| answer.part)
        {
            Some(Part::Ended(ended)) if ended.committed == keeps => {}
            other => return Err((Oracle::Desync, format!("{other:?}"))),
        }
        if keeps {
            self.ledger.settle(entry, Fate::Acknowledged);
        }
        Ok(())
    }

    fn slow_insert(&mut self, entry: Entry) -> ExecuteRequest {
        let seconds = self.rng.f64() / 50.0;
        let mut parameters = self.row(entry);
        parameters.push(Parameter {
            value: Some(Value {
                kind: Some(Kind::Double(seconds)),
            }),
            ..Parameter::default()
        });
        request(SLOW_INSERT, parameters)
    }

    /// A call whose caller goes away: whether it was done, nobody hears.
    async fn give_up(&mut self) -> Outcome {
        let entry = self.ledger.begin();
        let asked = self.slow_insert(entry);
        let patience = Duration::from_micros(self.rng.u64(0..20_000));
        match timeout(patience, self.client.execute(asked)).await {
            Ok(answer) => self.ended(entry, answer.map(tonic::Response::into_inner), &[]),
            Err(_) => Ok(()),
        }
    }

    async fn cut_off(&mut self) -> Outcome {
        let entry = self.ledger.begin();
        let asked = ExecuteRequest {
            timeout_ms: self.rng.u32(1..20),
            ..self.slow_insert(entry)
        };
        let answer = self.client.execute(asked).await.map(tonic::Response::into_inner);
        self.ended(entry, answer, &[Code::DeadlineExceeded])
    }

    async fn cancel(&mut self) -> Outcome {
        let (entry, operation) = (self.ledger.begin(), self.tag());
        let asked = ExecuteRequest {
            operation: operation.clone(),
            ..self.slow_insert(entry)
        };
        let (mut own, mut other) = (self.client.clone(), self.client.clone());
        let wait = Duration::from_micros(self.rng.u64(0..20_000));
        let cancelling = async {
            sleep(wait).await;
            let asked = CancelRequest {
                operation,
                ..CancelRequest::default()
            };
            other.cancel(asked).await
        };
        let (answer, cancelled) = tokio::join!(own.execute(asked), cancelling);
        self.shared.tally.cancels.fetch_add(1, Ordering::Relaxed);
        let hit = cancelled.map_err(unexpected)?.into_inner().cancelled;
        self.shared.tally.cancelled.fetch_add(hit.into(), Ordering::Relaxed);
        let allowed: &[Code] = if hit > 0 { &[Code::Cancelled] } else { &[] };
        self.ended(entry, answer.map(tonic::Response::into_inner), allowed)
    }

    /// A write that was done, or ended in a way that leaves it open.
    fn ended(&mut self, entry: Entry, answer: Result<ExecuteResponse, Status>, allowed: &[Code]) -> Outcome {
        match answer {
            Ok(answer) => {
                inserted(&answer)?;
                self.ledger.settle(entry, Fate::Acknowledged);
                Ok(())
            }
            Err(status) if allowed.contains(&status.code()) => Ok(()),
            Err(status) => Err(unexpected(status)),
        }
    }
}

async fn say(sender: &mpsc::Sender<TransactionRequest>, step: Step) {
    // A call that has ended says so in its answers.
    let _said = sender.send(TransactionRequest { step: Some(step) }).await;
}

fn execute(sql: &str, parameters: Vec<Parameter>) -> Step {
    Step::Execute(TransactionStatement {
        sql: sql.to_owned(),
        parameters,
        ..TransactionStatement::default()
    })
}

fn request(sql: &str, parameters: Vec<Parameter>) -> ExecuteRequest {
    ExecuteRequest {
        sql: sql.to_owned(),
        parameters,
        ..ExecuteRequest::default()
    }
}

fn statement(sql: &str, parameters: Vec<Parameter>) -> Statement {
    Statement {
        sql: sql.to_owned(),
        parameters,
        ..Statement::default()
    }
}

fn int(number: i64) -> Parameter {
    parameter(Kind::Int64(number))
}

fn text(text: &str) -> Parameter {
    parameter(Kind::Text(text.to_owned()))
}

fn parameter(kind: Kind) -> Parameter {
    Parameter {
        value: Some(Value { kind: Some(kind) }),
        ..Parameter::default()
    }
}

/// All values, as text.
fn texts(rows: &[Row]) -> Vec<String> {
    let values = rows.iter().flat_map(|row| &row.values);
    values
        .map(|value| match &value.kind {
            Some(Kind::Text(text)) => text.clone(),
            Some(Kind::Int64(number)) => number.to_string(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn is_same(seen: &[String], expected: &[String]) -> Outcome {
    if seen == expected {
        Ok(())
    } else {
        Err((Oracle::WrongRows, format!("{seen:?} instead of {expected:?}")))
    }
}

fn inserted(answer: &ExecuteResponse) -> Outcome {
    is_same(std::slice::from_ref(&answer.command_tag), &["INSERT 0 1".to_owned()])
}

fn is(status: &Status, sqlstate: &str) -> bool {
    status
        .metadata()
        .get("weir-sqlstate")
        .is_some_and(|code| code == sqlstate)
}

/// What an error that nothing called for is a sign of.
fn unexpected(status: Status) -> (Oracle, String) {
    let oracle = match status.code() {
        Code::Cancelled => Oracle::StrayCancel,
        Code::Unavailable => Oracle::Broken,
        _ => Oracle::UnexpectedError,
    };
    (oracle, status.to_string())
}
