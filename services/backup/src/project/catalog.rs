//! What of a database belongs to a project, as the database says it at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use weir_upstream::{Connection, Row};

use super::manifest::{Column, ForeignKey, Name, Sequence};
use super::scope::{claims, constant, qualified, quoted, table_of};
use crate::error::Error;
use crate::settings::FileProject;

/// What a project has in its database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scope {
    /// Its own schemas.
    pub schemas: Vec<String>,
    pub tables: Vec<Found>,
}

/// A table that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub name: Name,
    pub oid: u32,
    pub kind: String,
    pub parent_oid: u32,
    pub columns: Vec<Column>,
    /// For a shared table: the one that the settings name, and the condition for its rows.
    pub shared: Option<(Name, String)>,
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub version: u32,
    pub encoding: String,
    pub block_bytes: u64,
    pub system_identifier: u64,
    pub timeline: u32,
    pub lsn: String,
}

fn refused(slug: &'static str, reason: String) -> Error {
    Error::Refused { slug, reason }
}

fn array(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.map(|text| constant(&text)).collect();
    format!("array[{}]::text[]", texts.join(","))
}

fn oids(oids: impl Iterator<Item = u32>) -> String {
    let oids: Vec<String> = oids.map(|oid| oid.to_string()).collect();
    format!("array[{}]::oid[]", oids.join(","))
}

/// What no project exports: what came with an extension comes with it again.
const NO_EXTENSIONS: &str = "not exists (select from pg_catalog.pg_depend d
    where d.classid = {class} and d.objid = {oid} and d.deptype = 'e')";

fn no_extensions(class: &str, oid: &str) -> String {
    NO_EXTENSIONS
        .replace("{class}", &format!("'pg_catalog.{class}'::pg_catalog.regclass"))
        .replace("{oid}", oid)
}

/// What belongs to a project now. `others`: the other projects of the same database.
pub(crate) async fn scope(
    connection: &mut Connection,
    project: &FileProject,
    others: &[&FileProject],
) -> Result<Scope, Error> {
    let rows = connection
        .simple_query("select nspname from pg_catalog.pg_namespace order by 1")
        .await?;
    let all: Result<Vec<String>, _> = rows.iter().map(|row| row.text("nspname").map(str::to_owned)).collect();
    let all = all?;
    let schemas: Vec<String> = all.iter().filter(|schema| claims(project, schema)).cloned().collect();
    check_schemas(project, others, &schemas)?;
    let shared = shared_tables(project);
    let tables = tables(connection, &schemas, &shared).await?;
    for (name, _) in &shared {
        if !tables.iter().any(|table| table.name == *name) {
            return Err(refused(
                "backup-project-scope",
                format!("there is no table {name} in database {}", project.database),
            ));
        }
    }
    Ok(Scope { schemas, tables })
}

fn check_schemas(project: &FileProject, others: &[&FileProject], schemas: &[String]) -> Result<(), Error> {
    let unmatched = project
        .schemas
        .iter()
        .find(|pattern| !pattern.contains('*') && !schemas.contains(pattern));
    if let Some(schema) = unmatched {
        let reason = format!("there is no schema {schema} in database {}", project.database);
        return Err(refused("backup-project-scope", reason));
    }
    for schema in schemas {
        if let Some(other) = others.iter().find(|other| claims(other, schema)) {
            let reason = format!(
                "schema {schema} would belong to both {} and {}",
                project.project, other.project
            );
            return Err(refused("backup-project-scope", reason));
        }
    }
    if schemas.is_empty() && project.rows.is_empty() {
        let reason = format!("no schema of database {} fits its patterns", project.database);
        return Err(refused("backup-project-scope", reason));
    }
    Ok(())
}

fn shared_tables(project: &FileProject) -> Vec<(Name, String)> {
    let shared = project.rows.iter().filter_map(|rows| {
        let (schema, name) = table_of(&rows.table)?;
        Some((Name { schema, name }, rows.condition.clone()))
    });
    shared.collect()
}

