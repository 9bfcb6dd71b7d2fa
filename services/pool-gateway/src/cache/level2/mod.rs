//! Level 2: results that gateways share in Redis.
//!
//! Redis is never believed and never needed. What lies there is a result with what it depends on; whether it still holds
//! is decided by whoever reads it, from what he knows himself, so that nothing has to be deleted there for an answer to be
//! right, and a Redis that is lost, flushed, rolled back or full costs hits and nothing else. Nobody waits for it longer
//! than `gateway.cache_redis_timeout`, and when that happens more than now and then, nobody asks until a task in the
//! background has seen that it answers well again.

mod blob;
mod breaker;
mod counts;
mod keeper;
mod line;
mod link;
mod place;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::RedisResult;
use tokio::time::{Instant, timeout};
use weir_config::{Error, Origin};
use weir_runtime::{Ground, Stage, Tasks};

use crate::metrics::Metrics;
use crate::settings::GatewaySettings;
use counts::{Counts, Lookup, Put};
use keeper::Keeper;
use line::{Lead, Line, Verdict};
use link::Links;
use place::Place;
use writer::{Order, Queue};

const URL: &str = "gateway.cache_redis_url";
/// What stands beside the rows of a result: its stamp, its tags.
const BESIDE_ROWS: usize = 64 * 1024;
/// An answer of more bytes may take its time without being called slow.
const LARGE_FROM: usize = 64 * 1024;

/// What the tasks and those who ask have in common.
#[derive(Debug)]
struct Shared {
    line: Line,
    counts: Counts,
    /// The longest that anybody waits.
    limit: Duration,
    /// An answer that takes longer is a bad sign.
    slow: Duration,
    /// The largest result that is kept, before it is compressed.
    bytes_max: usize,
}

/// Results in Redis.
#[derive(Debug)]
pub(crate) struct Level2 {
    shared: Arc<Shared>,
    queue: Queue,
    ttl_max: Duration,
    metrics: Arc<Metrics>,
}

/// Refuses settings with which nothing could be shared.
pub(crate) fn check(settings: &GatewaySettings) -> Result<(), Error> {
    let at_once = [
        ("gateway.cache_redis_timeout", settings.cache_redis_timeout),
        ("gateway.cache_redis_ttl", settings.cache_redis_ttl),
    ];
    if let Some((key, _)) = at_once.iter().find(|(_, duration)| duration.is_zero()) {
        let reason = "nothing can be done in no time; give a duration";
        return Err(Error::invalid(*key, Origin::File, reason));
    }
    links(settings).map(drop)
}

fn links(settings: &GatewaySettings) -> Result<Option<Links>, Error> {
    let Some(url) = &settings.cache_redis_url else {
        return Ok(None);
    };
    let links = Place::parse(url.secret().expose()).and_then(Links::prepare);
    links
        .map(Some)
        .map_err(|reason| Error::invalid(URL, Origin::File, reason))
}

/// Whether the Redis of the settings lets this process in. `None` where none is set.
pub async fn reach_redis(settings: &GatewaySettings, limit: Duration) -> Option<Result<(), String>> {
    let links = match links(settings) {
        Ok(links) => links?,
        Err(error) => return Some(Err(error.to_string())),
    };
    let reached = match timeout(limit, links.connect()).await {
        Ok(connected) => connected.map(drop).map_err(|error| error.to_string()),
        Err(_) => Err(format!("it did not answer within {limit:?}")),
    };
    Some(reached)
}

