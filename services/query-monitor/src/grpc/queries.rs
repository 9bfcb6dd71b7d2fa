//! Questions about statements, and their answers. Translates, decides nothing.

use std::collections::{HashMap, HashSet};

use tonic::{Request, Response, Status};
use weir_model::Fingerprint;
use weir_proto::common::v1::StatementKind;
use weir_proto::monitor::v1 as api;
use weir_proto::page::Page;
use weir_proto::status::status;

use super::{Answer, Desk, project_of, text_of};
use crate::aggregate::{Cell, Key, Shape, WHOLE};
use crate::error::Error;
use crate::keeping::Period;
use crate::store::Wanted;

impl Desk {
    pub(super) async fn queries(&self, request: Request<api::ListQueriesRequest>) -> Answer<api::ListQueriesResponse> {
        let request = request.into_inner();
        let project = project_of(&request.project)?;
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        // Statistics move between two pages; the token is therefore the number of lines to leave out.
        let skipped = page
            .after::<usize, String>()
            .map_err(|error| status(&error))?
            .map_or(0, |(skipped, _)| skipped);
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let period = self.keeper.period(request.since_unix_ms, request.until_unix_ms);

        let (wanted, mut missing) = self.wanted(&request).await?;
        let lines = self.keeper.lines(&project, &wanted, period).await;
        missing = first_of(lines.missing, missing);
        let lines = sorted(lines.found, &request, period);
        let lines: Vec<_> = lines.into_iter().skip(skipped).take(size).collect();
        let lines = if wanted.detailed {
            lines
        } else {
            self.with_details(lines, period).await
        };
        let queries = self.with_texts(lines).await;
        let next = skipped + queries.len();
        let page = Some(page.answer(&queries, |line| (next, line.fingerprint.clone())));
        Ok(Response::new(api::ListQueriesResponse { queries, page, missing }))
    }

    async fn wanted(&self, request: &api::ListQueriesRequest) -> Result<(Wanted, String), Status> {
        use api::QuerySort as Sort;
        let (mut fingerprints, mut missing) = (None, String::new());
        if !request.fingerprint.is_empty() {
            fingerprints = Some(vec![
                fingerprint_of(&request.fingerprint).map_err(|error| status(&error))?,
            ]);
        }
        if !request.search.is_empty() {
            let found = self.keeper.search(&request.search).await;
            fingerprints = in_both(fingerprints, found.found);
            missing = found.missing;
        }
        if !request.table.is_empty() {
            let (schema, table) = table_of(&request.table).map_err(|error| status(&error))?;
            let found = self.keeper.search(table).await;
            let shapes = self.keeper.shapes(&found.found).await;
            let named = shapes
                .iter()
                .filter(|(_, shape)| weir_sql::names_table(&shape.text, schema, table));
            fingerprints = in_both(fingerprints, named.map(|(fingerprint, _)| *fingerprint).collect());
            missing = first_of(missing, found.missing);
        }
        if request.kind() != StatementKind::Unspecified {
            let found = self.keeper.of_kind(request.kind()).await;
            fingerprints = in_both(fingerprints, found.found);
            missing = first_of(missing, found.missing);
        }
        let wanted = Wanted {
            fingerprints,
            database: text_of("database", request.database.clone())?,
            detailed: matches!(request.sort(), Sort::P95 | Sort::P99),
        };
        Ok((wanted, missing))
    }

    /// The same lines with their sketches: those of one page only, since they are most of what there is to read.
    async fn with_details(&self, lines: Vec<(Key, Cell)>, period: Period) -> Vec<(Key, Cell)> {
        let Some((first, _)) = lines.first() else { return lines };
        let wanted = Wanted {
            fingerprints: Some(lines.iter().map(|(key, _)| key.fingerprint).collect()),
            database: String::new(),
            detailed: true,
        };
        let mut detailed = self.keeper.lines(&first.project, &wanted, period).await.found;
        let line = |(key, plain)| {
            let cell = detailed.remove(&key).unwrap_or(plain);
            (key, cell)
        };
        lines.into_iter().map(line).collect()
    }

    async fn with_texts(&self, lines: Vec<(Key, Cell)>) -> Vec<api::QueryStatistics> {
        let fingerprints: Vec<Fingerprint> = lines.iter().map(|(key, _)| key.fingerprint).collect();
        let shapes = self.keeper.shapes(&fingerprints).await;
        let unknown = Shape::default();
        let line = |(key, cell): &(Key, Cell)| line_of(key, cell, shapes.get(&key.fingerprint).unwrap_or(&unknown));
        lines.iter().map(line).collect()
    }
}

fn first_of(one: String, other: String) -> String {
    if one.is_empty() { other } else { one }
}

