//! Records of the write-ahead log. Pure.

use super::bytes::Bytes;

/// The header of a record.
pub(super) const HEADER_BYTES: usize = 24;
/// PostgreSQL makes none larger.
pub(super) const RECORD_MAX: u32 = 1020 << 20;

const CRC_AT: usize = 20;
const BLOCK_ID_MAX: u8 = 32;
const ID_DATA_SHORT: u8 = 255;
const ID_DATA_LONG: u8 = 254;
const ID_ORIGIN: u8 = 253;
const ID_TOP_XID: u8 = 252;
const FORK_MASK: u8 = 0x0F;
const HAS_IMAGE: u8 = 0x10;
const HAS_DATA: u8 = 0x20;
const SAME_RELATION: u8 = 0x80;
const IMAGE_HAS_HOLE: u8 = 0x01;
const IMAGE_COMPRESSED: u8 = 0x04 | 0x08 | 0x10;

/// Bytes that are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Its checksum is another.
    #[error("the checksum of a record is wrong")]
    Checksum,
    /// Its parts do not fit each other.
    #[error("a record contradicts itself")]
    Shape,
}

/// Where the files of a relation are, which is how the log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Locator {
    pub tablespace: u32,
    /// 0: shared by all databases.
    pub database: u32,
    pub node: u32,
}

/// A whole record whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Where it begins.
    pub start: u64,
    /// The position after it.
    pub end: u64,
    pub xid: u32,
    /// Where the record before begins.
    pub previous: u64,
    pub info: u8,
    /// The number of its resource manager.
    pub manager: u8,
    /// What follows the header.
    body: &'a [u8],
}

/// What a record consists of, as far as it matters here.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts<'a> {
    /// The relation of its first block, if that is of the main fork.
    pub relation: Option<Locator>,
    /// What its resource manager says.
    pub main: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads a record, all of whose bytes are there.
    pub(super) fn read(bytes: &'a [u8], start: u64, end: u64) -> Result<Self, Unreadable> {
        let (head, body) = bytes.split_at_checked(HEADER_BYTES).ok_or(Unreadable::Shape)?;
        let mut fields = Bytes(head);
        let record = (|| {
            fields.u32()?;
            let (xid, previous) = (fields.u32()?, fields.u64()?);
            let (info, manager) = (fields.u8()?, fields.u8()?);
            fields.u16()?;
            let record = Self {
                start,
                end,
                xid,
                previous,
                info,
                manager,
                body,
            };
            Some((record, fields.u32()?))
        })();
        let (record, checksum) = record.ok_or(Unreadable::Shape)?;
        let covered = head.get(..CRC_AT).unwrap_or_default();
        if crc32c::crc32c_append(crc32c::crc32c(body), covered) != checksum {
            return Err(Unreadable::Checksum);
        }
        Ok(record)
    }

    /// What it consists of.
    pub(super) fn parts(&self) -> Result<Parts<'a>, Unreadable> {
        self.find_parts().ok_or(Unreadable::Shape)
    }

    /// Headers come first, and then what they announce, in the same order, the manager's data last.
    fn find_parts(&self) -> Option<Parts<'a>> {
        let mut rest = Bytes(self.body);
        let (mut announced, mut main_bytes) = (0, 0);
        let (mut relation, mut latest) = (None, None);
        while rest.0.len() > announced {
            match rest.u8()? {
                ID_DATA_SHORT => {
                    main_bytes = usize::from(rest.u8()?);
                    announced += main_bytes;
                    break;
                }
                ID_DATA_LONG => {
                    main_bytes = usize::try_from(rest.u32()?).ok()?;
                    announced = announced.checked_add(main_bytes)?;
                    break;
                }
                ID_ORIGIN => drop(rest.u16()?),
                ID_TOP_XID => drop(rest.u32()?),
                id if id <= BLOCK_ID_MAX => {
                    let fork = block(&mut rest, &mut latest, &mut announced)?;
                    if id == 0 && fork == 0 {
                        relation = latest;
                    }
                }
                _ => return None,
            }
        }
        (rest.0.len() == announced).then_some(())?;
        let main = rest.0.get(announced - main_bytes..)?;
        Some(Parts { relation, main })
    }
}

/// Reads the header of a block and returns its fork.
fn block(rest: &mut Bytes<'_>, latest: &mut Option<Locator>, announced: &mut usize) -> Option<u8> {
    let flags = rest.u8()?;
    let data = usize::from(rest.u16()?);
    *announced += if flags & HAS_DATA == 0 { 0 } else { data };
    if flags & HAS_IMAGE != 0 {
        *announced += usize::from(rest.u16()?);
        rest.u16()?;
        let image = rest.u8()?;
        if image & IMAGE_HAS_HOLE != 0 && image & IMAGE_COMPRESSED != 0 {
            rest.u16()?;
        }
    }
    if flags & SAME_RELATION == 0 {
        *latest = Some(locator(rest)?);
    }
    rest.u32()?;
    latest.map(|_| flags & FORK_MASK)
}

/// Reads where a relation's files are.
pub(super) fn locator(bytes: &mut Bytes<'_>) -> Option<Locator> {
    Some(Locator {
        tablespace: bytes.u32()?,
        database: bytes.u32()?,
        node: bytes.u32()?,
    })
}
