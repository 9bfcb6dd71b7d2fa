//! Values there and back.

use tonic::Code;
use weir_proto::common::v1::value::Kind;
use weir_proto::common::v1::{Array, Null, TypedText, Value};
use weir_proto::gateway::v1::ExecuteRequest;

use crate::gateway::{Gateway, assert_refused, database, only_value, parameter, request};

fn typed(type_name: &str, text: &str) -> Kind {
    Kind::Typed(TypedText {
        type_name: type_name.to_owned(),
        text: text.to_owned(),
    })
}

fn array(elements: impl IntoIterator<Item = Kind>) -> Kind {
    let elements = elements.into_iter().map(|kind| Value { kind: Some(kind) }).collect();
    Kind::Array(Array { elements })
}

fn text(text: &str) -> Kind {
    Kind::Text(text.to_owned())
}

fn numeric(text: &str) -> Kind {
    Kind::Numeric(text.to_owned())
}

const NULL: Kind = Kind::Null(Null {});

/// A value and the name of its type.
fn samples() -> Vec<(&'static str, Kind)> {
    let digits = format!("{}.{}", "123456789".repeat(6), "0".repeat(30));
    let awkward = "a\"b\\c,{d} 'e' NULL\n\tü€😀";
    vec![
        ("bool", Kind::Bool(true)),
        ("bool", Kind::Bool(false)),
        ("int2", Kind::Int64(-32_768)),
        ("integer", Kind::Int64(2_147_483_647)),
        ("bigint", Kind::Int64(i64::MIN)),
        ("oid", Kind::Int64(4_294_967_295)),
        ("real", Kind::Double(0.1)),
        ("double precision", Kind::Double(f64::MIN_POSITIVE)),
        ("float8", Kind::Double(f64::MAX)),
        ("float8", Kind::Double(f64::NEG_INFINITY)),
        ("numeric", numeric(&digits)),
        ("numeric", numeric("NaN")),
        ("numeric", numeric("-Infinity")),
        ("text", text(awkward)),
        ("text", text("")),
        ("varchar", text("v")),
        ("name", text("n")),
        ("bytea", Kind::Bytes((0..=255).collect::<Vec<u8>>().into())),
        ("bytea", Kind::Bytes(Vec::new().into())),
        ("json", Kind::Json("{\"a\" :  [1, null]}".to_owned())),
        ("jsonb", Kind::Json("{\"a\": [1, null]}".to_owned())),
        ("uuid", typed("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("timestamptz", typed("timestamptz", "2024-02-29 23:59:59.123456+00")),
        ("date", typed("date", "infinity")),
        ("interval", typed("interval", "1 year 2 mons -3 days +04:05:06.7")),
        ("int4range", typed("int4range", "[1,5)")),
        ("inet", typed("inet", "10.0.0.0/8")),
        ("int4[]", array([])),
        ("_int4", array([Kind::Int64(1), NULL, Kind::Int64(-3)])),
        (
            "int8[]",
            array([
                array([Kind::Int64(1), Kind::Int64(2)]),
                array([Kind::Int64(3), Kind::Int64(4)]),
            ]),
        ),
        ("text[]", array([text(awkward), text(""), text("NULL"), NULL])),
        ("bool[]", array([Kind::Bool(true), Kind::Bool(false)])),
        ("float8[]", array([Kind::Double(1e-300), Kind::Double(f64::INFINITY)])),
        ("numeric[]", array([numeric("0.10")])),
        ("bytea[]", array([Kind::Bytes(vec![0, 92, 34].into()), NULL])),
        ("jsonb[]", array([Kind::Json("{\"a\": \"b,c\"}".to_owned())])),
        ("date[]", array([typed("date", "2024-02-29")])),
        ("text", NULL),
        ("int4[]", NULL),
    ]
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_was_sent() {
    let gateway = Gateway::start(&database().await.url(), &[]).await;
    for (type_name, kind) in samples() {
        let asked = ExecuteRequest {
            parameters: vec![parameter(kind.clone(), type_name)],
            ..request("select $1")
        };
        let answer = gateway.execute(asked).await.unwrap();
        assert_eq!(only_value(&answer), kind, "{type_name}");
    }
    let Kind::Double(number) = gateway.value("select 'NaN'::float8").await else {
        panic!("no number");
    };
    assert!(number.is_nan());
}

#[tokio::test]
async fn what_is_no_plain_value_keeps_its_text_and_columns_have_names() {
    let database = database().await;
    database.psql("create type mood as enum ('sad', 'happy')").await;
    let gateway = Gateway::start(&database.url(), &[]).await;
    let answer = gateway
        .run("select 'happy'::mood as m, '[0:1]={1,2}'::int4[] as a, row(1, 'x') as r, null::int as n, 7::int as i")
        .await
        .unwrap();
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["m", "a", "r", "n", "i"]);
    let values: Vec<Kind> = answer.rows[0].values.iter().map(|v| v.kind.clone().unwrap()).collect();
    let mood = answer.columns[0].type_oid.to_string();
    let expected = [
        typed(&mood, "happy"),
        typed("_int4", "[0:1]={1,2}"),
        typed("2249", "(1,x)"),
        NULL,
        Kind::Int64(7),
    ];
    assert_eq!(values, expected);
    assert_eq!(
        (
            answer.columns[0].type_name.as_str(),
            answer.columns[4].type_name.as_str()
        ),
        (mood.as_str(), "int4")
    );
}

#[tokio::test]
async fn what_values_look_like_does_not_depend_on_the_database() {
    let database = database().await;
    let name = database.name();
    for setting in [
        "datestyle = 'German'",
        "intervalstyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = -10",
    ] {
        database.psql(&format!("alter database {name} set {setting}")).await;
    }
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    // The reset between the two rounds must not bring the database's settings back.
    for _ in 0..2 {
        assert_eq!(
            gateway.value("select date '2024-02-29'").await,
            typed("date", "2024-02-29")
        );
        assert_eq!(
            gateway.value("select interval '1 day'").await,
            typed("interval", "1 day")
        );
        assert_eq!(
            gateway.value("select '\\x00ff'::bytea").await,
            Kind::Bytes(vec![0, 255].into())
        );
        assert_eq!(gateway.value("select 0.1::float8 + 0.2").await, Kind::Double(0.1 + 0.2));
        gateway.run("set work_mem = '1MB'").await.unwrap();
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_are_refused_in_words() {
    let gateway = Gateway::start(&database().await.url(), &[]).await;
    let with = |kind, type_name| ExecuteRequest {
        parameters: vec![parameter(kind, type_name)],
        ..request("select $1")
    };
    let refused = gateway.execute(with(Kind::Int64(1), "no_such_type")).await;
    let status = assert_refused(refused, Code::InvalidArgument, "parameter-invalid");
    assert!(status.message().contains("$1") && status.message().contains("no_such_type"));
    let refused = gateway.execute(with(text("a\0b"), "text")).await;
    assert_refused(refused, Code::InvalidArgument, "parameter-invalid");
    let refused = gateway.execute(with(text("one"), "int4")).await;
    let status = assert_refused(refused, Code::InvalidArgument, "postgres-invalid-input");
    assert_eq!(status.metadata().get("weir-sqlstate").unwrap(), "22P02");
    let refused = gateway.run("select $1::int").await;
    assert_refused(refused, Code::InvalidArgument, "postgres-invalid-input");
    for wrong in [
        ExecuteRequest {
            project: "No Project".to_owned(),
            ..request("select 1")
        },
        ExecuteRequest {
            database: "d".repeat(64),
            ..request("select 1")
        },
        request("select 1\0"),
    ] {
        assert_refused(gateway.execute(wrong).await, Code::InvalidArgument, "request-invalid");
    }
    let pool = gateway.pool().await;
    assert_eq!(pool.opened_total, u64::from(pool.total), "a connection was lost");
}

#[tokio::test]
async fn what_a_statement_did_is_told() {
    let gateway = Gateway::start(&database().await.url(), &[]).await;
    let made = gateway.run("create table t (a int)").await.unwrap();
    assert_eq!(
        (made.rows_affected, made.command_tag.as_str(), made.columns.len()),
        (0, "CREATE TABLE", 0)
    );
    let put = gateway.run("insert into t select generate_series(1, 5)").await.unwrap();
    assert_eq!((put.rows_affected, put.command_tag.as_str()), (5, "INSERT 0 5"));
    let shown = gateway.run("explain select * from t").await.unwrap();
    assert_eq!((shown.rows_affected, shown.command_tag.as_str()), (0, "EXPLAIN"));
    let cut = ExecuteRequest {
        max_rows: 2,
        ..request("update t set a = a + 10 returning a")
    };
    let cut = gateway.execute(cut).await.unwrap();
    assert_eq!((cut.rows.len(), cut.truncated, cut.rows_affected), (2, true, 5));
    assert_eq!(
        gateway.value("select min(a) from t").await,
        Kind::Int64(11),
        "the limit undid the write"
    );
    let whole = ExecuteRequest {
        max_rows: 5,
        ..request("select a from t")
    };
    let whole = gateway.execute(whole).await.unwrap();
    assert_eq!((whole.rows.len(), whole.truncated), (5, false));
    assert!(whole.timing.unwrap().total_us >= whole.timing.unwrap().server_us && whole.fingerprint.len() == 16);
}
