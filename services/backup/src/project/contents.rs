//! What an archive of definitions lists, and which of it an import takes. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Numbers of catalogs of PostgreSQL's: of relations and of constraints.
const RELATIONS: u32 = 1259;
const CONSTRAINTS: u32 = 2606;

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    /// Its number in the archive.
    pub number: u32,
    /// The catalog and the number that the object had; 0: none.
    pub object: (u32, u32),
    /// What sort it is, and its name, as pg_restore writes it.
    pub text: String,
    /// Entries that it needs.
    pub needs: Vec<u32>,
}

impl Entry {
    /// The number that it had as a relation, if it is one.
    pub(crate) fn relation(&self) -> Option<u32> {
        (self.object.0 == RELATIONS).then_some(self.object.1)
    }
}

/// What to take of an archive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// The tables. None: everything.
    pub tables: Option<BTreeSet<u32>>,
    /// Foreign keys that cannot be made.
    pub without: BTreeSet<u32>,
}

/// What belongs to a table, and comes with it.
const BELONGS: [&str; 16] = [
    "CHECK CONSTRAINT ",
    "COMMENT ",
    "CONSTRAINT ",
    "DEFAULT ",
    "FK CONSTRAINT ",
    "INDEX ",
    "INDEX ATTACH ",
    "POLICY ",
    "ROW SECURITY ",
    "RULE ",
    "SEQUENCE ",
    "SEQUENCE OWNED BY ",
    "SEQUENCE SET ",
    "STATISTICS ",
    "TABLE ATTACH ",
    "TRIGGER ",
];

/// Reads what `pg_restore --list --verbose` writes.
pub(crate) fn read(listed: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in listed.lines() {
        if let Some(needs) = line.strip_prefix(";\tdepends on:") {
            if let Some(entry) = entries.last_mut() {
                entry.needs = needs.split_whitespace().filter_map(|need| need.parse().ok()).collect();
            }
        } else if let Some(entry) = entry(line) {
            entries.push(entry);
        }
    }
    entries
}

fn entry(line: &str) -> Option<Entry> {
    let (number, rest) = line.split_once("; ")?;
    let mut words = rest.splitn(3, ' ');
    Some(Entry {
        number: number.parse().ok()?,
        object: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
        text: words.next()?.to_owned(),
        needs: Vec::new(),
    })
}

/// Which entries to take, in their order.
pub(crate) fn chosen(entries: &[Entry], choice: &Choice) -> Vec<u32> {
    let takes = |entry: &&Entry| !is_schema(entry) && !is_without(entry, choice);
    let Some(tables) = &choice.tables else {
        return entries.iter().filter(takes).map(|entry| entry.number).collect();
    };
    let by_number: BTreeMap<u32, &Entry> = entries.iter().map(|entry| (entry.number, entry)).collect();
    let is_other_table =
        |entry: &Entry| entry.text.starts_with("TABLE ") && !is_of(entry, tables) && entry.object.0 == RELATIONS;
    let mut wanted: BTreeSet<u32> = entries
        .iter()
        .filter(|entry| is_of(entry, tables))
        .map(|entry| entry.number)
        .collect();
    // What belongs to what is taken, and what that needs, until nothing is added.
    loop {
        let more: Vec<u32> = entries
            .iter()
            .filter(takes)
            .filter(|entry| !wanted.contains(&entry.number) && belongs(entry, &wanted, &by_number, &is_other_table))
            .map(|entry| entry.number)
            .collect();
        let needed = needed(&wanted, &more, &by_number, &is_other_table);
        let before = wanted.len();
        wanted.extend(more.into_iter().chain(needed));
        if wanted.len() == before {
            break;
        }
    }
    let in_order = entries
        .iter()
        .filter(takes)
        .filter(|entry| wanted.contains(&entry.number));
    in_order.map(|entry| entry.number).collect()
}

/// Schemas are made here, where they are not there yet.
fn is_schema(entry: &Entry) -> bool {
    let text = &entry.text;
    text.starts_with("SCHEMA ") || text.starts_with("COMMENT - SCHEMA ") || text.starts_with("DATABASE ")
}

