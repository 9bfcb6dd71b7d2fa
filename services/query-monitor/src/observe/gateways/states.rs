//! What gateways told of their pools and servers last, and what follows from it. Pure.
//!
//! A gateway tells each project all its pools again and again. The share of a pool that is in use is the average
//! between two such messages, which the gateway's own totals give: a peak of a moment says nothing. Who waits counts as
//! far as somebody waited at both ends. What is not told again fades.

use std::collections::{BTreeMap, HashMap};

use weir_model::Project;
use weir_proto::common::v1::Pool;
use weir_proto::events::v1::{BreakerState, PoolPressure, PoolState, PoolUse, UpstreamHealth};

use crate::detect::{Labels, Reading, metric};

/// Gateways times projects that are remembered at most.
const GROUPS_MAX: usize = 2_000;
/// Pools, and servers, of one project at one gateway that are remembered at most.
const THINGS_MAX: usize = 2_000;
/// A gateway that misses so many messages is taken for gone.
const MISSES_MAX: i64 = 4;
/// How often a gateway that does not say so is taken to tell.
const EVERY_MS: i64 = 5_000;
/// However seldom a gateway says that it tells, it is forgotten after so long.
const FADES_MS_MAX: i64 = 10 * 60_000;
/// Longest text of a label.
const LABEL_CHARACTERS_MAX: usize = 100;
/// Longest text of a note.
const NOTE_CHARACTERS_MAX: usize = 500;

/// The states of all gateways.
#[derive(Debug, Default)]
pub(super) struct States {
    groups: HashMap<(String, Project), Group>,
}

/// What one gateway told one project.
#[derive(Debug, Default)]
struct Group {
    heard_unix_ms: i64,
    /// How often it tells.
    every_ms: i64,
    /// By its own clock, when it last told everything.
    told_unix_ms: i64,
    pools: BTreeMap<PoolName, Seen>,
    upstreams: BTreeMap<String, UpstreamHealth>,
}

/// What tells the pools of a gateway apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct PoolName {
    upstream: String,
    database: String,
    role: String,
}

/// One pool.
#[derive(Debug, Default)]
struct Seen {
    pool: Pool,
    used: PoolUse,
    /// The average between the last two messages; none while there was one only.
    share: Option<f64>,
    /// How many waited at least, at the last two messages.
    waiting: u32,
    /// Why it is nearly used up, as long as it is.
    pressed: String,
}

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is taken note of.
    Counted,
    /// It is older than what is known.
    Late,
    /// It is taken note of, and something else was forgotten or left out for lack of room.
    Crowded,
}

impl States {
    /// Takes note of a message that came in now.
    pub(super) fn note(&mut self, project: &Project, state: PoolState, now_unix_ms: i64) -> Noted {
        let key = (capped(&state.instance, LABEL_CHARACTERS_MAX), project.clone());
        if state.leaving {
            self.groups.remove(&key);
            return Noted::Counted;
        }
        let is_crowded = self.make_room_for(&key);
        let group = self.groups.entry(key).or_default();
        if state.at_unix_ms < group.told_unix_ms {
            return Noted::Late;
        }
        group.heard_unix_ms = now_unix_ms;
        let is_cut = if state.next_after_ms > 0 {
            group.take_all(state)
        } else {
            group.take_news(state)
        };
        if is_crowded || is_cut {
            Noted::Crowded
        } else {
            Noted::Counted
        }
    }

    /// Forgets the gateway that was silent longest, where there is no room for one more.
    fn make_room_for(&mut self, key: &(String, Project)) -> bool {
        if self.groups.len() < GROUPS_MAX || self.groups.contains_key(key) {
            return false;
        }
        let oldest = self.groups.iter().min_by_key(|(_, group)| group.heard_unix_ms);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            self.groups.remove(&oldest);
        }
        true
    }

    /// Forgets those that have been silent too long.
    pub(super) fn fade(&mut self, now_unix_ms: i64) {
        self.groups
            .retain(|_, group| now_unix_ms.saturating_sub(group.heard_unix_ms) < group.fades_ms());
    }

    /// What there is to judge.
    pub(super) fn readings(&self, now_unix_ms: i64) -> Vec<Reading> {
        let mut readings = Vec::new();
        for ((gateway, project), group) in &self.groups {
            for (name, seen) in &group.pools {
                readings.extend(seen.readings(project, name, gateway));
            }
            for health in group.upstreams.values() {
                readings.push(breaker(project, health, gateway, now_unix_ms));
            }
        }
        readings
    }
}

impl Group {
    const fn fades_ms(&self) -> i64 {
        let every_ms = if self.every_ms > 0 { self.every_ms } else { EVERY_MS };
        let fades_ms = every_ms.saturating_mul(MISSES_MAX);
        if fades_ms < FADES_MS_MAX {
            fades_ms
        } else {
            FADES_MS_MAX
        }
    }

    /// Everything that the gateway has for this project.
    fn take_all(&mut self, state: PoolState) -> bool {
        self.told_unix_ms = state.at_unix_ms;
        self.every_ms = i64::try_from(state.next_after_ms).unwrap_or(FADES_MS_MAX);
        let is_cut = state.pools.len().max(state.upstreams.len()) > THINGS_MAX;
        let mut before = std::mem::take(&mut self.pools);
        let uses = state.uses.into_iter().chain(std::iter::repeat_with(PoolUse::default));
        for (pool, used) in state.pools.into_iter().zip(uses).take(THINGS_MAX) {
            let name = PoolName::of(&pool);
            let seen = Seen::after(before.remove(&name), pool, used);
            self.pools.insert(name, seen);
        }
        self.upstreams.clear();
        self.take_upstreams(state.upstreams);
        is_cut
    }

