//! The query monitor under load: are its figures exact, what does an event cost, and how soon is a statement counted.
//!
//! `just bench-monitor` runs it; `just bench-monitor --help` lists what it can be asked. NATS, PostgreSQL and the
//! monitor are real; the events are made here, so that the truth is known. A run that finds a wrong figure fails.
#![expect(clippy::print_stdout, reason = "a benchmark talks to whoever runs it")]
#![expect(clippy::disallowed_methods, reason = "a benchmark runs its own receiver")]

mod alarm;
mod beside;
mod check;
mod journey;
mod load;
mod stage;

use clap::Parser;
use tokio::time::{Duration, Instant, sleep};
use weir_proto::monitor::v1::GetIntakeRequest;
use weir_tests::facts::{cpu_of, rss_kib};

use load::Load;
use stage::Stage;

/// Why the benchmark cannot go on; its text is for people.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Messages that are on their way at most; fewer than a subscription holds.
const MESSAGES_AHEAD: usize = 2_000;

#[derive(Debug, Parser)]
struct Options {
    /// Events.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Distinct fingerprints among them.
    #[arg(long, default_value_t = 50_000)]
    fingerprints: usize,
    /// Events of one message.
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// Kill the monitor in the middle, and start another.
    #[arg(long)]
    kill: bool,
    /// Rounds of the whole, each with a monitor of its own.
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Instead: statements through the gateway, and how long each takes to be seen in the statistics.
    #[arg(long)]
    journeys: Option<usize>,
    /// Instead: slow statements, and how long it takes until a webhook is told of each.
    #[arg(long)]
    alarms: Option<usize>,
    /// Instead: the same workload as `pg_stat_statements` sees it, in transactions of pgbench.
    #[arg(long)]
    beside: Option<usize>,
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    if let Some(count) = options.journeys {
        return journey::run(count).await;
    }
    if let Some(count) = options.alarms {
        return alarm::run(count).await;
    }
    if let Some(transactions) = options.beside {
        return beside::run(transactions).await;
    }
    for round in 1..=options.rounds {
        let load = Load::new(options.events, options.fingerprints, options.batch, round);
        one_round(&options, &load).await?;
    }
    Ok(())
}

async fn one_round(options: &Options, load: &Load) -> Result<(), Failure> {
    let mut stage = Stage::set(&[]).await?;
    until_it_hears(&stage).await?;
    let begun = Instant::now();
    let half = if options.kill { load.messages.len() / 2 } else { 0 };
    let (first, second) = load.messages.split_at_checked(half).unwrap_or_default();
    publish(&stage, load, first, 0).await?;
    if options.kill {
        // A gateway is known to the store after a second; what is lost with a monitor is told from then on.
        sleep(Duration::from_secs(2)).await;
        stage.kill_monitor().await?;
        until_it_hears(&stage).await?;
    }
    let counted = counted_by(&stage).await?;
    let cpu = cpu_of(stage.monitor.pid());
    publish(&stage, load, second, counted).await?;
    let spent = cpu_of(stage.monitor.pid()) - cpu;
    let took = begun.elapsed();

    let events = second.iter().map(|message| message.events).sum::<usize>();
    let per_event = spent.total_us() / events as f64;
    println!(
        "{} events, {} fingerprints: {:.1} s, {:.2} µs of processor time an event ({:.2} user), so {:.0} events/s on one core; {} MiB",
        load.events(),
        options.fingerprints,
        took.as_secs_f64(),
        per_event,
        spent.user_us / events as f64,
        1e6 / per_event,
        rss_kib(stage.monitor.pid()) / 1024,
    );
    check::everything(&mut stage, load, options.kill).await
}

/// Waits until the monitor hears the bus: it is ready without, and what is told before is told to nobody.
async fn until_it_hears(stage: &Stage) -> Result<(), Failure> {
    let greeting = load::greeting();
    stage::eventually("the monitor to hear the bus", async || {
        let heard = batches_heard(stage).await?;
        stage.tell(&greeting.0, greeting.1.clone()).await?;
        sleep(Duration::from_millis(100)).await;
        Ok(batches_heard(stage).await? > heard)
    })
    .await
}

async fn batches_heard(stage: &Stage) -> Result<u64, Failure> {
    let answer = stage.client.clone().get_intake(GetIntakeRequest {}).await?;
    Ok(answer.into_inner().batches_received_total)
}

/// Publishes messages no faster than they are counted.
async fn publish(stage: &Stage, load: &Load, messages: &[load::Told], before: u64) -> Result<(), Failure> {
    let mut told = 0;
    for messages in messages.chunks(MESSAGES_AHEAD / 4) {
        for message in messages {
            stage.tell(&load.subject, message.payload.clone()).await?;
            told += message.events as u64;
        }
        wait_for(stage, before + told).await?;
    }
    Ok(())
}

async fn wait_for(stage: &Stage, events: u64) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if counted_by(stage).await? >= events {
            return Ok(());
        }
        sleep(Duration::from_millis(5)).await;
    }
    let counted = counted_by(stage).await?;
    Err(format!("only {counted} of {events} events were counted within a minute").into())
}

async fn counted_by(stage: &Stage) -> Result<u64, Failure> {
    let answer = stage.client.clone().get_intake(GetIntakeRequest {}).await?;
    Ok(answer.into_inner().events_received_total)
}
