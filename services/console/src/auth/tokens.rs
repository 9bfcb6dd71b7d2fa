//! Whose token it is: asked of the store, and remembered for a moment.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use sqlx::Row as _;
use uuid::Uuid;
use weir_model::{Clock, Project};
use weir_store::Store;

use super::keyring::hash;
use super::{Caller, Role};

/// A revoked token is refused after so long at most.
const FRESH_MS: i64 = 5_000;
/// While the store is away, a token that was good so lately is good.
const STALE_MS: i64 = 300_000;
/// How exactly the last use is kept.
const USE_NOTED_MS: i64 = 60_000;
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

#[derive(Debug, Clone)]
struct Known {
    /// None: no such token, or it is revoked.
    caller: Option<Caller>,
    expires_unix_ms: Option<i64>,
    looked_unix_ms: i64,
}

/// Looks tokens up.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    store: Store,
    clock: Clock,
    known: Arc<Mutex<LruCache<[u8; 32], Known>>>,
}

impl Tokens {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        let known = Arc::new(Mutex::new(LruCache::new(REMEMBERED)));
        Self { store, clock, known }
    }

    /// Whose it is. None: nobody's, or it has ended. An error: the store is away and it is not remembered.
    pub(crate) async fn find(&self, token: &str) -> Result<Option<Caller>, sqlx::Error> {
        let hash = hash(token);
        let now = self.clock.unix_ms();
        let remembered = self.known().get(&hash).cloned();
        if let Some(known) = remembered
            .as_ref()
            .filter(|known| now - known.looked_unix_ms < FRESH_MS)
        {
            return Ok(known.at(now));
        }
        match self.look(&hash, now).await {
            Ok(known) => {
                let caller = known.at(now);
                self.known().put(hash, known);
                Ok(caller)
            }
            Err(error) => match remembered.filter(|known| now - known.looked_unix_ms < STALE_MS) {
                Some(known) => Ok(known.at(now)),
                None => Err(error),
            },
        }
    }

    /// Whether it has neither ended nor been revoked. While the store is away it is taken to be good.
    pub(crate) async fn is_good(&self, id: Uuid) -> bool {
        let asked = sqlx::query_scalar(
            "select exists (select from tokens where id = $1 and revoked_unix_ms is null and coalesce(expires_unix_ms, $2 + 1) > $2)",
        );
        let good = asked
            .bind(id)
            .bind(self.clock.unix_ms())
            .fetch_one(self.store.pool())
            .await;
        good.unwrap_or(true)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, LruCache<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, hash: &[u8; 32], now: i64) -> Result<Known, sqlx::Error> {
        let row = sqlx::query(
            "with used as (
                update tokens set last_used_unix_ms = $2
                where hash = $1 and revoked_unix_ms is null and coalesce(last_used_unix_ms, 0) < $2 - $3
             )
             select id, name, project, role, expires_unix_ms from tokens where hash = $1 and revoked_unix_ms is null",
        )
        .bind(hash.as_slice())
        .bind(now)
        .bind(USE_NOTED_MS)
        .fetch_optional(self.store.pool())
        .await?;
        let mut known = Known {
            caller: None,
            expires_unix_ms: None,
            looked_unix_ms: now,
        };
        if let Some(row) = row {
            known.expires_unix_ms = row.try_get("expires_unix_ms")?;
            known.caller = Some(caller_of(&row)?);
        }
        Ok(known)
    }
}

impl Known {
    fn at(&self, now: i64) -> Option<Caller> {
        let has_ended = self.expires_unix_ms.is_some_and(|end| end <= now);
        self.caller.clone().filter(|_| !has_ended)
    }
}

fn caller_of(row: &sqlx::postgres::PgRow) -> Result<Caller, sqlx::Error> {
    let project: Option<String> = row.try_get("project")?;
    let role: String = row.try_get("role")?;
    let strange = |error: String| sqlx::Error::Decode(error.into());
    Ok(Caller {
        name: row.try_get("name")?,
        token: Some(row.try_get::<Uuid, _>("id")?),
        project: project
            .map(|project| Project::parse(&project).map_err(|error| strange(error.to_string())))
            .transpose()?,
        role: role.parse::<Role>().map_err(strange)?,
    })
}
