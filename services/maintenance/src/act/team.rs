//! What every run of maintenance has at hand.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{Clock, Project};
use weir_upstream::Target;

use super::{Limits, Session};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::observe::survey;
use crate::places::{Place, Places};
use crate::plan::{Candidate, History, Kind, Room, Rules, Wanted, draft};
use crate::store::Pieces;

/// What every run has at hand.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) target: Target,
    pub(crate) places: Places,
    pub(crate) rules: Rules,
    pub(crate) switches: Switches,
    pub(crate) limits: Limits,
    pub(crate) pieces: Pieces,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
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
    /// The plan for a project's tables as if a window without an end were open, without carrying it out.
    pub(crate) async fn plan(&self, project: &Project, wanted: &Wanted) -> Result<Vec<(String, Candidate)>, Error> {
        let mut lines = Vec::new();
        for place in self.places.of(project)? {
            let mut session = Session::open(&place.target, "weir-maint/plan", self.limits).await?;
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
        let survey = survey(session.connection(), place, wanted, &self.rules).await?;
        Ok(draft(survey, wanted, &self.rules, &history, room))
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

/// How long a wish may wait for its turn before it is told so.
pub(crate) const BUSY_SLUG: &str = "maintenance-busy";

/// The room that a job's window leaves now.
pub(crate) fn room(window: weir_jobs::Window, clock: &Clock) -> Room {
    match window.ends {
        _ if window.is_closed => Room::Closed,
        None => Room::Endless,
        Some(ends) => Room::Left(ends.duration_since(clock.now()).unwrap_or(Duration::ZERO)),
    }
}
