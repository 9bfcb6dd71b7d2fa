//! The rules in force: those of the settings file and those that were put by calls, kept in step with both.
//!
//! What is put is written to the store first and is in force when the call is answered; other instances hear of it at
//! once or, at the latest, when they look again. Until the store was read for the first time nobody knows what was
//! ordered, and every answer is that nothing is kept. A store that goes away later leaves the last known rules in force.

mod desk;
mod error;
mod file;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use weir_footing::Tables;
use weir_model::{Clock, Fingerprint, Project};
use weir_proto::cache::v1 as api;
use weir_runtime::{Ground, Stage, TaskResult};
use weir_store::Wakes;

use crate::policy::{Book, Origin, Rule, Subject, WrittenRule, to_api};
use crate::settings::CacheSettings;
use crate::store::{self, PolicyRow};

pub(crate) use error::Error;
use file::FileRules;
pub(crate) use file::check_file;

/// How often the store is looked at, where news of it do not get through.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What is said of a statement before the rules are known.
const UNKNOWN: &str = "the rules have not been read from the store yet";
/// What is said of one whose rule this version cannot read.
const UNREADABLE: &str = "this version cannot read the rule in the store";

/// All rules, and what keeps them in step. Shared by all who ask.
#[derive(Debug)]
pub(crate) struct Rules {
    tables: Tables,
    clock: Clock,
    wakes: Wakes,
    state: RwLock<State>,
    generation: watch::Sender<u64>,
    /// One at a time brings the rules in step.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    in_force: Arc<InForce>,
    file: FileRules,
    /// Whether the store has heard of the file's present rules.
    file_is_told: bool,
}

/// The rules of one moment.
#[derive(Debug)]
struct InForce {
    book: Book,
    generation: u64,
    /// The store's number that they were read at. None: they never were.
    read_at: Option<i64>,
}

impl Rules {
    /// Begins to keep rules. They come into force when the store is there.
    pub(crate) fn start(ground: &Ground, tables: &Tables, settings: &CacheSettings) -> Arc<Self> {
        let in_force = Arc::new(InForce {
            book: Book::default(),
            generation: 0,
            read_at: None,
        });
        let rules = Arc::new(Self {
            tables: tables.clone(),
            clock: ground.clock.clone(),
            wakes: Wakes::of(tables.store(), "policy_generation"),
            state: RwLock::new(State {
                in_force,
                file: FileRules::new(&settings.rules.0),
                file_is_told: false,
            }),
            generation: watch::channel(0).0,
            turn: tokio::sync::Mutex::new(()),
        });
        let (kept, reloads) = (rules.clone(), ground.reloads.clone());
        ground
            .tasks
            .spawn(Stage::Work, "cache rules", |stop| kept.keep(reloads, stop));
        rules
    }

