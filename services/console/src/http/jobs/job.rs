//! One shape for all work: what the scheduler asked for, and what the worker that has it says of it. Pure.

use serde::Serialize;
use serde_json::Value as Json;
use weir_model::Project;
use weir_proto::common::v1::{JobState, Progress};
use weir_proto::{backup::v1 as backup, maintenance::v1 as maintenance, scheduler::v1 as scheduler};

/// What the maintenance service does.
pub(crate) const MAINTENANCE: [&str; 8] = [
    "auto",
    "sweep",
    "freeze",
    "vacuum",
    "analyze",
    "reindex",
    "reorganize",
    "verify",
];
/// What the backup service does to whole clusters and repositories.
const OF_CLUSTERS: [&str; 7] = [
    "backup",
    "restore",
    "prove",
    "expire",
    "rotate-keys",
    "verify-backups",
    "wal-check",
];
/// What it does for a project.
const OF_PROJECTS: [&str; 2] = ["export", "import"];

/// A worker that does work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::Worker)]
pub(crate) enum Worker {
    Maintenance,
    Backup,
}

impl Worker {
    /// Who does an operation; none where nobody known does.
    pub(crate) fn of(operation: &str) -> Option<Self> {
        if MAINTENANCE.contains(&operation) {
            return Some(Self::Maintenance);
        }
        (OF_CLUSTERS.contains(&operation) || OF_PROJECTS.contains(&operation)).then_some(Self::Backup)
    }
}

/// One piece of work, whoever does it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = console::Job)]
pub(crate) struct Job {
    /// Identifies it: a UUID. What a backup or a proof makes has the same id.
    pub(crate) id: String,
    /// What is done, such as `vacuum` or `backup`.
    pub(crate) operation: String,
    /// On whose behalf.
    pub(crate) project: String,
    /// Where it stands.
    pub(crate) state: JobState,
    /// When it was asked for.
    pub(crate) requested_unix_ms: i64,
    /// When it was first begun. 0: it was not.
    pub(crate) started_unix_ms: i64,
    /// When it ended. 0: it has not.
    pub(crate) ended_unix_ms: i64,
    /// How far it is; null: nothing said yet.
    pub(crate) progress: Option<JobProgress>,
    /// Attempts begun so far.
    pub(crate) attempt: u32,
    /// Why the last attempt failed; null: none has.
    pub(crate) error: Option<JobError>,
    /// What it was told: an object.
    #[schema(value_type = serde_json::Value)]
    pub(crate) parameters: Json,
    /// What it changed, with the state before and after; null until it has succeeded.
    #[schema(value_type = serde_json::Value)]
    pub(crate) effect: Option<Json>,
    /// What was planned; null where no plan is told.
    #[schema(value_type = serde_json::Value)]
    pub(crate) plan: Option<Json>,
    /// Who does it; null: nobody known.
    pub(crate) service: Option<Worker>,
    /// Who asked for it: `operator`, `schedule …`; empty where the worker asked itself.
    pub(crate) requested_by: String,
    /// The schedule that asked for it; empty: a person did.
    pub(crate) schedule_id: String,
    /// It only plans and changes nothing.
    pub(crate) dry_run: bool,
    /// When its maintenance window ends; what is not done by then is left. 0: it has no such end.
    pub(crate) window_ends_unix_ms: i64,
    /// No window was open: only what cannot wait is done.
    pub(crate) outside_window: bool,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = console::JobProgress)]
pub(crate) struct JobProgress {
    /// Units done so far: bytes where it moves bytes, else relations.
    done: u64,
    /// Units in all. 0: not known yet.
    total: u64,
    /// What is being done now.
    note: String,
    /// The rate of the last ten seconds; null where it moves no bytes.
    bytes_per_second: Option<u64>,
    /// How long it will still take at that rate; null: not known.
    remaining_ms: Option<u64>,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = console::JobError)]
pub(crate) struct JobError {
    /// The name of the error, as problems have it.
    pub(crate) slug: String,
    /// What went wrong: one line.
    pub(crate) text: String,
}

