//! Tenants by dice: requests come at random, errors alone or in bursts of retries. Pure.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use weir_model::Project;

use crate::detect::engine::{Engine, Sheets, Told};
use crate::detect::rules::{Layers, RuleBook};
use crate::detect::{Incident, Objectives, Outcomes, ProjectOutcomes, Sheet, WINDOWS};

const BUDGET: f64 = 0.001;
/// Mean number of errors of a burst.
const BURST: f64 = 5.0;
const STEP_MS: i64 = 30_000;
const FINE_MS: i64 = 5_000;

/// How errors come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errors {
    /// Each by itself.
    Alone,
    /// One fault is tried again, five times in the mean, at growing distances over up to a minute.
    Bursts,
}

/// What was told of tenants.
#[derive(Debug, Default)]
pub(super) struct Woken {
    pub(super) pages: usize,
    pub(super) tickets: usize,
}

/// Statements of one slot of time: all, failed, and how often failing began.
type SlotCounts = [u32; 3];

/// What the windows of one tenant hold, kept as a sum for each.
struct Ring {
    slots: Vec<SlotCounts>,
    step_ms: i64,
    sums: [[u64; 3]; WINDOWS.len()],
    at: usize,
}

impl Ring {
    fn new(step_ms: i64) -> Self {
        let longest = WINDOWS.last().unwrap().as_millis() as i64;
        Self {
            slots: vec![[0; 3]; (longest / step_ms) as usize + 1],
            step_ms,
            sums: [[0; 3]; WINDOWS.len()],
            at: 0,
        }
    }

    fn push(&mut self, counts: SlotCounts) {
        self.at = (self.at + 1) % self.slots.len();
        self.slots[self.at] = counts;
        for (sum, window) in self.sums.iter_mut().zip(WINDOWS) {
            let back = (window.as_millis() as i64 / self.step_ms) as usize;
            let left = self.slots[(self.at + self.slots.len() - back) % self.slots.len()];
            for ((sum, new), old) in sum.iter_mut().zip(counts).zip(left) {
                *sum = *sum + u64::from(new) - u64::from(old);
            }
        }
    }

    /// Whether nothing failed within the longest of the short windows (six hours), so that nothing can be too fast now.
    fn is_quiet(&self) -> bool {
        self.sums[4][1] == 0
    }

    fn outcomes(&self, project: &Project) -> ProjectOutcomes {
        ProjectOutcomes {
            project: project.clone(),
            windows: self.sums.map(|[requests, errors, error_incidents]| Outcomes {
                requests,
                errors,
                error_incidents,
                ..Outcomes::default()
            }),
        }
    }
}

/// One tenant: how many requests it makes a minute, and which part of them fails.
struct Tenant {
    rng: Rng,
    project: Project,
    rate: f64,
    errors: Errors,
    ring: Ring,
    incident: Incident,
    /// Retries that are still to come.
    later: Vec<i64>,
}

impl Tenant {
    fn new(seed: u64, rate: f64, errors: Errors, step_ms: i64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            project: Project::parse(&format!("tenant-{seed}")).unwrap(),
            rate,
            errors,
            ring: Ring::new(step_ms),
            incident: Incident::default(),
            later: Vec::new(),
        }
    }

    fn live(&mut self, now: i64, share: f64) {
        let step = self.ring.step_ms;
        let requests = poisson(&mut self.rng, self.rate * step as f64 / 60_000.0);
        let begun = match self.errors {
            Errors::Alone => binomial(&mut self.rng, requests, share),
            // As many errors in all: a burst is the first and its retries.
            Errors::Bursts => binomial(&mut self.rng, requests, share / BURST),
        };
        if begun == 0 && self.later.is_empty() {
            return self.ring.push([requests, 0, 0]);
        }
        let mut failed: Vec<i64> = self.later.extract_if(.., |at| *at < now + step).collect();
        for _ in 0..begun {
            let at = now + self.rng.i64(0..step);
            failed.push(at);
            if self.errors == Errors::Bursts {
                self.retry(at, now + step, &mut failed);
            }
        }
        let retries = failed.len() as u32 - begun;
        failed.sort_unstable();
        let incidents = failed.iter().filter(|&&at| self.incident.begins(at)).count() as u32;
        self.ring.push([requests + retries, failed.len() as u32, incidents]);
    }

    /// A fault is tried again, after half a second, one, two …, with chance on top, until it works or a minute is over.
    fn retry(&mut self, first: i64, until: i64, failed: &mut Vec<i64>) {
        let (mut at, mut pause) = (first, 500.0);
        while self.rng.f64() < 1.0 - 1.0 / BURST {
            at += (pause * (0.5 + self.rng.f64())) as i64;
            pause = f64::min(pause * 2.0, 8_000.0);
            if at - first > 60_000 {
                return;
            }
            if at < until {
                failed.push(at);
            } else {
                self.later.push(at);
            }
        }
    }
}

