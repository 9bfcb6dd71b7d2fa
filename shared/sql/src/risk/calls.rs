//! Pure. What a parenthesis is, and what a call by name speaks against a statement.

use super::frame::{Opened, flag};
use super::names::{self, Called};
use super::walk::Walk;
use super::{heads, signs};
use crate::scan::{Class, Token, group};

/// What the parenthesis at this place is, by what stands before and behind it.
pub(super) fn opened(walk: &Walk<'_, '_, '_>, at: usize) -> Opened {
    let next = walk.token(at + 1);
    let begins = |word: &str| next.is_some_and(|next| next.is(word));
    let values = begins("values") && walk.token(at + 2).is_some_and(|next| next.is_symbol("("));
    if begins("select") || begins("with") || begins("table") || values {
        return Opened::Select;
    }
    let Some(before) = walk
        .before(at)
        .filter(|_| !walk.token(at).is_some_and(|open| open.is_symbol("[")))
    else {
        return Opened::Group;
    };
    match before.class {
        Class::Name => Opened::Call(names::function(&before.folded())),
        Class::Keyword if before.is("in") => Opened::List,
        Class::Keyword if before.is("cast") => Opened::Cast,
        Class::Keyword if before.is_any(&["values", "row", "exists", "set", "by", "like", "ilike"]) => Opened::Group,
        Class::Keyword if before.callable || before.nameable => Opened::Call(names::function(&before.folded())),
        _ => Opened::Group,
    }
}

/// Adds what a call speaks against the statement; its parenthesis is at this place.
pub(super) fn judge(walk: &mut Walk<'_, '_, '_>, called: Called, at: usize) {
    match called {
        Called::Telling(sign) => walk.found.add(*sign),
        Called::Sleep => sleep(walk, at),
        Called::SetConfig => set_config(walk, at),
        Called::Lock if walk.probed() => walk.found.add(signs::LOCKS),
        Called::Decode if walk.probed() => walk.found.add(signs::DECODED),
        Called::Chr => walk.letters += 1,
        Called::Series if walk.probed() && is_long(walk, at) => walk.found.add(signs::WORK),
        _ => {}
    }
}

/// A call in attribute notation: `('/etc/passwd').pg_read_file`.
pub(super) fn attribute(walk: &mut Walk<'_, '_, '_>, name: &Token<'_>) {
    match names::function(&name.folded()) {
        Some(Called::Telling(sign)) if sign.forbidden => walk.found.add(*sign),
        Some(Called::Sleep) => walk.found.add(signs::DELAY),
        _ => {}
    }
}

/// `SELECT pg_sleep(5)` alone is a pause that somebody wanted.
fn sleep(walk: &mut Walk<'_, '_, '_>, at: usize) {
    let short = walk.tokens.len() <= at + 3 && walk.depth() == 1;
    let pause = walk.alone && short && at <= 4 && walk.tokens.first().is_some_and(|head| head.is("select"));
    walk.found.add(if pause { signs::PAUSE } else { signs::DELAY });
}

fn set_config(walk: &mut Walk<'_, '_, '_>, at: usize) {
    let name = walk.token(at + 1).filter(|name| name.class == Class::Literal);
    walk.found.by_value |= name.is_some();
    let identity = name.is_some_and(|name| heads::is_identity(name.text.trim_matches('\'')));
    if walk.probed() {
        walk.found.add(signs::SETTING_IN_QUERY);
    } else if identity {
        walk.found.add(signs::IDENTITY);
    } else if name.is_none() {
        walk.found.add(signs::SETTING_UNKNOWN);
    }
}

/// Whether an argument is a million or more.
fn is_long(walk: &mut Walk<'_, '_, '_>, at: usize) -> bool {
    const ARGUMENTS_MAX: usize = 32;
    const DIGITS: usize = 7;
    walk.found.by_value = true;
    let rest = walk.tokens.get(at..).unwrap_or_default();
    let list = rest.get(..rest.len().min(ARGUMENTS_MAX)).unwrap_or_default();
    let list = group(list).map_or(list, |(list, _)| list);
    list.iter().any(|token| {
        let digits = token.text.bytes().filter(u8::is_ascii_digit).count();
        token.class == Class::Literal
            && !token.text.contains('\'')
            && (digits >= DIGITS || token.text.contains(['e', 'E']))
    })
}

/// Whether `::` makes a number of what tells of the server, or of a query; `closed` is what the parenthesis before it holds.
pub(super) fn shows_in_error(walk: &Walk<'_, '_, '_>, closed: u32, at: usize) -> bool {
    let Some(before) = walk.before(at) else { return false };
    let seen = match before.class {
        Class::Symbol if before.text == ")" => closed,
        Class::Keyword if before.is_any(&["current_user", "session_user", "user", "end"]) => flag::INFO,
        _ => return false,
    };
    let number = walk
        .token(at + 1)
        .is_some_and(|name| name.is_name() && names::is_number_type(&name.folded()));
    number && tells(seen, walk.probed())
}

/// Whether an error message with this value would tell something.
pub(super) fn tells(seen: u32, probed: bool) -> bool {
    let info = seen & flag::INFO != 0 && (probed || seen & flag::LITERAL == 0);
    let select =
        seen & (flag::SELECT | flag::BARE_SELECT) != 0 && seen & (flag::SUMMARY | flag::COLUMN | flag::PARAMETER) == 0;
    info || select && (probed || seen & flag::SECRET != 0)
}

/// Two plain texts with an operator between them that is none for texts, as `''-''` leaves of a payload; or joined where
/// one would do.
pub(super) fn between_strings(walk: &mut Walk<'_, '_, '_>, at: usize) {
    let plain = |token: Option<&Token<'_>>| {
        token.is_some_and(|token| token.class == Class::Literal && token.text.starts_with('\''))
    };
    if !plain(walk.before(at)) || !plain(walk.token(at + 1)) {
        return;
    }
    let typed = |before: Option<&Token<'_>>| {
        before.is_some_and(|before| before.class == Class::Name || before.class == Class::Keyword && before.nameable)
    };
    let cast = walk.token(at + 2).is_some_and(|next| next.is_symbol("::"));
    if cast || typed(at.checked_sub(2).and_then(|at| walk.token(at))) {
        return;
    }
    match walk.token(at).map_or("", |operator| operator.text) {
        "-" | "+" | "*" | "/" | "%" | "^" | "&" | "|" | "#" | "<<" | ">>" | "<=>" => walk.found.add(signs::STRINGS),
        "||" if walk.probed() && !walk.is_pattern() => {
            walk.found.by_value = true;
            let empty = [walk.before(at), walk.token(at + 1)];
            let empty = empty.into_iter().flatten().any(|text| text.text == "''");
            walk.found
                .add(if empty { signs::STRINGS } else { signs::JOINED_STRINGS });
        }
        _ => {}
    }
}
