//! Everything that a plan for one place rests on.

use std::collections::HashMap;

use weir_upstream::Connection;

use super::{Looked, bloat, indexes, tables};
use crate::error::Error;
use crate::places::Place;
use crate::plan::{Bloat, Kind, Rules, Subject, Survey, Wanted, Worth};

/// So many relations are looked at closely in one run, those with the most to win.
const CLOSE_LOOKS: usize = 100;

/// Observes what is wanted of a place.
pub(crate) async fn survey(
    connection: &mut Connection,
    place: &Place,
    wanted: &Wanted,
    rules: &Rules,
    looked: &Looked,
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
        let screened = bloat::screen_indexes(connection).await?;
        let trees = survey.indexes.iter().filter(|index| index.method == "btree");
        let known: Vec<(u32, Subject)> = trees.map(|index| (index.oid, index.subject.clone())).collect();
        let close = close_looks(&mut survey, screened, known, wanted, rules.reindex);
        look_closely(connection, &mut survey, close, (looked, place), Pages::OfIndex).await?;
    }
    if wanted.has(Kind::Reorganize) && wanted.index.is_empty() {
        let screened = bloat::screen_tables(connection).await?;
        let tables = survey.tables.iter();
        let known = tables.map(|table| (table.oid, Subject::table(table.table.clone())));
        let known: Vec<(u32, Subject)> = known.collect();
        let close = close_looks(&mut survey, screened, known, wanted, rules.reorganize);
        look_closely(connection, &mut survey, close, (looked, place), Pages::OfTable).await?;
    }
    if wanted.has(Kind::Reindex) || wanted.has(Kind::Reorganize) {
        survey.missing = bloat::missing(connection).await?;
    }
    Ok(survey)
}

/// A relation whose pages are to be read.
struct Look {
    oid: u32,
    screened: Bloat,
    is_named: bool,
}

impl Look {
    /// What was found lately. Who names a relation wants to know how it is now.
    fn remembered(&self, looked: &Looked, place: &Place) -> Option<Bloat> {
        let known = looked.known(place.database(), self.oid, self.screened.size);
        known.filter(|_| !self.is_named)
    }
}

/// Whose pages are read.
#[derive(Clone, Copy)]
enum Pages {
    OfIndex,
    OfTable,
}

async fn look_closely(
    connection: &mut Connection,
    survey: &mut Survey,
    looks: Vec<Look>,
    (looked, place): (&Looked, &Place),
    pages: Pages,
) -> Result<(), Error> {
    for look in looks {
        let found = match (look.remembered(looked, place), pages) {
            (Some(found), _) => found,
            (None, pages) => {
                let found = match pages {
                    Pages::OfIndex => bloat::index(connection, look.oid).await?,
                    Pages::OfTable => bloat::table(connection, look.oid).await?,
                };
                looked.found(place.database(), look.oid, found);
                found
            }
        };
        survey.bloat.insert(look.oid, found);
    }
    Ok(())
}

/// All are screened by statistics; those that may be worth it, or that somebody named, are to be looked at closely, those
/// with the most to win first.
fn close_looks(
    survey: &mut Survey,
    screened: Vec<(u32, Bloat)>,
    relations: Vec<(u32, Subject)>,
    wanted: &Wanted,
    worth: Worth,
) -> Vec<Look> {
    let screened: HashMap<u32, Bloat> = screened.into_iter().collect();
    let mut close = Vec::new();
    for (oid, subject) in relations {
        let Some(known) = screened.get(&oid).copied() else {
            continue;
        };
        survey.bloat.insert(oid, known);
        let is_named = wanted.names(&subject);
        if is_named || worth.may_be_reached(&known) {
            close.push(Look {
                oid,
                screened: known,
                is_named,
            });
        }
    }
    close.sort_by_key(|look| std::cmp::Reverse(look.screened.high));
    close.truncate(CLOSE_LOOKS);
    close
}
