//! What a vacuum changes of a table, as numbers.

use weir_upstream::{Connection, Error, Row};

use crate::plan::TableName;

/// What the session itself has not told yet is told first: otherwise a vacuum counts its dead rows away twice.
const TELL: &str = "select pg_catalog.pg_stat_force_next_flush()";
/// The size of a table that somebody holds for himself alone is the one that its last vacuum wrote down.
const QUESTION: &str = "
    set local search_path = pg_catalog, pg_temp;
    select pg_stat_get_vacuum_count(c.oid) as vacuums, current_setting('track_counts') as counts,
        pg_stat_get_live_tuples(c.oid) as live_tuples, pg_stat_get_dead_tuples(c.oid) as dead_tuples,
        c.relpages as pages, c.relallvisible as pages_visible,
        age(c.relfrozenxid) as xid_age, mxid_age(c.relminmxid) as mxid_age,
        coalesce(age(t.relfrozenxid), 0) as toast_xid_age, coalesce(mxid_age(t.relminmxid), 0) as toast_mxid_age,
        case when exists (select from pg_locks l where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
                and l.relation in (c.oid, t.oid))
            then (c.relpages::bigint + coalesce(t.relpages, 0)) * current_setting('block_size')::bigint
            else coalesce(pg_table_size(c.oid), 0) end as size_bytes
    from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_class t on t.oid = c.reltoastrelid
    where c.relkind in ('r', 'm') and n.nspname = {schema} and c.relname = {name}";

/// A table at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// How often it was vacuumed by hand.
    pub vacuums: u64,
    /// Whether the server counts.
    pub is_counted: bool,
    pub live_tuples: u64,
    pub dead_tuples: u64,
    pub pages: u64,
    pub pages_visible: u64,
    pub xid_age: u64,
    pub mxid_age: u64,
    pub toast_xid_age: u64,
    pub toast_mxid_age: u64,
    /// With what is stored out of line and its maps, without indexes.
    pub size_bytes: u64,
}

/// The figures of a table now; none where there is no such table.
pub(crate) async fn figures(connection: &mut Connection, table: &TableName) -> Result<Option<Figures>, Error> {
    let question = QUESTION
        .replace("{schema}", &literal(&table.schema))
        .replace("{name}", &literal(&table.name));
    connection.simple_query(TELL).await?;
    let rows = connection.simple_query(&question).await?;
    let found = rows.iter().find(|row| row.get("vacuums").is_some());
    found.map(read).transpose()
}

fn read(row: &Row) -> Result<Figures, Error> {
    let count = |column: &str| -> Result<u64, Error> {
        let number: i64 = row.parse(column)?;
        Ok(u64::try_from(number).unwrap_or_default())
    };
    Ok(Figures {
        vacuums: count("vacuums")?,
        is_counted: row.text("counts")? == "on",
        live_tuples: count("live_tuples")?,
        dead_tuples: count("dead_tuples")?,
        pages: count("pages")?,
        pages_visible: count("pages_visible")?,
        xid_age: count("xid_age")?,
        mxid_age: count("mxid_age")?,
        toast_xid_age: count("toast_xid_age")?,
        toast_mxid_age: count("toast_mxid_age")?,
        size_bytes: count("size_bytes")?,
    })
}

/// A text as it stands in a statement, whatever characters it has and whatever the server takes a backslash for.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_stays_one() {
        assert_eq!(super::literal(r"a'b\"), r"E'a''b\\'");
    }
}
