//! Weir's two doors beside each other: the same rows by gRPC and by the PostgreSQL protocol, in alternating rounds.
//!
//! What counts is how many rows a second of the gateway's processor time gives: callers and server share the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;
use weir_pgwire::Format;
use weir_pgwire::backend::tag;
use weir_pgwire::frontend::{self, Bind, BindValue, Subject};
use weir_proto::common::v1::{Value, value::Kind as Of};
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::gateway::v1::query_response::Part;
use weir_proto::gateway::v1::{BatchRequest, ExecuteRequest, Parameter, QueryRequest, Statement};
use weir_tests::facts::{Cpu, cpu_of};
use weir_tests::peers::Peer;
use weir_tests::wire::{Address, Connection};

use crate::Failure;
use crate::figures::Lines;
use crate::options::Options;
use crate::table::median;

const POINT: &str = "select abalance from pgbench_accounts where aid = $1";
const ROWS: &str = "select aid, bid, abalance, filler from pgbench_accounts where aid <= 10000";
/// Statements of a batch.
const BATCH: usize = 100;
/// Connections of gRPC callers, who share them as the calls of a program do.
const CHANNELS: usize = 4;
/// Until callers are connected and everything is warm.
const WARM_UP: Duration = Duration::from_secs(1);

/// What callers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    WirePoint,
    GrpcPoint,
    GrpcBatch,
    WireRows,
    GrpcRows,
}

