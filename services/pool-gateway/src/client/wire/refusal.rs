//! What a client of the PostgreSQL door is told when the gateway itself has to say no: in PostgreSQL's own form.

use bytes::BytesMut;
use weir_pgwire::backend::field;
use weir_pgwire::reply;
use weir_upstream::ServerError;

use crate::error::{Error, FIREWALL_HINT};

/// An error in PostgreSQL's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) sqlstate: String,
    pub(crate) message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(sqlstate: &str, message: impl Into<String>) -> Self {
        Self {
            sqlstate: sqlstate.to_owned(),
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it may be otherwise in a moment: the server is away, is full, or comes and goes.
    pub(super) fn is_temporary(&self) -> bool {
        ["08", "53", "57"].iter().any(|class| self.sqlstate.starts_with(class))
    }

    /// The five characters of its code.
    pub(super) fn code(&self) -> [u8; 5] {
        self.sqlstate.as_bytes().first_chunk().copied().unwrap_or(*b"XX000")
    }

    /// Appends it as an ErrorResponse.
    pub(super) fn write(&self, severity: &str, out: &mut BytesMut) {
        let (detail, hint) = (self.detail.as_deref(), self.hint.as_deref());
        // What cannot be written has a zero byte in it; the code alone says what it is about.
        if reply::error(out, severity, &self.sqlstate, &self.message, detail, hint).is_err() {
            let _ = reply::error(out, severity, &self.sqlstate, "it cannot be put into words", None, None);
        }
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        if let Error::Upstream(upstream) = error
            && let Some(server) = upstream.server()
        {
            return Self::from(server);
        }
        if let Error::FirewallBlocked { rule, words } = error {
            let said = format!("the firewall refused the statement (rule {rule}): {words}");
            return Self::new(sqlstate(error), said).with_hint(sentence(FIREWALL_HINT));
        }
        let refusal = Self::new(sqlstate(error), error.to_string());
        match error {
            Error::PoolTimeout { .. } | Error::QueueFull { .. } => {
                refusal.with_hint("Try again; if this happens often, statements hold their connections for long, or the pool is too small (gateway.pool_max).")
            }
            Error::BreakerOpen { retry_after, .. } | Error::BudgetSpent { retry_after, .. } => {
                refusal.with_hint(format!("Try again in {} s.", retry_after.as_secs_f64().ceil().max(1.0)))
            }
            _ => refusal,
        }
    }
}

impl From<&ServerError> for Refusal {
    fn from(server: &ServerError) -> Self {
        Self {
            sqlstate: server.sqlstate.clone(),
            message: server.message.clone(),
            detail: server.detail.clone(),
            hint: server.hint.clone(),
        }
    }
}

/// Words as hints have them: with a capital and a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

const fn sqlstate(error: &Error) -> &'static str {
    match error {
        Error::PoolTimeout { .. } | Error::QueueFull { .. } | Error::TooManyPools { .. } => "53300",
        Error::BudgetSpent { .. } => "53400",
        Error::ProjectFixed { .. } | Error::FirewallBlocked { .. } => "42501",
        Error::StatementTooLong { .. } => "54000",
        Error::StatementTimeout(_) => "57014",
        Error::Stopping => "57P01",
        // No connection could be had, so nothing was done. One that was lost in the middle is 08006, elsewhere.
        _ => "08001",
    }
}

/// The five characters of an ErrorResponse's code, where they are.
pub(super) fn sqlstate_of(body: &[u8]) -> [u8; 5] {
    let mut rest = body;
    while let Some((code, after)) = rest.split_first() {
        let end = after.iter().position(|byte| *byte == 0).unwrap_or(after.len());
        let (value, next) = after.split_at_checked(end).unwrap_or((after, &[]));
        if *code == field::SQLSTATE {
            return value.first_chunk().copied().unwrap_or(*b"XX000");
        }
        rest = next.get(1..).unwrap_or_default();
    }
    *b"XX000"
}

/// Whether an ErrorResponse names this field with this value.
pub(super) fn says(body: &[u8], code: u8, value: &[u8]) -> bool {
    let mut fields = body.split(|byte| *byte == 0);
    fields.any(|field| {
        field
            .split_first()
            .is_some_and(|(own, rest)| *own == code && rest == value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_and_so_is_a_routine() {
        let body = b"SERROR\0VERROR\0C0A000\0Mcached plan must not change result type\0RRevalidateCachedQuery\0\0";
        assert_eq!(&sqlstate_of(body), b"0A000");
        assert!(says(body, b'R', b"RevalidateCachedQuery") && !says(body, b'R', b"Other"));
        assert_eq!(&sqlstate_of(b""), b"XX000");
        assert_eq!(&sqlstate_of(b"C0A"), b"XX000");
    }

    #[test]
    fn a_full_pool_is_too_many_connections() {
        let refusal = Refusal::from(&Error::QueueFull {
            database: "d".to_owned(),
            waiting: 3,
        });
        assert_eq!((refusal.sqlstate.as_str(), refusal.hint.is_some()), ("53300", true));
    }
}
