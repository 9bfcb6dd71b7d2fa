//! Whether a file is the segment that its name says: what its first page tells. Pure.

use crate::repo::wal::Segment;

/// What the first page of a segment tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstPage {
    /// The cluster.
    pub system_identifier: u64,
    /// The size of a segment.
    pub segment_bytes: u32,
    /// Its position.
    pub start: u64,
}

impl FirstPage {
    /// Reads the header of the first page of a segment.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let big = *content.first()? >= 0xC0 && *content.get(1)? < 0xC0;
        let number = |at: usize, bytes: usize| {
            let slice = content.get(at..at + bytes)?;
            let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
            Some(if big {
                slice.iter().fold(0, push)
            } else {
                slice.iter().rev().fold(0, push)
            })
        };
        // The upper byte of the magic number has not changed since long before any version that is known here.
        let (magic, info) = (number(0, 2)?, number(2, 2)?);
        (magic >> 8 == 0xD1 && info & 2 != 0).then_some(())?;
        Some(Self {
            start: number(8, 8)?,
            system_identifier: number(24, 8)?,
            segment_bytes: u32::try_from(number(32, 4)?).ok()?,
        })
    }

    /// Why this is not a segment of a cluster; none where it is. `system_identifier` 0: not known yet.
    pub(crate) fn trouble(content: &[u8], segment: Segment, system_identifier: u64) -> Option<String> {
        let Some(page) = Self::read(content) else {
            return Some("it does not begin as a segment of the write-ahead log does".to_owned());
        };
        if system_identifier != 0 && page.system_identifier != system_identifier {
            return Some(format!(
                "it is of another cluster: {} instead of {system_identifier}",
                page.system_identifier
            ));
        }
        if page.segment_bytes != segment.bytes {
            return Some(format!("its cluster has segments of {} bytes", page.segment_bytes));
        }
        (page.start != segment.start()).then(|| "it holds another position than its name says".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(big: bool) -> Vec<u8> {
        let mut page = Vec::new();
        let mut put = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            if !big {
                bytes.reverse();
            }
            page.extend_from_slice(&bytes);
        };
        put(&0xD110_u16.to_be_bytes());
        put(&2_u16.to_be_bytes());
        put(&1_u32.to_be_bytes());
        put(&0x300_0000_u64.to_be_bytes());
        put(&0_u64.to_be_bytes());
        put(&77_u64.to_be_bytes());
        put(&0x100_0000_u32.to_be_bytes());
        page
    }

    #[test]
    fn a_segment_is_known_by_its_first_page() {
        let segment = Segment::at(1, 0x300_0000, 16 << 20);
        for big in [false, true] {
            let page = page(big);
            assert_eq!(FirstPage::trouble(&page, segment, 77), None);
            assert!(
                FirstPage::trouble(&page, segment, 78)
                    .unwrap()
                    .contains("another cluster")
            );
            assert!(
                FirstPage::trouble(&page, segment.next(), 77)
                    .unwrap()
                    .contains("position")
            );
            let other = Segment::at(1, 0x300_0000, 1 << 20);
            assert!(FirstPage::trouble(&page, other, 77).unwrap().contains("segments of"));
        }
        assert!(FirstPage::trouble(&[0; 8192], segment, 77).is_some());
        assert!(FirstPage::trouble(&[], segment, 77).is_some());
    }
}
