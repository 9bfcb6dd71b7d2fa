//! What the tests of a store share: options for a fresh database, and migrations made up on the spot.

mod leading;
mod opening;
mod relaying;

use std::time::Duration;

use crate::{Migrations, StoreOptions};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use weir_model::Secret;

/// Long enough for a slow machine, short enough for a person.
const DEADLINE: Duration = Duration::from_secs(30);

/// Options for a service's schema at `url`.
fn options(url: &str) -> StoreOptions {
    StoreOptions {
        url: Secret::new(url),
        schema: "weir_test",
        connections_max: 8,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    }
}

/// A service's migrations, numbered from 1.
fn migrations(sql: &[&'static str]) -> Vec<Migrations> {
    let numbered = (1..)
        .zip(sql)
        .map(|(version, sql)| Migration::new(version, "test".into(), MigrationType::Simple, sql.into_sql_str(), false));
    vec![Migrations::of_service(Migrator::with_migrations(numbered.collect()))]
}
