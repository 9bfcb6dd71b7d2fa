//! Reads and writes in one breath: what stands behind a read in the same packet is not sent where the read went.

use std::future::poll_fn;
use std::task::Poll;

use weir_pgwire::backend::tag;
use weir_pgwire::{Scan, scan};
use weir_testkit::eventually;
use weir_upstream::Connection;

use super::Cluster;
use super::routing::PORT;
use crate::gateway::PATIENCE;

/// What a client sends.
#[derive(Debug, Clone, Copy)]
enum Act {
    Read,
    ExtendedRead,
    Write,
    ExtendedWrite,
    /// A read, a write and a read up to one Sync.
    Mixed,
    Transaction,
    Failing,
}

fn query(out: &mut Vec<u8>, sql: &str) {
    frame(out, b'Q', &[sql.as_bytes(), b"\0"].concat());
}

fn extended(out: &mut Vec<u8>, sql: &str) {
    frame(out, b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat());
    frame(out, b'B', &[0; 8]);
    frame(out, b'D', b"P\0");
    frame(out, b'E', &[0; 5]);
}

fn frame(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    out.push(tag);
    out.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend_from_slice(body);
}

/// Writes what an act sends, and says what it answers, given the rows that are there.
fn send(act: Act, who: usize, rows: &mut u64, out: &mut Vec<u8>) -> Vec<String> {
    let read = format!("select count(*) from t where id = '{who}'");
    let write = format!("insert into t values ('{who}')");
    let counted = |rows: u64| format!("D{rows}");
    match act {
        Act::Read => {
            query(out, &read);
            vec![counted(*rows), "C".to_owned(), "Z".to_owned()]
        }
        Act::ExtendedRead => {
            extended(out, &read);
            frame(out, b'S', b"");
            vec![counted(*rows), "C".to_owned(), "Z".to_owned()]
        }
        Act::Write => {
            query(out, &write);
            *rows += 1;
            vec!["C".to_owned(), "Z".to_owned()]
        }
        Act::ExtendedWrite => {
            extended(out, &write);
            frame(out, b'S', b"");
            *rows += 1;
            vec!["C".to_owned(), "Z".to_owned()]
        }
        Act::Mixed => {
            extended(out, &read);
            extended(out, &write);
            extended(out, &read);
            frame(out, b'S', b"");
            *rows += 1;
            let answers = [counted(*rows - 1), "C".to_owned(), "C".to_owned(), counted(*rows)];
            answers.into_iter().chain(["C".to_owned(), "Z".to_owned()]).collect()
        }
        Act::Transaction => {
            for sql in ["begin", &read, &write, &read, "commit"] {
                query(out, sql);
            }
            *rows += 1;
            let ends = ["C", "Z"].map(str::to_owned);
            let read = |rows: u64| std::iter::once(counted(rows)).chain(ends.clone());
            let head = ends.clone().into_iter().chain(read(*rows - 1)).chain(ends.clone());
            head.chain(read(*rows)).chain(ends.clone()).collect()
        }
        Act::Failing => {
            extended(out, "select 1/0");
            frame(out, b'S', b"");
            vec!["E".to_owned(), "Z".to_owned()]
        }
    }
}

/// Sends bytes and reads as many answers as are expected.
async fn exchange(client: &mut Connection, bytes: &[u8], count: usize) -> Vec<String> {
    let (mut sent, mut received, mut answers) = (0, Vec::new(), Vec::new());
    let mut room = vec![0; 64 * 1024];
    poll_fn(|cx| {
        loop {
            if sent < bytes.len()
                && let Poll::Ready(taken) = client.poll_send(cx, &bytes[sent..])
            {
                sent += taken.unwrap();
                continue;
            }
            let Poll::Ready(read) = client.poll_bytes(cx, &mut room) else {
                return Poll::Pending;
            };
            let read = read.unwrap();
            assert!(read > 0, "the gateway closed the connection after {answers:?}");
            received.extend_from_slice(&room[..read]);
            while let Ok(Scan::Whole(frame)) = scan(&received, |_| 1 << 20) {
                match frame.tag {
                    tag::DATA_ROW => answers.push(format!("D{}", String::from_utf8_lossy(&frame.body[6..]))),
                    tag::COMMAND_COMPLETE => answers.push("C".to_owned()),
                    tag::ERROR_RESPONSE => answers.push("E".to_owned()),
                    tag::READY_FOR_QUERY => answers.push("Z".to_owned()),
                    _ => {}
                }
                let bytes = frame.bytes();
                received.drain(..bytes);
            }
            if answers.len() >= count {
                return Poll::Ready(());
            }
        }
    })
    .await;
    answers
}

/// Waits until the standby has what the client wrote, and answers it again.
async fn until_fresh(cluster: &Cluster, client: &mut Connection) {
    let (mut read, standby) = (Vec::new(), format!("D{}", cluster.port_of_standby()));
    query(&mut read, PORT);
    eventually("an answer by the standby", PATIENCE, async || {
        let found = exchange(client, &read, 3).await.swap_remove(0);
        if found == standby { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_pipelines_are_answered_in_order_and_see_their_own_writes() {
    const ACTS: [Act; 10] = [
        Act::Read,
        Act::Write,
        Act::ExtendedRead,
        Act::Read,
        Act::ExtendedWrite,
        Act::ExtendedRead,
        Act::Mixed,
        Act::Transaction,
        Act::Failing,
        Act::Read,
    ];
    let cluster = Cluster::with_table(&[("pool_max", "3")]).await;
    let clients = (0..6).map(async |who| {
        let mut client = cluster.client().await;
        cluster.until_answered_by(&mut client, &cluster.port_of_standby()).await;
        client.begin_forwarding();
        let mut rows = 0;
        for round in 0..60_usize {
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            // Each client in an order of its own, and now and then nothing but reads.
            for step in 0..=(round % 8) {
                let at = who * 3 + round * 7 + step * (1 + who % 3);
                let act = if round % 10 == 0 {
                    [Act::Read, Act::ExtendedRead][step % 2]
                } else {
                    ACTS[at % 10]
                };
                expected.extend(send(act, who, &mut rows, &mut bytes));
            }
            let answers = exchange(&mut client, &bytes, expected.len()).await;
            assert_eq!(answers, expected, "client {who}, round {round}");
            if round % 10 == 9 {
                until_fresh(&cluster, &mut client).await;
            }
        }
        rows
    });
    let all = tokio::time::timeout(PATIENCE, futures_util::future::join_all(clients));
    let written: u64 = all.await.unwrap().iter().sum();
    assert_eq!(
        cluster.database.psql("select count(*) from t").await,
        written.to_string()
    );
    assert!(cluster.routed("replica", "fit").await > 20);
}
