//! Catalogues, schemas and tables, as the server's own catalogue has them.

use arrow_array::RecordBatch;
use arrow_flight::sql::{CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables};
use arrow_schema::{Field, Schema};
use tonic::Status;

use super::super::asking::Checked;
use super::super::refusal::refusal;
use super::super::session::Sessions;
use super::kinds::field;
use super::rows::Texts;
use super::service::ask;
use crate::error::Error;

/// What one answer may hold of the catalogue.
const BYTES_MAX: usize = 64 * 1024 * 1024;

const DATABASE: &str = "select pg_catalog.current_database()";
const SCHEMAS: &str = "select pg_catalog.current_database(), nspname from pg_catalog.pg_namespace \
                       where nspname !~ '^pg_(toast|temp)' order by 2";
const TABLES: &str = "select pg_catalog.current_database(), n.nspname, c.relname, c.relkind::text \
                      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                      where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_(toast|temp)' \
                      order by 2, 3";
const COLUMNS: &str = "select n.nspname, c.relname, a.attname, a.atttypid, a.atttypmod, a.attnotnull \
                       from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid \
                       join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                       where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') \
                       and n.nspname !~ '^pg_(toast|temp)' \
                       order by 1, 2, a.attnum";

/// What the server calls a kind of relation, and what drivers do.
const KINDS: [(&str, &str); 5] = [
    ("r", "TABLE"),
    ("p", "PARTITIONED TABLE"),
    ("v", "VIEW"),
    ("m", "MATERIALIZED VIEW"),
    ("f", "FOREIGN TABLE"),
];

/// The database that the call is about.
pub(crate) async fn catalogs(
    sessions: &Sessions,
    common: Checked,
    query: CommandGetCatalogs,
) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    for row in rows(sessions, common, DATABASE).await? {
        builder.append(cell(&row, 0));
    }
    Ok(builder.build()?)
}

/// Its schemas.
pub(crate) async fn schemas(
    sessions: &Sessions,
    common: Checked,
    query: CommandGetDbSchemas,
) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    for row in rows(sessions, common, SCHEMAS).await? {
        builder.append(cell(&row, 0), cell(&row, 1));
    }
    Ok(builder.build()?)
}

/// Its tables, with their columns where that is asked for.
pub(crate) async fn tables(
    sessions: &Sessions,
    common: Checked,
    query: CommandGetTables,
) -> Result<RecordBatch, Status> {
    let columns = if query.include_schema {
        rows(sessions, common.clone(), COLUMNS).await?
    } else {
        Vec::new()
    };
    // Names have the collation C, so the server orders them as they are compared here.
    let mut columns = columns.iter().peekable();
    let mut builder = query.into_builder();
    for row in rows(sessions, common, TABLES).await? {
        let (schema, table) = (cell(&row, 1), cell(&row, 2));
        // Both are in the same order, and a table that was made in between has no columns here.
        let mut fields: Vec<Field> = Vec::new();
        while let Some(column) = columns.next_if(|column| (cell(column, 0), cell(column, 1)) <= (schema, table)) {
            if (cell(column, 0), cell(column, 1)) == (schema, table) {
                let oid = cell(column, 3).parse().unwrap_or_default();
                let modifier = cell(column, 4).parse().unwrap_or(-1);
                fields.push(field(cell(column, 2), oid, modifier, cell(column, 5) != "t"));
            }
        }
        let kind = KINDS
            .iter()
            .find(|(own, _)| *own == cell(&row, 3))
            .map_or("TABLE", |(_, kind)| kind);
        builder.append(cell(&row, 0), schema, table, kind, &Schema::new(fields))?;
    }
    Ok(builder.build()?)
}

/// The kinds of tables there are.
pub(crate) fn table_types(query: CommandGetTableTypes) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    KINDS.iter().for_each(|(_, kind)| builder.append(kind));
    Ok(builder.build()?)
}

async fn rows(sessions: &Sessions, common: Checked, sql: &str) -> Result<Vec<Vec<String>>, Status> {
    let mut rows = Texts::new(BYTES_MAX);
    let ended = sessions.run(ask(common, sql.to_owned(), Vec::new()), &mut rows).await;
    ended.map_err(|error: Error| refusal(&error, false))?;
    Ok(rows.rows)
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}
