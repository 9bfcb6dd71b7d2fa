//! Input and output, checkpoints and the log, the largest tables.

use tokio::time::Instant;
use weir_proto::monitor::v1 as api;
use weir_upstream::Row;

use crate::observe::server::cells::{name, number};
use crate::observe::server::view::{Facts, View};

/// From 16 on. Until 17 it counts in blocks, of which it tells the size; from 18 on it counts bytes as well.
pub(super) fn io_question(facts: &Facts) -> Option<String> {
    let (read, written) = match facts.version {
        0..160_000 => return None,
        160_000..180_000 => ("reads * op_bytes", "writes * op_bytes"),
        _ => ("read_bytes", "write_bytes"),
    };
    Some(format!(
        "select backend_type, object, context, reads, {read} as read_bytes, read_time as read_ms, writes,
            {written} as write_bytes, write_time as write_ms, extends, hits, evictions, fsyncs
        from pg_stat_io
        where coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) + coalesce(hits, 0) + coalesce(fsyncs, 0) > 0
        limit 500"
    ))
}

pub(super) fn keep_io(view: &mut View, rows: &[Row]) {
    let io = |row: &Row| api::ServerIo {
        backend_type: name(row, "backend_type"),
        object: name(row, "object"),
        context: name(row, "context"),
        reads: number(row, "reads"),
        read_bytes: number::<f64>(row, "read_bytes") as u64,
        read_ms: number(row, "read_ms"),
        writes: number(row, "writes"),
        write_bytes: number::<f64>(row, "write_bytes") as u64,
        write_ms: number(row, "write_ms"),
        extends: number(row, "extends"),
        hits: number(row, "hits"),
        evictions: number(row, "evictions"),
        fsyncs: number(row, "fsyncs"),
    };
    view.server.io = rows.iter().map(io).collect();
}

/// Until 16 the background writer counted for the checkpointer as well.
pub(super) fn checkpoints_question(facts: &Facts) -> String {
    let columns = if facts.version < 170_000 {
        "select b.checkpoints_timed as timed, b.checkpoints_req as requested, b.checkpoint_write_time as write_ms,
            b.checkpoint_sync_time as sync_ms, b.buffers_checkpoint as written, b.buffers_clean as cleaned,
            b.maxwritten_clean as clean_stops, b.stats_reset, w.wal_bytes
        from pg_stat_bgwriter b, pg_stat_wal w"
    } else {
        "select c.num_timed as timed, c.num_requested as requested, c.write_time as write_ms, c.sync_time as sync_ms,
            c.buffers_written as written, b.buffers_clean as cleaned, b.maxwritten_clean as clean_stops, c.stats_reset,
            w.wal_bytes
        from pg_stat_checkpointer c, pg_stat_bgwriter b, pg_stat_wal w"
    };
    format!("select q.*, (extract(epoch from q.stats_reset) * 1000)::bigint as reset_ms from ({columns}) q")
}

pub(super) fn keep_checkpoints(view: &mut View, rows: &[Row], now: Instant) {
    let Some(row) = rows.first() else {
        return;
    };
    let wal_bytes = number::<f64>(row, "wal_bytes") as u64;
    let before = view.wal.replace((now, wal_bytes));
    view.server.checkpoints = Some(api::ServerCheckpoints {
        timed: number(row, "timed"),
        requested: number(row, "requested"),
        write_ms: number(row, "write_ms"),
        sync_ms: number(row, "sync_ms"),
        buffers_written: number(row, "written"),
        buffers_cleaned: number(row, "cleaned"),
        clean_stops: number(row, "clean_stops"),
        wal_bytes,
        wal_bytes_per_second: before.map_or(0.0, |before| pace(before, (now, wal_bytes))),
        reset_unix_ms: number(row, "reset_ms"),
    });
}

/// After a reset there is nothing to compare with.
fn pace(before: (Instant, u64), after: (Instant, u64)) -> f64 {
    let seconds = after.0.duration_since(before.0).as_secs_f64();
    let moved = after.1.checked_sub(before.1);
    moved
        .filter(|_| seconds > 0.0)
        .map_or(0.0, |moved| moved as f64 / seconds)
}

/// Asking a table for its size opens it. So the largest are chosen by what the catalogue estimates, and only those are
/// asked; one that somebody holds, or waits for, alone is described by the estimate.
pub(super) const RELATIONS: &str = "
    with held as materialized (
        select relation from pg_locks where mode = 'AccessExclusiveLock' and locktype = 'relation'
            and database = (select oid from pg_database where datname = current_database())),
    largest as materialized (
        select c.oid, n.nspname || '.' || c.relname as relation, c.reltuples,
            c.relpages::bigint * current_setting('block_size')::bigint as estimate,
            c.oid in (select relation from held) as is_held
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm') and c.relpersistence <> 't'
        order by greatest(c.relpages::bigint * current_setting('block_size')::bigint, pg_stat_get_live_tuples(c.oid) * 64) desc
        limit 30)
    select relation, reltuples as rows, case when is_held then estimate else pg_total_relation_size(oid) end as total_bytes,
        case when is_held then estimate else pg_table_size(oid) end as table_bytes
    from largest order by 3 desc nulls last limit 20";

pub(super) fn keep_relations(view: &mut View, rows: &[Row]) {
    let relation = |row: &Row| api::ServerRelation {
        relation: name(row, "relation"),
        total_bytes: number(row, "total_bytes"),
        table_bytes: number(row, "table_bytes"),
        rows: number(row, "rows"),
    };
    view.server.relations = rows.iter().map(relation).collect();
}
