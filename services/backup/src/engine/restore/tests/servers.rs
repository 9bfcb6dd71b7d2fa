//! Real clusters: what becomes of the server after a restore, tablespaces, and what a restore must not touch.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use weir_model::Clock;
use weir_testkit::eventually;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::super::run::{Looks, plan_with};
use super::super::testing::{pictured, unhurried};
use super::clusters::{Site, upto};
use crate::error::Error;
use crate::orders::{LogPosition, RestoreTarget, Then};

/// Asks the server that was left at work on a restored directory, on the port of the cluster that it came from.
async fn asked(site: &Site, sql: &str) -> String {
    let target = Target::parse(&site.postgres.url("postgres")).unwrap();
    eventually("an answer other than wait", Duration::from_secs(20), async || {
        let mut connection = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
        let rows = connection.simple_query(sql).await.unwrap();
        let answer = rows[0].values().next().flatten().unwrap_or_default().to_owned();
        if answer == "wait" { Err(answer) } else { Ok(answer) }
    })
    .await
}

/// Stops a server that was left at work.
async fn end(directory: &Path) {
    let text = fs::read_to_string(directory.join("postmaster.pid")).unwrap();
    let process = text.lines().next().unwrap().parse().unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    eventually("a server to end", Duration::from_secs(30), async || {
        (!directory.join("postmaster.pid").exists()).then_some(())
    })
    .await;
}

fn slug<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    weir_model::Coded::slug(&result.unwrap_err())
}

#[tokio::test]
async fn a_server_waits_or_takes_writes_where_it_was_to_end() {
    let mut site = Site::new().await;
    site.back_up().await;
    site.steps(5).await;
    let middle = site.step().await;
    site.steps(5).await;
    site.archive().await;
    let all = site.steps.len();
    // Its own port has to be free for the restored one.
    site.postgres.stop().await;
    let target = RestoreTarget {
        xid: Some(middle.xid),
        ..RestoreTarget::default()
    };
    let mut order = site.order("to", target, Then::Pause);
    let restored = site.restore(&order).await.unwrap();
    assert!(restored.is_running);
    let paused = "select case when pg_is_wal_replay_paused() then count(*)::text else 'wait' end from ledger";
    assert_eq!(asked(&site, paused).await, middle.id.to_string());
    order.delta = true;
    order.force = true;
    assert_eq!(slug(site.restore(&order).await), "backup-restore-running");
    end(&site.path("to")).await;
    order.force = false;
    order.then = Then::Promote;
    assert!(site.restore(&order).await.unwrap().is_running);
    let writes = "select case when pg_is_in_recovery() then 'wait' else (select count(*)::text from ledger) end";
    assert_eq!(asked(&site, writes).await, middle.id.to_string());
    let timeline = "create table own (); select timeline_id::text from pg_control_checkpoint()";
    assert!(["1", "2"].contains(&asked(&site, timeline).await.as_str()));
    end(&site.path("to")).await;
    // To the end of the log, waiting there.
    let mut order = site.order("to", RestoreTarget::default(), Then::Pause);
    order.delta = true;
    site.restore(&order).await.unwrap();
    let there =
        format!("select case when count(*) = {all} and pg_is_in_recovery() then 'there' else 'wait' end from ledger");
    assert_eq!(asked(&site, &there).await, "there");
    end(&site.path("to")).await;
    // Files alone: nothing was started.
    let mut order = site.order("to", RestoreTarget::default(), Then::Unspecified);
    order.delta = true;
    let restored = site.restore(&order).await.unwrap();
    assert!(!restored.is_running && restored.recovered_to.is_none());
    assert!(site.path("to/recovery.signal").exists() && !site.path("to/standby.signal").exists());
    assert_eq!(site.ledger("to").await, upto(all as u64));
    let mut order = site.order("to", RestoreTarget::default(), Then::Standby);
    order.delta = true;
    site.restore(&order).await.unwrap();
    assert!(!site.path("to/recovery.signal").exists() && site.path("to/standby.signal").exists());
    let conf = fs::read_to_string(site.path("to/postgresql.auto.conf")).unwrap();
    assert!(conf.contains("recovery_target_timeline = 'latest'"), "{conf}");
    assert_eq!(conf.matches("restore_command").count(), 1, "{conf}");
}

