//! Tables written anew by pg_repack, interrupted, killed, refused.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use weir_model::Clock;
use weir_testkit::{Postgres, PostgresOptions};
use weir_upstream::Target;

use super::bed::{Bed, job, program};
use crate::act::child::Repack;
use crate::act::reindex::Stopped;
use crate::act::sweep::{Scope, Swept};
use crate::act::{Guard, Halt, Repacked, repack, survey, sweep};
use crate::plan::TableName;

fn table(name: &str) -> TableName {
    TableName {
        schema: "public".to_owned(),
        name: name.to_owned(),
    }
}

async fn repacked(bed: &Bed, program: &Path, name: &str, window: Option<Duration>) -> Result<Repacked, Stopped> {
    let (job, _stop) = job(window);
    let clock = Clock::system();
    let mut session = bed.session().await;
    let done = repack(
        &bed.door(),
        &mut session,
        &Guard::new(&job, &clock),
        program,
        &table(name),
    )
    .await;
    session.close().await;
    done
}

async fn bed() -> (&'static Postgres, Bed) {
    let postgres = Postgres::shared().await;
    let bed = Bed::on(postgres).await;
    bed.psql("create extension pg_repack").await;
    bed.bloated(20_000).await;
    (postgres, bed)
}

const SUM: &str = "select count(*), sum(hashtext(t::text)) from t";

#[tokio::test]
async fn a_table_is_as_small_as_it_can_be_and_holds_the_same() {
    let (postgres, bed) = bed().await;
    let before = bed.psql(SUM).await;
    let done = repacked(&bed, &program(postgres), "t", None).await;
    let Ok(Repacked::Done {
        bytes_before,
        bytes_after,
        tries: 1,
    }) = done
    else {
        panic!("{done:?}")
    };
    assert!(bytes_after * 4 < bytes_before, "{bytes_before} to {bytes_after}");
    assert_eq!(bed.psql(SUM).await, before);
    assert_eq!(bed.repack_things().await, "0");
    let odd = "We.ird \"T\" -- '\\";
    bed.psql(&format!(
        "create table \"{}\" (id int primary key)",
        odd.replace('"', "\"\"")
    ))
    .await;
    let done = repacked(&bed, &program(postgres), odd, None).await;
    assert!(matches!(done, Ok(Repacked::Done { .. })), "{done:?}");
}

/// The password is in the environment of the process and not among its words, and the encryption is the target's.
#[tokio::test]
async fn the_password_and_the_encryption_are_handed_over() {
    let (certificate, key) = certificate();
    let postgres = PostgresOptions::new()
        .user("keeper", "s3cret 'pass' word")
        .hba("hostssl all keeper 127.0.0.1/32 scram-sha-256")
        .tls(&certificate, &key)
        .start()
        .await;
    let mut bed = Bed::on(&postgres).await;
    bed.psql("create extension pg_repack; alter role keeper superuser")
        .await;
    bed.bloated(5_000).await;
    let url = |mode: &str| {
        let (name, port) = (bed.database.name(), postgres.port());
        format!("postgres://keeper:s3cret%20%27pass%27%20word@127.0.0.1:{port}/{name}?sslmode={mode}")
    };
    let (good, plain) = (
        Target::parse(&url("require")).unwrap(),
        Target::parse(&url("disable")).unwrap(),
    );
    bed.target = good;
    let done = repacked(&bed, &program(&postgres), "t", None).await;
    assert!(matches!(done, Ok(Repacked::Done { .. })), "{done:?}");
    // Without encryption the server lets nobody in, the program no more than Weir: the mode was passed on.
    let mut child = Repack::begin(
        &program(&postgres),
        &plain,
        "weir-maint/x/repack",
        &["--table=t".to_owned()],
    )
    .unwrap();
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", child.pid().unwrap())).unwrap_or_default();
    assert!(!line.contains("s3cret"), "{line}");
    let ended = child.end().await;
    assert!(ended.output.contains("no encryption"), "{}", ended.output);
}

fn certificate() -> (String, String) {
    let dir = std::env::temp_dir().join(format!("weir-repack-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-keyout", "key", "-out", "crt"])
        .current_dir(&dir)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let pair = (read("crt"), read("key"));
    std::fs::remove_dir_all(&dir).unwrap();
    pair
}

