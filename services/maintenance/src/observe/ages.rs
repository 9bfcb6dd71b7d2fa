//! How old the oldest rows of a database are, and where the server's counters of ids stand: one question for all.
//!
//! A question waits for no table, so that it is answered whatever happens to one of them.

use weir_upstream::{Connection, Row};

use crate::error::Error;
use crate::plan::TableName;
use crate::plan::ages::{Apart, HeapAge, Ids, Limit, PerIds, ServerAges, TableAge};
use crate::plan::rate::Reading;

/// Members of multixacts in one file of their directory: 32 pages of 409 groups of four.
const MEMBERS_PER_FILE: u64 = 32 * 409 * 4;
/// The first version that counts frozen pages.
const COUNTS_FROZEN: u32 = 18;

/// `age()` of ids ends at 31 bits; `mxid_age('1')` counts from the first group that ever was, and tells the next one.
const SERVER: &str = "
    set local search_path = pg_catalog, pg_temp;
    select 'server' as fact, current_database() as database, pg_is_in_recovery() as is_standby,
        (select system_identifier from pg_control_system()) as cluster,
        current_setting('block_size') as block_bytes,
        pg_snapshot_xmax(pg_current_snapshot())::text as next_xid,
        (mxid_age('1'::xid)::bigint + 1 + 4294967296) % 4294967296 as next_mxid,
        (select max(age(datfrozenxid)) from pg_database) as server_xid_age,
        (select max(mxid_age(datminmxid)) from pg_database) as server_mxid_age,
        age(d.datfrozenxid) as xid_age, mxid_age(d.datminmxid) as mxid_age,
        current_setting('autovacuum_freeze_max_age') as xid_freeze_max,
        current_setting('autovacuum_multixact_freeze_max_age') as mxid_freeze_max,
        current_setting('vacuum_failsafe_age') as xid_failsafe,
        current_setting('vacuum_multixact_failsafe_age') as mxid_failsafe,
        has_function_privilege('pg_ls_dir(text)', 'execute') as may_list,
        greatest(
            (select max(greatest(age(a.backend_xid), age(a.backend_xmin))) from pg_stat_activity a
                where a.pid <> pg_backend_pid() and (a.datid = d.oid or a.backend_type = 'walsender')
                    and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid)),
            (select max(age(transaction)) from pg_prepared_xacts where database = d.datname),
            (select max(age(xmin)) from pg_replication_slots), 0) as horizon_age
    from pg_database d where d.datname = current_database();";

/// Nobody who may not is asked to: the right is looked at before any row is.
const MEMBER_FILES: &str = "select pg_catalog.count(*) as files from pg_catalog.pg_ls_dir('pg_multixact/members')";

