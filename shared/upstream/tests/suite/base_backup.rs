//! A copy of a server's files, as the server sends it.

use std::time::Duration;

use tokio::time::timeout;
use weir_testkit::{Postgres, eventually};
use weir_upstream::{BackupPart, ConnectOptions, Connection, Target};

use crate::connected;

const SOON: Duration = Duration::from_secs(60);
const COMMAND: &str = "BASE_BACKUP (LABEL 'a test', PROGRESS true, CHECKPOINT 'fast', WAIT false, MANIFEST 'yes')";

async fn sender(postgres: &Postgres) -> Connection {
    let options = ConnectOptions {
        application_name: Some("a sender".to_owned()),
        parameters: vec![("replication".to_owned(), "true".to_owned())],
        ..ConnectOptions::default()
    };
    let target = Target::parse(&postgres.url("postgres")).unwrap();
    Connection::connect(&target, options).await.unwrap()
}

#[tokio::test]
async fn a_base_backup_is_read_to_its_end_and_the_connection_goes_on() {
    let postgres = Postgres::start().await;
    let mut backup = sender(&postgres).await.base_backup(COMMAND).await.unwrap();
    let start = backup.start();
    let [own] = backup.tablespaces() else {
        panic!("{:?}", backup.tablespaces());
    };
    assert_eq!(
        (own.oid, own.location.as_str(), own.bytes > 10_000_000),
        (None, "", true)
    );
    let (mut archives, mut manifest, mut bytes, mut progress) = (Vec::new(), None, 0, 0);
    loop {
        // Asked again and again, and given up in the middle, it loses nothing.
        let Ok(part) = timeout(Duration::from_micros(100), backup.next()).await else {
            continue;
        };
        match part.unwrap() {
            BackupPart::Archive(name) => archives.push(name.to_owned()),
            BackupPart::Manifest => manifest = Some(Vec::new()),
            BackupPart::Data(data) => match &mut manifest {
                Some(manifest) => manifest.extend_from_slice(data),
                None => bytes += data.len() as u64,
            },
            BackupPart::Progress(done) => progress = done,
            BackupPart::End => break,
        }
    }
    assert_eq!(archives, ["base.tar"]);
    assert_eq!(
        (bytes % 512, progress <= bytes, progress > bytes / 2),
        (0, true, true),
        "{progress} of {bytes}"
    );
    let manifest = String::from_utf8(manifest.unwrap()).unwrap();
    assert!(manifest.contains("global/pg_control") && manifest.ends_with("\"}\n"));
    let mut end = backup.finish().await.unwrap();
    assert!(end.stop.lsn > start.lsn && end.stop.timeline == start.timeline && end.damage.is_none());
    assert_eq!(end.connection.simple_query("IDENTIFY_SYSTEM").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_base_backup_is_an_error() {
    let postgres = Postgres::shared().await;
    let refused = sender(postgres).await.base_backup("BASE_BACKUP (NONSENSE)").await;
    assert_eq!(refused.unwrap_err().server().unwrap().sqlstate, "42601");
    let other = sender(postgres).await.base_backup("IDENTIFY_SYSTEM").await;
    assert!(
        other
            .unwrap_err()
            .to_string()
            .contains("something else than a base backup")
    );
}

#[tokio::test]
async fn one_that_is_dropped_ends_at_the_server() {
    let postgres = Postgres::start().await;
    let backup = sender(&postgres).await.base_backup(COMMAND).await.unwrap();
    drop(backup);
    eventually("the sender to end", SOON, async || {
        let left = "select count(*) from pg_stat_activity where application_name = 'a sender'";
        match postgres.psql("postgres", left).await.as_str() {
            "0" => Ok(()),
            left => Err(left.to_owned()),
        }
    })
    .await;
}

#[tokio::test]
async fn data_is_sent_and_taken_or_refused() {
    let (mut connection, database) = connected().await;
    database.psql("create table t (a int)").await;
    let mut copy = connection.copy_in("copy t from stdin").await.unwrap();
    for row in 0..1_000 {
        copy.send(format!("{row}\n").as_bytes()).await.unwrap();
    }
    copy.finish().await.unwrap();
    assert_eq!(database.psql("select sum(a) from t").await, "499500");
    let mut copy = connection.copy_in("copy t from stdin").await.unwrap();
    copy.send(b"no number\n").await.unwrap();
    let refused = copy.finish().await.unwrap_err();
    assert_eq!(refused.server().unwrap().sqlstate, "22P02");
    assert!(connection.copy_in("select 1").await.is_err());
}
