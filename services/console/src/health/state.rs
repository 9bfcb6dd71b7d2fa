//! What is known of each part of the system and of the whole. Pure.
//!
//! Degraded is not down: a part that others do without degrades the whole, and only when queries cannot be answered is it
//! down. A part that was up is not called down for one answer that came too late.

use serde::Serialize;

/// The part that decides whether queries are answered.
pub(crate) const CONNECTIVITY: &str = "connectivity";
/// The whole, where it stands among its parts.
pub(crate) const WHOLE: &str = "database";
/// Who was never up may be starting together with whoever asks, for so long.
const STARTING_MS: i64 = 15_000;
/// A part that nobody tells of any more is forgotten after so long.
const FORGOTTEN_MS: i64 = 3_600_000;
const REASON_CHARACTERS_MAX: usize = 300;

/// How a part fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::HealthState)]
pub(crate) enum State {
    /// It does all of its work.
    Up,
    /// It does a part of its work, or does it badly.
    Degraded,
    /// It does not do its work.
    Down,
    /// It cannot be found out.
    Unknown,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// How the whole fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::HealthStatus)]
pub(crate) enum Status {
    /// Everything does its work.
    Healthy,
    /// Queries are answered; something else does not do its work.
    Degraded,
    /// Queries are not answered.
    Down,
    /// It is not known yet.
    Unknown,
}

impl Status {
    pub(crate) const fn state(self) -> State {
        match self {
            Self::Healthy => State::Up,
            Self::Degraded => State::Degraded,
            Self::Down => State::Down,
            Self::Unknown => State::Unknown,
        }
    }

    /// As the metric has it.
    pub(crate) const fn figure(self) -> f64 {
        match self {
            Self::Healthy => 1.0,
            Self::Degraded => 0.5,
            Self::Down => 0.0,
            Self::Unknown => f64::NAN,
        }
    }
}

/// What sort of part something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::HealthKind)]
pub(crate) enum Kind {
    /// Connectivity, performance, schema.
    Aspect,
    /// A process of Weir's.
    Service,
    /// What services need or use.
    Dependency,
    /// All of it.
    Whole,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Aspect => "aspect",
            Self::Service => "service",
            Self::Dependency => "dependency",
            Self::Whole => "whole",
        }
    }
}

/// One part, as it is known now.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = console::HealthPart)]
pub(crate) struct Part {
    /// Its name, such as `connectivity`, `cache` or `bus`.
    pub(crate) name: String,
    /// What sort of part it is.
    pub(crate) kind: Kind,
    /// How it fares.
    pub(crate) state: State,
    /// How long its last answer took; null: it was not asked itself, or did not answer.
    pub(crate) latency_ms: Option<f64>,
    /// Since when it fares so.
    pub(crate) since_unix_ms: i64,
    /// Why it is not up, or what is to be known beside that; may be empty.
    pub(crate) reason: String,
    /// Since when it may not be up any more.
    #[serde(skip)]
    doubted_unix_ms: Option<i64>,
    #[serde(skip)]
    seen_unix_ms: i64,
}

/// What one look at a part showed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sighting {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) latency_ms: Option<f64>,
    pub(crate) reason: String,
    /// Whether a second look is needed before a part that was up is called anything else.
    pub(crate) is_sure: bool,
}

impl Sighting {
    pub(crate) fn new(name: impl Into<String>, kind: Kind, state: State, reason: impl AsRef<str>) -> Self {
        let reason = reason.as_ref().chars().filter(|character| !character.is_control());
        Self {
            name: name.into(),
            kind,
            state,
            latency_ms: None,
            reason: reason.take(REASON_CHARACTERS_MAX).collect(),
            is_sure: true,
        }
    }

    pub(crate) fn took(mut self, latency_ms: f64) -> Self {
        self.latency_ms = Some(latency_ms);
        self
    }

    pub(crate) fn unsure(mut self) -> Self {
        self.is_sure = false;
        self
    }
}

