//! Rows on their way into Arrow's batches, and from there to a reader that may be slow.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_flight::error::FlightError;
use arrow_schema::{Field, Schema, SchemaRef};
use tokio::sync::{mpsc, oneshot};
use weir_upstream::{Column, DataRow, Format, RowDescription};

use super::super::session::{Rows, reply_limit};
use super::columns::Growing;
use super::kinds::{Kind, field};
use crate::error::Error;

/// A batch ends with so many rows, or so many bytes.
const BATCH_ROWS: usize = 64 * 1024;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Where batches go.
pub(crate) type Batches = mpsc::Sender<Result<RecordBatch, FlightError>>;

/// What becomes of the rest when the reader has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The statement is cancelled.
    Cancelled,
    /// It is read and dropped, because a transaction is to go on behind it.
    Dropped,
}

/// Gathers rows into batches.
#[derive(Debug)]
pub(crate) struct Columns {
    schema: SchemaRef,
    growing: Vec<Growing>,
    rows: usize,
    bytes: usize,
    full: Vec<RecordBatch>,
    announce: Option<oneshot::Sender<SchemaRef>>,
    reader: Batches,
    rest: Rest,
    is_gone: bool,
    row_bytes_max: usize,
}

impl Columns {
    /// Batches for a reader, who is told the columns first.
    pub(crate) fn new(announce: oneshot::Sender<SchemaRef>, reader: Batches, rest: Rest, row_bytes_max: usize) -> Self {
        Self {
            schema: Arc::new(Schema::empty()),
            growing: Vec::new(),
            rows: 0,
            bytes: 0,
            full: Vec::new(),
            announce: Some(announce),
            reader,
            rest,
            is_gone: false,
            row_bytes_max,
        }
    }

    /// Sends what is still held. To be called when the statement has ended well.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        if self.rows > 0 {
            self.close_batch()?;
        }
        self.make_room().await
    }

    fn close_batch(&mut self) -> Result<(), Error> {
        let columns = self.growing.iter_mut().map(Growing::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
        self.full
            .push(batch.map_err(|error| Error::Request(error.to_string()))?);
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    fn misfit(&self, column: usize, what: &'static str) -> Error {
        let name = self.schema.fields().get(column).map(|field| field.name().clone());
        Error::ValueUnsupported {
            column: name.unwrap_or_default(),
            what,
        }
    }
}

impl Rows for Columns {
    fn formats(&self, columns: &[Column]) -> Vec<Format> {
        let format = |column: &Column| Kind::of(column.type_oid, column.type_modifier).format();
        columns.iter().map(format).collect()
    }

    async fn columns(&mut self, columns: &RowDescription<'_>) -> Result<(), Error> {
        self.growing.clear();
        let mut fields: Vec<Field> = Vec::with_capacity(columns.len());
        for column in columns.fields() {
            let (oid, modifier) = (column.type_oid, column.type_modifier);
            fields.push(field(&String::from_utf8_lossy(column.name), oid, modifier, true));
            self.growing.push(Growing::new(&Kind::of(oid, modifier)));
        }
        self.schema = Arc::new(Schema::new(fields));
        if let Some(announce) = self.announce.take() {
            // One who has gone is noticed with the first batch.
            let _ = announce.send(self.schema.clone());
        }
        Ok(())
    }

    fn row(&mut self, row: DataRow<'_>) -> Result<bool, Error> {
        if self.is_gone {
            return Ok(false);
        }
        for (index, (column, value)) in self.growing.iter_mut().zip(row.values()).enumerate() {
            self.bytes += value.map_or(0, <[u8]>::len);
            if let Err(what) = column.append(value) {
                return Err(self.misfit(index, what));
            }
        }
        self.rows += 1;
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.close_batch()?;
        }
        Ok(true)
    }

    fn row_bytes_max(&self) -> usize {
        self.row_bytes_max
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        for batch in std::mem::take(&mut self.full) {
            if self.reader.send(Ok(batch)).await.is_ok() {
                continue;
            }
            self.is_gone = true;
            if self.rest == Rest::Cancelled {
                return Err(Error::CallerGone);
            }
        }
        Ok(())
    }
}

/// Wants no rows, only what was done.
#[derive(Debug)]
pub(crate) struct Uncounted {
    pub(crate) row_bytes_max: usize,
}

impl Rows for Uncounted {
    async fn columns(&mut self, _columns: &RowDescription<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn row(&mut self, _row: DataRow<'_>) -> Result<bool, Error> {
        Ok(false)
    }

    fn row_bytes_max(&self) -> usize {
        self.row_bytes_max
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Keeps rows as text, up to a limit; reply to a question of the gateway's own.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) rows: Vec<Vec<String>>,
    bytes_left: usize,
    bytes_max: usize,
}

impl Texts {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self {
            rows: Vec::new(),
            bytes_left: bytes_max,
            bytes_max,
        }
    }
}

impl Rows for Texts {
    async fn columns(&mut self, _columns: &RowDescription<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn row(&mut self, row: DataRow<'_>) -> Result<bool, Error> {
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        let row: Vec<String> = row.values().map(text).collect();
        let bytes = row.iter().map(|text| text.len() + size_of::<String>()).sum();
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| Error::ReplyTooLarge {
            limit: reply_limit(self.bytes_max),
        })?;
        self.rows.push(row);
        Ok(true)
    }

    fn row_bytes_max(&self) -> usize {
        self.bytes_max
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