impl Job {
    pub(crate) fn of_run(run: scheduler::Run) -> Self {
        let state = run.state();
        let effect = parsed(&run.effect_json);
        Self {
            id: run.id,
            state,
            requested_unix_ms: run.requested_unix_ms,
            started_unix_ms: run.started_unix_ms,
            ended_unix_ms: run.ended_unix_ms,
            progress: run.progress.and_then(said),
            attempt: run.attempts,
            error: error(run.error_slug, run.error),
            parameters: parsed(&run.parameters_json).unwrap_or_default(),
            plan: plan(effect.as_ref(), run.dry_run),
            effect,
            service: Worker::of(&run.operation),
            operation: run.operation,
            project: run.project,
            requested_by: run.requested_by,
            schedule_id: run.schedule_id,
            dry_run: run.dry_run,
            window_ends_unix_ms: run.window_ends_unix_ms,
            outside_window: run.outside_window,
        }
    }

    pub(crate) fn of_maintenance(job: maintenance::Job) -> Self {
        let state = job.state();
        let effect = parsed(&job.effect_json);
        Self {
            id: job.id,
            operation: job.operation,
            project: job.project,
            state,
            requested_unix_ms: job.requested_unix_ms,
            started_unix_ms: job.started_unix_ms,
            ended_unix_ms: job.ended_unix_ms,
            progress: job.progress.and_then(said),
            attempt: job.attempts,
            error: error(job.error_slug, job.error),
            parameters: parsed(&job.parameters_json).unwrap_or_default(),
            plan: plan(effect.as_ref(), job.dry_run),
            effect,
            service: Some(Worker::Maintenance),
            requested_by: String::new(),
            schedule_id: String::new(),
            dry_run: job.dry_run,
            window_ends_unix_ms: 0,
            outside_window: false,
        }
    }

    pub(crate) fn of_backup(job: backup::Job) -> Self {
        let state = job.state();
        Self {
            id: job.id,
            operation: job.operation,
            project: job.project,
            state,
            requested_unix_ms: job.requested_unix_ms,
            started_unix_ms: job.started_unix_ms,
            ended_unix_ms: job.ended_unix_ms,
            progress: job.transfer.map(moved),
            attempt: job.attempts,
            error: error(job.error_slug, job.error),
            parameters: parsed(&job.parameters_json).unwrap_or_default(),
            plan: None,
            effect: parsed(&job.effect_json),
            service: Some(Worker::Backup),
            requested_by: String::new(),
            schedule_id: String::new(),
            dry_run: false,
            window_ends_unix_ms: 0,
            outside_window: false,
        }
    }

    /// The same with what its worker says, who knows best how far it is; who asked for it, the scheduler knows.
    pub(crate) fn told_by(self, worker: Self) -> Self {
        Self {
            plan: worker.plan.or_else(|| plan(worker.effect.as_ref(), self.dry_run)),
            requested_unix_ms: self.requested_unix_ms,
            requested_by: self.requested_by,
            schedule_id: self.schedule_id,
            dry_run: self.dry_run,
            window_ends_unix_ms: self.window_ends_unix_ms,
            outside_window: self.outside_window,
            ..worker
        }
    }

    pub(crate) const fn has_ended(&self) -> bool {
        !matches!(
            self.state,
            JobState::Unspecified | JobState::Requested | JobState::Running
        )
    }

    /// Whether a caller may see it and stop it: a project what is done on its behalf, but nothing that concerns a whole
    /// cluster, even where that is written down under its name.
    pub(crate) fn is_shown_to(&self, own: Option<&Project>) -> bool {
        let Some(own) = own else { return true };
        self.project == own.as_str() && is_for(own, &self.operation, &self.parameters)
    }
}

/// Whether work like this, written down under a project's name, is that project's. Under `default` operators write down
/// theirs, too: there it has to say whom it is for.
pub(crate) fn is_for(own: &Project, operation: &str, parameters: &Json) -> bool {
    if OF_PROJECTS.contains(&operation) {
        let meant = parameters.get("project").and_then(Json::as_str);
        return meant.map_or(*own != Project::default(), |meant| meant == own.as_str());
    }
    MAINTENANCE.contains(&operation)
}

/// Whether a project may order work like this. What an import reaches is for operators to say.
pub(crate) fn may_order(own: &Project, operation: &str, parameters: &Json) -> bool {
    operation != "import" && is_for(own, operation, parameters)
}

fn parsed(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok()
}

fn error(slug: String, text: String) -> Option<JobError> {
    (!text.is_empty() || !slug.is_empty()).then_some(JobError { slug, text })
}

/// What was planned: maintenance names it in its effect; of a backup that only planned, the effect is the plan.
fn plan(effect: Option<&Json>, dry_run: bool) -> Option<Json> {
    let effect = effect?;
    let planned = effect.get("planned").cloned();
    planned.or_else(|| dry_run.then(|| effect.clone()))
}

