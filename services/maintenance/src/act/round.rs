//! One run: plan, then piece by piece, each under watch and each written down.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;
use weir_jobs::{JobContext, JobError, Work};
use weir_model::Coded;

use super::freezing::clean;
use super::team::{found, rests, room, session_name};
use super::{Deed, Door, Guard, Halt, Session, Team, Turn, gates, upkeep};
use crate::error::Error;
use crate::places::Place;
use crate::plan::gates::Engine;
use crate::plan::{Candidate, Kind, Room, Urgency, Wanted};
use crate::store::{After, NewPiece};

/// An effect names so many planned pieces; the others are counted.
const NAMED_MAX: usize = 200;

/// One operation that jobs can ask for: some kinds of work.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    name: &'static str,
    kinds: &'static [Kind],
    team: Arc<Team>,
}

impl Operation {
    /// An operation of a name, if there is one.
    pub(crate) fn of(name: &'static str, team: &Arc<Team>) -> Option<Self> {
        Some(Self {
            name,
            kinds: kinds_of(name)?,
            team: team.clone(),
        })
    }
}

/// Every operation: the whole, and each kind by itself.
pub(crate) const OPERATIONS: [&str; 8] = [
    "auto",
    "sweep",
    "freeze",
    "vacuum",
    "analyze",
    "reindex",
    "reorganize",
    "verify",
];

/// The kinds of work of an operation.
pub(crate) fn kinds_of(operation: &str) -> Option<&'static [Kind]> {
    Some(match operation {
        "auto" => &Kind::ALL,
        "sweep" => &[Kind::Sweep],
        "freeze" => &[Kind::Freeze],
        "vacuum" => &[Kind::Vacuum],
        "analyze" => &[Kind::Analyze],
        "reindex" => &[Kind::Reindex],
        "reorganize" => &[Kind::Reorganize],
        "verify" => &[Kind::Verify],
        _ => return None,
    })
}

impl Work for Operation {
    fn operation(&self) -> &'static str {
        self.name
    }

    /// Two runs over the same tables at once would only get into each other's way.
    fn exclusive_key(&self, _: &Json) -> Option<String> {
        Some(self.name.to_owned())
    }

    async fn run(&self, job: &JobContext) -> Result<Json, JobError> {
        let wanted = wanted(self.kinds, job.parameters()).map_err(|error| outcome(&error))?;
        let round = Round {
            team: &self.team,
            job,
            wanted,
            told: Told::default(),
        };
        round.run(self.name == "auto").await
    }
}

/// What a job asks for. What is no text would otherwise mean all tables.
pub(crate) fn wanted(kinds: &[Kind], parameters: &Json) -> Result<Wanted, Error> {
    let text = |field: &'static str| match parameters.get(field) {
        None => Ok(String::new()),
        Some(Json::String(text)) => Ok(text.clone()),
        Some(other) => Err(Error::Field {
            field,
            reason: format!("{other} is no text"),
        }),
    };
    Ok(Wanted {
        kinds: kinds.to_vec(),
        table: text("table")?,
        index: text("index")?,
        full: full(parameters)?,
    })
}

/// A table that nobody can use while it is written anew has to be named by whoever wants that.
fn full(parameters: &Json) -> Result<bool, Error> {
    let field = "full";
    let is_named = parameters
        .get("table")
        .and_then(Json::as_str)
        .is_some_and(|table| !table.is_empty() && !table.contains('*'));
    match parameters.get(field) {
        None | Some(Json::Bool(false)) => Ok(false),
        Some(Json::Bool(true)) if is_named => Ok(true),
        Some(Json::Bool(true)) => Err(Error::Field {
            field,
            reason: "it shuts everybody out of a table, so that table has to be named".to_owned(),
        }),
        Some(other) => Err(Error::Field {
            field,
            reason: format!("{other} is not true or false"),
        }),
    }
}

/// What cannot get better by itself fails; the rest is tried again.
fn outcome(error: &Error) -> JobError {
    match error {
        Error::Field { .. } => JobError::fail(error.slug(), error),
        _ => JobError::retry(error.slug(), error),
    }
}

struct Round<'a> {
    team: &'a Team,
    job: &'a JobContext,
    wanted: Wanted,
    told: Told,
}

