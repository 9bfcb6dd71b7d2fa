//! The estimators against the truth: tables and indexes of many shapes are built and worn, estimated, and then written
//! anew by VACUUM FULL and REINDEX, which tells what was waste. Each lab has a cluster of its own: a transaction that is
//! open in any of its databases has VACUUM FULL keep what is dead.
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod hazards;
mod indexes;
mod score;
mod tables;

use std::time::Duration;

use tokio::time::Instant;
use weir_testkit::{Database, Postgres};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::{census, known, tools};
use crate::plan::Bloat;
use crate::plan::estimate::{screen_index, screen_table};
use score::{Guess, Score};

/// What both labs use: text that nothing compresses, and extensions where a user might have put them.
const GROUND: &str = "
    create schema \"Odd Tools\"; create extension pageinspect schema \"Odd Tools\"; create extension pgstattuple;
    create function noise(n int) returns text volatile language sql as $$
        select substr(string_agg(md5(random()::text), ''), 1, n) from generate_series(1, n / 32 + 1) $$;";

/// One database, and the session that looks at it.
struct Lab {
    database: Database,
    connection: Connection,
}

impl Lab {
    async fn open(postgres: &Postgres) -> Self {
        let database = postgres.database().await;
        database.psql(GROUND).await;
        let connection = connect(&database.url()).await;
        Self { database, connection }
    }

    async fn oid(&self, relation: &str) -> u32 {
        let oid = self.database.psql(&format!("select '{relation}'::regclass::oid")).await;
        oid.parse().unwrap()
    }

    async fn number(&self, sql: &str) -> u64 {
        self.database.psql(sql).await.parse().unwrap()
    }

    /// Bytes of a table with its TOAST.
    async fn table_size(&self, table: &str) -> u64 {
        self.number(&format!(
            "select pg_relation_size(oid) + case when reltoastrelid = 0 then 0 else pg_relation_size(reltoastrelid) end
            from pg_class where oid = '{table}'::regclass"
        ))
        .await
    }

    /// Estimates of a table in all ways, and what VACUUM FULL makes of it.
    async fn judge_table(&mut self, case: &str, table: &str) -> Score {
        let oid = self.oid(table).await;
        let screened = known::table(&mut self.connection, oid).await.unwrap().unwrap();
        let begun = Instant::now();
        let sampled = super::table(&mut self.connection, oid).await.unwrap();
        let took = begun.elapsed();
        let schema = tools::find(&mut self.connection).await.unwrap().pgstattuple.unwrap();
        let counted = census::table(&mut self.connection, &schema, &screened).await.unwrap();
        let before = self.table_size(table).await;
        self.database.psql(&format!("vacuum full {table}")).await;
        let after = self.table_size(table).await;
        score(
            case,
            [before, after],
            [sampled, counted, screen_table(&screened.statistics)],
            took,
        )
    }

    /// Estimates of an index in all ways, and what REINDEX makes of it.
    async fn judge_index(&mut self, case: &str, index: &str) -> Score {
        let oid = self.oid(index).await;
        let screened = known::index(&mut self.connection, oid).await.unwrap().unwrap();
        let begun = Instant::now();
        let sampled = super::index(&mut self.connection, oid).await.unwrap();
        let took = begun.elapsed();
        let schema = tools::find(&mut self.connection).await.unwrap().pgstattuple.unwrap();
        let counted = census::index(&mut self.connection, &schema, &screened).await.unwrap();
        let size = format!("select pg_relation_size('{index}'::regclass)");
        let before = self.number(&size).await;
        self.database.psql(&format!("reindex index {index}")).await;
        let after = self.number(&size).await;
        score(
            case,
            [before, after],
            [sampled, counted, screen_index(&screened.facts)],
            took,
        )
    }
}

async fn connect(url: &str) -> Connection {
    let options = ConnectOptions {
        parameters: vec![("lock_timeout".to_owned(), "500".to_owned())],
        ..ConnectOptions::default()
    };
    Connection::connect(&Target::parse(url).unwrap(), options)
        .await
        .unwrap()
}

fn score(case: &str, sizes: [u64; 2], bloats: [Bloat; 3], took: Duration) -> Score {
    let [sampled, counted, screened] = bloats.map(|bloat| Guess::of(bloat, sizes));
    let score = Score {
        case: case.to_owned(),
        size: sizes[0],
        truth: score::truth(sizes),
        sampled,
        counted,
        screened,
        took,
    };
    println!("{score}");
    score
}

/// A dozen tables: enough to see that something broke.
#[tokio::test]
async fn tables_are_estimated_as_vacuum_full_finds_them() {
    let own = Postgres::start().await;
    let mut lab = Lab::open(&own).await;
    let cases = tables::cases(0.3);
    let mut scores = Vec::new();
    for case in cases.iter().step_by(cases.len().div_ceil(12)) {
        scores.push(tables::run(&mut lab, case).await);
    }
    score::report("tables", &scores);
    score::accept(&scores, 1.5, 1);
}

/// A dozen indexes.
#[tokio::test]
async fn indexes_are_estimated_as_reindex_finds_them() {
    let own = Postgres::start().await;
    let mut lab = Lab::open(&own).await;
    let scores = indexes::run(&mut lab, "deleted half", 40_000, &indexes::INDEXES[..12]).await;
    score::report("indexes", &scores);
    score::accept(&scores, 1.5, 1);
}

/// The full form for tables: `just soak-estimators`.
#[tokio::test]
#[ignore = "it takes many minutes: just soak-estimators"]
async fn all_tables() {
    let own = Postgres::start().await;
    let mut lab = Lab::open(&own).await;
    let mut scores = Vec::new();
    for case in tables::cases(1.0) {
        scores.push(tables::run(&mut lab, &case).await);
    }
    score::report("tables", &scores);
    assert!(scores.len() >= 100);
    score::accept(&scores, 1.5, scores.len() / 20);
}

/// The full form for indexes: `just soak-estimators`.
#[tokio::test]
#[ignore = "it takes many minutes: just soak-estimators"]
async fn all_indexes() {
    let own = Postgres::start().await;
    let mut lab = Lab::open(&own).await;
    let (mut vacuumed, mut others) = (Vec::new(), Vec::new());
    for wear in indexes::WEARS {
        let scores = indexes::run(&mut lab, wear.name, 120_000, &indexes::INDEXES).await;
        if wear.is_vacuumed { &mut vacuumed } else { &mut others }.extend(scores);
    }
    score::report("indexes after a vacuum", &vacuumed);
    score::report("indexes before a vacuum", &others);
    assert!(vacuumed.len() >= 80);
    score::accept(&vacuumed, 1.5, vacuumed.len() / 20);
    score::accept(&others, 100.0, others.len() / 20);
}
