//! What a caller wants explained: looked at, run, and made into findings.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use weir_runtime::{Stage, Tasks};
use weir_upstream::Target;

use crate::advise::{Explainable, Facts, Finding, Measures, Plan, explainable, judge, read};
use crate::observe::explain::error::ExplainError;
use crate::observe::explain::session::{self, Explained, Given, Order};

/// Under this name a session shows itself in `pg_stat_activity`.
const NAME: &str = "weir-monitor/explain";
/// Names that are told one by one in a warning.
const NAMES_TOLD_MAX: usize = 20;
/// What a caller may set for its statement: where names lead, and what the planner may do and expect.
const SETTINGS: [&str; 44] = [
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "effective_cache_size",
    "effective_io_concurrency",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_gathermerge",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_presorted_aggregate",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "from_collapse_limit",
    "geqo",
    "geqo_threshold",
    "hash_mem_multiplier",
    "jit",
    "jit_above_cost",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "join_collapse_limit",
    "max_parallel_workers_per_gather",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "random_page_cost",
    "search_path",
    "seq_page_cost",
    "work_mem",
];

/// What a caller wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) sql: String,
    pub(crate) given: Vec<Given>,
    /// Empty: the one in the settings.
    pub(crate) database: String,
    pub(crate) analyze: bool,
    pub(crate) allow_writes: bool,
    /// None: as long as the settings allow.
    pub(crate) timeout: Option<Duration>,
    pub(crate) settings: Vec<(String, String)>,
}

/// What has come of it.
#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) json: String,
    pub(crate) plan: Plan,
    pub(crate) measures: Measures,
    pub(crate) findings: Vec<Finding>,
    pub(crate) warnings: Vec<String>,
    /// Made for any values of its parameters.
    pub(crate) generic: bool,
}

/// Explains statements. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Explainer {
    pub(super) target: Option<Target>,
    pub(super) timeout: Duration,
    pub(super) concurrency: usize,
    pub(super) places: Arc<Semaphore>,
    pub(super) tasks: Tasks,
}

impl Explainer {
    /// Explains one statement. It runs in a task of its own, so that a caller who goes away leaves nothing running.
    pub(crate) async fn analyze(&self, ask: Ask) -> Result<Analysis, ExplainError> {
        let target = self.target.clone().ok_or(ExplainError::NoDatabase)?;
        let places = self.places.clone();
        let place = places
            .try_acquire_owned()
            .map_err(|_| ExplainError::Busy(self.concurrency))?;
        let limit = ask.timeout.unwrap_or(self.timeout).min(self.timeout);
        let stopping = self.tasks.stop_token(Stage::Doors);
        let (mut tell, told) = oneshot::channel();
        self.tasks.spawn_short(Stage::Work, "explain", async move {
            let gone = async {
                tokio::select! {
                    () = tell.closed() => {}
                    () = stopping.cancelled() => {}
                }
            };
            let analysed = analyze(&target, ask, limit, gone).await;
            drop(place);
            // Nobody may listen any more.
            let _ = tell.send(analysed);
        });
        told.await.unwrap_or(Err(ExplainError::Cancelled))
    }
}

async fn analyze(
    target: &Target,
    ask: Ask,
    limit: Duration,
    gone: impl Future<Output = ()>,
) -> Result<Analysis, ExplainError> {
    check_fields(&ask)?;
    let sql = ask.sql.clone();
    // Half a second for the worst of texts, which no other task should wait for.
    let looked_at = tokio::task::spawn_blocking(move || explainable(&sql)).await;
    let statement = looked_at
        .map_err(|_| ExplainError::Cancelled)?
        .map_err(ExplainError::Statement)?;
    if ask.analyze && !ask.allow_writes && (statement.writes || statement.locks) {
        let what = if statement.writes {
            "it writes, or may write"
        } else {
            "it locks rows"
        };
        return Err(ExplainError::Writes(what.to_owned()));
    }
    let order = Order {
        may_write: ask.analyze && ask.allow_writes,
        analyze: ask.analyze,
        is_plain: statement.is_plain,
        sql: ask.sql,
        given: ask.given,
        database: ask.database,
        settings: ask.settings,
        name: NAME,
    };
    let explained = session::run(target, &order, limit, gone).await?;
    let (warnings, facts) = warn(&order, &statement, &explained);
    assess(explained, warnings, &facts)
}

