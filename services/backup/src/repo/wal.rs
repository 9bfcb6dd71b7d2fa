//! The write-ahead log in a repository: whole segments, the open end in pieces, histories of timelines.
//!
//! A name says what an object holds, and what it holds is sealed under that name: a segment in another's place, of
//! another cluster or cut short does not open. Pieces of an open segment are made once each and removed when the whole
//! segment is there.

use bytes::Bytes;

use super::seal::{self, Kind};
use super::{Error, Listed, Put, Repository, keys};

/// What is smaller is sealed where it is: that takes less time than to pass it on.
const APART_BYTES: usize = 64 * 1024;
/// How often a segment is read anew whose pieces went meanwhile.
const TRIES: u32 = 20;

/// A segment of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// The timeline.
    pub timeline: u32,
    /// Its number: its first position divided by the size of a segment.
    pub number: u64,
    /// The size of every segment of the cluster.
    pub bytes: u32,
}

impl Segment {
    /// The segment that a position lies in.
    pub(crate) const fn at(timeline: u32, lsn: u64, bytes: u32) -> Self {
        Self {
            timeline,
            number: lsn / bytes as u64,
            bytes,
        }
    }

    /// Its first position.
    pub(crate) const fn start(&self) -> u64 {
        self.number * self.bytes as u64
    }

    /// The position after it.
    pub(crate) const fn end(&self) -> u64 {
        self.start() + self.bytes as u64
    }

    /// The one after it on the same timeline.
    pub(crate) const fn next(self) -> Self {
        Self {
            number: self.number + 1,
            ..self
        }
    }

    /// PostgreSQL's name of its file.
    pub(crate) fn name(&self) -> String {
        let per_id = 0x1_0000_0000 / u64::from(self.bytes.max(1));
        format!(
            "{:08X}{:08X}{:08X}",
            self.timeline,
            self.number / per_id,
            self.number % per_id
        )
    }

    /// Reads PostgreSQL's name of a segment's file.
    pub(crate) fn of_name(name: &str, bytes: u32) -> Option<Self> {
        if name.len() != 24 || !name.is_ascii() {
            return None;
        }
        let part = |from: usize| u64::from_str_radix(name.get(from..from + 8)?, 16).ok();
        let per_id = 0x1_0000_0000 / u64::from(bytes.max(1));
        let low = part(16)?;
        (low < per_id).then_some(())?;
        Some(Self {
            timeline: u32::try_from(part(0)?).ok()?,
            number: part(8)? * per_id + low,
            bytes,
        })
    }

    fn directory(&self) -> String {
        format!("wal/{:08X}", self.timeline)
    }

    /// Where all of it lies.
    pub(crate) fn whole(&self) -> String {
        format!("{}/whole/{}", self.directory(), self.name())
    }

    /// Below which its parts lie.
    pub(crate) fn pieces(&self) -> String {
        format!("{}/pieces/{}", self.directory(), self.name())
    }

    fn piece(&self, from: u64, end: u64) -> String {
        format!("{}/{from:08X}-{end:08X}", self.pieces())
    }
}

/// What of a segment is in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// All of it.
    Whole(Bytes),
    /// The beginning of it, which may be empty.
    Beginning(Bytes),
}

/// A segment that is there as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedSegment {
    pub segment: Segment,
    /// Bytes stored.
    pub stored: u64,
    /// When, by the store's clock.
    pub modified_unix_ms: i64,
}

impl Repository {
    /// Stores a whole segment. One that is there already has to be the same.
    pub(crate) async fn put_segment(&self, segment: Segment, content: &[u8], level: i32) -> Result<(), Error> {
        self.keep_segment(segment, Bytes::copy_from_slice(content), level).await
    }

    /// The same with content that need not be copied.
    pub(crate) async fn keep_segment(&self, segment: Segment, content: Bytes, level: i32) -> Result<(), Error> {
        let path = segment.whole();
        let sealed = self.sealed_apart(&path, content.clone(), level).await?;
        match self.shelf().put_new(&path, sealed).await? {
            Put::Made => Ok(()),
            Put::Exists if self.opened_wal(&path).await? == content => Ok(()),
            Put::Exists => Err(Error::corrupt(
                &path,
                "a segment of this name with other content is there",
            )),
        }
    }

    /// Stores a part of a segment that is still being written: from `offset` on. Parts follow each other without gaps.
    #[cfg(test)]
    pub(crate) async fn put_piece(
        &self,
        segment: Segment,
        offset: u32,
        content: &[u8],
        level: i32,
    ) -> Result<(), Error> {
        self.keep_piece(segment, offset, Bytes::copy_from_slice(content), level)
            .await
    }

    /// The same with content that need not be copied. One that is there already has to be the same: its answer was
    /// lost, or two receivers met.
    pub(crate) async fn keep_piece(
        &self,
        segment: Segment,
        offset: u32,
        content: Bytes,
        level: i32,
    ) -> Result<(), Error> {
        let end = u64::from(offset) + content.len() as u64;
        let path = segment.piece(u64::from(offset), end);
        let sealed = self.sealed_apart(&path, content.clone(), level).await?;
        match self.shelf().put_new(&path, sealed).await? {
            Put::Made => Ok(()),
            Put::Exists if self.opened_wal(&path).await? == content => Ok(()),
            Put::Exists => Err(Error::corrupt(
                &path,
                "a piece of this name with other content is there",
            )),
        }
    }

