//! What the accounts of shapes add up to, as metrics. They are moved when they are asked for: a hit counts once, into its
//! account.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use weir_telemetry::Registry;

use super::worth::{Accounts, BypassReason, Counts, FillRefusal, Level, MissReason, Totals};
use crate::metrics::Metrics;

/// Shows accounts as metrics.
struct Scoreboard {
    accounts: Arc<Accounts>,
    metrics: Arc<Metrics>,
    /// What the counters say by now.
    shown: Mutex<Counts>,
}

/// Has the metrics of these accounts shown from now on.
pub(crate) fn show(registry: &Registry, accounts: Arc<Accounts>, metrics: Arc<Metrics>) {
    let scoreboard = Scoreboard {
        accounts,
        metrics,
        shown: Mutex::default(),
    };
    registry.before_scrape(move || scoreboard.show());
}

impl Scoreboard {
    fn show(&self) {
        let totals = self.accounts.totals(Instant::now());
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.count(&totals.counts.since(&shown));
        self.mirror(&totals);
        *shown = totals.counts;
    }

    fn count(&self, new: &Counts) {
        let metrics = &self.metrics;
        let requests = |outcome: &str, count| {
            metrics.cache_requests.with([outcome]).inc_by(count);
        };
        for (level, hits) in Level::ALL.iter().zip(new.hits) {
            requests(&format!("hit_{}", level.as_str()), hits);
        }
        requests("miss", new.misses_total());
        requests("bypass", new.bypasses.iter().sum());
        for (reason, misses) in MissReason::ALL.iter().zip(new.misses) {
            metrics.cache_misses.with([reason.as_str()]).inc_by(misses);
        }
        for (reason, bypasses) in BypassReason::ALL.iter().zip(new.bypasses) {
            metrics.cache_bypasses.with([reason.as_str()]).inc_by(bypasses);
        }
        for (reason, refusals) in FillRefusal::ALL.iter().zip(new.refusals) {
            metrics.cache_fills_refused.with([reason.as_str()]).inc_by(refusals);
        }
        metrics.cache_fills.with([]).inc_by(new.fills);
        metrics.cache_evictions.with([]).inc_by(new.evictions);
        metrics.cache_dry_runs.with(["hit"]).inc_by(new.dry_hits);
        metrics.cache_dry_runs.with(["miss"]).inc_by(new.dry_misses);
    }

    fn mirror(&self, totals: &Totals) {
        self.metrics.cache_entries.with([]).set(totals.entries as f64);
        self.metrics.cache_bytes.with([]).set(totals.bytes as f64);
        self.metrics.cache_shapes.with([]).set(totals.accounts as f64);
        for (database, lapsed) in &totals.lapsed {
            let gauge = self.metrics.cache_bypass_seconds.with([database]);
            gauge.set(lapsed.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_model::{Fingerprint, Project};

    use super::*;
    use crate::cache::worth::AccountsLimits;

    #[test]
    fn metrics_say_what_accounts_counted_and_say_it_once() {
        let registry = Registry::default();
        let accounts = Arc::new(Accounts::new(AccountsLimits::default()));
        show(&registry, accounts.clone(), Arc::new(Metrics::register(&registry)));
        let now = Instant::now();
        let account = accounts.of(&Project::default(), "orders", (Fingerprint::new(1), ""), now);
        account.hit(Level::Shared, Duration::from_micros(3));
        account.bypass(BypassReason::Gap);
        account.refused(FillRefusal::TooLarge);
        account.filled(500);
        account.would_hit(Duration::ZERO, Duration::ZERO);
        accounts.lapsed("orders", Duration::from_millis(1_500));
        let _ = registry.encode();
        account.miss(MissReason::NewerNeeded, Duration::ZERO, Duration::ZERO);
        let shown = registry.encode();
        for line in [
            "weir_cache_requests_total{outcome=\"hit_shared\"} 1",
            "weir_cache_requests_total{outcome=\"hit_memory\"} 0",
            "weir_cache_requests_total{outcome=\"miss\"} 1",
            "weir_cache_requests_total{outcome=\"bypass\"} 1",
            "weir_cache_misses_total{reason=\"newer_needed\"} 1",
            "weir_cache_bypasses_total{reason=\"gap\"} 1",
            "weir_cache_fills_refused_total{reason=\"too_large\"} 1",
            "weir_cache_fills_total{} 1",
            "weir_cache_dry_runs_total{outcome=\"hit\"} 1",
            "weir_cache_entries{} 1",
            "weir_cache_bytes{} 500",
            "weir_cache_bypass_seconds{database=\"orders\"} 1.5",
        ] {
            assert!(shown.contains(line), "{line} is not in {shown}");
        }
    }
}
