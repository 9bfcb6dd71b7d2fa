//! What pg_repack can work on, and what its output says. Pure.

use super::TableName;
use super::rewrites::is_systems;

/// What a table has to be told of before pg_repack works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepackTable {
    /// Its number.
    pub oid: u32,
    /// `r`, or `p` for a partitioned one, and so on.
    pub kind: char,
    /// Whether it goes with a session.
    pub is_temporary: bool,
    /// Whether rows can be told apart by columns that are never NULL.
    pub has_key: bool,
    /// Its invalid indexes, which it would not carry over.
    pub invalid: Vec<String>,
    /// Where its rows lie: another number afterwards.
    pub file: String,
    /// Its size with indexes and TOAST.
    pub bytes: u64,
}

/// Why pg_repack cannot work on a table, if it cannot.
pub(crate) fn repack_refusal(name: &TableName, facts: &RepackTable) -> Option<String> {
    let reason = if is_systems(&name.schema) || name.schema == "repack" {
        "it belongs to the system".to_owned()
    } else if facts.kind != 'r' {
        "only plain tables can be repacked: of a partitioned one, its partitions".to_owned()
    } else if facts.is_temporary {
        "it goes with its session".to_owned()
    } else if !facts.has_key {
        "pg_repack needs a primary key, or a unique index on columns that are NOT NULL".to_owned()
    } else if !facts.invalid.is_empty() {
        format!(
            "it has invalid indexes, which would not be carried over: {}",
            facts.invalid.join(", ")
        )
    } else {
        return None;
    };
    Some(format!("table {name} is left: {reason}"))
}

/// Whether the program and the extension go together: pg_repack itself refuses any other pair.
pub(crate) fn version_refusal(program: &str, extension: &str) -> Option<String> {
    (program != extension)
        .then(|| format!("the program is {program}, and the extension in the database is {extension}"))
}

/// Whether this version can be told to stop at an invalid index.
pub(crate) fn knows_invalid_indexes(version: &str) -> bool {
    let number = version.rsplit(' ').next().unwrap_or_default();
    let mut parts = number.split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(1), Some(5))
}

/// What came of a run, by what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It did not get the table's lock in the time it had.
    Locked,
    /// It gave up for another reason.
    Reason(String),
    /// It complained of nothing.
    Nothing,
}

/// Reads its output. It ends with status 0 also where it skipped the table.
pub(crate) fn said(output: &str) -> Said {
    let is_locked = output.contains("due to timeout") || output.contains("lock_exclusive() failed");
    if is_locked {
        return Said::Locked;
    }
    let lines = output.lines().map(str::trim);
    let worst = |level: &'static str| move |line: &&str| line.starts_with(level);
    let find = |level| lines.clone().rfind(worst(level));
    let line = find("FATAL: ")
        .or_else(|| find("ERROR: "))
        .or_else(|| find("WARNING: "))
        .or_else(|| lines.clone().find(|line| line.starts_with("pg_repack: ")));
    line.map_or(Said::Nothing, |line| Said::Reason(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_read_for_the_reason() {
        for (output, expected) in [
            ("INFO: repacking table \"public.t\"\n", Said::Nothing),
            (
                "INFO: repacking table \"public.t\"\nWARNING: timed out, do not cancel conflicting backends\nINFO: Skipping repack public.t due to timeout\n",
                Said::Locked,
            ),
            ("WARNING: lock_exclusive() failed in conn2 for public.t\n", Said::Locked),
            (
                "WARNING: relation \"public.t\" must have a primary key or not-null unique keys\n",
                Said::Reason(
                    "WARNING: relation \"public.t\" must have a primary key or not-null unique keys".to_owned(),
                ),
            ),
            (
                "ERROR: pg_repack failed with error: ERROR:  relation \"x\" does not exist\nWARNING: late\n",
                Said::Reason("ERROR: pg_repack failed with error: ERROR:  relation \"x\" does not exist".to_owned()),
            ),
            (
                "pg_repack: unrecognized option\nTry more\n",
                Said::Reason("pg_repack: unrecognized option".to_owned()),
            ),
        ] {
            assert_eq!(said(output), expected, "{output}");
        }
    }

    #[test]
    fn versions_have_to_be_the_same() {
        assert_eq!(version_refusal("pg_repack 1.4.8", "pg_repack 1.4.8"), None);
        assert!(version_refusal("pg_repack 1.5.0", "pg_repack 1.4.8").is_some());
    }

    #[test]
    fn newer_versions_stop_at_an_invalid_index_themselves() {
        for (version, knows) in [
            ("pg_repack 1.4.8", false),
            ("pg_repack 1.5.0", true),
            ("pg_repack 2.0", true),
            ("", false),
        ] {
            assert_eq!(knows_invalid_indexes(version), knows, "{version}");
        }
    }

    #[test]
    fn tables_that_cannot_be_repacked_have_their_reason() {
        let name = |schema: &str| TableName {
            schema: schema.to_owned(),
            name: "t".to_owned(),
        };
        let good = RepackTable {
            oid: 1,
            kind: 'r',
            is_temporary: false,
            has_key: true,
            invalid: Vec::new(),
            file: "1".to_owned(),
            bytes: 1,
        };
        assert_eq!(repack_refusal(&name("public"), &good), None);
        for (schema, facts, expected) in [
            ("pg_catalog", good.clone(), "the system"),
            ("repack", good.clone(), "the system"),
            (
                "public",
                RepackTable {
                    kind: 'p',
                    ..good.clone()
                },
                "plain tables",
            ),
            (
                "public",
                RepackTable {
                    is_temporary: true,
                    ..good.clone()
                },
                "session",
            ),
            (
                "public",
                RepackTable {
                    has_key: false,
                    ..good.clone()
                },
                "primary key",
            ),
            (
                "public",
                RepackTable {
                    invalid: vec!["x".to_owned()],
                    ..good
                },
                "invalid indexes",
            ),
        ] {
            let said = repack_refusal(&name(schema), &facts).unwrap();
            assert!(said.contains(expected), "{said}");
        }
    }
}
