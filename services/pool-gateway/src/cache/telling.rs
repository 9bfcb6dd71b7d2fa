//! Tells the bus what memory did for each project and shape.
//!
//! One task reads the accounts every two seconds; nobody counts for it and nobody waits for it. Counts are told as
//! totals, so a message that is lost is made up for by the next; once a minute all shapes are told again, with their
//! texts, for those who began to listen meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use weir_bus::Bus;
use weir_model::{Clock, Project};
use weir_proto::events::v1 as api;
use weir_runtime::{Ground, Stage, TaskResult};

use super::worth::{Accounts, BypassReason, Counts, Drained, FillRefusal, Line, MissReason, Order, Standing};
use crate::tap::message;

/// How often news is told.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// How often all of it is. Who has heard nothing for a minute takes the gateway for gone.
const TELL_ALL_EVERY: Duration = Duration::from_secs(50);
/// A project of which there is no news is told all the same after this.
const REPEAT_AFTER: Duration = Duration::from_secs(20);
/// Shapes in one message: with the longest texts it is still well below what a bus carries.
const LINES_MAX: usize = 150;
/// How long the last message may take to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Tells of accounts.
struct Telling {
    accounts: Arc<Accounts>,
    bus: Bus,
    instance: String,
    clock: Clock,
    /// What was told of each project last.
    told: HashMap<Project, (api::CacheCounted, Instant)>,
    told_all: Option<Instant>,
}

/// Has it told from now on what the accounts counted.
pub(crate) fn start(ground: &Ground, accounts: Arc<Accounts>, bus: Bus, instance: String) {
    let telling = Telling {
        accounts,
        bus,
        instance,
        clock: ground.clock.clone(),
        told: HashMap::new(),
        told_all: None,
    };
    ground
        .tasks
        .spawn(Stage::Flow, "cache counts", |stop| telling.run(stop));
}

impl Telling {
    async fn run(mut self, stop: CancellationToken) -> TaskResult {
        let mut ticks = interval(TELL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.tell(false).await;
        }
        self.tell(true).await;
        if let Err(error) = self.bus.flush(LEAVE_WITHIN).await {
            tracing::debug!(dependency = "bus", %error, "the last counts of the cache may not have left");
        }
        Ok(())
    }

    async fn tell(&mut self, leaving: bool) {
        let now = Instant::now();
        let all = self
            .told_all
            .is_none_or(|told| now.duration_since(told) >= TELL_ALL_EVERY);
        if all {
            self.told_all = Some(now);
        }
        let drained = self.accounts.drain(all, now);
        self.told
            .retain(|project, _| drained.iter().any(|known| known.project == *project));
        for mut project in drained {
            let lines = std::mem::take(&mut project.lines);
            let head = self.head(&project, leaving);
            if leaving || !lines.is_empty() || self.is_news(&project.project, &head, now) {
                self.publish(&project.project, &head, lines).await;
                self.told.insert(project.project, (head, now));
            }
        }
    }

    fn head(&self, drained: &Drained, leaving: bool) -> api::CacheCounted {
        let totals = api::CacheCounts {
            entries: drained.entries,
            bytes: drained.bytes,
            saved_us_total: signed_micros(drained.saved_ns),
            ..counts(&drained.counts)
        };
        api::CacheCounted {
            instance: self.instance.clone(),
            at_unix_ms: 0,
            serial: drained.serial,
            totals: Some(totals),
            bypass_ms_total: u64::try_from(drained.lapsed.as_millis()).unwrap_or(u64::MAX),
            lines: Vec::new(),
            leaving,
        }
    }

    fn is_news(&self, project: &Project, head: &api::CacheCounted, now: Instant) -> bool {
        let told = self.told.get(project);
        told.is_none_or(|(told, at)| told != head || now.duration_since(*at) >= REPEAT_AFTER)
    }

