//! One client's session is not another's, and it stays its own: over a pool of a single connection.

use weir_upstream::{ConnectOptions, TransactionStatus};

use super::{Stage, code, value};

/// What one client does, what another looks at, and what that one has to see. Each is a leak of poolers that reset
/// nothing.
const TRACES: [(&str, &str, &str); 19] = [
    ("set work_mem = '123kB'", "show work_mem", "4MB"),
    ("select set_config('work_mem', '123kB', false)", "show work_mem", "4MB"),
    ("begin; set work_mem = '123kB'; commit", "show work_mem", "4MB"),
    (
        "set app.tenant = 'a'",
        "select coalesce(nullif(current_setting('app.tenant', true), ''), 'none')",
        "none",
    ),
    ("set search_path = pg_catalog", "show search_path", "\"$user\", public"),
    ("set role pg_monitor", "select current_user::text", "postgres"),
    (
        "set session authorization pg_monitor",
        "select session_user::text",
        "postgres",
    ),
    ("set row_security = off", "show row_security", "on"),
    ("set statement_timeout = '77s'", "show statement_timeout", "0"),
    (
        "set default_transaction_read_only = on",
        "show default_transaction_read_only",
        "off",
    ),
    (
        "set session characteristics as transaction read only",
        "show default_transaction_read_only",
        "off",
    ),
    (
        "prepare p as select 1",
        "select count(*) from pg_prepared_statements where name = 'p'",
        "0",
    ),
    (
        "create temp table mine (a int)",
        "select coalesce(to_regclass('mine')::text, 'none')",
        "none",
    ),
    ("create temp table t (a int)", "select count(*) from t", "1"),
    (
        "create function pg_temp.f() returns int language sql as 'select 1'",
        "select count(*) from pg_proc where pronamespace = pg_my_temp_schema()",
        "0",
    ),
    (
        "declare c cursor with hold for select 1",
        "select count(*) from pg_cursors where is_holdable",
        "0",
    ),
    (
        "select pg_advisory_lock(4712)",
        "select count(*) from pg_locks where locktype = 'advisory' and objid = 4712 and pid = pg_backend_pid()",
        "0",
    ),
    ("listen news", "select count(*) from pg_listening_channels()", "0"),
    (
        "do $$ begin perform set_config('work_mem', '123kB', false); end $$",
        "show work_mem",
        "4MB",
    ),
];

#[tokio::test]
async fn nothing_of_one_client_is_seen_by_another() {
    let stage = Stage::with_pool(2).await;
    stage
        .database
        .psql("create table t (a int); insert into t values (1)")
        .await;
    for (act, look, expected) in TRACES {
        // One that has to keep its connection leaves the other one to those who look, and then goes.
        let mut actor = stage.client().await;
        actor
            .simple_query(act)
            .await
            .unwrap_or_else(|error| panic!("{act}: {error}"));
        let mut others = [stage.client().await, stage.client().await];
        for other in &mut others {
            assert_eq!(value(other, look).await.as_deref(), Some(expected), "after {act}");
        }
        actor.close().await;
        for other in &mut others {
            assert_eq!(
                value(other, look).await.as_deref(),
                Some(expected),
                "after {act}, and its client gone"
            );
        }
    }
}

#[tokio::test]
async fn a_setting_stays_with_its_client() {
    let stage = Stage::with_pool(1).await;
    let mut clients = Vec::new();
    for number in 0..5 {
        let mut client = stage.client().await;
        client
            .simple_query(&format!("set app.number = '{number}'"))
            .await
            .unwrap();
        clients.push(client);
    }
    for round in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            let seen = value(client, "show app.number").await;
            assert_eq!(seen, Some(number.to_string()), "round {round}");
        }
    }
}

#[tokio::test]
async fn a_setting_lives_and_dies_with_its_transaction() {
    let stage = Stage::with_pool(1).await;
    let (mut client, mut other) = (stage.client().await, stage.client().await);
    client.simple_query("set app.a = 'first'").await.unwrap();
    for (statements, expected) in [
        (&["begin", "set app.a = 'lost'", "rollback"][..], "first"),
        (&["begin", "set local app.a = 'local'", "commit"], "first"),
        (&["begin", "set app.a = 'kept'", "commit"], "kept"),
        (
            &[
                "begin",
                "set app.a = 'b'",
                "savepoint s",
                "set app.a = 'c'",
                "rollback to s",
                "commit",
            ],
            "b",
        ),
        (
            &["begin", "select set_config('app.a', 'by function', false)", "commit"],
            "by function",
        ),
        (&["select set_config('app.a', 'alone', false)"], "alone"),
        (&["set app.a = 'x'; set app.a = 'y'"], "y"),
        (&["select 1; reset all; select 2"], ""),
    ] {
        for statement in statements {
            client.simple_query(statement).await.unwrap();
        }
        other.simple_query("set app.a = 'of the other'").await.unwrap();
        assert_eq!(
            value(&mut client, "show app.a").await.as_deref(),
            Some(expected),
            "{statements:?}"
        );
    }
    client.simple_query("reset app.a").await.unwrap();
    other.simple_query("set app.a = 'of the other'").await.unwrap();
    let seen = value(&mut client, "select current_setting('app.a', true)").await;
    assert!(seen.is_none_or(|seen| seen.is_empty()));
}

