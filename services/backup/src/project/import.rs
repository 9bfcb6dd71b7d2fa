//! An import: an export's tables back into a database, all of them or nothing.
//!
//! Everything is done in one transaction. So whatever ends it, a failure, a crash of this process or one of the server,
//! leaves nothing behind, and nobody sees a part of it. Before that begins, the key is tried and every object that will
//! be read is checked.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;
use weir_upstream::Connection;

use super::contents::{self, Choice};
use super::index;
use super::keys;
use super::load::{self, Opened};
use super::manifest::{FORMAT, Manifest, Name, Table};
use super::names::Renaming;
use super::programs::Programs;
use super::readers::Identities;
use super::scope::{constant, is_system, qualified, quoted};
use super::session::Sessions;
use super::settings;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::ImportOrder;
use crate::repo::state::{BackupEntry, BackupKind, BackupState};
use crate::repo::{self, Repository};

/// What an import made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Imported {
    pub database: String,
    /// The schemas that it wrote.
    pub schemas: Vec<String>,
    pub tables: u64,
    pub rows: u64,
    /// What could not be made, in words.
    pub left_out: Vec<String>,
}

/// Brings an export back.
pub(crate) async fn import(keeper: &Keeper, id: Uuid, order: &ImportOrder, pace: &Pace) -> Result<Imported, Error> {
    if is_system(&order.schema) {
        return Err(Error::Field {
            field: "schema",
            reason: format!("{} is PostgreSQL's own", order.schema),
        });
    }
    let opened = open(keeper, order).await?;
    let plan = Plan::of(&opened.manifest, order)?;
    opened.verify(&plan.tables, pace).await?;
    let database = if order.database.is_empty() {
        opened.manifest.database.clone()
    } else {
        order.database.clone()
    };
    let target = keeper.cluster.target.in_database(&database);
    let sessions = Sessions::default();
    let work = async {
        let mut connection = sessions.open(&target, &format!("weir-backup import {id}")).await?;
        connection.simple_query("begin").await?;
        let left_out = write(keeper, &opened, &plan, &mut connection, pace).await?;
        connection.simple_query("commit").await?;
        connection.close().await;
        Ok(left_out)
    };
    let left_out = sessions.watch(pace, work).await?;
    let tables = || {
        opened
            .manifest
            .tables
            .iter()
            .enumerate()
            .filter(|(at, _)| plan.tables.contains(at))
    };
    Ok(Imported {
        database,
        schemas: plan.schemas().into_iter().collect(),
        tables: tables().count() as u64,
        rows: tables().map(|(_, table)| table.rows).sum(),
        left_out,
    })
}

/// Finds an export in the first repository that has it, and opens it with the identity of the order.
async fn open(keeper: &Keeper, order: &ImportOrder) -> Result<Opened, Error> {
    let mut trouble = repo::Error::NoBackup(order.backup_id.clone()).into();
    let names: Vec<String> = keeper.repositories.names().map(str::to_owned).collect();
    for name in names {
        let opened = async {
            let repository = keeper.repositories.get(&name).await?;
            let entry = repository.state().await?.backup(&order.backup_id)?.clone();
            open_in(keeper, &repository, &entry, &order.identity).await
        };
        match opened.await {
            Ok(opened) => return Ok(opened),
            Err(Error::Repository(repo::Error::NoBackup(_))) => {}
            // Another copy may be whole, or at hand. A wrong key is wrong everywhere.
            Err(error @ Error::Repository(_)) => {
                tracing::warn!(repository = name, error = %error, "an export cannot be read from a repository");
                trouble = error;
            }
            Err(error) => return Err(error),
        }
    }
    Err(trouble)
}

