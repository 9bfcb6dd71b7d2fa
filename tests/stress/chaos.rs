//! Server connections that end without warning.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::sleep;
use weir_pgwire::backend::Message;
use weir_pgwire::frontend;
use weir_tests::wire::{Address, Connection, Fault, ServerError};

use crate::client::Shared;

const END_SOME: &str = "select pg_terminate_backend(pid) from
    (select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
     order by random() limit 3) chosen";

/// Ends some connections every few seconds until the run ends; returns how many it ended.
pub(crate) async fn run(shared: Arc<Shared>, postgres: Address, seed: u64) -> Result<u64, Fault> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut connection = Connection::open(&postgres, &[]).await?;
    let mut ended = 0;
    while shared.goes_on() {
        sleep(Duration::from_millis(rng.u64(500..3000))).await;
        ended += end_some(&mut connection).await?;
    }
    connection.close().await?;
    Ok(ended)
}

/// A row for each connection that was ended.
async fn end_some(connection: &mut Connection) -> Result<u64, Fault> {
    let mut out = BytesMut::new();
    frontend::query(&mut out, END_SOME)?;
    connection.send(&out).await?;
    let mut ended = 0;
    loop {
        match connection.receive().await?.message()? {
            Message::DataRow(_) => ended += 1,
            Message::ErrorResponse(fields) => return Err(Fault::Refused(ServerError::of(&fields))),
            Message::ReadyForQuery(_) => return Ok(ended),
            _ => {}
        }
    }
}
