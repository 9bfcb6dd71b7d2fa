//! Advice given, carried out on request, and taken back.
//!
//! A change is a row before the server is asked, so that one that was cut off is found and settled by what the server
//! has. Only values are changed, never data or indexes; one change at a time, under a lock at the user's database that
//! ends with the session that holds it.

mod error;
mod place;
mod sampling;
mod server;
mod settling;

use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;
use weir_model::{Clock, Project};
use weir_store::{Store, StoreError};
use weir_upstream::{Connection, Target};

use super::{Limits, Session, Terms};
use crate::advise::{
    Advice, Counters, Facts, Machine, Object, Peak, Proposal, Report, SequenceSample, State, Territory, advise,
};
use crate::error::Error;
use crate::observe::advice as observe;
use crate::places::Places;
use crate::plan::TableName;
use crate::store::advice as rows;
use crate::store::advice::ChangeRow;

pub(crate) use error::AdviceError;
use place::Place;
pub(crate) use rows::ChangeRow as Change;

/// Under which one instance at a time changes anything on advice: the letters of `weiradvi`.
const LOCK: i64 = 0x7765_6972_6164_7669;
/// How long a question may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Gives advice about one database and its server.
#[derive(Debug, Clone)]
pub(crate) struct Adviser {
    pub(crate) target: Target,
    pub(crate) places: Places,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    /// What the settings say of the server's machine.
    pub(crate) machine: Machine,
    /// What changes with the settings.
    pub(crate) terms: watch::Receiver<Terms>,
    pub(crate) unused_after: Duration,
}

/// Whose advice is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    project: Project,
    /// Whether what concerns the whole server is.
    server: bool,
}

impl Asked {
    /// What concerns the server belongs to the default project, for those of it who may see it.
    pub(crate) fn of(project: Project, without_server: bool) -> Self {
        Self {
            server: project == Project::default() && !without_server,
            project,
        }
    }

    /// Whether a change is one of those asked for.
    fn has(&self, row: &ChangeRow) -> bool {
        self.server || !row.database.is_empty()
    }
}

impl Adviser {
    /// Whether a project has anything here.
    fn is_here(&self, project: &Project) -> bool {
        *project == Project::default()
            || self
                .places
                .in_database(project, self.target.database())
                .next()
                .is_some()
    }

    /// What a project is told: of the server if it is the default project, and of its own tables.
    fn report(&self, asked: &Asked, facts: &Facts) -> Report {
        let (project, database) = (&asked.project, self.target.database());
        let is_mine = |table: &TableName| self.places.in_database(project, database).any(|place| place.has(table));
        let territory = Territory {
            server: asked.server,
            is_mine: &is_mine,
        };
        advise(facts, &territory)
    }

    async fn open(&self) -> Result<Session, Error> {
        let limits = Limits {
            lock: self.terms.borrow().limits.lock,
            statement: STATEMENT_TIMEOUT,
        };
        Session::open(&self.target, "weir-maint/advice", limits).await
    }

    fn stored<T>(&self, outcome: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        outcome.map_err(|error| self.store.error(error))
    }

    /// Everything that is to be said now.
    pub(crate) async fn list(&self, asked: &Asked) -> Result<Report, Error> {
        if !self.is_here(&asked.project) {
            return Ok(Report::default());
        }
        let mut session = self.open().await?;
        let report = self.list_on(asked, session.connection()).await;
        session.close().await;
        report
    }

    async fn list_on(&self, asked: &Asked, connection: &mut Connection) -> Result<Report, Error> {
        self.settle_if_free(connection).await?;
        let facts = self.facts(connection).await?;
        let report = self.report(asked, &facts);
        let shown: Vec<rows::ShownRow> = report.advice.iter().map(shown).collect();
        let project = asked.project.as_str();
        let shown = rows::show(self.store.pool(), project, &shown, self.clock.unix_ms()).await;
        self.stored(shown)?;
        Ok(report)
    }

    /// What the server has, with what Weir has kept of it.
    async fn facts(&self, connection: &mut Connection) -> Result<Facts, Error> {
        let now = self.clock.unix_ms();
        let mut facts = observe::facts(connection, self.machine, now).await?;
        facts.unused_after_hours = self.unused_after.as_secs_f64() / 3600.0;
        let live = self.stored(rows::live(self.store.pool()).await)?;
        facts.changes = live.iter().map(known).collect();
        let history = self.stored(rows::history(self.store.pool(), &facts.database).await)?;
        for row in &history {
            sampling::remember(&mut facts, row);
        }
        Ok(facts)
    }

