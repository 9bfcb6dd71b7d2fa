//! What the server sends of a file of which it knows what changed. Pure.
//!
//! A header says which pages follow, and how long the file is at least; the pages follow. Of the rest, what was there
//! before still holds, up to the length that the header names; what is in neither is zeros.

use super::crc;
use super::crew::{Changed, Piece, What};
use crate::repo::chunk::{CHUNK_BYTES, Chunk};

/// How the server calls such a file.
pub(super) const PREFIX: &str = "INCREMENTAL.";
const MAGIC: u32 = 0xd3ae_1f0d;
/// Magic, number of pages, length.
const FIXED_BYTES: usize = 12;

/// The path of the file that a changed one stands for; none where it is not one.
pub(super) fn real_path(path: &str) -> Option<String> {
    let (directory, name) = path.rsplit_once('/')?;
    let name = name.strip_prefix(PREFIX)?;
    Some(format!("{directory}/{name}"))
}

/// Bytes that are no changes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's list of changed pages is not one: {0}")]
pub(super) struct NoChanges(&'static str);

/// What is known of a file before its changes come.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    pub bytes: u64,
    pub crc32c: u32,
    pub chunks: Vec<Chunk>,
}

/// Where the changes go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The file's number.
    pub file: u32,
    /// The number of its first page in the relation.
    pub first_block: u32,
    pub page_bytes: usize,
    /// Pages in a file at most.
    pub pages_max: u32,
}

/// What becomes of a chunk.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is what it was.
    Same { place: u32, chunk: Chunk },
    /// It has to be made anew.
    Other(Piece),
}

/// What a file is after its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct After {
    pub bytes: u64,
    /// Its sum, to which its changed chunks add theirs.
    pub crc32c: u32,
}

/// Takes the changes of one file in.
#[derive(Debug)]
pub(super) struct Changes {
    place: Place,
    before: Before,
    header: Vec<u8>,
    /// None: the header is not complete.
    plan: Option<Plan>,
    /// Chunks before this one are done.
    next_chunk: u32,
    /// Pages before this one, in the order of the header, are complete.
    next_page: usize,
    /// New pages of the chunk at hand.
    pages: Vec<(usize, u32)>,
    content: Vec<u8>,
}

#[derive(Debug)]
struct Plan {
    /// The pages that follow, in order.
    pages: Vec<u32>,
    /// The file's length.
    bytes: u64,
    /// So much of what was there before still counts.
    kept: u64,
    /// Bytes that still come before the first page, and that nobody needs.
    padding: usize,
}

impl Changes {
    pub(super) const fn new(place: Place, before: Before) -> Self {
        Self {
            place,
            before,
            header: Vec::new(),
            plan: None,
            next_chunk: 0,
            next_page: 0,
            pages: Vec::new(),
            content: Vec::new(),
        }
    }

    /// Takes more in; `out` gets what is known of chunks then.
    pub(super) fn push(&mut self, mut input: &[u8], out: &mut Vec<Outcome>) -> Result<(), NoChanges> {
        while !input.is_empty() {
            match &mut self.plan {
                None => self.read_header(&mut input)?,
                Some(plan) if plan.padding > 0 => {
                    let skipped = plan.padding.min(input.len());
                    plan.padding -= skipped;
                    input = input.get(skipped..).unwrap_or_default();
                }
                Some(_) => self.read_page(&mut input, out)?,
            }
        }
        Ok(())
    }

    /// All has come.
    pub(super) fn finish(&mut self, out: &mut Vec<Outcome>) -> Result<After, NoChanges> {
        let Some(plan) = self.plan.take() else {
            return Err(NoChanges("it ends too early"));
        };
        if self.next_page != plan.pages.len() || plan.padding > 0 {
            return Err(NoChanges("it ends too early"));
        }
        let chunks = plan.bytes.div_ceil(CHUNK_BYTES as u64);
        self.finish_chunks(&plan, u32::try_from(chunks).unwrap_or(u32::MAX), out);
        let crc32c = match plan.bytes.checked_sub(self.before.bytes) {
            Some(added) if !self.sums_anew(&plan) => crc::with_zeros(self.before.crc32c, added),
            _ => 0,
        };
        Ok(After {
            bytes: plan.bytes,
            crc32c,
        })
    }

    /// Whether something at the end of what was there is gone: then the old sum is of no use.
    const fn sums_anew(&self, plan: &Plan) -> bool {
        plan.kept < self.before.bytes
    }

    fn read_header(&mut self, input: &mut &[u8]) -> Result<(), NoChanges> {
        let wanted = self.header_bytes()?;
        fill(&mut self.header, wanted, input);
        if self.header.len() == self.header_bytes()? {
            self.plan = Some(self.read_plan()?);
            self.header = Vec::new();
        }
        Ok(())
    }

