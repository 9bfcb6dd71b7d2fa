//! Sets of migrations, each with a table of its own that remembers what was applied.
//!
//! A schema holds the tables of several rooms: those of this crate, perhaps those of the jobs, and the service's own.
//! Each room numbers its migrations by itself, so that none has to know of the others.

use std::borrow::Cow;

use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migrator};

/// A migration as this version of Weir knows it, for those who compare it with what a schema has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMigration {
    /// The table that remembers what was applied.
    pub table: &'static str,
    /// Its number.
    pub version: i64,
    /// Of its text, as hexadecimal digits.
    pub checksum: String,
}

/// One room's migrations.
#[derive(Debug)]
pub struct Migrations {
    table: &'static str,
    migrator: Migrator,
}

impl Migrations {
    /// The service's own: `Migrations::of_service(sqlx::migrate!())`. They may refer to the tables of the sets before.
    pub fn of_service(migrator: Migrator) -> Self {
        Self::named("_sqlx_migrations", migrator)
    }

    /// A room's, remembered in `table`.
    pub fn named(table: &'static str, mut migrator: Migrator) -> Self {
        migrator.dangerous_set_table_name(table);
        Self { table, migrator }
    }

    /// The tables that every store has: leaders and outbox.
    pub(crate) fn of_store() -> Self {
        Self::named("_sqlx_migrations_store", sqlx::migrate!())
    }

    /// Every migration of a service's schema: the store's own, then those of these sets.
    pub fn known(sets: &[Self]) -> Vec<KnownMigration> {
        let own = Self::of_store();
        std::iter::once(&own).chain(sets).flat_map(Self::of_set).collect()
    }

    fn of_set(&self) -> Vec<KnownMigration> {
        let known = |migration: &sqlx::migrate::Migration| KnownMigration {
            table: self.table,
            version: migration.version,
            checksum: migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        self.migrator.iter().map(known).collect()
    }

    pub(crate) const fn table(&self) -> &'static str {
        self.table
    }

    /// Runs what is missing, under the driver's lock on the database: of several instances one migrates, the others wait.
    ///
    /// Not by the driver's `run`, whose future is `Send` but does not let the compiler see it.
    pub(crate) async fn run(&self, connection: &mut PgConnection) -> Result<(), MigrateError> {
        self.migrator.run_direct(None, connection, false).await
    }

    /// Has the schema created before anything else, under the same lock.
    pub(crate) fn creating(mut self, schema: &'static str) -> Self {
        self.migrator.create_schema(Cow::Borrowed(schema));
        self
    }
}
