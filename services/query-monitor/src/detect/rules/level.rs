//! How much something matters, and from which figure on. Pure.

use serde::{Deserialize, Serialize};

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look during the day.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// From the least to the most.
    pub(crate) const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// As rows and notices have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }

    /// Its place in tables of three.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// On which side of a bound things are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the bound upwards.
    Above,
    /// From the bound downwards.
    Below,
}

impl Direction {
    /// Whether a figure is as bad as a bound, or worse. What is no number is never bad.
    pub(crate) fn reaches(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Above => value >= bound,
            Self::Below => value <= bound,
        }
    }
}

/// Where a condition begins to hold, and up to where it goes on: with one bound for both, a figure that stands just
/// there would begin and end an alert at each reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bound {
    /// From here on it holds.
    pub raise: f64,
    /// Once it holds, it goes on as far as here.
    pub clear: f64,
}

/// The bounds of a rule by severity; none of a severity means that it is never that.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Levels(pub [Option<Bound>; 3]);

impl Levels {
    /// The bound of a severity.
    pub(crate) fn of(&self, severity: Severity) -> Option<Bound> {
        self.0.get(severity.index()).copied().flatten()
    }

    /// Sets the bound of a severity.
    pub(crate) fn set(&mut self, severity: Severity, bound: Option<Bound>) {
        if let Some(slot) = self.0.get_mut(severity.index()) {
            *slot = bound;
        }
    }

    /// Severities that have a bound, from the least to the most.
    pub(crate) fn used(&self) -> impl Iterator<Item = (Severity, Bound)> + '_ {
        Severity::ALL
            .into_iter()
            .filter_map(|severity| Some((severity, self.of(severity)?)))
    }

    /// How bad a figure is, given how bad it was before.
    pub(crate) fn level(&self, direction: Direction, value: f64, before: Option<Severity>) -> Option<Severity> {
        let holds = |(severity, bound): &(Severity, Bound)| {
            direction.reaches(value, bound.raise)
                || (before >= Some(*severity) && direction.reaches(value, bound.clear))
        };
        self.used().filter(holds).last().map(|(severity, _)| severity)
    }

    /// Whether a figure can be part of an alert at all, of a new one or of one that goes on.
    pub(crate) fn may_hold(&self, direction: Direction, value: f64) -> bool {
        self.used().any(|(_, bound)| direction.reaches(value, bound.clear))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels() -> Levels {
        let mut levels = Levels::default();
        levels.set(Severity::Warning, Some(Bound { raise: 0.8, clear: 0.7 }));
        levels.set(
            Severity::Critical,
            Some(Bound {
                raise: 0.9,
                clear: 0.85,
            }),
        );
        levels
    }

    #[test]
    fn a_level_is_left_later_than_it_is_entered() {
        use Severity::{Critical, Warning};
        let level = |value, before| levels().level(Direction::Above, value, before);
        assert_eq!(level(0.79, None), None);
        assert_eq!(level(0.8, None), Some(Warning));
        assert_eq!(level(0.75, Some(Warning)), Some(Warning));
        assert_eq!(level(0.69, Some(Warning)), None);
        assert_eq!(level(0.87, Some(Warning)), Some(Warning));
        assert_eq!(level(0.9, Some(Warning)), Some(Critical));
        assert_eq!(level(0.87, Some(Critical)), Some(Critical));
        assert_eq!(level(0.84, Some(Critical)), Some(Warning));
        assert_eq!(level(f64::NAN, Some(Critical)), None);
        assert!(levels().may_hold(Direction::Above, 0.7) && !levels().may_hold(Direction::Above, 0.69));
    }

    #[test]
    fn below_is_the_other_way_round() {
        let mut levels = Levels::default();
        levels.set(
            Severity::Warning,
            Some(Bound {
                raise: 30.0,
                clear: 35.0,
            }),
        );
        let level = |value, before| levels.level(Direction::Below, value, before);
        assert_eq!(level(31.0, None), None);
        assert_eq!(level(30.0, None), Some(Severity::Warning));
        assert_eq!(level(34.0, Some(Severity::Warning)), Some(Severity::Warning));
        assert_eq!(level(36.0, Some(Severity::Warning)), None);
    }
}
