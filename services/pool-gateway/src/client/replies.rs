//! Rows on their way to a gRPC caller: all at once, or in a stream that waits for its reader.

use tokio::sync::mpsc;
use tonic::Status;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::query_response::Part;
use weir_upstream::{DataRow, Field, RowDescription};

use super::decode::decode;
use super::session::Rows;
use super::types;
use crate::error::Error;

/// Rows of a streamed batch are sent on when they have this many bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// The columns of a result, and how each is read.
#[derive(Debug, Default)]
struct Columns {
    type_oids: Vec<u32>,
}

impl Columns {
    fn learn(&mut self, described: &RowDescription<'_>) -> Vec<api::Column> {
        self.type_oids = described.fields().map(|field| field.type_oid).collect();
        let column = |field: Field<'_>| api::Column {
            name: String::from_utf8_lossy(field.name).into_owned(),
            type_oid: field.type_oid,
            type_name: types::name_of(field.type_oid),
        };
        described.fields().map(column).collect()
    }

    fn read(&self, row: DataRow<'_>) -> api::Row {
        let values = self
            .type_oids
            .iter()
            .zip(row.values())
            .map(|(oid, value)| decode(*oid, value))
            .collect();
        api::Row { values }
    }
}

/// What a row weighs: its values and their lengths.
fn size_bytes(row: DataRow<'_>) -> usize {
    row.values()
        .map(|value| value.map_or(0, <[u8]>::len) + size_of::<u32>())
        .sum()
}

/// Collects a whole result, up to a limit.
#[derive(Debug)]
pub(crate) struct Collected {
    columns: Columns,
    rows_max: u64,
    bytes_left: usize,
    bytes_max: usize,
    pub(crate) header: Vec<api::Column>,
    pub(crate) rows: Vec<api::Row>,
}

impl Collected {
    /// `rows_max` of 0 is no limit.
    pub(crate) fn new(rows_max: u64, bytes_max: usize) -> Self {
        let (header, rows) = (Vec::new(), Vec::new());
        Self {
            columns: Columns::default(),
            rows_max,
            bytes_left: bytes_max,
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
        // A value on the wire is about as long as its message: the limit keeps one reply below what gRPC clients take.
        let too_large = || Error::ReplyTooLarge {
            limit: format!("{} bytes (gateway.reply_bytes_max)", self.bytes_max),
        };
        self.bytes_left = self.bytes_left.checked_sub(size_bytes(row)).ok_or_else(too_large)?;
        let row = self.columns.read(row);
        self.rows.push(row);
        Ok(true)
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Sends a result on in batches, and waits while its reader is slow.
#[derive(Debug)]
pub(crate) struct Streamed {
    columns: Columns,
    rows_max: u64,
    rows_sent: u64,
    bytes_held: usize,
    held: Vec<api::Row>,
    reader: mpsc::Sender<Result<api::QueryResponse, Status>>,
}

impl Streamed {
    /// `rows_max` of 0 is no limit.
    pub(crate) fn new(rows_max: u64, reader: mpsc::Sender<Result<api::QueryResponse, Status>>) -> Self {
        Self {
            columns: Columns::default(),
            rows_max,
            rows_sent: 0,
            bytes_held: 0,
            held: Vec::new(),
            reader,
        }
    }

    /// Sends what is still held. To be called when the statement has ended well.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.bytes_held = 0;
        let rows = std::mem::take(&mut self.held);
        self.send(Part::Rows(api::RowBatch { rows })).await
    }

    pub(crate) async fn send(&self, part: Part) -> Result<(), Error> {
        let response = api::QueryResponse { part: Some(part) };
        self.reader.send(Ok(response)).await.map_err(|_| Error::CallerGone)
    }
}

impl Rows for Streamed {
    async fn columns(&mut self, columns: &RowDescription<'_>) -> Result<(), Error> {
        let columns = self.columns.learn(columns);
        self.send(Part::Columns(api::ColumnHeader { columns })).await
    }

    fn row(&mut self, row: DataRow<'_>) -> Result<bool, Error> {
        if self.rows_max > 0 && self.rows_sent >= self.rows_max {
            return Ok(false);
        }
        self.rows_sent += 1;
        self.bytes_held += size_bytes(row);
        let row = self.columns.read(row);
        self.held.push(row);
        Ok(true)
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        if self.bytes_held >= BATCH_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }
}
