//! Who is let in, who is not, and what is said then.

use std::time::Duration;

use tokio::net::TcpListener;
use weir_model::{Coded as _, ErrorClass};
use weir_testkit::{Postgres, PostgresOptions, free_port};
use weir_upstream::{ConnectOptions, Connection, Error, Target, TransactionStatus};

use crate::{connect, rows, works};

/// A cluster where each user logs in by the method of that name.
async fn with_methods() -> Postgres {
    let hba = |options: PostgresOptions, (user, method): &(&str, &str)| {
        options.hba(&format!("host all {user} 127.0.0.1/32 {method}"))
    };
    let methods = [
        ("scram_user", "scram-sha-256"),
        ("md5_user", "md5"),
        ("clear_user", "password"),
        ("nobody", "reject"),
    ];
    let options = methods.iter().fold(PostgresOptions::new(), hba);
    let postgres = options
        .user("scram_user", "päss w/@rd")
        .user("clear_user", "secret")
        .start()
        .await;
    postgres
        .psql(
            "postgres",
            "set password_encryption = md5; create role md5_user login password 'secret'",
        )
        .await;
    postgres
}

fn url(postgres: &Postgres, user: &str, password: &str, database: &str) -> String {
    format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", postgres.port())
}

#[tokio::test]
async fn a_trusted_user_needs_no_password() {
    let postgres = Postgres::shared().await;
    let mut connection = connect(&postgres.url("postgres")).await.unwrap();
    assert_eq!(connection.transaction_status(), TransactionStatus::Idle);
    let process: i32 = connection.simple_query("select pg_backend_pid() as pid").await.unwrap()[0]
        .parse("pid")
        .unwrap();
    assert_eq!(connection.process_id(), process);
    assert!(connection.parameter("server_version").unwrap().starts_with("15."));
    works(&mut connection).await;
}

#[tokio::test]
async fn a_unix_socket_is_a_way_in() {
    let postgres = Postgres::shared().await;
    let url = format!(
        "postgres://postgres@/postgres?host={}&port={}",
        postgres.socket_dir().display(),
        postgres.port()
    );
    let mut connection = connect(&url).await.unwrap();
    works(&mut connection).await;
    let found = rows(
        &mut connection,
        "select client_addr from pg_stat_activity where pid = pg_backend_pid()",
    )
    .await;
    assert_eq!(found.unwrap(), [["∅"]]);
    connection.cancel_token().cancel().await.unwrap();
}

