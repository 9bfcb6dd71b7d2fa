//! Sheets of readings to alerts, and to what is to be written and told of them. Pure.
//!
//! A sheet is judged once, when it is new; between two of them only clocks run. A reading that is missing from a fresh
//! sheet has ceased; of a sheet that has gone stale nothing is known, and its alerts stand still.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::alert::{Alert, Key, Phase, Turn, Turns};
use super::inhibit::Inhibitors;
use super::rules::{Rule, RuleBook};
use super::silence::{Silence, Silences};
use super::{Labels, Reading, Sheet, metric};

/// Most alerts that are not resolved; what would be one more is counted.
const ALERTS_MAX: usize = 20_000;
/// How often the figure of an alert that goes on is written.
const REFRESH_MS: i64 = 10_000;
/// A pending alert that has waited so long, with as long still to go, gets a row: its clock survives a restart.
const PENDING_ROW_MS: i64 = 5_000;
/// An alert of which nothing was known for so long is over: its source does not exist any more.
const UNKNOWN_MAX_MS: i64 = 24 * 3_600_000;
/// The source of readings about sources.
const MONITOR: &str = "monitor";
/// How often it is judged while some source is silent.
const MONITOR_EVERY_MS: i64 = 1_000;

/// The latest sheets by their source.
pub(crate) type Sheets = BTreeMap<&'static str, Arc<Sheet>>;

/// What is told on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It fires, or is worse than it was.
    Firing,
    /// It is over.
    Resolved,
}

/// What became of one alert: its row, and who is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// As it is now.
    pub alert: Alert,
    /// It never fired: its row goes.
    pub gone: bool,
    /// What the bus is told.
    pub bus: Option<Told>,
    /// What channels are told.
    pub channels: Option<Told>,
}

#[derive(Debug)]
struct Slot {
    alert: Alert,
    rule: Arc<Rule>,
    /// The round in which its reading was last there.
    seen: u64,
    /// The state of the silences by which `silenced_by` was found.
    silences: u64,
    /// Whether there is a row.
    written: bool,
    /// When, and with which figure.
    written_unix_ms: i64,
    written_value: f64,
    unknown_ms: i64,
    /// What became of it in this tick.
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Source {
    sheet: Arc<Sheet>,
    fresh: bool,
}

/// All alerts that are not resolved.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    book: Arc<RuleBook>,
    slots: HashMap<Key, Slot>,
    turns: HashMap<Key, Turns>,
    sources: BTreeMap<&'static str, Source>,
    silences: Silences,
    inhibitors: Inhibitors,
    round: u64,
    ticked_unix_ms: Option<i64>,
    monitor_unix_ms: i64,
    refused: u64,
    ended: Vec<Change>,
}

impl Engine {
    /// One that goes on with alerts that are known, and with when which of them turned lately.
    pub(crate) fn resume(book: Arc<RuleBook>, alerts: Vec<Alert>, turns: Vec<(Key, i64)>) -> Self {
        let mut engine = Self {
            book,
            ..Self::default()
        };
        for (key, at) in turns {
            engine.turns.entry(key).or_default().note(at);
        }
        for alert in alerts {
            engine.take_over(alert);
        }
        engine
    }

    fn take_over(&mut self, alert: Alert) {
        // One whose rule is gone keeps an empty rule and is ended at the first tick.
        let rule = self.book.rule(&alert.rule, &alert.project).cloned();
        let rule = rule.unwrap_or_else(|| Arc::new(gone(&alert)));
        let slot = Slot {
            rule,
            seen: 0,
            silences: 0,
            written: true,
            written_unix_ms: 0,
            written_value: alert.value,
            unknown_ms: 0,
            turn: None,
            alert,
        };
        self.slots.insert(slot.alert.key, slot);
    }

    /// Judges by other rules from now on.
    pub(crate) fn set_book(&mut self, book: Arc<RuleBook>) {
        self.book = book;
        for slot in self.slots.values_mut() {
            let rule = self.book.rule(&slot.alert.rule, &slot.alert.project).cloned();
            slot.rule = rule.unwrap_or_else(|| Arc::new(gone(&slot.alert)));
        }
        self.sources.clear();
    }

    /// Is silent about other alerts from now on.
    pub(crate) fn set_silences(&mut self, silences: Vec<Silence>, now: i64) {
        self.silences.set(silences, now);
    }

