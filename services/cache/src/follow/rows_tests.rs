//! Which cells changed, against what truly did, with rows that come, go, change and are forgotten.

use proptest::prelude::*;
use weir_pgwire::replication::{Column, Pgoutput};

use super::*;

/// An integer that identifies, a text, a text that may be stored apart, and a type of somebody's own.
const TYPES: [u32; 4] = [23, 25, 25, 70_000];

type Row = [Option<&'static str>; 4];

fn relation(identity: Identity) -> Relation<'static> {
    let column = |(at, type_oid): (usize, &u32)| Column {
        is_key: at == 0 || identity == Identity::Full,
        name: ["id", "a", "b", "c"][at].as_bytes(),
        type_oid: *type_oid,
    };
    Relation {
        oid: 1,
        schema: b"public",
        name: b"t",
        identity,
        columns: TYPES.iter().enumerate().map(column).collect(),
    }
}

fn tuple(row: &Row, is_apart: bool) -> Vec<u8> {
    let mut bytes = 4_u16.to_be_bytes().to_vec();
    for (at, value) in row.iter().enumerate() {
        match value {
            None => bytes.push(b'n'),
            Some(_) if is_apart && at == 2 => bytes.push(b'u'),
            Some(text) => {
                bytes.push(b't');
                bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                bytes.extend(text.as_bytes());
            }
        }
    }
    bytes
}

/// A change as the plugin writes it.
fn message(identity: Identity, old: Option<&Row>, new: Option<&Row>, is_apart: bool) -> Vec<u8> {
    let mut bytes = match (old, new) {
        (None, _) => b"I\0\0\0\x01".to_vec(),
        (_, None) => b"D\0\0\0\x01".to_vec(),
        _ => b"U\0\0\0\x01".to_vec(),
    };
    let is_told = |old: &&Row| identity == Identity::Full || new.is_none_or(|new| new[0] != old[0]);
    if let Some(old) = old.filter(is_told) {
        let keys = [old[0], None, None, None];
        bytes.push(if identity == Identity::Full { b'O' } else { b'K' });
        bytes.extend(tuple(if identity == Identity::Full { old } else { &keys }, false));
    }
    if let Some(new) = new {
        bytes.push(b'N');
        bytes.extend(tuple(new, is_apart && old.is_some_and(|old| old[2] == new[2])));
    }
    bytes
}

fn taken(rows: &mut Rows, by: &Comparison, bytes: &[u8]) -> Changed {
    match Pgoutput::parse(bytes).unwrap() {
        Pgoutput::Change(change) => rows.take(by, &change),
        other => panic!("{other:?}"),
    }
}

const FIRST: Row = [Some("1"), Some("x"), Some("long"), None];

#[test]
fn the_second_update_of_a_row_is_told_by_cells() {
    let identity = Identity::Default;
    let by = Comparison::of(&relation(identity), 1).unwrap();
    let mut rows = Rows::new();
    let second = [Some("1"), Some("y"), Some("long"), None];
    let third = [Some("1"), Some("y"), Some("short"), None];
    let mut tell = |old: Option<&Row>, new: Option<&Row>| taken(&mut rows, &by, &message(identity, old, new, true));
    assert_eq!(
        tell(Some(&FIRST), Some(&second)),
        Changed::Row,
        "seen for the first time"
    );
    assert_eq!(
        tell(Some(&second), Some(&FIRST)),
        Changed::Cells(vec![1, 3]),
        "of the last type nothing is known"
    );
    assert_eq!(tell(Some(&FIRST), Some(&second)), Changed::Cells(vec![1, 3]));
    assert_eq!(
        tell(Some(&second), Some(&third)),
        Changed::Cells(vec![2, 3]),
        "what was there before it was stored apart is not known"
    );
    assert_eq!(tell(Some(&third), Some(&third)), Changed::Cells(vec![3]));
    // One that went and came is another one.
    assert_eq!(tell(Some(&third), None), Changed::Row);
    assert_eq!(
        tell(Some(&third), Some(&third)),
        Changed::Row,
        "nothing is kept of what went"
    );
    assert_eq!(tell(Some(&third), None), Changed::Row);
    assert_eq!(tell(None, Some(&FIRST)), Changed::Row);
    assert_eq!(
        tell(Some(&FIRST), Some(&second)),
        Changed::Cells(vec![1, 3]),
        "it was seen when it came"
    );
    // And so is one under another name.
    let renamed = [Some("2"), Some("y"), Some("long"), None];
    assert_eq!(tell(Some(&second), Some(&renamed)), Changed::Row);
    assert_eq!(tell(Some(&renamed), Some(&renamed)), Changed::Row);
    rows.forget_all();
    let again = message(identity, Some(&renamed), Some(&renamed), true);
    assert_eq!(taken(&mut rows, &by, &again), Changed::Row);
    let described_anew = Comparison::of(&relation(identity), 2).unwrap();
    assert_eq!(taken(&mut rows, &described_anew, &again), Changed::Row);
}

