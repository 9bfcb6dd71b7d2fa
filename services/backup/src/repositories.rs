//! The repositories of the settings: opened when they are first needed, and looked at again after trouble.
//!
//! What was seen of each is remembered in Weir's tables, so that one that was rolled back is known as such after a
//! restart too. Without those tables repositories are used all the same: nothing that is stored depends on them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_model::{Clock, Coded as _};
use weir_store::Store;

use crate::care::leases::Watched;
use crate::error::Error;
use crate::repo::keys::Wrapping;
use crate::repo::shelves::Place;
use crate::repo::{self, Repository, Seen, Shelf};
use crate::settings::{BackupSettings, FileRepository};

/// Repositories are looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// One look takes no longer.
const LOOK_WITHIN: Duration = Duration::from_secs(60);
/// One that could not be reached is not tried again before.
const REST: Duration = Duration::from_secs(5);

/// The repositories of the settings, in their order. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Repositories(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cluster: String,
    encryption: bool,
    all: Vec<FileRepository>,
    /// One for each of the settings.
    slots: Vec<Slot>,
    clock: Clock,
    memory: Option<Store>,
    /// What was seen since the start, by name.
    seen: Mutex<BTreeMap<String, Known>>,
    leases: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Slot {
    open: tokio::sync::Mutex<Option<Repository>>,
    standing: Mutex<Standing>,
}

/// How a repository stands, as far as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Whether it was looked at since the start.
    pub looked_at: bool,
    /// Why it cannot be used: one sentence. None: it can, or nobody tried.
    pub trouble: Option<String>,
    /// The short name of that.
    pub slug: &'static str,
    /// It is not tried again before.
    rests_until: Option<Instant>,
}

impl Standing {
    /// Whether it could be used when it was last tried.
    pub(crate) const fn is_up(&self) -> bool {
        self.looked_at && self.trouble.is_none()
    }
}

impl Repositories {
    /// Those of the settings, without a memory of what was seen of them.
    pub(crate) fn of(settings: &BackupSettings, clock: Clock) -> Self {
        Self::made(settings, clock, None)
    }

    /// Those of the settings. What is seen of them is remembered in these tables.
    pub(crate) fn remembered(settings: &BackupSettings, clock: Clock, memory: Store) -> Self {
        Self::made(settings, clock, Some(memory))
    }

    fn made(settings: &BackupSettings, clock: Clock, memory: Option<Store>) -> Self {
        let all = settings.repositories.0.clone();
        Self(Arc::new(Inner {
            cluster: settings.cluster.clone(),
            encryption: settings.encryption,
            slots: all.iter().map(|_| Slot::default()).collect(),
            all,
            clock,
            memory,
            seen: Mutex::default(),
            leases: Mutex::default(),
        }))
    }

