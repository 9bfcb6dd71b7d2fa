//! Rewrites cut off at moments that chance picks, while clients write and read: by the window, by the end of a backend,
//! by the death of pg_repack, by an immediate stop of the server. What the next pass finds it removes; what is a user's
//! stays, and so do the data.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use weir_model::Clock;
use weir_testkit::Postgres;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::bed::{Bed, job, program};
use crate::act::reindex::Stopped;
use crate::act::sweep::Scope;
use crate::act::{Guard, Rebuilt, Repacked, rebuild, repack, survey, sweep};
use crate::plan::TableName;
use crate::plan::rewrites::IndexName;

const ROWS: u32 = 30_000;
const WRITERS: u32 = 2;

/// What is in the database besides what is rewritten. Each of these looks like a leftover in some way and is none.
const USERS: &str = "
    create table c (id int primary key, a int, n bigint not null default 0, x text);
    insert into c select g, g % 997, 0, repeat('x', 150) || g from generate_series(1, 30000) g;
    create table o (i int);
    create table told (writer int primary key, sum bigint not null);
    insert into told select g, 0 from generate_series(0, 1) g;
    create index c_a on c (a);
    create index c_lower_of_a_name_that_is_longer_than_what_a_suffix_leaves on c (lower(x));
    create index c_x_ccnew on c (x);
    create index c_a_ccnew2 on c (a, id);
    create index c_a_ccold on c (a) where a > 10;
    create table v (a int); insert into v select generate_series(1, 100);
    create index v_a on v (a);
    create index v_broken on v (a);
    create index v_b_ccnew on v (a);
    create index v_a_ccnew on v (a desc);
    update pg_index set indisvalid = false
        where indexrelid in ('v_broken'::regclass, 'v_b_ccnew'::regclass, 'v_a_ccnew'::regclass)";

/// The user's indexes, by what they are.
const INDEXES: &str = "
    select md5(string_agg(indexrelid::regclass::text || indisvalid || indisready || pg_get_indexdef(indexrelid), ',' order by indexrelid::regclass::text))
    from pg_index join pg_class c on c.oid = indrelid where c.relnamespace = 'public'::regnamespace";

/// How an attempt is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The window ends.
    Window,
    /// Somebody ends the backend.
    Backend,
    /// Weir is killed: nobody tidies up, and the server goes on.
    Weir,
    /// pg_repack is killed.
    Program,
    /// The server stops at once, and starts again.
    Server,
    /// Weir and the server both, as when their machine goes: all that is known of it is in the database.
    Machine,
}

/// Whether it is a pg_repack that is cut off, and how.
const CUTS: [(bool, Cut); 11] = [
    (false, Cut::Window),
    (true, Cut::Machine),
    (false, Cut::Backend),
    (true, Cut::Program),
    (false, Cut::Machine),
    (true, Cut::Window),
    (false, Cut::Server),
    (true, Cut::Server),
    (false, Cut::Weir),
    (true, Cut::Backend),
    (true, Cut::Weir),
];

/// What came of the whole.
#[derive(Debug, Default)]
struct Tally {
    moments: u32,
    halted: u32,
    done: u32,
    left: u32,
    /// Leftovers that the attempt itself removed.
    tidied: u32,
    /// Leftovers that the next pass removed.
    swept: u32,
}

fn count(things: &[String]) -> u32 {
    u32::try_from(things.len()).unwrap()
}

/// Clients that write and read all the time, some of them holding the table for a moment.
struct Clients {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    running: JoinSet<()>,
}

impl Clients {
    fn start(target: &Target) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut running = JoinSet::new();
        for writer in 0..WRITERS {
            let (target, stop, written) = (target.clone(), Arc::clone(&stop), Arc::clone(&written));
            running.spawn(async move { write(&target, writer, &stop, &written).await });
        }
        let (target, held) = (target.clone(), Arc::clone(&stop));
        running.spawn(async move { hold(&target, &held).await });
        Self { stop, written, running }
    }

    async fn finish(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.written.load(Ordering::Relaxed)
    }
}

/// Adds to a row and to its own sum in one transaction: the two agree, whatever dies in between.
async fn write(target: &Target, writer: u32, stop: &AtomicBool, written: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut connection) = Connection::connect(target, ConnectOptions::default()).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            let id = fastrand::u32(1..=ROWS);
            let sql = format!(
                "begin; update c set n = n + {id}, a = a + 1 where id = {id}; update told set sum = sum + {id} where writer = {writer}; commit"
            );
            if connection.simple_query(&sql).await.is_err() {
                // The server went, and with it the connection.
                break;
            }
            written.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Holds a lock or a snapshot for a moment, again and again: that is what rewrites wait for.
