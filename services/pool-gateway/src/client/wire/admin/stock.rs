//! The console's tables of pools: connections, clients, and what was done.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::Door;
use super::super::account::Totals;
use super::super::seat::{Doing, Seat};
use super::super::witness::as_holder;
use super::tables::Table;
use crate::pool::Holding;

const fn words(doing: Doing) -> &'static str {
    match doing {
        Doing::Idle => "idle",
        Doing::Waiting => "waiting",
        Doing::Active => "active",
        Doing::Holding => "idle in transaction",
    }
}

pub(super) fn pools(door: &Door) -> Table {
    let mut table = Table::of([
        "database",
        "user",
        "cl_active",
        "cl_waiting",
        "sv_active",
        "sv_idle",
        "maxwait",
        "maxwait_us",
        "pool_mode",
        "pool_max",
        "paused",
        "reason",
    ]);
    let (settings, seats) = (door.pools.common().live(), door.seats.all());
    for pool in door.pools.all() {
        let state = pool.state();
        let own = seats.iter().filter(|seat| seat.who.owner() == pool.key.owner());
        let active = own.filter(|seat| seat.server().is_some()).count();
        let reason = match state.waiting {
            0 => String::new(),
            _ => door.witness.why(&pool),
        };
        table.row([
            &pool.key.database,
            &pool.key.user,
            &active,
            &state.waiting,
            &state.active,
            &state.idle,
            &state.longest_wait.as_secs(),
            &state.longest_wait.subsec_micros(),
            &settings.mode_of(&pool.key.database, &pool.key.user).as_str(),
            &pool.bounds().max,
            &u8::from(state.paused),
            &reason,
        ]);
    }
    table
}

pub(super) fn clients(door: &Door) -> Table {
    let mut table = Table::of([
        "id",
        "user",
        "database",
        "state",
        "state_ms",
        "addr",
        "application_name",
        "project",
        "pool_mode",
        "server",
    ]);
    let mut seats = door.seats.all();
    seats.sort_by_key(|seat| seat.id);
    for seat in seats {
        let (doing, for_ms) = seat.doing();
        let server = seat.server().map(|number| number.to_string()).unwrap_or_default();
        table.row([
            &seat.id,
            &seat.who.user,
            &seat.who.database,
            &words(doing),
            &for_ms,
            &seat.who.peer,
            &seat.who.application,
            &seat.who.project,
            &seat.policy().mode.as_str(),
            &server,
        ]);
    }
    table
}

pub(super) fn servers(door: &Door) -> Table {
    let mut table = Table::of([
        "id",
        "user",
        "database",
        "state",
        "addr",
        "remote_pid",
        "age_s",
        "client",
        "held_ms",
        "application_name",
        "prepared_statements",
        "profile",
    ]);
    let seats = door.seats.all();
    let holders: HashMap<u64, &Arc<Seat>> = seats.iter().filter_map(|seat| Some((seat.server()?, seat))).collect();
    for pool in door.pools.all() {
        for (card, rests) in pool.servers() {
            let holder = holders.get(&card.number).filter(|_| !rests);
            let call = card.holding().filter(|_| !rests);
            let state = match holder {
                _ if rests => "idle",
                Some(seat) if seat.doing().0 == Doing::Holding => "idle in transaction",
                Some(seat) if seat.doing().0 == Doing::Idle => "kept",
                None if call.as_ref().is_some_and(Holding::is_idle) => "idle in transaction",
                _ => "active",
            };
            let client = holder.map(|seat| seat.id.to_string()).unwrap_or_default();
            let call = call.map(|holding| as_holder(&pool, &holding));
            let held = holder.and_then(|seat| seat.held_ms());
            let held = held.or(call.as_ref().map(|call| call.held_ms));
            let held = held.map(|held| held.to_string()).unwrap_or_default();
            let application = holder.map(|seat| seat.who.application.as_str());
            let application = application.or(call.as_ref().map(|call| call.application.as_str()));
            let application = application.unwrap_or_default();
            table.row([
                &card.number,
                &pool.key.user,
                &pool.key.database,
                &state,
                &pool.member.name,
                &card.process_id,
                &card.opened.elapsed().as_secs(),
                &client,
                &held,
                &application,
                &card.prepared(),
                &card.profile(),
            ]);
        }
    }
    table
}

pub(super) fn databases(door: &Door) -> Table {
    let mut table = Table::of([
        "name",
        "host",
        "port",
        "database",
        "user",
        "pool_size",
        "min_pool_size",
        "current_connections",
    ]);
    for pool in door.pools.all() {
        let (state, bounds, target) = (pool.state(), pool.bounds(), &pool.common.target);
        table.row([
            &pool.key.database,
            &target.host(),
            &target.port(),
            &pool.key.database,
            &pool.key.user,
            &bounds.max,
            &bounds.min,
            &(state.idle + state.active),
        ]);
    }
    table
}

