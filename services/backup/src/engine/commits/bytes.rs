//! Reads numbers from bytes that may be anything. Pure.

/// What is left to read. Every read past the end is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A count followed by so many things of this size: the bytes of all of them.
    pub(super) fn counted(&mut self, size: usize) -> Option<&'a [u8]> {
        let count = usize::try_from(self.u32()?).ok()?;
        self.take(count.checked_mul(size)?)
    }

    /// Text that ends with a zero byte, which is read too.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut bytes = Bytes(&[2, 0, 0, 0, 7, 8, 9]);
        assert_eq!(bytes.counted(2), None);
        let mut bytes = Bytes(&[2, 0, 0, 0, 7, 8, 9]);
        assert_eq!(bytes.counted(1), Some(&[7, 8][..]));
        assert_eq!((bytes.u16(), bytes.u8(), bytes.u8()), (None, Some(9), None));
        assert_eq!(Bytes(&[1, 2]).text(), None);
        assert_eq!(Bytes(&[1, 0, 2]).text(), Some(&[1][..]));
        assert_eq!(Bytes(&[255, 255, 255, 255, 1]).counted(usize::MAX), None);
    }
}