async fn hold(target: &Target, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut connection) = Connection::connect(target, ConnectOptions::default()).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let table = if fastrand::bool() { "c" } else { "o" };
        let begin = format!("begin isolation level repeatable read; select 1 from {table} limit 1");
        // If the server goes meanwhile, the next round begins anew.
        let _ = connection.simple_query(&begin).await;
        sleep(Duration::from_millis(fastrand::u64(200..1_200))).await;
        connection.close().await;
    }
}

/// One campaign on a server of its own.
struct Campaign {
    postgres: Postgres,
    bed: Bed,
    program: PathBuf,
    tally: Tally,
}

impl Campaign {
    async fn new() -> Self {
        let postgres = Postgres::start().await;
        let bed = Bed::on(&postgres).await;
        bed.psql("create extension pg_repack").await;
        bed.psql(USERS).await;
        let program = program(&postgres);
        Self {
            postgres,
            bed,
            program,
            tally: Tally::default(),
        }
    }

    /// One attempt, cut off; then what a pass does that comes after it.
    async fn moment(&mut self, is_repack: bool, cut: Cut, after: Duration) {
        self.tally.moments += 1;
        match self.attempt(is_repack, cut, after).await {
            Some(Ok(true)) => self.tally.done += 1,
            Some(Ok(false)) => self.tally.left += 1,
            Some(Err(stopped)) => {
                self.tally.halted += 1;
                self.tally.tidied += count(&stopped.swept.removed);
            }
            None => self.tally.halted += 1,
        }
        self.pass(cut).await;
    }

    /// What came of the attempt; none where nobody was there any more to tell.
    async fn attempt(&mut self, is_repack: bool, cut: Cut, after: Duration) -> Option<Result<bool, Stopped>> {
        let Self {
            postgres, bed, program, ..
        } = self;
        let work = async {
            let window = (cut == Cut::Window).then_some(after);
            if is_repack {
                repacked(bed, program, window).await
            } else {
                rebuilt(bed, window).await
            }
        };
        if matches!(cut, Cut::Weir | Cut::Machine) {
            // Dropped in the middle: the server does not hear of it before it has something to say.
            let ended = tokio::time::timeout(after, work).await.ok();
            if cut == Cut::Machine {
                kill_programs(postgres.port());
                postgres.stop().await;
                postgres.start_again().await;
            }
            return ended;
        }
        let blow = async {
            sleep(after).await;
            match cut {
                Cut::Window | Cut::Weir | Cut::Machine => {}
                Cut::Backend => end_backends(bed).await,
                Cut::Program => kill_programs(postgres.port()),
                Cut::Server => {
                    postgres.stop().await;
                    postgres.start_again().await;
                }
            }
        };
        let (ended, ()) = tokio::join!(work, blow);
        Some(ended)
    }

    /// The next pass: nothing that was left is there after it.
    async fn pass(&mut self, cut: Cut) {
        let until = Instant::now() + Duration::from_secs(60);
        let (job, _stop) = job(None);
        let clock = Clock::system();
        loop {
            // A backend whose client died goes on for a while, and is left alone until it has ended.
            let is_quiet = self.is_quiet().await;
            let mut session = self.bed.session().await;
            let found = survey(&mut session, Scope::default()).await.unwrap();
            let swept = sweep(
                &self.bed.door(),
                &mut session,
                &Guard::new(&job, &clock),
                Scope::default(),
            )
            .await
            .unwrap();
            self.tally.swept += count(&swept.removed);
            session.close().await;
            if is_quiet && swept.remains.is_empty() {
                break;
            }
            assert!(Instant::now() < until, "{cut:?}: {found:?} {swept:?}");
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.leftovers().await, "indexes 0, repack 0", "after {cut:?}");
    }

    /// Whether nothing of an earlier attempt still works in the server.
    async fn is_quiet(&self) -> bool {
        let sql =
            "select count(*) from pg_stat_activity where application_name like 'weir-maint/%' and state <> 'idle'";
        self.bed.psql(sql).await == "0"
    }

