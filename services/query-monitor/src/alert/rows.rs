//! What the leader knows to rows, with the events and notices of each change in one transaction.
//!
//! The mind is read from rows when a term begins, unless this monitor also led the term before: then nobody else wrote
//! meanwhile, and what it knows from memory is the newer. It loses its mind as soon as it hears of another's term.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_model::Clock;
use weir_store::{Store, StoreError, Term, outbox};

use super::mind::{Memory, Mind, Pending};
use super::{LEADER, Outbound, Said};
use crate::detect::{Alert, Engine, Key, Pattern, Phase, RuleBook, Silence};
use crate::store::{self, SilenceRow};

/// How often rules and silences are looked after, and whether the store is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the store may take for one step: after that people are told without it.
const STEP_WITHIN: Duration = Duration::from_secs(2);
/// Changes written in one transaction.
const BATCH: usize = 500;

/// What a step with the store came to nothing of.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Store(#[from] sqlx::Error),
    #[error("{0}")]
    Term(#[from] StoreError),
    #[error("{0}")]
    Rules(String),
    #[error("it did not answer in time")]
    Late,
}

/// Keeps rows in step with the mind.
pub(super) struct Rows {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) memory: Memory,
    pub(super) news: Arc<Notify>,
    pub(super) term: watch::Receiver<Option<Term>>,
    pub(super) said: watch::Receiver<Said>,
    pub(super) outbound: Arc<dyn Outbound>,
    /// This monitor, as the table of leaders names it.
    pub(super) holder: String,
}

/// The rules and silences that the mind was told last.
#[derive(Default)]
struct Heard {
    revision: Option<i64>,
    said: Option<Said>,
}

