//! Changes: made, refused, settled, and taken back to the letter.

use std::time::Duration;

use tonic::Code;
use weir_proto::maintenance::v1::ChangeState;
use weir_testkit::{Database, Postgres, PostgresOptions, eventually};

use crate::stage::{DAY, Stage, refused, server};

/// What ALTER SYSTEM has written.
fn auto_conf(postgres: &Postgres) -> String {
    std::fs::read_to_string(postgres.data_dir().join("postgresql.auto.conf")).unwrap()
}

#[tokio::test]
async fn a_setting_is_changed_and_taken_back_to_the_letter() {
    let (postgres, database) = server(&[("fsync", "off"), ("autovacuum", "on")]).await;
    database
        .psql("alter system set log_autovacuum_min_duration = '-1'")
        .await;
    database.psql("select pg_reload_conf()").await;
    let before = auto_conf(&postgres);
    let stage = Stage::of(&database, DAY).await;

    let fsync = stage.apply("fsync-off").await;
    assert_eq!(
        (fsync.state(), fsync.old_value.as_deref(), fsync.was_in_force.as_str()),
        (ChangeState::Applied, None, "off")
    );
    assert_eq!(fsync.by, "ann");
    assert_eq!(database.psql("show fsync").await, "on");
    let log = stage.apply("log-autovacuum").await;
    assert_eq!(
        (log.old_value.as_deref(), log.new_value.as_deref()),
        (Some("-1"), Some("10min"))
    );
    assert_eq!(database.psql("show log_autovacuum_min_duration").await, "10min");
    assert_eq!(stage.find("fsync-off").await, None);

    for change in [&log, &fsync] {
        let back = stage.try_revert(&change.id).await.unwrap();
        assert_eq!(back.state(), ChangeState::Reverted);
    }
    assert_eq!(auto_conf(&postgres), before);
    assert_eq!(database.psql("show fsync").await, "off");
    assert_eq!(database.psql("show log_autovacuum_min_duration").await, "-1");
    let (code, slug, text) = refused(stage.try_revert(&fsync.id).await);
    assert_eq!(
        (code, slug.as_str()),
        (Code::FailedPrecondition, "change-not-revertible"),
        "{text}"
    );
    assert!(text.ends_with("it is reverted"), "{text}");
    stage.stop().await;
}

#[tokio::test]
async fn what_needs_a_restart_is_pending_until_then() {
    let (mut postgres, database) = server(&[]).await;
    let stage = Stage::of(&database, DAY).await;
    let change = stage.apply("shared-buffers").await;
    assert_eq!(change.state(), ChangeState::PendingRestart);
    let wanted = change.new_value.clone().unwrap();
    assert_eq!(database.psql("show shared_buffers").await, "16MB");
    assert_eq!(stage.find("shared-buffers").await, None);
    assert!(
        stage
            .left("shared_buffers")
            .await
            .unwrap()
            .contains("waits for a restart")
    );
    assert_eq!(stage.state(&change.id).await, ChangeState::PendingRestart);

    postgres.stop().await;
    postgres.start_again().await;
    assert_eq!(database.psql("show shared_buffers").await, wanted);
    assert_eq!(stage.state(&change.id).await, ChangeState::Applied);
    let back = stage.try_revert(&change.id).await.unwrap();
    assert_eq!(
        (back.state(), back.note.as_str()),
        (ChangeState::Reverted, "in force after the next restart of the server")
    );
    postgres.stop().await;
    postgres.start_again().await;
    assert_eq!(database.psql("show shared_buffers").await, "16MB");
    stage.stop().await;
}

