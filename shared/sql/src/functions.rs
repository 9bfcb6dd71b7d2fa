//! Pure. PostgreSQL's functions that do more than compute: those that write, those that lock, and those whose
//! arguments say what the statement really does.

use crate::deeds::Deed;
use crate::scan::Token;
use crate::settings;

/// Functions that change data, sequences, settings, files, replication or other sessions, or run SQL given as text.
const WRITING: [&str; 33] = [
    "connectby",
    "gin_clean_pending_list",
    "lowrite",
    "nextval",
    "pg_backup_start",
    "pg_backup_stop",
    "pg_cancel_backend",
    "pg_create_restore_point",
    "pg_current_xact_id",
    "pg_drop_replication_slot",
    "pg_export_snapshot",
    "pg_import_system_collations",
    "pg_log_backend_memory_contexts",
    "pg_log_standby_snapshot",
    "pg_logical_emit_message",
    "pg_notify",
    "pg_promote",
    "pg_reload_conf",
    "pg_replication_slot_advance",
    "pg_rotate_logfile",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_switch_wal",
    "pg_sync_replication_slots",
    "pg_terminate_backend",
    "pg_truncate_visibility_map",
    "set_config",
    "setseed",
    "setval",
    "ts_rewrite",
    "ts_stat",
    "txid_current",
    "xpath_table",
];

/// The same, by how their names begin.
const WRITING_PREFIXES: [&str; 20] = [
    "brin_desummarize_",
    "brin_summarize_",
    "crosstab",
    "cursor_to_xml",
    "database_to_xml",
    "dblink",
    "lo_",
    "pg_clear_",
    "pg_copy_",
    "pg_create_",
    "pg_file_",
    "pg_logical_slot_get_",
    "pg_replication_origin_",
    "pg_restore_",
    "pg_set_",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_wal_replay_",
    "query_to_xml",
    "table_to_xml",
];

/// Functions that take advisory locks.
const LOCKING_PREFIXES: [&str; 2] = ["pg_advisory_", "pg_try_advisory_"];

/// Functions whose arguments name a file, a connection, a setting, a session or SQL to run.
const TELLING: [&str; 10] = [
    "connectby",
    "pg_cancel_backend",
    "pg_drop_replication_slot",
    "pg_read_binary_file",
    "pg_stat_file",
    "pg_terminate_backend",
    "set_config",
    "ts_rewrite",
    "ts_stat",
    "xpath_table",
];

/// The same, by how their names begin.
const TELLING_PREFIXES: [&str; 12] = [
    "crosstab",
    "cursor_to_xml",
    "dblink",
    "lo_export",
    "lo_import",
    "pg_create_",
    "pg_file_",
    "pg_logical_slot_get_",
    "pg_ls_",
    "pg_read_file",
    "query_to_xml",
    "table_to_xml",
];

/// Functions that name a relation or a channel in their first argument.
const NAMING: [&str; 5] = ["currval", "nextval", "pg_get_serial_sequence", "pg_notify", "setval"];

/// Functions that run SQL given as text, or keep something for the session that no other deed tells.
const OPAQUE: [&str; 2] = ["ts_rewrite", "ts_stat"];

/// The same, by how their names begin.
const OPAQUE_PREFIXES: [&str; 12] = [
    "connectby",
    "crosstab",
    "dblink",
    "pg_backup_start",
    "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_create_physical_replication_slot",
    "pg_replication_origin_session_",
    "pg_start_backup",
    "query_to_xml",
    "xpath_table",
];

/// Which arguments of a function belong to a statement's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// All of them.
    All,
    /// The first.
    First,
}

/// Whether a call of this function may change something. A name in Unicode escapes may be any name.
pub(crate) fn writes(name: &Token<'_>) -> bool {
    name.is_escaped_name() || listed(name, &WRITING, &WRITING_PREFIXES)
}

/// Whether it takes a lock.
pub(crate) fn locks(name: &Token<'_>) -> bool {
    listed(name, &[], &LOCKING_PREFIXES)
}

/// Which of its arguments tell statements apart.
pub(crate) fn kept_arguments(name: &Token<'_>) -> Option<Arguments> {
    if name.is_escaped_name() || listed(name, &TELLING, &TELLING_PREFIXES) {
        Some(Arguments::All)
    } else {
        listed(name, &NAMING, &[]).then_some(Arguments::First)
    }
}

/// What a call does to its session. The name comes folded and without `pg_catalog`, the arguments with their
/// parenthesis.
pub(crate) fn deed(name: &str, arguments: &[Token<'_>]) -> Option<Deed> {
    match name {
        "set_config" => Some(settings::set_config(arguments)),
        "setseed" => Some(Deed::Seed),
        "lastval" | "currval" => Some(Deed::SequenceRead),
        "pg_notify" => Some(Deed::Notify),
        "pg_advisory_unlock_all" => Some(Deed::AdvisoryUnlock { all: true }),
        "pg_advisory_unlock" | "pg_advisory_unlock_shared" => Some(Deed::AdvisoryUnlock { all: false }),
        _ if LOCKING_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => {
            (!name.contains("_xact_")).then_some(Deed::AdvisoryLock)
        }
        _ => is_opaque(name).then_some(Deed::Opaque),
    }
}

/// The functions of extensions live in whichever schema they were put.
fn is_opaque(name: &str) -> bool {
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    OPAQUE.contains(&name) || OPAQUE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn listed(name: &Token<'_>, names: &[&str], prefixes: &[&str]) -> bool {
    let name = name.folded();
    names.contains(&name.as_ref()) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}
