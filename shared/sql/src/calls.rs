//! Pure. The functions that a statement calls by name, as far as tokens tell.
//!
//! A name before a parenthesis is a call, unless what stands around it says that it is a type, a relation, an alias or
//! a part of the grammar. Where a doubt remains, it is a call.

use crate::scan::{Class, Token};

/// One call.
#[derive(Debug)]
pub(crate) struct Called<'t, 'a> {
    /// The name with its qualifiers, folded: `app.f`.
    pub(crate) name: String,
    /// From the parenthesis on; none in attribute notation, `(argument).f`, which may as well read a column.
    pub(crate) arguments: Option<&'t [Token<'a>]>,
}

/// Keywords that may name a function, but before a parenthesis are a part of the grammar.
const GRAMMAR: [&str; 11] = [
    "cube",
    "ilike",
    "join",
    "like",
    "materialized",
    "operator",
    "rollup",
    "set",
    "sets",
    "varying",
    "zone",
];

/// The same, behind certain words only.
const GRAMMAR_BEHIND: [(&str, &[&str]); 7] = [
    ("by", &["group", "order", "partition"]),
    ("conflict", &["on"]),
    ("first", &["fetch"]),
    ("insert", &["then"]),
    ("key", &["foreign", "primary"]),
    ("next", &["fetch"]),
    ("second", &["interval", "to"]),
];

/// Words before the name of a relation, a type, a table expression or an alias with its columns.
const NAMING: [&str; 8] = [
    "as",
    "execute",
    "into",
    "ordinality",
    "recursive",
    "references",
    "tablesample",
    "with",
];

/// All calls of a statement; those of types and relations left out.
pub(crate) fn of<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = Called<'t, 'a>> {
    let with = tokens.iter().any(|token| token.is("with"));
    let mut groups = Groups::default();
    let symbols = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.class == Class::Symbol);
    symbols.filter_map(move |(at, symbol)| {
        let (before, behind) = tokens.split_at_checked(at)?;
        match symbol.text {
            "(" => {
                groups.opens(before);
                called(before, behind, with, groups.closed_prefix)
            }
            ")" => groups.closes(),
            "." => attribute(before, behind),
            _ => None,
        }
    })
}

/// Parentheses behind which an operand may stand: `DISTINCT ON (…) f(x)`, `OPERATOR(…) f(x)`, `RETURNING WITH (…) f(x)`.
/// Behind all others comes an alias, if a name.
#[derive(Debug, Default)]
struct Groups {
    open: Vec<bool>,
    /// Whether the group that was closed last is one of them.
    closed_prefix: bool,
}

impl Groups {
    fn opens(&mut self, before: &[Token<'_>]) {
        let prefix = before
            .last()
            .is_some_and(|before| before.is_any(&["on", "operator", "with"]));
        self.open.push(prefix);
    }

    fn closes<T>(&mut self) -> Option<T> {
        self.closed_prefix = self.open.pop().unwrap_or(false);
        None
    }
}

/// The call whose name stands before a parenthesis, if it is one.
fn called<'t, 'a>(
    before: &'t [Token<'a>],
    arguments: &'t [Token<'a>],
    with: bool,
    operand_follows: bool,
) -> Option<Called<'t, 'a>> {
    let name = before.last().filter(|name| name.is_name())?;
    let from = qualified_from(before, before.len() - 1);
    let (before, path) = before.split_at_checked(from)?;
    if path.len() == 1 && (!name.callable || is_grammar(name, before)) {
        return None;
    }
    if names(before, operand_follows) || with && is_table_expression(before, arguments) {
        return None;
    }
    Some(Called {
        name: path.iter().map(Token::unquoted).collect(),
        arguments: Some(arguments),
    })
}

/// `(argument).f`, which may call a function with this one argument.
fn attribute<'t, 'a>(before: &[Token<'_>], behind: &[Token<'_>]) -> Option<Called<'t, 'a>> {
    let argument = before.last()?;
    let whole = argument.is_symbol(")") || argument.is_symbol("]") || argument.class == Class::Parameter;
    let name = behind.get(1).filter(|name| whole && name.is_name())?;
    Some(Called {
        name: name.unquoted().into_owned(),
        arguments: None,
    })
}

/// Where the qualified name begins whose last part stands at `at`.
fn qualified_from(tokens: &[Token<'_>], at: usize) -> usize {
    let mut from = at;
    while let Some([name, dot]) = from.checked_sub(2).and_then(|start| tokens.get(start..from))
        && dot.is_symbol(".")
        && name.is_name()
    {
        from -= 2;
    }
    from
}

fn is_grammar(name: &Token<'_>, before: &[Token<'_>]) -> bool {
    let behind = |words: &[&str]| before.last().is_some_and(|before| before.is_any(words));
    name.is_any(&GRAMMAR)
        || GRAMMAR_BEHIND
            .iter()
            .any(|(word, words)| name.is(word) && behind(words))
}

/// Whether what stands before a name says that it is no function's: an alias, a type, a relation.
fn names(before: &[Token<'_>], operand_follows: bool) -> bool {
    before.last().is_some_and(|token| match token.class {
        Class::Name | Class::Literal | Class::Parameter => true,
        Class::Keyword => token.is_any(&NAMING),
        Class::Symbol | Class::Rest => token.text == "::" || token.text == ")" && !operand_follows,
    })
}

/// `, name (columns) AS (query)`: a further table expression of `WITH`.
fn is_table_expression(before: &[Token<'_>], behind: &[Token<'_>]) -> bool {
    let listed = before.last().is_some_and(|before| before.is_symbol(","));
    let columns = behind
        .iter()
        .skip(1)
        .take_while(|token| token.is_name() || token.is_symbol(","))
        .count();
    let Some([close, word, rest @ ..]) = behind.get(columns + 1..).filter(|_| listed) else {
        return false;
    };
    let hints = rest
        .iter()
        .take_while(|token| token.is_any(&["not", "materialized"]))
        .count();
    match rest.get(hints..) {
        Some([open, query @ ..]) => close.is_symbol(")") && word.is("as") && open.is_symbol("(") && begins_query(query),
        _ => false,
    }
}

/// The first words of a query, which a list of columns with types does not begin with.
fn begins_query(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [first, ..] if first.is_any(&["select", "with", "table"]) || first.is_symbol("(") => true,
        [first, second, ..] if first.is("values") => second.is_symbol("("),
        [first, second, ..] if first.is_any(&["insert", "merge"]) => second.is("into"),
        [first, second, ..] if first.is("delete") => second.is("from"),
        [first, _, third, ..] if first.is("update") => third.is_name() || third.is_symbol("."),
        _ => false,
    }
}
