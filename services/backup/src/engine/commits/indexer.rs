//! Makes the index of every whole segment, once each, the oldest first.
//!
//! It can be stopped at any moment, and several may do it at once: an index is made whole or not at all, and whoever comes
//! second finds it there. It takes no more than half of one thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_store::pause;

use super::index::Index;
use super::line::{Line, Stretch, load, make, store, timelines};
use super::names::Names;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::Repository;
use crate::repo::state::State;
use crate::repo::wal::Segment;

/// How often it is looked whether there is another segment.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How often everything is looked through. In between only the segment after the last is asked for.
const SURVEY_EVERY: Duration = Duration::from_secs(60);
/// How often names of what is being written are asked for: files that are replaced soon have a name for a short time only.
const GLANCE_EVERY: Duration = Duration::from_secs(60);
/// The longest pause after trouble.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A segment whose predecessor is missing is waited with for so long: it may still come.
const GAP_WAIT_MS: i64 = 600_000;
/// Or until so many have come after it.
const GAP_SEGMENTS: usize = 32;
/// Names are learnt from so many of the latest indexes.
const NAMES_FROM: usize = 32;

/// Makes indexes until it is stopped.
pub(super) struct Indexer {
    keeper: Arc<Keeper>,
    names: Names,
    /// The backup whose names are known.
    learnt: String,
    /// What the last survey found everything to be, and the last segment that was indexed since.
    last: Option<(Repository, Segment, Arc<Index>)>,
    surveyed: Option<Instant>,
    glanced: Option<Instant>,
}

impl Indexer {
    /// Nothing was looked at yet.
    pub(super) fn new(keeper: Arc<Keeper>) -> Self {
        Self {
            keeper,
            names: Names::default(),
            learnt: String::new(),
            last: None,
            surveyed: None,
            glanced: None,
        }
    }

