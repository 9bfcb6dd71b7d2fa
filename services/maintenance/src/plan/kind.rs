//! What can be done to a relation. Pure.

/// A kind of work, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// What earlier work left behind is removed.
    Sweep,
    /// Old rows are frozen before the server would do it by day.
    Freeze,
    /// Dead rows are made room for new ones.
    Vacuum,
    /// The planner's statistics are renewed.
    Analyze,
    /// An index is built anew beside its use.
    Reindex,
    /// A table is written anew beside its use.
    Reorganize,
    /// An index is checked against its table.
    Verify,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 7] = [
        Self::Sweep,
        Self::Freeze,
        Self::Vacuum,
        Self::Analyze,
        Self::Reindex,
        Self::Reorganize,
        Self::Verify,
    ];

    /// Whether it takes reading of pages to know if it is due.
    pub(crate) const fn is_weighed(self) -> bool {
        matches!(self, Self::Reindex | Self::Reorganize | Self::Verify)
    }

    /// Its name in requests, plans, records and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Freeze => "freeze",
            Self::Vacuum => "vacuum",
            Self::Analyze => "analyze",
            Self::Reindex => "reindex",
            Self::Reorganize => "reorganize",
            Self::Verify => "verify",
        }
    }
}