    /// Has what there is of a segment, and of those before it, last: whoever put it may have been cut off before that.
    pub(crate) async fn settle_segment(&self, segment: Segment) -> Result<(), Error> {
        self.shelf().settle(&format!("{}/whole", segment.directory())).await?;
        self.shelf().settle(&segment.pieces()).await
    }

    /// The spans of the pieces of a segment that are there, in order.
    pub(crate) async fn pieces(&self, segment: Segment) -> Result<Vec<(u64, u64)>, Error> {
        let listed = self.shelf().list(&segment.pieces()).await?;
        Ok(listed.iter().filter_map(|piece| span(&piece.path)).collect())
    }

    /// Removes a piece that another one holds too.
    pub(crate) async fn drop_piece(&self, segment: Segment, (from, end): (u64, u64)) -> Result<(), Error> {
        self.shelf().delete(&segment.piece(from, end)).await
    }

    /// What there is of a segment.
    pub(crate) async fn segment(&self, segment: Segment) -> Result<Held, Error> {
        for _ in 0..TRIES {
            if let Some(held) = self.segment_as_listed(segment).await? {
                return Ok(held);
            }
        }
        Err(Error::corrupt(
            &segment.pieces(),
            "they were removed while they were read",
        ))
    }

    /// The same; none where pieces went while they were read, because others took their place.
    async fn segment_as_listed(&self, segment: Segment) -> Result<Option<Held>, Error> {
        if let Some(whole) = self.whole_segment(segment).await? {
            return Ok(Some(Held::Whole(whole)));
        }
        let pieces = self.shelf().list(&segment.pieces()).await?;
        let mut content = Vec::new();
        for piece in pieces {
            let Some((from, end)) = span(&piece.path) else {
                return Err(Error::corrupt(&piece.path, "its name is not one of a piece"));
            };
            // A receiver that began anew may have stored some of it a second time, cut otherwise.
            let here = content.len() as u64;
            if end <= here {
                continue;
            }
            if from > here {
                break;
            }
            let part = match self.opened_wal(&piece.path).await {
                Ok(part) => part,
                Err(Error::Missing { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let known = usize::try_from(here - from).unwrap_or(usize::MAX);
            content.extend_from_slice(part.get(known..).unwrap_or_default());
        }
        Ok(Some(Held::Beginning(content.into())))
    }

    /// What there is of the segment of a name, whatever the size of segments is; none where it is no segment's name.
    pub(crate) async fn named_segment(&self, name: &str) -> Result<Option<Held>, Error> {
        // A name leads to the same place whatever the size, and the smallest takes all names.
        let Some(segment) = Segment::of_name(name, 1 << 20) else {
            return Ok(None);
        };
        match self.opened_wal(&segment.whole()).await {
            Ok(content) => Ok(Some(Held::Whole(content.into()))),
            Err(Error::Missing { .. }) => self.segment(segment).await.map(Some),
            Err(error) => Err(error),
        }
    }

    /// Whether a segment is there as a whole.
    pub(crate) async fn has_segment(&self, segment: Segment) -> Result<bool, Error> {
        match self.shelf().size(&segment.whole()).await {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn whole_segment(&self, segment: Segment) -> Result<Option<Bytes>, Error> {
        match self.opened_wal(&segment.whole()).await {
            Ok(content) if content.len() as u64 == u64::from(segment.bytes) => Ok(Some(content.into())),
            Ok(_) => Err(Error::corrupt(&segment.whole(), "it has not the size of a segment")),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The parts of a segment: what is stored, and which bytes of the segment it has.
    pub(crate) async fn pieces_of(&self, segment: Segment) -> Result<Vec<(Listed, u64, u64)>, Error> {
        let listed = self.shelf().list(&segment.pieces()).await?;
        let spanned = listed.into_iter().filter_map(|object| {
            let (from, end) = span(&object.path)?;
            Some((object, from, end))
        });
        Ok(spanned.collect())
    }

    /// Removes the parts of a segment that is there as a whole.
    pub(crate) async fn drop_pieces(&self, segment: Segment) -> Result<(), Error> {
        for piece in self.shelf().list(&segment.pieces()).await? {
            self.shelf().delete(&piece.path).await?;
        }
        Ok(())
    }

    /// Removes a segment that nothing needs any more.
    #[cfg(test)]
    pub(crate) async fn drop_segment(&self, segment: Segment) -> Result<(), Error> {
        self.drop_pieces(segment).await?;
        self.shelf().delete(&segment.whole()).await
    }

    /// The segments of a timeline that are there as a whole, in order.
    pub(crate) async fn segments(&self, timeline: u32, segment_bytes: u32) -> Result<Vec<ListedSegment>, Error> {
        let listed = self.shelf().list(&format!("wal/{timeline:08X}/whole")).await?;
        Ok(listed
            .iter()
            .filter_map(|object| {
                let name = object.path.rsplit('/').next()?;
                Some(ListedSegment {
                    segment: Segment::of_name(name, segment_bytes)?,
                    stored: object.bytes,
                    modified_unix_ms: object.modified_unix_ms,
                })
            })
            .collect())
    }

    /// The segments of a timeline of which there are parts, in order.
    pub(crate) async fn open_segments(&self, timeline: u32, segment_bytes: u32) -> Result<Vec<Segment>, Error> {
        let listed = self.shelf().list(&format!("wal/{timeline:08X}/pieces")).await?;
        let names = listed.iter().filter_map(|object| object.path.rsplit('/').nth(1));
        let mut segments: Vec<Segment> = names.filter_map(|name| Segment::of_name(name, segment_bytes)).collect();
        segments.dedup();
        Ok(segments)
    }

    /// Stores the history of a timeline.
    pub(crate) async fn put_history(&self, timeline: u32, content: &[u8]) -> Result<(), Error> {
        let path = history_path(timeline);
        let sealed = self.sealed_wal(&path, content, 3)?;
        match self.shelf().put_new(&path, sealed).await? {
            Put::Made => Ok(()),
            Put::Exists if self.opened_wal(&path).await? == content => Ok(()),
            Put::Exists => Err(Error::corrupt(&path, "another history of this timeline is there")),
        }
    }

    /// The history of a timeline. None: it has none, as the first, or it is not there.
    pub(crate) async fn history(&self, timeline: u32) -> Result<Option<Vec<u8>>, Error> {
        match self.opened_wal(&history_path(timeline)).await {
            Ok(content) => Ok(Some(content)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The timelines that have a history here, in order.
    pub(crate) async fn histories(&self) -> Result<Vec<u32>, Error> {
        let listed = self.shelf().list("wal/histories").await?;
        let names = listed.iter().filter_map(|object| object.path.rsplit('/').next());
        Ok(names
            .filter_map(|name| u32::from_str_radix(name.strip_suffix(".history")?, 16).ok())
            .collect())
    }

    /// Seals on a thread that may compute for long.
    async fn sealed_apart(&self, path: &str, content: Bytes, level: i32) -> Result<Bytes, Error> {
        if content.len() < APART_BYTES {
            return self.sealed_wal(path, &content, level);
        }
        let (repository, name) = (self.clone(), path.to_owned());
        let sealing = tokio::task::spawn_blocking(move || repository.sealed_wal(&name, &content, level));
        sealing.await.map_err(|error| Error::Store {
            repository: self.name().to_owned(),
            reason: format!("{path} was not sealed: {error}"),
        })?
    }

    fn sealed_wal(&self, path: &str, content: &[u8], level: i32) -> Result<Bytes, Error> {
        let packed = zstd::bulk::compress(content, level).map_err(|error| Error::corrupt(path, error.to_string()))?;
        let mut plain = Vec::with_capacity(packed.len() + 4);
        plain.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
        plain.extend_from_slice(&packed);
        seal::seal(
            Kind::Wal,
            self.keys().current()?,
            self.id_bytes(),
            path,
            keys::salt(path)?,
            &plain,
        )
    }

    /// The content of an object of the log.
    pub(crate) async fn opened_wal(&self, path: &str) -> Result<Vec<u8>, Error> {
        let sealed = self.shelf().get(path).await?;
        let plain = self.open_sealed(Kind::Wal, path, &sealed).await?;
        let (length, packed) = plain
            .split_first_chunk::<4>()
            .ok_or_else(|| Error::corrupt(path, "it is too short"))?;
        let length = u32::from_le_bytes(*length) as usize;
        // No segment is larger than a gibibyte.
        if length > 1 << 30 {
            return Err(Error::corrupt(path, "it is larger than any segment"));
        }
        let content =
            zstd::bulk::decompress(packed, length).map_err(|error| Error::corrupt(path, error.to_string()))?;
        if content.len() == length {
            Ok(content)
        } else {
            Err(Error::corrupt(path, "it is shorter than it says"))
        }
    }
}

/// Where the history of a timeline lies.
pub(crate) fn history_path(timeline: u32) -> String {
    format!("wal/histories/{timeline:08X}.history")
}

fn span(path: &str) -> Option<(u64, u64)> {
    let (from, end) = path.rsplit('/').next()?.split_once('-')?;
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_named_as_postgresql_names_them() {
        let segment = Segment::at(1, 0x1_6B37_4D48, 16 << 20);
        assert_eq!(segment.name(), "00000001000000010000006B");
        assert_eq!(Segment::of_name(&segment.name(), 16 << 20), Some(segment));
        let large = Segment::at(3, 0x2_4000_0000, 1 << 30);
        assert_eq!(large.name(), "000000030000000200000001");
        assert_eq!(Segment::of_name(&large.name(), 1 << 30), Some(large));
        for wrong in [
            "",
            "00000001000000010000006B.partial",
            "000000010000000100000FFF",
            "0000000100000001000000zz",
        ] {
            assert_eq!(Segment::of_name(wrong, 16 << 20), None, "{wrong}");
        }
    }
}
