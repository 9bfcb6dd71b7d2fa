//! Everything that a plan for one place rests on.

use weir_upstream::Connection;

use super::{indexes, tables};
use crate::error::Error;
use crate::places::Place;
use crate::plan::{Kind, Rules, Survey, Wanted};

/// Observes what is wanted of a place.
pub(crate) async fn survey(
    connection: &mut Connection,
    place: &Place,
    wanted: &Wanted,
    _rules: &Rules,
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
    Ok(survey.narrowed(wanted))
}
