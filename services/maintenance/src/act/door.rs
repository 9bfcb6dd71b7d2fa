//! The way to a database, and back to it when a session was lost on the way.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_upstream::Target;

use super::sweep::halt;
use super::{Halt, Limits, Session};
use crate::error::Error;
use crate::observe::literal;

/// How long a server that went away is waited for.
const BACK_WITHIN: Duration = Duration::from_secs(15);
const KNOCK_EVERY: Duration = Duration::from_millis(250);
/// How long the backend of a lost session may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(15);

/// Where sessions of one piece of work lead to, and under which name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door<'a> {
    /// The database.
    pub target: &'a Target,
    /// The name in `pg_stat_activity`.
    pub name: &'a str,
    /// How long its statements may wait and take.
    pub limits: Limits,
}

impl Door<'_> {
    /// A new session.
    pub(crate) async fn open(&self) -> Result<Session, Error> {
        Session::open(self.target, self.name, self.limits).await
    }

    /// Puts a new session in the place of one that was lost, once what that one still did has ended.
    pub(crate) async fn mend(&self, session: &mut Session) -> Result<(), Halt> {
        if !session.connection().is_broken() {
            return Ok(());
        }
        let lost = session.connection().process_id();
        let until = Instant::now() + BACK_WITHIN;
        loop {
            match self.open().await {
                Ok(opened) => {
                    *session = opened;
                    return self.end(session, lost).await;
                }
                Err(error) if Instant::now() >= until => return Err(halt(error)),
                Err(_) => sleep(KNOCK_EVERY).await,
            }
        }
    }

    /// Ends a backend of ours that its client has left, and waits until it is gone.
    async fn end(&self, session: &mut Session, pid: i32) -> Result<(), Halt> {
        let name = literal(self.name);
        let ask = format!(
            "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
             where pid = {pid} and application_name = {name}"
        );
        let until = Instant::now() + GONE_WITHIN;
        while !session.connection().simple_query(&ask).await?.is_empty() && Instant::now() < until {
            sleep(KNOCK_EVERY).await;
        }
        Ok(())
    }
}