#[tokio::test]
async fn advice_that_does_not_fit_any_more_is_refused() {
    let (_postgres, database) = server(&[]).await;
    database
        .psql("create table t (a int); create index a1 on t (a); create index a2 on t (a)")
        .await;
    let stage = Stage::of(&database, DAY).await;
    let (code, slug, _) = refused(stage.try_apply("log-autovacuum").await);
    assert_eq!(
        (code, slug.as_str()),
        (Code::NotFound, "advice-not-found"),
        "nobody has seen it"
    );

    stage.advice("effective-cache-size").await;
    stage.advice("autovacuum-off").await;
    database.psql("alter system set effective_cache_size = '64MB'").await;
    database.psql("alter system set autovacuum = on").await;
    database.psql("select pg_reload_conf(), pg_sleep(0.3)").await;
    // Shown it was 4GB... whatever it is, it is another value now.
    let (code, slug, text) = refused(stage.try_apply("effective-cache-size").await);
    assert_eq!((code, slug.as_str()), (Code::FailedPrecondition, "advice-stale"));
    assert!(text.contains("effective_cache_size is now 64MB"), "{text}");
    let (_, slug, text) = refused(stage.try_apply("autovacuum-off").await);
    assert_eq!(slug, "advice-stale");
    assert!(text.contains("it is not advised any more"), "{text}");

    let index = stage
        .list()
        .await
        .advice
        .into_iter()
        .find(|advice| advice.kind == "duplicate-index")
        .unwrap();
    let (code, slug, text) = refused(stage.try_apply(&index.id).await);
    assert_eq!((code, slug.as_str()), (Code::InvalidArgument, "advice-by-hand"));
    assert!(text.contains("drop index concurrently"), "{text}");
    assert_eq!(stage.changes().await.len(), 0);
    stage.stop().await;
}

#[tokio::test]
async fn a_change_that_somebody_changed_is_not_taken_back() {
    let (_postgres, database) = server(&[]).await;
    database
        .psql("create table off (id int primary key) with (autovacuum_enabled = off)")
        .await;
    let stage = Stage::of(&database, DAY).await;
    let table = stage
        .apply(&format!("table-autovacuum-off:{}.public.off", database.name()))
        .await;
    let server = stage.apply("autovacuum-off").await;
    database.psql("alter table off set (autovacuum_enabled = on)").await;
    database.psql("alter system set autovacuum = off").await;
    database.psql("select pg_reload_conf(), pg_sleep(0.3)").await;
    for (change, now) in [(&table, "on"), (&server, "off")] {
        let (_, slug, text) = refused(stage.try_revert(&change.id).await);
        assert_eq!(slug, "change-not-revertible");
        assert!(
            text.ends_with(&format!("it is superseded: somebody changed it since: it is {now} now")),
            "{text}"
        );
        assert_eq!(stage.state(&change.id).await, ChangeState::Superseded);
    }
    let (code, slug, _) = refused(stage.try_revert("00000000-0000-7000-8000-000000000000").await);
    assert_eq!((code, slug.as_str()), (Code::NotFound, "change-not-found"));
    // A table that is gone is no obstacle for the list.
    database.psql("alter table off set (autovacuum_enabled = off)").await;
    let again = stage.apply(&table.advice_id).await;
    database.psql("drop table off").await;
    assert_eq!(stage.state(&again.id).await, ChangeState::Superseded);
    stage.stop().await;
}

#[tokio::test]
async fn changes_of_the_same_value_are_taken_back_one_after_the_other() {
    let (_postgres, database) = server(&[]).await;
    let stage = Stage::of(&database, Duration::from_secs(7200)).await;
    let mut changes = Vec::new();
    for _ in 0..2 {
        database.psql(&"checkpoint;\n".repeat(12)).await;
        changes.push(stage.apply("max-wal-size").await);
        stage.clock.advance(Duration::from_secs(7200));
    }
    assert_eq!(database.psql("show max_wal_size").await, "4GB");
    let (_, slug, _) = refused(stage.try_revert(&changes[0].id).await);
    assert_eq!(slug, "change-not-revertible", "the later one comes first");
    stage.try_revert(&changes[1].id).await.unwrap();
    assert_eq!(database.psql("show max_wal_size").await, "2GB");
    assert_eq!(stage.state(&changes[0].id).await, ChangeState::Applied);
    stage.try_revert(&changes[0].id).await.unwrap();
    assert_eq!(database.psql("show max_wal_size").await, "1GB");
    stage.stop().await;
}

