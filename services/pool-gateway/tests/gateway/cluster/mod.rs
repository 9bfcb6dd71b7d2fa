//! Several servers of one cluster behind one gateway: a primary and a standby that follows it.

mod failover;
mod fenced;
mod mirror;
mod pipelines;
mod routing;

use std::sync::Arc;

use weir_testkit::{Database, Postgres, eventually, http_get};
use weir_upstream::{ConnectOptions, Connection, Target};

use crate::gateway::{Gateway, PATIENCE};

/// A primary, its standby, and a gateway before both.
pub(crate) struct Cluster {
    pub(crate) primary: Postgres,
    pub(crate) standby: Postgres,
    pub(crate) database: Database,
    pub(crate) gateway: Arc<Gateway>,
}

/// What the standby calls itself.
const STANDBY: &str = "second";

impl Cluster {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::begin(settings, false).await
    }

    /// The same with a URL that leads to the standby.
    pub(crate) async fn start_by_standby(settings: &[(&str, &str)]) -> Self {
        Self::begin(settings, true).await
    }

    async fn begin(settings: &[(&str, &str)], by_standby: bool) -> Self {
        let primary = Postgres::start().await;
        let standby = primary.standby(STANDBY).await;
        let database = primary.database().await;
        let place = |server: &Postgres| format!("127.0.0.1:{}", server.port());
        let (named, other) = if by_standby {
            (&standby, &primary)
        } else {
            (&primary, &standby)
        };
        let (url, replicas) = (named.url(database.name()), place(other));
        let own = [("replicas", replicas.as_str()), ("pool_max", "8"), ("pool_min", "0")];
        let all: Vec<_> = own.iter().chain(settings).copied().collect();
        let gateway = Arc::new(Gateway::start(&url, &all).await);
        let cluster = Self {
            primary,
            standby,
            database,
            gateway,
        };
        cluster.until_replica_reads("yes").await;
        cluster
    }

    fn target(&self, database: &str) -> Target {
        let port = self.gateway.wire_port;
        Target::parse(&format!("postgres://postgres@127.0.0.1:{port}/{database}")).unwrap()
    }

    pub(crate) async fn client(&self) -> Connection {
        let target = self.target(self.database.name());
        Connection::connect(&target, ConnectOptions::default()).await.unwrap()
    }

    /// The row of a server in the console's table.
    pub(crate) async fn upstream(&self, server: &Postgres) -> Vec<String> {
        let console = Connection::connect(&self.target("weir"), ConnectOptions::default()).await;
        let rows = console.unwrap().simple_query("show upstreams").await.unwrap();
        let name = format!("127.0.0.1:{}", server.port());
        let row = rows.iter().find(|row| row.values().next().flatten() == Some(&name));
        let values = row.unwrap().values().map(|value| value.unwrap().to_owned());
        values.collect()
    }

    /// Waits until the standby answers reads, or does no more.
    pub(crate) async fn until_replica_reads(&self, wanted: &str) {
        eventually("the standby's fitness", PATIENCE, || async {
            let row = self.upstream(&self.standby).await;
            if row[6] == wanted {
                Ok(())
            } else {
                Err(format!("{row:?}"))
            }
        })
        .await;
    }

    /// The metrics' lines that begin so.
    pub(crate) async fn metrics(&self, beginning: &str) -> Vec<String> {
        let text = http_get(self.gateway.ops_port, "/metrics").await.unwrap().1;
        let lines = text.lines().filter(|line| line.starts_with(beginning));
        lines.map(str::to_owned).collect()
    }
}
