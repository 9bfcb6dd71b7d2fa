//! Who keeps old rows from being removed, and who has a transaction open that rewrites wait for. The texts of queries are
//! never asked for.

use std::time::Duration;

use weir_upstream::{Connection, Row};

use crate::error::Error;
use crate::plan::gates::{Holder, Holding};

/// Everybody with an open transaction or a claim to old rows, in the whole cluster, and whether they hold a lock on one
/// relation. VACUUM is left out, as nobody waits for it and it holds nothing.
const HOLDERS: &str = "
    with held as materialized (
        select l.pid, l.virtualtransaction from pg_catalog.pg_locks l
        where l.locktype = 'relation' and l.relation = $RELATION and l.granted
            and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())),
    prepared as materialized (
        select t.transactionid from pg_catalog.pg_locks t join held on held.virtualtransaction = t.virtualtransaction
        where t.locktype = 'transactionid' and t.pid is null and held.pid is null)
    select 'transaction' as kind, a.pid::text as name, a.usename, a.application_name, a.datname,
        a.state like 'idle%' as is_idle, a.datname = pg_catalog.current_database() as is_here,
        a.pid in (select pid from held where pid is not null) as has_lock, a.backend_type = 'autovacuum worker' as is_autovacuum,
        pg_catalog.age(a.backend_xid) as xid_age, pg_catalog.age(a.backend_xmin) as xmin_age, null::int as catalog_age,
        (extract(epoch from pg_catalog.clock_timestamp() - a.xact_start) * 1000)::bigint as open_ms
    from pg_catalog.pg_stat_activity a
    where a.pid <> pg_catalog.pg_backend_pid() and a.backend_type <> 'walsender'
        and (a.xact_start is not null or a.backend_xid is not null or a.backend_xmin is not null)
        and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = a.pid)
    union all
    select 'prepared', p.gid, p.owner, '', p.database, false, p.database = pg_catalog.current_database(),
        p.transaction in (select transactionid from prepared), false,
        pg_catalog.age(p.transaction), null, null,
        (extract(epoch from pg_catalog.clock_timestamp() - p.prepared) * 1000)::bigint
    from pg_catalog.pg_prepared_xacts p
    union all
    select 'slot', s.slot_name, '', coalesce(s.plugin, ''), s.database, not s.active, true, false, false, null,
        pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin), null
    from pg_catalog.pg_replication_slots s where s.xmin is not null or s.catalog_xmin is not null
    union all
    select 'standby', coalesce(r.client_addr::text, 'a socket'), r.usename, r.application_name, null, false, true, false, false,
        null, pg_catalog.age(r.backend_xmin), null, null
    from pg_catalog.pg_stat_replication r where r.backend_xmin is not null";

/// Everybody in the cluster who may hold something. With the number of a table: who has a lock on it, too.
pub(crate) async fn holders(connection: &mut Connection, table: Option<u32>) -> Result<Vec<Holder>, Error> {
    let sql = HOLDERS.replace("$RELATION", &table.unwrap_or(0).to_string());
    let rows = connection.simple_query(&sql).await?;
    rows.iter().map(holder).collect()
}

fn holder(row: &Row) -> Result<Holder, Error> {
    let text = |column: &str| row.get(column).unwrap_or_default().to_owned();
    let holding = match row.text("kind")? {
        "prepared" => Holding::Prepared,
        "slot" => Holding::Slot,
        "standby" => Holding::Standby,
        _ => Holding::Transaction,
    };
    let is = |column: &str| row.get(column) == Some("t");
    Ok(Holder {
        holding,
        name: text("name"),
        user: text("usename"),
        application: text("application_name"),
        database: text("datname"),
        is_here: is("is_here"),
        is_idle: is("is_idle"),
        has_lock: is("has_lock"),
        is_autovacuum: is("is_autovacuum"),
        xid_age: number(row, "xid_age"),
        xmin_age: number(row, "xmin_age"),
        catalog_age: number(row, "catalog_age"),
        open: number(row, "open_ms").map(Duration::from_millis),
    })
}

/// A number that is never negative, unless a clock was set back.
pub(super) fn number(row: &Row, column: &str) -> Option<u64> {
    row.get(column)?
        .parse::<i64>()
        .ok()
        .map(|number| number.max(0).unsigned_abs())
}