    /// Alerts that are not resolved.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.slots.values().map(|slot| &slot.alert)
    }

    /// Alerts that there was no room for, ever.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Looks at the sheets and the clock; says what became of whom.
    pub(crate) fn tick(&mut self, now: i64, sheets: &Sheets) -> Vec<Change> {
        let passed = self.ticked_unix_ms.map_or(0, |before| (now - before).max(0));
        self.ticked_unix_ms = Some(now);
        for (source, sheet) in sheets {
            self.look_at(source, sheet, now);
        }
        self.look_at_sources(now);
        self.step(now, passed);
        let mut changes = std::mem::take(&mut self.ended);
        self.tell(now, &mut changes);
        changes.sort_by_key(|change| change.alert.id);
        changes
    }

    fn look_at(&mut self, source: &'static str, sheet: &Arc<Sheet>, now: i64) {
        let fresh = is_fresh(sheet, now);
        let known = self.sources.get_mut(source);
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.sheet, sheet)) {
            known.fresh = fresh;
            return;
        }
        let sheet = sheet.clone();
        self.sources.insert(
            source,
            Source {
                sheet: sheet.clone(),
                fresh,
            },
        );
        if fresh {
            self.judge(source, &sheet.readings, now);
        }
    }

    /// Sources that were there and are not heard of any more.
    fn look_at_sources(&mut self, now: i64) {
        let silent = self
            .sources
            .iter()
            .filter(|(source, known)| **source != MONITOR && !known.fresh);
        let readings: Vec<Reading> = silent
            .map(|(source, known)| silence_of(source, &known.sheet, now))
            .collect();
        let before = self.sources.get(MONITOR);
        let same = before.is_some_and(|before| before.sheet.readings.len() == readings.len());
        if same && (readings.is_empty() || now - self.monitor_unix_ms < MONITOR_EVERY_MS) {
            return;
        }
        self.monitor_unix_ms = now;
        self.judge(MONITOR, &readings, now);
        let sheet = Arc::new(Sheet {
            readings,
            taken_unix_ms: now,
            ..Sheet::default()
        });
        self.sources.insert(MONITOR, Source { sheet, fresh: true });
    }

    fn judge(&mut self, source: &'static str, readings: &[Reading], now: i64) {
        self.round += 1;
        let (book, mut upstreams) = (self.book.clone(), BTreeSet::new());
        for reading in readings {
            if let Some(upstream) = reading.labels.get("upstream")
                && !upstreams.contains(upstream)
            {
                upstreams.insert(upstream.clone());
            }
            for family in book.about(reading.metric) {
                let rule = family.of(&reading.project);
                if rule.enabled && rule.levels.may_hold(rule.direction, reading.value) && rule.is_about(&reading.labels)
                {
                    self.judge_by(rule, source, reading, now);
                }
            }
        }
        self.inhibitors.set_upstreams(source, upstreams);
        let round = self.round;
        let missing = self
            .slots
            .values_mut()
            .filter(|slot| slot.seen != round && slot.alert.source == source);
        missing.for_each(|slot| slot.alert.hold(None, now));
    }

    fn judge_by(&mut self, rule: &Arc<Rule>, source: &str, reading: &Reading, now: i64) {
        let key = Key::of(&rule.name, reading);
        if let Some(slot) = self.slots.get_mut(&key) {
            let before = slot.alert.level();
            let level = rule.levels.level(rule.direction, reading.value, before);
            // Of two readings of the same thing in one sheet the worse counts.
            if slot.seen != self.round || level > before {
                slot.alert.read(source, reading, level, now);
            }
            slot.seen = self.round;
            return;
        }
        let Some(level) = rule.levels.level(rule.direction, reading.value, None) else {
            return;
        };
        if self.slots.len() >= ALERTS_MAX {
            self.refused += 1;
            return;
        }
        let slot = Slot {
            alert: Alert::begin(rule, source, reading, level, now),
            rule: rule.clone(),
            seen: self.round,
            silences: 0,
            written: false,
            written_unix_ms: now,
            written_value: reading.value,
            unknown_ms: 0,
            turn: None,
        };
        self.slots.insert(key, slot);
    }

    /// Lets the clocks run: whose time has come turns.
    fn step(&mut self, now: i64, passed: i64) {
        self.inhibitors.begin(now);
        let Self {
            slots,
            sources,
            turns,
            inhibitors,
            ended,
            ..
        } = self;
        slots.retain(|key, slot| {
            let known = sources
                .get(slot.alert.source.as_str())
                .is_some_and(|source| source.fresh);
            slot.turn = slot.advance(turns.entry(*key).or_default(), known, now, passed);
            let over = slot.end(ended);
            if !over {
                inhibitors.present(&slot.alert, &slot.rule);
            } else if slot.alert.phase == Phase::Resolved {
                inhibitors.ended(&slot.alert, &slot.rule, now);
            }
            !over
        });
        turns.retain(|key, turns| slots.contains_key(key) || !turns.is_over(now));
    }

    /// Says what became of those that go on.
    fn tell(&mut self, now: i64, changes: &mut Vec<Change>) {
        let version = self.silences.version(now);
        for slot in self.slots.values_mut() {
            let mut moved = slot.turn.is_some();
            if slot.alert.phase == Phase::Firing {
                if slot.silences != version || moved {
                    let by = self.silences.of(&slot.alert, now);
                    moved |= std::mem::replace(&mut slot.alert.silenced_by, by) != by;
                    slot.silences = version;
                }
                if !self.inhibitors.are_none() || slot.alert.inhibited_by.is_some() {
                    let by = self.inhibitors.of(&slot.alert, &slot.rule, now);
                    moved |= std::mem::replace(&mut slot.alert.inhibited_by, by) != by;
                }
            }
            changes.extend(slot.change(moved, now));
        }
    }
}

