//! The figures of one line in one span of time. Pure.

use weir_model::{Sketch, varint};
use weir_proto::events::v1::CacheOutcome;

/// One statement that ended, as far as figures go. Borrows from the message that told of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told<'m> {
    pub(crate) fingerprint: u64,
    pub(crate) database: &'m str,
    pub(crate) started_unix_ms: i64,
    pub(crate) wait_us: u64,
    pub(crate) server_us: u64,
    pub(crate) drain_us: u64,
    pub(crate) rows: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) sqlstate: &'m str,
    pub(crate) cache: CacheOutcome,
    pub(crate) traceparent: &'m str,
    pub(crate) kind: i32,
}

impl Told<'_> {
    /// The whole time of a statement as its caller felt it.
    pub(crate) const fn total_us(&self) -> u64 {
        self.wait_us
            .saturating_add(self.server_us)
            .saturating_add(self.drain_us)
    }

    /// When it ended, in milliseconds since 1970.
    pub(crate) const fn ended_unix_ms(&self) -> i64 {
        self.started_unix_ms
            .saturating_add((self.total_us() / 1_000).cast_signed())
    }

    /// Whether it failed.
    pub(crate) const fn failed(&self) -> bool {
        !self.sqlstate.is_empty()
    }
}

/// Figures that add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Statements that ended.
    pub(crate) calls: u64,
    /// Those that ended with an error.
    pub(crate) errors: u64,
    /// Those that took at least as long as a slow statement.
    pub(crate) slow: u64,
    /// Rows returned or changed.
    pub(crate) rows: u64,
    /// Bytes of statements and parameters.
    pub(crate) bytes_in: u64,
    /// Bytes of rows.
    pub(crate) bytes_out: u64,
    /// Calls answered by the cache.
    pub(crate) cache_hits: u64,
    /// Calls that the cache could have answered, had it known.
    pub(crate) cache_misses: u64,
    /// Microseconds spent waiting for a connection, all calls together.
    pub(crate) wait_us: u64,
    /// Microseconds of work by the server.
    pub(crate) server_us: u64,
    /// Microseconds spent waiting for callers to take rows.
    pub(crate) drain_us: u64,
}

impl Sums {
    /// In the order of the rows' columns.
    pub(crate) const fn figures(&self) -> [u64; 11] {
        [
            self.calls,
            self.errors,
            self.slow,
            self.rows,
            self.bytes_in,
            self.bytes_out,
            self.cache_hits,
            self.cache_misses,
            self.wait_us,
            self.server_us,
            self.drain_us,
        ]
    }

    /// From what [`Sums::figures`] gave.
    pub(crate) const fn of(figures: [u64; 11]) -> Self {
        let [
            calls,
            errors,
            slow,
            rows,
            bytes_in,
            bytes_out,
            cache_hits,
            cache_misses,
            wait_us,
            server_us,
            drain_us,
        ] = figures;
        Self {
            calls,
            errors,
            slow,
            rows,
            bytes_in,
            bytes_out,
            cache_hits,
            cache_misses,
            wait_us,
            server_us,
            drain_us,
        }
    }

    fn merge(&mut self, other: &Self) {
        let mut figures = self.figures();
        for (figure, added) in figures.iter_mut().zip(other.figures()) {
            *figure = figure.saturating_add(added);
        }
        *self = Self::of(figures);
    }

    /// Microseconds of all calls together.
    pub(crate) const fn total_us(&self) -> u64 {
        self.wait_us
            .saturating_add(self.server_us)
            .saturating_add(self.drain_us)
    }
}

/// How long calls took, in whole and in each of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) total: Sketch,
    pub(crate) wait: Sketch,
    pub(crate) server: Sketch,
    pub(crate) drain: Sketch,
}

impl Latency {
    fn each(&mut self) -> [&mut Sketch; 4] {
        [&mut self.total, &mut self.wait, &mut self.server, &mut self.drain]
    }

    fn merge(&mut self, other: &Self) {
        let others = [&other.total, &other.wait, &other.server, &other.drain];
        for (sketch, other) in self.each().into_iter().zip(others) {
            sketch.merge(other);
        }
    }
}

/// The first two characters of an SQLSTATE, and how many statements ended with such a one.
type ErrorClass = ([u8; 2], u64);

/// Figures of one shape in one project and database, or of everything in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) sums: Sums,
    /// Microseconds of the longest call.
    pub(crate) max_us: u64,
    /// When the first call began, in milliseconds since 1970.
    pub(crate) first_seen_unix_ms: i64,
    /// When the last call began.
    pub(crate) last_seen_unix_ms: i64,
    pub(crate) latency: Latency,
    /// Errors by class; there are some forty classes.
    error_classes: Vec<ErrorClass>,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            sums: Sums::default(),
            max_us: 0,
            first_seen_unix_ms: i64::MAX,
            last_seen_unix_ms: i64::MIN,
            latency: Latency::default(),
            error_classes: Vec::new(),
        }
    }
}

/// Classes that are told apart; further ones, which only a server of no known make would send, count as `??`.
const ERROR_CLASSES_MAX: usize = 64;

