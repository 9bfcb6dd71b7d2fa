//! `weir queries`: which statements take the time.

use clap::{Args, ValueEnum};
use serde_json::json;
use weir_config::Sources;
use weir_proto::common::v1::PageRequest;
use weir_proto::monitor::v1::{ListQueriesRequest, QuerySort, QueryStatistics};

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, milliseconds, say_json, shortened};

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
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The project.
    #[arg(long, default_value = "")]
    project: String,
    /// Only statements whose text contains this.
    #[arg(long, default_value = "")]
    search: String,
    /// What comes first.
    #[arg(long, value_enum, default_value = "total")]
    sort: Sort,
    /// How many.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let request = ListQueriesRequest {
        project: arguments.project,
        search: arguments.search,
        sort: QuerySort::from(arguments.sort).into(),
        page: Some(PageRequest {
            size: arguments.limit,
            token: String::new(),
        }),
        ..ListQueriesRequest::default()
    };
    let mut monitor = Services(&sources).monitor().await?;
    let queries = monitor
        .list_queries(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .queries;
    if arguments.json {
        return say_json(&json!({ "queries": queries.iter().map(as_json).collect::<Vec<_>>() }));
    }
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
        "STATEMENT",
    ];
    let mut listing = Listing::new(&headings, "no statement was seen yet");
    for query in &queries {
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
            shortened(&query.text, 60),
        ]);
    }
    listing.say()
}

fn as_json(query: &QueryStatistics) -> serde_json::Value {
    json!({
        "fingerprint": query.fingerprint,
        "query": query.text,
        "database": query.database,
        "calls": query.calls,
        "errors": query.errors,
        "rows": query.rows,
        "p50_ms": query.p50_ms,
        "p95_ms": query.p95_ms,
        "p99_ms": query.p99_ms,
        "mean_ms": query.mean_ms,
        "max_ms": query.max_ms,
        "total_ms": query.total_ms,
        "wait_ms": query.wait_ms,
    })
}
