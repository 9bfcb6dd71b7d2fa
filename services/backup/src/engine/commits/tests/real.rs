//! Random transactions on a real server: what was done is what is told, and PostgreSQL's own reader agrees.

use std::collections::{BTreeMap, HashMap};

use weir_upstream::Connection;

use super::super::find::Commits;
use super::super::tally::{Counts, Key};
use super::server::Archive;

/// What a transaction did to tables, by name.
type Done = BTreeMap<String, Counts>;

/// A transaction as its client knows it.
#[derive(Debug, Clone, Default)]
struct Known {
    xid: u32,
    done: Done,
    /// It was committed after this position and before that.
    between: (u64, u64),
}

/// A client with tables of its own, so that nobody waits for anybody.
struct Client {
    connection: Connection,
    tables: [String; 2],
    /// The number of its transaction, and what was done at each level of savepoints.
    open: Option<(u32, Vec<Done>)>,
}

/// What is kept of the whole run.
#[derive(Default)]
struct Ledger {
    committed: Vec<Known>,
    undone: Vec<u32>,
    /// Which table files belong to.
    files: HashMap<u32, String>,
}

impl Client {
    async fn rows(&mut self, sql: &str) -> u64 {
        self.connection
            .simple_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .len() as u64
    }

    async fn text(&mut self, sql: &str) -> String {
        let rows = self.connection.simple_query(sql).await.unwrap();
        rows[0].values().next().unwrap().unwrap().to_owned()
    }

    async fn note_files(&mut self, table: &str, ledger: &mut Ledger) {
        let files = self.text(&format!("select pg_relation_filenode('{table}')")).await;
        ledger.files.insert(files.parse().unwrap(), table.to_owned());
    }

    async fn step(&mut self, random: &mut fastrand::Rng, ledger: &mut Ledger) {
        let Some((xid, levels)) = &mut self.open else {
            self.connection.simple_query("begin").await.unwrap();
            let xid: u64 = self.text("select pg_current_xact_id()::text").await.parse().unwrap();
            self.open = Some((xid as u32, vec![Done::default()]));
            return;
        };
        let (xid, depth) = (*xid, levels.len());
        match random.u8(0..20) {
            0 if depth < 4 => {
                levels.push(Done::default());
                self.rows(&format!("savepoint s{depth}")).await;
            }
            1 if depth > 1 => {
                levels.pop();
                self.rows(&format!("rollback to s{}; release s{}", depth - 1, depth - 1))
                    .await;
            }
            2 if depth > 1 => {
                let inner = levels.pop().unwrap();
                add(levels.last_mut().unwrap(), &inner);
                self.rows(&format!("release s{}", depth - 1)).await;
            }
            3..=5 => self.end(xid, random, ledger).await,
            _ => self.change(random, ledger).await,
        }
    }

    async fn change(&mut self, random: &mut fastrand::Rng, ledger: &mut Ledger) {
        let table = random.choice(&self.tables).unwrap().clone();
        let count = random.u32(1..40);
        let some = format!("(select id from {table} order by md5(id::text || '{count}') limit {count})");
        let mut counts = Counts::default();
        match random.u8(0..14) {
            // Which has statistics dropped, too.
            12..=13 => {
                self.rows(&format!(
                    "drop table if exists {table}_extra; create table {table}_extra (v text)"
                ))
                .await;
            }
            0..=2 => {
                let sql = format!("insert into {table}(v) select g from generate_series(1, {count}) g returning 1");
                counts.inserted = self.rows(&sql).await;
            }
            3..=4 => {
                self.rows(&format!("copy {table}(v) from program 'seq 1 {count}'"))
                    .await;
                counts.inserted = u64::from(count);
            }
            5..=6 => {
                let sql = format!("update {table} set v = v || 'x', w = w + 1 where id in {some} returning 1");
                counts.updated = self.rows(&sql).await;
            }
            7 => {
                let sql = format!("update {table} set w = w + 1 where id in {some} returning 1");
                counts.updated = self.rows(&sql).await;
            }
            8 => {
                counts.deleted = self
                    .rows(&format!("delete from {table} where id in {some} returning 1"))
                    .await;
            }
            9 => {
                let sql = format!(
                    "insert into {table}(id, v) select -g, 'c' from generate_series(1, {count}) g
                     on conflict do nothing returning 1"
                );
                counts.inserted = self.rows(&sql).await;
            }
            10 => {
                // What is caught leaves nothing behind.
                self.rows(&format!(
                    "do $$ begin insert into {table}(v) select 'e' from generate_series(1, {count}); raise 'no';
                     exception when others then null; end $$"
                ))
                .await;
            }
            _ => {
                self.rows(&format!("truncate {table}")).await;
                counts.replaced = true;
                self.note_files(&table, ledger).await;
            }
        }
        let (_, levels) = self.open.as_mut().unwrap();
        levels.last_mut().unwrap().entry(table).or_default().add(&counts);
    }

