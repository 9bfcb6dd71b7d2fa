//! Kinds, writes and locks, one row a rule; and the tokens' verdict held against the parse tree's.

use pg_query::NodeEnum;

use super::statement;
use crate::Kind;

/// Statement, kind, writes, locks.
const ROWS: [(&str, Kind, bool, bool); 123] = {
    use Kind::{Copy, Ddl, Delete, Insert, Merge, Select, Transaction, Unknown, Update, Utility};
    [
        ("SELECT a FROM t", Select, false, false),
        ("(SELECT a FROM t) UNION (SELECT b FROM u)", Select, false, false),
        ("VALUES (1), (2)", Select, false, false),
        ("TABLE t", Select, false, false),
        ("WITH x AS (SELECT 1) SELECT * FROM x", Select, false, false),
        (
            "WITH RECURSIVE x(n) AS (SELECT 1 UNION SELECT n + 1 FROM x) SEARCH DEPTH FIRST BY n SET o SELECT * FROM x",
            Select,
            false,
            false,
        ),
        (
            "WITH RECURSIVE x(n) AS (SELECT 1) CYCLE n SET c TO 'Y' DEFAULT 'N' USING p SELECT * FROM x",
            Select,
            false,
            false,
        ),
        (
            "WITH RECURSIVE update(insert) AS (SELECT 1) CYCLE insert SET merge USING delete SELECT * FROM update",
            Select,
            false,
            false,
        ),
        (
            "SELECT a AS insert, b AS update, delete FROM merge",
            Select,
            false,
            false,
        ),
        ("SELECT * INTO u FROM t", Select, true, false),
        ("SELECT 1 INTO u UNION SELECT 2", Select, true, false),
        ("SELECT 1 UNION SELECT 2 INTO u", Select, true, false),
        (
            "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
            Select,
            true,
            false,
        ),
        (
            "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x",
            Select,
            true,
            false,
        ),
        (
            "WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x",
            Select,
            true,
            false,
        ),
        (
            "WITH x AS (MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE RETURNING *) SELECT * FROM x",
            Select,
            true,
            false,
        ),
        (
            "WITH x AS (WITH y AS (DELETE FROM t RETURNING *) SELECT * FROM y) SELECT * FROM x",
            Select,
            true,
            false,
        ),
        ("SELECT a FROM t FOR UPDATE", Select, false, true),
        ("SELECT a FROM t FOR NO KEY UPDATE SKIP LOCKED", Select, false, true),
        ("SELECT a FROM t FOR SHARE", Select, false, true),
        ("SELECT a FROM t FOR KEY SHARE", Select, false, true),
        ("SELECT * FROM (SELECT a FROM t FOR UPDATE) x", Select, false, true),
        ("SELECT substring(a FOR 2) FROM t", Select, false, false),
        ("SELECT pg_advisory_xact_lock(1)", Select, false, true),
        ("SELECT pg_try_advisory_lock(1)", Select, false, true),
        ("SELECT nextval('s')", Select, true, false),
        ("SELECT NextVal ('s')", Select, true, false),
        ("SELECT \"setval\"('s', 1)", Select, true, false),
        ("SELECT U&\"nextva\\006c\"('s')", Select, true, false),
        ("SELECT pg_catalog.set_config('a.b', 'c', true)", Select, true, false),
        ("SELECT 1 ORDER BY nextval('s')", Select, true, false),
        ("VALUES (nextval('s'))", Select, true, false),
        ("SELECT lo_create(0)", Select, true, false),
        ("SELECT lo_unlink(1)", Select, true, false),
        ("SELECT dblink_exec('a', 'b')", Select, true, false),
        (
            "SELECT * FROM dblink('a', 'delete from t') AS t(a int)",
            Select,
            true,
            false,
        ),
        ("SELECT pg_notify('a', 'b')", Select, true, false),
        ("SELECT pg_terminate_backend(1)", Select, true, false),
        (
            "SELECT query_to_xml('delete from t', true, true, '')",
            Select,
            true,
            false,
        ),
        ("SELECT ('s'::regclass).nextval", Select, true, false),
        ("SELECT (1::bigint).pg_advisory_lock", Select, false, true),
        ("SELECT nextval FROM t", Select, false, false),
        ("SELECT lower(a), count(*) FROM t", Select, false, false),
        ("INSERT INTO t VALUES (1)", Insert, true, false),
        ("INSERT INTO t SELECT * FROM u FOR SHARE", Insert, true, true),
        (
            "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
            Insert,
            true,
            false,
        ),
        ("UPDATE t SET a = 1", Update, true, false),
        (
            "WITH x AS (SELECT 1), delete AS (SELECT 2) UPDATE t SET a = 1",
            Update,
            true,
            false,
        ),
        ("DELETE FROM t", Delete, true, false),
        (
            "WITH x AS (INSERT INTO u VALUES (1) RETURNING *) DELETE FROM t",
            Delete,
            true,
            false,
        ),
        (
            "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
            Merge,
            true,
            false,
        ),
        (
            "WITH x AS (SELECT 1) MERGE INTO t USING x ON true WHEN MATCHED THEN DELETE",
            Merge,
            true,
            false,
        ),
        ("COPY t FROM STDIN", Copy, true, false),
        ("COPY t (a, b) FROM '/f' WITH (FORMAT csv)", Copy, true, false),
        ("COPY t TO STDOUT", Copy, false, false),
        ("COPY t TO '/f'", Copy, true, false),
        ("COPY t TO PROGRAM 'p'", Copy, true, false),
        ("COPY (SELECT a FROM t) TO STDOUT", Copy, false, false),
        ("COPY (SELECT a FROM t FOR UPDATE) TO STDOUT", Copy, false, true),
        ("COPY (SELECT nextval('s')) TO STDOUT", Copy, true, false),
        ("COPY (DELETE FROM t RETURNING *) TO STDOUT", Copy, true, false),
        (
            "COPY (WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x) TO STDOUT",
            Copy,
            true,
            false,
        ),
        ("EXPLAIN SELECT 1", Utility, false, false),
        ("EXPLAIN (SELECT 1)", Utility, false, false),
        ("EXPLAIN (SELECT \"analyze\" FROM t)", Utility, false, false),
        ("EXPLAIN DELETE FROM t", Utility, false, false),
        ("EXPLAIN (VERBOSE, COSTS off) DELETE FROM t", Utility, false, false),
        ("EXPLAIN (ANALYZE off) DELETE FROM t", Utility, false, false),
        ("EXPLAIN (ANALYZE 'false') DELETE FROM t", Utility, false, false),
        ("EXPLAIN ANALYZE SELECT 1", Utility, false, false),
        ("EXPLAIN ANALYZE SELECT a FROM t FOR UPDATE", Utility, false, true),
        ("EXPLAIN ANALYZE DELETE FROM t", Utility, true, false),
        ("EXPLAIN ANALYZE VERBOSE DELETE FROM t", Utility, true, false),
        ("EXPLAIN (BUFFERS, ANALYZE) DELETE FROM t", Utility, true, false),
        ("EXPLAIN (ANALYZE true, BUFFERS) DELETE FROM t", Utility, true, false),
        (
            "EXPLAIN (\"analyze\" on) WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
            Utility,
            true,
            false,
        ),
        ("EXPLAIN ANALYZE CREATE TABLE u AS SELECT 1", Utility, true, false),
        ("EXPLAIN ANALYZE EXECUTE a", Utility, true, false),
        ("PREPARE a AS SELECT 1", Utility, false, false),
        ("PREPARE a (int) AS DELETE FROM t", Utility, true, false),
        (
            "PREPARE a AS WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
            Utility,
            true,
            false,
        ),
        ("EXECUTE a(1)", Utility, true, false),
        ("DEALLOCATE a", Utility, false, false),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t", Utility, false, false),
        ("DECLARE c CURSOR FOR SELECT a FROM t FOR UPDATE", Utility, false, true),
        ("DECLARE c CURSOR FOR SELECT nextval('s')", Utility, true, false),
        ("FETCH 10 FROM c", Utility, false, false),
        ("CLOSE c", Utility, false, false),
        ("DO $$ BEGIN END $$", Utility, true, false),
        ("CALL p(1)", Utility, true, false),
        ("SET a.b TO 'c'", Utility, false, false),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Utility, false, false),
        ("RESET ALL", Utility, false, false),
        ("SHOW work_mem", Utility, false, false),
        ("LISTEN a", Utility, false, false),
        ("NOTIFY a, 'b'", Utility, true, false),
        ("LOCK TABLE t", Utility, false, true),
        ("VACUUM t", Utility, true, false),
        ("ANALYZE t", Utility, true, false),
        ("REINDEX TABLE t", Utility, true, false),
        ("CHECKPOINT", Utility, true, false),
        ("LOAD 'a'", Utility, true, false),
        ("CREATE TABLE t (a int)", Ddl, true, false),
        ("CREATE TABLE u AS SELECT * FROM t", Ddl, true, false),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
            Ddl,
            true,
            false,
        ),
        ("CREATE POLICY p ON t FOR UPDATE USING (true)", Ddl, true, false),
        ("ALTER TABLE t ADD b int", Ddl, true, false),
        ("DROP TABLE t", Ddl, true, false),
        ("TRUNCATE t", Ddl, true, false),
        ("COMMENT ON TABLE t IS 'a'", Ddl, true, false),
        ("GRANT SELECT ON t TO a", Ddl, true, false),
        ("REFRESH MATERIALIZED VIEW v", Ddl, true, false),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", Transaction, false, false),
        ("END", Transaction, false, false),
        ("ROLLBACK TO SAVEPOINT a", Transaction, false, false),
        ("RELEASE a", Transaction, false, false),
        ("PREPARE TRANSACTION 'a'", Transaction, true, false),
        ("COMMIT PREPARED 'a'", Transaction, true, false),
        ("", Unknown, false, false),
        ("-- nothing", Unknown, false, false),
        ("SELCT 1", Unknown, true, false),
        ("SELECT ?", Unknown, true, false),
        ("SELECT 'open", Unknown, true, false),
    ]
};

