//! What every run of maintenance has at hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use weir_jobs::JobContext;
use weir_model::{Clock, Project, Sketch};
use weir_upstream::Target;

use super::{Guard, Limits, Parts, Session, Shown, freezing, lines};
use crate::error::Error;
use crate::latency::Latency;
use crate::metrics::Metrics;
use crate::observe::{Looked, survey};
use crate::places::{Place, Places};
use crate::plan::{Candidate, GuardRule, History, Kind, Pace, Room, Rules, Urgency, Users, Wanted, draft, pace};
use crate::store::Pieces;
use crate::wraparound::Wraparound;

/// What every run has at hand.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) target: Target,
    pub(crate) places: Places,
    /// What changes with the settings.
    pub(crate) terms: watch::Receiver<Terms>,
    /// pg_repack's program.
    pub(crate) repack: PathBuf,
    pub(crate) wraparound: Wraparound,
    pub(crate) latency: Latency,
    pub(crate) shown: Shown,
    pub(crate) looked: Looked,
    pub(crate) pieces: Pieces,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

/// What the settings say of the work, as they are now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) rules: Rules,
    pub(crate) switches: Switches,
    pub(crate) limits: Limits,
    /// How long a transaction may be open that a table's reorganisation waits for.
    pub(crate) patience: Duration,
    /// What users have to bear. None: nobody looks.
    pub(crate) guard: Option<GuardRule>,
}

/// What schedules may do by themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Switches {
    pub(crate) vacuum: bool,
    pub(crate) analyze: bool,
    pub(crate) rewrite: bool,
}

impl Switches {
    /// The setting that keeps schedules from a kind of work, where one does.
    pub(crate) const fn off(self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Vacuum | Kind::Freeze if !self.vacuum => Some("maintenance.auto_vacuum"),
            Kind::Analyze if !self.analyze => Some("maintenance.auto_analyze"),
            Kind::Reindex | Kind::Reorganize if !self.rewrite => Some("maintenance.auto_rewrite"),
            _ => None,
        }
    }
}

impl Team {
    /// What the settings say now.
    pub(crate) fn terms(&self) -> Terms {
        *self.terms.borrow()
    }

    /// The plan for a project's tables as if a window without an end were open, without carrying it out.
    pub(crate) async fn plan(&self, project: &Project, wanted: &Wanted) -> Result<Vec<(String, Candidate)>, Error> {
        let mut lines = Vec::new();
        for place in self.places.of(project)? {
            let mut session = Session::open(&place.target, "weir-maint/plan", self.terms().limits).await?;
            let plan = self.plan_at(&mut session, place, wanted, Room::Endless).await;
            session.close().await;
            let database = place.database();
            lines.extend(plan?.into_iter().map(|candidate| (database.to_owned(), candidate)));
        }
        found(wanted, !lines.is_empty())?;
        Ok(lines)
    }

    /// The plan for one place.
    pub(crate) async fn plan_at(
        &self,
        session: &mut Session,
        place: &Place,
        wanted: &Wanted,
        room: Room,
    ) -> Result<Vec<Candidate>, Error> {
        let history = History::of(self.pieces.learned(place.database()).await?);
        let rules = self.terms().rules;
        let mut survey = survey(session.connection(), place, wanted, &rules, &self.looked).await?;
        self.shown.show(&self.metrics, place.database(), &survey);
        if wanted.has(Kind::Freeze) && wanted.index.is_empty() {
            let lines = freezing::lines(self, session.connection(), &survey.tables, wanted, room).await?;
            survey.more.extend(lines);
        }
        if wanted.has(Kind::Sweep) && wanted.table.is_empty() && wanted.index.is_empty() {
            survey.more.push(lines::leftovers(session, place).await?);
        }
        if wanted.has(Kind::Verify) {
            let checks = lines::checks(session.connection(), &survey.indexes, wanted, &history).await?;
            survey.more.extend(checks);
        }
        let mut plan = draft(survey, wanted, &rules, &history, room);
        let pace = self.pace(place).await?;
        rest(&mut plan, &pace, self.clock.now());
        Ok(plan)
    }