    async fn end(&mut self, xid: u32, random: &mut fastrand::Rng, ledger: &mut Ledger) {
        let (_, levels) = self.open.take().unwrap();
        let mut done = Done::default();
        levels.iter().for_each(|level| add(&mut done, level));
        let (commits, prepares) = (random.u8(0..4) > 0, random.u8(0..4) == 0);
        let before = self.position().await;
        if prepares {
            self.rows(&format!("prepare transaction 'p{xid}'")).await;
            // Not in one go with anything else.
            let end = if commits { "commit" } else { "rollback" };
            self.rows(&format!("{end} prepared 'p{xid}'")).await;
        } else {
            self.rows(if commits { "commit" } else { "rollback" }).await;
        }
        let between = (before, self.position().await);
        if commits {
            ledger.committed.push(Known { xid, done, between });
        } else {
            ledger.undone.push(xid);
        }
    }

    async fn position(&mut self) -> u64 {
        super::server::lsn(&self.text("select pg_current_wal_insert_lsn()").await)
    }
}

fn add(into: &mut Done, from: &Done) {
    for (table, counts) in from {
        into.entry(table.clone()).or_default().add(counts);
    }
}

fn without_nothing(done: &Done) -> Done {
    let some = done.iter().filter(|(_, counts)| **counts != Counts::default());
    some.map(|(table, counts)| (table.clone(), *counts)).collect()
}

async fn client(archive: &Archive, name: &str, ledger: &mut Ledger) -> Client {
    let mut client = Client {
        connection: archive.connect("postgres").await,
        tables: [format!("public.{name}0"), format!("public.{name}1")],
        open: None,
    };
    for table in client.tables.clone() {
        client
            .rows(&format!(
                "create table {table} (id serial primary key, v text, w int default 0)"
            ))
            .await;
        client.note_files(&table, ledger).await;
    }
    let table = &client.tables[1].clone();
    client.rows(&format!("create index on {table} (v)")).await;
    client
}

/// Every commit of the latest line, with what it did to tables that the ledger knows.
async fn all_told(archive: &Archive, ledger: &Ledger) -> Vec<Known> {
    let mut commits = Commits::of(&archive.repository, 0).await.unwrap().unwrap();
    let mut told = Vec::new();
    for at in 0..commits.segments() {
        let (index, here) = commits.commits(at).await.unwrap();
        for commit in here {
            let mut done = Done::default();
            for (place, counts) in &commit.counts {
                if let Key::Files(locator) = index.relations[*place as usize].key()
                    && let Some(table) = ledger.files.get(&locator.node)
                {
                    done.entry(table.clone()).or_default().add(counts);
                }
            }
            told.push(Known {
                xid: commit.xid,
                done,
                between: (commit.start, commit.end),
            });
        }
    }
    told
}

async fn workload(seed: u64, steps: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut archive = Archive::start().await;
    let mut ledger = Ledger::default();
    let mut clients = Vec::new();
    for name in ["a", "b", "c"] {
        clients.push(client(&archive, name, &mut ledger).await);
    }
    for step in 0..steps {
        let client = random.usize(..clients.len());
        clients[client].step(&mut random, &mut ledger).await;
        if step % 150 == 99 {
            archive.switch().await;
            archive.bring().await;
            // Now and then it is made anew, as after a start.
            archive.indexed().await;
        }
        if step % 400 == 250 {
            archive.server.psql("postgres", "checkpoint").await;
        }
    }
    archive.bring().await;
    archive.bring_open(0).await;
    check(&archive, &ledger).await;
}

async fn check(archive: &Archive, ledger: &Ledger) {
    let told = all_told(archive, ledger).await;
    let by_xid: HashMap<u32, &Known> = told.iter().map(|known| (known.xid, known)).collect();
    assert_eq!(by_xid.len(), told.len(), "none is told of twice");
    assert!(ledger.committed.len() > 20 && ledger.undone.len() > 5);
    for known in &ledger.committed {
        let told = by_xid.get(&known.xid).unwrap_or_else(|| panic!("{known:?} is missing"));
        assert_eq!(without_nothing(&told.done), without_nothing(&known.done), "{known:?}");
        let (after, until) = known.between;
        assert!(told.between.0 >= after && told.between.1 <= until, "{known:?} {told:?}");
    }
    for xid in &ledger.undone {
        assert!(!by_xid.contains_key(xid), "{xid} came to nothing");
    }
    let dumped = archive.waldump();
    assert!(dumped.len() > ledger.committed.len() / 2);
    let mut commits = Commits::of(&archive.repository, 0).await.unwrap().unwrap();
    let mut found = Vec::new();
    for at in 0..commits.segments() {
        let (_, here) = commits.commits(at).await.unwrap();
        found.extend(
            here.into_iter()
                .map(|commit| (commit.xid, commit.start, commit.unix_us)),
        );
    }
    let dumped: Vec<_> = dumped.iter().map(|one| (one.xid, one.start, one.unix_us)).collect();
    // What is in pieces only was not given to the other reader.
    assert_eq!(found[..dumped.len()], dumped);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_transactions_did_is_what_is_told() {
    workload(1, 1_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_transactions_did_is_what_is_told() {
    workload(fastrand::u64(..), 900).await;
}