fn is_without(entry: &Entry, choice: &Choice) -> bool {
    entry.object.0 == CONSTRAINTS && choice.without.contains(&entry.object.1)
}

fn is_of(entry: &Entry, tables: &BTreeSet<u32>) -> bool {
    entry.object.0 == RELATIONS && tables.contains(&entry.object.1)
}

/// Whether an entry belongs to tables that are taken, and to no other.
fn belongs(
    entry: &Entry,
    wanted: &BTreeSet<u32>,
    by_number: &BTreeMap<u32, &Entry>,
    is_other_table: &dyn Fn(&Entry) -> bool,
) -> bool {
    let mut needs = entry.needs.iter().filter_map(|need| by_number.get(need));
    BELONGS.iter().any(|kind| entry.text.starts_with(kind))
        && needs
            .clone()
            .any(|need| wanted.contains(&need.number) && is_table_or_part(need))
        && !needs.any(|need| is_other_table(need))
}

fn is_table_or_part(entry: &Entry) -> bool {
    entry.text.starts_with("TABLE ") || BELONGS.iter().any(|kind| entry.text.starts_with(kind))
}

fn needed(
    wanted: &BTreeSet<u32>,
    more: &[u32],
    by_number: &BTreeMap<u32, &Entry>,
    is_other_table: &dyn Fn(&Entry) -> bool,
) -> Vec<u32> {
    let entries = wanted.iter().chain(more).filter_map(|number| by_number.get(number));
    let needs = entries
        .flat_map(|entry| &entry.needs)
        .filter_map(|need| by_number.get(need));
    needs
        .filter(|need| !is_other_table(need))
        .map(|need| need.number)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = ";
; Archive created at 2026-11-30 11:05:33 UTC
;
3388; 0 0 ENCODING - ENCODING 
6; 2615 16385 SCHEMA - shop postgres
3392; 0 0 COMMENT - SCHEMA shop postgres
;\tdepends on: 6
848; 1247 16387 TYPE shop mood postgres
;\tdepends on: 6
849; 1247 16388 TYPE shop other postgres
;\tdepends on: 6
218; 1259 16395 TABLE shop c postgres
;\tdepends on: 848 6 848
216; 1259 16393 SEQUENCE shop c_id_seq postgres
;\tdepends on: 218 6
3393; 0 0 SEQUENCE OWNED BY shop c_id_seq postgres
;\tdepends on: 216
220; 1259 16408 TABLE shop o postgres
;\tdepends on: 6
3228; 2604 16398 DEFAULT shop c id postgres
;\tdepends on: 218 216 218
3232; 2606 16402 CONSTRAINT shop c c_pkey postgres
;\tdepends on: 218
3238; 2606 16413 FK CONSTRAINT shop o o_c_fkey postgres
;\tdepends on: 3232 218 220
3239; 2606 16418 FK CONSTRAINT shop o o_e_fkey postgres
;\tdepends on: 220
";

    fn taken(tables: Option<&[u32]>, without: &[u32]) -> Vec<u32> {
        let choice = Choice {
            tables: tables.map(|tables| tables.iter().copied().collect()),
            without: without.iter().copied().collect(),
        };
        chosen(&read(LISTED), &choice)
    }

    #[test]
    fn everything_but_schemas_and_keys_to_elsewhere_is_taken() {
        assert_eq!(
            taken(None, &[16418]),
            [3388, 848, 849, 218, 216, 3393, 220, 3228, 3232, 3238]
        );
    }

    #[test]
    fn a_table_comes_with_what_belongs_to_it_and_what_it_needs() {
        assert_eq!(taken(Some(&[16395]), &[]), [848, 218, 216, 3393, 3228, 3232]);
        assert_eq!(
            taken(Some(&[16408]), &[16418]),
            [220],
            "a key to a table that is not taken"
        );
        assert_eq!(
            taken(Some(&[16408, 16395]), &[16418]),
            [848, 218, 216, 3393, 220, 3228, 3232, 3238]
        );
    }
}
