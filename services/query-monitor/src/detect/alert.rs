//! One alert: what it is about, and how it goes from pending to resolved. Pure.
//!
//! Times are milliseconds since 1970. A clock that ran while nothing was known is set back by that time
//! ([`Alert::wait`]): what was not seen neither held nor ceased.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use weir_model::{Fingerprint, Project};

use super::Reading;
use super::rules::{Facts, Rule, Severity, render};

/// An alert that fired fires at least so long: people look, and it should still be there.
const DWELL_MS: i64 = 10_000;
/// An alert that fired and was resolved that many times within an hour, both counted, is flapping at the next change.
const TURNS_MAX: usize = 4;
const TURNS_WITHIN_MS: i64 = 3_600_000;
/// One that flaps fires until its condition has not changed for so long.
const CALM_MS: i64 = 30 * 60_000;
/// Traces that are kept of one alert.
const TRACES_MAX: usize = 5;

/// What makes an alert the same however often it is found: a hash of rule, project, labels and statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(u128);

impl Key {
    /// The key of what a rule finds in a reading.
    pub(crate) fn of(rule: &str, reading: &Reading) -> Self {
        let labels = reading.labels.iter().map(|(name, label)| (*name, label.as_str()));
        Self::hash(rule, &reading.project, labels, reading.fingerprint)
    }

    /// The same of what a row says.
    pub(crate) fn of_parts(
        rule: &str,
        project: &Project,
        labels: &BTreeMap<String, String>,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        let labels = labels.iter().map(|(name, label)| (name.as_str(), label.as_str()));
        Self::hash(rule, project, labels, fingerprint)
    }

    fn hash<'a>(
        rule: &str,
        project: &Project,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut add = |word: &str| {
            hasher.update(&(word.len() as u64).to_le_bytes());
            hasher.update(word.as_bytes());
        };
        add(rule);
        add(project.as_str());
        for (name, label) in labels {
            add(name);
            add(label);
        }
        if let Some(fingerprint) = fingerprint {
            hasher.update(&fingerprint.get().to_le_bytes());
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(u128::from_be_bytes(bytes))
    }

    /// A key as rows have it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(Self)
    }

    /// The id of the alert with this key that began then. Whoever begins it gives it the same.
    fn id(self, since_unix_ms: i64) -> Uuid {
        let mut low = [0; 10];
        for (to, from) in low.iter_mut().zip(self.0.to_be_bytes()) {
            *to = from;
        }
        uuid::Builder::from_unix_timestamp_millis(since_unix_ms.unsigned_abs(), &low).into_uuid()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The condition holds, but not for long enough yet.
    Pending,
    /// Somebody should know.
    Firing,
    /// It is over.
    Resolved,
}

impl Phase {
    /// As rows have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alert {
    pub id: Uuid,
    pub key: Key,
    pub rule: Arc<str>,
    pub project: Project,
    pub labels: BTreeMap<String, String>,
    pub fingerprint: Option<Fingerprint>,
    /// Whose sheet it was read from.
    pub source: String,
    pub phase: Phase,
    pub severity: Severity,
    /// Since when the condition has been at least as bad as each severity; none where it is not.
    pub held: [Option<i64>; 3],
    pub since_unix_ms: i64,
    pub fired_unix_ms: i64,
    /// Since when the condition does not hold; none while it does.
    pub ceased_unix_ms: Option<i64>,
    pub resolved_unix_ms: i64,
    /// When the condition last began or ceased to hold.
    pub turned_unix_ms: i64,
    pub flapping: bool,
    pub value: f64,
    pub threshold: f64,
    pub summary: String,
    pub runbook: String,
    pub note: String,
    /// The trace of the latest reading that had one.
    pub traceparent: String,
    /// Ids of traces, the latest first.
    pub traces: Vec<String>,
    /// The worst severity that channels were told of.
    pub told: Option<Severity>,
    pub silenced_by: Option<Uuid>,
    pub inhibited_by: Option<Uuid>,
}

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It never fired and will not.
    Gone,
    /// It fires from now on.
    Fired,
    /// It is worse than it was.
    Escalated,
    /// It is less bad, or begins or ends to flap: worth a row, no news.
    Changed,
    /// It is over.
    Resolved,
}

