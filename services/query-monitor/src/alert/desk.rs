//! What callers ask and say of alerts, rules and silences, on any of the monitors: rows are what they share with the
//! one that judges.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Response;
use uuid::Uuid;
use weir_model::{Clock, Fingerprint, Project};
use weir_proto::common::v1::Severity as Wire;
use weir_proto::monitor::v1 as api;
use weir_proto::page::Page;
use weir_proto::status::status;
use weir_store::Store;

use super::{Said, tell};
use crate::detect::{Direction, RuleBook, RulePatch, Severity, check_rules, matchers};
use crate::error::Error;
use crate::grpc::{Answer, project_of};
use crate::store::{self, AlertRow, SilenceRow};

/// How long the store may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Rules that are put at most.
const RULES_MAX: usize = 1_000;
/// Silences that have not ended at most.
const SILENCES_MAX: i64 = 1_000;
/// Longest silence: nobody remembers one that goes on for years.
const SILENCE_MAX_MS: i64 = 366 * 24 * 3_600_000;
/// Silences that ended within this time are listed.
const ENDED_MS: i64 = 7 * 24 * 3_600_000;
/// Longest name of a person, and longest remark.
const WORDS_MAX: usize = 500;

/// Answers questions about alerts.
#[derive(Debug, Clone)]
pub(crate) struct AlertDesk {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) said: watch::Receiver<Said>,
}

/// A step with the store, or a reason why the request cannot be.
enum Refusal {
    Store(sqlx::Error),
    Request(Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Request(error)
    }
}

fn field(field: &'static str, reason: impl Into<String>) -> Error {
    let reason = reason.into();
    Error::Field { field, reason }
}

impl AlertDesk {
    async fn answer<T>(&self, work: impl Future<Output = Result<T, Refusal>>) -> Answer<T> {
        let done = timeout(ANSWER_WITHIN, work).await;
        let refusal = match done.unwrap_or(Err(Refusal::Store(sqlx::Error::PoolTimedOut))) {
            Ok(answer) => return Ok(Response::new(answer)),
            Err(Refusal::Store(error)) => Error::Store(self.store.error(error).to_string()),
            Err(Refusal::Request(error)) => error,
        };
        Err(status(&refusal))
    }

    pub(crate) async fn list(&self, request: api::ListAlertsRequest) -> Answer<api::ListAlertsResponse> {
        let project = project_of(&request.project)?;
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let after = page.after::<i64, Uuid>().map_err(|error| status(&error))?;
        let states = states(&request);
        let fingerprint = Some(&request.fingerprint).filter(|text| !text.is_empty());
        let fingerprint = fingerprint.map(|text| text.parse::<Fingerprint>()).transpose();
        let fingerprint = fingerprint.map_err(|error| status(&field("fingerprint", error.to_string())))?;
        self.answer(async {
            let mut connection = self.store.pool().acquire().await?;
            let project = project.as_str();
            let rows = store::list_alerts(&mut connection, project, &states, fingerprint, after, page.size).await?;
            let page = Some(page.answer(&rows, |row| (row.since_unix_ms, row.id)));
            let alerts = rows.into_iter().map(alert_of).collect();
            Ok(api::ListAlertsResponse { alerts, page })
        })
        .await
    }

    pub(crate) async fn acknowledge(
        &self,
        request: api::AcknowledgeAlertRequest,
    ) -> Answer<api::AcknowledgeAlertResponse> {
        self.answer(async {
            let id = id_of(&request.id)?;
            whose(&request.project)?;
            words("by", &request.by, 1)?;
            words("note", &request.note, 0)?;
            let mut connection = self.store.pool().acquire().await?;
            let now = self.clock.unix_ms();
            let which = (id, request.project.as_str());
            let row = store::acknowledge(&mut connection, which, &request.by, &request.note, now).await?;
            let row = row.ok_or_else(|| not_found("alert that is not resolved with id", &request.id))?;
            Ok(api::AcknowledgeAlertResponse {
                alert: Some(alert_of(row)),
            })
        })
        .await
    }

