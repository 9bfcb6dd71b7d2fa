//! ANALYZE of one table.

use serde_json::{Value as Json, json};

use super::{Deed, Guard, Halt, Session};
use crate::observe;
use crate::plan::TableFacts;

/// Renews the planner's statistics of a table.
pub(crate) async fn analyze(session: &mut Session, guard: &Guard<'_>, before: &TableFacts) -> Result<Deed, Halt> {
    session.remarks();
    session
        .run(&format!("analyze {}", before.table.quoted()), guard)
        .await?;
    // "only table or database owner can analyze it": the statement succeeds all the same.
    if let Some(warning) = session
        .remarks()
        .into_iter()
        .find(|remark| remark.severity == "WARNING")
    {
        return Ok(Deed::left(warning));
    }
    let after = observe::table(session.connection(), &before.table).await;
    let after = after.ok().flatten();
    Ok(Deed::done(figures(before), after.as_ref().map_or(Json::Null, figures)))
}

fn figures(facts: &TableFacts) -> Json {
    json!({
        "live_tuples": facts.live_tuples,
        "changed_tuples": facts.changed_tuples,
        "last_analyze_unix_ms": facts.last_analyze_unix_ms,
    })
}
