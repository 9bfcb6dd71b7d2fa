//! Security in short: the last day's broken rules, who broke them, and what the firewall does.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tonic::Status;
use weir_proto::common::v1::PageRequest;
use weir_proto::gateway::v1::{FirewallMode, FirewallStatusRequest, FirewallStatusResponse};

use super::super::body::Query;
use super::super::dashboard::Gathering;
use super::super::{Console, Paged as _, Problem, Scoped};
use super::firewall;
use crate::store::violations::{self as rows, OfClient, OfRule};

const DAY_MS: i64 = 86_400_000;
const CLIENTS_MAX: i64 = 10;
/// Longest wait for the gateway. The answer comes without it then.
const WITHIN: Duration = Duration::from_secs(3);
/// Users of databases that are asked for at once, and how often at most.
const PAGE_SIZE: u32 = 1_000;
const PAGES_MAX: usize = 10;

/// Whose security.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SecurityQuery {
    /// Whose; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
}

/// Security in short.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::SecurityOverview)]
pub(crate) struct Overview {
    /// From when on rules and clients are counted: a day ago.
    since_unix_ms: i64,
    /// How often something was refused.
    blocked: i64,
    /// How often something was told of and let through.
    reported: i64,
    /// Rules that were broken, the most often first.
    rules: Vec<OfRule>,
    /// Who broke them most often, at most ten.
    clients: Vec<OfClient>,
    /// What the firewall does; null: the gateway does not answer.
    firewall: Option<FirewallAtAGlance>,
    /// What could not be asked, a sentence each; none: this is complete.
    missing: Vec<String>,
}

/// The firewall in short, over every user of every database.
#[derive(Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = console::FirewallAtAGlance)]
pub(crate) struct FirewallAtAGlance {
    /// Users of databases for whom it does nothing.
    off: u64,
    /// For whom it learns.
    learn: u64,
    /// For whom it tells and lets through.
    monitor: u64,
    /// For whom it refuses.
    enforce: u64,
    /// Those of them for whom another mode is set than holds, such as where enforcing was given up by itself.
    relaxed: u64,
    /// Shapes of statement that were learned.
    learned: u64,
    /// Shapes that a person approved.
    approved: u64,
    /// Shapes that wait for a person.
    queued: u64,
    /// Statements judged since `since_unix_ms`.
    statements: u64,
    /// Of them: refused.
    blocked: u64,
    /// Of them: would have been refused, or were, had the mode been `enforce` for everybody all along.
    would_block: u64,
    /// Whether the shapes are in the gateway's store at present.
    kept: bool,
    /// When the gateway began to count.
    since_unix_ms: i64,
}

/// Broken rules of the last day by rule and by client, and what the firewall does.
#[utoipa::path(get, path = "/database/security/overview", tag = "security", params(SecurityQuery), responses((status = 200, body = Overview)))]
pub(crate) async fn show(
    State(console): State<Console>,
    scoped: Scoped,
    Query(_): Query<SecurityQuery>,
) -> Result<Json<Overview>, Problem> {
    let since_unix_ms = console.clock.unix_ms() - DAY_MS;
    let (pool, project) = (console.tables.store().pool(), scoped.name());
    let (rules, clients, glance) = tokio::join!(
        rows::by_rule(pool, &project, since_unix_ms),
        rows::by_client(pool, &project, since_unix_ms, CLIENTS_MAX),
        timeout(WITHIN, glance(&console, &project))
    );
    let late = || Err(Status::deadline_exceeded("it did not answer in time"));
    let mut gathering = Gathering::new(&console);
    let firewall = gathering.note("pool-gateway", glance.unwrap_or_else(|_| late()));
    let rules = rules?;
    let done = |action: &str| {
        rules
            .iter()
            .filter(|rule| rule.action == action)
            .map(|rule| rule.count)
            .sum()
    };
    Ok(Json(Overview {
        since_unix_ms,
        blocked: done("blocked"),
        reported: done("reported"),
        rules,
        clients: clients?,
        firewall,
        missing: gathering.missing(),
    }))
}

async fn glance(console: &Console, project: &str) -> Result<FirewallAtAGlance, Status> {
    let mut glance = FirewallAtAGlance::default();
    let mut token = String::new();
    for _ in 0..PAGES_MAX {
        let asked = FirewallStatusRequest {
            project: project.to_owned(),
            page: Some(PageRequest { size: PAGE_SIZE, token }),
            ..FirewallStatusRequest::default()
        };
        let told = firewall::status(console, asked).await?;
        glance.add(&told);
        match told.page.next() {
            Some(next) => token = next,
            None => break,
        }
    }
    Ok(glance)
}

impl FirewallAtAGlance {
    fn add(&mut self, told: &FirewallStatusResponse) {
        (self.kept, self.since_unix_ms) = (told.kept, told.since_unix_ms);
        for scope in &told.scopes {
            *self.of(scope.effective_mode()) += 1;
            self.relaxed += u64::from(scope.mode() != scope.effective_mode());
            self.learned += scope.learned;
            self.approved += scope.approved;
            self.queued += scope.queued;
            self.statements += scope.statements;
            self.blocked += scope.blocked;
            self.would_block += scope.would_block;
        }
    }

    const fn of(&mut self, mode: FirewallMode) -> &mut u64 {
        match mode {
            FirewallMode::Unspecified | FirewallMode::Off => &mut self.off,
            FirewallMode::Learn => &mut self.learn,
            FirewallMode::Monitor => &mut self.monitor,
            FirewallMode::Enforce => &mut self.enforce,
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_proto::gateway::v1::FirewallScopeStatus;

    use super::*;

    #[test]
    fn scopes_are_counted_by_the_mode_that_holds() {
        let scope = |mode: FirewallMode, holds: FirewallMode| FirewallScopeStatus {
            mode: mode.into(),
            effective_mode: holds.into(),
            statements: 10,
            would_block: 2,
            queued: 1,
            ..FirewallScopeStatus::default()
        };
        let told = FirewallStatusResponse {
            scopes: vec![
                scope(FirewallMode::Enforce, FirewallMode::Enforce),
                scope(FirewallMode::Enforce, FirewallMode::Monitor),
                scope(FirewallMode::Learn, FirewallMode::Learn),
            ],
            kept: true,
            since_unix_ms: 7,
            ..FirewallStatusResponse::default()
        };
        let mut glance = FirewallAtAGlance::default();
        glance.add(&told);
        let expected = FirewallAtAGlance {
            learn: 1,
            monitor: 1,
            enforce: 1,
            relaxed: 1,
            queued: 3,
            statements: 30,
            would_block: 6,
            kept: true,
            since_unix_ms: 7,
            ..FirewallAtAGlance::default()
        };
        assert_eq!(glance, expected);
    }
}
