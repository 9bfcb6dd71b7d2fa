//! The console's tables.

use bytes::BytesMut;
use weir_config::Section as _;
use weir_pgwire::reply::{self, Column};

use super::super::Door;
use super::super::refusal::Refusal;
use super::super::seat::Doing;
use crate::settings::GatewaySettings;

/// PostgreSQL's number of the type `text`.
const TEXT: u32 = 25;

/// Rows under names, all text.
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    const fn of(columns: Vec<&'static str>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    fn row<const N: usize>(&mut self, values: [&dyn std::fmt::Display; N]) {
        self.rows.push(values.iter().map(ToString::to_string).collect());
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        let columns = self.columns.iter().map(|name| Column {
            name,
            table_oid: 0,
            attribute: 0,
            type_oid: TEXT,
            type_size: -1,
            type_modifier: -1,
            format: weir_pgwire::Format::Text,
        });
        // Names and figures have no zero byte; what clients call themselves came in a frame and has none either.
        let _ = reply::row_description(out, columns);
        for row in &self.rows {
            let _ = reply::data_row(out, row.iter().map(|value| Some(value.as_bytes())));
        }
    }
}

/// What `SHOW` knows, with what it shows.
const TABLES: [(&str, &str); 8] = [
    ("clients", "who is connected, and what each does"),
    ("config", "the settings of [gateway] in force"),
    ("databases", "the databases that have pools"),
    ("help", "this list"),
    ("pools", "server connections and waiting clients, by database and role"),
    ("stats", "statements and connections since the start"),
    (
        "upstreams",
        "the servers of the cluster, and how far replicas are behind",
    ),
    ("version", "the gateway's version"),
];

pub(super) fn table(door: &Door, what: &str) -> Result<Table, Refusal> {
    match what {
        "pools" => Ok(pools(door)),
        "clients" => Ok(clients(door)),
        "databases" => Ok(databases(door)),
        "stats" => Ok(stats(door)),
        "upstreams" => Ok(upstreams(door)),
        "config" => Ok(config(door)),
        "version" => {
            let mut table = Table::of(vec!["version"]);
            table.row([&concat!("weir ", env!("CARGO_PKG_VERSION"))]);
            Ok(table)
        }
        "help" => {
            let mut table = Table::of(vec!["command", "meaning"]);
            for (name, meaning) in TABLES {
                table.row([&format!("SHOW {}", name.to_uppercase()), &meaning]);
            }
            for (command, meaning) in COMMANDS {
                table.row([&command, &meaning]);
            }
            Ok(table)
        }
        other => {
            let shown: String = other.chars().take(40).collect();
            Err(Refusal::new("42704", format!("there is no table \"{shown}\" here")).with_hint("Type SHOW HELP."))
        }
    }
}

/// What else the console does.
const COMMANDS: [(&str, &str); 5] = [
    ("PAUSE [database]", "hand out no server connection; clients wait"),
    ("RESUME [database]", "go on"),
    ("RECONNECT [database]", "close idle server connections"),
    ("KILL id | database", "end one client, or all of a database"),
    ("RELOAD", "read the settings file again"),
];

fn pools(door: &Door) -> Table {
    let columns = vec![
        "database",
        "user",
        "cl_active",
        "cl_waiting",
        "sv_active",
        "sv_idle",
        "maxwait",
        "maxwait_us",
        "pool_mode",
        "paused",
        "reason",
        "upstream",
    ];
    let mut table = Table::of(columns);
    let settings = door.pools.common().live();
    let seats = door.seats.all();
    for pool in door.pools.all() {
        let state = pool.state();
        let own = seats
            .iter()
            .filter(|seat| seat.database == pool.key.database && seat.user == pool.key.user);
        let doing: Vec<(Doing, u64)> = own.map(|seat| seat.doing()).collect();
        let active = doing
            .iter()
            .filter(|(doing, _)| matches!(doing, Doing::Active | Doing::Holding))
            .count();
        table.row([
            &pool.key.database,
            &pool.key.user,
            &active,
            &state.waiting,
            &state.active,
            &state.idle,
            &state.longest_wait.as_secs(),
            &state.longest_wait.subsec_micros(),
            &settings.pool_mode.as_str(),
            &u8::from(state.paused),
            &why_starved(&doing, state.waiting, settings.bounds().max),
            &pool.member.name,
        ]);
    }
    table
}

