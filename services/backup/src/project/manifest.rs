//! What an export holds, as its project reads it: one JSON document, encrypted like the rest. Pure.
//!
//! It is meant to be read by people as well, where nothing of Weir is left.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::scope::{constant, qualified, quoted};
use serde::{Deserialize, Serialize};

/// The format that is written.
pub(crate) const FORMAT: u32 = 1;

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    /// The export's id.
    pub export: String,
    pub project: String,
    pub cluster: String,
    pub database: String,
    pub server_version: u32,
    /// The database's encoding, in which all texts are.
    pub encoding: String,
    pub started_unix_ms: i64,
    /// Where the log stood when the snapshot was taken, as PostgreSQL writes it.
    pub snapshot_lsn: String,
    pub timeline: u32,
    /// Schemas that are exported whole.
    pub schemas: Vec<String>,
    /// Archives of definitions, as pg_dump writes them, by their name among the members.
    pub definitions: Vec<String>,
    pub tables: Vec<Table>,
    pub sequences: Vec<Sequence>,
    /// Materialized views that held something, in the order in which they can be filled.
    pub views: Vec<Name>,
    /// What the definitions make, to be recognised.
    pub names: BTreeSet<Name>,
    pub foreign_keys: Vec<ForeignKey>,
    /// What is not in the export though somebody might expect it, in words.
    pub left_out: Vec<String>,
    /// Its objects, in the order of each stream.
    pub parts: Vec<Part>,
}

/// Something in a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(crate) struct Name {
    pub schema: String,
    pub name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A table. What has no rows of its own, such as a partitioned one, has no slices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Table {
    #[serde(flatten)]
    pub name: Name,
    /// Its number at the server it came from.
    pub oid: u32,
    /// As in `pg_class`: `r`, `p`, `f`.
    pub kind: String,
    /// The table that it is a partition or a child of; 0: none.
    #[serde(default)]
    pub parent_oid: u32,
    /// Columns that are exported: not those that are generated.
    pub columns: Vec<Column>,
    /// Which rows, where others' are in it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    pub rows: u64,
    /// The sum of the hashes of its rows, which does not hang on their order.
    pub rows_hash: String,
    pub slices: Vec<Slice>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// Rows of a table that were read one after the other: members `data/<table>/<slice>/…`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// In which stream of parts.
    pub stream: u32,
    pub rows: u64,
    pub bytes: u64,
    /// BLAKE3 of its members' content.
    pub blake3: String,
    /// The parts that it begins and ends in, by their place in their stream. None: it is empty.
    pub parts: Option<(u32, u32)>,
}

/// Where a sequence stood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sequence {
    #[serde(flatten)]
    pub name: Name,
    pub oid: u32,
    /// The table that owns it; 0: none.
    #[serde(default)]
    pub table_oid: u32,
    pub last_value: i64,
    pub is_called: bool,
}

/// A foreign key, to know which of them cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ForeignKey {
    pub name: String,
    pub oid: u32,
    pub table_oid: u32,
    pub referenced_oid: u32,
}

/// An object of the export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Part {
    pub path: String,
    pub stream: u32,
    pub bytes: u64,
    /// BLAKE3 of it as it is stored.
    pub blake3: String,
}

impl Manifest {
    /// The table of a name.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.to_string() == name)
    }

    /// What psql takes to load the rows by hand, where nothing of Weir is left.
    pub(crate) fn by_hand(&self) -> String {
        let mut text = format!(
            "-- Rows of export {}. Run by psql where its parts were unpacked: after the definitions of section pre-data,\n\
             -- and before those of section post-data.\n\\set ON_ERROR_STOP on\n\\encoding {}\nset xmloption = content;\n",
            self.export, self.encoding
        );
        for (at, table) in self.tables.iter().enumerate().filter(|(_, table)| table.kind == "r") {
            let columns: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
            let list = if columns.is_empty() {
                String::new()
            } else {
                format!(" ({})", columns.join(", "))
            };
            let name = qualified(&table.name.schema, &table.name.name);
            let _ = writeln!(
                text,
                "\\copy {name}{list} from program 'test ! -d data/{at:05} || cat data/{at:05}/*/*'"
            );
        }
        for sequence in &self.sequences {
            let name = constant(&qualified(&sequence.name.schema, &sequence.name.name));
            let _ = writeln!(
                text,
                "select pg_catalog.setval({name}, {}, {});",
                sequence.last_value, sequence.is_called
            );
        }
        for view in &self.views {
            let _ = writeln!(
                text,
                "refresh materialized view {};",
                qualified(&view.schema, &view.name)
            );
        }
        text
    }

    /// The parts of a stream, in order.
    pub(crate) fn stream(&self, stream: u32) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.stream == stream)
    }
}

/// Where the rows of a table's slice lie among the members.
pub(crate) fn folder(table: usize, slice: usize) -> String {
    format!("data/{table:05}/{slice:05}")
}

/// Which table and slice a member belongs to.
pub(crate) fn place(member: &str) -> Option<(usize, usize)> {
    let mut parts = member.strip_prefix("data/")?.split('/');
    let table = parts.next()?.parse().ok()?;
    let slice = parts.next()?.parse().ok()?;
    Some((table, slice))
}

/// Sums hashes of rows, whatever their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RowsHash {
    sum: [u64; 4],
    pub rows: u64,
}

impl RowsHash {
    /// Takes one row more.
    pub(crate) fn add(&mut self, row: &[u8]) {
        let hash = blake3::hash(row);
        let (words, _) = hash.as_bytes().as_chunks::<8>();
        for (sum, word) in self.sum.iter_mut().zip(words) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
        self.rows += 1;
    }

    /// Takes all rows of another.
    pub(crate) fn join(&mut self, other: &Self) {
        for (sum, more) in self.sum.iter_mut().zip(other.sum) {
            *sum = sum.wrapping_add(more);
        }
        self.rows += other.rows;
    }

    /// As it is written.
    pub(crate) fn text(&self) -> String {
        self.sum.iter().map(|word| format!("{word:016x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_rows_does_not_hang_on_their_order_and_on_everything_else() {
        let of = |rows: &[&str]| {
            let mut hash = RowsHash::default();
            rows.iter().for_each(|row| hash.add(row.as_bytes()));
            hash
        };
        assert_eq!(of(&["a", "b", "b"]), of(&["b", "a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "b", "b"]));
        assert_ne!(of(&["a", "a"]), of(&["b", "b"]));
        let mut joined = of(&["a"]);
        joined.join(&of(&["b", "c"]));
        assert_eq!(joined, of(&["c", "b", "a"]));
    }

    #[test]
    fn a_member_says_where_it_belongs() {
        assert_eq!(place(&format!("{}/000007.copy", folder(12, 3))), Some((12, 3)));
        assert_eq!(place("definitions/own.dump"), None);
    }
}
