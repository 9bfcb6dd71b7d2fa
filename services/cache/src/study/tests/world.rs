//! A database with tables, views, policies and functions, and what a follower would know of it.

use std::collections::HashMap;
use std::sync::Arc;

use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::dependency::Value;
use weir_telemetry::Registry;
use weir_testkit::{Database, Postgres};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::super::Room;
use crate::follow::{Followed, Told};
use crate::metrics::Metrics;

/// How long something may take on a busy machine.
pub(super) const SOON: std::time::Duration = std::time::Duration::from_secs(20);

pub(super) struct World {
    pub(super) database: Database,
    pub(super) room: Room,
    pub(super) followed: Followed,
}

/// What is studied: a text, and how it differs from a statement of user `app` with inferred types.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) sql: String,
    pub(super) role: String,
    pub(super) search_path: String,
    pub(super) types: Vec<u32>,
    pub(super) utf8: bool,
}

pub(super) fn case(sql: &str) -> Case {
    Case {
        sql: sql.to_owned(),
        role: "postgres".to_owned(),
        search_path: String::new(),
        types: Vec::new(),
        utf8: true,
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::of(Postgres::shared().await.database().await).await
    }

    pub(super) async fn of(database: Database) -> Self {
        database.psql(include_str!("schema.sql")).await;
        Self::plain(database).await
    }

    /// A database as it is.
    pub(super) async fn plain(database: Database) -> Self {
        let followed = followed(&database).await;
        let metrics = Arc::new(Metrics::register(&Registry::default()));
        Self {
            room: Room::new(metrics),
            followed,
            database,
        }
    }

    /// Reads anew what a follower would.
    pub(super) async fn follow(&mut self) {
        self.followed = followed(&self.database).await;
    }

    pub(super) async fn study(&self, case: &Case) -> api::StudyResponse {
        let request = api::StudyRequest {
            database: self.database.name().to_owned(),
            role: case.role.clone(),
            search_path: case.search_path.clone(),
            sql: case.sql.clone(),
            parameter_types: case.types.clone(),
            utf8: case.utf8,
            ..api::StudyRequest::default()
        };
        self.room.study(&self.followed, &request).await.unwrap()
    }

    /// The verdict in one line: `no: rule rule`, or the tags in order.
    pub(super) async fn verdict(&self, case: &Case) -> String {
        line(&self.study(case).await)
    }
}

pub(super) fn line(answer: &api::StudyResponse) -> String {
    if !answer.cacheable {
        let mut rules: Vec<&str> = answer.refusals.iter().map(|refusal| &*refusal.rule).collect();
        rules.dedup();
        return format!("no: {}", rules.join(" "));
    }
    let mut tags: Vec<String> = answer.dependencies.iter().map(tag).collect();
    tags.sort();
    for number in &answer.dated_parameters {
        tags.push(format!("dated ${number}"));
    }
    for number in &answer.dated_literals {
        tags.push(format!("dated #{number}"));
    }
    tags.join(", ")
}

fn tag(dependency: &api::Dependency) -> String {
    let relation = dependency
        .relation
        .strip_prefix("public.")
        .unwrap_or(&dependency.relation);
    let column = &dependency.column;
    match &dependency.value {
        None => relation.to_owned(),
        Some(Value::Parameter(number)) => format!("{relation}.{column}=${number}"),
        Some(Value::Literal(number)) => format!("{relation}.{column}=#{number}"),
        Some(Value::Constant(bytes)) => format!("{relation}.{column}={}", constant(dependency.type_oid, bytes)),
    }
}

fn constant(type_oid: u32, bytes: &[u8]) -> String {
    match (type_oid, <[u8; 8]>::try_from(bytes)) {
        (20 | 21 | 23, Ok(number)) => i64::from_be_bytes(number).to_string(),
        (25 | 1043, _) => String::from_utf8_lossy(bytes).into_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Tables with a replica identity, and the columns of it.
async fn followed(database: &Database) -> Followed {
    let target = Target::parse(&database.url()).unwrap();
    let mut connection = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    let rows = connection.simple_query(TABLES).await.unwrap();
    let mut tables = HashMap::new();
    let mut untold = HashMap::new();
    for row in rows {
        let oid: u32 = row.parse("oid").unwrap();
        match row.get("columns") {
            Some(columns) => {
                let told = Told {
                    name: row.text("name").unwrap().to_owned(),
                    columns: columns.split(',').map(str::to_owned).collect(),
                };
                tables.insert(oid, told);
            }
            None => {
                untold.insert(
                    oid,
                    ("no_replica_identity".to_owned(), "give it a primary key".to_owned()),
                );
            }
        }
    }
    Followed {
        epoch: "1/1/1/test".to_owned(),
        visible_lsn: 4711,
        target,
        tables: Arc::new(tables),
        untold: Arc::new(untold),
    }
}

const TABLES: &str = "
    select c.oid, format('%s.%s', n.nspname, c.relname) as name,
        case c.relreplident
          when 'd' then (select string_agg(a.attname, ',' order by a.attnum) from pg_index i
            join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
            where i.indrelid = c.oid and i.indisprimary)
          when 'f' then (select string_agg(distinct a.attname, ',') from pg_index i
            join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey) where i.indrelid = c.oid) end as columns
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and c.relpersistence = 'p' and c.oid >= 16384
        and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')";
