//! What a backup has to know of a cluster, and what its files are called.

use weir_upstream::Connection;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::repo::manifest::Relation;

/// Relations whose names are kept with a backup, at most.
const RELATIONS_MAX: usize = 200_000;

/// What a server says of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub system_identifier: u64,
    pub server_version: u32,
    pub wal_segment_bytes: u32,
    pub page_checksums: bool,
    pub is_standby: bool,
    pub databases: Vec<(u32, String)>,
}

impl Facts {
    /// Asks the server.
    pub(crate) async fn of(connection: &mut Connection) -> Result<Self, Error> {
        let ask = "select system_identifier, current_setting('server_version_num') as version, \
                   (select setting from pg_catalog.pg_settings where name = 'wal_segment_size') as segment, \
                   current_setting('data_checksums') = 'on' as checksums, \
                   pg_catalog.pg_is_in_recovery() as standby \
                   from pg_catalog.pg_control_system()";
        let rows = connection.simple_query(ask).await?;
        let row = rows.first().ok_or_else(|| Error::Refused {
            slug: "backup-server",
            reason: "the server says nothing of its cluster".to_owned(),
        })?;
        let identifier: i64 = row.parse("system_identifier")?;
        let facts = Self {
            system_identifier: identifier.cast_unsigned(),
            server_version: row.parse("version")?,
            wal_segment_bytes: row.parse("segment")?,
            page_checksums: row.flag("checksums")?,
            is_standby: row.flag("standby")?,
            databases: Vec::new(),
        };
        let ask = "select oid, datname from pg_catalog.pg_database where datallowconn order by oid";
        let rows = connection.simple_query(ask).await?;
        let databases = rows
            .iter()
            .map(|row| Ok((row.parse("oid")?, row.text("datname")?.to_owned())));
        let databases: Result<Vec<_>, weir_upstream::Error> = databases.collect();
        Ok(Self {
            databases: databases?,
            ..facts
        })
    }
}

/// What the files of every database are called. One that cannot be asked is left out: its files are backed up all the
/// same, under their numbers.
pub(crate) async fn relations(cluster: &Cluster, facts: &Facts) -> Vec<Relation> {
    let mut found = Vec::new();
    for (oid, name) in &facts.databases {
        match of_database(cluster, *oid, name).await {
            Ok(relations) => found.extend(relations),
            Err(error) => tracing::debug!(database = name, error = %error, "names of relations are not known"),
        }
        if found.len() >= RELATIONS_MAX {
            break;
        }
    }
    found.truncate(RELATIONS_MAX);
    found
}

async fn of_database(cluster: &Cluster, oid: u32, name: &str) -> Result<Vec<Relation>, Error> {
    let mut connection = cluster.ask_in(name, "weir-backup").await?;
    let ask = "select n.nspname || '.' || c.relname as name, c.oid, pg_catalog.pg_relation_filenode(c.oid) as filenode, \
               c.relkind as kind, c.reltablespace as tablespace \
               from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
               where c.relkind in ('r', 'i', 't', 'm', 'S') and c.oid >= 16384 and c.relpersistence <> 't' \
               order by c.oid";
    let rows = connection.simple_query(ask).await?;
    connection.close().await;
    let relation = |row: &weir_upstream::Row| {
        Ok(Relation {
            database: name.to_owned(),
            database_oid: oid,
            name: row.text("name")?.to_owned(),
            oid: row.parse("oid")?,
            filenode: row
                .get("filenode")
                .and_then(|node| node.parse().ok())
                .unwrap_or_default(),
            kind: row.text("kind")?.to_owned(),
            tablespace: row.parse("tablespace")?,
        })
    };
    rows.iter().map(relation).collect()
}
