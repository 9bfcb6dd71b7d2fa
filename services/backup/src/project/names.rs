//! DDL under another schema: the text that pg_restore writes, with names of what it makes put elsewhere. Pure.
//!
//! Names there are always qualified. The text is taken apart as PostgreSQL's own scanner would, so that nothing within a
//! comment, a constant or the body of a function is touched, but for constants that are cast to a name, such as
//! `'shop.orders_id_seq'::regclass`.

use std::collections::BTreeSet;

use super::scope::quoted;

/// Which names to put elsewhere, and where.
#[derive(Debug)]
pub(crate) struct Renaming<'a> {
    /// What is put elsewhere: schema and name.
    pub names: &'a BTreeSet<(String, String)>,
    /// The schema it goes to.
    pub to: &'a str,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A name, quoted or not.
    Name(&'a str),
    /// A constant, as it is written.
    Constant(&'a str),
    /// A run of characters that operators are made of.
    Operator(&'a str),
    /// Space and comments.
    Space(&'a str),
    /// Whatever else, as it is.
    Other(&'a str),
}

impl Token<'_> {
    const fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Constant(text) | Self::Operator(text) | Self::Space(text) | Self::Other(text) => {
                text
            }
        }
    }
}

impl Renaming<'_> {
    /// The text with every such name elsewhere.
    pub(crate) fn apply(&self, sql: &str) -> String {
        let tokens = tokens(sql);
        let mut out = String::with_capacity(sql.len() + sql.len() / 8);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let follows = |offset: usize| tokens.get(at + offset).copied();
            match (*token, follows(1), follows(2)) {
                (Token::Name(schema), Some(Token::Other(".")), Some(Token::Name(name) | Token::Operator(name))) => {
                    out.push_str(&self.moved(schema, name));
                    out.push_str(name);
                    // What follows a qualified name is a part of it, and no schema.
                    at = rest_of_name(&tokens, at + 3, &mut out);
                    continue;
                }
                (Token::Constant(text), Some(Token::Operator("::")), Some(Token::Name(kind))) if is_named(kind) => {
                    out.push_str(&self.constant(text));
                }
                (token, ..) => out.push_str(token.text()),
            }
            at += 1;
        }
        out
    }

    /// The schema with its dot, or the one to go to instead.
    fn moved(&self, schema: &str, name: &str) -> String {
        let key = (plain(schema), plain(name));
        if self.names.contains(&key) {
            format!("{}.", quoted(self.to))
        } else {
            format!("{schema}.")
        }
    }

    /// A constant that is a name. Its quotes stay as they are: a name in it has its own.
    fn constant(&self, text: &str) -> String {
        let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        match inner {
            Some(inner) => format!("'{}'", self.apply(&inner.replace("''", "'")).replace('\'', "''")),
            None => text.to_owned(),
        }
    }
}

