//! Plans over gRPC: requests to orders, analyses and rows to answers. Translates, decides nothing.

use std::time::Duration;

use serde::Deserialize;
use tonic::{Response, Status};
use weir_model::Fingerprint;
use weir_proto::common::v1::{Severity as ApiSeverity, Value, value::Kind};
use weir_proto::monitor::v1 as api;
use weir_proto::page::Page;
use weir_proto::status::status;
use weir_store::Store;

use super::{Answer, project_of};
use crate::advise::{self, Finding, Measures, Node, Plan, Severity, read, shape, text};
use crate::error::Error;
use crate::observe::explain::{Analysis, Ask, Explainer, Given};
use crate::store::{self, PlanRow, PlansWanted};

/// A longer plan is told by its nodes and its text only: readers of messages refuse what is longer than 4 MiB.
const JSON_BYTES_MAX: usize = 1024 * 1024;
/// Where a text is cut.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Text of all conditions together; a list of constants alone can have a megabyte, and stands in several nodes.
const CONDITIONS_BYTES_MAX: usize = 512 * 1024;
/// Nodes that are told one by one.
const NODES_MAX: usize = 2_000;
/// Captured plans of a page, which are kilobytes each.
const PAGE_MAX: u32 = 50;
/// All plans of a page together.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

pub(super) async fn analyze(explainer: &Explainer, request: api::AnalyzeRequest) -> Answer<api::AnalyzeResponse> {
    let ask = ask(request).map_err(|error| status(&error))?;
    let analysis = explainer.analyze(ask).await.map_err(|error| status(&error))?;
    Ok(Response::new(answer(analysis)))
}

fn ask(request: api::AnalyzeRequest) -> Result<Ask, Error> {
    let given = request
        .parameters
        .into_iter()
        .enumerate()
        .map(|(at, value)| given(at, value));
    let timeout = (request.timeout_ms > 0).then(|| Duration::from_millis(request.timeout_ms.into()));
    Ok(Ask {
        sql: request.sql,
        given: given.collect::<Result<_, _>>()?,
        database: request.database,
        analyze: request.analyze,
        allow_writes: request.allow_writes,
        timeout,
        settings: request.settings.into_iter().collect(),
    })
}

