//! `weir query`: everything that is known of one statement.
//!
//! The monitor has to answer; what the cache and maintenance would add is left out with the reason where they do not.

mod chart;
mod showing;

use clap::Args;
use tonic::transport::Channel;
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::cache::v1 as cache;
use weir_proto::common::v1::PageRequest;
use weir_proto::maintenance::v1 as maintenance;
use weir_proto::monitor::v1 as monitor;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;

use super::times::When;
use crate::connect::{Services, refusal};
use crate::terminal::Failure;

const PAGE_SIZE: u32 = 1_000;
/// Pages that are looked through for one statement.
const PAGES_MAX: usize = 60;
/// Plans and alerts that are shown, the latest.
const SHOWN_MAX: u32 = 5;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Its fingerprint, as `weir queries` lists it, or the beginning of it.
    fingerprint: String,
    /// The project. Without it: default.
    #[arg(long, default_value = "", hide_default_value = true)]
    project: String,
    /// Only on this database. Without it: on all.
    #[arg(long, default_value = "", hide_default_value = true)]
    database: String,
    /// Figures from then on: so long ago (15m, 2h, 7d) or a time (2026-03-01T12:00:00Z).
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    since: When,
    /// Figures before then, written alike. Without it: up to now.
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is known of a statement; of another service's part, or why it is not known.
struct Known {
    /// One for each database.
    statistics: Vec<monitor::QueryStatistics>,
    timeline: monitor::GetTimelineResponse,
    plans: Vec<monitor::CapturedPlan>,
    changes: Vec<monitor::QueryChange>,
    alerts: Vec<monitor::Alert>,
    advice: Result<Vec<maintenance::Advice>, Failure>,
    cached: Result<Vec<cache::Shape>, Failure>,
    rules: Result<Vec<cache::Policy>, Failure>,
}

/// Who asks, for what.
struct Quest<'a> {
    services: Services<'a>,
    monitor: MonitorServiceClient<Channel>,
    project: String,
    database: String,
    since_unix_ms: i64,
    until_unix_ms: i64,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let now_ms = Clock::system().unix_ms();
    let services = Services(&sources);
    let mut quest = Quest {
        monitor: services.monitor().await?,
        services,
        project: arguments.project,
        database: arguments.database,
        since_unix_ms: arguments.since.unix_ms(now_ms),
        until_unix_ms: arguments.until.map_or(0, |until| until.unix_ms(now_ms)),
    };
    let statistics = quest.statistics(&arguments.fingerprint).await?;
    let known = quest.all(statistics).await?;
    if arguments.json {
        showing::json(&known)
    } else {
        showing::people(&known)
    }
}

impl Quest<'_> {
    /// The statement with this fingerprint, or the only one whose fingerprint begins like this.
    async fn statistics(&mut self, wanted: &str) -> Result<Vec<monitor::QueryStatistics>, Failure> {
        let wanted = wanted.to_lowercase();
        let all = self.seen().await?;
        let mut fingerprints: Vec<&str> = all.iter().map(|query| query.fingerprint.as_str()).collect();
        fingerprints.sort_unstable();
        fingerprints.dedup();
        let chosen = choose(&wanted, &fingerprints)?.to_owned();
        Ok(all.into_iter().filter(|query| query.fingerprint == chosen).collect())
    }

    async fn seen(&mut self) -> Result<Vec<monitor::QueryStatistics>, Failure> {
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..PAGES_MAX {
            let request = monitor::ListQueriesRequest {
                project: self.project.clone(),
                database: self.database.clone(),
                since_unix_ms: self.since_unix_ms,
                until_unix_ms: self.until_unix_ms,
                page: Some(PageRequest { size: PAGE_SIZE, token }),
                ..monitor::ListQueriesRequest::default()
            };
            let part = self.monitor.list_queries(request).await.map_err(refusal)?.into_inner();
            all.extend(part.queries);
            token = part.page.unwrap_or_default().next_token;
            if token.is_empty() {
                break;
            }
        }
        Ok(all)
    }

    async fn all(&mut self, statistics: Vec<monitor::QueryStatistics>) -> Result<Known, Failure> {
        let first = statistics.first().cloned().unwrap_or_default();
        Ok(Known {
            timeline: self.timeline(&first.fingerprint).await?,
            plans: self.plans(&first.fingerprint).await?,
            changes: self.changes(&first.fingerprint).await?,
            alerts: self.alerts(&first.fingerprint).await?,
            advice: self.advice(&first.text).await,
            cached: self.cached(&first).await,
            rules: self.rules(&first.fingerprint).await,
            statistics,
        })
    }

    async fn timeline(&mut self, fingerprint: &str) -> Result<monitor::GetTimelineResponse, Failure> {
        let request = monitor::GetTimelineRequest {
            project: self.project.clone(),
            fingerprint: fingerprint.to_owned(),
            database: self.database.clone(),
            since_unix_ms: self.since_unix_ms,
            until_unix_ms: self.until_unix_ms,
            ..monitor::GetTimelineRequest::default()
        };
        Ok(self.monitor.get_timeline(request).await.map_err(refusal)?.into_inner())
    }

    async fn plans(&mut self, fingerprint: &str) -> Result<Vec<monitor::CapturedPlan>, Failure> {
        let request = monitor::ListPlansRequest {
            project: self.project.clone(),
            fingerprint: fingerprint.to_owned(),
            database: self.database.clone(),
            page: page(SHOWN_MAX),
        };
        Ok(self
            .monitor
            .list_plans(request)
            .await
            .map_err(refusal)?
            .into_inner()
            .plans)
    }

    async fn changes(&mut self, fingerprint: &str) -> Result<Vec<monitor::QueryChange>, Failure> {
        let request = monitor::ListChangesRequest {
            project: self.project.clone(),
            since_unix_ms: self.since_unix_ms,
            page: page(PAGE_SIZE),
        };
        let changes = self
            .monitor
            .list_changes(request)
            .await
            .map_err(refusal)?
            .into_inner()
            .changes;
        Ok(changes
            .into_iter()
            .filter(|change| change.fingerprint == fingerprint)
            .collect())
    }

    async fn alerts(&mut self, fingerprint: &str) -> Result<Vec<monitor::Alert>, Failure> {
        let request = monitor::ListAlertsRequest {
            project: self.project.clone(),
            states: Vec::new(),
            page: page(PAGE_SIZE),
            ..monitor::ListAlertsRequest::default()
        };
        let alerts = self
            .monitor
            .list_alerts(request)
            .await
            .map_err(refusal)?
            .into_inner()
            .alerts;
        let own = alerts.into_iter().filter(|alert| alert.fingerprint == fingerprint);
        Ok(own.take(usize::try_from(SHOWN_MAX)?).collect())
    }

    /// Advice about tables that the statement names.
    async fn advice(&mut self, text: &str) -> Result<Vec<maintenance::Advice>, Failure> {
        let mut service = self.services.maintenance().await?;
        let request = maintenance::ListAdviceRequest {
            project: self.project.clone(),
            kinds: Vec::new(),
            ..maintenance::ListAdviceRequest::default()
        };
        let listed = service.list_advice(request).await.map_err(refusal)?.into_inner().advice;
        Ok(listed.into_iter().filter(|advice| names(text, &advice.table)).collect())
    }

    async fn cached(&mut self, query: &monitor::QueryStatistics) -> Result<Vec<cache::Shape>, Failure> {
        let mut service = self.services.cache().await?;
        let request = cache::ListShapesRequest {
            project: self.project.clone(),
            search: query.text.clone(),
            page: page(PAGE_SIZE),
        };
        let shapes = service.list_shapes(request).await.map_err(refusal)?.into_inner().shapes;
        Ok(shapes
            .into_iter()
            .filter(|shape| shape.fingerprint == query.fingerprint)
            .collect())
    }

    /// Rules about this very statement; others show in the decision.
    async fn rules(&mut self, fingerprint: &str) -> Result<Vec<cache::Policy>, Failure> {
        let mut service = self.services.cache().await?;
        let request = cache::ListPoliciesRequest {
            project: self.project.clone(),
            page: page(PAGE_SIZE),
        };
        let rules = service
            .list_policies(request)
            .await
            .map_err(refusal)?
            .into_inner()
            .policies;
        let is_about = |policy: &cache::Policy| matches!(&policy.subject, Some(cache::policy::Subject::Fingerprint(about)) if about == fingerprint);
        Ok(rules.into_iter().filter(is_about).collect())
    }
}

