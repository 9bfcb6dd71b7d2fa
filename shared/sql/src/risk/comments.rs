//! Pure. Comments: what a program writes into them, and what they look like that cut a statement short.
//!
//! Whoever injects must get rid of the rest of the statement, and a comment does it: what then stands in the comment is
//! a quote, a parenthesis, `AND active`. A comment that is [plain](is_plain) is never listened to, so texts that differ
//! in plain comments only are judged alike.

use super::{Found, Sign, signs};
use crate::scan::{Class, Token};
use crate::trace;

/// Line comments of fewer letters than these are what is left of a payload rather than a note.
const NOTE_BYTES_MIN: usize = 5;

/// Words with which the rest of a statement may begin.
const CONTINUING: [&[u8]; 31] = [
    b"and",
    b"as",
    b"asc",
    b"between",
    b"desc",
    b"except",
    b"fetch",
    b"for",
    b"from",
    b"group",
    b"having",
    b"ilike",
    b"in",
    b"inner",
    b"intersect",
    b"into",
    b"is",
    b"join",
    b"left",
    b"like",
    b"limit",
    b"not",
    b"offset",
    b"on",
    b"or",
    b"order",
    b"returning",
    b"set",
    b"union",
    b"values",
    b"where",
];

/// Whether what stands in a comment can be nothing but a note: for programs (`key='value'`, a planner's hint) or for
/// people. Everything else is looked at word by word.
pub(crate) fn is_plain(body: &[u8], block: bool) -> bool {
    let body = body.trim_ascii();
    if block && (is_hint(body) || is_pairs(body)) {
        return true;
    }
    let enough = body.len() >= if block { 1 } else { NOTE_BYTES_MIN };
    enough && !begins_oddly(body, block) && !continues(body) && is_balanced(body)
}

/// `/*+ SeqScan(t) */`, as `pg_hint_plan` reads it.
fn is_hint(body: &[u8]) -> bool {
    body.first() == Some(&b'+') && body.len() >= NOTE_BYTES_MIN && !body.contains(&b'\'')
}

/// `key='value',other='value'`, as sqlcommenter writes it.
fn is_pairs(body: &[u8]) -> bool {
    body.last() == Some(&b'\'')
        && std::str::from_utf8(body).is_ok_and(|body| body.split(',').all(|piece| trace::pair(piece).is_some()))
}

fn begins_oddly(body: &[u8], block: bool) -> bool {
    let odd = b"'\"`);%,=<>|:]-+*#!\\";
    // A banner and a list of stars are usual in blocks.
    let usual = block && matches!(body.first(), Some(b'*' | b'-' | b'=' | b'#'));
    body.first().is_some_and(|first| odd.contains(first)) && !usual
}

fn first_word(body: &[u8]) -> &[u8] {
    let length = body.iter().position(|byte| !byte.is_ascii_alphabetic());
    body.get(..length.unwrap_or(body.len())).unwrap_or_default()
}

fn continues(body: &[u8]) -> bool {
    let word = first_word(body);
    CONTINUING.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// No quote but an apostrophe, no parenthesis that closes what was not opened, no comment within.
fn is_balanced(body: &[u8]) -> bool {
    let mut open = 0_i64;
    let mut letters = false;
    let mut bytes = body.iter().peekable();
    while let Some(byte) = bytes.next() {
        let next = bytes.peek();
        match byte {
            b'(' => open += 1,
            b')' => open -= 1,
            b'\'' if !(letters && next.is_some_and(|next| next.is_ascii_alphabetic())) => return false,
            b'/' if next == Some(&&b'*') => return false,
            _ => {}
        }
        if open < 0 {
            return false;
        }
        letters = byte.is_ascii_alphabetic();
    }
    true
}

/// One comment and where it stands.
#[derive(Debug, Clone, Copy)]
struct Comment<'s> {
    body: &'s str,
    block: bool,
    /// A token stands before it on its line.
    behind_code: bool,
    /// A token stands before it.
    within: bool,
    /// No token follows.
    last: bool,
    /// Nothing but the comment divides two words.
    divides: bool,
}