/// A part fares otherwise than before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) at_unix_ms: i64,
    pub(crate) part: String,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) reason: String,
    pub(crate) latency_ms: Option<f64>,
}

/// Everything that is known at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    begun_unix_ms: i64,
    pub(crate) at_unix_ms: i64,
    pub(crate) status: Status,
    pub(crate) since_unix_ms: i64,
    pub(crate) summary: String,
    pub(crate) parts: Vec<Part>,
}

impl Picture {
    pub(crate) fn empty(now_unix_ms: i64) -> Self {
        Self {
            begun_unix_ms: now_unix_ms,
            at_unix_ms: now_unix_ms,
            status: Status::Unknown,
            since_unix_ms: now_unix_ms,
            summary: "Nothing was asked yet.".to_owned(),
            parts: Vec::new(),
        }
    }

    pub(crate) fn part(&self, kind: Kind, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind == kind && part.name == name)
    }

    /// The picture after another look, and what has changed.
    pub(crate) fn after(&self, sightings: Vec<Sighting>, now_unix_ms: i64) -> (Self, Vec<Change>) {
        let mut parts: Vec<Part> = sightings
            .into_iter()
            .map(|sighting| self.doubted(sighting, now_unix_ms))
            .map(|sighting| seen(self.part(sighting.kind, &sighting.name), sighting, now_unix_ms))
            .collect();
        let is_told =
            |part: &Part, parts: &[Part]| parts.iter().any(|new| new.kind == part.kind && new.name == part.name);
        let untold = self.parts.iter().filter(|part| !is_told(part, &parts));
        let untold: Vec<Part> = untold.filter_map(|part| unseen(part, now_unix_ms)).collect();
        parts.extend(untold);
        let mut changes: Vec<Change> = parts.iter().filter_map(|part| self.change(part)).collect();
        let picture = self.with(parts, now_unix_ms);
        changes.extend(picture.whole_change(self));
        (picture, changes)
    }

    /// Whatever is started together is not called down for coming second.
    fn doubted(&self, mut sighting: Sighting, now_unix_ms: i64) -> Sighting {
        let before = self.part(sighting.kind, &sighting.name).map(|part| part.state);
        let was_never_up = matches!(before, None | Some(State::Unknown));
        let is_early = now_unix_ms - self.begun_unix_ms < STARTING_MS;
        if is_early && was_never_up && sighting.kind != Kind::Dependency && sighting.state != State::Up {
            sighting.state = State::Unknown;
        }
        sighting
    }

    fn with(&self, parts: Vec<Part>, now_unix_ms: i64) -> Self {
        let (status, summary) = judge(&parts);
        Self {
            begun_unix_ms: self.begun_unix_ms,
            at_unix_ms: now_unix_ms,
            status,
            since_unix_ms: if status == self.status {
                self.since_unix_ms
            } else {
                now_unix_ms
            },
            summary,
            parts,
        }
    }

    fn change(&self, part: &Part) -> Option<Change> {
        let before = self.part(part.kind, &part.name).map(|before| before.state);
        (before != Some(part.state)).then(|| Change {
            at_unix_ms: part.since_unix_ms,
            part: part.name.clone(),
            kind: part.kind,
            state: part.state,
            reason: part.reason.clone(),
            latency_ms: part.latency_ms,
        })
    }

    fn whole_change(&self, before: &Self) -> Option<Change> {
        (self.status != before.status).then(|| Change {
            at_unix_ms: self.since_unix_ms,
            part: WHOLE.to_owned(),
            kind: Kind::Whole,
            state: self.status.state(),
            reason: self.summary.clone(),
            latency_ms: None,
        })
    }

    /// Takes over since when parts fare as they do, where another process saw it begin.
    pub(crate) fn remember(&mut self, kind: &str, name: &str, state: &str, since_unix_ms: i64) {
        if kind == Kind::Whole.as_str() && self.status.state().as_str() == state {
            self.since_unix_ms = self.since_unix_ms.min(since_unix_ms);
        }
        let mut parts = self.parts.iter_mut();
        let part = parts.find(|part| part.kind.as_str() == kind && part.name == name && part.state.as_str() == state);
        if let Some(part) = part {
            part.since_unix_ms = part.since_unix_ms.min(since_unix_ms);
        }
    }

    /// How many parts are known not to be up.
    pub(crate) fn not_up(&self) -> usize {
        self.parts.iter().filter(|part| is_bad(part)).count()
    }
}

