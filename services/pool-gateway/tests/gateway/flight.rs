//! Arrow Flight SQL as its drivers speak it.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo};
use arrow_schema::DataType;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tonic::transport::Channel;
use weir_bus::{Bus, Limits};

use crate::gateway::{Gateway, database, events, taken, until_made_no_more, until_running};

type Client = FlightSqlServiceClient<Channel>;

async fn client(gateway: &Gateway) -> Client {
    let channel = Channel::from_shared(format!("http://127.0.0.1:{}", gateway.grpc_port)).unwrap();
    FlightSqlServiceClient::new(channel.connect().await.unwrap())
}

/// All rows of a statement.
async fn query(client: &mut Client, sql: &str, transaction: Option<Bytes>) -> Result<Vec<RecordBatch>, String> {
    let info = client
        .execute(sql.to_owned(), transaction)
        .await
        .map_err(|error| error.to_string())?;
    fetch(client, info).await
}

async fn fetch(client: &mut Client, info: arrow_flight::FlightInfo) -> Result<Vec<RecordBatch>, String> {
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let stream = client.do_get(ticket).await.map_err(|error| error.to_string())?;
    stream
        .try_collect()
        .await
        .map_err(|error: arrow_flight::error::FlightError| error.to_string())
}

/// Every column of one row as text, with its type.
fn shown(batches: &[RecordBatch]) -> Vec<(String, String)> {
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    let batch = batches.iter().find(|batch| batch.num_rows() == 1).unwrap();
    let options = FormatOptions::default();
    let text = |column: &ArrayRef| ArrayFormatter::try_new(column, &options).unwrap().value(0).to_string();
    batch
        .columns()
        .iter()
        .map(|column| (column.data_type().to_string(), text(column)))
        .collect()
}

