//! The server as a whole: its settings, what it counted, and what this session may change.

use std::collections::BTreeMap;

use weir_upstream::{Connection, Row};

use super::{flag, named, number, one};
use crate::act::AdviceError;
use crate::advise::{Counters, Jit, NAMES, Setting};
use crate::error::Error;

pub(super) async fn version(connection: &mut Connection) -> Result<u32, Error> {
    let sql = "select pg_catalog.current_setting('server_version_num') as version";
    Ok(one(connection.simple_query(sql).await?)?.parse("version")?)
}

pub(super) async fn database(connection: &mut Connection) -> Result<String, Error> {
    let sql = "select pg_catalog.current_database() as name";
    Ok(one(connection.simple_query(sql).await?)?.text("name")?.to_owned())
}

fn setting_question(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!(
        "select name, setting, pg_catalog.current_setting(name) as shown, unit, context, source, pending_restart,
            vartype, min_val, max_val, pg_catalog.array_to_string(enumvals, ',') as words, boot_val
         from pg_catalog.pg_settings where name in ({})",
        names.join(", ")
    )
}

pub(super) async fn settings(connection: &mut Connection) -> Result<BTreeMap<String, Setting>, Error> {
    let rows = connection.simple_query(&setting_question(&NAMES)).await?;
    Ok(rows
        .iter()
        .map(read)
        .map(|setting| (setting.name.clone(), setting))
        .collect())
}

/// One setting as it is now; none where the server does not have it. `name` is one of [`NAMES`].
pub(crate) async fn setting(connection: &mut Connection, name: &str) -> Result<Option<Setting>, Error> {
    let known: Vec<&str> = NAMES.into_iter().filter(|known| *known == name).collect();
    if known.is_empty() {
        return Ok(None);
    }
    let rows = connection.simple_query(&setting_question(&known)).await?;
    Ok(rows.first().map(read))
}

fn read(row: &Row) -> Setting {
    let text = |column: &str| row.get(column).unwrap_or_default().to_owned();
    let bound = |column: &str| row.get(column).and_then(|bound| bound.parse().ok());
    let words = text("words");
    Setting {
        name: text("name"),
        value: text("setting"),
        shown: text("shown"),
        unit: text("unit"),
        context: text("context"),
        source: text("source"),
        pending_restart: flag(row, "pending_restart"),
        vartype: text("vartype"),
        min: bound("min_val"),
        max: bound("max_val"),
        words: words
            .split(',')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        boot_value: text("boot_val"),
    }
}

/// What the server counted, and since when tables of this database are counted.
pub(super) async fn workload(
    connection: &mut Connection,
    version: u32,
    now_unix_ms: i64,
) -> Result<(Counters, Option<i64>), Error> {
    let checkpoints = if version >= 170_000 {
        "select num_timed as timed, num_requested as requested, stats_reset from pg_catalog.pg_stat_checkpointer"
    } else {
        "select checkpoints_timed as timed, checkpoints_req as requested, stats_reset from pg_catalog.pg_stat_bgwriter"
    };
    // From PostgreSQL 15 on a database says when its counters began only after they were reset by hand. What the
    // cluster counts always says it, also after a crash, which loses all counters.
    let sql = format!(
        "select d.temp_files, d.temp_bytes, d.blocks_hit, d.blocks_read, c.timed as checkpoints_timed,
            c.requested as checkpoints_requested, w.wal_bytes, w.wal_records, w.wal_fpi as wal_page_images,
            w.wal_buffers_full,
            (extract(epoch from greatest(least(c.stats_reset, w.stats_reset, a.stats_reset), d.reset)) * 1000)::bigint as since,
            (extract(epoch from coalesce(d.own_reset, least(c.stats_reset, w.stats_reset, a.stats_reset))) * 1000)::bigint as tables_since
         from (select sum(temp_files) as temp_files, sum(temp_bytes) as temp_bytes, sum(blks_hit) as blocks_hit,
                   sum(blks_read) as blocks_read, max(stats_reset) as reset,
                   max(stats_reset) filter (where datname = pg_catalog.current_database()) as own_reset
               from pg_catalog.pg_stat_database) d,
            ({checkpoints}) c, pg_catalog.pg_stat_wal w, pg_catalog.pg_stat_archiver a"
    );
    let row = one(connection.simple_query(&sql).await?)?;
    let counted = [
        "temp_files",
        "temp_bytes",
        "blocks_hit",
        "blocks_read",
        "checkpoints_timed",
        "checkpoints_requested",
        "wal_bytes",
        "wal_records",
        "wal_page_images",
        "wal_buffers_full",
    ];
    let moment = |column: &str| row.get(column).and_then(|text| text.parse().ok());
    let counters = Counters {
        since_unix_ms: moment("since"),
        at_unix_ms: now_unix_ms,
        values: named(&row, &counted),
    };
    Ok((counters, moment("tables_since")))
}

