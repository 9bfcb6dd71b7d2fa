//! Pure. A text's shape: its tokens, with lists of constants and rows of values cut to what is distinct in them.

use std::collections::HashSet;

use crate::identity::Mark;
use crate::scan::{Class, Token, balanced, group};

/// What stands for the rest of a list.
const REST: Token<'static> = Token {
    class: Class::Rest,
    text: ", …",
    gap: false,
    callable: false,
    nameable: false,
    at: 0,
};

/// The shape of a text. `IN (1, 2, 3)` becomes `IN (1, …)`; of the rows behind `VALUES` one of each form stays.
pub(crate) fn of<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut rest = trimmed(tokens);
    if !balanced(rest) {
        // No list has an end that could be found without looking for it again and again.
        return rest.to_vec();
    }
    let mut shape = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        shape.push(*first);
        rest = if first.is("in") {
            constants(behind, &mut shape)
        } else if first.is("values") {
            rows(behind, &mut shape)
        } else {
            behind
        };
    }
    shape
}

/// Without the semicolons at the end.
fn trimmed<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let kept = tokens
        .iter()
        .rposition(|token| !token.is_symbol(";"))
        .map_or(0, |last| last + 1);
    tokens.get(..kept).unwrap_or_default()
}

/// Takes a list of two or more constants, and keeps the first.
fn constants<'t, 'a>(tokens: &'t [Token<'a>], shape: &mut Vec<Token<'a>>) -> &'t [Token<'a>] {
    let Some((list, rest)) = flat_group(tokens) else {
        return tokens;
    };
    let [open, elements @ .., close] = list else {
        return tokens;
    };
    let mut parts = elements.split(|token| token.is_symbol(","));
    let Some(first) = parts.next().filter(|part| is_constant(part)) else {
        return tokens;
    };
    if first.len() == elements.len() || !parts.all(is_constant) {
        return tokens;
    }
    shape.push(*open);
    shape.extend_from_slice(first);
    shape.extend([REST, *close]);
    rest
}

/// A group with no group inside; looked for no further than the next parenthesis.
fn flat_group<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<Split<'t, 'a>> {
    let (open, inside) = tokens.split_first()?;
    let end = inside
        .iter()
        .position(|token| token.is_symbol("(") || token.is_symbol(")"))?;
    let closes = open.is_symbol("(") && inside.get(end)?.is_symbol(")");
    closes.then(|| tokens.split_at_checked(end + 2)).flatten()
}

/// A value, perhaps with a sign, a type before it or a cast behind it.
fn is_constant(element: &[Token<'_>]) -> bool {
    let unsigned = match element {
        [sign, rest @ ..] if sign.is_symbol("-") || sign.is_symbol("+") => rest,
        _ => element,
    };
    match unsigned {
        [value] => value.is_value(),
        [name, value] => name.is_name() && value.class == Class::Literal,
        [value, cast, name] => value.is_value() && cast.is_symbol("::") && name.is_name(),
        _ => false,
    }
}

/// Takes the rows behind `VALUES`, and keeps the first of each form.
fn rows<'t, 'a>(tokens: &'t [Token<'a>], shape: &mut Vec<Token<'a>>) -> &'t [Token<'a>] {
    let Some((first, mut rest)) = group(tokens) else {
        return tokens;
    };
    let mut seen = HashSet::from([form(first)]);
    let mut cut = false;
    shape.extend_from_slice(first);
    while let Some((comma, (row, behind))) = next_row(rest) {
        if seen.insert(form(row)) {
            shape.push(*comma);
            shape.extend_from_slice(row);
        } else {
            cut = true;
        }
        rest = behind;
    }
    shape.extend(cut.then_some(REST));
    rest
}

type Split<'t, 'a> = (&'t [Token<'a>], &'t [Token<'a>]);

fn next_row<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(&'t Token<'a>, Split<'t, 'a>)> {
    let (comma, behind) = tokens.split_first()?;
    comma
        .is_symbol(",")
        .then(|| group(behind))
        .flatten()
        .map(|split| (comma, split))
}

/// The form of a row: its tokens with all values alike, `NULL` and a sign before a number included.
fn form(row: &[Token<'_>]) -> blake3::Hash {
    let mut mark = Mark::new("row");
    let mut next = row.iter().skip(1);
    for token in row {
        let signs = next.next().is_some_and(|behind| behind.class == Class::Literal);
        if token.is_value() {
            mark.value();
        } else if !(signs && (token.is_symbol("-") || token.is_symbol("+"))) {
            mark.token(token);
        }
    }
    mark.hash()
}
