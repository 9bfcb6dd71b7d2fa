//! What `pg_control` of a data directory says, and what it demands of a server that replays its log. Pure.

use std::collections::HashMap;

/// What `pg_control` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control(HashMap<String, String>);

/// Settings that a server must have at least as large as the primary had them when it wrote the log.
const DEMANDS: [(&str, &str, u64); 5] = [
    ("max_connections setting", "max_connections", 100),
    ("max_worker_processes setting", "max_worker_processes", 16),
    ("max_wal_senders setting", "max_wal_senders", 16),
    ("max_prepared_xacts setting", "max_prepared_transactions", 16),
    ("max_locks_per_xact setting", "max_locks_per_transaction", 128),
];

impl Control {
    /// Reads what `pg_controldata` prints.
    pub(crate) fn read(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Self(
            pairs
                .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                .collect(),
        )
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.parse().ok()
    }

    /// PostgreSQL's identifier of the cluster.
    pub(crate) fn system_identifier(&self) -> Option<u64> {
        self.number("Database system identifier")
    }

    /// Whether pages have checksums.
    #[cfg(test)]
    pub(crate) fn has_checksums(&self) -> bool {
        self.number("Data page checksum version")
            .is_some_and(|version| version > 0)
    }

    /// What the server must be given, with its values.
    pub(crate) fn demands(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DEMANDS
            .iter()
            .map(|(name, setting, least)| (*setting, self.number(name).unwrap_or_default().max(*least)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_are_what_the_primary_had_and_never_less_than_is_needed_here() {
        let control = Control::read(
            "Database system identifier:           7300000000000000001\n\
             max_connections setting:              350\n\
             max_prepared_xacts setting:           0\n\
             Database block size:                  8192\n\
             Data page checksum version:           1\n",
        );
        assert_eq!(control.system_identifier(), Some(7_300_000_000_000_000_001));
        assert!(control.has_checksums());
        let demands: Vec<_> = control.demands().collect();
        assert_eq!(demands[0], ("max_connections", 350));
        assert_eq!(demands[3], ("max_prepared_transactions", 16));
    }
}
