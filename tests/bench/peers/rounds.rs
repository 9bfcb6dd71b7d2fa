//! Alternating rounds: every cell through every peer, then again, each time beginning with another peer.

use serde_json::json;
use tokio::time::Instant;
use weir_tests::peers::{Ground, Peer};
use weir_tests::pgbench::{self, Mode, Run, Script, Second};

use crate::Failure;
use crate::cells::{CELLS, Cell};
use crate::figures::{Cpus, Lines, Sample};
use crate::options::Options;
use crate::table::{Outcome, Table};

/// How far the time between two readings may be off the time that pgbench tells.
const OFF_MAX: f64 = 0.25;

/// Fills the tables once.
pub(crate) async fn prepare(ground: &Ground, scale: u32) -> Result<(), Failure> {
    println!("filling pgbench's tables at scale {scale}");
    pgbench::initialise(ground, scale).await
}

/// Runs everything and prints the table.
pub(crate) async fn run(options: &Options, ground: &Ground, peers: &[Peer]) -> Result<(), Failure> {
    let mut lines = Lines::create()?;
    let mut table = Table::default();
    for round in 0..options.rounds {
        for cell in CELLS.iter().filter(|cell| options.cells.is_match(cell.name)) {
            for peer in turned(peers, usize::try_from(round)?) {
                let outcome = one(options, ground, peer, cell).await?;
                println!("round {} {} {}: {outcome}", round + 1, cell.name, peer.kind.name());
                lines.add(&json!({
                    "round": round + 1,
                    "cell": cell.name,
                    "peer": peer.kind.name(),
                    "outcome": outcome.json(),
                }))?;
                table.add(cell.name, peer.kind, outcome);
            }
        }
    }
    println!("\n{table}\nevery run: {}", lines.place());
    Ok(())
}

/// The same peers, beginning with another one in every round.
fn turned(peers: &[Peer], round: usize) -> impl Iterator<Item = &Peer> {
    peers.iter().cycle().skip(round % peers.len().max(1)).take(peers.len())
}

async fn one(options: &Options, ground: &Ground, peer: &Peer, cell: &Cell) -> Result<Outcome, Failure> {
    if cell.load.mode == Mode::Prepared && !peer.has_prepared {
        return Ok(Outcome::Cannot);
    }
    if let Some(ended) = peer.ended() {
        return Ok(Outcome::Failed(ended));
    }
    if matches!(cell.load.script, Script::TpcB) {
        ground.psql("truncate pgbench_history").await;
        ground.psql("vacuum pgbench_branches, pgbench_tellers").await;
    }
    match measure(options, ground, peer, cell).await {
        Ok(sample) => Ok(Outcome::Ran(Box::new(sample))),
        Err(failure) => Ok(Outcome::Failed(failure.to_string())),
    }
}

/// Between the end of the first second, when every client is in and warm, and the last one that is told.
#[derive(Default)]
struct Window {
    first: Option<(Instant, Cpus)>,
    last: Option<(Instant, Cpus)>,
    transactions: f64,
    seconds: f64,
}

impl Window {
    fn add(&mut self, second: &Second, now: Cpus) {
        let reading = Some((Instant::now(), now));
        if self.first.is_none() {
            self.first = reading;
        } else {
            self.last = reading;
            self.transactions += second.tps * second.length_s;
            self.seconds += second.length_s;
        }
    }

    /// On a busy machine a reading comes later than the line it belongs to. So processor time counts by the time
    /// between the readings, and transactions by their rate; where the two times have little in common, nothing does.
    fn each(&self) -> Result<Cpus, Failure> {
        let ((begun, first), (ended, last)) = self.first.zip(self.last).ok_or("the run was too short")?;
        let seconds = ended.duration_since(begun).as_secs_f64();
        if (seconds - self.seconds).abs() > self.seconds * OFF_MAX {
            return Err("the machine is too busy: pgbench's seconds could not be followed".into());
        }
        Ok(last.each_since(first, self.transactions / self.seconds * seconds))
    }
}

async fn measure(options: &Options, ground: &Ground, peer: &Peer, cell: &Cell) -> Result<Sample, Failure> {
    let postgres = ground.postgres_pid();
    let run = Run::start(
        ground,
        &peer.address,
        &cell.load,
        &[("scale", options.scale.into())],
        options.seconds,
    )?;
    let mut window = Window::default();
    let measured = run
        .follow(|second| window.add(&second, Cpus::read(peer, postgres)))
        .await?;
    Ok(Sample {
        measured,
        cpu: window.each()?,
    })
}
