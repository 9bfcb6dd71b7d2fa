//! What relations and databases are called: as backups noted it, and as the server says while it can be reached.
//!
//! A relation that was emptied or rewritten has new files, and nobody can be asked for the old ones' name any more: what
//! was once heard is kept.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use weir_upstream::{ConnectOptions, Connection};

use super::index::{DatabaseEntry, Index, RelationEntry};
use super::record::Locator;
use super::tally::Key;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::manifest::Manifest;

/// A database is not asked more often.
const ASK_EVERY: Duration = Duration::from_secs(20);
/// How long asking one database may take.
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// Relations that are heard of in one answer.
const RELATIONS_MAX: u32 = 200_000;
/// Relations that are remembered.
const KNOWN_MAX: usize = 1_000_000;
/// Indexes that are remembered of one table.
const ATTACHED_MAX: usize = 64;
/// The catalogue's own relations have smaller numbers.
pub(super) const FIRST_OF_USERS: u32 = 16_384;

/// What a relation is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// As `schema.name`.
    pub name: String,
    /// As in `pg_class`.
    pub kind: String,
}

/// What is known of names.
#[derive(Debug, Default)]
pub(super) struct Names {
    databases: HashMap<u32, String>,
    /// The tablespace is 0 where a backup did not note it.
    relations: HashMap<Key, Named>,
    /// Indexes and the like by the files of their tables: when a table is emptied, theirs are replaced too.
    attached: HashMap<(u32, u32), Vec<RelationEntry>>,
    asked: HashMap<u32, Instant>,
    asked_databases: Option<Instant>,
}

impl Names {
    /// Learns what a backup noted.
    pub(super) fn learn_manifest(&mut self, manifest: &Manifest) {
        for relation in &manifest.relations {
            self.databases.insert(relation.database_oid, relation.database.clone());
            let entry = RelationEntry {
                database: relation.database_oid,
                tablespace: relation.tablespace,
                node: relation.filenode,
                oid: relation.oid,
                name: relation.name.clone(),
                kind: relation.kind.clone(),
            };
            self.learn(&entry);
        }
    }

    /// Learns what an index says.
    pub(super) fn learn_index(&mut self, index: &Index) {
        for database in &index.databases {
            self.databases.insert(database.oid, database.name.clone());
        }
        for relation in index.relations.iter().filter(|relation| !relation.name.is_empty()) {
            self.learn(relation);
        }
    }

    fn learn(&mut self, relation: &RelationEntry) {
        if self.relations.len() >= KNOWN_MAX {
            self.relations.clear();
        }
        let named = Named {
            name: relation.name.clone(),
            kind: relation.kind.clone(),
        };
        let of_files = RelationEntry {
            oid: 0,
            ..relation.clone()
        };
        if relation.oid != 0 {
            self.relations
                .insert(Key::Oid(relation.database, relation.oid), named.clone());
        }
        if relation.node != 0 {
            self.relations.insert(of_files.key(), named);
        }
    }

    /// What a relation is called, if that is known.
    pub(super) fn relation(&self, key: Key) -> Option<&Named> {
        let anywhere = match key {
            Key::Files(locator) => Key::Files(Locator {
                tablespace: 0,
                ..locator
            }),
            other => other,
        };
        self.relations.get(&key).or_else(|| self.relations.get(&anywhere))
    }

    /// What a database is called, if that is known.
    pub(super) fn database(&self, oid: u32) -> Option<&str> {
        self.databases.get(&oid).map(String::as_str)
    }

    /// Whether something in an index is not known by name.
    pub(super) fn lack(&self, index: &Index) -> bool {
        self.databases_unknown(index) || !self.unknown(index).is_empty()
    }

    /// The databases of which an index names something that is not known by name.
    fn unknown(&self, index: &Index) -> HashSet<u32> {
        let is_users = |relation: &&RelationEntry| relation.node.max(relation.oid) >= FIRST_OF_USERS;
        let relations = index.relations.iter().filter(is_users);
        let unknown = relations.filter(|relation| self.relation(relation.key()).is_none());
        unknown.map(|relation| relation.database).collect()
    }

    fn databases_unknown(&self, index: &Index) -> bool {
        let mut databases = index.commits.iter().flat_map(|commits| &commits.databases);
        databases.any(|oid| *oid != 0 && !self.databases.contains_key(oid))
    }

    /// Asks the server for what an index does not know by name. Whoever cannot be asked now is asked another time.
    pub(super) async fn hear(&mut self, keeper: &Keeper, index: &Index) {
        let unknown = self.unknown(index);
        let databases_unknown =
            self.databases_unknown(index) || unknown.iter().any(|oid| !self.databases.contains_key(oid));
        if databases_unknown && is_due(self.asked_databases) {
            self.asked_databases = Some(Instant::now());
            let asked = tokio::time::timeout(ASK_WITHIN, self.hear_databases(keeper)).await;
            told("the names of databases are not known", asked);
        }
        for oid in unknown {
            if is_due(self.asked.get(&oid).copied()) {
                self.asked.insert(oid, Instant::now());
                let asked = tokio::time::timeout(ASK_WITHIN, self.hear_database(keeper, oid)).await;
                told("the names of relations are not known", asked);
            }
        }
    }

