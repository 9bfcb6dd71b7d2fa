//! The settings in force while the process runs, and how they change: by the file, or by an operator.

use std::sync::{Arc, Mutex, PoisonError};

use weir_config::{Effective, Error, Origin, Section as _, Sources};

use crate::pool::Pools;
use crate::settings::{GatewaySettings, check, check_change};

/// Settings that are read at the start only.
const AT_START: [&str; 18] = [
    "grpc_listen",
    "ops_listen",
    "wire_listen",
    "handover",
    "handover_timeout",
    "workers",
    "tls_certificate",
    "tls_key",
    "tls_client_authority",
    "mirror_url",
    "mirror_database",
    "mirror_connections",
    "firewall_store",
    "statement_bytes_max",
    "events",
    "events_buffer_max",
    "events_batch_max",
    "events_flush_after",
];
/// The section whose settings can be changed here.
const SECTION: &str = "gateway";

/// Whether a setting (`section.key`) can change while the process runs.
pub(crate) fn reloads(key: &str) -> bool {
    let own = key.strip_prefix(SECTION).and_then(|key| key.strip_prefix('.'));
    own.is_some_and(|key| !AT_START.contains(&key))
}

/// Keeps the settings.
#[derive(Debug)]
pub(crate) struct Steward {
    sources: Mutex<Sources>,
    pools: Arc<Pools>,
}

/// One setting in force.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) setting: Effective,
    /// Whether it can change while the process runs.
    pub(crate) changes: bool,
}

impl Steward {
    pub(crate) fn new(sources: Sources, pools: Arc<Pools>) -> Arc<Self> {
        Arc::new(Self {
            sources: Mutex::new(sources),
            pools,
        })
    }

    /// Reads the settings file again, and takes it over as a whole or not at all. What was set by hand is forgotten.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        self.change(Sources::reload)
    }

    /// Takes over what somebody else has read.
    pub(crate) fn take_over(&self, sources: &Sources) -> Result<(), Error> {
        self.change(|_| Ok(sources.clone()))
    }

    /// Sets one setting, until the next reload.
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<(), Error> {
        let key = name.strip_prefix("gateway.").unwrap_or(name);
        let wrong = |reason: &str| Err(Error::invalid(format!("{SECTION}.{key}"), Origin::Operator, reason));
        if !GatewaySettings::fields().iter().any(|field| field.key == key) {
            return wrong("there is no such setting; SHOW CONFIG lists them");
        }
        if AT_START.contains(&key) {
            return wrong("is read at the start only; change the file and start again");
        }
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = sources.with(SECTION, key, value);
        let settings = check_change(&changed, &self.pools.common().live())?;
        *sources = changed;
        self.pools.adjust(settings);
        Ok(())
    }

    /// Where they come from.
    pub(crate) fn sources(&self) -> Sources {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every setting of the gateway.
    pub(crate) fn all(&self) -> Vec<InForce> {
        let sources = self.sources();
        // What is in force was checked before it was.
        let all = GatewaySettings::effective(&sources).unwrap_or_default().into_iter();
        all.map(|setting| {
            let changes = reloads(&setting.key);
            InForce { setting, changes }
        })
        .collect()
    }

    fn change(&self, change: impl FnOnce(&Sources) -> Result<Sources, Error>) -> Result<(), Error> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&sources)?;
        let (settings, _) = check(&changed)?;
        *sources = changed;
        self.pools.adjust(settings);
        Ok(())
    }
}
