//! Logs that were forged: what the decoder makes of rare things, and of anything at all.

use proptest::prelude::*;

use super::super::digest::{Part, digest};
use super::super::index::Index;
use super::super::tally::{Bounds, Counts, Key};
use super::forge::{Forge, SEGMENT, SYSTEM, digested, segment};

/// Of a commit its number, and of each relation its files and what happened to its rows.
type Told = (u32, Vec<(u32, u64, u64)>);

/// Harm that can be done to a segment.
type Harm = (&'static str, fn(&mut Vec<u8>));

fn told(indexes: &[Index]) -> Vec<Told> {
    let of_index = |index: &Index| -> Vec<_> {
        let rows = index.commits();
        let change = |(place, counts): &(u32, Counts)| match index.relations[*place as usize].key() {
            Key::Files(locator) => (locator.node, counts.inserted, counts.deleted),
            _ => (0, counts.inserted, counts.deleted),
        };
        rows.iter()
            .map(|row| (row.xid, row.counts.iter().map(change).collect()))
            .collect()
    };
    indexes.iter().flat_map(of_index).collect()
}

#[test]
fn transactions_and_records_go_on_in_the_next_segment() {
    let mut forge = Forge::new(3);
    forge.insert(10, 100);
    forge.insert(12, 101);
    forge.fill(0);
    let (start, end) = forge.insert_large(10, 102, 3 * SEGMENT as usize / 2);
    assert!(end - start > u64::from(SEGMENT));
    forge.delete(10, 100);
    let (_, at) = forge.commit(10, 50);
    let indexes = digested(&forge.segments(), Bounds::default());
    assert_eq!(indexes.len(), 3);
    assert_eq!(told(&indexes), vec![(10, vec![(100, 1, 1), (102, 1, 0)])]);
    let last = indexes.last().unwrap();
    assert_eq!((last.end, last.commits()[0].end), (at, at));
    assert_eq!(last.open.iter().map(|open| open.xid).collect::<Vec<_>>(), vec![12]);
}

#[test]
fn what_was_taken_back_or_ended_by_a_crash_is_not_counted() {
    let mut forge = Forge::new(1);
    for xid in 10..16 {
        forge.insert(xid, 100);
    }
    forge.abort(11);
    forge.commit_with(10, 1, &[11, 12]);
    forge.running(14);
    forge.commit(13, 2);
    forge.commit(14, 3);
    let indexes = digested(&forge.segments(), Bounds::default());
    let expected = vec![(10, vec![(100, 2, 0)]), (13, vec![]), (14, vec![(100, 1, 0)])];
    assert_eq!(told(&indexes), expected);
    assert_eq!(indexes[0].open.len(), 1, "15 goes on");
}

#[test]
fn a_record_that_a_crash_cut_off_is_passed_over() {
    let mut forge = Forge::new(1);
    forge.fill(SEGMENT as usize / 2);
    forge.abandon(&[0; 20_000]);
    forge.insert(10, 100);
    forge.commit(10, 1);
    forge.switch();
    let indexes = digested(&forge.segments(), Bounds::default());
    assert_eq!(told(&indexes), vec![(10, vec![(100, 1, 0)])]);
    assert!(
        indexes[0].switched && indexes[0].broken.is_empty(),
        "{:?}",
        indexes[0].broken
    );
}

#[test]
fn what_an_earlier_use_of_the_file_left_is_not_read() {
    let mut forge = Forge::new(1);
    forge.insert(200, 100);
    let (_, end) = forge.commit(200, 1);
    // Sound in itself, but it followed another.
    forge.follow(u64::from(SEGMENT) + 40);
    forge.commit(10, 1);
    let indexes = digested(&forge.segments(), Bounds::default());
    assert_eq!(told(&indexes), vec![(200, vec![(100, 1, 0)])]);
    assert_eq!(indexes[0].end, end);
}

#[test]
fn a_record_that_is_too_large_to_be_kept_is_passed_over() {
    let mut forge = Forge::new(1);
    forge.insert(10, 100);
    forge.insert_large(10, 101, 65 << 20);
    forge.commit(10, 1);
    let indexes = digested(&forge.segments(), Bounds::default());
    assert!(indexes.iter().all(|index| index.broken.is_empty()));
    let kept = indexes.iter().filter_map(|index| index.pending.as_ref());
    assert!(kept.map(|pending| pending.bytes.len()).all(|bytes| bytes == 0));
    assert_eq!(told(&indexes), vec![(10, vec![(100, 1, 0)])]);
}

#[test]
fn a_segment_that_cannot_be_read_to_its_end_says_where() {
    let mut forge = Forge::new(1);
    for xid in 10..20 {
        forge.insert(xid, 100);
        forge.commit(xid, 1);
    }
    forge.fill(100);
    forge.switch();
    forge.insert(30, 100);
    forge.commit(30, 1);
    forge.fill(100);
    forge.switch();
    let good = forge.segments();
    let whole = told(&digested(&good, Bounds::default()));
    assert_eq!(whole.len(), 11);
    let damages: [Harm; 5] = [
        ("a byte", |bytes| bytes[700] ^= 1),
        ("zeros", |bytes| bytes.fill(0)),
        ("a torn end", |bytes| bytes[900..].fill(0)),
        ("another's", |bytes| bytes[24] ^= 1),
        ("another place", |bytes| bytes[8] ^= 1),
    ];
    for (name, damage) in damages {
        let mut segments = good.clone();
        damage(&mut segments[0].1);
        let indexes = digested(&segments, Bounds::default());
        assert!(!indexes[0].broken.is_empty(), "{name}");
        assert_eq!(indexes[1].last_break, Some(indexes[0].end), "{name}");
        let told = told(&indexes);
        assert_eq!(told.last(), whole.last(), "{name}");
        assert_eq!(told[..told.len() - 1], whole[..told.len() - 1], "{name}");
        assert!(told.len() < whole.len(), "{name}");
    }
}

#[test]
fn what_is_kept_open_is_bounded() {
    let mut forge = Forge::new(1);
    let bounds = Bounds {
        transactions: 50,
        relations: 60,
    };
    for xid in 10..200 {
        forge.insert(xid, 100);
    }
    for node in 200..300 {
        forge.insert(10, node);
    }
    let indexes = digested(&forge.segments(), bounds);
    assert_eq!(indexes[0].open.len(), 50);
    assert_eq!(indexes[0].uncounted, 140);
    let relations: usize = indexes[0].open.iter().map(|open| open.relations.len()).sum();
    assert!(relations <= 61, "{relations}");
    let first = &indexes[0].open[0];
    assert_eq!(
        first.inserted.iter().sum::<u64>(),
        101,
        "the others are counted together"
    );
}

#[test]
fn the_open_end_is_no_damage_wherever_it_is_cut() {
    let mut forge = Forge::new(1);
    let mut ends = Vec::new();
    for xid in 10..200 {
        forge.insert_large(xid, 100, 200);
        ends.push(forge.commit(xid, 1).1 - u64::from(SEGMENT));
    }
    let whole = forge.segments().remove(0).1;
    for cut in (0..whole.len()).step_by(37) {
        let indexes = digested(&[(segment(1), whole[..cut].to_vec())], Bounds::default());
        let expected = ends.iter().filter(|end| **end <= cut as u64).count();
        let found = indexes[0].commits().len();
        // The last bytes of a record only fill up.
        assert!(
            found == expected || found == expected + 1,
            "{found} of {expected} at {cut}"
        );
        assert!(indexes[0].broken.is_empty());
    }
}

fn read_anything(bytes: &[u8], whole: bool, before: Option<&Index>) -> Index {
    let part = Part {
        segment: segment(1),
        bytes,
        whole,
        system_identifier: 0,
    };
    let bounds = Bounds {
        transactions: 100,
        relations: 100,
    };
    digest(part, before, bounds)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_fail(seed: u64, length in 0..SEGMENT as usize) {
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        read_anything(&bytes, true, None);
    }

    /// Records whose checksum is right, with bodies of any kind.
    #[test]
    fn no_record_makes_it_fail(seed: u64, count in 1..200_usize) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut forge = Forge::new(1);
        for _ in 0..count {
            let mut body = vec![0; random.usize(0..300)];
            random.fill(&mut body);
            // Often something that looks like what it should be.
            if random.bool() {
                body.splice(0..0, [255, random.u8(..)]);
            }
            let manager = *random.choice(&[0, 1, 2, 8, 9, 10]).unwrap();
            // The rest of a segment that was switched is not read.
            let info = if manager == 0 { 0x70 } else { random.u8(..) };
            forge.add(manager, info, random.u32(0..50), &body);
        }
        let segments = forge.segments();
        let index = read_anything(&segments[0].1, false, None);
        prop_assert!(index.last_record.is_some());
        let expected = forge.at();
        prop_assert!(segments.len() > 1 || index.end == expected, "{} of {expected}", index.end);
    }

    /// A log in which bytes were changed: what comes before the first change is told as ever.
    #[test]
    fn changed_bytes_change_nothing_before_them(seed: u64, flips in 1..20_usize) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut forge = Forge::new(1);
        for xid in 10..300 {
            forge.insert_large(xid, 100 + xid % 3, random.usize(1..3_000));
            forge.commit(xid, i64::from(xid));
        }
        let good = forge.segments().remove(0).1;
        let mut bad = good.clone();
        let mut first = bad.len();
        for _ in 0..flips {
            let at = random.usize(..bad.len());
            bad[at] ^= 1 << random.u8(0..8);
            first = first.min(at);
        }
        let before = read_anything(&good, false, None);
        let after = read_anything(&bad, false, None);
        let is_before = |end: u64| end <= u64::from(SEGMENT) + first as u64;
        let expected: Vec<_> = before.commits().into_iter().filter(|commit| is_before(commit.end)).collect();
        let found: Vec<_> = after.commits().into_iter().filter(|commit| is_before(commit.end)).collect();
        prop_assert_eq!(expected, found);
        let all = before.commits();
        prop_assert!(after.commits().iter().all(|commit| all.contains(commit)), "nothing is made up");
    }

    /// An index from a repository may be damaged only by somebody who has the key; it must not bring anything down.
    #[test]
    fn no_index_makes_it_fail(seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut forge = Forge::new(1);
        forge.insert(10, 100);
        forge.insert(11, 101);
        forge.commit(11, 5);
        let good = prost::Message::encode_to_vec(&read_anything(&forge.segments()[0].1, false, None));
        let mut bad = good;
        for _ in 0..3 {
            let at = random.usize(..bad.len());
            bad[at] = random.u8(..);
        }
        if let Ok(index) = <Index as prost::Message>::decode(bad.as_slice()) {
            index.commits();
            index.times();
            read_anything(&forge.segments()[0].1, true, Some(&index));
        }
    }
}

#[test]
fn the_forge_writes_what_a_server_of_this_system_would() {
    let mut forge = Forge::new(1);
    forge.insert(10, 100);
    let indexes = digested(&forge.segments(), Bounds::default());
    assert_eq!(indexes[0].system_identifier, SYSTEM);
    assert!(indexes[0].fresh);
}