/// What a run has to tell.
#[derive(Debug, Default)]
struct Told {
    planned: Vec<Json>,
    left: usize,
    lines: usize,
    pieces: Vec<Json>,
    reclaimed: i64,
    halted: Option<String>,
    /// How long nothing begins for the users' sake, and why.
    rest: Option<(Duration, String)>,
    guard: Json,
}

impl Round<'_> {
    async fn run(mut self, is_whole: bool) -> Result<Json, JobError> {
        if let Some(reason) = self.switch_off() {
            return Ok(json!({ "skipped": reason }));
        }
        let turn = if self.needs_turn() {
            match self.turn().await.map_err(|error| outcome(&error))? {
                None => return self.busy(),
                turn => turn,
            }
        } else {
            None
        };
        let places = self.team.places.of(self.job.project());
        for place in places.map_err(|error| outcome(&error))? {
            self.at(place).await?;
            if self.told.halted.is_some() {
                break;
            }
        }
        // Outside of a window some kinds are not looked at, so no line says nothing of a name.
        if !self.job.window().is_closed {
            found(&self.wanted, self.told.lines > 0).map_err(|error| outcome(&error))?;
        }
        drop(turn);
        self.ended(is_whole)
    }

    /// A schedule leaves out what is switched off. The reason, if nothing remains.
    fn switch_off(&mut self) -> Option<String> {
        if !self.job.requested_by().starts_with("schedule ") {
            return None;
        }
        let switches = self.team.terms().switches;
        let mut off = Vec::new();
        self.wanted.kinds.retain(|kind| {
            off.extend(switches.off(*kind));
            switches.off(*kind).is_none()
        });
        off.dedup();
        self.wanted
            .kinds
            .is_empty()
            .then(|| format!("{} is off", off.join(", ")))
    }

    /// Statistics are renewed beside whatever else goes on, and a plan hurts nobody.
    fn needs_turn(&self) -> bool {
        !self.job.dry_run() && self.wanted.kinds != [Kind::Analyze]
    }

    async fn turn(&self) -> Result<Option<Turn>, Error> {
        let name = format!("{}/turn", session_name(self.job));
        let turn = Turn::take(&self.team.target, &name, self.team.terms().limits).await?;
        if turn.is_some() {
            self.team.pieces.settle().await?;
        }
        Ok(turn)
    }

    fn busy(&self) -> Result<Json, JobError> {
        let busy = Error::Busy;
        if self.job.requested_by().starts_with("schedule ") {
            return Ok(json!({ "skipped": busy.to_string() }));
        }
        Err(JobError::retry(busy.slug(), busy))
    }

    async fn at(&mut self, place: &Place) -> Result<(), JobError> {
        let session = Session::open(&place.target, &session_name(self.job), self.team.terms().limits).await;
        let mut session = session.map_err(|error| outcome(&error))?;
        let plan = self.plan(&mut session, place).await?;
        self.told.plan(place, &plan);
        if !self.job.dry_run() {
            self.carry_out(&mut session, place, &plan).await?;
        }
        session.close().await;
        Ok(())
    }

    /// Plans, unless it is cancelled meanwhile. What is only done in a window is not even weighed outside of one.
    async fn plan(&self, session: &mut Session, place: &Place) -> Result<Vec<Candidate>, JobError> {
        let room = room(self.job.window(), &self.team.clock);
        let mut wanted = self.wanted.clone();
        if room == Room::Closed {
            wanted.kinds.retain(|kind| !kind.is_weighed());
        }
        let cancel = session.connection().cancel_token();
        tokio::select! {
            plan = self.team.plan_at(session, place, &wanted, room) => plan.map_err(|error| outcome(&error)),
            () = self.job.cancelled().cancelled() => {
                // A server that cannot be reached has nothing to cancel.
                let _ = cancel.cancel().await;
                Err(JobError::fail("job-cancelled", "it was cancelled"))
            }
        }
    }

    async fn carry_out(&mut self, session: &mut Session, place: &Place, plan: &[Candidate]) -> Result<(), JobError> {
        let pace = self.team.pace(place).await.map_err(|error| outcome(&error))?;
        if plan.iter().any(|candidate| !candidate.selected && rests(candidate)) {
            self.told.rest = self.team.rest(&pace);
        }
        let (usual, urgent) = (Urgency::Ordinary, Urgency::Emergency);
        let guards = [usual, urgent].map(|urgency| (urgency, self.team.guard(self.job, place, urgency)));
        let selected: Vec<&Candidate> = plan.iter().filter(|candidate| candidate.selected).collect();
        let total = selected.len() as u64;
        for (index, candidate) in selected.into_iter().enumerate() {
            let note = format!("{} {}", candidate.kind.as_str(), candidate.subject);
            self.job.progress(index as u64, total, &note);
            let guard = guards.iter().find(|(urgency, _)| *urgency == candidate.urgency);
            let Some((_, guard)) = guard else { continue };
            let how = How {
                guard,
                cost_limit: pace.cost_limit,
                full: self.wanted.full,
                repack: &self.team.repack,
            };
            self.piece(session, place, candidate, &how).await?;
            self.told.guard = guard.account();
            if self.told.halted.is_some() {
                let pace = self.team.pace(place).await.map_err(|error| outcome(&error))?;
                self.told.rest = self.team.rest(&pace);
                return Ok(());
            }
        }
        self.job.progress(total, total, "");
        Ok(())
    }

    /// One piece, from its first to its last written word. A relation that is locked or gone is left; a connection that
    /// is lost ends the attempt.
    async fn piece(
        &mut self,
        session: &mut Session,
        place: &Place,
        candidate: &Candidate,
        how: &How<'_>,
    ) -> Result<(), JobError> {
        let (p95_before_ms, _) = self.team.p95(place);
        let new = NewPiece {
            job_id: self.job.id(),
            project: self.job.project().as_str(),
            database: place.database(),
            candidate,
            p95_before_ms,
            window_ends: self.job.window().ends,
        };
        let id = self
            .team
            .pieces
            .begin(&new)
            .await
            .map_err(|error| outcome(&error.into()))?;
        let begun = Instant::now();
        let ended = self.try_one(session, place, candidate, how).await;
        let (_, p95_during_ms) = self.team.p95(place);
        let after = After {
            p95_during_ms,
            ..self.tell(candidate, &ended, begun.elapsed())
        };
        let written = self.team.pieces.end(id, &after).await;
        self.consequence(session, ended)?;
        written.map_err(|error| outcome(&error.into()))
    }

    /// What the server cannot bear now is not begun.
    async fn try_one(
        &self,
        session: &mut Session,
        place: &Place,
        candidate: &Candidate,
        how: &How<'_>,
    ) -> Result<Deed, Halt> {
        let engine = if self.wanted.full {
            Engine::Rewrite
        } else {
            Engine::Copy
        };
        let remarks = match gates::open(
            session.connection(),
            &place.target,
            candidate,
            engine,
            self.team.terms().patience,
        )
        .await
        {
            Ok(Ok(remarks)) => remarks,
            Ok(Err(reason)) => return Ok(Deed::left(reason)),
            Err(Error::Upstream(error)) => return Err(Halt::Failed(error)),
            Err(error) => return Ok(Deed::left(error)),
        };
        let name = session_name(self.job);
        let door = Door {
            target: &place.target,
            name: &name,
            limits: self.team.terms().limits,
        };
        let mut deed = act(session, &door, place, candidate, how).await?;
        deed.remark_also(remarks);
        Ok(deed)
    }

    fn tell(&mut self, candidate: &Candidate, ended: &Result<Deed, Halt>, took: Duration) -> After {
        let (outcome, reason) = match ended {
            Ok(Deed { left: None, remark, .. }) => ("done", remark.clone()),
            Ok(Deed { left: Some(reason), .. }) => ("left", reason.clone()),
            Err(halt @ (Halt::Failed(_) | Halt::Corrupt(_))) => ("failed", halt.to_string()),
            Err(halt) => ("halted", halt.to_string()),
        };
        let kind = candidate.kind.as_str();
        self.team.metrics.runs.with([kind, outcome]).inc();
        self.team
            .metrics
            .duration_seconds
            .with([kind])
            .observe(took.as_secs_f64());
        if let Ok(Deed {
            bytes: Some((before, after)),
            ..
        }) = ended
        {
            let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            self.told.reclaimed += signed(*before) - signed(*after);
        }
        let effect = ended.as_ref().map_or(Json::Null, Deed::effect);
        self.told.piece(candidate, outcome, &reason, &effect, took);
        After {
            outcome,
            reason,
            effect,
            bytes: ended.as_ref().ok().and_then(|deed| deed.bytes),
            for_users: matches!(ended, Err(Halt::UsersSuffer(_) | Halt::Blocks(_))),
            ..After::default()
        }
    }

    /// What the end of a piece means for the run.
    fn consequence(&mut self, session: &Session, ended: Result<Deed, Halt>) -> Result<(), JobError> {
        match ended {
            Ok(_) => Ok(()),
            Err(Halt::Cancelled) => Err(JobError::fail("job-cancelled", "it was cancelled")),
            Err(Halt::Failed(error)) if session.is_broken() => Err(JobError::retry(error.slug(), error)),
            Err(halt @ Halt::Corrupt(_)) => {
                let error = Error::Corrupt(halt.to_string());
                Err(JobError::fail(error.slug(), error))
            }
            // The server said no to this piece, and not to others.
            Err(Halt::Failed(_)) => Ok(()),
            Err(halt) => {
                self.told.halted = Some(halt.to_string());
                Ok(())
            }
        }
    }

    /// Who asked for all that is due is asked again by his schedule; who asked for one thing has it tried again, when the
    /// rest is over that users have from it.
    fn ended(self, is_whole: bool) -> Result<Json, JobError> {
        let (wait, why) = self.told.rest.clone().unzip();
        match self.told.halted.clone().or(why) {
            Some(reason) if !is_whole => {
                let error = Error::BackedOff(reason);
                Err(JobError::retry(error.slug(), error).not_within(wait.unwrap_or_default()))
            }
            _ => Ok(self.told.effect(self.job.dry_run(), self.job.window().is_closed)),
        }
    }
}

