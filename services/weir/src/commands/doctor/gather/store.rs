//! Weir's own tables: who may make them, and whether they are as this version expects.

use std::collections::{BTreeMap, BTreeSet};

use weir_store::{KnownMigration, Migrations};
use weir_upstream::{Connection, Error, Target};

use super::server::{connect, one};
use super::{Asker, Wishes};
use crate::commands::doctor::facts::{Schema, Store, StoreSeen};

const ROLE: &str = "select current_user as role, pg_catalog.current_database() as database,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create') as may_create";

/// The schemas of the services, with the migrations that they expect.
fn schemas() -> [(&'static str, Vec<Migrations>); 6] {
    [
        (weir_query_monitor::SCHEMA, weir_query_monitor::migrations()),
        (weir_cache::SCHEMA, weir_cache::migrations()),
        (weir_scheduler::SCHEMA, weir_scheduler::migrations()),
        (weir_maintenance::SCHEMA, weir_maintenance::migrations()),
        (weir_backup::SCHEMA, weir_backup::migrations()),
        (weir_console::SCHEMA, weir_console::migrations()),
    ]
}

pub(super) async fn look(asker: &Asker, wishes: &Wishes) -> Store {
    match &wishes.store {
        None => Store {
            place: String::new(),
            seen: Err("neither store.url nor database.url is set".to_owned()),
        },
        Some(target) => Store {
            place: target.place(),
            seen: asker.within(seen(asker, target)).await,
        },
    }
}

async fn seen(asker: &Asker, target: &Target) -> Result<StoreSeen, Error> {
    let mut connection = connect(asker, target).await?;
    let role = one(&mut connection, ROLE).await?;
    let mut seen = StoreSeen {
        role: role.text("role")?.to_owned(),
        database: role.text("database")?.to_owned(),
        may_create: role.flag("may_create")?,
        schemas: Vec::new(),
    };
    for (name, sets) in schemas() {
        seen.schemas
            .push(schema(&mut connection, name, &Migrations::known(&sets)).await?);
    }
    connection.close().await;
    Ok(seen)
}

async fn schema(connection: &mut Connection, name: &'static str, known: &[KnownMigration]) -> Result<Schema, Error> {
    // The names are constants of the code.
    let sql = format!(
        "select pg_catalog.has_schema_privilege(oid, 'usage') and pg_catalog.has_schema_privilege(oid, 'create') as usable
         from pg_catalog.pg_namespace where nspname = '{name}'"
    );
    let found = connection.simple_query(&sql).await?;
    let Some(row) = found.first() else {
        return Ok(Schema {
            name,
            missing: u64::try_from(known.len()).unwrap_or_default(),
            ..Schema::default()
        });
    };
    let schema = Schema {
        name,
        exists: true,
        usable: row.flag("usable")?,
        ..Schema::default()
    };
    if !schema.usable {
        return Ok(schema);
    }
    match applied(connection, name, known).await {
        Ok(applied) => Ok(compared(schema, known, &applied)),
        Err(Error::Server(error)) => Ok(Schema {
            hidden: error.to_string(),
            ..schema
        }),
        Err(error) => Err(error),
    }
}

/// A migration that was applied: whether to its end, and the checksum of its text.
struct Applied {
    succeeded: bool,
    checksum: String,
}

type AppliedAll = BTreeMap<(String, i64), Applied>;

async fn applied(connection: &mut Connection, schema: &str, known: &[KnownMigration]) -> Result<AppliedAll, Error> {
    let tables: BTreeSet<&str> = known.iter().map(|migration| migration.table).collect();
    let mut all = BTreeMap::new();
    for table in tables {
        let there = format!("select pg_catalog.to_regclass('{schema}.{table}') is not null as is_there");
        if !one(connection, &there).await?.flag("is_there")? {
            continue;
        }
        let sql =
            format!("select version, success, pg_catalog.encode(checksum, 'hex') as checksum from {schema}.{table}");
        for row in connection.simple_query(&sql).await? {
            let found = Applied {
                succeeded: row.flag("success")?,
                checksum: row.text("checksum")?.to_owned(),
            };
            all.insert((table.to_owned(), row.parse("version")?), found);
        }
    }
    Ok(all)
}

fn compared(mut schema: Schema, known: &[KnownMigration], applied: &AppliedAll) -> Schema {
    let key = |migration: &KnownMigration| (migration.table.to_owned(), migration.version);
    let named = |(table, version): &(String, i64)| format!("{table} {version}");
    for migration in known {
        match applied.get(&key(migration)) {
            None => schema.missing += 1,
            Some(found) if !found.succeeded => {
                schema.failed.insert(named(&key(migration)));
            }
            Some(found) if found.checksum != migration.checksum => {
                schema.changed.insert(named(&key(migration)));
            }
            Some(_) => {}
        }
    }
    let expected: BTreeSet<_> = known.iter().map(key).collect();
    schema.unknown = applied
        .keys()
        .filter(|found| !expected.contains(*found))
        .map(named)
        .collect();
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(version: i64, checksum: &str) -> KnownMigration {
        KnownMigration {
            table: "_m",
            version,
            checksum: checksum.to_owned(),
        }
    }

    #[test]
    fn a_schema_is_held_against_what_is_expected() {
        let applied = |version, succeeded, checksum: &str| {
            let found = Applied {
                succeeded,
                checksum: checksum.to_owned(),
            };
            (("_m".to_owned(), version), found)
        };
        let expected = [known(1, "a"), known(2, "b"), known(3, "c"), known(4, "d")];
        let found = [
            applied(1, true, "a"),
            applied(2, true, "x"),
            applied(3, false, "c"),
            applied(9, true, "z"),
        ];
        let schema = compared(Schema::default(), &expected, &found.into());
        assert_eq!(schema.missing, 1);
        assert_eq!(schema.changed, BTreeSet::from(["_m 2".to_owned()]));
        assert_eq!(schema.failed, BTreeSet::from(["_m 3".to_owned()]));
        assert_eq!(schema.unknown, BTreeSet::from(["_m 9".to_owned()]));
    }

    #[test]
    fn every_service_with_tables_is_looked_at() {
        let names: Vec<_> = schemas()
            .iter()
            .map(|(name, sets)| (*name, Migrations::known(sets).len() > 1))
            .collect();
        assert!(names.iter().all(|(_, some)| *some), "{names:?}");
        let with_tables = crate::commands::config::SERVICES
            .iter()
            .filter(|service| service.name != "pool-gateway");
        assert_eq!(names.len(), with_tables.count());
    }
}
