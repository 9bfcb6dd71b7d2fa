//! A result that is kept: the bytes that PostgreSQL sent, and what makes them void. Pure.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use weir_pgwire::Header;
use weir_pgwire::backend::{TransactionStatus, tag};
use weir_pgwire::reply;

use super::shape::Shape;
use super::sharing::Name;
use super::view::{Basis, Moment};
use crate::settings::Consistency;

/// What an entry costs beside its key and its bytes.
const OVERHEAD_BYTES: usize = 256;

/// A result.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) basis: Basis,
    /// When it was complete: it may contain what was acknowledged until then.
    pub(crate) complete_at: Moment,
    /// When it ends, whatever happens.
    pub(crate) ends_at: Moment,
    pub(crate) serving: Serving,
    pub(crate) shape: Arc<Shape>,
    pub(crate) body: Body,
    pub(crate) key_bytes: usize,
    /// What gateways call it among themselves; none where they do not share it.
    pub(crate) name: Option<Name>,
    /// It has been shared.
    pub(crate) is_shared: AtomicBool,
    /// It came from another gateway, and has not been served yet.
    pub(crate) is_foreign: AtomicBool,
    /// It has been served since somebody looked whether it may go.
    pub(crate) was_used: AtomicBool,
    /// Whose budget it counts for.
    pub(crate) project: u32,
}

/// How a result is served, by the rules that were in force when it was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Serving {
    /// How fresh its statement's answers have to be, where that is not as the settings say.
    pub(crate) level: Option<Consistency>,
    /// How old it may be, whatever is asked.
    pub(crate) bound: Duration,
    /// It is served until its end, whatever changes: somebody asked for just that.
    pub(crate) is_ttl: bool,
    /// The number of the rules. Under others it is kept anew.
    pub(crate) policies: u64,
}

/// The frames of a result that every client gets alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    /// RowDescription, where it was asked for.
    pub(crate) description: Bytes,
    /// DataRows and CommandComplete.
    pub(crate) rows: Bytes,
    pub(crate) count: u64,
}

impl Entry {
    /// What it takes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let body = self.body.description.len() + self.body.rows.len();
        OVERHEAD_BYTES + self.key_bytes + body + self.basis.buckets.len() * 4
    }
}

/// What a client is to hear around a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wrapping {
    pub(crate) parsed: bool,
    pub(crate) bound: bool,
    pub(crate) described: bool,
}

impl Body {
    /// Whether it has all that is to be heard.
    pub(crate) fn suits(&self, wrapping: Wrapping) -> bool {
        !wrapping.described || !self.description.is_empty()
    }

    /// Writes the whole answer.
    pub(crate) fn write(&self, wrapping: Wrapping, out: &mut BytesMut) {
        out.reserve(self.description.len() + self.rows.len() + 16);
        if wrapping.parsed {
            reply::parse_complete(out);
        }
        if wrapping.bound {
            reply::bind_complete(out);
        }
        if wrapping.described {
            out.put_slice(&self.description);
        }
        out.put_slice(&self.rows);
        reply::ready_for_query(out, TransactionStatus::Idle);
    }
}

/// Puts a result together from what a client is sent. Anything that is not a plain result makes it none.
#[derive(Debug)]
pub(crate) struct Taking {
    bytes: BytesMut,
    /// Up to here its frames have been looked at.
    at: usize,
    rows_from: Option<usize>,
    description: Option<std::ops::Range<usize>>,
    count: u64,
    is_complete: bool,
    bytes_max: usize,
}

/// How far a result has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// There is more to come.
    More,
    /// It is whole.
    Whole(Body),
    /// It is none that could be kept.
    Nothing,
    /// It is one, but larger than what is kept.
    TooLarge,
}