#[tokio::test]
async fn a_moment_that_the_log_does_not_reach_is_told_of() {
    let mut site = Site::new().await;
    site.back_up().await;
    site.steps(2).await;
    site.archive().await;
    let last = site.steps.last().copied().unwrap();
    let time = RestoreTarget {
        time_unix_ms: Some(last.unix_us / 1000 + 3_600_000),
        ..RestoreTarget::default()
    };
    assert_eq!(
        slug(site.restore(&site.order("time", time, Then::Stop)).await),
        "backup-restore-target-late"
    );
    let name = RestoreTarget {
        restore_point: Some("nowhere".to_owned()),
        ..RestoreTarget::default()
    };
    assert_eq!(
        slug(site.restore(&site.order("name", name, Then::Stop)).await),
        "backup-restore-no-target"
    );
    let position = |lsn| RestoreTarget {
        position: Some(LogPosition { timeline: 1, lsn }),
        ..RestoreTarget::default()
    };
    let late = site.order("late", position(last.lsn + (1 << 30)), Then::Stop);
    assert_eq!(slug(site.restore(&late).await), "backup-restore-target-late");
    assert!(!site.path("late").exists());
    let forced = crate::orders::RestoreOrder { force: true, ..late };
    site.restore(&forced).await.unwrap();
    assert_eq!(site.ledger("late").await, upto(last.id));
    let early = site.order("early", position(1 << 20), Then::Stop);
    assert_eq!(slug(site.restore(&early).await), "backup-restore-target-early");
    // A plan changes nothing, and is what is carried out.
    let order = site.order("planned", RestoreTarget::default(), Then::Stop);
    let plan = plan_with(site.means(&Clock::system()), &order, Looks::Closely, &unhurried())
        .await
        .unwrap();
    assert!(!site.path("planned").exists());
    assert_eq!(plan.obstacles, []);
    let restored = site.restore(&order).await.unwrap();
    assert_eq!(
        (restored.written_bytes, restored.kept_bytes),
        (plan.write_bytes, plan.kept_bytes)
    );
    let read = plan.read_bytes - plan.choice.wal_bytes;
    assert!(
        restored.read_bytes >= read && restored.read_bytes < read + read / 2,
        "{restored:?} of {read}"
    );
}

#[tokio::test]
async fn log_that_is_missing_stops_a_restore_before_it_begins() {
    let mut site = Site::new().await;
    site.back_up().await;
    site.archive().await;
    site.steps(2).await;
    site.archive().await;
    site.steps(2).await;
    site.archive().await;
    let segments = site.repository.segments(1, 16 << 20).await.unwrap();
    let lost = segments[segments.len() - 2].segment;
    site.repository.drop_segment(lost).await.unwrap();
    fs::remove_file(site.path("wal").join(lost.name())).unwrap();
    let mut order = site.order("to", RestoreTarget::default(), Then::Stop);
    assert_eq!(slug(site.restore(&order).await), "backup-restore-log-missing");
    assert!(!site.path("to").exists());
    order.force = true;
    site.restore(&order).await.unwrap();
    assert_eq!(site.ledger("to").await, upto(site.steps.len() as u64 - 4));
    site.repository.drop_segment(segments[0].segment).await.unwrap();
    for segment in &segments {
        site.repository.drop_segment(segment.segment).await.unwrap();
    }
    order.directory = site.path("other");
    assert_eq!(slug(site.restore(&order).await), "backup-restore-log-missing");
}

fn owned(path: &Path) {
    fs::create_dir_all(path).unwrap();
    assert!(
        Command::new("chown")
            .arg("postgres")
            .arg(path)
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn tablespaces_go_where_they_are_told_to_and_one_can_come_back_alone() {
    let mut site = Site::new().await;
    owned(&site.path("space"));
    let space = site.path("space").display().to_string();
    site.one(&format!("create tablespace far location '{space}'")).await;
    site.one("set allow_in_place_tablespaces = on").await;
    site.one("create tablespace near location ''").await;
    site.one("create table afar tablespace far as select g from generate_series(1, 5000) g")
        .await;
    site.one("create table anear tablespace near as select g from generate_series(1, 5000) g")
        .await;
    let far: u32 = site
        .one("select oid from pg_tablespace where spcname = 'far'")
        .await
        .parse()
        .unwrap();
    site.one("checkpoint").await;
    site.back_up().await;
    site.steps(3).await;
    site.one("insert into afar select g from generate_series(1, 1000) g")
        .await;
    site.archive().await;
    let live = pictured(&site.path("space"));
    let mut order = site.order("to", RestoreTarget::default(), Then::Stop);
    // Where it was, the live cluster has its files.
    assert_eq!(slug(site.restore(&order).await), "backup-restore-not-empty");
    order.delta = true;
    assert_eq!(slug(site.restore(&order).await), "backup-restore-not-empty");
    order.delta = false;
    order.tablespaces.insert(far, site.path("to-space"));
    site.restore(&order).await.unwrap();
    assert_eq!(
        pictured(&site.path("space")),
        live,
        "the live cluster's tablespace is as it was"
    );
    assert_eq!(
        fs::read_link(site.path(&format!("to/pg_tblspc/{far}"))).unwrap(),
        site.path("to-space")
    );
    assert_eq!(site.ledger("to").await, upto(site.steps.len() as u64));
    assert_eq!(
        fs::read_link(site.path(&format!("to/pg_tblspc/{far}"))).unwrap(),
        site.path("to-space")
    );
    // The disk of the tablespace is lost; all else is in place, and has gone on meanwhile.
    fs::remove_dir_all(site.path("to-space")).unwrap();
    fs::remove_file(site.path(&format!("to/pg_tblspc/{far}"))).unwrap();
    let mut alone = site.order("to", RestoreTarget::default(), Then::Unspecified);
    alone.tablespaces.insert(far, site.path("new-space"));
    alone.only_tablespaces = vec![far];
    let restored = site.restore(&alone).await.unwrap();
    assert!(restored.written_bytes < 4 << 20, "{restored:?}");
    assert_eq!(
        fs::read_link(site.path(&format!("to/pg_tblspc/{far}"))).unwrap(),
        site.path("new-space")
    );
    assert_eq!(site.ledger("to").await, upto(site.steps.len() as u64));
    alone.directory = site.path("nothing");
    alone.tablespaces.insert(far, site.path("third-space"));
    assert_eq!(slug(site.restore(&alone).await), "backup-restore-foreign");
}
