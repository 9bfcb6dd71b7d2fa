//! A process that receives the log into a directory, killed at each step that it asks of the file system: the next one
//! goes on without a gap, the server was told of nothing that is not there, and nothing is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::*;
use crate::engine::wal::whereabouts;
use crate::repo::shaky::{Shaky, Trouble};

const S: u32 = 1 << 20;
const ORDER: &str = "order.json";
const PROCESS: &str = "engine::wal::tests::steps::a_process_that_receives";

/// What the process is to do.
#[derive(Serialize, Deserialize)]
struct Order {
    repository: PathBuf,
    url: String,
    /// The step at which it is killed.
    step: u64,
}

/// The file that says up to where the log has to be safe for the process to end.
const UNTIL: &str = "until";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "another test starts it as a process of its own, which is killed"]
async fn a_process_that_receives() {
    let order: Order = serde_json::from_slice(&fs::read(ORDER).unwrap()).unwrap();
    let disk = Shaky::default();
    disk.at(order.step, Trouble::Killed);
    let mut settings: BackupSettings = Sources::load(None, []).unwrap().section().unwrap();
    settings.repositories = Tables(vec![file(0, &order.repository)]);
    settings.encryption = false;
    settings.wal_flush_every = Duration::from_millis(1);
    let directory = Directory::on(&order.repository, Box::new(disk)).unwrap();
    let shelf = Shelf::in_directory(directory, "r0");
    let opened = Repository::open(shelf, Wrapping::open_to_all(), "main", Clock::system(), None).await;
    let keeper = keeper_of(settings, &order.url, vec![opened.unwrap()]).await;
    let log = Log::new("main", 0, Duration::from_secs(60), keeper.metrics.clone());
    let stop = CancellationToken::new();
    let until = async {
        eventually("the log to be safe", SOON, async || {
            let safe = log.state().durable.map_or(0, |at| at.lsn);
            let until = fs::read_to_string(UNTIL).ok().and_then(|until| until.parse().ok());
            if until.is_some_and(|until: u64| safe >= until) {
                Ok(())
            } else {
                Err(safe)
            }
        })
        .await;
        stop.cancel();
    };
    tokio::join!(Box::pin(lead(&keeper, &log, &stop)), until);
}

/// Runs it while the server writes; whether it came to its end, and up to where the server wrote.
async fn received(postgres: &Postgres, dir: &Path, order: &Order) -> (bool, u64) {
    fs::write(dir.join(ORDER), serde_json::to_vec(order).unwrap()).unwrap();
    drop(fs::remove_file(dir.join(UNTIL)));
    let mut process = tokio::process::Command::new(std::env::current_exe().unwrap());
    process
        .args(["--ignored", "--exact", PROCESS])
        .current_dir(dir)
        .kill_on_drop(true);
    let mut process = process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Little by little, so that there are pieces to be put together.
    let commits = "do $$ begin for at in 1..24 loop perform pg_logical_emit_message(true, 'x', repeat('y', 3000));
                   commit; perform pg_sleep(0.02); end loop; end $$";
    postgres.psql("postgres", commits).await;
    let until = flushed(postgres).await;
    fs::write(dir.join("half"), until.to_string()).unwrap();
    fs::rename(dir.join("half"), dir.join(UNTIL)).unwrap();
    (process.wait().await.unwrap().success(), until)
}

/// The server keeps its log from where it was told that it is safe.
async fn told_safe(postgres: &Postgres) -> u64 {
    let sql = "select coalesce(min(restart_lsn), '0/0') from pg_replication_slots";
    postgres.psql("postgres", sql).await.parse::<Lsn>().unwrap().0
}

async fn killed_at_every(steps: usize) {
    let options = PostgresOptions::new().wal_segment_megabytes(1);
    let options = options
        .setting("wal_keep_size", "2GB")
        .setting("full_page_writes", "on");
    let postgres = options.start().await;
    let dir = tempfile::tempdir().unwrap();
    let repository = dir.path().join("repository");
    fs::create_dir(&repository).unwrap();
    let (mut killed, mut made_at) = (0, 0);
    for step in (0_u64..).step_by(steps) {
        let a_segment = "select pg_logical_emit_message(true, 'x', repeat(md5(random()::text), 1000)) \
                         from generate_series(1, 40)";
        postgres.psql("postgres", a_segment).await;
        let order = Order {
            repository: repository.clone(),
            url: postgres.url("postgres"),
            step,
        };
        let (is_done, until) = received(&postgres, dir.path(), &order).await;
        let opened = opened_at(&repository).await;
        let told = told_safe(&postgres).await;
        let kept = match &opened {
            Some(repository) => whereabouts::end(repository, 1, S)
                .await
                .unwrap()
                .map_or(0, |end| end.lsn),
            None => 0,
        };
        // Where its slot was made it was told nothing.
        made_at = if made_at == 0 { told } else { made_at };
        assert!(
            told <= kept || told == made_at,
            "killed at step {step}: {} was told, {} is there",
            Lsn(told),
            Lsn(kept)
        );
        if is_done {
            assert!(kept >= until, "{} of {}", Lsn(kept), Lsn(until));
            break;
        }
        killed += 1;
    }
    assert!(killed * steps > 120, "{killed} kills, one in {steps} steps");

    let order = Order {
        repository: repository.clone(),
        url: postgres.url("postgres"),
        step: u64::MAX / 2,
    };
    let (is_done, until) = received(&postgres, dir.path(), &order).await;
    assert!(is_done);
    let opened = opened_at(&repository).await.unwrap();
    let from = first_kept(&opened, 1, S).await;
    let kept = kept_log(&opened, 1, from, until, S).await;
    assert_same(&kept, &own_log(&postgres, 1, from, until, S), from);
    assert!(opened.open_segments(1, S).await.unwrap().len() <= 1);
    opened.shelf().sweep(i64::MAX).await.unwrap();
    let left = Command::new("find")
        .arg(&repository)
        .args(["-name", "*#*"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

async fn opened_at(dir: &Path) -> Option<Repository> {
    let shelf = Shelf::in_directory(Directory::of(dir).unwrap(), "test");
    Repository::find(shelf, Wrapping::open_to_all(), Clock::system(), None)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_killed_at_a_step_leaves_no_gap_and_nothing_else() {
    killed_at_every(13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: just soak-faults"]
async fn a_receiver_that_is_killed_at_each_step_leaves_no_gap_and_nothing_else() {
    killed_at_every(1).await;
}