#[tokio::test]
async fn what_needs_a_session_keeps_it_until_it_is_let_go() {
    let stage = Stage::with_pool(2).await;
    let (mut client, mut other) = (stage.client().await, stage.client().await);
    client.simple_query("create temp table mine (a int)").await.unwrap();
    client.simple_query("insert into mine values (1), (2)").await.unwrap();
    for _ in 0..3 {
        assert_eq!(code(&mut other, "select * from mine").await, "42P01");
        assert_eq!(
            value(&mut client, "select count(*) from mine").await.as_deref(),
            Some("2")
        );
    }
    client.simple_query("discard all").await.unwrap();
    assert_eq!(code(&mut client, "select * from mine").await, "42P01");
}

#[tokio::test]
async fn a_function_that_changes_its_session_is_found_out() {
    let stage = Stage::with_pool(1).await;
    let functions = "create function quiet() returns int language plpgsql as 'begin return 1; end';
         create function loud() returns text language sql as $$select set_config('app.tenant', 'a', false)$$;
         create function behind() returns text language plpgsql as 'begin return loud(); end'";
    stage.database.psql(functions).await;
    let (mut client, mut other) = (stage.client().await, stage.client().await);
    for call in ["select quiet()", "select loud()", "select behind()"] {
        client.simple_query(call).await.unwrap();
        let seen = value(&mut other, "select current_setting('app.tenant', true)").await;
        assert!(seen.is_none_or(|seen| seen.is_empty()), "after {call}");
    }
}

#[tokio::test]
async fn what_is_said_of_a_part_of_a_setting_leaves_the_rest_of_it() {
    let stage = Stage::with_pool(1).await;
    let iso = ConnectOptions {
        parameters: vec![("DateStyle".to_owned(), "ISO".to_owned())],
        ..ConnectOptions::default()
    };
    let (mut client, mut other) = (stage.try_client(iso).await.unwrap(), stage.client().await);
    for (statements, look, expected) in [
        (&["set work_mem = '1MB'"][..], "show datestyle", "ISO, MDY"),
        (&["set datestyle to ymd"], "show datestyle", "ISO, YMD"),
        (&["set datestyle to postgres"], "show datestyle", "Postgres, YMD"),
        (
            &["begin", "set datestyle to dmy", "commit"],
            "show datestyle",
            "Postgres, DMY",
        ),
        (&["reset datestyle"], "show datestyle", "ISO, MDY"),
        (
            &[
                "set session characteristics as transaction isolation level serializable",
                "set session characteristics as transaction read only",
            ],
            "select current_setting('transaction_isolation') || current_setting('transaction_read_only')",
            "serializableon",
        ),
        (
            &[
                "begin",
                "set session characteristics as transaction read write",
                "commit",
            ],
            "select current_setting('transaction_isolation') || current_setting('transaction_read_only')",
            "serializableoff",
        ),
    ] {
        for statement in statements {
            client.simple_query(statement).await.unwrap();
            if client.transaction_status() == TransactionStatus::Idle {
                other.simple_query("set datestyle to 'SQL, DMY'").await.unwrap();
            }
        }
        assert_eq!(
            value(&mut client, look).await.as_deref(),
            Some(expected),
            "{statements:?}"
        );
        other.simple_query("select 1").await.unwrap();
    }
}

#[tokio::test]
async fn a_role_ends_with_the_authorization_it_was_taken_under() {
    let stage = Stage::with_pool(1).await;
    let (mut client, mut other) = (stage.client().await, stage.client().await);
    let look = "select session_user || ' ' || current_user || ' ' || current_setting('role')";
    for (statements, expected) in [
        (&["set role pg_monitor"][..], "postgres pg_monitor pg_monitor"),
        (
            &["set session authorization pg_read_all_stats"],
            "pg_read_all_stats pg_read_all_stats none",
        ),
        (&["reset session authorization"], "postgres postgres none"),
        (
            &[
                "begin",
                "set role pg_monitor",
                "set session authorization default",
                "commit",
            ],
            "postgres postgres none",
        ),
        (
            &[
                "set role pg_monitor",
                "begin",
                "set session authorization pg_read_all_stats",
                "rollback",
            ],
            "postgres pg_monitor pg_monitor",
        ),
    ] {
        for statement in statements {
            client.simple_query(statement).await.unwrap();
        }
        other.simple_query("set role pg_signal_backend").await.unwrap();
        assert_eq!(
            value(&mut client, look).await.as_deref(),
            Some(expected),
            "{statements:?}"
        );
        other.simple_query("select 1").await.unwrap();
    }
}
