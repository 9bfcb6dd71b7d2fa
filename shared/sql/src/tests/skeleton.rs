//! Skeletons: what they keep, what they hide, and that PostgreSQL's scanner sees the same in texts that share one.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use weir_model::Clock;

use super::statement;
use crate::scan::{Class, scan};
use crate::{Statement, skeleton};

fn of(sql: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    skeleton(sql, &mut out).then_some(out)
}

#[test]
fn literals_share_a_skeleton() {
    for (one, other) in [
        ("SELECT 1", "SELECT 2147483647"),
        ("SELECT 0x1F, 0b1, 0o7", "SELECT 31, 1_000, 0"),
        ("SELECT 1.5", "SELECT 2147483648"),
        ("SELECT .5e-3", "SELECT 1."),
        ("SELECT 'a'", "SELECT 'it''s -- /* $$'"),
        ("SELECT E'a\\'b'", "SELECT e'\\\\'"),
        ("SELECT $$a$$", "SELECT $é1$ $$ $e$ $é1$"),
        ("SELECT B'01', x'ff'", "SELECT b'', X'0'"),
        ("SELECT N'a'", "SELECT N'b'"),
        ("SELECT 'a'\n'b'", "SELECT 'c'\n''"),
        ("SELECT 1/* a */ -- a note", "SELECT 2/* b='c' */ -- another one"),
        ("SELECT 1..2", "SELECT 3..4"),
    ] {
        assert_eq!(of(one).unwrap(), of(other).unwrap(), "{one} and {other}");
    }
}

#[test]
fn everything_else_tells_skeletons_apart() {
    for (one, other) in [
        ("SELECT 1", "SELECT 'a'"),
        ("SELECT 1", "SELECT 1.0"),
        ("SELECT 1", "SELECT 2147483648"),
        ("SELECT 'a'", "SELECT E'a'"),
        ("SELECT 'a'", "SELECT $$a$$"),
        ("SELECT 'a'", "SELECT 'a'\n'b'"),
        ("SELECT B'1'", "SELECT X'1'"),
        ("SELECT $1", "SELECT $2"),
        ("SELECT t1", "SELECT t2"),
        ("SELECT a$1", "SELECT a$2"),
        ("SELECT é1", "SELECT é2"),
        ("SELECT \"a\"", "SELECT \"b\""),
        ("SELECT \"'a'\"", "SELECT \"'b'\""),
        ("SELECT U&\"\\0061\"", "SELECT U&\"\\0062\""),
        ("SELECT U&'\\0061'", "SELECT U&'\\00'"),
        ("SELECT E'\\u0061'", "SELECT E'\\u00'"),
        ("SELECT 1", "select 1"),
        ("SELECT 1", "SELECT  1"),
        ("SELECT 1 /**/", "SELECT 1  "),
        ("SELECT 1 /* */", "SELECT 1 -- */"),
        ("SELECT 'a' /* */\n 'b'", "SELECT 'a' -- */\n 'b'"),
        ("SELECT -1", "SELECT 1"),
        ("SELECT 1..2", "SELECT 1. .2"),
        ("SELECT true", "SELECT false"),
        ("SELECT 1 /* a */", "SELECT 1 /**/"),
        ("SELECT 1 /* a */", "SELECT 1 /*' and 'b*/"),
        ("SELECT 1 -- a note", "SELECT 1 -- ' limit 1"),
        ("SELECT 1 -- a note", "SELECT 1 --"),
        ("SELECT a LIKE '%'", "SELECT a LIKE 'b%'"),
    ] {
        assert_ne!(of(one), of(other), "{one} and {other}");
    }
}

#[test]
fn what_is_no_literal_stays() {
    for sql in [
        "",
        "SELECT t1.c2, $1, \"a\"\"1\", a$b$c, é FROM x1 WHERE a >= $12\t\r\n;",
        "a-b+c*d/e - - f",
        "SELECT U&'d\\0061t' FROM U&\"d\\0061t\" $ $a",
        "SELECT E'\\101 \\x41 \\u0041'",
    ] {
        assert_eq!(of(sql).unwrap(), sql.as_bytes(), "{sql}");
    }
}

