//! Values with their lengths in front, as a row and a Bind carry them.

/// The values of a row or of a Bind from left to right; `None` is NULL.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    /// So many values at the start of `rest`.
    pub(crate) const fn new(left: u16, rest: &'a [u8]) -> Self {
        Self { left, rest }
    }

    /// What follows the values that were taken.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    fn take(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        if length == -1 {
            self.rest = rest;
            return Some(None);
        }
        let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(Some(value))
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<&'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Option<&'a [u8]>> {
        self.left = self.left.checked_sub(1)?;
        let value = self.take();
        if value.is_none() {
            self.left = 0;
        }
        value
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}
