//! The simple protocol, notices, and rows by column name.

use weir_model::{Coded as _, ErrorClass};
use weir_upstream::Error;

use crate::{connected, rows, works};

#[tokio::test]
async fn several_statements_give_their_rows_one_after_the_other() {
    let (mut connection, _database) = connected().await;
    let sql = "create table t (n int); insert into t values (1), (2); select n, null as m from t order by n; ; select 'x' as s";
    let found = connection.simple_query(sql).await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(
        (found[1].columns(), found[1].get("n"), found[1].get("m")),
        (&["n".to_owned(), "m".to_owned()][..], Some("2"), None)
    );
    assert_eq!(found[2].get("s"), Some("x"));
    works(&mut connection).await;
}

#[tokio::test]
async fn an_error_undoes_all_statements_of_one_call() {
    let (mut connection, database) = connected().await;
    let error = connection
        .simple_query("create table t (); select 1/0; select 2")
        .await
        .unwrap_err();
    assert_eq!(error.server().unwrap().sqlstate, "22012");
    assert_eq!(database.psql("select to_regclass('t')").await, "");
    works(&mut connection).await;
}

#[tokio::test]
async fn columns_are_read_by_name_and_kind() {
    let (mut connection, _database) = connected().await;
    let found = connection
        .simple_query("select 7 as i, 1.5 as f, true as b, null as z, 'x' as s")
        .await
        .unwrap();
    let row = &found[0];
    assert_eq!(
        (row.parse::<i64>("i").unwrap(), row.parse::<f64>("f").unwrap()),
        (7, 1.5)
    );
    assert!(row.flag("b").unwrap());
    assert_eq!(row.text("s").unwrap(), "x");
    for (result, said) in [
        (row.text("z").map(drop), "column z of the result is null"),
        (row.text("missing").map(drop), "column missing of the result is missing"),
        (
            row.parse::<i64>("s").map(drop),
            "column s of the result has a value of another type than expected",
        ),
        (row.flag("i").map(drop), "column i of the result is no boolean"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.to_string(), said);
        assert_eq!((error.class(), error.slug()), (ErrorClass::Internal, "upstream-column"));
    }
}

#[tokio::test]
async fn notices_are_kept_until_the_next_statement() {
    let (mut connection, _database) = connected().await;
    let sql = "do $$ begin raise notice 'a % b', 1 using hint = 'look'; raise warning E'two\\nlines'; end $$";
    rows(&mut connection, sql).await.unwrap();
    let notices = connection.take_notices();
    let found: Vec<_> = notices
        .iter()
        .map(|notice| (notice.severity.as_str(), notice.message.as_str()))
        .collect();
    assert_eq!(found, [("NOTICE", "a 1 b"), ("WARNING", "two\nlines")]);
    assert_eq!(notices[0].hint.as_deref(), Some("look"));
    assert_eq!(notices[1].to_string(), "two lines (SQLSTATE 01000)");
    assert!(connection.take_notices().is_empty());
    rows(&mut connection, sql).await.unwrap();
    works(&mut connection).await;
    assert!(
        connection.take_notices().is_empty(),
        "notices of an older statement were kept"
    );
}

#[tokio::test]
async fn notices_without_end_are_kept_up_to_a_bound() {
    let (mut connection, _database) = connected().await;
    let sql = "do $$ begin for n in 1..1000 loop raise notice '% %', n, repeat('x', 10000); end loop; end $$";
    rows(&mut connection, sql).await.unwrap();
    let notices = connection.take_notices();
    assert_eq!(notices.len(), 32);
    assert!(notices[31].message.starts_with("1000 xxx") && notices[31].message.len() < 5000);
}

#[tokio::test]
async fn more_than_can_be_held_is_refused() {
    let (mut connection, _database) = connected().await;
    let sql = "select repeat('x', 1000000) from generate_series(1, 70)";
    let error = connection.simple_query(sql).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { what: "reply", .. }), "{error}");
    assert!(connection.is_broken());
}