impl Rows {
    /// Writes until told to stop, and then once more.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut heard = Heard::default();
        loop {
            let go_on = self.wait(&stop).await;
            if let Err(failure) = self.step(&mut heard).await {
                self.fail(&failure);
                // The news that is left would be the reason for the next attempt at once.
                weir_store::pause(&stop, LOOK_EVERY).await;
            } else {
                self.memory.with(|mind| mind.as_mut().map(|mind| mind.away = false));
            }
            if !go_on {
                return;
            }
        }
    }

    async fn wait(&mut self, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = stop.cancelled() => false,
            () = self.news.notified() => true,
            Ok(()) = self.term.changed() => true,
            Ok(()) = self.said.changed() => true,
            () = tokio::time::sleep(LOOK_EVERY) => true,
        }
    }

    /// Whoever cannot write tells people without.
    fn fail(&self, failure: &Failure) {
        tracing::warn!(error = %failure, "alerts wait for the store");
        let notices = self.memory.with(|mind| {
            let Some(mind) = mind else { return Vec::new() };
            mind.away = !matches!(failure, Failure::Term(StoreError::Superseded { .. }));
            if mind.away { mind.take_notices() } else { Vec::new() }
        });
        if !notices.is_empty() {
            self.outbound.direct(&notices);
        }
    }

    async fn step(&mut self, heard: &mut Heard) -> Result<(), Failure> {
        let term = self.term.borrow_and_update().clone();
        match term {
            Some(term) => self.lead(&term, heard).await,
            None => self.follow().await,
        }
    }

    /// Without a term: goes on from memory until somebody else leads.
    async fn follow(&self) -> Result<(), Failure> {
        let Some(mine) = self.memory.with(|mind| mind.as_ref().map(|mind| mind.epoch)) else {
            return Ok(());
        };
        let mut connection = in_time(self.store.pool().acquire()).await?;
        let newest = in_time(store::newest_term(&mut connection, LEADER)).await?;
        self.memory.with(|mind| match newest {
            // A term of our own begins some time before we hear of it, and nobody led between.
            Some((epoch, holder)) if epoch == mine + 1 && holder == self.holder => {
                if let Some(mind) = mind {
                    mind.epoch = epoch;
                }
            }
            Some((epoch, _)) if epoch > mine => *mind = None,
            _ => {}
        });
        Ok(())
    }

    async fn lead(&self, term: &Term, heard: &mut Heard) -> Result<(), Failure> {
        let mut connection = in_time(self.store.pool().acquire()).await?;
        if !self.is_mine(term) {
            let mind = in_time(self.remember(&mut connection, term)).await?;
            *heard = Heard::default();
            self.memory.with(|memory| *memory = Some(mind));
        }
        in_time(self.hear(&mut connection, heard)).await?;
        while let Some(batch) = self.batch() {
            in_time(self.write(&mut connection, term, &batch)).await?;
            let last = batch.last().map_or(0, |pending| pending.number);
            self.memory
                .with(|mind| mind.as_mut().map(|mind| mind.written_until(last)));
        }
        in_time(self.tidy(&mut connection, term)).await
    }

    /// Whether the mind is of this term. That of the term before is taken over: nobody led between.
    fn is_mine(&self, term: &Term) -> bool {
        self.memory.with(|mind| {
            let Some(mind) = mind.as_mut().filter(|mind| term.epoch() - mind.epoch <= 1) else {
                return false;
            };
            mind.epoch = term.epoch();
            true
        })
    }

    async fn remember(&self, connection: &mut PgConnection, term: &Term) -> Result<Mind, Failure> {
        let rows = store::open_alerts(connection).await?;
        let turns = store::turns(connection, self.clock.unix_ms()).await?;
        let turns = turns.into_iter().filter_map(|(key, at)| Some((Key::parse(&key)?, at)));
        let book = self.book(connection).await?;
        let alerts: Vec<Alert> = rows.into_iter().filter_map(store::AlertRow::into_alert).collect();
        tracing::info!(epoch = term.epoch(), alerts = alerts.len(), "judging alerts");
        Ok(Mind::new(term.epoch(), Engine::resume(book, alerts, turns.collect())))
    }

    async fn book(&self, connection: &mut PgConnection) -> Result<Arc<RuleBook>, Failure> {
        let mut layers = self.said.borrow().layers.clone();
        layers.grpc = store::rules(connection).await?;
        let (book, left_out) = RuleBook::lenient(&layers).map_err(Failure::Rules)?;
        for reason in left_out {
            tracing::warn!(reason, "a rule that was put is left out");
        }
        Ok(Arc::new(book))
    }

    /// Takes over rules and silences that changed.
    async fn hear(&self, connection: &mut PgConnection, heard: &mut Heard) -> Result<(), Failure> {
        let (revision, said) = (store::revision(connection).await?, self.said.borrow().clone());
        if heard.revision == Some(revision) && heard.said.as_ref() == Some(&said) {
            return Ok(());
        }
        let book = self.book(connection).await?;
        let now = self.clock.unix_ms();
        let silences = store::silences(connection, now, "").await?;
        let silences = silences.into_iter().filter_map(silence_of).collect();
        self.memory.with(|mind| {
            if let Some(mind) = mind {
                mind.engine.set_book(book);
                mind.engine.set_silences(silences, now);
            }
        });
        *heard = Heard {
            revision: Some(revision),
            said: Some(said),
        };
        Ok(())
    }

    fn batch(&self) -> Option<Vec<Pending>> {
        self.memory.with(|mind| {
            let mind = mind.as_ref().filter(|mind| !mind.is_written())?;
            Some(mind.first(BATCH))
        })
    }

    async fn write(&self, connection: &mut PgConnection, term: &Term, batch: &[Pending]) -> Result<(), Failure> {
        let mut transaction = sqlx::Connection::begin(connection).await?;
        term.check(&mut transaction).await?;
        write_rows(&mut transaction, batch).await?;
        let events = batch.iter().filter_map(|pending| pending.event.as_ref());
        let ids: Vec<Uuid> = events.map(|event| event.id).collect();
        let told = store::told_already(&mut transaction, &ids).await?;
        let is_new = |pending: &&Pending| pending.event.as_ref().is_none_or(|event| !told.contains(&event.id));
        for pending in batch.iter().filter(is_new) {
            if let Some(event) = &pending.event {
                let trace = Some(pending.change.alert.traceparent.as_str()).filter(|trace| !trace.is_empty());
                outbox::enqueue(&mut transaction, event, trace).await?;
            }
        }
        let notices: Vec<_> = batch
            .iter()
            .filter(is_new)
            .filter_map(|pending| pending.notice.clone())
            .collect();
        if !notices.is_empty() {
            self.outbound.enqueue(&mut transaction, &notices).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Ends rows that are of no alert: of a rule, a project or a format that does not exist any more, or of a change
    /// that had to be dropped.
    async fn tidy(&self, connection: &mut PgConnection, term: &Term) -> Result<(), Failure> {
        let known = self.memory.with(|mind| {
            let mind = mind.as_mut().filter(|mind| mind.incomplete && mind.is_written())?;
            Some(mind.engine.alerts().map(|alert| alert.id).collect::<Vec<_>>())
        });
        let Some(known) = known else { return Ok(()) };
        let mut transaction = sqlx::Connection::begin(connection).await?;
        term.check(&mut transaction).await?;
        let ended = store::end_others(&mut transaction, &known, self.clock.unix_ms()).await?;
        transaction.commit().await?;
        if ended > 0 {
            tracing::warn!(alerts = ended, "ended alerts that nobody knows of any more");
        }
        self.memory
            .with(|mind| mind.as_mut().map(|mind| mind.incomplete = false));
        Ok(())
    }
}

async fn in_time<T, E: Into<Failure>>(step: impl Future<Output = Result<T, E>>) -> Result<T, Failure> {
    let done = timeout(STEP_WITHIN, step).await;
    done.map_err(|_| Failure::Late)?.map_err(Into::into)
}

/// The rows of a batch: of each alert its last state; first those that end, which make room for others of their key.
async fn write_rows(transaction: &mut PgConnection, batch: &[Pending]) -> sqlx::Result<()> {
    let is_last = |(index, pending): &(usize, &Pending)| {
        let mut later = batch.iter().skip(index + 1);
        !later.any(|other| other.change.alert.id == pending.change.alert.id)
    };
    let last = batch
        .iter()
        .enumerate()
        .filter(is_last)
        .map(|(_, pending)| &pending.change);
    let (gone, there): (Vec<_>, Vec<_>) = last.partition(|change| change.gone);
    let gone: Vec<Uuid> = gone.iter().map(|change| change.alert.id).collect();
    let alerts = there.into_iter().map(|change| &change.alert);
    let (over, open): (Vec<_>, Vec<_>) = alerts.partition(|alert| alert.phase == Phase::Resolved);
    store::remove_alerts(transaction, &gone).await?;
    store::write_alerts(transaction, &over).await?;
    store::write_alerts(transaction, &open).await
}

fn silence_of(row: SilenceRow) -> Option<Silence> {
    let matchers = row.matchers.0.into_iter();
    let matchers: Result<_, String> = matchers
        .map(|(name, text)| Ok((name, Pattern::parse(&text)?)))
        .collect();
    Some(Silence {
        id: row.id,
        matchers: matchers.ok()?,
        starts_unix_ms: row.starts_unix_ms,
        ends_unix_ms: row.ends_unix_ms,
    })
}
