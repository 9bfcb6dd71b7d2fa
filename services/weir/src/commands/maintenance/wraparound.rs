//! `weir maintenance wraparound`: how old the oldest rows are, and when that matters.

use serde_json::{Value as Json, json};
use tonic::transport::Channel;
use weir_proto::maintenance::v1 as api;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;

use crate::connect::refusal;
use crate::terminal::{Failure, Listing, moment, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Tables to show of each database.
    #[arg(long, default_value_t = 10)]
    tables: u32,
}

pub(super) async fn run(
    maintenance: &mut MaintenanceServiceClient<Channel>,
    arguments: Arguments,
    project: String,
    as_json_wanted: bool,
) -> Result<(), Failure> {
    let request = api::GetWraparoundRequest {
        project,
        tables_max: arguments.tables,
    };
    let reply = maintenance.get_wraparound(request).await.map_err(refusal)?;
    let databases = reply.into_inner().databases;
    if as_json_wanted {
        return say_json(&json!({ "databases": databases.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if databases.is_empty() {
        return say("no database was seen yet");
    }
    databases.iter().try_for_each(show)
}

fn show(database: &api::WraparoundDatabase) -> Result<(), Failure> {
    say(&format!(
        "database {}, seen {}",
        database.database,
        moment(database.taken_unix_ms)
    ))?;
    if !database.away.is_empty() {
        say(&format!("nothing newer is known: {}", database.away))?;
    }
    if database.cannot_advance {
        say(&format!(
            "cannot advance: the oldest transaction began {} ids ago and has stood for {}",
            database.horizon_age,
            time(database.stands_seconds as f64),
        ))?;
    }
    limits(database).say()?;
    tables(database).say()
}

fn limits(database: &api::WraparoundDatabase) -> Listing {
    let mut listing = Listing::new(&["LIMIT", "AGE", "OF", "PER SECOND", "REACHED IN"], "no limits");
    for ids in [&database.transactions, &database.multixacts].into_iter().flatten() {
        for limit in &ids.limits {
            let per_second = ids.per_second.map_or("-".to_owned(), |rate| format!("{rate:.1}"));
            let reached = limit.eta_seconds.map_or("-".to_owned(), time);
            let (age, of) = (ids.age.to_string(), limit.age.to_string());
            listing.row([limit.limit.clone(), age, of, per_second, reached]);
        }
    }
    listing
}

fn tables(database: &api::WraparoundDatabase) -> Listing {
    let mut listing = Listing::new(&["TABLE", "AGE", "OF", "PLAN", "REASON"], "no tables");
    for table in &database.tables {
        let plan = if table.selected { table.urgency.as_str() } else { "-" };
        let (age, of) = (format!("{} {}", table.age, table.ids), table.limit.to_string());
        listing.row([table.table.clone(), age, of, plan.to_owned(), table.reason.clone()]);
    }
    listing
}

/// A time with the unit that fits.
fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds < 172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

fn as_json(database: &api::WraparoundDatabase) -> Json {
    json!({
        "database": database.database,
        "taken_unix_ms": database.taken_unix_ms,
        "away": database.away,
        "transactions": database.transactions.as_ref().map(ids_json),
        "multixacts": database.multixacts.as_ref().map(ids_json),
        "horizon_age": database.horizon_age,
        "cannot_advance": database.cannot_advance,
        "stands_seconds": database.stands_seconds,
        "multixact_members": database.multixact_members,
        "tables": database.tables.iter().map(table_json).collect::<Vec<_>>(),
    })
}

fn ids_json(ids: &api::WraparoundIds) -> Json {
    let limit = |limit: &api::WraparoundLimit| json!({ "limit": limit.limit, "age": limit.age, "eta_seconds": limit.eta_seconds });
    json!({
        "next": ids.next,
        "age": ids.age,
        "server_age": ids.server_age,
        "per_second": ids.per_second,
        "basis": ids.basis,
        "limits": ids.limits.iter().map(limit).collect::<Vec<_>>(),
    })
}

fn table_json(table: &api::WraparoundTable) -> Json {
    json!({
        "table": table.table,
        "ids": table.ids,
        "is_toast": table.is_toast,
        "age": table.age,
        "limit": table.limit,
        "eta_seconds": table.eta_seconds,
        "size_bytes": table.size_bytes,
        "has_autovacuum": table.has_autovacuum,
        "selected": table.selected,
        "urgency": table.urgency,
        "reason": table.reason,
        "cost_bytes": table.cost_bytes,
    })
}
