//! `structure`: tables and indexes as `amcheck` sees them.
//!
//! A page with a fitting checksum may still hold nonsense, and an index may have lost an entry; only reading them as the
//! server does tells.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;
use weir_upstream::Row;

use super::{Asking, Said, databases, identifier, literal};
use crate::error::Error;
use crate::prove::evidence::Check;
use crate::prove::scratch::Scratch;

/// Heaps and B-trees that hold what must last. Temporary and unlogged relations are empty after recovery.
const RELATIONS: &str = "
    select c.oid::text as oid, n.nspname || '.' || c.relname as name,
           case c.relkind when 'i' then 'index' else 'heap' end as kind,
           coalesce(pg_relation_filepath(c.oid), '') as path
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_am a on a.oid = c.relam
      left join pg_index i on i.indexrelid = c.oid
     where c.relpersistence = 'p'
       and ((c.relkind in ('r', 'm', 't') and a.amname = 'heap')
         or (c.relkind = 'i' and a.amname = 'btree' and i.indisvalid and i.indisready))
       and (not c.relisshared or current_database() = 'template1')
     order by c.relkind <> 'i', c.oid";

/// What is known of relations without looking at them.
pub(in crate::prove) enum Known {
    /// Nothing: every relation is looked at, and each index is compared with its table.
    Nothing,
    /// By path of the first file, whether it is as it was when it was last known to be sound. Others are looked at.
    Unchanged(HashMap<String, bool>),
}

impl Known {
    fn is_unchanged(&self, path: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Unchanged(unchanged) => unchanged.get(path).copied().unwrap_or(false),
        }
    }
}

/// Looks at the structure of all databases. Returns whether that of everything is known now.
pub(in crate::prove) async fn look(
    scratch: &mut Scratch,
    known: &Known,
    deep: bool,
    check: &mut Check,
    stop: &CancellationToken,
) -> Result<bool, Error> {
    let (mut all, mut unchanged) = (true, 0);
    for database in databases(scratch, stop).await? {
        let mut asking = Asking::begin(scratch, &database, stop).await?;
        let Some(functions) = functions(&mut asking, &database, check).await? else {
            all = false;
            continue;
        };
        let rows = match asking.try_ask(RELATIONS).await? {
            Said::Rows(rows) => rows,
            Said::Wrong(said) => {
                check.found(format!("{database}: its catalogue cannot be read: {said}"));
                continue;
            }
        };
        for row in &rows {
            if known.is_unchanged(row.text("path")?) {
                unchanged += 1;
            } else {
                look_at(&mut asking, &database, row, &functions, deep, check).await?;
            }
        }
    }
    if unchanged > 0 {
        check.note(format!(
            "{unchanged} relations are as they were when they were last known to be sound"
        ));
    }
    Ok(all)
}

/// The schema of amcheck's functions; none where it is not to be had.
async fn functions(asking: &mut Asking, database: &str, check: &mut Check) -> Result<Option<String>, Error> {
    let offered = asking
        .ask("select 1 from pg_available_extensions where name = 'amcheck'")
        .await?;
    if offered.is_empty() {
        check.note(format!(
            "{database}: amcheck is not installed with this server, so structure was not looked at"
        ));
        return Ok(None);
    }
    // The cluster's own event triggers are not asked.
    asking.ask("set session_replication_role = replica").await?;
    let made = asking
        .ask("create extension if not exists amcheck; alter extension amcheck update")
        .await;
    match made {
        Ok(_) => {}
        Err(Error::Upstream(weir_upstream::Error::Server(said))) if !said.sqlstate.starts_with("XX") => {
            check.note(format!(
                "{database}: amcheck cannot be made there, so structure was not looked at: {}",
                said.message
            ));
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let sql = "select n.nspname::text as name from pg_extension e join pg_namespace n on n.oid = e.extnamespace \
               where e.extname = 'amcheck'";
    let rows = asking.ask(sql).await?;
    let name = rows.first().map(|row| row.text("name")).transpose()?;
    Ok(name.map(identifier))
}

async fn look_at(
    asking: &mut Asking,
    database: &str,
    row: &Row,
    functions: &str,
    deep: bool,
    check: &mut Check,
) -> Result<(), Error> {
    let (oid, name) = (row.text("oid")?, row.text("name")?);
    let relation = format!("{}::oid::regclass", literal(oid));
    let sql = match row.text("kind")? {
        "index" => format!("select {functions}.bt_index_check({relation}, {deep})"),
        _ => format!("select blkno::text as block, msg from {functions}.verify_heapam({relation})"),
    };
    check.examined += 1;
    match asking.try_ask(&sql).await? {
        Said::Rows(rows) => {
            for row in rows.iter().filter(|row| row.get("msg").is_some()) {
                let (block, said) = (row.get("block").unwrap_or_default(), row.text("msg")?);
                check.found(format!("{database}: {name}, page {block}: {said}"));
            }
        }
        Said::Wrong(said) => check.found(format!("{database}: {name}: {said}")),
    }
    Ok(())
}