#[test]
fn each_statement_is_known_for_what_it_does() {
    for (sql, kind, writes, locks) in ROWS {
        let found = statement(sql);
        assert_eq!((found.kind, found.writes, found.locks), (kind, writes, locks), "{sql}");
    }
}

#[test]
fn of_several_statements_the_first_that_does_something_names_the_kind() {
    let rows = [
        ("BEGIN; SELECT 1; COMMIT", Kind::Select, false),
        ("BEGIN; UPDATE t SET a = 1; SELECT 1; COMMIT", Kind::Update, true),
        ("BEGIN; COMMIT", Kind::Transaction, false),
        ("SELECT 1; DROP TABLE t", Kind::Select, true),
        (";;SELECT 1", Kind::Select, false),
        (
            "SELECT update FROM t; EXPLAIN ANALYZE WITH x AS (DELETE FROM t RETURNING *) SELECT 1",
            Kind::Select,
            true,
        ),
    ];
    for (sql, kind, writes) in rows {
        let found = statement(sql);
        assert_eq!((found.kind, found.writes), (kind, writes), "{sql}");
    }
}

#[test]
fn a_statement_too_deep_for_the_tree_is_judged_by_its_words() {
    let chain = "a || ".repeat(100);
    assert!(!statement(&format!("SELECT {chain} b FROM t")).writes);
    assert!(!statement(&format!("SELECT {chain} b FROM t FOR UPDATE")).writes);
    assert!(!statement(&format!("SELECT {chain} b FROM t FOR NO KEY UPDATE")).writes);
    assert!(statement(&format!("SELECT {chain} nextval('s') FROM t")).writes);
    assert!(
        statement(&format!(
            "WITH x AS (DELETE FROM t RETURNING *) SELECT {chain} b FROM x"
        ))
        .writes
    );
    assert!(
        statement(&format!("SELECT {chain} update FROM t")).writes,
        "a doubt counts as a write"
    );
}