impl Alert {
    /// The alert that a reading begins.
    pub(crate) fn begin(rule: &Rule, source: &str, reading: &Reading, level: Severity, now: i64) -> Self {
        let key = Key::of(&rule.name, reading);
        let owned = |(name, label): (&&'static str, &String)| ((*name).to_owned(), label.clone());
        let mut alert = Self {
            id: key.id(now),
            key,
            rule: rule.name.clone(),
            project: reading.project.clone(),
            labels: reading.labels.iter().map(owned).collect(),
            fingerprint: reading.fingerprint,
            source: source.to_owned(),
            phase: Phase::Pending,
            severity: level,
            held: [None; 3],
            since_unix_ms: now,
            fired_unix_ms: 0,
            ceased_unix_ms: None,
            resolved_unix_ms: 0,
            turned_unix_ms: now,
            flapping: false,
            value: reading.value,
            threshold: 0.0,
            summary: String::new(),
            runbook: rule.runbook.clone(),
            note: reading.note.clone(),
            traceparent: String::new(),
            traces: Vec::new(),
            told: None,
            silenced_by: None,
            inhibited_by: None,
        };
        alert.hold(Some(level), now);
        alert.note_trace(&reading.traceparent);
        alert
    }

    /// How bad the condition was when it was last looked at.
    pub(crate) fn level(&self) -> Option<Severity> {
        let held = |severity: &Severity| self.held_since(*severity).is_some();
        Severity::ALL.into_iter().rev().find(held)
    }

    fn held_since(&self, severity: Severity) -> Option<i64> {
        self.held.get(severity.index()).copied().flatten()
    }

    /// Takes over what a reading says.
    pub(crate) fn read(&mut self, source: &str, reading: &Reading, level: Option<Severity>, now: i64) {
        self.hold(level, now);
        self.value = reading.value;
        if self.source != source {
            source.clone_into(&mut self.source);
        }
        if self.note != reading.note {
            self.note.clone_from(&reading.note);
        }
        self.note_trace(&reading.traceparent);
    }

    /// Notes how bad the condition is now.
    pub(crate) fn hold(&mut self, level: Option<Severity>, now: i64) {
        for severity in Severity::ALL {
            if let Some(held) = self.held.get_mut(severity.index()) {
                *held = (level >= Some(severity)).then(|| held.unwrap_or(now));
            }
        }
        let (held, holds) = (self.ceased_unix_ms.is_none(), level.is_some());
        if held != holds {
            self.turned_unix_ms = now;
            self.ceased_unix_ms = (!holds).then_some(now);
        }
    }

    fn note_trace(&mut self, traceparent: &str) {
        let Some(trace) = traceparent.split('-').nth(1).filter(|trace| trace.len() == 32) else {
            return;
        };
        if self.traces.first().is_some_and(|first| first == trace) {
            return;
        }
        traceparent.clone_into(&mut self.traceparent);
        self.traces.retain(|known| known != trace);
        self.traces.insert(0, trace.to_owned());
        self.traces.truncate(TRACES_MAX);
    }

    /// Sets the clocks back by a time in which nothing was known.
    pub(crate) fn wait(&mut self, unknown_ms: i64) {
        let clocks = self.held.iter_mut().flatten().chain(&mut self.ceased_unix_ms);
        clocks.for_each(|clock| *clock += unknown_ms);
    }

    /// Goes on to where the alert belongs now.
    pub(crate) fn step(&mut self, rule: &Rule, turns: &mut Turns, now: i64) -> Option<Turn> {
        let turn = match (self.phase, self.ceased_unix_ms) {
            (Phase::Pending, Some(_)) => Some(Turn::Gone),
            (Phase::Pending, None) => self.fire(rule, turns, now),
            (Phase::Firing, None) => self.weigh(rule, now),
            (Phase::Firing, Some(ceased)) => self.cease(rule, turns, ceased, now),
            (Phase::Resolved, _) => None,
        };
        if turn.is_some() {
            self.say(rule);
        }
        turn
    }

    /// The worst severity that has held for as long as the rule asks.
    fn mature(&self, rule: &Rule, now: i64) -> Option<Severity> {
        let hold = millis(rule.hold);
        let ripe = |severity: &Severity| self.held_since(*severity).is_some_and(|since| now - since >= hold);
        // The bounds may have changed since it was noted.
        let used = |severity: &Severity| rule.levels.of(*severity).is_some();
        Severity::ALL.into_iter().rev().filter(used).find(ripe)
    }

    fn fire(&mut self, rule: &Rule, turns: &mut Turns, now: i64) -> Option<Turn> {
        self.severity = self.mature(rule, now)?;
        self.phase = Phase::Firing;
        self.fired_unix_ms = now;
        self.flapping = turns.are_many(now);
        turns.note(now);
        Some(Turn::Fired)
    }

    fn weigh(&mut self, rule: &Rule, now: i64) -> Option<Turn> {
        if self.flapping && now - self.turned_unix_ms >= CALM_MS {
            self.flapping = false;
            return Some(Turn::Changed);
        }
        if let Some(worse) = self.mature(rule, now).filter(|worse| *worse > self.severity) {
            self.severity = worse;
            return Some(Turn::Escalated);
        }
        let level = self.level().filter(|level| *level < self.severity)?;
        self.severity = level;
        Some(Turn::Changed)
    }

    fn cease(&mut self, rule: &Rule, turns: &mut Turns, ceased: i64, now: i64) -> Option<Turn> {
        let (quiet, dwelt) = (now - ceased, now - self.fired_unix_ms);
        if quiet < millis(rule.keep) || dwelt < DWELL_MS || (self.flapping && quiet < CALM_MS) {
            return None;
        }
        if !self.flapping && turns.are_many(now) {
            self.flapping = true;
            return Some(Turn::Changed);
        }
        turns.note(now);
        self.resolve(now);
        Some(Turn::Resolved)
    }

    /// Ends it, whatever its condition.
    pub(crate) fn resolve(&mut self, now: i64) {
        self.phase = Phase::Resolved;
        self.resolved_unix_ms = now;
        self.silenced_by = None;
        self.inhibited_by = None;
    }

    /// Puts it into words.
    pub(crate) fn say(&mut self, rule: &Rule) {
        let direction_bound = rule
            .levels
            .of(self.severity)
            .or_else(|| rule.levels.used().next().map(|(_, bound)| bound));
        self.threshold = direction_bound.map_or(self.threshold, |bound| bound.raise);
        self.summary = render(
            &rule.summary,
            &Facts {
                metric: rule.metric,
                project: &self.project,
                labels: &self.labels,
                fingerprint: self.fingerprint,
                value: self.value,
                threshold: self.threshold,
                note: &self.note,
            },
        );
        if self.flapping {
            self.summary.push_str(" (flapping)");
        }
        if self.runbook != rule.runbook {
            self.runbook.clone_from(&rule.runbook);
        }
    }
}

/// When an alert of some key fired and was resolved lately.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(VecDeque<i64>);

impl Turns {
    /// Notes one; those of long ago are forgotten.
    pub(crate) fn note(&mut self, now: i64) {
        self.forget(now);
        if self.0.len() > TURNS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    fn are_many(&mut self, now: i64) -> bool {
        self.forget(now);
        self.0.len() >= TURNS_MAX
    }

    fn forget(&mut self, now: i64) {
        self.0.retain(|at| now - at < TURNS_WITHIN_MS);
    }

    /// Whether nothing of it matters any more.
    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.0.back().is_none_or(|last| now - last >= TURNS_WITHIN_MS)
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
