//! The cluster as tests use it: isolation, stop and start, pause, options.

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::eventually;
use crate::server::is_alive;

const SOON: Duration = Duration::from_secs(10);

/// Processes of a cluster that are there now: the postmaster and its children.
fn family(postgres: &Postgres) -> Vec<u32> {
    let postmaster = postgres.server.facts().0;
    let output = Command::new("sh")
        .args(["-c", "cat /proc/$1/task/$1/children", "sh", &postmaster.to_string()])
        .output();
    let children = String::from_utf8(output.unwrap().stdout).unwrap();
    [postmaster]
        .into_iter()
        .chain(children.split_whitespace().map(|pid| pid.parse().unwrap()))
        .collect()
}

/// One try over TCP with a password, as a stranger to the kit would make it.
fn log_in(postgres: &Postgres, user: &str, password: &str, sslmode: &str) -> Result<String, String> {
    let target = format!(
        "host=127.0.0.1 port={} dbname=postgres user={user} sslmode={sslmode}",
        postgres.port()
    );
    let mut psql = Command::new(postgres.bin_dir().join("psql"));
    let asked = "select current_user, (select ssl from pg_stat_ssl where pid = pg_backend_pid())";
    let output = psql
        .args(["-XAtqw", "-d", &target, "-c", asked])
        .env("PGPASSWORD", password)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

#[tokio::test]
async fn databases_do_not_see_each_other() {
    let postgres = Postgres::shared().await;
    let (one, two) = tokio::join!(postgres.database(), postgres.database());
    assert_ne!(one.name(), two.name());
    one.psql("create table only_here (id int); insert into only_here values (7)")
        .await;
    assert_eq!(one.psql("select id from only_here").await, "7");
    assert_eq!(two.psql("select to_regclass('only_here') is null").await, "t");
    assert_eq!(
        one.url(),
        format!("postgres://postgres@127.0.0.1:{}/{}", postgres.port(), one.name())
    );
    assert_eq!(log_in(postgres, "postgres", "", "disable").unwrap(), "postgres|f");
}

#[tokio::test]
async fn shared_is_one_cluster_and_start_another() {
    let (one, two, own) = tokio::join!(Postgres::shared(), Postgres::shared(), Postgres::start());
    assert_eq!(one.port(), two.port());
    assert_ne!(one.port(), own.port());
}

#[tokio::test(start_paused = true)]
async fn a_test_with_a_paused_clock_can_start_one() {
    assert_eq!(Postgres::start().await.psql("postgres", "select 40 + 2").await, "42");
}

#[tokio::test]
#[should_panic(expected = "division by zero")]
async fn psql_panics_with_the_message_of_the_server() {
    Postgres::shared()
        .await
        .psql("postgres", "select 1; select 1 / 0; select 2")
        .await;
}

#[tokio::test]
#[should_panic(expected = "unrecognized configuration parameter \"no_such_setting\"")]
async fn a_cluster_that_does_not_start_shows_its_log() {
    Postgres::start_with(&[("no_such_setting", "1")]).await;
}

#[tokio::test]
async fn psql_takes_much_in_and_gives_much_out() {
    let big = format!("select '{}';\n", "x".repeat(1000)).repeat(1000);
    assert_eq!(
        Postgres::shared().await.psql("postgres", &big).await.len(),
        1001 * 1000 - 1
    );
}

#[tokio::test]
async fn committed_data_survives_stop_and_start() {
    let mut postgres = Postgres::start().await;
    let database = postgres.database().await;
    database
        .psql("create table kept (id int); insert into kept select generate_series(1, 1000)")
        .await;
    let (port, processes) = (postgres.port(), family(&postgres));
    assert!(processes.len() > 1);
    postgres.stop().await;
    assert!(
        TcpStream::connect(("127.0.0.1", port)).is_err(),
        "it still takes connections"
    );
    assert!(!processes.into_iter().any(is_alive), "a process of the cluster is left");
    postgres.start_again().await;
    assert_eq!(postgres.port(), port);
    assert_eq!(database.psql("select count(*) from kept").await, "1000");
}

#[tokio::test]
async fn a_paused_server_does_not_answer_and_goes_on_afterwards() {
    let postgres = Postgres::start().await;
    let state = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .unwrap()
            .contains(") T ")
    };
    assert!(!family(&postgres).iter().any(state));
    postgres.pause();
    eventually("every process to be stopped", SOON, async || {
        let running: Vec<u32> = family(&postgres).into_iter().filter(|pid| !state(pid)).collect();
        if running.is_empty() {
            Ok(())
        } else {
            Err(format!("{running:?} run on"))
        }
    })
    .await;
    assert!(
        TcpStream::connect(("127.0.0.1", postgres.port())).is_ok(),
        "the kernel still takes connections"
    );
    let mut answer = Box::pin(postgres.psql("postgres", "select 'here again'"));
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut answer)
            .await
            .is_err(),
        "it answered while paused"
    );
    postgres.resume();
    assert_eq!(tokio::time::timeout(SOON, answer).await.unwrap(), "here again");
}

