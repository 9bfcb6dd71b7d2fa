//! Input that is meant to hurt: any text at all, deep nesting, long chains, on the small stack of a worker thread.

use std::time::Duration;

use proptest::prelude::*;
use weir_model::Clock;

use super::statement;
use crate::{Kind, Limits, Statement, analyse};

/// Analyses on a thread with the stack of a tokio worker.
fn on_small_stack(sql: String) -> Statement {
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    worker.spawn(move || statement(&sql)).unwrap().join().unwrap()
}

#[test]
fn nesting_and_length_neither_crash_nor_stall() {
    let deep = |open: &str, core: &str, close: &str, times: usize| {
        format!("SELECT {}{core}{}", open.repeat(times), close.repeat(times))
    };
    let cases = [
        ("64,000 terms", format!("SELECT 1{}", "+1".repeat(64_000)), true),
        (
            "64,000 conditions",
            format!("SELECT 1 WHERE a = 1{}", " AND a = 1".repeat(64_000)),
            true,
        ),
        (
            "a list of 500,000",
            format!("SELECT 1 WHERE a IN (1{})", ",1".repeat(500_000)),
            true,
        ),
        ("500,000 columns", format!("SELECT 1{}", ",1".repeat(500_000)), true),
        (
            "100,000 rows",
            format!("INSERT INTO t VALUES (1, 'a'){}", ", (1, 'a')".repeat(90_000)),
            true,
        ),
        ("100,000 statements", "SELECT 1;".repeat(100_000), true),
        ("a million semicolons", ";".repeat(1_000_000), true),
        ("unions", format!("SELECT 1{}", " UNION SELECT 1".repeat(60_000)), true),
        ("parentheses", deep("(", "1", ")", 500_000), false),
        ("functions", deep("f(", "1", ")", 300_000), false),
        ("arrays", deep("ARRAY[", "1", "]", 100_000), false),
        ("cases", deep("CASE WHEN a THEN ", "1", " END", 40_000), false),
        ("sub-selects", deep("(SELECT ", "1", ")", 100_000), false),
        ("negations", deep("NOT ", "a", "", 200_000), false),
        (
            "a doubt, and 500,000 columns",
            format!("SELECT update{}", ",1".repeat(500_000)),
            true,
        ),
        (
            "open lists",
            format!("SELECT 1 WHERE {}", "a IN (".repeat(150_000)),
            false,
        ),
        ("open rows", "VALUES (".repeat(120_000), false),
        ("nested lists", deep("a IN (", "1", ")", 100_000), false),
        ("attributes", format!("SELECT a{}", ".nextval".repeat(120_000)), true),
        (
            "calls that count",
            format!("SELECT 1{}", ", setval('a', 1)".repeat(60_000)),
            true,
        ),
        ("calls that count, nested", deep("dblink(", "1", ")", 3_000), true),
        (
            "comments, nested",
            format!("SELECT {} 1 {}", "/*".repeat(250_000), "*/".repeat(250_000)),
            false,
        ),
        ("one operator", format!("SELECT 1 {} 1", "+".repeat(1_000_000)), false),
        ("NUL", "SELECT 1\0; DROP TABLE t".to_owned(), false),
        (
            "replacement characters",
            String::from_utf8_lossy(b"SELECT '\xff\xfe' AS \xc3").into_owned(),
            true,
        ),
    ];
    for (name, sql, parsed) in cases {
        let started = Clock::system().now();
        let found = on_small_stack(sql);
        assert_eq!(found.parsed, parsed, "{name}");
        assert!(
            found.writes || found.parsed,
            "{name}: what is not understood counts as a write"
        );
        let took = Clock::system().now().duration_since(started).unwrap_or_default();
        assert!(took < Duration::from_secs(20), "{name} took {took:?}");
        let peak_mib = peak_memory_mib();
        assert!(peak_mib < 500, "{name} took {peak_mib} MiB");
    }
}

/// The most memory that this process ever held, where the system tells.
fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or_default()
        / 1024
}

#[test]
fn the_scanner_is_not_asked_about_runs_that_stall_it() {
    // Harmless lengths of the same things, which must still be understood.
    let banner = format!("/{}/ SELECT 1", "*".repeat(200));
    let lines = format!("SELECT 'a{}b' -- {}", "=".repeat(1000), "-".repeat(1000));
    for sql in [banner, lines] {
        assert_eq!(statement(&sql).kind, Kind::Select);
    }
}

#[test]
fn nothing_at_all_is_a_statement_too() {
    for sql in ["", " ", "\n\t\r\x0b\x0c", ";", " ; ;", "/* */", "\u{a0}", "\u{feff}"] {
        let found = statement(sql);
        assert_eq!(found.kind, Kind::Unknown, "{sql:?}");
    }
}

fn check(sql: &str) {
    let found = statement(sql);
    assert_eq!(found.text_hash, crate::text_hash(sql));
    assert_eq!(found, statement(sql), "the same text, the same answer");
    let limits = Limits {
        text_bytes_max: 16,
        ..Limits::default()
    };
    assert!(analyse(sql, limits).text.is_none_or(|text| text.len() <= 16));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_answered(sql in any::<String>()) {
        check(&sql);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_heap_of_sql_is_answered(
        parts in prop::collection::vec(prop::sample::select(vec![
            "SELECT", "INSERT INTO", "VALUES", "(", ")", ",", ";", "'", "''", "$$", "$a$", "\"", "--", "/*", "*/", "\n",
            " ", "1", "1.", "e5", "$1", "a", "é", "E'", "U&'", "U&\"", "\\", "x'", "in", "with", "as", "copy", "to",
            "from", "explain", "(analyze", "prepare", "execute", "set", "alter role", "password", "do", "::", "[", "]",
            ".", "*", "+", "-", "?", "nextval(", "for update", "create function", "\0", "begin", "end", "…",
        ]), 0..30),
        glue in prop::sample::select(vec!["", " "]),
    ) {
        check(&parts.join(glue));
    }
}

#[test]
fn a_text_that_nobody_reads_may_do_anything_even_if_nothing_of_it_is_there() {
    for sql in ["", "SELECT 1"] {
        let found = crate::unread(sql);
        assert!(
            found.writes && !found.parsed && found.keeps_literals && !found.anywhere,
            "{sql:?}"
        );
        assert_eq!(found.text, None);
        assert!(found.deeds.contains(&crate::Deed::Opaque), "{sql:?}");
    }
    assert_ne!(crate::unread("").fingerprint, crate::unread("SELECT 1").fingerprint);
}
