//! Deeds, one row a rule: spellings of each, and texts that only look like one.

use super::statement;
use crate::Deed;

fn deeds(sql: &str) -> Vec<Deed> {
    let found = statement(sql);
    assert!(found.parsed, "{sql}");
    found.deeds.into_vec()
}

fn check(rows: &[(&str, &[Deed])]) {
    for (sql, expected) in rows {
        assert_eq!(deeds(sql), *expected, "{sql}");
    }
}

fn set(name: &str, local: bool, text: &str) -> Deed {
    Deed::Set {
        name: name.into(),
        local,
        text: text.into(),
    }
}

fn reset(name: &str, text: &str) -> Deed {
    Deed::Reset {
        name: name.into(),
        text: text.into(),
    }
}

fn set_config(name: Option<&str>, value: Option<&str>, local: Option<bool>) -> Deed {
    Deed::SetConfig {
        name: name.map(Into::into),
        value: value.map(Into::into),
        local,
    }
}

fn calls(function: &str) -> Deed {
    Deed::Calls {
        function: function.into(),
    }
}

#[test]
fn transactions() {
    use Deed::{Begin, Commit, PrepareTransaction, Release, Rollback, RollbackTo, Savepoint};
    check(&[
        ("BEGIN", &[Begin]),
        ("begin /* x */ work", &[Begin]),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY", &[Begin]),
        ("BEGIN; BEGIN", &[Begin, Begin]),
        ("COMMIT", &[Commit { chain: false }]),
        ("END TRANSACTION", &[Commit { chain: false }]),
        ("commit work and chain", &[Commit { chain: true }]),
        ("COMMIT AND NO CHAIN", &[Commit { chain: false }]),
        ("ROLLBACK", &[Rollback { chain: false }]),
        ("ABORT AND CHAIN", &[Rollback { chain: true }]),
        ("SAVEPOINT a", &[Savepoint]),
        ("ROLLBACK TO a", &[RollbackTo]),
        ("ROLLBACK WORK TO SAVEPOINT \"to\"", &[RollbackTo]),
        ("RELEASE SAVEPOINT chain", &[Release]),
        ("PREPARE TRANSACTION 'a'", &[PrepareTransaction]),
        ("COMMIT PREPARED 'a'", &[]),
        ("ROLLBACK PREPARED 'a'", &[]),
        ("BEGIN; SELECT 1; COMMIT; SELECT 2", &[Begin, Commit { chain: false }]),
    ]);
}

