//! PostgreSQL servers, each on one read-only connection of its own.

use std::net::IpAddr;

use futures_util::future::join_all;
use weir_upstream::{ConnectOptions, Connection, Error, Row, Target, valid_until};

use super::{Asker, Wishes};
use crate::commands::doctor::facts::{Extension, Role, Seen, Server, Slot};

/// The server's own time comes first, so that nothing else is in its way.
const NOW: &str = "select (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint as now_ms";

const ABOUT: &str = "
    select pg_catalog.current_setting('server_version_num')::int as version, pg_catalog.pg_is_in_recovery() as is_standby,
        current_user as role, r.rolsuper as is_superuser, r.rolsuper or r.rolreplication as replicates,
        pg_catalog.pg_has_role('pg_read_all_stats', 'usage') as sees_stats,
        pg_catalog.pg_has_role('pg_read_all_settings', 'usage') as sees_settings,
        pg_catalog.pg_has_role('pg_signal_backend', 'usage') as signals,
        pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select') as reads_logins,
        coalesce(pg_catalog.has_function_privilege(
            pg_catalog.to_regprocedure('pg_catalog.pg_backup_start(text, boolean)'), 'execute'), false) as begins_backups,
        (select count(*) from pg_catalog.pg_stat_activity where backend_type = 'client backend') as connections,
        pg_catalog.pg_backend_pid() as pid, pg_catalog.current_database() as database,
        case when pg_catalog.pg_has_role('pg_read_all_settings', 'usage')
            then pg_catalog.current_setting('data_directory') end as data_directory
    from pg_catalog.pg_roles r where r.rolname = current_user";

/// PostgreSQL 17 knows a right to maintain what others own.
const TABLES: &str = "
    select count(*) as tables, count(*) filter (where not pg_catalog.pg_has_role(c.relowner, 'usage')) as others_tables
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and n.nspname !~ '^(pg_|weir_)' and n.nspname <> 'information_schema'";
const MAINTAINS: &str = "select pg_catalog.pg_has_role('pg_maintain', 'usage') as maintains";

const SETTINGS: &str = "
    select name, setting, pending_restart from pg_catalog.pg_settings where pending_restart or name in (
        'wal_level', 'max_replication_slots', 'max_wal_senders', 'max_connections', 'superuser_reserved_connections',
        'reserved_connections', 'track_io_timing', 'track_activity_query_size', 'archive_mode', 'archive_command',
        'archive_library', 'statement_timeout', 'idle_in_transaction_session_timeout', 'ssl', 'password_encryption',
        'data_checksums', 'fsync', 'full_page_writes', 'autovacuum', 'compute_query_id', 'shared_preload_libraries',
        'max_slot_wal_keep_size')";

/// The path of an archive's command may tell a password, so no more is kept of it than whether there is one.
const SECRET: [&str; 2] = ["archive_command", "archive_library"];

const EXTENSIONS: &str = "
    select a.name, a.default_version, a.installed_version from pg_catalog.pg_available_extensions a
    where a.name in ('pg_stat_statements', 'pageinspect', 'pgstattuple', 'pg_repack', 'hypopg')";

const SLOTS: &str = "
    select slot_name, active, coalesce(wal_status, '') as wal_status, greatest(coalesce(pg_catalog.pg_wal_lsn_diff(
        case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn() end, restart_lsn), 0), 0)::bigint as retained_bytes
    from pg_catalog.pg_replication_slots where not temporary";

const ARCHIVER: &str = "
    select last_failed_wal from pg_catalog.pg_stat_archiver
    where last_failed_time > coalesce(last_archived_time, '-infinity')";

/// Indexes that no build is working on any more, and what pg_repack has left.
const LEFTOVERS: &str = "
    select pg_catalog.format('invalid index %s', i.indexrelid::regclass) as what from pg_catalog.pg_index i
    where not i.indisvalid and not exists (
        select from pg_catalog.pg_stat_progress_create_index p where p.relid = i.indrelid)
    union all
    select pg_catalog.format('trigger repack_trigger on %s', g.tgrelid::regclass) from pg_catalog.pg_trigger g
    where g.tgname = 'repack_trigger' and not exists (select from pg_catalog.pg_locks l
        where l.locktype = 'advisory' and l.classid = 16185446)
    order by 1 limit 20";

pub(super) async fn all(asker: &Asker, wishes: &Wishes) -> Vec<Server> {
    let asked = wishes.servers.iter().map(async |(duty, target)| Server {
        place: target.place(),
        is_local: is_local(target.host()),
        duty: *duty,
        seen: asker.within(look(asker, target)).await,
    });
    join_all(asked).await
}

