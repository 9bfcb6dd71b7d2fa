//! The same workload as PostgreSQL's own `pg_stat_statements` sees it, and as Weir does.

use std::collections::BTreeMap;

use tokio::task::JoinSet;
use weir_proto::monitor::v1::{ListQueriesRequest, QueryStatistics};

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
/// Callers at once. With more than there are processors, the time until the gateway gets one is in what it measures.
const CALLERS: usize = 1;

/// Calls and the mean time of one, in milliseconds.
type Seen = BTreeMap<String, (u64, f64)>;

pub(crate) async fn run(rounds: usize) -> Result<(), Failure> {
    let settings = [
        ("shared_preload_libraries", "pg_stat_statements"),
        ("pg_stat_statements.track_planning", "on"),
    ];
    let stage = Stage::set(&settings).await?;
    let database = "postgres";
    stage
        .postgres
        .psql(database, "create extension pg_stat_statements")
        .await;
    stage
        .postgres
        .psql(database, "create table beside (id bigserial, note text)")
        .await;
    let gateway = Gateway::start(&stage).await?;
    stage.postgres.psql(database, "select pg_stat_statements_reset()").await;
    all_callers(&gateway, rounds).await?;

    let server = of_the_server(&stage).await?;
    let expected = (rounds * CALLERS) as u64;
    eventually("the monitor to have counted everything", async || {
        let weir = of_weir(&stage).await?;
        Ok(weir.len() == STATEMENTS.len() && weir.values().all(|(calls, _)| *calls == expected))
    })
    .await?;
    compare(&server, &of_weir(&stage).await?)
}

async fn all_callers(gateway: &Gateway, rounds: usize) -> Result<(), Failure> {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let gateway = gateway.clone();
        callers.spawn(async move {
            for _ in 0..rounds {
                for (_, text) in STATEMENTS {
                    gateway.execute(text).await?;
                }
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(())
}

/// Which of the statements a text without literals is.
fn name_of(text: &str) -> Option<String> {
    let marks = ["pg_sleep", "counted", "sorted", "into beside", "trivial"];
    let at = marks.iter().position(|mark| text.contains(mark))?;
    STATEMENTS.get(at).map(|(name, _)| (*name).to_owned())
}

async fn of_the_server(stage: &Stage) -> Result<Seen, Failure> {
    let sql = "select calls, mean_exec_time + mean_plan_time, replace(query, chr(10), ' ') from pg_stat_statements";
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

fn compare(server: &Seen, weir: &Seen) -> Result<(), Failure> {
    println!("statement | calls: server, Weir | mean ms: server, Weir | difference");
    let overhead = |name: &str| {
        let of = |seen: &Seen| seen.get(name).map(|(_, mean)| *mean).unwrap_or_default();
        of(weir) - of(server)
    };
    // What the protocol costs is what a statement costs that does nothing.
    let protocol_ms = overhead("trivial");
    for (name, (calls, mean)) in server {
        let (weir_calls, weir_mean) = weir.get(name).copied().unwrap_or_default();
        let beyond = (weir_mean - mean - protocol_ms) / mean;
        println!(
            "{name} | {calls}, {weir_calls} | {mean:.3}, {weir_mean:.3} | {:+.3} ms, {:+.2} % beyond the protocol",
            weir_mean - mean,
            beyond * 1e2
        );
        if *calls != weir_calls {
            return Err(format!("{name}: the server counted {calls} calls, Weir {weir_calls}").into());
        }
    }
    Ok(())
}