#[test]
fn settings() {
    check(&[
        ("SET a TO 1", &[set("a", false, "SET a TO 1")]),
        (
            "  set  Work_Mem = '1MB' ; ",
            &[set("work_mem", false, "set Work_Mem = '1MB'")],
        ),
        ("SET/**/a=1--x", &[set("a", false, "SET a=1")]),
        (
            "SET SESSION \"App.User\" = 'x', 'y'",
            &[set("app.user", false, "SET SESSION \"App.User\" = 'x', 'y'")],
        ),
        (
            "SET LOCAL app.\"user\" TO 'x''y'",
            &[set("app.user", true, "SET LOCAL app.\"user\" TO 'x''y'")],
        ),
        ("SET session.x TO 1", &[set("session.x", false, "SET session.x TO 1")]),
        ("SET session = 1", &[set("session", false, "SET session = 1")]),
        ("SET local.x = 1", &[set("local.x", false, "SET local.x = 1")]),
        ("SET x FROM CURRENT", &[set("x", false, "SET x FROM CURRENT")]),
        ("SET TIME ZONE 'UTC'", &[set("timezone", false, "SET TIME ZONE 'UTC'")]),
        (
            "SET LOCAL TIME ZONE -7",
            &[set("timezone", true, "SET LOCAL TIME ZONE -7")],
        ),
        ("SET TIME ZONE LOCAL", &[reset("timezone", "SET TIME ZONE LOCAL")]),
        ("SET TIME ZONE DEFAULT", &[reset("timezone", "SET TIME ZONE DEFAULT")]),
        ("SET NAMES 'utf8'", &[set("client_encoding", false, "SET NAMES 'utf8'")]),
        ("SET NAMES", &[reset("client_encoding", "SET NAMES")]),
        ("SET names = 1", &[set("names", false, "SET names = 1")]),
        (
            "SET SESSION AUTHORIZATION a",
            &[set("session_authorization", false, "SET SESSION AUTHORIZATION a")],
        ),
        (
            "SET LOCAL SESSION AUTHORIZATION a",
            &[set("session_authorization", true, "SET LOCAL SESSION AUTHORIZATION a")],
        ),
        (
            "SET SESSION AUTHORIZATION DEFAULT",
            &[reset("session_authorization", "SET SESSION AUTHORIZATION DEFAULT")],
        ),
        ("SET ROLE a", &[set("role", false, "SET ROLE a")]),
        ("SET LOCAL ROLE NONE", &[set("role", true, "SET LOCAL ROLE NONE")]),
        ("SET role TO a", &[set("role", false, "SET role TO a")]),
        ("SET SCHEMA 'a'", &[set("search_path", false, "SET SCHEMA 'a'")]),
        (
            "SET XML OPTION DOCUMENT",
            &[set("xmloption", false, "SET XML OPTION DOCUMENT")],
        ),
        ("SET TRANSACTION READ ONLY", &[]),
        ("SET LOCAL TRANSACTION ISOLATION LEVEL SERIALIZABLE", &[]),
        ("SET CONSTRAINTS ALL DEFERRED", &[]),
        ("SET SEED TO 0.5", &[Deed::Seed]),
        ("SELECT setseed(0.5)", &[Deed::Seed]),
        ("SELECT (0.5).setseed", &[Deed::Seed]),
        ("SET a TO DEFAULT", &[reset("a", "SET a TO DEFAULT")]),
        ("SET LOCAL a = DEFAULT", &[set("a", true, "SET LOCAL a = DEFAULT")]),
        ("SET a TO 'default'", &[set("a", false, "SET a TO 'default'")]),
        ("RESET A.b", &[reset("a.b", "RESET A.b")]),
        ("RESET ALL", &[Deed::ResetAll]),
        ("RESET \"all\"", &[reset("all", "RESET \"all\"")]),
        ("RESET TIME ZONE", &[reset("timezone", "RESET TIME ZONE")]),
        (
            "RESET SESSION AUTHORIZATION",
            &[reset("session_authorization", "RESET SESSION AUTHORIZATION")],
        ),
        ("SHOW a", &[]),
        ("UPDATE t SET a = 1", &[]),
        ("SELECT 'SET a TO 1', \"set\" FROM \"reset\" -- SET a TO 1", &[]),
        ("ALTER ROLE r SET a TO 1", &[Deed::Definitions]),
        (
            "SET a = 1; SELECT 1; RESET a;",
            &[set("a", false, "SET a = 1"), reset("a", "RESET a")],
        ),
    ]);
}

#[test]
fn settings_by_function() {
    check(&[
        (
            "SELECT set_config('A.b', 'it''s', true)",
            &[set_config(Some("a.b"), Some("it's"), Some(true))],
        ),
        (
            "SELECT a FROM t WHERE pg_catalog . \"set_config\" ('a', $1, 'f') IS NULL",
            &[set_config(Some("a"), None, Some(false))],
        ),
        (
            "SELECT set_config(name, E'x', b) FROM t",
            &[set_config(None, None, None)],
        ),
        (
            "SELECT set_config('a', is_local => true, new_value => 'x')",
            &[set_config(Some("a"), None, None)],
        ),
        (
            "SELECT set_config('a' || 'b', lower('x,y'), NOT true)",
            &[set_config(None, None, None)],
        ),
        (
            "SELECT set_config('a'\n'b', 'c', false)",
            &[set_config(None, Some("c"), Some(false))],
        ),
        (
            "INSERT INTO t SELECT set_config('a', 'b', false)",
            &[set_config(Some("a"), Some("b"), Some(false))],
        ),
        (
            "WITH x AS (SELECT set_config('a', 'b', true)) SELECT * FROM x",
            &[set_config(Some("a"), Some("b"), Some(true))],
        ),
        ("SELECT set_config, 'set_config(1)' FROM t", &[]),
        ("SELECT app.set_config('a', 'b', true)", &[calls("app.set_config")]),
    ]);
}

