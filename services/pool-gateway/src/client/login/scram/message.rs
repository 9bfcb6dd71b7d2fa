//! The grammar of a client's SCRAM messages, as PostgreSQL reads them. Pure.

use std::borrow::Cow;

use crate::client::login::refusal::Refusal;

/// What is left of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'m>(&'m [u8]);

impl<'m> Reader<'m> {
    /// A message, which has no zero byte in it.
    pub(super) fn new(message: &'m [u8]) -> Result<Self, Refusal> {
        if message.is_empty() {
            return Err(malformed("The message is empty."));
        }
        if message.contains(&0) {
            return Err(malformed("Message length does not match input length."));
        }
        Ok(Self(message))
    }

    pub(super) const fn rest(self) -> &'m [u8] {
        self.0
    }

    /// The next byte; at the end it is zero, as in C.
    pub(super) fn peek(self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    pub(super) const fn is_at_end(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }

    /// The value of the attribute that must be next.
    pub(super) fn value(&mut self, name: u8) -> Result<&'m [u8], Refusal> {
        if self.peek() != name {
            let found = shown(self.peek());
            let name = char::from(name);
            return Err(malformed(format!(
                "Expected attribute \"{name}\" but found \"{found}\"."
            )));
        }
        self.skip();
        self.value_of(name)
    }

    /// The name and value of whatever attribute is next.
    pub(super) fn any(&mut self) -> Result<(u8, &'m [u8]), Refusal> {
        let name = self.peek();
        if self.is_at_end() {
            return Err(malformed("Attribute expected, but found end of string."));
        }
        if !name.is_ascii_alphabetic() {
            let found = shown(name);
            return Err(malformed(format!(
                "Attribute expected, but found invalid character \"{found}\"."
            )));
        }
        self.skip();
        Ok((name, self.value_of(name)?))
    }

    /// What stands behind the name, up to the comma, which goes too.
    fn value_of(&mut self, name: u8) -> Result<&'m [u8], Refusal> {
        if self.peek() != b'=' {
            let name = char::from(name);
            return Err(malformed(format!("Expected character \"=\" for attribute \"{name}\".")));
        }
        self.skip();
        let end = self.0.iter().position(|byte| *byte == b',').unwrap_or(self.0.len());
        let (value, rest) = self.0.split_at_checked(end).unwrap_or((self.0, &[]));
        self.0 = rest;
        self.skip();
        Ok(value)
    }
}

pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::Malformed(detail.into())
}

/// A byte of a client's message, fit to be shown.
pub(super) fn shown(byte: u8) -> String {
    match byte {
        0x21..=0x7e => format!("'{}'", char::from(byte)),
        byte => format!("0x{byte:02x}"),
    }
}
