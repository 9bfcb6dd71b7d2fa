//! One direct connection to a server, on which one question at a time is asked.
//!
//! A question has two limits: the server ends it after its time, and where the server does not, the asker goes away,
//! cancels it and closes the line. It never waits long for a lock, so it stands in nobody's queue, and it cannot write.

use std::time::Duration;

use tokio::time::timeout;
use weir_upstream::{ConnectOptions, Connection, Error, Row, Target};

/// Time for a connection. A server that needs longer cannot be used either.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for a lock: behind one who changes a definition, all who come later would wait as well.
const LOCK_TIMEOUT_MS: &str = "100";
/// The server has this much time more before it is given up.
const GRACE: Duration = Duration::from_secs(1);
/// Time for a cancel request.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// How the server itself says how long it took: since it received the message.
const TOOK: &str =
    "select (extract(epoch from clock_timestamp() - statement_timestamp()) * 1e6)::bigint as weir_took_us";
const TOOK_COLUMN: &str = "weir_took_us";

/// A connection, and the time-out that it is set to.
#[derive(Debug)]
pub(super) struct Line {
    connection: Connection,
    statement_timeout: Option<Duration>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// The server's own time.
    pub(super) took: Duration,
}

/// Why nothing did.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no; the line is as good as before.
    Refused(Box<Error>),
    /// The server did not even end it in time.
    Overdue(Duration),
    /// The connection is gone.
    Lost(Box<Error>),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) | Self::Lost(error) => error.fmt(f),
            Self::Overdue(after) => write!(f, "no answer within {after:?}"),
        }
    }
}

impl Failure {
    /// What the server may have worked for it, if it was to work for `limit` at most. A wait for a lock is none, and a
    /// server that does not even keep the limit stands still.
    pub(super) fn worked(&self, limit: Duration) -> Duration {
        match self {
            Self::Refused(error) if error.server().is_some_and(|said| said.sqlstate == "57014") => limit,
            Self::Refused(_) | Self::Overdue(_) | Self::Lost(_) => Duration::ZERO,
        }
    }

    /// What an operator would have to give the monitor, where that is why: a right, or a library. In the server's words.
    pub(super) fn missing(&self) -> Option<String> {
        let Self::Refused(error) = self else {
            return None;
        };
        let said = error.server()?;
        matches!(said.sqlstate.as_str(), "42501" | "55000").then(|| said.message.clone())
    }
}

impl Line {
    /// Opens one. Everything that could make a question dear or dangerous is switched off for the session.
    pub(super) async fn open(target: &Target) -> Result<Self, Error> {
        let parameters = [
            ("lock_timeout", LOCK_TIMEOUT_MS),
            ("default_transaction_read_only", "on"),
            ("search_path", "pg_catalog"),
            ("jit", "off"),
            ("max_parallel_workers_per_gather", "0"),
            ("extra_float_digits", "0"),
            ("datestyle", "ISO"),
        ];
        let options = ConnectOptions {
            timeout: Some(CONNECT_TIMEOUT),
            application_name: Some("weir monitor".to_owned()),
            parameters: parameters
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..ConnectOptions::default()
        };
        Ok(Self {
            connection: Connection::connect(target, options).await?,
            statement_timeout: None,
        })
    }

    /// The version that the server told on connecting, such as `15.4`.
    pub(super) fn version(&self) -> &str {
        self.connection.parameter("server_version").unwrap_or_default()
    }

    /// Whether the server is on this machine, as far as the connection shows.
    pub(super) fn is_local(&self) -> bool {
        self.connection.address().is_none_or(|address| address.is_loopback())
    }

    /// Asks. The line comes back if it can be used again.
    pub(super) async fn ask(mut self, sql: &str, limit: Duration) -> (Option<Self>, Result<Answer, Failure>) {
        let text = self.with_limit(sql, limit);
        let cancel = self.connection.cancel_token();
        match timeout(limit + GRACE, self.connection.simple_query(&text)).await {
            Ok(Ok(rows)) => (self.again(), Ok(answer(rows))),
            Ok(Err(error)) => {
                // With the statement, the change of the time-out was undone.
                self.statement_timeout = None;
                match self.again() {
                    Some(line) => (Some(line), Err(Failure::Refused(Box::new(error)))),
                    None => (None, Err(Failure::Lost(Box::new(error)))),
                }
            }
            Err(_) => {
                // A server that does not hear this either ends the statement by its own limit.
                let _ = timeout(CANCEL_TIMEOUT, cancel.cancel()).await;
                (None, Err(Failure::Overdue(limit + GRACE)))
            }
        }
    }

    /// One message, so that it costs one round trip.
    fn with_limit(&mut self, sql: &str, limit: Duration) -> String {
        if self.statement_timeout == Some(limit) {
            return format!("{sql};{TOOK}");
        }
        self.statement_timeout = Some(limit);
        format!("set statement_timeout = {};{sql};{TOOK}", limit.as_millis())
    }

    fn again(self) -> Option<Self> {
        self.connection.is_clean().then_some(self)
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        self.connection.close().await;
    }
}

fn answer(mut rows: Vec<Row>) -> Answer {
    let last = rows.pop();
    let took_us = last.and_then(|row| row.parse(TOOK_COLUMN).ok()).unwrap_or_default();
    Answer {
        rows,
        took: Duration::from_micros(took_us),
    }
}