#[test]
fn a_text_that_does_not_lex_has_none() {
    for sql in [
        "SELECT 'a",
        "SELECT 'a''",
        "SELECT E'a\\'",
        "SELECT E'a\\",
        "SELECT \"a",
        "SELECT $$a",
        "SELECT $a$ $b$",
        "SELECT /* a",
        "SELECT /* /* */",
        "SELECT /*/",
        "SELECT B'1",
        "SELECT U&'a",
        "SELECT 1a",
        "SELECT 1$1",
        "SELECT 1_",
        "SELECT 1e",
        "SELECT 1e+",
        "SELECT 0x",
        "SELECT 0xg",
        "SELECT 1.5é",
        "SELECT $1a",
        "SELECT 1\0",
        "SELECT '\0'",
        "SELECT -- \0",
        "SELECT E'a' \n 'b'",
        "SELECT X'a' -- c\n 'b'",
        "SELECT U&\"d!0061\" UESCAPE '!'",
    ] {
        assert_eq!(of(sql), None, "{sql}");
    }
}

/// A text's tokens as its skeleton must tell them: a literal by its class, all else by its text.
fn seen(sql: &str) -> Option<Vec<(Class, &str, i32)>> {
    let tokens = scan(sql)?;
    if tokens.is_empty() {
        return Some(Vec::new());
    }
    let codes: HashMap<i32, i32> = pg_query::scan_tokens(sql)
        .ok()?
        .into_iter()
        .map(|token| (token.start, token.token))
        .collect();
    let told = tokens.iter().map(|token| {
        let literal = token.class == Class::Literal;
        (
            token.class,
            if literal { "" } else { token.text },
            codes[&i32::try_from(token.at).unwrap()],
        )
    });
    Some(told.collect())
}

/// Literals of each class; within a row, each may stand for each.
const LITERALS: [&[&str]; 8] = [
    &["0", "1", "42", "2147483647", "0x1f", "0b10", "0o17", "1_000", "007"],
    &[
        "1.5",
        ".5",
        "1.",
        "2147483648",
        "1e10",
        "1.5E-3",
        "0x80000000",
        "99999999999999999999",
        "1_0.0_1e1_0",
    ],
    &[
        "'a'", "''", "'it''s'", "'$$'", "'--'", "'/*'", "'\\'", "'é\"'", "'1'", "'\n'", "'a'''",
    ],
    &["E'a'", "e''", "E'\\''", "E'\\\\'", "E'a''b'", "e'\\n--'"],
    &["$$a$$", "$$$$", "$a$b$a$", "$é$ $$ ' $é$", "$_1$--$_1$", "$$'$$"],
    &["B'01'", "b''", "B'1--'", "b'x\"'"],
    &["X'ff'", "x''", "X'/*'"],
    &[
        "/* a */",
        "/*a='b',c='d'*/",
        "/*** banner ***/",
        "/* it's */",
        "/* -- */",
        "/*+ Hint(t) */",
    ],
];

/// What is no literal, much of it made to be misread next to one.
const OTHERS: [&str; 55] = [
    "SELECT", "a", "t1", "e", "E", "b", "x", "u&", "U&", "n", "N", "\"a\"", "\"'\"", "\"\"\"\"", "U&\"a\"", "é", "_",
    "$1", "$2", "$", "a$", "a$$b", "$$", ".", "..", ",", ";", "(", ")", "[", "]", "+", "-", "--", "--\n", "-- '\n",
    "/", "*", "/*", "*/", "::", ":=", "<>", "@", "!", "\n", "\t", " ", "\r", "\x0b", "'", "\"", "\\", "U&'a'",
    "E'\\x41'",
];