fn poisson(rng: &mut Rng, mean: f64) -> u32 {
    if mean > 8.0 {
        // Close enough to a normal one.
        let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
        return (mean + mean.sqrt() * normal).round().max(0.0) as u32;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.f64(), 0);
    while product > limit {
        product *= rng.f64();
        count += 1;
    }
    count
}

fn binomial(rng: &mut Rng, count: u32, share: f64) -> u32 {
    if share < 0.01 {
        return poisson(rng, f64::from(count) * share).min(count);
    }
    (0..count).map(|_| u32::from(rng.f64() < share)).sum()
}

/// The rules as they come, the objectives as they come, and a board with nothing but burn rates.
struct Watch {
    engine: Engine,
    objectives: Objectives,
    sheets: Sheets,
    idle: bool,
}

impl Watch {
    fn new() -> Self {
        let layers = Layers {
            slow_query_ms: 1_000.0,
            ..Layers::default()
        };
        Self {
            engine: Engine::resume(Arc::new(RuleBook::new(&layers).unwrap()), Vec::new(), Vec::new()),
            objectives: Objectives::new(Vec::new()),
            sheets: Sheets::new(),
            idle: false,
        }
    }

    fn look(&mut self, now: i64, outcomes: &[ProjectOutcomes], woken: &mut Woken) {
        let readings = self.objectives.readings(outcomes);
        let idle = readings.iter().all(|reading| reading.value < 0.8) && self.engine.alerts().next().is_none();
        // As nothing was there that a rule looks at, and nothing is, nothing can become of it.
        if idle && self.idle {
            return;
        }
        self.idle = idle;
        let sheet = Sheet {
            readings,
            taken_unix_ms: now,
            fresh_for: Duration::from_secs(3_600),
        };
        self.sheets.insert("objectives", Arc::new(sheet));
        for change in self.engine.tick(now, &self.sheets) {
            if change.channels == Some(Told::Firing) {
                match &*change.alert.rule {
                    "error-budget-fast" => woken.pages += 1,
                    _ => woken.tickets += 1,
                }
            }
        }
    }
}

/// Tenants whose errors come at half the budget.
pub(super) struct Healthy {
    pub(super) tenants: usize,
    pub(super) days: u64,
    pub(super) rate: f64,
    pub(super) errors: Errors,
}

impl Healthy {
    pub(super) fn replay(&self) -> Woken {
        let mut woken = Woken::default();
        for seed in 0..self.tenants {
            let mut tenant = Tenant::new(seed as u64, self.rate, self.errors, STEP_MS);
            let mut watch = Watch::new();
            let steps = (self.days * 86_400_000) as i64 / STEP_MS;
            for step in 0..steps {
                tenant.live(step * STEP_MS, BUDGET / 2.0);
                if watch.idle && tenant.ring.is_quiet() {
                    continue;
                }
                let outcomes = tenant.ring.outcomes(&tenant.project);
                watch.look((step + 1) * STEP_MS, std::slice::from_ref(&outcomes), &mut woken);
            }
        }
        woken
    }
}

/// A healthy tenant that begins to fail.
pub(super) struct Outbreak {
    pub(super) rate: f64,
    pub(super) share: f64,
    pub(super) errors: Errors,
    pub(super) seed: u64,
}

impl Outbreak {
    /// Minutes from the beginning until somebody is woken; at most two hours.
    pub(super) fn minutes_to_page(&self) -> f64 {
        let mut tenant = Tenant::new(self.seed, self.rate, self.errors, FINE_MS);
        let mut watch = Watch::new();
        let hour = 3_600_000 / FINE_MS;
        for step in 0..hour {
            tenant.live(step * FINE_MS, BUDGET / 2.0);
        }
        let mut woken = Woken::default();
        for step in hour..3 * hour {
            tenant.live(step * FINE_MS, self.share);
            let outcomes = tenant.ring.outcomes(&tenant.project);
            watch.look((step + 1) * FINE_MS, std::slice::from_ref(&outcomes), &mut woken);
            if woken.pages > 0 {
                return ((step + 1 - hour) * FINE_MS) as f64 / 60_000.0;
            }
        }
        120.0
    }
}