/// Whether a text can stand between parentheses as one expression, as far as that can be told without a grammar: nothing
/// in it ends what it stands in.
pub(crate) fn is_one_expression(text: &str) -> bool {
    let mut depth = 0_i64;
    for token in tokens(text) {
        match token {
            Token::Other("(") => depth += 1,
            Token::Other(")") => depth -= 1,
            Token::Other(";") => return false,
            Token::Constant(text) | Token::Name(text) if !is_closed(text) => return false,
            Token::Space(text) if text.starts_with("/*") && !text.ends_with("*/") => return false,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// Whether what began with a quote ends with one.
fn is_closed(text: &str) -> bool {
    let quote = ['\'', '"', '$']
        .into_iter()
        .find(|quote| text.trim_start_matches(['e', 'E']).starts_with(*quote));
    quote.is_none_or(|quote| text.len() > 1 && text.ends_with(quote) && text != "E'" && text != "e'")
}

/// Copies the parts of a name behind schema and name, and says where it ended.
fn rest_of_name(tokens: &[Token<'_>], mut at: usize, out: &mut String) -> usize {
    while let (Some(Token::Other(".")), Some(Token::Name(part))) = (tokens.get(at), tokens.get(at + 1)) {
        out.push('.');
        out.push_str(part);
        at += 2;
    }
    at
}

/// Whether a type's constants are names of something.
fn is_named(kind: &str) -> bool {
    kind.starts_with("reg")
}

/// A name without its quotes.
fn plain(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(token) = next(rest) {
        rest = rest.get(token.text().len()..).unwrap_or_default();
        tokens.push(token);
    }
    tokens
}

fn next(rest: &str) -> Option<Token<'_>> {
    let first = rest.chars().next()?;
    let token = match first {
        '\'' => Token::Constant(head(rest, until_quote(rest, 1, '\'', false))),
        'e' | 'E' if rest.get(1..).is_some_and(|rest| rest.starts_with('\'')) => {
            Token::Constant(head(rest, until_quote(rest, 2, '\'', true)))
        }
        '"' => Token::Name(head(rest, until_quote(rest, 1, '"', false))),
        '$' => dollar(rest),
        '-' if rest.starts_with("--") => Token::Space(head(rest, rest.find('\n').unwrap_or(rest.len()))),
        '/' if rest.starts_with("/*") => Token::Space(head(rest, comment(rest))),
        ':' if rest.starts_with("::") => Token::Operator(head(rest, 2)),
        first if first.is_whitespace() => Token::Space(run(rest, char::is_whitespace)),
        first if is_name_start(first) => Token::Name(run(rest, |c| is_name_start(c) || c.is_ascii_digit() || c == '$')),
        first if is_operator(first) => Token::Operator(operator(rest)),
        first if first.is_ascii_digit() => Token::Other(run(rest, |c| c.is_ascii_alphanumeric())),
        first => Token::Other(head(rest, first.len_utf8())),
    };
    Some(token)
}

fn head(text: &str, end: usize) -> &str {
    text.get(..end).unwrap_or(text)
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    head(text, text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

const fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(c)
}

/// An operator ends where a comment begins.
fn operator(text: &str) -> &str {
    let whole = run(text, is_operator);
    let end = [whole.find("--"), whole.find("/*")]
        .into_iter()
        .flatten()
        .filter(|at| *at > 0)
        .min();
    head(whole, end.unwrap_or(whole.len()))
}

/// Behind the quote that ends what began before `from`.
fn until_quote(text: &str, from: usize, quote: char, escapes: bool) -> usize {
    let mut inner = text.get(from..).unwrap_or_default().char_indices().peekable();
    while let Some((at, c)) = inner.next() {
        if c == '\\' && escapes {
            inner.next();
        } else if c == quote && inner.next_if(|(_, next)| *next == quote).is_none() {
            return from + at + quote.len_utf8();
        }
    }
    text.len()
}

/// A constant between `$tag$`, or a lone `$`.
fn dollar(text: &str) -> Token<'_> {
    let tag = text.get(1..).and_then(|rest| {
        let name = run(rest, |c| is_name_start(c) || c.is_ascii_digit());
        let begins = name.chars().next().is_none_or(is_name_start);
        (begins && rest.get(name.len()..)?.starts_with('$')).then(|| head(text, name.len() + 2))
    });
    let Some(tag) = tag else {
        return Token::Other(head(text, 1));
    };
    let inner = text.get(tag.len()..).unwrap_or_default();
    let end = inner.find(tag).map_or(text.len(), |at| tag.len() + at + tag.len());
    Token::Constant(head(text, end))
}

/// Behind the end of a comment, those within it included.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn renamed(sql: &str) -> String {
        let names = ["orders", "mood", "f", "orders_id_seq", "odd name", "=="]
            .map(|name| ("shop".to_owned(), name.to_owned()))
            .into();
        Renaming {
            names: &names,
            to: "new\"one",
        }
        .apply(sql)
    }

    #[test]
    fn names_of_what_is_made_move_and_nothing_else_does() {
        let to = "\"new\"\"one\"";
        for (sql, expected) in [
            ("create table shop.orders (", format!("create table {to}.orders (")),
            ("\"shop\".\"odd name\".shop", format!("{to}.\"odd name\".shop")),
            ("shop.other", "shop.other".to_owned()),
            ("orders.shop.orders", "orders.shop.orders".to_owned()),
            ("x operator(shop.==) y", format!("x operator({to}.==) y")),
            (
                "nextval('shop.orders_id_seq'::regclass)",
                format!("nextval('{to}.orders_id_seq'::regclass)"),
            ),
            ("'shop.orders'::text", "'shop.orders'::text".to_owned()),
            ("'a'::shop.mood", format!("'a'::{to}.mood")),
            ("$$ select shop.f() $$", "$$ select shop.f() $$".to_owned()),
            ("$_x$ shop.f $$ $_x$ shop.f", format!("$_x$ shop.f $$ $_x$ {to}.f")),
            ("-- shop.f\nshop.f", format!("-- shop.f\n{to}.f")),
            ("/* /* shop.f */ */shop.f", format!("/* /* shop.f */ */{to}.f")),
            (r"E'\' shop.f' shop.f", format!(r"E'\' shop.f' {to}.f")),
            (r"'\' shop.f ''", format!(r"'\' {to}.f ''")),
            ("a-shop.f", format!("a-{to}.f")),
            ("1.5+shop.f", format!("1.5+{to}.f")),
        ] {
            assert_eq!(renamed(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_condition_stays_within_its_parentheses() {
        for right in [
            "project = 'a'",
            "a in (1, 2) -- so",
            "E'\\'' = x",
            "a = $$)$$",
            "\"odd)\" = 1",
        ] {
            assert!(is_one_expression(right), "{right}");
        }
        for wrong in [
            "true) or (true",
            "true; drop table x",
            "a = 'x",
            "(a",
            "a = $$x",
            "a /* x",
        ] {
            assert!(!is_one_expression(wrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_without_loss(sql in "[a-zé$'\"\\\\/*\\-: .;\n0-9+]{0,60}") {
            let again: String = tokens(&sql).iter().map(Token::text).collect();
            prop_assert_eq!(again, sql);
        }
    }
}