    pub(crate) async fn list_rules(&self) -> Answer<api::ListRulesResponse> {
        self.answer(async {
            let mut connection = self.store.pool().acquire().await?;
            let rules = store::rules(&mut connection).await?;
            let (book, _) = self.book(rules)?;
            Ok(api::ListRulesResponse { rules: listed(&book) })
        })
        .await
    }

    pub(crate) async fn put_rule(&self, request: api::PutRuleRequest) -> Answer<api::PutRuleResponse> {
        self.answer(async {
            let patch = patch_of(request.rule.unwrap_or_default())?;
            // Before the store is asked: names are part of an index, which has a bound of its own.
            patch.check_names().map_err(|reason| field("rule", reason))?;
            let mut transaction = self.store.pool().begin().await?;
            store::revise(&mut transaction).await?;
            let before = store::rules(&mut transaction).await?;
            store::put_rule(&mut transaction, &patch, self.clock.unix_ms()).await?;
            let rules = store::rules(&mut transaction).await?;
            self.check(before, &rules)?;
            transaction.commit().await?;
            let (book, _) = self.book(rules)?;
            let rule = listed(&book)
                .into_iter()
                .find(|rule| rule.name == patch.name && rule.project == patch.project);
            Ok(api::PutRuleResponse { rule })
        })
        .await
    }

    pub(crate) async fn reset_rule(&self, request: api::ResetRuleRequest) -> Answer<api::ResetRuleResponse> {
        self.answer(async {
            whose(&request.project)?;
            if request.name.contains('\0') {
                return Err(field("name", "there is a zero byte in it").into());
            }
            let mut transaction = self.store.pool().begin().await?;
            store::revise(&mut transaction).await?;
            let before = store::rules(&mut transaction).await?;
            if !store::remove_rule(&mut transaction, &request.name, &request.project).await? {
                return Err(not_found("rule that was put, named", &request.name).into());
            }
            let rules = store::rules(&mut transaction).await?;
            self.check(before, &rules)?;
            transaction.commit().await?;
            Ok(api::ResetRuleResponse {})
        })
        .await
    }

    /// Whether the rules can be with this change. What could not be before, because the file changed, keeps nobody from
    /// changing something else.
    fn check(&self, before: Vec<RulePatch>, after: &[RulePatch]) -> Result<(), Error> {
        if after.len() > RULES_MAX {
            return Err(field("rule", format!("there are {RULES_MAX} already")));
        }
        let mut layers = self.said.borrow().layers.clone();
        layers.grpc = before;
        if check_rules(&layers).is_err() {
            return Ok(());
        }
        layers.grpc = after.to_vec();
        check_rules(&layers).map_err(|reason| field("rule", reason))
    }

    fn book(&self, rules: Vec<RulePatch>) -> Result<(RuleBook, Vec<String>), Error> {
        let mut layers = self.said.borrow().layers.clone();
        layers.grpc = rules;
        RuleBook::lenient(&layers).map_err(|reason| field("rule", reason))
    }

    pub(crate) async fn list_silences(&self, request: api::ListSilencesRequest) -> Answer<api::ListSilencesResponse> {
        self.answer(async {
            whose(&request.project)?;
            let mut connection = self.store.pool().acquire().await?;
            let since = self.clock.unix_ms() - ENDED_MS;
            let rows = store::silences(&mut connection, since, &request.project).await?;
            let silences = rows.into_iter().map(silence_of).collect();
            Ok(api::ListSilencesResponse { silences })
        })
        .await
    }

    pub(crate) async fn put_silence(&self, request: api::PutSilenceRequest) -> Answer<api::PutSilenceResponse> {
        self.answer(async {
            let now = self.clock.unix_ms();
            let row = silence_row(request.silence.unwrap_or_default(), now)?;
            let mut transaction = self.store.pool().begin().await?;
            store::revise(&mut transaction).await?;
            store::put_silence(&mut transaction, &row).await?;
            if store::count_silences(&mut transaction, now).await? > SILENCES_MAX {
                return Err(field("silence", format!("there are {SILENCES_MAX} already")).into());
            }
            transaction.commit().await?;
            Ok(api::PutSilenceResponse {
                silence: Some(silence_of(row)),
            })
        })
        .await
    }

