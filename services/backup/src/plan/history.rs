//! Timelines: which parts of which make up the way to a moment, and which log that takes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::repo::state::Position;

/// A part of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub timeline: u32,
    pub from: u64,
    /// Where the next timeline begins; none for the last.
    pub until: Option<u64>,
}

/// The way from the first position of a cluster to the end of one of its timelines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lineage(Vec<Stretch>);

impl Lineage {
    /// Of a timeline, by its history file. The first has none.
    pub(crate) fn of(timeline: u32, history: Option<&str>) -> Self {
        let mut stretches = Vec::new();
        let mut from = 0;
        for (ancestor, until) in history.into_iter().flat_map(str::lines).filter_map(forked) {
            stretches.push(Stretch {
                timeline: ancestor,
                from,
                until: Some(until),
            });
            from = until;
        }
        stretches.push(Stretch {
            timeline,
            from,
            until: None,
        });
        Self(stretches)
    }

    /// Its timeline.
    pub(crate) fn timeline(&self) -> u32 {
        self.0.last().map_or(0, |stretch| stretch.timeline)
    }

    /// Whether a position lies on it.
    pub(crate) fn holds(&self, at: Position) -> bool {
        let stretch = self.0.iter().find(|stretch| stretch.timeline == at.timeline);
        stretch.is_some_and(|stretch| stretch.from <= at.lsn && stretch.until.is_none_or(|until| at.lsn <= until))
    }

    /// The timelines on which a segment may lie, the newest first.
    fn timelines_of(&self, number: u64, bytes: u64) -> impl Iterator<Item = u32> {
        let (start, end) = (number * bytes, (number + 1) * bytes);
        let within = move |stretch: &&Stretch| stretch.from < end && stretch.until.is_none_or(|until| until > start);
        self.0.iter().rev().filter(within).map(|stretch| stretch.timeline)
    }
}

/// A line of a history file: a timeline, and where it was left.
fn forked(line: &str) -> Option<(u32, u64)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let timeline = words.next()?.parse().ok()?;
    let (high, low) = words.next()?.split_once('/')?;
    let part = |text| u64::from_str_radix(text, 16).ok();
    Some((timeline, part(high)? << 32 | part(low)?))
}

/// What log a repository holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Log {
    pub segment_bytes: u64,
    /// By timeline: segments that are whole, with the bytes that each takes there.
    pub whole: BTreeMap<u32, BTreeMap<u64, u64>>,
    /// By timeline: segments of which there is the beginning, and how much of it.
    pub open: BTreeMap<u32, BTreeMap<u64, u64>>,
}

/// What of the log there is from a position on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    /// Where it ends for the first time.
    pub end: u64,
    /// Where it goes on after a gap.
    pub resumes: Option<u64>,
    /// Bytes that it takes in the repository.
    pub stored_bytes: u64,
}

impl Log {
    /// What there is along a lineage, from a position on and at most until another.
    pub(crate) fn held(&self, lineage: &Lineage, from: u64, until: Option<u64>) -> Held {
        let bytes = self.segment_bytes.max(1);
        let (mut number, mut held) = (from / bytes, Held::default());
        held.end = from;
        loop {
            if until.is_some_and(|until| number * bytes >= until) {
                break;
            }
            let Some((end, stored)) = self.segment(lineage, number) else {
                break;
            };
            held.end = held.end.max(number * bytes + end);
            held.stored_bytes += stored;
            if end < bytes {
                break;
            }
            number += 1;
        }
        held.end = until.map_or(held.end, |until| held.end.min(until));
        held.resumes = self.next_after(lineage, number).map(|next| next * bytes);
        held
    }

    /// How much of a segment there is, and what that takes.
    fn segment(&self, lineage: &Lineage, number: u64) -> Option<(u64, u64)> {
        let bytes = self.segment_bytes.max(1);
        let of = |on: &BTreeMap<u32, BTreeMap<u64, u64>>| {
            lineage
                .timelines_of(number, bytes)
                .find_map(|timeline| on.get(&timeline)?.get(&number).copied())
        };
        match of(&self.whole) {
            Some(stored) => Some((bytes, stored)),
            None => of(&self.open)
                .map(|begun| (begun, begun))
                .filter(|(begun, _)| *begun > 0),
        }
    }

    fn next_after(&self, lineage: &Lineage, number: u64) -> Option<u64> {
        let all = self
            .whole
            .values()
            .chain(self.open.values())
            .flat_map(|held| held.keys().copied());
        let later: BTreeSet<u64> = all.filter(|other| *other > number).collect();
        later.into_iter().find(|other| self.segment(lineage, *other).is_some())
    }

    /// Timelines of which there is anything.
    pub(crate) fn timelines(&self) -> BTreeSet<u32> {
        let some = |held: &&u32| !held.eq(&&0);
        self.whole
            .keys()
            .chain(self.open.keys())
            .filter(some)
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 16 << 20;

    fn log(whole: &[(u32, u64)], open: &[(u32, u64, u64)]) -> Log {
        let mut log = Log {
            segment_bytes: SEGMENT,
            ..Log::default()
        };
        for (timeline, number) in whole {
            log.whole.entry(*timeline).or_default().insert(*number, 1_000);
        }
        for (timeline, number, begun) in open {
            log.open.entry(*timeline).or_default().insert(*number, *begun);
        }
        log
    }

    #[test]
    fn a_lineage_is_read_from_a_history() {
        let lineage = Lineage::of(
            3,
            Some("# a comment\n1\t0/3000000\tno recovery target specified\n\n2\t1/4000000\tbefore xid 9\n"),
        );
        let holds = |timeline, lsn| lineage.holds(Position { timeline, lsn });
        assert_eq!(lineage.timeline(), 3);
        assert!(holds(1, 0x2FF_FFFF) && !holds(1, 0x300_0001));
        assert!(holds(2, 0x1_0400_0000) && !holds(2, 0x1_0400_0001) && !holds(2, 0x10));
        assert!(holds(3, u64::MAX) && !holds(3, 5) && !holds(4, 5));
    }

    #[test]
    fn log_ends_at_the_first_gap() {
        let one = Lineage::of(1, None);
        let gap = log(&[(1, 2), (1, 3), (1, 5)], &[(1, 6, 100)]);
        let held = gap.held(&one, 2 * SEGMENT + 40, None);
        assert_eq!(
            (held.end, held.resumes, held.stored_bytes),
            (4 * SEGMENT, Some(5 * SEGMENT), 2_000)
        );
        let held = gap.held(&one, 5 * SEGMENT, None);
        assert_eq!((held.end, held.resumes), (6 * SEGMENT + 100, None));
        let held = gap.held(&one, 2 * SEGMENT, Some(3 * SEGMENT + 7));
        assert_eq!((held.end, held.stored_bytes), (3 * SEGMENT + 7, 2_000));
        assert_eq!(gap.held(&one, SEGMENT, None).end, SEGMENT, "nothing at all");
    }

    #[test]
    fn log_goes_on_on_the_next_timeline() {
        let forked = Lineage::of(2, Some("1\t0/3000100\tx\n"));
        let both = log(&[(1, 2), (2, 3), (1, 4), (2, 4)], &[]);
        assert_eq!(both.held(&forked, 2 * SEGMENT, None).end, 5 * SEGMENT);
        let old_only = log(&[(1, 2), (1, 3), (1, 4)], &[]);
        assert_eq!(
            old_only.held(&forked, 2 * SEGMENT, None).end,
            4 * SEGMENT,
            "what follows the fork is another's"
        );
    }
}