    /// News of what the message names: how a breaker has turned, or that a pool is nearly used up or no longer is.
    fn take_news(&mut self, state: PoolState) -> bool {
        let pressed = match state.pressure() {
            PoolPressure::High => Some(state.reason.as_str()),
            PoolPressure::Normal => Some(""),
            PoolPressure::Unspecified => None,
        };
        for pool in &state.pools {
            let seen = self.pools.get_mut(&PoolName::of(pool));
            if let (Some(seen), Some(pressed)) = (seen, pressed) {
                pressed.clone_into(&mut seen.pressed);
            }
        }
        self.take_upstreams(state.upstreams)
    }

    fn take_upstreams(&mut self, upstreams: Vec<UpstreamHealth>) -> bool {
        let mut is_cut = false;
        for health in upstreams {
            let name = capped(&health.upstream, LABEL_CHARACTERS_MAX);
            if self.upstreams.len() < THINGS_MAX || self.upstreams.contains_key(&name) {
                self.upstreams.insert(name, health);
            } else {
                is_cut = true;
            }
        }
        is_cut
    }
}

impl PoolName {
    fn of(pool: &Pool) -> Self {
        Self {
            upstream: capped(&pool.upstream, LABEL_CHARACTERS_MAX),
            database: capped(&pool.database, LABEL_CHARACTERS_MAX),
            role: capped(&pool.role, LABEL_CHARACTERS_MAX),
        }
    }

    fn labels(&self, gateway: &str) -> Labels {
        Labels::from([
            ("upstream", self.upstream.clone()),
            ("database", self.database.clone()),
            ("role", self.role.clone()),
            ("gateway", gateway.to_owned()),
        ])
    }
}

impl Seen {
    /// A pool as it is told now, after what was told before.
    fn after(before: Option<Self>, pool: Pool, used: PoolUse) -> Self {
        let Some(before) = before else {
            return Self {
                pool,
                used,
                ..Self::default()
            };
        };
        Self {
            // Where no time has passed for the pool, what is known stays.
            share: share(&before.used, &used).or(before.share),
            waiting: before.pool.waiting.min(pool.waiting),
            pressed: before.pressed,
            pool,
            used,
        }
    }

    fn readings(&self, project: &Project, name: &PoolName, gateway: &str) -> Vec<Reading> {
        let (labels, note) = (name.labels(gateway), self.note());
        let reading = |metric, value| Reading {
            note: note.clone(),
            ..Reading::new(metric, project.clone(), labels.clone(), value)
        };
        // Who waits is known from the first message on, and counts from the second.
        let utilization = self.share.map(|share| reading(metric::POOL_UTILIZATION, share));
        let waiting = reading(metric::POOL_WAITING, f64::from(self.waiting));
        utilization.into_iter().chain([waiting]).collect()
    }

    /// What a person should know: why it is nearly used up, and who has waited how long.
    fn note(&self) -> String {
        let told = if self.used.reason.is_empty() {
            &self.pressed
        } else {
            &self.used.reason
        };
        let mut parts = Vec::new();
        if !told.is_empty() {
            parts.push(told.clone());
        }
        if self.used.longest_wait_us > 0 {
            let seconds = self.used.longest_wait_us as f64 / 1e6;
            parts.push(format!("the longest wait so far is {seconds:.1} s"));
        }
        capped(&parts.join("; "), NOTE_CHARACTERS_MAX)
    }
}

/// The share in use between two messages; none where no time has passed. Totals that are smaller than before are those
/// of a pool that has begun anew.
fn share(before: &PoolUse, now: &PoolUse) -> Option<f64> {
    let is_anew = now.capacity_us_total < before.capacity_us_total || now.busy_us_total < before.busy_us_total;
    let (busy, capacity) = if is_anew {
        (now.busy_us_total, now.capacity_us_total)
    } else {
        (
            now.busy_us_total - before.busy_us_total,
            now.capacity_us_total - before.capacity_us_total,
        )
    };
    (capacity > 0).then(|| (busy as f64 / capacity as f64).min(1.0))
}

fn breaker(project: &Project, health: &UpstreamHealth, gateway: &str, now_unix_ms: i64) -> Reading {
    let value = match health.breaker() {
        BreakerState::Open => 1.0,
        BreakerState::HalfOpen => 0.5,
        BreakerState::Closed | BreakerState::Unspecified => 0.0,
    };
    let labels = Labels::from([
        ("upstream", capped(&health.upstream, LABEL_CHARACTERS_MAX)),
        ("gateway", gateway.to_owned()),
    ]);
    let reading = Reading::new(metric::BREAKER_OPEN, project.clone(), labels, value);
    let note = if value > 0.0 {
        open_note(health, now_unix_ms)
    } else {
        String::new()
    };
    Reading { note, ..reading }
}

fn open_note(health: &UpstreamHealth, now_unix_ms: i64) -> String {
    let seconds = now_unix_ms.saturating_sub(health.since_unix_ms).max(0) / 1_000;
    let what = if health.breaker() == BreakerState::Open {
        "callers are refused at once"
    } else {
        "one caller tries for all"
    };
    let why = match health.last_error.as_str() {
        "" => String::new(),
        slug => format!(", because of {}", capped(slug, LABEL_CHARACTERS_MAX)),
    };
    let times = health.opened_total;
    format!("{what}, since {seconds} s{why}; it has opened {times} times since the gateway started")
}

/// The beginning of a text that somebody else chose.
fn capped(text: &str, characters_max: usize) -> String {
    text.chars().take(characters_max).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
