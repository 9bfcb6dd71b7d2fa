//! Pages of the write-ahead log. Pure.

use super::bytes::Bytes;

/// The size of a page. Servers built with another are not read.
pub(super) const PAGE_BYTES: usize = 8192;

const SHORT_HEADER: usize = 24;
const LONG_HEADER: usize = 40;
const CONTINUES: u16 = 0x0001;
const LONG: u16 = 0x0002;
const OVERWRITES: u16 = 0x0008;
const KNOWN_FLAGS: u16 = 0x000F;

/// The format of the log, by the magic of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// PostgreSQL 15.
    V15,
    /// PostgreSQL 16.
    V16,
    /// PostgreSQL 17.
    V17,
    /// PostgreSQL 18.
    V18,
}

impl Format {
    /// The format of this magic.
    pub(super) const fn of(magic: u16) -> Option<Self> {
        match magic {
            0xD110 => Some(Self::V15),
            0xD113 => Some(Self::V16),
            0xD116 => Some(Self::V17),
            0xD118 => Some(Self::V18),
            _ => None,
        }
    }
}

/// The header of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub magic: u16,
    pub format: Format,
    pub timeline: u32,
    /// Its position.
    pub at: u64,
    /// Bytes of a record begun before that follow; none: it begins with a record.
    pub continues: Option<u32>,
    /// The record begun before was never finished, and is to be forgotten.
    pub overwrites: bool,
    /// What the first page of a segment says besides.
    pub long: Option<Long>,
}

/// What the first page of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Long {
    pub system_identifier: u64,
    pub segment_bytes: u32,
    pub page_bytes: u32,
}

impl Header {
    /// Reads the header of a page; none where it is not one of a version that is known.
    pub(super) fn read(page: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(page);
        let magic = bytes.u16()?;
        let format = Format::of(magic)?;
        let info = bytes.u16().filter(|info| info & !KNOWN_FLAGS == 0)?;
        let (timeline, at, rest) = (bytes.u32()?, bytes.u64()?, bytes.u32()?);
        bytes.u32()?;
        let long = if info & LONG == 0 {
            None
        } else {
            Some(read_long(&mut bytes)?)
        };
        Some(Self {
            magic,
            format,
            timeline,
            at,
            continues: (info & CONTINUES != 0).then_some(rest),
            overwrites: info & OVERWRITES != 0,
            long,
        })
    }

    /// Bytes of the header.
    pub(super) const fn bytes(&self) -> usize {
        if self.long.is_some() { LONG_HEADER } else { SHORT_HEADER }
    }
}

fn read_long(bytes: &mut Bytes<'_>) -> Option<Long> {
    Some(Long {
        system_identifier: bytes.u64()?,
        segment_bytes: bytes.u32()?,
        page_bytes: bytes.u32()?,
    })
}

/// What the beginning of a segment says of itself; none where it is not one.
pub(crate) fn first_page(content: &[u8]) -> Option<Long> {
    Header::read(content)?.long
}

/// Whether there is nothing but the end of what was written.
pub(super) fn is_blank(page: &[u8]) -> bool {
    page.iter().take(SHORT_HEADER).all(|byte| *byte == 0)
}
