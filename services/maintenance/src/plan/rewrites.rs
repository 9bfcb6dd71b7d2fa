//! Which relations can be written anew beside their use, and which index is checked next. Pure.

use super::leftovers::quote;

/// An index by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexName {
    /// The schema of the index and its table.
    pub schema: String,
    /// Its own name.
    pub name: String,
}

impl IndexName {
    /// The name as it stands in a statement.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

impl std::fmt::Display for IndexName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// What an index has to be told of before it is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RebuildFacts {
    /// Its number.
    pub oid: u32,
    /// The number of its table.
    pub table_oid: u32,
    /// `i`, or `I` for one of a partitioned table.
    pub kind: char,
    /// How it is built: `btree`, `gin`, …
    pub method: String,
    /// Whether queries use it.
    pub is_valid: bool,
    /// Whether it stands for an exclusion constraint.
    pub excludes: bool,
    /// Whether its table goes with a session.
    pub is_temporary: bool,
    /// Its size.
    pub bytes: u64,
}

/// Why an index cannot be rebuilt beside its use, if it cannot.
pub(crate) fn rebuild_refusal(name: &IndexName, facts: &RebuildFacts) -> Option<String> {
    let reason = if is_systems(&name.schema) {
        "it belongs to the system's own tables"
    } else if facts.kind == 'I' {
        "it is an index of a partitioned table: rebuild those of the partitions"
    } else if facts.excludes {
        "it stands for an exclusion constraint, and PostgreSQL cannot rebuild such an index beside its use"
    } else if facts.is_temporary {
        "its table goes with its session"
    } else if !facts.is_valid {
        "it is invalid, which its owner should decide about: drop it, or rebuild it by hand"
    } else {
        return None;
    };
    Some(format!("index {name} is left: {reason}"))
}

/// Schemas of the system, and Weir's own.
pub(crate) fn is_systems(schema: &str) -> bool {
    schema.starts_with("pg_") || schema.starts_with("weir_") || schema == "information_schema"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: &str, name: &str) -> IndexName {
        IndexName {
            schema: schema.to_owned(),
            name: name.to_owned(),
        }
    }

    fn facts() -> RebuildFacts {
        RebuildFacts {
            oid: 1,
            table_oid: 2,
            kind: 'i',
            method: "btree".to_owned(),
            is_valid: true,
            excludes: false,
            is_temporary: false,
            bytes: 8192,
        }
    }

    #[test]
    fn what_cannot_be_rebuilt_has_its_reason() {
        let refusal =
            |schema: &str, facts: RebuildFacts| rebuild_refusal(&name(schema, "x"), &facts).unwrap_or_default();
        assert_eq!(refusal("public", facts()), "");
        for (schema, facts, expected) in [
            ("pg_catalog", facts(), "the system's own"),
            ("pg_toast", facts(), "the system's own"),
            ("weir_monitor", facts(), "the system's own"),
            ("public", RebuildFacts { kind: 'I', ..facts() }, "of the partitions"),
            (
                "public",
                RebuildFacts {
                    excludes: true,
                    ..facts()
                },
                "exclusion constraint",
            ),
            (
                "public",
                RebuildFacts {
                    is_temporary: true,
                    ..facts()
                },
                "goes with its session",
            ),
            (
                "public",
                RebuildFacts {
                    is_valid: false,
                    ..facts()
                },
                "it is invalid",
            ),
        ] {
            let said = refusal(schema, facts);
            assert!(said.contains(expected), "{said}");
        }
    }
}
