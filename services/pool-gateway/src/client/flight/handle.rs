//! What clients carry around: prepared statements and tickets, as bytes that say all there is to know. Pure.
//!
//! So nothing has to be kept for a client that never comes back, and any gateway can go on where another began.

use prost::Message;

use super::super::session::Argument;
use crate::error::Error;

/// A statement that will be run.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Handle {
    #[prost(string, tag = "1")]
    pub(crate) sql: String,
    /// The id of the transaction that it belongs to. Empty: none.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) transaction: Vec<u8>,
    /// The rows of parameters that were bound: one for a query, any number for an update.
    #[prost(message, repeated, tag = "3")]
    pub(crate) rows: Vec<BoundRow>,
    /// The types of its parameters.
    #[prost(uint32, repeated, tag = "4")]
    pub(crate) types: Vec<u32>,
}

/// The parameters of one run.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BoundRow {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<Bound>,
}

/// The value of a parameter as text.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Bound {
    #[prost(bytes = "vec", optional, tag = "1")]
    text: Option<Vec<u8>>,
}

impl Handle {
    /// Reads what a client brings back.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        Self::decode(bytes).map_err(|_| Error::StatementUnknown("handle"))
    }

    /// A row of parameters as it is sent.
    pub(crate) fn arguments(&self, row: BoundRow) -> Vec<Argument> {
        let types = self.types.iter().copied().chain(std::iter::repeat(0));
        let argument = |(bound, type_oid): (Bound, u32)| Argument {
            text: bound.into_text(),
            type_oid,
        };
        row.values.into_iter().zip(types).map(argument).collect()
    }

    /// The only row of parameters; an empty one where none was bound.
    pub(crate) fn only_arguments(&self) -> Result<Vec<Argument>, Error> {
        match self.rows.as_slice() {
            [] => Ok(Vec::new()),
            [row] => Ok(self.arguments(row.clone())),
            rows => Err(Error::Request(format!(
                "{} rows of parameters were bound to a query, which takes one",
                rows.len()
            ))),
        }
    }
}

impl Bound {
    /// The text; `None` is NULL.
    pub(crate) fn into_text(self) -> Option<Vec<u8>> {
        self.text
    }
}

impl From<Option<Vec<u8>>> for Bound {
    fn from(text: Option<Vec<u8>>) -> Self {
        Self { text }
    }
}