/// The size of a table that was never vacuumed is asked for, unless somebody holds it for himself alone.
///
/// A table's own settings can only lower the server's. TOAST has settings of its own, or all those of its table.
const TABLES: &str = "
    with server as materialized (
        select current_setting('autovacuum_freeze_max_age')::bigint as xid,
            current_setting('autovacuum_multixact_freeze_max_age')::bigint as mxid),
    held as materialized (
        select relation from pg_locks where mode = 'AccessExclusiveLock' and locktype = 'relation'
            and database = (select oid from pg_database where datname = current_database())),
    guarded as materialized (
        select l.relation from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where l.locktype = 'relation' and l.mode = 'ShareUpdateExclusiveLock' and a.backend_type = 'autovacuum worker'
            and a.datname = current_database() and a.query like '%(to prevent wraparound)'),
    ages as (
        select n.nspname as schema, c.relname as name, c.relpersistence = 't' as is_temporary,
            n.nspname like 'pg\\_%' or n.nspname like 'weir\\_%' or n.nspname = 'information_schema' as is_system,
            age(c.relfrozenxid) as xid_age, mxid_age(c.relminmxid) as mxid_age, c.relpages as pages,
            {heap_frozen} as pages_frozen, t.oid is not null as has_toast,
            age(t.relfrozenxid) as toast_xid_age, mxid_age(t.relminmxid) as toast_mxid_age, t.relpages as toast_pages,
            {toast_frozen} as toast_pages_frozen,
            least(s.xid, (select option_value::bigint from pg_options_to_table(c.reloptions)
                where option_name = 'autovacuum_freeze_max_age')) as xid_limit,
            least(s.mxid, (select option_value::bigint from pg_options_to_table(c.reloptions)
                where option_name = 'autovacuum_multixact_freeze_max_age')) as mxid_limit,
            least(s.xid, (select option_value::bigint from pg_options_to_table(coalesce(t.reloptions, c.reloptions))
                where option_name = 'autovacuum_freeze_max_age')) as toast_xid_limit,
            least(s.mxid, (select option_value::bigint from pg_options_to_table(coalesce(t.reloptions, c.reloptions))
                where option_name = 'autovacuum_multixact_freeze_max_age')) as toast_mxid_limit,
            c.oid in (select relation from guarded) or coalesce(t.oid in (select relation from guarded), false)
                as has_autovacuum,
            c.oid
        from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_class t on t.oid = c.reltoastrelid
            cross join server s
        where c.relkind in ('r', 'm') and c.relfrozenxid <> '0'),
    worst as (
        select * from ages order by greatest(xid_age::float8 / xid_limit, mxid_age::float8 / mxid_limit,
            coalesce(toast_xid_age::float8 / toast_xid_limit, 0), coalesce(toast_mxid_age::float8 / toast_mxid_limit, 0)) desc,
            oid limit {limit})
    select 'table' as fact, w.*,
        case when pages <= 0 and oid not in (select relation from held) then coalesce(pg_relation_size(oid), 0) end
            as new_bytes,
        (select coalesce(sum(x.relpages), 0) from pg_index i join pg_class x on x.oid = i.indexrelid
            where i.indrelid = w.oid) as index_pages
    from worst w";

/// What is known of one database at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Census {
    pub server: ServerAges,
    /// The tables that used up most of what they may, the worst first.
    pub tables: Vec<TableAge>,
}

impl Census {
    /// What is remembered of it, to tell the pace by.
    pub(crate) fn reading(&self, at_ms: i64) -> Reading {
        let horizon_age = self.server.horizon_age;
        Reading {
            at_ms,
            xid: self.server.next.transactions,
            mxid: u32::try_from(self.server.next.multixacts).unwrap_or_default(),
            horizon: (horizon_age > 0).then(|| self.server.next.transactions.saturating_sub(horizon_age)),
        }
    }
}

/// Asks for the ages of a database and of its worst tables, at most so many.
pub(crate) async fn ages(connection: &mut Connection, tables_max: u32) -> Result<Census, Error> {
    let question = question(version(connection), tables_max);
    let rows = connection.simple_query(&question).await?;
    let (mut server, mut may_list, mut tables) = (None, false, Vec::new());
    for row in &rows {
        match row.get("fact") {
            Some("server") => {
                may_list = row.flag("may_list")?;
                server = Some(server_ages(row)?);
            }
            Some("table") => tables.push(row),
            _ => {}
        }
    }
    let mut server = server.ok_or(weir_upstream::Error::Column {
        column: "fact".to_owned(),
        reason: "says nothing of the server",
    })?;
    if may_list {
        let rows = connection.simple_query(MEMBER_FILES).await?;
        let files: Option<u64> = rows.first().map(|row| count(row, "files")).transpose()?;
        server.members = files.map(|files| files * MEMBERS_PER_FILE);
    }
    let tables = tables.into_iter().map(|row| table_age(row, &server));
    Ok(Census {
        tables: tables.collect::<Result<_, _>>()?,
        server,
    })
}