fn seen(before: Option<&Part>, sighting: Sighting, now_unix_ms: i64) -> Part {
    let mut part = Part {
        name: sighting.name,
        kind: sighting.kind,
        state: sighting.state,
        latency_ms: sighting.latency_ms,
        since_unix_ms: now_unix_ms,
        reason: sighting.reason,
        doubted_unix_ms: None,
        seen_unix_ms: now_unix_ms,
    };
    let Some(before) = before else { return part };
    if before.state == part.state {
        part.since_unix_ms = before.since_unix_ms;
    } else if before.state == State::Up && !sighting.is_sure {
        match before.doubted_unix_ms {
            Some(doubted) => part.since_unix_ms = doubted,
            None => {
                part.state = State::Up;
                part.since_unix_ms = before.since_unix_ms;
                part.doubted_unix_ms = Some(now_unix_ms);
            }
        }
    }
    part
}

fn unseen(before: &Part, now_unix_ms: i64) -> Option<Part> {
    if now_unix_ms - before.seen_unix_ms > FORGOTTEN_MS {
        return None;
    }
    let is_new = before.state != State::Unknown;
    Some(Part {
        state: State::Unknown,
        latency_ms: None,
        since_unix_ms: if is_new { now_unix_ms } else { before.since_unix_ms },
        reason: "whoever tells of it cannot be asked".to_owned(),
        doubted_unix_ms: None,
        ..before.clone()
    })
}

/// Whoever cannot say anything of itself does not do its work for all that is known.
const fn is_bad(part: &Part) -> bool {
    match part.kind {
        Kind::Service => !matches!(part.state, State::Up),
        _ => matches!(part.state, State::Degraded | State::Down),
    }
}

