//! Pure. What the first words of a statement tell, and what several statements in one text do.

use std::borrow::Cow;

use super::{Found, Sign, names, signs};
use crate::scan::{self, Class, Token};

/// Adds what a statement's own verb speaks against it.
pub(super) fn judge(statement: &[Token<'_>], found: &mut Found) {
    let Some((head, rest)) = statement.split_first() else {
        return;
    };
    if head.class != Class::Keyword {
        return;
    }
    let sign = match word(head).as_ref() {
        "copy" => copy(rest),
        "grant" | "revoke" => Some(signs::GRANT),
        "reassign" => Some(signs::ROLE),
        "security" => Some(signs::GRANT),
        "load" => Some(signs::NATIVE_CODE),
        "set" | "reset" => set(rest),
        "create" => create(rest),
        "alter" => alter(rest),
        "drop" => drop(rest),
        _ => None,
    };
    sign.into_iter().for_each(|sign| found.add(sign));
}

fn word<'a>(token: &Token<'a>) -> Cow<'a, str> {
    token.folded()
}

/// `COPY … TO 'file'`, `FROM PROGRAM '…'`; `STDIN` and `STDOUT` are the client's.
fn copy(rest: &[Token<'_>]) -> Option<Sign> {
    let target = scan::behind(rest, |token| token.is_any(&["from", "to"]))?.first()?;
    if target.is("program") {
        Some(signs::PROGRAM)
    } else {
        (target.class == Class::Literal).then_some(signs::COPY_FILE)
    }
}

/// `SET ROLE`, `SET LOCAL SESSION AUTHORIZATION`, `SET row_security`.
fn set(rest: &[Token<'_>]) -> Option<Sign> {
    let scoped = rest.first().is_some_and(|first| first.is_any(&["local", "session"]));
    let names = rest.get(usize::from(scoped)..).unwrap_or_default();
    let first = names.first()?;
    let whole = |next: Option<&Token<'_>>| next.is_none_or(|next| !next.is_symbol("."));
    let authorization = rest.windows(2).take(2).any(|pair| {
        let [session, word] = pair else { return false };
        session.is("session") && word.is("authorization")
    });
    (authorization || whole(names.get(1)) && is_identity(&first.unquoted())).then_some(signs::IDENTITY)
}

/// Whether a setting says who the session is, or whether row security holds for it.
pub(super) fn is_identity(setting: &str) -> bool {
    [
        "role",
        "session_authorization",
        "row_security",
        "session_replication_role",
    ]
    .iter()
    .any(|known| setting.eq_ignore_ascii_case(known))
}

fn create(rest: &[Token<'_>]) -> Option<Sign> {
    let words = rest
        .iter()
        .filter(|token| !token.is_any(&["or", "replace", "trusted", "procedural", "if", "not", "exists"]));
    let mut words = words.take(4);
    let object = words.next()?;
    match word(object).as_ref() {
        "role" | "user" | "group" => {
            let mapping = words.next().is_some_and(|next| next.is("mapping"));
            Some(if mapping { signs::FOREIGN_SERVER } else { signs::ROLE })
        }
        "extension" => {
            let name = words.next()?.unquoted();
            (!names::is_trusted_extension(&name)).then_some(signs::EXTENSION)
        }
        "server" => Some(signs::FOREIGN_SERVER),
        "foreign" => words
            .next()
            .is_some_and(|next| next.is("data"))
            .then_some(signs::FOREIGN_SERVER),
        "subscription" => Some(signs::OTHER_SERVER),
        "language" => Some(signs::NATIVE_CODE),
        "function" | "procedure" => native(rest),
        _ => None,
    }
}

/// `LANGUAGE C`, `LANGUAGE plpython3u`: what is not bound by the database's privileges.
fn native(rest: &[Token<'_>]) -> Option<Sign> {
    let language = rest.windows(2).find_map(|pair| {
        let [keyword, name] = pair else { return None };
        keyword
            .is("language")
            .then(|| name.unquoted().trim_matches('\'').to_ascii_lowercase())
    })?;
    let boundless =
        ["c", "internal"].contains(&language.as_str()) || language.starts_with("pl") && language.ends_with('u');
    boundless.then_some(signs::NATIVE_CODE)
}

fn alter(rest: &[Token<'_>]) -> Option<Sign> {
    let object = rest.first()?;
    let pair = |one: &str, other: &str| {
        rest.windows(2).any(|pair| {
            let [first, second] = pair else { return false };
            first.is(one) && second.is(other)
        })
    };
    match word(object).as_ref() {
        "role" | "user" | "group" => Some(signs::ROLE),
        "system" => Some(signs::SYSTEM),
        "default" => Some(signs::GRANT),
        "server" => Some(signs::FOREIGN_SERVER),
        "foreign" if rest.get(1).is_some_and(|next| next.is("data")) => Some(signs::FOREIGN_SERVER),
        "policy" => Some(signs::ROW_SECURITY),
        _ if pair("owner", "to") => Some(signs::ROW_SECURITY),
        "table" if pair("row", "level") && !pair("enable", "row") && !pair("force", "row") => Some(signs::ROW_SECURITY),
        "table" if pair("no", "force") => Some(signs::ROW_SECURITY),
        _ => None,
    }
}

fn drop(rest: &[Token<'_>]) -> Option<Sign> {
    match word(rest.first()?).as_ref() {
        "role" | "user" | "group" | "owned" => Some(signs::ROLE),
        "policy" => Some(signs::ROW_SECURITY),
        _ => None,
    }
}

/// What a statement is in a row of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Read,
    Write,
    /// Begins, ends or divides a transaction, or sets something for it.
    Frame,
    Utility,
}

fn sort(statement: &[Token<'_>]) -> Sort {
    let head = statement.iter().find(|token| !token.is_symbol("("));
    match head.map(word).as_deref() {
        Some("select" | "values" | "table" | "with" | "show" | "fetch" | "explain") => Sort::Read,
        Some("insert" | "update" | "delete" | "merge") => Sort::Write,
        Some(
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" | "set" | "reset"
            | "lock" | "close" | "declare" | "move" | "analyze" | "notify",
        ) => Sort::Frame,
        _ => Sort::Utility,
    }
}

/// Several statements in one text, which begins with a query: programs send scripts, but those begin otherwise.
pub(super) fn stacked(statements: &[&[Token<'_>]], found: &mut Found) {
    let [first, rest @ ..] = statements else { return };
    if rest.is_empty() {
        return;
    }
    // What only prepares the session is no head: `SET LOCAL …; SELECT …`.
    let head = sort(first);
    let gravest = rest
        .iter()
        .filter_map(|statement| stacks(head, first, statement))
        .max_by_key(|sign| sign.weight);
    gravest.into_iter().for_each(|sign| found.add(sign));
}

fn stacks(head: Sort, first: &[Token<'_>], statement: &[Token<'_>]) -> Option<Sign> {
    match (head, sort(statement)) {
        (Sort::Frame | Sort::Utility, _) | (_, Sort::Frame) => None,
        (_, Sort::Utility) => Some(signs::STACKED_UTILITY),
        (Sort::Read, Sort::Write) => Some(signs::STACKED_WRITE),
        (Sort::Read, Sort::Read) => Some(signs::STACKED_READ),
        (Sort::Write, _) if begins_alike(first, statement) => None,
        (Sort::Write, _) => Some(signs::STACKED_OTHER),
    }
}

/// Whether two statements have the same verb and table: a batch.
fn begins_alike(one: &[Token<'_>], other: &[Token<'_>]) -> bool {
    one.len() >= 3
        && other.len() >= 3
        && one
            .iter()
            .zip(other)
            .take(3)
            .all(|(one, other)| one.folded() == other.folded())
}