/// Adds what the comments of a text speak against it.
pub(super) fn judge(sql: &str, tokens: &[Token<'_>], found: &mut Found) {
    let mut end = 0;
    let mut before: Option<&Token<'_>> = None;
    let with_parameters = || tokens.iter().any(|token| token.class == Class::Parameter);
    for next in tokens.iter().map(Some).chain([None]) {
        let begin = next.map_or(sql.len(), |token| token.at);
        // The shortest comment has two bytes, and most gaps one.
        if begin >= end + 2
            && let Some(gap) = sql.get(end..begin)
        {
            each(gap, before, next, |comment| {
                let sign = sign(comment);
                let lenient = sign.is_some_and(|sign| sign == signs::CUT) && with_parameters();
                (if lenient { Some(signs::CUT_PARAMETERS) } else { sign })
                    .into_iter()
                    .for_each(|sign| found.add(sign));
            });
        }
        if let Some(token) = next {
            end = token.at + token.text.len();
        }
        before = next;
    }
}

/// Calls with each comment of a gap between two tokens, which holds nothing else but white space.
fn each<'s>(gap: &'s str, before: Option<&Token<'_>>, next: Option<&Token<'_>>, mut act: impl FnMut(Comment<'s>)) {
    let wordlike = |token: Option<&Token<'_>>| token.is_some_and(|token| token.class != Class::Symbol);
    let mut rest = gap;
    let mut on_line = before.is_some();
    while let Some(at) = rest.find(['-', '/']) {
        let (space, comment) = rest.split_at_checked(at).unwrap_or_default();
        on_line &= !space.contains('\n');
        let block = comment.starts_with('/');
        let (body, behind) = if block { block_body(comment) } else { line_body(comment) };
        let alone = comment.len() == gap.len() && behind.is_empty();
        act(Comment {
            body,
            block,
            behind_code: on_line,
            within: before.is_some(),
            last: next.is_none(),
            divides: block && alone && wordlike(before) && wordlike(next),
        });
        rest = behind;
    }
}

fn line_body(comment: &str) -> (&str, &str) {
    let body = comment.get(2..).unwrap_or_default();
    body.split_at_checked(body.find(['\n', '\r']).unwrap_or(body.len()))
        .unwrap_or_default()
}

/// What stands between the first two and the last two bytes; comments nest.
fn block_body(comment: &str) -> (&str, &str) {
    let bytes = comment.as_bytes();
    let (mut depth, mut at) = (0_usize, 0_usize);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    let body = comment.get(2..at.saturating_sub(2)).unwrap_or_default();
    (body, comment.get(at..).unwrap_or_default())
}

fn sign(comment: Comment<'_>) -> Option<Sign> {
    let plain = is_plain(comment.body.as_bytes(), comment.block);
    let body = comment.body.trim_ascii();
    if comment.block {
        return in_block(comment, body, plain);
    }
    if plain || !comment.behind_code {
        return None;
    }
    match (comment.last, reads_as_rest(body)) {
        (true, true) => Some(signs::TAIL),
        (true, false) => is_remnant(body).then_some(signs::CUT),
        (false, true) => Some(signs::TAIL_WITHIN),
        (false, false) => None,
    }
}

fn in_block(comment: Comment<'_>, body: &str, plain: bool) -> Option<Sign> {
    if body.starts_with('!') || body.is_empty() || body.contains("/*") {
        return Some(signs::ODD_COMMENT);
    }
    if !plain && comment.within && reads_as_rest(body) {
        return Some(signs::TAIL_WITHIN);
    }
    let hint = is_hint(body.as_bytes());
    (comment.divides && !hint).then_some(signs::DIVIDING_COMMENT)
}

/// What a payload leaves behind `--`: nothing, a sign, a few letters.
fn is_remnant(body: &str) -> bool {
    let body = body.trim_matches(['-', '+', '#', ' ', '/', '*', '%', '2', '0', ';']);
    body.len() < NOTE_BYTES_MIN && body.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether it reads like the end of a statement: what a template has behind the place where a value goes.
fn reads_as_rest(body: &str) -> bool {
    let rest = body.trim_start_matches(['-', '+', ' ']);
    match rest.bytes().next() {
        Some(b'\'' | b'"' | b')' | b';' | b'%' | b']') => true,
        Some(b',' | b'=' | b'<' | b'>' | b'|' | b':') => has_sql(rest),
        _ => closes_more(rest) || begins_rest(rest) || has_stray_quote(rest),
    }
}

fn has_sql(rest: &str) -> bool {
    rest.bytes()
        .any(|byte| matches!(byte, b'=' | b'<' | b'>' | b'\'' | b'(' | b')' | b'"' | b'$'))
}

fn closes_more(rest: &str) -> bool {
    let count = |wanted: u8| rest.bytes().filter(|byte| *byte == wanted).count();
    count(b')') > count(b'(')
}

/// An odd number of quotes, and no apostrophe among them: `x' AND active`.
fn has_stray_quote(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let mut quotes = 0_usize;
    let mut letters = false;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\'' {
            let letter_follows = bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic);
            quotes += usize::from(!(letters && letter_follows));
        }
        letters = byte.is_ascii_alphabetic();
    }
    quotes % 2 == 1 && quotes > 0
}

