//! Who holds what up, as it is told and as it is: each claim of the gates against a real server.

use std::time::Duration;

use weir_model::Clock;
use weir_testkit::{Postgres, PostgresOptions};
use weir_upstream::Connection;

use super::bed::{Bed, client, job, program};
use crate::act::{Guard, Rebuilt, Repacked, rebuild, repack};
use crate::observe::gates::gates;
use crate::plan::gates::{Engine, Gates, Limits, Subject, gate};
use crate::plan::rewrites::IndexName;
use crate::plan::{Kind, TableName};

const NO_PATIENCE: Limits = Limits {
    transaction: Duration::ZERO,
    behind: Duration::from_secs(10),
    behind_bytes: 64 * 1024 * 1024,
    needs_known_space: false,
};

async fn facts(bed: &Bed) -> Gates {
    let oid = bed.psql("select 't'::regclass::oid").await.parse().unwrap();
    gates(bed.session().await.connection(), &bed.target, oid).await.unwrap()
}

fn asked(gates: &Gates, kind: Kind, engine: Engine) -> Result<Vec<String>, String> {
    let subject = Subject {
        name: "public.t",
        needs_bytes: 1,
    };
    gate(kind, engine, subject, gates, NO_PATIENCE)
}

/// A table of which half has just been deleted.
async fn halved(postgres: &Postgres) -> Bed {
    let bed = Bed::on(postgres).await;
    bed.psql(
        "create extension pg_repack; create table o (i int);
         create table t (id int primary key, x text); insert into t select g, repeat('x', 200) from generate_series(1, 4000) g",
    )
    .await;
    bed
}

const DELETE: &str = "delete from t where id > 2000";

/// What a holder does to each kind of work.
#[derive(Debug, PartialEq, Eq)]
struct Effects {
    /// Whether VACUUM, VACUUM FULL, pg_repack and REINDEX CONCURRENTLY did their work.
    vacuum: bool,
    rewrite: bool,
    copy: bool,
    reindex: bool,
}

async fn blocks(bed: &Bed) -> u64 {
    bed.psql("select pg_relation_size('t') / 8192").await.parse().unwrap()
}

/// What really happens, each on a table of its own making.
async fn measured(postgres: &Postgres, hold: impl AsyncFn(&Bed) -> Connection) -> Effects {
    let short = Some(Duration::from_millis(1_500));
    let bed = halved(postgres).await;
    let full = blocks(&bed).await;
    let _holder = hold(&bed).await;
    bed.psql(DELETE).await;
    bed.psql("vacuum t").await;
    let vacuum = blocks(&bed).await * 3 < full * 2;
    drop(_holder);

    let bed = halved(postgres).await;
    let _holder = hold(&bed).await;
    bed.psql(DELETE).await;
    bed.psql("vacuum full t").await;
    let rewrite = blocks(&bed).await * 3 < full * 2;
    drop(_holder);

    let bed = halved(postgres).await;
    let _holder = hold(&bed).await;
    bed.psql(DELETE).await;
    let (held, clock) = (job(short).0, Clock::system());
    let (door, name) = (
        bed.door(),
        TableName {
            schema: "public".to_owned(),
            name: "t".to_owned(),
        },
    );
    let mut session = bed.session().await;
    let done = repack(
        &door,
        &mut session,
        &Guard::new(&held, &clock),
        &program(postgres),
        &name,
    )
    .await;
    let copy = matches!(done, Ok(Repacked::Done { .. })) && blocks(&bed).await * 3 < full * 2;

    let (held, name) = (
        job(short).0,
        IndexName {
            schema: "public".to_owned(),
            name: "t_pkey".to_owned(),
        },
    );
    let done = rebuild(&door, &mut session, &Guard::new(&held, &clock), &name).await;
    let reindex = matches!(done, Ok(Rebuilt::Done { .. }));
    Effects {
        vacuum,
        rewrite,
        copy,
        reindex,
    }
}

/// What the gates say of it.
async fn foretold(postgres: &Postgres, hold: impl AsyncFn(&Bed) -> Connection) -> (Effects, Vec<String>) {
    let bed = halved(postgres).await;
    let _holder = hold(&bed).await;
    bed.psql(DELETE).await;
    let gates = facts(&bed).await;
    let (copy, rewrite) = (
        asked(&gates, Kind::Reorganize, Engine::Copy),
        asked(&gates, Kind::Reorganize, Engine::Rewrite),
    );
    let reindex = asked(&gates, Kind::Reindex, Engine::Copy);
    let vacuum = asked(&gates, Kind::Vacuum, Engine::Copy).unwrap();
    let effects = Effects {
        vacuum: vacuum.is_empty(),
        rewrite: rewrite.is_ok(),
        copy: copy.is_ok(),
        reindex: reindex.is_ok(),
    };
    let said = [rewrite.err(), copy.err(), reindex.err(), vacuum.into_iter().next()];
    (effects, said.into_iter().flatten().collect())
}

