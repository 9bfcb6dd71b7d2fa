//! How soon a commit is seen through the cache, and what a strict read takes: with clients of our own, one question at a
//! time.

use std::time::Duration;

use tokio::time::Instant;
use weir_tests::cached::{Asker, Counts, Way, at_level};
use weir_tests::wire::Fault;

use crate::Failure;
use crate::board::{Board, Figures};
use crate::options::Options;
use crate::sides::{Side, Sides};

const ONE: &str = "select k, v from bench_one where k = $1";
const KEY: &str = "7";
/// Longer than any invalidation may take.
const NEVER: Duration = Duration::from_secs(5);

/// Measures both.
pub(crate) async fn run(options: &Options, sides: &Sides, board: &mut Board) -> Result<(), Failure> {
    for _ in 0..options.rounds {
        board.add("invalidation", Side::On, invalidation(options, sides).await)?;
        for side in [Side::Direct, Side::Off, Side::On] {
            if sides.chosen().contains(&side) {
                board.add("strict-read", side, strict(options, sides, side).await)?;
            }
        }
    }
    Ok(())
}

/// From the acknowledgement of a commit at PostgreSQL itself to the first answer through the gateway that shows it. The
/// reader does not ask for more than the bound, so that nothing but the invalidation makes its answers new.
async fn invalidation(options: &Options, sides: &Sides) -> Result<Figures, Failure> {
    let mut writer = Asker::open(&sides.stage.ground.address).await?;
    let mut reader = Asker::open(&sides.stage.door()).await?;
    let before = Counts::read(sides.stage.ops()).await;
    let mut took = Vec::new();
    for _ in 0..options.commits {
        // From memory, so that there is something to invalidate.
        for _ in 0..3 {
            version(&mut reader, "bounded").await?;
        }
        let sql = format!("update bench_one set v = v + 1 where k = {KEY} returning v");
        let written = writer
            .run(&sql)
            .await?
            .numbers()
            .and_then(|numbers| numbers.first().copied());
        let acknowledged = Instant::now();
        while version(&mut reader, "bounded").await? != written {
            if acknowledged.elapsed() > NEVER {
                return Err("an invalidation never came".into());
            }
        }
        took.push(acknowledged.elapsed());
    }
    let counts = Counts::read(sides.stage.ops()).await.since(&before);
    let mut figures = quantiles(took);
    figures.insert("hits", counts.hit_ratio());
    Ok(figures)
}

async fn version(reader: &mut Asker, level: &str) -> Result<Option<i64>, Fault> {
    let answer = reader.ask(Way::Prepared, &at_level(level, ONE), &[KEY]).await?;
    Ok(answer.numbers().and_then(|numbers| numbers.get(1).copied()))
}

/// A read that misses nothing that was acknowledged to anybody before it; for the others any read is one.
async fn strict(options: &Options, sides: &Sides, side: Side) -> Result<Figures, Failure> {
    let door = sides.door(side).ok_or("it does not run")?;
    let mut reader = Asker::open(&door).await?;
    for _ in 0..100 {
        version(&mut reader, "strict").await?;
    }
    let before = Counts::read(sides.stage.ops()).await;
    let mut took = Vec::new();
    for _ in 0..options.commits * 10 {
        let begun = Instant::now();
        version(&mut reader, "strict").await?;
        took.push(begun.elapsed());
    }
    let counts = Counts::read(sides.stage.ops()).await.since(&before);
    let mut figures = quantiles(took);
    if side == Side::On {
        figures.insert("hits", counts.hit_ratio());
    }
    Ok(figures)
}

fn quantiles(mut took: Vec<Duration>) -> Figures {
    took.sort_unstable();
    let at = |hundredths: usize| {
        took.get(took.len() * hundredths / 100)
            .map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    let total: Duration = took.iter().sum();
    Figures::from([
        ("p50_ms", at(50)),
        ("p99_ms", at(99)),
        ("mean_ms", total.as_secs_f64() * 1e3 / took.len().max(1) as f64),
    ])
}
