//! A whole answer, frame by frame.

use weir_pgwire::backend::{Message, tag};

use crate::wire::{Received, ServerError};

/// What came back for one request, without the frames that tell of the session: settings and notices.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    frames: Vec<Received>,
    error: Option<ServerError>,
}

impl Answer {
    /// Adds a frame; whether it was the last.
    pub(super) fn add(&mut self, received: Received) -> bool {
        let last = received.tag == tag::READY_FOR_QUERY;
        if let Ok(Message::ErrorResponse(fields)) = received.message() {
            self.error = Some(ServerError::of(&fields));
        } else if ![tag::PARAMETER_STATUS, tag::NOTICE_RESPONSE].contains(&received.tag) {
            self.frames.push(received);
        }
        last
    }

    /// The error in it, if there is one.
    pub const fn error(&self) -> Option<&ServerError> {
        self.error.as_ref()
    }

    /// The values of all rows, as the bytes came, read as text.
    pub fn rows(&self) -> Vec<Vec<Option<String>>> {
        let rows = self.frames.iter().filter_map(|frame| match frame.message() {
            Ok(Message::DataRow(row)) => Some(row.values().map(|value| value.map(text)).collect()),
            _ => None,
        });
        rows.collect()
    }

    /// The numbers of the first row; none where there is no row, or something else in it.
    pub fn numbers(&self) -> Option<Vec<i64>> {
        let first = self.rows().into_iter().next()?;
        first.into_iter().map(|value| value?.parse().ok()).collect()
    }

    /// Everything that a client could tell apart: tags and bodies of all frames in their order, and of an error its code
    /// and message, since the rest names places in the server's source.
    pub fn essence(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in &self.frames {
            bytes.push(frame.tag);
            bytes.extend_from_slice(&u32::try_from(frame.body().len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(frame.body());
        }
        if let Some(error) = &self.error {
            bytes.extend_from_slice(error.to_string().as_bytes());
        }
        bytes
    }

    /// The same without the frame that says that a Parse succeeded.
    #[must_use]
    pub fn without_parse(mut self) -> Self {
        self.frames.retain(|frame| frame.tag != tag::PARSE_COMPLETE);
        self
    }

    /// For people.
    pub fn shown(&self) -> String {
        match &self.error {
            Some(error) => error.to_string(),
            None => {
                let tags: String = self.frames.iter().map(|frame| char::from(frame.tag)).collect();
                format!("{:?} ({tags})", self.rows())
            }
        }
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}