async fn row(
    postgres: &Postgres,
    what: &str,
    expected: Effects,
    hold: impl AsyncFn(&Bed) -> Connection,
) -> Vec<String> {
    let seen = measured(postgres, &hold).await;
    assert_eq!(seen, expected, "{what}, as it is");
    let (told, said) = foretold(postgres, &hold).await;
    assert_eq!(told, expected, "{what}, as it is told: {said:?}");
    said
}

const fn effects(vacuum: bool, rewrite: bool, copy: bool, reindex: bool) -> Effects {
    Effects {
        vacuum,
        rewrite,
        copy,
        reindex,
    }
}

#[tokio::test]
async fn what_an_open_transaction_does_to_each_kind_of_work_is_foretold() {
    let postgres = PostgresOptions::new()
        .setting("max_prepared_transactions", "5")
        .start()
        .await;
    let other = postgres.database().await;
    other.psql("create table z (i int)").await;
    let other = weir_upstream::Target::parse(&other.url()).unwrap();

    let none = row(&postgres, "nobody", effects(true, true, true, true), async |bed| {
        bed.client("select 1").await
    })
    .await;
    assert!(none.is_empty(), "{none:?}");
    row(
        &postgres,
        "a transaction and nothing else",
        effects(true, true, false, true),
        async |bed| bed.client("begin; select 1").await,
    )
    .await;
    let said = row(
        &postgres,
        "a snapshot here",
        effects(false, false, false, false),
        async |bed| {
            bed.client("set application_name = 'report'; begin isolation level repeatable read; select count(*) from o")
                .await
        },
    )
    .await;
    let name = said.first().unwrap();
    assert!(
        name.starts_with("a transaction in database test_")
            && name.contains(", user postgres, app report, open for 0 s, idle)"),
        "{name}"
    );
    assert!(
        name.ends_with("holds the horizon: a rewrite would reclaim nothing"),
        "{name}"
    );
    row(
        &postgres,
        "a write here",
        effects(false, false, false, true),
        async |bed| bed.client("begin; insert into o values (1)").await,
    )
    .await;
    row(
        &postgres,
        "a write elsewhere",
        effects(true, false, true, true),
        async |_| client(&other, "begin; insert into z values (1)").await,
    )
    .await;
    row(
        &postgres,
        "a snapshot elsewhere",
        effects(true, true, true, true),
        async |_| client(&other, "begin isolation level repeatable read; select count(*) from z").await,
    )
    .await;
}

#[tokio::test]
async fn prepared_transactions_slots_and_standbys_are_named() {
    let postgres = PostgresOptions::new()
        .setting("max_prepared_transactions", "5")
        .setting("wal_level", "logical")
        .start()
        .await;
    let bed = halved(&postgres).await;
    bed.psql("begin; insert into o values (1); prepare transaction 'forgotten'")
        .await;
    let seen = facts(&bed).await;
    let refused = asked(&seen, Kind::Reorganize, Engine::Rewrite).unwrap_err();
    assert!(
        refused.starts_with("the prepared transaction 'forgotten' in database test_"),
        "{refused}"
    );
    // Nobody else waits for one that has nothing of the table.
    asked(&seen, Kind::Reorganize, Engine::Copy).unwrap();
    let (held, clock) = (job(Some(Duration::from_secs(5))).0, Clock::system());
    let (mut session, guard, program) = (bed.session().await, Guard::new(&held, &clock), program(&postgres));
    let (t, door) = (
        TableName {
            schema: "public".to_owned(),
            name: "t".to_owned(),
        },
        bed.door(),
    );
    let done = repack(&door, &mut session, &guard, &program, &t).await;
    assert!(matches!(done, Ok(Repacked::Done { .. })), "{done:?}");
    asked(&seen, Kind::Reindex, Engine::Copy).unwrap();
    bed.psql("rollback prepared 'forgotten'; begin; delete from t where id = 1; prepare transaction 'on t'")
        .await;
    let refused = asked(&facts(&bed).await, Kind::Reindex, Engine::Copy).unwrap_err();
    assert!(refused.contains("'on t'"), "{refused}");
    asked(&facts(&bed).await, Kind::Reorganize, Engine::Copy).unwrap_err();
    bed.psql("rollback prepared 'on t'").await;

    // A slot for logical decoding keeps rows of the catalogues only.
    bed.psql("select pg_create_logical_replication_slot('decoded', 'test_decoding')")
        .await;
    let seen = facts(&bed).await;
    assert!(
        seen.holders
            .iter()
            .any(|holder| holder.name == "decoded" && holder.catalog_age.is_some()),
        "{seen:?}"
    );
    asked(&seen, Kind::Reorganize, Engine::Rewrite).unwrap();
    bed.psql("select pg_drop_replication_slot('decoded')").await;

    // Who may not look into other people's sessions is told how many there are.
    bed.psql("create role plain login").await;
    let url = bed.database.url().replace("postgres@", "plain@");
    let plain = weir_upstream::Target::parse(&url).unwrap();
    let _other = bed.client("begin; select count(*) from t").await;
    let seen = gates(&mut client(&plain, "select 1").await, &plain, 1).await.unwrap();
    assert!(seen.hidden > 0 && seen.free_bytes.is_none(), "{seen:?}");
    let remarks = asked(&seen, Kind::Vacuum, Engine::Copy).unwrap();
    assert!(
        remarks.iter().any(|remark| remark.contains("pg_read_all_stats")),
        "{remarks:?}"
    );
}