#[tokio::test]
async fn a_user_without_the_right_is_told_which_one_it_is_and_can_go_on_with_it() {
    let postgres = PostgresOptions::new().user("weir", "secret").start().await;
    let database = postgres.database().await;
    database
        .psql(&format!(
            "grant create on database {} to weir; create table off (id int primary key) with (autovacuum_enabled = off)",
            database.name()
        ))
        .await;
    let url = format!(
        "postgres://weir:secret@127.0.0.1:{}/{}",
        postgres.port(),
        database.name()
    );
    let store = Postgres::shared().await.database().await;
    let stage = Stage::start(&url, &store.url(), DAY, &[]).await;
    stage.advice("fsync-off").await;
    let (code, slug, text) = refused(stage.try_apply("fsync-off").await);
    assert_eq!((code, slug.as_str()), (Code::PermissionDenied, "advice-rights"));
    assert!(
        text.ends_with("or let a superuser run it: alter system set fsync = 'on'"),
        "{text}"
    );
    for grant in text
        .split(": ")
        .nth(1)
        .unwrap()
        .trim_end_matches("; or let a superuser run it")
        .split("; ")
    {
        assert!(grant.starts_with("grant "), "{text}");
        database.psql(grant).await;
    }
    assert_eq!(stage.apply("fsync-off").await.state(), ChangeState::Applied);
    assert_eq!(database.psql("show fsync").await, "on");

    let table = format!("table-autovacuum-off:{}.public.off", database.name());
    stage.advice(&table).await;
    let (code, slug, text) = refused(stage.try_apply(&table).await);
    assert_eq!((code, slug.as_str()), (Code::PermissionDenied, "advice-rights"));
    assert!(text.contains("must be owner of table off"), "{text}");
    let failed = stage
        .changes()
        .await
        .into_iter()
        .find(|change| change.advice_id == table)
        .unwrap();
    assert_eq!(failed.state(), ChangeState::Failed);
    stage.stop().await;
}

#[tokio::test]
async fn nothing_is_written_beside_a_file_that_the_server_cannot_read() {
    let (postgres, database) = server(&[]).await;
    database
        .psql("alter system set log_autovacuum_min_duration = '-1'")
        .await;
    database.psql("select pg_reload_conf()").await;
    let stage = Stage::of(&database, DAY).await;
    let log = stage.apply("log-autovacuum").await;
    let (conf, before) = (postgres.data_dir().join("postgresql.conf"), auto_conf(&postgres));
    let text = std::fs::read_to_string(&conf).unwrap();
    // One line that is no line, and the server takes none, not even those of its own file.
    std::fs::write(&conf, format!("{text}\nwork_mem == much\n")).unwrap();
    stage.advice("autovacuum-off").await;
    let (code, slug, said) = refused(stage.try_apply("autovacuum-off").await);
    assert_eq!((code, slug.as_str()), (Code::FailedPrecondition, "advice-refused"));
    assert!(
        said.contains("postgresql.conf") && said.ends_with("it is as it was before"),
        "{said}"
    );
    let (_, slug, _) = refused(stage.try_revert(&log.id).await);
    assert_eq!(slug, "advice-refused");
    assert_eq!(auto_conf(&postgres), before);
    assert_eq!(
        stage.state(&log.id).await,
        ChangeState::Applied,
        "what cannot be seen is not judged"
    );
    std::fs::write(&conf, text).unwrap();
    assert_eq!(stage.apply("autovacuum-off").await.state(), ChangeState::Applied);
    stage.try_revert(&log.id).await.unwrap();
    assert_eq!(database.psql("show log_autovacuum_min_duration").await, "-1");
    stage.stop().await;
}

