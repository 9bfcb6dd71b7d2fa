//! What is known beside the plan: of its tables, and of the memory that it may use. Pure.

use serde::Deserialize;

use super::plan::Node;

/// What the server says of the tables of a plan, and of its settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// Memory for one sort, in KiB; none where that is not known.
    pub(crate) work_mem_kb: Option<f64>,
    /// How much more a hash may have.
    pub(crate) hash_mem_multiplier: Option<f64>,
    /// Tables that the plan names.
    pub(crate) tables: Vec<Table>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Table {
    /// Its schema.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) name: String,
    /// Rows as of the last VACUUM or ANALYZE; -1 where there was none.
    pub(crate) rows: f64,
    /// Pages on disk now.
    pub(crate) pages: f64,
    /// Rows changed since the last ANALYZE.
    pub(crate) changed_rows: f64,
    /// Rows that the server counts as live.
    pub(crate) live_rows: f64,
    /// Rows updated or deleted, as far back as the server counts.
    pub(crate) rewritten_rows: f64,
    /// Pages on disk when it was last vacuumed or analysed.
    pub(crate) known_pages: f64,
    /// Its columns.
    pub(crate) columns: Vec<Column>,
}

/// One column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Whether there are statistics of it; none where that may not be seen.
    pub(crate) has_statistics: Option<bool>,
}

impl Facts {
    /// The table of a node.
    pub(crate) fn table(&self, node: &Node) -> Option<&Table> {
        let (schema, name) = (node.word("Schema"), node.relation());
        let wanted = |table: &&Table| table.name == name && (schema.is_empty() || table.schema == schema);
        self.tables.iter().find(wanted).filter(|_| !name.is_empty())
    }

    /// Memory for one hash table, in KiB.
    pub(crate) fn hash_mem_kb(&self) -> Option<f64> {
        Some(self.work_mem_kb? * self.hash_mem_multiplier.unwrap_or(1.0))
    }
}

impl Table {
    /// As a person, or a statement, names it.
    pub(crate) fn qualified(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// The columns that a condition speaks of, as far as names tell, in the table's order.
    pub(crate) fn columns_in<'t>(&'t self, conditions: &[&str]) -> Vec<&'t Column> {
        let named = |column: &&Column| conditions.iter().any(|text| names(text, &column.name));
        self.columns.iter().filter(named).collect()
    }
}

/// A name as a statement needs it.
pub(crate) fn quoted(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts_well = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if starts_well && name.bytes().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Whether a condition names this column: the word stands in it by itself, and outside of literals.
fn names(condition: &str, column: &str) -> bool {
    let part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    let outside = condition.split('\'').step_by(2);
    outside.into_iter().any(|text| {
        text.match_indices(column).any(|(at, _)| {
            let before = text.get(..at).and_then(|head| head.chars().next_back());
            let behind = text.get(at + column.len()..).and_then(|tail| tail.chars().next());
            let is_cast = before == Some(':');
            let is_call = behind == Some('(');
            !before.is_some_and(part_of_word) && !behind.is_some_and(part_of_word) && !is_cast && !is_call
        })
    })
}
