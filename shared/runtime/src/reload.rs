//! Reading the settings again while the process runs: as a whole, or not at all.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use weir_config::Sources;
use weir_telemetry::{LogFilter, TelemetrySettings};

use crate::ground::{Service, StartError};
use crate::standing::{Standing, changed, reloads};

/// What a reload came to, for each service of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Tells the process from others.
    pub process: String,
    /// Every service in it.
    pub services: Vec<ServiceReloaded>,
}

/// What a reload came to for one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReloaded {
    /// The name of its binary.
    pub service: String,
    /// Settings that changed and are in force from now on.
    pub taken_over: Vec<String>,
    /// Settings whose new values wait for the next start, those of earlier reloads too.
    pub restart: Vec<String>,
}

/// What reads the settings again. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    process: String,
    services: Vec<Service>,
    start: Sources,
    reloads: watch::Sender<Sources>,
    log: LogFilter,
    /// One reload at a time.
    turn: Mutex<()>,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("process", &self.0.process).finish()
    }
}

impl Reloader {
    pub(crate) fn new(start: Sources, services: &[Service], log: LogFilter) -> Self {
        Self(Arc::new(Inner {
            process: uuid::Uuid::now_v7().to_string(),
            services: services.to_vec(),
            reloads: watch::channel(start.clone()).0,
            start,
            log,
            turn: Mutex::new(()),
        }))
    }

    /// Tells this process from others.
    pub fn process(&self) -> &str {
        &self.0.process
    }

    /// Settings after each accepted reload.
    pub(crate) fn follow(&self) -> watch::Receiver<Sources> {
        self.0.reloads.subscribe()
    }

    pub(crate) fn standing(&self, service: Service) -> Standing {
        Standing::new(service, self.clone())
    }

    /// As they were read at the start.
    pub(crate) fn start(&self) -> &Sources {
        &self.0.start
    }

    /// As they were read last.
    pub(crate) fn now(&self) -> Sources {
        self.0.reloads.borrow().clone()
    }

    /// Takes over a changed settings file as a whole. If anything in it cannot be, the old settings stay.
    pub fn reload(&self) -> Result<Reloaded, StartError> {
        let _turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read() {
            Ok((read, told)) => {
                self.0.reloads.send_replace(read);
                log(&told);
                Ok(told)
            }
            Err(error) => {
                tracing::error!(error, "settings not reloaded; the old ones stay");
                Err(error)
            }
        }
    }

    fn read(&self) -> Result<(Sources, Reloaded), StartError> {
        let before = self.now();
        let read = before.reload()?;
        self.0.services.iter().try_for_each(|service| (service.check)(&read))?;
        let told = Reloaded {
            process: self.0.process.clone(),
            services: (self.0.services.iter().map(|service| self.told(service, &before, &read)))
                .collect::<Result<_, _>>()?,
        };
        self.0.log.set(&read.section::<TelemetrySettings>()?)?;
        Ok((read, told))
    }

    fn told(&self, service: &Service, before: &Sources, read: &Sources) -> Result<ServiceReloaded, weir_config::Error> {
        let mut taken_over = changed(service, before, read)?;
        taken_over.retain(|key| reloads(service, key));
        let mut restart = changed(service, &self.0.start, read)?;
        restart.retain(|key| !reloads(service, key));
        Ok(ServiceReloaded {
            service: service.name.to_owned(),
            taken_over,
            restart,
        })
    }
}

fn log(told: &Reloaded) {
    tracing::info!("settings reloaded");
    for service in told.services.iter().filter(|service| !service.restart.is_empty()) {
        let settings = service.restart.join(", ");
        tracing::warn!(
            service = service.service,
            settings,
            "changed settings wait for a restart"
        );
    }
}
