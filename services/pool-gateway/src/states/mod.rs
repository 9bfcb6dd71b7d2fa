//! Tells the bus what pools and servers are like: all of them regularly, a circuit breaker that turns at once.
//!
//! One task looks, for a moment at a time, at numbers that are there anyway; no query waits for it and none tells it
//! anything. What the bus does not take is counted and forgotten: the next message says it all again.

mod usage;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use weir_bus::Bus;
use weir_model::{Clock, Project};
use weir_proto::events::v1 as api;
use weir_runtime::TaskResult;

use crate::client::{Witness, micros};
use crate::pool::{BreakerState, Health, Member, Pool, PoolKey, Pools};
use crate::tap::message;
use usage::Usage;

/// How often the pools are looked at, for the average of what is in use.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// From this share in use on it is said why, in percent.
const PRESSED_PERCENT: usize = 90;
/// How long the last message may take to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// What the task needs.
pub(crate) struct States {
    pub(crate) pools: Arc<Pools>,
    pub(crate) witness: Arc<Witness>,
    pub(crate) bus: Bus,
    /// This process, as events name it.
    pub(crate) instance: String,
    pub(crate) clock: Clock,
}

/// The task, with what it has seen and told.
struct Teller {
    states: States,
    usage: Usage<PoolKey>,
    /// The breakers as they were told last: how they stood, and how often they had opened.
    turns: HashMap<usize, (BreakerState, u64)>,
    /// The projects whose pools, or whose lack of pools, somebody may remember.
    projects: BTreeSet<Project>,
    told: Option<Instant>,
}

impl States {
    /// Tells until told to stop, and then that this is the end.
    pub(crate) async fn run(self, stop: CancellationToken) -> TaskResult {
        let mut teller = Teller {
            turns: self
                .health()
                .map(|(member, health)| (member.index, turn(&health)))
                .collect(),
            states: self,
            usage: Usage::new(),
            projects: BTreeSet::new(),
            told: None,
        };
        while !stop.is_cancelled() {
            let common = teller.states.pools.common().clone();
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = common.members.turned.notified() => {}
                () = stop.cancelled() => break,
            }
            teller.look().await;
        }
        teller.leave().await;
        Ok(())
    }

    fn health(&self) -> impl Iterator<Item = (&Arc<Member>, Health)> {
        let members = self.pools.common().members.all();
        members.iter().map(|member| (member, member.health()))
    }

    fn default_project(&self) -> Project {
        self.pools.common().live().default_project.clone()
    }

    /// A message without anything in it yet.
    fn blank(&self) -> api::PoolState {
        api::PoolState {
            instance: self.instance.clone(),
            at_unix_ms: self.clock.unix_ms(),
            ..api::PoolState::default()
        }
    }

    async fn publish(&self, project: &Project, state: &api::PoolState) {
        let event = weir_events::gateway::pool_state(project, state, &self.clock);
        let outcome = match self.bus.publish(message(&event)).await {
            Ok(()) => "told",
            Err(error) => {
                tracing::debug!(dependency = "bus", %error, "the state of the pools was not told");
                "lost"
            }
        };
        self.pools.common().metrics.pool_states.with([outcome]).inc();
    }

    /// A server as it is found.
    fn upstream(&self, member: &Member, health: &Health) -> api::UpstreamHealth {
        upstream(&self.pools, member, health, self.clock.unix_ms())
    }
}

/// Every server as it is found.
pub(crate) fn upstreams(pools: &Pools, now_unix_ms: i64) -> Vec<api::UpstreamHealth> {
    let members = pools.common().members.all().iter();
    members
        .map(|member| upstream(pools, member, &member.health(), now_unix_ms))
        .collect()
}

fn upstream(pools: &Pools, member: &Member, health: &Health, now_unix_ms: i64) -> api::UpstreamHealth {
    let at = |moment: Instant| now_unix_ms.saturating_sub(millis(moment.elapsed()));
    api::UpstreamHealth {
        upstream: member.name.clone(),
        breaker: breaker(health.state()).into(),
        since_unix_ms: at(health.since),
        opened_total: health.opened_total,
        last_error: health.last_error.map(|(slug, _)| slug.to_owned()).unwrap_or_default(),
        last_error_unix_ms: health.last_error.map(|(_, moment)| at(moment)).unwrap_or_default(),
        primary: member.index == pools.common().members.primary_index(),
    }
}

