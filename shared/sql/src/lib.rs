//! What a statement is: its fingerprint, a text without literals, its kind, and whether it writes.
//!
//! Floor 0: no I/O, no clock, no tasks, and no failure. Whatever bytes a client sends, [`analyse`] answers; what it
//! cannot understand it calls unknown, and takes for a write. No literal of a statement leaves this crate: not in the
//! text, and not readable in the fingerprint. The one exception are the values of settings, which [`Deed`] carries so
//! that a session can be built again: they may be secret, and belong into no log and no event.
//!
//! A miss costs tens of microseconds (a 3-clause join) to half a second (1 MiB of hostile text), and up to 170 times
//! the statement's size in memory for that moment, so callers keep a cache in front, keyed by [`text_hash`], and do not
//! analyse on the query's path. The hash has 64 bits and no key: two texts can be made to agree on purpose, so a cache
//! that *decides* anything compares the text as well.
//!
//! The query's path itself asks for a text's [`skeleton`] at most, a nanosecond or two a byte: what is known of one text
//! holds for all with its skeleton, unless it says that it [keeps literals](Statement::keeps_literals). (Their
//! [`text_hash`] differs, of course; and a literal that makes a text too long to be looked at hides what it is, while
//! its shorter sister is understood.) Beside what a text is, [`Statement::deeds`] says what it does to its session.
//!
//! Some things cannot be seen in a text. A function of the user's own, an operator, a trigger or a view's rule may write
//! or set something without showing it: functions that are called by name are among the deeds ([`Deed::Calls`], except
//! in attribute notation, `(x).f`), so whoever sends reads elsewhere asks the catalogue too. And a session that sets
//! `standard_conforming_strings = off` quotes by other rules than the ones used here.

mod anywhere;
mod builtin;
mod calls;
mod deeds;
mod effect;
mod functions;
mod identity;
mod literals;
mod risk;
mod scan;
mod settings;
mod shape;
mod skeleton;
mod split;
mod tables;
mod text;
mod trace;
mod tree;
mod values;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use weir_model::Fingerprint;

pub use deeds::Deed;
pub use risk::{DANGEROUS, RULES, Risk, SUSPICIOUS, Sign};
pub use skeleton::skeleton;
pub use tables::names_table;
pub use trace::{Trace, trace, without_trace};
pub use values::{Literal, LiteralClass, literal_classes, literals, parameterised};
pub use words::tells_present;

/// How much of a statement is looked at, and how much text is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A longer statement is not scanned or parsed; it is known by its hash only.
    pub statement_bytes_max: usize,
    /// A longer literal-free text is cut, and ends in an ellipsis.
    pub text_bytes_max: usize,
}

impl Default for Limits {
    /// 1 MiB of statement, 8 KiB of text.
    fn default() -> Self {
        Self {
            statement_bytes_max: 1024 * 1024,
            text_bytes_max: 8 * 1024,
        }
    }
}

/// What is known of one text that a client sent. It may hold several statements, divided by semicolons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The identity of its shape: equal for texts that differ in literals, list lengths, spaces and comments only.
    pub fingerprint: Fingerprint,
    /// Its identity for those who let through what they know: finer than the fingerprint, it also hangs on names, order
    /// and spelling, and nobody can make two texts agree in it on purpose.
    pub identity: u64,
    /// [`text_hash`] of the text as it was sent.
    pub text_hash: u64,
    /// The text with `$n` for every literal, without comments; none where the scanner could not make sense of it.
    pub text: Option<String>,
    /// What it does; of several statements, the first that is not transaction control.
    pub kind: Kind,
    /// Whether any of it may change data, definitions or another session's state. True where that is not known.
    pub writes: bool,
    /// Whether it takes row, table or advisory locks by name (`FOR UPDATE`, `LOCK`, `pg_advisory_lock`).
    pub locks: bool,
    /// Whether PostgreSQL's grammar accepts it.
    pub parsed: bool,
    /// How many statements the text holds; none if it is empty, one if it does not parse.
    pub statements: usize,
    /// Whether any of the above and below hangs on the value of a literal: texts with the same [`skeleton`] may be
    /// something else. True where that is not known.
    pub keeps_literals: bool,
    /// What it does to its session or connection, in order; nothing for a plain statement.
    pub deeds: Box<[Deed]>,
    /// Whether it only reads, and every server of a cluster that has the same data gives the same answer, unless a
    /// function among the [deeds](Deed::Calls) has other effects. False where that is not known.
    pub anywhere: bool,
    /// What speaks for its being injected or forbidden; nothing for nearly all.
    pub risk: Option<Arc<Risk>>,
}