/// The kind by the parse tree's top, written down independently of the tokens' rules.
fn by_tree(sql: &str) -> Option<Kind> {
    let tree = pg_query::parse(sql, 0).ok()?.protobuf;
    let top = tree.stmts.first()?.stmt.as_ref()?.node.as_ref()?;
    Some(match top {
        NodeEnum::SelectStmt(_) => Kind::Select,
        NodeEnum::InsertStmt(_) => Kind::Insert,
        NodeEnum::UpdateStmt(_) => Kind::Update,
        NodeEnum::DeleteStmt(_) => Kind::Delete,
        NodeEnum::MergeStmt(_) => Kind::Merge,
        NodeEnum::CopyStmt(_) => Kind::Copy,
        NodeEnum::TransactionStmt(_) => Kind::Transaction,
        NodeEnum::ExplainStmt(_)
        | NodeEnum::PrepareStmt(_)
        | NodeEnum::ExecuteStmt(_)
        | NodeEnum::DeallocateStmt(_)
        | NodeEnum::DeclareCursorStmt(_)
        | NodeEnum::FetchStmt(_)
        | NodeEnum::ClosePortalStmt(_)
        | NodeEnum::DoStmt(_)
        | NodeEnum::CallStmt(_)
        | NodeEnum::VariableSetStmt(_)
        | NodeEnum::VariableShowStmt(_)
        | NodeEnum::ListenStmt(_)
        | NodeEnum::NotifyStmt(_)
        | NodeEnum::LockStmt(_)
        | NodeEnum::VacuumStmt(_)
        | NodeEnum::ReindexStmt(_)
        | NodeEnum::CheckPointStmt(_)
        | NodeEnum::LoadStmt(_) => Kind::Utility,
        _ => Kind::Ddl,
    })
}

#[test]
fn tokens_and_tree_agree_on_every_kind() {
    for (sql, kind, ..) in ROWS {
        assert_eq!(by_tree(sql).unwrap_or(Kind::Unknown), kind, "{sql}");
    }
}

#[test]
fn a_kind_is_written_as_a_label() {
    assert_eq!(Kind::Select.to_string(), "select");
    assert_eq!(Kind::Ddl.as_str(), "ddl");
}
