//! What the watch costs the server, measured by the kernel.

use tokio::time::Instant;
use weir_testkit::Postgres;

use super::*;

/// Processor time of the monitor's sessions so far, in seconds: user and system, as the kernel counts it in ticks.
fn spent(pids: &[String]) -> f64 {
    let ticks = |pid: &String| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let behind_name = stat.rsplit(')').next().unwrap().split_whitespace();
        behind_name
            .skip(11)
            .take(2)
            .map(|word| word.parse::<u64>().unwrap())
            .sum()
    };
    pids.iter().map(ticks).sum::<u64>() as f64 / 100.0
}

/// Prints and returns the part of one core that the watch took, its connection included, from the first question on.
async fn measured(tables: u32, period: Duration) -> f64 {
    let settings = [
        ("shared_preload_libraries", "pg_stat_statements"),
        ("max_locks_per_transaction", "256"),
    ];
    let postgres = Postgres::start_with(&settings).await;
    let database = postgres.database().await;
    let make = format!("do $$ begin for i in 1..{tables} loop
        execute format('create table t%s (a int primary key, b text)', i); end loop; end $$; create extension pg_stat_statements");
    database.psql(&make).await;
    database.psql("analyze").await;
    let scene = Scene::of(&database.url());
    let begun = Instant::now();
    scene.has_asked_everything(postgres.port()).await;
    let pids = postgres
        .psql(
            "postgres",
            "select pid from pg_stat_activity where application_name = 'weir monitor'",
        )
        .await;
    let pids: Vec<String> = pids.lines().map(str::to_owned).collect();
    let at_first = spent(&pids);
    eventually("the period to be over", period + SOON, async || {
        (begun.elapsed() >= period).then_some(())
    })
    .await;
    let (all, elapsed) = (spent(&pids), begun.elapsed().as_secs_f64());
    let server = scene.server(postgres.port());
    let told: Vec<String> = server
        .probes
        .iter()
        .map(|probe| {
            format!(
                "{} {:.2} ms every {:.0} s",
                probe.name, probe.took_ms, probe.every_seconds
            )
        })
        .collect();
    tracing_of(&format!(
        "{tables} tables: {all:.2} s of a core in {elapsed:.0} s = {:.2} % ({at_first:.2} s of it for the first round); planned {:.2} %; {}",
        100.0 * all / elapsed,
        100.0 * server.cost_ratio,
        told.join(", ")
    ));
    assert!(
        server.probes.iter().all(|probe| probe.failures_total == 0),
        "{:?}",
        server.probes
    );
    assert!(server.cost_ratio <= 0.010_001, "{}", server.cost_ratio);
    scene.stop().await;
    all / elapsed
}

/// Where a person who measures reads it.
fn tracing_of(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[tokio::test]
async fn a_watch_takes_less_than_a_hundredth_of_a_core_from_the_first_question_on() {
    let ratio = measured(10, Duration::from_secs(12)).await;
    assert!(ratio <= 0.01, "{ratio}");
}

#[tokio::test]
async fn with_5_000_tables_as_well() {
    let ratio = measured(5_000, Duration::from_secs(25)).await;
    assert!(ratio <= 0.01, "{ratio}");
}

#[tokio::test]
async fn a_smaller_budget_is_kept_by_asking_less_often() {
    let postgres = Postgres::shared().await;
    let scene = Scene::with(
        &postgres.url("postgres"),
        &[("WEIR_MONITOR__SERVER_CPU_PERCENT", "0.01")],
    );
    let server = scene.has_asked_everything(postgres.port()).await;
    assert!(
        server.cost_ratio > 0.0 && server.cost_ratio <= 0.000_100_001,
        "{}",
        server.cost_ratio
    );
    assert!(
        probe(&server, "activity").every_seconds > 6.0,
        "{:?}",
        probe(&server, "activity")
    );
    scene.stop().await;
}

/// Ten minutes, in which every question comes up.
#[tokio::test]
#[ignore = "takes ten minutes: cargo test -p weir-query-monitor -- --ignored --nocapture ten_minutes"]
async fn ten_minutes_with_5_000_tables() {
    let ratio = measured(5_000, Duration::from_secs(600)).await;
    assert!(ratio <= 0.01, "{ratio}");
}