async fn tables(
    connection: &mut Connection,
    schemas: &[String],
    shared: &[(Name, String)],
) -> Result<Vec<Found>, Error> {
    let mut roots = String::from("(null::text, null::text, null::integer)");
    for (at, (name, _)) in shared.iter().enumerate() {
        let _ = write!(roots, ", ({}, {}, {at})", constant(&name.schema), constant(&name.name));
    }
    let sql = format!(
        "with recursive tree(oid, shared) as (
            select c.oid, r.shared from (values {roots}) r(schema, name, shared)
            join pg_catalog.pg_namespace n on n.nspname = r.schema
            join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name and c.relkind in ('r', 'p')
            union
            select i.inhrelid, t.shared from pg_catalog.pg_inherits i join tree t on t.oid = i.inhparent
        )
        select c.oid, n.nspname, c.relname, c.relkind, tree.shared,
            coalesce((select min(i.inhparent::bigint) from pg_catalog.pg_inherits i where i.inhrelid = c.oid), 0) as parent,
            coalesce((select pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname,
                'type', pg_catalog.format_type(a.atttypid, a.atttypmod)) order by a.attnum)
                from pg_catalog.pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), '[]') as columns
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        left join tree on tree.oid = c.oid
        where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and {}
            and (n.nspname = any ({own}) or tree.oid is not null)
        order by n.nspname, c.relname",
        no_extensions("pg_class", "c.oid"),
        own = array(schemas.iter().cloned()),
    );
    let rows = connection.simple_query(&sql).await?;
    rows.iter().map(|row| found(row, schemas, shared)).collect()
}

fn found(row: &Row, schemas: &[String], shared: &[(Name, String)]) -> Result<Found, Error> {
    let name = Name {
        schema: row.text("nspname")?.to_owned(),
        name: row.text("relname")?.to_owned(),
    };
    let place = row.get("shared").and_then(|at| at.parse::<usize>().ok());
    let is_own = schemas.contains(&name.schema);
    let columns = serde_json::from_str(row.text("columns")?);
    Ok(Found {
        oid: row.parse("oid")?,
        kind: row.text("relkind")?.to_owned(),
        parent_oid: row.parse("parent")?,
        columns: columns.map_err(|error| refused("backup-definitions", error.to_string()))?,
        shared: place.and_then(|at| shared.get(at).cloned()).filter(|_| !is_own),
        name,
    })
}

/// Keeps the tables from being changed in their form, removed or emptied while they are read.
pub(crate) async fn lock(connection: &mut Connection, scope: &Scope) -> Result<(), Error> {
    let tables = scope.tables.iter().filter(|table| table.kind != "f");
    let names: Vec<String> = tables
        .map(|table| format!("only {}", qualified(&table.name.schema, &table.name.name)))
        .collect();
    if !names.is_empty() {
        let sql = format!("lock table {} in access share mode", names.join(", "));
        connection.simple_query(&sql).await?;
    }
    Ok(())
}

/// What the server says of itself, at the snapshot's moment.
pub(crate) async fn server(connection: &mut Connection) -> Result<Server, Error> {
    let sql = "select pg_catalog.current_setting('server_version_num') as version,
            pg_catalog.current_setting('server_encoding') as encoding,
            pg_catalog.current_setting('block_size') as block,
            (select system_identifier from pg_catalog.pg_control_system()) as system,
            (select timeline_id from pg_catalog.pg_control_checkpoint()) as timeline,
            case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                else pg_catalog.pg_current_wal_insert_lsn() end as lsn";
    let rows = connection.simple_query(sql).await?;
    let row = rows
        .first()
        .ok_or_else(|| refused("backup-definitions", "the server says nothing of itself".to_owned()))?;
    Ok(Server {
        version: row.parse("version")?,
        encoding: row.text("encoding")?.to_owned(),
        block_bytes: row.parse("block")?,
        system_identifier: row.parse::<i64>("system")?.cast_unsigned(),
        timeline: row.parse("timeline")?,
        lsn: row.get("lsn").unwrap_or_default().to_owned(),
    })
}

