//! Rules that no statement's looks can break, and what is said of calls that are no statements. Pure.

use weir_sql::{Risk, Sign, Statement};

/// A client was refused again and again.
pub(crate) const LOGIN_FAILURES: &str = "login-failures";
/// A client chose a project that is not its own.
pub(crate) const PROJECT_NOT_ALLOWED: &str = "project-not-allowed";
/// A client guesses whose statements to cancel.
pub(crate) const CANCEL_GUESSING: &str = "cancel-guessing";
/// Statements of a client fail in many ways.
pub(crate) const ERROR_PROBING: &str = "error-probing";
/// The list refused too much.
pub(crate) const BLOCK_RATE: &str = "block-rate";

/// Functions that read or write files of the server, by the numbers that PostgreSQL has given them for good:
/// `lo_import` (764, 767) and `lo_export` (765).
const FILE_FUNCTIONS: [u32; 3] = [764, 765, 767];

/// Whether an error is one that somebody gets who does not know what is there: something is written wrongly, is missing
/// or not allowed (class 42), a value has the wrong form, a sub-select the wrong number of rows.
pub(crate) fn is_probe(sqlstate: &str) -> bool {
    sqlstate.starts_with("42") || matches!(sqlstate, "22P02" | "21000")
}

/// How a call by a function's number would be written.
pub(crate) fn call_text(oid: u32) -> String {
    format!("select weir_fastpath.function_{oid}()")
}

/// What a call by a function's number is: of a shape of its own, and it may do anything.
pub(crate) fn function_call(oid: u32, shape: &Statement) -> Statement {
    let call = Statement {
        fingerprint: shape.fingerprint,
        identity: shape.identity,
        text: shape.text.clone(),
        parsed: true,
        ..weir_sql::unread("")
    };
    if !FILE_FUNCTIONS.contains(&oid) {
        return call;
    }
    let sign = Sign {
        rule: "file-access",
        weight: 100,
        words: "it reads or writes a file of the server",
        forbidden: true,
    };
    Statement {
        risk: Some(std::sync::Arc::new(Risk {
            score: sign.weight,
            signs: vec![sign],
        })),
        ..call
    }
}

#[cfg(test)]
mod tests {
    use weir_sql::{Limits, analyse};

    use super::*;

    #[test]
    fn calls_by_number_are_shapes_of_their_own() {
        let of = |oid| function_call(oid, &analyse(&call_text(oid), Limits::default()));
        assert_ne!(of(952).identity, of(953).identity);
        assert!(of(952).risk.is_none() && of(952).parsed && of(952).writes);
        assert!(of(764).risk.is_some_and(|risk| risk.signs[0].forbidden));
    }

    #[test]
    fn a_constraint_is_no_probe() {
        assert!(["42601", "42P01", "22P02", "21000"].into_iter().all(is_probe));
        assert!(!["23505", "40001", "57014", ""].into_iter().any(is_probe));
    }
}