/// How a piece is worked on.
struct How<'a> {
    guard: &'a Guard<'a>,
    cost_limit: u32,
    full: bool,
    repack: &'a Path,
}

async fn act(
    session: &mut Session,
    door: &Door<'_>,
    place: &Place,
    candidate: &Candidate,
    how: &How<'_>,
) -> Result<Deed, Halt> {
    let (guard, table) = (how.guard, &candidate.subject.table);
    match (candidate.kind, &candidate.facts) {
        (Kind::Analyze, Some(facts)) => super::analyze(session, guard, facts).await,
        (Kind::Vacuum | Kind::Freeze, _) => clean(session, guard, candidate, how.cost_limit).await,
        (Kind::Sweep, _) => upkeep::sweep(door, session, guard, place).await,
        (Kind::Reindex, _) => upkeep::reindex(door, session, guard, candidate).await,
        (Kind::Reorganize, _) if how.full => upkeep::write_anew(session, guard, table).await,
        (Kind::Reorganize, _) => upkeep::reorganize(door, session, guard, how.repack, table).await,
        (Kind::Verify, _) => upkeep::verify(session, guard, candidate).await,
        (Kind::Analyze, None) => Ok(Deed::left("it is gone")),
    }
}

impl Told {
    fn plan(&mut self, place: &Place, plan: &[Candidate]) {
        self.lines += plan.len();
        let selected = plan.iter().filter(|candidate| candidate.selected);
        self.left += plan.iter().filter(|candidate| !candidate.selected).count();
        self.planned.extend(selected.map(|candidate| {
            json!({
                "database": place.database(),
                "kind": candidate.kind.as_str(),
                "table": candidate.subject.table.to_string(),
                "index": candidate.subject.index,
                "reason": candidate.reason,
                "reclaim_bytes": candidate.expected.reclaim_likely,
                "takes_ms": ms(candidate.expected.takes),
            })
        }));
    }

    fn piece(&mut self, candidate: &Candidate, outcome: &str, reason: &str, effect: &Json, took: Duration) {
        let mut piece = json!({
            "kind": candidate.kind.as_str(),
            "table": candidate.subject.table.to_string(),
            "index": candidate.subject.index,
            "outcome": outcome,
            "reason": reason,
            "duration_ms": ms(took),
        });
        if let (Json::Object(piece), Json::Object(effect)) = (&mut piece, effect) {
            piece.extend(effect.clone());
        }
        self.pieces.push(piece);
    }

    fn effect(self, dry_run: bool, outside_window: bool) -> Json {
        let more = self.planned.len().saturating_sub(NAMED_MAX);
        let first = |mut list: Vec<Json>| {
            list.truncate(NAMED_MAX);
            list
        };
        json!({
            "dry_run": dry_run,
            "outside_window": outside_window,
            "planned": first(self.planned),
            "planned_more": more,
            "pieces": first(self.pieces),
            "left": self.left,
            "reclaimed_bytes": self.reclaimed,
            "halted": self.halted,
            "guard": self.guard,
        })
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
