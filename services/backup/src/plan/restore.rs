//! What a restore would do, and what stands against it. Pure.

/// Something that stands against a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub slug: &'static str,
    /// What it is and what would help: one sentence.
    pub detail: String,
    pub can_be_forced: bool,
}

impl Obstacle {
    /// One that nobody may override.
    pub(crate) const fn firm(slug: &'static str, detail: String) -> Self {
        Self {
            slug,
            detail,
            can_be_forced: false,
        }
    }

    /// One that may be overridden by whoever knows better.
    pub(crate) const fn soft(slug: &'static str, detail: String) -> Self {
        Self {
            slug,
            detail,
            can_be_forced: true,
        }
    }
}
