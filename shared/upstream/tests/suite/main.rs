//! The client beside real PostgreSQL servers, and beside servers that are none.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod base_backup;
mod bulk;
mod certificates;
mod credentials;
mod encryption;
mod hostile;
mod interruption;
mod login;
mod pipeline;
mod query;
mod relay;
mod replication;
mod simple;

use weir_testkit::{Database, Postgres};
use weir_upstream::{ConnectOptions, Connection, Error, Target};

/// A connection with nothing out of the ordinary.
async fn connect(url: &str) -> Result<Connection, Error> {
    Connection::connect(&Target::parse(url)?, ConnectOptions::default()).await
}

/// A connection to a fresh database of the shared cluster.
async fn connected() -> (Connection, Database) {
    let database = Postgres::shared().await.database().await;
    let connection = connect(&database.url()).await.unwrap();
    (connection, database)
}

/// All rows of a statement as text, NULL as `∅`.
async fn rows(connection: &mut Connection, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    let mut stream = connection.query(sql, &[]).await?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next_batch().await? {
        for row in batch.rows() {
            found.push(row.values().map(shown).collect());
        }
    }
    Ok(found)
}

fn shown(value: Option<&[u8]>) -> String {
    value.map_or("∅".to_owned(), |value| String::from_utf8(value.to_vec()).unwrap())
}

/// Whether a statement can be answered, and the right one.
async fn works(connection: &mut Connection) {
    assert!(connection.is_clean(), "the connection is not clean");
    assert_eq!(rows(connection, "select 'it works'").await.unwrap(), [["it works"]]);
}
