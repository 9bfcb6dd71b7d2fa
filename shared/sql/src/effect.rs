//! What a text does: its kind, whether it writes, whether it locks.
//!
//! Read off the tokens, which works for any length and depth; the tree is asked where a word such as `delete` could
//! be a column's name as well. Where a doubt remains, it writes.

use crate::scan::{self, Token};
use crate::{Kind, functions, tree};

/// What a text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) kind: Kind,
    pub(crate) writes: bool,
    pub(crate) locks: bool,
}

/// What has to be assumed of a text that nobody understood.
pub(crate) const UNKNOWN: Effect = Effect {
    kind: Kind::Unknown,
    writes: true,
    locks: false,
};

/// How sure the tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Writes {
    No,
    Perhaps,
    Yes,
}

/// What one statement does, as far as its tokens tell.
#[derive(Debug, Clone, Copy)]
struct Glance {
    kind: Kind,
    writes: Writes,
    locks: bool,
}

impl Glance {
    const fn new(kind: Kind, writes: Writes) -> Self {
        Self {
            kind,
            writes,
            locks: false,
        }
    }

    /// The same deeds under another name: what `EXPLAIN ANALYZE` does to a `DELETE`.
    const fn as_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

/// What a text does that parses.
pub(crate) fn of(sql: &str, tokens: &[Token<'_>]) -> Effect {
    let mut kind = None;
    let mut writes = Writes::No;
    let mut locks = false;
    for glance in scan::statements(tokens).map(statement) {
        if matches!(kind, None | Some(Kind::Transaction)) {
            kind = Some(glance.kind);
        }
        writes = writes.max(glance.writes);
        locks |= glance.locks;
    }
    let writes = match writes {
        Writes::No => false,
        Writes::Perhaps => tree::writes(sql),
        Writes::Yes => true,
    };
    Effect {
        kind: kind.unwrap_or(Kind::Unknown),
        writes,
        locks,
    }
}

fn statement(tokens: &[Token<'_>]) -> Glance {
    let Some(open) = tokens.iter().position(|token| !token.is_symbol("(")) else {
        return Glance::new(Kind::Unknown, Writes::Yes);
    };
    let Some([head, rest @ ..]) = tokens.get(open..) else {
        return Glance::new(Kind::Unknown, Writes::Yes);
    };
    match head.folded().as_ref() {
        "select" | "values" | "table" => read(rest),
        "with" => with(rest),
        "insert" => change(Kind::Insert, rest),
        "update" => change(Kind::Update, rest),
        "delete" => change(Kind::Delete, rest),
        "merge" => change(Kind::Merge, rest),
        "copy" => copy(rest),
        "explain" => explain(rest),
        "prepare" => prepare(rest),
        "declare" => inner(scan::behind(rest, |token| token.is("for"))),
        "lock" => Glance {
            locks: true,
            ..Glance::new(Kind::Utility, Writes::No)
        },
        word => simple(word, rest),
    }
}

/// Statements that their first word tells all about.
fn simple(word: &str, rest: &[Token<'_>]) -> Glance {
    match word {
        "create" | "alter" | "drop" | "truncate" | "comment" | "grant" | "revoke" | "security" | "reassign"
        | "import" | "refresh" => Glance::new(Kind::Ddl, Writes::Yes),
        "vacuum" | "analyze" | "analyse" | "reindex" | "cluster" | "checkpoint" | "notify" | "do" | "call"
        | "execute" | "load" => Glance::new(Kind::Utility, Writes::Yes),
        "set" | "reset" | "show" | "fetch" | "move" | "close" | "deallocate" | "discard" | "listen" | "unlisten" => {
            Glance::new(Kind::Utility, Writes::No)
        }
        "commit" | "rollback" if rest.first().is_some_and(|next| next.is("prepared")) => {
            Glance::new(Kind::Transaction, Writes::Yes)
        }
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            Glance::new(Kind::Transaction, Writes::No)
        }
        _ => Glance::new(Kind::Unknown, Writes::Yes),
    }
}

fn change(kind: Kind, rest: &[Token<'_>]) -> Glance {
    Glance {
        kind,
        writes: Writes::Yes,
        locks: locks(rest),
    }
}

fn read(rest: &[Token<'_>]) -> Glance {
    let writes = if scan::calls(rest).any(|call| functions::writes(call.name)) {
        Writes::Yes
    } else if has_changing_word(rest) {
        Writes::Perhaps
    } else {
        Writes::No
    };
    Glance {
        kind: Kind::Select,
        writes,
        locks: locks(rest),
    }
}

/// `INSERT`, `UPDATE` and the like, which may be a part of the statement or a column's name; not `FOR UPDATE`.
fn has_changing_word(tokens: &[Token<'_>]) -> bool {
    let mut before: Option<&Token<'_>> = None;
    tokens.iter().any(|token| {
        let locking = before.is_some_and(|before| before.is_any(&["for", "key"])) && token.is("update");
        before = Some(token);
        !locking && token.is_any(&["insert", "update", "delete", "merge", "into"])
    })
}

/// Whether rows are locked (`FOR UPDATE`, `FOR NO KEY UPDATE`, `FOR SHARE`, `FOR KEY SHARE`), or an advisory lock taken.
fn locks(tokens: &[Token<'_>]) -> bool {
    let rows = tokens.windows(2).any(|pair| {
        let [first, second] = pair else { return false };
        first.is("for") && second.is_any(&["update", "no", "share", "key"])
    });
    rows || scan::calls(tokens).any(|call| functions::locks(call.name))
}

/// The statement behind the `WITH` list: the first verb at its level that does not name a table expression or column.
fn with(rest: &[Token<'_>]) -> Glance {
    const VERBS: [&str; 7] = ["select", "values", "table", "insert", "update", "delete", "merge"];
    const NAMING: [&str; 10] = [
        "recursive",
        "as",
        "by",
        "set",
        "using",
        "to",
        "default",
        "not",
        "search",
        "cycle",
    ];
    let mut depth = scan::Depth::default();
    let mut before: Option<&Token<'_>> = None;
    let verb = rest.iter().find(|token| {
        let named = before.is_none_or(|before| before.is_symbol(",") || before.is_any(&NAMING));
        before = Some(token);
        depth.after(token) == 0 && !named && token.is_any(&VERBS)
    });
    match verb.map(Token::folded).as_deref() {
        Some("insert") => change(Kind::Insert, rest),
        Some("update") => change(Kind::Update, rest),
        Some("delete") => change(Kind::Delete, rest),
        Some("merge") => change(Kind::Merge, rest),
        _ => read(rest),
    }
}

/// A utility statement that does what the statement inside it does.
fn inner(tokens: Option<&[Token<'_>]>) -> Glance {
    tokens.map_or(Glance::new(Kind::Utility, Writes::Yes), |tokens| {
        statement(tokens).as_kind(Kind::Utility)
    })
}

fn copy(rest: &[Token<'_>]) -> Glance {
    let direction = scan::behind(rest, |token| token.is_any(&["from", "to"])).unwrap_or_default();
    let source = match scan::group(rest) {
        Some((query, _)) => statement(query).as_kind(Kind::Copy),
        None => Glance::new(Kind::Copy, Writes::No),
    };
    // STDIN comes from the client and goes into a table; a file or a program is the server's.
    let to_client = direction.first().is_some_and(|target| target.is("stdout"));
    if to_client {
        source
    } else {
        Glance {
            writes: Writes::Yes,
            ..source
        }
    }
}

fn explain(rest: &[Token<'_>]) -> Glance {
    match explained(rest) {
        (true, query) => inner(Some(query)),
        (false, _) => Glance::new(Kind::Utility, Writes::No),
    }
}

/// Whether `EXPLAIN` runs its query, and the query.
pub(crate) fn explained<'t, 'a>(rest: &'t [Token<'a>]) -> (bool, &'t [Token<'a>]) {
    match scan::group(rest) {
        Some((options, query)) if !begins_query(options) => (option_analyzes(options), query),
        _ => {
            let flags = rest
                .iter()
                .take_while(|token| token.is_any(&["analyze", "analyse", "verbose"]))
                .count();
            let (flags, query) = rest.split_at_checked(flags).unwrap_or_default();
            (flags.iter().any(|flag| !flag.is("verbose")), query)
        }
    }
}

/// `EXPLAIN (SELECT …)`: the parentheses are the query's.
fn begins_query(group: &[Token<'_>]) -> bool {
    let first = group.iter().find(|token| !token.is_symbol("("));
    first.is_some_and(|token| token.is_any(&["select", "values", "table", "with"]))
}

/// `(ANALYZE)`, `(ANALYZE true)`; not `(ANALYZE off)`.
fn option_analyzes(options: &[Token<'_>]) -> bool {
    let off = |value: &Token<'_>| ["false", "off", "0", "'false'", "'off'", "'0'"].contains(&value.folded().as_ref());
    options.windows(2).any(|pair| {
        let [name, value] = pair else { return false };
        ["analyze", "analyse"].contains(&name.folded().as_ref()) && !off(value)
    })
}

fn prepare(rest: &[Token<'_>]) -> Glance {
    if rest.first().is_some_and(|next| next.is("transaction")) {
        return Glance::new(Kind::Transaction, Writes::Yes);
    }
    inner(scan::behind(rest, |token| token.is("as")))
}