#[tokio::test]
async fn what_cannot_be_repacked_is_left_with_its_reason() {
    let (postgres, bed) = bed().await;
    bed.psql(
        "create table nokey (i int); create table halfkey (i int unique); create table bad (i int primary key, a int)",
    )
    .await;
    bed.psql(
        "create index bad_a on bad (a); update pg_index set indisvalid = false where indexrelid = 'bad_a'::regclass",
    )
    .await;
    let real = program(postgres);
    let fake = std::env::temp_dir().join(format!("weir-fake-repack-{}", std::process::id()));
    std::fs::write(&fake, "#!/bin/sh\necho 'pg_repack 9.9.9'\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&fake, mode).unwrap();
    for (program, name, expected) in [
        (real.as_path(), "nokey", "needs a primary key"),
        (&real, "halfkey", "needs a primary key"),
        (&real, "bad", "invalid indexes, which would not be carried over: bad_a"),
        (&real, "nowhere", "there is no table public.nowhere"),
        (Path::new("/nowhere/pg_repack"), "t", "cannot be used: No such file"),
        (
            &fake,
            "t",
            "the program is pg_repack 9.9.9, and the extension in the database is pg_repack",
        ),
    ] {
        let done = repacked(&bed, program, name, None).await;
        assert!(
            matches!(&done, Ok(Repacked::Left(reason)) if reason.contains(expected)),
            "{done:?}"
        );
    }
    std::fs::remove_file(&fake).unwrap();
    let without = Bed::on(postgres).await;
    let done = repacked(&without, &real, "t", None).await;
    assert!(
        matches!(&done, Ok(Repacked::Left(reason)) if reason.contains("not in the database")),
        "{done:?}"
    );
}

/// A transaction that is open in the same database keeps pg_repack waiting for as long as it likes.
#[tokio::test]
async fn a_window_that_ends_stops_it_and_nothing_is_left() {
    let (postgres, bed) = bed().await;
    let _holder = bed.client("begin; select 1").await;
    let before = bed.psql("select relfilenode from pg_class where relname = 't'").await;
    let begun = Instant::now();
    let stopped = repacked(&bed, &program(postgres), "t", Some(Duration::from_secs(2)))
        .await
        .unwrap_err();
    assert!(matches!(stopped.halt, Halt::WindowEnded), "{stopped:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(stopped.swept, Swept::default(), "it tidied up itself");
    assert_eq!(bed.repack_things().await, "0");
    assert_eq!(
        bed.psql("select relfilenode from pg_class where relname = 't'").await,
        before
    );
    assert_eq!(
        bed.psql("select count(*) from pg_stat_activity where application_name like '%/repack'")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_table_that_is_locked_is_tried_again() {
    let (postgres, bed) = bed().await;
    let mut holder = bed.client("begin; select count(*) from t").await;
    let release = async {
        bed.until(
            "select count(*) > 0 from pg_locks where mode = 'AccessExclusiveLock' and not granted",
            "t",
        )
        .await;
        // It has given up, so that nobody stands behind it for longer.
        bed.until(
            "select count(*) from pg_stat_activity where application_name like '%/repack'",
            "0",
        )
        .await;
        holder.simple_query("commit").await.unwrap();
    };
    let program = program(postgres);
    let (done, ()) = tokio::join!(repacked(&bed, &program, "t", None), release);
    assert!(matches!(done, Ok(Repacked::Done { tries: 2.., .. })), "{done:?}");
}

/// Whoever kills it leaves a trigger and a log; while another one runs, nothing of that one is touched.
#[tokio::test]
async fn what_a_killed_one_left_is_swept_and_one_that_runs_is_left_alone() {
    let (postgres, bed) = bed().await;
    let mut holder = bed.client("begin; select 1").await;
    let arguments = ["--table=public.t", "--no-order", "--no-kill-backend", "--no-password"].map(str::to_owned);
    let mut child = Repack::begin(&program(postgres), &bed.target, "somebody else", &arguments).unwrap();
    bed.until("select count(*) from pg_class where relname ~ '^table_[0-9]+$'", "1")
        .await;
    let found = survey(&mut bed.session().await, Scope::default()).await.unwrap();
    assert_eq!((found.removed.len(), found.remains.len()), (0, 1), "{found:?}");
    assert!(
        found
            .remains
            .iter()
            .all(|what| what.contains("a pg_repack works on public.t")),
        "{found:?}"
    );
    child.kill().await;
    bed.until(
        "select count(*) from pg_stat_activity where application_name = 'somebody else'",
        "0",
    )
    .await;
    holder.simple_query("commit").await.unwrap();
    bed.psql("insert into t values (1, 1, 'written into the log')").await;
    assert_ne!(bed.repack_things().await, "0");
    // A user may have something in that schema.
    bed.psql(
        "create table repack.table_1 (i int); create table repack.log_2 (i int); create table repack.loggers_3 (i int)",
    )
    .await;
    let (job, _stop) = job(None);
    let clock = Clock::system();
    let mut session = bed.session().await;
    let swept = sweep(&bed.door(), &mut session, &Guard::new(&job, &clock), Scope::default())
        .await
        .unwrap();
    assert_eq!(swept.removed.len(), 1, "{swept:?}");
    assert!(swept.remains.is_empty(), "{swept:?}");
    assert_eq!(swept.advice.len(), 1, "{swept:?}");
    let left = bed.psql("select string_agg(relname, ' ' order by relname) from pg_class where relnamespace = 'repack'::regnamespace and relkind = 'r'").await;
    assert_eq!(left, "log_2 loggers_3 table_1");
    assert_eq!(
        bed.psql("select count(*) from pg_trigger where tgname = 'repack_trigger'")
            .await,
        "0"
    );
    bed.psql("insert into t values (2, 1, 'no log any more')").await;
}