pub(super) fn lists(door: &Door) -> Table {
    let mut table = Table::of(["list", "items"]);
    let (pools, seats) = (door.pools.all(), door.seats.all());
    let states: Vec<_> = pools.iter().map(|pool| pool.state()).collect();
    let databases: BTreeSet<&str> = pools.iter().map(|pool| pool.key.database.as_str()).collect();
    let doing = |wanted: Doing| seats.iter().filter(|seat| seat.doing().0 == wanted).count();
    table.row([&"databases", &databases.len()]);
    table.row([&"users", &names(door).len()]);
    table.row([&"pools", &pools.len()]);
    table.row([&"clients", &seats.len()]);
    table.row([&"idle_clients", &doing(Doing::Idle)]);
    table.row([&"waiting_clients", &doing(Doing::Waiting)]);
    table.row([&"active_clients", &(doing(Doing::Active) + doing(Doing::Holding))]);
    table.row([&"free_servers", &states.iter().map(|state| state.idle).sum::<usize>()]);
    table.row([&"used_servers", &states.iter().map(|state| state.active).sum::<usize>()]);
    table.row([&"rules", &door.pools.common().live().rules.texts().count()]);
    table.row([&"budgets", &door.pools.budgets.all().len()]);
    table
}

fn names(door: &Door) -> BTreeMap<String, (usize, usize)> {
    let mut names: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for pool in door.pools.all() {
        names.entry(pool.key.user.clone()).or_default().0 += 1;
    }
    for seat in door.seats.all() {
        names.entry(seat.who.user.clone()).or_default().1 += 1;
    }
    names
}

pub(super) fn users(door: &Door) -> Table {
    let mut table = Table::of(["name", "pool_mode", "pools", "clients"]);
    let settings = door.pools.common().live();
    for (name, (pools, clients)) in names(door) {
        table.row([&name, &settings.mode_of("", &name).as_str(), &pools, &clients]);
    }
    table
}

/// By database, in the columns of PgBouncer.
pub(super) fn stats(door: &Door) -> Table {
    let mut table = Table::of([
        "database",
        "total_xact_count",
        "total_query_count",
        "total_received",
        "total_sent",
        "total_xact_time",
        "total_query_time",
        "total_wait_time",
        "avg_xact_count",
        "avg_query_count",
        "avg_recv",
        "avg_sent",
        "avg_xact_time",
        "avg_query_time",
        "avg_wait_time",
    ]);
    let sums = door.witness.sums();
    let (lasted, lately) = door.witness.ledger.lately(Instant::now(), &sums);
    let (sums, lately) = (by_database(sums), by_database(lately));
    for (database, all) in sums {
        let own = lately.get(&database).copied().unwrap_or_default();
        table.row([
            &database,
            &all.transactions,
            &all.statements,
            &all.bytes_in,
            &all.bytes_out,
            &all.transaction_us,
            &all.server_us,
            &all.wait_us,
            &per_second(own.transactions, lasted),
            &per_second(own.statements, lasted),
            &per_second(own.bytes_in, lasted),
            &per_second(own.bytes_out, lasted),
            &each(own.transaction_us, own.transactions),
            &each(own.server_us, own.statements),
            &each(own.wait_us, own.transactions),
        ]);
    }
    table
}

fn by_database(sums: super::super::account::Sums) -> BTreeMap<String, Totals> {
    let mut databases: BTreeMap<String, Totals> = BTreeMap::new();
    for (key, totals) in sums {
        let sum = databases.entry(key.database).or_default();
        *sum = sum.plus(totals);
    }
    databases
}

fn per_second(count: u64, lasted: Duration) -> u64 {
    count.checked_div(lasted.as_secs()).unwrap_or(count)
}

fn each(sum: u64, count: u64) -> u64 {
    sum.checked_div(count).unwrap_or_default()
}

/// By database and role, with the connections that were opened for it.
pub(super) fn totals(door: &Door) -> Table {
    let mut table = Table::of([
        "database",
        "user",
        "xact_count",
        "query_count",
        "received",
        "sent",
        "xact_time",
        "query_time",
        "wait_time",
        "servers_opened",
        "servers_closed",
    ]);
    let sums = door.witness.sums();
    for pool in door.pools.all() {
        let (state, done) = (pool.state(), sums.get(&pool.key.owner()).copied().unwrap_or_default());
        table.row([
            &pool.key.database,
            &pool.key.user,
            &done.transactions,
            &done.statements,
            &done.bytes_in,
            &done.bytes_out,
            &done.transaction_us,
            &done.server_us,
            &done.wait_us,
            &state.opened_total,
            &state.closed_total,
        ]);
    }
    table
}

pub(super) fn upstreams(door: &Door) -> Table {
    let mut table = Table::of([
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
