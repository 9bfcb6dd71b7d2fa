//! Settings of answers from memory.

use weir_config::Setting;

/// Whether repeated reads are answered from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// No.
    Off,
    /// Yes.
    On,
    /// PostgreSQL answers, and what would have been saved is counted.
    DryRun,
}

/// How fresh an answer from memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Consistency {
    /// As if PostgreSQL had been asked.
    Strict,
    /// A session sees what it wrote, and never goes back in time.
    Session,
    /// No older than the bound.
    Bounded,
    /// Nothing is answered from memory.
    Off,
}

impl CacheUse {
    const ALL: [(Self, &'static str); 3] = [(Self::Off, "off"), (Self::On, "on"), (Self::DryRun, "dry-run")];
}

impl Consistency {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Strict, "strict"),
        (Self::Session, "session"),
        (Self::Bounded, "bounded"),
        (Self::Off, "off"),
    ];

    /// The level of this name.
    pub fn named(text: &str) -> Option<Self> {
        find(&Self::ALL, text)
    }
}

fn find<T: Copy>(all: &[(T, &str)], text: &str) -> Option<T> {
    all.iter().find(|(_, name)| *name == text).map(|(value, _)| *value)
}

fn name_of<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> String {
    let found = all.iter().find(|(known, _)| *known == value);
    found.map_or(String::new(), |(_, name)| (*name).to_owned())
}

impl Setting for CacheUse {
    fn kind() -> String {
        "off, on or dry-run".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        find(&Self::ALL, text).ok_or_else(|| format!("{text:?} is not {}", Self::kind()))
    }

    fn show(&self) -> String {
        name_of(&Self::ALL, *self)
    }
}

impl Setting for Consistency {
    fn kind() -> String {
        "strict, session, bounded or off".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        Self::named(text).ok_or_else(|| format!("{text:?} is not {}", Self::kind()))
    }

    fn show(&self) -> String {
        name_of(&Self::ALL, *self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_shown() {
        for name in ["off", "on", "dry-run"] {
            assert_eq!(CacheUse::read(name).unwrap().show(), name);
        }
        for name in ["strict", "session", "bounded", "off"] {
            assert_eq!(Consistency::read(name).unwrap().show(), name);
        }
        assert!(CacheUse::read("yes").is_err() && Consistency::read("ttl").is_err());
    }
}