#[test]
fn what_is_remembered_is_bounded() {
    let by = Comparison::of(&relation(Identity::Default), 1).unwrap();
    let mut rows = Rows {
        bytes_max: 1_000,
        ..Rows::new()
    };
    for id in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        let row = [Some(id), None, None, None];
        taken(
            &mut rows,
            &by,
            &message(Identity::Default, Some(&row), Some(&row), false),
        );
        let weights: usize = rows.known.iter().map(|(key, cells)| weight(key, cells)).sum();
        assert!(rows.bytes <= 1_000 && rows.bytes == weights);
    }
    assert!((2..9).contains(&rows.known.len()), "{}", rows.known.len());
    // What comes drives out nothing.
    let before: Vec<Key> = rows.known.iter().map(|(key, _)| key.clone()).collect();
    for id in ["10", "11", "12"] {
        let row = [Some(id), None, None, None];
        taken(&mut rows, &by, &message(Identity::Default, None, Some(&row), false));
    }
    assert!(before.iter().all(|key| rows.known.contains(key)));
}

#[test]
fn a_table_without_a_key_or_too_wide_is_not_compared() {
    assert!(Comparison::of(&relation(Identity::Nothing), 1).is_none());
    let mut wide = relation(Identity::Full);
    wide.columns = vec![wide.columns[0]; COLUMNS_MAX + 1];
    assert!(Comparison::of(&wide, 1).is_none());
}

fn value() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![None, Some("x"), Some("y")])
}

proptest! {
    #[test]
    fn no_cell_that_changed_is_left_out(
        is_full in any::<bool>(),
        steps in prop::collection::vec((0..3_usize, 0..3_usize, value(), value(), any::<bool>(), 0..40_u8), 1..60),
    ) {
        let identity = if is_full { Identity::Full } else { Identity::Default };
        let by = Comparison::of(&relation(identity), 1).unwrap();
        let (mut rows, mut table) = (Rows { bytes_max: 600, ..Rows::new() }, [None::<Row>; 3]);
        for (at, to, a, b, is_apart, dice) in steps {
            let old = table[at];
            let names = [Some("1"), Some("2"), Some("3")];
            let kept = [names[at], a, b, Some("z")];
            let (new, place) = match dice {
                0 => { rows.forget_all(); continue }
                1..5 => (None, at),
                5..9 if table[to].is_none() => (Some([names[to], a, b, Some("z")]), to),
                _ => (Some(kept), at),
            };
            if old.is_none() && (new.is_none() || place != at) { continue }
            let changed = taken(&mut rows, &by, &message(identity, old.as_ref(), new.as_ref(), is_apart));
            table[at] = None;
            table[place] = new;
            if let Changed::Cells(cells) = changed {
                let (old, new) = (old.unwrap(), new.unwrap());
                for column in 0..4 {
                    prop_assert!(old[column] == new[column] || cells.contains(&column), "{old:?} {new:?} {cells:?}");
                }
            }
        }
    }
}