#[derive(Debug, Clone)]
enum Part {
    Literal { class: usize, one: usize, other: usize },
    Other(&'static str),
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        (0..LITERALS.len(), any::<usize>(), any::<usize>()).prop_map(|(class, one, other)| Part::Literal {
            class,
            one,
            other
        }),
        prop::sample::select(OTHERS.to_vec()).prop_map(Part::Other),
    ]
}

/// Two texts from the same parts, each with its own literals.
fn written(parts: &[Part], glue: &str) -> (String, String) {
    let choose = |class: usize, at: usize| LITERALS[class][at % LITERALS[class].len()];
    let write = |other: bool| {
        let texts = parts.iter().map(|part| match *part {
            Part::Literal {
                class,
                one,
                other: second,
            } => choose(class, if other { second } else { one }),
            Part::Other(text) => text,
        });
        texts.collect::<Vec<_>>().join(glue)
    };
    (write(false), write(true))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// However the parts run together: the same skeleton, the same tokens.
    #[test]
    fn one_skeleton_one_sequence_of_tokens(
        parts in prop::collection::vec(part(), 0..8),
        glue in prop::sample::select(vec!["", "", " ", "\n"]),
    ) {
        let (one, other) = written(&parts, glue);
        if let (Some(skeleton), Some(second)) = (of(&one), of(&other)) && skeleton == second {
            prop_assert_eq!(seen(&one), seen(&other), "{:?} and {:?}", one, other);
        }
    }

    /// Between spaces, a literal is a literal: its value never shows.
    #[test]
    fn a_literal_never_changes_the_skeleton(parts in prop::collection::vec(part(), 0..8)) {
        let inert = |part: &Part| matches!(part, Part::Literal { .. } | Part::Other("SELECT" | "a" | "t1" | "," | "+" | "$1"));
        let parts: Vec<Part> = parts.into_iter().filter(inert).collect();
        let (one, other) = written(&parts, " ");
        prop_assert_eq!(of(&one), of(&other));
        prop_assert!(of(&one).is_some() || one.contains('\''), "{:?}", one);
    }

    /// Two texts of unlike parts, which a misreading could make alike.
    #[test]
    fn unlike_texts_with_one_skeleton_have_the_same_tokens(
        parts in prop::collection::vec(prop::sample::select(vec![
            "1", "2", "1.", ".5", "e1", "e", "E", "'", "''", "\\", "$", "$$", "a", "x", "0x", "_", "-", "--", "/*", "*/", "*", "\n", " ",
            "\"", "B", "U&", ".", "é",
        ]), 0..7),
        others in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec!["1", "'", "a", "$", "e", "", "\\"])), 1..3),
    ) {
        let mut changed = parts.clone();
        for (at, text) in others {
            if !changed.is_empty() {
                let at = at.index(changed.len());
                changed[at] = text;
            }
        }
        let (one, other) = (parts.concat(), changed.concat());
        if let (Some(skeleton), Some(second)) = (of(&one), of(&other)) && skeleton == second {
            prop_assert_eq!(seen(&one), seen(&other), "{:?} and {:?}", one, other);
        }
    }

    #[test]
    fn any_text_has_a_skeleton_or_none(sql in "\\PC{0,40}") {
        let found = of(&sql);
        prop_assert!(found.is_none_or(|found| found.len() <= sql.len()));
    }
}

/// A statement without its literals' values.
fn comparable(sql: &str) -> Statement {
    Statement {
        text_hash: 0,
        ..statement(sql)
    }
}

