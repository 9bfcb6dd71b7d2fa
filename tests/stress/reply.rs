//! What came back, and whether it is what was asked for.

use weir_pgwire::WireError;
use weir_pgwire::backend::{DataRow, Message, TransactionStatus};
use weir_tests::wire::{Fault, Received, ServerError};

use crate::tally::Oracle;

/// Why an operation did not end as it must.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection broke.
    Lost(String),
    /// A frame that cannot stand there.
    Desync(String),
    /// An error that nothing called for.
    Error(ServerError),
    /// One of the things that must never happen.
    Wrong(Oracle, String),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(error) => error.into(),
            Fault::Refused(error) => Self::Error(error),
            other => Self::Lost(other.to_string()),
        }
    }
}

impl From<WireError> for Trouble {
    fn from(error: WireError) -> Self {
        Self::Desync(error.to_string())
    }
}

/// How an operation ends.
pub(crate) type Outcome = Result<(), Trouble>;

/// A series of frames.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The tag of each frame; rows and pieces of a COPY that follow each other stand for one, and the status follows
    /// the `Z`: `TDCZI` is a SELECT outside of a transaction.
    pub(crate) shape: String,
    /// The values of all rows, from left to right; NULL is `None`.
    pub(crate) values: Vec<Option<String>>,
    /// The tags of finished statements.
    pub(crate) tags: Vec<String>,
    /// The last error.
    pub(crate) error: Option<ServerError>,
    /// The data of a COPY.
    pub(crate) copied: String,
}

impl Reply {
    /// Adds a frame.
    pub(crate) fn add(&mut self, received: &Received) -> Result<(), WireError> {
        let tag = char::from(received.tag);
        let repeats = "Dd".contains(tag) && self.shape.ends_with(tag);
        if !repeats {
            self.shape.push(tag);
        }
        match received.message()? {
            Message::DataRow(row) => self.add_row(&row),
            Message::CommandComplete(done) => self.tags.push(text(done.tag())),
            Message::ErrorResponse(fields) => self.error = Some(ServerError::of(&fields)),
            Message::CopyData(data) => self.copied.push_str(&text(data)),
            Message::ReadyForQuery(status) => self.shape.push(match status {
                TransactionStatus::Idle => 'I',
                TransactionStatus::InTransaction => 'T',
                TransactionStatus::Failed => 'E',
            }),
            _ => {}
        }
        Ok(())
    }

    fn add_row(&mut self, row: &DataRow<'_>) {
        self.values.extend(row.values().map(|value| value.map(text)));
    }

    /// Exactly these frames with exactly these values.
    pub(crate) fn expect(&self, shape: &str, values: &[&str]) -> Outcome {
        self.expect_shape(shape)?;
        self.expect_values(values)
    }

    /// Exactly these values, whatever else there was.
    pub(crate) fn expect_values(&self, values: &[&str]) -> Outcome {
        let seen = self.values.iter().map(Option::as_deref);
        if seen.eq(values.iter().copied().map(Some)) {
            return Ok(());
        }
        let seen = format!(
            "expected {}, got {}",
            short(&format!("{values:?}")),
            short(&format!("{:?}", self.values))
        );
        Err(Trouble::Wrong(Oracle::WrongRows, seen))
    }

    /// Exactly these frames.
    pub(crate) fn expect_shape(&self, shape: &str) -> Outcome {
        match &self.error {
            Some(error) if !shape.contains('E') => return Err(Trouble::Error(error.clone())),
            _ => {}
        }
        if self.shape == shape {
            return Ok(());
        }
        Err(Trouble::Desync(format!("expected {shape}, got {self:.300?}")))
    }

    /// These frames, with tags of finished statements.
    pub(crate) fn expect_done(&self, shape: &str, tags: &[&str]) -> Outcome {
        self.expect_shape(shape)?;
        if self.tags == tags {
            return Ok(());
        }
        let seen = format!("expected the tags {tags:?}, got {:?}", self.tags);
        Err(Trouble::Wrong(Oracle::WrongRows, seen))
    }

    /// One of these series of frames, with this error.
    pub(crate) fn expect_error(&self, sqlstate: &str, shapes: &[&str]) -> Outcome {
        match &self.error {
            Some(error) if error.sqlstate != sqlstate => return Err(Trouble::Error(error.clone())),
            _ => {}
        }
        if shapes.contains(&self.shape.as_str()) {
            return Ok(());
        }
        Err(Trouble::Desync(format!(
            "expected {sqlstate} in {shapes:?}, got {:?}",
            self.shape
        )))
    }

    /// The first value; empty for NULL or none.
    pub(crate) fn first(&self) -> &str {
        self.value(0)
    }

    /// A value; empty for NULL or none.
    pub(crate) fn value(&self, index: usize) -> &str {
        self.values.get(index).and_then(Option::as_deref).unwrap_or_default()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Enough of a text to see what it is.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