/// What a statement does, as coarse as a metric's label needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `SELECT`, `VALUES`, `TABLE`, also with data-modifying sub-statements or `INTO`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `COPY`, in either direction.
    Copy,
    /// A change of definitions or rights: `CREATE`, `ALTER`, `DROP`, `TRUNCATE`, `GRANT`, `COMMENT` and their like.
    Ddl,
    /// Everything else that the server understands: `SET`, `EXPLAIN`, `VACUUM`, `CALL`, `LISTEN` and their like.
    Utility,
    /// `BEGIN`, `COMMIT`, `ROLLBACK`, savepoints, two-phase commit.
    Transaction,
    /// An empty text, or one that could not be parsed.
    Unknown,
}

impl Kind {
    /// The kind as a word, for labels and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Copy => "copy",
            Self::Ddl => "ddl",
            Self::Utility => "utility",
            Self::Transaction => "transaction",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hash of the text exactly as it was sent; cheap enough to take for every statement.
pub fn text_hash(sql: &str) -> u64 {
    identity::truncated(&blake3::hash(sql.as_bytes()))
}

/// Says what a text is. Never fails and never panics.
pub fn analyse(sql: &str, limits: Limits) -> Statement {
    if sql.len() > limits.statement_bytes_max {
        return opaque(sql);
    }
    match scan::scan(sql) {
        Some(tokens) => understood(sql, &tokens, limits),
        None => Statement {
            risk: risk::of_unparsed(sql, None),
            ..opaque(sql)
        },
    }
}

/// What may be said of a text that nobody has read, or can read: its hash, and that it may do anything.
pub fn unread(sql: &str) -> Statement {
    opaque(sql)
}

fn understood(sql: &str, tokens: &[scan::Token<'_>], limits: Limits) -> Statement {
    let shape = shape::of(tokens);
    let (fingerprint, parsed) = identity::of(sql, tokens, &shape);
    let identity = identity::exact(fingerprint, &shape);
    let text = text::safe(&shape, parsed).then(|| text::render(&shape, limits.text_bytes_max));
    if !parsed {
        return Statement {
            fingerprint,
            identity,
            text,
            risk: risk::of_unparsed(sql, Some(tokens)),
            ..opaque(sql)
        };
    }
    let effect = effect::of(sql, tokens);
    let statements = split::whole(sql, tokens);
    let deeds = deeds::of(&statements);
    let verdict = risk::of(sql, tokens, &statements);
    let reads = effect.kind == Kind::Select && !effect.writes && !effect.locks && statements.len() == 1;
    Statement {
        fingerprint,
        identity,
        text_hash: text_hash(sql),
        text,
        kind: effect.kind,
        writes: effect.writes,
        locks: effect.locks,
        parsed,
        statements: statements.len(),
        keeps_literals: verdict.by_value || literals::matter(sql, &statements),
        anywhere: reads && anywhere::of(tokens, &deeds),
        risk: verdict.risk,
        deeds,
    }
}

/// A text of which nothing is known but its hash.
fn opaque(sql: &str) -> Statement {
    let fingerprint = identity::of_raw(sql);
    Statement {
        fingerprint,
        identity: fingerprint.get(),
        text_hash: text_hash(sql),
        text: None,
        kind: effect::UNKNOWN.kind,
        writes: effect::UNKNOWN.writes,
        locks: effect::UNKNOWN.locks,
        parsed: false,
        statements: 1,
        keeps_literals: true,
        deeds: deeds::unknown(),
        anywhere: false,
        risk: None,
    }
}
