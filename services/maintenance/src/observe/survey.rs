//! Everything that a plan for one place rests on.

use std::collections::HashMap;

use weir_upstream::Connection;

use super::{bloat, indexes, tables};
use crate::error::Error;
use crate::places::Place;
use crate::plan::{Bloat, Kind, Rules, Survey, Wanted};

/// So many relations are looked at closely in one run, those with the most to win.
const CLOSE_LOOKS: usize = 100;

/// Observes what is wanted of a place.
pub(crate) async fn survey(
    connection: &mut Connection,
    place: &Place,
    wanted: &Wanted,
    rules: &Rules,
) -> Result<Survey, Error> {
    let mut survey = Survey {
        tables: tables(connection).await?,
        ..Survey::default()
    };
    if wanted.has(Kind::Reindex) || wanted.has(Kind::Verify) {
        survey.indexes = indexes(connection).await?;
    }
    survey.tables.retain(|table| place.has(&table.table));
    survey.indexes.retain(|index| place.has(&index.subject.table));
    let mut survey = survey.narrowed(wanted);
    if wanted.has(Kind::Reindex) {
        weigh_indexes(connection, &mut survey, wanted, rules).await?;
    }
    if wanted.has(Kind::Reorganize) && wanted.index.is_empty() {
        weigh_tables(connection, &mut survey, wanted, rules).await?;
    }
    Ok(survey)
}

/// All are screened by statistics; pages are read of those that may be worth it, or that somebody named.
async fn weigh_indexes(
    connection: &mut Connection,
    survey: &mut Survey,
    wanted: &Wanted,
    rules: &Rules,
) -> Result<(), Error> {
    survey.missing = bloat::missing(connection).await?;
    let screened: HashMap<u32, Bloat> = bloat::screen_indexes(connection).await?.into_iter().collect();
    let mut close = Vec::new();
    for index in survey.indexes.iter().filter(|index| index.method == "btree") {
        let Some(known) = screened.get(&index.oid) else {
            continue;
        };
        survey.bloat.insert(index.oid, *known);
        if wanted.names(&index.subject) || rules.reindex.may_be_reached(known) {
            close.push((known.high, index.oid));
        }
    }
    for oid in most_to_win(close) {
        let known = bloat::index(connection, oid).await?;
        survey.bloat.insert(oid, known);
    }
    Ok(())
}

async fn weigh_tables(
    connection: &mut Connection,
    survey: &mut Survey,
    wanted: &Wanted,
    rules: &Rules,
) -> Result<(), Error> {
    survey.missing = bloat::missing(connection).await?;
    let screened: HashMap<u32, Bloat> = bloat::screen_tables(connection).await?.into_iter().collect();
    let mut close = Vec::new();
    for table in &survey.tables {
        let Some(known) = screened.get(&table.oid) else {
            continue;
        };
        survey.bloat.insert(table.oid, *known);
        let is_named = !wanted.table.is_empty() && !wanted.table.contains('*');
        if is_named || rules.reorganize.may_be_reached(known) {
            close.push((known.high, table.oid));
        }
    }
    for oid in most_to_win(close) {
        let known = bloat::table(connection, oid).await?;
        survey.bloat.insert(oid, known);
    }
    Ok(())
}

fn most_to_win(mut close: Vec<(u64, u32)>) -> impl Iterator<Item = u32> {
    close.sort_by(|left, right| right.cmp(left));
    close.into_iter().take(CLOSE_LOOKS).map(|(_, oid)| oid)
}