impl Teller {
    async fn look(&mut self) {
        let (now, every) = (Instant::now(), self.states.pools.common().live().pool_state_every);
        let pools = self.states.pools.all();
        let seen = pools.iter().map(|pool| (pool.key.clone(), pool.in_use()));
        self.usage.look(seen, now);
        let is_due = self.told.is_none_or(|told| now.duration_since(told) >= every);
        if is_due && !every.is_zero() {
            self.told = Some(now);
            self.tell_all(&pools, every).await;
        } else {
            self.tell_turns().await;
        }
    }

    /// What all pools and servers are like, one message for each project.
    async fn tell_all(&mut self, pools: &[Arc<Pool>], every: Duration) {
        let mut states: BTreeMap<Project, api::PoolState> = BTreeMap::new();
        let before = std::mem::take(&mut self.projects);
        let default = states.entry(self.states.default_project()).or_default();
        for (member, health) in self.states.health() {
            default.upstreams.push(self.states.upstream(member, &health));
            self.turns.insert(member.index, turn(&health));
        }
        for pool in pools {
            let state = states.entry(pool.project()).or_default();
            state.pools.push(pool.facts());
            state.uses.push(self.used(pool));
        }
        self.projects = states.keys().cloned().collect();
        // Those that have none any more are told so once.
        for project in before {
            states.entry(project).or_default();
        }
        for (project, state) in states {
            let state = api::PoolState {
                pools: state.pools,
                uses: state.uses,
                upstreams: state.upstreams,
                next_after_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
                ..self.states.blank()
            };
            self.states.publish(&project, &state).await;
        }
    }

    fn used(&self, pool: &Pool) -> api::PoolUse {
        let (used, state, (waits_total, wait_us_total)) = (self.usage.of(&pool.key), pool.state(), pool.waits());
        let (active, max) = pool.in_use();
        let is_pressed = active.saturating_mul(100) >= max.saturating_mul(PRESSED_PERCENT);
        api::PoolUse {
            busy_us_total: used.busy_us,
            capacity_us_total: used.capacity_us,
            waits_total,
            wait_us_total,
            longest_wait_us: micros(state.longest_wait),
            paused: state.paused,
            reason: if is_pressed || state.waiting > 0 {
                self.states.witness.why(pool)
            } else {
                String::new()
            },
        }
    }

    /// The servers whose breaker has turned since it was last told of.
    async fn tell_turns(&mut self) {
        let mut upstreams = Vec::new();
        for (member, health) in self.states.health() {
            if self.turns.insert(member.index, turn(&health)) != Some(turn(&health)) {
                upstreams.push(self.states.upstream(member, &health));
            }
        }
        if !upstreams.is_empty() {
            let state = api::PoolState {
                upstreams,
                ..self.states.blank()
            };
            self.states.publish(&self.states.default_project(), &state).await;
        }
    }

    /// This process ends: what it told of itself is no longer so.
    async fn leave(&self) {
        for project in &self.projects {
            let state = api::PoolState {
                leaving: true,
                ..self.states.blank()
            };
            self.states.publish(project, &state).await;
        }
        if let Err(error) = self.states.bus.flush(LEAVE_WITHIN).await {
            tracing::debug!(dependency = "bus", %error, "the end of the pools may not have been told");
        }
    }
}

/// What a turn of a breaker is noticed by, however short it was.
const fn turn(health: &Health) -> (BreakerState, u64) {
    (health.state(), health.opened_total)
}

const fn breaker(state: BreakerState) -> api::BreakerState {
    match state {
        BreakerState::Closed => api::BreakerState::Closed,
        BreakerState::Open => api::BreakerState::Open,
        BreakerState::HalfOpen => api::BreakerState::HalfOpen,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