/// Statements with places for literals: `#` an integer, `~` another number, `@` a string, `%` an escaped string.
const TEMPLATES: [&str; 34] = [
    "SELECT a FROM t WHERE b = # AND c > ~ AND d LIKE @ LIMIT # OFFSET #",
    "SELECT a FROM t WHERE b IN (#, #, #) AND c IN (@, @) OR d IN (~)",
    "SELECT a, @ AS b, # c FROM t GROUP BY # HAVING count(*) > # ORDER BY #, @",
    "SELECT -# + ~ * (#), @ || %, a[#], a[#:#], b -> @ ->> @",
    "SELECT date @, interval @, interval @ year, interval(#) @, @::date, CAST(# AS text), numeric @",
    "SELECT a::varchar(#), CAST(b AS numeric(#, #)), c::timestamp(#) FROM t",
    "SELECT float(#) @, a::float(#) FROM t",
    "SELECT extract(@ FROM a), extract(year FROM a), substring(a FROM # FOR #), overlay(a PLACING @ FROM #), trim(@ FROM a)",
    "SELECT a AT TIME ZONE @, position(@ IN a), a COLLATE \"C\" < @, a SIMILAR TO @ ESCAPE @ FROM t",
    "SELECT count(*) FILTER (WHERE a > #), percentile_cont(~) WITHIN GROUP (ORDER BY a), lag(a, #, @) OVER (ROWS BETWEEN # PRECEDING AND # FOLLOWING) FROM t",
    "SELECT CASE a WHEN # THEN @ WHEN # THEN % ELSE @ END, coalesce(a, #), nullif(a, @) FROM t",
    "SELECT * FROM generate_series(#, #) g(a), unnest(ARRAY[#, #]) WITH ORDINALITY",
    "SELECT * FROM t TABLESAMPLE bernoulli (#) REPEATABLE (#) FETCH FIRST # ROWS ONLY",
    "SELECT xmlelement(name a, @), xmlparse(document @), xpath(@, a), xmlserialize(content a AS text) FROM t",
    "SELECT * FROM json_table(@, @ COLUMNS (a int PATH @ DEFAULT # ON EMPTY, b text PATH @))",
    "SELECT json_value(a, @ RETURNING int DEFAULT # ON ERROR), json_object(@ : #), json_array(#, @), a IS JSON FROM t",
    "SELECT * FROM xmltable(@ PASSING a COLUMNS b int PATH @ DEFAULT #) FOR UPDATE",
    "SELECT #, @ UNION ALL SELECT #, @ EXCEPT VALUES (#, @), (~, @)",
    "INSERT INTO t (a, b) VALUES (#, @), (#, @), (-#, NULL), (~, @) ON CONFLICT (a) DO UPDATE SET b = @ WHERE t.a > # RETURNING a + #",
    "UPDATE t SET a = #, (b, c) = (@, #), d[#] = # WHERE e = @",
    "DELETE FROM t WHERE a = # OR b BETWEEN # AND # RETURNING @",
    "MERGE INTO t USING (VALUES (#, @)) u(a, b) ON t.a = u.a WHEN MATCHED AND t.a > # THEN UPDATE SET b = @ WHEN NOT MATCHED THEN INSERT VALUES (#, @)",
    "WITH x AS (DELETE FROM t WHERE a = # RETURNING *) SELECT *, @ FROM x WHERE delete = #",
    "WITH RECURSIVE x(n) AS (SELECT # UNION SELECT n + # FROM x WHERE n < #) CYCLE n SET c TO @ DEFAULT @ USING p SELECT * FROM x",
    "SELECT nextval(@), currval(@), setval(@, #), pg_notify(@, @), lower(@), app.f(#, @)",
    "SELECT set_config(@, @, true), setval(a, #), pg_advisory_lock(#), dblink(@, @)",
    "SELECT set_config(a, b, true), nextval(a), @, #",
    "SELECT a FROM t; DELETE FROM u WHERE b = #; SELECT @",
    "BEGIN; UPDATE t SET a = #; COMMIT",
    "SET a = #; SELECT @",
    "EXPLAIN (ANALYZE @) SELECT #",
    "COPY (SELECT #) TO @",
    "PREPARE a AS SELECT #, @; EXECUTE a(#)",
    "CREATE TABLE t (a int DEFAULT #, b text CHECK (b <> @))",
];

