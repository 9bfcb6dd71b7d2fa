//! What must hold of every text, whoever sends it. The fuzz target and the tests share this file.
//!
//! Two lexers stand against each other: PostgreSQL's scanner, on which the crate builds, and the crate's own for
//! skeletons. What either calls a literal must not be in the text that is shown.

use pg_query::protobuf::Token as Code;
use weir_sql::{Limits, RULES, Statement, analyse, skeleton, text_hash, trace, without_trace};

/// Divides the parts of a text of which two are repeated.
const DIVIDER: char = '\u{1d}';
/// As long as a text of repeated parts may be.
const REPEATED_BYTES_MAX: usize = 64 * 1024;
/// A longer text is judged less exactly; a literal that makes it so decides what is known of it.
const EXACT_BYTES_MAX: usize = 32 * 1024;
/// What the literals of the seeds hold, and nothing else should.
const MARKS: [&str; 2] = ["swordfish", "4711471147"];

/// A text from any bytes. The first says how often the second and fourth of five parts are repeated, if there are parts.
pub(crate) fn text_of(data: &[u8]) -> String {
    let Some((first, rest)) = data.split_first() else {
        return String::new();
    };
    let text = String::from_utf8_lossy(rest);
    if !text.contains(DIVIDER) {
        return text.into_owned();
    }
    let mut parts = text.splitn(5, DIVIDER);
    let [before, open, core, close, after] = [(); 5].map(|()| parts.next().unwrap_or_default());
    let times = 1_usize << (first % 16);
    let times = times.min(REPEATED_BYTES_MAX / (open.len() + close.len()).max(1));
    [before, &open.repeat(times), core, &close.repeat(times), after].concat()
}

/// Panics where something does not hold.
pub(crate) fn check(sql: &str) {
    let found = analyse(sql, Limits::default());
    assert_eq!(found.text_hash, text_hash(sql));
    assert!(found.parsed || found.writes, "what is not understood counts as a write");
    assert!(found.parsed || found.keeps_literals, "and as one of a kind");
    check_limits(sql, &found);
    check_risk(&found);
    check_trace(sql);
    let own = own_skeleton(sql);
    if let Some(text) = &found.text {
        check_shown(sql, text, own.as_deref());
    }
    if let Some(own) = own {
        check_sister(sql, &found, &own);
    }
}

/// The score is what its signs sum up to, and no rule counts twice.
fn check_risk(found: &Statement) {
    let Some(risk) = &found.risk else { return };
    let sum: u32 = risk.signs.iter().map(|sign| u32::from(sign.weight)).sum();
    assert_eq!(u32::from(risk.score), sum.min(100));
    assert!(!risk.signs.is_empty());
    let (mut rules, all): (Vec<&str>, usize) = (risk.signs.iter().map(|sign| sign.rule).collect(), risk.signs.len());
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(rules.len(), all, "a rule counts twice: {risk:?}");
    assert!(
        rules.iter().all(|rule| RULES.iter().any(|(known, _)| known == rule)),
        "{risk:?}"
    );
}

/// Less room for the text changes nothing but the text; none for the statement leaves its hash.
fn check_limits(sql: &str, found: &Statement) {
    let short = Limits {
        text_bytes_max: 16,
        ..Limits::default()
    };
    let cut = analyse(sql, short);
    assert!(cut.text.as_ref().is_none_or(|text| text.len() <= 16));
    let text = found.text.clone();
    assert_eq!(Statement { text, ..cut }, *found, "it hangs on the room for its text");
    if !sql.is_empty() {
        let none = Limits {
            statement_bytes_max: sql.len() - 1,
            ..Limits::default()
        };
        let opaque = analyse(sql, none);
        assert_eq!(
            (opaque.text, opaque.text_hash, opaque.parsed),
            (None, found.text_hash, false)
        );
    }
}