    /// What the bus does not take is told by later messages.
    async fn publish(&self, project: &Project, head: &api::CacheCounted, lines: Vec<Line>) {
        let mut lines = lines.into_iter().map(line).peekable();
        loop {
            let counted = api::CacheCounted {
                at_unix_ms: self.clock.unix_ms(),
                lines: lines.by_ref().take(LINES_MAX).collect(),
                ..head.clone()
            };
            let event = weir_events::gateway::cache_counted(project, &counted, &self.clock);
            if let Err(error) = self.bus.publish(message(&event)).await {
                tracing::debug!(dependency = "bus", %error, "counts of the cache were not told");
            }
            if lines.peek().is_none() {
                return;
            }
        }
    }
}

fn line(line: Line) -> api::CacheLine {
    let balance = line.balance;
    let counts = api::CacheCounts {
        entries: balance.entries,
        bytes: balance.bytes,
        saved_us_total: signed_micros(balance.saved_ns),
        ..counts(&balance.counts)
    };
    api::CacheLine {
        fingerprint: line.fingerprint.get(),
        database: line.database.to_string(),
        serial: line.serial,
        counts: Some(counts),
        standing: standing(balance.order, balance.standing).into(),
        policy_id: balance.policy_id,
        text: line.text.map(String::from).unwrap_or_default(),
    }
}

const fn standing(order: Order, measured: Standing) -> api::CacheStanding {
    match (order, measured) {
        (Order::Always, _) => api::CacheStanding::Always,
        (Order::Never, _) => api::CacheStanding::Never,
        (Order::DryRun, _) => api::CacheStanding::DryRun,
        (Order::Auto, Standing::On) => api::CacheStanding::On,
        (Order::Auto, Standing::Off) => api::CacheStanding::Off,
    }
}

fn counts(counts: &Counts) -> api::CacheCounts {
    let [hits_memory_total, hits_shared_total] = counts.hits;
    api::CacheCounts {
        hits_memory_total,
        hits_shared_total,
        hit_us_total: counts.hit_ns / 1_000,
        misses_total: by_reason(MissReason::ALL.iter().map(|reason| reason.as_str()), &counts.misses),
        miss_us_total: counts.miss_ns / 1_000,
        overhead_us_total: counts.overhead_ns / 1_000,
        bypasses_total: by_reason(BypassReason::ALL.iter().map(|reason| reason.as_str()), &counts.bypasses),
        fills_total: counts.fills,
        fill_bytes_total: counts.fill_bytes,
        fills_refused_total: by_reason(FillRefusal::ALL.iter().map(|reason| reason.as_str()), &counts.refusals),
        evictions_total: counts.evictions,
        dry_hits_total: counts.dry_hits,
        dry_hit_us_total: counts.dry_hit_ns / 1_000,
        dry_misses_total: counts.dry_misses,
        dry_miss_us_total: counts.dry_miss_ns / 1_000,
        dry_overhead_us_total: counts.dry_overhead_ns / 1_000,
        would_have_saved_us_total: signed_micros(counts.would_have_saved_ns()),
        ..api::CacheCounts::default()
    }
}

/// Reasons that were never given are left out.
fn by_reason(names: impl Iterator<Item = &'static str>, counts: &[u64]) -> std::collections::BTreeMap<String, u64> {
    let pairs = names.zip(counts.iter().copied()).filter(|(_, count)| *count > 0);
    pairs.map(|(name, count)| (name.to_owned(), count)).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what does not fit becomes the greatest number"
)]
const fn signed_micros(nanos: f64) -> i64 {
    (nanos / 1_000.0) as i64
}

#[cfg(test)]
mod tests {
    use weir_bus::{Limits, Subscription};
    use weir_events::decode;
    use weir_model::Fingerprint;

    use super::*;
    use crate::cache::worth::{AccountsLimits, Level};

    struct Bench {
        accounts: Arc<Accounts>,
        heard: Subscription,
        stop: CancellationToken,
        running: std::pin::Pin<Box<dyn Future<Output = TaskResult>>>,
    }

    impl Bench {
        async fn new() -> Self {
            let (bus, accounts) = (
                Bus::in_memory(Limits::default()),
                Arc::new(Accounts::new(AccountsLimits::default())),
            );
            let every = weir_events::gateway::every_cache_counted();
            let heard = bus.subscribe(every.as_str(), None).await.unwrap();
            let telling = Telling {
                accounts: accounts.clone(),
                bus,
                instance: "gateway-1".to_owned(),
                clock: Clock::system(),
                told: HashMap::new(),
                told_all: None,
            };
            let stop = CancellationToken::new();
            let running = Box::pin(telling.run(stop.clone()));
            Self {
                accounts,
                heard,
                stop,
                running,
            }
        }