#[test]
fn prepared_statements() {
    let prepare = |name: &str| Deed::Prepare { name: name.into() };
    let execute = |name: &str| Deed::Execute { name: name.into() };
    let deallocate = |name: &str| Deed::Deallocate { name: name.into() };
    check(&[
        ("PREPARE A AS SELECT 1", &[prepare("a")]),
        (
            "PREPARE \"A\"\"b\" (int, text) AS INSERT INTO t VALUES ($1, $2)",
            &[prepare("A\"b")],
        ),
        (
            "PREPARE a AS SELECT set_config('a', $1, false)",
            &[prepare("a"), set_config(Some("a"), None, Some(false))],
        ),
        ("PREPARE transaction AS SELECT 1", &[prepare("transaction")]),
        ("EXECUTE A", &[execute("a")]),
        ("EXECUTE a(app.f(1))", &[execute("a"), calls("app.f")]),
        ("CREATE TABLE t AS EXECUTE a(1)", &[Deed::Creates, execute("a")]),
        ("CREATE TEMP TABLE t (x) AS EXECUTE a", &[Deed::Temporary, execute("a")]),
        ("EXPLAIN EXECUTE a", &[execute("a")]),
        ("EXPLAIN ANALYZE EXECUTE a(1)", &[execute("a"), Deed::Opaque]),
        ("EXPLAIN (ANALYZE, COSTS off) EXECUTE a", &[execute("a"), Deed::Opaque]),
        ("DEALLOCATE A", &[deallocate("a")]),
        ("DEALLOCATE PREPARE \"A\"", &[deallocate("A")]),
        ("DEALLOCATE prepare", &[deallocate("prepare")]),
        ("DEALLOCATE ALL", &[Deed::DeallocateAll]),
        ("DEALLOCATE PREPARE ALL", &[Deed::DeallocateAll]),
        ("DEALLOCATE \"all\"", &[deallocate("all")]),
        ("SELECT prepare, execute FROM t", &[]),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()",
            &[Deed::Definitions],
        ),
    ]);
}

#[test]
fn what_a_session_keeps() {
    use Deed::{
        AdvisoryLock, AdvisoryUnlock, CloseAll, DeclareCursor, DiscardAll, DiscardPlans, DiscardSequences, DiscardTemp,
        HoldCursor, Listen, Load, Notify, Opaque, SequenceRead, Unlisten,
    };
    check(&[
        ("LISTEN a", &[Listen]),
        ("listen \"A\"", &[Listen]),
        ("UNLISTEN a", &[Unlisten { all: false }]),
        ("UNLISTEN *", &[Unlisten { all: true }]),
        ("NOTIFY a, 'b'", &[Notify]),
        ("SELECT pg_notify('a', 'b')", &[Notify]),
        ("SELECT 'listen', listen FROM notify", &[]),
        ("DECLARE c CURSOR FOR SELECT 1", &[DeclareCursor]),
        ("DECLARE hold CURSOR WITHOUT HOLD FOR SELECT 1", &[DeclareCursor]),
        (
            "declare c scroll cursor with /**/ hold for select lastval()",
            &[HoldCursor, SequenceRead],
        ),
        (
            "DECLARE c CURSOR FOR WITH hold AS (SELECT 1) SELECT 1",
            &[DeclareCursor],
        ),
        ("FETCH 1 FROM c", &[]),
        ("CLOSE c", &[]),
        ("CLOSE \"all\"", &[]),
        ("CLOSE ALL", &[CloseAll]),
        ("SELECT pg_advisory_lock(1)", &[AdvisoryLock]),
        ("SELECT pg_try_advisory_lock_shared(1, 2) FROM t", &[AdvisoryLock]),
        ("SELECT (1::bigint).pg_advisory_lock", &[AdvisoryLock]),
        (
            "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(1)",
            &[],
        ),
        ("SELECT pg_advisory_unlock(1)", &[AdvisoryUnlock { all: false }]),
        (
            "SELECT pg_catalog.pg_advisory_unlock_all()",
            &[AdvisoryUnlock { all: true }],
        ),
        ("DISCARD ALL", &[DiscardAll]),
        ("discard plans", &[DiscardPlans]),
        ("DISCARD TEMPORARY", &[DiscardTemp]),
        ("DISCARD TEMP", &[DiscardTemp]),
        ("DISCARD SEQUENCES", &[DiscardSequences]),
        ("LOAD 'auto_explain'", &[Load]),
        ("SELECT LASTVAL()", &[SequenceRead]),
        ("INSERT INTO t VALUES (currval('s'))", &[SequenceRead]),
        ("SELECT ('s'::regclass).currval", &[SequenceRead]),
        ("SELECT nextval('s'), t.lastval FROM t", &[]),
        ("DO $$ BEGIN END $$", &[Opaque]),
        ("CALL p(1)", &[calls("p"), Opaque]),
        ("SELECT query_to_xml('select 1', true, true, '')", &[Opaque]),
        (
            "SELECT * FROM public.dblink('a', 'b') AS t(a int)",
            &[Opaque, calls("public.dblink")],
        ),
        (
            "SELECT U&\"set_con\\0066ig\"('a', 'b', false)",
            &[calls("u&\"set_con\\0066ig\""), Opaque],
        ),
    ]);
}