fn check_trace(sql: &str) {
    let rest = without_trace(sql);
    let named = trace(sql.as_bytes());
    assert_eq!(named.is_some(), rest.len() < sql.len());
    if let Some(named) = named {
        assert!(sql.contains(named.parent) && named.rest() == rest.as_bytes());
    }
}

fn own_skeleton(sql: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    skeleton(sql, &mut out).then_some(out)
}

/// The text that is shown holds no literal: none that was written, and nothing that reads like one.
fn check_shown(sql: &str, text: &str, own: Option<&[u8]>) {
    for mark in MARKS {
        if !text.contains(mark) {
            continue;
        }
        assert!(is_written_plainly(sql, mark), "{mark} is shown of {sql:?}: {text:?}");
        let hidden = own.is_some_and(|own| !contains(own, mark.as_bytes()));
        assert!(
            !hidden,
            "{mark} is a literal to the other lexer, and is shown of {sql:?}: {text:?}"
        );
    }
    // A text that was cut may end anywhere.
    if let Ok(read) = pg_query::scan(text) {
        let literal = read.tokens.iter().find(|token| is_literal(token.token));
        assert!(literal.is_none(), "{literal:?} in {text:?}, which stands for {sql:?}");
    }
}

/// Whether a mark stands somewhere else than in a literal or comment.
fn is_written_plainly(sql: &str, mark: &str) -> bool {
    let Ok(read) = pg_query::scan(sql) else {
        return false;
    };
    let mut tokens = read.tokens.iter().filter(|token| !is_hidden(token.token));
    tokens.any(|token| {
        let place = usize::try_from(token.start).ok().zip(usize::try_from(token.end).ok());
        let written = place.and_then(|(start, end)| sql.get(start..end));
        written.is_some_and(|written| written.contains(mark))
    })
}

fn is_literal(token: i32) -> bool {
    matches!(
        Code::try_from(token),
        Ok(Code::Sconst | Code::Usconst | Code::Bconst | Code::Xconst | Code::Fconst | Code::Iconst)
    )
}

fn is_hidden(token: i32) -> bool {
    is_literal(token) || matches!(Code::try_from(token), Ok(Code::SqlComment | Code::CComment))
}

fn contains(heap: &[u8], needle: &[u8]) -> bool {
    heap.windows(needle.len()).any(|window| window == needle)
}

/// A text with other literals and the same skeleton is the same statement, unless it says that its literals count.
fn check_sister(sql: &str, found: &Statement, own: &[u8]) {
    let Some(sister) = sister(own) else { return };
    // Where the two are not alike the rest says nothing: some literals cannot stand where others do.
    if own_skeleton(&sister).as_deref() != Some(own) || sql.len().max(sister.len()) > EXACT_BYTES_MAX {
        return;
    }
    let other = analyse(&sister, Limits::default());
    assert!(
        found.keeps_literals || !other.parsed || !other.keeps_literals,
        "the one says that literals count, and not the other: {sql:?} and {sister:?}"
    );
    if found.keeps_literals {
        return;
    }
    let text_hash = found.text_hash;
    assert_eq!(Statement { text_hash, ..other }, *found, "{sql:?} and {sister:?}");
}

/// The skeleton with a literal of the same sort in each place.
fn sister(own: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(own.len());
    let mut before = b' ';
    for byte in own {
        let literal: &[u8] = match byte {
            0xf8 => b"70",
            // `a.5` is a name and a number; `a7.5` would be a name and another number.
            0xf9 if before.is_ascii_alphanumeric() || before >= 0x80 || before == b'_' => b".75",
            0xf9 => b"7.5",
            0xfa => b"'other'",
            0xfb => b"E'other'",
            0xfc => b"$o$other$o$",
            0xfd => b"B'11'",
            0xfe => b"X'11'",
            0xff => b"/*other*/",
            0xf7 => b"--other",
            byte => std::slice::from_ref(byte),
        };
        out.extend_from_slice(literal);
        before = *byte;
    }
    String::from_utf8(out).ok()
}