impl Slot {
    fn advance(&mut self, turns: &mut Turns, known: bool, now: i64, passed: i64) -> Option<Turn> {
        if !self.rule.enabled {
            return Some(self.give_up(now));
        }
        if known {
            self.unknown_ms = 0;
            return self.alert.step(&self.rule, turns, now);
        }
        self.alert.wait(passed);
        self.unknown_ms += passed;
        (self.unknown_ms >= UNKNOWN_MAX_MS).then(|| self.give_up(now))
    }

    fn give_up(&mut self, now: i64) -> Turn {
        if self.alert.phase == Phase::Pending {
            return Turn::Gone;
        }
        self.alert.resolve(now);
        Turn::Resolved
    }

    /// Whether it is over, and what is to be done then.
    fn end(&self, ended: &mut Vec<Change>) -> bool {
        match self.turn {
            Some(Turn::Gone) => {
                if self.written {
                    ended.push(self.as_change(true, None, None));
                }
                true
            }
            Some(Turn::Resolved) => {
                // Who was told that it fires is told that it does not, silence or not.
                let channels = self.alert.told.map(|_| Told::Resolved);
                ended.push(self.as_change(false, Some(Told::Resolved), channels));
                true
            }
            _ => false,
        }
    }

    fn as_change(&self, gone: bool, bus: Option<Told>, channels: Option<Told>) -> Change {
        Change {
            alert: self.alert.clone(),
            gone,
            bus,
            channels,
        }
    }

    /// What is to be written and told of one that goes on.
    fn change(&mut self, moved: bool, now: i64) -> Option<Change> {
        let bus = matches!(self.turn, Some(Turn::Fired | Turn::Escalated)).then_some(Told::Firing);
        let alert = &mut self.alert;
        let quiet = alert.silenced_by.is_some() || alert.inhibited_by.is_some();
        // What has ceased while it was not to be told is no news any more.
        let holds = alert.phase == Phase::Firing && alert.ceased_unix_ms.is_none();
        let news = holds && !quiet && alert.told < Some(alert.severity);
        if news {
            alert.told = Some(alert.severity);
        }
        if !(moved || news || self.is_due(now)) {
            return None;
        }
        self.alert.say(&self.rule);
        self.written = true;
        self.written_unix_ms = now;
        self.written_value = self.alert.value;
        Some(self.as_change(false, bus, news.then_some(Told::Firing)))
    }

    /// Whether its row should be written although nothing became of it.
    fn is_due(&self, now: i64) -> bool {
        match self.alert.phase {
            Phase::Firing => now - self.written_unix_ms >= REFRESH_MS && self.alert.value != self.written_value,
            Phase::Pending => {
                let waited = now - self.alert.since_unix_ms;
                let hold = i64::try_from(self.rule.hold.as_millis()).unwrap_or(i64::MAX);
                !self.written && waited >= PENDING_ROW_MS && hold >= waited + PENDING_ROW_MS
            }
            Phase::Resolved => false,
        }
    }
}

fn is_fresh(sheet: &Sheet, now: i64) -> bool {
    now - sheet.taken_unix_ms <= i64::try_from(sheet.fresh_for.as_millis()).unwrap_or(i64::MAX)
}

fn silence_of(source: &str, sheet: &Sheet, now: i64) -> Reading {
    let stale = now - sheet.taken_unix_ms - i64::try_from(sheet.fresh_for.as_millis()).unwrap_or(i64::MAX);
    let labels = Labels::from([("source", source.to_owned())]);
    let project = weir_model::Project::default();
    Reading::new(metric::SOURCE_SILENT_SECONDS, project, labels, stale as f64 / 1e3)
}

/// What is left of a rule that does not exist any more.
fn gone(alert: &Alert) -> Rule {
    Rule {
        name: alert.rule.clone(),
        enabled: false,
        metric: metric::SOURCE_SILENT_SECONDS,
        labels: BTreeMap::new(),
        direction: super::rules::Direction::Above,
        levels: super::rules::Levels::default(),
        hold: std::time::Duration::ZERO,
        keep: std::time::Duration::ZERO,
        window: std::time::Duration::ZERO,
        summary: alert.summary.clone(),
        runbook: alert.runbook.clone(),
        inhibits: Vec::new(),
    }
}

#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod replays;
