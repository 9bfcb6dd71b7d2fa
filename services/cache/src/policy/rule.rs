//! Pure. One rule, checked.

use std::fmt;
use std::time::Duration;

use weir_model::{Fingerprint, Project};

/// A bound below this would have every answer too old before it is there.
const BOUND_MIN: Duration = Duration::from_millis(50);
/// Times of rules travel as 32 bits of milliseconds.
const TIME_MAX: Duration = Duration::from_millis(u32::MAX as u64);
/// Longest note, in characters.
const NOTE_MAX: usize = 1_000;
/// Longest name of a table, with its schema, as PostgreSQL could have it.
const RELATION_BYTES_MAX: usize = 127;

/// What a rule is about. Those that are more particular come first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// Statements of one shape.
    Shape(Fingerprint),
    /// Statements that read this table, given as `schema.name`.
    Relation(String),
    /// All statements of the project.
    Project,
}

/// Whether results are kept. The most cautious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// Never.
    Never,
    /// As if, but PostgreSQL answers.
    DryRun,
    /// While it is measured to pay.
    Auto,
    /// Whenever it is correct.
    Always,
}

/// How fresh they have to be. The most cautious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As if PostgreSQL had been asked.
    Strict,
    /// A session sees its own writes and never goes back.
    Session,
    /// As the pool says.
    Default,
    /// No older than a time.
    Bounded,
    /// Until their time is over.
    Ttl,
}

/// Where a rule comes from. The one that holds first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// The settings file.
    File,
    /// A call.
    Call,
}

/// One rule. A time of nothing and a size of 0 say nothing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) project: Project,
    pub(crate) subject: Subject,
    pub(crate) origin: Origin,
    pub(crate) mode: Mode,
    pub(crate) level: Level,
    pub(crate) bound: Duration,
    pub(crate) ttl: Duration,
    pub(crate) empty_ttl: Duration,
    pub(crate) result_bytes_max: u64,
    pub(crate) memory_bytes_max: u64,
    pub(crate) note: String,
}

/// A rule that cannot be, and which part of it is why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub(crate) struct InvalidRule {
    pub(crate) field: &'static str,
    pub(crate) reason: String,
}

pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> InvalidRule {
    let reason = reason.into();
    InvalidRule { field, reason }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(fingerprint) => write!(f, "shape/{fingerprint}"),
            Self::Relation(relation) => write!(f, "table/{relation}"),
            Self::Project => f.write_str("project"),
        }
    }
}

impl Subject {
    /// A table, as `schema.name`.
    pub(crate) fn relation(name: &str) -> Result<Self, InvalidRule> {
        let parts = name.split_once('.');
        let is_whole = parts.is_some_and(|(schema, name)| !schema.is_empty() && !name.is_empty());
        if !is_whole || name.len() > RELATION_BYTES_MAX || name.chars().any(char::is_control) {
            let shown: String = name.chars().take(RELATION_BYTES_MAX).collect();
            return Err(invalid("table", format!("{shown:?} is not schema.name")));
        }
        Ok(Self::Relation(name.to_owned()))
    }

    /// Reads back what it is written as.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidRule> {
        match text.split_once('/') {
            Some(("shape", digits)) => Self::shape(digits),
            Some(("table", name)) => Self::relation(name),
            _ if text == "project" => Ok(Self::Project),
            _ => Err(invalid("subject", format!("{text:?} is none"))),
        }
    }

    /// A shape, as 16 hexadecimal digits.
    pub(crate) fn shape(digits: &str) -> Result<Self, InvalidRule> {
        let parsed = digits.parse().map(Self::Shape);
        parsed.map_err(|error: weir_model::InvalidId| invalid("fingerprint", error.to_string()))
    }
}

impl Rule {
    /// A rule that has nothing kept.
    pub(crate) fn never(project: Project, subject: Subject, note: &str) -> Self {
        Self {
            id: String::new(),
            project,
            subject,
            origin: Origin::Call,
            mode: Mode::Never,
            level: Level::Default,
            bound: Duration::ZERO,
            ttl: Duration::ZERO,
            empty_ttl: Duration::ZERO,
            result_bytes_max: 0,
            memory_bytes_max: 0,
            note: note.to_owned(),
        }
    }

    /// Refuses what contradicts itself, or would do nothing.
    pub(crate) fn checked(self) -> Result<Self, InvalidRule> {
        self.check_times()?;
        self.check_level()?;
        if self.subject != Subject::Project && self.memory_bytes_max > 0 {
            let reason = "a budget belongs to a whole project: leave out fingerprint and table";
            return Err(invalid("memory_bytes_max", reason));
        }
        if self.note.chars().count() > NOTE_MAX || self.note.chars().any(|sign| sign.is_control() && sign != '\n') {
            let reason = format!("at most {NOTE_MAX} characters, and none that cannot be seen");
            return Err(invalid("note", reason));
        }
        Ok(self)
    }

    fn check_times(&self) -> Result<(), InvalidRule> {
        for (field, time) in [("bound", self.bound), ("ttl", self.ttl), ("empty_ttl", self.empty_ttl)] {
            if time > TIME_MAX {
                return Err(invalid(field, "it is longer than 49 days"));
            }
        }
        Ok(())
    }

    fn check_level(&self) -> Result<(), InvalidRule> {
        if self.level == Level::Ttl && self.ttl.is_zero() {
            return Err(invalid("ttl", "consistency ttl needs one: how long a result lives"));
        }
        if self.level != Level::Bounded && !self.bound.is_zero() {
            return Err(invalid("bound", "it says something with consistency bounded only"));
        }
        if !self.bound.is_zero() && self.bound < BOUND_MIN {
            return Err(invalid(
                "bound",
                "at least 50 ms are needed to know how fresh a result is",
            ));
        }
        Ok(())
    }

    /// By which of several rules about tables is chosen: the least is the most cautious. It ends in the subject, so
    /// that there is always one.
    pub(crate) fn caution(&self) -> impl Ord + '_ {
        let shortest = |time: Duration| if time.is_zero() { Duration::MAX } else { time };
        let is_stopped = self.mode <= Mode::DryRun;
        let by_mode = if is_stopped { self.mode } else { Mode::Auto };
        (
            by_mode,
            self.level,
            shortest(self.bound),
            shortest(self.ttl),
            self.mode,
            &self.subject,
        )
    }
}