        /// The next message, however long it takes.
        async fn next(&mut self) -> (Project, api::CacheCounted) {
            let message = tokio::select! {
                heard = self.heard.next() => heard.unwrap(),
                ended = &mut self.running => panic!("{ended:?}"),
            };
            decode::<api::CacheCounted>(&message.subject, &message.payload).unwrap()
        }

        /// How many messages come within so long.
        async fn count_within(&mut self, time: Duration) -> usize {
            let until = Instant::now() + time;
            let mut count = 0;
            while tokio::time::timeout_at(until, self.next()).await.is_ok() {
                count += 1;
            }
            count
        }
    }

    fn shop() -> Project {
        Project::parse("shop").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn totals_and_shapes_are_told_with_their_text_once_and_again_within_a_minute() {
        let mut bench = Bench::new().await;
        let account = bench
            .accounts
            .of(&shop(), "orders", (Fingerprint::new(7), "select $1"), Instant::now());
        account.miss(MissReason::Absent, Duration::from_micros(90), Duration::from_micros(2));
        account.hit(Level::Memory, Duration::from_micros(1));
        account.filled(300);
        let (project, told) = bench.next().await;
        assert_eq!(
            (project, told.instance.as_str(), told.leaving),
            (shop(), "gateway-1", false)
        );
        let (line, totals) = (&told.lines[0], told.totals.as_ref().unwrap());
        assert_eq!(
            (line.fingerprint, line.database.as_str(), line.text.as_str()),
            (7, "orders", "select $1")
        );
        assert_eq!(line.standing(), api::CacheStanding::On);
        assert_eq!(line.counts.as_ref().unwrap(), totals);
        assert_eq!(
            (
                totals.hits_memory_total,
                totals.miss_us_total,
                totals.entries,
                totals.bytes
            ),
            (1, 90, 1, 300)
        );
        assert_eq!(
            (totals.misses_total.get("absent"), totals.misses_total.len()),
            (Some(&1), 1)
        );
        assert_eq!(totals.saved_us_total, 87);

        account.hit(Level::Memory, Duration::from_micros(1));
        let (_, told) = bench.next().await;
        assert_eq!(
            (told.lines[0].text.as_str(), told.totals.unwrap().hits_memory_total),
            ("", 2)
        );
        let begun = Instant::now();
        let again = loop {
            let (_, told) = bench.next().await;
            if !told.lines.is_empty() {
                break told;
            }
        };
        assert!(again.lines[0].text == "select $1" && begun.elapsed() <= Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn without_news_little_is_told_and_at_the_end_that_it_is_one() {
        let mut bench = Bench::new().await;
        bench.accounts.others(&shop(), Instant::now()).bypass(BypassReason::Gap);
        let count = bench.count_within(Duration::from_secs(600)).await;
        assert!((25..50).contains(&count), "{count} messages in ten minutes");
        bench.stop.cancel();
        (&mut bench.running).await.unwrap();
        let last = loop {
            let message = bench.heard.next().await.unwrap();
            let (_, told) = decode::<api::CacheCounted>(&message.subject, &message.payload).unwrap();
            if told.leaving {
                break told;
            }
        };
        assert_eq!(last.totals.unwrap().bypasses_total, [("gap".to_owned(), 1)].into());
    }

    #[tokio::test(start_paused = true)]
    async fn many_shapes_take_several_messages() {
        let mut bench = Bench::new().await;
        for number in 0..400 {
            let account = bench.accounts.of(
                &shop(),
                "orders",
                (Fingerprint::new(number), "select 1"),
                Instant::now(),
            );
            account.bypass(BypassReason::NotCacheable);
        }
        let mut lines = 0;
        for _ in 0..3 {
            let (_, told) = bench.next().await;
            assert!(told.lines.len() <= LINES_MAX);
            assert_eq!(told.totals.unwrap().bypasses_total.get("not_cacheable"), Some(&400));
            lines += told.lines.len();
        }
        assert_eq!(lines, 400);
    }
}
