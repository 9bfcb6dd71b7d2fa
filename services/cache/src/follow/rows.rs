//! Pure. Which cells of a row an update changed.
//!
//! The log has a row as it is now, and as it was only where the table's replica identity is FULL. So rows that were
//! seen before are remembered, each cell as a number: the log has every change of a row, one behind the other, and what
//! was told of it last is what it was before the next. What is not remembered changed everywhere.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use lru::LruCache;
use weir_pgwire::replication::{Change, Identity, Old, Relation, Tuple, Value};

/// A row of more columns is not told cell by cell.
const COLUMNS_MAX: usize = 64;
/// Cells that are told one by one. More changed everywhere.
const CELLS_MAX: usize = 4;
/// What all remembered rows of one database may take, and what one takes beside its cells and its key.
const BYTES_MAX: usize = 32 * 1024 * 1024;
const ROW_BYTES: usize = 128;

/// Which cells of a row changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changed {
    /// The row came or went, or more changed than can be told.
    Row,
    /// Nothing but these columns, by their places; none where it was written as it had been.
    Cells(Vec<usize>),
}

/// How the rows of one table are compared.
#[derive(Debug)]
pub(super) struct Comparison {
    /// Of the table's description, of which there may be others: rows that were seen under one are strangers under the next.
    number: u32,
    identity: Identity,
    /// The places of what identifies a row.
    key: Vec<usize>,
    /// Of what type each column is.
    types: Vec<u32>,
    /// Whether a value of a column is the same where its text is.
    is_exact: Vec<bool>,
}

/// The description of a table, and what identifies a row of it.
type Key = (u32, Box<[u8]>);
/// Its cells, as numbers; none where one is not known.
type Cells = Box<[Option<u64>]>;

/// Rows that were seen lately.
#[derive(Debug)]
pub(super) struct Rows {
    known: LruCache<Key, Cells>,
    bytes: usize,
    bytes_max: usize,
    hasher: RandomState,
}

impl Comparison {
    /// None where the rows of the table cannot be told apart, or are too wide.
    pub(super) fn of(relation: &Relation<'_>, number: u32) -> Option<Self> {
        let columns = &relation.columns;
        let key: Vec<usize> = (0..columns.len())
            .filter(|at| columns.get(*at).is_some_and(|column| column.is_key))
            .collect();
        let has_key = !key.is_empty() && relation.identity != Identity::Nothing;
        (has_key && columns.len() <= COLUMNS_MAX).then(|| Self {
            number,
            identity: relation.identity,
            key,
            types: columns.iter().map(|column| column.type_oid).collect(),
            is_exact: columns.iter().map(|column| is_exact(column.type_oid)).collect(),
        })
    }

    /// Rows that were seen under that description of the same columns are known under this one.
    pub(super) fn goes_on_from(&mut self, before: &Self) {
        if (self.identity, &self.key, &self.types) == (before.identity, &before.key, &before.types) {
            self.number = before.number;
        }
    }

    fn key_of(&self, tuple: &Tuple<'_>) -> Option<Key> {
        let values: Vec<Value<'_>> = tuple.values().collect();
        let mut key = Vec::new();
        for at in &self.key {
            let Some(Value::Text(text)) = values.get(*at) else {
                return None;
            };
            key.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
            key.extend_from_slice(text);
        }
        Some((self.number, key.into()))
    }

    /// The columns in which two states of a row differ, or may differ.
    fn differing<T: PartialEq>(&self, old: &[T], new: &[T], is_known: impl Fn(&T) -> bool) -> Changed {
        if old.len() != self.is_exact.len() || new.len() != self.is_exact.len() {
            return Changed::Row;
        }
        let pairs = old.iter().zip(new).zip(&self.is_exact).enumerate();
        let changed = pairs.filter(|(_, ((old, new), is_exact))| !(**is_exact && is_known(new) && old == new));
        let changed: Vec<usize> = changed.map(|(at, _)| at).take(CELLS_MAX + 1).collect();
        if changed.len() > CELLS_MAX {
            return Changed::Row;
        }
        Changed::Cells(changed)
    }
}

impl Rows {
    pub(super) fn new() -> Self {
        Self {
            known: LruCache::unbounded(),
            bytes: 0,
            bytes_max: BYTES_MAX,
            hasher: RandomState::new(),
        }
    }

    /// Nothing is known of any row: changes may have gone by unseen.
    pub(super) fn forget_all(&mut self) {
        self.known.clear();
        self.bytes = 0;
    }

