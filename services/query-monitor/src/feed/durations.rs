//! How long statements took, in the buckets of `db.client.operation.duration`. Pure.
//!
//! One line for each project, database, operation and way to fail. Their number is bounded; what comes after the last
//! free one is counted in a line of its own, which says so, so that totals stay exact.

use std::collections::HashMap;

use weir_model::Project;
use weir_proto::common::v1::StatementKind;

use crate::aggregate::Told;

/// The upper bounds of the buckets, in seconds, as the conventions recommend them.
pub(super) const BOUNDS_SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
/// Lines at most, the one for the rest included: what OpenTelemetry allows one metric unless told otherwise.
pub(super) const LINES_MAX: usize = 2_000;
/// Longest name of a database.
const NAME_CHARACTERS_MAX: usize = 63;

/// A SQLSTATE; of another form, or not told: none.
type SqlState = Option<[u8; 5]>;

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub project: Project,
    pub database: String,
    pub kind: StatementKind,
    /// How it failed, if it did.
    pub failure: Option<SqlState>,
}

/// The figures of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Histogram {
    pub counts: [u64; BOUNDS_SECONDS.len() + 1],
    pub sum_seconds: f64,
}

impl Histogram {
    fn add(&mut self, seconds: f64) {
        let bucket = BOUNDS_SECONDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum_seconds += seconds;
    }
}

/// Where the lines of one database are: those of statements that went well by their kind, without any look-up by text.
#[derive(Debug, Default)]
struct Places {
    well: [Option<usize>; KINDS],
    failed: HashMap<(usize, SqlState), usize>,
}

/// Kinds of statements, the unknown one included.
const KINDS: usize = 10;

/// All durations since the start.
#[derive(Debug)]
pub(crate) struct Durations {
    lines: Vec<(Line, Histogram)>,
    places: HashMap<Project, HashMap<String, Places>>,
    rest: Histogram,
    pub(super) since_unix_ms: i64,
}

impl Durations {
    /// Nothing counted yet.
    pub(super) fn new(now_unix_ms: i64) -> Self {
        Self {
            lines: Vec::new(),
            places: HashMap::new(),
            rest: Histogram::default(),
            since_unix_ms: now_unix_ms,
        }
    }

    /// Counts a batch. What is looked up once a batch need not be once an event.
    pub(super) fn add(&mut self, project: &Project, events: &[Told<'_>]) {
        if !self.places.contains_key(project) && self.lines.len() < LINES_MAX {
            self.places.insert(project.clone(), HashMap::new());
        }
        let mut databases = self.places.get_mut(project);
        for event in events {
            let found = databases
                .as_deref_mut()
                .and_then(|databases| place(databases, &mut self.lines, project, event));
            let line = found.and_then(|place| self.lines.get_mut(place));
            let histogram = line.map(|(_, histogram)| histogram);
            histogram.unwrap_or(&mut self.rest).add(event.total_us() as f64 / 1e6);
        }
    }

    /// Every line, and what is left.
    pub(super) fn lines(&self) -> (&[(Line, Histogram)], &Histogram) {
        (&self.lines, &self.rest)
    }
}

/// Where the line of an event is, which is begun if there is room. None: the rest.
fn place(
    databases: &mut HashMap<String, Places>,
    lines: &mut Vec<(Line, Histogram)>,
    project: &Project,
    event: &Told<'_>,
) -> Option<usize> {
    let (failure, kind) = (failure(event), kind_index(kind_of(event)));
    let known = databases.get(event.database).and_then(|places| match failure {
        None => places.well.get(kind).copied().flatten(),
        Some(state) => places.failed.get(&(kind, state)).copied(),
    });
    // One is kept for the rest.
    if known.is_some() || lines.len() + 1 >= LINES_MAX {
        return known;
    }
    let place = lines.len();
    let places = databases.entry(event.database.to_owned()).or_default();
    match failure {
        None => *places.well.get_mut(kind)? = Some(place),
        Some(state) => {
            places.failed.insert((kind, state), place);
        }
    }
    let line = Line {
        project: project.clone(),
        database: event.database.chars().take(NAME_CHARACTERS_MAX).collect(),
        kind: told_kind(kind_of(event)),
        failure,
    };
    lines.push((line, Histogram::default()));
    Some(place)
}

fn failure(event: &Told<'_>) -> Option<SqlState> {
    let state = event.sqlstate.as_bytes();
    let sound = state
        .iter()
        .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    (!state.is_empty()).then(|| state.try_into().ok().filter(|_| sound))
}

/// The kind as a collector is told of it: those that are not one command have no name, and are one.
const fn told_kind(kind: StatementKind) -> StatementKind {
    match kind {
        StatementKind::Ddl | StatementKind::Transaction | StatementKind::Utility => StatementKind::Unspecified,
        other => other,
    }
}

fn kind_of(event: &Told<'_>) -> StatementKind {
    StatementKind::try_from(event.kind).unwrap_or_default()
}

fn kind_index(kind: StatementKind) -> usize {
    usize::try_from(i32::from(told_kind(kind))).unwrap_or_default()
}
