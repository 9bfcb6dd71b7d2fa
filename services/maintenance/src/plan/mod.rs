//! Facts to a plan. Pure: it says what is to be done and why, and touches nothing.

mod analyze;
mod bloat;
mod kind;

pub(crate) use analyze::{AnalyzeRule, plan_analyze};
pub(crate) use bloat::{Bloat, Method};
pub(crate) use kind::Kind;

/// A table's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its own name.
    pub name: String,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl TableName {
    /// Whether a pattern means it: `schema.name`, where `*` stands for any run of characters.
    pub(crate) fn matches(&self, pattern: &str) -> bool {
        let name = self.to_string();
        if name == pattern {
            return true;
        }
        let Some((first, rest)) = pattern.split_once('*') else {
            return false;
        };
        let Some(mut left) = name.strip_prefix(first) else {
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

    /// The name as it stands in a statement, whatever characters it has.
    pub(crate) fn quoted(&self) -> String {
        let quote = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

/// What is known of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableFacts {
    /// Which table.
    pub table: TableName,
    /// Rows that are alive, as PostgreSQL estimates them.
    pub live_tuples: i64,
    /// Rows that are dead and not yet vacuumed.
    pub dead_tuples: i64,
    /// Rows changed since the last ANALYZE.
    pub changed_tuples: i64,
    /// Bytes of the table itself, without indexes.
    pub size_bytes: i64,
    /// When it was last analysed, by hand or by itself, in milliseconds since 1970.
    pub last_analyze_unix_ms: Option<i64>,
}

impl TableFacts {
    /// Changed rows as a share of the living, in per cent.
    pub(crate) fn changed_percent(&self) -> f64 {
        if self.changed_tuples == 0 {
            return 0.0;
        }
        self.changed_tuples as f64 * 100.0 / self.live_tuples.max(1) as f64
    }
}

/// One table of a plan: done or left, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// What the decision rests on.
    pub facts: TableFacts,
    /// Whether it is to be done.
    pub selected: bool,
    /// Why, in words for people.
    pub reason: String,
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
