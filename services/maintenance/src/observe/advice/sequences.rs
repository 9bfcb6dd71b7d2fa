//! Sequences with the columns that they fill, and how many connections are in use.

use weir_upstream::{Connection, Row};

use super::{OF_USERS, flag, number, one};
use crate::advise::Sequence;
use crate::error::Error;
use crate::plan::TableName;

pub(crate) async fn sequences(connection: &mut Connection) -> Result<Vec<Sequence>, Error> {
    let sql = format!(
        "select n.nspname, c.relname, pg_catalog.format_type(s.seqtypid, null) as of_type,
            s.seqincrement, s.seqmin, s.seqmax, s.seqcycle,
            case when pg_catalog.has_sequence_privilege(c.oid, 'SELECT,USAGE')
                then pg_catalog.pg_sequence_last_value(c.oid) end as last_value,
            o.schema, o.name, o.column_name, o.column_type
        from pg_catalog.pg_sequence s
            join pg_catalog.pg_class c on c.oid = s.seqrelid
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            left join lateral (
                select tn.nspname as schema, t.relname as name, a.attname as column_name,
                    pg_catalog.format_type(a.atttypid, null) as column_type, ty.typlen
                from (select d.refobjid as relid, d.refobjsubid as number from pg_catalog.pg_depend d
                        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
                            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjsubid > 0
                            and d.deptype in ('a', 'i')
                      union
                      select f.adrelid, f.adnum from pg_catalog.pg_depend d
                        join pg_catalog.pg_attrdef f on f.oid = d.objid
                        where d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = c.oid) u
                    join pg_catalog.pg_class t on t.oid = u.relid
                    join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
                    join pg_catalog.pg_attribute a on a.attrelid = u.relid and a.attnum = u.number
                    join pg_catalog.pg_type ty on ty.oid = a.atttypid
                where a.atttypid in ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype,
                    'pg_catalog.int8'::pg_catalog.regtype)
                order by ty.typlen, 1, 2, 3 limit 1) o on true
        where {OF_USERS} order by 1, 2"
    );
    connection.simple_query(&sql).await?.iter().map(sequence).collect()
}

fn sequence(row: &Row) -> Result<Sequence, Error> {
    let text = |column: &str| row.get(column).unwrap_or_default().to_owned();
    let column = row.get("name").map(|name| {
        let table = TableName {
            schema: text("schema"),
            name: name.to_owned(),
        };
        (table, text("column_name"), text("column_type"))
    });
    Ok(Sequence {
        name: TableName {
            schema: row.text("nspname")?.to_owned(),
            name: row.text("relname")?.to_owned(),
        },
        last_value: row.get("last_value").and_then(|value| value.parse().ok()),
        increment: number(row, "seqincrement"),
        min: number(row, "seqmin"),
        max: number(row, "seqmax"),
        cycles: flag(row, "seqcycle"),
        of_type: text("of_type"),
        column,
        earlier: None,
    })
}

/// Clients of the whole server at this moment.
pub(crate) async fn connections_in_use(connection: &mut Connection) -> Result<f64, Error> {
    let sql = "select coalesce(sum(numbackends), 0) as used from pg_catalog.pg_stat_database";
    Ok(number(&one(connection.simple_query(sql).await?)?, "used"))
}
