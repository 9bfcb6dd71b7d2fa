//! Rows on their way to a gRPC caller: all at once, or in a stream that waits for its reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message as _;
use tokio::sync::mpsc;
use tonic::Status;
use weir_proto::RowBatch;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::query_response::Part;
use weir_upstream::{DataRow, Field, RowDescription};

use super::decode::Reading;
use super::packing::pack;
use super::session::{Rows, reply_limit};
use super::types;
use crate::error::Error;

/// A streamed batch has at most this many bytes, unless one row has more.
const BATCH_BYTES: usize = 64 * 1024;
/// Room for a batch with the row that turns out to be one too many.
const ROOM_BYTES: usize = BATCH_BYTES + 8 * 1024;

/// The columns of a result, and how each is read.
#[derive(Debug, Clone, Default)]
struct Columns {
    readings: Vec<Reading>,
}

impl Columns {
    fn learn(&mut self, described: &RowDescription<'_>) -> Vec<api::Column> {
        self.readings = described.fields().map(|field| Reading::of(field.type_oid)).collect();
        let column = |field: Field<'_>| api::Column {
            name: String::from_utf8_lossy(field.name).into_owned(),
            type_oid: field.type_oid,
            type_name: types::name_of(field.type_oid),
        };
        described.fields().map(column).collect()
    }

    fn read(&self, row: DataRow<'_>) -> api::Row {
        let columns = self.readings.iter().zip(row.values());
        api::Row {
            values: columns.map(|(reading, field)| reading.value(field)).collect(),
        }
    }
}

/// What a row weighs in a message. Rows without columns weigh something too.
fn size_bytes(row: &api::Row) -> usize {
    RowBatch::written_len(row.encoded_len())
}

fn too_large(bytes_max: usize) -> Error {
    Error::ReplyTooLarge {
        limit: reply_limit(bytes_max),
    }
}

/// Collects a whole result, up to a limit.
#[derive(Debug, Clone)]
pub(crate) struct Collected {
    columns: Columns,
    rows_max: u64,
    /// Shared by all results of one reply.
    bytes_left: Arc<AtomicUsize>,
    bytes_max: usize,
    pub(crate) header: Vec<api::Column>,
    pub(crate) rows: Vec<api::Row>,
}

impl Collected {
    /// `rows_max` of 0 is no limit.
    pub(crate) fn new(rows_max: u64, bytes_max: usize) -> Self {
        Self::sharing(rows_max, bytes_max, Arc::new(AtomicUsize::new(bytes_max)))
    }

    /// One of several results that share a limit.
    pub(crate) fn sharing(rows_max: u64, bytes_max: usize, bytes_left: Arc<AtomicUsize>) -> Self {
        let (header, rows) = (Vec::new(), Vec::new());
        Self {
            columns: Columns::default(),
            rows_max,
            bytes_left,
            bytes_max,
            header,
            rows,
        }
    }
}

impl Rows for Collected {
    async fn columns(&mut self, columns: &RowDescription<'_>) -> Result<(), Error> {
        self.header = self.columns.learn(columns);
        Ok(())
    }

    fn row(&mut self, row: DataRow<'_>) -> Result<bool, Error> {
        if self.rows_max > 0 && self.rows.len() as u64 >= self.rows_max {
            return Ok(false);
        }
        let row = self.columns.read(row);
        // Results of one reply are read one after the other.
        let left = self.bytes_left.load(Ordering::Relaxed).checked_sub(size_bytes(&row));
        let left = left.ok_or_else(|| too_large(self.bytes_max))?;
        self.bytes_left.store(left, Ordering::Relaxed);
        self.rows.push(row);
        Ok(true)
    }

    fn row_bytes_max(&self) -> usize {
        self.bytes_max
    }

    fn takes_texts(&self) -> bool {
        true
    }

    fn is_untouched(&self) -> bool {
        self.rows.is_empty()
    }

    /// The caller gets all rows together, at the end.
    fn start_over(&mut self) -> bool {
        let bytes = self.rows.drain(..).map(|row| size_bytes(&row)).sum();
        self.bytes_left.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Makes a part of an answer a message of its call.
type Wrap<M> = Box<dyn Fn(Part) -> M + Send + Sync>;

/// Sends a result on in batches, and waits while its reader is slow.
pub(crate) struct Streamed<M> {
    columns: Columns,
    rows_max: u64,
    rows_sent: u64,
    bytes_max: usize,
    /// The columns, until there is a row or the end.
    header: Option<Vec<api::Column>>,
    is_header_sent: bool,
    /// Batches that are to be sent.
    full: Vec<Vec<u8>>,
    /// The next batch.
    held: Vec<u8>,
    reader: mpsc::Sender<Result<M, Status>>,
    wrap: Wrap<M>,
}

impl<M: Send + 'static> Streamed<M> {
    /// `rows_max` of 0 is no limit; `bytes_max` is the limit of one row.
    pub(crate) fn new(rows_max: u64, bytes_max: usize, reader: mpsc::Sender<Result<M, Status>>, wrap: Wrap<M>) -> Self {
        Self {
            columns: Columns::default(),
            rows_max,
            rows_sent: 0,
            bytes_max,
            header: None,
            is_header_sent: false,
            full: Vec::new(),
            held: Vec::new(),
            reader,
            wrap,
        }
    }

    /// Many small rows come at once, and one message is not to be larger than a reader takes.
    fn cut(&mut self, last_begins: usize) {
        if last_begins > 0 && self.held.len() > BATCH_BYTES {
            let mut next = Vec::with_capacity(ROOM_BYTES);
            next.extend(self.held.drain(last_begins..));
            self.full.push(std::mem::replace(&mut self.held, next));
        }
    }

    /// Sends what is still held. To be called when the statement has ended well.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        self.send_header().await?;
        self.make_room().await?;
        let last = std::mem::take(&mut self.held);
        if last.is_empty() {
            return Ok(());
        }
        self.send_rows(last).await
    }

    async fn send_rows(&self, written: Vec<u8>) -> Result<(), Error> {
        self.send(Part::Rows(RowBatch::written(written.into()))).await
    }

    async fn send_header(&mut self) -> Result<(), Error> {
        match self.header.take() {
            Some(columns) => {
                self.is_header_sent = true;
                self.send(Part::Columns(api::ColumnHeader { columns })).await
            }
            None => Ok(()),
        }
    }

    pub(crate) async fn send(&self, part: Part) -> Result<(), Error> {
        let message = (self.wrap)(part);
        self.reader.send(Ok(message)).await.map_err(|_| Error::CallerGone)
    }
}

impl<M: Send + 'static> Rows for Streamed<M> {
    async fn columns(&mut self, columns: &RowDescription<'_>) -> Result<(), Error> {
        self.header = Some(self.columns.learn(columns));
        Ok(())
    }

    fn row(&mut self, row: DataRow<'_>) -> Result<bool, Error> {
        if self.rows_max > 0 && self.rows_sent >= self.rows_max {
            return Ok(false);
        }
        let begins = self.held.len();
        RowBatch::write(&mut self.held, |out| pack(&self.columns.readings, row, out));
        if self.held.len() - begins > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        self.rows_sent += 1;
        self.cut(begins);
        Ok(true)
    }

    fn row_bytes_max(&self) -> usize {
        self.bytes_max
    }

    fn takes_texts(&self) -> bool {
        true
    }

    fn is_untouched(&self) -> bool {
        self.rows_sent == 0 && !self.is_header_sent
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        if self.rows_sent > 0 {
            self.send_header().await?;
        }
        for written in std::mem::take(&mut self.full) {
            self.send_rows(written).await?;
        }
        Ok(())
    }
}
