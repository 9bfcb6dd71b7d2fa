//! COPY out of a server and into one.

use weir_upstream::Error;

use super::{connected, rows, works};

#[tokio::test]
async fn rows_go_out_and_come_in_as_they_were() {
    let (mut connection, _database) = connected().await;
    connection
        .simple_query("create table t (id int, x text); insert into t select n, repeat('ü\t\\', n % 300) from generate_series(1, 3000) n; create table u (like t)")
        .await
        .unwrap();
    let mut out = connection.copy_out("copy t to stdout").await.unwrap();
    let (mut content, mut count) = (Vec::new(), 0);
    while let Some(row) = out.next().await.unwrap() {
        assert!(row.ends_with(b"\n"), "a piece is not a row");
        content.extend_from_slice(row);
        count += 1;
    }
    assert_eq!((count, out.rows()), (3000, Some(3000)));
    assert!(out.next().await.unwrap().is_none(), "there is more behind the end");
    works(&mut connection).await;
    let mut copy = connection.copy_in("copy u from stdin").await.unwrap();
    for piece in content.chunks(777) {
        copy.send(piece).await.unwrap();
    }
    assert_eq!(copy.finish().await.unwrap().rows, Some(3000));
    works(&mut connection).await;
    let differ = "select count(*) from (select * from t except all select * from u) d";
    assert_eq!(rows(&mut connection, differ).await.unwrap(), [["0"]]);
}

#[tokio::test]
async fn what_is_wrong_is_told_and_the_connection_stays_in_step() {
    let (mut connection, _database) = connected().await;
    connection.simple_query("create table t (id int)").await.unwrap();
    let missing = connection.copy_out("copy missing to stdout").await;
    assert!(matches!(missing, Err(Error::Server(_))), "{missing:?}");
    works(&mut connection).await;
    let mut out = connection
        .copy_out("copy (select 1 / (5 - n) from generate_series(1, 9) n) to stdout")
        .await
        .unwrap();
    let failed = loop {
        match out.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it went well"),
            Err(error) => break error,
        }
    };
    assert!(failed.to_string().contains("division by zero"), "{failed}");
    works(&mut connection).await;
    let mut copy = connection.copy_in("copy t from stdin").await.unwrap();
    copy.send(b"1\nno number\n").await.unwrap();
    let failed = copy.finish().await.unwrap_err();
    assert!(failed.to_string().contains("no number"), "{failed}");
    works(&mut connection).await;
    assert_eq!(rows(&mut connection, "select count(*) from t").await.unwrap(), [["0"]]);
    let other = connection.copy_in("select 1").await;
    assert!(matches!(other, Err(Error::Protocol { .. })), "{other:?}");
    assert!(connection.is_broken());
}

#[tokio::test]
async fn one_that_is_dropped_in_the_middle_is_not_used_again() {
    let (mut connection, database) = connected().await;
    connection.simple_query("create table t (id int)").await.unwrap();
    {
        let mut copy = connection.copy_in("copy t from stdin").await.unwrap();
        copy.send(b"1\n").await.unwrap();
    }
    assert!(connection.is_broken());
    assert!(matches!(
        connection.simple_query("select 1").await,
        Err(Error::OutOfStep { .. })
    ));
    drop(connection);
    assert_eq!(database.psql("select count(*) from t").await, "0");
}
