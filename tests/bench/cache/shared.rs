//! Redis in trouble: what a miss takes then, against a gateway without a cache. Every client must go on without an error,
//! or the run fails.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;
use crate::board::Board;
use crate::cells::CELLS;
use crate::options::Options;
use crate::rounds::load;
use crate::sides::{Side, Sides};

/// What happens to Redis.
pub(crate) const TROUBLES: [&str; 4] = ["well", "slow", "full", "killed"];
/// The cell whose load it is: every key once.
const LOAD: &str = "unique-prepared-16";
/// Behind the keys of all other runs.
const FIRST: u64 = 40_000_000;

/// Measures misses in each trouble.
pub(crate) async fn run(options: &Options, sides: &mut Sides, board: &mut Board) -> Result<(), Failure> {
    let cell = CELLS.iter().find(|cell| cell.name == LOAD).ok_or("the load is gone")?;
    sides.stage.share().await;
    sides.until_warm().await;
    let mut first = FIRST;
    for trouble in TROUBLES {
        begin(sides, trouble).await?;
        for round in 0..options.rounds {
            let mut turn = [Side::Off, Side::On];
            if round % 2 == 1 {
                turn.reverse();
            }
            for side in turn.into_iter().filter(|side| sides.chosen().contains(side)) {
                first += 150_000;
                let ran = load(sides, side, &cell.load, first, options.seconds).await;
                board.add(&format!("shared-{trouble}"), side, ran)?;
            }
        }
        end(sides, trouble).await?;
    }
    Ok(())
}

async fn begin(sides: &mut Sides, trouble: &str) -> Result<(), Failure> {
    match trouble {
        "slow" => delay(sides, Duration::from_millis(100)),
        "full" => order(sides, "CONFIG SET maxmemory 1mb").await?,
        "killed" => {
            if let Some(redis) = &mut sides.stage.redis {
                redis.stop().await;
            }
        }
        _ => {}
    }
    Ok(())
}

async fn end(sides: &mut Sides, trouble: &str) -> Result<(), Failure> {
    match trouble {
        "slow" => delay(sides, Duration::ZERO),
        "full" => order(sides, "CONFIG SET maxmemory 0").await?,
        "killed" => {
            if let Some(redis) = &mut sides.stage.redis {
                redis.start_again().await;
            }
        }
        _ => {}
    }
    Ok(())
}

fn delay(sides: &Sides, delay: Duration) {
    if let Some(shared) = &sides.stage.shared {
        shared.knobs.delay(delay);
    }
}

async fn order(sides: &Sides, order: &str) -> Result<(), Failure> {
    let Some(redis) = &sides.stage.redis else { return Ok(()) };
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await?;
    stream.write_all(format!("{order}\r\n").as_bytes()).await?;
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).await?;
    if &answer == b"+OK" {
        Ok(())
    } else {
        Err(format!("Redis refused {order}").into())
    }
}