    /// Makes indexes until it is stopped.
    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let mut wait = LOOK_EVERY;
        while pause(stop, wait).await {
            match stop.run_until_cancelled(self.round()).await {
                Some(Ok(())) => wait = LOOK_EVERY,
                Some(Err(error)) => {
                    wait = (wait * 2).min(PAUSE_MAX);
                    (self.last, self.surveyed) = (None, None);
                    tracing::warn!(error = %error, "commits of the archived log are not indexed; trying again");
                }
                None => return,
            }
        }
    }

    /// Makes every index that can be made now.
    pub(super) async fn round(&mut self) -> Result<(), Error> {
        while self.next().await? {}
        if self.surveyed.is_none_or(|surveyed| surveyed.elapsed() >= SURVEY_EVERY) {
            self.survey().await?;
            self.surveyed = Some(Instant::now());
        }
        if self.glanced.is_none_or(|glanced| glanced.elapsed() >= GLANCE_EVERY) {
            self.glanced = Some(Instant::now());
            self.glance().await?;
        }
        Ok(())
    }

    /// Learns the names of what the open end tells of.
    async fn glance(&mut self) -> Result<(), Error> {
        let repository = self.keeper.repositories.first().await?;
        let Some(mut line) = Line::of(&repository, 0).await? else {
            return Ok(());
        };
        let last = line.stretches.len().saturating_sub(1);
        let is_open = line.stretches.last().is_some_and(|stretch| !stretch.whole);
        // Where it follows what is not indexed yet, that comes first.
        if is_open && (line.is_indexed(last.saturating_sub(1)) || !line.follows(last)) {
            let index = line.index(last).await?;
            self.names.hear(&self.keeper, &index).await;
        }
        Ok(())
    }

    /// Indexes the segment after the last one; says whether it was there.
    async fn next(&mut self) -> Result<bool, Error> {
        let Some((repository, segment, index)) = self.last.clone() else {
            return Ok(false);
        };
        let next = segment.next();
        if !repository.has_segment(next).await? {
            return Ok(false);
        }
        let cluster = index.system_identifier;
        self.make(&repository, next, Some(index), cluster).await?;
        Ok(true)
    }

    /// Looks through everything for segments without an index.
    async fn survey(&mut self) -> Result<(), Error> {
        let repository = self.keeper.repositories.first().await?;
        let state = repository.state().await?;
        self.learn_backup(&repository, &state).await;
        for timeline in timelines(&repository, &state).await? {
            if let Some(mut line) = Line::of(&repository, timeline).await? {
                self.survey_line(&repository, &mut line).await?;
            }
        }
        Ok(())
    }

    /// Learns the names of the latest backup, once. Without them relations are told of as numbers.
    async fn learn_backup(&mut self, repository: &Repository, state: &State) {
        let latest = state.of_cluster().next_back();
        let Some(backup) = latest.filter(|backup| self.learnt != backup.id) else {
            return;
        };
        self.learnt.clone_from(&backup.id);
        match repository.manifest(backup).await {
            Ok(manifest) => self.names.learn_manifest(&manifest),
            Err(error) => tracing::warn!(backup.id = backup.id, error = %error, "the names of a backup cannot be read"),
        }
    }

    /// Indexes what has no index on a timeline.
    async fn survey_line(&mut self, repository: &Repository, line: &mut Line) -> Result<(), Error> {
        let mut before: Option<Arc<Index>> = None;
        let stretches = line.stretches.clone();
        let cluster = repository.state().await?.system_identifier;
        for (at, stretch) in stretches.iter().enumerate() {
            let is_due = stretch.whole && stretch.segment.timeline == line.timeline && !line.is_indexed(at);
            if !is_due {
                before = None;
                continue;
            }
            let predecessor = match before.take().filter(|_| line.follows(at)) {
                Some(before) => Some(before),
                None => line.predecessor(at).await?,
            };
            let may_wait = predecessor.is_none() && at > 0 && stretches.len() - at < GAP_SEGMENTS;
            if may_wait && !self.is_overdue(repository, stretch.segment).await? {
                return Ok(());
            }
            before = Some(self.make(repository, stretch.segment, predecessor, cluster).await?);
        }
        self.go_on_from(repository, &stretches, line.timeline, before).await
    }

    /// Remembers the last segment of a timeline, to ask for the one after it only.
    async fn go_on_from(
        &mut self,
        repository: &Repository,
        stretches: &[Stretch],
        timeline: u32,
        made: Option<Arc<Index>>,
    ) -> Result<(), Error> {
        let of_timeline = |stretch: &&Stretch| stretch.whole && stretch.segment.timeline == timeline;
        let Some(last) = stretches.iter().rfind(of_timeline) else {
            return Ok(());
        };
        let index = match made {
            Some(made) => made,
            None => Arc::new(load(repository, last.segment).await?),
        };
        if self.surveyed.is_none() {
            self.remember_names(repository, stretches).await;
        }
        self.last = Some((repository.clone(), last.segment, index));
        Ok(())
    }

    /// Learns the names that were known lately: the server may not know them any more.
    async fn remember_names(&mut self, repository: &Repository, stretches: &[Stretch]) {
        let latest: Vec<_> = stretches
            .iter()
            .filter(|stretch| stretch.whole)
            .rev()
            .take(NAMES_FROM)
            .collect();
        for stretch in latest.into_iter().rev() {
            if let Ok(index) = load(repository, stretch.segment).await {
                self.names.learn_index(&index);
            }
        }
    }

    /// Whether a segment has been there for so long that the one before it will not come any more.
    async fn is_overdue(&self, repository: &Repository, segment: Segment) -> Result<bool, Error> {
        let listed = repository.segments(segment.timeline, segment.bytes).await?;
        let found = listed.iter().find(|listed| listed.segment == segment);
        let now = self.keeper.clock.unix_ms();
        Ok(found.is_some_and(|found| now.saturating_sub(found.modified_unix_ms) >= GAP_WAIT_MS))
    }

    /// Makes and stores one index, and rests as long as that took.
    async fn make(
        &mut self,
        repository: &Repository,
        segment: Segment,
        before: Option<Arc<Index>>,
        system_identifier: u64,
    ) -> Result<Arc<Index>, Error> {
        let started = Instant::now();
        let (mut index, complete) = make(repository, segment, before, system_identifier).await?;
        let worked = started.elapsed();
        self.names.learn_index(&index);
        self.names.hear(&self.keeper, &index).await;
        self.names.fill(&mut index);
        if complete {
            store(repository, segment, &index).await?;
        }
        tell(&index);
        let index = Arc::new(index);
        self.last = Some((repository.clone(), segment, Arc::clone(&index)));
        tokio::time::sleep(worked).await;
        Ok(index)
    }
}

fn tell(index: &Index) {
    let segment = Segment {
        timeline: index.timeline,
        number: index.number,
        bytes: index.segment_bytes,
    };
    let commits = index.commits.as_ref().map_or(0, |commits| commits.xids.len());
    if index.broken.is_empty() {
        tracing::debug!(
            wal.segment = segment.name(),
            commits,
            "commits of a segment are indexed"
        );
    } else {
        let (segment, at, reason) = (segment.name(), index.end, &index.broken);
        tracing::error!(
            wal.segment = segment,
            wal.at = at,
            reason,
            "the archived log cannot be read on"
        );
    }
}