impl Cell {
    /// Counts one statement.
    pub(crate) fn add(&mut self, told: &Told<'_>, slow_from_us: u64) {
        let total_us = told.total_us();
        self.sums.calls += 1;
        self.sums.slow += u64::from(total_us >= slow_from_us);
        self.sums.rows = self.sums.rows.saturating_add(told.rows);
        self.sums.bytes_in = self.sums.bytes_in.saturating_add(told.bytes_in);
        self.sums.bytes_out = self.sums.bytes_out.saturating_add(told.bytes_out);
        self.sums.cache_hits += u64::from(told.cache == CacheOutcome::Hit);
        self.sums.cache_misses += u64::from(told.cache == CacheOutcome::Miss);
        self.sums.wait_us = self.sums.wait_us.saturating_add(told.wait_us);
        self.sums.server_us = self.sums.server_us.saturating_add(told.server_us);
        self.sums.drain_us = self.sums.drain_us.saturating_add(told.drain_us);
        self.max_us = self.max_us.max(total_us);
        self.first_seen_unix_ms = self.first_seen_unix_ms.min(told.started_unix_ms);
        self.last_seen_unix_ms = self.last_seen_unix_ms.max(told.started_unix_ms);
        self.latency.total.add(total_us);
        self.latency.wait.add(told.wait_us);
        self.latency.server.add(told.server_us);
        self.latency.drain.add(told.drain_us);
        if told.failed() {
            self.sums.errors += 1;
            self.add_class(class_of(told.sqlstate), 1);
        }
    }

    fn add_class(&mut self, class: [u8; 2], count: u64) {
        let known = self.error_classes.iter().position(|(known, _)| *known == class);
        let is_full = self.error_classes.len() >= ERROR_CLASSES_MAX;
        match known.and_then(|at| self.error_classes.get_mut(at)) {
            Some((_, counted)) => *counted += count,
            None if is_full && class != *b"??" => self.add_class(*b"??", count),
            None => self.error_classes.push((class, count)),
        }
    }

    /// Adds everything that another has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        self.max_us = self.max_us.max(other.max_us);
        self.first_seen_unix_ms = self.first_seen_unix_ms.min(other.first_seen_unix_ms);
        self.last_seen_unix_ms = self.last_seen_unix_ms.max(other.last_seen_unix_ms);
        self.merge_detail(other);
    }

    /// Adds the sketches and errors by class of another, whose sums are in already.
    pub(crate) fn merge_detail(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        for (class, count) in &other.error_classes {
            self.add_class(*class, *count);
        }
    }

    /// The mean time of a call, in microseconds.
    pub(crate) fn mean_us(&self) -> f64 {
        if self.sums.calls == 0 {
            0.0
        } else {
            self.sums.total_us() as f64 / self.sums.calls as f64
        }
    }

    /// Errors by the class of their SQLSTATE.
    pub(crate) fn error_classes(&self) -> impl Iterator<Item = (String, u64)> {
        let text = |class: &[u8; 2]| class.iter().copied().map(char::from).collect();
        self.error_classes
            .iter()
            .map(move |(class, count)| (text(class), *count))
    }

    /// Everything that no sum can tell, as a row's bytes.
    pub(crate) fn detail(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        varint::put(&mut out, DETAIL_VERSION);
        varint::put(&mut out, self.error_classes.len() as u64);
        for (class, count) in &self.error_classes {
            out.extend_from_slice(class);
            varint::put(&mut out, *count);
        }
        let Latency {
            total,
            wait,
            server,
            drain,
        } = &self.latency;
        for sketch in [total, wait, server, drain] {
            sketch.encode(&mut out);
        }
        out
    }

    /// Reads what [`Cell::detail`] wrote. False, and unchanged, where that is not what is there.
    pub(crate) fn read_detail(&mut self, bytes: &[u8]) -> bool {
        let Some((classes, latency)) = read_detail(bytes) else {
            return false;
        };
        self.latency = latency;
        self.error_classes = classes;
        true
    }

    /// Bytes that it takes, on the heap too.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let Latency {
            total,
            wait,
            server,
            drain,
        } = &self.latency;
        let sketches: usize = [total, wait, server, drain].map(Sketch::heap_bytes).iter().sum();
        size_of::<Self>() + sketches + self.error_classes.capacity() * size_of::<ErrorClass>()
    }
}

const DETAIL_VERSION: u64 = 1;

fn read_detail(mut bytes: &[u8]) -> Option<(Vec<ErrorClass>, Latency)> {
    let bytes = &mut bytes;
    if varint::take(bytes)? != DETAIL_VERSION {
        return None;
    }
    let mut classes = Vec::new();
    for _ in 0..varint::take(bytes)?.min(ERROR_CLASSES_MAX as u64 + 1) {
        let (class, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        classes.push((*class, varint::take(bytes)?));
    }
    let latency = Latency {
        total: Sketch::decode(bytes)?,
        wait: Sketch::decode(bytes)?,
        server: Sketch::decode(bytes)?,
        drain: Sketch::decode(bytes)?,
    };
    bytes.is_empty().then_some((classes, latency))
}

/// The class of an SQLSTATE; `??` for what is none.
fn class_of(sqlstate: &str) -> [u8; 2] {
    let class = sqlstate.as_bytes().first_chunk().copied();
    class
        .filter(|class: &[u8; 2]| class.iter().all(u8::is_ascii_alphanumeric))
        .unwrap_or(*b"??")
}
