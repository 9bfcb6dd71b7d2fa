//! A plain read whose server was lost is asked again, as long as its caller has seen nothing of an answer.
//!
//! Whether it was done nobody knows, and for a read nobody minds. So that nothing else is done twice, what is asked again
//! runs in a transaction that cannot write and is rolled back: a view or an operator may have a function behind it that
//! is not what it looks like.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use weir_model::{Coded as _, ErrorClass};
use weir_sql::Statement;
use weir_upstream::Error as Upstream;

use super::reading::read_rows;
use super::recording::Recording;
use super::session::{Ask, Done, Rows, Sessions, done, note_loss};
use crate::error::Error;
use crate::pool::Lease;
use crate::route;

/// The pause before the first time that something is asked again, which doubles from time to time,
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// up to this one.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// PostgreSQL's code for a write where only reads are allowed.
const READ_ONLY: &str = "25006";

/// How often something has been asked, and whether it may be asked again.
#[derive(Debug)]
pub(super) struct Again {
    /// How often at most; 0 for what is no plain read.
    most: u32,
    asked_again: u32,
    /// When its caller waits no more.
    until: Option<Instant>,
    /// When it has run as long as it may, all tries together.
    limit: Option<Instant>,
}

impl Again {
    pub(super) fn new(ask: &Ask, statement: &Statement, most: u32) -> Self {
        let is_read = route::may_be_asked_again(statement, route::hint(ask.sql.as_bytes()));
        Self {
            most: if is_read { most } else { 0 },
            asked_again: 0,
            until: ask.timeout.and_then(|allowed| Instant::now().checked_add(allowed)),
            limit: None,
        }
    }

    /// Whether it was asked before.
    pub(super) const fn is_again(&self) -> bool {
        self.asked_again > 0
    }

    /// When it has run as long as it may, if it goes to a server now.
    pub(super) fn limit(&mut self, allowed: Duration) -> Instant {
        *self.limit.get_or_insert_with(|| Instant::now() + allowed)
    }

    /// How long to wait before it is asked again after this error; none where it must not be, or not in time.
    pub(super) fn pause_after(&self, error: &Error, now: Instant, draw: u64) -> Option<Duration> {
        // Who finds no server to begin with is told so at once. A server that was lost may be back in a moment.
        let is_worth_it = is_loss(error) || self.is_again() && error.is_without_server();
        if !is_worth_it || self.asked_again >= self.most {
            return None;
        }
        let pause = pause(self.asked_again, draw);
        let is_late = |end: Option<Instant>| end.is_some_and(|end| now + pause >= end);
        if is_late(self.until) || is_late(self.limit) {
            return None;
        }
        Some(pause)
    }

    /// It is asked again.
    pub(super) const fn counts(&mut self) {
        self.asked_again += 1;
    }
}

/// Whether the server was lost while it had the statement: by the network, by its end, or by an administrator who ended
/// the session. An error of the same code that the statement itself brings about is none.
fn is_loss(error: &Error) -> bool {
    match error {
        Error::Upstream(Upstream::Io { .. }) => true,
        Error::Upstream(Upstream::Server(said)) => {
            matches!(said.severity.as_str(), "FATAL" | "PANIC") && said.class() == ErrorClass::Unavailable
        }
        _ => false,
    }
}

/// Half of it is certain, and half is drawn: those who lost the same server do not come back in the same moment.
fn pause(asked_again: u32, draw: u64) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << asked_again.min(16)).min(LONGEST_PAUSE);
    let half = whole / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(draw % (micros + 1))
}

/// A number that is another each time.
pub(super) fn draw() -> u64 {
    RandomState::new().hash_one(0)
}

fn is_write(error: &Error) -> bool {
    matches!(error, Error::Upstream(Upstream::Server(said)) if said.sqlstate == READ_ONLY)
}

impl Sessions {
    /// Runs a statement; a plain read more than once, where its server is lost.
    pub(super) async fn persevere(
        &self,
        ask: &Ask,
        statement: &Statement,
        rows: &mut impl Rows,
        recording: &mut Recording,
    ) -> Result<Done, Error> {
        let mut again = Again::new(ask, statement, self.settings().read_retries);
        // What is told of a read that turns out to be none.
        let mut first = None;
        let ended = loop {
            let error = match self.try_once(ask, statement, rows, recording, &mut again).await {
                Ok(done) => break Ok(done),
                // It is no read after all, and was not done again.
                Err(error) if is_write(&error) && first.is_some() => break Err(first.take().unwrap_or(error)),
                Err(error) => error,
            };
            let Some(pause) = again.pause_after(&error, Instant::now(), draw()) else {
                break Err(error);
            };
            if !rows.start_over() {
                break Err(error);
            }
            again.counts();
            recording.starts_over();
            first.get_or_insert(error);
            tokio::time::sleep(pause).await;
        };
        if again.is_again() {
            let outcome = if ended.is_ok() { "answered" } else { "failed" };
            let metrics = &self.pools.common().metrics;
            metrics.reads_asked_again.with([outcome]).inc();
        }
        ended
    }

    async fn try_once(
        &self,
        ask: &Ask,
        statement: &Statement,
        rows: &mut impl Rows,
        recording: &mut Recording,
        again: &mut Again,
    ) -> Result<Done, Error> {
        if let Some(ended) = self.try_replica(ask, statement, rows, recording).await {
            return ended;
        }
        let allowed = recording.terms.statement_timeout;
        if !again.is_again() {
            let mut lease = self.lease_for(ask, statement, recording).await?;
            let limit = again.limit(allowed);
            let ended = timeout_at(limit, self.query(ask, statement, rows, recording, &mut lease)).await;
            return ended.unwrap_or(Err(Error::StatementTimeout(allowed)));
        }
        let mut lease = self.lease_again(&ask.project, &ask.database, recording).await?;
        let limit = again.limit(allowed);
        let ended = timeout_at(limit, self.query_again(ask, statement, rows, recording, &mut lease)).await;
        ended.unwrap_or(Err(Error::StatementTimeout(allowed)))
    }

