//! One leader at a time, whatever happens to its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::{DEADLINE, migrations, options};
use crate::{Leadership, LeadershipOptions, Store, Term};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_model::Coded as _;
use weir_testkit::{Database, Postgres, eventually};

const FACTS: &str = "create table facts (epoch bigint)";

fn quick() -> LeadershipOptions {
    let every = Duration::from_millis(100);
    LeadershipOptions {
        retry_every: every,
        check_every: every,
        check_timeout: Duration::from_millis(400),
    }
}

/// What two or more candidates did, seen from outside.
#[derive(Default)]
struct Seen {
    leading: AtomicUsize,
    leading_most: AtomicUsize,
    epoch: AtomicI64,
}

/// Counts itself among the leaders for as long as it lives.
struct Leading(Arc<Seen>);

impl Leading {
    fn new(seen: &Arc<Seen>, term: &Term) -> Self {
        let now = seen.leading.fetch_add(1, SeqCst) + 1;
        seen.leading_most.fetch_max(now, SeqCst);
        seen.epoch.store(term.epoch(), SeqCst);
        Self(seen.clone())
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        self.0.leading.fetch_sub(1, SeqCst);
    }
}

async fn candidate(store: Store, seen: Arc<Seen>, stop: CancellationToken, terms: watch::Sender<Option<Term>>) {
    let leadership = Leadership::new(&store, "work", quick());
    let work = |term: Term| {
        let (seen, stop, terms) = (seen.clone(), stop.clone(), terms.clone());
        async move {
            let _leading = Leading::new(&seen, &term);
            terms.send_replace(Some(term));
            stop.cancelled().await;
        }
    };
    leadership.lead(&stop, work).await;
}

struct Candidates {
    database: Database,
    seen: Arc<Seen>,
    terms: watch::Receiver<Option<Term>>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Candidates {
    async fn start(number: usize) -> Self {
        let database = Postgres::shared().await.database().await;
        let seen = Arc::new(Seen::default());
        let (sender, terms) = watch::channel(None);
        let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
        for _ in 0..number {
            let store = Store::connect(options(&database.url()), migrations(&[FACTS]))
                .await
                .unwrap();
            running.spawn(candidate(store, seen.clone(), stop.clone(), sender.clone()));
        }
        Self {
            database,
            seen,
            terms,
            stop,
            running,
        }
    }

    async fn term_after(&mut self, epoch: i64) -> Term {
        let newer = |term: &Option<Term>| term.as_ref().is_some_and(|term| term.epoch() > epoch);
        let found = tokio::time::timeout(DEADLINE, self.terms.wait_for(newer)).await;
        found.expect("a newer term in time").unwrap().clone().unwrap()
    }

    async fn kill_leader(&self) {
        let killed = self
            .database
            .psql("select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())")
            .await;
        assert_eq!(killed.trim(), "1");
    }

    async fn stop(mut self) -> Arc<Seen> {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.seen.clone()
    }
}

async fn write_fact(store: &Store, term: &Term) -> Result<(), String> {
    let mut transaction = store.pool().begin().await.unwrap();
    term.check(&mut transaction)
        .await
        .map_err(|error| error.slug().to_owned())?;
    sqlx::query("insert into facts values ($1)")
        .bind(term.epoch())
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_leader_loses_its_lock_another_takes_over_and_the_old_one_is_fenced() {
    let mut candidates = Candidates::start(3).await;
    let writer = Store::open(options(&candidates.database.url()), vec![]).unwrap();
    let mut old = candidates.term_after(0).await;
    assert_eq!(old.epoch(), 1);
    write_fact(&writer, &old).await.unwrap();
    for _ in 0..3 {
        candidates.kill_leader().await;
        let new = candidates.term_after(old.epoch()).await;
        assert_eq!(write_fact(&writer, &old).await.unwrap_err(), "store-superseded");
        write_fact(&writer, &new).await.unwrap();
        old = new;
    }
    assert_eq!(
        candidates
            .database
            .psql("select string_agg(epoch::text, ' ') from weir_test.facts")
            .await
            .trim(),
        "1 2 3 4"
    );
    let seen = candidates.stop().await;
    assert_eq!(seen.leading_most.load(SeqCst), 1, "two led at the same time");
    assert_eq!(seen.leading.load(SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_steps_down_is_followed_at_once() {
    let database = Postgres::shared().await.database().await;
    let store = Store::connect(options(&database.url()), vec![]).await.unwrap();
    // An hour between checks: only the order of stepping down can be quick.
    let slow = LeadershipOptions {
        check_every: Duration::from_secs(3600),
        ..quick()
    };
    let first = Leadership::new(&store, "work", slow.clone());
    let second = Leadership::new(&store, "work", slow);
    for (leadership, epoch) in [(&first, 1), (&second, 2), (&first, 3)] {
        let stop = CancellationToken::new();
        let led = AtomicI64::new(0);
        let work = |term: Term| {
            led.store(term.epoch(), SeqCst);
            stop.cancel();
            std::future::ready(())
        };
        tokio::time::timeout(DEADLINE, leadership.lead(&stop, work))
            .await
            .expect("leads at once");
        assert_eq!(led.load(SeqCst), epoch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_term_waits_for_what_is_written_behind_the_fence() {
    let mut candidates = Candidates::start(2).await;
    let writer = Store::open(options(&candidates.database.url()), vec![]).unwrap();
    let old = candidates.term_after(0).await;
    let mut transaction = writer.pool().begin().await.unwrap();
    old.check(&mut transaction).await.unwrap();
    candidates.kill_leader().await;
    let blocked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%insert into leaders%'";
    eventually("a successor that waits", DEADLINE, async || {
        let number = candidates.database.psql(blocked).await;
        if number.trim() == "0" { Err(number) } else { Ok(()) }
    })
    .await;
    assert_eq!(candidates.seen.epoch.load(SeqCst), old.epoch());
    transaction.commit().await.unwrap();
    assert!(candidates.term_after(old.epoch()).await.epoch() > old.epoch());
    candidates.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_server_freezes_stops_leading() {
    let postgres = Postgres::start().await;
    let store = Store::connect(options(&postgres.url("postgres")), vec![])
        .await
        .unwrap();
    let seen = Arc::new(Seen::default());
    let stop = CancellationToken::new();
    let (sender, mut terms) = watch::channel(None);
    let mut running = JoinSet::new();
    running.spawn(candidate(store, seen.clone(), stop.clone(), sender));
    terms.wait_for(Option::is_some).await.unwrap();
    postgres.pause();
    eventually("the work to be dropped", DEADLINE, async || {
        (seen.leading.load(SeqCst) == 0).then_some(())
    })
    .await;
    postgres.resume();
    eventually("a new term", DEADLINE, async || {
        (seen.leading.load(SeqCst) == 1).then_some(())
    })
    .await;
    assert!(seen.epoch.load(SeqCst) > 1);
    stop.cancel();
    running.join_next().await.unwrap().unwrap();
}
