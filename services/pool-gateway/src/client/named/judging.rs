//! What a token opens, from what PostgreSQL or memory said of one moment, and the time that it is now. Pure.
//!
//! Whatever is not clearly good is bad: a session without an end that can be read has ended, one that says anything but
//! false of having been revoked has been.

use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1 as api;

use super::super::encode::encode;
use super::super::replies::Collected;
use super::calling::is_to_come;
use crate::error::Error;
use crate::named::{End, Named, OfSession, OfUser, Resolve};

/// What is known of a token from its session alone.
#[derive(Debug, PartialEq)]
pub(super) enum Opened {
    /// The session is good, and this is whose it is.
    Session { user_id: Value, end: End },
    /// It is not.
    Nothing(api::SessionOutcome),
}

/// What the session says. Fails where there are several.
pub(super) fn session(of: &OfSession, rows: &Collected, now_us: i64) -> Result<Opened, Error> {
    use api::SessionOutcome::{Expired, Revoked, Unknown, UserUnknown};
    let row = match rows.rows.as_slice() {
        [] => return Ok(Opened::Nothing(Unknown)),
        [row] => row,
        several => {
            return Err(Error::SessionAmbiguous {
                name: of.statement.name.clone(),
                rows: several.len(),
            });
        }
    };
    if of.revoked.as_deref().is_some_and(|column| is_set(rows, row, column)) {
        return Ok(Opened::Nothing(Revoked));
    }
    let end = value(rows, row, &of.expires_at).map_or(End::Past, End::of);
    if !end.is_to_come(now_us) {
        return Ok(Opened::Nothing(Expired));
    }
    Ok(match value(rows, row, &of.user_id) {
        Some(user_id) if !is_null(user_id) => Opened::Session {
            user_id: user_id.clone(),
            end,
        },
        _ => Opened::Nothing(UserUnknown),
    })
}

/// Whether the user may come in.
pub(super) fn user(of: &OfUser, rows: &Collected) -> api::SessionOutcome {
    let disabled = of.disabled.as_deref();
    let is_disabled = |row: &api::Row| disabled.is_some_and(|column| is_set(rows, row, column));
    match rows.rows.as_slice() {
        [] => api::SessionOutcome::UserUnknown,
        found if found.iter().any(is_disabled) => api::SessionOutcome::UserDisabled,
        _ => api::SessionOutcome::Valid,
    }
}

/// The answer of a session that is not valid.
pub(super) fn nothing(outcome: api::SessionOutcome) -> api::ResolveSessionResponse {
    api::ResolveSessionResponse {
        outcome: outcome.into(),
        ..api::ResolveSessionResponse::default()
    }
}

/// The answer of one that is.
pub(super) fn valid(
    resolve: &Resolve,
    (user_id, end): (Value, End),
    (session, user, permissions): (&Collected, &Collected, &Collected),
    now_us: i64,
) -> api::ResolveSessionResponse {
    api::ResolveSessionResponse {
        found: true,
        outcome: api::SessionOutcome::Valid.into(),
        user_id: Some(user_id),
        roles: words(&resolve.user.statement, user, &resolve.user.roles, now_us),
        permissions: words(
            &resolve.permissions.statement,
            permissions,
            &resolve.permissions.permissions,
            now_us,
        ),
        expires_unix_ms: match end {
            End::At(us) => us.div_euclid(1_000),
            End::Past | End::Never => 0,
        },
        session: record(session),
        user: record(user),
    }
}

fn record(rows: &Collected) -> Option<api::SessionRecord> {
    Some(api::SessionRecord {
        columns: rows.header.clone(),
        row: Some(rows.rows.first()?.clone()),
    })
}

fn place(rows: &Collected, column: &str) -> Option<usize> {
    rows.header.iter().position(|found| found.name == column)
}

fn value<'r>(rows: &Collected, row: &'r api::Row, column: &str) -> Option<&'r Value> {
    row.values.get(place(rows, column)?)
}

const fn is_null(value: &Value) -> bool {
    matches!(value.kind, None | Some(Kind::Null(_)))
}

/// Whether a column says that something is so: true, or when it came to be so. A flag that is NULL says it too; a time
/// that is NULL does not, and no column at all does.
fn is_set(rows: &Collected, row: &api::Row, column: &str) -> bool {
    const BOOL: u32 = 16;
    let is_flag = rows
        .header
        .iter()
        .any(|found| found.name == column && found.type_oid == BOOL);
    match value(rows, row, column).map(|value| &value.kind) {
        Some(Some(Kind::Bool(flag))) => *flag,
        Some(None | Some(Kind::Null(_))) => is_flag,
        Some(Some(_)) | None => true,
    }
}

/// The words in a column of the rows that have not ended, each once, in their order: one for each row, or arrays of them.
fn words(of: &Named, rows: &Collected, column: &str, now_us: i64) -> Vec<String> {
    let Some(place_of_words) = place(rows, column) else {
        return Vec::new();
    };
    let end = of.expires_at.as_deref();
    let end_place = end.and_then(|end| place(rows, end));
    let mut words = Vec::new();
    for row in &rows.rows {
        if end.is_some() && !is_to_come(row, end_place, now_us) {
            continue;
        }
        if let Some(value) = row.values.get(place_of_words) {
            collect(value, &mut words);
        }
    }
    let mut seen = std::collections::HashSet::new();
    words.retain(|word| seen.insert(word.clone()));
    words
}

fn collect(value: &Value, words: &mut Vec<String>) {
    match &value.kind {
        Some(Kind::Array(array)) => array.elements.iter().for_each(|element| collect(element, words)),
        _ => words.extend(text(value)),
    }
}

fn text(value: &Value) -> Option<String> {
    String::from_utf8(encode(Some(value)).ok()??).ok()
}
