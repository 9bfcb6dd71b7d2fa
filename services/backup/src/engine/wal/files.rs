//! A file of `pg_wal` on its way into the repositories: what its name says it is, and whether it is that.

use bytes::Bytes;

use super::WHOLE_LEVEL;
use super::header::FirstPage;
use super::whereabouts;
use crate::repo::wal::Segment;
use crate::repo::{self, Repository};

/// What a file of `pg_wal` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum File {
    /// The history of a timeline.
    History(u32),
    /// A segment.
    Segment,
    /// The last segment of a timeline that was left.
    Partial,
    /// Where a base backup began and ended. Nothing here needs it.
    Backup,
}

impl File {
    /// What a name says; none where it says nothing that is known.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
        if !is_hex(stem) {
            return None;
        }
        match (stem.len(), ending) {
            (8, "history") => u32::from_str_radix(stem, 16).ok().map(Self::History),
            (24, "") => Some(Self::Segment),
            (24, "partial") => Some(Self::Partial),
            (24, ending) if ending.ends_with(".backup") => Some(Self::Backup),
            _ => None,
        }
    }
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A repository could not take it now, or has another in its place.
    #[error(transparent)]
    Repository(#[from] repo::Error),
    /// It is not what its name says.
    #[error("{name}: {reason}")]
    Not {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Refusal {
    fn not(name: &str, reason: impl Into<String>) -> Self {
        Self::Not {
            name: name.to_owned(),
            reason: reason.into(),
        }
    }

    /// Whether it may be taken later.
    pub(super) const fn is_passing(&self) -> bool {
        match self {
            Self::Repository(error) => error.is_passing(),
            Self::Not { .. } => false,
        }
    }
}

/// Has a repository take a file. `system_identifier` 0: whatever the repository holds, or the file says. Returns the
/// segment where it was a whole one.
pub(super) async fn put(
    repository: &Repository,
    name: &str,
    content: Bytes,
    system_identifier: u64,
) -> Result<Option<Segment>, Refusal> {
    match File::of_name(name) {
        Some(File::History(timeline)) => {
            super::history::History::read(timeline, Some(&content)).map_err(|reason| Refusal::not(name, reason))?;
            repository.put_history(timeline, &content).await?;
            Ok(None)
        }
        Some(File::Segment) => {
            let segment = checked(repository, name, name, &content, system_identifier).await?;
            repository.keep_segment(segment, content, WHOLE_LEVEL).await?;
            Ok(Some(segment))
        }
        Some(File::Partial) => {
            let stem = name.split('.').next().unwrap_or_default();
            let segment = checked(repository, name, stem, &content, system_identifier).await?;
            put_partial(repository, segment, content).await?;
            Ok(None)
        }
        Some(File::Backup) => Ok(None),
        None => Err(Refusal::not(name, "its name is not one of a file of pg_wal")),
    }
}

async fn checked(
    repository: &Repository,
    name: &str,
    stem: &str,
    content: &[u8],
    system_identifier: u64,
) -> Result<Segment, Refusal> {
    let Some(page) = FirstPage::read(content) else {
        return Err(Refusal::not(
            name,
            "it does not begin as a segment of the write-ahead log does",
        ));
    };
    let wrong_name = || Refusal::not(name, "its name is not one of its cluster");
    let segment = Segment::of_name(stem, page.segment_bytes).ok_or_else(wrong_name)?;
    if let Some(reason) = FirstPage::trouble(content, segment, system_identifier) {
        return Err(Refusal::not(name, reason));
    }
    if content.len() as u64 != u64::from(segment.bytes) {
        return Err(Refusal::not(name, "it is cut short"));
    }
    whereabouts::claim(repository, page.system_identifier).await?;
    Ok(segment)
}

/// The log of a timeline that was left ends somewhere in its last segment; what lies behind it is of no use and no harm.
async fn put_partial(repository: &Repository, segment: Segment, content: Bytes) -> Result<(), repo::Error> {
    let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let here = whereabouts::known(repository, segment).await?;
    let both = here.len().min(used);
    if here.get(..both) != content.get(..both) {
        return Err(repo::Error::corrupt(
            &segment.name(),
            "the repository holds other log of this position",
        ));
    }
    if used <= here.len() {
        return Ok(());
    }
    let offset = u32::try_from(here.len()).unwrap_or(u32::MAX);
    repository
        .keep_piece(segment, offset, content.slice(here.len()..used), WHOLE_LEVEL)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_files_are() {
        assert_eq!(File::of_name("00000002.history"), Some(File::History(2)));
        assert_eq!(File::of_name("000000010000000000000003"), Some(File::Segment));
        assert_eq!(File::of_name("000000010000000000000003.partial"), Some(File::Partial));
        assert_eq!(
            File::of_name("000000010000000000000003.00000028.backup"),
            Some(File::Backup)
        );
        for other in [
            "",
            "x",
            "000000010000000000000003.tmp",
            "00000001000000000000000z",
            "1.history",
            "archive_status",
        ] {
            assert_eq!(File::of_name(other), None, "{other}");
        }
    }
}
