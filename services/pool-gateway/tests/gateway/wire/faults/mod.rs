//! Faults, each while other clients work: the server's, the network's, the clients' own, and sheer size.
//!
//! What a fault must not touch is watched by a [`crowd`], which knows the answer to everything it asks.

mod accounts;
mod breaker;
mod broken_off;
mod crowd;
mod garbage;
mod hostile;
mod large;
mod network;
mod proxy;
pub(super) mod raw;
mod server;
mod slow;
mod told;

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;
use weir_proto::common::v1::Pool;
use weir_testkit::{Postgres, eventually};
use weir_upstream::{ConnectOptions, Connection, Error};

use super::{Stage, value};
use crate::gateway::PATIENCE;

/// A server that is back serves everybody again within a second, which the tests print. What they insist on is less
/// than a breaker takes that nobody closes, so that a machine that is busy with something else does not fail them.
const BACK_WITHIN: Duration = Duration::from_secs(20);
/// Nobody waits longer for an answer, whatever it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Limits that are short enough to be waited for.
const IMPATIENT: [(&str, &str); 5] = [
    ("pool_max", "4"),
    ("pool_min", "1"),
    ("connect_timeout", "500ms"),
    ("acquire_timeout", "2s"),
    ("statement_timeout", "500ms"),
];

/// A server of the test's own with a database, and a gateway before it.
async fn own_server(settings: &[(&str, &str)]) -> (Postgres, Stage) {
    let server = Postgres::start().await;
    let database = server.database().await;
    let stage = Stage::before(&database.url(), &database, settings).await;
    (server, stage)
}

/// Sends a process a signal.
fn signal(pid: &str, signal: Signal) {
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The process that serves a client at present. Good for as long as the client keeps it.
async fn backend(client: &mut Connection) -> String {
    value(client, "select pg_backend_pid()").await.unwrap()
}

/// What became of a statement, in time: its error's code, `None` where there was none, `lost` where the session ended
/// without a word.
async fn outcome(client: &mut Connection, sql: &str) -> Option<String> {
    let answer = tokio::time::timeout(ANSWER_WITHIN, client.simple_query(sql)).await;
    match answer.unwrap_or_else(|_| panic!("nobody answered {sql}")) {
        Ok(_) => None,
        Err(error) => Some(code_of(&error)),
    }
}

fn code_of(error: &Error) -> String {
    error
        .server()
        .map_or_else(|| "lost".to_owned(), |server| server.sqlstate.clone())
}

/// As many servers as the pool may have can be had at once, and none is in use before and after: nothing was lost for
/// ever.
async fn assert_whole(stage: &Stage) {
    let quiet = |pool: &Pool| pool.active == 0 && pool.waiting == 0;
    let max = stage.gateway.until_pool("a quiet pool", quiet).await.max;
    let mut holders = Vec::new();
    for _ in 0..max {
        // An idle connection may have died; the first who uses it finds that out.
        holders.push(eventually("one more server", PATIENCE, || holder(stage)).await);
    }
    for holder in &mut holders {
        holder.simple_query("commit").await.unwrap();
    }
    stage.gateway.until_pool("a quiet pool", quiet).await;
}

/// Tells whoever runs the test with its output.
#[expect(
    clippy::print_stdout,
    reason = "figures for those who look, which no machine's load may fail"
)]
fn report(text: &str) {
    println!("{text}");
}

fn report_recovery(after_what: &str, since: Instant) {
    report(&format!("everybody was served {:?} {after_what}", since.elapsed()));
}

/// A client that holds a server.
async fn holder(stage: &Stage) -> Result<Connection, Error> {
    let mut client = stage.try_client(ConnectOptions::default()).await?;
    client.simple_query("begin; select 1").await?;
    Ok(client)
}