/// Opens an export in a repository. `identity`: the project of the settings whose identity it is opened with; empty: its
/// own.
pub(super) async fn open_in(
    keeper: &Keeper,
    repository: &Repository,
    entry: &BackupEntry,
    identity: &str,
) -> Result<Opened, Error> {
    if entry.kind() != BackupKind::Project {
        return Err(Error::Field {
            field: "backup_id",
            reason: format!("{} is a backup of a whole cluster, and no export", entry.id),
        });
    }
    if entry.state() == BackupState::Shredded {
        return Err(Error::Refused {
            slug: "backup-shredded",
            reason: format!("the exports of project {} were shredded", entry.project),
        });
    }
    let index = index::get(repository, entry).await?;
    let identities = identities(keeper, repository, entry, identity).await?;
    if !identities.fit(&index.recipients) {
        return Err(wrong_key(entry, &index.recipients, &identities));
    }
    let stored = index.manifest.as_ref();
    let stored = stored.ok_or_else(|| repo::Error::corrupt(&index::folder(&entry.id), "it has no manifest"))?;
    let sealed = stored.read(repository).await?;
    let packed = identities.decrypt(&sealed).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys => wrong_key(entry, &index.recipients, &identities),
        error => repo::Error::corrupt(&stored.path, error.to_string()).into(),
    })?;
    let manifest = read_manifest(&stored.path, &packed)?;
    if manifest.export != entry.id || manifest.project != entry.project {
        return Err(repo::Error::corrupt(&stored.path, "it is another export's").into());
    }
    Ok(Opened {
        repository: repository.clone(),
        index,
        manifest,
        identities,
    })
}

fn read_manifest(path: &str, packed: &[u8]) -> Result<Manifest, Error> {
    let plain = zstd::stream::decode_all(packed).map_err(|error| repo::Error::corrupt(path, error.to_string()))?;
    let manifest: Manifest =
        serde_json::from_slice(&plain).map_err(|error| repo::Error::corrupt(path, error.to_string()))?;
    if manifest.format > FORMAT {
        return Err(Error::Refused {
            slug: "backup-format",
            reason: format!(
                "the export has format {}, and this version reads {FORMAT}",
                manifest.format
            ),
        });
    }
    Ok(manifest)
}

/// Identities at hand for an export.
async fn identities(
    keeper: &Keeper,
    repository: &Repository,
    entry: &BackupEntry,
    identity: &str,
) -> Result<Identities, Error> {
    if identity.is_empty()
        && let Some(made) = keys::made(repository, &entry.project, &entry.key_id).await?
    {
        return Ok(made);
    }
    let name = if identity.is_empty() { &entry.project } else { identity };
    let file = settings(keeper, name)?
        .identity_file
        .as_ref()
        .ok_or_else(|| Error::Refused {
            slug: "backup-project-key",
            reason: format!(
                "export {} is encrypted to the recipients of project {}, and no identity_file is set for {name}",
                entry.id, entry.project
            ),
        })?;
    Identities::from_file(file)
}

fn wrong_key(entry: &BackupEntry, recipients: &[String], identities: &Identities) -> Error {
    Error::Refused {
        slug: "backup-project-key",
        reason: format!(
            "export {} is encrypted to {}, and the identity at hand is that of {}",
            entry.id,
            recipients.join(", "),
            identities.publics().join(", ")
        ),
    }
}

/// What an import takes of an export, and where to.
#[derive(Debug)]
pub(super) struct Plan {
    /// Tables by their place in the manifest.
    pub tables: BTreeSet<usize>,
    /// Whether that is all of it.
    pub whole: bool,
    choice: Choice,
    /// The one schema that everything goes to.
    schema: Option<String>,
    /// The schemas that the tables come from.
    from: BTreeSet<String>,
    left_out: Vec<String>,
}

impl Plan {
    /// What an order means. Pure.
    pub(super) fn of(manifest: &Manifest, order: &ImportOrder) -> Result<Self, Error> {
        let tables = chosen_tables(manifest, &order.tables)?;
        let chosen = || {
            manifest
                .tables
                .iter()
                .enumerate()
                .filter(|(at, _)| tables.contains(at))
                .map(|(_, table)| table)
        };
        let oids: BTreeSet<u32> = chosen().map(|table| table.oid).collect();
        let keys = manifest.foreign_keys.iter().filter(|key| oids.contains(&key.table_oid));
        let without: Vec<_> = keys.filter(|key| !oids.contains(&key.referenced_oid)).collect();
        let whole = order.tables.is_empty();
        let mut left_out = manifest.left_out.clone();
        if !whole {
            left_out.extend(
                without
                    .iter()
                    .map(|key| format!("foreign key {}: it refers to a table that is not imported", key.name)),
            );
        }
        let from: BTreeSet<String> = chosen()
            .map(|table| table.name.schema.clone())
            .chain(if whole { manifest.schemas.clone() } else { Vec::new() })
            .collect();
        let schema = (!order.schema.is_empty()).then(|| order.schema.clone());
        if schema.is_some() {
            check_names(chosen())?;
        }
        Ok(Self {
            choice: Choice {
                tables: (!whole).then_some(oids),
                without: without.iter().map(|key| key.oid).collect(),
            },
            whole,
            tables,
            schema,
            from,
            left_out,
        })
    }

