//! What the tests of rewrites share: a database with things of users in it that must never be touched.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_jobs::{JobContext, Window};
use weir_model::{Clock, Project};
use weir_testkit::{Database, Postgres, eventually};
use weir_upstream::{ConnectOptions, Connection, Target};

use crate::act::{Door, Limits, Session};

pub(super) const SOON: Duration = Duration::from_secs(30);
const NAME: &str = "weir-maint/0192f0c1-2222-7333-8444-555566667777";

/// A database and the way to it.
pub(super) struct Bed {
    pub(super) database: Database,
    pub(super) target: Target,
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::on(Postgres::shared().await).await
    }

    pub(super) async fn on(postgres: &Postgres) -> Self {
        let database = postgres.database().await;
        let target = Target::parse(&database.url()).unwrap();
        Self { database, target }
    }

    pub(super) const fn door(&self) -> Door<'_> {
        Door {
            target: &self.target,
            name: NAME,
            limits: Limits {
                lock: Duration::from_secs(2),
                statement: Duration::from_secs(300),
            },
        }
    }

    pub(super) async fn session(&self) -> Session {
        self.door().open().await.unwrap()
    }

    pub(super) async fn psql(&self, sql: &str) -> String {
        self.database.psql(sql).await
    }

    /// A client that has run a statement and stays.
    pub(super) async fn client(&self, sql: &str) -> Connection {
        client(&self.target, sql).await
    }

    /// A table with an index that is mostly empty.
    pub(super) async fn bloated(&self, rows: u32) {
        self.psql(&format!(
            "create table t (id int primary key, a int, x text); create index t_a on t (a);
             insert into t select g, g, repeat('x', 100) from generate_series(1, {rows}) g;
             delete from t where id % 10 <> 0; vacuum t; create table o (i int)"
        ))
        .await;
    }

    /// Invalid indexes, whose-ever.
    pub(super) async fn invalid(&self) -> String {
        self.psql(
            "select string_agg(indexrelid::regclass::text, ' ' order by indexrelid::regclass::text)
             from pg_index where not indisvalid",
        )
        .await
    }

    /// What pg_repack made and is still there, triggers included.
    pub(super) async fn repack_things(&self) -> String {
        self.psql(
            "select coalesce((select count(*) from pg_class where relnamespace = to_regnamespace('repack')
                and relname ~ '^(log|table|pk|index)_[0-9]+'), 0) + (select count(*) from pg_trigger where tgname = 'repack_trigger')",
        )
        .await
    }

    /// Waits until a question has this answer.
    pub(super) async fn until(&self, sql: &str, expected: &str) {
        eventually(sql, SOON, async || {
            let seen = self.psql(sql).await;
            if seen == expected { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    /// Waits until the maintenance session, or a pg_repack, does something whose text begins so.
    pub(super) async fn until_running(&self, text: &str) {
        let sql = format!(
            "select count(*) > 0 from pg_stat_activity where application_name like 'weir-maint/%'
                and state <> 'idle' and query ilike '{text}%'"
        );
        self.until(&sql, "t").await;
    }
}

pub(super) async fn client(target: &Target, sql: &str) -> Connection {
    let mut connection = Connection::connect(target, ConnectOptions::default()).await.unwrap();
    connection.simple_query(sql).await.unwrap();
    connection
}

/// A job whose window ends after a while.
pub(super) fn job(window: Option<Duration>) -> (JobContext, CancellationToken) {
    let ends = window.map(|window| Clock::system().now() + window);
    let project = Project::parse("shop").unwrap();
    JobContext::detached(project, "test", Window { ends, is_closed: false })
}

/// pg_repack's program, of the version that goes with the server.
pub(super) fn program(postgres: &Postgres) -> PathBuf {
    postgres.bin_dir().join("pg_repack")
}

/// Leaves what a REINDEX CONCURRENTLY leaves that has to give up.
pub(super) async fn give_up(bed: &Bed, sql: &str) {
    let holder = bed
        .client("begin isolation level repeatable read; select count(*) from o")
        .await;
    let mut hasty = bed.client("set lock_timeout = '100ms'").await;
    hasty.simple_query(sql).await.unwrap_err();
    holder.close().await;
    bed.until(
        "select count(*) from pg_stat_activity where state like 'idle in%' and datname = current_database()",
        "0",
    )
    .await;
}