    async fn query_again(
        &self,
        ask: &Ask,
        statement: &Statement,
        rows: &mut impl Rows,
        recording: &mut Recording,
        lease: &mut Lease,
    ) -> Result<Done, Error> {
        let connection = lease.connection().ok_or(Error::Stopping)?;
        recording.sent();
        let ended = match connection.simple_query("begin read only").await {
            Ok(_) => read_rows(connection, ask, rows, recording).await,
            Err(error) => Err(error.into()),
        };
        recording.answered();
        if let Err(error) = &ended {
            note_loss(lease, error);
        }
        if let Some(connection) = lease.connection().filter(|connection| !connection.is_broken()) {
            // Where this fails the lease closes the connection, which comes to the same.
            let _ = connection.simple_query("rollback").await;
        }
        let read = ended?;
        recording.figures.rows = read.rows.unwrap_or(recording.figures.rows);
        Ok(done(read, statement, recording))
    }
}

#[cfg(test)]
mod tests {
    use weir_model::Project;
    use weir_sql::{Limits, analyse};
    use weir_upstream::ServerError;

    use super::*;

    fn again(sql: &str, most: u32, timeout: Option<Duration>) -> Again {
        let ask = Ask {
            project: Project::default(),
            database: String::new(),
            sql: sql.to_owned(),
            arguments: Vec::new(),
            flaw: None,
            timeout,
            application: String::new(),
            traceparent: String::new(),
            client: std::sync::Arc::default(),
            operation: String::new(),
            prepared: false,
            min_position: None,
            consistency: None,
            empty_ttl: None,
        };
        Again::new(&ask, &analyse(sql, Limits::default()), most)
    }

    fn lost() -> Error {
        let (place, reason) = (String::new(), String::new());
        Error::Upstream(Upstream::Io { place, reason })
    }

    fn unreachable() -> Error {
        let (place, reason) = (String::new(), String::new());
        Error::Upstream(Upstream::Unreachable { place, reason })
    }

    fn said(severity: &str, sqlstate: &str) -> Error {
        let mut error = ServerError::default();
        severity.clone_into(&mut error.severity);
        sqlstate.clone_into(&mut error.sqlstate);
        Error::Upstream(Upstream::Server(Box::new(error)))
    }

    #[test]
    fn only_plain_reads_are_asked_again_and_only_so_often() {
        let now = Instant::now();
        for (sql, most, times) in [
            ("select a from t", 3, 3),
            ("/* weir:primary */ select a from t", 2, 2),
            ("select f(a) from t /* weir:replica */", 1, 1),
            ("select a from t", 0, 0),
            ("select f(a) from t", 3, 0),
            ("select nextval('s')", 3, 0),
            ("select a from t for update", 3, 0),
            ("with x as (delete from t returning a) select * from x", 3, 0),
            ("update t set a = 1", 3, 0),
            ("select 1; select 2", 3, 0),
            ("begin", 3, 0),
        ] {
            let mut again = again(sql, most, None);
            let asks_again = || again.pause_after(&lost(), now, 0).map(|_| again.counts());
            assert_eq!(std::iter::from_fn(asks_again).count(), times, "{sql}");
        }
    }

    #[test]
    fn what_was_not_lost_is_not_asked_again() {
        let now = Instant::now();
        for (error, is_loss) in [
            (lost(), true),
            (said("FATAL", "57P01"), true),
            (said("FATAL", "57P02"), true),
            // A foreign server was lost, or the statement was cancelled.
            (said("ERROR", "08006"), false),
            (said("ERROR", "57014"), false),
            (said("FATAL", "25P03"), false),
            (Error::StatementTimeout(Duration::ZERO), false),
            (Error::OperationCancelled, false),
            (unreachable(), false),
        ] {
            let found = again("select 1", 3, None).pause_after(&error, now, 0);
            assert_eq!(found.is_some(), is_loss, "{error}");
        }
        let mut again = again("select 1", 3, None);
        again.counts();
        assert!(
            again.pause_after(&unreachable(), now, 0).is_some(),
            "it is not back yet"
        );
    }

    #[test]
    fn pauses_double_and_differ_and_end_in_time() {
        let ms = Duration::from_millis;
        for (asked_again, least, most) in [
            (0, 25, 50),
            (1, 50, 100),
            (2, 100, 200),
            (5, 500, 1_000),
            (99, 500, 1_000),
        ] {
            assert_eq!(pause(asked_again, 0), ms(least));
            assert_eq!(pause(asked_again, least * 1_000), ms(most));
            assert!(pause(asked_again, u64::MAX) <= ms(most));
        }
        assert_ne!(pause(3, 1), pause(3, 2));
        assert_ne!(draw(), draw());
        let now = Instant::now();
        assert!(
            again("select 1", 3, Some(ms(20)))
                .pause_after(&lost(), now, 0)
                .is_none()
        );
        assert!(
            again("select 1", 3, Some(ms(500)))
                .pause_after(&lost(), now, 0)
                .is_some()
        );
        let mut long = again("select 1", 3, None);
        long.limit(ms(20));
        assert!(long.pause_after(&lost(), now, 0).is_none());
    }
}
