//! Which statements share a fingerprint, and which must not.

use super::statement;
use crate::{Kind, Limits, analyse};

#[test]
fn the_same_statement_has_one_fingerprint() {
    let rows = [
        (
            "literals",
            "SELECT a FROM t WHERE b = 1",
            "SELECT a FROM t WHERE b = 'x'",
        ),
        (
            "a literal and a parameter",
            "SELECT a FROM t WHERE b = 1",
            "SELECT a FROM t WHERE b = $1",
        ),
        (
            "list lengths",
            "SELECT a FROM t WHERE b IN (1, 2)",
            "SELECT a FROM t WHERE b IN (1, 2, 3, 4, 5)",
        ),
        (
            "a list and its first element",
            "SELECT a FROM t WHERE b IN (1)",
            "SELECT a FROM t WHERE b IN ($1, $2)",
        ),
        (
            "row counts",
            "INSERT INTO t VALUES (1, 'a')",
            "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)",
        ),
        ("white space", "SELECT a FROM t", "  SELECT\n\ta  FROM t  "),
        ("comments", "SELECT a FROM t", "SELECT /* x */ a -- y\nFROM t"),
        ("a semicolon", "SELECT a FROM t", "SELECT a FROM t;"),
        ("letter case", "SELECT a FROM t", "select A from T"),
        ("table aliases", "SELECT a FROM orders x", "SELECT a FROM orders y"),
        ("a limit", "SELECT a FROM t LIMIT 10", "SELECT a FROM t LIMIT 10000000"),
        (
            "a pattern",
            "SELECT a FROM t WHERE b LIKE 'x'",
            "SELECT a FROM t WHERE b LIKE '%'",
        ),
        (
            "settings, however written",
            "SET search_path TO a",
            "set SEARCH_PATH to A",
        ),
        ("savepoints", "SAVEPOINT a", "SAVEPOINT b"),
        ("values set", "SELECT setval('s', 1)", "SELECT setval('s', 2)"),
        ("payloads", "SELECT pg_notify('c', 'a')", "SELECT pg_notify('c', 'b')"),
        ("passwords", "ALTER ROLE a PASSWORD 'x'", "ALTER ROLE a PASSWORD 'y'"),
        (
            "mapped passwords",
            "CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'x')",
            "CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'y')",
        ),
        (
            "passwords that are set",
            "ALTER SERVER s OPTIONS (SET password 'x')",
            "ALTER SERVER s OPTIONS (SET password 'y')",
        ),
        (
            "secrets that are set",
            "ALTER SERVER s OPTIONS (SET secret 'x')",
            "ALTER SERVER s OPTIONS (SET secret 'y')",
        ),
        (
            "passwords of a role named set",
            "ALTER ROLE set PASSWORD 'x'",
            "ALTER ROLE set PASSWORD 'y'",
        ),
        (
            "secrets beside a default",
            "ALTER FOREIGN TABLE f OPTIONS (ADD secret 'x'), ALTER c SET DEFAULT 1",
            "ALTER FOREIGN TABLE f OPTIONS (ADD secret 'y'), ALTER c SET DEFAULT 1",
        ),
        ("unparseable lists", "SELCT a IN (1)", "SELCT a IN (1, 2)"),
        ("unparseable literals", "SELCT 1 FROM t", "selct  'x'  from t -- y"),
    ];
    for (rule, one, other) in rows {
        assert_eq!(
            statement(one).fingerprint,
            statement(other).fingerprint,
            "{rule} must not matter"
        );
    }
}