#[tokio::test]
async fn standbys_are_followed_and_nothing_is_done_on_one() {
    let postgres = Postgres::start().await;
    let bed = halved(&postgres).await;
    let standby = postgres.standby("copy").await;
    bed.until(
        "select count(*) from pg_stat_replication where state = 'streaming' and replay_lsn is not null",
        "1",
    )
    .await;
    let seen = facts(&bed).await;
    assert_eq!(
        seen.replicas
            .iter()
            .map(|replica| replica.name.as_str())
            .collect::<Vec<_>>(),
        ["copy"]
    );
    asked(&seen, Kind::Reindex, Engine::Copy).unwrap();
    standby.pause();
    // What it had before it stood still, it may have replayed.
    bed.until(
        "with new as (insert into o select generate_series(1, 10000)) \
         select count(*) from pg_stat_replication where pg_current_wal_lsn() - replay_lsn > 1000000",
        "1",
    )
    .await;
    let seen = facts(&bed).await;
    let strict = Limits {
        behind_bytes: 1_000,
        ..NO_PATIENCE
    };
    let refused = gate(
        Kind::Vacuum,
        Engine::Copy,
        Subject {
            name: "t",
            needs_bytes: 1,
        },
        &seen,
        strict,
    )
    .unwrap_err();
    assert!(refused.starts_with("replica copy is behind: "), "{refused}");
    standby.resume();

    // What its queries need, it says if it is asked to.
    standby.psql("postgres", "alter system set hot_standby_feedback = on; alter system set wal_receiver_status_interval = 1; select pg_reload_conf()").await;
    bed.until(
        "select count(*) from pg_stat_replication where backend_xmin is not null",
        "1",
    )
    .await;
    let seen = facts(&bed).await;
    assert!(
        seen.holders
            .iter()
            .any(|holder| holder.describe().starts_with("the standby copy (127.0.0.1")
                || holder.describe().contains("the standby copy (a socket)")),
        "{seen:?}"
    );

    let there = weir_upstream::Target::parse(&standby.url(bed.database.name())).unwrap();
    let mut session = client(&there, "select 1").await;
    let seen = gates(&mut session, &there, 1).await.unwrap();
    assert!(
        asked(&seen, Kind::Analyze, Engine::Copy)
            .unwrap_err()
            .contains("a standby")
    );
}

/// The archiver, the disk and an autovacuum that keeps numbers from running out.
#[tokio::test]
async fn the_server_itself_may_be_in_no_state_for_it() {
    let postgres = PostgresOptions::new()
        .setting("archive_mode", "on")
        .setting("archive_command", "false")
        .setting("autovacuum_naptime", "1s")
        .start()
        .await;
    let bed = halved(&postgres).await;
    bed.psql("select pg_switch_wal()").await;
    bed.until("select last_failed_wal is not null from pg_stat_archiver", "t")
        .await;
    let seen = facts(&bed).await;
    let refused = asked(&seen, Kind::Reindex, Engine::Copy).unwrap_err();
    assert!(refused.starts_with("the archiver fails at 0000"), "{refused}");
    asked(&seen, Kind::Analyze, Engine::Copy).unwrap();

    let free = seen.free_bytes.unwrap();
    let much = Subject {
        name: "public.t",
        needs_bytes: free,
    };
    let able = Gates {
        archiver: None,
        ..seen.clone()
    };
    let refused = gate(Kind::Reorganize, Engine::Copy, much, &able, NO_PATIENCE).unwrap_err();
    assert!(
        refused.starts_with("public.t needs ") && refused.contains(" free, and there are "),
        "{refused}"
    );
    let far = weir_upstream::Target::parse("postgres://postgres@db.example/x").unwrap();
    let unknown = gates(bed.session().await.connection(), &far, 1).await.unwrap();
    assert_eq!(unknown.free_bytes, None);

    // A hundred thousand numbers, used up by subtransactions; then it works as slowly as it can.
    bed.psql(
        "alter table t set (autovacuum_enabled = off, autovacuum_freeze_max_age = 100000, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
         create procedure burn() language plpgsql as $$ begin
            for i in 1 .. 110000 loop begin insert into o values (i); exception when others then null; end; end loop; end $$;
         call burn();
         alter system set autovacuum = on;
         select pg_reload_conf()",
    )
    .await;
    bed.until(
        "select count(*) > 0 from pg_stat_progress_vacuum v join pg_stat_activity a using (pid)
         where relid = 't'::regclass and query like '%wraparound%'",
        "t",
    )
    .await;
    let refused = asked(
        &Gates {
            archiver: None,
            ..facts(&bed).await
        },
        Kind::Vacuum,
        Engine::Copy,
    )
    .unwrap_err();
    assert!(
        refused.contains("works on public.t to prevent wraparound: it goes first"),
        "{refused}"
    );
}
