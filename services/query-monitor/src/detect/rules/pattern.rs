//! Words with holes in them: what a label, a rule's name or a project has to look like. Pure.

use std::fmt;

/// Longest pattern, so that matching takes a bounded time.
const BYTES_MAX: usize = 200;

/// `a*|b`: `*` stands for any part, `|` separates alternatives, `!` before everything means none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    without: bool,
    alternatives: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; the error is a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("a pattern is longer than {BYTES_MAX} bytes"));
        }
        let without = text.starts_with('!');
        let body = text.strip_prefix('!').unwrap_or(text);
        Ok(Self {
            text: text.to_owned(),
            without,
            alternatives: body.split('|').map(str::to_owned).collect(),
        })
    }

    /// Whether a word looks like that.
    pub(crate) fn matches(&self, word: &str) -> bool {
        self.alternatives.iter().any(|glob| matches_glob(glob, word)) != self.without
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a word consists of the parts between the stars, in their order. Greedy from the left, which is enough: a part
/// that is found early leaves the most for those that follow.
fn matches_glob(glob: &str, word: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else {
        return glob == word;
    };
    let Some(mut word) = word.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return word.ends_with(part);
        }
        match word.split_once(part) {
            Some((_, after)) => word = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_alternatives_and_negation() {
        for (pattern, word, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("a*a", "a", false),
            ("a**a", "aa", true),
            ("backup*|*recovery*", "test-recovery", true),
            ("!backup*|restore*", "backup-full", false),
            ("!backup*|restore*", "vacuum", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(word),
                expected,
                "{pattern} {word}"
            );
        }
        assert!(Pattern::parse(&"*".repeat(201)).is_err());
    }
}
