//! The watch over one server: what is due is asked, and nothing that hangs holds up the rest.
//!
//! Questions go one after the other on one connection. One that takes long gets company: after a moment the next is asked
//! on a second connection, and then on a third; never on more. A server that cannot be reached is dialled with growing
//! pauses, and that it cannot is what is known of it then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use weir_model::{Clock, Coded as _, ErrorClass};
use weir_proto::monitor::v1 as api;
use weir_runtime::TaskResult;
use weir_upstream::{Error, Target};

use super::figures::ServerMetrics;
use super::line::{Answer, Failure, Line};
use super::pace::{Pace, cost_ratio, intervals};
use super::probe::Probe;
use super::view::{Presence, Shared};

/// Connections to one server at most.
const LINES_MAX: usize = 3;
/// A question that takes longer has another asked beside it.
const PATIENCE: Duration = Duration::from_millis(300);
/// Pauses between attempts to reach a server: the first, and the longest.
const REDIAL_FIRST: Duration = Duration::from_secs(1);
const REDIAL_MAX: Duration = Duration::from_secs(10);
/// The longest where the server knows the monitor and does not want it: it writes every attempt into its log.
const REDIAL_UNWANTED_MAX: Duration = Duration::from_secs(60);
/// What was read counts for this many intervals.
const FRESH_INTERVALS: u32 = 3;
/// When nothing is due: something else wakes the watch.
const FAR: Duration = Duration::from_secs(3600);

/// What a watch needs.
pub(super) struct Watch {
    pub(super) target: Target,
    pub(super) view: Shared,
    pub(super) changed: Arc<Notify>,
    pub(super) metrics: Arc<ServerMetrics>,
    pub(super) clock: Clock,
    /// The part of a core that all questions together may take.
    pub(super) budget: f64,
}

/// Something that ended.
enum Done {
    Dialled(Result<Line, Error>),
    Asked(usize, Option<Line>, Result<Answer, Failure>),
    Closed,
}

type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// One probe and how it fares.
struct Slot {
    probe: Probe,
    pace: Pace,
    every: Duration,
    due: Instant,
    asked_at: Option<Instant>,
    told: api::ServerProbe,
}

impl Slot {
    fn new(probe: Probe, now: Instant) -> Self {
        Self {
            probe,
            pace: Pace::new(probe.wish()),
            every: probe.wish(),
            due: now,
            asked_at: None,
            told: api::ServerProbe {
                name: probe.name().to_owned(),
                timeout_seconds: probe.limit().as_secs_f64(),
                ..api::ServerProbe::default()
            },
        }
    }
}

/// The watch at work.
struct Desk {
    watch: Watch,
    upstream: String,
    slots: Vec<Slot>,
    idle: Vec<Line>,
    work: FuturesUnordered<Work>,
    is_dialling: bool,
    failed_dials: u32,
    dial_at: Instant,
}

impl Watch {
    /// Watches until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) -> TaskResult {
        let now = Instant::now();
        let mut desk = Desk {
            upstream: self.view.with(|view| view.server.upstream.clone()),
            watch: self,
            slots: Probe::ALL.map(|probe| Slot::new(probe, now)).into(),
            idle: Vec::new(),
            work: FuturesUnordered::new(),
            is_dialling: false,
            failed_dials: 0,
            dial_at: now,
        };
        loop {
            desk.start_what_is_due();
            desk.tell();
            let wakes_at = desk.wakes_at();
            tokio::select! {
                Some(done) = desk.work.next() => desk.take(done),
                () = sleep_until(wakes_at) => {}
                () = stop.cancelled() => break,
            }
        }
        for line in std::mem::take(&mut desk.idle) {
            line.close().await;
        }
        Ok(())
    }
}

