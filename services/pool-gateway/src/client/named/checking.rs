//! Whether databases take the statements of the catalogue: asked when it is read, from time to time, and before the first
//! call in another database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_model::{Coded as _, ErrorClass};
use weir_runtime::{Dependency, Ground, Stage};
use weir_upstream::ServerError;

use super::super::batch::server;
use super::super::session::Sessions;
use crate::error::Error;
use crate::named::{Book, Check, Named, Standing};

/// How often it is looked whether there is another catalogue.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a database is asked again that refused a statement or was not reached,
const MEND_EVERY: Duration = Duration::from_secs(5);
/// and one that has prepared it: its tables may have changed.
const REVIEW_EVERY: Duration = Duration::from_secs(60);
/// A check that takes longer is given up.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// Callers of a broken statement are told so for so long without anybody being asked.
const BROKEN_FOR: Duration = Duration::from_millis(100);
/// Statements that the readiness names.
const SHOWN_MAX: usize = 3;

/// Has the statements of the catalogue checked, whichever is in force.
pub(crate) fn start(ground: &Ground, sessions: &Sessions) {
    let (sessions, readiness) = (sessions.clone(), ground.readiness.clone());
    ground.tasks.spawn(Stage::Watch, "named statements", |stop| async move {
        let mut keeper = Keeper::new(sessions);
        let keep = async {
            loop {
                keeper.look(|| readiness.uses("statements")).await;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = keep => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    });
}

/// Keeps what is known of the catalogue in force.
struct Keeper {
    sessions: Sessions,
    book: Option<Arc<Book>>,
    mend_at: Instant,
    review_at: Instant,
    /// Where it is shown, once there was a catalogue.
    shown: Option<Dependency>,
}

impl Keeper {
    fn new(sessions: Sessions) -> Self {
        let now = Instant::now();
        Self {
            sessions,
            book: None,
            mend_at: now,
            review_at: now,
            shown: None,
        }
    }

    async fn look(&mut self, show: impl FnOnce() -> Dependency) {
        let settings = self.sessions.settings();
        let present = settings.statements_file.book();
        let is_same = match (&self.book, present) {
            (Some(own), Some(present)) => Arc::ptr_eq(own, present),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            self.book = present.cloned();
            (self.mend_at, self.review_at) = (Instant::now(), Instant::now());
        }
        let Some(book) = self.book.clone() else {
            self.shown.iter().for_each(Dependency::up);
            return;
        };
        let shown = self.shown.get_or_insert_with(show).clone();
        let now = Instant::now();
        if now < self.mend_at {
            return;
        }
        self.mend_at = now + MEND_EVERY;
        let all = now >= self.review_at;
        if all {
            self.review_at = now + REVIEW_EVERY;
        }
        let mut away: HashMap<String, String> = HashMap::new();
        for (named, database) in due(&book, &self.sessions.pools.own_database(), all) {
            if let Some(reason) = away.get(&database) {
                self.sessions
                    .note(&named, &database, Standing::Unreached(reason.clone()));
            } else if let Err(error) = self.sessions.check(&named, &database).await {
                away.insert(database, error.to_string());
            }
        }
        shown.report(verdict(&book));
    }
}

/// What is to be checked: each statement in its own database or the default one, and in those it was called in.
fn due(book: &Book, default: &str, all: bool) -> Vec<(Arc<Named>, String)> {
    let mut due = Vec::new();
    for named in book.statements.values() {
        let own = named.database.as_deref().unwrap_or(default);
        let others = named.standings.all().into_iter().map(|(name, _)| name);
        let databases = std::iter::once(own.to_owned()).chain(others.filter(|name| name != own));
        let wanted = databases.filter(|name| all || !named.standings.is_prepared(name));
        due.extend(wanted.map(|name| (named.clone(), name)));
    }
    due
}

/// Whether all is well, or the first of what is not.
fn verdict(book: &Book) -> Result<(), String> {
    let flaws = book.statements.values().flat_map(|named| {
        let checks = named.standings.all().into_iter();
        checks.filter_map(|(database, check)| match check.standing {
            Standing::Prepared { .. } => None,
            Standing::Broken(reason) => Some(format!("{:?} in database {database}: {reason}", named.name)),
            Standing::Unreached(reason) => Some(format!(
                "{:?} in database {database} is not checked: {reason}",
                named.name
            )),
        })
    });
    let flaws: Vec<String> = flaws.collect();
    if flaws.is_empty() {
        return Ok(());
    }
    let shown = flaws.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("; ");
    let more = flaws.len().saturating_sub(SHOWN_MAX);
    Err(if more == 0 {
        shown
    } else {
        format!("{shown}; and {more} more")
    })
}

impl Sessions {
    /// Asks a database whether it takes a statement, and notes what it says. Fails where it cannot be asked.
    pub(super) async fn check(&self, named: &Named, database: &str) -> Result<(), Error> {
        let prepared = timeout(CHECK_TIMEOUT, self.prepare_anew(named, database)).await;
        let prepared = prepared.unwrap_or(Err(Error::StatementTimeout(CHECK_TIMEOUT)));
        let (standing, ended) = match prepared {
            Ok(standing) => (standing, Ok(())),
            Err(error) if is_refusal(&error) => (Standing::Broken(error.to_string()), Ok(())),
            Err(error) => (Standing::Unreached(error.to_string()), Err(error)),
        };
        self.note(named, database, standing);
        ended
    }

    async fn prepare_anew(&self, named: &Named, database: &str) -> Result<Standing, Error> {
        let pool = self.pools.get(database)?;
        let project = self.settings().default_project.clone();
        let mut lease = self.ready_lease(&pool, &project, 1.0).await?;
        let connection = lease.connection().ok_or(Error::Stopping)?;
        let types = named.types();
        // The tables may have changed since it was prepared last.
        connection.forget_prepared(&named.sql, &types);
        let prepared = connection.prepare(&named.sql, &types).await?;
        // Many statements that are only checked shall not drive out those in use.
        connection.forget_prepared(&named.sql, &types);
        let columns = prepared
            .columns()
            .iter()
            .map(|column| (column.name.as_str(), column.type_oid));
        Ok(match named.misfit(columns) {
            Some(reason) => Standing::Broken(reason),
            None => Standing::Prepared {
                parameters: prepared.parameters().to_vec(),
                columns: prepared.columns().to_vec(),
            },
        })
    }

    /// Writes down what a database says, and says so where it is news.
    fn note(&self, named: &Named, database: &str, standing: Standing) {
        let check = Check {
            standing: standing.clone(),
            checked: Instant::now(),
            checked_unix_ms: self.clock.unix_ms(),
        };
        let before = named.standings.note(database, check).map(|check| check.standing);
        if before.as_ref() == Some(&standing) {
            return;
        }
        let name = named.name.as_str();
        match (standing, before) {
            (Standing::Broken(reason), _) => {
                tracing::warn!(
                    statement.name = name,
                    database,
                    reason,
                    "named statement does not prepare"
                );
            }
            (Standing::Prepared { .. }, Some(Standing::Broken(_))) => {
                tracing::info!(statement.name = name, database, "named statement prepares again");
            }
            _ => {}
        }
    }

    /// Sees that a database takes a statement, where that is not known.
    pub(super) async fn stands(&self, named: &Named, database: &str) -> Result<(), Error> {
        if named.standings.is_prepared(database) {
            return Ok(());
        }
        if !was_just_broken(named, database) {
            self.check(named, database).await?;
        }
        match broken(named, database) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// What a caller is told of an error of a named statement: that it is broken, where it is, and nothing of its secrets.
    pub(super) async fn explain_named(&self, named: &Named, database: &str, error: Error) -> Error {
        let is_news = may_be_broken(&error) && !was_just_broken(named, database);
        if is_news && self.check(named, database).await.is_ok() {
            return broken(named, database).unwrap_or_else(|| discreet(named, error));
        }
        discreet(named, error)
    }
}

/// What callers of a broken statement are told; none where it is not broken.
fn broken(named: &Named, database: &str) -> Option<Error> {
    match named.standings.of(database)?.standing {
        Standing::Broken(reason) => Some(Error::StatementBroken {
            name: named.name.clone(),
            database: database.to_owned(),
            reason,
        }),
        _ => None,
    }
}

fn was_just_broken(named: &Named, database: &str) -> bool {
    named
        .standings
        .of(database)
        .is_some_and(|check| matches!(check.standing, Standing::Broken(_)) && check.checked.elapsed() < BROKEN_FOR)
}

/// Whether a server said no to the statement itself, or to its database.
fn is_refusal(error: &Error) -> bool {
    let Error::Upstream(upstream) = error else { return false };
    let said = upstream.server().is_some();
    said && !matches!(
        upstream.class(),
        ErrorClass::Unavailable | ErrorClass::Exhausted | ErrorClass::Cancelled | ErrorClass::Deadline
    )
}

/// Whether an error may come of a change of the tables: an unknown name, another type, a result of another shape.
fn may_be_broken(error: &Error) -> bool {
    if matches!(error, Error::StatementBroken { .. }) {
        return true;
    }
    sqlstate(error).is_some_and(|sqlstate| sqlstate.starts_with("42") && sqlstate != "42501" || sqlstate == "0A000")
}

/// PostgreSQL's code of an error.
pub(super) fn sqlstate(error: &Error) -> Option<&str> {
    match error {
        Error::Upstream(upstream) => upstream.server().map(|server| server.sqlstate.as_str()),
        _ => None,
    }
}

/// Classes of errors whose words have no value in them: of the server and the way to it, of locks and transactions.
const PLAIN: [&str; 7] = ["08", "25", "3D", "40", "53", "55", "57"];

/// The same error without its words, where they might have a value that nobody may see: PostgreSQL shows values that it
/// does not take, and keys that are there already.
pub(super) fn discreet(named: &Named, error: Error) -> Error {
    let Some(said) = sqlstate(&error) else { return error };
    let is_plain = said == "42501" || PLAIN.iter().any(|class| said.starts_with(class));
    if is_plain || !named.has_secrets() {
        return error;
    }
    let mut words = ServerError::default();
    said.clone_into(&mut words.sqlstate);
    "ERROR".clone_into(&mut words.severity);
    words.message = format!(
        "PostgreSQL refused statement {:?}; its words may have a secret in them",
        named.name
    );
    server(Box::new(words))
}
