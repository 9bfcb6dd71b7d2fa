//! Which statements may be explained at all, and which of them change something. Pure.
//!
//! EXPLAIN is put before the text as it came, so the text has to be exactly one statement that EXPLAIN takes: a second
//! one would run by itself, and a word such as ANALYZE in front of it would mean something else than a statement.

use weir_proto::common::v1::StatementKind;
use weir_sql::{Deed, Kind, Limits, Statement, analyse};

/// A statement that EXPLAIN takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explainable {
    /// Whether running it would change something, as far as its text tells.
    pub(crate) writes: bool,
    /// Whether it locks rows, which takes a transaction that may write.
    pub(crate) locks: bool,
    /// Whether it is a plain query or change, which the server can prepare.
    pub(crate) is_plain: bool,
    /// Functions that are not PostgreSQL's own, in order.
    pub(crate) calls: Vec<String>,
}

/// Why a statement cannot be explained.
pub(crate) type Refusal = String;

/// Looks at a text from outside.
pub(crate) fn explainable(sql: &str) -> Result<Explainable, Refusal> {
    let limits = Limits::default();
    if sql.len() > limits.statement_bytes_max {
        return Err(format!("the text is longer than {} bytes", limits.statement_bytes_max));
    }
    let statement = analyse(sql, limits);
    if !statement.parsed {
        return Err("it is no statement that PostgreSQL's grammar knows".to_owned());
    }
    if statement.statements != 1 {
        let number = statement.statements;
        return Err(format!("exactly one statement is explained, and there are {number}"));
    }
    let is_plain = match statement.kind {
        Kind::Select | Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge => true,
        Kind::Ddl | Kind::Utility => has_a_query(&statement)?,
        Kind::Copy => return Err("EXPLAIN does not take COPY; send the query inside it".to_owned()),
        Kind::Transaction => return Err("a statement that controls transactions has no plan".to_owned()),
        Kind::Unknown => return Err("it is not known what the statement does".to_owned()),
    };
    Ok(Explainable {
        writes: statement.writes,
        locks: statement.locks,
        is_plain,
        calls: calls(&statement),
    })
}

fn calls(statement: &Statement) -> Vec<String> {
    let called = statement.deeds.iter().filter_map(|deed| match deed {
        Deed::Calls { function } => Some(function.to_string()),
        _ => None,
    });
    called.collect()
}

/// `CREATE TABLE … AS`, `CREATE MATERIALIZED VIEW … AS`, `DECLARE … FOR`: false, because they are not plain. Everything
/// else is refused, with what to do instead.
fn has_a_query(statement: &Statement) -> Result<bool, Refusal> {
    let text = statement.text.as_deref().unwrap_or_default().to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let refused = |reason: &str| Err(reason.to_owned());
    match words.as_slice() {
        ["explain", ..] => {
            refused("send the statement itself, without EXPLAIN, and say `analyze` where it is to be run")
        }
        ["execute", ..] => refused("a statement that is prepared in another session is not known here; send its text"),
        ["prepare", ..] => refused("send the statement itself, without PREPARE"),
        ["call" | "do", ..] => refused("EXPLAIN does not look into CALL and DO; send one of the statements inside"),
        ["declare", ..] => Ok(false),
        ["create", rest @ ..] if creates_from_query(rest) => Ok(false),
        _ => refused("EXPLAIN takes SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE, DECLARE and CREATE TABLE AS"),
    }
}

fn creates_from_query(words: &[&str]) -> bool {
    let scope = ["temp", "temporary", "local", "global", "unlogged"];
    let at = words.iter().take_while(|word| scope.contains(word)).count();
    match words.get(at..) {
        Some(["table", rest @ ..] | ["materialized", "view", rest @ ..]) => rest.contains(&"as"),
        _ => false,
    }
}

/// What a shape's text, which has `$n` for each literal, says to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capturable {
    /// The statement.
    pub(crate) sql: String,
    /// Whether lists of constants were shortened to one: `IN ($1, …)`.
    pub(crate) shortened: bool,
}

/// Marks what was left out of a list of constants.
const REST: &str = ", …";

/// The statement that stands for a shape; none for texts that are cut, cannot be read, or are no query or change.
pub(crate) fn capturable(text: &str, kind: StatementKind) -> Option<Capturable> {
    use StatementKind::{Delete, Insert, Merge, Select, Update};
    // At its end, the mark may as well be that of a text that was cut.
    if !matches!(kind, Select | Insert | Update | Delete | Merge) || text.ends_with('…') {
        return None;
    }
    let sql = text.replace(REST, "");
    let explainable = explainable(&sql).ok()?;
    let shortened = sql.len() != text.len();
    explainable.is_plain.then_some(Capturable { sql, shortened })
}
