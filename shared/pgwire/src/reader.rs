//! A cursor over one frame's body. Every read may find the end, and says so with the frame's name.

use std::ffi::CStr;

use crate::WireError;
use crate::values::Values;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader<'a> {
    frame: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(frame: &'static str, body: &'a [u8]) -> Self {
        Self { frame, rest: body }
    }

    /// An error about this frame.
    pub(crate) const fn malformed(&self, reason: &'static str) -> WireError {
        WireError::Malformed {
            frame: self.frame,
            reason,
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, WireError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.malformed("it ends too early"))?;
        self.rest = rest;
        Ok(head)
    }

    /// A text that ends with a zero byte, which is left out.
    pub(crate) fn text(&mut self) -> Result<&'a [u8], WireError> {
        // Looks at a word of memory at a time, which `position` does not: a statement may be long.
        let text = CStr::from_bytes_until_nul(self.rest).map_err(|_| self.malformed("a text has no end"))?;
        let text = text.to_bytes();
        self.bytes(text.len() + 1).map(|_| text)
    }

    /// So many values with their lengths in front.
    pub(crate) fn values(&mut self, count: u16) -> Result<Values<'a>, WireError> {
        let values = Values::new(count, self.rest);
        let mut walk = values.clone();
        if walk.by_ref().count() != usize::from(count) {
            return Err(self.malformed("a value is not there"));
        }
        self.rest = walk.rest();
        Ok(values)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Checks that nothing is left.
    pub(crate) const fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("bytes are left over"))
        }
    }
}
