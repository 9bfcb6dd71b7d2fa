//! The literal-free text: what it looks like, and that no literal is ever in it.

use proptest::prelude::*;

use super::statement;
use crate::{Limits, analyse};

fn text(sql: &str) -> String {
    statement(sql).text.unwrap_or_else(|| panic!("no text for {sql}"))
}

#[test]
fn literals_become_parameters_and_comments_go() {
    let rows = [
        ("SELECT 1", "SELECT $1"),
        ("SELECT  a\n\tFROM t ; ", "SELECT a FROM t"),
        ("SELECT $2, $7, $3, 'a', 1.5e3", "SELECT $2, $7, $3, $8, $9"),
        ("SELECT -1, +2.0, .5, 0x1F, 1_000", "SELECT -$1, +$2, $3, $4, $5"),
        (
            "SELECT 'it''s', E'a\\'b', N'c', B'01', X'ff', U&'\\0041' UESCAPE '!'",
            "SELECT $1, $2, N $3, $4, $5, $6 UESCAPE $7",
        ),
        ("SELECT 'a'\n  'b'", "SELECT $1"),
        ("SELECT $$a$$, $tag$ 'b' $$ $tag$", "SELECT $1, $2"),
        ("SELECT/* x */a--y\nFROM t", "SELECT a FROM t"),
        ("SELECT/* a /* b */ 'c' */1", "SELECT $1"),
        (
            "SELECT date'2020-01-01', 'a'::text, 'x'and'y'",
            "SELECT date $1, $2::text, $3 and $4",
        ),
        (
            "SELECT a FROM t WHERE b IN (1, 2, 3)",
            "SELECT a FROM t WHERE b IN ($1, …)",
        ),
        (
            "SELECT a FROM t WHERE b IN ($1, $2) AND c = 'x'",
            "SELECT a FROM t WHERE b IN ($1, …) AND c = $2",
        ),
        (
            "SELECT a FROM t WHERE b IN (-1, NULL, 'x'::text, date 'y')",
            "SELECT a FROM t WHERE b IN (-$1, …)",
        ),
        ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN ($1)"),
        (
            "SELECT a FROM t WHERE b IN (2, 3, c)",
            "SELECT a FROM t WHERE b IN ($1, $2, c)",
        ),
        (
            "SELECT a FROM t WHERE b IN (c, 2)",
            "SELECT a FROM t WHERE b IN (c, $1)",
        ),
        (
            "SELECT a FROM t WHERE b IN (SELECT 1)",
            "SELECT a FROM t WHERE b IN (SELECT $1)",
        ),
        (
            "INSERT INTO t VALUES (1, 'a'), (-2, NULL), (3, 'c') RETURNING a",
            "INSERT INTO t VALUES ($1, $2), … RETURNING a",
        ),
        (
            "INSERT INTO t VALUES (1, now()), (2, DEFAULT), (3, now())",
            "INSERT INTO t VALUES ($1, now()), ($2, DEFAULT), …",
        ),
        ("VALUES (1), (2)", "VALUES ($1), …"),
        ("SELECT \"A b\".c FROM \"t\"", "SELECT \"A b\".c FROM \"t\""),
        ("DO $$ SELECT 'secret' $$ LANGUAGE plpgsql", "DO $1 LANGUAGE plpgsql"),
        ("NOTIFY c, 'secret'", "NOTIFY c, $1"),
        ("ALTER ROLE a PASSWORD 'secret'", "ALTER ROLE a PASSWORD $1"),
        (
            "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', port '1')",
            "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host $1, port $2)",
        ),
        ("COPY t FROM PROGRAM 'curl'", "COPY t FROM PROGRAM $1"),
        ("SELCT 'a' FRM t", "SELCT $1 FRM t"),
        // A stray dollar beside a parameter would quote what follows.
        ("SELCT 's'$'a'$.b", "SELCT $1 $ $2 $.b"),
        ("", ""),
    ];
    for (sql, expected) in rows {
        assert_eq!(text(sql), expected, "{sql}");
    }
}

#[test]
fn a_text_that_cannot_be_trusted_is_not_kept() {
    for sql in [
        "SELECT 'open",
        "SELECT $$open",
        "SELECT \"open",
        "SELECT 1 /* open",
        "SELECT 'a\0b'",
        r"SELCT \secret, 1",
    ] {
        assert_eq!(statement(sql).text, None, "{sql}");
    }
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let cut = |bytes_max| {
        analyse(
            "SELECT ééé FROM t",
            Limits {
                text_bytes_max: bytes_max,
                ..Limits::default()
            },
        )
        .text
        .unwrap()
    };
    assert_eq!(cut(20), "SELECT ééé FROM t");
    assert_eq!(cut(19), "SELECT ééé FR…");
    assert_eq!(cut(11), "SELECT …");
    assert_eq!(cut(3), "…");
    assert_eq!(cut(2), "");
    assert_eq!(cut(0), "");
}

/// Every way to write a literal that holds a mark, and comments, which are no literals but must go as well.
const LITERALS: [&str; 18] = [
    "'MARK'",
    "'a''MARK''b'",
    "E'\\'MARK\\n'",
    "U&'\\0041MARK'",
    "U&'MARK!0041' UESCAPE '!'",
    "$$MARK$$",
    "$tag$ 'MARK' $$ $tag$",
    "'a'\n'MARK'",
    "'a' -- MARK\n 'MARK'",
    "/* MARK */ 'MARK' -- MARK\n",
    "N'MARK'",
    "'MARK'::text",
    "text 'MARK'",
    "CAST('MARK' AS text)",
    "('x' || 'MARK')",
    "lower('MARK')",
    "NUMBER",
    "-NUMBER.5e1",
];

