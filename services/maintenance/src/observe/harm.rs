//! What our statements do to others at this moment: clients that wait for their locks, replicas that fall behind.

use std::collections::BTreeSet;
use std::time::Duration;

use weir_upstream::{Connection, Error, Row};

use crate::plan::{Replica, Waiting};

/// Whose statements are watched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ours {
    /// Server processes.
    pub pids: BTreeSet<i32>,
    /// Sessions that call themselves so, such as those that a program of ours opens by itself.
    pub name: String,
}

impl Ours {
    /// The clients that wait for a lock that one of ours holds, or waits for in front of them.
    ///
    /// `pg_blocking_pids` stops every lock on the server for a moment, so only those that wait are asked for. It names
    /// the leaders of parallel workers. What is not shown to our role is taken for a client; Weir's own sessions and
    /// the server's are none.
    fn question(&self) -> String {
        let pids: Vec<String> = self.pids.iter().map(i32::to_string).collect();
        let pids = format!("'{{{}}}'::int[]", pids.join(","));
        let name = self.name.replace('\\', r"\\").replace('\'', "''");
        format!(
            "with waiting as materialized (
                select pid, mode, locktype, relation, database, waitstart from pg_locks where not granted),
            ours as materialized (
                select coalesce(array_agg(pid), {pids}) || {pids} as pids from pg_stat_activity
                where pid = any({pids}) or leader_pid = any({pids}) or application_name = E'{name}')
            select w.pid, coalesce(a.application_name, '') as application, w.mode,
                case when w.database = (select oid from pg_database where datname = current_database())
                    then coalesce(w.relation::regclass::text, w.locktype) else w.locktype end as object,
                coalesce((extract(epoch from clock_timestamp() - w.waitstart) * 1000)::bigint, 0) as waited_ms
            from waiting w join pg_stat_activity a on a.pid = w.pid, ours
            where coalesce(a.backend_type, 'client backend') in ('client backend', 'parallel worker')
                and a.usesysid is not null and coalesce(a.application_name, '') not like 'weir-maint/%'
                and pg_blocking_pids(w.pid) && ours.pids"
        )
    }
}

/// How far each replica is behind. Nothing where this server is one itself, and where our role may not know.
const REPLICAS: &str = "
    select coalesce(nullif(application_name, ''), client_addr::text, pid::text) as name,
        coalesce((extract(epoch from replay_lag) * 1000)::bigint, 0) as lag_ms,
        coalesce(greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint, 0) as lag_bytes
    from pg_stat_replication where not pg_is_in_recovery() and state = 'streaming'";

/// The clients that ours make wait.
pub(crate) async fn waiting(connection: &mut Connection, ours: &Ours) -> Result<Vec<Waiting>, Error> {
    let rows = connection.simple_query(&ours.question()).await?;
    rows.iter().map(client).collect()
}

fn client(row: &Row) -> Result<Waiting, Error> {
    let (mode, object) = (row.text("mode")?, row.text("object")?);
    let article = if mode.starts_with(['A', 'E']) { "an" } else { "a" };
    Ok(Waiting {
        pid: row.parse("pid")?,
        application: row.text("application")?.to_owned(),
        waited: millis(row, "waited_ms")?,
        lock: format!("{article} {mode} on {object}"),
    })
}

/// How far the replicas are behind.
pub(crate) async fn replicas(connection: &mut Connection) -> Result<Vec<Replica>, Error> {
    let rows = connection.simple_query(REPLICAS).await?;
    let replica = |row: &Row| {
        Ok(Replica {
            name: row.text("name")?.to_owned(),
            lag: millis(row, "lag_ms")?,
            bytes: row.parse("lag_bytes")?,
        })
    };
    rows.iter().map(replica).collect()
}

fn millis(row: &Row, column: &str) -> Result<Duration, Error> {
    let ms: i64 = row.parse(column)?;
    Ok(Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}
