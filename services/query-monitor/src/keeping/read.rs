//! Statistics for whoever asks: from the rows and from what is not written yet, each call once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::time::timeout;
use weir_model::{Fingerprint, Project};
use weir_proto::common::v1::StatementKind;

use super::Keeper;
use crate::aggregate::{Cell, Columns, Key, LATE_AFTER_MS, Level, Part, Shape, Unwritten, cover_finely};
use crate::store::{self, Wanted, Written};

/// How long the store may take for an answer.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// Milliseconds of the time that a timeline shows unless it is told otherwise.
const TIMELINE_MS: i64 = 3_600_000;
/// The latest moment that is meant by anybody: the end of the year 9999.
const LATEST_MS: i64 = 253_402_300_799_999;

/// A stretch of time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Period {
    pub(crate) from_unix_ms: i64,
    pub(crate) to_unix_ms: i64,
}

impl Period {
    /// Whether a span of ten seconds is at least partly within.
    const fn meets(&self, span_unix_ms: i64) -> bool {
        span_unix_ms + Level::Seconds.width_ms() > self.from_unix_ms && span_unix_ms < self.to_unix_ms
    }
}

/// An answer, and what it lacks, in words.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) found: T,
    pub(crate) missing: String,
}

/// The spans of one line, by when they begin, with how long they are.
pub(crate) type Spans = BTreeMap<i64, (i64, Cell)>;

impl Keeper {
    /// The time that a request means; no end is now.
    pub(crate) fn period(&self, since_unix_ms: i64, until_unix_ms: i64) -> Period {
        let since_unix_ms = since_unix_ms.clamp(0, LATEST_MS);
        // A gateway's clock may be ahead by as much as it may be late.
        let end = self.clock.unix_ms().max(since_unix_ms) + LATE_AFTER_MS;
        Period {
            from_unix_ms: since_unix_ms,
            to_unix_ms: if until_unix_ms == 0 {
                end
            } else {
                until_unix_ms.clamp(0, end)
            },
        }
    }

    /// The time of a timeline; no beginning is an hour ago.
    pub(crate) fn timeline_period(&self, since_unix_ms: i64, until_unix_ms: i64) -> Period {
        let mut period = self.period(since_unix_ms, until_unix_ms);
        if since_unix_ms == 0 {
            period.from_unix_ms = period.to_unix_ms - LATE_AFTER_MS - TIMELINE_MS;
        }
        period
    }

    /// The columns in which a chart shows a period.
    pub(crate) fn columns(&self, period: Period, most: u32) -> Columns {
        let days = i64::try_from(self.retention.days.as_millis()).unwrap_or(i64::MAX);
        let from = period.from_unix_ms.max(period.to_unix_ms.saturating_sub(days));
        Columns::of(from, period.to_unix_ms, most)
    }

    /// Lines of a project, each put together over the period.
    pub(crate) async fn lines(&self, project: &Project, wanted: &Wanted, period: Period) -> Answer<HashMap<Key, Cell>> {
        let unwritten = self.unwritten(project);
        let read = timeout(READ_WITHIN, self.read_lines(project, wanted, period)).await;
        let (mut lines, written, missing) = self.or_missing(read.unwrap_or(Err(sqlx::Error::PoolTimedOut)));
        let shapes: Option<HashSet<Fingerprint>> =
            wanted.fingerprints.as_ref().map(|all| all.iter().copied().collect());
        let is_wanted = |key: &Key| {
            let database = wanted.database.is_empty() || wanted.database == key.database;
            database && shapes.as_ref().is_none_or(|wanted| wanted.contains(&key.fingerprint))
        };
        for (span, key, cell) in self.new_cells(unwritten, written.as_ref()) {
            if period.meets(span) && is_wanted(&key) {
                lines.entry(key).or_default().merge(&cell);
            }
        }
        Answer { found: lines, missing }
    }

    /// One line of a project in columns.
    pub(crate) async fn in_columns(
        &self,
        project: &Project,
        line: (&str, Fingerprint),
        period: Period,
        columns: Columns,
    ) -> Answer<Spans> {
        let Answer { found, missing } = self.spans(project, line, period, columns.coarsest()).await;
        let mut gathered = Spans::new();
        for (from, (width, cell)) in found {
            let (begin, width) = columns.place(from, width);
            gathered.entry(begin).or_insert((width, Cell::default())).1.merge(&cell);
        }
        Answer {
            found: gathered,
            missing,
        }
    }

    /// One line of a project, span by span, none coarser than that level where there is something finer.
    pub(crate) async fn spans(
        &self,
        project: &Project,
        (database, fingerprint): (&str, Fingerprint),
        period: Period,
        coarsest: Level,
    ) -> Answer<Spans> {
        let unwritten = self.unwritten(project);
        let line = (database, fingerprint);
        let read = timeout(READ_WITHIN, self.read_spans(project, line, period, coarsest)).await;
        let (mut spans, written, missing) = self.or_missing(read.unwrap_or(Err(sqlx::Error::PoolTimedOut)));
        for (span, key, cell) in self.new_cells(unwritten, written.as_ref()) {
            let is_meant = key.fingerprint == fingerprint && (database.is_empty() || key.database == database);
            if is_meant && period.meets(span) {
                add_to_spans(&mut spans, span, &cell);
            }
        }
        Answer { found: spans, missing }
    }

