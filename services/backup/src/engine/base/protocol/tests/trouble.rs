//! Backups that must not come about, and pages that are damaged.

use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_testkit::{Postgres, eventually};
use weir_upstream::Target;

use super::ground::{Place, SOON, backed_up, backed_up_with, copied, pace, pipe, server, target, target_at};
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::error::Error;

const FILL: &str = "create table t as select g, 'weir-marker' || g as text, repeat(md5(g::text), 20) as more
    from generate_series(1, 25000) g; checkpoint";

/// Sessions that wait for the checkpoint of their backup.
const WAITS: &str = "select count(*) from pg_stat_progress_basebackup where phase like 'waiting for checkpoint%'";

/// No session for backups is left.
async fn nobody_sends(postgres: &Postgres) {
    eventually("the server to give up", SOON, async || {
        let sql = "select count(*) from pg_stat_activity where application_name = 'weir_backup'";
        match postgres.psql("postgres", sql).await.as_str() {
            "0" => Ok(()),
            left => Err(left.to_owned()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_damaged_page_is_named() {
    let mut postgres = server(&[]).await;
    postgres.psql("postgres", FILL).await;
    let path = postgres.psql("postgres", "select pg_relation_filepath('t')").await;
    let file = postgres.data_dir().join(&path);
    postgres.stop().await;
    let open = std::fs::File::options().write(true).open(&file).unwrap();
    for block in [3_u64, 40] {
        open.write_all_at(b"damage", block * 8192 + 5000).unwrap();
    }
    postgres.start_again().await;
    let place = Place::new().await;
    let (_, taken) = backed_up(&place, &target(&postgres), None, &pace(0)).await.unwrap();
    assert_eq!(taken.corrupt_pages, [format!("{path}:3"), format!("{path}:40")]);
    assert_eq!(taken.corrupt_page_count, 2);
}

#[tokio::test]
async fn a_stop_ends_it_at_once_and_leaves_nobody_behind() {
    let postgres = server(&[("checkpoint_timeout", "1h")]).await;
    postgres.psql("postgres", FILL).await;
    let (place, target) = (Place::new().await, target(&postgres));
    // Before the checkpoint is done, and while it is copied.
    for (slow, phase) in [(true, "checkpoint"), (false, "copy")] {
        let stop = CancellationToken::new();
        let pace = Pace::new(1_000_000, stop.clone(), Progress::default());
        if slow {
            postgres.psql("postgres", "update t set text = text || 'x'").await;
        }
        let stopping = async {
            eventually("the backup to begin", SOON, async || {
                let reached = pace.progress().reached();
                let is_there = reached.phase == phase && (slow || reached.done_bytes > 0);
                let is_there = is_there && (!slow || postgres.psql("postgres", WAITS).await == "1");
                if is_there { Ok(()) } else { Err(format!("{reached:?}")) }
            })
            .await;
            stop.cancel();
            tokio::time::Instant::now()
        };
        let backup = backed_up_with(&place, &target, None, &pace, !slow);
        let (backup, stopped) = tokio::join!(backup, stopping);
        assert!(matches!(backup, Err(Error::Stopped)), "{backup:?}");
        assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
        nobody_sends(&postgres).await;
    }
    assert_eq!(place.listed().await, 0);
}

#[tokio::test]
async fn a_server_that_dies_leaves_no_backup() {
    let mut postgres = server(&[]).await;
    postgres.psql("postgres", FILL).await;
    let (place, target, pace) = (Place::new().await, target(&postgres), pace(10_000_000));
    let killing = async {
        copied(&pace, 5_000_000).await;
        postgres.kill().await;
    };
    let (backup, ()) = tokio::join!(backed_up(&place, &target, None, &pace), killing);
    assert!(matches!(backup, Err(Error::Upstream(_))), "{backup:?}");
    assert_eq!(place.listed().await, 0);
    postgres.start_again().await;
    backed_up(&place, &target, None, &super::ground::pace(0)).await.unwrap();
}

#[tokio::test]
async fn a_repository_that_fails_fails_the_backup() {
    let postgres = server(&[]).await;
    postgres.psql("postgres", FILL).await;
    let (place, target) = (Place::new().await, target(&postgres));
    let packs = place.dir.path().join("packs");
    // Where packs would go there is something else.
    std::fs::write(&packs, b"").unwrap();
    let backup = backed_up(&place, &target, None, &pace(0)).await;
    assert!(matches!(backup, Err(Error::Repository(_))), "{backup:?}");
    nobody_sends(&postgres).await;
    assert_eq!(place.listed().await, 0);
}

#[tokio::test]
async fn what_is_changed_on_the_way_is_noticed() {
    let postgres = server(&[]).await;
    postgres.psql("postgres", FILL).await;
    let place = Place::new().await;
    let word = b"weir-marker20000";
    let port = pipe(postgres.port(), move |bytes| {
        if let Some(at) = bytes.windows(word.len()).position(|window| window == word) {
            bytes[at] ^= 1;
        }
    });
    let backup = backed_up(&place, &target_at(port), None, &pace(0)).await;
    let path = postgres.psql("postgres", "select pg_relation_filepath('t')").await;
    match backup {
        Err(Error::Refused {
            slug: "backup-manifest-differs",
            reason,
        }) => assert!(reason.contains(&path), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.listed().await, 0);
}

#[tokio::test]
async fn who_may_not_replicate_is_told_so() {
    let postgres = server(&[]).await;
    postgres.psql("postgres", "create role plain login").await;
    let url = format!("postgres://plain@127.0.0.1:{}/postgres", postgres.port());
    let backup = backed_up(&Place::new().await, &Target::parse(&url).unwrap(), None, &pace(0)).await;
    let said = backup.unwrap_err().to_string();
    assert!(said.contains("42501"), "{said}");
}