    /// The schemas that it writes.
    fn schemas(&self) -> BTreeSet<String> {
        match &self.schema {
            Some(schema) => BTreeSet::from([schema.clone()]),
            None => self.from.clone(),
        }
    }

    /// The schema that something of this one goes to.
    fn schema_of<'a>(&'a self, schema: &'a str) -> &'a str {
        self.schema.as_deref().unwrap_or(schema)
    }
}

fn chosen_tables(manifest: &Manifest, names: &[String]) -> Result<BTreeSet<usize>, Error> {
    if names.is_empty() {
        return Ok((0..manifest.tables.len()).collect());
    }
    let mut oids = BTreeSet::new();
    for name in names {
        let table = manifest.table(name).ok_or_else(|| Error::Field {
            field: "tables",
            reason: format!("the export has no table {name}"),
        })?;
        oids.insert(table.oid);
    }
    // Partitions come with the table that they are of: that is where its rows are.
    loop {
        let before = oids.len();
        let of = manifest.tables.iter().filter(|table| oids.contains(&table.parent_oid));
        let more: Vec<u32> = of.map(|table| table.oid).collect();
        oids.extend(more);
        if oids.len() == before {
            break;
        }
    }
    let tables = manifest.tables.iter().enumerate();
    Ok(tables
        .filter(|(_, table)| oids.contains(&table.oid))
        .map(|(at, _)| at)
        .collect())
}

/// In one schema no two tables can have the same name.
fn check_names<'a>(tables: impl Iterator<Item = &'a Table>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for table in tables {
        if !seen.insert(&table.name.name) {
            return Err(Error::Field {
                field: "schema",
                reason: format!(
                    "two schemas of the export have a table {}; they do not fit into one",
                    table.name.name
                ),
            });
        }
    }
    Ok(())
}

/// Writes everything within the open transaction; says what could not be made.
async fn write(
    keeper: &Keeper,
    opened: &Opened,
    plan: &Plan,
    connection: &mut Connection,
    pace: &Pace,
) -> Result<Vec<String>, Error> {
    let manifest = &opened.manifest;
    check_absent(connection, manifest, plan).await?;
    for schema in plan.schemas() {
        connection
            .simple_query(&format!("create schema if not exists {}", quoted(&schema)))
            .await?;
    }
    let version = connection
        .simple_query("select pg_catalog.current_setting('server_version_num') as version")
        .await?;
    let version = version.first().map_or(Ok(0), |row| row.parse("version"))?;
    let programs = Programs::of(keeper.settings.postgres_bin.as_deref(), version)?;
    let sections = definitions(opened, plan, &programs, pace).await?;
    for part in &sections {
        define(connection, &part.before).await?;
    }
    let bytes = manifest
        .tables
        .iter()
        .enumerate()
        .filter(|(at, _)| plan.tables.contains(at));
    let bytes = bytes
        .flat_map(|(_, table)| &table.slices)
        .map(|slice| slice.bytes)
        .sum();
    pace.progress().begin("restore", bytes);
    let encoding = format!(
        "select pg_catalog.set_config('client_encoding', {}, false)",
        constant(&manifest.encoding)
    );
    connection.simple_query(&encoding).await?;
    let name = |table: &Table| load::copied(plan.schema_of(&table.name.schema), table);
    opened.load(connection, &plan.tables, &name, pace).await?;
    pace.progress().begin("check", 0);
    for (_, table) in manifest
        .tables
        .iter()
        .enumerate()
        .filter(|(at, table)| plan.tables.contains(at) && table.kind == "r")
    {
        load::compare(connection, &name(table), table, pace).await?;
    }
    let made: BTreeSet<u32> = sections.iter().flat_map(|part| &part.relations).copied().collect();
    for sequence in manifest
        .sequences
        .iter()
        .filter(|sequence| made.contains(&sequence.oid))
    {
        let name = qualified(plan.schema_of(&sequence.name.schema), &sequence.name.name);
        let set = format!(
            "select pg_catalog.setval({}, {}, {})",
            constant(&name),
            sequence.last_value,
            sequence.is_called
        );
        connection.simple_query(&set).await?;
    }
    for part in &sections {
        define(connection, &part.after).await?;
    }
    for view in manifest.views.iter().filter(|_| plan.whole) {
        let name = qualified(plan.schema_of(&view.schema), &view.name);
        define(connection, &format!("refresh materialized view {name}")).await?;
    }
    Ok(plan.left_out.clone())
}