#[tokio::test]
async fn every_type_arrives_as_a_column_of_its_own() {
    let database = database().await;
    database.psql("create type mood as enum ('sad', 'happy')").await;
    let gateway = Gateway::start(&database.url(), &[]).await;
    let mut client = client(&gateway).await;
    for (sql, data_type, value) in [
        ("true", "Boolean", "true"),
        ("'-32768'::int2", "Int16", "-32768"),
        ("2147483647", "Int32", "2147483647"),
        ("-9223372036854775808", "Int64", "-9223372036854775808"),
        ("4294967295::oid", "UInt32", "4294967295"),
        ("0.5::real", "Float32", "0.5"),
        ("'-Infinity'::float8", "Float64", "-inf"),
        ("1.5::numeric(10, 2)", "Decimal128(10, 2)", "1.50"),
        (
            "'-99999999999999999999999999999999999999'::numeric(38, 0)",
            "Decimal128(38, 0)",
            "-99999999999999999999999999999999999999",
        ),
        ("0.00012345::numeric(12, 8)", "Decimal128(12, 8)", "0.00012345"),
        ("100000000::numeric(20, 3)", "Decimal128(20, 3)", "100000000.000"),
        (
            "1e50::numeric",
            "Utf8",
            "100000000000000000000000000000000000000000000000000",
        ),
        ("'ü€😀'::text", "Utf8", "ü€😀"),
        ("'v'::varchar(5)", "Utf8", "v"),
        ("'\\x00ff'::bytea", "Binary", "00ff"),
        ("date '2024-02-29'", "Date32", "2024-02-29"),
        ("date '1900-01-01'", "Date32", "1900-01-01"),
        ("time '23:59:59.123456'", "Time64(µs)", "23:59:59.123456"),
        (
            "timestamp '2024-02-29 23:59:59.123456'",
            "Timestamp(µs)",
            "2024-02-29T23:59:59.123456",
        ),
        (
            "timestamptz '2024-02-29 23:59:59.123456+02' at time zone 'UTC'",
            "Timestamp(µs)",
            "2024-02-29T21:59:59.123456",
        ),
        (
            "interval '1 year -3 days 00:00:01.5'",
            "Interval(MonthDayNano)",
            "12 mons -3 days 1.500000000 secs",
        ),
        (
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
            "FixedSizeBinary(16)",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
        ),
        ("'{\"a\": 1}'::jsonb", "Utf8", "{\"a\": 1}"),
        ("'happy'::mood", "Utf8", "happy"),
        ("'10.0.0.0/8'::inet", "Utf8", "10.0.0.0/8"),
        ("array['a', null, 'b']", "List(Utf8)", "[a, , b]"),
        ("array[1, null, 3]", "List(Int32)", "[1, , 3]"),
        ("'{}'::float8[]", "List(Float64)", "[]"),
        ("array['{}'::jsonb]", "Utf8", "{\"{}\"}"),
        ("null::int", "Int32", ""),
        ("null::int[]", "List(Int32)", ""),
    ] {
        let found = shown(&query(&mut client, &format!("select {sql} as v"), None).await.unwrap());
        assert_eq!(found, [(data_type.to_owned(), value.to_owned())], "{sql}");
    }
    let at = query(
        &mut client,
        "select timestamptz '2024-02-29 23:59:59.123456+00' as v",
        None,
    )
    .await
    .unwrap();
    assert_eq!(
        at[0].column(0).as_primitive::<TimestampMicrosecondType>().value(0),
        1_709_251_199_123_456
    );
    assert_eq!(
        at[0]
            .schema()
            .field(0)
            .metadata()
            .get("ARROW:FLIGHT:SQL:TYPE_NAME")
            .unwrap(),
        "timestamptz"
    );
    let far = query(
        &mut client,
        "select date 'infinity' as d, timestamp '-infinity' as t",
        None,
    )
    .await
    .unwrap();
    assert_eq!(far[0].column(0).as_primitive::<Date32Type>().value(0), i32::MAX);
    for (sql, what) in [
        ("'NaN'::numeric(5, 2)", "NaN"),
        ("array[[1], [2]]", "dimension"),
        (
            "interval '100000000 years' * 0 + interval '2000000000 hours'",
            "nanoseconds",
        ),
    ] {
        let refused = query(&mut client, &format!("select {sql} as v"), None)
            .await
            .unwrap_err();
        assert!(
            refused.contains(what) && refused.contains("column v"),
            "{sql}: {refused}"
        );
    }
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn many_rows_come_in_order_and_a_slow_reader_slows_the_server() {
    let database = database().await;
    database.psql("create sequence made").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1"), ("statement_timeout", "1h")]).await;
    let mut client = client(&gateway).await;
    let batches = query(
        &mut client,
        "select a, a::text as t from generate_series(1, 150000) a",
        None,
    )
    .await
    .unwrap();
    let mut next = 1;
    for batch in &batches {
        for (number, text) in batch
            .column(0)
            .as_primitive::<Int32Type>()
            .values()
            .iter()
            .zip(batch.column(1).as_string::<i32>())
        {
            assert_eq!((*number, text), (next, Some(next.to_string().as_str())));
            next += 1;
        }
    }
    assert_eq!(next, 150_001);
    let endless = "select repeat('x', 1000) as x, nextval('made'), generate_series(1, 100000000)";
    let info = client.execute(endless.to_owned(), None).await.unwrap();
    let mut stream = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let made = until_made_no_more(&database).await;
    assert!(made < 60_000, "{made} rows of a thousand bytes are held somewhere");
    drop(stream);
    until_running(&database, "generate_series", 0).await;
    let nothing = query(&mut client, "create table t (a int)", None).await.unwrap();
    assert_eq!(nothing.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    let without = query(&mut client, "select from generate_series(1, 3)", None)
        .await
        .unwrap();
    assert_eq!(without.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    for (sql, state) in [
        ("selec", "42601"),
        ("select 1/(5-a) from generate_series(1, 10) a", "22012"),
    ] {
        let refused = query(&mut client, sql, None).await.unwrap_err();
        assert!(refused.contains(state), "{refused}");
    }
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn prepared_statements_take_parameters_of_every_kind() {
    let database = database().await;
    database.psql("create table t (a int primary key, b text)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2")]).await;
    let mut client = client(&gateway).await;
    let rows = |numbers: Vec<i32>| {
        let texts: Vec<String> = numbers.iter().map(|number| format!("row {number}")).collect();
        RecordBatch::try_from_iter([
            ("a", Arc::new(Int32Array::from(numbers)) as ArrayRef),
            ("b", Arc::new(StringArray::from(texts))),
        ])
        .unwrap()
    };
    let mut insert = client
        .prepare("insert into t values ($1, $2)".to_owned(), None)
        .await
        .unwrap();
    assert_eq!(
        insert.parameter_schema().unwrap().field(0).data_type(),
        &DataType::Int32
    );
    insert.set_parameters(rows((0..100).collect())).unwrap();
    assert_eq!(insert.execute_update().await.unwrap(), 100);
    insert.set_parameters(rows(vec![100, 5])).unwrap();
    insert.execute_update().await.unwrap_err();
    assert_eq!(
        database.psql("select count(*) from t").await,
        "100",
        "it is all or nothing"
    );
    insert.close().await.unwrap();
    let mut select = client
        .prepare("select b, a::bigint as n from t where a = $1".to_owned(), None)
        .await
        .unwrap();
    assert_eq!(select.dataset_schema().unwrap().field(1).data_type(), &DataType::Int64);
    for wanted in [3, 42] {
        let number = RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(vec![wanted])) as ArrayRef)]).unwrap();
        select.set_parameters(number).unwrap();
        let info = select.execute().await.unwrap();
        let found = fetch(&mut client, info).await.unwrap();
        assert_eq!(found[0].column(0).as_string::<i32>().value(0), format!("row {wanted}"));
        assert_eq!(
            found[0].column(1).as_primitive::<Int64Type>().value(0),
            i64::from(wanted)
        );
    }
    assert_eq!(
        client
            .execute_update("update t set b = 'x' where a < 10".to_owned(), None)
            .await
            .unwrap(),
        10
    );
    // A table that changes between the description and the rows is no error.
    let info = client
        .execute("select * from t where a = 1".to_owned(), None)
        .await
        .unwrap();
    database.psql("alter table t add c numeric(5, 1) default 2.5").await;
    let found = fetch(&mut client, info).await.unwrap();
    assert_eq!(found[0].column(2).as_primitive::<Decimal128Type>().value(0), 25);
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn a_transaction_spans_calls_and_does_not_outlive_its_caller() {
    let database = database().await;
    database.psql("create table t (a int)").await;
    let gateway = Gateway::start(
        &database.url(),
        &[("pool_max", "2"), ("transaction_idle_timeout", "4s")],
    )
    .await;
    let mut client = client(&gateway).await;
    let id = client.begin_transaction().await.unwrap();
    client
        .execute_update(
            "create table u as select generate_series(1, 3) as f".to_owned(),
            Some(id.clone()),
        )
        .await
        .unwrap();
    client
        .execute_update("insert into t values (1)".to_owned(), Some(id.clone()))
        .await
        .unwrap();
    let mine = query(&mut client, "select sum(f)::float8 as s from u", Some(id.clone()))
        .await
        .unwrap();
    assert_eq!(mine[0].column(0).as_primitive::<Float64Type>().value(0), 6.0);
    assert_eq!(database.psql("select count(*) from t").await, "0");
    // A result that was not read to its end does not end the transaction.
    let info = client
        .execute(
            "select repeat('x', 1000), generate_series(1, 50000)".to_owned(),
            Some(id.clone()),
        )
        .await
        .unwrap();
    let mut stream = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    client
        .end_transaction(id.clone(), arrow_flight::sql::EndTransaction::Commit)
        .await
        .unwrap();
    assert_eq!(database.psql("select count(*) from t").await, "1");
    let over = client
        .execute_update("insert into t values (2)".to_owned(), Some(id))
        .await
        .unwrap_err();
    assert!(over.to_string().contains("no transaction of that id"), "{over}");
    let id = client.begin_transaction().await.unwrap();
    client
        .execute_update("insert into t values (3)".to_owned(), Some(id.clone()))
        .await
        .unwrap();
    client
        .end_transaction(id, arrow_flight::sql::EndTransaction::Rollback)
        .await
        .unwrap();
    let id = client.begin_transaction().await.unwrap();
    client
        .execute_update("insert into t values (4)".to_owned(), Some(id.clone()))
        .await
        .unwrap();
    gateway
        .until_pool("the idle one rolled back", |pool| pool.active == 0)
        .await;
    client
        .end_transaction(id, arrow_flight::sql::EndTransaction::Commit)
        .await
        .unwrap_err();
    assert_eq!(database.psql("select string_agg(a::text, ',') from t").await, "1");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn drivers_find_what_they_ask_for_first() {
    let database = database().await;
    database.psql("create schema s; create table s.t (a int not null, b numeric(5, 1), c text); create view s.v as select 1 as x").await;
    let gateway = Gateway::start(&database.url(), &[]).await;
    let mut client = client(&gateway).await;
    let info = client.get_catalogs().await.unwrap();
    let found = fetch(&mut client, info).await.unwrap();
    assert_eq!(found[0].column(0).as_string::<i32>().value(0), database.name());
    let info = client
        .get_db_schemas(CommandGetDbSchemas {
            catalog: None,
            db_schema_filter_pattern: Some("s".to_owned()),
        })
        .await
        .unwrap();
    assert_eq!(fetch(&mut client, info).await.unwrap()[0].num_rows(), 1);
    let tables = CommandGetTables {
        catalog: None,
        db_schema_filter_pattern: Some("s".to_owned()),
        table_name_filter_pattern: None,
        table_types: vec![],
        include_schema: true,
    };
    let info = client.get_tables(tables).await.unwrap();
    let found = fetch(&mut client, info).await.unwrap();
    let table = &found[0];
    let names: Vec<_> = table
        .column(2)
        .as_string::<i32>()
        .iter()
        .zip(table.column(3).as_string::<i32>())
        .collect();
    assert_eq!(names, [(Some("t"), Some("TABLE")), (Some("v"), Some("VIEW"))]);
    let schema = arrow_flight::IpcMessage(Bytes::copy_from_slice(table.column(4).as_binary::<i32>().value(0)));
    let schema = arrow_schema::Schema::try_from(schema).unwrap();
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), field.data_type().clone(), field.is_nullable()))
        .collect();
    assert_eq!(
        fields,
        [
            ("a", DataType::Int32, false),
            ("b", DataType::Decimal128(5, 1), true),
            ("c", DataType::Utf8, true)
        ]
    );
    let info = client.get_table_types().await.unwrap();
    assert!(fetch(&mut client, info).await.unwrap()[0].num_rows() >= 2);
    let info = client
        .get_sql_info(vec![SqlInfo::FlightSqlServerTransaction])
        .await
        .unwrap();
    assert_eq!(fetch(&mut client, info).await.unwrap()[0].num_rows(), 1);
    let info = client
        .get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: None })
        .await
        .unwrap();
    assert!(fetch(&mut client, info).await.unwrap()[0].num_rows() > 10);
}