/// How the whole fares, and that in a sentence.
fn judge(parts: &[Part]) -> (Status, String) {
    let connectivity = parts.iter().find(|part| part.name == CONNECTIVITY);
    match connectivity.map(|part| (part.state, &part.reason)) {
        Some((State::Down, reason)) => return (Status::Down, format!("Queries are not answered: {reason}.")),
        Some((State::Up | State::Degraded, _)) => {}
        Some((State::Unknown, _)) | None => {
            return (
                Status::Unknown,
                "Whether queries are answered is not known yet.".to_owned(),
            );
        }
    }
    let bad: Vec<String> = parts
        .iter()
        .filter(|part| is_bad(part))
        .map(|part| format!("{} is {}", part.name, part.state.as_str()))
        .collect();
    if bad.is_empty() {
        (Status::Healthy, "Everything answers.".to_owned())
    } else {
        (
            Status::Degraded,
            format!("Queries are answered, but {}.", bad.join(", ")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(connectivity: State, bus: State) -> Vec<Sighting> {
        vec![
            Sighting::new(CONNECTIVITY, Kind::Aspect, connectivity, "refused"),
            Sighting::new("bus", Kind::Dependency, bus, "gone"),
        ]
    }

    #[test]
    fn degraded_is_not_down_and_since_is_when_it_began() {
        let (healthy, changes) = Picture::empty(0).after(look(State::Up, State::Up), 10);
        assert_eq!((healthy.status, changes.len()), (Status::Healthy, 3));
        let (degraded, changes) = healthy.after(look(State::Up, State::Down), 20);
        assert_eq!((degraded.status, degraded.since_unix_ms), (Status::Degraded, 20));
        assert_eq!(degraded.summary, "Queries are answered, but bus is down.");
        let told: Vec<(&str, State)> = changes
            .iter()
            .map(|change| (change.part.as_str(), change.state))
            .collect();
        assert_eq!(told, [("bus", State::Down), (WHOLE, State::Degraded)]);
        let (same, changes) = degraded.after(look(State::Up, State::Down), 30);
        assert_eq!((same.since_unix_ms, changes), (20, vec![]));
        assert_eq!(same.part(Kind::Dependency, "bus").unwrap().since_unix_ms, 20);
        let (down, _) = same.after(look(State::Down, State::Down), 40);
        assert_eq!(
            (down.status, down.summary.as_str()),
            (Status::Down, "Queries are not answered: refused.")
        );
        let (up, _) = down.after(look(State::Up, State::Up), 50);
        assert_eq!((up.status, up.since_unix_ms), (Status::Healthy, 50));
    }

    #[test]
    fn one_late_answer_is_not_an_outage_and_two_are_one_from_the_first() {
        let (up, _) = Picture::empty(0).after(look(State::Up, State::Up), 10);
        let late = || vec![Sighting::new(CONNECTIVITY, Kind::Aspect, State::Down, "late").unsure()];
        let (doubted, _) = up.after(late(), 20);
        assert_eq!(doubted.status, Status::Healthy);
        let (again, _) = doubted.after(look(State::Up, State::Up), 25);
        let (doubted, _) = again.after(late(), 30);
        let (down, _) = doubted.after(late(), 40);
        assert_eq!(down.status, Status::Down);
        assert_eq!(down.part(Kind::Aspect, CONNECTIVITY).unwrap().since_unix_ms, 30);
    }

    #[test]
    fn what_nobody_tells_of_is_unknown_and_then_forgotten() {
        let (up, _) = Picture::empty(0).after(look(State::Up, State::Up), 10);
        let only = || vec![Sighting::new(CONNECTIVITY, Kind::Aspect, State::Up, "")];
        let (untold, _) = up.after(only(), 20);
        assert_eq!(untold.part(Kind::Dependency, "bus").unwrap().state, State::Unknown);
        assert_eq!(untold.status, Status::Healthy);
        let (later, _) = untold.after(only(), 11 + FORGOTTEN_MS);
        assert!(later.part(Kind::Dependency, "bus").is_none());
    }

    #[test]
    fn who_is_started_together_is_not_called_down_for_coming_second() {
        let away = |state| vec![Sighting::new("cache", Kind::Service, state, "nobody answers")];
        let sightings = |state| [look(State::Up, State::Up), away(state)].concat();
        let (early, _) = Picture::empty(0).after(sightings(State::Down), 10);
        assert_eq!(early.part(Kind::Service, "cache").unwrap().state, State::Unknown);
        assert_eq!(early.status, Status::Degraded);
        let (late, _) = early.after(sightings(State::Down), STARTING_MS);
        assert_eq!(late.part(Kind::Service, "cache").unwrap().state, State::Down);
        let (up, _) = early.after(sightings(State::Up), 20);
        let (gone, _) = up.after(sightings(State::Down), 30);
        assert_eq!(gone.part(Kind::Service, "cache").unwrap().state, State::Down);
    }

    #[test]
    fn another_process_saw_it_begin() {
        let (mut up, _) = Picture::empty(0).after(look(State::Up, State::Down), 100);
        up.remember("dependency", "bus", "down", 40);
        up.remember("aspect", CONNECTIVITY, "down", 30);
        up.remember("whole", WHOLE, "degraded", 40);
        assert_eq!(up.part(Kind::Dependency, "bus").unwrap().since_unix_ms, 40);
        assert_eq!(up.part(Kind::Aspect, CONNECTIVITY).unwrap().since_unix_ms, 100);
        assert_eq!(up.since_unix_ms, 40);
    }
}
