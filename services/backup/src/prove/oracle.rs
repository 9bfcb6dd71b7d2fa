//! Restores to moments chosen at random, held against a ledger that was kept outside: what is restored has to be exactly
//! what had been committed by then.
//!
//! Sessions with open transactions take turns at random, so that transactions commit in another order than they began,
//! roll back in part or as a whole, and are in the middle of their work while backups are taken. Who drives them knows the
//! order of commits, and notes the position, the time and the name of the moment after each.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;
use weir_proto::backup::v1::ProofState;
use weir_upstream::Connection;

use super::lab::{Lab, packaged};
use super::scratch::HOME;
use super::target::lsn_of;
use crate::orders::{LogPosition, ProofOrder, RestoreTarget};
use crate::repo::state::BackupEntry;
use crate::settings::FileSmoke;

const SESSIONS: usize = 4;
const COMMITS: usize = 120;
/// Commits before the first backup, and from one to the next.
const COMMITS_PER_BACKUP: usize = 40;
const KEYS: usize = 60;

/// What the table holds: its keys with their values.
type Content = BTreeMap<usize, u64>;

/// One thing that a transaction did. None: the row is gone.
type Deed = (usize, Option<u64>);

/// A moment between two commits.
#[derive(Debug, Clone)]
struct Moment {
    /// The transaction that committed last before it.
    xid: u32,
    /// Behind its commit; a record that changes nothing begins here.
    lsn: u64,
    unix_ms: i64,
    name: String,
    /// What had been committed.
    content: Content,
}

/// A session, and what its transaction did so far.
struct Session {
    connection: Connection,
    number: usize,
    /// The number of its transaction, where one is open, and what it did.
    open: Option<(u32, Vec<Deed>)>,
}

impl Session {
    async fn run(&mut self, sql: &str) {
        self.connection.simple_query(sql).await.unwrap();
    }

    async fn begin(&mut self) {
        let rows = self
            .connection
            .simple_query("begin; select pg_current_xact_id()::text as xid")
            .await
            .unwrap();
        self.open = Some((rows[0].parse("xid").unwrap(), Vec::new()));
    }

    /// Changes a row of its own. Sometimes within a part of the transaction that is rolled back.
    async fn change(&mut self, random: &mut fastrand::Rng) {
        let key = random.usize(..KEYS / SESSIONS) * SESSIONS + self.number;
        let value = random.bool().then(|| random.u64(..1_000_000));
        let sql = match value {
            Some(value) => format!(
                "insert into ledger values ({key}, {value}) on conflict (key) do update set value = excluded.value"
            ),
            None => format!("delete from ledger where key = {key}"),
        };
        if random.u8(..4) == 0 {
            self.run(&format!("savepoint part; {sql}; rollback to part")).await;
            return;
        }
        self.run(&sql).await;
        if let Some((_, deeds)) = &mut self.open {
            deeds.push((key, value));
        }
    }
}

/// The clients, and the ledger.
struct Workload {
    sessions: Vec<Session>,
    watch: Connection,
    random: fastrand::Rng,
    content: Content,
    moments: Vec<Moment>,
}

impl Workload {
    async fn of(lab: &mut Lab, seed: u64) -> Self {
        lab.sql("create table ledger (key int primary key, value bigint not null)")
            .await;
        let mut sessions = Vec::new();
        for number in 0..SESSIONS {
            sessions.push(Session {
                connection: lab.connect().await,
                number,
                open: None,
            });
        }
        Self {
            sessions,
            watch: lab.connect().await,
            random: fastrand::Rng::with_seed(seed),
            content: Content::new(),
            moments: Vec::new(),
        }
    }

    /// Goes on until so many more transactions have committed.
    async fn go_on(&mut self, commits: usize) {
        let until = self.moments.len() + commits;
        while self.moments.len() < until {
            self.step().await;
        }
    }

    async fn step(&mut self) {
        let at = self.random.usize(..SESSIONS);
        let Some(session) = self.sessions.get_mut(at) else {
            return;
        };
        match (&session.open, self.random.u8(..10)) {
            (None, _) => session.begin().await,
            (Some((_, deeds)), 0..3) if !deeds.is_empty() => self.commit(at).await,
            (Some(_), 3) => {
                session.open = None;
                session.run("rollback").await;
            }
            (Some(_), 4) => {
                let bytes = self.random.usize(1000..60_000);
                let sql = format!("select pg_logical_emit_message(true, 'noise', repeat('n', {bytes}))");
                session.run(&sql).await;
            }
            (Some(_), _) => session.change(&mut self.random).await,
        }
    }

