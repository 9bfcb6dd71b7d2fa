//! Which indexes and tables are worth being written anew. Pure.

use std::time::Duration;

use weir_model::size_in_words;

use super::facts::whole;
use super::{Bloat, Candidate, Earlier, Expected, IndexFacts, Kind, Method, TableFacts, Urgency};

/// A relation that filled up again within this time after it was rebuilt is not rebuilt once more.
const RELAPSE: Duration = Duration::from_secs(7 * 86_400);
/// Waste that would be filled again in fewer days is room that the table lives in.
const REFILL_DAYS: f64 = 3.0;
/// A new index costs a little more than its bytes: its upper levels.
const INDEX_SLACK: f64 = 1.05;

/// From when on a relation is worth it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Worth {
    /// So much of it is surely waste, in per cent.
    pub percent: f64,
    /// So many bytes are surely waste.
    pub bytes: u64,
}

impl Worth {
    /// Whether waste may reach it, so that a closer look pays.
    pub(crate) fn may_be_reached(&self, bloat: &Bloat) -> bool {
        bloat.high >= self.bytes && bloat.high as f64 * 100.0 >= self.percent * bloat.size as f64
    }

    fn is_reached(&self, bloat: &Bloat) -> bool {
        bloat.low >= self.bytes && bloat.low_percent() >= self.percent
    }
}

/// The verdict on an index.
pub(crate) fn reindex(
    index: &IndexFacts,
    table: Option<&TableFacts>,
    bloat: Option<&Bloat>,
    worth: Worth,
    before: &Earlier,
    is_named: bool,
) -> Candidate {
    let (selected, reason) = match (&index.fixed, bloat) {
        (Some(why), _) => (false, why.clone()),
        (None, None) if is_named => (true, "ordered by name; its bloat is not known".to_owned()),
        (None, None) => (false, format!("bloat of {} indexes is not judged", index.method)),
        (None, Some(bloat)) => judge(bloat, worth, before, is_named),
    };
    let heap = table.map_or(0, |table| table.size_bytes.max(0).unsigned_abs());
    let expected = bloat.map_or_else(Expected::default, |bloat| {
        let kept = bloat.size.saturating_sub(bloat.likely) as f64;
        Expected {
            cost_bytes: heap.saturating_mul(2).saturating_add(whole(2.0 * INDEX_SLACK * kept)),
            needs_bytes: whole(INDEX_SLACK * kept),
            ..Expected::of_waste(bloat, index.touched_bytes_per_day)
        }
    });
    Candidate {
        kind: Kind::Reindex,
        subject: index.subject.clone(),
        oid: index.oid,
        selected,
        urgency: Urgency::Ordinary,
        reason,
        expected,
        facts: table.cloned(),
    }
}

/// The verdict on a table.
pub(crate) fn reorganize(
    facts: TableFacts,
    bloat: Option<&Bloat>,
    worth: Worth,
    before: &Earlier,
    is_named: bool,
) -> Candidate {
    let (mut selected, mut reason) = bloat.map_or_else(
        || (false, "its bloat is not known".to_owned()),
        |bloat| judge(bloat, worth, before, is_named),
    );
    if let (Some(days), true, false) = (bloat.and_then(|bloat| refill_days(&facts, bloat)), selected, is_named) {
        selected = false;
        reason =
            format!("{reason}; but it would be filled again within {days:.1} days, so it is room that the table needs");
    }
    let expected = bloat.map_or_else(Expected::default, |bloat| {
        let kept = bloat.size.saturating_sub(bloat.likely);
        let indexes = facts.index_bytes.max(0).unsigned_abs();
        // Read once, written twice: as data and as log.
        let written = kept.saturating_add(indexes).saturating_mul(2);
        Expected {
            cost_bytes: bloat.size.saturating_add(written),
            needs_bytes: kept.saturating_add(indexes),
            ..Expected::of_waste(bloat, facts.touched_bytes_per_day)
        }
    });
    Candidate {
        expected,
        ..Candidate::of_table(Kind::Reorganize, facts, selected, reason)
    }
}

fn refill_days(facts: &TableFacts, bloat: &Bloat) -> Option<f64> {
    let days = bloat.likely as f64 / facts.dying_bytes_per_day.max(f64::MIN_POSITIVE);
    (days < REFILL_DAYS).then_some(days)
}

