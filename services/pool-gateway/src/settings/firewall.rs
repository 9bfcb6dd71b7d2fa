//! Settings of the firewall.

use weir_config::Setting;

/// What the firewall does with statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirewallMode {
    /// Nothing.
    Off,
    /// It learns their shapes, tells of what is dangerous, and refuses nothing.
    Learn,
    /// It tells of what is suspicious, notes shapes that it does not know, and refuses nothing.
    Monitor,
    /// It refuses what is dangerous, and of the unknown as much as the strictness says.
    Enforce,
}

impl FirewallMode {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Off, Self::Learn, Self::Monitor, Self::Enforce];

    /// Its name in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Learn => "learn",
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        }
    }
}

impl Setting for FirewallMode {
    fn kind() -> String {
        "off, learn, monitor or enforce".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is not {}", Self::kind()))
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

/// How much of the unknown is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// What is suspicious.
    Balanced,
    /// All of it.
    Strict,
}

impl Strictness {
    /// Its name in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Strict => "strict",
        }
    }
}

impl Setting for Strictness {
    fn kind() -> String {
        "balanced or strict".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        let found = [Self::Balanced, Self::Strict]
            .into_iter()
            .find(|level| level.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is not {}", Self::kind()))
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}
