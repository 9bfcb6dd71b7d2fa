//! One stream of parts: rows come in from a session, parts go out to the repositories.
//!
//! What compresses and encrypts runs on a thread of its own. Few pieces wait between it and whoever reads, so that a slow
//! store slows down the reading rather than filling memory.

use std::io;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::manifest::{RowsHash, Slice, folder};
use super::part::PartWriter;
use super::readers::Readers;
use crate::error::Error;
use crate::repo::seal::hexadecimal;

/// What goes in.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A member of its own, whole.
    Member { name: String, content: Vec<u8> },
    /// Rows of a slice of a table, and where each ends.
    Rows { content: Vec<u8>, ends: Vec<usize> },
    /// The rows that came belong to this slice, and were all of it.
    Whole { table: usize, slice: usize },
    /// A slice of this table begins.
    Begin { table: usize, slice: usize },
    /// That was all.
    End,
}

/// A part on its way to the repositories.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub stream: u32,
    /// Its place in the stream.
    pub order: u32,
    pub bytes: Bytes,
}

/// A slice that is complete.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub table: usize,
    pub slice: usize,
    pub what: Slice,
    pub rows: RowsHash,
}

/// What packs one stream.
pub(crate) struct Packer {
    stream: u32,
    order: u32,
    readers: Readers,
    level: i32,
    part: Option<PartWriter>,
    out: mpsc::Sender<Sealed>,
    open: Option<Open>,
    done: Vec<Done>,
}

/// A slice on its way.
struct Open {
    table: usize,
    slice: usize,
    member: u32,
    bytes: u64,
    hash: blake3::Hasher,
    rows: RowsHash,
    parts: Option<(u32, u32)>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packer({}, {})", self.stream, self.order)
    }
}

fn failed(error: io::Error) -> Error {
    Error::file(Path::new("an export's part"), error)
}

impl Packer {
    /// One for a stream of this number.
    pub(crate) fn new(stream: u32, readers: Readers, level: i32, out: mpsc::Sender<Sealed>) -> Self {
        Self {
            stream,
            order: 0,
            readers,
            level,
            part: None,
            out,
            open: None,
            done: Vec::new(),
        }
    }

    /// Packs what comes until the end, on this thread. An error where it is cut off.
    pub(crate) fn run(mut self, mut pieces: mpsc::Receiver<Piece>) -> Result<Vec<Done>, Error> {
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Member { name, content } => self.add(&name, &content)?,
                Piece::Begin { table, slice } => self.begin(table, slice),
                Piece::Rows { content, ends } => self.rows(&content, &ends)?,
                Piece::Whole { table, slice } => self.whole(table, slice),
                Piece::End => {
                    self.close()?;
                    return Ok(self.done);
                }
            }
        }
        Err(Error::Stopped)
    }

    fn begin(&mut self, table: usize, slice: usize) {
        self.open = Some(Open {
            table,
            slice,
            member: 0,
            bytes: 0,
            hash: blake3::Hasher::new(),
            rows: RowsHash::default(),
            parts: None,
        });
    }

    fn rows(&mut self, content: &[u8], ends: &[usize]) -> Result<(), Error> {
        let Some(mut open) = self.open.take() else {
            return Err(failed(io::Error::other("rows of no table")));
        };
        let mut from = 0;
        for end in ends {
            open.rows.add(content.get(from..*end).unwrap_or_default());
            from = *end;
        }
        open.hash.update(content);
        open.bytes += content.len() as u64;
        let name = format!("{}/{:06}.copy", folder(open.table, open.slice), open.member);
        open.member += 1;
        let order = self.order;
        open.parts = Some(open.parts.map_or((order, order), |(first, _)| (first, order)));
        self.open = Some(open);
        self.add(&name, content)
    }

    fn whole(&mut self, table: usize, slice: usize) {
        let Some(open) = self.open.take() else { return };
        self.done.push(Done {
            table,
            slice,
            what: Slice {
                stream: self.stream,
                rows: open.rows.rows,
                bytes: open.bytes,
                blake3: hexadecimal(open.hash.finalize().as_bytes()),
                parts: open.parts,
            },
            rows: open.rows,
        });
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        let mut part = match self.part.take() {
            Some(part) => part,
            None => PartWriter::new(&self.readers, self.level).map_err(failed)?,
        };
        part.add(name, content).map_err(failed)?;
        let is_full = part.is_full();
        self.part = Some(part);
        if is_full { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(part) = self.part.take() else {
            return Ok(());
        };
        let sealed = Sealed {
            stream: self.stream,
            order: self.order,
            bytes: part.finish().map_err(failed)?.into(),
        };
        self.order += 1;
        // Whoever stores has failed, and says why.
        self.out.blocking_send(sealed).map_err(|_| Error::Stopped)
    }
}