impl Level2 {
    /// Opens it, shows it in the metrics and among what the gateway uses. `None` where no Redis is configured.
    pub(crate) fn start(
        ground: &Ground,
        settings: &GatewaySettings,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Arc<Self>>, Error> {
        let Some(level2) = Self::open(settings, &ground.tasks, metrics)? else {
            return Ok(None);
        };
        let shown = Arc::clone(&level2);
        ground.registry.before_scrape(move || shown.show());
        let (dependency, health) = (ground.readiness.uses("redis"), level2.shared.line.health());
        ground.tasks.spawn(Stage::Watch, "redis health", |stop| async move {
            dependency.follow(health, Clone::clone, stop.clone()).await;
            stop.cancelled().await;
            Ok(())
        });
        Ok(Some(level2))
    }

    /// Starts the tasks on the present runtime, which has to be one that lives as long as they do. `None` where no Redis
    /// is configured.
    pub(crate) fn open(
        settings: &GatewaySettings,
        tasks: &Tasks,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Arc<Self>>, Error> {
        let Some(links) = links(settings)?.map(Arc::new) else {
            return Ok(None);
        };
        let shared = Arc::new(Shared {
            line: Line::new(),
            counts: Counts::new(metrics),
            limit: settings.cache_redis_timeout,
            slow: settings.cache_redis_timeout / 2,
            bytes_max: settings.cache_result_bytes_max.saturating_add(BESIDE_ROWS),
        });
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            links: Arc::clone(&links),
        };
        tasks.spawn(Stage::Flow, "redis keeper", |stop| keeper.run(stop));
        let (queue, writer) = Queue::new(&shared, &links);
        tasks.spawn(Stage::Flow, "redis writer", |stop| writer.run(stop));
        Ok(Some(Arc::new(Self {
            shared,
            queue,
            ttl_max: settings.cache_redis_ttl,
            metrics: Arc::clone(metrics),
        })))
    }

    /// Whether it is worth asking now.
    pub(crate) fn is_there(&self) -> bool {
        self.shared.line.breaker.is_closed()
    }

    /// How long an answer takes at present, smoothed: a result that costs PostgreSQL less is not worth asking for.
    pub(crate) fn usual_wait(&self) -> Duration {
        self.shared.line.usual()
    }

    /// The blob under a key; `None` where there is none, or where Redis does not answer in time.
    pub(crate) async fn get(&self, key: &[u8; 32]) -> Option<Bytes> {
        let Shared { line, counts, .. } = &*self.shared;
        let Some(lead) = line.lead() else {
            counts.lookup(Lookup::Skipped);
            return None;
        };
        let begun = Instant::now();
        let answer = self.read(&lead, key).await;
        let took = begun.elapsed();
        counts.seconds.observe(took.as_secs_f64());
        line.judge(&lead, self.verdict(&answer, took));
        let (outcome, blob) = self.opened(key, answer);
        counts.lookup(outcome);
        blob
    }

    /// What lies there, as far as it can be a blob and one byte on, or that nothing came in time.
    async fn read(&self, lead: &Lead, key: &[u8; 32]) -> Option<RedisResult<Option<Vec<u8>>>> {
        let name = blob::name(key);
        let most = self.shared.bytes_max.saturating_add(blob::HEADER);
        timeout(self.shared.limit, lead.link.read(&name, most)).await.ok()
    }

    fn verdict(&self, answer: &Option<RedisResult<Option<Vec<u8>>>>, took: Duration) -> Verdict {
        match answer {
            None => Verdict::Bad("answers did not come in time"),
            Some(Err(error)) if error.is_unrecoverable_error() || error.is_io_error() => {
                Verdict::Lost(error.to_string())
            }
            Some(Err(_)) => Verdict::Bad("errors came for answers"),
            Some(Ok(Some(packed))) if packed.len() >= LARGE_FROM => Verdict::Good(took),
            Some(Ok(_)) if took > self.shared.slow => Verdict::Bad("answers were slow"),
            Some(Ok(_)) => Verdict::Good(took),
        }
    }

    fn opened(&self, key: &[u8; 32], answer: Option<RedisResult<Option<Vec<u8>>>>) -> (Lookup, Option<Bytes>) {
        match answer {
            None => (Lookup::Timeout, None),
            Some(Err(_)) => (Lookup::Error, None),
            Some(Ok(None)) => (Lookup::Absent, None),
            Some(Ok(Some(packed))) => {
                Counts::add(&self.shared.counts.read, packed.len());
                let blob = blob::unpack(key, packed, self.shared.bytes_max);
                (if blob.is_some() { Lookup::Hit } else { Lookup::Malformed }, blob)
            }
        }
    }

    /// Keeps a blob for a while. Never waits.
    pub(crate) fn put(&self, key: [u8; 32], blob: Bytes, ttl: Duration) {
        let ttl = ttl.min(self.ttl_max);
        let taken = if blob.len() > self.shared.bytes_max {
            Err(Put::TooLarge)
        } else if !self.is_there() || ttl.as_millis() == 0 {
            Err(Put::Skipped)
        } else {
            self.queue.push(Order::Put { key, blob, ttl })
        };
        if let Err(why) = taken {
            self.shared.counts.put(why);
        }
    }

    /// Gives a blob's memory back. Never waits, and nobody may rely on it.
    pub(crate) fn forget(&self, key: [u8; 32]) {
        if let Err(why) = self.queue.push(Order::Forget { key }) {
            self.shared.counts.put(why);
        }
    }

    /// Sets the gauges that mirror its state.
    fn show(&self) {
        let exact = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let (entries, bytes) = self.queue.held();
        self.metrics.cache_redis_queue.with([]).set(exact(entries));
        self.metrics.cache_redis_queue_bytes.with([]).set(exact(bytes));
        let usual = self.usual_wait().as_secs_f64();
        self.metrics.cache_redis_usual_seconds.with([]).set(usual);
        let present = self.shared.line.breaker.state();
        for state in breaker::STATES {
            let is_present = if state == present { 1.0 } else { 0.0 };
            self.metrics.cache_redis_state.with([state]).set(is_present);
        }
    }
}