#[tokio::test]
async fn each_kind_of_password_is_sent_as_the_server_asks() {
    let postgres = with_methods().await;
    for (user, password) in [
        ("scram_user", "p%C3%A4ss%20w%2F%40rd"),
        ("md5_user", "secret"),
        ("clear_user", "secret"),
    ] {
        let mut connection = connect(&url(&postgres, user, password, "postgres")).await.unwrap();
        assert_eq!(rows(&mut connection, "select current_user").await.unwrap(), [[user]]);
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_one_line_that_does_not_hold_it() {
    let postgres = with_methods().await;
    for user in ["scram_user", "md5_user", "clear_user"] {
        let error = connect(&url(&postgres, user, "hunter2", "postgres")).await.unwrap_err();
        let place = format!("127.0.0.1:{}", postgres.port());
        assert_eq!(
            error.to_string(),
            format!(
                "postgres at {place} does not let user {user} into database postgres: \
                 password authentication failed for user \"{user}\" (SQLSTATE 28P01)"
            )
        );
        assert_eq!(
            (error.class(), error.slug()),
            (ErrorClass::Unauthenticated, "upstream-auth")
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    let without = connect(&format!("postgres://scram_user@127.0.0.1:{}/postgres", postgres.port()))
        .await
        .unwrap_err();
    assert!(
        without
            .to_string()
            .ends_with("it asks for a password, and there is none in the database url"),
        "{without}"
    );
    let rejected = connect(&url(&postgres, "nobody", "x", "postgres")).await.unwrap_err();
    assert_eq!(rejected.server().unwrap().sqlstate, "28000", "{rejected}");
}

#[tokio::test]
async fn an_unknown_database_is_named() {
    let postgres = Postgres::shared().await;
    let error = connect(&postgres.url("nowhere")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "postgres at 127.0.0.1:{} refuses user postgres on database nowhere: \
             database \"nowhere\" does not exist (SQLSTATE 3D000)",
            postgres.port()
        )
    );
    assert_eq!(
        (error.class(), error.slug()),
        (ErrorClass::NotFound, "postgres-not-found")
    );
}

#[tokio::test]
async fn a_full_server_is_exhausted() {
    let postgres = Postgres::start_with(&[("max_connections", "2"), ("superuser_reserved_connections", "0")]).await;
    let mut kept = Vec::new();
    let error = loop {
        match connect(&postgres.url("postgres")).await {
            Ok(connection) => kept.push(connection),
            Err(error) => break error,
        }
        assert!(kept.len() <= 2, "the server is never full");
    };
    assert_eq!(error.class(), ErrorClass::Exhausted, "{error}");
}

#[tokio::test]
async fn a_server_that_is_down_cannot_be_reached() {
    let port = free_port();
    let error = connect(&format!("postgres://u:hunter2@127.0.0.1:{port}/d"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot reach postgres at 127.0.0.1:{port}: connection refused")
    );
    assert_eq!(
        (error.class(), error.slug()),
        (ErrorClass::Unavailable, "upstream-unreachable")
    );
    let error = connect("postgres://u@/d?host=/nonexistent").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot reach postgres at /nonexistent/.s.PGSQL.5432: no such file or directory"
    );
    let error = connect("postgres://u@no-such-host.invalid/d").await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot reach postgres at no-such-host.invalid:5432: "),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_silent_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let target = Target::parse(&format!("postgres://u@{place}/d?connect_timeout=7")).unwrap();
    let options = ConnectOptions {
        timeout: Some(Duration::from_millis(50)),
        ..ConnectOptions::default()
    };
    let error = Connection::connect(&target, options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("postgres at {place} did not answer within 50ms")
    );
    assert_eq!(
        (error.class(), error.slug()),
        (ErrorClass::Unavailable, "upstream-timeout")
    );
}

#[tokio::test]
async fn the_session_begins_as_the_options_say() {
    let database = Postgres::shared().await.database().await;
    let url = format!(
        "{}?application_name=url&options=-c%20work_mem%3D77kB",
        Postgres::shared().await.url("nowhere")
    );
    let options = ConnectOptions {
        application_name: Some("weir test".to_owned()),
        database: Some(database.name().to_owned()),
        parameters: vec![
            ("search_path".to_owned(), "a, b".to_owned()),
            ("TimeZone".to_owned(), "Asia/Tokyo".to_owned()),
        ],
        ..ConnectOptions::default()
    };
    let mut connection = Connection::connect(&Target::parse(&url).unwrap(), options)
        .await
        .unwrap();
    let settings = "select current_database(), current_setting('application_name'), current_setting('work_mem'),
                    current_setting('search_path'), current_setting('timezone'), current_setting('client_encoding')";
    let began = [[database.name(), "weir test", "77kB", "a, b", "Asia/Tokyo", "UTF8"]];
    assert_eq!(rows(&mut connection, settings).await.unwrap(), began);
    assert_eq!(connection.parameter("TimeZone"), Some("Asia/Tokyo"));
    connection
        .simple_query("set search_path = c; set timezone = 'UTC'; set application_name = 'x'")
        .await
        .unwrap();
    assert_eq!(connection.parameter("TimeZone"), Some("UTC"));
    connection.reset().await.unwrap();
    assert_eq!(rows(&mut connection, settings).await.unwrap(), began);
}

#[tokio::test]
async fn a_setting_that_does_not_exist_is_refused() {
    let postgres = Postgres::shared().await;
    let options = ConnectOptions {
        parameters: vec![("no_such_setting".to_owned(), "1".to_owned())],
        ..ConnectOptions::default()
    };
    let target = Target::parse(&postgres.url("postgres")).unwrap();
    let error = Connection::connect(&target, options).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}
