//! How maintenance stands: what runs, what ran last, when it may run next, and how far wraparound is.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use weir_proto::common::v1::PageRequest;
use weir_proto::maintenance::v1::{GetWraparoundRequest, ListJobsRequest, WraparoundDatabase, WraparoundIds};
use weir_proto::scheduler::v1::{ListWindowsRequest, ListWindowsResponse};

use crate::http::jobs::{Job, ProjectQuery, StateFilter};
use crate::http::{Console, Problem, Scoped};

/// Runs that are shown of those under way, and of those that have ended.
const RUNNING_MAX: u32 = 50;
const LAST_MAX: u32 = 10;

/// How maintenance stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::MaintenanceStatus)]
pub(crate) struct Status {
    /// Runs under way, and those that wait for their turn.
    running: Vec<Job>,
    /// Runs that have ended, the newest first.
    last: Vec<Job>,
    /// When it may run; null where the scheduler cannot be asked.
    windows: Option<ListWindowsResponse>,
    /// How far wraparound is, for each database that was seen.
    wraparound: Vec<Glance>,
}

/// Wraparound of one database at a glance.
#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = console::WraparoundGlance)]
pub(crate) struct Glance {
    /// The database.
    database: String,
    /// When it was asked.
    taken_unix_ms: i64,
    /// Why nothing newer is known; empty: it was asked lately.
    away: String,
    /// The limit that comes first, such as `xid_autovacuum`; null: none is in sight.
    limit: Option<String>,
    /// Seconds until then, 0 where it is reached; null: none is in sight.
    eta_seconds: Option<f64>,
    /// The age of the oldest id of that kind; of transactions where no limit is in sight.
    age: u64,
    /// Something old is held on to: nothing younger can be frozen.
    cannot_advance: bool,
}

/// How maintenance stands.
#[utoipa::path(get, path = "/database/maintenance/status", tag = "maintenance", params(ProjectQuery), responses((status = 200, description = "how it stands", body = Status)))]
pub(crate) async fn show(State(console): State<Console>, scoped: Scoped) -> Result<Json<Status>, Problem> {
    let (running, last, windows, wraparound) = tokio::join!(
        jobs(&console, &scoped, StateFilter::Active, RUNNING_MAX),
        jobs(&console, &scoped, StateFilter::Ended, LAST_MAX),
        windows(&console, &scoped),
        wraparound(&console, &scoped),
    );
    Ok(Json(Status {
        running: running?,
        last: last?,
        windows: windows.ok(),
        wraparound: wraparound?,
    }))
}

async fn jobs(console: &Console, scoped: &Scoped, states: StateFilter, size: u32) -> Result<Vec<Job>, Problem> {
    let asked = ListJobsRequest {
        project: scoped.name(),
        states: states.states(),
        page: Some(PageRequest {
            size,
            token: String::new(),
        }),
    };
    let mut maintenance = console.services.maintenance();
    let listed = maintenance.list_jobs(console.services.ask(asked)).await?.into_inner();
    Ok(listed.jobs.into_iter().map(Job::of_maintenance).collect())
}

async fn windows(console: &Console, scoped: &Scoped) -> Result<ListWindowsResponse, Problem> {
    let asked = ListWindowsRequest { project: scoped.name() };
    let mut scheduler = console.services.scheduler();
    Ok(scheduler.list_windows(console.services.ask(asked)).await?.into_inner())
}

async fn wraparound(console: &Console, scoped: &Scoped) -> Result<Vec<Glance>, Problem> {
    let asked = GetWraparoundRequest {
        project: scoped.name(),
        tables_max: 1,
    };
    let mut maintenance = console.services.maintenance();
    let shown = maintenance.get_wraparound(console.services.ask(asked)).await?;
    Ok(shown.into_inner().databases.into_iter().map(glance).collect())
}

fn glance(database: WraparoundDatabase) -> Glance {
    let transactions = database.transactions.unwrap_or_default();
    let age = transactions.age;
    let all = [transactions, database.multixacts.unwrap_or_default()];
    let nearest = all
        .iter()
        .filter_map(nearest)
        .min_by(|one, other| one.1.total_cmp(&other.1));
    Glance {
        database: database.database,
        taken_unix_ms: database.taken_unix_ms,
        away: database.away,
        age: nearest.map_or(age, |(_, _, age)| age),
        eta_seconds: nearest.map(|(_, eta, _)| eta),
        limit: nearest.map(|(limit, _, _)| limit.to_owned()),
        cannot_advance: database.cannot_advance,
    }
}

/// The limit of one kind of ids that comes first, when, and the age now.
fn nearest(ids: &WraparoundIds) -> Option<(&str, f64, u64)> {
    let limits = ids.limits.iter();
    let in_sight = limits.filter_map(|limit| Some((limit.limit.as_str(), limit.eta_seconds?, ids.age)));
    in_sight.min_by(|one, other| one.1.total_cmp(&other.1))
}

#[cfg(test)]
mod tests {
    use weir_proto::maintenance::v1::WraparoundLimit;

    use super::*;

    fn ids(age: u64, limits: &[(&str, Option<f64>)]) -> Option<WraparoundIds> {
        Some(WraparoundIds {
            age,
            limits: limits
                .iter()
                .map(|(limit, eta_seconds)| WraparoundLimit {
                    limit: (*limit).to_owned(),
                    eta_seconds: *eta_seconds,
                    ..WraparoundLimit::default()
                })
                .collect(),
            ..WraparoundIds::default()
        })
    }

    #[test]
    fn the_limit_that_comes_first_is_shown() {
        let shown = |transactions, multixacts| {
            let shown = glance(WraparoundDatabase {
                transactions,
                multixacts,
                ..WraparoundDatabase::default()
            });
            (shown.limit.unwrap_or_default(), shown.eta_seconds, shown.age)
        };
        let far = ids(7, &[("xid_autovacuum", None), ("xid_stop", Some(900.0))]);
        let near = ids(3, &[("mxid_autovacuum", Some(60.0)), ("mxid_stop", Some(90.0))]);
        assert_eq!(shown(far.clone(), near), ("mxid_autovacuum".to_owned(), Some(60.0), 3));
        assert_eq!(shown(far, None), ("xid_stop".to_owned(), Some(900.0), 7));
        assert_eq!(shown(ids(7, &[]), None), (String::new(), None, 7));
    }
}
