//! Measurements that pgbench cannot make: thousands of clients of our own.

pub(crate) mod fairness;
pub(crate) mod idle;
pub(crate) mod storm;

use bytes::BytesMut;
use tokio::task::JoinSet;
use weir_pgwire::backend::tag;
use weir_pgwire::frontend;
use weir_tests::wire::{Address, Connection, Fault};

use crate::Failure;

/// Clients that log in, or ask, at the same time.
const AT_ONCE: usize = 64;

/// Runs a statement and waits for its end.
async fn ask(connection: &mut Connection, sql: &str) -> Result<(), Fault> {
    let mut out = BytesMut::new();
    frontend::query(&mut out, sql)?;
    connection.send(&out).await?;
    while connection.receive().await?.tag != tag::READY_FOR_QUERY {}
    Ok(())
}

/// Logs so many clients in.
async fn open_all(address: &Address, count: usize) -> Result<Vec<Connection>, Failure> {
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let mut opening = JoinSet::new();
        for _ in 0..AT_ONCE.min(count - clients.len()) {
            let address = address.clone();
            opening.spawn(async move { Connection::open(&address, &[]).await });
        }
        for opened in opening.join_all().await {
            clients.push(opened.map_err(|error| format!("client {}: {error}", clients.len()))?);
        }
    }
    Ok(clients)
}
