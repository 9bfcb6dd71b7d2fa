//! What the catalogue knows of the tables of a plan. Reads only, after the statement's own transaction.

use std::collections::BTreeSet;

use serde_json::json;
use weir_upstream::{Connection, Parameter};

use crate::advise::{Facts, Table, read};
use crate::observe::explain::error::ExplainError;
use crate::observe::explain::session::one_text;

/// Tables that are asked for. The plan of a table with a thousand partitions names them all.
const TABLES_MAX: usize = 100;

/// A transaction in which no name means anything but PostgreSQL's own, whatever the statement's settings were.
const BEGIN: &str = "begin read only; set local search_path = pg_catalog; set local statement_timeout = 2000";

/// Whether there are statistics of a column is told only where they may be seen.
const TABLES: &str = "
    select json_agg(t) from (
        select n.nspname as schema, c.relname as name, c.reltuples as rows,
            case when c.relkind in ('r', 'm')
                then pg_relation_size(c.oid) / current_setting('block_size')::bigint else c.relpages end as pages,
            coalesce(s.n_mod_since_analyze, 0) as changed_rows, coalesce(s.n_live_tup, 0) as live_rows,
            coalesce(s.n_tup_upd + s.n_tup_del, 0) as rewritten_rows, c.relpages as known_pages,
            coalesce((select json_agg(json_build_object('name', a.attname, 'has_statistics',
                    case when c.relkind in ('r', 'm') and not row_security_active(c.oid)
                            and has_column_privilege(c.oid, a.attnum, 'select')
                        then exists (select from pg_stats p where p.schemaname = n.nspname
                            and p.tablename = c.relname and p.attname = a.attname) end) order by a.attnum)
                from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns
        from json_to_recordset($1::json) as wanted (schema text, name text)
        join pg_namespace n on n.nspname = wanted.schema
        join pg_class c on c.relnamespace = n.oid and c.relname = wanted.name
        left join pg_stat_all_tables s on s.relid = c.oid) t";

/// What memory a statement of this transaction may use.
pub(super) async fn memory(connection: &mut Connection) -> Result<Facts, ExplainError> {
    let rows = connection
        .simple_query(
            "select pg_catalog.pg_size_bytes(pg_catalog.current_setting('work_mem')) as work_mem,
                pg_catalog.current_setting('hash_mem_multiplier', true) as multiplier",
        )
        .await?;
    let number = |column: &str| rows.first()?.get(column)?.parse::<f64>().ok();
    Ok(Facts {
        work_mem_kb: number("work_mem").map(|bytes| bytes / 1024.0),
        hash_mem_multiplier: number("multiplier"),
        tables: Vec::new(),
    })
}

/// The same with what is known of the plan's tables.
pub(super) async fn facts(connection: &mut Connection, memory: Facts, json: &str) -> Result<Facts, ExplainError> {
    let wanted = tables_of(json)?;
    if wanted.is_empty() {
        return Ok(memory);
    }
    let wanted: Vec<_> = wanted
        .into_iter()
        .take(TABLES_MAX)
        .map(|(schema, name)| json!({ "schema": schema, "name": name }))
        .collect();
    let wanted = json!(wanted).to_string();
    connection.simple_query(BEGIN).await?;
    let found = one_text(connection, TABLES, &[Parameter::text(&wanted)]).await;
    connection.simple_query("rollback").await?;
    let tables = tables_from(&found?.unwrap_or_default())?;
    Ok(Facts { tables, ..memory })
}

fn tables_of(json: &str) -> Result<BTreeSet<(String, String)>, ExplainError> {
    let plan = read(json)?;
    let named = plan.nodes.iter().filter(|node| !node.relation().is_empty());
    Ok(named
        .map(|node| (node.word("Schema").to_owned(), node.relation().to_owned()))
        .collect())
}

fn tables_from(json: &str) -> Result<Vec<Table>, ExplainError> {
    if json.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(json).map_err(|error| crate::advise::PlanError::Form(error.to_string()).into())
}