#[tokio::test]
async fn nothing_is_left_after_drop_even_while_paused() {
    let postgres = Postgres::start().await;
    let (processes, dir) = (family(&postgres), postgres.socket_dir());
    assert!(processes.iter().all(|pid| is_alive(*pid)) && dir.exists());
    postgres.pause();
    drop(postgres);
    let left: Vec<u32> = processes.into_iter().filter(|pid| is_alive(*pid)).collect();
    assert!(left.is_empty(), "{left:?} are left");
    assert!(!dir.exists(), "{} is left", dir.display());
}

#[tokio::test]
async fn settings_files_and_users_arrive() {
    let quoted = "it's \"quoted\"";
    let postgres = PostgresOptions::new()
        .setting("wal_level", "logical")
        .setting("max_connections", "17")
        .setting("cluster_name", quoted)
        .file("extra.conf", "work_mem = '5MB'\n")
        .setting("include", "extra.conf")
        .user("odd \"name", quoted)
        .start()
        .await;
    let sql = "show wal_level; show max_connections; show cluster_name; show work_mem;
        select count(*) from pg_roles where rolname = 'odd \"name'";
    assert_eq!(
        postgres.psql("postgres", sql).await,
        format!("logical\n17\n{quoted}\n5MB\n1")
    );
    let file = std::fs::metadata(postgres.data_dir().join("extra.conf")).unwrap();
    let folder = std::fs::metadata(postgres.data_dir()).unwrap();
    assert_eq!((file.mode() & 0o777, file.uid()), (0o600, folder.uid()));
}

#[tokio::test]
async fn a_password_is_asked_where_the_rules_say_so() {
    for method in ["scram-sha-256", "md5"] {
        let postgres = PostgresOptions::new()
            .setting("password_encryption", method)
            .hba(&format!("host all all 127.0.0.1/32 {method}"))
            .user("app", "s3cret")
            .start()
            .await;
        assert_eq!(log_in(&postgres, "app", "s3cret", "disable").unwrap(), "app|f");
        let refused = log_in(&postgres, "app", "guess", "disable").unwrap_err();
        assert!(refused.contains("password authentication failed"), "{refused}");
        let stored = "select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'app'";
        assert_eq!(
            postgres.psql("postgres", stored).await,
            if method == "md5" { "f" } else { "t" }
        );
    }
}

#[tokio::test]
async fn tls_works_with_a_certificate_of_the_test() {
    let (certificate, key) = certificate();
    let postgres = PostgresOptions::new()
        .tls(&certificate, &key)
        .client_ca(&certificate)
        .hba("hostssl all all 127.0.0.1/32 trust")
        .start()
        .await;
    assert_eq!(log_in(&postgres, "postgres", "", "require").unwrap(), "postgres|t");
    let refused = log_in(&postgres, "postgres", "", "disable").unwrap_err();
    assert!(refused.contains("no encryption"), "{refused}");
}

/// A fresh pair, self-signed, made by the `openssl` that the PostgreSQL packages bring along.
fn certificate() -> (String, String) {
    let dir = std::env::temp_dir().join(format!("weir-tls-{}", unique()));
    std::fs::create_dir(&dir).unwrap();
    let curve = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    let words = format!("{curve} -nodes -days 2 -subj /CN=localhost -keyout key -out crt");
    let output = Command::new("openssl")
        .args(words.split(' '))
        .current_dir(&dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name| std::fs::read_to_string(dir.join(name)).unwrap();
    let pair = (read("crt"), read("key"));
    std::fs::remove_dir_all(&dir).unwrap();
    pair
}

#[tokio::test]
async fn a_standby_follows_and_takes_over() {
    let primary = Postgres::start().await;
    let standby = primary.standby("second").await;
    let database = primary.database().await;
    database.psql("create table t (a int); insert into t values (7)").await;
    eventually("the row on the standby", SOON, || async {
        let there = "select count(*) from pg_database where datname = ";
        let found = standby.psql("postgres", &format!("{there}'{}'", database.name())).await;
        if found == "1" { Ok(()) } else { Err(found) }
    })
    .await;
    eventually("the row on the standby", SOON, || async {
        let found = standby
            .psql(database.name(), "select to_regclass('t') is not null")
            .await;
        if found == "t" { Ok(()) } else { Err(found) }
    })
    .await;
    assert_eq!(standby.psql("postgres", "select pg_is_in_recovery()").await, "t");
    primary.kill().await;
    standby.promote().await;
    assert_eq!(
        standby
            .psql(database.name(), "insert into t values (8); select sum(a) from t")
            .await,
        "15"
    );
}
