//! Three reads of one moment: who holds a token, the user with its roles, its permissions.
//!
//! One transaction sees one snapshot, whatever is committed meanwhile, and it cannot write. It takes two round trips: the
//! session with the BEGIN before it, then the other two, which need to know whose session it is, with the COMMIT behind
//! them. It ends before anybody is answered.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::time::{Instant, timeout_at};
use weir_sql::Statement;
use weir_upstream::{Command, Connection, Limits, Piece, Pipeline, Prepared, Source};

use super::super::again::{Again, draw};
use super::super::batch::server;
use super::super::reading::{ReadOut, read_next, read_to_sync};
use super::super::recording::Recording;
use super::super::replies::Collected;
use super::super::retry::is_stale;
use super::super::session::{Ask, Rows as _, Sessions, leaves_traces, note_loss};
use super::checking::sqlstate;
use crate::error::Error;
use crate::pool::Lease;
use crate::route;

/// PostgreSQL's codes for text that is no value of a type.
const NO_VALUE: [&str; 6] = ["22P02", "22P03", "22003", "22007", "22008", "22021"];
const BEGIN: &str = "begin isolation level repeatable read read only";

/// What was read of one moment.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) session: Collected,
    /// The user and its permissions; none where the session opens nothing.
    pub(super) of_user: Option<[Collected; 2]>,
}

/// The reads that are to be of one moment.
pub(super) struct Plan<'p> {
    pub(super) session: Ask,
    /// The texts and types of the other two, which are prepared before it is known what they are given.
    pub(super) others: [(&'p str, Vec<u32>); 2],
    /// The other two, by what was found of the session; none where that opens nothing.
    pub(super) then: Then<'p>,
}

type Then<'p> = &'p (dyn Fn(&Collected) -> Result<Option<[Ask; 2]>, Error> + Sync);

/// One of the reads, with what is told of it.
struct Part {
    ask: Ask,
    statement: Arc<Statement>,
    recording: Recording,
}

impl Part {
    fn tell(&mut self, ended: Result<(), &Error>) {
        match ended {
            Ok(()) => self.recording.succeeded(),
            Err(error) => self.recording.failed(error),
        }
    }
}

impl Sessions {
    /// Reads what is to be of one moment.
    pub(super) async fn cut(&self, plan: Plan<'_>) -> Result<Cut, Error> {
        let Plan { session, others, then } = plan;
        let (project, operation, allowed) = (session.project.clone(), session.operation.clone(), session.timeout);
        let mut first = self.cut_part(session);
        let ended = match self.flaw(&mut first.ask).or_else(|| first.recording.may_run().err()) {
            Some(error) => Err(error),
            None => {
                let work = self.cut_patiently(&mut first, &others, then);
                self.governed(&project, &operation, allowed, work).await
            }
        };
        first.tell(ended.as_ref().map(|_| ()));
        ended
    }

    fn cut_part(&self, ask: Ask) -> Part {
        let known = self.shapes.at_once(&ask.sql);
        let statement = known.unwrap_or_else(|| self.shapes.read_now(&ask.sql));
        let recording = self.recording(&ask, Instant::now(), statement.clone());
        Part {
            ask,
            statement,
            recording,
        }
    }

    /// Asks again where the server was lost, as for any read.
    async fn cut_patiently(
        &self,
        first: &mut Part,
        others: &[(&str, Vec<u32>); 2],
        then: Then<'_>,
    ) -> Result<Cut, Error> {
        let all_repeatable = others.iter().all(|(sql, _)| self.is_repeatable(sql));
        let most = if all_repeatable {
            self.settings().read_retries
        } else {
            0
        };
        let mut again = Again::new(&first.ask, &first.statement, most);
        let ended = loop {
            let error = match self.cut_once(first, others, then, &mut again).await {
                Ok(cut) => break Ok(cut),
                Err(error) => error,
            };
            let Some(pause) = again.pause_after(&error, Instant::now(), draw()) else {
                break Err(error);
            };
            again.counts();
            first.recording.starts_over();
            tokio::time::sleep(pause).await;
        };
        if again.is_again() {
            let outcome = if ended.is_ok() { "answered" } else { "failed" };
            self.pools.common().metrics.reads_asked_again.with([outcome]).inc();
        }
        ended
    }

    fn is_repeatable(&self, sql: &str) -> bool {
        let known = self.shapes.at_once(sql);
        known.is_some_and(|statement| route::may_be_asked_again(&statement, route::hint(sql.as_bytes())))
    }

    async fn cut_once(
        &self,
        first: &mut Part,
        others: &[(&str, Vec<u32>); 2],
        then: Then<'_>,
        again: &mut Again,
    ) -> Result<Cut, Error> {
        let Ask { project, database, .. } = &first.ask;
        let mut lease = if again.is_again() {
            self.lease_again(project, database, &mut first.recording).await?
        } else {
            self.lease(project, database, &mut first.recording).await?
        };
        let leaves = |sql: &str| {
            self.shapes
                .at_once(sql)
                .is_none_or(|statement| leaves_traces(&statement))
        };
        if leaves_traces(&first.statement) || others.iter().any(|(sql, _)| leaves(sql)) {
            lease.needs_reset();
        }
        let allowed = first.recording.terms.statement_timeout;
        let limit = again.limit(allowed);
        let ended = timeout_at(limit, self.cut_on(&mut lease, first, others, then)).await;
        let ended = ended.unwrap_or(Err(Error::StatementTimeout(allowed)));
        if let Err(error) = &ended {
            note_loss(&mut lease, error);
        }
        ended
    }

    /// Reads on this connection; once more where what it had prepared no longer fits its tables.
    async fn cut_on(
        &self,
        lease: &mut Lease,
        first: &mut Part,
        others: &[(&str, Vec<u32>); 2],
        then: Then<'_>,
    ) -> Result<Cut, Error> {
        let connection = lease.connection().ok_or(Error::Stopping)?;
        let mut ended = self.cut_in_one(connection, first, others, then).await;
        roll_back(connection).await?;
        if ended.as_ref().is_err_and(is_outdated) {
            connection.forget_prepared(&first.ask.sql, &first.ask.types());
            others
                .iter()
                .for_each(|(sql, types)| connection.forget_prepared(sql, types));
            first.recording.starts_over();
            ended = self.cut_in_one(connection, first, others, then).await;
            roll_back(connection).await?;
        }
        ended
    }

    /// Reads in one transaction. An error may leave it open.
    async fn cut_in_one(
        &self,
        connection: &mut Connection,
        first: &mut Part,
        others: &[(&str, Vec<u32>); 2],
        then: Then<'_>,
    ) -> Result<Cut, Error> {
        let names = [
            connection.prepare(&first.ask.sql, &first.ask.types()).await?,
            prepare(connection, &others[0]).await?,
            prepare(connection, &others[1]).await?,
        ];
        let bytes_max = self.settings().reply_bytes_max;
        let left = Arc::new(AtomicUsize::new(bytes_max));
        let sink = || Collected::sharing(0, bytes_max, left.clone());
        let mut session = sink();
        let mut pipeline = limited(connection, &session)?;
        pipeline.control(BEGIN)?;
        push(&mut pipeline, &names[0], &first.ask)?;
        pipeline.sync();
        first.recording.sent();
        done(&mut pipeline).await?;
        match read(&mut pipeline, first, &mut session).await {
            // Who asks with what cannot be has found nothing.
            Err(error) if is_no_value(&error) => return Ok(Cut { session, of_user: None }),
            read => read?,
        }
        to_sync(&mut pipeline).await?;
        drop(pipeline);

        let asks = then(&session)?;
        let mut parts = asks.map(|asks| asks.map(|ask| self.cut_part(ask)));
        let mut sinks = [sink(), sink()];
        let mut pipeline = limited(connection, &session)?;
        for (part, name) in parts.iter_mut().flatten().zip(names.iter().skip(1)) {
            part.recording.is_part();
            push(&mut pipeline, name, &part.ask)?;
        }
        pipeline.control("commit")?;
        pipeline.sync();
        let read = read_parts(&mut pipeline, parts.iter_mut().flatten(), &mut sinks).await;
        for part in parts.iter_mut().flatten() {
            part.tell(read.as_ref().map(|_| ()));
        }
        read?;
        let of_user = parts.map(|_| sinks);
        Ok(Cut { session, of_user })
    }
}

async fn prepare(connection: &mut Connection, (sql, types): &(&str, Vec<u32>)) -> Result<Arc<Prepared>, Error> {
    Ok(connection.prepare(sql, types).await?)
}

fn limited<'c>(connection: &'c mut Connection, rows: &Collected) -> Result<Pipeline<'c>, Error> {
    let limits = Limits {
        row_bytes_max: rows.row_bytes_max(),
        ..Limits::default()
    };
    Ok(connection.pipeline()?.limited(limits))
}