/// The server's major version.
pub(crate) fn version(connection: &Connection) -> u32 {
    let text = connection.parameter("server_version").unwrap_or_default();
    let digits = text.split(|character: char| !character.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn question(version: u32, tables_max: u32) -> String {
    let [heap, toast] = if version >= COUNTS_FROZEN {
        ["c.relallfrozen", "coalesce(t.relallfrozen, 0)"]
    } else {
        ["0", "0"]
    };
    let tables = TABLES
        .replace("{heap_frozen}", heap)
        .replace("{toast_frozen}", toast)
        .replace("{limit}", &tables_max.to_string());
    format!("{SERVER}{tables}")
}

fn server_ages(row: &Row) -> Result<ServerAges, Error> {
    Ok(ServerAges {
        cluster: row.text("cluster")?.to_owned(),
        database: row.text("database")?.to_owned(),
        next: pair(row, "next_xid", "next_mxid")?,
        age: pair(row, "xid_age", "mxid_age")?,
        server_age: pair(row, "server_xid_age", "server_mxid_age")?,
        freeze_max: pair(row, "xid_freeze_max", "mxid_freeze_max")?,
        failsafe: pair(row, "xid_failsafe", "mxid_failsafe")?,
        horizon_age: count(row, "horizon_age")?,
        members: None,
        block_bytes: count(row, "block_bytes")?,
        is_standby: row.flag("is_standby")?,
    })
}

fn table_age(row: &Row, server: &ServerAges) -> Result<TableAge, Error> {
    let new_bytes: Option<u64> = row.get("new_bytes").and_then(|bytes| bytes.parse().ok());
    let heap = HeapAge {
        age: pair(row, "xid_age", "mxid_age")?,
        limit: limits(pair(row, "xid_limit", "mxid_limit")?, server),
        pages: count(row, "pages")? + new_bytes.unwrap_or_default() / server.block_bytes.max(1),
        pages_frozen: count(row, "pages_frozen")?,
    };
    let toast = row.flag("has_toast")?.then(|| toast_age(row, server)).transpose()?;
    let pages = heap.pages + toast.map_or(0, |toast| toast.pages);
    Ok(TableAge {
        table: TableName {
            schema: row.text("schema")?.to_owned(),
            name: row.text("name")?.to_owned(),
        },
        heap,
        toast,
        size_bytes: pages * server.block_bytes,
        index_bytes: count(row, "index_pages")? * server.block_bytes,
        apart: apart(row)?,
        has_autovacuum: row.flag("has_autovacuum")?,
    })
}

fn toast_age(row: &Row, server: &ServerAges) -> Result<HeapAge, Error> {
    Ok(HeapAge {
        age: pair(row, "toast_xid_age", "toast_mxid_age")?,
        limit: limits(pair(row, "toast_xid_limit", "toast_mxid_limit")?, server),
        pages: count(row, "toast_pages")?,
        pages_frozen: count(row, "toast_pages_frozen")?,
    })
}

/// Members that take much room lower what every table is allowed.
fn limits(own: PerIds<u64>, server: &ServerAges) -> PerIds<u64> {
    PerIds {
        transactions: own.transactions,
        multixacts: own.multixacts.min(server.limit(Ids::Multixacts, Limit::Autovacuum)),
    }
}

fn apart(row: &Row) -> Result<Option<Apart>, Error> {
    Ok(match (row.flag("is_temporary")?, row.flag("is_system")?) {
        (true, _) => Some(Apart::Temporary),
        (_, true) => Some(Apart::System),
        _ => None,
    })
}

fn pair(row: &Row, transactions: &str, multixacts: &str) -> Result<PerIds<u64>, Error> {
    Ok(PerIds {
        transactions: count(row, transactions)?,
        multixacts: count(row, multixacts)?,
    })
}

/// Ages that lie in the future for a moment, and pages that were never counted, are none.
fn count(row: &Row, column: &str) -> Result<u64, Error> {
    let number: i64 = row.parse(column)?;
    Ok(u64::try_from(number).unwrap_or_default())
}

#[cfg(test)]
mod tests;
