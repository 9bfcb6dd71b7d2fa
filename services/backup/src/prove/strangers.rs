//! Finds records in the log that would have a scratch server write outside of its own directory. Pure.
//!
//! The replay of `CREATE TABLESPACE` takes the directory that the statement named, and on the cluster's own machine that
//! is the cluster's own tablespace. A server that replays there would write into files of a live one.

/// The size of a page of the log.
const PAGE: usize = 8192;
/// The header of a page; and of the first of a segment, which says so.
const SHORT: usize = 24;
const LONG: usize = 40;
const IS_LONG: u16 = 2;
/// The header of a record.
const RECORD: usize = 24;
/// Records of tablespaces, and the kind that makes one.
const TABLESPACES: u8 = 5;
const CREATE: u8 = 0;
/// The name of a directory is no longer, all told.
const RECORD_MAX: usize = 2048;

/// A tablespace that the log makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Creation {
    /// Where its record begins.
    pub lsn: u64,
    /// The directory.
    pub location: String,
}

/// Reads segments as they follow each other.
#[derive(Debug, Default)]
pub(super) struct Watch {
    open: Stream,
    /// The same before the last segment, which may be read again when there is more of it.
    before: Stream,
    last: u64,
}

/// The end of what was read, in which a record may have begun.
#[derive(Debug, Default, Clone)]
struct Stream {
    /// What pages hold, without their headers.
    rest: Vec<u8>,
    /// Where each page begins in it, and the position there.
    pages: Vec<(usize, u64)>,
    /// The position after it.
    end: u64,
}

impl Watch {
    /// The first tablespace outside of the data directory that a segment makes, or the end of the one before with it.
    pub(super) fn read(&mut self, start: u64, segment: &[u8]) -> Option<Creation> {
        if start == self.last {
            self.open.clone_from(&self.before);
        }
        if start != self.open.end {
            self.open = Stream::default();
        }
        self.before.clone_from(&self.open);
        self.last = start;
        self.open.read(start, segment)
    }
}

impl Stream {
    fn read(&mut self, start: u64, segment: &[u8]) -> Option<Creation> {
        for (at, page) in (0_u64..).zip(segment.chunks(PAGE)) {
            let header = if flags(page) & IS_LONG == 0 { SHORT } else { LONG };
            self.pages
                .push((self.rest.len(), start + at * PAGE as u64 + header as u64));
            self.rest.extend_from_slice(page.get(header..).unwrap_or_default());
        }
        self.end = start + segment.len() as u64;
        let found = self.find();
        self.forget();
        found
    }

    fn find(&self) -> Option<Creation> {
        let starts = (0..self.rest.len().saturating_sub(RECORD)).step_by(8);
        starts.into_iter().find_map(|at| {
            let location = creation(self.rest.get(at..)?)?;
            let lsn = self.position(at);
            location.starts_with('/').then_some(Creation { lsn, location })
        })
    }

    fn position(&self, at: usize) -> u64 {
        let page = self.pages.iter().rev().find(|(from, _)| *from <= at);
        page.map_or(0, |(from, lsn)| lsn + (at - from) as u64)
    }

    /// Keeps what a record may have begun in.
    fn forget(&mut self) {
        let keep = self.rest.len().saturating_sub(RECORD_MAX) / 8 * 8;
        let lsn = self.position(keep);
        self.pages.retain(|(from, _)| *from > keep);
        self.pages.insert(0, (keep, lsn));
        for (from, _) in &mut self.pages {
            *from -= keep;
        }
        self.rest.drain(..keep);
    }
}

fn flags(page: &[u8]) -> u16 {
    let [_, _, low, high] = *page.first_chunk::<4>().unwrap_or(&[0; 4]);
    u16::from_le_bytes([low, high])
}

