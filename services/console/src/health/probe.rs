//! Asks everybody at once how they are, each within a time.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use tonic::Code;
use weir_proto::backup::v1::ListRepositoriesRequest;
use weir_proto::gateway::v1::ExecuteRequest;

use super::ops::{self, Readyz};
use super::reading::{self, Said};
use super::state::{Kind, Sighting, State};
use super::traffic::Reading;
use crate::exposition;
use crate::http::Console;

/// Longest wait for a service's word.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Longest wait for a statement.
const STATEMENT_WITHIN: Duration = Duration::from_secs(3);
const REPOSITORIES_WITHIN: Duration = Duration::from_secs(10);
/// On whose behalf the console runs statements of its own, so that nobody's statistics have them.
pub(crate) const OWN_PROJECT: &str = "weir";

/// What one round showed.
pub(super) struct Round {
    pub(super) sightings: Vec<Sighting>,
    /// What the gateway has counted; nothing where it does not say.
    pub(super) reading: Option<Reading>,
}

pub(super) async fn look(console: &Console) -> Round {
    let (answers, statement, metrics) = tokio::join!(answers(console), statement(console), gateway_metrics(console));
    let mut sightings = reading::services(&answers);
    sightings.push(reading::connectivity(&statement));
    let families = metrics.as_deref().map(exposition::read);
    if let Some(families) = &families {
        sightings.extend(reading::upstreams(families));
        sightings.push(reading::pools(families));
    }
    let now = console.clock.unix_ms();
    Round {
        sightings,
        reading: families.map(|families| Reading::of(&families, now)),
    }
}

/// What every service says of itself, the console included.
pub(crate) async fn answers(console: &Console) -> BTreeMap<&'static str, Said> {
    let asked = console.services.peers.iter().map(|peer| async {
        let begun = Instant::now();
        let answer = ops::readyz(&peer.ops, ANSWER_WITHIN).await;
        (peer.name, (answer, ms(begun)))
    });
    let mut answers: BTreeMap<&'static str, Said> = join_all(asked).await.into_iter().collect();
    let own = serde_json::from_value::<Readyz>(console.readiness.report().to_json());
    if let Ok(own) = own {
        answers.insert("console", (Ok(own), 0.0));
    }
    answers
}

/// How long a statement takes, or why it is not answered and whether that is sure.
async fn statement(console: &Console) -> Result<f64, (String, bool)> {
    let request = ExecuteRequest {
        project: OWN_PROJECT.to_owned(),
        sql: "select pg_is_in_recovery()".to_owned(),
        application: "weir console".to_owned(),
        consistency: "off".to_owned(),
        ..ExecuteRequest::default()
    };
    let mut gateway = console.services.gateway();
    let begun = Instant::now();
    let asked = gateway.execute(console.services.ask_within(request, STATEMENT_WITHIN));
    match timeout(STATEMENT_WITHIN, asked).await {
        Ok(Ok(_)) => Ok(ms(begun)),
        Ok(Err(status)) => Err(refused(&status)),
        Err(_) => Err((format!("no answer within {STATEMENT_WITHIN:?}"), false)),
    }
}

fn refused(status: &tonic::Status) -> (String, bool) {
    let has_slug = status.metadata().contains_key(weir_proto::status::ERROR_SLUG);
    match status.code() {
        Code::Unavailable if !has_slug => ("the gateway cannot be reached".to_owned(), true),
        Code::DeadlineExceeded | Code::Cancelled => (format!("no answer within {STATEMENT_WITHIN:?}"), false),
        Code::ResourceExhausted => (status.message().to_owned(), false),
        _ => (status.message().to_owned(), true),
    }
}

async fn gateway_metrics(console: &Console) -> Option<String> {
    let [gateway, ..] = &console.services.peers;
    ops::metrics(&gateway.ops, ANSWER_WITHIN).await.ok()
}

/// Where backups are kept. Nothing, where the backup service does not say.
pub(super) async fn repositories(console: &Console) -> Vec<Sighting> {
    let mut backup = console.services.backup();
    let asked = backup.list_repositories(
        console
            .services
            .ask_within(ListRepositoriesRequest {}, REPOSITORIES_WITHIN),
    );
    let Ok(Ok(listed)) = timeout(REPOSITORIES_WITHIN, asked).await else {
        return Vec::new();
    };
    let listed = listed.into_inner().repositories.into_iter();
    listed
        .map(|repository| {
            let state = match (repository.reachable, repository.trouble.is_empty()) {
                (false, _) => State::Down,
                (true, false) => State::Degraded,
                (true, true) => State::Up,
            };
            Sighting::new(
                format!("repository {}", repository.name),
                Kind::Dependency,
                state,
                repository.trouble,
            )
        })
        .collect()
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