fn page(size: u32) -> Option<PageRequest> {
    Some(PageRequest {
        size,
        token: String::new(),
    })
}

/// The fingerprint that is meant: itself, or the only one that begins so.
fn choose<'a>(wanted: &str, known: &[&'a str]) -> Result<&'a str, Failure> {
    if let Some(exact) = known.iter().find(|fingerprint| **fingerprint == wanted) {
        return Ok(exact);
    }
    let begin: Vec<&str> = known
        .iter()
        .copied()
        .filter(|fingerprint| fingerprint.starts_with(wanted))
        .collect();
    match begin.as_slice() {
        [one] if !wanted.is_empty() => Ok(one),
        [] => {
            let near = weir_config::nearest(wanted, known).map(|near| format!("; did you mean {near}?"));
            let near =
                near.unwrap_or_else(|| "; weir queries lists those that did, --since looks further back".to_owned());
            Err(format!("no statement with the fingerprint {wanted:?} ran in that time{near}").into())
        }
        several => Err(format!(
            "{} fingerprints begin with {wanted:?}: {}",
            several.len(),
            first(several)
        )
        .into()),
    }
}

fn first(fingerprints: &[&str]) -> String {
    let shown = fingerprints.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    if fingerprints.len() > 5 {
        format!("{shown}, …")
    } else {
        shown
    }
}

/// Whether a text names a table (`schema.name`), with its schema or without.
fn names(text: &str, table: &str) -> bool {
    let Some((_, name)) = table.rsplit_once('.') else {
        return false;
    };
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut words = text.split(|letter| !is_part(letter));
    words.any(|word| word.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_may_be_begun_only() {
        let known = ["00aa00000000000f", "00ab00000000000f", "ff00000000000001"];
        assert_eq!(choose("ff", &known).unwrap(), "ff00000000000001");
        assert_eq!(choose("00ab00000000000f", &known).unwrap(), "00ab00000000000f");
        let several = choose("00a", &known).unwrap_err().to_string();
        assert!(
            several.contains("2 fingerprints begin") && several.contains("00aa"),
            "{several}"
        );
        let near = choose("ff00000000000002", &known).unwrap_err().to_string();
        assert!(near.contains("did you mean ff00000000000001?"), "{near}");
        let far = choose("123", &known).unwrap_err().to_string();
        assert!(far.contains("weir queries"), "{far}");
        assert!(choose("", &known).is_err());
    }

    #[test]
    fn advice_belongs_to_a_statement_that_names_its_table() {
        assert!(names("select * from shop.orders o", "shop.orders") && names("UPDATE Orders SET", "public.orders"));
        assert!(!names("select * from orders_old", "shop.orders") && !names("select 1", ""));
    }
}