impl Taking {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: BytesMut::new(),
            at: 0,
            rows_from: None,
            description: None,
            count: 0,
            is_complete: false,
            bytes_max,
        }
    }

    /// Takes what the client is sent.
    pub(crate) fn take(&mut self, sent: &[u8]) -> Taken {
        if self.bytes.len() + sent.len() > self.bytes_max + 64 {
            return Taken::TooLarge;
        }
        self.bytes.extend_from_slice(sent);
        while let Some(rest) = self.bytes.get(self.at..) {
            let header = match Header::read(rest) {
                Ok(Some(header)) if header.frame_bytes() <= rest.len() => header,
                Ok(_) => return Taken::More,
                Err(_) => return Taken::Nothing,
            };
            let (from, to) = (self.at, self.at + header.frame_bytes());
            self.at = to;
            match (header.tag(), self.is_complete) {
                (tag::PARSE_COMPLETE | tag::BIND_COMPLETE, false) if self.rows_from.is_none() => {}
                (tag::ROW_DESCRIPTION, false) if self.rows_from.is_none() => self.description = Some(from..to),
                (tag::DATA_ROW, false) => {
                    self.rows_from.get_or_insert(from);
                    self.count += 1;
                }
                (tag::COMMAND_COMPLETE, false) if self.is_select(from, to) => {
                    self.rows_from.get_or_insert(from);
                    self.is_complete = true;
                }
                (tag::READY_FOR_QUERY, true) if self.bytes.get(from + 5) == Some(&b'I') => return self.whole(from),
                _ => return Taken::Nothing,
            }
        }
        Taken::More
    }

    fn is_select(&self, from: usize, to: usize) -> bool {
        let said = self.bytes.get(from + 5..to).unwrap_or_default();
        said.starts_with(b"SELECT ")
    }

    fn whole(&mut self, to: usize) -> Taken {
        let all = std::mem::take(&mut self.bytes).freeze();
        let description = self.description.take().map_or_else(Bytes::new, |range| {
            // A copy of its own: what surrounds it is not kept.
            Bytes::copy_from_slice(all.get(range).unwrap_or_default())
        });
        let rows = all.get(self.rows_from.unwrap_or(to)..to).unwrap_or_default();
        Taken::Whole(Body {
            description,
            rows: Bytes::copy_from_slice(rows),
            count: self.count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    fn answer() -> Vec<u8> {
        [
            frame(b'1', b""),
            frame(b'2', b""),
            frame(b'T', b"\0\0"),
            frame(b'D', b"\0\0"),
            frame(b'D', b"\0\0"),
            frame(b'C', b"SELECT 2\0"),
            frame(b'Z', b"I"),
        ]
        .concat()
    }

    #[test]
    fn a_result_is_given_as_it_was_taken_wherever_it_was_cut() {
        let all = answer();
        for cut in 0..all.len() {
            let mut taking = Taking::new(1_000);
            assert_eq!(taking.take(&all[..cut]), Taken::More, "{cut}");
            let Taken::Whole(body) = taking.take(&all[cut..]) else {
                panic!("cut at {cut}")
            };
            assert_eq!(body.count, 2);
            let mut out = BytesMut::new();
            let wrapping = Wrapping {
                parsed: true,
                bound: true,
                described: true,
            };
            body.write(wrapping, &mut out);
            assert_eq!(out, all);
            out.clear();
            body.write(Wrapping::default(), &mut out);
            assert_eq!(out, all[17..]);
        }
    }

    #[test]
    fn what_is_no_plain_result_is_not_kept() {
        let row = frame(b'D', b"\0\0");
        let end = frame(b'C', b"SELECT 1\0");
        for answer in [
            [row.clone(), frame(b'N', b"S\0"), end.clone(), frame(b'Z', b"I")].concat(),
            [frame(b'S', b"a\0b\0"), row.clone(), end.clone(), frame(b'Z', b"I")].concat(),
            [row.clone(), end.clone(), frame(b'Z', b"T")].concat(),
            [row.clone(), frame(b'E', b"\0"), frame(b'Z', b"I")].concat(),
            [frame(b'C', b"INSERT 0 1\0"), frame(b'Z', b"I")].concat(),
            [row, frame(b's', b""), frame(b'Z', b"I")].concat(),
            [end.clone(), end, frame(b'Z', b"I")].concat(),
        ] {
            assert_eq!(Taking::new(1_000).take(&answer), Taken::Nothing);
        }
        let large = [vec![b'D'], 5_000u32.to_be_bytes().to_vec(), vec![0; 2_000]].concat();
        assert_eq!(Taking::new(1_000).take(&large), Taken::TooLarge);
    }
}
