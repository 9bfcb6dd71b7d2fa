//! Pure. Names that mean something wherever they are called or read: functions, relations, columns.

use super::Sign;
use super::signs::{self, foreign};

/// What is known of a function by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// A call is a sign by itself.
    Telling(&'static Sign),
    /// `pg_sleep` and its like.
    Sleep,
    /// `set_config`.
    SetConfig,
    /// Takes an advisory lock, which may wait.
    Lock,
    /// Tells of the server, the session or its rights.
    Info,
    /// Makes a text of what others may have meant to hide: `chr`.
    Chr,
    /// Undoes an encoding.
    Decode,
    /// Takes a text apart, which a blind probe does letter by letter.
    Bytes,
    /// Makes a number of a letter.
    Letter,
    /// One value for many rows.
    Aggregate,
    /// Makes as many rows or letters as its arguments say.
    Series,
    /// Is another at each call or in each session, so that a condition with it alone is none that is always true.
    Volatile,
}

use Called::{Aggregate, Bytes, Chr, Decode, Info, Letter, Series, SetConfig, Sleep, Telling, Volatile};

/// Sorted by name.
const FUNCTIONS: &[(&str, Called)] = &[
    ("array_agg", Aggregate),
    ("ascii", Letter),
    ("avg", Aggregate),
    ("benchmark", Telling(&foreign::DELAY)),
    ("bit_count", Letter),
    ("bit_length", Bytes),
    ("bool_and", Aggregate),
    ("bool_or", Aggregate),
    ("char_length", Bytes),
    ("character_length", Bytes),
    ("chr", Chr),
    ("clock_timestamp", Volatile),
    ("coalesce", Aggregate),
    ("convert_from", Decode),
    ("count", Aggregate),
    ("current_database", Info),
    ("current_query", Info),
    ("current_schema", Info),
    ("current_schemas", Info),
    ("current_setting", Volatile),
    ("cursor_to_xml", Telling(&signs::HIDDEN_SQL)),
    ("database_to_xml", Telling(&signs::HIDDEN_SQL)),
    ("database_to_xml_and_xmlschema", Telling(&signs::HIDDEN_SQL)),
    ("decode", Decode),
    ("extractvalue", Telling(&foreign::CALL)),
    ("gen_random_uuid", Volatile),
    ("generate_series", Series),
    ("get_bit", Letter),
    ("get_byte", Letter),
    ("getpgusername", Info),
    ("group_concat", Telling(&foreign::HINT)),
    ("has_any_column_privilege", Info),
    ("has_column_privilege", Info),
    ("has_database_privilege", Info),
    ("has_function_privilege", Info),
    ("has_language_privilege", Info),
    ("has_parameter_privilege", Info),
    ("has_schema_privilege", Info),
    ("has_table_privilege", Info),
    ("inet_client_addr", Info),
    ("inet_client_port", Volatile),
    ("inet_server_addr", Info),
    ("inet_server_port", Volatile),
    ("left", Bytes),
    ("length", Bytes),
    ("lo_export", Telling(&signs::FILE_CALL)),
    ("lo_import", Telling(&signs::FILE_CALL)),
    ("load_file", Telling(&foreign::CALL)),
    ("localtimestamp", Volatile),
    ("max", Aggregate),
    ("min", Aggregate),
    ("name_const", Telling(&foreign::CALL)),
    ("now", Volatile),
    ("octet_length", Bytes),
    ("ord", Letter),
    ("pg_backend_pid", Volatile),
    ("pg_cancel_backend", Telling(&signs::OTHER_SESSION)),
    ("pg_conf_load_time", Volatile),
    ("pg_create_logical_replication_slot", Telling(&signs::OTHER_SESSION)),
    ("pg_create_physical_replication_slot", Telling(&signs::OTHER_SESSION)),
    ("pg_current_logfile", Telling(&signs::FILE_CALL)),
    ("pg_drop_replication_slot", Telling(&signs::OTHER_SESSION)),
    ("pg_has_role", Info),
    ("pg_hba_file_rules", Telling(&signs::FILE_CALL)),
    ("pg_is_in_recovery", Volatile),
    ("pg_is_superuser", Info),
    ("pg_logdir_ls", Telling(&signs::FILE_CALL)),
    ("pg_postmaster_start_time", Volatile),
    ("pg_promote", Telling(&signs::OTHER_SESSION)),
    ("pg_read_binary_file", Telling(&signs::FILE_CALL)),
    ("pg_read_file", Telling(&signs::FILE_CALL)),
    ("pg_reload_conf", Telling(&signs::OTHER_SESSION)),
    ("pg_rotate_logfile", Telling(&signs::OTHER_SESSION)),
    ("pg_show_all_file_settings", Telling(&signs::FILE_CALL)),
    ("pg_sleep", Sleep),
    ("pg_sleep_for", Sleep),
    ("pg_sleep_until", Sleep),
    ("pg_stat_file", Telling(&signs::FILE_CALL)),
    ("pg_switch_wal", Telling(&signs::OTHER_SESSION)),
    ("pg_terminate_backend", Telling(&signs::OTHER_SESSION)),
    ("position", Bytes),
    ("query_to_xml", Telling(&signs::HIDDEN_SQL)),
    ("query_to_xml_and_xmlschema", Telling(&signs::HIDDEN_SQL)),
    ("query_to_xmlschema", Telling(&signs::HIDDEN_SQL)),
    ("random", Volatile),
    ("repeat", Series),
    ("right", Bytes),
    ("schema_to_xml", Telling(&signs::HIDDEN_SQL)),
    ("set_config", SetConfig),
    ("sleep", Telling(&foreign::DELAY)),
    ("statement_timestamp", Volatile),
    ("string_agg", Aggregate),
    ("strpos", Bytes),
    ("substr", Bytes),
    ("substring", Bytes),
    ("sum", Aggregate),
    ("table_to_xml", Telling(&signs::HIDDEN_SQL)),
    ("transaction_timestamp", Volatile),
    ("ts_stat", Telling(&signs::HIDDEN_SQL)),
    ("updatexml", Telling(&foreign::CALL)),
    ("utl_http", Telling(&foreign::CALL)),
    ("version", Info),
    ("xp_cmdshell", Telling(&foreign::CALL)),
];

