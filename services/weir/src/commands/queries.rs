//! `weir queries`: which statements take the time.

use clap::{Args, ValueEnum};
use serde_json::json;
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::common::v1::{PageRequest, StatementKind};
use weir_proto::monitor::v1::{ListQueriesRequest, ListQueriesResponse, QuerySort, QueryStatistics};

use super::times::When;
use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, milliseconds, moment, say, say_json, shortened};

/// The server gives no more at once.
const PAGE_MAX: u32 = 1_000;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sort {
    Total,
    Calls,
    Mean,
    P95,
    P99,
    Max,
    Errors,
    Rows,
    Wait,
    LastSeen,
}

impl From<Sort> for QuerySort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Total => Self::Total,
            Sort::Calls => Self::Calls,
            Sort::Mean => Self::Mean,
            Sort::P95 => Self::P95,
            Sort::P99 => Self::P99,
            Sort::Max => Self::Max,
            Sort::Errors => Self::Errors,
            Sort::Rows => Self::Rows,
            Sort::Wait => Self::Wait,
            Sort::LastSeen => Self::LastSeen,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The project. Without it: default.
    #[arg(long, default_value = "", hide_default_value = true)]
    project: String,
    /// Only statements whose text contains this, upper and lower case alike.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    search: String,
    /// Only statements on this database. Without it: on all.
    #[arg(long, default_value = "", hide_default_value = true)]
    database: String,
    /// Only statements that name this table, as schema.name.
    #[arg(long, value_name = "TABLE", default_value = "", hide_default_value = true)]
    table: String,
    /// Only what ran from then on: so long ago (15m, 2h, 7d) or a time (2026-03-01T12:00:00Z). Without it: all that is kept.
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Only what ran before then, written alike. Without it: up to now.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// What comes first; always the greatest.
    #[arg(long, value_enum, default_value = "total")]
    sort: Sort,
    /// How many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Where to go on: what the page before told as next, with everything else the same.
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let listed = ask(&arguments, &sources).await?;
    let next = listed
        .page
        .as_ref()
        .map(|page| page.next_token.as_str())
        .unwrap_or_default();
    if arguments.json {
        return say_json(&json!({
            "queries": listed.queries.iter().map(as_json).collect::<Vec<_>>(),
            "next": (!next.is_empty()).then_some(next),
            "missing": listed.missing,
        }));
    }
    show(&listed.queries)?;
    if !listed.missing.is_empty() {
        say(&format!("not everything is in it: {}", listed.missing))?;
    }
    match next {
        "" => Ok(()),
        next => say(&format!("there are more: --page {next}")),
    }
}

/// As many pages as the limit asks for, as one.
async fn ask(arguments: &Arguments, sources: &Sources) -> Result<ListQueriesResponse, Failure> {
    let now_ms = Clock::system().unix_ms();
    let moment = |when: Option<When>| when.map_or(0, |when| when.unix_ms(now_ms));
    let mut monitor = Services(sources).monitor().await?;
    let mut whole = ListQueriesResponse::default();
    let mut token = arguments.page.clone();
    let mut left = arguments.limit;
    loop {
        let request = ListQueriesRequest {
            project: arguments.project.clone(),
            search: arguments.search.clone(),
            database: arguments.database.clone(),
            table: arguments.table.clone(),
            since_unix_ms: moment(arguments.since),
            until_unix_ms: moment(arguments.until),
            sort: QuerySort::from(arguments.sort).into(),
            page: Some(PageRequest {
                size: left.min(PAGE_MAX),
                token,
            }),
            ..ListQueriesRequest::default()
        };
        let part = monitor.list_queries(request).await.map_err(refusal)?.into_inner();
        let count = u32::try_from(part.queries.len()).unwrap_or(u32::MAX);
        left = left.saturating_sub(count);
        token = part
            .page
            .as_ref()
            .map(|page| page.next_token.clone())
            .unwrap_or_default();
        whole.queries.extend(part.queries);
        (whole.page, whole.missing) = (part.page, part.missing);
        if token.is_empty() || left == 0 || count == 0 {
            return Ok(whole);
        }
    }
}

fn show(queries: &[QueryStatistics]) -> Result<(), Failure> {
    let headings = [
        "FINGERPRINT",
        "CALLS",
        "ERRORS",
        "ROWS",
        "P50",
        "P95",
        "P99",
        "TOTAL",
        "WAIT",
        "LAST SEEN",
        "STATEMENT",
    ];
    let mut listing = Listing::new(&headings, "no statement was seen in that time");
    for query in queries {
        listing.row([
            query.fingerprint.clone(),
            query.calls.to_string(),
            query.errors.to_string(),
            query.rows.to_string(),
            milliseconds(query.p50_ms),
            milliseconds(query.p95_ms),
            milliseconds(query.p99_ms),
            milliseconds(query.total_ms),
            milliseconds(query.wait_ms),
            moment(query.last_seen_unix_ms),
            shortened(&query.text, 60),
        ]);
    }
    listing.say()
}

/// What sort of statement it is, in a word.
pub(super) fn kind(query: &QueryStatistics) -> String {
    match query.kind() {
        StatementKind::Unspecified => "-".to_owned(),
        kind => kind.as_str_name().trim_start_matches("STATEMENT_KIND_").to_lowercase(),
    }
}

pub(super) fn as_json(query: &QueryStatistics) -> serde_json::Value {
    json!({
        "fingerprint": query.fingerprint,
        "query": query.text,
        "kind": kind(query),
        "writes": query.writes,
        "database": query.database,
        "calls": query.calls,
        "errors": query.errors,
        "errors_by_class": query.errors_by_class,
        "rows": query.rows,
        "p50_ms": query.p50_ms,
        "p95_ms": query.p95_ms,
        "p99_ms": query.p99_ms,
        "mean_ms": query.mean_ms,
        "max_ms": query.max_ms,
        "total_ms": query.total_ms,
        "wait_ms": query.wait_ms,
        "server_ms": query.server_ms,
        "drain_ms": query.drain_ms,
        "slow_calls": query.slow_calls,
        "cache_hits": query.cache_hits,
        "cache_misses": query.cache_misses,
        "bytes_in": query.bytes_in,
        "bytes_out": query.bytes_out,
        "first_seen_unix_ms": query.first_seen_unix_ms,
        "last_seen_unix_ms": query.last_seen_unix_ms,
    })
}