/// A session that can change nothing, and waits for nobody.
pub(super) async fn connect(asker: &Asker, target: &Target) -> Result<Connection, Error> {
    let parameters = [("default_transaction_read_only", "on"), ("lock_timeout", "500ms")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = ConnectOptions {
        timeout: Some(asker.deadline),
        application_name: Some("weir doctor".to_owned()),
        parameters: parameters.into(),
        ..ConnectOptions::default()
    };
    Connection::connect(target, options).await
}

async fn look(asker: &Asker, target: &Target) -> Result<Seen, Error> {
    let mut connection = connect(asker, target).await?;
    let before_ms = asker.clock.unix_ms();
    let now = one(&mut connection, NOW).await?;
    let clock = now.parse("now_ms").map(|told| asker.gap(before_ms, told, 0)).ok();
    // They are read as other sessions have them; only then is there a limit for this one.
    let settings = connection.simple_query(SETTINGS).await?;
    let limit = format!("set statement_timeout = {}", asker.deadline.as_millis());
    connection.simple_query(&limit).await?;
    let about = one(&mut connection, ABOUT).await?;
    let version = about.parse("version")?;
    let mut seen = Seen {
        version,
        is_standby: about.flag("is_standby")?,
        clock,
        role: role(&mut connection, &about, version).await?,
        connections: about.parse("connections")?,
        is_encrypted: connection.is_encrypted(),
        certificate_until_ms: connection
            .server_certificate()
            .and_then(valid_until)
            .map(|end| end * 1_000),
        data_directory: data_directory(&about),
        ..Seen::default()
    };
    settings.iter().for_each(|row| keep_setting(&mut seen, row));
    for row in connection.simple_query(EXTENSIONS).await? {
        let found = |column: &str| row.get(column).map(str::to_owned);
        let (available, installed) = (found("default_version"), found("installed_version"));
        seen.extensions
            .insert(row.text("name")?.to_owned(), Extension { available, installed });
    }
    for row in connection.simple_query(SLOTS).await? {
        seen.slots.push(slot(&row)?);
    }
    let failed = connection.simple_query(ARCHIVER).await?;
    seen.archive_failed = failed
        .first()
        .and_then(|row| row.get("last_failed_wal"))
        .map(str::to_owned);
    let left = connection.simple_query(LEFTOVERS).await?;
    seen.leftovers = left
        .iter()
        .filter_map(|row| row.get("what"))
        .map(str::to_owned)
        .collect();
    connection.close().await;
    Ok(seen)
}

pub(super) async fn one(connection: &mut Connection, sql: &str) -> Result<Row, Error> {
    let mut rows = connection.simple_query(sql).await?;
    rows.pop().ok_or(Error::Column {
        column: "of the only row".to_owned(),
        reason: "is missing, because there is no row",
    })
}

async fn role(connection: &mut Connection, about: &Row, version: u32) -> Result<Role, Error> {
    let tables = one(connection, TABLES).await?;
    let maintains = version >= 170_000 && one(connection, MAINTAINS).await?.flag("maintains")?;
    Ok(Role {
        name: about.text("role")?.to_owned(),
        is_superuser: about.flag("is_superuser")?,
        replicates: about.flag("replicates")?,
        sees_stats: about.flag("sees_stats")?,
        sees_settings: about.flag("sees_settings")?,
        signals: about.flag("signals")?,
        reads_logins: about.flag("reads_logins")?,
        begins_backups: about.flag("begins_backups")?,
        tables: tables.parse("tables")?,
        others_tables: if maintains { 0 } else { tables.parse("others_tables")? },
    })
}

fn keep_setting(seen: &mut Seen, row: &Row) {
    let (Some(name), Some(value)) = (row.get("name"), row.get("setting")) else {
        return;
    };
    let is_set = !value.is_empty() && value != "(disabled)";
    let kept = match (SECRET.contains(&name), is_set) {
        (false, _) => value,
        (true, true) => "set",
        (true, false) => "",
    };
    seen.settings.insert(name.to_owned(), kept.to_owned());
    if row.get("pending_restart") == Some("t") {
        seen.pending_restart.push(name.to_owned());
    }
}

fn slot(row: &Row) -> Result<Slot, Error> {
    Ok(Slot {
        name: row.text("slot_name")?.to_owned(),
        is_active: row.flag("active")?,
        wal_status: row.text("wal_status")?.to_owned(),
        retained_bytes: row.parse("retained_bytes")?,
    })
}

/// Where the data lies, if the server runs beside this process: its session is here, under the title that PostgreSQL
/// gives it. A port of this machine may lead elsewhere.
fn data_directory(about: &Row) -> Option<String> {
    let (pid, database) = (about.get("pid")?, about.get("database")?);
    let title = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let title = String::from_utf8_lossy(&title);
    let is_here = title.starts_with("postgres:") && title.split([' ', '\0']).any(|word| word == database);
    is_here
        .then(|| about.get("data_directory").map(str::to_owned))
        .flatten()
}

/// Whether what is said to a host stays on this machine.
fn is_local(host: &str) -> bool {
    if host.starts_with('/') || host == "localhost" {
        return true;
    }
    host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_sockets_stay_here() {
        assert!(is_local("127.0.0.1") && is_local("::1") && is_local("localhost") && is_local("/run/postgresql"));
        assert!(!is_local("10.0.0.1") && !is_local("db.example"));
    }
}