    /// As much of the header as is known to come.
    fn header_bytes(&self) -> Result<usize, NoChanges> {
        if self.header.len() < FIXED_BYTES {
            return Ok(FIXED_BYTES);
        }
        if self.word(0) != MAGIC {
            return Err(NoChanges("it begins with something else"));
        }
        if self.word(1).max(self.word(2)) > self.place.pages_max {
            return Err(NoChanges("it is longer than any file"));
        }
        Ok(FIXED_BYTES + self.word(1) as usize * 4)
    }

    fn word(&self, at: usize) -> u32 {
        let bytes = self.header.get(at * 4..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }

    fn read_plan(&self) -> Result<Plan, NoChanges> {
        let pages: Vec<u32> = (3..).take(self.word(1) as usize).map(|at| self.word(at)).collect();
        let ends = pages.last().map_or(0, |last| last.saturating_add(1));
        if !pages.is_sorted_by(|one, next| one < next) || ends > self.place.pages_max {
            return Err(NoChanges("its pages are in disorder"));
        }
        let page = self.place.page_bytes as u64;
        let length = self.word(2);
        let padding = if pages.is_empty() {
            0
        } else {
            self.header.len().next_multiple_of(self.place.page_bytes) - self.header.len()
        };
        Ok(Plan {
            bytes: u64::from(length.max(ends)) * page,
            kept: (self.before.bytes / page * page).min(u64::from(length) * page),
            pages,
            padding,
        })
    }

    fn read_page(&mut self, input: &mut &[u8], out: &mut Vec<Outcome>) -> Result<(), NoChanges> {
        let Some(plan) = self.plan.take() else {
            return Ok(());
        };
        let page = plan.pages.get(self.next_page).copied();
        let page = page.ok_or(NoChanges("more comes than it announced"))?;
        let at = page as usize * self.place.page_bytes;
        self.finish_chunks(&plan, u32::try_from(at / CHUNK_BYTES).unwrap_or(u32::MAX), out);
        let wanted = (self.pages.len() + 1) * self.place.page_bytes;
        fill(&mut self.content, wanted, input);
        if self.content.len() == wanted {
            self.pages.push((at % CHUNK_BYTES, self.place.first_block + page));
            self.next_page += 1;
        }
        self.plan = Some(plan);
        Ok(())
    }

    /// Nothing more comes for chunks before this one.
    fn finish_chunks(&mut self, plan: &Plan, until: u32, out: &mut Vec<Outcome>) {
        while self.next_chunk < until {
            out.push(self.chunk(plan));
            self.next_chunk += 1;
        }
    }

    fn chunk(&mut self, plan: &Plan) -> Outcome {
        let place = self.next_chunk;
        let from = u64::from(place) * CHUNK_BYTES as u64;
        let here = |bytes: u64| {
            let bytes = bytes.saturating_sub(from).min(CHUNK_BYTES as u64);
            usize::try_from(bytes).unwrap_or(CHUNK_BYTES)
        };
        let (length, kept) = (here(plan.bytes), here(plan.kept));
        let sums_anew = self.sums_anew(plan);
        let was = self.before.chunks.get(place as usize).copied();
        if let Some(chunk) = was.filter(|_| self.pages.is_empty() && !sums_anew && kept == length) {
            return Outcome::Same { place, chunk };
        }
        Outcome::Other(Piece {
            file: self.place.file,
            place,
            was,
            what: What::Changed(Changed {
                length,
                kept,
                pages: std::mem::take(&mut self.pages),
                content: std::mem::take(&mut self.content),
                page_bytes: self.place.page_bytes,
                behind: plan.bytes.saturating_sub(from + length as u64),
                sums_anew,
            }),
        })
    }
}

fn fill(to: &mut Vec<u8>, wanted: usize, input: &mut &[u8]) {
    let missing = wanted.saturating_sub(to.len()).min(input.len());
    let (taken, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
    to.extend_from_slice(taken);
    *input = rest;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::repo::chunk::{ChunkId, Locator};

    const PAGE: usize = 8192;
    const PLACE: Place = Place {
        file: 0,
        first_block: 0,
        page_bytes: PAGE,
        pages_max: 131_072,
    };

    fn sent(pages: &[u32], length: u32) -> Vec<u8> {
        let words = [MAGIC, pages.len() as u32, length]
            .into_iter()
            .chain(pages.iter().copied());
        let mut bytes: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
        if !pages.is_empty() {
            bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
        }
        pages
            .iter()
            .for_each(|page| bytes.resize(bytes.len() + PAGE, *page as u8 + 1));
        bytes
    }

    fn before(bytes: usize) -> (Vec<u8>, Before) {
        let content: Vec<u8> = (0..bytes).map(|at| (at * 31 % 253) as u8).collect();
        let chunks = content.chunks(CHUNK_BYTES);
        let chunks = chunks.map(|chunk| Chunk::whole(Locator::zero(ChunkId([0; 32]), chunk.len() as u32)));
        let before = Before {
            bytes: bytes as u64,
            crc32c: crc32c::crc32c(&content),
            chunks: chunks.collect(),
        };
        (content, before)
    }

    /// The file that comes of it, and its sum as it is put together of its pieces'.
    fn rebuilt(old: &[u8], outcomes: &[Outcome], after: After) -> (Vec<u8>, u32) {
        let (mut content, mut sum) = (Vec::new(), after.crc32c);
        for (at, outcome) in outcomes.iter().enumerate() {
            let old = old.get(at * CHUNK_BYTES..).unwrap_or_default();
            match outcome {
                Outcome::Same { place, chunk } => {
                    assert_eq!(*place as usize, at);
                    content.extend_from_slice(&old[..chunk.at.length as usize]);
                }
                Outcome::Other(piece) => {
                    assert_eq!(piece.place as usize, at);
                    let What::Changed(changed) = &piece.what else {
                        panic!("{piece:?}");
                    };
                    let mut was = old[..changed.kept].to_vec();
                    was.resize(changed.length, 0);
                    let mut now = was.clone();
                    for ((at, _), page) in changed.pages.iter().zip(changed.content.chunks(PAGE)) {
                        now[*at..at + PAGE].copy_from_slice(page);
                    }
                    let mut piece = crc32c::crc32c(&now);
                    if !changed.sums_anew {
                        piece ^= crc32c::crc32c(&was);
                    }
                    sum ^= crc::moved(piece, changed.behind);
                    content.extend_from_slice(&now);
                }
            }
        }
        (content, sum)
    }

    proptest! {
        #[test]
        fn a_file_is_what_was_with_what_changed(
            old_pages in 0_usize..60,
            pages in prop::collection::btree_set(0_u32..70, 0..8),
            length in 0_u32..70,
            step in 1_usize..20_000,
        ) {
            let (old, before) = before(old_pages * PAGE);
            let pages: Vec<u32> = pages.into_iter().collect();
            let mut changes = Changes::new(PLACE, before);
            let mut outcomes = Vec::new();
            for piece in sent(&pages, length).chunks(step) {
                changes.push(piece, &mut outcomes).unwrap();
            }
            let after = changes.finish(&mut outcomes).unwrap();
            let (content, sum) = rebuilt(&old, &outcomes, after);
            let mut expected = old;
            expected.truncate(length as usize * PAGE);
            let ends = pages.last().map_or(0, |last| last + 1).max(length);
            expected.resize(ends as usize * PAGE, 0);
            for page in pages {
                let at = page as usize * PAGE;
                expected[at..at + PAGE].fill(page as u8 + 1);
            }
            prop_assert!(content == expected);
            prop_assert_eq!(sum, crc32c::crc32c(&expected));
            prop_assert_eq!(after.bytes, expected.len() as u64);
        }

        #[test]
        fn whatever_comes_ends(bytes in prop::collection::vec(any::<u8>(), 0..200), good in 0_usize..13, step in 1_usize..99) {
            let mut bytes = bytes;
            let start = sent(&[1, 2], 3);
            for (place, byte) in bytes.iter_mut().zip(&start).take(good) {
                *place = *byte;
            }
            let mut changes = Changes::new(PLACE, Before::default());
            let mut outcomes = Vec::new();
            let pushed = bytes.chunks(step).try_for_each(|piece| changes.push(piece, &mut outcomes));
            prop_assert!(pushed.is_err() || changes.finish(&mut outcomes).is_err() || outcomes.len() < 10_000);
        }
    }

    #[test]
    fn only_chunks_that_changed_are_made_anew() {
        let (_, before) = before(64 * PAGE);
        let mut changes = Changes::new(PLACE, before);
        let mut outcomes = Vec::new();
        changes.push(&sent(&[17], 64), &mut outcomes).unwrap();
        changes.finish(&mut outcomes).unwrap();
        let same = |outcome: &Outcome| matches!(outcome, Outcome::Same { .. });
        assert_eq!(outcomes.iter().map(same).collect::<Vec<_>>(), [true, false, true, true]);
    }

    #[test]
    fn changes_that_are_none_are_refused() {
        for wrong in [
            sent(&[2, 1], 5),
            sent(&[1, 1], 5),
            sent(&[200_000], 5),
            sent(&[], 200_000),
            vec![7; 12],
            [sent(&[1], 5), vec![0]].concat(),
        ] {
            let mut outcomes = Vec::new();
            assert!(
                Changes::new(PLACE, Before::default())
                    .push(&wrong, &mut outcomes)
                    .is_err()
            );
        }
        let mut cut = sent(&[1], 5);
        cut.pop();
        let (mut changes, mut outcomes) = (Changes::new(PLACE, Before::default()), Vec::new());
        changes.push(&cut, &mut outcomes).unwrap();
        assert!(changes.finish(&mut outcomes).is_err());
    }

    #[test]
    fn names_of_changed_files_are_told_from_others() {
        assert_eq!(
            real_path("base/5/INCREMENTAL.16384.1").as_deref(),
            Some("base/5/16384.1")
        );
        assert_eq!(real_path("base/5/16384"), None);
        assert_eq!(real_path("INCREMENTAL.x"), None);
    }
}
