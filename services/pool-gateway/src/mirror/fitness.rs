//! What may be done once more on another database. Pure.
//!
//! Never what has an effect outside of its database, nor what only makes sense in the session that it came from. What a
//! function of the user's own or a foreign table does elsewhere cannot be seen in a statement.

use weir_sql::{Deed, Kind, Statement};

use crate::route::{self, Hint};

/// Why a transaction is not mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// It does something else than plain reads, and nothing else is wanted.
    NotARead,
    /// COPY.
    Copy,
    /// It has an effect outside of its database.
    Outside,
    /// It needs something of its session that the mirror has not.
    Session,
    /// Nobody has read what it is.
    Unread,
    /// Settings and transaction control only.
    Nothing,
    /// It was broken off: the server rolled it back.
    Unfinished,
}

impl Skip {
    pub(crate) const ALL: [Self; 7] = [
        Self::NotARead,
        Self::Copy,
        Self::Outside,
        Self::Session,
        Self::Unread,
        Self::Nothing,
        Self::Unfinished,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotARead => "not_a_read",
            Self::Copy => "copy",
            Self::Outside => "outside",
            Self::Session => "session",
            Self::Unread => "unread",
            Self::Nothing => "nothing",
            Self::Unfinished => "unfinished",
        }
    }
}

/// What a statement that is mirrored is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fit {
    /// It does something that is worth a comparison.
    pub(crate) works: bool,
    /// Something of it may be left in the mirror's session.
    pub(crate) leaves_traces: bool,
}

/// Whether a statement may be mirrored. `text` is how it was sent.
pub(crate) fn judge(statement: &Statement, text: &[u8], reads_only: bool) -> Result<Fit, Skip> {
    if statement.statements == 0 {
        return Ok(Fit {
            works: false,
            leaves_traces: false,
        });
    }
    if !statement.parsed {
        return Err(Skip::Unread);
    }
    if statement.kind == Kind::Copy {
        return Err(Skip::Copy);
    }
    statement.deeds.iter().try_for_each(allowed)?;
    let leaves_traces = statement.deeds.iter().any(leaves_trace);
    if is_control(statement) {
        return Ok(Fit {
            works: false,
            leaves_traces,
        });
    }
    if reads_only && !is_read(statement, text) {
        return Err(Skip::NotARead);
    }
    let is_plain = statement.anywhere && statement.deeds.is_empty();
    if statement.kind == Kind::Transaction || (!is_plain && reaches_outside(statement)) {
        return Err(Skip::Outside);
    }
    Ok(Fit {
        works: true,
        leaves_traces,
    })
}

/// A plain read, as it might be sent to a replica. That it is not to be sent there says that it wants to be fresh.
fn is_read(statement: &Statement, text: &[u8]) -> bool {
    let hint = match route::hint(text) {
        Hint::Replica => Hint::Replica,
        Hint::Primary | Hint::None => Hint::None,
    };
    route::may_leave(statement, hint)
}

fn allowed(deed: &Deed) -> Result<(), Skip> {
    match deed {
        Deed::CopyIn | Deed::CopyOut => Err(Skip::Copy),
        Deed::Notify | Deed::Listen | Deed::Unlisten { .. } | Deed::PrepareTransaction | Deed::Load => {
            Err(Skip::Outside)
        }
        Deed::HoldCursor
        | Deed::Temporary
        | Deed::Prepare { .. }
        | Deed::Execute { .. }
        | Deed::Deallocate { .. }
        | Deed::DeallocateAll
        | Deed::DiscardAll
        | Deed::DiscardTemp
        | Deed::DiscardSequences => Err(Skip::Session),
        _ => Ok(()),
    }
}

const fn leaves_trace(deed: &Deed) -> bool {
    match deed {
        Deed::Set { local, .. } => !*local,
        Deed::SetConfig { local, .. } => !matches!(local, Some(true)),
        Deed::Reset { .. } | Deed::ResetAll | Deed::Seed | Deed::Opaque | Deed::AdvisoryLock => true,
        _ => false,
    }
}

/// Whether it does nothing but begin, end or divide a transaction, or set something for it.
fn is_control(statement: &Statement) -> bool {
    let controls = |deed: &Deed| {
        let sets = matches!(
            deed,
            Deed::Set { .. } | Deed::SetConfig { .. } | Deed::Reset { .. } | Deed::ResetAll
        );
        deed.controls_transaction() || sets
    };
    let every_one = statement.deeds.len() >= statement.statements && statement.deeds.iter().all(controls);
    let is_word = matches!(statement.kind, Kind::Transaction | Kind::Utility) && !statement.writes;
    every_one && (is_word || only_sets(statement))
}

/// A SELECT that calls `set_config` and names nothing else.
fn only_sets(statement: &Statement) -> bool {
    const NAMED: [&str; 5] = ["select", "pg_catalog", "set_config", "true", "false"];
    let text = statement.text.as_deref().unwrap_or("…").to_ascii_lowercase();
    let is_known = |word: &str| NAMED.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit());
    statement.kind == Kind::Select && !text.ends_with('…') && words(&text).all(is_known)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !(character.is_alphanumeric() || character == '_'))
}

/// Objects that belong to the whole cluster, or reach beyond it.
const WIDE: [&str; 9] = [
    "database",
    "role",
    "user",
    "group",
    "tablespace",
    "system",
    "subscription",
    "server",
    "publication",
];
/// Functions that act on other sessions, the server, its files or its neighbours, by the beginning of their names.
const OUTSIDE: [&str; 19] = [
    "dblink",
    "lo_export",
    "lo_import",
    "pg_backup_",
    "pg_cancel_backend",
    "pg_copy_",
    "pg_create_logical",
    "pg_create_physical",
    "pg_create_restore_point",
    "pg_drop_replication",
    "pg_file_",
    "pg_logical_",
    "pg_promote",
    "pg_reload_conf",
    "pg_replication_",
    "pg_rotate_logfile",
    "pg_switch_wal",
    "pg_terminate_backend",
    "pg_wal_replay_",
];

