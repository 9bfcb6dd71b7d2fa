//! The reply to one statement: alone on its connection, or as a part of a pipeline.

use weir_upstream::{
    Batch, Command, Completion, Connection, Limits, Piece, Pipeline, Prepared, RowStream, ServerError, Source,
    TransactionStatus,
};

use super::recording::Recording;
use super::retry::is_stale;
use super::session::{Ask, Rows, reply_limit};
use crate::error::Error;

/// What is known of a reply when its rows have been read.
#[derive(Debug)]
pub(super) struct ReadOut {
    pub(super) tag: String,
    /// Rows returned or changed, where the command counts them.
    pub(super) rows: Option<u64>,
    pub(super) truncated: bool,
}

/// The limits of a reply.
pub(super) fn limits(rows: &impl Rows) -> Limits {
    Limits {
        row_bytes_max: rows.row_bytes_max(),
        ..Limits::default()
    }
}

/// Runs a statement and hands its rows over.
pub(super) async fn read_rows(
    connection: &mut Connection,
    ask: &Ask,
    rows: &mut impl Rows,
    recording: &mut Recording,
) -> Result<ReadOut, Error> {
    if !ask.prepared {
        let parameters = ask.parameters();
        return read_one(connection, &Command::text(&ask.sql, &parameters), rows, recording).await;
    }
    let ended = read_prepared(connection, ask, rows, recording).await;
    let Err(Error::Upstream(weir_upstream::Error::Server(error))) = &ended else {
        return ended;
    };
    if !is_stale(error) {
        return ended;
    }
    connection.forget_prepared(&ask.sql, &ask.types());
    // In a transaction the error has its consequence; outside of one nothing has happened.
    if connection.is_clean() {
        read_prepared(connection, ask, rows, recording).await
    } else {
        ended
    }
}

async fn read_prepared(
    connection: &mut Connection,
    ask: &Ask,
    rows: &mut impl Rows,
    recording: &mut Recording,
) -> Result<ReadOut, Error> {
    let prepared = connection.prepare(&ask.sql, &ask.types()).await?;
    let formats = rows.formats(prepared.columns());
    let parameters = ask.parameters();
    let command = Command {
        source: Source::Named(Prepared::name(&prepared)),
        parameters: &parameters,
        formats: &formats,
    };
    read_one(connection, &command, rows, recording).await
}

async fn read_one(
    connection: &mut Connection,
    command: &Command<'_>,
    rows: &mut impl Rows,
    recording: &mut Recording,
) -> Result<ReadOut, Error> {
    let limits = limits(rows);
    let mut stream = connection.run(command).await?.limited(limits);
    rows.columns(&stream.columns()).await?;
    let mut truncated = false;
    while !truncated && let Some(batch) = next_batch(&mut stream, limits).await? {
        truncated = hand_over(&batch, rows, recording)?;
        make_room(rows, recording).await?;
    }
    // A caller who wants no more rows still wants the statement to end well: a write must not be undone by a limit.
    let Completion { tag, rows } = stream.finish().await?;
    Ok(ReadOut { tag, rows, truncated })
}

/// Reads the reply to the next statement of a pipeline. The inner error is the statement's own: those behind it were
/// not run, up to the next Sync.
pub(super) async fn read_next(
    pipeline: &mut Pipeline<'_>,
    rows: &mut impl Rows,
    recording: &mut Recording,
) -> Result<Result<ReadOut, Box<ServerError>>, Error> {
    let row_bytes_max = rows.row_bytes_max();
    let mut truncated = false;
    loop {
        let piece = pipeline.next().await.map_err(|error| in_words(error, row_bytes_max))?;
        match piece {
            Some(Piece::Columns(columns)) => rows.columns(&columns).await?,
            Some(Piece::Rows(_)) if truncated => {}
            Some(Piece::Rows(batch)) => {
                truncated = hand_over(&batch, rows, recording)?;
                make_room(rows, recording).await?;
            }
            Some(Piece::Done(Completion { tag, rows })) => return Ok(Ok(ReadOut { tag, rows, truncated })),
            Some(Piece::Failed(error)) => return Ok(Err(error)),
            Some(Piece::Ready(_)) | None => return Err(out_of_order()),
        }
    }
}

/// Where a pipeline stands at a Sync, and what failed on the way there.
#[derive(Debug)]
pub(super) struct Synced {
    pub(super) status: TransactionStatus,
    pub(super) failed: Option<Box<ServerError>>,
}

/// Reads on to the next Sync.
pub(super) async fn read_to_sync(pipeline: &mut Pipeline<'_>) -> Result<Synced, Error> {
    let mut failed = None;
    loop {
        match pipeline.next().await? {
            Some(Piece::Ready(status)) => return Ok(Synced { status, failed }),
            Some(Piece::Failed(error)) => failed = Some(error),
            Some(_) => {}
            None => return Err(out_of_order()),
        }
    }
}

/// The only value of the next statement of a pipeline, its Sync included.
pub(super) async fn read_value(
    pipeline: &mut Pipeline<'_>,
) -> Result<Result<Option<Vec<u8>>, Box<ServerError>>, Error> {
    let mut value = Ok(None);
    loop {
        match pipeline.next().await? {
            Some(Piece::Ready(_)) => return Ok(value),
            Some(Piece::Failed(error)) => value = Err(error),
            Some(Piece::Rows(batch)) => {
                let first = batch.rows().next().and_then(|row| row.values().next().flatten());
                value = Ok(first.map(<[u8]>::to_vec));
            }
            Some(_) => {}
            None => return Err(out_of_order()),
        }
    }
}

fn out_of_order() -> Error {
    Error::Upstream(weir_upstream::Error::Protocol {
        place: "the other end".to_owned(),
        reason: "it answered to fewer statements than were sent".to_owned(),
    })
}

/// Hands rows over. True: no more are wanted.
fn hand_over(batch: &Batch<'_>, rows: &mut impl Rows, recording: &mut Recording) -> Result<bool, Error> {
    recording.figures.bytes_out += batch.frames().len() as u64;
    for row in batch.rows() {
        if !rows.row(row)? {
            return Ok(true);
        }
        recording.figures.rows += 1;
    }
    Ok(false)
}

async fn make_room(rows: &mut impl Rows, recording: &mut Recording) -> Result<(), Error> {
    recording.draining();
    rows.make_room().await?;
    recording.drained();
    Ok(())
}

async fn next_batch<'s>(stream: &'s mut RowStream<'_>, limits: Limits) -> Result<Option<Batch<'s>>, Error> {
    let batch = stream.next_batch().await;
    batch.map_err(|error| in_words(error, limits.row_bytes_max))
}

fn in_words(error: weir_upstream::Error, row_bytes_max: usize) -> Error {
    match error {
        weir_upstream::Error::TooLarge { .. } => Error::ReplyTooLarge {
            limit: reply_limit(row_bytes_max),
        },
        error => error.into(),
    }
}
