//! Many statements in one write, and statements that are kept prepared.

use weir_upstream::{Command, Connection, Error, Format, Parameter, Piece, Source, TransactionStatus};

use crate::{connected, rows, shown, works};

/// What a pipeline came to, piece by piece, in words.
async fn told(connection: &mut Connection, groups: &[&[&str]]) -> Vec<String> {
    let mut pipeline = connection.pipeline().unwrap();
    for group in groups {
        for sql in *group {
            pipeline.push(&Command::text(sql, &[])).unwrap();
        }
        pipeline.sync();
    }
    let mut told = Vec::new();
    while let Some(piece) = pipeline.next().await.unwrap() {
        told.push(match piece {
            Piece::Columns(columns) => format!("{} columns", columns.len()),
            Piece::Rows(batch) => batch
                .rows()
                .flat_map(|row| row.values().map(shown).collect::<Vec<_>>())
                .collect::<Vec<_>>()
                .join(","),
            Piece::Done(done) => done.tag,
            Piece::Failed(error) => error.sqlstate,
            Piece::Ready(status) => format!("{status:?}"),
        });
    }
    told
}

#[tokio::test]
async fn replies_come_in_order_and_an_error_ends_its_group_only() {
    let (mut connection, _database) = connected().await;
    let found = told(
        &mut connection,
        &[
            &["select 1", "create table t (a int)"],
            &["select 1/0", "select 2"],
            &["select 3"],
        ],
    )
    .await;
    let expected = [
        "1 columns",
        "1",
        "SELECT 1",
        "0 columns",
        "CREATE TABLE",
        "Idle",
        "22012",
        "Idle",
        "1 columns",
        "3",
        "SELECT 1",
        "Idle",
    ];
    assert_eq!(found, expected);
    let found = told(
        &mut connection,
        &[
            &["begin", "insert into t values (1)"],
            &["selec"],
            &["select 4"],
            &["rollback"],
        ],
    )
    .await;
    let expected = [
        "0 columns",
        "BEGIN",
        "0 columns",
        "INSERT 0 1",
        "InTransaction",
        "42601",
        "Failed",
        "25P02",
        "Failed",
        "0 columns",
        "ROLLBACK",
        "Idle",
    ];
    assert_eq!(found, expected);
    works(&mut connection).await;
}

#[tokio::test]
async fn more_than_any_socket_holds_goes_both_ways_at_once() {
    let (mut connection, _database) = connected().await;
    let large = "x".repeat(100_000);
    let parameters = [Parameter::text(&large)];
    let mut pipeline = connection.pipeline().unwrap();
    for _ in 0..300 {
        pipeline.push(&Command::text("select $1::text", &parameters)).unwrap();
        pipeline.sync();
    }
    assert!(pipeline.bytes() > 30_000_000);
    let (mut bytes, mut done) = (0, 0);
    while let Some(piece) = pipeline.next().await.unwrap() {
        match piece {
            Piece::Rows(batch) => {
                let row = batch.rows().next().unwrap();
                bytes += row.values().flatten().map(<[u8]>::len).sum::<usize>();
            }
            Piece::Done(_) => done += 1,
            _ => {}
        }
    }
    assert_eq!((bytes, done), (30_000_000, 300));
    drop(pipeline);
    works(&mut connection).await;
}

#[tokio::test]
async fn what_was_never_sent_leaves_no_trace_and_what_was_left_breaks_it() {
    let (mut connection, _database) = connected().await;
    let mut pipeline = connection.pipeline().unwrap();
    pipeline.push(&Command::text("select 1", &[])).unwrap();
    let refused = pipeline.push(&Command::text("select 1\0", &[]));
    assert!(matches!(refused, Err(Error::Statement(_))), "{refused:?}");
    drop(pipeline);
    works(&mut connection).await;
    let mut pipeline = connection.pipeline().unwrap();
    pipeline.push(&Command::text("select 1", &[])).unwrap();
    pipeline.next().await.unwrap();
    drop(pipeline);
    assert!(connection.is_broken());
}

#[tokio::test]
async fn copy_has_no_place_in_a_pipeline() {
    let (mut connection, _database) = connected().await;
    let mut pipeline = connection.pipeline().unwrap();
    pipeline.control("create temp table t (a int)").unwrap();
    pipeline.control("copy t from stdin").unwrap();
    pipeline.control("select 1").unwrap();
    let ended = loop {
        match pipeline.next().await {
            Ok(Some(_)) => {}
            ended => break ended.map(|_| ()),
        }
    };
    assert!(matches!(ended, Err(Error::Copy)), "{ended:?}");
    drop(pipeline);
    assert!(connection.is_broken());
}

#[tokio::test]
async fn a_prepared_statement_is_parsed_once_and_described() {
    let (mut connection, _database) = connected().await;
    let sql = "select $1::numeric(10, 2) as n, $2 || 'x' as t";
    let prepared = connection.prepare(sql, &[]).await.unwrap();
    assert_eq!(prepared.parameters(), [1700, 25]);
    let columns: Vec<_> = prepared
        .columns()
        .iter()
        .map(|column| (column.name.as_str(), column.type_oid, column.type_modifier))
        .collect();
    assert_eq!(columns, [("n", 1700, (10 << 16) + 2 + 4), ("t", 25, -1)]);
    assert_eq!(connection.prepare(sql, &[]).await.unwrap(), prepared);
    let parameters = [Parameter::text("1.5"), Parameter::text("y")];
    let command = Command {
        source: Source::Named(prepared.name()),
        parameters: &parameters,
        formats: &[Format::Text, Format::Binary],
    };
    let mut stream = connection.run(&command).await.unwrap();
    let row: Vec<_> = stream
        .next_batch()
        .await
        .unwrap()
        .unwrap()
        .rows()
        .next()
        .unwrap()
        .values()
        .map(shown)
        .collect();
    assert_eq!(row, ["1.50", "yx"]);
    stream.finish().await.unwrap();
    assert_eq!(
        rows(
            &mut connection,
            "select count(*) from pg_prepared_statements where name <> ''"
        )
        .await
        .unwrap(),
        [["1"]]
    );
}

#[tokio::test]
async fn prepared_statements_are_bounded_and_forgotten_with_the_session() {
    let (mut connection, _database) = connected().await;
    for number in 0..250 {
        connection.prepare(&format!("select {number}"), &[]).await.unwrap();
    }
    for number in 0..3 {
        let long = format!("select '{}', {number}", "x".repeat(20_000));
        connection.prepare(&long, &[]).await.unwrap();
    }
    let count = "select count(*) from pg_prepared_statements where name <> ''";
    let kept: u32 = rows(&mut connection, count).await.unwrap()[0][0].parse().unwrap();
    assert!((100..=103).contains(&kept), "{kept}");
    let before = connection.prepare("select 249", &[]).await.unwrap();
    connection.reset().await.unwrap();
    let after = connection.prepare("select 249", &[]).await.unwrap();
    assert_ne!(before.name(), after.name());
    connection.forget_prepared("select 249", &[]);
    assert_ne!(
        connection.prepare("select 249", &[]).await.unwrap().name(),
        after.name()
    );
    assert_eq!(rows(&mut connection, count).await.unwrap(), [["1"]]);
    assert_eq!(connection.transaction_status(), TransactionStatus::Idle);
    let refused = connection.prepare("selec", &[]).await.unwrap_err();
    assert_eq!(refused.server().unwrap().sqlstate, "42601");
    works(&mut connection).await;
}