    async fn commit(&mut self, at: usize) {
        let session = &mut self.sessions[at];
        let (xid, deeds) = session.open.take().unwrap();
        session.run("commit").await;
        for (key, value) in deeds {
            match value {
                Some(value) => self.content.insert(key, value),
                None => self.content.remove(&key),
            };
        }
        // Sequential, so that the message begins where the position was read.
        let name = format!("after_{}", self.moments.len());
        let sql = format!(
            "select pg_current_wal_insert_lsn()::text as lsn, pg_logical_emit_message(false, 'moment', 'here'),
                    pg_create_restore_point('{name}'),
                    ceil(extract(epoch from clock_timestamp()) * 1000)::bigint::text as ms"
        );
        let rows = self.watch.simple_query(&sql).await.unwrap();
        self.moments.push(Moment {
            xid,
            lsn: lsn_of(rows[0].text("lsn").unwrap()).unwrap(),
            unix_ms: rows[0].parse("ms").unwrap(),
            name,
            content: self.content.clone(),
        });
        // The next commit is of another millisecond.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// A target that ends at moment `at`, of one of the ways to say so.
fn target(way: usize, moments: &[Moment], at: usize) -> RestoreTarget {
    let here = &moments[at];
    let position = Some(LogPosition {
        timeline: 1,
        lsn: here.lsn,
    });
    let all = RestoreTarget::default();
    match way % 6 {
        0 => RestoreTarget {
            time_unix_ms: Some(here.unix_ms),
            ..all
        },
        1 => RestoreTarget {
            position,
            before: true,
            ..all
        },
        2 => RestoreTarget { position, ..all },
        3 => RestoreTarget {
            restore_point: Some(here.name.clone()),
            ..all
        },
        4 => RestoreTarget {
            xid: Some(here.xid),
            ..all
        },
        // Just before the transaction after it.
        _ => RestoreTarget {
            xid: Some(moments[at + 1].xid),
            before: true,
            ..all
        },
    }
}

/// A question that a server with exactly this content answers with true.
fn question(content: &Content) -> FileSmoke {
    let rows: Vec<String> = content.iter().map(|(key, value)| format!("{key}={value}")).collect();
    FileSmoke {
        name: "the ledger".to_owned(),
        database: HOME.to_owned(),
        sql: format!(
            "select coalesce(string_agg(key || '=' || value, ',' order by key), '') = '{}' from ledger",
            rows.join(",")
        ),
    }
}

/// A workload with backups in the middle of it, and its log.
async fn worked(lab: &mut Lab, seed: u64) -> (Vec<BackupEntry>, Vec<Moment>) {
    let mut workload = Workload::of(lab, seed).await;
    let mut backups: Vec<BackupEntry> = Vec::new();
    for _ in 0..COMMITS / COMMITS_PER_BACKUP {
        workload.go_on(COMMITS_PER_BACKUP / 2).await;
        lab.archive().await;
        let basis = backups.last().map(|backup| backup.id.clone());
        // The files are read while transactions go on.
        let mut going_on = JoinSet::new();
        going_on.spawn(async move {
            workload.go_on(COMMITS_PER_BACKUP / 2).await;
            workload
        });
        backups.push(lab.back_up(basis.as_deref()).await);
        workload = going_on.join_next().await.unwrap().unwrap();
    }
    workload.go_on(COMMITS_PER_BACKUP).await;
    lab.archive().await;
    (backups, workload.moments)
}

async fn restores_are_exactly_what_was_committed(mut lab: Lab, targets: usize, seed: u64) {
    let (backups, moments) = worked(&mut lab, seed).await;
    let mut random = fastrand::Rng::with_seed(seed ^ 1);
    for way in 0..targets {
        let backup = &backups[random.usize(..backups.len())];
        let stop = backup.stop.unwrap().lsn;
        let first = moments.iter().position(|moment| moment.lsn > stop).unwrap();
        // The first is as late as can be, where the log is open.
        let at = if way == 0 {
            moments.len() - 2
        } else {
            random.usize(first..moments.len() - 1)
        };
        let order = ProofOrder {
            backup_id: backup.id.clone(),
            target: Some(target(way, &moments, at)),
            ..ProofOrder::default()
        };
        lab.keeper.settings.smoke.0 = vec![question(&moments[at].content)];
        let proof = lab.prove(&order).await;
        let told = format!("seed {seed}, moment {at}, {order:?}: {proof:?}");
        assert_eq!(proof.state, ProofState::Proven as i32, "{told}");
        // The question can be answered with false: by what there was before.
        if way == 0 {
            let earlier = moments[..at].iter().rev();
            let other = earlier
                .map(|moment| &moment.content)
                .find(|content| **content != moments[at].content);
            lab.keeper.settings.smoke.0 = vec![question(other.unwrap())];
            assert_eq!(lab.prove(&order).await.state, ProofState::Failed as i32, "{told}");
        }
    }
}

/// So many targets, on each of these versions that is on this machine.
async fn on(major: u32, targets: usize) {
    match Lab::of(major).await {
        Some(lab) => Box::pin(restores_are_exactly_what_was_committed(lab, targets, fastrand::u64(..))).await,
        None => tracing::warn!(major, "left out: this version of PostgreSQL is not on this machine"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_are_exactly_what_was_committed_on_the_packaged_version() {
    on(packaged(), 6).await;
}

/// Left out where PostgreSQL 17 is not installed.
#[tokio::test(flavor = "multi_thread")]
async fn restores_are_exactly_what_was_committed_on_17() {
    on(17, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just soak-restores"]
#[expect(clippy::disallowed_methods, reason = "how many is for whoever starts it to say")]
async fn as_many_as_asked() {
    let targets = std::env::var("WEIR_SOAK_TARGETS").map_or(50, |targets| targets.parse().unwrap());
    for major in [packaged(), 17, 18] {
        on(major, targets).await;
    }
}