    /// Carries out what was shown of a piece of advice, if it still fits.
    pub(crate) async fn apply(&self, asked: &Asked, id: &str, by: &str) -> Result<ChangeRow, Error> {
        let shown = rows::shown(self.store.pool(), asked.project.as_str(), id).await;
        let Some(shown) = self.stored(shown)?.filter(|_| self.is_here(&asked.project)) else {
            return Err(AdviceError::NoAdvice(id.to_owned()).into());
        };
        let mut session = self.open().await?;
        let change = self.apply_on(asked, &shown, by, session.connection()).await;
        session.close().await;
        change
    }

    async fn apply_on(
        &self,
        asked: &Asked,
        shown: &rows::ShownRow,
        by: &str,
        connection: &mut Connection,
    ) -> Result<ChangeRow, Error> {
        place::lock(connection).await?;
        self.settle(connection).await?;
        let facts = self.facts(connection).await?;
        let report = self.report(asked, &facts);
        let advice = report.advice.into_iter().find(|advice| advice.id() == shown.advice_id);
        let (advice, proposal) = still_fits(advice, shown)?;
        let place = Place::of(&advice.object, &proposal.option);
        place.is_allowed(connection, &proposal).await?;
        let old = place.entry(connection).await?;
        if old == proposal.proposed {
            let reason = "the server has this value in its file already; reload or restart it".to_owned();
            return Err(stale(&shown.advice_id, reason));
        }
        let row = self.row(&asked.project, by, &facts, &advice, &proposal, old);
        self.begin(&row).await?;
        self.carry_out(&place, connection, row).await
    }

    async fn begin(&self, row: &ChangeRow) -> Result<(), Error> {
        let begun = rows::begin(self.store.pool(), row).await;
        // Somebody else's change of the same value has not ended.
        if let Err(sqlx::Error::Database(error)) = &begun
            && error.is_unique_violation()
        {
            return Err(AdviceError::Busy.into());
        }
        self.stored(begun)?;
        Ok(())
    }

    /// The row is there; now the server is asked, and asked again what it has made of it.
    async fn carry_out(&self, place: &Place, connection: &mut Connection, row: ChangeRow) -> Result<ChangeRow, Error> {
        let done = place
            .change(connection, row.new_value.as_deref(), row.old_value.as_deref())
            .await;
        let state = match done {
            Ok(true) => State::PendingRestart,
            Ok(false) => State::Applied,
            // What became of it, the next look at the server tells.
            Err(error) if connection.is_broken() => return Err(error),
            Err(error) => {
                self.moved(row, State::Failed, &error.to_string()).await?;
                return Err(error);
            }
        };
        tracing::info!(change = %row.id, object = row.object, option = row.option, "changed on advice");
        self.moved(row, state, "").await
    }

    /// Takes a change back, if nobody has changed the value since.
    pub(crate) async fn revert(&self, asked: &Asked, id: Uuid) -> Result<ChangeRow, Error> {
        let mut session = self.open().await?;
        let change = self.revert_on(asked, id, session.connection()).await;
        session.close().await;
        change
    }

    async fn revert_on(&self, asked: &Asked, id: Uuid, connection: &mut Connection) -> Result<ChangeRow, Error> {
        place::lock(connection).await?;
        self.settle(connection).await?;
        let found = self.stored(rows::find(self.store.pool(), asked.project.as_str(), id).await)?;
        let row = found
            .filter(|row| asked.has(row))
            .ok_or_else(|| AdviceError::NoChange(id.to_string()))?;
        let place = Place::of_row(&row);
        let refuse = |reason: String| AdviceError::NotRevertible {
            id: id.to_string(),
            reason,
        };
        if !matches!(State::read(&row.state), Some(State::Applied | State::PendingRestart)) {
            let note = if row.note.is_empty() {
                String::new()
            } else {
                format!(": {}", row.note)
            };
            return Err(refuse(format!("it is {}{note}", row.state)).into());
        }
        if place.entry(connection).await? != row.new_value {
            return Err(refuse("somebody changed the value since".to_owned()).into());
        }
        let back = Proposal {
            option: row.option.clone(),
            current: row.new_value.clone(),
            proposed: row.old_value.clone(),
            activation: crate::advise::Activation::Immediate,
        };
        place.is_allowed(connection, &back).await?;
        let before = State::read(&row.state).unwrap_or(State::Applied);
        let row = self.moved(row, State::Reverting, "").await?;
        let done = place
            .change(connection, row.old_value.as_deref(), row.new_value.as_deref())
            .await;
        match done {
            Ok(waits) => {
                let note = if waits {
                    "in force after the next restart of the server"
                } else {
                    ""
                };
                tracing::info!(change = %row.id, object = row.object, option = row.option, "took a change back");
                self.moved(row, State::Reverted, note).await
            }
            Err(error) if connection.is_broken() => Err(error),
            Err(error) => {
                self.moved(row, before, &error.to_string()).await?;
                Err(error)
            }
        }
    }