/// Progress as runs have it. Who moves bytes says more in the note.
fn said(progress: Progress) -> Option<JobProgress> {
    if progress == Progress::default() {
        return None;
    }
    if let Some(Json::Object(told)) = parsed(&progress.note) {
        let number = |key: &str| told.get(key).and_then(Json::as_u64).unwrap_or_default();
        let phase = told.get("phase").and_then(Json::as_str).unwrap_or_default();
        return Some(moved(backup::Transfer {
            phase: phase.to_owned(),
            done_bytes: number("done_bytes"),
            total_bytes: number("total_bytes"),
            bytes_per_second: number("bytes_per_second"),
            remaining_ms: number("remaining_ms"),
            ..backup::Transfer::default()
        }));
    }
    Some(JobProgress {
        done: progress.done,
        total: progress.total,
        note: progress.note,
        bytes_per_second: None,
        remaining_ms: None,
    })
}

fn moved(transfer: backup::Transfer) -> JobProgress {
    JobProgress {
        done: transfer.done_bytes,
        total: transfer.total_bytes,
        note: transfer.phase,
        bytes_per_second: Some(transfer.bytes_per_second),
        remaining_ms: Some(transfer.remaining_ms).filter(|ms| *ms > 0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(project: &str, operation: &str, parameters: &Json) -> Job {
        Job::of_run(scheduler::Run {
            project: project.to_owned(),
            operation: operation.to_owned(),
            parameters_json: parameters.to_string(),
            ..scheduler::Run::default()
        })
    }

    #[test]
    fn a_project_sees_its_own_work_and_nothing_of_whole_clusters() {
        let shop = Project::parse("shop").unwrap();
        let seen = |job: &Job| (job.is_shown_to(None), job.is_shown_to(Some(&shop)));
        assert_eq!(seen(&run("shop", "vacuum", &json!({}))), (true, true));
        assert_eq!(seen(&run("other", "vacuum", &json!({}))), (true, false));
        assert_eq!(
            seen(&run("shop", "export", &json!({ "project": "shop" }))),
            (true, true)
        );
        assert_eq!(
            seen(&run("shop", "export", &json!({ "project": "other" }))),
            (true, false)
        );
        for operation in OF_CLUSTERS.into_iter().chain(["unheard-of"]) {
            assert_eq!(seen(&run("shop", operation, &json!({}))), (true, false), "{operation}");
        }
    }

    #[test]
    fn a_project_orders_maintenance_and_exports_of_its_own() {
        let (shop, default) = (Project::parse("shop").unwrap(), Project::default());
        let (none, own) = (json!({}), json!({ "project": "shop" }));
        assert!(may_order(&shop, "reindex", &none) && may_order(&shop, "export", &own));
        for operation in OF_CLUSTERS.into_iter().chain(["import", "unheard-of", ""]) {
            assert!(!may_order(&shop, operation, &own), "{operation}");
        }
        assert!(is_for(&shop, "import", &none) && !is_for(&default, "import", &none));
        assert!(!may_order(&default, "export", &own));
    }

    #[test]
    fn a_worker_says_how_far_it_is_and_the_scheduler_who_asked() {
        let mut asked = run("shop", "backup", &json!({}));
        asked.requested_by = "operator".to_owned();
        let worker = Job::of_backup(backup::Job {
            state: JobState::Running.into(),
            transfer: Some(backup::Transfer {
                phase: "copy".to_owned(),
                done_bytes: 5,
                total_bytes: 10,
                remaining_ms: 7,
                ..backup::Transfer::default()
            }),
            ..backup::Job::default()
        });
        let both = asked.told_by(worker);
        assert_eq!(
            (both.state, both.requested_by.as_str()),
            (JobState::Running, "operator")
        );
        let progress = both.progress.unwrap();
        assert_eq!(
            (progress.done, progress.note.as_str(), progress.remaining_ms),
            (5, "copy", Some(7))
        );
    }

    #[test]
    fn what_moves_bytes_says_so_in_the_note_of_its_run() {
        let progress = said(Progress {
            done: 1,
            total: 2,
            note: json!({ "phase": "wal", "done_bytes": 3, "total_bytes": 9, "bytes_per_second": 4 }).to_string(),
        });
        let progress = progress.unwrap();
        assert_eq!((progress.done, progress.total, progress.note.as_str()), (3, 9, "wal"));
        assert_eq!(progress.bytes_per_second, Some(4));
        assert_eq!(said(Progress::default()), None);
    }
}