/// Bytes of all databases; none where this user may not see one of them.
pub(super) async fn data_bytes(connection: &mut Connection) -> Result<Option<f64>, Error> {
    let sql = "select case when pg_catalog.bool_and(pg_catalog.has_database_privilege(oid, 'connect')
            or pg_catalog.pg_has_role('pg_read_all_stats', 'usage'))
        then (select sum(pg_catalog.pg_database_size(oid)) from pg_catalog.pg_database where datallowconn) end as bytes
        from pg_catalog.pg_database where datallowconn";
    Ok(one(connection.simple_query(sql).await?)?
        .get("bytes")
        .and_then(|bytes| bytes.parse().ok()))
}

/// Servers that follow this one, now or with a slot that waits for them.
pub(super) async fn replicas(connection: &mut Connection) -> Result<u32, Error> {
    let sql = "select greatest(
        (select count(*) from pg_catalog.pg_stat_replication where state = 'streaming' and application_name <> 'pg_basebackup'
            and pid not in (select active_pid from pg_catalog.pg_replication_slots where slot_type = 'logical' and active_pid is not null)),
        (select count(*) from pg_catalog.pg_replication_slots where slot_type = 'physical')) as replicas";
    Ok(number(&one(connection.simple_query(sql).await?)?, "replicas") as u32)
}

/// From `pg_stat_statements`, where this database has it and it says how long statements are compiled.
pub(super) async fn jit(connection: &mut Connection) -> Result<Option<Jit>, Error> {
    let sql = "select n.nspname from pg_catalog.pg_extension e
        join pg_catalog.pg_namespace n on n.oid = e.extnamespace
        join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = 'pg_stat_statements'
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'jit_emission_time'
        where e.extname = 'pg_stat_statements'
            and exists (select from pg_catalog.pg_settings where name = 'pg_stat_statements.max')";
    let rows = connection.simple_query(sql).await?;
    let Some(schema) = rows.first().and_then(|row| row.get("nspname")) else {
        return Ok(None);
    };
    let sql = format!(
        "select sum(jit_generation_time + jit_inlining_time + jit_optimization_time + jit_emission_time) as compiling,
            sum(total_exec_time) as running from \"{}\".pg_stat_statements(false)",
        schema.replace('"', "\"\"")
    );
    let row = one(connection.simple_query(&sql).await?)?;
    Ok(Some(Jit {
        compiling_ms: number(&row, "compiling"),
        running_ms: number(&row, "running"),
    }))
}

/// What this session may do to a setting of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) user: String,
    pub(crate) alter_system: bool,
    pub(crate) reload: bool,
    pub(crate) read_file: bool,
}

/// `option` is the name of a setting.
pub(crate) async fn rights(connection: &mut Connection, option: &str) -> Result<Rights, Error> {
    let sql = format!(
        "select current_user as user_name,
            pg_catalog.has_parameter_privilege('{}', 'alter system') as alter_system,
            pg_catalog.has_function_privilege('pg_catalog.pg_reload_conf()', 'execute') as reload,
            pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'execute')
                and pg_catalog.has_table_privilege('pg_catalog.pg_file_settings', 'select') as read_file",
        option.replace('\'', "''")
    );
    let row = one(connection.simple_query(&sql).await?)?;
    Ok(Rights {
        user: row.text("user_name")?.to_owned(),
        alter_system: flag(&row, "alter_system"),
        reload: flag(&row, "reload"),
        read_file: flag(&row, "read_file"),
    })
}

/// What ALTER SYSTEM has written for a setting; none where it has not. The last line of the file counts.
///
/// A line that cannot be read, anywhere, keeps the server from looking into this file at all: then nothing is known.
pub(crate) async fn auto_conf_entry(connection: &mut Connection, option: &str) -> Result<Option<String>, Error> {
    let errors = file_errors(connection, "name is null").await?;
    if !errors.is_empty() {
        let option = option.to_owned();
        return Err(AdviceError::Refused { option, reason: errors }.into());
    }
    let sql = format!(
        "select setting from pg_catalog.pg_file_settings
         where name = '{}' and sourcefile like '%postgresql.auto.conf' order by seqno desc limit 1",
        option.replace('\'', "''")
    );
    let rows = connection.simple_query(&sql).await?;
    Ok(rows
        .first()
        .map(|row| row.get("setting").unwrap_or_default().to_owned()))
}

/// What the server says of lines that it cannot read; empty where it can read all. `which` narrows the lines down.
pub(crate) async fn file_errors(connection: &mut Connection, which: &str) -> Result<String, Error> {
    let sql = format!(
        "select sourcefile, sourceline, coalesce(name, '') as name, error from pg_catalog.pg_file_settings
         where error is not null and {which} order by seqno limit 3"
    );
    let text = |row: &Row| {
        let part = |column: &str| row.get(column).unwrap_or_default().to_owned();
        let line = format!("{}:{}", part("sourcefile"), part("sourceline"));
        format!("{line} {} {}", part("name"), part("error")).replace("  ", " ")
    };
    let rows = connection.simple_query(&sql).await?;
    Ok(rows.iter().map(text).collect::<Vec<_>>().join("; "))
}

/// When this session has last read the server's files.
pub(crate) async fn loaded_at(connection: &mut Connection) -> Result<String, Error> {
    let sql = "select pg_catalog.pg_conf_load_time()::text as loaded";
    Ok(one(connection.simple_query(sql).await?)?.text("loaded")?.to_owned())
}
