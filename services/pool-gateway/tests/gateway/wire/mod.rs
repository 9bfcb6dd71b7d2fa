//! The PostgreSQL door, with the product's own client of the protocol on the other side.

mod console;
mod described;
mod faults;
mod flushed;
mod held;
mod isolation;
mod limits;
mod mirror;
mod notified;
mod prepared;
mod protocol;
mod replication;
mod starved;
mod threads;
mod traced;
mod trouble;

use weir_testkit::Database;
use weir_upstream::{ConnectOptions, Connection, Error, Target};

use crate::gateway::{Gateway, database};

/// A gateway before a database, and how its clients are made.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) database: Database,
}

impl Stage {
    /// A pool of so many connections.
    pub(crate) async fn with_pool(size: u32) -> Self {
        Self::with(&[("pool_max", &size.to_string()), ("pool_min", "0")]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let database = database().await;
        Self::before(&database.url(), &database, settings).await
    }

    /// A gateway that reaches this database at this address.
    pub(crate) async fn before(url: &str, database: &Database, settings: &[(&str, &str)]) -> Self {
        let gateway = Gateway::start(url, settings).await;
        let database = database.clone();
        Self { gateway, database }
    }

    pub(crate) fn target(&self, database: &str) -> Target {
        let port = self.gateway.wire_port;
        Target::parse(&format!("postgres://postgres@127.0.0.1:{port}/{database}")).unwrap()
    }

    pub(crate) fn own_target(&self) -> Target {
        let url = self.database.url();
        self.target(url.rsplit('/').next().unwrap())
    }

    pub(crate) async fn try_client(&self, options: ConnectOptions) -> Result<Connection, Error> {
        Connection::connect(&self.own_target(), options).await
    }

    /// A session of the console.
    pub(crate) async fn console(&self) -> Connection {
        Connection::connect(&self.target("weir"), ConnectOptions::default())
            .await
            .unwrap()
    }

    pub(crate) async fn client(&self) -> Connection {
        self.try_client(ConnectOptions::default()).await.unwrap()
    }
}

/// The first value of a statement's result.
pub(crate) async fn value(client: &mut Connection, sql: &str) -> Option<String> {
    let rows = client
        .simple_query(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.first()?.values().next()?.map(str::to_owned)
}

/// The code of a statement's error.
pub(crate) async fn code(client: &mut Connection, sql: &str) -> String {
    let error = client.simple_query(sql).await.unwrap_err();
    error
        .server()
        .unwrap_or_else(|| panic!("{sql}: {error}"))
        .sqlstate
        .clone()
}

/// The first value of a statement run by the extended protocol.
pub(crate) async fn extended(client: &mut Connection, sql: &str) -> Result<Option<String>, Error> {
    let mut rows = client.query(sql, &[]).await?;
    let mut first = None;
    while let Some(batch) = rows.next_batch().await? {
        for row in batch.rows() {
            let value = row
                .values()
                .next()
                .flatten()
                .map(|value| String::from_utf8_lossy(value).into_owned());
            first = first.or(value);
        }
    }
    rows.finish().await?;
    Ok(first)
}
