//! Subjects and the patterns that choose among them. Pure.
//!
//! A subject is tokens joined by dots. In a pattern `*` stands for one token and `>`, at the end, for one or more.

use crate::Error;

/// Longest subject or pattern, so that a line of the protocol stays short.
const SUBJECT_BYTES_MAX: usize = 1024;

/// Checks a subject that a message is published on: it names one place, so it has no wildcard.
pub(crate) fn check_subject(subject: &str) -> Result<(), Error> {
    match tokens_fault(subject) {
        Some(reason) => Err(Error::invalid("subject", subject, reason)),
        None if subject.contains(['*', '>']) => Err(Error::invalid(
            "subject",
            subject,
            "a wildcard may stand in patterns only",
        )),
        None => Ok(()),
    }
}

/// Checks the name of a stream, a consumer or a group, which servers use as one token and in file names.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 63 || !name.bytes().all(fits) {
        let reason = "1 to 63 letters, digits, '-' and '_' are expected";
        return Err(Error::invalid(what, name, reason));
    }
    Ok(())
}

fn tokens_fault(text: &str) -> Option<&'static str> {
    if text.len() > SUBJECT_BYTES_MAX {
        return Some("it is longer than 1024 bytes");
    }
    if text.split('.').any(str::is_empty) {
        return Some("a token between the dots is empty");
    }
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return Some("it holds a space or a control character");
    }
    None
}

/// Which subjects somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Checks a pattern: wildcards are whole tokens, and `>` is the last one.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if let Some(reason) = tokens_fault(text) {
            return Err(Error::invalid("pattern", text, reason));
        }
        if text
            .split('.')
            .any(|token| token.len() > 1 && token.contains(['*', '>']))
        {
            return Err(Error::invalid("pattern", text, "a wildcard must be a whole token"));
        }
        if text.split('.').rev().skip(1).any(|token| token == ">") {
            return Err(Error::invalid("pattern", text, "'>' may stand at the end only"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Every pattern of a list, or the first fault.
    pub(crate) fn parse_all<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Self>, Error> {
        texts.iter().map(|text| Self::parse(text.as_ref())).collect()
    }

    /// The pattern as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a subject is among them.
    pub(crate) fn matches(&self, subject: &str) -> bool {
        covers(self.0.split('.'), subject.split('.'))
    }

    /// Whether every subject of the other pattern is among them.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        covers(self.0.split('.'), other.0.split('.'))
    }

    /// Whether some subject is in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.0.split('.'), other.0.split('.'));
        loop {
            match (left.next(), right.next()) {
                (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
                (Some(one), Some(two)) if one == two || one == "*" || two == "*" => {}
                _ => return false,
            }
        }
    }
}

/// Whether the wider tokens take in all that the narrower ones stand for.
fn covers<'a>(mut wide: impl Iterator<Item = &'a str>, mut narrow: impl Iterator<Item = &'a str>) -> bool {
    loop {
        match (wide.next(), narrow.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(one), Some(two)) if one == two => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn wildcards_stand_for_whole_tokens() {
        for (text, subject, expected) in [
            ("weir.a.query.executed", "weir.a.query.executed", true),
            ("weir.*.query.executed", "weir.a.query.executed", true),
            ("weir.*.query.executed", "weir.a.b.query.executed", false),
            ("weir.*", "weir", false),
            ("weir.*", "weir.a.b", false),
            ("weir.>", "weir.a.b", true),
            ("weir.>", "weir", false),
            (">", "weir", true),
            ("weir.a", "weir.ab", false),
        ] {
            assert_eq!(pattern(text).matches(subject), expected, "{text} on {subject}");
        }
    }

    #[test]
    fn a_wider_pattern_contains_a_narrower_one() {
        for (wide, narrow, expected) in [
            ("weir.*.job.>", "weir.*.job.requested", true),
            ("weir.*.job.>", "weir.shop.job.*", true),
            ("weir.*.job.>", "weir.>", false),
            ("weir.*.job.*", "weir.*.job.>", false),
            ("weir.*", "weir.>", false),
            ("weir.a", "weir.*", false),
        ] {
            assert_eq!(
                pattern(wide).contains(&pattern(narrow)),
                expected,
                "{wide} over {narrow}"
            );
        }
    }

    #[test]
    fn patterns_overlap_where_one_subject_fits_both() {
        for (one, two, expected) in [
            ("weir.*.job.>", "weir.*.alert.>", false),
            ("weir.*.job.>", "weir.shop.*.requested", true),
            ("weir.>", "weir.a", true),
            ("weir.a", "weir.a.b", false),
            ("*.a", "b.*", true),
        ] {
            assert_eq!(pattern(one).overlaps(&pattern(two)), expected, "{one} and {two}");
            assert_eq!(pattern(two).overlaps(&pattern(one)), expected, "{two} and {one}");
        }
    }

    #[test]
    fn faulty_subjects_patterns_and_names_are_refused() {
        for bad in ["", ".", "a..b", "a.", "a b", "a\r\nb", "a.*", "a.>", &"x".repeat(1025)] {
            assert!(check_subject(bad).is_err(), "{bad:?} was accepted as a subject");
        }
        for bad in ["", "a..b", "a.>.b", "a.b*", "a.>>", "a. "] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?} was accepted as a pattern");
        }
        for bad in ["", "a.b", "a b", "*", "é", &"x".repeat(64)] {
            assert!(check_name("stream", bad).is_err(), "{bad:?} was accepted as a name");
        }
        assert!(check_subject("weir.shop-1.query.executed").is_ok());
        assert!(check_name("stream", "WEIR_JOBS-1").is_ok());
    }
}
