//! Pure. Whether a read may be asked of any server of a cluster: of those that have the same data all give the same
//! answer, and none is changed by it.
//!
//! System catalogues and views are left to the primary, because half of them tell of the server that is asked; so are
//! functions of which nobody has looked whether they do. Where a doubt remains, only the primary may be asked.

use crate::Deed;
use crate::scan::{Class, Token};

/// What the names of PostgreSQL's own functions and relations begin with that may tell of the server, the session or
/// the transaction.
const LOCAL_PREFIXES: [&str; 7] = [
    "binary_upgrade_",
    "inet_client_",
    "inet_server_",
    "information_schema",
    "lo_",
    "pg_",
    "txid_",
];

/// The same, as whole names.
const LOCAL: [&str; 6] = [
    "currtid2",
    "current_query",
    "loread",
    "lowrite",
    "query_to_xml",
    "row_security_active",
];

/// Of those, what computes, or reads what is the same everywhere.
const HARMLESS: [&str; 24] = [
    "pg_basetype",
    "pg_catalog",
    "pg_char_to_encoding",
    "pg_client_encoding",
    "pg_collation_for",
    "pg_column_compression",
    "pg_column_size",
    "pg_describe_object",
    "pg_encoding_to_char",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_functiondef",
    "pg_get_indexdef",
    "pg_get_userbyid",
    "pg_get_viewdef",
    "pg_has_role",
    "pg_input_is_valid",
    "pg_lsn",
    "pg_size_bytes",
    "pg_size_pretty",
    "pg_sleep",
    "pg_sleep_for",
    "pg_typeof",
    "pg_wal_lsn_diff",
];

/// Whether this statement, which neither writes nor locks, may be asked of any server. Functions that are not
/// PostgreSQL's own are for the caller to judge; they are among the deeds.
pub(crate) fn of(tokens: &[Token<'_>], deeds: &[Deed]) -> bool {
    let only_calls = deeds.iter().all(|deed| matches!(deed, Deed::Calls { .. }));
    only_calls && !tokens.iter().any(is_local) && !tokens.windows(2).any(is_attribute)
}

fn is_local(token: &Token<'_>) -> bool {
    if !matches!(token.class, Class::Name | Class::Keyword) {
        return false;
    }
    let name = token.folded();
    let begins = LOCAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    LOCAL.contains(&name.as_ref()) || begins && !HARMLESS.contains(&name.as_ref())
}

/// `(argument).f`, which may call a function that is not among the deeds.
fn is_attribute(pair: &[Token<'_>]) -> bool {
    let [before, dot] = pair else { return false };
    let whole = before.is_symbol(")") || before.is_symbol("]") || before.class == Class::Parameter;
    whole && dot.is_symbol(".")
}

#[cfg(test)]
mod tests {
    use crate::{Limits, analyse};

    #[test]
    fn plain_reads_may_be_asked_of_anybody() {
        for sql in [
            "select 1",
            "select a, count(*) from t join u using (id) where b > $1 group by a order by 2 limit 10",
            "with x as (select max(a) from t) select coalesce(lower(b), pg_typeof(b)::text) from x",
            "table t",
            "values (1, 'pg_stat_activity')",
            "select now(), random(), current_setting('app.tenant')",
            "select app.f(a) from t",
            "select pg_catalog.lower(a) from t /* pg_locks */",
            "select pg_sleep(1)",
        ] {
            assert!(analyse(sql, Limits::default()).anywhere, "{sql}");
        }
    }

    #[test]
    fn what_tells_of_its_server_or_does_more_than_read_may_not() {
        for sql in [
            "",
            "select 1; select 2",
            "selec 1",
            "insert into t values (1)",
            "with x as (insert into t values (1) returning a) select * from x",
            "select a into u from t",
            "select a from t for update",
            "select nextval('s')",
            "select lastval()",
            "select pg_advisory_lock(1)",
            "select pg_is_in_recovery()",
            "select PG_BACKEND_PID()",
            "select inet_server_port()",
            "select * from pg_stat_activity",
            "select * from \"pg_locks\"",
            "select * from information_schema.tables",
            "select set_config('a.b', 'c', true)",
            "select lo_get(1)",
            "select txid_current_snapshot()",
            "select pg_notify('a', 'b')",
            "select (t).f from t",
            "select U&\"\\0070g_backend_pid\"()",
            "show work_mem",
            "explain select 1",
            "begin",
            "set a.b = 'c'",
            "copy (select 1) to stdout",
        ] {
            assert!(!analyse(sql, Limits::default()).anywhere, "{sql}");
        }
    }
}
