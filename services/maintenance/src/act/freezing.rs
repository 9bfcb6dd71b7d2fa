//! Tables to be frozen, as lines of the plan, and their VACUUM.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use weir_upstream::Connection;

use super::vacuum::{Figures, Outcome, VacuumOrder, vacuum};
use super::{Deed, Guard, Halt, Session, Team};
use crate::error::Error;
use crate::observe::ages::ages;
use crate::observe::horizon::holders;
use crate::plan::ages::PerIds;
use crate::plan::freeze::{Circumstances, Freeze, Occasion, Urgency as Due, plan_freeze};
use crate::plan::gates::horizon_holder;
use crate::plan::{Candidate, Expected, Kind, Room, Subject, TableFacts, TableName, Urgency, Wanted};

/// Tables that are looked at, the worst first.
const TABLES_MAX: u32 = 1_000;

/// What is to be frozen of these tables, and what is not, with reasons.
pub(super) async fn lines(
    team: &Team,
    connection: &mut Connection,
    tables: &[TableFacts],
    wanted: &Wanted,
    room: Room,
) -> Result<Vec<Candidate>, Error> {
    let census = ages(connection, TABLES_MAX).await?;
    let holder = horizon_holder(&holders(connection, None).await?);
    let paces = team.wraparound.paces(&census.server.cluster);
    let circumstances = Circumstances {
        server: &census.server,
        paces: PerIds {
            transactions: &paces.transactions,
            multixacts: &paces.multixacts,
        },
        holder: holder.as_deref(),
        occasion: Occasion {
            is_closed: room == Room::Closed,
            ..Occasion::open()
        },
        rule: team.wraparound.rule(),
    };
    let known: HashMap<&TableName, &TableFacts> = tables.iter().map(|facts| (&facts.table, facts)).collect();
    let plan = plan_freeze(&census.tables, &circumstances);
    let mine = plan
        .into_iter()
        .filter_map(|line| known.get(&line.table).map(|facts| (line, *facts)));
    Ok(mine.map(|(line, facts)| candidate(line, facts, wanted)).collect())
}

fn candidate(line: Freeze, facts: &TableFacts, wanted: &Wanted) -> Candidate {
    let subject = Subject::table(line.table);
    // Who orders nothing but this, by name, wants it.
    let is_ordered = wanted.kinds == [Kind::Freeze] && wanted.names(&subject);
    let reason = if is_ordered && !line.selected {
        format!("{}; ordered by name", line.reason)
    } else {
        line.reason
    };
    let urgency = match line.urgency {
        Due::Emergency => Urgency::Emergency,
        Due::Due | Due::None => Urgency::Ordinary,
    };
    Candidate {
        subject,
        urgency,
        expected: Expected {
            cost_bytes: line.cost_bytes,
            ..Expected::default()
        },
        ..Candidate::of_table(Kind::Freeze, facts.clone(), line.selected || is_ordered, reason)
    }
}

/// Vacuums a table, and freezes it where that is the point.
pub(super) async fn clean(
    session: &mut Session,
    guard: &Guard<'_>,
    candidate: &Candidate,
    cost_limit: u32,
) -> Result<Deed, Halt> {
    let order = VacuumOrder {
        freeze: candidate.kind == Kind::Freeze,
        emergency: candidate.urgency == Urgency::Emergency,
        cost_limit,
        ..VacuumOrder::default()
    };
    let vacuumed = vacuum(session, guard, &candidate.subject.table, &order).await?;
    let left = match vacuumed.outcome {
        Outcome::Done => None,
        Outcome::Left(reason) => Some(reason),
    };
    Ok(Deed {
        left,
        remark: vacuumed.note.unwrap_or_default(),
        ..Deed::done(figures(&vacuumed.before), figures(&vacuumed.after))
    })
}

fn figures(figures: &Figures) -> Json {
    json!({
        "live_tuples": figures.live_tuples,
        "dead_tuples": figures.dead_tuples,
        "pages": figures.pages,
        "pages_visible": figures.pages_visible,
        "xid_age": figures.xid_age.max(figures.toast_xid_age),
        "mxid_age": figures.mxid_age.max(figures.toast_mxid_age),
        "size_bytes": figures.size_bytes,
    })
}
