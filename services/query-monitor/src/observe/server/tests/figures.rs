//! Figures: each beside what the server says when it is asked directly.

use weir_testkit::Postgres;

use super::*;
use crate::detect::metric;

fn version_of(server: &api::Server) -> u32 {
    server.version.split('.').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_deadlock_is_counted_once() {
    let postgres = Postgres::start_with(&[("deadlock_timeout", "100ms")]).await;
    let database = postgres.database().await;
    database
        .psql("create table t (a int); insert into t values (1), (2)")
        .await;
    let scene = Scene::of(&database.url());
    let name = database.name();
    scene
        .sees(postgres.port(), "the database", |server| {
            server.databases.iter().any(|one| one.database == name)
        })
        .await;
    let (mut one, mut two) = (
        session(&database.url(), "one").await,
        session(&database.url(), "two").await,
    );
    run(&mut one, "begin; update t set a = 1 where a = 1").await;
    run(&mut two, "begin; update t set a = 2 where a = 2").await;
    let (left, right) = tokio::join!(
        one.simple_query("update t set a = 2 where a = 2"),
        two.simple_query("update t set a = 1 where a = 1")
    );
    assert!(left.is_err() != right.is_err());
    // The server writes counters down when the session does something else, or ends.
    one.close().await;
    two.close().await;
    let server = scene
        .sees(postgres.port(), "the deadlock", |server| {
            super::database(server, name).deadlocks_total > 0
        })
        .await;
    let found = super::database(&server, name);
    assert_eq!((found.deadlocks_total, found.deadlocks_lately), (1, 1));
    scene.stop().await;
}

#[tokio::test]
async fn counters_of_a_database_become_rates_and_a_reset_is_noticed() {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let name = database.name().to_owned();
    // 2,250 blocks, more than fit.
    database
        .psql(
            "create table t (a int, b text); alter table t alter b set storage plain;
            insert into t select g, repeat('x', 3000) from generate_series(1, 4500) g; vacuum t; checkpoint",
        )
        .await;
    // What made the table is counted when its session has ended, and must not be counted later.
    let made = format!("select 1 from pg_stat_database where datname = '{name}' and tup_inserted >= 4500");
    eventually("the table to be counted", SOON, async || {
        let found = database.psql(&made).await;
        if found == "1" { Ok(()) } else { Err(found) }
    })
    .await;
    let scene = Scene::of(&database.url());
    scene
        .sees(postgres.port(), "a first reading", |server| {
            server.databases.iter().any(|one| one.database == name)
        })
        .await;
    let counters = format!("select blks_hit || ' ' || blks_read from pg_stat_database where datname = '{name}'");
    let read = |text: String| {
        let found: Vec<f64> = text.split(' ').map(|word| word.parse().unwrap()).collect();
        (found[0], found[1])
    };
    let (hit, missed) = read(database.psql(&counters).await);
    database.psql(&"select count(*) from t;".repeat(12)).await;
    let (hit_after, missed_after) = read(database.psql(&counters).await);
    let expected = (hit_after - hit) / (hit_after - hit + missed_after - missed);
    let reading = scene.reads(metric::BUFFER_HIT_RATIO, "database", &name).await;
    assert!(
        (reading.value - expected).abs() < 0.05,
        "{} beside {expected}",
        reading.value
    );

    let before = super::database(&scene.server(postgres.port()), &name).rollbacks_total;
    database.psql(&"begin; rollback;".repeat(300)).await;
    let server = scene
        .sees(postgres.port(), "rollbacks", |server| {
            super::database(server, &name).rollbacks_per_second > 1.0
        })
        .await;
    // All of them, unless the reading fell into their midst; ten seconds after the one before.
    let found = super::database(&server, &name);
    let expected = (found.rollbacks_total - before) as f64 / 10.0;
    let rate = found.rollbacks_per_second;
    assert!((rate / expected - 1.0).abs() < 0.2, "{rate} beside {expected}");
    eventually("the same on the board", SOON, async || {
        let reading = scene.reading(metric::TRANSACTIONS_PER_SECOND, "database", &name)?;
        (reading.value > 1.0).then_some(())
    })
    .await;

    database.psql("select pg_stat_reset()").await;
    let server = scene
        .sees(postgres.port(), "the reset", |server| {
            super::database(server, &name).resets_seen > 0
        })
        .await;
    let found = super::database(&server, &name);
    assert!(
        found.reset_unix_ms > 0 && found.rollbacks_per_second == 0.0 && found.buffer_hit_ratio < 0.0,
        "{found:?}"
    );
    scene.stop().await;
}

#[tokio::test]
async fn ages_sizes_and_settings_are_those_of_the_server() {
    let secret = [
        ("archive_command", "cp %p s3cret"),
        ("primary_conninfo", "password=s3cret"),
        ("my.token", "s3cret"),
    ];
    let postgres = Postgres::start_with(&[&secret[..], &[("work_mem", "7MB")]].concat()).await;
    let database = postgres.database().await;
    database
        .psql("create table big as select g, repeat('x', 2000) from generate_series(1, 3000) g; create index on big (g); analyze")
        .await;
    let scene = Scene::of(&database.url());
    let server = scene.has_asked_everything(postgres.port()).await;
    let truth = database
        .psql(
            "select age(datfrozenxid), mxid_age(datminmxid), pg_database_size(oid), pg_total_relation_size('big')
            from pg_database where datname = current_database()",
        )
        .await;
    let truth: Vec<u64> = truth.split('|').map(|word| word.parse().unwrap()).collect();
    let found = super::database(&server, database.name());
    assert!(truth[0].abs_diff(found.transaction_id_age) < 20, "{truth:?} {found:?}");
    assert_eq!((found.multixact_id_age, found.size_bytes), (truth[1], truth[2]));
    let ratio = scene
        .reads(metric::WRAPAROUND_RATIO, "database", database.name())
        .await
        .value;
    assert!((ratio - truth[0] as f64 / 2_144_483_648.0).abs() < 1e-7, "{ratio}");
    assert_eq!(server.relations[0].relation, "public.big");
    assert_eq!(server.relations[0].total_bytes, truth[3]);
    assert!(!server.oldest_tables.is_empty() && server.oldest_tables.len() <= 10);

    let setting = |name: &str| server.settings.iter().find(|setting| setting.name == name).unwrap();
    assert_eq!(
        (setting("work_mem").value.as_str(), setting("work_mem").is_default),
        ("7168", false)
    );
    assert_eq!(setting("archive_command").value, "");
    assert!(setting("fsync").value == "off" && setting("random_page_cost").is_default);
    assert!(!format!("{server:?}").contains("s3cret"));

    let checkpoints = server.checkpoints.as_ref().unwrap();
    assert!(checkpoints.wal_bytes > 1_000_000, "{checkpoints:?}");
    // The disk with the data is this machine's.
    let disk = scene
        .reads(metric::DISK_TOTAL_BYTES, "upstream", &server.upstream)
        .await;
    assert_eq!(disk.labels["disk"], postgres.data_dir().display().to_string());
    let used = scene
        .reads(metric::DISK_USED_BYTES, "upstream", &server.upstream)
        .await
        .value;
    assert!(used > 0.0 && used <= disk.value);
    let host = scene.servers.get(&api::GetServerRequest::default()).host.unwrap();
    assert!(
        host.cores > 0 && host.memory_total_bytes > host.memory_available_bytes,
        "{host:?}"
    );
    scene.stop().await;
}

#[tokio::test]
async fn requested_checkpoints_are_counted() {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let scene = Scene::of(&database.url());
    let before = scene.has_asked_everything(postgres.port()).await.checkpoints.unwrap();
    scene.stop().await;
    database
        .psql("create table t (a int); checkpoint; create table u (a int); checkpoint")
        .await;
    let scene = Scene::of(&database.url());
    let after = scene.has_asked_everything(postgres.port()).await.checkpoints.unwrap();
    assert_eq!(after.requested - before.requested, 2);
    scene.stop().await;
}

#[tokio::test]
async fn statements_are_there_with_their_extension_and_without_literals() {
    let settings = [
        ("shared_preload_libraries", "pg_stat_statements"),
        ("compute_query_id", "on"),
    ];
    let postgres = Postgres::start_with(&settings).await;
    let database = postgres.database().await;
    database
        .psql("create schema \"Odd name\"; create extension pg_stat_statements schema \"Odd name\"")
        .await;
    database
        .psql(&format!(
            "set application_name = 'geheim'; {}",
            "select g, 'geheim' from generate_series(1, 4711) g;".repeat(9)
        ))
        .await;
    let scene = Scene::of(&database.url());
    let is_ours = |one: &&api::ServerStatement| one.text.contains("generate_series") && one.database == database.name();
    let server = scene
        .sees(postgres.port(), "the statement with its text", |server| {
            server.statements.iter().any(|one| is_ours(&one))
        })
        .await;
    let ours = server.statements.iter().find(is_ours).unwrap();
    assert_eq!((ours.calls, ours.rows, ours.role.as_str()), (9, 9 * 4711, "postgres"));
    let truth = database
        .psql(&format!(
            "select mean_exec_time from \"Odd name\".pg_stat_statements where queryid = {}",
            ours.query_id
        ))
        .await;
    assert!(
        (ours.mean_ms - truth.parse::<f64>().unwrap()).abs() < 1e-6,
        "{truth} {ours:?}"
    );
    assert!(!ours.fingerprint.is_empty());
    assert!(
        !format!("{:?}", server.statements).contains("geheim"),
        "{:?}",
        server.statements
    );
    assert!(
        !server.missing.join(" ").contains("pg_stat_statements"),
        "{:?}",
        server.missing
    );
    scene.stop().await;
}

#[tokio::test]
async fn an_extension_that_is_not_loaded_fails_alone_and_is_named() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    database.psql("create extension pg_stat_statements").await;
    let scene = Scene::of(&database.url());
    let server = scene
        .sees(postgres.port(), "the library to be missed", |server| {
            server.missing.join(" ").contains("shared_preload_libraries")
        })
        .await;
    assert!(probe(&server, "statements").error.contains("shared_preload_libraries"));
    let server = scene.has_asked_everything(postgres.port()).await;
    let failed: Vec<_> = server
        .probes
        .iter()
        .filter(|probe| !probe.error.is_empty())
        .map(|probe| &probe.name)
        .collect();
    assert_eq!(failed, ["statements"]);
    scene.stop().await;
}

