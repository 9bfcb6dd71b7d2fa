//! The same workload as PostgreSQL's own `pg_stat_statements` sees it, and as Weir does.
//!
//! PostgreSQL's figure leaves out what comes before and after the execution: taking the request, setting up and tearing
//! down, committing, sending. A client without Weir pays for that as well, so the same statements are run directly, in
//! turn with the others: what Weir measures beyond that is the protocol's own cost, or wrong.

use std::collections::BTreeMap;

use bytes::BytesMut;
use tokio::time::Instant;
use weir_pgwire::backend::tag;
use weir_proto::monitor::v1::{ListQueriesRequest, QueryStatistics};

use weir_tests::wire::{Address, Connection};

use crate::Failure;
use crate::stage::{Gateway, Stage, eventually};

/// Statements, and what both call them.
const STATEMENTS: [(&str, &str); 5] = [
    ("sleeps", "select pg_sleep(0.02)"),
    ("counts", "select count(*) as counted from generate_series(1, 100000)"),
    (
        "sorts",
        "select max(n) as sorted from (select n from generate_series(1, 30000) as n order by -n) as all_of_them",
    ),
    ("writes", "insert into beside (note) values ('a literal')"),
    ("trivial", "select 1 as trivial, 2 as other"),
];
/// Where the statements are run without Weir, so that the server counts them apart.
const DIRECT: &str = "direct";

/// Calls and the mean time of one, in milliseconds.
type Seen = BTreeMap<String, (u64, f64)>;

pub(crate) async fn run(rounds: usize) -> Result<(), Failure> {
    let settings = [
        ("shared_preload_libraries", "pg_stat_statements"),
        ("pg_stat_statements.track_planning", "on"),
    ];
    let stage = Stage::set(&settings).await?;
    stage
        .postgres
        .psql("postgres", "create extension pg_stat_statements")
        .await;
    stage
        .postgres
        .psql("postgres", &format!("create database {DIRECT}"))
        .await;
    for database in ["postgres", DIRECT] {
        let table = "create table beside (id bigserial, note text)";
        stage.postgres.psql(database, table).await;
    }
    let gateway = Gateway::start(&stage).await?;
    stage
        .postgres
        .psql("postgres", "select pg_stat_statements_reset()")
        .await;
    let direct = in_turn(&stage, &gateway, rounds).await?;

    let server = of_the_server(&stage).await?;
    let expected = rounds as u64;
    eventually("the monitor to have counted everything", async || {
        let weir = of_weir(&stage).await?;
        Ok(weir.len() == STATEMENTS.len() && weir.values().all(|(calls, _)| *calls == expected))
    })
    .await?;
    compare(&server, &of_weir(&stage).await?, &direct)
}

/// Runs each statement through Weir and without it; the mean time of those without, in milliseconds.
async fn in_turn(stage: &Stage, gateway: &Gateway, rounds: usize) -> Result<Seen, Failure> {
    let url = stage.postgres.url(DIRECT).replace("postgres@", "postgres:none@");
    let address: Address = url.parse()?;
    let mut connection = Connection::open(&address, &[]).await?;
    let mut direct = Seen::new();
    for _ in 0..rounds {
        for (name, text) in STATEMENTS {
            gateway.execute(text).await?;
            let took_ms = ask(&mut connection, text).await?;
            let (calls, mean) = direct.entry(name.to_owned()).or_default();
            *calls += 1;
            *mean += (took_ms - *mean) / *calls as f64;
        }
    }
    Ok(direct)
}

/// Runs one statement and says how long that took, in milliseconds.
async fn ask(connection: &mut Connection, text: &str) -> Result<f64, Failure> {
    let mut out = BytesMut::new();
    weir_pgwire::frontend::query(&mut out, text)?;
    let begun = Instant::now();
    connection.send(&out).await?;
    while connection.receive().await?.tag != tag::READY_FOR_QUERY {}
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// Which of the statements a text without literals is.
fn name_of(text: &str) -> Option<String> {
    let marks = ["pg_sleep", "counted", "sorted", "into beside", "trivial"];
    let at = marks.iter().position(|mark| text.contains(mark))?;
    STATEMENTS.get(at).map(|(name, _)| (*name).to_owned())
}

async fn of_the_server(stage: &Stage) -> Result<Seen, Failure> {
    let sql = "select calls, mean_exec_time + mean_plan_time, replace(query, chr(10), ' ') from pg_stat_statements \
               where dbid = (select oid from pg_database where datname = current_database())";
    let mut seen = Seen::new();
    for line in stage.postgres.psql("postgres", sql).await.lines() {
        let mut columns = line.splitn(3, '|');
        let mut next = || columns.next().ok_or("a column is missing");
        let (calls, mean) = (next()?.parse()?, next()?.parse()?);
        if let Some(name) = name_of(next()?) {
            seen.insert(name, (calls, mean));
        }
    }
    Ok(seen)
}

async fn of_weir(stage: &Stage) -> Result<Seen, Failure> {
    let request = ListQueriesRequest::default();
    let answer = stage.client.clone().list_queries(request).await?.into_inner();
    let figures = |line: &QueryStatistics| (line.calls, line.server_ms / line.calls as f64);
    let named = |line: &QueryStatistics| Some((name_of(&line.text)?, figures(line)));
    Ok(answer.queries.iter().filter_map(named).collect())
}

fn compare(server: &Seen, weir: &Seen, direct: &Seen) -> Result<(), Failure> {
    println!("statement | calls: server, Weir | mean ms: server, direct client, Weir | Weir beyond direct");
    for (name, (calls, mean)) in server {
        let of = |seen: &Seen| seen.get(name).copied().unwrap_or_default();
        let ((weir_calls, weir_mean), (_, direct_mean)) = (of(weir), of(direct));
        println!(
            "{name} | {calls}, {weir_calls} | {mean:.3}, {direct_mean:.3}, {weir_mean:.3} | {:+.3} ms, {:+.2} %",
            weir_mean - direct_mean,
            (weir_mean - direct_mean) / direct_mean * 1e2
        );
        if *calls != weir_calls {
            return Err(format!("{name}: the server counted {calls} calls, Weir {weir_calls}").into());
        }
    }
    Ok(())
}