fn push(pipeline: &mut Pipeline<'_>, name: &Prepared, ask: &Ask) -> Result<(), Error> {
    let parameters = ask.parameters();
    Ok(pipeline.push(&Command {
        source: Source::Named(name.name()),
        parameters: &parameters,
        formats: &[],
    })?)
}

/// Reads the rows of the next statement.
async fn read(pipeline: &mut Pipeline<'_>, part: &mut Part, rows: &mut Collected) -> Result<(), Error> {
    let read = read_next(pipeline, rows, &mut part.recording).await?;
    part.recording.answered();
    match read {
        Ok(ReadOut { rows: counted, .. }) => {
            part.recording.figures.rows = counted.unwrap_or(part.recording.figures.rows);
            Ok(())
        }
        Err(error) => {
            read_to_sync(pipeline).await?;
            Err(server(error))
        }
    }
}

async fn read_parts<'p>(
    pipeline: &mut Pipeline<'_>,
    parts: impl Iterator<Item = &'p mut Part>,
    sinks: &mut [Collected; 2],
) -> Result<(), Error> {
    for (part, rows) in parts.zip(sinks) {
        part.recording.sent();
        read(pipeline, part, rows).await?;
    }
    to_sync(pipeline).await
}

/// The next statement returns no rows, and is done.
async fn done(pipeline: &mut Pipeline<'_>) -> Result<(), Error> {
    let failed = match pipeline.next().await? {
        Some(Piece::Failed(error)) => error,
        _ => return Ok(()),
    };
    read_to_sync(pipeline).await?;
    Err(server(failed))
}

async fn to_sync(pipeline: &mut Pipeline<'_>) -> Result<(), Error> {
    match read_to_sync(pipeline).await?.failed {
        Some(error) => Err(server(error)),
        None => Ok(()),
    }
}

/// Ends what an error left open, so that the connection can be somebody else's.
async fn roll_back(connection: &mut Connection) -> Result<(), Error> {
    if !connection.is_broken() && !connection.is_clean() {
        connection.simple_query("rollback").await?;
    }
    Ok(())
}

fn is_outdated(error: &Error) -> bool {
    matches!(error, Error::Upstream(weir_upstream::Error::Server(said)) if is_stale(said))
}

fn is_no_value(error: &Error) -> bool {
    sqlstate(error).is_some_and(|said| NO_VALUE.contains(&said))
}
