//! What these tests have in common: databases, repositories in directories, and settings that name them.

use std::path::PathBuf;
use std::sync::Arc;

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_config::Sources;
use weir_model::{Clock, Secret};
use weir_store::{Store, StoreOptions};
use weir_telemetry::Registry;
use weir_testkit::{Database, Postgres};

use crate::cluster::Cluster;
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::orders::{ExportOrder, ImportOrder};
use crate::project;
use crate::repo::Repository;
use crate::repo::state::BackupEntry;
use crate::repositories::Repositories;

/// A database with projects in it, and repositories for their exports.
pub(super) struct World {
    pub database: Database,
    pub dir: TempDir,
    projects: String,
    repositories: usize,
}

impl World {
    /// A fresh database of the shared cluster and so many repositories.
    pub(super) async fn new(repositories: usize) -> Self {
        Self {
            database: Postgres::shared().await.database().await,
            dir: tempfile::tempdir().unwrap(),
            projects: String::new(),
            repositories,
        }
    }

    /// Adds a project: lines of its table in the settings besides name and database.
    pub(super) fn project(&mut self, name: &str, lines: &str) {
        let database = self.database.name();
        self.projects += &format!("[[backup.projects]]\nproject = \"{name}\"\ndatabase = \"{database}\"\n{lines}\n\n");
    }

    /// Forgets all projects.
    pub(super) fn without_projects(&mut self) {
        self.projects.clear();
    }

    /// An identity in a file of its own; returns the lines that give it to a project.
    pub(super) fn identity(&self, name: &str) -> String {
        let identity = Identity::generate();
        let file = self.dir.path().join(name);
        let text = format!(
            "# public key: {}\n{}\n",
            identity.to_public(),
            identity.to_string().expose_secret()
        );
        std::fs::write(&file, text).unwrap();
        format!(
            "recipients = [\"{}\"]\nidentity_file = \"{}\"\n",
            identity.to_public(),
            file.display()
        )
    }

    /// Where a repository lies.
    pub(super) fn place(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("repository{number}"))
    }

    /// What work is done with, from settings as a file has them.
    pub(super) async fn keeper(&self) -> Keeper {
        self.try_keeper().await.unwrap()
    }

    /// The same, or what is wrong with the settings.
    pub(super) async fn try_keeper(&self) -> Result<Keeper, String> {
        let mut text = format!(
            "[backup]\npostgres_bin = \"{}\"\n\n",
            Postgres::shared().await.bin_dir().display()
        );
        for number in 0..self.repositories {
            let key = self.dir.path().join(format!("key{number}"));
            std::fs::write(&key, [u8::try_from(number).unwrap() + 1; 32]).unwrap();
            text += &format!(
                "[[backup.repositories]]\nname = \"r{number}\"\nurl = \"file://{}\"\nkey_file = \"{}\"\n\n",
                self.place(number).display(),
                key.display()
            );
        }
        text += &self.projects;
        let file = self.dir.path().join("weir.toml");
        std::fs::write(&file, text).unwrap();
        let environment = [("DATABASE_URL".to_owned(), self.database.url())];
        let sources = Sources::load(Some(file), environment).map_err(|error| error.to_string())?;
        let (settings, target) = crate::settings::check(&sources).map_err(|error| error.to_string())?;
        let options = StoreOptions {
            url: Secret::new(self.database.url()),
            schema: "weir_backup",
            connections_max: 1,
            acquire_timeout: std::time::Duration::from_secs(5),
            connect_timeout: std::time::Duration::from_secs(5),
        };
        Ok(Keeper {
            repositories: Repositories::of(&settings, Clock::system()),
            cluster: Cluster::of(&settings, target).unwrap(),
            store: Store::open(options, Vec::new()).unwrap(),
            metrics: Arc::new(Metrics::register(&Registry::default())),
            clock: Clock::system(),
            config_file: None,
            settings,
        })
    }

    /// Another database of the same cluster.
    pub(super) async fn other(&self) -> Database {
        Postgres::shared().await.database().await
    }
}

