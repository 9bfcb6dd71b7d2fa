//! How processes end: in order, with in-flight work finished; and by themselves, with a status that says so.

use std::time::Duration;

use weir_testkit::{World, eventually};

use crate::ask::{execute, gateway, statement};

const SOON: Duration = Duration::from_secs(40);

/// A statement that is under way when its process is told to stop must be answered.
async fn stops_in_order(world: &World, binary: &str) {
    let mut client = gateway(world).await;
    let in_flight = tokio::spawn(async move { client.execute(statement("", "select pg_sleep(1.5), 7 as n")).await });
    eventually("the statement runs", SOON, async || {
        let running = world
            .database()
            .psql("select count(*) from pg_stat_activity where query like 'select pg_sleep(1.5)%'");
        (running.await == "1").then_some(())
    })
    .await;
    world.process(binary).term();
    let answer = in_flight
        .await
        .unwrap()
        .expect("the statement in flight was cut off")
        .into_inner();
    assert_eq!(answer.rows.len(), 1);
    let status = world.process(binary).wait_exit(SOON).await;
    assert!(status.success(), "{status}\n{}", world.outputs());
    assert!(!world.outputs().contains("panicked"), "{}", world.outputs());
}

#[tokio::test]
async fn weir_up_finishes_what_is_in_flight() {
    let world = World::new().up().await;
    stops_in_order(&world, "weir").await;
}

#[tokio::test]
async fn every_service_by_itself_ends_in_order() {
    let world = World::new().distributed().await;
    execute(&world, "", "select 1").await;
    stops_in_order(&world, "pool-gateway").await;
    for binary in ["query-monitor", "cache", "scheduler", "maintenance", "backup"] {
        world.process(binary).term();
        let status = world.process(binary).wait_exit(SOON).await;
        assert!(
            status.success(),
            "{binary}: {status}\n{}",
            world.process(binary).output()
        );
    }
}

/// The tables of a newer Weir: the task that looks after the store gives up, and takes the process with it.
#[tokio::test]
async fn a_task_that_dies_by_itself_ends_the_process_with_another_status() {
    let mut world = World::new().up().await;
    world.process("weir").term();
    world.process("weir").wait_exit(SOON).await;
    let newer = "insert into weir_monitor._sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
         values (99999999999999, 'from a newer version', now(), true, '', 0)";
    world.database().psql(newer).await;
    world.start("query-monitor", &[]);
    let status = world.process("query-monitor").wait_exit(SOON).await;
    let output = world.process("query-monitor").output();
    assert_eq!(status.code(), Some(1), "{output}");
    let last = output.lines().last().unwrap();
    assert!(
        last.starts_with("query-monitor: a task died: store: schema weir_monitor"),
        "{output}"
    );
}