    /// The rule that applies to a statement of this shape that reads these tables (`schema.name`), and the number of
    /// the rules by which it was found, which goes up when any of them changes. The follower tells that number
    /// ([`Rules::generation`]); a study answers with both.
    pub(crate) fn applying<'a>(
        &self,
        project: &Project,
        fingerprint: Fingerprint,
        relations: impl IntoIterator<Item = &'a str>,
    ) -> (Option<api::Policy>, u64) {
        let in_force = self.in_force();
        let rule = if in_force.read_at.is_some() {
            in_force.book.applying(project, fingerprint, relations)
        } else {
            Some(Rule::never(project.clone(), Subject::Project, UNKNOWN))
        };
        (rule.as_ref().map(to_api), in_force.generation)
    }

    /// Says which rule applies to a statement that was studied, as of which rules.
    pub(crate) fn complete(&self, project: &str, sql: &str, answer: &mut api::StudyResponse) {
        let project = Project::parse(project).unwrap_or_default();
        let fingerprint = weir_sql::analyse(sql, weir_sql::Limits::default()).fingerprint;
        let relations = answer
            .dependencies
            .iter()
            .map(|dependency| dependency.relation.as_str());
        let (policy, generation) = self.applying(&project, fingerprint, relations);
        answer.policy = policy;
        answer.policy_generation = generation;
    }

    /// The number of the rules in force: 0 before they were read.
    pub(crate) fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Why a rule is there, for people.
    pub(crate) fn note(&self, project: &Project, id: &str) -> Option<String> {
        self.in_force().book.by_id(project, id).map(|rule| rule.note.clone())
    }

    fn in_force(&self) -> Arc<InForce> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .in_force
            .clone()
    }

    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the rules in step until told to stop.
    async fn keep(
        self: Arc<Self>,
        reloads: watch::Receiver<weir_config::Sources>,
        stop: CancellationToken,
    ) -> TaskResult {
        if self.tables.are_there(&stop).await {
            tokio::join!(
                self.look(&stop),
                self.wakes.listen(&stop),
                self.follow_file(reloads, &stop)
            );
        }
        Ok(())
    }

    async fn look(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.step().await {
                tracing::warn!(dependency = "store", %error, "the cache's rules cannot be read; the last known ones hold");
            }
            self.wakes.wait(stop, LOOK_EVERY).await;
        }
    }

    async fn follow_file(&self, mut reloads: watch::Receiver<weir_config::Sources>, stop: &CancellationToken) {
        while let Some(Ok(())) = stop.run_until_cancelled(reloads.changed()).await {
            // It was checked before it was handed on.
            let settings = reloads.borrow_and_update().section::<CacheSettings>();
            if let Ok(settings) = settings {
                self.change(|state| {
                    state.file = FileRules::new(&settings.rules.0);
                    state.file_is_told = false;
                });
                self.wakes.wake();
            }
        }
        stop.cancelled().await;
    }

    /// Brings the rules in step with the store and the file, if either has changed.
    async fn step(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let (file, is_told, before) = self.change(|state| {
            let told = std::mem::replace(&mut state.file_is_told, true);
            (state.file.clone(), told, state.in_force.clone())
        });
        let stepped = self.read(&file, is_told, &before).await;
        if stepped.is_err() && !is_told {
            self.change(|state| state.file_is_told = false);
        }
        stepped
    }

    async fn read(&self, file: &FileRules, is_told: bool, before: &InForce) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        if !is_told {
            let above = i64::try_from(before.generation).unwrap_or(i64::MAX - 1);
            store::take_file(&mut connection, file.digest(), above).await?;
        }
        // The number first: rules that are newer than it are read again when it has grown.
        let number = store::generation(&mut connection).await?;
        if is_told && before.read_at == Some(number) {
            return Ok(());
        }
        let put = store::policies(&mut connection).await?;
        let rules = file.rules().iter().cloned().chain(put.into_iter().filter_map(rule_of));
        let in_force = InForce {
            book: Book::new(rules),
            generation: u64::try_from(number).unwrap_or_default(),
            read_at: Some(number),
        };
        self.enforce(in_force);
        Ok(())
    }

    fn enforce(&self, in_force: InForce) {
        let generation = in_force.generation;
        tracing::debug!(generation, "rules of the cache are in force");
        self.change(|state| state.in_force = Arc::new(in_force));
        self.generation.send_replace(generation);
    }

    async fn connection(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, Error> {
        let store = self.tables.store();
        let acquired = store.pool().acquire().await;
        acquired.map_err(|error| Error::Store(store.error(error).to_string()))
    }
}

/// The rule in a row. One that cannot be understood keeps its statements out of the cache.
fn rule_of(row: PolicyRow) -> Option<Rule> {
    let id = row.id.to_string();
    let written: Result<WrittenRule, _> = serde_json::from_value(row.rule.0);
    let read = written.map_err(|error| error.to_string());
    let read = read.and_then(|written| {
        written
            .read(Origin::Call, id.clone())
            .map_err(|error| error.to_string())
    });
    match read {
        Ok(rule) => Some(rule),
        Err(error) => {
            tracing::warn!(id, %error, "a rule of the cache cannot be read; what it is about is not cached");
            let (project, subject) = (Project::parse(&row.project).ok()?, Subject::parse(&row.subject).ok()?);
            let rule = Rule::never(project, subject, UNREADABLE);
            Some(Rule { id, ..rule })
        }
    }
}
