//! Pure. What a text that nobody can parse still shows: words in an order that no program writes by mistake.
//!
//! PostgreSQL refuses such a text, so nothing of it is done; but who probes for a hole sends many of them before one
//! that parses. Where quotes do not close, they are overlooked altogether.

use super::names::{self, Called, Relation};
use super::{Found, Sign, comments, signs};
use crate::scan::{Class, Token};

/// Only so much of a text is looked at.
const PIECES_MAX: usize = 4096;
const BYTES_MAX: usize = 16 * 1024;

/// Verbs that may follow a semicolon.
const VERBS: [&str; 38] = [
    "alter",
    "analyze",
    "call",
    "checkpoint",
    "comment",
    "copy",
    "create",
    "deallocate",
    "declare",
    "delete",
    "discard",
    "do",
    "drop",
    "exec",
    "execute",
    "explain",
    "grant",
    "if",
    "insert",
    "listen",
    "load",
    "lock",
    "merge",
    "notify",
    "reassign",
    "refresh",
    "reindex",
    "reset",
    "revoke",
    "select",
    "set",
    "show",
    "shutdown",
    "truncate",
    "update",
    "vacuum",
    "waitfor",
    "with",
];

/// Words of other databases, with the one that must follow, if any.
const FOREIGN: [(&str, Option<&str>); 20] = [
    ("analyse", Some("(")),
    ("benchmark", Some("(")),
    ("char", Some("(")),
    ("concat", Some("(")),
    ("dumpfile", None),
    ("extractvalue", Some("(")),
    ("group_concat", Some("(")),
    ("load_file", Some("(")),
    ("msysaccessobjects", None),
    ("outfile", None),
    ("regexp", None),
    ("rlike", None),
    ("sleep", Some("(")),
    ("sysobjects", None),
    ("updatexml", Some("(")),
    ("utl_http", None),
    ("utl_inaddr", None),
    ("waitfor", Some("delay")),
    ("xp_cmdshell", None),
    ("xp_dirtree", None),
];

/// A word or a sign of a text, or a literal as a whole.
#[derive(Debug, Clone, Copy)]
struct Piece<'s> {
    text: &'s str,
    /// A number or a string.
    value: bool,
}

impl Piece<'_> {
    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }
}

