//! What a plan rests on: names and measured facts of tables and indexes. Pure.

use std::fmt;

/// A table's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its own name.
    pub name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl TableName {
    /// Whether a pattern means it: `schema.name`, where `*` stands for any run of characters.
    pub(crate) fn matches(&self, pattern: &str) -> bool {
        fits(&self.to_string(), pattern)
    }

    /// The name as it stands in a statement, whatever characters it has.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

/// Whether a text is what a pattern describes; `*` stands for any run of characters.
pub(crate) fn fits(text: &str, pattern: &str) -> bool {
    if text == pattern {
        return true;
    }
    let Some((first, rest)) = pattern.split_once('*') else {
        return false;
    };
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some((_, behind)) = left.split_once(part) else {
            return false;
        };
        left = behind;
    }
    left.ends_with(last)
}

/// An identifier as it stands in a statement.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a piece of work is about: a table, or one index of it. An index lies in the schema of its table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Subject {
    /// The table.
    pub table: TableName,
    /// The index, where it is about one.
    pub index: Option<String>,
}

impl Subject {
    /// A table.
    pub(crate) const fn table(table: TableName) -> Self {
        Self { table, index: None }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.index {
            None => self.table.fmt(f),
            Some(index) => write!(f, "{}.{index}", self.table.schema),
        }
    }
}

/// What is known of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableFacts {
    /// Its number in the catalogue.
    pub oid: u32,
    /// Which table.
    pub table: TableName,
    /// Rows that are alive, as PostgreSQL estimates them.
    pub live_tuples: i64,
    /// Rows that are dead and not yet vacuumed.
    pub dead_tuples: i64,
    /// Rows changed since the last ANALYZE.
    pub changed_tuples: i64,
    /// Rows inserted since the last VACUUM.
    pub inserted_tuples: i64,
    /// Bytes of the table itself, without indexes.
    pub size_bytes: i64,
    /// Bytes of its indexes, as of their last VACUUM.
    pub index_bytes: i64,
    /// Bytes of it that VACUUM has to read: those of pages not known to hold only visible rows.
    pub unseen_bytes: i64,
    /// Bytes of it that statements touch in a day, on average since the statistics were begun.
    pub touched_bytes_per_day: f64,
    /// Bytes of rows that die in a day, likewise; 0 where that is not known.
    pub dying_bytes_per_day: f64,
    /// When it was last vacuumed, by hand or by itself, in milliseconds since 1970.
    pub last_vacuum_unix_ms: Option<i64>,
    /// When it was last analysed, likewise.
    pub last_analyze_unix_ms: Option<i64>,
}

impl TableFacts {
    /// Changed rows as a share of the living, in per cent.
    pub(crate) fn changed_percent(&self) -> f64 {
        share(self.changed_tuples, self.live_tuples.max(1))
    }

    /// Dead rows as a share of all, in per cent.
    pub(crate) fn dead_percent(&self) -> f64 {
        share(self.dead_tuples, (self.live_tuples + self.dead_tuples).max(1))
    }

    /// Bytes that its dead rows take.
    pub(crate) fn dead_bytes(&self) -> u64 {
        let share = self.dead_percent() / 100.0;
        whole(share * self.size_bytes.max(0) as f64)
    }
}

fn share(part: i64, whole: i64) -> f64 {
    part.max(0) as f64 * 100.0 / whole as f64
}

/// A number of bytes that was worked out, as a whole one.
pub(crate) fn whole(bytes: f64) -> u64 {
    // A float above the range becomes its end, and no number becomes 0.
    bytes.max(0.0) as u64
}

/// What is known of an index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexFacts {
    /// Its number in the catalogue.
    pub oid: u32,
    /// Its table's number.
    pub table_oid: u32,
    /// Which index of which table.
    pub subject: Subject,
    /// Its access method.
    pub method: String,
    /// Its size.
    pub size_bytes: i64,
    /// Bytes of it that statements touch in a day.
    pub touched_bytes_per_day: f64,
    /// Why REINDEX CONCURRENTLY cannot rebuild it. None: it can.
    pub fixed: Option<String>,
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// A table of this many rows, none of them changed, of a hundred bytes each.
    pub(crate) fn table(name: &str, live_tuples: i64) -> TableFacts {
        TableFacts {
            oid: 1,
            table: TableName {
                schema: "public".to_owned(),
                name: name.to_owned(),
            },
            live_tuples,
            dead_tuples: 0,
            changed_tuples: 0,
            inserted_tuples: 0,
            size_bytes: live_tuples * 100,
            index_bytes: 0,
            unseen_bytes: 0,
            touched_bytes_per_day: 0.0,
            dying_bytes_per_day: 0.0,
            last_vacuum_unix_ms: None,
            last_analyze_unix_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_tables_that_it_describes() {
        let table = TableName {
            schema: "public".to_owned(),
            name: "orders_2026_11".to_owned(),
        };
        for pattern in [
            "public.orders_2026_11",
            "*",
            "public.*",
            "*_11",
            "public.*_2026_*",
            "*.*orders*",
            "public.orders_2026_11*",
        ] {
            assert!(table.matches(pattern), "{pattern}");
        }
        for pattern in [
            "",
            "public",
            "orders*",
            "public.*_12",
            "p*.x*",
            "public.orders*_11_11",
            "*11*_11",
        ] {
            assert!(!table.matches(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_name_is_quoted_whatever_it_holds() {
        let table = TableName {
            schema: "Sales".to_owned(),
            name: "a\"; drop table x; --".to_owned(),
        };
        assert_eq!(table.quoted(), "\"Sales\".\"a\"\"; drop table x; --\"");
    }
}
