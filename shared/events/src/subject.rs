//! The grammar of subjects: `weir.<project>.<domain>.<event>`.
//!
//! A project's name cannot hold a dot or a wildcard, so a subject always has four tokens and nobody can subscribe to
//! another project's events by choosing a clever name.

use std::fmt;

use weir_model::Project;

/// The first token of every subject.
const ROOT: &str = "weir";

/// How much of a bad subject or pattern an error repeats.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// Where an event is published.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    project: Project,
    /// `<domain>.<event>`.
    suffix: &'static str,
}

impl Subject {
    /// The subject of an event, given as `<domain>.<event>`, for a project.
    pub(crate) const fn new(project: Project, suffix: &'static str) -> Self {
        Self { project, suffix }
    }

    /// The project.
    pub const fn project(&self) -> &Project {
        &self.project
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}.{}.{}", self.project, self.suffix)
    }
}

/// A subject that is not one of Weir's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a subject of the form weir.<project>.<domain>.<event>")]
pub struct InvalidSubject(String);

/// The project that a received subject names, and the `<domain>.<event>` after it.
pub(crate) fn parse(subject: &str) -> Result<(Project, &str), InvalidSubject> {
    parts(subject).ok_or_else(|| InvalidSubject(subject.chars().take(SHOWN_CHARACTERS_MAX).collect()))
}

fn parts(subject: &str) -> Option<(Project, &str)> {
    let (root, rest) = subject.split_once('.')?;
    let (project, suffix) = rest.split_once('.')?;
    let (domain, event) = suffix.split_once('.')?;
    let whole = root == ROOT && is_word(domain) && is_word(event);
    Project::parse(project)
        .ok()
        .filter(|_| whole)
        .map(|project| (project, suffix))
}

fn is_word(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A pattern that nothing can ever match, or that NATS refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a pattern: tokens joined by dots are expected, each a word or '*', and the last may be '>'")]
pub struct InvalidPattern(String);

/// Subjects that somebody wants to hear: tokens, `*` for any one token, `>` for the rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubjectPattern(String);

impl SubjectPattern {
    /// Checks a pattern.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let fits = |token: &str| !token.is_empty() && !token.contains([' ', '\t', '\r', '\n']);
        let word = |token: &str| fits(token) && (token == "*" || !token.contains(['*', '>']));
        let (before, last) = text.rsplit_once('.').unwrap_or(("", text));
        let before_fits = before.is_empty() && !text.starts_with('.') || before.split('.').all(word);
        if before_fits && (word(last) || last == ">") {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidPattern(text.chars().take(SHOWN_CHARACTERS_MAX).collect()))
    }

    /// An event, given as `<domain>.<event>`, of every project.
    pub fn of_every_project(suffix: &str) -> Self {
        Self(format!("{ROOT}.*.{suffix}"))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a subject fits.
    pub fn matches(&self, subject: &str) -> bool {
        let mut wanted = self.0.split('.');
        let mut given = subject.split('.');
        loop {
            match (wanted.next(), given.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some("*"), Some(_)) => {}
                (Some(wanted), Some(given)) if wanted == given => {}
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_its_project() {
        let subject = Subject::new(Project::parse("shop").unwrap(), "query.executed").to_string();
        assert_eq!(subject, "weir.shop.query.executed");
        assert_eq!(
            parse(&subject).unwrap(),
            (Project::parse("shop").unwrap(), "query.executed")
        );
        for bad in [
            "",
            "weir",
            "weir.shop.query",
            "weir.shop.query.",
            "weir.shop..executed",
            "weir..query.executed",
            "weir.shop.query.executed.x",
            "other.shop.query.executed",
            "weir.*.query.executed",
            "weir.shop.query.>",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn patterns_match_as_nats_does() {
        for (pattern, subject, fits) in [
            ("weir.*.job.>", "weir.shop.job.requested", true),
            ("weir.*.job.>", "weir.shop.job", false),
            ("weir.*.job.*", "weir.shop.alert.firing", false),
            ("weir.*.query.executed", "weir.shop.query.executed", true),
            ("weir.*.query", "weir.shop.query.executed", false),
            ("weir.shop.query.executed", "weir.shop.query.executed", true),
            ("weir.shop.query.executed", "weir.other.query.executed", false),
            ("weir.shop.query.executed.more", "weir.shop.query.executed", false),
            ("*.*.*.*", "weir.shop.query.executed", true),
            (">", "weir", true),
        ] {
            assert_eq!(
                SubjectPattern::parse(pattern).unwrap().matches(subject),
                fits,
                "{pattern} {subject}"
            );
        }
        assert_eq!(
            SubjectPattern::of_every_project("job.requested").as_str(),
            "weir.*.job.requested"
        );
    }

    #[test]
    fn what_nats_refuses_is_no_pattern() {
        for bad in [
            "",
            ".",
            "weir.",
            ".weir",
            "weir..job",
            "weir.>.job",
            "weir.jo*",
            "weir.job>",
            "weir. .job",
            "a b",
        ] {
            assert!(SubjectPattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}
