//! The log that leads to a timeline, segment by segment, each with its index: the one that was stored, or, for what has
//! none yet, one that is made in passing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::digest::{Part, digest};
use super::history::{Reach, reaches};
use super::index::{Index, path_of};
use super::page::first_page;
use super::tally::Bounds;
use crate::error::Error;
use crate::repo::seal::Kind;
use crate::repo::state::{Position, State};
use crate::repo::wal::{Held, Segment};
use crate::repo::{self, Put, Repository};

/// So many segments without an index are read in passing; more have to wait for theirs.
const PASSING_MAX: usize = 64;

/// A segment on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub segment: Segment,
    /// All of it is there.
    pub whole: bool,
}

/// The log that leads to a timeline.
#[derive(Debug)]
pub(crate) struct Line {
    repository: Repository,
    pub timeline: u32,
    pub segment_bytes: u32,
    system_identifier: u64,
    reaches: Vec<Reach>,
    /// In order; where numbers do not follow each other, log is missing.
    pub stretches: Vec<Stretch>,
    /// Those that have an index.
    indexed: HashSet<Segment>,
    /// What was made in passing, and whether its segment was there to its end.
    made: BTreeMap<usize, (Arc<Index>, bool)>,
}

impl Line {
    /// The line of a timeline; 0: of the latest. None: there is no log.
    pub(crate) async fn of(repository: &Repository, timeline: u32) -> Result<Option<Self>, Error> {
        let state = repository.state().await?;
        let timelines = timelines(repository, &state).await?;
        let Some(latest) = timelines.last() else {
            return Ok(None);
        };
        let timeline = if timeline == 0 { *latest } else { timeline };
        let Some(segment_bytes) = segment_bytes(repository, &state, &timelines).await? else {
            return Ok(None);
        };
        let history = repository.history(timeline).await?;
        let reaches = reaches(timeline, history.as_deref())
            .map_err(|reason| repo::Error::corrupt(&format!("the history of timeline {timeline}"), reason))?;
        let mut line = Self {
            repository: repository.clone(),
            timeline,
            segment_bytes,
            system_identifier: state.system_identifier,
            stretches: Vec::new(),
            indexed: HashSet::new(),
            made: BTreeMap::new(),
            reaches,
        };
        line.look().await?;
        Ok(Some(line))
    }

    /// What there is of each segment. Where several timelines hold one, the later holds what the earlier held.
    async fn look(&mut self) -> Result<(), Error> {
        let mut found = BTreeMap::new();
        for reach in self.reaches.clone() {
            let size = u64::from(self.segment_bytes);
            let is_within = |segment: &Segment| segment.number >= reach.from / size && segment.start() < reach.until;
            let open = self
                .repository
                .open_segments(reach.timeline, self.segment_bytes)
                .await?;
            let whole = self.repository.segments(reach.timeline, self.segment_bytes).await?;
            for segment in open.into_iter().filter(is_within) {
                found.insert(segment.number, Stretch { segment, whole: false });
            }
            let whole = whole.into_iter().map(|listed| listed.segment);
            for segment in whole.filter(is_within) {
                found.insert(segment.number, Stretch { segment, whole: true });
            }
            self.indexed
                .extend(indexed(&self.repository, reach.timeline, self.segment_bytes).await?);
        }
        self.stretches = found.into_values().collect();
        Ok(())
    }

    /// The timeline that a position lies on: where something that ends there was written.
    pub(crate) fn timeline_at(&self, end: u64) -> u32 {
        let reach = self.reaches.iter().find(|reach| end <= reach.until);
        reach.map_or(self.timeline, |reach| reach.timeline)
    }

    /// Whether a position of some timeline lies on this line.
    pub(crate) fn holds(&self, position: Position) -> bool {
        let reach = self.reaches.iter().find(|reach| reach.timeline == position.timeline);
        reach.is_some_and(|reach| position.lsn <= reach.until)
    }