/// How big each table is: the file of its rows, and all that belongs to them.
pub(crate) async fn sizes(connection: &mut Connection, scope: &Scope) -> Result<BTreeMap<u32, (u64, u64)>, Error> {
    let tables = scope
        .tables
        .iter()
        .filter(|table| table.kind == "r")
        .map(|table| table.oid);
    let sql = format!(
        "select o, coalesce(pg_catalog.pg_relation_size(o), 0) as main, coalesce(pg_catalog.pg_table_size(o), 0) as whole
        from pg_catalog.unnest({}) o",
        oids(tables)
    );
    let rows = connection.simple_query(&sql).await?;
    rows.iter()
        .map(|row| Ok((row.parse("o")?, (row.parse("main")?, row.parse("whole")?))))
        .collect()
}

/// Sequences of a project, with their values.
pub(crate) async fn sequences(connection: &mut Connection, scope: &Scope) -> Result<Vec<Sequence>, Error> {
    let sql = format!(
        "select c.oid, n.nspname, c.relname, coalesce(d.refobjid::bigint, 0) as owner
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
        where c.relkind = 'S' and c.relpersistence <> 't' and {}
            and (n.nspname = any ({}) or d.refobjid = any ({}))
        order by n.nspname, c.relname",
        no_extensions("pg_class", "c.oid"),
        array(scope.schemas.iter().cloned()),
        oids(scope.tables.iter().map(|table| table.oid)),
    );
    let rows = connection.simple_query(&sql).await?;
    let mut sequences = Vec::new();
    for row in &rows {
        sequences.push(Sequence {
            name: name_of(row)?,
            oid: row.parse("oid")?,
            table_oid: row.parse("owner")?,
            last_value: 0,
            is_called: false,
        });
    }
    for batch in sequences.chunks_mut(100) {
        read_values(connection, batch).await?;
    }
    Ok(sequences)
}

async fn read_values(connection: &mut Connection, batch: &mut [Sequence]) -> Result<(), Error> {
    let each: Vec<String> = batch
        .iter()
        .enumerate()
        .map(|(at, sequence)| {
            let name = qualified(&sequence.name.schema, &sequence.name.name);
            format!("select {at} as at, last_value, is_called from {name}")
        })
        .collect();
    for row in connection.simple_query(&each.join(" union all ")).await? {
        if let Some(sequence) = batch.get_mut(row.parse::<usize>("at")?) {
            sequence.last_value = row.parse("last_value")?;
            sequence.is_called = row.flag("is_called")?;
        }
    }
    Ok(())
}

fn name_of(row: &Row) -> Result<Name, Error> {
    Ok(Name {
        schema: row.text("nspname")?.to_owned(),
        name: row.text("relname")?.to_owned(),
    })
}

/// Materialized views that hold something, each after those that it may read.
pub(crate) async fn filled_views(connection: &mut Connection, scope: &Scope) -> Result<Vec<Name>, Error> {
    let sql = format!(
        "select n.nspname, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'm' and c.relispopulated and n.nspname = any ({}) and {} order by c.oid",
        array(scope.schemas.iter().cloned()),
        no_extensions("pg_class", "c.oid"),
    );
    connection.simple_query(&sql).await?.iter().map(name_of).collect()
}