impl Load {
    const ALL: [Self; 5] = [
        Self::WirePoint,
        Self::GrpcPoint,
        Self::GrpcBatch,
        Self::WireRows,
        Self::GrpcRows,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::WirePoint => "wire-point",
            Self::GrpcPoint => "grpc-execute",
            Self::GrpcBatch => "grpc-batch-100",
            Self::WireRows => "wire-rows-10000",
            Self::GrpcRows => "grpc-query-10000",
        }
    }

    const fn callers(self) -> usize {
        match self {
            Self::WirePoint | Self::GrpcPoint => 32,
            Self::GrpcBatch | Self::WireRows | Self::GrpcRows => 4,
        }
    }

    /// What it is measured by.
    const fn beside(self) -> Self {
        match self {
            Self::WirePoint | Self::GrpcPoint | Self::GrpcBatch => Self::WirePoint,
            Self::WireRows | Self::GrpcRows => Self::WireRows,
        }
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Figure {
    rows_s: f64,
    cpu: Cpu,
}

impl Figure {
    fn rows_per_cpu_s(&self) -> f64 {
        1e6 / self.cpu.total_us()
    }
}

/// Measures every load in every round and prints the medians.
pub(crate) async fn run(options: &Options, peer: &Peer) -> Result<(), Failure> {
    let grpc = peer.grpc.ok_or("only Weir has two doors")?;
    let pid = peer.pooler_pid().ok_or("only Weir has two doors")?;
    let mut lines = Lines::create()?;
    let mut figures: Vec<(Load, Figure)> = Vec::new();
    for round in 0..options.rounds {
        for load in turned(round).filter(|load| options.cells.is_match(load.name())) {
            let figure = measure(load, &peer.address, grpc, pid, options.seconds).await?;
            println!("round {} {}: {}", round + 1, load.name(), told(&figure));
            lines.add(&json!({
                "round": round + 1, "load": load.name(), "rows_s": figure.rows_s,
                "user_us": figure.cpu.user_us, "system_us": figure.cpu.system_us,
            }))?;
            figures.push((load, figure));
        }
    }
    println!();
    for load in Load::ALL.into_iter().filter(|load| options.cells.is_match(load.name())) {
        print_medians(&figures, load);
    }
    println!("every run: {}", lines.place());
    Ok(())
}

fn turned(round: u32) -> impl Iterator<Item = Load> {
    let begins = usize::try_from(round).unwrap_or_default() % Load::ALL.len();
    Load::ALL.into_iter().cycle().skip(begins).take(Load::ALL.len())
}

fn told(figure: &Figure) -> String {
    let Figure { rows_s, cpu } = figure;
    format!(
        "{rows_s:.0} rows/s, {:.2} µs a row ({:.2} user), {:.0} rows a CPU second",
        cpu.total_us(),
        cpu.user_us,
        figure.rows_per_cpu_s()
    )
}

fn print_medians(figures: &[(Load, Figure)], load: Load) {
    let of = |wanted: Load, read: fn(&Figure) -> f64| {
        let all = figures.iter().filter(|(load, _)| *load == wanted);
        median(all.map(|(_, figure)| read(figure)).collect()).unwrap_or(f64::NAN)
    };
    let (mine, others) = (
        of(load, Figure::rows_per_cpu_s),
        of(load.beside(), Figure::rows_per_cpu_s),
    );
    println!(
        "{:<18} {:>10.0} rows/s {:>10.0} rows a CPU second, {:.2} × the wire",
        load.name(),
        of(load, |figure| figure.rows_s),
        mine,
        mine / others
    );
}

async fn measure(load: Load, address: &Address, grpc: u16, pid: u32, seconds: u32) -> Result<Figure, Failure> {
    let rows = Arc::new(AtomicU64::new(0));
    let channels = open_channels(grpc).await?;
    let mut callers = JoinSet::new();
    for (number, channel) in channels.iter().cycle().take(load.callers()).enumerate() {
        callers.spawn(call(load, address.clone(), channel.clone(), number, rows.clone()));
    }
    sleep(WARM_UP).await;
    let (begun, before, cpu) = (Instant::now(), rows.load(Ordering::Relaxed), cpu_of(pid));
    let first = tokio::select! {
        () = sleep(Duration::from_secs(seconds.into())) => None,
        ended = callers.join_next() => ended,
    };
    if let Some(ended) = first {
        return Err(format!("a caller ended: {ended:?}").into());
    }
    let spent = cpu_of(pid) - cpu;
    let told = (rows.load(Ordering::Relaxed) - before) as f64;
    Ok(Figure {
        rows_s: told / begun.elapsed().as_secs_f64(),
        cpu: Cpu {
            user_us: spent.user_us / told,
            system_us: spent.system_us / told,
        },
    })
}

async fn open_channels(port: u16) -> Result<Vec<Channel>, Failure> {
    let mut channels = Vec::with_capacity(CHANNELS);
    for _ in 0..CHANNELS {
        channels.push(
            Channel::from_shared(format!("http://127.0.0.1:{port}"))?
                .connect()
                .await?,
        );
    }
    Ok(channels)
}

async fn call(
    load: Load,
    address: Address,
    channel: Channel,
    number: usize,
    rows: Arc<AtomicU64>,
) -> Result<(), Failure> {
    let mut key = number as u32;
    let mut next = move || {
        key = (key.wrapping_mul(7919) + 1) % 100_000;
        key + 1
    };
    match load {
        Load::WirePoint | Load::WireRows => {
            let mut client = Connection::open(&address, &[]).await?;
            loop {
                let request = if load == Load::WirePoint {
                    point(&next().to_string())
                } else {
                    whole()
                };
                rows.fetch_add(ask(&mut client, &request).await?, Ordering::Relaxed);
            }
        }
        _ => {
            let mut client = GatewayServiceClient::new(channel);
            loop {
                let got = match load {
                    Load::GrpcPoint => execute(&mut client, next()).await?,
                    Load::GrpcBatch => batch(&mut client, &mut next).await?,
                    _ => query(&mut client).await?,
                };
                rows.fetch_add(got, Ordering::Relaxed);
            }
        }
    }
}

/// One row, as drivers ask for it.
fn point(key: &str) -> BytesMut {
    let mut out = BytesMut::new();
    let value = BindValue {
        format: Format::Text,
        bytes: Some(key.as_bytes()),
    };
    let _ = frontend::parse(&mut out, "", POINT, std::iter::empty());
    let _ = frontend::bind(&mut out, &Bind::default(), [value].into_iter());
    let _ = frontend::describe(&mut out, Subject::Portal(""));
    let _ = frontend::execute(&mut out, "", 0);
    frontend::sync(&mut out);
    out
}

fn whole() -> BytesMut {
    let mut out = BytesMut::new();
    let _ = frontend::query(&mut out, ROWS);
    out
}

async fn ask(client: &mut Connection, request: &[u8]) -> Result<u64, Failure> {
    client.send(request).await?;
    let mut rows = 0;
    loop {
        match client.receive().await?.tag {
            tag::DATA_ROW => rows += 1,
            tag::READY_FOR_QUERY => return Ok(rows),
            tag::ERROR_RESPONSE => return Err("a statement failed".into()),
            _ => {}
        }
    }
}

fn parameter(key: u32) -> Parameter {
    Parameter {
        value: Some(Value {
            kind: Some(Of::Int64(key.into())),
        }),
        type_name: "int4".to_owned(),
    }
}

async fn execute(client: &mut GatewayServiceClient<Channel>, key: u32) -> Result<u64, Failure> {
    let asked = ExecuteRequest {
        sql: POINT.to_owned(),
        parameters: vec![parameter(key)],
        ..ExecuteRequest::default()
    };
    Ok(client.execute(asked).await?.into_inner().rows.len() as u64)
}

async fn batch(client: &mut GatewayServiceClient<Channel>, next: &mut impl FnMut() -> u32) -> Result<u64, Failure> {
    let statement = |key| Statement {
        sql: POINT.to_owned(),
        parameters: vec![parameter(key)],
        ..Statement::default()
    };
    let asked = BatchRequest {
        statements: (0..BATCH).map(|_| statement(next())).collect(),
        ..BatchRequest::default()
    };
    Ok(client.batch(asked).await?.into_inner().results.len() as u64)
}

async fn query(client: &mut GatewayServiceClient<Channel>) -> Result<u64, Failure> {
    let asked = QueryRequest {
        sql: ROWS.to_owned(),
        ..QueryRequest::default()
    };
    let mut stream = client.query(asked).await?.into_inner();
    let mut rows = 0;
    while let Some(answer) = stream.message().await? {
        if let Some(Part::Rows(batch)) = answer.part {
            rows += batch.rows.len() as u64;
        }
    }
    Ok(rows)
}