    /// Where a stretch begins.
    pub(crate) fn start_of(&self, at: usize) -> u64 {
        self.stretches
            .get(at)
            .map_or(u64::MAX, |stretch| stretch.segment.start())
    }

    /// Up to where what a stretch holds belongs to this line.
    pub(crate) fn until_of(&self, at: usize) -> u64 {
        let Some(stretch) = self.stretches.get(at) else {
            return 0;
        };
        let reach = self
            .reaches
            .iter()
            .find(|reach| reach.timeline == stretch.segment.timeline);
        reach.map_or(u64::MAX, |reach| reach.until)
    }

    /// Whether a stretch has an index that was stored.
    pub(crate) fn is_indexed(&self, at: usize) -> bool {
        self.stretches
            .get(at)
            .is_some_and(|stretch| self.indexed.contains(&stretch.segment))
    }

    /// Whether a stretch goes on right where the one before ends.
    pub(crate) fn follows(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.stretches.get(before));
        let pair = before.zip(self.stretches.get(at));
        pair.is_some_and(|(before, here)| before.segment.number + 1 == here.segment.number)
    }

    /// The index of a stretch.
    pub(crate) async fn index(&mut self, at: usize) -> Result<Arc<Index>, Error> {
        if let Some(stored) = self.stored(at).await? {
            return Ok(stored);
        }
        let mut first = at;
        while !self.made.contains_key(&first) && !self.is_indexed(first) && self.follows(first) {
            first -= 1;
            if at - first > PASSING_MAX {
                let reason = format!("commits of {} are still being read", self.repository.name());
                return Err(repo::Error::Busy(reason).into());
            }
        }
        let mut last = None;
        for next in first..=at {
            last = Some(self.passing(next).await?);
        }
        last.ok_or_else(|| Error::Repository(repo::Error::Busy("there is no such segment".to_owned())))
    }

    async fn stored(&mut self, at: usize) -> Result<Option<Arc<Index>>, Error> {
        let Some(stretch) = self.stretches.get(at).filter(|_| self.is_indexed(at)) else {
            return Ok(None);
        };
        let segment = stretch.segment;
        match load(&self.repository, segment).await {
            Ok(index) => Ok(Some(Arc::new(index))),
            // Retention took it meanwhile, or somebody harmed it: it says nothing that the log does not.
            Err(repo::Error::Missing { .. } | repo::Error::Corrupt { .. }) => {
                self.indexed.remove(&segment);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The index of a stretch, if those before it are at hand.
    async fn passing(&mut self, at: usize) -> Result<Arc<Index>, Error> {
        if let Some((made, _)) = self.made.get(&at) {
            return Ok(Arc::clone(made));
        }
        if let Some(stored) = self.stored(at).await? {
            return Ok(stored);
        }
        let before = if self.follows(at) { self.before(at).await? } else { None };
        let Some(stretch) = self.stretches.get(at).copied() else {
            return Err(repo::Error::Busy("there is no such segment".to_owned()).into());
        };
        let (index, complete) = self.make(stretch, before).await?;
        let index = Arc::new(index);
        self.made.insert(at, (Arc::clone(&index), complete));
        Ok(index)
    }

    /// The index before a stretch, unless its segment is not there to its end.
    async fn before(&mut self, at: usize) -> Result<Option<Arc<Index>>, Error> {
        let before = at.saturating_sub(1);
        if let Some((made, complete)) = self.made.get(&before) {
            return Ok(complete.then(|| Arc::clone(made)));
        }
        self.stored(before).await
    }

    /// The index before a stretch, made in passing where it has to be. None: the log before it is missing, or not there to
    /// its end.
    pub(super) async fn predecessor(&mut self, at: usize) -> Result<Option<Arc<Index>>, Error> {
        if !self.follows(at) {
            return Ok(None);
        }
        self.index(at - 1).await?;
        self.before(at).await
    }

    async fn make(&self, stretch: Stretch, before: Option<Arc<Index>>) -> Result<(Index, bool), Error> {
        make(&self.repository, stretch.segment, before, self.system_identifier).await
    }
}

/// Makes the index of a segment; says whether the segment was there to its end.
pub(super) async fn make(
    repository: &Repository,
    segment: Segment,
    before: Option<Arc<Index>>,
    system_identifier: u64,
) -> Result<(Index, bool), Error> {
    let (content, whole) = match repository.segment(segment).await? {
        Held::Whole(content) => (content, true),
        Held::Beginning(content) => {
            let whole = content.len() as u64 == u64::from(segment.bytes);
            (content, whole)
        }
    };
    let making = tokio::task::spawn_blocking(move || {
        let part = Part {
            segment,
            bytes: &content,
            whole,
            system_identifier,
        };
        digest(part, before.as_deref(), Bounds::default())
    });
    let index = making.await.map_err(|_| Error::Stopped)?;
    Ok((index, whole))
}

/// Stores an index where none is. What was there first stays.
pub(super) async fn store(repository: &Repository, segment: Segment, index: &Index) -> Result<Put, Error> {
    let path = path_of(segment.timeline, &segment.name());
    let packed = index
        .pack()
        .map_err(|error| repo::Error::corrupt(&path, error.to_string()))?;
    Ok(repository.put_sealed(Kind::Commits, &path, &packed).await?)
}

/// The index that was stored of a segment.
pub(super) async fn load(repository: &Repository, segment: Segment) -> Result<Index, repo::Error> {
    let path = path_of(segment.timeline, &segment.name());
    let packed = repository.get_sealed(Kind::Commits, &path).await?;
    let index = Index::unpack(&packed).map_err(|error| repo::Error::corrupt(&path, error.to_string()))?;
    let is_its =
        (index.timeline, index.number, index.segment_bytes) == (segment.timeline, segment.number, segment.bytes);
    if is_its {
        Ok(index)
    } else {
        Err(repo::Error::corrupt(&path, "it is of another segment"))
    }
}

async fn indexed(repository: &Repository, timeline: u32, segment_bytes: u32) -> Result<Vec<Segment>, Error> {
    let listed = repository.shelf().list(&format!("commits/{timeline:08X}")).await?;
    let names = listed.iter().filter_map(|object| object.path.rsplit('/').next());
    Ok(names.filter_map(|name| Segment::of_name(name, segment_bytes)).collect())
}

/// The timelines that are known here, in order.
pub(super) async fn timelines(repository: &Repository, state: &State) -> Result<Vec<u32>, Error> {
    let mut timelines = repository.histories().await?;
    let of_backups = state.of_cluster().flat_map(|backup| [backup.start, backup.stop]);
    timelines.extend(of_backups.flatten().map(|position| position.timeline));
    timelines.push(1);
    timelines.retain(|timeline| *timeline != 0);
    timelines.sort_unstable();
    timelines.dedup();
    Ok(timelines)
}

/// The size of the cluster's segments, as a backup says, or else the log itself.
async fn segment_bytes(repository: &Repository, state: &State, timelines: &[u32]) -> Result<Option<u32>, Error> {
    let said = state
        .of_cluster()
        .map(|backup| backup.wal_segment_bytes)
        .rfind(|bytes| *bytes != 0);
    if said.is_some() {
        return Ok(said);
    }
    for timeline in timelines.iter().rev() {
        let listed = repository.shelf().list(&format!("wal/{timeline:08X}")).await?;
        let begins = listed.iter().find(|object| {
            let mut names = object.path.rsplit('/');
            let name = names.next().unwrap_or_default();
            name.starts_with("00000000-") || names.next() == Some("whole")
        });
        if let Some(object) = begins {
            return Ok(said_by_log(repository, &object.path).await?);
        }
    }
    Ok(None)
}

/// What the first page of a segment says of the size of all.
async fn said_by_log(repository: &Repository, path: &str) -> Result<Option<u32>, repo::Error> {
    let content = repository.opened_wal(path).await?;
    let size = first_page(&content).map(|page| page.segment_bytes);
    Ok(size.filter(|size| size.is_power_of_two() && (1 << 20..=1 << 30).contains(size)))
}