fn begins_rest(rest: &str) -> bool {
    let mut words = rest.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    let second = words.next().unwrap_or_default().to_ascii_lowercase();
    let told = |known: &[&str]| {
        rest.split_ascii_whitespace()
            .any(|word| known.iter().any(|known| word.eq_ignore_ascii_case(known)))
    };
    let compares = || has_sql(rest) || told(&["is", "in", "like", "ilike", "between", "exists"]);
    let shouted = first.len() > 1 && first.bytes().all(|byte| byte.is_ascii_uppercase());
    match first.to_ascii_lowercase().as_str() {
        "and" | "or" | "where" | "having" | "on" | "set" => compares() || shouted,
        "order" | "group" => second == "by",
        "limit" | "offset" => second.starts_with(|first: char| first.is_ascii_digit() || first == '$' || first == '?'),
        "union" | "except" | "intersect" => ["all", "select", "distinct"].contains(&second.as_str()),
        "in" | "like" | "ilike" | "is" | "not" | "between" | "values" => has_sql(rest) || shouted,
        "asc" | "desc" => second.is_empty() || second == "limit" || second == "nulls" || shouted,
        "for" => ["update", "share", "no", "key"].contains(&second.as_str()),
        "from" | "join" | "inner" | "left" | "into" | "as" | "returning" | "fetch" => {
            shouted || told(&["where", "limit", "order", "join"])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_plain() {
        for (body, block) in [
            ("get user by id", false),
            (" don't forget (ticket 12)", false),
            ("Metabase:: userID: 1 queryType: native queryHash: 3c4b", false),
            ("route='/polls/%3Cid%3E',db_driver='django'", true),
            ("application:MyApp,controller:users,action:show", true),
            ("+ IndexScan(t t_idx)", true),
            ("* A list\n * of stars", true),
            ("q1", true),
            ("{\"app\": \"x\"}", true),
        ] {
            assert!(is_plain(body.as_bytes(), block), "{body}");
        }
    }

    #[test]
    fn rests_of_statements_are_not() {
        for (body, block, rest) in [
            ("' AND active = true", false, true),
            (" ' LIMIT 1", false, true),
            (")", false, true),
            (" AND deleted_at IS NULL", false, true),
            (" ORDER BY name", false, true),
            (" LIMIT 10", false, true),
            (" x' and b = 'c'", false, true),
            ("%'", false, true),
            (", 5)", false, true),
            ("-", false, false),
            (" wXyZ", false, false),
            ("", false, false),
            ("", true, false),
            ("!50000 select", true, false),
            (" and then some", false, false),
            (" for now only", false, false),
            (" as of last week", false, false),
            (" or else", false, false),
        ] {
            assert!(!is_plain(body.as_bytes(), block), "{body}");
            assert_eq!(reads_as_rest(body.trim_ascii()), rest, "{body}");
        }
    }
}
