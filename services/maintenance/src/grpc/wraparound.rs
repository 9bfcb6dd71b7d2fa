//! Ages to an answer, and back. Translates, decides nothing.

use weir_proto::maintenance::v1 as api;

use crate::places::Place;
use crate::plan::ages::{Eta, Ids, Limit};
use crate::plan::freeze::{Circumstances, Freeze, Occasion, plan_freeze};
use crate::wraparound::{View, Wraparound};

const TABLES: u32 = 10;

/// What is known of the databases that the caller may see.
pub(super) fn answer(wraparound: &Wraparound, places: &[&Place], tables_max: u32) -> api::GetWraparoundResponse {
    let tables_max = if tables_max == 0 { TABLES } else { tables_max };
    let mine = |mut view: View| {
        let name = &view.census.server.database;
        let here: Vec<&&Place> = places.iter().filter(|place| place.database() == *name).collect();
        view.census
            .tables
            .retain(|age| here.iter().any(|place| place.has(&age.table)));
        (!here.is_empty()).then_some(view)
    };
    let views = wraparound.views().into_iter().filter_map(mine);
    let databases = views.map(|view| database(wraparound, &view, tables_max as usize));
    api::GetWraparoundResponse {
        databases: databases.collect(),
    }
}

fn database(wraparound: &Wraparound, view: &View, tables_max: usize) -> api::WraparoundDatabase {
    let server = &view.census.server;
    api::WraparoundDatabase {
        database: server.database.clone(),
        taken_unix_ms: view.at_ms,
        away: view.away.clone().unwrap_or_default(),
        transactions: Some(ids(view, Ids::Transactions)),
        multixacts: Some(ids(view, Ids::Multixacts)),
        horizon_age: server.horizon_age,
        cannot_advance: view.cannot_advance.is_some(),
        stands_seconds: view.cannot_advance.map_or(0, |stood| stood.as_secs()),
        multixact_members: server.members,
        tables: tables(wraparound, view, tables_max),
    }
}

fn ids(view: &View, ids: Ids) -> api::WraparoundIds {
    let (server, pace) = (&view.census.server, view.paces.get(ids));
    let limits = Limit::ALL.into_iter().map(|limit| api::WraparoundLimit {
        limit: limit.name(ids).to_owned(),
        age: server.limit(ids, limit),
        eta_seconds: seconds(view.eta(ids, limit)),
    });
    api::WraparoundIds {
        next: server.next.of(ids),
        age: server.age.of(ids),
        server_age: server.server_age.of(ids),
        per_second: pace.per_second(),
        basis: pace.basis().as_str().to_owned(),
        limits: limits.collect(),
    }
}

/// What would be frozen in a window that is open now.
fn tables(wraparound: &Wraparound, view: &View, tables_max: usize) -> Vec<api::WraparoundTable> {
    let circumstances = Circumstances {
        server: &view.census.server,
        paces: view.paces(),
        holder: None,
        occasion: Occasion::open(),
        rule: wraparound.rule(),
    };
    let mut plan = plan_freeze(&view.census.tables, &circumstances);
    plan.sort_by(|left, right| left.nearest.order(&right.nearest));
    plan.into_iter()
        .take(tables_max)
        .map(|freeze| table(view, freeze))
        .collect()
}

fn table(view: &View, freeze: Freeze) -> api::WraparoundTable {
    let known = view.census.tables.iter().find(|known| known.table == freeze.table);
    let nearest = freeze.nearest;
    api::WraparoundTable {
        table: freeze.table.to_string(),
        ids: nearest.ids.as_str().to_owned(),
        is_toast: nearest.is_toast,
        age: nearest.age,
        limit: nearest.limit,
        eta_seconds: seconds(nearest.eta),
        size_bytes: freeze.size_bytes,
        has_autovacuum: known.is_some_and(|known| known.has_autovacuum),
        selected: freeze.selected,
        urgency: freeze.urgency.as_str().to_owned(),
        reason: freeze.reason,
        cost_bytes: freeze.cost_bytes,
    }
}

fn seconds(eta: Eta) -> Option<f64> {
    Some(eta.seconds()).filter(|seconds| seconds.is_finite())
}