    async fn hear_databases(&mut self, keeper: &Keeper) -> Result<(), Error> {
        let mut connection = keeper.cluster.ask("weir backup names").await?;
        let rows = connection
            .simple_query("select oid, datname from pg_catalog.pg_database")
            .await?;
        for row in rows {
            self.databases
                .insert(row.parse("oid")?, row.text("datname")?.to_owned());
        }
        connection.close().await;
        Ok(())
    }

    async fn hear_database(&mut self, keeper: &Keeper, oid: u32) -> Result<(), Error> {
        // The one of a database that was removed cannot be asked.
        let Some(name) = self.databases.get(&oid) else {
            return Ok(());
        };
        let options = ConnectOptions {
            application_name: Some("weir backup names".to_owned()),
            ..ConnectOptions::default()
        };
        let mut connection = Connection::connect(&keeper.cluster.target.in_database(name), options).await?;
        for row in connection.simple_query(&question()).await? {
            let entry = RelationEntry {
                database: oid,
                tablespace: row.parse("tablespace")?,
                node: row.parse("node")?,
                oid: row.parse("oid")?,
                name: row.text("name")?.to_owned(),
                kind: row.text("relkind")?.to_owned(),
            };
            self.learn(&entry);
            if row.get("owner").is_some() {
                self.attach((oid, row.parse("owner")?), entry);
            }
        }
        connection.close().await;
        Ok(())
    }

    fn attach(&mut self, owner: (u32, u32), entry: RelationEntry) {
        if self.attached.len() >= KNOWN_MAX {
            self.attached.clear();
        }
        let entry = RelationEntry { oid: 0, ..entry };
        let known = self.attached.entry(owner).or_default();
        if !known.iter().any(|other| other.key() == entry.key()) && known.len() < ATTACHED_MAX {
            known.push(entry);
        }
    }

    /// Has an index name what belongs to its tables, for whoever reads of their end and cannot ask any more.
    fn add_attached(&self, index: &mut Index) {
        let there: HashSet<Key> = index.relations.iter().map(RelationEntry::key).collect();
        let tables = index
            .relations
            .iter()
            .map(|relation| (relation.database, relation.node));
        let attached = tables.filter_map(|table| self.attached.get(&table)).flatten();
        let missing: Vec<RelationEntry> = attached
            .filter(|entry| !there.contains(&entry.key()))
            .cloned()
            .collect();
        index.relations.extend(missing);
    }

    /// Writes into an index what is known by name.
    pub(super) fn fill(&self, index: &mut Index) {
        self.add_attached(index);
        for relation in &mut index.relations {
            if let Some(named) = self.relation(relation.key()) {
                relation.name.clone_from(&named.name);
                relation.kind.clone_from(&named.kind);
            }
        }
        let commits = index.commits.iter().flat_map(|commits| &commits.databases);
        let mut oids: Vec<u32> = commits.copied().collect();
        oids.sort_unstable();
        oids.dedup();
        let known = oids.into_iter().filter_map(|oid| {
            let name = self.database(oid)?.to_owned();
            Some(DatabaseEntry { oid, name })
        });
        index.databases = known.collect();
    }
}

fn is_due(asked: Option<Instant>) -> bool {
    asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY)
}

fn told(message: &'static str, asked: Result<Result<(), Error>, tokio::time::error::Elapsed>) {
    match asked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(error = %error, "{message}"),
        Err(_) => tracing::debug!("{message}: no answer within {ASK_WITHIN:?}"),
    }
}

fn question() -> String {
    format!(
        "select c.oid, pg_catalog.pg_relation_filenode(c.oid) as node,
                coalesce(nullif(c.reltablespace, 0), d.dattablespace) as tablespace,
                n.nspname || '.' || c.relname as name, c.relkind,
                case when c.oid >= {FIRST_OF_USERS} then
                    nullif(pg_catalog.pg_relation_filenode(coalesce(t.oid, i.indrelid)), 0) end as owner
           from pg_catalog.pg_class c
           join pg_catalog.pg_namespace n on n.oid = c.relnamespace
           join pg_catalog.pg_database d on d.datname = pg_catalog.current_database()
           left join pg_catalog.pg_index i on i.indexrelid = c.oid
           left join pg_catalog.pg_class t on t.reltoastrelid = coalesce(i.indrelid, c.oid)
          where pg_catalog.pg_relation_filenode(c.oid) is not null
          order by c.oid desc
          limit {RELATIONS_MAX}"
    )
}
