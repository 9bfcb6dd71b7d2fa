//! The client's side of the log-in. All its frames share one tag: what the server asked for says which it is.

use super::only_text;
use crate::WireError;
use crate::reader::Reader;

/// The text of a PasswordMessage, in clear or hashed, without the zero byte that ends it.
pub fn password(body: &[u8]) -> Result<&[u8], WireError> {
    only_text("PasswordMessage", body)
}

/// The first step of a SASL log-in. Every further step is the body of its frame as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    /// The mechanism that the client chose.
    pub mechanism: &'a [u8],
    /// The mechanism's first message; `None` where the client leaves the first word to the server.
    pub response: Option<&'a [u8]>,
}

impl<'a> SaslInitial<'a> {
    /// Reads the body of a SASLInitialResponse frame.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("SASLInitialResponse", body);
        let mechanism = reader.text()?;
        let response = reader.values(1)?.next().flatten();
        reader.end().map(|()| Self { mechanism, response })
    }
}
