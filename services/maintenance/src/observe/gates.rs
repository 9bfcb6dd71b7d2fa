//! What has to hold before work begins: facts of the server and of one relation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_upstream::{Connection, Row, Target};

use super::horizon::{self, number};
use crate::error::Error;
use crate::plan::gates::{Gates, Replica};

/// The server as a whole, and an autovacuum that keeps numbers from running out on one table: only the text that it
/// shows tells it from another, and no user can have one of that kind.
const SERVER: &str = "
    select pg_catalog.pg_is_in_recovery() as is_standby,
        (select pg_catalog.count(*) from pg_catalog.pg_stat_activity a where a.backend_type is null) as hidden,
        (select last_failed_wal from pg_catalog.pg_stat_archiver
         where last_failed_time > coalesce(last_archived_time, '-infinity'::timestamptz)
            and pg_catalog.current_setting('archive_mode') <> 'off') as archiver,
        (select a.pid from pg_catalog.pg_stat_progress_vacuum v join pg_catalog.pg_stat_activity a on a.pid = v.pid
         where v.relid = $RELATION and v.datname = pg_catalog.current_database() and a.backend_type = 'autovacuum worker'
            and a.query like '%(to prevent wraparound)%' limit 1) as freezing_pid";

/// Streaming standbys. A logical one replays when it likes; its slot holds the log, which is another gate's business.
const REPLICAS: &str = "
    select application_name,
        coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(),
            coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn)), 0)::bigint as behind_bytes,
        (extract(epoch from replay_lag) * 1000)::bigint as behind_ms
    from pg_catalog.pg_stat_replication where state <> 'backup' and pg_catalog.pg_is_in_recovery() = false";

/// Where a relation lies. `changed` tells whether a directory of that path on this machine is the server's own.
const PLACE: &str = "
    select pg_catalog.current_setting('data_directory', true) as directory,
        extract(epoch from (pg_catalog.pg_stat_file('.')).modification)::bigint as changed,
        coalesce((select pg_catalog.pg_tablespace_location(c.reltablespace) from pg_catalog.pg_class c
            where c.oid = $RELATION and c.reltablespace <> 0), '') as tablespace";

/// Everything that is known now, for work on one table. Free space is known where the server runs on this machine.
pub(crate) async fn gates(connection: &mut Connection, target: &Target, table: u32) -> Result<Gates, Error> {
    let relation = table.to_string();
    let rows = connection.simple_query(&SERVER.replace("$RELATION", &relation)).await?;
    let server = rows.first();
    let text = |column: &str| server.and_then(|row| row.get(column)).map(str::to_owned);
    let is_standby = text("is_standby").as_deref() == Some("t");
    let replicas = if is_standby {
        Vec::new()
    } else {
        connection.simple_query(REPLICAS).await?
    };
    Ok(Gates {
        is_standby,
        hidden: server.and_then(|row| number(row, "hidden")).unwrap_or_default(),
        archiver: text("archiver"),
        freezing_pid: text("freezing_pid"),
        replicas: replicas.iter().map(replica).collect(),
        holders: horizon::holders(connection, Some(table)).await?,
        free_bytes: free_bytes(connection, target, &relation).await,
    })
}

fn replica(row: &Row) -> Replica {
    Replica {
        name: row.get("application_name").unwrap_or_default().to_owned(),
        behind_bytes: number(row, "behind_bytes").unwrap_or_default(),
        behind: number(row, "behind_ms").map(Duration::from_millis),
    }
}

/// Free bytes where a relation lies; unknown where the server is elsewhere or does not let this role see where it is.
async fn free_bytes(connection: &mut Connection, target: &Target, relation: &str) -> Option<u64> {
    if !is_local(target.host()) {
        return None;
    }
    let rows = connection
        .simple_query(&PLACE.replace("$RELATION", relation))
        .await
        .ok()?;
    let row = rows.first()?;
    let directory = PathBuf::from(row.get("directory")?);
    // A tunnel or a container looks local, too: then this is somebody else's directory, or none.
    let changed = modified(&directory)?;
    if Some(changed) != row.get("changed")?.parse().ok() {
        return None;
    }
    let tablespace = row.get("tablespace").filter(|path| !path.is_empty()).map(PathBuf::from);
    free_at(tablespace.as_ref().unwrap_or(&directory))
}

fn is_local(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn modified(path: &Path) -> Option<i64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|metadata| metadata.mtime())
}

/// What an ordinary user can still write there.
fn free_at(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}
