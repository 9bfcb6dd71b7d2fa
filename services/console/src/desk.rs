//! The console's own tables for whoever has the settings at hand: the operators' command makes the first token here.

use sqlx::PgPool;
use weir_config::{DatabaseSettings, Sources};
use weir_model::Clock;
use weir_store::{Store, StoreOptions, StoreSettings};

use crate::auth::{Keyring, TokenFailure};
pub use crate::store::audit::{Entry as AuditEntry, Wanted as AuditWanted};
pub use crate::store::violations::{Row as ViolationRow, Wanted as ViolationsWanted};

/// The console's tables.
#[derive(Debug, Clone)]
pub struct Desk {
    pool: PgPool,
    clock: Clock,
}

impl Desk {
    /// Those of the settings; they are made if they are not there.
    pub async fn open(sources: &Sources, clock: Clock) -> Result<Self, TokenFailure> {
        let store = Self::store(sources)?;
        store.migrate().await?;
        let pool = store.pool().clone();
        Ok(Self { pool, clock })
    }

    fn store(sources: &Sources) -> Result<Store, TokenFailure> {
        let wrong = |error: weir_config::Error| TokenFailure::Store(error.to_string());
        let settings: StoreSettings = sources.section().map_err(wrong)?;
        let database: DatabaseSettings = sources.section().map_err(wrong)?;
        let options = StoreOptions::from_settings(&settings, &database, crate::SCHEMA)?;
        Ok(Store::open(options, crate::migrations())?)
    }

    /// Who may call.
    pub fn keyring(&self) -> Keyring {
        Keyring::new(self.pool.clone(), self.clock.clone())
    }

    /// What was asked, the latest first.
    pub async fn audit(&self, wanted: &AuditWanted) -> Result<Vec<AuditEntry>, TokenFailure> {
        Ok(crate::store::audit::list(&self.pool, wanted).await?)
    }

    /// Which rules were broken, the latest first.
    pub async fn violations(&self, wanted: &ViolationsWanted) -> Result<Vec<ViolationRow>, TokenFailure> {
        Ok(crate::store::violations::list(&self.pool, wanted, None).await?)
    }

    /// Those that were written after one, in the order in which they were written.
    pub async fn violations_after(
        &self,
        wanted: &ViolationsWanted,
        id: i64,
    ) -> Result<Vec<ViolationRow>, TokenFailure> {
        Ok(crate::store::violations::after(&self.pool, wanted, id).await?)
    }

    /// The one that was written last. 0: none was.
    pub async fn last_violation(&self) -> Result<i64, TokenFailure> {
        Ok(crate::store::violations::last_id(&self.pool).await?)
    }
}