fn check_fields(ask: &Ask) -> Result<(), ExplainError> {
    let field = |field, reason: String| Err(ExplainError::Field { field, reason });
    let names = [("database", &ask.database), ("sql", &ask.sql)];
    if let Some((name, _)) = names.iter().find(|(_, text)| text.contains('\0')) {
        return field(name, "there is a zero byte in it".to_owned());
    }
    if ask.timeout.is_some_and(|timeout| timeout.is_zero()) {
        return field("timeout_ms", "at least a millisecond is needed".to_owned());
    }
    match ask.settings.iter().find(|(name, _)| !SETTINGS.contains(&name.as_str())) {
        Some((name, _)) => field(
            "settings",
            format!("{name} cannot be set here; {} can", SETTINGS.join(", ")),
        ),
        None => Ok(()),
    }
}

/// What a reader of the plan has to know beside it, and what is known of the tables.
fn warn(order: &Order, statement: &Explainable, explained: &Explained) -> (Vec<String>, Facts) {
    let mut warnings = Vec::new();
    if explained.generic {
        warnings.push("no parameters were given: this is the generic plan, for any values of them".to_owned());
    }
    if order.may_write {
        warnings.push(
            "the statement was run and rolled back; what no rollback undoes stays: numbers taken from sequences, what \
             functions did outside of the transaction (dblink, files, programs, other sessions), dead rows, and the time \
             that others waited for its locks"
                .to_owned(),
        );
    }
    if order.analyze && !statement.calls.is_empty() {
        warnings.push(format!(
            "it called {}; what these do outside of the transaction, by dblink or in an untrusted language, was neither \
             prevented nor undone",
            some_of(&statement.calls)
        ));
    }
    let facts = explained.facts.as_ref().cloned().unwrap_or_else(|error| {
        warnings.push(format!("the catalogue could not be asked for its tables: {error}"));
        Facts::default()
    });
    (warnings, facts)
}

/// The first of many names.
fn some_of(names: &[String]) -> String {
    let told: Vec<&str> = names.iter().take(NAMES_TOLD_MAX).map(String::as_str).collect();
    match names.len().saturating_sub(NAMES_TOLD_MAX) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// The findings of what was explained.
pub(super) fn assess(explained: Explained, mut warnings: Vec<String>, facts: &Facts) -> Result<Analysis, ExplainError> {
    let plan = read(&explained.json)?;
    let measures = Measures::of(&plan);
    let findings = judge(&plan, &measures, facts);
    let sequences = sequences(&plan);
    if plan.was_executed() && !sequences.is_empty() {
        let sequences: Vec<_> = sequences.into_iter().collect();
        warnings.push(format!(
            "numbers were taken from {}, and are not given back",
            some_of(&sequences)
        ));
    }
    Ok(Analysis {
        json: crate::advise::minified(&explained.json),
        plan,
        measures,
        findings,
        warnings,
        generic: explained.generic,
    })
}

/// The sequences that a plan takes numbers from, as it shows them in its lists of columns.
fn sequences(plan: &Plan) -> BTreeSet<String> {
    let properties = plan.nodes.iter().flat_map(|node| &node.properties);
    let texts = properties.flat_map(|(_, value)| match value {
        serde_json::Value::Array(list) => list.iter().filter_map(serde_json::Value::as_str).collect(),
        value => value.as_str().into_iter().collect::<Vec<_>>(),
    });
    let names = texts.flat_map(|text| text.split("nextval('").skip(1));
    names
        .filter_map(|rest| rest.split('\'').next())
        .map(str::to_owned)
        .collect()
}