/// Judges a text that scans, but does not parse.
pub(super) fn judge_tokens(sql: &str, tokens: &[Token<'_>], found: &mut Found) {
    let pieces: Vec<Piece<'_>> = tokens
        .iter()
        .take(PIECES_MAX)
        .map(|token| Piece {
            text: token.text,
            value: token.class == Class::Literal,
        })
        .collect();
    judge(&pieces, found);
    // Where the quotes are not where they should be, what stands between them may be what was sent.
    judge(&self::pieces(beginning(sql)), found);
    comments::judge(sql, tokens, found);
}

/// Judges a text that does not even scan: a quote or a comment is open.
pub(super) fn judge_raw(sql: &str, found: &mut Found) {
    judge(&pieces(beginning(sql)), found);
    if sql.bytes().any(|byte| matches!(byte, b'\'' | b'"' | b'$')) || sql.contains("/*") {
        found.add(signs::OPEN);
    }
    let end = sql.trim_end();
    if ["--", "#", "/*", "-- -", "--+", ";%00"]
        .iter()
        .any(|cut| end.ends_with(cut))
    {
        found.add(signs::CUT_OPEN);
    }
}

fn beginning(sql: &str) -> &str {
    sql.get(..sql.floor_char_boundary(BYTES_MAX)).unwrap_or_default()
}

/// Words, numbers and signs; quotes are left out.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let in_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '@' | '$');
    while let Some(first) = rest.chars().next().filter(|_| pieces.len() < PIECES_MAX) {
        let length = if in_word(first) {
            rest.find(|letter| !in_word(letter)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (piece, behind) = rest.split_at_checked(length).unwrap_or_default();
        if !first.is_whitespace() && !matches!(first, '\'' | '"' | '`' | '\\') {
            pieces.push(Piece {
                text: piece,
                value: first.is_ascii_digit(),
            });
        }
        rest = behind;
    }
    pieces
}

fn judge(pieces: &[Piece<'_>], found: &mut Found) {
    for (at, piece) in pieces.iter().enumerate() {
        let behind = pieces.get(at + 1..).unwrap_or_default();
        if let Some(sign) = sign(piece, behind, at) {
            found.add(sign);
        }
    }
}

fn sign(piece: &Piece<'_>, behind: &[Piece<'_>], at: usize) -> Option<Sign> {
    let next = behind.first();
    let follows = |words: &[&str]| next.is_some_and(|next| next.is_any(words));
    match piece.text {
        ";" if follows(&VERBS) && at > 0 => return Some(signs::STACKED_TEXT),
        "#" if at > 0 && !follows(&[">", "-", "="]) => return Some(signs::HASH),
        "@@" => return Some(signs::foreign::VARIABLE),
        _ => {}
    }
    if piece.value {
        return None;
    }
    if is_comparison(piece) {
        let chained =
            matches!(behind, [one, operator, other, ..] if one.value && is_comparison(operator) && other.value);
        return chained.then_some(signs::CONSTANT_TEXT);
    }
    if piece.is("union") {
        let skipped = behind
            .iter()
            .take(4)
            .position(|next| !(next.is_any(&["all", "distinct"]) || next.text == "("));
        let selects = skipped
            .and_then(|at| behind.get(at))
            .is_some_and(|next| next.is_any(&["select", "values", "table"]));
        return selects.then_some(signs::UNION_TEXT);
    }
    if piece.is_any(&["or", "and", "xor", "having", "|", "&", "||", "&&"]) {
        return is_constant(behind).then_some(signs::CONSTANT_TEXT);
    }
    if piece.text.starts_with("@@") {
        return Some(signs::foreign::VARIABLE);
    }
    named(piece, follows)
}

/// `1=1`, `'a'='a'`, `(2)>(1)`, `1 -- `: two values with a comparison between.
fn is_constant(behind: &[Piece<'_>]) -> bool {
    let mut core = behind
        .iter()
        .filter(|piece| !matches!(piece.text, "(" | ")" | "!" | "+" | "-") && !piece.is("not"));
    let [Some(left), Some(operator)] = [core.next(), core.next()] else {
        return behind.first().is_some_and(|only| only.value);
    };
    let right = core.find(|piece| !matches!(piece.text, "=" | ">" | "<"));
    let compares = is_comparison(operator) || operator.is_any(&["like", "in", "regexp"]);
    let same = right.is_some_and(|right| right.is(left.text) || left.value && right.value);
    compares && (same || left.value && right.is_none())
}

fn is_comparison(piece: &Piece<'_>) -> bool {
    matches!(piece.text, "=" | "<" | ">" | "<>" | "!=" | ">=" | "<=" | "<=>")
}

fn named(piece: &Piece<'_>, follows: impl Fn(&[&str]) -> bool) -> Option<Sign> {
    let lower = piece.text.to_ascii_lowercase();
    let foreign = FOREIGN.iter().find(|(word, _)| *word == lower);
    if foreign.is_some_and(|(_, next)| next.is_none_or(|next| follows(&[next]))) {
        return Some(signs::foreign::WORD);
    }
    match names::function(&lower) {
        Some(Called::Telling(sign)) if follows(&["("]) => return Some(*sign),
        Some(Called::Sleep) if follows(&["("]) => return Some(signs::DELAY),
        _ => {}
    }
    match names::relation(None, &lower) {
        Relation::Secrets => Some(signs::SECRETS),
        Relation::Foreign => Some(signs::foreign::RELATION),
        _ if lower == "information_schema" => Some(signs::CATALOGUE_TEXT),
        _ => None,
    }
}
