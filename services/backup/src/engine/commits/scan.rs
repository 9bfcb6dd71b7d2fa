//! Puts records together from the pages of a segment. Pure.
//!
//! What is not a record ends the scan, whatever it is: in a segment that is still being written that is its open end; in
//! a whole one it is where the log is broken, because recovery would end there too.

use super::page::{self, Header, PAGE_BYTES};
use super::record::{HEADER_BYTES, RECORD_MAX, Record};

/// A record larger than this is passed over: none that says what happened to rows is.
const KEPT_MAX: u32 = 64 << 20;

/// A record that goes on in the next segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pending {
    /// Where it begins.
    pub start: u64,
    /// Its bytes in all.
    pub total: u32,
    /// How many of them came.
    pub came: u32,
    /// These, unless it is too large to be kept.
    pub bytes: Vec<u8>,
}

impl Pending {
    fn is_kept(&self) -> bool {
        self.total <= KEPT_MAX
    }

    fn add(&mut self, bytes: &[u8]) {
        self.came = self.came.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        if self.is_kept() {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

/// What is known where a segment begins.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    /// Nothing is known of the log before.
    pub fresh: bool,
    pub pending: Option<Pending>,
    /// Where the record before begins.
    pub last_record: Option<u64>,
    /// The cluster, if it is known.
    pub system_identifier: Option<u64>,
}

/// A segment's content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    pub timeline: u32,
    /// Its first position.
    pub start: u64,
    /// The size of a segment.
    pub segment_bytes: u32,
    pub bytes: &'a [u8],
}

/// How far a scan came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct End {
    /// The magic of its pages. 0: it has none.
    pub magic: u16,
    pub system_identifier: u64,
    /// Where its first record begins.
    pub first_record: Option<u64>,
    pub last_record: Option<u64>,
    /// The position after the last whole record; where none was, where one would begin.
    pub end: u64,
    pub pending: Option<Pending>,
    /// Its rest was left empty on purpose.
    pub switched: bool,
    /// Why it ended before its end.
    pub stopped: Option<String>,
}

/// What to do after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on.
    Record,
    /// The rest of the segment is empty.
    Segment,
}

/// Reads the records of a segment, one after the other.
pub(super) fn scan(content: Content<'_>, before: Before, take: &mut impl FnMut(&Record<'_>) -> Next) -> End {
    let mut scan = Scan {
        content,
        fresh: before.fresh,
        system_identifier: before.system_identifier,
        end: End {
            last_record: before.last_record,
            pending: before.pending,
            end: content.start,
            ..End::default()
        },
    };
    if let Err(reason) = scan.pages(take) {
        scan.end.stopped = Some(reason);
    }
    scan.end
}

struct Scan<'a> {
    content: Content<'a>,
    /// Until the first record that begins here.
    fresh: bool,
    system_identifier: Option<u64>,
    end: End,
}