/// Statements of every sort with a place for a string (`STR`) or any expression (`EXPR`).
const TEMPLATES: [&str; 44] = [
    "SELECT EXPR",
    "SELECT EXPR AS x, EXPR FROM t WHERE a = EXPR AND b IN (EXPR, EXPR) ORDER BY EXPR",
    "SELECT a FROM t WHERE b BETWEEN EXPR AND EXPR OR c LIKE EXPR ESCAPE STR",
    "SELECT CASE WHEN a = EXPR THEN EXPR ELSE EXPR END FROM t",
    "SELECT ARRAY[EXPR, EXPR], ROW(EXPR), (ARRAY[EXPR])[1]",
    "SELECT * FROM f(EXPR, x => EXPR) WITH ORDINALITY",
    "SELECT interval STR, date STR, B'0110', X'1f'",
    "SELECT extract(year FROM EXPR), position(EXPR IN EXPR), overlay(EXPR placing EXPR from 1)",
    "WITH x AS (SELECT EXPR) INSERT INTO t SELECT EXPR FROM x",
    "INSERT INTO t (a, b) VALUES (EXPR, EXPR), (EXPR, EXPR) ON CONFLICT (a) DO UPDATE SET b = EXPR",
    "UPDATE t SET a = EXPR, b = (SELECT EXPR) WHERE c = EXPR RETURNING EXPR",
    "DELETE FROM t WHERE a = EXPR",
    "MERGE INTO t USING u ON t.a = EXPR WHEN MATCHED THEN UPDATE SET b = EXPR",
    "VALUES (EXPR), (EXPR)",
    "DO STR",
    "DO LANGUAGE plpgsql STR",
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS STR",
    "CREATE FUNCTION f() RETURNS text AS STR, STR LANGUAGE c",
    "CREATE FUNCTION f(a text DEFAULT EXPR) RETURNS text RETURN EXPR",
    "CREATE ROLE r LOGIN PASSWORD STR VALID UNTIL STR",
    "ALTER ROLE r ENCRYPTED PASSWORD STR",
    "ALTER ROLE r SET a.b TO STR",
    "CREATE USER MAPPING FOR r SERVER s OPTIONS (user STR, password STR)",
    "ALTER SERVER s OPTIONS (SET host STR, ADD port STR)",
    "CREATE SUBSCRIPTION s CONNECTION STR PUBLICATION p",
    "CREATE TABLE t (a text DEFAULT EXPR CHECK (a <> EXPR)) PARTITION BY RANGE (a)",
    "CREATE TABLE p PARTITION OF t FOR VALUES FROM (STR) TO (STR)",
    "CREATE TYPE e AS ENUM (STR, STR)",
    "ALTER TYPE e ADD VALUE STR BEFORE STR",
    "CREATE INDEX i ON t (lower(a)) WHERE a = EXPR",
    "COMMENT ON TABLE t IS STR",
    "SECURITY LABEL ON TABLE t IS STR",
    "NOTIFY c, STR",
    "SET a.b = STR",
    "SET TIME ZONE STR",
    "SET SESSION AUTHORIZATION STR",
    "COPY t FROM STR WITH (DELIMITER STR, NULL STR)",
    "COPY (SELECT EXPR) TO PROGRAM STR",
    "PREPARE p AS SELECT EXPR",
    "EXECUTE p(EXPR, EXPR)",
    "EXPLAIN (ANALYZE, FORMAT json) SELECT EXPR",
    "DECLARE c CURSOR FOR SELECT EXPR",
    "PREPARE TRANSACTION STR",
    "SELECT EXPR; COMMENT ON TABLE t IS STR; SELECT EXPR",
];

/// The literals that may stand where the grammar wants a string and nothing else.
const STRINGS: usize = 10;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_literal_is_left_in_any_text(
        template in 0..TEMPLATES.len(),
        picks in prop::collection::vec((0..LITERALS.len(), 0..STRINGS), 8),
        word in "[a-z]{12}",
        number in 10_000_000_u32..,
    ) {
        let word = format!("zq{word}");
        let mut sql = TEMPLATES[template].to_owned();
        for (expression, string) in picks {
            sql = sql.replacen("EXPR", LITERALS[expression], 1).replacen("STR", LITERALS[string], 1);
        }
        let sql = sql.replace("MARK", &word).replace("NUMBER", &number.to_string());
        let found = statement(&sql);
        prop_assert!(found.parsed, "the test's own statement must parse: {sql}");
        let text = found.text.unwrap();
        prop_assert!(!text.contains(&word) && !text.contains(&number.to_string()), "{sql}\n became\n{text}");
        prop_assert!(!text.contains('\''), "{sql}\n became\n{text}");
    }

    #[test]
    fn a_text_analysed_again_stays_as_it_is(template in 0..TEMPLATES.len(), pick in 0..STRINGS) {
        let sql = TEMPLATES[template].replace("EXPR", LITERALS[pick]).replace("STR", LITERALS[pick]);
        let first = text(&sql);
        prop_assert_eq!(text(&first), first);
    }
}