/// Catalogs with names in schemas: each with its columns of schema and name.
const NAMED: [(&str, &str, &str); 12] = [
    ("pg_class", "relnamespace", "relname"),
    ("pg_type", "typnamespace", "typname"),
    ("pg_proc", "pronamespace", "proname"),
    ("pg_operator", "oprnamespace", "oprname"),
    ("pg_collation", "collnamespace", "collname"),
    ("pg_conversion", "connamespace", "conname"),
    ("pg_opclass", "opcnamespace", "opcname"),
    ("pg_opfamily", "opfnamespace", "opfname"),
    ("pg_ts_config", "cfgnamespace", "cfgname"),
    ("pg_ts_dict", "dictnamespace", "dictname"),
    ("pg_ts_parser", "prsnamespace", "prsname"),
    ("pg_statistic_ext", "stxnamespace", "stxname"),
];

/// Names of everything that the definitions make.
pub(crate) async fn names(
    connection: &mut Connection,
    scope: &Scope,
    sequences: &[Sequence],
) -> Result<BTreeSet<Name>, Error> {
    let own = array(scope.schemas.iter().cloned());
    let in_own = NAMED.map(|(catalog, schema, name)| {
        format!(
            "select n.nspname, c.{name} as relname from pg_catalog.{catalog} c
            join pg_catalog.pg_namespace n on n.oid = c.{schema} where n.nspname = any ({own}) and {}",
            no_extensions(catalog, "c.oid")
        )
    });
    let shared = scope.tables.iter().filter(|table| table.shared.is_some());
    let indexes = format!(
        "select n.nspname, c.relname from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace where i.indrelid = any ({})",
        oids(shared.clone().map(|table| table.oid))
    );
    let rows = connection
        .simple_query(&format!("{} union {indexes}", in_own.join(" union ")))
        .await?;
    let named: Result<BTreeSet<Name>, Error> = rows.iter().map(name_of).collect();
    let mut names = named?;
    names.extend(shared.map(|table| table.name.clone()));
    names.extend(sequences.iter().map(|sequence| sequence.name.clone()));
    Ok(names)
}

/// Foreign keys of a project's tables, and in words those that lead out of it.
pub(crate) async fn foreign_keys(
    connection: &mut Connection,
    scope: &Scope,
) -> Result<(Vec<ForeignKey>, Vec<String>), Error> {
    let tables: BTreeSet<u32> = scope.tables.iter().map(|table| table.oid).collect();
    let sql = format!(
        "select c.oid, c.conname, c.conrelid, c.confrelid, c.conrelid::pg_catalog.regclass::text as from_table,
            c.confrelid::pg_catalog.regclass::text as to_table, c.conparentid = 0 as is_whole
        from pg_catalog.pg_constraint c where c.contype = 'f' and c.conrelid = any ({}) order by c.oid",
        oids(tables.iter().copied())
    );
    let (mut keys, mut outside) = (Vec::new(), Vec::new());
    for row in connection.simple_query(&sql).await? {
        let key = ForeignKey {
            name: row.text("conname")?.to_owned(),
            oid: row.parse("oid")?,
            table_oid: row.parse("conrelid")?,
            referenced_oid: row.parse("confrelid")?,
        };
        if !tables.contains(&key.referenced_oid) && row.flag("is_whole")? {
            outside.push(format!(
                "foreign key {} of {}: it refers to {}, which is not the project's",
                key.name,
                row.text("from_table")?,
                row.text("to_table")?
            ));
        }
        keys.push(key);
    }
    Ok((keys, outside))
}

/// What pg_dump is asked for: definitions of schemas, and of tables that are shared.
pub(crate) fn wanted(scope: &Scope) -> Vec<(&'static str, Vec<String>)> {
    let schemas = scope
        .schemas
        .iter()
        .map(|schema| format!("--schema={}", quoted(schema)));
    let shared = scope.tables.iter().filter(|table| table.shared.is_some());
    let tables = shared.map(|table| format!("--table={}", qualified(&table.name.schema, &table.name.name)));
    // Views of its own may read shared tables, so those come first.
    let both = [
        ("definitions/shared.dump", tables.collect::<Vec<_>>()),
        ("definitions/own.dump", schemas.collect()),
    ];
    both.into_iter().filter(|(_, what)| !what.is_empty()).collect()
}
