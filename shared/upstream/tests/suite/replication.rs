//! The log of a database, as the server sends it.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use weir_testkit::Postgres;
use weir_upstream::{
    ConnectOptions, Connection, FromServer, Lsn, Replication, StandbyStatus, Started, Target, TimelineEnd,
};

const SOON: Duration = Duration::from_secs(20);

async fn sender(target: &Target) -> Connection {
    let options = ConnectOptions {
        parameters: vec![("replication".to_owned(), "database".to_owned())],
        ..ConnectOptions::default()
    };
    Connection::connect(target, options).await.unwrap()
}

/// The log from now on, and where that is.
async fn log(target: &Target) -> (Replication, u64) {
    let mut sender = sender(target).await;
    let rows = sender
        .simple_query("CREATE_REPLICATION_SLOT one TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
        .await
        .unwrap();
    let from: Lsn = rows.first().unwrap().parse("consistent_point").unwrap();
    let start = format!("START_REPLICATION SLOT one LOGICAL {from} (proto_version '1', publication_names 'p')");
    (sender.replicate(&start, 1 << 20).await.unwrap(), from.0)
}

/// The kinds of the messages up to a commit.
async fn transaction(log: &mut Replication) -> String {
    let mut kinds = String::new();
    while !kinds.ends_with('C') {
        // Asked again and again, and given up in the middle, it loses nothing.
        let Ok(next) = timeout(Duration::from_micros(200), log.next()).await else {
            continue;
        };
        if let FromServer::Data { bytes, .. } = next.unwrap() {
            kinds.push(char::from(*bytes.first().unwrap()));
        }
    }
    kinds
}

#[tokio::test]
async fn a_log_is_read_and_the_server_hears_how_far() {
    let postgres = Postgres::start_with(&[("wal_level", "logical"), ("wal_sender_timeout", "2s")]).await;
    let database = postgres.database().await;
    database
        .psql("create table t (id int primary key, big text); create publication p for table t")
        .await;
    let target = Target::parse(&database.url()).unwrap();
    let (mut log, from) = log(&target).await;
    database
        .psql("insert into t values (1, ''); insert into t select n, repeat('x', 3000) from generate_series(2, 300) n")
        .await;
    assert_eq!(timeout(SOON, transaction(&mut log)).await.unwrap(), "BRIC");
    assert_eq!(
        timeout(SOON, transaction(&mut log)).await.unwrap(),
        format!("B{}C", "I".repeat(299))
    );

    // A server that wants a word gets it, and one that hears how far we are keeps no more than that.
    let (mut asked, mut sent) = (0, from);
    let quiet = async {
        while asked < 3 {
            if let FromServer::Keepalive { sent: at, wants_reply } = log.next().await.unwrap() {
                sent = at;
                asked += u32::from(wants_reply);
                let status = StandbyStatus {
                    written: sent,
                    flushed: sent,
                    applied: sent,
                    ..StandbyStatus::default()
                };
                log.tell(&status).await.unwrap();
            }
        }
    };
    timeout(SOON, quiet).await.unwrap();
    let told = format!(
        "select count(*) from pg_replication_slots where confirmed_flush_lsn = '{}'",
        Lsn(sent)
    );
    assert!(sent > from);
    assert_eq!(database.psql(&told).await, "1");
    log.close().await;
}

#[tokio::test]
async fn the_end_of_a_log_is_an_error_in_the_servers_words() {
    let postgres = Postgres::start_with(&[("wal_level", "logical")]).await;
    let database = postgres.database().await;
    database.psql("create publication p").await;
    let target = Target::parse(&database.url()).unwrap();
    let refused = sender(&target)
        .await
        .replicate("START_REPLICATION SLOT none LOGICAL 0/0", 1 << 20)
        .await;
    assert_eq!(refused.unwrap_err().server().unwrap().sqlstate, "42704");
    let refused = sender(&target).await.replicate("select 1", 1 << 20).await;
    assert!(refused.unwrap_err().to_string().contains("something else than a log"));
    let (mut log, _) = log(&target).await;
    postgres
        .psql("postgres", "select pg_terminate_backend(pid) from pg_stat_replication")
        .await;
    let end = async {
        loop {
            if let Err(error) = log.next().await {
                return error;
            }
        }
    };
    let error = timeout(SOON, end).await.unwrap();
    assert_eq!(error.server().unwrap().sqlstate, "57P01", "{error}");
}

async fn keeper(url: &str) -> Connection {
    let options = ConnectOptions {
        parameters: vec![("replication".to_owned(), "true".to_owned())],
        ..ConnectOptions::default()
    };
    Connection::connect(&Target::parse(url).unwrap(), options)
        .await
        .unwrap()
}

/// The log from a position to the end of its timeline.
async fn to_the_end(mut log: Replication, from: u64) -> (Vec<u8>, Connection, TimelineEnd) {
    let mut bytes = Vec::new();
    loop {
        match timeout(SOON, log.next_on_timeline()).await.unwrap().unwrap() {
            Some(FromServer::Data { start, bytes: more, .. }) => {
                assert_eq!(start, from + bytes.len() as u64);
                bytes.extend_from_slice(more);
            }
            Some(FromServer::Keepalive { .. }) => log.tell(&StandbyStatus::default()).await.unwrap(),
            None => break,
        }
    }
    let (connection, end) = log.end_of_timeline().await.unwrap();
    (bytes, connection, end.unwrap())
}

#[tokio::test]
async fn a_timeline_is_read_to_its_end_and_what_follows_is_told() {
    let primary = Postgres::start().await;
    let standby = primary.standby("second").await;
    let mut connection = keeper(&standby.url("postgres")).await;
    let begun = connection.identify_system().await.unwrap();
    assert_eq!(connection.wal_segment_bytes().await.unwrap(), 16 << 20);
    assert_eq!(connection.read_replication_slot("kept").await.unwrap(), None);
    connection.create_physical_slot("kept").await.unwrap();
    let slot = connection.read_replication_slot("kept").await.unwrap().unwrap();
    assert!(
        slot.restart.unwrap() <= begun.flushed && slot.timeline == Some(1),
        "{slot:?}"
    );
    let from = Lsn(begun.flushed.0 & !((16 << 20) - 1));
    let Started::Streaming(log) = connection.replicate_physical(Some("kept"), from, 1).await.unwrap() else {
        panic!("the timeline has not ended");
    };
    primary.psql("postgres", "create table t (id int)").await;
    let mut reading = JoinSet::new();
    reading.spawn(to_the_end(log, from.0));
    primary.kill().await;
    standby.promote().await;
    let (bytes, mut connection, end) = reading.join_next().await.unwrap().unwrap();
    assert_eq!((end.next, end.at.0), (2, from.0 + bytes.len() as u64));
    let history = String::from_utf8(connection.timeline_history(2).await.unwrap()).unwrap();
    assert!(history.starts_with(&format!("1\t{}", end.at)), "{history}");
    let here = connection.identify_system().await.unwrap();
    assert_eq!((here.system_identifier, here.timeline), (begun.system_identifier, 2));
    let started = connection.replicate_physical(None, end.at, 1).await.unwrap();
    let Started::Over(mut connection, again) = started else {
        panic!("there is nothing more of the first timeline");
    };
    assert_eq!(again, Some(end));
    connection.drop_replication_slot("kept").await.unwrap();
    let refused = connection
        .replicate_physical(Some("kept"), end.at, 2)
        .await
        .unwrap_err();
    assert_eq!(refused.server().unwrap().sqlstate, "42704");
}
