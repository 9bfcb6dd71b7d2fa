//! Tokens of a text, by PostgreSQL's own scanner. Comments and white space are gone; what was between is a gap.

use std::borrow::Cow;

use pg_query::protobuf::{KeywordKind, ScanToken, Token as Code};

/// What a token is, as far as this crate cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// An identifier, quoted or not.
    Name,
    /// A keyword of the grammar, reserved or not (so it may stand for a name).
    Keyword,
    /// A string, number, bit or hexadecimal constant.
    Literal,
    /// `$1`.
    Parameter,
    /// Punctuation or an operator.
    Symbol,
    /// Not in the source: the rest of a list that was cut to its first element.
    Rest,
}

/// One token of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) class: Class,
    pub(crate) text: &'a str,
    /// White space or a comment stands before it.
    pub(crate) gap: bool,
    /// A name, or a keyword that may name a function.
    pub(crate) callable: bool,
    /// A name, or a keyword that may name a table.
    pub(crate) nameable: bool,
    /// Where it begins in the text.
    pub(crate) at: usize,
}

impl<'a> Token<'a> {
    /// Whether it is this keyword (given in lower case).
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.class == Class::Keyword && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is one of these keywords.
    pub(crate) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Whether it is this punctuation.
    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.class == Class::Symbol && self.text == symbol
    }

    /// Whether it may name something.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self.class, Class::Name | Class::Keyword)
    }

    /// Whether it stands for a value that the shape does not depend on.
    pub(crate) fn is_value(&self) -> bool {
        matches!(self.class, Class::Literal | Class::Parameter) || self.is_any(&["null", "true", "false"])
    }

    /// A name as the server sees it: folded, or without its quotes. Escapes inside are left as they stand.
    pub(crate) fn folded(&self) -> Cow<'a, str> {
        let quoted = self.text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match quoted {
            Some(inner) => Cow::Borrowed(inner),
            None if self.is_name() && self.text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Cow::Owned(self.text.to_ascii_lowercase())
            }
            None => Cow::Borrowed(self.text),
        }
    }

    /// A name as the server stores it: folded, or without its quotes and with doubled ones made single; cut to 63 bytes.
    pub(crate) fn unquoted(&self) -> Cow<'a, str> {
        const NAME_BYTES_MAX: usize = 63;
        let name = match self.folded() {
            Cow::Borrowed(name) if self.text.starts_with('"') && name.contains('"') => {
                Cow::Owned(name.replace("\"\"", "\""))
            }
            name => name,
        };
        let end = name.floor_char_boundary(NAME_BYTES_MAX);
        match name {
            Cow::Borrowed(name) => Cow::Borrowed(name.get(..end).unwrap_or(name)),
            Cow::Owned(mut name) => {
                name.truncate(end);
                Cow::Owned(name)
            }
        }
    }

    /// A name written as `U&"…"`, which may be any name at all.
    pub(crate) fn is_escaped_name(&self) -> bool {
        self.class == Class::Name && self.text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("u&"))
    }
}

/// The steps that the scanner may spend on runs of operator characters, about 50 ms.
const OPERATOR_STEPS_MAX: usize = 8 * 1024 * 1024;

/// The tokens of a text; none where it does not scan (an open quote, a NUL) or would scan for minutes.
pub(crate) fn scan(sql: &str) -> Option<Vec<Token<'_>>> {
    if sql.bytes().all(is_space) {
        // pg_query 18.1 builds a slice from a null pointer when there is no token at all.
        return Some(Vec::new());
    }
    if operator_steps(sql) > OPERATOR_STEPS_MAX {
        return None;
    }
    let raw = pg_query::scan_tokens(sql).ok()?;
    let mut tokens = Vec::with_capacity(raw.len());
    let mut end = 0;
    for found in raw.iter().filter(|token| !is_comment(token)) {
        let (from, to) = (usize::try_from(found.start).ok()?, usize::try_from(found.end).ok()?);
        tokens.push(Token {
            class: class(found),
            text: sql.get(from..to)?,
            gap: from > end,
            callable: may_be(found, KeywordKind::TypeFuncNameKeyword),
            nameable: may_be(found, KeywordKind::ColNameKeyword),
            at: from,
        });
        end = to;
    }
    Some(tokens)
}

