//! Fingerprints: pg_query's, and what has to be added so that statements which are not the same do not share one.
//!
//! pg_query's own fingerprint overlooks the values of `SET`, the bodies of functions, the names of roles, and
//! whatever lies a hundred levels deep. Such things enter here as a BLAKE3 hash, so that they tell statements apart
//! and cannot be read back. Statements that carry passwords are known by their words alone.

use pg_query::FingerprintOptions;
use weir_model::Fingerprint;

use crate::functions::{self, Arguments};
use crate::scan::{self, Class, Token};
use crate::tree;

/// Relation names in full, schemas counted, aliases not.
fn options() -> FingerprintOptions {
    FingerprintOptions::RANGEVAR_PG17_COMPAT | FingerprintOptions::FULL_RELNAME
}

/// The fingerprint of a text that scans, and whether it parses.
pub(crate) fn of(sql: &str, tokens: &[Token<'_>], shape: &[Token<'_>]) -> (Fingerprint, bool) {
    let Ok(plain) = pg_query::fingerprint(sql, 0, options()) else {
        return (of_words("unparsed", shape), false);
    };
    if scan::statements(tokens).any(carries_secret) {
        return (of_words("secret", shape), true);
    }
    let kept: Vec<Token<'_>> = scan::statements(tokens).flat_map(kept).collect();
    let deep = looks_deep(shape) && !tree::decodes(sql);
    if kept.is_empty() && !deep {
        return (Fingerprint::new(plain.value), true);
    }
    let mut mark = Mark::new("extended");
    mark.bytes(b'f', &plain.value.to_le_bytes());
    kept.iter().for_each(|token| mark.token(token));
    if deep {
        mark.words(shape);
    }
    (mark.fingerprint(), true)
}

/// The fingerprint of a text that does not even scan.
pub(crate) fn of_raw(sql: &str) -> Fingerprint {
    let mut mark = Mark::new("raw");
    mark.bytes(b't', sql.as_bytes());
    mark.fingerprint()
}