/// As fast as it goes, until the token trips.
fn pace_until(stop: &CancellationToken) -> Pace {
    Pace::new(0, stop.clone(), Progress::default())
}

/// So slow that an export of a few megabytes takes seconds, until the token trips.
pub(super) fn slow_until(stop: &CancellationToken) -> Pace {
    Pace::new(1_000_000, stop.clone(), Progress::default())
}

/// As fast as it goes.
pub(super) fn pace() -> Pace {
    pace_until(&CancellationToken::new())
}

/// Exports a project.
pub(super) async fn exported(keeper: &Keeper, project: &str) -> Result<BackupEntry, Error> {
    exported_as(keeper, project, Uuid::now_v7()).await
}

/// The same under this id.
pub(super) async fn exported_as(keeper: &Keeper, project: &str, id: Uuid) -> Result<BackupEntry, Error> {
    let order = ExportOrder {
        project: project.to_owned(),
        note: "a test".to_owned(),
        ..ExportOrder::default()
    };
    project::export(keeper, id, &order, &pace()).await
}

/// Orders an import.
pub(super) fn import_of(entry: &BackupEntry) -> ImportOrder {
    ImportOrder {
        backup_id: entry.id.clone(),
        ..ImportOrder::default()
    }
}

/// Imports an export.
pub(super) async fn imported(keeper: &Keeper, order: &ImportOrder) -> Result<project::Imported, Error> {
    project::import(keeper, Uuid::now_v7(), order, &pace()).await
}

/// The short name of an error.
pub(super) fn slug<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    use weir_model::Coded as _;
    result.expect_err("it has to fail").slug()
}

/// A repository of a keeper.
pub(super) async fn repository(keeper: &Keeper, number: usize) -> Repository {
    keeper.repositories.get(&format!("r{number}")).await.unwrap()
}

/// Everything in some schemas as text, to be compared: each row of each table, and what the catalog says of its form.
pub(super) async fn content(database: &Database, schema: &str) -> String {
    let tables = database
        .psql(&format!(
            "select relname from pg_class where relnamespace = '{schema}'::regnamespace and relkind in ('r', 'm') and relispopulated order by 1"
        ))
        .await;
    let mut all = String::new();
    for table in tables.lines() {
        let table = format!("\"{schema}\".\"{}\"", table.replace('"', "\"\""));
        let rows = database
            .psql(&format!(
                "set timezone = 'UTC'; select count(*) || ' ' || coalesce(md5(string_agg(t::text, E'\\n' order by t::text collate \"C\")), '') from only {table} t"
            ))
            .await;
        all += &format!("{table} {rows}\n");
    }
    all += &database
        .psql(&format!(
            "set search_path = ''; select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                pg_get_expr(d.adbin, d.adrelid)
            from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
            where c.relnamespace = '{schema}'::pg_catalog.regnamespace order by 1, 2;
            select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint
            where connamespace = '{schema}'::pg_catalog.regnamespace order by conrelid::regclass::text, conname;
            select indexrelid::regclass, pg_get_indexdef(indexrelid) from pg_index join pg_class c on c.oid = indexrelid
            where c.relnamespace = '{schema}'::pg_catalog.regnamespace order by c.relname;
            select c.relname, pg_get_viewdef(c.oid) from pg_class c where c.relkind in ('v', 'm')
            and c.relnamespace = '{schema}'::pg_catalog.regnamespace order by 1;
            select p.proname, pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = '{schema}'::pg_catalog.regnamespace order by 1;
            select sequencename, last_value from pg_sequences where schemaname = '{schema}' order by 1;
            select t.tgrelid::regclass, t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
            where not t.tgisinternal and c.relnamespace = '{schema}'::pg_catalog.regnamespace order by t.tgrelid::regclass::text, t.tgname;"
        ))
        .await;
    all
}
