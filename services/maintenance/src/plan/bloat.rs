//! How much of a relation is room that nothing needs, with what is not known of it. Pure.

/// How the figure was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// From the catalogue and the planner's statistics alone.
    Statistics,
    /// From some of its pages, chosen by chance.
    Sample,
    /// From every page.
    Census,
}

/// Bytes that writing the relation anew would give back: 95 of 100 times the truth lies between `low` and `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bloat {
    /// Bytes it has now, with its TOAST where it is a table, without indexes.
    pub size: u64,
    /// At least so much is waste.
    pub low: u64,
    /// So much, most probably.
    pub likely: u64,
    /// At most so much.
    pub high: u64,
    /// How this was found.
    pub method: Method,
}

impl Bloat {
    /// The share of the relation that is surely waste, in per cent.
    pub(crate) fn low_percent(&self) -> f64 {
        percent(self.low, self.size)
    }

    /// The share of the relation that is most probably waste, in per cent.
    pub(crate) fn likely_percent(&self) -> f64 {
        percent(self.likely, self.size)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 * 100.0 / whole as f64
}
