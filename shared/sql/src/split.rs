//! The statements of a text, exactly: a semicolon inside a rule or a function's body divides nothing.

use crate::scan::{Depth, Token};

/// The statements of a text that parses.
pub(crate) fn whole<'t, 'a>(sql: &str, tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    if has_body(tokens) {
        by_parser(sql, tokens)
    } else {
        by_semicolons(tokens)
    }
}

/// `BEGIN ATOMIC`: its statements end in semicolons, and only the grammar knows which `END` is its own.
fn has_body(tokens: &[Token<'_>]) -> bool {
    tokens.windows(2).any(|pair| {
        let [first, second] = pair else { return false };
        first.is("begin") && second.is("atomic")
    })
}

fn by_semicolons<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut depth = Depth::default();
    let statements = tokens.split(|token| depth.after(token) == 0 && token.is_symbol(";"));
    statements.filter(|statement| !statement.is_empty()).collect()
}

/// Where the parser itself fails at this, each semicolon divides: too many statements, but none overlooked.
fn by_parser<'t, 'a>(sql: &str, tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let Ok(found) = pg_query::split_with_parser(sql) else {
        return tokens
            .split(|token| token.is_symbol(";"))
            .filter(|part| !part.is_empty())
            .collect();
    };
    let mut statements = Vec::with_capacity(found.len());
    let mut rest = tokens;
    for text in found {
        let end = (text.as_ptr().addr() + text.len()).saturating_sub(sql.as_ptr().addr());
        let (statement, behind) = rest
            .split_at_checked(rest.partition_point(|token| token.at < end))
            .unwrap_or_default();
        let semicolons = statement.iter().take_while(|token| token.is_symbol(";")).count();
        statements.extend(statement.get(semicolons..).filter(|statement| !statement.is_empty()));
        rest = behind;
    }
    statements
}