#[test]
fn different_statements_have_different_fingerprints() {
    let rows = [
        ("schemas", "SELECT a FROM tenant_a.t", "SELECT a FROM tenant_b.t"),
        (
            "schemas written to",
            "INSERT INTO tenant_a.t VALUES (1)",
            "INSERT INTO tenant_b.t VALUES (1)",
        ),
        (
            "schemas deleted from",
            "DELETE FROM tenant_a.t",
            "DELETE FROM tenant_b.t",
        ),
        (
            "tables under one alias",
            "SELECT x.a FROM orders x",
            "SELECT x.a FROM users x",
        ),
        ("numbered tables", "SELECT a FROM t_2024_01", "SELECT a FROM t_2024_02"),
        (
            "settings by function",
            "SELECT set_config('app.project_id', '42', true)",
            "SELECT set_config('role', 'postgres', false)",
        ),
        ("roles", "SET ROLE a", "SET ROLE b"),
        ("search paths", "SET search_path TO a", "SET search_path TO b, c"),
        (
            "setting values",
            "SET statement_timeout = 1000",
            "SET statement_timeout = 0",
        ),
        (
            "a role's settings",
            "ALTER ROLE a SET work_mem TO '1MB'",
            "ALTER ROLE a SET work_mem TO '1GB'",
        ),
        (
            "system settings",
            "ALTER SYSTEM SET fsync TO 'on'",
            "ALTER SYSTEM SET fsync TO 'off'",
        ),
        (
            "blocks",
            "DO $$ BEGIN PERFORM 1; END $$",
            "DO $$ BEGIN PERFORM 2; END $$",
        ),
        (
            "function bodies",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        ),
        (
            "SQL in XML functions",
            "SELECT query_to_xml('select 1', true, true, '')",
            "SELECT query_to_xml('select * from pg_shadow', true, true, '')",
        ),
        (
            "dblink targets",
            "SELECT * FROM dblink('host=a', 'select 1') AS t(a int)",
            "SELECT * FROM dblink('host=b', 'select 1') AS t(a int)",
        ),
        (
            "files read",
            "SELECT pg_read_file('a')",
            "SELECT pg_read_file('/etc/passwd')",
        ),
        (
            "files read, quoted name",
            "SELECT \"pg_read_file\"('a')",
            "SELECT \"pg_read_file\"('/etc/passwd')",
        ),
        (
            "files read, qualified name",
            "SELECT pg_catalog.PG_READ_FILE('a')",
            "SELECT pg_catalog.PG_READ_FILE('b')",
        ),
        (
            "files read, escaped name",
            r#"SELECT U&"\0070g_read_file"('a')"#,
            r#"SELECT U&"\0070g_read_file"('b')"#,
        ),
        (
            "files read, as an attribute",
            "SELECT ('/a'::text).pg_read_file",
            "SELECT ('/b'::text).pg_read_file",
        ),
        ("large objects", "SELECT lo_import('/a')", "SELECT lo_import('/b')"),
        ("exports", "SELECT lo_export(1, '/a')", "SELECT lo_export(1, '/b')"),
        (
            "backends ended",
            "SELECT pg_terminate_backend(1)",
            "SELECT pg_terminate_backend(2)",
        ),
        ("sequences", "SELECT nextval('a')", "SELECT nextval('b')"),
        ("channels", "SELECT pg_notify('a', $1)", "SELECT pg_notify('b', $1)"),
        ("prepared names", "PREPARE a AS SELECT 1", "PREPARE b AS SELECT 1"),
        ("names executed", "EXECUTE a", "EXECUTE b"),
        (
            "names explained",
            "EXPLAIN ANALYZE EXECUTE a",
            "EXPLAIN ANALYZE EXECUTE b",
        ),
        ("copied files", "COPY t FROM '/a'", "COPY t FROM '/b'"),
        ("programs", "COPY t TO PROGRAM 'a'", "COPY t TO PROGRAM 'b'"),
        ("files of a query", "COPY (SELECT 1) TO '/a'", "COPY (SELECT 1) TO '/b'"),
        ("grantees", "GRANT SELECT ON t TO a", "GRANT SELECT ON t TO b"),
        ("altered roles", "ALTER ROLE a SUPERUSER", "ALTER ROLE b SUPERUSER"),
        ("libraries", "LOAD 'a'", "LOAD 'b'"),
        (
            "OR and AND",
            "SELECT 1 FROM t WHERE a OR b",
            "SELECT 1 FROM t WHERE a AND b",
        ),
        ("an extra statement", "SELECT 1", "SELECT 1; DROP TABLE t"),
        (
            "lists and sub-selects",
            "SELECT 1 FROM t WHERE a IN (1)",
            "SELECT 1 FROM t WHERE a IN (SELECT 1)",
        ),
        ("unparseable words", "SELCT a", "SELCT b"),
        ("what does not scan", "SELECT 'a", "SELECT 'b"),
        ("unparsed and parsed", "SELCT a", "SELECT a"),
    ];
    for (rule, one, other) in rows {
        assert_ne!(
            statement(one).fingerprint,
            statement(other).fingerprint,
            "{rule} must matter"
        );
    }
}