/// Runs definitions. What the server says against them will not be otherwise the next time.
async fn define(connection: &mut Connection, sql: &str) -> Result<(), Error> {
    match connection.simple_query(sql).await {
        Ok(_) => Ok(()),
        Err(weir_upstream::Error::Server(error)) => Err(Error::Refused {
            slug: "backup-import-failed",
            reason: format!("the database does not take the definitions, and nothing was imported: {error}"),
        }),
        Err(error) => Err(error.into()),
    }
}

/// Refuses where anything of a name is there already.
async fn check_absent(connection: &mut Connection, manifest: &Manifest, plan: &Plan) -> Result<(), Error> {
    let chosen = manifest
        .tables
        .iter()
        .enumerate()
        .filter(|(at, _)| plan.tables.contains(at));
    let tables: BTreeSet<&Name> = chosen.map(|(_, table)| &table.name).collect();
    let names = manifest.names.iter().filter(|name| plan.whole || tables.contains(name));
    let pairs: Vec<String> = names
        .map(|name| format!("({}, {})", constant(plan.schema_of(&name.schema)), constant(&name.name)))
        .collect();
    if pairs.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "with wanted(schema, name) as (values {})
        select n.nspname || '.' || w.name as name from wanted w join pg_catalog.pg_namespace n on n.nspname = w.schema
        where exists (select from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relname = w.name)
            or exists (select from pg_catalog.pg_type t where t.typnamespace = n.oid and t.typname = w.name)
        order by 1 limit 10",
        pairs.join(", ")
    );
    let rows = connection.simple_query(&sql).await?;
    let there: Vec<&str> = rows.iter().filter_map(|row| row.get("name")).collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(Error::Refused {
        slug: "backup-import-exists",
        reason: format!(
            "the database holds {} already; remove them, or import into another schema or database",
            there.join(", ")
        ),
    })
}

/// Definitions of one archive, as text for the database.
struct Sections {
    before: String,
    after: String,
    /// Relations among them, by the number that they had.
    relations: BTreeSet<u32>,
}

async fn definitions(opened: &Opened, plan: &Plan, programs: &Programs, pace: &Pace) -> Result<Vec<Sections>, Error> {
    let mut archives = opened.definitions(pace).await?;
    let names = opened
        .manifest
        .names
        .iter()
        .map(|name| (name.schema.clone(), name.name.clone()))
        .collect();
    let elsewhere = |sql: String| match &plan.schema {
        Some(to) => Renaming { names: &names, to }.apply(&sql),
        None => sql,
    };
    let mut sections = Vec::new();
    for name in &opened.manifest.definitions {
        let missing = || repo::Error::corrupt(name, "the export does not have it");
        let archive = archives.remove(name).ok_or_else(missing)?;
        let entries = contents::read(&programs.contents(&archive).await?);
        let numbers = contents::chosen(&entries, &plan.choice);
        if numbers.is_empty() {
            continue;
        }
        let taken: BTreeSet<u32> = numbers.iter().copied().collect();
        let relations = entries
            .iter()
            .filter(|entry| taken.contains(&entry.number))
            .filter_map(contents::Entry::relation);
        sections.push(Sections {
            relations: relations.collect(),
            before: elsewhere(programs.sql(&archive, "pre-data", &numbers).await?),
            after: elsewhere(programs.sql(&archive, "post-data", &numbers).await?),
        });
    }
    Ok(sections)
}
