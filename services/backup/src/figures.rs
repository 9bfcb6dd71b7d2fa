//! Figures that are true after a restart too: read from what the repositories list, from time to time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_runtime::{Ground, Stage, TaskResult};
use weir_store::pause;

use crate::act::word_of;
use crate::catalog::{self, Asked};
use crate::keeper::Keeper;
use crate::repo::state::{BackupState, State};

/// How often the repositories are read.
const READ_EVERY: Duration = Duration::from_secs(30);
/// So many projects are told apart in metrics.
const PROJECTS_MAX: usize = 200;
/// The project of backups of whole clusters.
const WHOLE: &str = "default";

/// Shows figures from now on.
pub(crate) fn start(ground: &Ground, keeper: &Arc<Keeper>) {
    let keeper = Arc::clone(keeper);
    ground.tasks.spawn(Stage::Watch, "figures", |stop| follow(keeper, stop));
}

async fn follow(keeper: Arc<Keeper>, stop: CancellationToken) -> TaskResult {
    loop {
        if let Some(asked) = stop.run_until_cancelled(catalog::ask(&keeper)).await {
            show(&keeper, &asked);
        }
        if !pause(&stop, READ_EVERY).await {
            return Ok(());
        }
    }
}

fn show(keeper: &Keeper, asked: &[Asked]) {
    let (mut last, mut proven) = (BTreeMap::new(), None::<i64>);
    for Asked { name, answer } in asked {
        let up = keeper.metrics.repository_up.with([name]);
        up.set(f64::from(u8::from(answer.is_ok())));
        if let Ok((_, state)) = answer {
            successes(state, &mut last);
            let proofs = state.proofs.iter().filter(|proof| proof.state == PROVEN);
            proven = proven.max(proofs.map(|proof| proof.ended_unix_ms).max());
        }
    }
    for ((project, kind), unix_ms) in last.into_iter().take(PROJECTS_MAX) {
        let gauge = keeper.metrics.last_success.with([&project, kind]);
        gauge.set(unix_ms as f64 / 1e3);
    }
    if let Some(unix_ms) = proven {
        keeper
            .metrics
            .restore_test_last_success
            .with([])
            .set(unix_ms as f64 / 1e3);
    }
}

/// When the last of each kind was complete. One that failed its proof is no success.
fn successes(state: &State, last: &mut BTreeMap<(String, &'static str), i64>) {
    for entry in &state.backups {
        if entry.state() == BackupState::Failed {
            continue;
        }
        let project = if entry.project.is_empty() {
            WHOLE
        } else {
            &entry.project
        };
        let known = last.entry((project.to_owned(), word_of(entry.kind()))).or_default();
        *known = (*known).max(entry.ended_unix_ms);
    }
}

const PROVEN: i32 = weir_proto::backup::v1::ProofState::Proven as i32;
