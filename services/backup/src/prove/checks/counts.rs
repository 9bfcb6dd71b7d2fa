//! `row_counts`: every row of every table is read, and their numbers are kept.

use tokio_util::sync::CancellationToken;

use super::{Asking, Said, databases};
use crate::error::Error;
use crate::prove::evidence::{Check, Count};
use crate::prove::scratch::Scratch;

/// More tables than this are counted, and not listed.
const LEDGER_MAX: usize = 100_000;

const TABLES: &str = "
    select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted,
           n.nspname || '.' || c.relname as name,
           pg_table_size(c.oid)::text as bytes
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm') and c.relpersistence = 'p' and (c.relkind = 'r' or c.relispopulated)
       and n.nspname not in ('pg_catalog', 'information_schema')
     order by 1";

/// Counts the rows of all tables.
pub(in crate::prove) async fn count(
    scratch: &mut Scratch,
    check: &mut Check,
    stop: &CancellationToken,
) -> Result<Vec<Count>, Error> {
    let mut ledger = Vec::new();
    for database in databases(scratch, stop).await? {
        let mut asking = Asking::begin(scratch, &database, stop).await?;
        // The table itself is read, not an index of it.
        asking
            .ask("set enable_indexonlyscan = off; set enable_indexscan = off; set enable_bitmapscan = off")
            .await?;
        let rows = match asking.try_ask(TABLES).await? {
            Said::Rows(rows) => rows,
            Said::Wrong(said) => {
                check.found(format!("{database}: its catalogue cannot be read: {said}"));
                continue;
            }
        };
        for row in &rows {
            let (table, quoted) = (row.text("name")?, row.text("quoted")?);
            match asking
                .try_ask(&format!("select count(*) as rows from {quoted}"))
                .await?
            {
                Said::Rows(counted) => {
                    check.examined += 1;
                    ledger.push(Count {
                        database: database.clone(),
                        table: table.to_owned(),
                        rows: counted.first().map_or(Ok(0), |row| row.parse("rows"))?,
                        bytes: row.parse("bytes")?,
                    });
                }
                Said::Wrong(said) => check.found(format!("{database}: {table}: {said}")),
            }
        }
    }
    if ledger.len() > LEDGER_MAX {
        check.note(format!(
            "{} tables were counted, and {LEDGER_MAX} are listed",
            ledger.len()
        ));
        ledger.truncate(LEDGER_MAX);
    }
    Ok(ledger)
}

/// Says what is otherwise than at an earlier proof. It is information only: tables change.
pub(in crate::prove) fn compare(check: &mut Check, before: &[Count], now: &[Count]) {
    use std::collections::BTreeMap;
    let key = |count: &Count| (count.database.clone(), count.table.clone());
    let now: BTreeMap<_, u64> = now.iter().map(|count| (key(count), count.rows)).collect();
    for was in before {
        let name = format!("{}: {}", was.database, was.table);
        match now.get(&key(was)) {
            None => check.note(format!("{name} had {} rows at the proof before and is gone", was.rows)),
            Some(0) if was.rows > 0 => {
                check.note(format!("{name} had {} rows at the proof before and has none", was.rows));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_or_empty_is_noted_and_nothing_else() {
        let count = |table: &str, rows| Count {
            database: "d".to_owned(),
            table: table.to_owned(),
            rows,
            bytes: 0,
        };
        let mut check = Check::named("row_counts");
        let before = [
            count("gone", 3),
            count("emptied", 4),
            count("shrunk", 9),
            count("empty", 0),
        ];
        compare(
            &mut check,
            &before,
            &[
                count("emptied", 0),
                count("shrunk", 1),
                count("empty", 0),
                count("new", 1),
            ],
        );
        assert!(check.passed);
        assert_eq!(
            check.notes,
            [
                "d: gone had 3 rows at the proof before and is gone",
                "d: emptied had 4 rows at the proof before and has none"
            ]
        );
    }
}
