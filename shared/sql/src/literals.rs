//! Pure. Whether the values of a text's literals matter for what it is.

use crate::scan::{Class, Token};
use crate::{identity, tree};

/// Whether a text with the same skeleton could be another statement. A text too long for the parse tree is judged less
/// exactly than a shorter one with the same skeleton may be, so its verdict is its own.
pub(crate) fn matter(sql: &str, statements: &[&[Token<'_>]]) -> bool {
    let long = sql.len() > tree::TREE_BYTES_MAX;
    statements
        .iter()
        .any(|statement| has_literal(statement) && (long || decides(statement)))
}

fn has_literal(tokens: &[Token<'_>]) -> bool {
    tokens.iter().any(|token| token.class == Class::Literal)
}

fn decides(statement: &[Token<'_>]) -> bool {
    !is_query(statement) || limits_precision(statement) || has_literal(&identity::kept(statement))
}

fn is_query(statement: &[Token<'_>]) -> bool {
    let head = statement.iter().find(|token| !token.is_symbol("("));
    head.is_some_and(|head| {
        head.is_any(&[
            "select", "values", "table", "with", "insert", "update", "delete", "merge",
        ])
    })
}

/// `float(24)`: the one place where the grammar itself looks at a number.
fn limits_precision(statement: &[Token<'_>]) -> bool {
    statement.windows(2).any(|pair| {
        let [word, open] = pair else { return false };
        word.is("float") && open.is_symbol("(")
    })
}