#[test]
fn temporary_things() {
    use Deed::{Definitions, Temporary};
    check(&[
        ("CREATE TEMP TABLE t (a int)", &[Temporary]),
        ("create /**/ temporary table if not exists t (a int)", &[Temporary]),
        ("CREATE LOCAL TEMP TABLE t (a int)", &[Temporary]),
        ("CREATE GLOBAL TEMPORARY TABLE t (a int)", &[Temporary]),
        ("CREATE TEMP TABLE t AS SELECT app.f()", &[Temporary, calls("app.f")]),
        ("CREATE TEMP SEQUENCE s", &[Temporary, Definitions]),
        (
            "CREATE OR REPLACE TEMP VIEW v AS SELECT app.f()",
            &[Temporary, Definitions],
        ),
        ("CREATE TABLE pg_temp.t (a int)", &[Deed::Creates, Temporary]),
        ("CREATE TABLE \"pg_temp\".t (a int)", &[Deed::Creates, Temporary]),
        ("ALTER TABLE t SET SCHEMA pg_temp", &[Definitions, Temporary]),
        ("SELECT * INTO TEMP x FROM t", &[Temporary]),
        ("SELECT * INTO LOCAL TEMPORARY TABLE x FROM t", &[Temporary]),
        ("SELECT 1 insert INTO TEMP x", &[Temporary]),
        ("SELECT 1 insert INTO TEMP values FROM t", &[Temporary]),
        ("SELECT * INTO temp FROM t", &[]),
        ("SELECT 1 INTO temp", &[]),
        ("INSERT INTO temp VALUES (1)", &[]),
        ("INSERT INTO temp (a) SELECT 1", &[]),
        ("INSERT INTO temp SELECT 1", &[]),
        ("INSERT INTO temp OVERRIDING USER VALUE VALUES (1)", &[]),
        ("INSERT INTO temp DEFAULT VALUES", &[]),
        ("SELECT temp, 'pg_temp.x' FROM temporary", &[]),
        ("CREATE TABLE t (temp int)", &[Deed::Creates]),
    ]);
}

#[test]
fn definitions_and_copies() {
    use Deed::{Commit, CopyIn, CopyOut, Definitions, SequenceRead};
    check(&[
        ("ALTER TABLE t ADD COLUMN a int", &[Definitions]),
        (
            "ALTER TABLE t ADD COLUMN a geometry(Point, 4326) DEFAULT app.f()",
            &[Definitions, calls("app.f")],
        ),
        ("DROP TABLE t", &[Definitions]),
        ("DROP FUNCTION f(int)", &[Definitions]),
        ("CREATE VIEW v AS SELECT lastval()", &[Definitions]),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT lastval()'",
            &[Definitions],
        ),
        ("CREATE TYPE e AS ENUM ('a')", &[Definitions]),
        ("CREATE SCHEMA s", &[Definitions]),
        (
            "CREATE MATERIALIZED VIEW v AS SELECT app.f()",
            &[Definitions, calls("app.f")],
        ),
        (
            "CREATE TABLE t (a int DEFAULT app.f(), b varchar(10))",
            &[Deed::Creates],
        ),
        (
            "CREATE UNLOGGED TABLE t AS SELECT lastval()",
            &[Deed::Creates, SequenceRead],
        ),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (app.f(a))", &[]),
        ("TRUNCATE t", &[]),
        ("COMMENT ON TABLE t IS 'drop'", &[]),
        ("GRANT SELECT ON t TO r", &[]),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT lastval(); SELECT 1 case; SELECT 2; END; COMMIT",
            &[Definitions, Commit { chain: false }],
        ),
        (
            "CREATE RULE r AS ON INSERT TO t DO ALSO (NOTIFY a; DELETE FROM u); COMMIT",
            &[Definitions, Commit { chain: false }],
        ),
        ("COPY t FROM STDIN", &[CopyIn]),
        (
            "COPY t (a, b) FROM stdin WITH (FORMAT csv, FORCE_NOT_NULL (a))",
            &[CopyIn],
        ),
        ("COPY t FROM STDIN WHERE app.f(a)", &[CopyIn, calls("app.f")]),
        ("COPY t FROM STDOUT", &[CopyIn]),
        ("COPY t TO STDOUT", &[CopyOut]),
        (
            "COPY (SELECT lastval() FROM t) TO STDOUT (FORMAT binary)",
            &[SequenceRead, CopyOut],
        ),
        ("COPY t TO '/tmp/stdout'", &[]),
        ("COPY t FROM PROGRAM 'stdin'", &[]),
        ("SELECT stdin FROM copy", &[]),
    ]);
}

