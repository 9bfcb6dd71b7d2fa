//! What cannot be is said in one line that names the setting; never a panic, never a stack trace.

use std::time::Duration;

use tokio::net::TcpListener;
use weir_testkit::{PostgresOptions, Process, World, binary_path, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(40);
const SERVICES: [&str; 7] = [
    "pool-gateway",
    "query-monitor",
    "cache",
    "scheduler",
    "maintenance",
    "backup",
    "console",
];

/// Starts a binary that must refuse, and returns its status and the one line that it says.
async fn refused(binary: &str, arguments: &[&str], settings: &[(&str, &str)]) -> (i32, String) {
    let process = Process::start(binary_path(binary), arguments, settings);
    let status = process.wait_exit(SOON).await;
    let output = process.output();
    let said: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with(&format!("{binary}: ")))
        .collect();
    assert_eq!(said.len(), 1, "one line was expected: {output}");
    assert!(
        !output.contains("panicked") && !output.contains("stack backtrace"),
        "{output}"
    );
    (status.code().unwrap(), said[0].to_owned())
}

#[tokio::test]
async fn a_setting_that_cannot_be_stops_every_service_with_one_line() {
    let database = ("DATABASE_URL", "postgres://postgres@127.0.0.1:1/postgres");
    for (setting, expected) in [
        (("WEIR_GATEWAY__POOL_MAXX", "3"), "unknown setting gateway.pool_maxx"),
        (("WEIR_GATWAY__POOL_MAX", "3"), "unknown setting gatway"),
        (
            ("DB_ACQUIRE_TIMEOUT", "soon"),
            "setting gateway.acquire_timeout (environment DB_ACQUIRE_TIMEOUT)",
        ),
        (("WEIR_BUS__URL", "http://nats"), "bus.url"),
    ] {
        let (code, line) = refused("weir", &["up"], &[database, setting]).await;
        assert!(line.contains(expected) && code == 2, "{code} {line}");
        let (code, line) = refused("weir", &["config", "check"], &[database, setting]).await;
        assert!(line.contains(expected) && code == 2, "{code} {line}");
    }
    for binary in SERVICES {
        let (code, line) = refused(binary, &[], &[database, ("WEIR_TELEMETRY__LOG_FORMAT", "xml")]).await;
        assert!(
            line.contains("telemetry.log_format") && line.contains("pretty, json") && code == 2,
            "{code} {line}"
        );
        let (code, line) = refused(binary, &["--config", "/does/not/exist.toml"], &[database]).await;
        assert!(
            line.contains("cannot read the settings file /does/not/exist.toml") && code == 2,
            "{code} {line}"
        );
    }
}

#[tokio::test]
async fn a_missing_or_malformed_database_url_is_named_and_never_shown() {
    for binary in SERVICES {
        let (_, line) = refused(binary, &[], &[]).await;
        assert!(line.contains("DATABASE_URL"), "{line}");
    }
    let (_, line) = refused("pool-gateway", &[], &[("DATABASE_URL", "mysql://user:hunter2@host/db")]).await;
    assert!(line.contains("database.url") && !line.contains("hunter2"), "{line}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let database = ("DATABASE_URL", "postgres://postgres@127.0.0.1:1/postgres");
    for (binary, section) in [
        ("pool-gateway", "GATEWAY"),
        ("query-monitor", "MONITOR"),
        ("cache", "CACHE"),
        ("scheduler", "SCHEDULER"),
        ("maintenance", "MAINTENANCE"),
        ("backup", "BACKUP"),
    ] {
        let name = format!("WEIR_{section}__GRPC_LISTEN");
        let (code, line) = refused(binary, &[], &[database, (&name, &address)]).await;
        let expected = format!(
            "setting {}.grpc_listen: cannot listen on {address}: the port is in use",
            section.to_lowercase()
        );
        assert!(line.contains(&expected) && code == 1, "{code} {line}");
    }
}

/// A database that is away or refuses is waited for: the reason is at the ops door and in the log, with the setting.
#[tokio::test]
async fn a_database_that_is_away_or_refuses_is_named_until_it_is_there() {
    let locked = PostgresOptions::new()
        .user("app", "right")
        .hba("host all app 127.0.0.1/32 scram-sha-256")
        .start()
        .await;
    let port = locked.port();
    let wrong = format!("postgres://app:wrong@127.0.0.1:{port}/postgres");
    let away = format!("postgres://app:wrong@127.0.0.1:{}/postgres", free_port());
    for (url, reason) in [(wrong, "password authentication failed"), (away, "refused")] {
        let (grpc, ops) = (free_port(), free_port());
        let wire = format!("127.0.0.1:{}", free_port());
        let (grpc, ops_listen) = (format!("127.0.0.1:{grpc}"), format!("127.0.0.1:{ops}"));
        let settings = [
            ("DATABASE_URL", url.as_str()),
            ("WEIR_GATEWAY__GRPC_LISTEN", &grpc),
            ("WEIR_GATEWAY__WIRE_LISTEN", &wire),
            ("WEIR_GATEWAY__OPS_LISTEN", &ops_listen),
        ];
        let gateway = Process::start(binary_path("pool-gateway"), &[] as &[&str], &settings);
        eventually("the reason at the ops door", SOON, async || {
            let (code, body) = http_get(ops, "/readyz").await.map_err(|error| error.to_string())?;
            let named = body.contains("setting database.url") && body.to_lowercase().contains(reason);
            if code == 503 && named && !body.contains("wrong@") {
                Ok(())
            } else {
                Err(body)
            }
        })
        .await;
        assert_eq!(http_get(ops, "/livez").await.unwrap().0, 200);
        assert!(
            gateway.exit_status().is_none() && !gateway.output().contains("panicked"),
            "{}",
            gateway.output()
        );
    }
}

#[tokio::test]
async fn commands_say_what_to_do_when_nothing_runs() {
    let settings = [
        ("WEIR_GATEWAY__GRPC_LISTEN", "127.0.0.1:1"),
        ("WEIR_MONITOR__GRPC_LISTEN", "127.0.0.1:1"),
    ];
    for arguments in [&["exec", "select 1"][..], &["queries"]] {
        let (code, line) = refused("weir", arguments, &settings).await;
        assert!(line.contains("does not answer at 127.0.0.1:1") && code == 1, "{line}");
    }
}

#[tokio::test]
async fn an_error_of_postgresql_is_one_line_with_its_code() {
    let world = World::new().up().await;
    let said = world.weir(&["exec", "select * from nowhere"]).await;
    assert_eq!(said.code, Some(1));
    assert!(
        said.text.contains("relation \"nowhere\" does not exist") && said.text.contains("42P01"),
        "{said:?}"
    );
    assert_eq!(said.text.trim_end().lines().count(), 1, "{said:?}");
}
