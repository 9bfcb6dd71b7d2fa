//! What is counted over a while: of whom, and how often. Pure.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// How long most things are counted.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Minutes of an hour.
const MINUTES: usize = 60;

/// Counts by key, each over a minute from its first; of so many keys at most.
#[derive(Debug)]
pub(crate) struct Tallies<K> {
    counts: HashMap<K, (Instant, u32)>,
    keys_max: usize,
}

impl<K: Eq + Hash> Tallies<K> {
    pub(crate) fn new(keys_max: usize) -> Self {
        Self {
            counts: HashMap::new(),
            keys_max,
        }
    }

    /// Counts once more: how often within the minute. Where there are too many keys, one that is not known is not counted.
    pub(crate) fn count(&mut self, key: K, now: Instant) -> u32 {
        if self.counts.len() >= self.keys_max && !self.counts.contains_key(&key) {
            self.counts.retain(|_, (since, _)| now.duration_since(*since) < MINUTE);
            if self.counts.len() >= self.keys_max {
                return 1;
            }
        }
        let (since, count) = self.counts.entry(key).or_insert((now, 0));
        if now.duration_since(*since) >= MINUTE {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count
    }
}

/// Clients whose statements fail in many ways: so does one who looks for a hole.
#[derive(Debug, Default)]
pub(crate) struct Probes(HashMap<Box<str>, Probe>);

#[derive(Debug)]
struct Probe {
    since: Instant,
    shapes: BTreeSet<u64>,
}

/// Clients that are looked after.
const PROBES_MAX: usize = 256;
/// So many ways to fail within a minute are too many.
const WAYS_MAX: usize = 5;

impl Probes {
    /// A statement of this shape failed. True: that is one too many.
    pub(crate) fn failed(&mut self, client: &str, shape: u64, now: Instant) -> bool {
        if self.0.len() >= PROBES_MAX && !self.0.contains_key(client) {
            self.0.retain(|_, probe| now.duration_since(probe.since) < MINUTE);
            if self.0.len() >= PROBES_MAX {
                return false;
            }
        }
        let probe = self.0.entry(client.into()).or_insert_with(|| Probe {
            since: now,
            shapes: BTreeSet::new(),
        });
        if now.duration_since(probe.since) >= MINUTE {
            probe.since = now;
            probe.shapes.clear();
        }
        if probe.shapes.len() < WAYS_MAX {
            probe.shapes.insert(shape);
        }
        probe.shapes.len() >= WAYS_MAX
    }

    /// Whether nothing is to be learned of this client at present.
    pub(crate) fn has(&self, client: &str, now: Instant) -> bool {
        let probe = self.0.get(client);
        probe.is_some_and(|probe| probe.shapes.len() >= WAYS_MAX && now.duration_since(probe.since) < MINUTE)
    }
}

/// Whether the list refuses too much of what comes.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    since: Option<(Instant, u64)>,
    refused: u64,
}

/// So many have to be refused within a minute before the list is doubted,
const REFUSED_MIN: u64 = 20;
/// and one of so many.
const ONE_OF: u64 = 100;

impl Doubt {
    /// One more was refused because it is not on the list, of so many statements since the start. True: the list is wrong.
    pub(crate) fn refused(&mut self, statements: u64, now: Instant) -> bool {
        let before = match self.since {
            Some((since, before)) if now.duration_since(since) < MINUTE => before,
            _ => {
                self.since = Some((now, statements.saturating_sub(1)));
                self.refused = 0;
                statements.saturating_sub(1)
            }
        };
        self.refused += 1;
        let of = statements.saturating_sub(before);
        // The first of them begins the count, and so is one of one.
        self.refused >= REFUSED_MIN && (self.refused - 1).saturating_mul(ONE_OF) >= of
    }
}

/// What happened in the last hour, minute by minute.
#[derive(Debug)]
pub(crate) struct Hour {
    minutes: [(u64, u64); MINUTES],
}

impl Default for Hour {
    fn default() -> Self {
        Self {
            minutes: [(0, 0); MINUTES],
        }
    }
}

impl Hour {
    /// It happened in this minute of all time.
    pub(crate) fn add(&mut self, minute: u64) {
        let place = usize::try_from(minute % MINUTES as u64).unwrap_or_default();
        if let Some((which, count)) = self.minutes.get_mut(place) {
            if *which != minute {
                (*which, *count) = (minute, 0);
            }
            *count += 1;
        }
    }

    /// How often, seen from this minute.
    pub(crate) fn sum(&self, minute: u64) -> u64 {
        let is_recent = |which: u64| which <= minute && minute - which < MINUTES as u64;
        let recent = self.minutes.iter().filter(|(which, _)| is_recent(*which));
        recent.map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_minute_is_counted_from_its_first() {
        let (mut tallies, start) = (Tallies::new(2), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!([0, 1, 59].map(|second| tallies.count("a", at(second))), [1, 2, 3]);
        assert_eq!(tallies.count("a", at(60)), 1);
        assert_eq!(tallies.count("b", at(61)), 1);
        // There is no room for a third, until the others are old.
        assert_eq!([62, 63].map(|second| tallies.count("c", at(second))), [1, 1]);
        assert_eq!([122, 123].map(|second| tallies.count("c", at(second))), [1, 2]);
    }

    #[tokio::test]
    async fn one_who_fails_in_many_ways_is_found_and_forgotten() {
        let (mut probes, start) = (Probes::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!((0..4).all(|shape| !probes.failed("a", shape, at(1)) && !probes.failed("a", shape, at(1))));
        assert!(!probes.has("a", at(1)));
        assert!(probes.failed("a", 4, at(2)) && probes.has("a", at(2)) && !probes.has("b", at(2)));
        assert!(probes.has("a", at(60)) && !probes.has("a", at(61)));
        assert!(!probes.failed("a", 5, at(62)));
    }

    #[tokio::test]
    async fn a_list_is_doubted_when_it_refuses_too_much() {
        let start = Instant::now();
        let mut doubt = Doubt::default();
        // 19 of 19, then the twentieth.
        assert!((1..20).all(|number| !doubt.refused(number, start)));
        assert!(doubt.refused(20, start));
        // One of a hundred is not too much.
        let mut doubt = Doubt::default();
        assert!((1..=50).all(|number| !doubt.refused(number * 100, start)));
        // Slowly does not count.
        let mut doubt = Doubt::default();
        let later = |number: u64| start + Duration::from_secs(number * 4);
        assert!((1..=100).all(|number| !doubt.refused(number, later(number))));
    }

    #[test]
    fn an_hour_forgets() {
        let mut hour = Hour::default();
        for minute in [100, 100, 101, 159] {
            hour.add(minute);
        }
        assert_eq!(
            [101, 159, 160, 161, 300].map(|minute| hour.sum(minute)),
            [3, 4, 2, 1, 0]
        );
        hour.add(160);
        assert_eq!(hour.sum(160), 3);
    }
}
