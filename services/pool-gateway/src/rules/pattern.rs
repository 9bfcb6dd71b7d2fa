//! Names as rules write them: as they are, with `*` for any part. Pure.

/// What names a part of a rule is about; all, without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pattern(Option<Box<[Box<str>]>>);

impl Pattern {
    pub(super) fn of(text: &str) -> Self {
        if text == "*" {
            return Self(None);
        }
        Self(Some(text.split('*').map(Box::from).collect()))
    }

    pub(super) const fn is_named(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn covers(&self, name: &str) -> bool {
        let Some(parts) = &self.0 else { return true };
        match &**parts {
            [] => name.is_empty(),
            [whole] => **whole == *name,
            [first, middle @ .., last] => {
                let rest = name.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last));
                rest.is_some_and(|rest| in_order(middle, rest))
            }
        }
    }
}

/// Whether these parts stand in a text one behind the other.
fn in_order(parts: &[Box<str>], text: &str) -> bool {
    let mut rest = Some(text);
    for part in parts {
        rest = rest.and_then(|rest| rest.split_once(&**part)).map(|(_, after)| after);
    }
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part() {
        for (pattern, names, others) in [
            ("shop", &["shop"][..], &["shops", "sho", ""][..]),
            ("*", &["", "any"], &[]),
            ("shop_*", &["shop_", "shop_1"], &["shop", "my_shop_1"]),
            ("*_test", &["a_test", "_test"], &["a_tests"]),
            ("a*b*c", &["abc", "aXbYc", "abbc"], &["ac", "acb", "abcd"]),
            ("", &[""], &["a"]),
            ("aa*aa", &["aaaa", "aaXaa"], &["aaa"]),
        ] {
            let read = Pattern::of(pattern);
            assert!(names.iter().all(|name| read.covers(name)), "{pattern}");
            assert!(!others.iter().any(|name| read.covers(name)), "{pattern}");
        }
    }
}