/// Why clients wait, in words: what those do who hold the connections.
fn why_starved(doing: &[(Doing, u64)], waiting: usize, max: usize) -> String {
    if waiting == 0 {
        return String::new();
    }
    let holding: Vec<u64> = doing
        .iter()
        .filter(|(doing, _)| *doing == Doing::Holding)
        .map(|(_, for_ms)| *for_ms)
        .collect();
    let active = doing.iter().filter(|(doing, _)| *doing == Doing::Active).count();
    let longest_s = holding.iter().max().copied().unwrap_or_default() / 1_000;
    format!(
        "{active} of {max} run statements, {} are idle in transaction (the longest for {longest_s} s); {waiting} wait",
        holding.len()
    )
}

fn clients(door: &Door) -> Table {
    let mut table = Table::of(vec!["id", "user", "database", "state", "state_ms", "addr"]);
    let mut seats = door.seats.all();
    seats.sort_by_key(|seat| seat.id);
    for seat in seats {
        let (doing, for_ms) = seat.doing();
        let state = match doing {
            Doing::Idle => "idle",
            Doing::Waiting => "waiting",
            Doing::Active => "active",
            Doing::Holding => "idle in transaction",
        };
        table.row([&seat.id, &seat.user, &seat.database, &state, &for_ms, &seat.peer]);
    }
    table
}

fn databases(door: &Door) -> Table {
    let columns = vec![
        "name",
        "host",
        "port",
        "database",
        "user",
        "pool_size",
        "min_pool_size",
        "current_connections",
    ];
    let mut table = Table::of(columns);
    let common = door.pools.common();
    let bounds = common.live().bounds();
    for pool in door.pools.all() {
        let state = pool.state();
        let (host, port) = (pool.member.target.host(), pool.member.target.port());
        let (database, user, connections) = (&pool.key.database, &pool.key.user, state.idle + state.active);
        table.row([
            database,
            &host,
            &port,
            database,
            user,
            &bounds.max,
            &bounds.min,
            &connections,
        ]);
    }
    table
}

fn upstreams(door: &Door) -> Table {
    let mut table = Table::of(vec![
        "upstream",
        "role",
        "timeline",
        "position",
        "lag_ms",
        "writes",
        "reads",
        "reads_running",
        "read_us",
        "breaker",
    ]);
    let members = &door.pools.common().members;
    for member in members.all() {
        let claim = member.claim();
        let is_primary = member.index == members.primary_index();
        let lag = members.lag(member).filter(|_| !is_primary);
        let (running, read_us) = member.load();
        table.row([
            &member.name,
            &if members.are_several() {
                claim.role.as_str()
            } else {
                "primary"
            },
            &claim.timeline,
            &claim.lsn,
            &lag.map(|lag| lag.as_millis().to_string()).unwrap_or_default(),
            &if is_primary { "yes" } else { "no" },
            &if is_primary || member.is_fit() { "yes" } else { "no" },
            &running,
            &read_us,
            &member.with_breaker(|breaker| breaker.state()).as_str(),
        ]);
    }
    table
}

fn stats(door: &Door) -> Table {
    let mut table = Table::of(vec!["database", "user", "servers_opened", "servers_closed"]);
    for pool in door.pools.all() {
        let state = pool.state();
        table.row([
            &pool.key.database,
            &pool.key.user,
            &state.opened_total,
            &state.closed_total,
        ]);
    }
    table
}

fn config(door: &Door) -> Table {
    let mut table = Table::of(vec!["key", "value", "origin"]);
    let sources = door.sources.borrow().clone();
    // What is in force was checked before it was.
    for setting in GatewaySettings::effective(&sources).unwrap_or_default() {
        table.row([&setting.key, &setting.value.unwrap_or_default(), &setting.origin]);
    }
    table
}
