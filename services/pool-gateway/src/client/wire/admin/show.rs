//! The console's tables: settings, limits, and the list of all tables. Those of the pools are in `stock.rs`.

use super::super::Door;
use super::super::refusal::Refusal;
use super::stock;
use super::tables::Table;

type Show = fn(&Door) -> Table;

/// What `SHOW` knows, with what it shows.
const TABLES: [(&str, &str, Show); 15] = [
    ("budgets", "what is left of the projects' budgets", budgets),
    ("clients", "who is connected, and what each does", stock::clients),
    ("config", "the settings of [gateway] in force", config),
    ("databases", "the databases that have pools", stock::databases),
    ("help", "this list", help),
    ("lists", "how many there are of everything", stock::lists),
    ("mem", "what is held in memory, where that is known", mem),
    (
        "pools",
        "server connections and waiting clients, by database and role",
        stock::pools,
    ),
    (
        "rules",
        "the rules in their order, and the clients that those count who bound them",
        rules,
    ),
    (
        "servers",
        "each server connection, and the client that has it",
        stock::servers,
    ),
    (
        "stats",
        "what was done since the start, and on average over the last minute",
        stock::stats,
    ),
    (
        "totals",
        "what was done since the start, by database and role",
        stock::totals,
    ),
    (
        "upstreams",
        "the servers of the cluster, and how far replicas are behind",
        stock::upstreams,
    ),
    ("users", "the roles that have pools or clients", stock::users),
    ("version", "the gateway's version", version),
];

/// What else the console does.
const COMMANDS: [(&str, &str); 6] = [
    ("PAUSE [database]", "hand out no server connection; clients wait"),
    ("RESUME [database]", "go on"),
    ("RECONNECT [database]", "close idle server connections"),
    ("KILL id | database", "end one client, or all of a database"),
    ("RELOAD", "read the settings file again; what was SET is forgotten"),
    ("SET key = value", "change a setting until the next RELOAD"),
];

pub(crate) fn table(door: &Door, what: &str) -> Result<Table, Refusal> {
    let found = TABLES.iter().find(|(name, _, _)| *name == what);
    let Some((_, _, show)) = found else {
        let shown: String = what.chars().take(40).collect();
        return Err(Refusal::new("42704", format!("there is no table \"{shown}\" here")).with_hint("Type SHOW HELP."));
    };
    Ok(show(door))
}

fn help(_: &Door) -> Table {
    let mut table = Table::of(["command", "meaning"]);
    for (name, meaning, _) in TABLES {
        table.row([&format!("SHOW {}", name.to_uppercase()), &meaning]);
    }
    for (command, meaning) in COMMANDS {
        table.row([&command, &meaning]);
    }
    table
}

fn version(_: &Door) -> Table {
    let mut table = Table::of(["version"]);
    table.row([&concat!("weir ", env!("CARGO_PKG_VERSION"))]);
    table
}

fn config(door: &Door) -> Table {
    let mut table = Table::of(["key", "value", "origin", "changeable"]);
    for in_force in door.steward.all() {
        let changeable = if in_force.changes { "yes" } else { "no" };
        let value = in_force.setting.value.unwrap_or_default();
        table.row([&in_force.setting.key, &value, &in_force.setting.origin, &changeable]);
    }
    table
}

fn rules(door: &Door) -> Table {
    let mut table = Table::of(["number", "rule", "clients"]);
    let settings = door.pools.common().live();
    for (index, (text, scope)) in settings.rules.texts().enumerate() {
        table.row([&(index + 1), &text, &door.crowds.inside(scope)]);
    }
    table
}

fn budgets(door: &Door) -> Table {
    let mut table = Table::of(["project", "what", "left_percent"]);
    for (project, shares) in door.pools.budgets.all() {
        for (what, share) in shares {
            table.row([&project, &what, &format!("{:.0}", share * 100.0)]);
        }
    }
    table
}

fn mem(door: &Door) -> Table {
    let mut table = Table::of(["name", "entries", "bytes"]);
    let (statements, bytes) = door.library.size();
    table.row([&"shared statements", &statements, &bytes]);
    table.row([&"clients", &door.seats.len(), &""]);
    if let Some(bytes) = resident_bytes() {
        table.row([&"process, resident", &1, &bytes]);
    }
    table
}

/// What the process has of the machine's memory, where the system says so.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