    /// Counted in another way than the sweep counts: every invalid index that is not one of the user's, and
    /// everything of pg_repack.
    async fn leftovers(&self) -> String {
        let invalid = self
            .bed
            .psql("select count(*) from pg_index where not indisvalid and indexrelid::regclass::text not in ('v_broken', 'v_b_ccnew', 'v_a_ccnew')")
            .await;
        format!("indexes {invalid}, repack {}", self.bed.repack_things().await)
    }
}

async fn rebuilt(bed: &Bed, window: Option<Duration>) -> Result<bool, Stopped> {
    let (job, _stop) = job(window);
    let clock = Clock::system();
    let all = [
        "c_a",
        "c_lower_of_a_name_that_is_longer_than_what_a_suffix_leaves",
        "c_pkey",
        "c_x_ccnew",
    ];
    let name = IndexName {
        schema: "public".to_owned(),
        name: all[fastrand::usize(..all.len())].to_owned(),
    };
    let mut session = bed.session().await;
    let done = rebuild(&bed.door(), &mut session, &Guard::new(&job, &clock), &name).await?;
    Ok(matches!(done, Rebuilt::Done { .. }))
}

async fn repacked(bed: &Bed, program: &std::path::Path, window: Option<Duration>) -> Result<bool, Stopped> {
    let (job, _stop) = job(window);
    let clock = Clock::system();
    let name = TableName {
        schema: "public".to_owned(),
        name: "c".to_owned(),
    };
    let mut session = bed.session().await;
    let done = repack(&bed.door(), &mut session, &Guard::new(&job, &clock), program, &name).await?;
    Ok(matches!(done, Repacked::Done { .. }))
}

async fn end_backends(bed: &Bed) {
    bed.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'weir-maint/%'")
        .await;
}

/// Kills every pg_repack that leads to this server, found by its environment as it is on no command line.
fn kill_programs(port: u16) {
    let wanted = format!("PGPORT={port}\0");
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let leads_here = environment.windows(wanted.len()).any(|part| part == wanted.as_bytes());
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            .and_then(rustix::process::Pid::from_raw);
        if let (true, true, Some(pid)) = (comm.trim() == "pg_repack", leads_here, pid) {
            // It may have ended since.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// So many moments; what they came to is printed.
async fn campaign(moments: u32, wait_max_ms: u64) {
    let mut campaign = Campaign::new().await;
    let indexes = campaign.bed.psql(INDEXES).await;
    let clients = Clients::start(&campaign.bed.target);
    let begun = Instant::now();
    for (is_repack, cut) in CUTS.into_iter().cycle().take(moments as usize) {
        let after = Duration::from_millis(fastrand::u64(20..wait_max_ms));
        campaign.moment(is_repack, cut, after).await;
        assert_eq!(campaign.bed.psql(INDEXES).await, indexes, "after {cut:?}");
    }
    let written = clients.finish().await;
    let bed = &campaign.bed;
    assert_eq!(
        bed.psql("select count(*), count(distinct id), min(id), max(id) from c")
            .await,
        "30000|30000|1|30000"
    );
    let sums = bed
        .psql("select (select sum(n) from c) = (select sum(sum) from told)")
        .await;
    assert_eq!(sums, "t", "what was written is there once");
    let same = "select (select count(*) from c where x = repeat('x', 150) || id) = 30000";
    assert_eq!(bed.psql(same).await, "t");
    bed.psql("create extension amcheck; select bt_index_check(indexrelid, true) from pg_index where indrelid = 'c'::regclass").await;
    assert!(
        campaign.tally.halted > 0 && campaign.tally.tidied + campaign.tally.swept > 0,
        "nothing was cut off: {:?}",
        campaign.tally
    );
    eprint(&format!(
        "{:?} in {:?}, {written} transactions of clients",
        campaign.tally,
        begun.elapsed()
    ));
}

#[expect(clippy::print_stderr, reason = "what the run came to, for whoever started it")]
fn eprint(text: &str) {
    eprintln!("{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_moments_leave_nothing_and_touch_nothing() {
    campaign(8, 500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; `just soak-rewrites` runs it"]
#[expect(
    clippy::disallowed_methods,
    reason = "how long a run of its own is; no setting of Weir"
)]
async fn as_many_as_asked() {
    let moments = std::env::var("WEIR_SOAK_MOMENTS")
        .ok()
        .and_then(|text| text.parse().ok());
    campaign(moments.unwrap_or(64), 700).await;
}
