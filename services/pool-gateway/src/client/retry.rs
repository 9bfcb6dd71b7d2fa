//! Whether a call that failed may be sent again. Pure.
//!
//! Safe means that nothing of it can have taken effect. Where that is not known, only an idempotency key makes it safe.
//! `docs/reference/retries.md` has the table.

use std::fmt;

use weir_upstream::{Error as Upstream, ServerError};

use crate::error::Error;

/// Time for a server to come back, or for a queue to shrink.
const SOON_MS: u32 = 1_000;
/// Time for a lock to be given up.
const LOCK_MS: u32 = 100;

/// What a caller is told of sending a call again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Do not.
    No,
    /// At once.
    Safe,
    /// After so many milliseconds.
    After(u32),
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Safe => f.write_str("safe"),
            Self::After(ms) => write!(f, "after-{ms}"),
        }
    }
}

/// What is to be told of an error. `is_kept`: the call had an idempotency key.
pub(crate) fn retry(error: &Error, is_kept: bool) -> Retry {
    let unknown = if is_kept { Retry::After(SOON_MS) } else { Retry::No };
    match error {
        Error::PoolTimeout { .. } | Error::QueueFull { .. } | Error::TooManyPools { .. } | Error::Stopping => {
            Retry::After(SOON_MS)
        }
        Error::PrimaryMoved { .. } => Retry::Safe,
        Error::BudgetSpent { retry_after, .. } => {
            Retry::After(u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX).max(1))
        }
        Error::StatementTimeout(_) | Error::CallerGone | Error::OperationCancelled => unknown,
        // Rolled back for certain.
        Error::TransactionIdle(_) => Retry::Safe,
        Error::Upstream(error) => upstream(error, unknown),
        _ => Retry::No,
    }
}

fn upstream(error: &Upstream, unknown: Retry) -> Retry {
    match error {
        Upstream::Unreachable { .. } | Upstream::Timeout { .. } => Retry::After(SOON_MS),
        Upstream::OutOfStep { .. } => Retry::Safe,
        Upstream::Io { .. } | Upstream::Protocol { .. } => unknown,
        Upstream::Refused { server, .. } | Upstream::Server(server) => server_error(server, unknown),
        _ => Retry::No,
    }
}

/// Whether a prepared statement no longer fits: its tables were changed, or the server has lost it.
pub(crate) fn is_stale(error: &ServerError) -> bool {
    match error.sqlstate.as_str() {
        "26000" => true,
        // The text of the message depends on the server's language, the name of its function does not.
        "0A000" => error.routine.as_deref() == Some("RevalidateCachedQuery"),
        _ => false,
    }
}

fn server_error(error: &ServerError, unknown: Retry) -> Retry {
    if error.sqlstate == "0A000" && is_stale(error) {
        return Retry::Safe;
    }
    sqlstate(&error.sqlstate, unknown)
}

fn sqlstate(sqlstate: &str, unknown: Retry) -> Retry {
    match sqlstate {
        // Serialisation failure, deadlock: PostgreSQL undid the transaction for somebody else's sake.
        "40001" | "40P01" => Retry::Safe,
        "55P03" => Retry::After(LOCK_MS),
        // Too many connections, no memory, starting or stopping, a standby that may be promoted.
        "53300" | "53200" | "57P03" | "25006" => Retry::After(SOON_MS),
        // The server went away in the middle.
        "57P01" | "57P02" | "57P05" | "40003" => unknown,
        class if class.starts_with("08") && class != "08P01" => unknown,
        _ => Retry::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_have_happened_is_safe() {
        let told = |code: &str, is_kept| {
            let unknown = if is_kept { Retry::After(SOON_MS) } else { Retry::No };
            sqlstate(code, unknown).to_string()
        };
        for (code, plain, kept) in [
            ("40001", "safe", "safe"),
            ("40P01", "safe", "safe"),
            ("0A000", "no", "no"),
            ("55P03", "after-100", "after-100"),
            ("53300", "after-1000", "after-1000"),
            ("57P01", "no", "after-1000"),
            ("08006", "no", "after-1000"),
            ("08P01", "no", "no"),
            ("23505", "no", "no"),
            ("57014", "no", "no"),
            ("", "no", "no"),
        ] {
            assert_eq!(
                (told(code, false).as_str(), told(code, true).as_str()),
                (plain, kept),
                "{code}"
            );
        }
        assert_eq!(retry(&Error::Stopping, false), Retry::After(SOON_MS));
        assert_eq!(retry(&Error::CallerGone, false), Retry::No);
        let lost = Upstream::Io {
            place: String::new(),
            reason: String::new(),
        };
        assert_eq!(retry(&Error::Upstream(lost), false), Retry::No);
    }
}