#[tokio::test]
async fn a_user_is_the_role_or_refused_and_every_statement_has_its_event() {
    let database = database().await;
    let bus = Bus::in_memory(Limits::default());
    let mut listener = bus.subscribe("weir.*.query.executed", None).await.unwrap();
    let gateway = Gateway::on_bus(bus, &database.url(), &[("default_project", "shop")]).await;
    let mut known = client(&gateway).await;
    let token = known.handshake("postgres", "whatever").await.unwrap();
    assert!(!token.is_empty());
    query(&mut known, "select 'swordfish' as a", None).await.unwrap();
    let mut stranger = client(&gateway).await;
    let refused = stranger.handshake("mallory", "x").await.unwrap_err().to_string();
    assert!(refused.contains("mallory"), "{refused}");
    let mut forged = client(&gateway).await;
    forged.set_token("bm9ib2R5".to_owned());
    assert!(
        query(&mut forged, "select 1", None)
            .await
            .unwrap_err()
            .contains("nobody")
    );
    let mut elsewhere = client(&gateway).await;
    elsewhere.set_header("weir-project", "blog");
    elsewhere.set_header("weir-application", "report");
    query(&mut elsewhere, "select generate_series(1, 7) as a", None)
        .await
        .unwrap();
    drop((known, stranger, forged, elsewhere));
    gateway.stop().await;
    let batches = taken(&mut listener);
    assert!(!format!("{batches:?}").contains("swordfish"));
    let rows: Vec<u64> = events(&batches)
        .iter()
        .filter(|event| event.application == "report")
        .map(|event| event.rows)
        .collect();
    assert_eq!(rows, [0, 7], "one for its description, one for its run");
}
