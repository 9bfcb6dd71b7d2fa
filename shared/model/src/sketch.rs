//! How long things took, so that any share of them can be asked for. Pure.
//!
//! Counts of microseconds in classes, 64 to each power of two: the middle of a class is never further than 1/128 from
//! anything in it, and up to 127 µs every value has a class of its own. Only classes that were met take room. Two
//! sketches add up to exactly the one that would have seen everything, in whatever order, so it does not matter who
//! counted what. Why not one off the shelf: `docs/decisions/0014-own-sketch.md`.

/// Bits of a value that its class keeps below the leading one.
const KEPT_BITS: u32 = 6;
/// Bits of a bin that count; the class stands above them.
const COUNT_BITS: u32 = 48;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// A class and how often it was met, in one word; ordered by the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bin(u64);

impl Bin {
    const fn new(class: u16, count: u64) -> Self {
        let count = if count > COUNT_MAX { COUNT_MAX } else { count };
        Self((class as u64) << COUNT_BITS | count)
    }

    const fn class(self) -> u16 {
        (self.0 >> COUNT_BITS) as u16
    }

    const fn count(self) -> u64 {
        self.0 & COUNT_MAX
    }
}

/// Counts by class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    bins: Vec<Bin>,
}

/// The class of a value.
const fn class_of(micros: u64) -> u16 {
    let kept = (u64::BITS - 1 - KEPT_BITS).saturating_sub((micros | 1).leading_zeros());
    ((kept << KEPT_BITS) as u64 + (micros >> kept)) as u16
}

/// The middle of a class, in microseconds.
fn middle_of(class: u16) -> f64 {
    let class = u64::from(class);
    let shift = (class >> KEPT_BITS).saturating_sub(1);
    let lowest = (class - (shift << KEPT_BITS)) << shift;
    let width = 1_u64 << shift;
    lowest as f64 + (width - 1) as f64 / 2.0
}

impl Sketch {
    /// Counts one value.
    pub fn add(&mut self, micros: u64) {
        self.add_class(class_of(micros), 1);
    }

    fn add_class(&mut self, class: u16, count: u64) {
        match self.bins.binary_search_by_key(&class, |bin| bin.class()) {
            Ok(at) => {
                if let Some(bin) = self.bins.get_mut(at) {
                    *bin = Bin::new(class, bin.count() + count);
                }
            }
            Err(at) => self.bins.insert(at, Bin::new(class, count)),
        }
    }

    /// Adds everything that another has counted.
    pub fn merge(&mut self, other: &Self) {
        if self.bins.is_empty() {
            self.bins.clone_from(&other.bins);
        } else if other.bins.len() < 8 {
            other
                .bins
                .iter()
                .for_each(|bin| self.add_class(bin.class(), bin.count()));
        } else {
            self.bins = merged(&self.bins, &other.bins);
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|bin| bin.count()).sum()
    }

    /// The value that this share of all did not exceed, within 1/128; 0 where nothing was counted.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let count = self.count();
        // The smallest rank that leaves at most the rest above it, as a sorted list would be asked.
        let rank = ((share * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let met = self.bins.iter().find(|bin| {
            seen += bin.count();
            seen >= rank
        });
        met.map_or(0.0, |bin| middle_of(bin.class()))
    }

    /// How many values were above a bound, those of its own class left out.
    pub fn above(&self, micros: u64) -> u64 {
        let class = class_of(micros);
        let first = self.bins.partition_point(|bin| bin.class() <= class);
        self.bins.iter().skip(first).map(|bin| bin.count()).sum()
    }

    /// Appends it to a row's bytes: how many bins, then for each the distance of its class and its count.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.bins.len() as u64);
        let mut before = 0;
        for bin in &self.bins {
            varint::put(out, u64::from(bin.class() - before));
            varint::put(out, bin.count());
            before = bin.class();
        }
    }