/// A value as PostgreSQL reads it. A text has no type of its own: it becomes whatever stands in its place.
fn given(at: usize, value: Value) -> Result<Given, Error> {
    let of = |type_name: &str, value: String| {
        Ok(Given {
            value: Some(value),
            type_name: Some(type_name.to_owned()),
        })
    };
    match value.kind {
        None | Some(Kind::Null(_)) => Ok(Given::default()),
        Some(Kind::Text(text)) => Ok(Given {
            value: Some(text),
            type_name: None,
        }),
        Some(Kind::Typed(typed)) => of(&typed.type_name, typed.text),
        Some(Kind::Bool(value)) => of("pg_catalog.bool", value.to_string()),
        Some(Kind::Int64(value)) => Ok(Given {
            value: Some(value.to_string()),
            type_name: None,
        }),
        Some(Kind::Double(value)) => of("pg_catalog.float8", value.to_string()),
        Some(Kind::Numeric(value)) => of("pg_catalog.numeric", value),
        Some(Kind::Json(value)) => of("pg_catalog.jsonb", value),
        Some(Kind::Bytes(bytes)) => of("pg_catalog.bytea", hex(&bytes)),
        Some(Kind::Array(_)) => Err(Error::Field {
            field: "parameters",
            reason: format!(
                "parameter {} is an array; give it as typed text, such as {{1,2}} of int4[]",
                at + 1
            ),
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once("\\x".to_owned()).chain(digits).collect()
}

fn answer(analysis: Analysis) -> api::AnalyzeResponse {
    let Analysis { plan, measures, .. } = &analysis;
    let left_out = plan.nodes.len().saturating_sub(NODES_MAX);
    api::AnalyzeResponse {
        plan_text: cut(text(plan), TEXT_BYTES_MAX),
        planning_ms: plan.planning_ms,
        execution_ms: plan.execution_ms,
        nodes: nodes_of(plan, measures),
        nodes_left_out: number(left_out),
        findings: analysis.findings.iter().map(finding_of).collect(),
        plan_shape: shape_of(plan),
        generic: analysis.generic,
        plan_json: Some(analysis.json)
            .filter(|json| json.len() <= JSON_BYTES_MAX)
            .unwrap_or_default(),
        warnings: analysis.warnings,
    }
}

fn shape_of(plan: &Plan) -> String {
    Fingerprint::new(shape(plan)).to_string()
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}

fn nodes_of(plan: &Plan, measures: &Measures) -> Vec<api::PlanNode> {
    let mut room = CONDITIONS_BYTES_MAX;
    let told = plan.nodes.iter().take(NODES_MAX);
    told.map(|node| node_of(measures, node, &mut room)).collect()
}

/// The conditions of a node, each cut where there is no more room.
fn conditions_of(node: &Node, room: &mut usize) -> Vec<String> {
    let is_condition = |key: &str| key.ends_with("Cond") || key.ends_with("Filter");
    let mut told = Vec::new();
    for (key, value) in node.properties.iter().filter(|(key, _)| is_condition(key)) {
        let Some(text) = value.as_str().filter(|_| *room > 0) else {
            continue;
        };
        let text = cut(format!("{key}: {text}"), *room);
        *room = room.saturating_sub(text.len());
        told.push(text);
    }
    told
}

fn node_of(measures: &Measures, node: &Node, room: &mut usize) -> api::PlanNode {
    let word = |key: &str| node.word(key).to_owned();
    let removed = node
        .properties
        .iter()
        .filter(|(key, _)| key.starts_with("Rows Removed by "));
    let inclusive_ms = measures.measured_ms(node);
    api::PlanNode {
        id: number(node.id),
        parent: node.parent.map(number),
        node_type: node.kind().to_owned(),
        role: node.role().to_owned(),
        join_type: word("Join Type"),
        schema: word("Schema"),
        relation: node.relation().to_owned(),
        alias: word("Alias"),
        index: word("Index Name"),
        conditions: conditions_of(node, room),
        startup_cost: node.amount("Startup Cost"),
        total_cost: node.total_cost(),
        estimated_rows: node.estimated_rows(),
        actual_rows: node.actual_rows(),
        loops: node.loops(),
        inclusive_ms,
        exclusive_ms: inclusive_ms.map(|_| measures.exclusive_ms(node)),
        rows_removed: removed.filter_map(|(_, value)| value.as_f64()).sum::<f64>() * node.loops(),
        buffers: buffers_of(node),
    }
}

fn buffers_of(node: &Node) -> Option<api::PlanBuffers> {
    node.number("Shared Hit Blocks")?;
    Some(api::PlanBuffers {
        shared_hit: node.amount("Shared Hit Blocks"),
        shared_read: node.amount("Shared Read Blocks"),
        shared_dirtied: node.amount("Shared Dirtied Blocks"),
        shared_written: node.amount("Shared Written Blocks"),
        local: node.amount("Local Hit Blocks") + node.amount("Local Read Blocks"),
        temp_read: node.amount("Temp Read Blocks"),
        temp_written: node.amount("Temp Written Blocks"),
    })
}

fn finding_of(finding: &Finding) -> api::Finding {
    let severity = match finding.severity {
        Severity::Info => ApiSeverity::Info,
        Severity::Warning => ApiSeverity::Warning,
    };
    api::Finding {
        slug: finding.slug.to_owned(),
        severity: severity.into(),
        node: finding.node.map(number),
        text: finding.text.clone(),
        hint: finding.hint.clone(),
        figures: finding
            .figures
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    }
}

/// A finding as it was stored.
#[derive(Debug, Deserialize)]
struct Stored {
    slug: String,
    severity: String,
    node: Option<u32>,
    text: String,
    hint: String,
    figures: Vec<(String, f64)>,
}

impl From<Stored> for api::Finding {
    fn from(stored: Stored) -> Self {
        let severity = if stored.severity == "warning" {
            ApiSeverity::Warning
        } else {
            ApiSeverity::Info
        };
        Self {
            slug: stored.slug,
            severity: severity.into(),
            node: stored.node,
            text: stored.text,
            hint: stored.hint,
            figures: stored.figures.into_iter().collect(),
        }
    }
}

pub(super) async fn list(store: &Store, request: api::ListPlansRequest) -> Answer<api::ListPlansResponse> {
    let project = project_of(&request.project)?;
    let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
    let page = Page {
        size: page.size.min(PAGE_MAX),
        ..page
    };
    let wanted = PlansWanted {
        project: project.as_str(),
        database: &request.database,
        fingerprint: fingerprint_of(&request.fingerprint)?,
        after: page.after::<i64, i64>().map_err(|error| status(&error))?,
        size: page.size,
    };
    let listed = store::list_plans(store, &wanted).await;
    let mut rows = listed.map_err(|error| status(&Error::Store(store.error(error).to_string())))?;
    let page = whole_page(page, &mut rows).answer(&rows, |row| (row.captured_unix_ms, row.id));
    Ok(Response::new(api::ListPlansResponse {
        plans: rows.into_iter().map(captured_of).collect(),
        page: Some(page),
    }))
}

/// A page ends before it is too long for its reader; what is left out begins the next one.
fn whole_page(page: Page, rows: &mut Vec<PlanRow>) -> Page {
    let mut bytes = 0;
    let fits = rows.iter().take_while(|row| {
        bytes += 2 * row.plan.len() + row.findings.len();
        bytes <= PAGE_BYTES_MAX
    });
    let fitting = fits.count().max(1);
    if fitting >= rows.len() {
        return page;
    }
    rows.truncate(fitting);
    Page {
        size: number(fitting),
        ..page
    }
}

fn fingerprint_of(text: &str) -> Result<Option<Fingerprint>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse::<Fingerprint>().map(Some);
    parsed.map_err(|error| {
        status(&Error::Field {
            field: "fingerprint",
            reason: error.to_string(),
        })
    })
}

fn captured_of(row: PlanRow) -> api::CapturedPlan {
    let plan: Option<Plan> = read(&row.plan).ok();
    let change = row
        .change
        .as_deref()
        .and_then(|change| serde_json::from_str::<Stored>(change).ok());
    let findings = serde_json::from_str::<Vec<Stored>>(&row.findings).unwrap_or_default();
    api::CapturedPlan {
        fingerprint: Fingerprint::new(row.fingerprint.cast_unsigned()).to_string(),
        database: row.database,
        first_captured_unix_ms: row.first_captured_unix_ms,
        captured_unix_ms: row.captured_unix_ms,
        captures: row.captures.unsigned_abs(),
        plan_text: plan
            .as_ref()
            .map(advise::text)
            .map(|text| cut(text, TEXT_BYTES_MAX))
            .unwrap_or_default(),
        plan_shape: Fingerprint::new(row.plan_shape.cast_unsigned()).to_string(),
        findings: change.into_iter().chain(findings).map(Into::into).collect(),
        shortened: row.shortened,
        plan_json: row.plan,
    }
}