/// The steps that PostgreSQL's scanner needs for operators: in a run of operator characters it reads to the run's end
/// at every step, so 100 KiB of `+` or `/*` would keep it busy for half a minute.
fn operator_steps(sql: &str) -> usize {
    let mut run = 0_usize;
    let mut steps = 0_usize;
    for byte in sql.bytes() {
        run = if b"~!@#^&|`?+-*/%<>=".contains(&byte) {
            run + 1
        } else {
            0
        };
        steps = steps.saturating_add(run);
    }
    steps.saturating_mul(2)
}

/// White space as the scanner has it, which is not what Unicode has.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_comment(token: &ScanToken) -> bool {
    matches!(Code::try_from(token.token), Ok(Code::SqlComment | Code::CComment))
}

fn class(token: &ScanToken) -> Class {
    match Code::try_from(token.token) {
        Ok(Code::Sconst | Code::Usconst | Code::Bconst | Code::Xconst | Code::Fconst | Code::Iconst) => Class::Literal,
        Ok(Code::Param) => Class::Parameter,
        Ok(Code::Ident | Code::Uident) => Class::Name,
        _ if token.keyword_kind == KeywordKind::NoKeyword as i32 => Class::Symbol,
        _ => Class::Keyword,
    }
}

/// Whether it is a name, or a keyword that may stand for one: any unreserved one, and those of one more kind.
fn may_be(token: &ScanToken, kind: KeywordKind) -> bool {
    let kinds = [KeywordKind::UnreservedKeyword as i32, kind as i32];
    matches!(Code::try_from(token.token), Ok(Code::Ident | Code::Uident)) || kinds.contains(&token.keyword_kind)
}

/// The statements of a text: what stands between semicolons. The body of a rule or function may be cut to pieces,
/// which does no harm: its definition is a statement that writes, whatever follows.
pub(crate) fn statements<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    tokens
        .split(|token| token.is_symbol(";"))
        .filter(|statement| !statement.is_empty())
}

/// How many parentheses are open.
#[derive(Debug, Default)]
pub(crate) struct Depth(usize);

impl Depth {
    /// Counts a token, and says how many are open behind it.
    pub(crate) fn after(&mut self, token: &Token<'_>) -> usize {
        if token.is_symbol("(") {
            self.0 += 1;
        } else if token.is_symbol(")") {
            self.0 = self.0.saturating_sub(1);
        }
        self.0
    }
}

/// Splits behind the parenthesis that closes the one `tokens` begins with; none if it begins with another token, or
/// is never closed.
pub(crate) fn group<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(&'t [Token<'a>], &'t [Token<'a>])> {
    if !tokens.first()?.is_symbol("(") {
        return None;
    }
    let mut depth = Depth::default();
    let last = tokens.iter().position(|token| depth.after(token) == 0)?;
    tokens.split_at_checked(last + 1)
}

/// What follows the first token at this level that fits.
pub(crate) fn behind<'t, 'a>(tokens: &'t [Token<'a>], fits: impl Fn(&Token<'a>) -> bool) -> Option<&'t [Token<'a>]> {
    let mut depth = Depth::default();
    let at = tokens.iter().position(|token| depth.after(token) == 0 && fits(token))?;
    tokens.get(at + 1..)
}

/// Whether every parenthesis that is opened is closed.
pub(crate) fn balanced(tokens: &[Token<'_>]) -> bool {
    let mut depth = Depth::default();
    tokens.iter().fold(0, |_, token| depth.after(token)) == 0
}

/// The call of a function, or what may be one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'t, 'a> {
    /// Where the name stands among the tokens.
    pub(crate) at: usize,
    pub(crate) name: &'t Token<'a>,
    /// From the opening parenthesis to the end of the text; none in attribute notation, `(argument).name`, which
    /// PostgreSQL takes for a call where there is no such column.
    pub(crate) arguments: Option<&'t [Token<'a>]>,
}

/// Everything that may call a function by name.
pub(crate) fn calls<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = Call<'t, 'a>> {
    let mut dotted = false;
    tokens.iter().enumerate().filter_map(move |(at, name)| {
        let attribute = std::mem::replace(&mut dotted, name.is_symbol("."));
        let arguments = tokens
            .get(at + 1..)
            .filter(|rest| rest.first().is_some_and(|next| next.is_symbol("(")));
        (name.is_name() && (attribute || arguments.is_some())).then_some(Call { at, name, arguments })
    })
}