/// The directory, if these bytes begin with a record that makes a tablespace.
fn creation(bytes: &[u8]) -> Option<String> {
    let header = bytes.first_chunk::<RECORD>()?;
    let [a, b, c, d, .., info, kind, _, _, w, x, y, z] = *header;
    if kind != TABLESPACES || info & 0xF0 != CREATE {
        return None;
    }
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let body = bytes.get(RECORD..length).filter(|_| length <= RECORD_MAX)?;
    let sum = crc32c::crc32c_append(crc32c::crc32c(body), header.get(..20)?);
    if sum != u32::from_le_bytes([w, x, y, z]) {
        return None;
    }
    let data = main_data(body)?;
    let path = data.get(4..)?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(path).into_owned())
}

/// What a record says beside changes of pages, of which this kind has none.
fn main_data(body: &[u8]) -> Option<&[u8]> {
    let mut rest = body;
    loop {
        let (id, after) = rest.split_first()?;
        rest = match id {
            253 => after.get(2..)?,
            252 => after.get(4..)?,
            255 => return after.get(1..),
            254 => return after.get(4..),
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(location: &str) -> Vec<u8> {
        let mut body = vec![255, u8::try_from(location.len() + 5).unwrap()];
        body.extend_from_slice(&16_390_u32.to_le_bytes());
        body.extend_from_slice(location.as_bytes());
        body.push(0);
        let mut record = u32::try_from(RECORD + body.len()).unwrap().to_le_bytes().to_vec();
        record.extend_from_slice(&[7, 0, 0, 0]);
        record.extend_from_slice(&[1; 8]);
        record.extend_from_slice(&[0, TABLESPACES, 0, 0]);
        let sum = crc32c::crc32c_append(crc32c::crc32c(&body), &record);
        record.extend_from_slice(&sum.to_le_bytes());
        record.extend_from_slice(&body);
        record
    }

    /// Pages with this at a place of their content, which counts without headers.
    fn pages(count: usize, at: usize, content: &[u8]) -> Vec<u8> {
        let mut plain = vec![0; count * PAGE - LONG - (count - 1) * SHORT];
        plain[at..at + content.len()].copy_from_slice(content);
        let mut log = vec![0; LONG];
        log[2] = 2;
        let first = PAGE - LONG;
        log.extend_from_slice(&plain[..first]);
        for page in plain[first..].chunks(PAGE - SHORT) {
            log.extend_from_slice(&[0; SHORT]);
            log.extend_from_slice(page);
        }
        log
    }

    #[test]
    fn a_tablespace_is_found_wherever_its_record_lies() {
        let record = record("/srv/space");
        let first = PAGE - LONG;
        for (at, lsn) in [
            (0, LONG),
            (first - 8, PAGE - 8),
            (first, PAGE + SHORT),
            (first + 800, PAGE + SHORT + 800),
        ] {
            let found = Watch::default().read(1 << 20, &pages(2, at, &record)).unwrap();
            assert_eq!(
                found,
                Creation {
                    lsn: (1 << 20) + lsn as u64,
                    location: "/srv/space".to_owned()
                }
            );
        }
    }

    #[test]
    fn a_record_that_goes_on_in_the_next_segment_is_found_there() {
        let record = record("/srv/space");
        let begun = pages(2, 2 * PAGE - LONG - SHORT - 16, &record[..16]);
        let rest = pages(2, 0, &record[16..]);
        let mut watch = Watch::default();
        assert_eq!(watch.read(0, &begun), None);
        let found = watch.read(2 * PAGE as u64, &rest).unwrap();
        assert_eq!(found.lsn, 2 * PAGE as u64 - 16);
        let mut watch = Watch::default();
        watch.read(0, &begun);
        assert_eq!(watch.read(8 * PAGE as u64, &rest), None, "other log is not its end");
        let mut watch = Watch::default();
        watch.read(0, &begun);
        assert_eq!(watch.read(2 * PAGE as u64, &pages(2, 0, &[])), None);
        assert!(watch.read(2 * PAGE as u64, &rest).is_some(), "there is more of it now");
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        let mut broken = record("/srv/space");
        broken[30] ^= 1;
        assert_eq!(Watch::default().read(0, &pages(2, 64, &broken)), None);
        assert_eq!(
            Watch::default().read(0, &pages(2, 64, &record(""))),
            None,
            "one within the data directory"
        );
        assert_eq!(Watch::default().read(0, &[]), None);
    }
}