/// Fills the places of a template with what `choose` says.
fn filled(template: &str, mut choose: impl FnMut(usize) -> usize) -> String {
    let mut text = String::new();
    for letter in template.chars() {
        match "#~@%".find(letter) {
            Some(class) => {
                let values = LITERALS[class];
                text.push_str(values[choose(values.len())]);
            }
            None => text.push(letter),
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Where literals are said not to matter, they do not.
    #[test]
    fn literals_that_do_not_matter_change_nothing(
        template in prop::sample::select(TEMPLATES.to_vec()),
        choices in prop::collection::vec(any::<[prop::sample::Index; 2]>(), 24),
    ) {
        let text = |which: usize| {
            let mut choices = choices.iter().cycle();
            filled(template, |count| choices.next().unwrap()[which].index(count))
        };
        let (one, other) = (text(0), text(1));
        prop_assert_eq!(of(&one), of(&other), "{:?} and {:?}", one, other);
        let found = comparable(&one);
        if !found.keeps_literals {
            prop_assert_eq!(found, comparable(&other), "{:?} and {:?}", one, other);
        }
    }
}

#[test]
fn literals_matter_in_few_queries_and_most_utilities() {
    for (sql, matter) in [
        ("SELECT a FROM t WHERE b = 'x' AND c IN (1, 2)", false),
        ("INSERT INTO t VALUES (1, 'a') RETURNING lower('x')", false),
        ("WITH x AS (UPDATE t SET a = 1) SELECT 2", false),
        ("((SELECT 1) UNION VALUES (2))", false),
        ("SELECT pg_advisory_lock(1)", false),
        ("SELECT set_config('a', $1, true)", true),
        ("SELECT set_config($1, $2, $3), 'x'", false),
        ("SELECT setval('s', 1)", true),
        ("SELECT setval($1, 1)", false),
        ("SELECT dblink('a', 'b')", true),
        ("SELECT 1::float(24)", true),
        ("SELECT 1; SELECT nextval('s')", true),
        ("SET a TO 'x'", true),
        ("SET a TO x", false),
        ("BEGIN", false),
        ("COPY t FROM STDIN", false),
        ("COPY t FROM 'x'", true),
        ("COPY (SELECT 1) TO STDOUT", true),
        ("PREPARE a AS SELECT $1", false),
        ("PREPARE a AS SELECT 1", true),
        ("EXECUTE a(1)", true),
        ("EXPLAIN SELECT 1", true),
        ("CREATE TABLE t (a varchar(10))", true),
        (
            "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; DELETE FROM u)",
            true,
        ),
        ("SELCT 1", true),
        ("", false),
    ] {
        assert_eq!(statement(sql).keeps_literals, matter, "{sql}");
    }
    let long = format!("SELECT '{}'", "x".repeat(40_000));
    assert!(statement(&long).keeps_literals);
}

#[test]
fn hostile_texts_cost_linear_time() {
    for part in [
        "$a$",
        "$a",
        "$$",
        "$",
        "'",
        "''",
        "E'\\",
        "/*",
        "*/",
        "/**/",
        "--",
        "-",
        "1.",
        "1e1 ",
        "1_",
        "\"",
        "U&'",
        "a$",
        "0x1 ",
        "'a' ",
        "\\",
        "é",
        "$aaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let text = part.repeat(256 * 1024 / part.len());
        let mut out = Vec::with_capacity(text.len());
        let took = elapsed(|| skeleton(&text, &mut out));
        assert!(took < Duration::from_secs(10), "{part} took {took:?}");
        assert!(out.len() <= text.len());
    }
}

fn elapsed(work: impl FnOnce() -> bool) -> Duration {
    let before = Clock::system().now();
    work();
    Clock::system().now().duration_since(before).unwrap_or_default()
}

#[test]
fn the_templates_are_statements() {
    for template in TEMPLATES {
        let sql = filled(template, |_| 1);
        assert!(statement(&sql).parsed, "{sql}");
    }
    let matter = TEMPLATES
        .iter()
        .filter(|template| statement(&filled(template, |_| 1)).keeps_literals);
    assert_eq!(matter.count(), 8);
}