#[test]
fn explained_statements_run_only_with_analyze() {
    check(&[
        ("EXPLAIN SELECT lastval()", &[]),
        ("EXPLAIN (ANALYZE off) SELECT lastval()", &[]),
        ("EXPLAIN ANALYZE SELECT lastval()", &[Deed::SequenceRead]),
        ("EXPLAIN (VERBOSE, ANALYZE) SELECT lastval()", &[Deed::SequenceRead]),
        ("EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1", &[Deed::Temporary]),
    ]);
}

#[test]
fn called_functions() {
    check(&[
        (
            "SELECT app.f(1), g(2), G(3), \"H\"(4)",
            &[calls("app.f"), calls("g"), calls("H")],
        ),
        ("SELECT app.f(1); SELECT app.f(1)", &[calls("app.f")]),
        (
            "SELECT f(1); DISCARD ALL; SELECT f(1)",
            &[calls("f"), Deed::DiscardAll, calls("f")],
        ),
        (
            "SELECT * FROM app.f(1) AS x(a, b), LATERAL g(a) y(c)",
            &[calls("app.f"), calls("g")],
        ),
        (
            "SELECT * FROM t JOIN u ON f(t.a, u.a) WHERE a IN (g(1))",
            &[calls("f"), calls("g")],
        ),
        ("SELECT DISTINCT ON (a) f(b) FROM t", &[calls("f")]),
        ("SELECT 1 OPERATOR(pg_catalog.+) f(b) FROM t", &[calls("f")]),
        ("DELETE FROM t RETURNING WITH (OLD AS o) f(o.a)", &[calls("f")]),
        ("SELECT * FROM ROWS FROM (f(1), lower('x'))", &[calls("f")]),
        ("WITH a AS (SELECT 1) SELECT * FROM a, f(x) AS (y int)", &[calls("f")]),
        (
            "SELECT app.select(1), a.b.values(2)",
            &[calls("app.select"), calls("a.b.values")],
        ),
        (
            "SELECT pg_catalog.no_such_function(1)",
            &[calls("pg_catalog.no_such_function")],
        ),
        ("SELECT app.lower(a)", &[calls("app.lower")]),
        (
            "SELECT first(a, b) OVER (PARTITION BY (c)) FROM t GROUP BY (a)",
            &[calls("first")],
        ),
        (
            "UPDATE t SET a = f(b) WHERE c = ANY (g(d)) RETURNING h(a)",
            &[calls("f"), calls("g"), calls("h")],
        ),
        (
            "MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT (a) VALUES (f(1))",
            &[calls("f")],
        ),
        // None of PostgreSQL's own functions, and nothing that only looks like a call.
        (
            "SELECT lower(a), count(*), left(a, 1), coalesce(a, b), extract(year FROM a), pg_catalog.now()",
            &[],
        ),
        (
            "SELECT nullif(a, b), greatest(a, b), row(a), substring(a FROM 1), trim(a), overlay(a PLACING b FROM 1)",
            &[],
        ),
        (
            "SELECT CAST(a AS geometry(Point, 4326)), b::geometry(Point), c::numeric(10, 2), d::app.t(3)",
            &[],
        ),
        (
            "SELECT a::character varying(10), b::timestamp(3) with time zone, c::interval second(3) FROM t",
            &[],
        ),
        (
            "INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET (a, b) = (1, 2)",
            &[],
        ),
        ("INSERT INTO app.t AS x (a, b) VALUES (1, 2)", &[]),
        ("UPDATE data SET (a, b) = (SELECT 1, 2)", &[]),
        (
            "WITH RECURSIVE x(n) AS (SELECT 1), y(a, b) AS MATERIALIZED (SELECT 1, 2) SELECT * FROM x, y",
            &[],
        ),
        (
            "WITH x AS NOT MATERIALIZED (SELECT 1), y(a) AS (VALUES (1)) SELECT * FROM x",
            &[],
        ),
        ("SELECT * FROM (SELECT 1) x(a) JOIN t y(b) ON (x.a = y.b)", &[]),
        ("SELECT * FROM unnest(a) WITH ORDINALITY AS t(b, c)", &[]),
        ("SELECT * FROM unnest(a) WITH ORDINALITY t(b, c)", &[]),
        ("SELECT * FROM t TABLESAMPLE system_rows(10) REPEATABLE (1)", &[]),
        (
            "SELECT sum(a) FILTER (WHERE b) OVER (ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
            &[],
        ),
        (
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t WINDOW w AS (PARTITION BY b)",
            &[],
        ),
        (
            "SELECT a FROM t GROUP BY GROUPING SETS ((a), CUBE (a, b), ROLLUP (b)), (c)",
            &[],
        ),
        (
            "SELECT * FROM t JOIN u USING (a) WHERE a IN (1) AND (b) OR NOT (c) AND EXISTS (SELECT 1)",
            &[],
        ),
        (
            "SELECT * FROM json_table('[]', '$' COLUMNS (a int PATH '$.a', b numeric(3, 2) PATH '$.b'))",
            &[],
        ),
        (
            "SELECT a AT TIME ZONE (b), c LIKE (d) ESCAPE ('x'), ARRAY(SELECT 1) FROM t FETCH FIRST (1) ROWS ONLY",
            &[],
        ),
        ("SELECT 'f(1)', \"g(2)\", t.h FROM t -- f(1)", &[]),
        (
            "PREPARE p (geometry) AS SELECT 1",
            &[Deed::Prepare { name: "p".into() }],
        ),
        ("VACUUM t (a)", &[]),
    ]);
}