/// What tells a shape apart from every other, also from one that was made to have its fingerprint: pg_query's has no key,
/// and overlooks order and aliases.
pub(crate) fn exact(fingerprint: Fingerprint, shape: &[Token<'_>]) -> u64 {
    let mut mark = Mark::new("exact");
    mark.bytes(b'f', &fingerprint.get().to_le_bytes());
    mark.values_alike(shape);
    truncated(&mark.hash())
}

fn of_words(domain: &str, shape: &[Token<'_>]) -> Fingerprint {
    let mut mark = Mark::new(domain);
    mark.words(shape);
    mark.fingerprint()
}

/// The first 64 bits of a hash.
pub(crate) fn truncated(hash: &blake3::Hash) -> u64 {
    hash.as_bytes().first_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// A hash under way; every part has a tag and a length, so that no two sequences look alike.
#[derive(Debug)]
pub(crate) struct Mark(blake3::Hasher);

impl Mark {
    /// A hash that agrees with no other domain's.
    pub(crate) fn new(domain: &str) -> Self {
        let mut mark = Self(blake3::Hasher::new());
        mark.bytes(b'd', domain.as_bytes());
        mark
    }

    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.0.update(&[tag]);
        self.0.update(&bytes.len().to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds a token as it is, case folded where the server folds it.
    pub(crate) fn token(&mut self, token: &Token<'_>) {
        let tag = match token.class {
            Class::Name | Class::Keyword => b'n',
            Class::Literal => b'l',
            Class::Parameter => b'p',
            Class::Symbol | Class::Rest => b's',
        };
        self.bytes(tag, token.folded().as_bytes());
    }

    /// Adds some value, never mind which.
    pub(crate) fn value(&mut self) {
        self.bytes(b'v', b"");
    }

    /// Adds a shape without its values and without the lengths of its lists.
    fn words(&mut self, shape: &[Token<'_>]) {
        for token in shape {
            match token.class {
                Class::Literal | Class::Parameter => self.value(),
                Class::Rest => {}
                Class::Name | Class::Keyword | Class::Symbol => self.token(token),
            }
        }
    }

    /// Adds a shape with all its values alike: `NULL`, and a number with a sign before it, are values like others.
    fn values_alike(&mut self, shape: &[Token<'_>]) {
        let mut before: Option<&Token<'_>> = None;
        for (token, next) in shape.iter().zip(shape.iter().skip(1).map(Some).chain([None])) {
            let is_sign = token.is_symbol("-") || token.is_symbol("+");
            let signs = is_sign
                && next.is_some_and(|next| next.class == Class::Literal)
                && before.is_none_or(|before| !ends_operand(before));
            if token.is_value() {
                self.value();
            } else if !(signs || token.class == Class::Rest) {
                self.token(token);
            }
            before = Some(token);
        }
    }

    /// The hash of all that was added.
    pub(crate) fn hash(&self) -> blake3::Hash {
        self.0.finalize()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(truncated(&self.hash()))
    }
}

/// Whether an operator behind this token has it as its left side.
fn ends_operand(token: &Token<'_>) -> bool {
    match token.class {
        Class::Name | Class::Literal | Class::Parameter | Class::Rest => true,
        Class::Symbol => token.is_symbol(")") || token.is_symbol("]"),
        Class::Keyword => token.is_any(&["null", "true", "false", "end"]),
    }
}

/// Whether a statement may hold a password, which pg_query would hash with the rest: guessed once, confirmed for ever.
fn carries_secret(statement: &[Token<'_>]) -> bool {
    let [head, object, ..] = statement else { return false };
    head.is_any(&["create", "alter"])
        && object.is_any(&["role", "user", "group", "server", "foreign", "subscription"])
        && !alters_setting(statement)
}

/// `ALTER ROLE … SET name TO value`, which has no place for a password.
fn alters_setting(statement: &[Token<'_>]) -> bool {
    statement.first().is_some_and(|head| head.is("alter"))
        && scan::behind(statement, |token| token.is("set")).is_some()
        && !statement.iter().any(|token| token.is_any(&["foreign", "password"]))
}

/// What tells a statement apart, but is overlooked by pg_query.
pub(crate) fn kept<'a>(statement: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = by_head(statement).to_vec();
    if let [head, ..] = statement
        && head.is_any(&["alter", "drop", "grant", "revoke", "reassign"])
        && kept.is_empty()
    {
        kept.extend(statement.iter().filter(|token| !token.is_value()));
    }
    kept.extend(by_calls(statement));
    kept
}

/// The arguments of calls that count. In attribute notation they may stand anywhere before it: all is kept.
fn by_calls<'a>(statement: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::new();
    let mut until = 0;
    for call in scan::calls(statement) {
        let which = functions::kept_arguments(call.name).filter(|_| call.at >= until);
        let taken = match (which, call.arguments) {
            (None, _) => continue,
            (Some(_), None) => return statement.to_vec(),
            (Some(which), Some(rest)) => arguments(rest, which),
        };
        // What stands inside is kept already; taking it again for every call in it would not end.
        until = call.at + taken.len();
        kept.extend_from_slice(taken);
    }
    kept
}

fn arguments<'t, 'a>(rest: &'t [Token<'a>], which: Arguments) -> &'t [Token<'a>] {
    let list = scan::group(rest).map_or(rest, |(list, _)| list);
    let length = match which {
        Arguments::All => None,
        Arguments::First => list.iter().position(|token| token.is_symbol(",")),
    };
    list.get(..length.unwrap_or(list.len())).unwrap_or(list)
}

/// The part of a statement that counts to the letter, as its first words tell.
fn by_head<'t, 'a>(statement: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let Some((head, rest)) = statement.split_first() else {
        return &[];
    };
    let early = |words: &[&str]| rest.iter().take(3).any(|token| token.is_any(words));
    match head.folded().as_ref() {
        "set" | "do" => statement,
        "create" if early(&["function", "procedure"]) => statement,
        "alter" if alters_setting(statement) => statement,
        "prepare" if !early(&["transaction"]) => rest.get(..1).unwrap_or_default(),
        "execute" | "explain" | "create" => executed(statement),
        _ => &[],
    }
}

/// The name of the prepared statement that is executed.
fn executed<'t, 'a>(statement: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let name = scan::behind(statement, |token| token.is("execute")).unwrap_or_default();
    name.get(..1).unwrap_or_default()
}

/// The fewest tokens that can nest a hundred levels deep, where pg_query stops to look: two levels for each.
const DEEPENING_MAX: usize = 45;

/// Words that put one expression or relation inside another.
const DEEPENING: [&str; 16] = [
    "at",
    "between",
    "case",
    "collate",
    "except",
    "ilike",
    "in",
    "intersect",
    "is",
    "isnull",
    "join",
    "like",
    "not",
    "notnull",
    "similar",
    "union",
];

/// Whether there are enough operators, parentheses and joins for a tree that pg_query does not see the end of.
fn looks_deep(shape: &[Token<'_>]) -> bool {
    let shallow = |token: &Token<'_>| [",", ".", ";", ")", "]"].contains(&token.text);
    let deepens = |token: &&Token<'_>| match token.class {
        Class::Symbol => !shallow(token),
        Class::Keyword => token.is_any(&DEEPENING),
        _ => false,
    };
    shape.iter().filter(deepens).nth(DEEPENING_MAX).is_some()
}
