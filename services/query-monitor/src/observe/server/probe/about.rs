//! What a server is, what the monitor may see of it, and how it is set.

use weir_proto::monitor::v1 as api;
use weir_upstream::Row;

use super::Probe;
use crate::observe::server::cells::{flag, name, number};
use crate::observe::server::view::View;

/// The directory is asked for only where it may be known: asking for it is an error otherwise.
pub(super) const FACTS: &str = "
    select current_setting('server_version_num') as version_num, pg_is_in_recovery() as is_standby,
        (extract(epoch from pg_postmaster_start_time()) * 1000)::bigint as started_ms,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0) as connections_max,
        pg_has_role('pg_read_all_stats', 'usage') as sees_stats,
        pg_has_role('pg_read_all_settings', 'usage') as sees_settings,
        case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory') end as data_directory,
        quote_ident(n.nspname) as statements_in,
        string_to_array(e.extversion, '.')::int[] >= '{1,8}' as has_times
    from (select 1) as one
        left join (pg_extension e join pg_namespace n on n.oid = e.extnamespace) on e.extname = 'pg_stat_statements'";

/// Whatever may hold a password stays where it is, and so do settings of the user's own (with a dot), of which nobody
/// knows what they hold.
pub(super) const SETTINGS: &str = r"
    select name, unit, source, source in ('default', 'override') as is_default, pending_restart,
        case when name ~ '(command|conninfo|password|passphrase|secret|krb|ldap)'
            or (name like '%.%' and name !~ '^(pg_stat_statements|auto_explain)\.') then null else left(setting, 500) end as value
    from pg_settings
    where source not in ('default', 'override', 'client', 'session') or pending_restart or name in (
        'shared_buffers', 'effective_cache_size', 'work_mem', 'maintenance_work_mem', 'max_connections',
        'max_wal_size', 'checkpoint_timeout', 'checkpoint_completion_target', 'random_page_cost',
        'effective_io_concurrency', 'default_statistics_target', 'autovacuum', 'autovacuum_max_workers',
        'autovacuum_vacuum_cost_limit', 'autovacuum_freeze_max_age', 'max_parallel_workers', 'max_worker_processes',
        'wal_level', 'max_wal_senders', 'synchronous_commit', 'fsync', 'full_page_writes', 'track_io_timing',
        'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'huge_pages', 'wal_compression',
        'max_slot_wal_keep_size')
    order by name limit 500";

pub(super) fn keep(view: &mut View, rows: &[Row]) {
    let Some(row) = rows.first() else {
        return;
    };
    let facts = &mut view.facts;
    facts.version = number(row, "version_num");
    facts.is_standby = flag(row, "is_standby");
    facts.data_directory = row.get("data_directory").map(str::to_owned);
    let extension = row.get("statements_in").filter(|_| flag(row, "has_times"));
    facts.statements_in = extension.map(str::to_owned);
    view.server.is_standby = facts.is_standby;
    view.server.started_unix_ms = number(row, "started_ms");
    view.server.connections_max = number(row, "connections_max");
    view.misses(Probe::About, missing(row));
}

fn missing(row: &Row) -> Vec<String> {
    let mut missing = Vec::new();
    if !flag(row, "sees_stats") {
        let what = "the role is no member of pg_read_all_stats (or pg_monitor): of sessions, statements and replication it sees its own only";
        missing.push(what.to_owned());
    }
    if !flag(row, "sees_settings") {
        let what = "the role is no member of pg_read_all_settings (or pg_monitor): some settings and the data directory stay hidden";
        missing.push(what.to_owned());
    }
    match (row.get("statements_in"), flag(row, "has_times")) {
        (None, _) => missing.push("the extension pg_stat_statements is not in this database".to_owned()),
        (Some(_), false) => missing.push("the extension pg_stat_statements is older than 1.8; update it".to_owned()),
        (Some(_), true) => {}
    }
    missing
}

pub(super) fn keep_settings(view: &mut View, rows: &[Row]) {
    let setting = |row: &Row| api::ServerSetting {
        name: name(row, "name"),
        value: row.get("value").unwrap_or_default().to_owned(),
        unit: name(row, "unit"),
        source: name(row, "source"),
        is_default: flag(row, "is_default"),
        is_pending_restart: flag(row, "pending_restart"),
    };
    view.server.settings = rows.iter().map(setting).collect();
}
