//! With real servers.

mod contents;
mod doors;
mod queue;
mod several;
mod speed;
mod trouble;

use std::time::Duration;

use weir_config::Sources;
use weir_testkit::{Redis, eventually};

use super::*;

/// More than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn key(number: u32) -> [u8; 32] {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

fn blob(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

fn settings(url: &str, more: &[(&str, &str)]) -> Result<GatewaySettings, Error> {
    let base = [
        ("DATABASE_URL", "postgres://u@h/d"),
        ("WEIR_GATEWAY__CACHE_REDIS_URL", url),
        ("WEIR_GATEWAY__CACHE_REDIS_TIMEOUT", "400ms"),
    ];
    let all = base
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let all: std::collections::HashMap<String, String> = all.collect();
    Ok(crate::settings::check(&Sources::load(None, all)?)?.0)
}

/// A gateway's level 2 with its tasks.
struct Subject {
    level2: Arc<Level2>,
    tasks: Tasks,
    registry: weir_telemetry::Registry,
}

impl std::ops::Deref for Subject {
    type Target = Level2;

    fn deref(&self) -> &Level2 {
        &self.level2
    }
}

impl Subject {
    fn open(url: &str, more: &[(&str, &str)]) -> Self {
        let (tasks, registry) = (Tasks::new(), weir_telemetry::Registry::default());
        let metrics = Arc::new(Metrics::register(&registry));
        let opened = Level2::open(&settings(url, more).unwrap(), &tasks, &metrics);
        Self {
            level2: opened.unwrap().unwrap(),
            tasks,
            registry,
        }
    }

    /// One that is connected.
    async fn connected(url: &str) -> Self {
        let subject = Self::open(url, &[]);
        subject.until_there().await;
        subject
    }

    async fn until_there(&self) {
        eventually("redis is there", PATIENCE, async || self.is_there().then_some(())).await;
    }

    async fn until_gone(&self) {
        eventually("redis is given up", PATIENCE, async || (!self.is_there()).then_some(())).await;
    }

    /// Puts until it is there, as whoever misses does.
    async fn keep(&self, number: u32, text: &str) {
        eventually("a result is kept", PATIENCE, async || {
            self.put(key(number), blob(text), PATIENCE);
            self.get(&key(number)).await.filter(|found| *found == text).map(drop)
        })
        .await;
    }

    fn lookups(&self, outcome: Lookup) -> u64 {
        self.shared.counts.lookups(outcome)
    }

    fn puts(&self, outcome: Put) -> u64 {
        self.shared.counts.puts(outcome)
    }

    fn health(&self) -> Result<(), String> {
        self.shared.line.health().borrow().clone()
    }

    fn metrics(&self) -> String {
        self.show();
        self.registry.encode()
    }
}