/// Whether it names something beyond its database. Of a text that was cut nobody knows.
fn reaches_outside(statement: &Statement) -> bool {
    let Some(text) = statement.text.as_deref() else {
        return true;
    };
    if text.ends_with('…') {
        return true;
    }
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = words(&text).collect();
    let calls = |word: &&str| OUTSIDE.iter().any(|name| word.starts_with(name));
    if words.iter().any(calls) {
        return true;
    }
    let defines = statement.kind == Kind::Ddl || statement.statements > 1;
    defines && (grants_role(&words) || names_wide(&words))
}

fn names_wide(words: &[&str]) -> bool {
    words.windows(2).any(|pair| {
        let [verb, object] = pair else { return false };
        ["create", "alter", "drop", "on"].contains(verb) && WIDE.contains(object)
    })
}

/// `GRANT a TO b`, where nothing says on what.
fn grants_role(words: &[&str]) -> bool {
    words.iter().any(|word| ["grant", "revoke"].contains(word)) && !words.contains(&"on")
}

#[cfg(test)]
mod tests {
    use weir_sql::{Limits, analyse};

    use super::*;

    fn judged(sql: &str, reads_only: bool) -> Result<Fit, Skip> {
        judge(&analyse(sql, Limits::default()), sql.as_bytes(), reads_only)
    }

    #[test]
    fn plain_reads_are_mirrored_and_what_frames_them() {
        for sql in [
            "select a from t where b = 1",
            "/* weir:primary */ select 1",
            "select f(a) from t /* weir:replica */",
        ] {
            let fit = judged(sql, true).unwrap();
            assert!(fit.works && !fit.leaves_traces, "{sql}");
        }
        for sql in [
            "",
            "begin isolation level serializable",
            "commit",
            "rollback to a",
            "set local app.tenant = 'a'",
            "select set_config('app.tenant', 'a', true)",
            "SELECT pg_catalog.set_config('a.b', 'nextval', true), set_config('c.d', 'e', true)",
        ] {
            let fit = judged(sql, true).unwrap_or_else(|skip| panic!("{sql}: {skip:?}"));
            assert!(!fit.works && !fit.leaves_traces, "{sql}");
        }
        assert!(judged("set work_mem = '4MB'", true).unwrap().leaves_traces);
    }

    #[test]
    fn with_reads_only_nothing_else_is() {
        for sql in [
            "insert into t values (1)",
            "select a from t for update",
            "select nextval('s')",
            "select f(a) from t",
            "select set_config('a.b', 'c', true), nextval('s')",
            "select set_config('a.b', c, true) from t",
            "select 1; delete from t",
            "begin; delete from t; commit",
            "declare c cursor for select 1",
            "do 'begin end'",
            "vacuum t",
        ] {
            assert_eq!(judged(sql, true), Err(Skip::NotARead), "{sql}");
            assert!(judged(sql, false).unwrap().works, "{sql}");
        }
    }

    #[test]
    fn nothing_leaves_the_database() {
        for (sql, skip) in [
            ("notify a", Skip::Outside),
            ("select pg_notify('a', 'b')", Skip::Outside),
            ("listen a", Skip::Outside),
            ("prepare transaction 'a'", Skip::Outside),
            ("commit prepared 'a'", Skip::Outside),
            ("select pg_terminate_backend(1)", Skip::Outside),
            ("select dblink_exec('host=h', 'delete from t')", Skip::Outside),
            ("select public.dblink('host=h', 'delete from t')", Skip::Outside),
            ("create database a", Skip::Outside),
            ("DROP /* for good */ ROLE a", Skip::Outside),
            ("alter system set work_mem = '1GB'", Skip::Outside),
            ("insert into t values (1); drop user a", Skip::Outside),
            ("grant a to b", Skip::Outside),
            ("create subscription s connection 'host=h' publication p", Skip::Outside),
            ("copy t from stdin", Skip::Copy),
            ("copy t to '/tmp/t'", Skip::Copy),
            ("create temp table x (a int)", Skip::Session),
            ("prepare p as select 1", Skip::Session),
            ("declare c cursor with hold for select 1", Skip::Session),
            ("discard all", Skip::Session),
            ("selec 1", Skip::Unread),
        ] {
            assert_eq!(judged(sql, false), Err(skip), "{sql}");
            assert!(judged(sql, true).is_err(), "{sql}");
        }
        let long = format!("select f({})", vec!["a"; 10_000].join(" + "));
        let limits = Limits {
            text_bytes_max: 100,
            ..Limits::default()
        };
        assert_eq!(
            judge(&analyse(&long, limits), long.as_bytes(), false),
            Err(Skip::Outside)
        );
    }

    #[test]
    fn what_stays_in_the_database_is_mirrored() {
        for sql in [
            "create index i on t (a)",
            "alter table t add column role text",
            "grant select on t to b",
            "insert into t values ('drop database a')",
            "select pg_advisory_xact_lock(1)",
        ] {
            assert!(judged(sql, false).unwrap().works, "{sql}");
        }
        assert!(judged("select pg_advisory_lock(1)", false).unwrap().leaves_traces);
        assert!(judged("call p()", false).unwrap().leaves_traces);
    }
}