    /// Reads what [`Sketch::encode`] wrote, and goes behind it. None where that is not what is there.
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let count = usize::try_from(varint::take(bytes)?).ok()?;
        // Each bin takes two bytes at least: a count beyond that is no count.
        let mut bins = Vec::with_capacity(count.min(bytes.len() / 2));
        let mut class = 0_u16;
        for _ in 0..count {
            class = class.checked_add(u16::try_from(varint::take(bytes)?).ok()?)?;
            bins.push(Bin::new(class, varint::take(bytes)?));
        }
        let ascends = bins.is_sorted_by(|left, right| left.class() < right.class());
        ascends.then_some(Self { bins })
    }

    /// Bytes on the heap.
    pub const fn heap_bytes(&self) -> usize {
        self.bins.capacity() * size_of::<Bin>()
    }
}

fn merged(left: &[Bin], right: &[Bin]) -> Vec<Bin> {
    let mut bins = Vec::with_capacity(left.len().max(right.len()) + 8);
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        match one.class().cmp(&other.class()) {
            std::cmp::Ordering::Less => bins.extend(left.next()),
            std::cmp::Ordering::Greater => bins.extend(right.next()),
            std::cmp::Ordering::Equal => {
                bins.push(Bin::new(one.class(), one.count() + other.count()));
                left.next();
                right.next();
            }
        }
    }
    bins.extend(left);
    bins.extend(right);
    bins
}

/// Numbers in seven bits a byte, the low ones first.
pub mod varint {
    /// Appends a number.
    pub fn put(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    /// Takes a number from the front.
    pub fn take(bytes: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = bytes.split_first()?;
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a sorted list would answer.
    fn truth(values: &[u64], share: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = (share * values.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, values.len()) - 1] as f64
    }

    fn of(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.add(*value));
        sketch
    }

    /// Values of every size, from nothing to more than any statement takes.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = (0..50_u32, any::<u64>()).prop_map(|(bits, value)| value & ((1 << bits) - 1));
        prop::collection::vec(value, 1..500)
    }

    proptest! {
        #[test]
        fn every_share_is_within_one_per_cent(values in values(), share in 0.0..=1.0_f64) {
            let (found, truth) = (of(&values).quantile_us(share), truth(&values, share));
            prop_assert!((found - truth).abs() <= truth * 0.01, "{found} instead of {truth}");
        }

        #[test]
        fn parts_add_up_to_the_whole(left in values(), right in values()) {
            let mut both = of(&left);
            both.merge(&of(&right));
            prop_assert_eq!(&both, &of(&[left.clone(), right.clone()].concat()));
            prop_assert_eq!(both.count(), (left.len() + right.len()) as u64);
        }

        #[test]
        fn it_is_read_as_it_was_written(values in values()) {
            let mut bytes = Vec::new();
            of(&values).encode(&mut bytes);
            bytes.push(7);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(Sketch::decode(&mut rest), Some(of(&values)));
            prop_assert_eq!(rest, [7]);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Sketch::decode(&mut bytes.as_slice());
        }
    }

    #[test]
    fn classes_follow_each_other_without_a_gap() {
        let classes: Vec<u16> = (0..100_000).map(class_of).collect();
        assert!(classes.windows(2).all(|pair| pair[1] - pair[0] <= 1));
        assert_eq!(
            (class_of(0), class_of(127), class_of(128), class_of(129)),
            (0, 127, 128, 128)
        );
        assert_eq!(class_of(u64::MAX), 57 * 64 + 127);
        assert!(middle_of(class_of(u64::MAX)) > 1.8e19);
    }

    #[test]
    fn what_is_above_a_bound_is_counted() {
        assert_eq!(of(&[1, 10, 1_000, 10_000]).above(100), 2);
        assert_eq!(of(&[1, 2, 3]).above(2), 1);
    }

    #[test]
    fn nothing_counted_is_nothing_found() {
        assert_eq!(Sketch::default().quantile_us(0.5), 0.0);
    }
}
