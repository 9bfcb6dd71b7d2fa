//! Values of a row of our own questions. What is NULL, because it is not or may not be seen, is empty or zero. Pure.

use std::str::FromStr;

use weir_proto::monitor::v1 as api;
use weir_sql::Limits;
use weir_upstream::Row;

/// As much of a statement is looked at; the questions ask for no more.
const STATEMENT_BYTES_MAX: usize = 64 * 1024;
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Names that clients choose are cut here.
const NAME_CHARS_MAX: usize = 128;

pub(super) fn number<T: FromStr + Default>(row: &Row, column: &str) -> T {
    maybe(row, column).unwrap_or_default()
}

pub(super) fn maybe<T: FromStr>(row: &Row, column: &str) -> Option<T> {
    row.get(column)?.parse().ok()
}

pub(super) fn flag(row: &Row, column: &str) -> bool {
    row.get(column) == Some("t")
}

/// A name, which a client may have chosen: on one line and of bounded length.
pub(super) fn name(row: &Row, column: &str) -> String {
    let chosen = row.get(column).unwrap_or_default().chars();
    let clean = chosen.map(|found| if found.is_control() { ' ' } else { found });
    clean.take(NAME_CHARS_MAX).collect()
}

/// What may be told of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) text: String,
    /// Its number; none where the text was cut or cannot be read, because then it would be another's.
    pub(super) fingerprint: String,
    pub(super) traceparent: String,
}

/// Reads a statement. A text of which it is not certain where its literals are says nothing.
pub(super) fn said(sql: &str) -> Said {
    let traceparent = weir_sql::trace(sql.as_bytes()).map_or("", |trace| trace.parent);
    let limits = Limits {
        statement_bytes_max: STATEMENT_BYTES_MAX,
        text_bytes_max: TEXT_BYTES_MAX,
    };
    let known = weir_sql::analyse(&weir_sql::without_trace(sql), limits);
    let fingerprint = (known.parsed && known.text.is_some()).then(|| known.fingerprint.to_string());
    Said {
        text: known.text.unwrap_or_default(),
        fingerprint: fingerprint.unwrap_or_default(),
        traceparent: traceparent.to_owned(),
    }
}

/// A row about a session.
pub(super) fn session(upstream: &str, row: &Row) -> api::ServerSession {
    let said = row.get("query").map(said).unwrap_or_default();
    api::ServerSession {
        upstream: upstream.to_owned(),
        pid: number(row, "pid"),
        database: name(row, "database"),
        role: name(row, "role"),
        application: name(row, "application"),
        state: name(row, "state"),
        wait_event_type: name(row, "wait_event_type"),
        wait_event: name(row, "wait_event"),
        transaction_seconds: number(row, "transaction_seconds"),
        state_seconds: number(row, "state_seconds"),
        text: said.text,
        fingerprint: said.fingerprint,
        traceparent: said.traceparent,
        address: name(row, "address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_literal_comes_through_whole_cut_or_malformed() {
        for sql in [
            "select * from t where name = 'geheim' and n = 4711",
            "select * from t where name = 'geheim and the text is cut he",
            "update t set a = 'x' where b = 'geheim' and c = (",
            "copy t from '/geheim' with (format csv",
            "select $tag$geheim",
            "<insufficient privilege>",
        ] {
            let said = said(sql);
            assert!(!said.text.contains("geheim") && !said.text.contains("4711"), "{said:?}");
        }
        assert_eq!(
            said("select * from t where n = 4711").text,
            "select * from t where n = $1"
        );
    }

    #[test]
    fn a_text_that_was_cut_has_no_number() {
        assert!(!said("select a from t where b = 1").fingerprint.is_empty());
        assert_eq!(said("select a from t where b = 1 and (").fingerprint, "");
    }

    #[test]
    fn the_trace_in_the_comment_is_kept_apart() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let said = said(&format!("select 1 /*traceparent='{trace}'*/"));
        assert_eq!((said.text.as_str(), said.traceparent.as_str()), ("select $1", trace));
    }
}
