//! Statements with parameters: types, sizes, errors, limits.

use allocation_counter::AllocationInfo;
use weir_model::{Coded as _, ErrorClass};
use weir_upstream::{Connection, Error, Limits, Parameter, TransactionStatus};

use crate::{connected, rows, shown, works};

const INT4: u32 = 23;
const TEXT: u32 = 25;

/// All values of a statement with parameters, in one line.
async fn asked(connection: &mut Connection, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<String>, Error> {
    let mut stream = connection.query(sql, parameters).await?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next_batch().await? {
        found.extend(batch.rows().flat_map(|row| row.values().map(shown).collect::<Vec<_>>()));
    }
    Ok(found)
}

#[tokio::test]
async fn values_come_as_text_with_their_types() {
    let (mut connection, _database) = connected().await;
    let sql = "select true as b, 7::int4 as i, 1.50::numeric(10,2) as n, 'x'::varchar(9) as v, '\\x0aff'::bytea as y,
               '2024-02-29 12:00:00+00'::timestamptz at time zone 'UTC' as t, '{1,NULL}'::int[] as a, '{\"k\": 1}'::jsonb as j,
               null::text as z, '' as e";
    let mut stream = connection.query(sql, &[]).await.unwrap();
    let fields: Vec<_> = stream
        .columns()
        .fields()
        .map(|field| {
            (
                String::from_utf8(field.name.to_vec()).unwrap(),
                field.type_oid,
                field.type_modifier,
            )
        })
        .collect();
    let expected = [
        ("b", 16, -1),
        ("i", 23, -1),
        ("n", 1700, (10 << 16) + 2 + 4),
        ("v", 1043, 13),
        ("y", 17, -1),
        ("t", 1114, -1),
        ("a", 1007, -1),
        ("j", 3802, -1),
        ("z", 25, -1),
        ("e", 25, -1),
    ];
    assert_eq!(
        fields,
        expected.map(|(name, oid, modifier)| (name.to_owned(), oid, modifier))
    );
    let batch = stream.next_batch().await.unwrap().unwrap();
    assert_eq!((batch.len(), batch.columns().len()), (1, 10));
    let values: Vec<_> = batch.rows().next().unwrap().values().map(shown).collect();
    assert_eq!(
        values,
        [
            "t",
            "7",
            "1.50",
            "x",
            "\\x0aff",
            "2024-02-29 12:00:00",
            "{1,NULL}",
            "{\"k\": 1}",
            "∅",
            ""
        ]
    );
    assert!(stream.next_batch().await.unwrap().is_none());
    let completion = stream.completion().unwrap();
    assert_eq!((completion.tag.as_str(), completion.rows), ("SELECT 1", Some(1)));
    works(&mut connection).await;
}

#[tokio::test]
async fn parameters_go_as_text_or_binary() {
    let (mut connection, _database) = connected().await;
    let number = 7_i32.to_be_bytes();
    let parameters = [
        Parameter::text("é'\"\\"),
        Parameter::binary(&number, INT4),
        Parameter::null(),
        Parameter::text("8").of_type(INT4),
        Parameter::text("").of_type(TEXT),
    ];
    let found = asked(
        &mut connection,
        "select $1::text, $2 + 1, $3::int, pg_typeof($4), $5",
        &parameters,
    )
    .await;
    assert_eq!(found.unwrap(), ["é'\"\\", "8", "∅", "integer", ""]);
}

#[tokio::test]
async fn the_whole_breadth_of_parameters_can_be_sent() {
    let (mut connection, _database) = connected().await;
    let list = (1..=65_535)
        .map(|number| format!("(${number}::int)"))
        .collect::<Vec<_>>()
        .join(",");
    let sql = format!("select sum(n) from (values {list}) as v(n)");
    let parameters = vec![Parameter::text("2"); 65_535];
    assert_eq!(asked(&mut connection, &sql, &parameters).await.unwrap(), ["131070"]);
    let error = asked(&mut connection, &sql, &vec![Parameter::text("2"); 65_536])
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "65536 parameters are too many; at most 65535 can be sent"
    );
    assert_eq!(error.class(), ErrorClass::InvalidInput);
    let error = asked(&mut connection, "select 1\0", &[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the statement contains a zero byte, which PostgreSQL cannot take"
    );
    works(&mut connection).await;
}

#[tokio::test]
async fn ten_megabytes_there_and_back() {
    let (mut connection, _database) = connected().await;
    let value = "wörd ".repeat(2_000_000);
    let found = asked(&mut connection, "select $1::text, 'short'", &[Parameter::text(&value)])
        .await
        .unwrap();
    assert!(found[0] == value && found[1] == "short", "another value came back");
    works(&mut connection).await;
}

#[tokio::test]
async fn rows_of_every_length_come_whole_and_in_order() {
    let (mut connection, _database) = connected().await;
    let sql = "select n, repeat(chr(97 + n % 26), (n * 7919) % 150000) from generate_series(1, 400) as n";
    let mut stream = connection.query(sql, &[]).await.unwrap();
    let mut count = 0_usize;
    while let Some(batch) = stream.next_batch().await.unwrap() {
        for row in batch.rows() {
            count += 1;
            let values: Vec<_> = row.values().map(shown).collect();
            let letter = char::from(97 + u8::try_from(count % 26).unwrap());
            assert_eq!(values[0], count.to_string());
            assert!(values[1].len() == (count * 7919) % 150_000 && values[1].chars().all(|found| found == letter));
        }
    }
    assert_eq!(count, 400);
}

#[tokio::test]
async fn commands_say_what_they_did() {
    let (mut connection, _database) = connected().await;
    for (sql, tag, count) in [
        ("create table t (n int primary key)", "CREATE TABLE", None),
        ("insert into t select generate_series(1, 5)", "INSERT 0 5", Some(5)),
        ("update t set n = n + 10 where n > 3", "UPDATE 2", Some(2)),
        ("insert into t values (99) returning n", "INSERT 0 1", Some(1)),
        ("select from t", "SELECT 6", Some(6)),
        ("delete from t", "DELETE 6", Some(6)),
        ("", "", None),
        ("-- nothing", "", None),
    ] {
        let stream = connection.query(sql, &[]).await.unwrap();
        let completion = stream.finish().await.unwrap();
        assert_eq!((completion.tag.as_str(), completion.rows), (tag, count), "{sql}");
        works(&mut connection).await;
    }
}

#[tokio::test]
async fn errors_leave_the_connection_in_step() {
    let (mut connection, _database) = connected().await;
    rows(&mut connection, "create table t (n int primary key check (n > 0))")
        .await
        .unwrap();
    rows(&mut connection, "insert into t values (1)").await.unwrap();
    for (sql, sqlstate, class) in [
        ("selec 1", "42601", ErrorClass::InvalidInput),
        ("select * from missing", "42P01", ErrorClass::InvalidInput),
        ("select 1; select 2", "42601", ErrorClass::InvalidInput),
        ("select $1::int", "08P01", ErrorClass::InvalidInput),
        ("select 'x'::int", "22P02", ErrorClass::InvalidInput),
        ("insert into t values (1)", "23505", ErrorClass::Conflict),
        ("insert into t values (0)", "23514", ErrorClass::InvalidInput),
        ("create table t ()", "42P07", ErrorClass::Conflict),
        (
            "select 10 / (5 - n) from generate_series(1, 9) as n",
            "22012",
            ErrorClass::InvalidInput,
        ),
    ] {
        let error = rows(&mut connection, sql).await.unwrap_err();
        let Error::Server(server) = &error else {
            panic!("{sql}: {error}")
        };
        assert_eq!(server.sqlstate, sqlstate, "{sql}: {error}");
        assert_eq!((error.class(), server.severity.as_str()), (class, "ERROR"), "{sql}");
        works(&mut connection).await;
    }
    let error = rows(&mut connection, "insert into t values (0)").await.unwrap_err();
    let server = error.server().unwrap();
    assert_eq!(
        (server.table.as_deref(), server.constraint.as_deref()),
        (Some("t"), Some("t_n_check"))
    );
    assert!(server.detail.as_ref().unwrap().contains("Failing row") && server.routine.is_some());
    let error = rows(&mut connection, "select missing").await.unwrap_err();
    assert_eq!(error.server().unwrap().position, Some(8));
}

#[tokio::test]
async fn rows_before_an_error_are_seen() {
    let (mut connection, _database) = connected().await;
    let sql = "select repeat('x', 1000), 1 / (5000 - n) from generate_series(1, 9000) as n";
    let mut stream = connection.query(sql, &[]).await.unwrap();
    let mut seen = 0;
    let error = loop {
        match stream.next_batch().await {
            Ok(batch) => seen += batch.expect("there is no error").len(),
            Err(error) => break error,
        }
    };
    assert_eq!((seen, error.server().unwrap().sqlstate.as_str()), (4999, "22012"));
    assert!(
        stream.next_batch().await.unwrap().is_none(),
        "it goes on after the error"
    );
    works(&mut connection).await;
}

#[tokio::test]
async fn the_status_of_a_transaction_is_known() {
    let (mut connection, _database) = connected().await;
    for (sql, status) in [
        ("begin", TransactionStatus::InTransaction),
        ("select 1", TransactionStatus::InTransaction),
        ("select 1/0", TransactionStatus::Failed),
        ("select 1", TransactionStatus::Failed),
        ("rollback", TransactionStatus::Idle),
        ("begin", TransactionStatus::InTransaction),
    ] {
        let _ = rows(&mut connection, sql).await;
        assert_eq!(connection.transaction_status(), status, "{sql}");
        assert!(!connection.is_broken());
        assert_eq!(connection.is_clean(), status == TransactionStatus::Idle);
        connection.ping().await.unwrap();
        assert_eq!(connection.transaction_status(), status, "{sql}");
    }
    connection.reset().await.unwrap();
    works(&mut connection).await;
}

#[tokio::test]
async fn a_reset_forgets_the_session() {
    let (mut connection, _database) = connected().await;
    let session = "begin; create temporary table leak (); set work_mem = '77kB'; prepare p as select 1; listen c; \
                   select pg_advisory_lock(1); commit; begin; select 1/0";
    assert!(connection.simple_query(session).await.is_err());
    connection.reset().await.unwrap();
    let left = "select current_setting('work_mem') = '77kB', (select count(*) from pg_prepared_statements),
                to_regclass('leak'), (select count(*) from pg_listening_channels()),
                (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())";
    assert_eq!(rows(&mut connection, left).await.unwrap(), [["f", "0", "∅", "0", "0"]]);
    works(&mut connection).await;
}

#[tokio::test]
async fn limits_hold_and_the_rest_can_be_dropped() {
    let (mut connection, _database) = connected().await;
    let limits = Limits {
        row_bytes_max: 10_000,
        reply_bytes_max: 500_000,
    };
    let wide = "select repeat('x', 9000 + 2 * n) from generate_series(1, 2000) as n";
    let mut stream = connection.query(wide, &[]).await.unwrap().limited(limits);
    let mut bytes = 0;
    let error = loop {
        match stream.next_batch().await {
            Ok(batch) => bytes += batch.unwrap().frames().len(),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            Error::TooLarge {
                what: "reply",
                bytes_max: 500_000,
                ..
            }
        ),
        "{error}"
    );
    assert!((420_000..=500_000).contains(&bytes), "{bytes}");
    assert_eq!(
        (error.class(), error.slug()),
        (ErrorClass::Exhausted, "upstream-too-large")
    );
    assert_eq!(stream.finish().await.unwrap().rows, Some(2000));
    works(&mut connection).await;

    let mut stream = connection
        .query("select 'y' union all select repeat('x', 10000000)", &[])
        .await
        .unwrap();
    stream = stream.limited(limits);
    let error = loop {
        match stream.next_batch().await {
            Ok(batch) => assert_eq!(batch.unwrap().rows().count(), 1),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            Error::TooLarge {
                what: "row",
                bytes: 10_000_006,
                ..
            }
        ),
        "{error}"
    );
    assert!(stream.next_batch().await.is_err(), "it goes on beyond its limit");
    assert_eq!(stream.finish().await.unwrap().rows, Some(2));
    works(&mut connection).await;
}

#[tokio::test]
async fn copy_is_refused_without_harm() {
    let (mut connection, database) = connected().await;
    database
        .psql("create table t (s text); insert into t select repeat('x', 100) from generate_series(1, 10000)")
        .await;
    for sql in ["copy t to stdout", "copy t from stdin"] {
        let error = rows(&mut connection, sql).await.unwrap_err();
        assert!(matches!(error, Error::Copy), "{sql}: {error}");
        works(&mut connection).await;
        let error = connection.query(sql, &[]).await.unwrap().finish().await.unwrap_err();
        assert!(matches!(error, Error::Copy), "{sql}: {error}");
        works(&mut connection).await;
        let error = connection.simple_query(sql).await.unwrap_err();
        assert!(matches!(error, Error::Copy), "{sql}: {error}");
        works(&mut connection).await;
    }
    assert_eq!(database.psql("select count(*) from t").await, "10000");
}

/// Reads a reply and says what that allocated on this thread.
fn cost_of(rows: u32) -> AllocationInfo {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (mut connection, _database) = runtime.block_on(connected());
    let sql = format!("select n, repeat('x', n % 300), null from generate_series(1, {rows}) as n");
    allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut stream = connection.query(&sql, &[]).await.unwrap();
            let mut seen = 0;
            while let Some(batch) = stream.next_batch().await.unwrap() {
                seen += batch.rows().map(|row| row.values().flatten().count()).sum::<usize>();
            }
            assert_eq!(seen, 2 * usize::try_from(rows).unwrap());
        });
    })
}

#[test]
fn a_row_costs_no_allocation() {
    let (few, many) = (cost_of(1_000), cost_of(200_000));
    assert!(
        many.count_total <= few.count_total + 10,
        "1,000 rows: {few:?}; 200,000 rows: {many:?}"
    );
    assert!(many.bytes_max < 100_000, "200,000 rows: {many:?}");
    assert!(
        many.bytes_current < 10_000,
        "200,000 rows leave {} bytes behind",
        many.bytes_current
    );
}
