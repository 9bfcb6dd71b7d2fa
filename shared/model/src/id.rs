//! Names that travel: project, upstream, query fingerprint.

use std::fmt;
use std::str::FromStr;

/// A name or id that cannot be one, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is not valid: {reason}")]
pub struct InvalidId {
    kind: &'static str,
    value: String,
    reason: &'static str,
}

/// Longest project or upstream name, so that label values and subject tokens stay bounded.
const NAME_BYTES_MAX: usize = 63;

fn checked_name(kind: &'static str, value: &str) -> Result<String, InvalidId> {
    let invalid = |reason| InvalidId {
        kind,
        value: value.chars().take(NAME_BYTES_MAX).collect(),
        reason,
    };
    if value.is_empty() {
        return Err(invalid("it is empty"));
    }
    if value.len() > NAME_BYTES_MAX {
        return Err(invalid("it is longer than 63 characters"));
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if !value.bytes().all(fits) {
        return Err(invalid("only a-z, 0-9, '-' and '_' may stand in it"));
    }
    Ok(value.to_owned())
}

/// The tenant on whose behalf something happens. Safe as a subject token and as a metric label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Project(String);

impl Project {
    /// Checks a project's name: 1 to 63 of `a-z`, `0-9`, `-`, `_`.
    pub fn parse(value: &str) -> Result<Self, InvalidId> {
        checked_name("project", value).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Project {
    /// The project of everything that names none.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// A PostgreSQL server (or the primary of a group) that Weir stands in front of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Upstream(String);

impl Upstream {
    /// Checks an upstream's name: 1 to 63 of `a-z`, `0-9`, `-`, `_`.
    pub fn parse(value: &str) -> Result<Self, InvalidId> {
        checked_name("upstream", value).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! name_as_text {
    ($name:ty) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(value: &str) -> Result<Self, InvalidId> {
                Self::parse(value)
            }
        }
    };
}
name_as_text!(Project);
name_as_text!(Upstream);

/// The identity of a statement's shape. Written as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// A fingerprint from its number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number behind it.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidId;
    fn from_str(value: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId {
            kind: "fingerprint",
            value: value.chars().take(NAME_BYTES_MAX).collect(),
            reason: "16 hexadecimal digits are expected",
        };
        if value.len() != 16 {
            return Err(invalid());
        }
        u64::from_str_radix(value, 16).map(Self).map_err(|_| invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_safe_as_a_subject_token() {
        assert_eq!(Project::parse("shop_eu-1").unwrap().as_str(), "shop_eu-1");
        for bad in ["", "a.b", "a b", "A", "*", ">", "é", &"x".repeat(64)] {
            assert!(Project::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_fingerprint_survives_its_text() {
        let fingerprint = Fingerprint::new(0x00ab_cdef_0123_4567);
        assert_eq!(fingerprint.to_string(), "00abcdef01234567");
        assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
        assert!("abc".parse::<Fingerprint>().is_err());
        assert!("00abcdef0123456g".parse::<Fingerprint>().is_err());
    }
}
