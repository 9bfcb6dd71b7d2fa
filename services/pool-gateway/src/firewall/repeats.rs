//! What is told once a minute, however often it happens. Pure.
//!
//! The first is told at once; those that follow within a minute are counted, and told together when it is over.

use std::collections::HashMap;

use tokio::time::Instant;

use super::telling::Violation;
use super::windows::MINUTE;

/// Kinds of violations that are told apart; beyond it those of a rule are told as one.
const KINDS_MAX: usize = 4_096;

/// What makes two violations the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    rule: &'static str,
    blocks: bool,
    /// Empty for all of a rule.
    whose: Option<Whose>,
}

/// Whose statement it was, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Whose {
    fingerprint: Option<u64>,
    project: Box<str>,
    user: Box<str>,
    client: Box<str>,
}

impl Kind {
    fn of(violation: &Violation) -> Self {
        let Violation {
            project, user, client, ..
        } = violation;
        Self {
            rule: violation.rule,
            blocks: violation.blocks,
            whose: Some(Whose {
                fingerprint: violation.fingerprint,
                project: project.as_str().into(),
                user: (&**user).into(),
                client: (&**client).into(),
            }),
        }
    }
}

/// One that was told lately.
#[derive(Debug)]
struct Told {
    at: Instant,
    /// The last of those that followed, and how many.
    followed: Option<(Violation, u32)>,
}

/// What was told lately.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<Kind, Told>);

impl Repeats {
    /// A violation that happened, if it is to be told now.
    pub(super) fn hear(&mut self, violation: Violation, now: Instant) -> Option<Violation> {
        let mut kind = Kind::of(&violation);
        if self.0.len() >= KINDS_MAX && !self.0.contains_key(&kind) {
            kind.whose = None;
        }
        match self.0.get_mut(&kind) {
            Some(told) => {
                let count = told.followed.as_ref().map_or(0, |(_, count)| *count);
                told.followed = Some((violation, count.saturating_add(1)));
                None
            }
            None => {
                let told = Told {
                    at: now,
                    followed: None,
                };
                self.0.insert(kind, told);
                Some(violation)
            }
        }
    }

    /// Those whose minute is over, with how often they happened in it. What has not happened again is forgotten.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(Violation, u32)> {
        let mut due = Vec::new();
        self.0.retain(|_, told| {
            if now.duration_since(told.at) < MINUTE {
                return true;
            }
            told.at = now;
            let followed = told.followed.take();
            let goes_on = followed.is_some();
            due.extend(followed);
            goes_on
        });
        due
    }

    /// All that has not been told, at the end.
    pub(super) fn rest(&mut self) -> Vec<(Violation, u32)> {
        self.0.drain().filter_map(|(_, told)| told.followed).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_model::Project;
    use weir_proto::common::v1::Severity;
    use weir_proto::events::v1::Door;

    use super::*;

    fn violation(fingerprint: u64, client: &str) -> Violation {
        Violation {
            rule: "tautology",
            rules: Vec::new(),
            blocks: true,
            severity: Severity::Critical,
            score: 60,
            project: Project::default(),
            database: "d".into(),
            user: "u".into(),
            application: "".into(),
            upstream: "".into(),
            client: client.into(),
            door: Door::Wire,
            fingerprint: Some(fingerprint),
            summary: "",
            traceparent: "".into(),
        }
    }

    #[tokio::test]
    async fn the_first_is_told_at_once_and_the_rest_together() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(repeats.hear(violation(1, "a"), at(0)).is_some());
        assert!((1..=9).all(|second| repeats.hear(violation(1, "a"), at(second)).is_none()));
        assert!(repeats.hear(violation(1, "b"), at(9)).is_some(), "another client");
        assert!(repeats.hear(violation(2, "a"), at(9)).is_some(), "another statement");
        assert!(repeats.due(at(59)).is_empty());
        let counts = |due: Vec<(Violation, u32)>| due.into_iter().map(|(_, count)| count).collect::<Vec<_>>();
        assert_eq!(counts(repeats.due(at(60))), [9]);
        assert!(repeats.hear(violation(1, "a"), at(61)).is_none());
        assert_eq!(counts(repeats.due(at(120))), [1]);
        // A minute in which nothing happened ends it.
        assert!(repeats.due(at(180)).is_empty() && repeats.0.is_empty());
        assert!(repeats.hear(violation(1, "a"), at(181)).is_some());
        repeats.hear(violation(1, "a"), at(182));
        assert_eq!(counts(repeats.rest()), [1]);
    }

    #[tokio::test]
    async fn a_flood_of_many_kinds_is_told_by_rule() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let told = (0..100_000).filter(|number| repeats.hear(violation(*number, "a"), now).is_some());
        assert_eq!(told.count(), KINDS_MAX + 1);
        assert_eq!(repeats.0.len(), KINDS_MAX + 1);
        let rest: u32 = repeats.rest().into_iter().map(|(_, count)| count).sum();
        assert_eq!(rest, 100_000 - 1 - u32::try_from(KINDS_MAX).unwrap());
    }
}
