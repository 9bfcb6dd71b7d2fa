//! Alternating rounds: every cell through every side, then again, each time beginning with another side.

use tokio::time::Instant;
use weir_tests::cached::Counts;
use weir_tests::facts::Cpu;
use weir_tests::pgbench::{Load, Mode, Run};

use crate::Failure;
use crate::board::{Board, Figures};
use crate::cells::{CELLS, Cell};
use crate::options::Options;
use crate::sides::{Side, Sides};

/// Keys of each run of unique ones, which lie behind those of the runs before.
const UNIQUE_EACH: u64 = 150_000;

/// Runs all that was asked for.
pub(crate) async fn run(options: &Options, sides: &Sides, board: &mut Board) -> Result<(), Failure> {
    let mut unique = 0;
    for round in 0..options.rounds {
        for cell in CELLS.iter().filter(|cell| options.wants(cell.name)) {
            let taking_part: Vec<Side> = (sides.chosen().iter().copied())
                .filter(|side| *side == Side::On || cell.against.contains(side))
                .filter(|side| cell.load.mode != Mode::Prepared || sides.has_prepared(*side))
                .collect();
            let first = usize::try_from(round)? % taking_part.len().max(1);
            // Every side reads the same keys, which are new to the one that has a cache.
            unique += UNIQUE_EACH;
            for side in taking_part.iter().cycle().skip(first).take(taking_part.len()) {
                let ran = one(options, sides, cell, *side, unique).await;
                board.add(cell.name, *side, ran)?;
            }
        }
    }
    Ok(())
}

async fn one(options: &Options, sides: &Sides, cell: &Cell, side: Side, first: u64) -> Result<Figures, Failure> {
    if cell.warm_s > 0 {
        load(sides, side, &cell.load, first, cell.warm_s + 1).await?;
    }
    load(sides, side, &cell.load, first, options.seconds).await
}

/// One run of a load through one side.
pub(crate) async fn load(sides: &Sides, side: Side, load: &Load, first: u64, seconds: u32) -> Result<Figures, Failure> {
    let door = sides.door(side).ok_or("it does not run")?;
    let counts = Counts::read(sides.stage.ops()).await;
    let run = Run::start(&sides.stage.ground, &door, load, &[("first", first), ("n", 0)], seconds)?;
    let mut window = Window::default();
    let measured = run.follow(|second| {
        window.add(second.tps * second.length_s, second.length_s, sides.cpus(side));
    });
    let measured = measured.await?;
    let counts = Counts::read(sides.stage.ops()).await.since(&counts);
    let mut figures = Figures::from([
        ("tps", measured.tps),
        ("mean_ms", measured.mean_ms),
        ("p99_ms", measured.p99_ms),
        ("reads_p99_ms", measured.first_p99_ms),
    ]);
    if let Some([pooler, postgres]) = window.each() {
        figures.extend([("pooler_us", pooler), ("postgres_us", postgres)]);
    }
    if side == Side::On {
        println!("    {counts}");
        figures.insert("hits", counts.hit_ratio());
    }
    Ok(figures)
}

/// Between the end of the first second, when every client is in, and the last one that is told.
#[derive(Default)]
struct Window {
    first: Option<(Instant, [Cpu; 2])>,
    last: Option<(Instant, [Cpu; 2])>,
    transactions: f64,
    seconds: f64,
}

impl Window {
    fn add(&mut self, transactions: f64, seconds: f64, now: [Cpu; 2]) {
        let reading = Some((Instant::now(), now));
        if self.first.is_none() {
            self.first = reading;
        } else {
            self.last = reading;
            self.transactions += transactions;
            self.seconds += seconds;
        }
    }

    /// Processor time of each transaction, by the time between the readings.
    fn each(&self) -> Option<[f64; 2]> {
        let ((begun, first), (ended, last)) = self.first.zip(self.last)?;
        let seconds = ended.duration_since(begun).as_secs_f64();
        let transactions = self.transactions / self.seconds * seconds;
        let ([a, b], [c, d]) = (first, last);
        Some([(c - a).total_us() / transactions, (d - b).total_us() / transactions])
    }
}