    fn unwritten(&self, project: &Project) -> Vec<Unwritten> {
        let now = self.clock.unix_ms();
        self.shared
            .with(|knowledge| knowledge.statistics.unwritten(project, now))
    }

    /// Cells of batches that the snapshot does not have.
    fn new_cells(
        &self,
        unwritten: Vec<Unwritten>,
        written: Option<&Written>,
    ) -> impl Iterator<Item = (i64, Key, Cell)> {
        let is_new = move |batch: &Unwritten| {
            let monitor = batch.monitor.as_deref().unwrap_or(&self.monitor);
            let last = written.and_then(|written| written.batches.get(monitor).copied());
            batch.number > last.unwrap_or(0)
        };
        unwritten.into_iter().filter(is_new).flat_map(|batch| batch.cells)
    }

    /// What was read; or nothing, and why.
    fn or_missing<T: Default>(&self, read: sqlx::Result<(T, Written)>) -> (T, Option<Written>, String) {
        match read {
            Ok((found, written)) => (found, Some(written), String::new()),
            Err(error) => {
                let why = self.store.error(error);
                let missing = format!("only what is not in the store yet is shown, because the store is away: {why}");
                (T::default(), None, missing)
            }
        }
    }

    async fn read_lines(
        &self,
        project: &Project,
        wanted: &Wanted,
        period: Period,
    ) -> sqlx::Result<(HashMap<Key, Cell>, Written)> {
        let mut transaction = self.store.pool().begin().await?;
        let written = store::begin_snapshot(&mut transaction).await?;
        let mut lines: HashMap<Key, Cell> = HashMap::new();
        for part in self.cover(&written, period, Level::Days) {
            for (key, cell) in store::read_part(&mut transaction, project, part, wanted).await? {
                lines.entry(key).or_default().merge(&cell);
            }
        }
        transaction.commit().await?;
        Ok((lines, written))
    }

    async fn read_spans(
        &self,
        project: &Project,
        line: (&str, Fingerprint),
        period: Period,
        coarsest: Level,
    ) -> sqlx::Result<(Spans, Written)> {
        let mut transaction = self.store.pool().begin().await?;
        let written = store::begin_snapshot(&mut transaction).await?;
        let mut spans = Spans::new();
        for part in self.cover(&written, period, coarsest) {
            let width = part.level.width_ms();
            for (span, cell) in store::read_spans(&mut transaction, project, part, line).await? {
                spans.entry(span).or_insert((width, Cell::default())).1.merge(&cell);
            }
        }
        transaction.commit().await?;
        Ok((spans, written))
    }

    fn cover(&self, written: &Written, period: Period, coarsest: Level) -> Vec<Part> {
        cover_finely(
            &self.kept(written, self.clock.unix_ms()),
            coarsest,
            period.from_unix_ms,
            period.to_unix_ms,
        )
    }

    /// Fingerprints of statements whose text contains this.
    pub(crate) async fn search(&self, text: &str) -> Answer<Vec<Fingerprint>> {
        let in_memory = self.shared.with(|knowledge| knowledge.statistics.shapes.search(text));
        let found = async {
            let mut connection = self.store.pool().acquire().await?;
            store::search_shapes(&mut connection, text).await
        };
        self.with_stored(in_memory, found).await
    }

    /// Fingerprints of statements of a kind.
    pub(crate) async fn of_kind(&self, kind: StatementKind) -> Answer<Vec<Fingerprint>> {
        let in_memory = self.shared.with(|knowledge| knowledge.statistics.shapes.of_kind(kind));
        let found = async {
            let mut connection = self.store.pool().acquire().await?;
            store::shapes_of_kind(&mut connection, kind).await
        };
        self.with_stored(in_memory, found).await
    }

    async fn with_stored(
        &self,
        in_memory: Vec<Fingerprint>,
        found: impl Future<Output = sqlx::Result<Vec<Fingerprint>>>,
    ) -> Answer<Vec<Fingerprint>> {
        let found = timeout(READ_WITHIN, found);
        let found = found.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let missing = found.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let all: HashSet<Fingerprint> = found.unwrap_or_default().into_iter().chain(in_memory).collect();
        Answer {
            found: all.into_iter().collect(),
            missing,
        }
    }

    /// What fingerprints stand for, as far as anybody told.
    pub(crate) async fn shapes(&self, fingerprints: &[Fingerprint]) -> HashMap<Fingerprint, Shape> {
        let mut known = self
            .shared
            .with(|knowledge| knowledge.statistics.shapes.of(fingerprints));
        let unknown: Vec<_> = fingerprints
            .iter()
            .copied()
            .filter(|one| !known.contains_key(one))
            .collect();
        if unknown.is_empty() {
            return known;
        }
        let read = timeout(READ_WITHIN, async {
            let mut connection = self.store.pool().acquire().await?;
            store::read_shapes(&mut connection, &unknown).await
        });
        // A text that cannot be had now is an empty one: the figures are what was asked for.
        known.extend(read.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).unwrap_or_default());
        known
    }
}

/// Adds ten seconds to the span that they are in, which may be a longer one by now.
fn add_to_spans(spans: &mut Spans, span: i64, cell: &Cell) {
    let before = spans.range_mut(..=span).next_back();
    match before {
        Some((from, (width, sum))) if *from + *width > span => sum.merge(cell),
        _ => drop(spans.insert(span, (Level::Seconds.width_ms(), cell.clone()))),
    }
}