    pub(crate) async fn expire_silence(
        &self,
        request: api::ExpireSilenceRequest,
    ) -> Answer<api::ExpireSilenceResponse> {
        self.answer(async {
            let id = id_of(&request.id)?;
            let mut transaction = self.store.pool().begin().await?;
            store::revise(&mut transaction).await?;
            whose(&request.project)?;
            if !store::expire_silence(&mut transaction, (id, &request.project), self.clock.unix_ms()).await? {
                return Err(not_found("silence that has not ended with id", &request.id).into());
            }
            transaction.commit().await?;
            Ok(api::ExpireSilenceResponse {})
        })
        .await
    }
}

fn not_found(what: &'static str, name: &str) -> Error {
    let name = name.chars().take(64).collect();
    Error::NotFound { what, name }
}

fn id_of(text: &str) -> Result<Uuid, Error> {
    text.parse().map_err(|_| field("id", "it is not a UUID"))
}

/// A project that something has to be of; empty: of any.
fn whose(project: &str) -> Result<(), Error> {
    if project.is_empty() {
        return Ok(());
    }
    let parsed = Project::parse(project);
    parsed.map(drop).map_err(|error| field("project", error.to_string()))
}

fn words(name: &'static str, text: &str, least: usize) -> Result<(), Error> {
    if (least..=WORDS_MAX).contains(&text.chars().count()) && !text.contains('\0') {
        return Ok(());
    }
    Err(field(name, format!("{least} to {WORDS_MAX} characters are expected")))
}

fn states(request: &api::ListAlertsRequest) -> Vec<String> {
    let name = |state| match state {
        api::AlertState::Unspecified => None,
        api::AlertState::Pending => Some("pending".to_owned()),
        api::AlertState::Firing => Some("firing".to_owned()),
        api::AlertState::Resolved => Some("resolved".to_owned()),
    };
    if request.states.is_empty() {
        return vec!["firing".to_owned(), "resolved".to_owned()];
    }
    request.states().filter_map(name).collect()
}

fn alert_of(row: AlertRow) -> api::Alert {
    let state = match row.state.as_str() {
        "pending" => api::AlertState::Pending,
        "firing" => api::AlertState::Firing,
        _ => api::AlertState::Resolved,
    };
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let fingerprint = row
        .fingerprint
        .map(|print| Fingerprint::new(print.cast_unsigned()).to_string());
    api::Alert {
        id: row.id.to_string(),
        rule: row.rule,
        severity: Severity::named(&row.severity)
            .map_or(Wire::Unspecified, tell::wire)
            .into(),
        state: state.into(),
        project: row.project,
        labels: row.labels.0,
        summary: row.summary,
        value: row.value,
        threshold: row.threshold,
        since_unix_ms: row.since_unix_ms,
        resolved_unix_ms: row.resolved_unix_ms,
        fingerprint: fingerprint.unwrap_or_default(),
        runbook: row.runbook,
        flapping: row.flapping,
        silenced_by: id(row.silenced_by),
        inhibited_by: id(row.inhibited_by),
        acknowledged_by: row.acknowledged_by,
        acknowledged_note: row.acknowledged_note,
        acknowledged_unix_ms: row.acknowledged_unix_ms,
        traces: row.traces.0,
    }
}

fn patch_of(rule: api::AlertRule) -> Result<RulePatch, Error> {
    let direction = match rule.direction() {
        api::RuleDirection::Unspecified => None,
        api::RuleDirection::Above => Some(Direction::Above),
        api::RuleDirection::Below => Some(Direction::Below),
    };
    let severity = match rule.severity() {
        Wire::Unspecified => None,
        Wire::Info => Some(Severity::Info),
        Wire::Warning => Some(Severity::Warning),
        Wire::Critical => Some(Severity::Critical),
    };
    let labels = rule.labels.iter().flat_map(|(name, label)| [name, label]);
    let texts = labels.chain(&rule.inhibits).chain(&rule.summary).chain(&rule.runbook);
    let texts = texts.chain([&rule.name, &rule.project]).chain(&rule.metric);
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(field("rule", "a text has a zero byte"));
    }
    Ok(RulePatch {
        name: rule.name,
        project: rule.project,
        enabled: rule.enabled,
        metric: rule.metric,
        labels: Some(rule.labels).filter(|labels| !labels.is_empty()),
        direction,
        info: rule.info,
        info_clear: rule.info_clear,
        warning: rule.warning,
        warning_clear: rule.warning_clear,
        critical: rule.critical,
        critical_clear: rule.critical_clear,
        severity,
        hold: rule.for_ms.map(|ms| format!("{ms}ms")),
        keep: rule.keep_firing_for_ms.map(|ms| format!("{ms}ms")),
        window: rule.window_ms.map(|ms| format!("{ms}ms")),
        summary: rule.summary,
        runbook: rule.runbook,
        inhibits: Some(rule.inhibits).filter(|inhibits| !inhibits.is_empty()),
    })
}

