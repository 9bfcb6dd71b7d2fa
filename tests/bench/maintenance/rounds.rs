//! Alternating rounds: a run with the job and one without, each time beginning with the other.

use std::time::Duration;

use tokio::time::sleep;
use weir_tests::facts::{cpu_of, cpu_of_family};
use weir_tests::pgbench::{Done, Load, Mode, Run, Script, share_ms};

use crate::Failure;
use crate::board::{Board, Figures, Side};
use crate::job::{self, Outcome};
use crate::options::Options;
use crate::stage::Stage;

/// A run begins so long before its job.
const LEAD: Duration = Duration::from_secs(2);

/// Runs all that was asked for.
pub(crate) async fn run(options: &Options, stage: &Stage, board: &mut Board) -> Result<(), Failure> {
    println!(
        "{} s of load, from which the guard learns what is usual",
        options.before
    );
    load(options, stage, options.before)?.follow(|_| {}).await?;
    for operation in &options.operations {
        for round in 0..options.rounds {
            let sides = if round % 2 == 0 {
                [Side::Without, Side::With]
            } else {
                [Side::With, Side::Without]
            };
            let mut is_there = true;
            for side in sides {
                is_there &= one(options, stage, operation, side, board).await?;
            }
            if !is_there {
                break;
            }
        }
    }
    Ok(())
}

fn load(options: &Options, stage: &Stage, seconds: u32) -> Result<Run, Failure> {
    let load = Load {
        script: Script::TpcB,
        mode: Mode::Extended,
        clients: options.clients,
        reconnects: false,
        sampled: 1.0,
    };
    Run::start_at(&stage.ground, &stage.door, &load, &[], seconds, options.rate())
}

/// One run; whether there is such a job at all.
async fn one(
    options: &Options,
    stage: &Stage,
    operation: &str,
    side: Side,
    board: &mut Board,
) -> Result<bool, Failure> {
    stage.tidy().await;
    stage.churn().await;
    let size = stage.size_bytes().await?;
    let postgres = stage.ground.postgres_pid();
    let cpus = || [cpu_of_family(postgres), cpu_of(stage.pid("maintenance"))];
    let before = cpus();
    let run = load(options, stage, options.seconds)?.follow_all(|_| {});
    let at_most = Duration::from_secs(options.seconds.into());
    let job = async {
        sleep(LEAD).await;
        match side {
            Side::With => job::run(stage, operation, at_most).await.map(Some),
            Side::Without => Ok(None),
        }
    };
    let (ran, job) = tokio::join!(run, job);
    let ((measured, done), job) = (ran?, job?);
    let [postgres, maintenance] = cpus();
    let ended = match job {
        Some(Outcome::NotThere(why)) => {
            board.not_there(operation, &why)?;
            return Ok(false);
        }
        Some(Outcome::Ended(ended)) => Some(ended),
        None => None,
    };
    let during = during(&done, ended.as_ref().map(|ended| ended.span_unix_ms));
    let [postgres_before, maintenance_before] = before;
    let mut figures = Figures::from([
        ("tps", measured.tps),
        ("p95_ms", share_ms(during.clone(), 95)?),
        ("p99_ms", share_ms(during.clone(), 99)?),
        (
            "postgres_us",
            (postgres - postgres_before).total_us() / measured.transactions,
        ),
        ("maintenance_ms", (maintenance - maintenance_before).total_us() / 1e3),
    ]);
    if let Some(ended) = &ended {
        figures.insert("reclaimed_mb", (size - stage.size_bytes().await?) / 1e6);
        let (from, to) = ended.span_unix_ms;
        let to = to.min(done.iter().map(|done| done.ended_unix_ms).max().unwrap_or(to));
        figures.insert("job_s", to.saturating_sub(from).max(0) as f64 / 1e3);
        if ended.state == "failed" {
            println!("{}", stage.output("maintenance"));
        }
    }
    board.add(operation, side, figures, ended)?;
    Ok(true)
}

/// Transactions that ended while the job ran: those are what users noticed of it. Without a job, or with one too short
/// for a hundred of them, all but those of the lead.
fn during(done: &[Done], job: Option<(i64, i64)>) -> Vec<u32> {
    let begun = done.iter().map(|done| done.ended_unix_ms).min().unwrap_or_default();
    let lead = i64::try_from(LEAD.as_millis()).unwrap_or_default();
    let within = |(from, to): (i64, i64)| -> Vec<u32> {
        let ended = done.iter().filter(|done| (from..=to).contains(&done.ended_unix_ms));
        ended.map(|done| done.took_us).collect()
    };
    let of_job = job.map(within).filter(|times| times.len() >= 100);
    of_job.unwrap_or_else(|| within((begun + lead, i64::MAX)))
}