#[tokio::test]
async fn what_the_server_does_not_take_is_put_back() {
    let (postgres, database) = server(&[]).await;
    database.psql("alter system set autovacuum = off").await;
    let before = auto_conf(&postgres);
    let stage = Stage::of(&database, DAY).await;
    stage.advice("autovacuum-off").await;
    let pid = std::fs::read_to_string(postgres.data_dir().join("postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    let signal = |name: &str| std::process::Command::new("kill").args([name, &pid]).status().unwrap();
    // A server that hears nothing reads no file. It is stopped once the change waits for its turn.
    let hold = database.psql("select pg_advisory_lock(8603398603142362729); select pg_sleep(1.5)");
    let freeze = async {
        eventually("the change to wait", Duration::from_secs(5), || async {
            let waiting = database
                .psql("select count(*) from pg_locks where locktype = 'advisory' and not granted")
                .await;
            (waiting == "1").then_some(()).ok_or(waiting)
        })
        .await;
        signal("-STOP");
    };
    let (_, (), outcome) = tokio::join!(hold, freeze, stage.try_apply("autovacuum-off"));
    signal("-CONT");
    let (_, slug, said) = refused(outcome);
    assert_eq!(slug, "advice-refused");
    assert!(said.contains("did not read its files"), "{said}");
    assert_eq!(auto_conf(&postgres), before);
    assert_eq!(stage.changes().await[0].state(), ChangeState::Failed);
    assert_eq!(stage.apply("autovacuum-off").await.state(), ChangeState::Applied);
    stage.stop().await;
}

#[tokio::test]
async fn a_locked_table_is_waited_for_two_seconds_and_left_as_it_is() {
    let database = Postgres::shared().await.database().await;
    database
        .psql("create table off (id int primary key) with (autovacuum_enabled = off)")
        .await;
    let stage = Stage::of(&database, DAY).await;
    let id = format!("table-autovacuum-off:{}.public.off", database.name());
    stage.advice(&id).await;
    let hold = database.psql("begin; lock table off in share update exclusive mode; select pg_sleep(6); commit");
    let attempt = async {
        let locks = "select count(*) from pg_locks where relation = 'off'::regclass and granted";
        eventually("the table to be held", Duration::from_secs(5), || async {
            let locks = database.psql(locks).await;
            (locks != "0").then_some(()).ok_or(locks)
        })
        .await;
        // While the change waits, nobody takes it for one that was cut off.
        let look = async {
            eventually("the change to be seen", Duration::from_secs(2), || async {
                let state = stage.changes().await.first().map(|change| change.state());
                (state == Some(ChangeState::Applying))
                    .then_some(())
                    .ok_or_else(|| format!("{state:?}"))
            })
            .await;
        };
        let (outcome, ()) = tokio::join!(stage.try_apply(&id), look);
        refused(outcome)
    };
    let (_, (code, slug, text)) = tokio::join!(hold, attempt);
    assert_eq!((code, slug.as_str()), (Code::FailedPrecondition, "advice-refused"));
    assert!(text.contains("somebody holds the table"), "{text}");
    let note = stage.changes().await[0].note.clone();
    assert!(note.contains("somebody holds the table"), "{note}");
    assert_eq!(stage.apply(&id).await.state(), ChangeState::Applied);
    stage.stop().await;
}

#[tokio::test]
async fn of_two_at_once_one_changes_it() {
    let (_postgres, database) = server(&[]).await;
    let stage = Stage::of(&database, DAY).await;
    stage.advice("autovacuum-off").await;
    let (one, two) = tokio::join!(stage.try_apply("autovacuum-off"), stage.try_apply("autovacuum-off"));
    let (done, refusal) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_eq!(done.unwrap().state(), ChangeState::Applied);
    let (_, slug, _) = refused(refusal);
    assert!(["advice-stale", "advice-busy"].contains(&slug.as_str()), "{slug}");
    assert_eq!(stage.changes().await.len(), 1);
    stage.stop().await;
}

/// A row as a process leaves it that dies between the row and the end.
async fn cut_off(store: &Database, option: &str, state: &str, old: &str, new: &str) -> String {
    store
        .psql(&format!(
            "insert into weir_maintenance.changes (id, project, advice_id, kind, database, table_schema, table_name,
                object, option, old_value, new_value, old_shown, requested_by, reason, state, begun_at)
             values (gen_random_uuid(), 'default', '{option}', '{option}', '', '', '', 'server', '{option}', {old}, {new},
                'off', 'ann', '', '{state}', now()) returning id"
        ))
        .await
}

#[tokio::test]
async fn changes_that_a_crash_cut_off_are_settled_by_what_the_server_has() {
    let (_postgres, database) = server(&[]).await;
    let store = Postgres::shared().await.database().await;
    let stage = Stage::start(&database.url(), &store.url(), DAY, &[]).await;
    // Written and not read by the server; never written; changed by others; a revert that was written.
    database.psql("alter system set autovacuum = on").await;
    database.psql("alter system set random_page_cost = 3").await;
    let ids = [
        (
            cut_off(&store, "autovacuum", "applying", "null", "'on'").await,
            ChangeState::Applied,
        ),
        (
            cut_off(&store, "track_io_timing", "applying", "null", "'on'").await,
            ChangeState::Failed,
        ),
        (
            cut_off(&store, "random_page_cost", "applying", "null", "'1.1'").await,
            ChangeState::Superseded,
        ),
        (
            cut_off(&store, "fsync", "reverting", "null", "'on'").await,
            ChangeState::Reverted,
        ),
    ];
    assert_eq!(database.psql("show autovacuum").await, "off");
    for (id, state) in ids {
        assert_eq!(stage.state(&id).await, state, "{id}");
    }
    assert_eq!(database.psql("show autovacuum").await, "on");
    stage.stop().await;

    // The next start settles by itself.
    let id = cut_off(&store, "wal_compression", "applying", "null", "'lz4'").await;
    let stage = Stage::start(&database.url(), &store.url(), DAY, &[]).await;
    eventually("the change to be settled", Duration::from_secs(10), || async {
        let state = store
            .psql(&format!("select state from weir_maintenance.changes where id = '{id}'"))
            .await;
        (state == "failed").then_some(()).ok_or(state)
    })
    .await;
    stage.stop().await;
}

#[tokio::test]
async fn after_all_advice_is_carried_out_none_of_it_is_given_and_the_server_starts() {
    let wrong = [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("synchronous_commit", "off"),
        ("track_io_timing", "off"),
        ("idle_in_transaction_session_timeout", "0"),
        ("log_autovacuum_min_duration", "-1"),
        ("checkpoint_completion_target", "0.1"),
        ("default_statistics_target", "10"),
        ("effective_cache_size", "128MB"),
        ("work_mem", "1GB"),
        ("autovacuum_work_mem", "2GB"),
        ("autovacuum_naptime", "30min"),
        ("autovacuum_vacuum_cost_delay", "50ms"),
        ("wal_buffers", "32kB"),
    ];
    let (mut postgres, database) = server(&wrong).await;
    database
        .psql(
            "create table \"Odd \"\"table's\" (id int primary key, v int, pad text) with (autovacuum_enabled = off);
             insert into \"Odd \"\"table's\" select n, n, repeat('x', 500) from generate_series(1, 60000) n;
             analyze; update \"Odd \"\"table's\" set v = v + 1",
        )
        .await;
    database.psql(&"checkpoint;\n".repeat(12)).await;
    let stage = Stage::of(&database, Duration::from_secs(7200)).await;
    let given: Vec<_> = stage
        .list()
        .await
        .advice
        .into_iter()
        .filter(|advice| advice.applicable)
        .collect();
    assert!(
        given.len() >= 18,
        "{:?}",
        given.iter().map(|advice| &advice.id).collect::<Vec<_>>()
    );
    for advice in &given {
        let change = stage.try_apply(&advice.id).await.unwrap();
        assert_eq!(change.new_value, advice.proposed, "{}", advice.id);
    }
    let gone = |ids: Vec<String>| assert!(!given.iter().any(|advice| ids.contains(&advice.id)), "{ids:?}");
    gone(stage.ids().await);
    postgres.stop().await;
    postgres.start_again().await;
    gone(stage.ids().await);
    assert!(
        stage
            .changes()
            .await
            .iter()
            .all(|change| change.state() == ChangeState::Applied)
    );
    // And back again, in any order.
    for change in stage.changes().await {
        stage.try_revert(&change.id).await.unwrap();
    }
    assert_eq!(
        auto_conf(&postgres)
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count(),
        0
    );
    assert_eq!(
        database
            .psql("select reloptions from pg_class where relname like 'Odd%' and relkind = 'r'")
            .await,
        "{autovacuum_enabled=off}"
    );
    postgres.stop().await;
    postgres.start_again().await;
    let ids = stage.ids().await;
    let missing: Vec<_> = given
        .iter()
        .filter(|advice| !ids.contains(&advice.id))
        .map(|advice| &advice.id)
        .collect();
    // What the counters said is gone with the crash; the rest is as it was.
    assert!(missing.len() <= 4, "{missing:?}");
    stage.stop().await;
}
