//! Settings of the server.

use std::time::Duration;

use weir_proto::maintenance::v1::{AdviceActivation, AdviceImpact};
use weir_testkit::{Database, Postgres};

use crate::stage::{DAY, Stage, server};

const HOUR: Duration = Duration::from_secs(3_600);

/// Has the server read its file, and waits until it has.
async fn set(database: &Database, setting: &str, value: &str) {
    database.psql(&format!("alter system set {setting} = '{value}'")).await;
    database.psql("select pg_reload_conf()").await;
    database.psql("do $$ begin perform pg_sleep(0.3); end $$").await;
}

#[tokio::test]
async fn each_setting_that_is_wrong_is_told_and_each_that_is_right_is_not() {
    let (_postgres, database) = server(&[("autovacuum", "on"), ("shared_buffers", "128MB")]).await;
    let stage = Stage::of(&database, DAY * 2).await;
    // Wrong, advice, what it says, and right.
    let cases = [
        ("fsync", "off", "fsync-off", "on", "on"),
        ("full_page_writes", "off", "full-page-writes-off", "on", "on"),
        (
            "synchronous_commit",
            "off",
            "synchronous-commit-off",
            "on",
            "remote_apply",
        ),
        ("autovacuum", "off", "autovacuum-off", "on", "on"),
        ("track_counts", "off", "track-counts-off", "on", "on"),
        ("track_io_timing", "off", "track-io-timing-off", "on", "on"),
        (
            "idle_in_transaction_session_timeout",
            "0",
            "idle-in-transaction-timeout",
            "10min",
            "30s",
        ),
        ("log_autovacuum_min_duration", "-1", "log-autovacuum", "10min", "0"),
        ("effective_cache_size", "512MB", "effective-cache-size", "2560MB", "3GB"),
        ("work_mem", "200MB", "work-mem", "12MB", "8MB"),
        ("autovacuum_work_mem", "1GB", "autovacuum-work-mem", "160MB", "128MB"),
        (
            "checkpoint_completion_target",
            "0.5",
            "checkpoint-completion-target",
            "0.9",
            "0.8",
        ),
        ("random_page_cost", "4", "random-page-cost", "1.1", "1.2"),
        (
            "default_statistics_target",
            "10",
            "default-statistics-target",
            "100",
            "300",
        ),
        (
            "default_statistics_target",
            "5000",
            "default-statistics-target",
            "1000",
            "1000",
        ),
        ("autovacuum_naptime", "10min", "autovacuum-naptime", "1min", "15s"),
        (
            "autovacuum_vacuum_cost_delay",
            "20ms",
            "autovacuum-cost-delay",
            "2ms",
            "1ms",
        ),
    ];
    for (setting, wrong, id, proposed, right) in cases {
        set(&database, setting, wrong).await;
        let advice = stage.advice(id).await;
        assert_eq!(
            (advice.setting.as_str(), advice.proposed.as_deref()),
            (setting, Some(proposed)),
            "{}",
            advice.reason
        );
        assert!(
            advice.applicable && advice.activation() == AdviceActivation::Reload,
            "{advice:?}"
        );
        set(&database, setting, right).await;
        assert_eq!(stage.find(id).await, None, "{setting} = {right}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn advice_that_needs_the_machine_is_left_out_where_that_is_not_known() {
    let (postgres, database) = server(&[("effective_cache_size", "128MB")]).await;
    let store = Postgres::shared().await.database().await;
    // The server is on this machine: its memory is that of this one, or of its group.
    let here = Stage::start(&database.url(), &store.url(), DAY, &[]).await;
    let advice = here.advice("effective-cache-size").await;
    here.stop().await;
    // It is told when settings say so.
    let machine = [("WEIR_MAINTENANCE__SERVER_MEMORY_BYTES", "1099511627776")];
    let told = Stage::start(&database.url(), &store.url(), DAY, &machine).await;
    let of_settings = told.advice("effective-cache-size").await;
    assert!(of_settings.reason.contains("of 1 TB memory"), "{}", of_settings.reason);
    assert_ne!(advice.reason, of_settings.reason);
    assert_eq!(of_settings.proposed.as_deref(), Some("640GB"));
    told.stop().await;
    drop(postgres);
}

#[tokio::test]
async fn memory_for_sorts_follows_the_temporary_files_that_were_seen() {
    let (_postgres, database) = server(&[("max_connections", "50"), ("work_mem", "64kB")]).await;
    let stage = Stage::of(&database, HOUR * 2).await;
    assert_eq!(stage.find("work-mem").await, None);
    let sorts = "select count(*) from (select n from generate_series(1, 20000) n order by -n) t;\n";
    database.psql(&sorts.repeat(60)).await;
    let advice = stage.advice("work-mem").await;
    assert!(advice.reason.contains("temporary files an hour"), "{}", advice.reason);
    assert_eq!(advice.impact(), AdviceImpact::High);
    let change = stage.apply("work-mem").await;
    assert_eq!(database.psql("show work_mem").await, change.new_value.unwrap());
    // The files of before say nothing against the new value.
    assert_eq!(stage.find("work-mem").await, None);
    stage.clock.advance(HOUR * 2);
    assert_eq!(stage.find("work-mem").await, None);
    stage.stop().await;
}

#[tokio::test]
async fn the_log_gets_more_room_when_checkpoints_come_early() {
    let (_postgres, database) = server(&[]).await;
    let stage = Stage::of(&database, HOUR * 2).await;
    assert_eq!(stage.find("max-wal-size").await, None);
    database.psql(&"checkpoint;\n".repeat(12)).await;
    let advice = stage.advice("max-wal-size").await;
    assert_eq!(
        (advice.current.as_deref(), advice.proposed.as_deref()),
        (Some("1GB"), Some("2GB")),
        "{}",
        advice.reason
    );
    stage.apply("max-wal-size").await;
    assert_eq!(stage.find("max-wal-size").await, None);
    stage.clock.advance(HOUR * 2);
    assert_eq!(
        stage.find("max-wal-size").await,
        None,
        "checkpoints of before count no more"
    );
    database.psql(&"checkpoint;\n".repeat(12)).await;
    assert_eq!(stage.advice("max-wal-size").await.proposed.as_deref(), Some("4GB"));
    stage.stop().await;
}

#[tokio::test]
async fn buffers_of_the_log_that_are_always_full_are_told() {
    let (_postgres, database) = server(&[("wal_buffers", "32kB")]).await;
    let stage = Stage::of(&database, HOUR * 2).await;
    assert_eq!(stage.find("wal-buffers").await, None);
    database
        .psql("create table w (id int primary key, t text); insert into w select n, repeat('x', 500) from generate_series(1, 60000) n")
        .await;
    let advice = stage.advice("wal-buffers").await;
    assert_eq!(
        (advice.proposed.as_deref(), advice.activation()),
        (Some("16MB"), AdviceActivation::Restart)
    );
    stage.stop().await;
}

#[tokio::test]
async fn autovacuum_that_does_not_keep_up_gets_more_to_do() {
    let (_postgres, database) = server(&[
        ("autovacuum", "on"),
        ("autovacuum_naptime", "1h"),
        ("autovacuum_max_workers", "3"),
    ])
    .await;
    let table = |number: u32| {
        format!(
            "create table t{number} (id int primary key, v int); insert into t{number} select n, n from generate_series(1, 20000) n;
             update t{number} set v = v + 1;\n"
        )
    };
    database.psql(&(1..=2).map(table).collect::<String>()).await;
    let stage = Stage::of(&database, DAY).await;
    assert_eq!(stage.find("autovacuum-cost-limit").await, None);
    database.psql(&(3..=6).map(table).collect::<String>()).await;
    let advice = stage.advice("autovacuum-cost-limit").await;
    assert_eq!(advice.proposed.as_deref(), Some("1000"));
    assert!(
        advice.reason.contains("(public.t1, public.t2, public.t3 and 3 more)"),
        "{}",
        advice.reason
    );
    stage.apply("autovacuum-cost-limit").await;
    assert_eq!(stage.find("autovacuum-cost-limit").await, None);
    // Six tables wait for three workers, and there are eight cores.
    let workers = stage.advice("autovacuum-max-workers").await;
    assert_eq!(workers.proposed.as_deref(), Some("4"));
    stage.stop().await;
}

#[tokio::test]
async fn a_value_of_the_role_or_database_alone_is_left() {
    let (_postgres, database) = server(&[]).await;
    let name = database.name();
    database
        .psql(&format!(
            "alter database {name} set random_page_cost = 3; alter role postgres set synchronous_commit = off"
        ))
        .await;
    let stage = Stage::of(&database, DAY).await;
    for (setting, id) in [
        ("random_page_cost", "random-page-cost"),
        ("synchronous_commit", "synchronous-commit-off"),
    ] {
        assert_eq!(stage.find(id).await, None);
        assert!(
            stage
                .left(setting)
                .await
                .unwrap()
                .contains("ALTER ROLE or ALTER DATABASE")
        );
    }
    stage.stop().await;
}
