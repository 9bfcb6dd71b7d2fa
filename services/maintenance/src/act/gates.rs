//! Whether a piece of work may begin, as the server is at this moment.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_upstream::{Connection, Target};

use crate::error::Error;
use crate::observe;
use crate::plan::gates::{Engine, Limits, Subject, gate};
use crate::plan::{Candidate, Kind};

/// Time between two looks at transactions that may end in a moment.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What is to be remarked of it, or in one sentence why it may not begin. A transaction that is open for longer than
/// `patience` is in the way of a table's reorganisation: who would wait for it waits for nobody knows how long.
pub(super) async fn open(
    connection: &mut Connection,
    target: &Target,
    candidate: &Candidate,
    engine: Engine,
    patience: Duration,
) -> Result<Result<Vec<String>, String>, Error> {
    let table = candidate.facts.as_ref().map_or(candidate.oid, |facts| facts.oid);
    let name = candidate.subject.to_string();
    let subject = Subject {
        name: &name,
        needs_bytes: candidate.expected.needs_bytes,
    };
    let gates = observe::gates::gates(connection, target, table).await?;
    if candidate.kind != Kind::Reorganize {
        return Ok(gate(candidate.kind, engine, subject, &gates, Limits::default()));
    }
    // Short transactions come and go; whoever stays is named.
    let until = Instant::now() + patience;
    let nobody = Limits {
        transaction: Duration::ZERO,
        ..Limits::default()
    };
    let mut verdict = gate(candidate.kind, engine, subject, &gates, nobody);
    while verdict.is_err() && Instant::now() < until {
        sleep(LOOK_AGAIN).await;
        let gates = observe::gates::gates(connection, target, table).await?;
        let short = Limits {
            transaction: patience,
            ..Limits::default()
        };
        if let Err(reason) = gate(candidate.kind, engine, subject, &gates, short) {
            return Ok(Err(reason));
        }
        verdict = gate(candidate.kind, engine, subject, &gates, nobody);
    }
    // What is refused now is not the same all the time: short transactions, one after the other.
    Ok(verdict.or_else(|_| Ok(Vec::new())))
}