fn listed(book: &RuleBook) -> Vec<api::AlertRule> {
    let listed = |(project, rule, origin): (
        Option<&weir_model::Project>,
        &crate::detect::Rule,
        crate::detect::RuleOrigin,
    )| {
        let bound = |severity| rule.levels.of(severity);
        let millis = |time: Duration| u64::try_from(time.as_millis()).ok();
        let labels = rule
            .labels
            .iter()
            .map(|(name, pattern)| (name.clone(), pattern.to_string()));
        api::AlertRule {
            name: rule.name.to_string(),
            project: project.map(ToString::to_string).unwrap_or_default(),
            enabled: Some(rule.enabled),
            metric: Some(rule.metric.0.to_owned()),
            labels: labels.collect(),
            direction: match rule.direction {
                Direction::Above => api::RuleDirection::Above.into(),
                Direction::Below => api::RuleDirection::Below.into(),
            },
            info: bound(Severity::Info).map(|bound| bound.raise),
            info_clear: bound(Severity::Info).map(|bound| bound.clear),
            warning: bound(Severity::Warning).map(|bound| bound.raise),
            warning_clear: bound(Severity::Warning).map(|bound| bound.clear),
            critical: bound(Severity::Critical).map(|bound| bound.raise),
            critical_clear: bound(Severity::Critical).map(|bound| bound.clear),
            severity: Wire::Unspecified.into(),
            for_ms: millis(rule.hold),
            keep_firing_for_ms: millis(rule.keep),
            window_ms: millis(rule.window),
            summary: Some(rule.summary.clone()),
            runbook: Some(rule.runbook.clone()),
            inhibits: rule.inhibits.iter().map(ToString::to_string).collect(),
            origin: origin.as_str().to_owned(),
        }
    };
    book.list().map(listed).collect()
}

fn silence_row(silence: api::Silence, now: i64) -> Result<SilenceRow, Error> {
    let id = if silence.id.is_empty() {
        Uuid::now_v7()
    } else {
        id_of(&silence.id)?
    };
    let texts: BTreeMap<String, String> = silence.matchers;
    if texts
        .iter()
        .any(|(name, text)| name.contains('\0') || text.contains('\0'))
    {
        return Err(field("silence.matchers", "a text has a zero byte"));
    }
    matchers(&texts).map_err(|reason| field("silence.matchers", reason))?;
    words("silence.author", &silence.author, 1)?;
    words("silence.comment", &silence.comment, 0)?;
    let starts_unix_ms = if silence.starts_unix_ms == 0 {
        now
    } else {
        silence.starts_unix_ms
    };
    let lasts = silence.ends_unix_ms.saturating_sub(starts_unix_ms.max(now));
    if !(1..=SILENCE_MAX_MS).contains(&lasts) {
        return Err(field(
            "silence.ends_unix_ms",
            "it ends after it begins, after now, and within a year",
        ));
    }
    Ok(SilenceRow {
        id,
        matchers: sqlx::types::Json(texts),
        starts_unix_ms,
        ends_unix_ms: silence.ends_unix_ms,
        author: silence.author,
        comment: silence.comment,
    })
}

fn silence_of(row: SilenceRow) -> api::Silence {
    api::Silence {
        id: row.id.to_string(),
        matchers: row.matchers.0,
        starts_unix_ms: row.starts_unix_ms,
        ends_unix_ms: row.ends_unix_ms,
        author: row.author,
        comment: row.comment,
    }
}