fn judge(bloat: &Bloat, worth: Worth, before: &Earlier, is_named: bool) -> (bool, String) {
    let figures = figures(bloat);
    if is_named {
        return (true, format!("{figures}; ordered by name"));
    }
    if !worth.is_reached(bloat) {
        let floor = size_in_words(worth.bytes);
        return (
            false,
            format!("{figures}, which is not surely {} % and {floor}", worth.percent),
        );
    }
    match before.since_done {
        Some(since) if since < RELAPSE => (
            false,
            format!(
                "{figures}; but it was rebuilt {:.1} days ago and filled up again: a lower fillfactor or an earlier autovacuum helps, another rebuild does not",
                since.as_secs_f64() / 86_400.0
            ),
        ),
        _ => (true, figures),
    }
}

fn figures(bloat: &Bloat) -> String {
    let percent = |part: u64| part as f64 * 100.0 / bloat.size.max(1) as f64;
    let how = match bloat.method {
        Method::Statistics => "by statistics",
        Method::Sample => "by a sample",
        Method::Census => "by all pages",
    };
    format!(
        "{:.1} % of {} is waste ({:.1} to {:.1} % {how})",
        bloat.likely_percent(),
        size_in_words(bloat.size),
        percent(bloat.low),
        percent(bloat.high),
    )
}

#[cfg(test)]
mod tests {
    use super::super::facts::samples::table;
    use super::*;

    const MB: u64 = 1_048_576;
    const WORTH: Worth = Worth {
        percent: 30.0,
        bytes: 64 * MB,
    };

    fn bloat(size: u64, low: u64, likely: u64, high: u64) -> Bloat {
        Bloat {
            size,
            low,
            likely,
            high,
            method: Method::Sample,
        }
    }

    #[test]
    fn only_what_is_surely_waste_counts_and_only_enough_of_it() {
        for (waste, selected) in [
            (bloat(200 * MB, 70 * MB, 90 * MB, 100 * MB), true),
            (bloat(300 * MB, 70 * MB, 150 * MB, 200 * MB), false),
            (bloat(100 * MB, 63 * MB, 64 * MB, 65 * MB), false),
        ] {
            let (verdict, reason) = judge(&waste, WORTH, &Earlier::default(), false);
            assert_eq!(verdict, selected, "{reason}");
        }
        let screened = bloat(300 * MB, 0, 150 * MB, 200 * MB);
        assert!(WORTH.may_be_reached(&screened));
        assert!(!WORTH.may_be_reached(&bloat(300 * MB, 0, 0, 63 * MB)));
    }

    #[test]
    fn what_filled_up_again_is_not_rebuilt_again() {
        let waste = bloat(200 * MB, 70 * MB, 90 * MB, 100 * MB);
        let days = |days: u64| Earlier {
            since_done: Some(Duration::from_secs(days * 86_400)),
            ..Earlier::default()
        };
        let (early, reason) = judge(&waste, WORTH, &days(2), false);
        assert!(!early && reason.contains("fillfactor"), "{reason}");
        assert!(judge(&waste, WORTH, &days(8), false).0);
        assert!(
            judge(&waste, WORTH, &days(2), true).0,
            "an operator who names it wants it"
        );
    }

    #[test]
    fn room_that_a_table_lives_in_is_left_to_it() {
        let waste = bloat(2_000 * MB, 1_100 * MB, 1_200 * MB, 1_300 * MB);
        let worth = Worth {
            percent: 30.0,
            bytes: 1_024 * MB,
        };
        let busy = |per_day: u64| TableFacts {
            dying_bytes_per_day: per_day as f64,
            ..table("t", 1_000)
        };
        let earlier = Earlier::default();
        let left = reorganize(busy(500 * MB), Some(&waste), worth, &earlier, false);
        assert!(
            !left.selected && left.reason.contains("filled again within 2.4 days"),
            "{}",
            left.reason
        );
        assert!(reorganize(busy(300 * MB), Some(&waste), worth, &earlier, false).selected);
        assert!(reorganize(busy(0), Some(&waste), worth, &earlier, false).selected);
    }
}