    /// Writes down where a change stands now.
    async fn moved(&self, row: ChangeRow, to: State, note: &str) -> Result<ChangeRow, Error> {
        let (pool, now) = (self.store.pool(), self.clock.unix_ms());
        self.stored(rows::move_on(pool, row.id, &row.state, to.word(), note, now).await)?;
        if matches!(to, State::Failed | State::Reverted) {
            self.stored(rows::reinstate(pool, row.id).await)?;
        }
        Ok(ChangeRow {
            state: to.word().to_owned(),
            note: note.to_owned(),
            ended_unix_ms: (!to.is_live()).then_some(now),
            ..row
        })
    }

    /// Changes of a project, the newest first, as they stand at the server.
    pub(crate) async fn changes(
        &self,
        asked: &Asked,
        before: Option<Uuid>,
        size: u32,
    ) -> Result<Vec<ChangeRow>, Error> {
        // A server that is away says nothing of its changes; what is known of them is shown all the same.
        if let Err(error) = self.settle_now().await {
            tracing::debug!(error = %error, "changes are shown as they were");
        }
        let listed = rows::list(self.store.pool(), asked.project.as_str(), asked.server, before, size).await;
        Ok(self.stored(listed)?)
    }

    fn row(
        &self,
        project: &Project,
        by: &str,
        facts: &Facts,
        advice: &Advice,
        proposal: &Proposal,
        old: Option<String>,
    ) -> ChangeRow {
        let table = advice.object.table.as_ref();
        ChangeRow {
            id: Uuid::now_v7(),
            project: project.to_string(),
            advice_id: advice.id(),
            kind: advice.kind.to_owned(),
            database: advice.object.database.clone(),
            table_schema: table.map(|table| table.schema.clone()).unwrap_or_default(),
            table_name: table.map(|table| table.name.clone()).unwrap_or_default(),
            object: advice.object.to_string(),
            option: proposal.option.clone(),
            old_value: old,
            new_value: proposal.proposed.clone(),
            old_shown: proposal.current.clone().unwrap_or_default(),
            requested_by: by.to_owned(),
            reason: advice.reason.clone(),
            state: State::Applying.word().to_owned(),
            note: String::new(),
            evidence: evidence(facts, &advice.object, &proposal.option).map(Counters::to_json),
            begun_unix_ms: self.clock.unix_ms(),
            ended_unix_ms: None,
        }
    }
}

fn stale(id: &str, reason: String) -> Error {
    AdviceError::Stale {
        id: id.to_owned(),
        reason,
    }
    .into()
}

fn shown(advice: &Advice) -> rows::ShownRow {
    let value = |of: fn(&Proposal) -> Option<String>| advice.proposal.as_ref().and_then(of);
    rows::ShownRow {
        advice_id: advice.id(),
        current: value(|proposal| proposal.current.clone()),
        proposed: value(|proposal| proposal.proposed.clone()),
    }
}

/// What an operator has seen must still be so; then that is what is done.
fn still_fits(advice: Option<Advice>, shown: &rows::ShownRow) -> Result<(Advice, Proposal), Error> {
    let id = &shown.advice_id;
    let Some(advice) = advice else {
        return Err(stale(id, "it is not advised any more".to_owned()));
    };
    let by_hand = |reason: String| Error::from(AdviceError::ByHand { id: id.clone(), reason });
    let Some(proposal) = advice.proposal.clone() else {
        let statement = if advice.statement.is_empty() {
            "see its reason"
        } else {
            &advice.statement
        };
        return Err(by_hand(statement.to_owned()));
    };
    if !advice.is_applicable() {
        return Err(by_hand(advice.by_hand));
    }
    if proposal.current != shown.current {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        let reason = format!(
            "{} is now {}, and was {} when it was shown",
            proposal.option,
            text(&proposal.current),
            text(&shown.current)
        );
        return Err(stale(id, reason));
    }
    let proposal = Proposal {
        proposed: shown.proposed.clone(),
        ..proposal
    };
    Ok((advice, proposal))
}

fn known(row: &ChangeRow) -> crate::advise::KnownChange {
    crate::advise::KnownChange {
        object: row.object.clone(),
        option: row.option.clone(),
        new_value: row.new_value.clone(),
        evidence: row.evidence.as_ref().and_then(Counters::from_json),
    }
}

/// What counts for or against a value later on.
fn evidence<'a>(facts: &'a Facts, object: &Object, option: &str) -> Option<&'a Counters> {
    let Some(name) = &object.table else {
        return Some(&facts.workload);
    };
    let table = facts.tables.iter().find(|table| table.name == *name)?;
    match (&table.toast, option.starts_with("toast.")) {
        (Some(toast), true) => Some(&toast.counters),
        _ => Some(&table.counters),
    }
}
