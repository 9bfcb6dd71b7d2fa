//! Rows under names, all text: what the console and the admin calls show.

use bytes::BytesMut;
use weir_pgwire::reply::{self, Column};

/// PostgreSQL's number of the type `text`.
const TEXT: u32 = 25;

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn of<const N: usize>(columns: [&'static str; N]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row<const N: usize>(&mut self, values: [&dyn std::fmt::Display; N]) {
        self.rows.push(values.iter().map(ToString::to_string).collect());
    }

    /// Writes it as the answer to a simple query.
    pub(super) fn write(&self, out: &mut BytesMut) {
        let columns = self.columns.iter().map(|name| Column {
            name,
            table_oid: 0,
            attribute: 0,
            type_oid: TEXT,
            type_size: -1,
            type_modifier: -1,
            format: weir_pgwire::Format::Text,
        });
        // Names and figures have no zero byte; what clients call themselves came in a frame and has none either.
        let _ = reply::row_description(out, columns);
        for row in &self.rows {
            let _ = reply::data_row(out, row.iter().map(|value| Some(value.as_bytes())));
        }
    }
}
