//! One thing that was examined: how it stands, what was found, and how it is mended. Pure.

use serde_json::{Value as Json, json};

/// How something stands, the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// It could not be examined; the finding says why.
    Skipped,
    /// As it should be.
    Good,
    /// Worth knowing; nothing has to be done.
    Note,
    /// It works now, and will cost something sooner or later.
    Warning,
    /// Something does not work, or data is in danger.
    Problem,
}

impl State {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Good => "good",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    /// Whether somebody has to do something.
    pub(super) fn is_bad(self) -> bool {
        self >= Self::Warning
    }
}

/// What came of looking at one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// Its name, one of [`super::names::NAMES`].
    pub(super) name: &'static str,
    /// Which of several: a service, a server, a path. Empty where there is one only.
    pub(super) about: String,
    pub(super) state: State,
    /// What was found, with figures.
    pub(super) found: String,
    /// How it is mended: a command, a statement or a setting. Empty where nothing has to be.
    pub(super) mend: String,
}

impl Check {
    pub(super) fn to_json(&self) -> Json {
        json!({
            "name": self.name,
            "about": self.about,
            "state": self.state.word(),
            "found": self.found,
            "mend": self.mend,
        })
    }
}

/// The subject of a check that is not made yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a>(pub(super) &'static str, pub(super) &'a str);

impl Subject<'_> {
    pub(super) fn good(self, found: impl Into<String>) -> Check {
        self.check(State::Good, found.into(), String::new())
    }

    pub(super) fn note(self, found: impl Into<String>, mend: impl Into<String>) -> Check {
        self.check(State::Note, found.into(), mend.into())
    }

    pub(super) fn warning(self, found: impl Into<String>, mend: impl Into<String>) -> Check {
        self.check(State::Warning, found.into(), mend.into())
    }

    pub(super) fn problem(self, found: impl Into<String>, mend: impl Into<String>) -> Check {
        self.check(State::Problem, found.into(), mend.into())
    }

    pub(super) fn skipped(self, because: impl Into<String>) -> Check {
        self.check(State::Skipped, because.into(), String::new())
    }

    /// One of the states that ask for something, chosen by the caller.
    pub(super) fn check(self, state: State, found: String, mend: String) -> Check {
        Check {
            name: self.0,
            about: self.1.to_owned(),
            state,
            found,
            mend,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_warnings_and_problems_ask_for_something() {
        let states = [State::Skipped, State::Good, State::Note, State::Warning, State::Problem];
        assert_eq!(states.map(State::is_bad), [false, false, false, true, true]);
    }
}