    /// Takes a change of a row, in the order of the log.
    pub(super) fn take(&mut self, by: &Comparison, change: &Change<'_>) -> Changed {
        match (change.is_update, change.old, &change.new) {
            (true, Some(Old::Whole(old)), Some(new)) if by.identity == Identity::Full => compared(by, &old, new),
            (true, None, Some(new)) if by.identity != Identity::Full => self.updated(by, new),
            (false, None, Some(new)) if by.identity != Identity::Full => self.came(by, new),
            _ => {
                let states = [change.old.map(tuple_of), change.new];
                let keys = states.iter().flatten().filter_map(|state| by.key_of(state));
                keys.for_each(|key| self.forget(&key));
                Changed::Row
            }
        }
    }

    /// A new row is remembered where there is room: a table that is filled must not drive out what is updated all the time.
    fn came(&mut self, by: &Comparison, new: &Tuple<'_>) -> Changed {
        if let Some(key) = by.key_of(new) {
            self.forget(&key);
            let cells: Cells = new.values().map(|value| self.number(value)).collect();
            if self.bytes + weight(&key, &cells) <= self.bytes_max {
                self.remember(key, cells);
            }
        }
        Changed::Row
    }

    fn updated(&mut self, by: &Comparison, new: &Tuple<'_>) -> Changed {
        let Some(key) = by.key_of(new) else {
            return Changed::Row;
        };
        let mut cells: Cells = new.values().map(|value| self.number(value)).collect();
        let Some(known) = self.known.get(&key) else {
            self.remember(key, cells);
            return Changed::Row;
        };
        // What is stored apart and did not change is what it was.
        let values = new.values().zip(&mut cells).zip(known.iter());
        for ((value, cell), before) in values {
            if value == Value::Unchanged {
                *cell = *before;
            }
        }
        let mut changed = by.differing(known, &cells, Option::is_some);
        if let Changed::Cells(changed) = &mut changed {
            let is_same = |at: &usize| new.values().nth(*at) == Some(Value::Unchanged);
            changed.retain(|at| !is_same(at));
        }
        self.remember(key, cells);
        changed
    }

    /// A value as a number; none where it is not told.
    fn number(&self, value: Value<'_>) -> Option<u64> {
        match value {
            Value::Null => Some(self.hasher.hash_one(None::<&[u8]>)),
            Value::Text(text) => Some(self.hasher.hash_one(Some(text))),
            Value::Unchanged | Value::Binary(_) => None,
        }
    }

    fn remember(&mut self, key: Key, cells: Cells) {
        self.bytes += weight(&key, &cells);
        if let Some((key, replaced)) = self.known.push(key, cells) {
            self.bytes -= weight(&key, &replaced);
        }
        while self.bytes > self.bytes_max
            && let Some((key, cells)) = self.known.pop_lru()
        {
            self.bytes -= weight(&key, &cells);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(cells) = self.known.pop(key) {
            self.bytes -= weight(key, &cells);
        }
    }
}

/// Both states of a row are told.
fn compared(by: &Comparison, old: &Tuple<'_>, new: &Tuple<'_>) -> Changed {
    let old: Vec<Value<'_>> = old.values().collect();
    let mut now: Vec<Value<'_>> = new.values().collect();
    for (now, old) in now.iter_mut().zip(&old) {
        if *now == Value::Unchanged {
            *now = *old;
        }
    }
    by.differing(&old, &now, |value| matches!(value, Value::Null | Value::Text(_)))
}

/// A row as it was, or what of it identifies it.
pub(super) const fn tuple_of(old: Old<'_>) -> Tuple<'_> {
    match old {
        Old::Key(tuple) | Old::Whole(tuple) => tuple,
    }
}

fn weight(key: &Key, cells: &Cells) -> usize {
    ROW_BYTES + key.1.len() + cells.len() * size_of::<Option<u64>>()
}

/// Types of PostgreSQL's own whose values differ in text wherever they differ: numbers, texts, dates and times, documents,
/// and arrays of some. Whoever makes a type may write different values alike.
const fn is_exact(type_oid: u32) -> bool {
    matches!(
        type_oid,
        // boolean, bytea, "char", name, bigint, smallint, integer, text, oid, json
        16..=21 | 23 | 25 | 26 | 114
        // real, double precision; as long as they are told with all of their digits
        | 700 | 701
        // inet and cidr, character(n), varchar, date, time, timestamp, timestamptz, interval
        | 650 | 869 | 1042 | 1043 | 1082 | 1083 | 1114 | 1184 | 1186
        // timetz, numeric, uuid, jsonb
        | 1266 | 1700 | 2950 | 3802
        // integer[], text[], bigint[], varchar[], uuid[]
        | 1007 | 1009 | 1016 | 1015 | 2951
    )
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
