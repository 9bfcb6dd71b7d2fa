//! What is looked at on a scratch server that has recovered.
//!
//! Whatever is wrong with the data is a finding. Trouble that says nothing about the data ends the check with an error.

pub(super) mod counts;
pub(super) mod pages;
pub(super) mod smoke;
pub(super) mod structure;

use tokio_util::sync::CancellationToken;
use weir_upstream::{Connection, Row, ServerError};

use super::evidence::Check;
use super::scratch::{HOME, Scratch};
use crate::error::Error;

/// A conversation with a scratch server, in one database.
pub(super) struct Asking {
    connection: Connection,
    stop: CancellationToken,
}

/// What came of a question.
pub(super) enum Said {
    Rows(Vec<Row>),
    /// The server says that what it found is wrong, or cannot go on with it.
    Wrong(String),
}

impl Asking {
    /// Begins one.
    pub(super) async fn begin(scratch: &mut Scratch, database: &str, stop: &CancellationToken) -> Result<Self, Error> {
        Ok(Self {
            connection: scratch.connect(database).await?,
            stop: stop.clone(),
        })
    }

    /// Asks something. Anything else than an answer is an error.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, Error> {
        tokio::select! {
            rows = self.connection.simple_query(sql) => Ok(rows?),
            () = self.stop.cancelled() => Err(Error::Stopped),
        }
    }

    /// Asks something whose failure may say that the data is wrong.
    pub(super) async fn try_ask(&mut self, sql: &str) -> Result<Said, Error> {
        match self.ask(sql).await {
            Ok(rows) => Ok(Said::Rows(rows)),
            Err(Error::Upstream(weir_upstream::Error::Server(error))) if is_about_data(&error) => {
                Ok(Said::Wrong(wording(&error)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether an error can come from what was restored, rather than from this machine: everything but a lack of
/// resources, an intervention, trouble of the system, and a library that is not installed here.
fn is_about_data(error: &ServerError) -> bool {
    !["53", "57", "58"].iter().any(|class| error.sqlstate.starts_with(class)) || is_missing_file(error)
}

/// A relation whose file is not there is told of as trouble of the system.
fn is_missing_file(error: &ServerError) -> bool {
    error.sqlstate == "58P01"
        && ["base/", "global/", "pg_tblspc/", "pg_xact", "pg_multixact"]
            .iter()
            .any(|part| error.message.contains(part))
}

fn wording(error: &ServerError) -> String {
    match &error.detail {
        Some(detail) => format!("{} ({detail})", error.message),
        None => error.message.clone(),
    }
}

/// The databases that one can look into, the templates included where they are open.
pub(super) async fn databases(scratch: &mut Scratch, stop: &CancellationToken) -> Result<Vec<String>, Error> {
    let mut asking = Asking::begin(scratch, HOME, stop).await?;
    let sql = "select datname::text as name from pg_database where datallowconn order by datname";
    let rows = asking.ask(sql).await?;
    rows.iter().map(|row| Ok(row.text("name")?.to_owned())).collect()
}

/// What an error of a check is worth: a server that broke down over what it read is a finding.
pub(super) fn taken(check: &mut Check, ended: Result<(), Error>, scratch: &mut Scratch) -> Result<(), Error> {
    let Err(error) = ended else { return Ok(()) };
    if let Some(said) = damage(&error) {
        check.found(said);
        return Ok(());
    }
    if broke_down(&scratch.log()) {
        check.found(format!("the server broke down: {}", scratch.last_words()));
        return Ok(());
    }
    Err(error)
}

/// What a server says of damage, whatever it was asked: it cannot even be talked to where its own catalogue is broken.
pub(super) fn damage(error: &Error) -> Option<String> {
    let Error::Upstream(error) = error else { return None };
    let said = error.server()?;
    (said.sqlstate.starts_with("XX") || is_missing_file(said)).then(|| wording(said))
}

/// Whether a log tells of a process that broke down by itself. One that was killed from outside tells nothing.
fn broke_down(log: &str) -> bool {
    let by_itself = ["signal 11", "signal 6", "signal 7", "signal 4", "signal 8"];
    log.lines().any(|line| {
        line.contains("PANIC:")
            || line.contains("was terminated by") && by_itself.iter().any(|signal| line.contains(signal))
    })
}

/// A name or text as a literal.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A name as an identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_breaks_by_itself_breaks_down() {
        assert!(broke_down(
            "LOG:  server process (PID 7) was terminated by signal 11: Segmentation fault"
        ));
        assert!(broke_down("PANIC:  could not locate a valid checkpoint record"));
        assert!(!broke_down(
            "LOG:  server process (PID 7) was terminated by signal 9: Killed"
        ));
        assert!(!broke_down("LOG:  database system is ready"));
    }
}