impl Desk {
    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some(index) = self.next_due(now) {
            if !self.may_ask_now(now) {
                return;
            }
            if self.idle.is_empty() {
                self.dial(now);
                return;
            }
            self.ask(index, now);
        }
    }

    /// The slot that has been due for longest.
    fn next_due(&self, now: Instant) -> Option<usize> {
        let due = self.slots.iter().enumerate();
        let due = due.filter(|(_, slot)| slot.asked_at.is_none() && slot.due <= now);
        due.min_by_key(|(_, slot)| slot.due).map(|(index, _)| index)
    }

    fn asked(&self) -> impl Iterator<Item = Instant> {
        self.slots.iter().filter_map(|slot| slot.asked_at)
    }

    /// Nothing is being asked, or all of it for so long already that it must not hold up the rest.
    fn may_ask_now(&self, now: Instant) -> bool {
        self.asked().count() < LINES_MAX && self.asked().all(|since| now.duration_since(since) >= PATIENCE)
    }

    fn dial(&mut self, now: Instant) {
        if self.is_dialling || now < self.dial_at {
            return;
        }
        self.is_dialling = true;
        let target = self.watch.target.clone();
        self.work
            .push(Box::pin(async move { Done::Dialled(Line::open(&target).await) }));
    }

    fn ask(&mut self, index: usize, now: Instant) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let Some(question) = self.watch.view.with(|view| slot.probe.question(view)) else {
            slot.due = now + slot.every;
            slot.told.error.clear();
            return;
        };
        if let Some(line) = self.idle.pop() {
            let limit = slot.probe.limit();
            slot.asked_at = Some(now);
            self.work.push(Box::pin(async move {
                let (line, answer) = line.ask(&question, limit).await;
                Done::Asked(index, line, answer)
            }));
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Closed => {}
            Done::Dialled(Ok(line)) => self.reached(line),
            Done::Dialled(Err(error)) => self.unreached(&error),
            Done::Asked(index, line, answer) => {
                if let Some(line) = line {
                    self.keep(line);
                }
                match answer {
                    Ok(answer) => self.answered(index, &answer),
                    Err(failure) => self.failed(index, &failure),
                }
                self.adapt(index);
            }
        }
        self.watch.changed.notify_one();
    }

    /// One idle connection is enough.
    fn keep(&mut self, line: Line) {
        if self.idle.is_empty() {
            self.idle.push(line);
        } else {
            self.work.push(Box::pin(async move {
                line.close().await;
                Done::Closed
            }));
        }
    }

    fn reached(&mut self, line: Line) {
        self.is_dialling = false;
        self.failed_dials = 0;
        let unix_ms = self.watch.clock.unix_ms();
        let was_away = self.watch.view.with(|view| {
            view.facts.is_local = line.is_local();
            view.facts.version = version_number(line.version());
            view.server.version = line.version().split_whitespace().next().unwrap_or_default().to_owned();
            view.turn(Presence::Up, String::new(), unix_ms)
        });
        self.keep(line);
        if was_away {
            tracing::info!(upstream = %self.upstream, "the server answers");
            // What failed did so because of that.
            let now = Instant::now();
            for slot in self.slots.iter_mut().filter(|slot| !slot.told.error.is_empty()) {
                slot.pace.forgive();
                slot.due = slot.due.min(now);
            }
        }
    }

    fn unreached(&mut self, error: &Error) {
        self.is_dialling = false;
        let doubled = REDIAL_FIRST * 2_u32.pow(self.failed_dials.min(6));
        self.failed_dials = self.failed_dials.saturating_add(1);
        let longest = match error.class() {
            ErrorClass::Unauthenticated => REDIAL_UNWANTED_MAX,
            _ => REDIAL_MAX,
        };
        self.dial_at = Instant::now() + doubled.min(longest);
        let is_there = error.class() != ErrorClass::Unavailable;
        if is_there && self.lines() > 0 {
            // It does not want a further one, and that is no news of the server.
            return;
        }
        let presence = if is_there { Presence::Closed } else { Presence::Down };
        let unix_ms = self.watch.clock.unix_ms();
        let is_news = self.watch.view.with(|view| {
            view.is_full = error.server().is_some_and(|said| said.sqlstate == "53300");
            view.turn(presence, error.to_string(), unix_ms)
        });
        if is_news {
            tracing::warn!(upstream = %self.upstream, error = %error, "the server cannot be watched");
        }
    }

    fn lines(&self) -> usize {
        self.idle.len() + self.asked().count()
    }

    fn answered(&mut self, index: usize, answer: &Answer) {
        let (now, unix_ms) = (Instant::now(), self.watch.clock.unix_ms());
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        slot.pace.answered(answer.took);
        slot.told.answered_unix_ms = unix_ms;
        slot.told.took_ms = answer.took.as_secs_f64() * 1e3;
        slot.told.answers_total += 1;
        slot.told.error.clear();
        let probe = slot.probe;
        self.watch.view.with(|view| probe.keep(view, &answer.rows, now));
        self.count(probe, "answered");
    }

    fn failed(&mut self, index: usize, failure: &Failure) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        slot.told.error = failure.to_string();
        slot.told.failures_total += 1;
        slot.pace.failed(failure.worked(slot.probe.limit()));
        let (probe, is_first) = (slot.probe, slot.told.failures_total == 1);
        self.watch.view.with(|view| view.misses(probe, failure.missing()));
        self.count(probe, "failed");
        if !matches!(failure, Failure::Refused(_)) && self.idle.is_empty() {
            // It may be the server that is gone: whether it is, is known at once.
            self.dial(Instant::now());
        }
        if is_first {
            tracing::warn!(upstream = %self.upstream, probe = probe.name(), error = %failure, "a question to the server was not answered; further failures are only counted");
        }
    }

    fn count(&self, probe: Probe, outcome: &str) {
        let labels = [self.upstream.as_str(), probe.name(), outcome];
        self.watch.metrics.probes.with(labels).inc();
    }

    /// Says when the probe is asked again, now that its cost is known.
    fn adapt(&mut self, index: usize) {
        let found = intervals(self.slots.iter().map(|slot| &slot.pace), self.watch.budget);
        for (slot, every) in self.slots.iter_mut().zip(&found) {
            slot.every = *every;
        }
        let cost = cost_ratio(self.slots.iter().map(|slot| &slot.pace), &found);
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let now = Instant::now();
        let begun = slot.asked_at.take().unwrap_or(now);
        slot.due = now.max(begun + slot.every);
        let fresh_until = now + slot.every * FRESH_INTERVALS + slot.probe.limit();
        let (probe, is_answered) = (slot.probe, slot.told.error.is_empty());
        self.watch.view.with(|view| {
            view.server.cost_ratio = cost;
            if is_answered {
                view.fresh_until.insert(probe, fresh_until);
            }
        });
    }

    /// When to look again if nothing ends before.
    fn wakes_at(&self) -> Instant {
        let now = Instant::now();
        let due = self
            .slots
            .iter()
            .filter(|slot| slot.asked_at.is_none())
            .map(|slot| slot.due);
        let due = due.min().unwrap_or(now + FAR);
        if due > now {
            return due;
        }
        let waits_for_room = self.asked().count() >= LINES_MAX || self.is_dialling;
        if waits_for_room {
            now + FAR
        } else if self.may_ask_now(now) {
            self.dial_at
        } else {
            self.asked().max().map_or(now + FAR, |latest| latest + PATIENCE)
        }
    }

    /// Shows how the probes fare.
    fn tell(&self) {
        let (now, unix_ms) = (Instant::now(), self.watch.clock.unix_ms());
        let told = self.slots.iter().map(|slot| {
            let until = i64::try_from(slot.due.duration_since(now).as_millis()).unwrap_or(i64::MAX);
            let is_waiting = slot.asked_at.is_some() || slot.due <= now;
            api::ServerProbe {
                every_seconds: slot.every.as_secs_f64(),
                next_unix_ms: if is_waiting { 0 } else { unix_ms.saturating_add(until) },
                ..slot.told.clone()
            }
        });
        let told = told.collect();
        self.watch.view.with(|view| view.server.probes = told);
    }
}

/// `15.4 (Debian 15.4-1)` and `18beta1` in the form of `server_version_num`.
fn version_number(version: &str) -> u32 {
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().ok());
    let major = parts.next().flatten().unwrap_or_default();
    let minor = if version.contains('.') {
        parts.next().flatten().unwrap_or_default()
    } else {
        0
    };
    major.saturating_mul(10_000).saturating_add(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_server_writes_them() {
        let found = ["15.4", "15.4 (Debian 15.4-1)", "18beta1", "17.10", ""].map(version_number);
        assert_eq!(found, [150_004, 150_004, 180_000, 170_010, 0]);
    }
}