#[test]
fn plain_and_empty_texts_do_nothing() {
    for sql in [
        "",
        " ; ",
        "/* x */",
        "SELECT 1",
        "TABLE t",
        "(SELECT 1) UNION (VALUES (2))",
        "LOCK t",
    ] {
        assert_eq!(statement(sql).deeds.as_ref(), &[], "{sql}");
    }
}

#[test]
fn what_is_not_understood_may_do_anything() {
    for sql in ["SELCT 1", "SELECT 'a", "SELECT 1 FROM", "SELECT 1\0"] {
        let found = statement(sql);
        assert_eq!(found.deeds.as_ref(), &[Deed::Opaque], "{sql}");
        assert!(found.keeps_literals, "{sql}");
        assert_eq!(found.statements, 1, "{sql}");
    }
    let long = crate::Limits {
        statement_bytes_max: 8,
        ..crate::Limits::default()
    };
    assert_eq!(crate::analyse("SELECT 12", long).deeds.as_ref(), &[Deed::Opaque]);
    let many = "SET a = 1;".repeat(5_000);
    let deeds = deeds(&many);
    assert!(deeds.len() <= 1_025, "{}", deeds.len());
}

#[test]
fn many_different_deeds_end_in_an_opaque_one() {
    let many: String = (0..5_000).map(|number| format!("SET a{number} = 1;")).collect();
    let deeds = deeds(&many);
    assert_eq!(deeds.len(), 1_025);
    assert_eq!(deeds.last(), Some(&Deed::Opaque));
}

#[test]
fn names_and_values_have_an_end() {
    let name = "ä".repeat(40);
    let cut = Deed::Execute {
        name: "ä".repeat(31).into(),
    };
    for sql in [format!("EXECUTE {name}"), format!("EXECUTE \"{name}\"")] {
        assert_eq!(deeds(&sql).as_slice(), std::slice::from_ref(&cut), "{sql}");
    }
    let value = "x".repeat(8 * 1024);
    assert_eq!(deeds(&format!("SET a = '{value}'")), [Deed::Opaque]);
    assert_eq!(deeds(&format!("RESET {value}")), [Deed::Opaque]);
    assert_eq!(
        deeds(&format!("SELECT set_config('a', '{value}', true)")),
        [set_config(Some("a"), None, Some(true))]
    );
}

#[test]
fn statements_are_counted() {
    for (sql, count) in [
        ("", 0),
        (" ; ;", 0),
        ("-- x", 0),
        ("SELECT 1", 1),
        (";SELECT 1;;SELECT ';';", 2),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO (NOTIFY a; DELETE FROM u)", 1),
        (
            "SELECT 1; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
            3,
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
            1,
        ),
    ] {
        let found = statement(sql);
        assert_eq!(found.statements, count, "{sql}");
        assert!(found.parsed, "{sql}");
    }
}
