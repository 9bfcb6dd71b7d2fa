//! Databases: counters, ages of transaction ids, sizes.

use tokio::time::Instant;
use weir_proto::monitor::v1 as api;
use weir_upstream::Row;

use super::Probe;
use crate::observe::server::cells::{maybe, name, number};
use crate::observe::server::rates::{Counters, Track};
use crate::observe::server::view::View;

/// Below these numbers of transaction ids the server refuses all that needs a new one: 2^31 less what PostgreSQL keeps
/// for the rescue, which is three million since version 14.
const IDS: f64 = 2_147_483_648.0 - 3_000_000.0;

pub(super) const COUNTERS: &str = "
    select d.datname as database, s.numbackends as sessions, s.xact_commit, s.xact_rollback, s.blks_read, s.blks_hit,
        s.deadlocks, s.temp_files, s.temp_bytes, s.conflicts, (extract(epoch from s.stats_reset) * 1000)::bigint as reset_ms,
        age(d.datfrozenxid) as xid_age, mxid_age(d.datminmxid) as mxid_age
    from pg_database d left join pg_stat_database s on s.datid = d.oid
    order by s.xact_commit desc nulls last limit 200";

/// What is stored out of line goes by the name of its table.
pub(super) const AGES: &str = "
    select n.nspname || '.' || coalesce(o.relname, t.relname) as table, xid_age, mxid_age,
        t.relpages::bigint * current_setting('block_size')::bigint as size_bytes
    from (select oid, relname, relnamespace, relpages, age(relfrozenxid) as xid_age, mxid_age(relminmxid) as mxid_age
            from pg_class where relkind in ('r', 'm', 't') and relfrozenxid <> 0
            order by greatest(age(relfrozenxid), mxid_age(relminmxid)) desc limit 10) t
        left join pg_class o on o.reltoastrelid = t.oid
        join pg_namespace n on n.oid = coalesce(o.relnamespace, t.relnamespace)
    order by greatest(xid_age, mxid_age) desc";

pub(super) const SIZES: &str = "
    select datname as database, case when has_database_privilege(oid, 'connect') or pg_has_role('pg_read_all_stats', 'usage')
        then pg_database_size(oid) end as size_bytes
    from pg_database order by datname limit 1000";

pub(super) fn keep(view: &mut View, rows: &[Row], now: Instant) {
    let mut tracks = std::mem::take(&mut view.tracks);
    let mut databases = Vec::with_capacity(rows.len());
    for row in rows {
        let database = name(row, "database");
        let mut track = tracks.remove(&database).unwrap_or_default();
        track.add(now, counters(row));
        databases.push(api::ServerDatabase {
            size_bytes: view.sizes.get(&database).copied().unwrap_or_default(),
            ..figures(row, &database, &track)
        });
        view.tracks.insert(database, track);
    }
    databases.sort_by(|left, right| left.database.cmp(&right.database));
    view.server.databases = databases;
}

fn counters(row: &Row) -> Counters {
    Counters {
        commits: number(row, "xact_commit"),
        rollbacks: number(row, "xact_rollback"),
        blocks_hit: number(row, "blks_hit"),
        blocks_read: number(row, "blks_read"),
        temp_bytes: number(row, "temp_bytes"),
        deadlocks: number(row, "deadlocks"),
        reset_unix_ms: number(row, "reset_ms"),
    }
}

fn figures(row: &Row, database: &str, track: &Track) -> api::ServerDatabase {
    let rates = track.rates().unwrap_or_default();
    let (xid_age, mxid_age): (u64, u64) = (number(row, "xid_age"), number(row, "mxid_age"));
    api::ServerDatabase {
        database: database.to_owned(),
        sessions: number(row, "sessions"),
        commits_per_second: rates.commits,
        rollbacks_per_second: rates.rollbacks,
        buffer_hit_ratio: track.hit_ratio().unwrap_or(-1.0),
        blocks_read_per_second: rates.blocks_read,
        blocks_hit_per_second: rates.blocks_hit,
        deadlocks_total: number(row, "deadlocks"),
        deadlocks_lately: track.deadlocks(),
        temp_files_total: number(row, "temp_files"),
        temp_bytes_per_second: rates.temp_bytes,
        transaction_id_age: xid_age,
        multixact_id_age: mxid_age,
        wraparound_ratio: xid_age.max(mxid_age) as f64 / IDS,
        reset_unix_ms: number(row, "reset_ms"),
        resets_seen: track.resets,
        conflicts_total: number(row, "conflicts"),
        commits_total: number(row, "xact_commit"),
        rollbacks_total: number(row, "xact_rollback"),
        size_bytes: 0,
    }
}

pub(super) fn keep_ages(view: &mut View, rows: &[Row]) {
    let table = |row: &Row| api::ServerTableAge {
        table: name(row, "table"),
        transaction_id_age: number(row, "xid_age"),
        multixact_id_age: number(row, "mxid_age"),
        size_bytes: number(row, "size_bytes"),
    };
    view.server.oldest_tables = rows.iter().map(table).collect();
}

pub(super) fn keep_sizes(view: &mut View, rows: &[Row]) {
    let size = |row: &Row| Some((name(row, "database"), maybe(row, "size_bytes")?));
    view.sizes = rows.iter().filter_map(size).collect();
    for database in &mut view.server.databases {
        database.size_bytes = view.sizes.get(&database.database).copied().unwrap_or_default();
    }
    let hidden = rows.iter().filter(|row| row.get("size_bytes").is_none()).count();
    let said = (hidden > 0).then(|| format!("the sizes of {hidden} databases are not for this role to see"));
    view.misses(Probe::Sizes, said);
}