    /// How hard to work on a database, after what came of the work before.
    pub(crate) async fn pace(&self, place: &Place) -> Result<Pace, Error> {
        let outcomes = self.pieces.outcomes(place.database()).await?;
        Ok(pace(&outcomes, self.clock.now()))
    }

    /// How long nothing begins that users would notice, and why.
    pub(crate) fn rest(&self, pace: &Pace) -> Option<(Duration, String)> {
        let left = pace.not_before?.duration_since(self.clock.now()).ok()?;
        (!left.is_zero()).then(|| (left, pace.reason.clone()))
    }

    /// A guard for one piece of work, that looks after users where that is wanted.
    pub(crate) fn guard<'a>(&'a self, job: &'a JobContext, place: &Place, urgency: Urgency) -> Guard<'a> {
        let guard = Guard::new(job, &self.clock);
        let Some(rule) = self.terms().guard else { return guard };
        guard.watching(Parts {
            rule,
            target: place.target.clone(),
            name: session_name(job),
            latency: self.latency.clone(),
            emergency: urgency == Urgency::Emergency,
            metrics: self.metrics.clone(),
        })
    }

    /// What 95 of 100 calls on a database kept to before work began, and what they keep to now, in milliseconds; of the
    /// project that calls most.
    pub(crate) fn p95(&self, place: &Place) -> (Option<f64>, Option<f64>) {
        let ms = |sketch: &Sketch| (sketch.count() > 0).then(|| sketch.quantile_us(0.95) / 1_000.0);
        let users = self.latency.users(place.database());
        let busiest = users.into_iter().max_by_key(calls);
        busiest.map_or((None, None), |users| {
            let before = users.before.as_ref().and_then(|before| ms(&before.sketch));
            (before, users.live.as_ref().and_then(|live| ms(&live.span)))
        })
    }
}

fn calls(users: &Users) -> u64 {
    users.before.as_ref().map_or(0, |before| before.sketch.count())
}

/// What sessions of a job are called in `pg_stat_activity`.
pub(crate) fn session_name(job: &JobContext) -> String {
    format!("weir-maint/{}", job.id())
}

/// What is small or cannot wait goes on while a rest is due.
pub(crate) fn rests(candidate: &Candidate) -> bool {
    let is_heavy = !matches!(candidate.kind, Kind::Sweep | Kind::Analyze);
    is_heavy && candidate.urgency != Urgency::Emergency
}

/// Leaves what users would notice while a rest is due.
fn rest(plan: &mut [Candidate], pace: &Pace, now: SystemTime) {
    if pace.not_before.is_none_or(|until| until <= now) {
        return;
    }
    for candidate in plan
        .iter_mut()
        .filter(|candidate| candidate.selected && rests(candidate))
    {
        candidate.leave(format!("{}; {}", candidate.reason, pace.reason));
    }
}

/// A name that means nothing is a mistake, not a plan without lines.
pub(crate) fn found(wanted: &Wanted, any: bool) -> Result<(), Error> {
    if any || wanted.table.is_empty() && wanted.index.is_empty() {
        return Ok(());
    }
    let (field, what) = if wanted.index.is_empty() {
        ("table", format!("table {}", wanted.table))
    } else {
        ("index", format!("index {}", wanted.index))
    };
    let reason =
        format!("there is no {what} among the project's; write a table as schema.name, with * for any characters");
    Err(Error::Field { field, reason })
}

/// The room that a job's window leaves now.
pub(crate) fn room(window: weir_jobs::Window, clock: &Clock) -> Room {
    match window.ends {
        _ if window.is_closed => Room::Closed,
        None => Room::Endless,
        Some(ends) => Room::Left(ends.duration_since(clock.now()).unwrap_or(Duration::ZERO)),
    }
}