    /// Their names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.all.iter().map(|repository| repository.name.as_str())
    }

    /// What the settings say of each, in order.
    pub(crate) fn settings(&self) -> &[FileRepository] {
        &self.0.all
    }

    /// How each stands, in order.
    pub(crate) fn standings(&self) -> Vec<(&str, Standing)> {
        let slots = self.0.slots.iter().map(|slot| slot.standing().clone());
        self.names().zip(slots).collect()
    }

    /// What was seen of the leases of each.
    pub(crate) fn leases(&self) -> &Mutex<Watched> {
        &self.0.leases
    }

    /// What the settings say of the repository of this name.
    pub(crate) fn setting(&self, name: &str) -> Result<&FileRepository, Error> {
        self.slot(name).map(|(file, _)| file)
    }

    fn slot(&self, name: &str) -> Result<(&FileRepository, &Slot), Error> {
        let mut all = self.0.all.iter().zip(&self.0.slots);
        all.find(|(file, _)| file.name == name).ok_or_else(|| Error::Field {
            field: "repository",
            reason: format!("there is no repository {name}"),
        })
    }

    /// The repository of this name; made where there is none yet.
    pub(crate) async fn get(&self, name: &str) -> Result<Repository, Error> {
        let (file, slot) = self.slot(name)?;
        let mut open = slot.open.lock().await;
        if let Some(repository) = open.as_ref() {
            return Ok(repository.clone());
        }
        if let Some(trouble) = slot.rest() {
            return Err(trouble.of(name));
        }
        match self.open(file).await {
            Ok(repository) => {
                slot.note(None);
                *open = Some(repository.clone());
                Ok(repository)
            }
            Err(error) => {
                slot.note(Some(&error));
                Err(error)
            }
        }
    }

    /// The same, but nothing is made where there is none.
    pub(crate) async fn find(&self, name: &str) -> Result<Repository, Error> {
        let file = self.setting(name)?;
        let (shelf, clock) = (self.shelf(file).await?, self.0.clock.clone());
        let found = Repository::find(shelf, self.wrapping(name)?, clock, None).await?;
        found.ok_or_else(|| Error::Refused {
            slug: "backup-no-repository",
            reason: format!("there is no repository at {}", file.url),
        })
    }

    /// Has a repository of a test stand for the one of this name.
    #[cfg(test)]
    pub(crate) async fn stand_in(&self, name: &str, repository: Repository) {
        if let Ok((_, slot)) = self.slot(name) {
            *slot.open.lock().await = Some(repository);
        }
    }

    /// The first that can be used now; an error that says why none can.
    pub(crate) async fn first(&self) -> Result<Repository, Error> {
        let mut trouble = Error::Refused {
            slug: "backup-no-repository",
            reason: "no repository is set: add one to backup.repositories".to_owned(),
        };
        let down = |file: &FileRepository| {
            self.slot(&file.name)
                .is_ok_and(|(_, slot)| slot.standing().trouble.is_some())
        };
        // One that was in trouble when it was last seen is asked only if no other can be used.
        let (later, sooner): (Vec<_>, Vec<_>) = self.0.all.iter().partition(|file| down(file));
        for file in sooner.into_iter().chain(later) {
            match self.get(&file.name).await {
                Ok(repository) => return Ok(repository),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// The names that an order means: the one that it names, or all.
    pub(crate) fn meant<'a>(&'a self, name: &str) -> Result<Vec<&'a str>, Error> {
        if name.is_empty() {
            return Ok(self.names().collect());
        }
        Ok(vec![self.setting(name)?.name.as_str()])
    }

    /// What wraps the keys of the repository of this name, as its files are now.
    pub(crate) fn wrapping(&self, name: &str) -> Result<Wrapping, Error> {
        let file = self.setting(name)?;
        if !self.0.encryption {
            return Ok(Wrapping::open_to_all());
        }
        let keys: Vec<_> = file.key_file.iter().chain(&file.old_key_files).collect();
        Ok(Wrapping::from_files(name, &keys)?)
    }

    async fn open(&self, file: &FileRepository) -> Result<Repository, Error> {
        let (wrapping, shelf) = (self.wrapping(&file.name)?, self.shelf(file).await?);
        let known = self.recall(&file.name).await;
        let (clock, seen) = (self.0.clock.clone(), known.as_ref().map(|known| &known.seen));
        let repository = Repository::open(shelf, wrapping, &self.0.cluster, clock, seen).await?;
        self.confirm(&repository, known.as_ref()).await?;
        Ok(repository)
    }

    async fn shelf(&self, file: &FileRepository) -> Result<Shelf, Error> {
        let place = place_of(file);
        let shelf = tokio::task::spawn_blocking(move || place.shelf()).await;
        shelf.map_err(|_| Error::Stopped)?.map_err(|reason| Error::Field {
            field: "backup.repositories",
            reason: format!("{}: {reason}", file.name),
        })
    }

    /// Looks whether a repository is what it was, and remembers how far it is.
    async fn confirm(&self, repository: &Repository, known: Option<&Known>) -> Result<(), Error> {
        if let Some(known) = known
            && known.id != repository.id()
        {
            return Err(replaced(repository, known));
        }
        let latest = repository.confirm(known.map(|known| &known.seen)).await?;
        self.leases().lock().unwrap_or_else(PoisonError::into_inner).observe(
            repository.id(),
            &latest.state.leases,
            Instant::now(),
        );
        self.remember(repository).await;
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen of the repository of this name: by this process, or by any.
    async fn recall(&self, name: &str) -> Option<Known> {
        let own = self.seen().get(name).cloned();
        let told = self.recall_stored(name).await;
        let further = |known: &Known| known.seen.generation;
        own.into_iter().chain(told).max_by_key(further)
    }

    async fn recall_stored(&self, name: &str) -> Option<Known> {
        let store = self.0.memory.as_ref()?;
        let asked = sqlx::query_as::<_, (Uuid, i64, Vec<u8>)>(
            "select repository_id, generation, hash from seen_repositories where name = $1
             order by seen_unix_ms desc limit 1",
        )
        .bind(name);
        match asked.fetch_optional(store.pool()).await {
            Ok(row) => row.map(Known::of),
            Err(error) => {
                let error = store.error(error);
                tracing::warn!(repository = name, error = %error, "what was seen of a repository cannot be recalled");
                None
            }
        }
    }

    /// Remembers how far a repository is.
    pub(crate) async fn remember(&self, repository: &Repository) {
        let Ok(seen) = repository.seen().await else {
            return;
        };
        let known = Known {
            id: repository.id(),
            seen: seen.clone(),
        };
        self.seen().insert(repository.name().to_owned(), known);
        let Some(store) = &self.0.memory else {
            return;
        };
        let stored = sqlx::query(
            "insert into seen_repositories as was (repository_id, name, generation, hash, seen_unix_ms)
             values ($1, $2, $3, $4, $5)
             on conflict (repository_id) do update set name = excluded.name, generation = excluded.generation,
                hash = excluded.hash, seen_unix_ms = excluded.seen_unix_ms
             where was.generation < excluded.generation",
        )
        .bind(repository.id())
        .bind(repository.name())
        .bind(i64::try_from(seen.generation).unwrap_or(i64::MAX))
        .bind(seen.hash)
        .bind(self.0.clock.unix_ms());
        if let Err(error) = stored.execute(store.pool()).await {
            let error = store.error(error);
            tracing::warn!(repository = repository.name(), error = %error, "how far a repository is cannot be remembered");
        }
    }

    /// Looks at every repository again and again, until `stop`.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        loop {
            for name in self.names() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.look(name) => {}
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Looks at one repository, and notes how it stands.
    pub(crate) async fn look(&self, name: &str) {
        let Ok((_, slot)) = self.slot(name) else {
            return;
        };
        let looked = match tokio::time::timeout(LOOK_WITHIN, self.looked(name)).await {
            Ok(looked) => looked,
            Err(_) => Err(away(name, format!("no answer within {LOOK_WITHIN:?}"))),
        };
        slot.note(looked.as_ref().err());
        match looked {
            Ok(()) => {}
            // Whoever asks for it next is told why not, and not handed what cannot be trusted.
            Err(error) if !error.is_passing() => *slot.open.lock().await = None,
            Err(_) => {}
        }
    }

    async fn looked(&self, name: &str) -> Result<(), Error> {
        let repository = self.get(name).await?;
        let wrapping = self.wrapping(name)?;
        if wrapping.ids() != repository.wrapping().ids() {
            repository.rewrap(wrapping).await?;
            tracing::info!(repository = name, "the keys of a repository were read anew");
        }
        let known = self.recall(name).await;
        self.confirm(&repository, known.as_ref()).await
    }
}

/// What was seen of a repository, under its name.
#[derive(Debug, Clone)]
struct Known {
    id: Uuid,
    seen: Seen,
}

impl Known {
    fn of((id, generation, hash): (Uuid, i64, Vec<u8>)) -> Self {
        let generation = u64::try_from(generation).unwrap_or(0);
        Self {
            id,
            seen: Seen { generation, hash },
        }
    }
}

impl Slot {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The trouble of one that is not tried again yet.
    fn rest(&self) -> Option<Trouble> {
        let standing = self.standing();
        let rests = standing.rests_until.is_some_and(|until| Instant::now() < until);
        let reason = standing.trouble.clone().filter(|_| rests)?;
        Some(Trouble(reason))
    }

    fn note(&self, error: Option<&Error>) {
        let passing = error.is_some_and(Error::is_passing);
        let standing = Standing {
            looked_at: true,
            trouble: error.map(ToString::to_string),
            slug: error.map_or("", |error| error.slug()),
            rests_until: passing.then(|| Instant::now() + REST),
        };
        let was = std::mem::replace(&mut *self.standing(), standing.clone());
        match (&was.trouble, &standing.trouble) {
            (None, Some(trouble)) => tracing::warn!(trouble, "a repository cannot be used"),
            (Some(trouble), None) => tracing::info!(trouble, "a repository can be used again"),
            _ => {}
        }
    }
}

struct Trouble(String);

impl Trouble {
    fn of(self, name: &str) -> Error {
        let said = format!("repository {name}: ");
        let reason = self.0.strip_prefix(&said).map(str::to_owned).unwrap_or(self.0);
        away(name, reason)
    }
}

fn away(name: &str, reason: String) -> Error {
    Error::Repository(repo::Error::Store {
        repository: name.to_owned(),
        reason,
    })
}

fn replaced(repository: &Repository, known: &Known) -> Error {
    Error::Refused {
        slug: "backup-rolled-back",
        reason: format!(
            "repository {} was {} before and is {} now: somebody put another in its place; if that was meant, give it another name",
            repository.name(),
            known.id,
            repository.id()
        ),
    }
}

/// Where the settings say that a repository lies.
pub(crate) fn place_of(file: &FileRepository) -> Place {
    Place {
        name: file.name.clone(),
        url: file.url.clone(),
        endpoint: file.endpoint.clone(),
        region: file.region.clone(),
        access_key_id: file.access_key_id.clone(),
        secret_file: file.secret_file.clone(),
        allow_http: file.allow_http,
    }
}

#[cfg(test)]
pub(crate) mod tests;
