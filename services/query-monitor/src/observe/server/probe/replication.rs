//! Replication: who follows and how far behind, and on a standby how far it is itself.

use tokio::time::Instant;
use weir_proto::monitor::v1 as api;
use weir_upstream::Row;

use crate::observe::server::cells::{flag, maybe, name, number};
use crate::observe::server::view::{Facts, View};

/// `here` is as far as this server has the log.
const FOLLOWERS: &str = "
    select 'replica' as what, r.application_name as name, host(r.client_addr) as address, r.state, r.sync_state,
        extract(epoch from r.replay_lag) as lag_seconds, pg_wal_lsn_diff(here, r.replay_lsn) as lag_bytes
    from pg_stat_replication r, (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
        else pg_current_wal_lsn() end as here) h limit 100;
    select 'slot' as what, slot_name as name, slot_type as kind, active, wal_status,
        pg_wal_lsn_diff(here, restart_lsn) as retained_bytes
    from pg_replication_slots, (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
        else pg_current_wal_lsn() end as here) h limit 100";

/// Who has replayed all that it got is level, however long ago the last transaction was; without a connection it does
/// not know what it has not got.
const RECOVERY: &str = "
    select 'recovery' as what, w.pid is not null and coalesce(w.status, 'streaming') = 'streaming' as is_streaming,
        pg_is_wal_replay_paused() as is_paused,
        greatest(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0) as replay_bytes,
        extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) as since_last,
        coalesce(substring(w.conninfo from '(?:^| )application_name=(\\S+)'),
            substring(w.conninfo from 'fallback_application_name=(\\S+)')) as name
    from (select 1) as one left join pg_stat_wal_receiver w on true";

pub(super) fn question(facts: &Facts) -> String {
    if facts.is_standby {
        format!("{FOLLOWERS};{RECOVERY}")
    } else {
        FOLLOWERS.to_owned()
    }
}

pub(super) fn keep(view: &mut View, rows: &[Row], now: Instant) {
    let of = |what: &'static str| rows.iter().filter(move |row| row.get("what") == Some(what));
    view.server.replicas = of("replica").map(replica).collect();
    view.server.slots = of("slot").map(slot).collect();
    view.server.recovery = of("recovery").next().map(|row| recovery(view, row, now));
}

fn replica(row: &Row) -> api::ServerReplica {
    let lag_bytes = maybe::<f64>(row, "lag_bytes");
    // No lag is told where nothing was sent of late: then whoever has everything is level.
    let level = lag_bytes.filter(|bytes| *bytes <= 0.0).map(|_| 0.0);
    api::ServerReplica {
        name: name(row, "name"),
        address: name(row, "address"),
        state: name(row, "state"),
        sync_state: name(row, "sync_state"),
        lag_seconds: level.or_else(|| maybe(row, "lag_seconds")).unwrap_or(-1.0),
        lag_bytes: lag_bytes.unwrap_or_default().max(0.0) as u64,
    }
}

fn slot(row: &Row) -> api::ServerSlot {
    api::ServerSlot {
        name: name(row, "name"),
        kind: name(row, "kind"),
        is_active: flag(row, "active"),
        retained_bytes: number::<f64>(row, "retained_bytes").max(0.0) as u64,
        wal_status: name(row, "wal_status"),
    }
}

fn recovery(view: &mut View, row: &Row, now: Instant) -> api::ServerRecovery {
    let replay_bytes = number::<f64>(row, "replay_bytes") as u64;
    let is_streaming = flag(row, "is_streaming");
    if is_streaming && replay_bytes == 0 {
        view.level_at = Some(now);
    }
    // After a quiet hour the last transaction is an hour old the moment that another one comes in: it cannot be further
    // behind than it has not been level.
    let not_level_for = view.level_at.map(|at| now.duration_since(at).as_secs_f64());
    let since_last = maybe::<f64>(row, "since_last");
    let behind = match (since_last, not_level_for) {
        (Some(last), Some(level)) => last.min(level),
        (Some(seconds), None) | (None, Some(seconds)) => seconds,
        (None, None) => -1.0,
    };
    api::ServerRecovery {
        lag_seconds: behind,
        is_streaming,
        is_paused: flag(row, "is_paused"),
        replay_bytes,
        name: name(row, "name"),
    }
}
