//! What earlier rewrites may have left in a database: facts of it. Reads only the catalogue, so that a table which
//! somebody holds keeps nothing from being seen.

use weir_upstream::{Connection, Row};

use crate::error::Error;
use crate::plan::leftovers::{IndexFacts, RepackFacts};

/// Every index of a table that has an invalid one. The definition is what makes two indexes the same, apart from their
/// names; `pg_get_indexdef` would say it in words, but waits for the table's lock.
///
/// Whoever builds or drops an index concurrently holds the table, and mostly the index, in one of these modes all the
/// time; so does VACUUM.
const INDEXES: &str = "
    with here as materialized (
        select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()),
    busy as materialized (
        select distinct l.relation from pg_catalog.pg_locks l, here
        where l.locktype = 'relation' and l.database = here.oid and l.granted
            and l.pid is distinct from pg_catalog.pg_backend_pid()
            and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
    select c.oid, n.nspname, c.relname, pg_catalog.octet_length(c.relname::text) as name_bytes, i.indrelid,
        coalesce(pn.nspname || '.' || p.relname, n.nspname || '.' || t.relname) as of_table,
        i.indisvalid,
        i.indisprimary or i.indisreplident or c.relispartition or exists (
            select from pg_catalog.pg_constraint k where k.conindid = c.oid and k.contype in ('p', 'u', 'x')) as is_needed,
        c.oid in (select relation from busy) or i.indrelid in (select relation from busy) as is_busy,
        pg_catalog.concat_ws('|', c.relam, i.indnatts, i.indnkeyatts, i.indisunique,
            pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct', i.indkey::text, i.indclass::text, i.indcollation::text,
            i.indoption::text, 'e' || pg_catalog.regexp_replace(i.indexprs::text, $PLACES, '', 'g'),
            'p' || pg_catalog.regexp_replace(i.indpred::text, $PLACES, '', 'g'), c.reloptions::text,
            (select pg_catalog.string_agg(coalesce(a.attoptions::text, ''), ',' order by a.attnum)
             from pg_catalog.pg_attribute a where a.attrelid = c.oid)) as definition
    from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid and c.relkind = 'i'
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_class t on t.oid = i.indrelid and t.relpersistence <> 't'
        left join pg_catalog.pg_class p on p.reltoastrelid = t.oid and t.relkind = 't'
        left join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
    where i.indrelid in (select x.indrelid from pg_catalog.pg_index x where not x.indisvalid)
        and coalesce(pn.nspname, n.nspname) not like 'pg\\_%'
        and coalesce(pn.nspname, n.nspname) not like 'weir\\_%'
        and coalesce(pn.nspname, n.nspname) <> 'information_schema'
    order by 2, 3";

/// Whether pg_repack's extension is there; its schema has always this name. A schema of that name without the extension
/// is a user's.
const REPACK: &str = "
    select n.oid from pg_catalog.pg_namespace n
        join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e'
        join pg_catalog.pg_extension e on e.oid = d.refobjid and d.refclassid = 'pg_catalog.pg_extension'::regclass
    where n.nspname = 'repack' and e.extname = 'pg_repack'";

/// What pg_repack made and did not remove, by the number of the table. It holds an advisory lock on that number for as
/// long as it works, and makes the trigger, the log and its key in one transaction.
const REPACKED: &str = "
    with things as (
        select pg_catalog.substring(c.relname::text, '_([0-9]{1,10})$')::bigint as of_oid,
            c.relkind = 'r' and c.relname like 'log%' and exists (
                select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'pk') as has_log,
            c.relkind = 'r' and c.relname like 'table%' as has_copy,
            c.relkind = 'c' as has_key, false as has_trigger
        from pg_catalog.pg_class c
        where c.relnamespace = $NAMESPACE and c.relkind in ('r', 'c')
            and c.relname ~ '^(log|table|pk)_[1-9][0-9]{0,9}$' and (c.relkind = 'c') = (c.relname like 'pk%')
        union all
        select g.tgrelid::bigint, false, false, false, true
        from pg_catalog.pg_trigger g join pg_catalog.pg_proc f on f.oid = g.tgfoid
        where g.tgname = 'repack_trigger' and f.proname = 'repack_trigger' and f.pronamespace = $NAMESPACE)
    select of_oid, n.nspname, t.relname, pg_catalog.bool_or(has_log) as has_log, pg_catalog.bool_or(has_copy) as has_copy,
        pg_catalog.bool_or(has_key) as has_key, pg_catalog.bool_or(has_trigger) as has_trigger,
        exists (select from pg_catalog.pg_locks l join pg_catalog.pg_database b on b.oid = l.database
            where l.locktype = 'advisory' and b.datname = pg_catalog.current_database() and l.objsubid = 2
                and l.classid = 16185446 and l.objid::bigint = (of_oid + 2147483648) % 4294967296
                and l.pid <> pg_catalog.pg_backend_pid()) as is_running
    from things
        left join pg_catalog.pg_class t on t.oid::bigint = of_oid and t.relkind = 'r'
        left join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    where has_log or has_copy or has_key or has_trigger
    group by 1, 2, 3 order by 1";

/// Where in its statement a part of an expression stood: a copy of an index has lost that.
const PLACES: &str = "':(location|list_start|list_end) -?[0-9]+'";

/// Every index of the tables that have an invalid one.
pub(crate) async fn indexes(connection: &mut Connection) -> Result<Vec<IndexFacts>, Error> {
    let rows = connection.simple_query(&INDEXES.replace("$PLACES", PLACES)).await?;
    rows.iter().map(index).collect()
}

/// Everything that pg_repack made and did not remove.
pub(crate) async fn repacks(connection: &mut Connection) -> Result<Vec<RepackFacts>, Error> {
    let found = connection.simple_query(REPACK).await?;
    let Some(row) = found.first() else {
        return Ok(Vec::new());
    };
    let namespace: u32 = row.parse("oid")?;
    let sql = REPACKED.replace("$NAMESPACE", &namespace.to_string());
    let rows = connection.simple_query(&sql).await?;
    rows.iter().map(repack).collect()
}

fn index(row: &Row) -> Result<IndexFacts, Error> {
    Ok(IndexFacts {
        oid: row.parse("oid")?,
        schema: row.text("nspname")?.to_owned(),
        name: row.text("relname")?.to_owned(),
        name_bytes: row.parse("name_bytes")?,
        table_oid: row.parse("indrelid")?,
        table: row.text("of_table")?.to_owned(),
        is_valid: row.flag("indisvalid")?,
        is_needed: row.flag("is_needed")?,
        is_busy: row.flag("is_busy")?,
        definition: row.text("definition")?.to_owned(),
    })
}

fn repack(row: &Row) -> Result<RepackFacts, Error> {
    let table = row.get("nspname").zip(row.get("relname"));
    Ok(RepackFacts {
        oid: row.parse("of_oid")?,
        table: table.map(|(schema, name)| (schema.to_owned(), name.to_owned())),
        has_trigger: row.flag("has_trigger")?,
        has_log: row.flag("has_log")?,
        has_key: row.flag("has_key")?,
        has_copy: row.flag("has_copy")?,
        is_running: row.flag("is_running")?,
    })
}
