//! Pure. The text that may be stored and shown: no literal, no comment, one space where there was any.

use std::fmt::Write as _;

use crate::scan::{Class, Token};

/// Marks a text that was cut.
const ELLIPSIS: char = '…';

/// Whether what looks like a name is one. A stray backslash in a text that does not parse means that it was written
/// for other quoting rules, and that a "name" may be the inside of a literal.
pub(crate) fn safe(shape: &[Token<'_>], parsed: bool) -> bool {
    parsed || !shape.iter().any(|token| token.is_symbol("\\"))
}

/// Writes a shape as text; literals become parameters, numbered behind the statement's own.
pub(crate) fn render(shape: &[Token<'_>], bytes_max: usize) -> String {
    let mut text = String::new();
    let mut number = shape.iter().filter_map(own_number).max().unwrap_or(0);
    let mut before: Option<&Token<'_>> = None;
    for token in shape {
        if before.is_some_and(|before| token.gap || runs_together(before, token)) {
            text.push(' ');
        }
        if token.class == Class::Literal {
            number = number.saturating_add(1);
            let _infallible = write!(text, "${number}");
        } else {
            text.push_str(token.text);
        }
        if text.len() > bytes_max {
            break;
        }
        before = Some(token);
    }
    capped(text, bytes_max)
}

/// Whether two tokens would be read as one, or as others, without a space: `'x'and`, `date'2020-01-01'`; and a stray
/// dollar beside the parameter that stands for a literal would quote what follows.
fn runs_together(before: &Token<'_>, token: &Token<'_>) -> bool {
    let wordlike = |token: &Token<'_>| !matches!(token.class, Class::Symbol | Class::Rest) || token.is_symbol("$");
    wordlike(before) && wordlike(token)
}

fn own_number(token: &Token<'_>) -> Option<u64> {
    if token.class == Class::Parameter {
        token.text.strip_prefix('$')?.parse().ok()
    } else {
        None
    }
}

fn capped(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let room = bytes_max.saturating_sub(ELLIPSIS.len_utf8());
        text.truncate(text.floor_char_boundary(room));
        if ELLIPSIS.len_utf8() <= bytes_max {
            text.push(ELLIPSIS);
        }
    }
    text
}