/// Those of them that are among the others; none at all is all.
fn in_both(some: Option<Vec<Fingerprint>>, others: Vec<Fingerprint>) -> Option<Vec<Fingerprint>> {
    let Some(some) = some else { return Some(others) };
    let others: HashSet<Fingerprint> = others.into_iter().collect();
    Some(some.into_iter().filter(|one| others.contains(one)).collect())
}

/// A fingerprint as it is written; none is everything.
pub(super) fn fingerprint_of(text: &str) -> Result<Fingerprint, Error> {
    if text.is_empty() {
        return Ok(WHOLE);
    }
    let number = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
    number.map(Fingerprint::new).ok_or(Error::Field {
        field: "fingerprint",
        reason: "it is not 16 hexadecimal digits".to_owned(),
    })
}

/// The schema and the name of a table.
fn table_of(text: &str) -> Result<(&str, &str), Error> {
    let parts = text
        .split_once('.')
        .filter(|(schema, table)| !schema.is_empty() && !table.is_empty());
    parts.ok_or(Error::Field {
        field: "table",
        reason: "it is not of the form schema.name".to_owned(),
    })
}

/// The lines that a request asks for, in its order.
fn sorted(lines: HashMap<Key, Cell>, request: &api::ListQueriesRequest, period: Period) -> Vec<(Key, Cell)> {
    // A gateway's clock may be ahead; without an end, nothing is too late.
    let end = if request.until_unix_ms == 0 {
        i64::MAX
    } else {
        period.to_unix_ms
    };
    let ran = |cell: &Cell| cell.last_seen_unix_ms >= period.from_unix_ms && cell.first_seen_unix_ms < end;
    let wanted = lines
        .into_iter()
        .filter(|(key, cell)| key.fingerprint != WHOLE && ran(cell));
    let mut lines: Vec<(Key, Cell)> = wanted.collect();
    let sort = request.sort();
    lines.sort_by_cached_key(|(key, cell)| {
        let greatest_first = std::cmp::Reverse(Ordered(sort_key(cell, sort)));
        (greatest_first, key.fingerprint.get(), key.database.clone())
    });
    lines
}

/// A figure that can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

fn sort_key(cell: &Cell, sort: api::QuerySort) -> f64 {
    use api::QuerySort as Sort;
    let sums = &cell.sums;
    match sort {
        Sort::Unspecified | Sort::Total => sums.total_us() as f64,
        Sort::Calls => sums.calls as f64,
        Sort::Mean => cell.mean_us(),
        Sort::P95 => cell.latency.total.quantile_us(0.95),
        Sort::P99 => cell.latency.total.quantile_us(0.99),
        Sort::Max => cell.max_us as f64,
        Sort::Errors => sums.errors as f64,
        Sort::Rows => sums.rows as f64,
        Sort::Wait => sums.wait_us as f64,
        Sort::LastSeen => cell.last_seen_unix_ms as f64,
    }
}

/// Microseconds as the milliseconds that people read.
const fn ms(micros: u64) -> f64 {
    micros as f64 / 1e3
}

pub(super) fn line_of(key: &Key, cell: &Cell, shape: &Shape) -> api::QueryStatistics {
    let (sums, latency) = (&cell.sums, &cell.latency);
    api::QueryStatistics {
        fingerprint: key.fingerprint.to_string(),
        text: shape.text.clone(),
        kind: shape.kind.into(),
        database: key.database.clone(),
        calls: sums.calls,
        errors: sums.errors,
        rows: sums.rows,
        p50_ms: latency.total.quantile_us(0.50) / 1e3,
        p95_ms: latency.total.quantile_us(0.95) / 1e3,
        p99_ms: latency.total.quantile_us(0.99) / 1e3,
        mean_ms: cell.mean_us() / 1e3,
        max_ms: ms(cell.max_us),
        total_ms: ms(sums.total_us()),
        wait_ms: ms(sums.wait_us),
        first_seen_unix_ms: cell.first_seen_unix_ms,
        last_seen_unix_ms: cell.last_seen_unix_ms,
        cache_hits: sums.cache_hits,
        cache_misses: sums.cache_misses,
        slow_calls: sums.slow,
        bytes_in: sums.bytes_in,
        bytes_out: sums.bytes_out,
        server_ms: ms(sums.server_us),
        drain_ms: ms(sums.drain_us),
        wait_p95_ms: latency.wait.quantile_us(0.95) / 1e3,
        server_p95_ms: latency.server.quantile_us(0.95) / 1e3,
        drain_p95_ms: latency.drain.quantile_us(0.95) / 1e3,
        errors_by_class: cell.error_classes().collect(),
        writes: shape.writes,
    }
}