#[tokio::test]
async fn input_and_output_are_there_from_16_on() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    database.psql("create table t (a int)").await;
    database
        .psql("insert into t select g from generate_series(1, 100000) g")
        .await;
    let scene = Scene::of(&database.url());
    let server = scene.has_asked_everything(postgres.port()).await;
    if version_of(&server) < 16 {
        assert!(server.io.is_empty() && probe(&server, "io").error.is_empty());
    } else {
        let server = scene
            .sees(postgres.port(), "input and output", |server| !server.io.is_empty())
            .await;
        let of = |io: &&api::ServerIo| {
            io.backend_type == "client backend" && io.object == "relation" && io.context == "normal"
        };
        let found = server.io.iter().find(of).unwrap();
        assert!(found.extends > 0 && found.hits > 0, "{found:?}");
        let read = server
            .io
            .iter()
            .find(|io| io.reads > 0 && io.object == "relation")
            .unwrap();
        assert!(read.read_bytes >= read.reads * 8192, "{read:?}");
    }
    scene.stop().await;
}

#[tokio::test]
async fn a_replica_is_level_when_there_is_nothing_to_replay_and_lags_when_it_does_not() {
    let primary = Postgres::start().await;
    let standby = primary.standby("second").await;
    let database = primary.database().await;
    database.psql("create table t (a int)").await;
    let replicas = format!("127.0.0.1:{}", standby.port());
    let scene = Scene::with(
        &primary.url("postgres"),
        &[("WEIR_GATEWAY__REPLICAS", replicas.as_str())],
    );
    let server = scene.has_asked_everything(standby.port()).await;
    let recovery = server.recovery.unwrap();
    assert!(
        server.is_standby && recovery.is_streaming && recovery.lag_seconds == 0.0,
        "{recovery:?}"
    );
    let seen = scene
        .sees(primary.port(), "the replica", |server| server.replicas.len() == 1)
        .await;
    assert_eq!(
        (seen.replicas[0].name.as_str(), seen.replicas[0].state.as_str()),
        ("second", "streaming")
    );
    // One lag is told once, by the replica itself.
    scene.reads(metric::REPLICATION_LAG_SECONDS, "replica", &replicas).await;
    scene
        .reads_nothing(metric::REPLICATION_LAG_SECONDS, "replica", "second")
        .await;

    standby.psql("postgres", "select pg_wal_replay_pause()").await;
    database.psql("insert into t values (1)").await;
    eventually("the lag", SOON, async || {
        let reading = scene.reading(metric::REPLICATION_LAG_SECONDS, "replica", &replicas)?;
        (reading.value > 1.0 && reading.note.contains("paused")).then_some(reading)
    })
    .await;
    let behind = scene
        .sees(primary.port(), "bytes to replay", |server| {
            server.replicas[0].lag_bytes > 0
        })
        .await;
    assert!(behind.replicas[0].lag_seconds != 0.0, "{behind:?}");

    standby.psql("postgres", "select pg_wal_replay_resume()").await;
    eventually("no lag", SOON, async || {
        let reading = scene.reading(metric::REPLICATION_LAG_SECONDS, "replica", &replicas)?;
        (reading.value == 0.0).then_some(())
    })
    .await;
    // Without its primary it cannot know that it is level.
    primary.kill().await;
    let upstream = format!("127.0.0.1:{}", primary.port());
    eventually("the primary to be down", SOON, async || {
        let reading = scene.reading(metric::SERVER_DOWN, "upstream", &upstream)?;
        (reading.value == 1.0).then_some(())
    })
    .await;
    eventually("the lag of one that is alone", SOON, async || {
        let reading = scene.reading(metric::REPLICATION_LAG_SECONDS, "replica", &replicas)?;
        (reading.value > 0.0 && reading.note.contains("not connected")).then_some(())
    })
    .await;
    scene.stop().await;
}