/// What is known of a function, its name in lower case and without its schema.
pub(super) fn function(name: &str) -> Option<Called> {
    if let Ok(at) = FUNCTIONS.binary_search_by_key(&name, |(known, _)| *known) {
        return FUNCTIONS.get(at).map(|(_, called)| *called);
    }
    let prefixed = [
        ("dblink", Telling(&signs::OTHER_SERVER)),
        ("pg_ls_", Telling(&signs::FILE_CALL)),
        ("pg_file_", Telling(&signs::FILE_CALL)),
        ("pg_advisory_", Called::Lock),
        ("dbms_", Telling(&foreign::CALL)),
    ];
    let begins = prefixed.into_iter().find(|(prefix, _)| name.starts_with(prefix));
    begins.map(|(_, called)| called)
}

/// What is known of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Nothing: one of the application's.
    Own,
    /// A system catalogue or view.
    Catalogue,
    /// A catalogue with passwords or keys.
    Secrets,
    /// One that other databases have.
    Foreign,
}

/// What is known of a relation, its name in lower case.
pub(super) fn relation(schema: Option<&str>, name: &str) -> Relation {
    match name {
        "pg_shadow" | "pg_authid" | "pg_user_mapping" | "pg_user_mappings" | "pg_hba_file_rules"
        | "pg_file_settings" => Relation::Secrets,
        "sysobjects" | "syscolumns" | "sysusers" | "msysobjects" | "msysaccessobjects" | "sqlite_master"
        | "all_tables" | "user_tables" | "v$version" => Relation::Foreign,
        _ if schema == Some("information_schema") || schema == Some("pg_catalog") => Relation::Catalogue,
        _ if name.starts_with("pg_") => Relation::Catalogue,
        _ => Relation::Own,
    }
}

/// Whether a column's name says that nobody should see it.
pub(super) fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 7] = ["cvv", "otp", "pass", "passwd", "pwd", "ssn", "token"];
    const INSIDE: [&str; 10] = [
        "password",
        "passwd",
        "passphrase",
        "passhash",
        "secret",
        "apikey",
        "api_key",
        "private_key",
        "credit_card",
        "card_number",
    ];
    let name = name.to_ascii_lowercase();
    name.split('_').any(|part| PARTS.contains(&part)) || INSIDE.iter().any(|word| name.contains(word))
}

/// Types that a text is cast to so that the error message shows it.
pub(super) fn is_number_type(name: &str) -> bool {
    matches!(
        name,
        "int"
            | "integer"
            | "int2"
            | "int4"
            | "int8"
            | "bigint"
            | "smallint"
            | "numeric"
            | "decimal"
            | "dec"
            | "float"
            | "float4"
            | "float8"
            | "real"
            | "double"
            | "bool"
            | "boolean"
            | "uuid"
            | "inet"
    )
}

/// Extensions that PostgreSQL itself trusts an ordinary owner of a database with, and two that live on their own types.
pub(super) fn is_trusted_extension(name: &str) -> bool {
    const TRUSTED: [&str; 24] = [
        "btree_gin",
        "btree_gist",
        "citext",
        "cube",
        "dict_int",
        "fuzzystrmatch",
        "hstore",
        "intarray",
        "isn",
        "lo",
        "ltree",
        "pg_stat_statements",
        "pg_trgm",
        "pgcrypto",
        "plpgsql",
        "postgis",
        "seg",
        "tablefunc",
        "tcn",
        "tsm_system_rows",
        "tsm_system_time",
        "unaccent",
        "uuid-ossp",
        "vector",
    ];
    TRUSTED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_name_and_by_how_it_begins() {
        assert!(FUNCTIONS.is_sorted_by_key(|(name, _)| name));
        assert_eq!(function("pg_read_file"), Some(Telling(&signs::FILE_CALL)));
        assert_eq!(function("dblink_connect"), Some(Telling(&signs::OTHER_SERVER)));
        assert_eq!(function("lower"), None);
    }

    #[test]
    fn secrets_are_told_from_words_like_them() {
        for name in [
            "password",
            "password_hash",
            "user_passwords",
            "api_key",
            "auth_token",
            "pwd",
            "ssn",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "id",
            "compass",
            "passenger",
            "option",
            "session",
            "tokens_used",
            "lessons",
            "cutoff",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
