//! What a caller can make of an SQLSTATE.

use weir_model::ErrorClass;

/// The class of a server's error, by its SQLSTATE (PostgreSQL's manual, appendix A).
pub(crate) fn class(sqlstate: &str) -> ErrorClass {
    exception(sqlstate).unwrap_or_else(|| by_class(sqlstate.get(..2).unwrap_or_default()))
}

/// Codes that mean something else than the rest of their class.
fn exception(sqlstate: &str) -> Option<ErrorClass> {
    Some(match sqlstate {
        "42501" => ErrorClass::PermissionDenied,
        // An object of that name exists already.
        "42701" | "42P03" | "42P04" | "42723" | "42P05" | "42P06" | "42P07" | "42712" | "42710" => ErrorClass::Conflict,
        // NOT NULL and CHECK: the value itself cannot be right. And a wrong number of parameters is called a violation
        // of the protocol, although it is the statement that does not fit.
        "23502" | "23514" | "08P01" => ErrorClass::InvalidInput,
        "25P03" | "25P04" => ErrorClass::Deadline,
        "40003" => ErrorClass::Unavailable,
        "57014" => ErrorClass::Cancelled,
        "P0002" => ErrorClass::NotFound,
        _ => return None,
    })
}

fn by_class(class: &str) -> ErrorClass {
    match class {
        "02" | "3D" | "3F" => ErrorClass::NotFound,
        "08" | "57" => ErrorClass::Unavailable,
        "23" | "25" | "40" | "55" => ErrorClass::Conflict,
        "28" => ErrorClass::Unauthenticated,
        "53" | "54" => ErrorClass::Exhausted,
        "58" | "F0" | "XX" | "HV" | "72" => ErrorClass::Internal,
        "03" | "0A" | "0B" | "0F" | "0L" | "0P" | "0Z" | "09" | "20" | "21" | "22" | "24" | "26" | "27" | "2B"
        | "2D" | "2F" | "34" | "38" | "39" | "3B" | "42" | "44" | "P0" => ErrorClass::InvalidInput,
        _ => ErrorClass::Internal,
    }
}

/// The error's stable name, by its class.
pub(crate) const fn slug(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::InvalidInput => "postgres-invalid-input",
        ErrorClass::Unauthenticated => "postgres-unauthenticated",
        ErrorClass::PermissionDenied => "postgres-permission-denied",
        ErrorClass::NotFound => "postgres-not-found",
        ErrorClass::Conflict => "postgres-conflict",
        ErrorClass::Exhausted => "postgres-exhausted",
        ErrorClass::Unavailable => "postgres-unavailable",
        ErrorClass::Deadline => "postgres-deadline",
        ErrorClass::Cancelled => "postgres-cancelled",
        ErrorClass::Internal => "postgres-internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_the_class_a_caller_can_act_upon() {
        for (sqlstate, expected) in [
            ("28P01", ErrorClass::Unauthenticated),
            ("42501", ErrorClass::PermissionDenied),
            ("42601", ErrorClass::InvalidInput),
            ("42P01", ErrorClass::InvalidInput),
            ("42P07", ErrorClass::Conflict),
            ("23505", ErrorClass::Conflict),
            ("23502", ErrorClass::InvalidInput),
            ("22012", ErrorClass::InvalidInput),
            ("3D000", ErrorClass::NotFound),
            ("40001", ErrorClass::Conflict),
            ("40P01", ErrorClass::Conflict),
            ("53300", ErrorClass::Exhausted),
            ("57014", ErrorClass::Cancelled),
            ("57P01", ErrorClass::Unavailable),
            ("57P03", ErrorClass::Unavailable),
            ("08006", ErrorClass::Unavailable),
            ("08P01", ErrorClass::InvalidInput),
            ("XX000", ErrorClass::Internal),
            ("", ErrorClass::Internal),
            ("é", ErrorClass::Internal),
        ] {
            assert_eq!(class(sqlstate), expected, "{sqlstate}");
        }
    }
}
