//! Figures, to be asked for: how long a commit is exposed under load, and what a segment costs.
#![expect(clippy::print_stderr, reason = "a measurement talks to whoever runs it")]

use tokio::time::Instant;

use super::*;

/// Seconds of CPU that this process has used.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

async fn segments(world: &World) -> usize {
    world.repository(0).await.segments(1, 16 << 20).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: cargo nextest run -p weir-backup --run-ignored all measure --no-capture"]
async fn exposure_and_cpu() {
    let postgres = server(PostgresOptions::new().setting("max_wal_size", "4GB")).await;
    let url = postgres.url("postgres");
    let bench = |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(postgres.bin_dir().join("pgbench"));
        command
            .args(arguments)
            .arg(&url)
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    };
    bench(&["-i", "-s", "10", "-q"]).status().await.unwrap();
    let mut world = World::new(&postgres, 1, |_| {}).await;
    world.start();
    world.until_safe(&postgres).await;

    let (cpu, before) = (cpu_seconds(), segments(&world).await);
    let load = bench(&["-c", "4", "-T", "12"]).output().await.unwrap();
    let state = world.log.state();
    let said = String::from_utf8(load.stdout).unwrap();
    let tps = said.lines().find(|line| line.starts_with("tps")).unwrap_or_default();
    let (used, done) = (cpu_seconds() - cpu, segments(&world).await - before);
    eprintln!(
        "pgbench: {tps}; exposure p99 {} ms; {done} segments, {used:.2} s CPU",
        state.exposure_p99_ms
    );

    world.until_safe(&postgres).await;
    world.stop().await;
    postgres
        .psql(
            "postgres",
            "create table bulk as select n, md5(n::text) a, md5((n * 7)::text) b from generate_series(1, 2500000) n",
        )
        .await;
    let (cpu, before, begun) = (cpu_seconds(), segments(&world).await, Instant::now());
    world.start();
    world.until_safe(&postgres).await;
    let (used, done) = (cpu_seconds() - cpu, segments(&world).await - before);
    let took = begun.elapsed().as_secs_f64();
    eprintln!(
        "a backlog of {done} segments: {took:.2} s, {:.1} ms CPU a segment, {:.0} MB/s",
        used * 1e3 / done as f64,
        done as f64 * 16.0 / took
    );
    world.stop().await;
    assert!(state.exposure_p99_ms <= 1_000, "{} ms", state.exposure_p99_ms);
    assert!(done > 10, "{done} segments");
}
