//! The names of all checks, in the order in which they are shown. Pure.

/// Each name with what it looks at.
pub(super) const NAMES: &[(&str, &str)] = &[
    (
        "settings.valid",
        "every setting is known, well formed, and agrees with the others",
    ),
    ("settings.addresses", "services look for each other where they listen"),
    ("settings.timeouts", "time limits that only make sense together do"),
    ("settings.security", "doors that others can reach are encrypted"),
    ("service.grpc", "each service answers where the settings say"),
    ("service.ready", "each service says that it can do its work"),
    ("service.version", "all services are of this command's version"),
    ("service.clock", "clocks of the services agree with the one here"),
    (
        "service.descriptors",
        "each service may open as many files as its clients need",
    ),
    ("server.reachable", "each PostgreSQL server lets Weir in"),
    (
        "server.version",
        "its version is supported, and its minor release not ancient",
    ),
    ("server.clock", "its clock agrees with the one here"),
    (
        "server.connections",
        "it has room for the pools and for Weir's own connections",
    ),
    ("server.wal_level", "its log says enough for backups and the cache"),
    (
        "server.replication_slots",
        "it has slots left for backups and the cache",
    ),
    ("server.wal_senders", "it may send its log to as many as want it"),
    ("server.slots", "no slot holds log back"),
    ("server.archive", "its archiving works, where it is used"),
    ("server.durability", "it does not lose what it has confirmed"),
    ("server.checksums", "pages carry checksums"),
    ("server.autovacuum", "it looks after its tables while nobody else does"),
    ("server.encryption", "connections that leave the machine are encrypted"),
    ("server.certificate", "its certificate does not expire soon"),
    ("server.passwords", "passwords are kept as SCRAM verifiers"),
    ("server.io_timing", "it measures how long it waits for disks"),
    ("server.query_text", "texts of statements are not cut"),
    ("server.query_id", "statements have numbers"),
    (
        "server.statement_timeout",
        "its time limit for statements fits the gateway's",
    ),
    ("server.idle_in_transaction", "sessions that idle in a transaction end"),
    ("server.pending_restart", "no changed setting waits for a restart"),
    ("role.superuser", "Weir's role has no more rights than it needs"),
    ("role.monitor", "it may see sessions, statements and settings of others"),
    ("role.replication", "it may read the log"),
    ("role.backup", "it may begin a backup"),
    ("role.logins", "it may look up verifiers, so that users can log in"),
    ("role.signal", "it may end sessions of others, as runbooks advise"),
    ("role.tables", "it may maintain the users' tables"),
    ("extension.pg_stat_statements", "the server counts its statements"),
    ("extension.pageinspect", "bloat is measured on few pages"),
    ("extension.pgstattuple", "bloat is measured where pages cannot be read"),
    (
        "extension.pg_repack",
        "tables are written anew without shutting users out",
    ),
    ("extension.hypopg", "indexes can be tried without being built"),
    ("store.reachable", "Weir's own tables can be reached"),
    ("store.schema", "each service has its schema, or may make it"),
    ("store.migrations", "each schema is as this version expects it"),
    ("store.leftovers", "nothing is left of work that was cut off"),
    ("bus.reachable", "the bus carries events between services"),
    ("bus.clock", "the clock of NATS agrees with the one here"),
    ("redis.reachable", "gateways can share results"),
    ("disk.space", "disks with logs, backups and data have room"),
    (
        "process.descriptors",
        "a process started from here may open enough files",
    ),
    ("certificate.expiry", "certificates in files do not expire soon"),
    ("alerts.channels", "somebody is told of alerts"),
    ("alerts.delivery", "channels accept what they are told"),
    ("backup.on", "backups are taken"),
    ("backup.schedule", "the scheduler asks for backups"),
    ("backup.repositories", "each repository can be used"),
    (
        "backup.key",
        "keys are readable by the service alone, and lie apart from backups",
    ),
    ("backup.recent", "the last backup is not old"),
    ("backup.proven", "a backup was proven lately"),
    ("backup.log", "commits are safe within seconds"),
];

/// Where a check stands in the list.
pub(super) fn place(name: &str) -> usize {
    NAMES
        .iter()
        .position(|(known, _)| *known == name)
        .unwrap_or(NAMES.len())
}

/// Whether a word of `--only` chooses a check: its name, or the part of it before the dot.
pub(super) fn chooses(word: &str, name: &str) -> bool {
    word == name || name.split('.').next() == Some(word)
}

/// The words that `--only` understands.
pub(super) fn words() -> Vec<&'static str> {
    let areas = NAMES.iter().filter_map(|(name, _)| name.split('.').next());
    let mut words: Vec<&str> = areas.chain(NAMES.iter().map(|(name, _)| *name)).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_chooses_one_check_or_a_whole_area() {
        assert!(chooses("server", "server.clock") && chooses("server.clock", "server.clock"));
        assert!(!chooses("serve", "server.clock") && !chooses("server.version", "server.clock"));
        assert!(words().contains(&"backup") && words().contains(&"backup.key"));
    }

    /// The guide names every check.
    #[test]
    fn the_guide_lists_every_check() {
        let guide = include_str!("../../../../../docs/guides/doctor.md");
        for (name, _) in NAMES {
            assert!(
                guide.contains(&format!("`{name}`")),
                "docs/guides/doctor.md does not name {name}"
            );
        }
    }
}