impl<'a> Scan<'a> {
    fn pages(&mut self, take: &mut impl FnMut(&Record<'_>) -> Next) -> Result<(), String> {
        for (page, at) in self.content.bytes.chunks(PAGE_BYTES).zip((0_u64..).step_by(PAGE_BYTES)) {
            let at = self.content.start + at;
            let header = self.header(page, at)?;
            let body = page.get(header.bytes()..).unwrap_or_default();
            let Some(skip) = self.continued(&header, body, at, take)? else {
                continue;
            };
            if self.end.switched || self.records(page, header.bytes() + skip, at, take)? == Next::Segment {
                self.end.switched = true;
                return Ok(());
            }
        }
        let is_cut = self.content.bytes.len() as u64 != u64::from(self.content.segment_bytes);
        if is_cut { Err("it ends here".to_owned()) } else { Ok(()) }
    }

    /// The header of a page, which has to be the one of its place.
    fn header(&mut self, page: &[u8], at: u64) -> Result<Header, String> {
        let Some(header) = Header::read(page) else {
            let said = if page::is_blank(page) {
                "nothing was written"
            } else {
                "there is no page of a known version"
            };
            return Err(said.to_owned());
        };
        let is_first = at == self.content.start;
        if header.at != at || header.timeline > self.content.timeline || header.long.is_some() != is_first {
            return Err("there is a page of another place".to_owned());
        }
        if let Some(long) = header.long {
            let fits = long.segment_bytes == self.content.segment_bytes && long.page_bytes as usize == PAGE_BYTES;
            let is_ours = self.system_identifier.is_none_or(|ours| ours == long.system_identifier);
            if !fits || !is_ours {
                return Err("it is of another cluster".to_owned());
            }
            self.end.magic = header.magic;
            self.end.system_identifier = long.system_identifier;
        } else if header.magic != self.end.magic {
            return Err("there is a page of another version".to_owned());
        }
        Ok(header)
    }

    /// Goes on with a record begun before; says how many bytes it took, or none where it takes the whole page.
    fn continued(
        &mut self,
        header: &Header,
        body: &[u8],
        at: u64,
        take: &mut impl FnMut(&Record<'_>) -> Next,
    ) -> Result<Option<usize>, String> {
        let rest = header.continues.unwrap_or(0);
        if header.overwrites {
            self.end.pending = None;
        }
        let Some(mut pending) = self.end.pending.take() else {
            if rest > 0 && !(self.fresh && self.end.first_record.is_none()) {
                return Err("the beginning of a record is missing".to_owned());
            }
            return Ok(aligned(rest).filter(|skip| *skip < body.len()));
        };
        if rest != pending.total.saturating_sub(pending.came) || rest == 0 {
            self.end.pending = Some(pending);
            return Err("the rest of a record is missing".to_owned());
        }
        let part = body.get(..rest as usize).unwrap_or(body);
        pending.add(part);
        if pending.came < pending.total {
            self.end.pending = Some(pending);
            return Ok(None);
        }
        let skip = aligned(rest).ok_or("a record is too long")?;
        let end = at + header.bytes() as u64 + skip as u64;
        if self.finish(&pending, end, take)? == Next::Segment {
            self.end.switched = true;
        }
        Ok(Some(skip))
    }

    fn finish(
        &mut self,
        pending: &Pending,
        end: u64,
        take: &mut impl FnMut(&Record<'_>) -> Next,
    ) -> Result<Next, String> {
        if pending.is_kept() {
            return self.record(&pending.bytes, pending.start, end, take);
        }
        self.done(pending.start, end);
        Ok(Next::Record)
    }

    /// The records that begin in a page.
    fn records(
        &mut self,
        page: &[u8],
        mut offset: usize,
        at: u64,
        take: &mut impl FnMut(&Record<'_>) -> Next,
    ) -> Result<Next, String> {
        self.end.end = self.end.end.max(at + offset as u64);
        while offset < PAGE_BYTES {
            let rest = page.get(offset..).unwrap_or_default();
            let total = rest.first_chunk().map_or(0, |total| u32::from_le_bytes(*total));
            if total == 0 {
                return Err("nothing was written".to_owned());
            }
            if !(HEADER_BYTES as u32..=RECORD_MAX).contains(&total) {
                return Err("a record has an impossible size".to_owned());
            }
            let start = at + offset as u64;
            let Some(whole) = rest.get(..total as usize) else {
                let mut pending = Pending {
                    start,
                    total,
                    ..Pending::default()
                };
                // Of a page that is cut short nothing is known to go on.
                if offset + rest.len() == PAGE_BYTES {
                    pending.add(rest);
                    self.end.pending = Some(pending);
                    self.end.first_record.get_or_insert(start);
                    return Ok(Next::Record);
                }
                return Err("it ends here".to_owned());
            };
            offset += aligned(total).ok_or("a record is too long")?;
            if self.record(whole, start, at + offset as u64, take)? == Next::Segment {
                return Ok(Next::Segment);
            }
        }
        Ok(Next::Record)
    }

    fn record(
        &mut self,
        bytes: &[u8],
        start: u64,
        end: u64,
        take: &mut impl FnMut(&Record<'_>) -> Next,
    ) -> Result<Next, String> {
        let record = Record::read(bytes, start, end).map_err(|error| error.to_string())?;
        if self.end.last_record.is_some_and(|last| last != record.previous) {
            return Err("a record does not follow the one before".to_owned());
        }
        self.done(start, end);
        Ok(take(&record))
    }

    fn done(&mut self, start: u64, end: u64) {
        self.end.first_record.get_or_insert(start);
        self.end.last_record = Some(start);
        self.end.end = end;
    }
}

/// Records begin at multiples of eight.
fn aligned(bytes: u32) -> Option<usize> {
    usize::try_from(bytes).ok()?.checked_next_multiple_of(8)
}