#[test]
fn an_ordinary_statement_keeps_the_fingerprint_that_other_tools_give_it() {
    let options = pg_query::FingerprintOptions::RANGEVAR_PG17_COMPAT | pg_query::FingerprintOptions::FULL_RELNAME;
    for sql in [
        "SELECT a FROM s.t WHERE b = $1",
        "UPDATE t SET a = 1",
        "BEGIN",
        "VACUUM t",
    ] {
        let plain = pg_query::fingerprint(sql, 0, options).unwrap().value;
        assert_eq!(statement(sql).fingerprint.get(), plain, "{sql}");
    }
}

#[test]
fn what_lies_a_hundred_levels_deep_still_matters() {
    let chain = |first: &str| format!("SELECT {first}{}", " || b".repeat(150));
    assert!(statement(&chain("a")).parsed);
    assert_ne!(statement(&chain("a")).fingerprint, statement(&chain("c")).fingerprint);
    assert_eq!(statement(&chain("1")).fingerprint, statement(&chain("'x'")).fingerprint);

    let nested = |table: &str| {
        format!(
            "SELECT * FROM {} {table} {}",
            "(SELECT * FROM".repeat(60),
            ") x".repeat(60)
        )
    };
    assert!(statement(&nested("a")).parsed);
    assert_ne!(statement(&nested("a")).fingerprint, statement(&nested("b")).fingerprint);
}

#[test]
fn a_wide_statement_is_not_taken_for_a_deep_one() {
    let wide = |list: &str| {
        let columns = (0..60)
            .map(|n| format!("a{n} = {n} + 1"))
            .collect::<Vec<_>>()
            .join(", ");
        format!("UPDATE t SET {columns} WHERE id IN ({list})")
    };
    let options = pg_query::FingerprintOptions::RANGEVAR_PG17_COMPAT | pg_query::FingerprintOptions::FULL_RELNAME;
    let plain = pg_query::fingerprint(&wide("1"), 0, options).unwrap().value;
    assert_eq!(statement(&wide("1, 2")).fingerprint.get(), plain);
}

#[test]
fn a_large_bulk_insert_has_the_fingerprint_of_a_small_one() {
    let rows = |count: usize| {
        format!(
            "INSERT INTO t (a, b) VALUES (1, now()){}",
            ", (-2, now()), (3, DEFAULT)".repeat(count)
        )
    };
    assert_eq!(statement(&rows(1)).fingerprint, statement(&rows(8000)).fingerprint);
}

#[test]
fn a_statement_over_the_limit_is_known_by_its_hash_only() {
    let limits = Limits {
        statement_bytes_max: 10,
        ..Limits::default()
    };
    let one = analyse("SELECT 'aaaa'", limits);
    assert_eq!(
        (one.text.as_deref(), one.kind, one.writes, one.parsed),
        (None, Kind::Unknown, true, false)
    );
    assert_ne!(one.fingerprint, analyse("SELECT 'bbbb'", limits).fingerprint);
    assert_eq!(one.text_hash, crate::text_hash("SELECT 'aaaa'"));
    assert!(analyse("SELECT 'a'", limits).parsed);
}

#[test]
fn the_exact_identity_holds_for_all_values_and_for_nothing_else() {
    let identity = |sql: &str| statement(sql).identity;
    for (one, other) in [
        ("select a from t where b = 1", "SELECT a\n FROM t /* x */ WHERE b = -2;"),
        ("select a from t where b = 1", "select a from t where b = null"),
        (
            "select a from t where b in (1)",
            "select a from t where b in (-1, $2, 'x')",
        ),
        (
            "insert into t values (1, 'a')",
            "insert into t values (-1, null), (2, 'b')",
        ),
        ("select a from t limit 10", "select a from t limit 20"),
    ] {
        assert_eq!(identity(one), identity(other), "{one} | {other}");
    }
    for (one, other) in [
        ("select a, b from t", "select b, a from t"),
        ("select a from x.t", "select a from y.t"),
        ("select a from t_2024_01", "select a from t_2024_02"),
        ("select a - 1 from t", "select a from t"),
        ("select a - 1 from t", "select 1 from t"),
        ("select a from orders x", "select a from orders y"),
        ("set role a", "set role b"),
        ("set statement_timeout = 1000", "set statement_timeout = 0"),
        (
            "select set_config('role', 'a', true)",
            "select set_config('app.x', 'a', true)",
        ),
        ("select a from t where b = 1", "select a from t where b = 1 or 1 = 1"),
        ("select a from t where b = 1", "select a from t where b = c"),
    ] {
        assert_ne!(identity(one), identity(other), "{one} | {other}");
    }
}
