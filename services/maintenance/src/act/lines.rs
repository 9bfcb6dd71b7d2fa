//! Leftovers and checks, as lines of the plan.

use weir_upstream::Connection;

use super::sweep::Scope;
use super::{Session, survey};
use crate::error::Error;
use crate::places::Place;
use crate::plan::{Candidate, History, IndexFacts, Kind, Subject, TableName, Wanted, plan_checks};

const HAS_AMCHECK: &str = "select 1 as has from pg_catalog.pg_extension where extname = 'amcheck'";

/// One line on what earlier work left behind in a place.
pub(super) async fn leftovers(session: &mut Session, place: &Place) -> Result<Candidate, Error> {
    let scope = Scope {
        place: Some(place),
        ..Scope::default()
    };
    let found = survey(session, scope).await?;
    let mut reason = match found.removed.len() {
        0 => "nothing is left behind".to_owned(),
        1 => format!("1 leftover: {}", found.removed.join(", ")),
        count => format!("{count} leftovers: {}", found.removed.join(", ")),
    };
    for remark in found.remains.iter().chain(&found.advice) {
        reason = format!("{reason}; {remark}");
    }
    let table = TableName {
        schema: "database".to_owned(),
        name: place.database().to_owned(),
    };
    Ok(Candidate::bare(
        Kind::Sweep,
        Subject::table(table),
        !found.removed.is_empty(),
        reason,
    ))
}

/// Lines on the indexes that might be checked.
pub(super) async fn checks(
    connection: &mut Connection,
    indexes: &[IndexFacts],
    wanted: &Wanted,
    history: &History,
) -> Result<Vec<Candidate>, Error> {
    let has_amcheck = !connection.simple_query(HAS_AMCHECK).await?.is_empty();
    Ok(plan_checks(indexes, has_amcheck, wanted, history))
}
