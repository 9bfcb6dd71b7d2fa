//! The bloat of tables as a metric: of those with most waste, and of never more than so many.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::metrics::Metrics;
use crate::plan::Survey;

/// Tables of one database that are shown at a time: those with most waste.
const AT_ONCE: usize = 20;
/// Tables that are ever shown. A label that was shown once stays until the end of the process.
const EVER: usize = 200;

/// What has been shown.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<BTreeSet<(String, String)>>);

impl Shown {
    /// Shows what was found in a database.
    pub(crate) fn show(&self, metrics: &Metrics, database: &str, survey: &Survey) {
        let known = survey.tables.iter().filter_map(|table| {
            let bloat = survey.bloat.get(&table.oid)?;
            Some((bloat.likely, bloat.likely_percent() / 100.0, table.table.to_string()))
        });
        let mut known: Vec<(u64, f64, String)> = known.collect();
        known.sort_by_key(|(waste, _, _)| std::cmp::Reverse(*waste));
        for (_, share, table) in known.into_iter().take(AT_ONCE) {
            if self.may_show(database, &table) {
                metrics.table_bloat.with([database, &table]).set(share);
            }
        }
    }

    fn may_show(&self, database: &str, table: &str) -> bool {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let label = (database.to_owned(), table.to_owned());
        shown.contains(&label) || shown.len() < EVER && shown.insert(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_to_an_end() {
        let shown = Shown::default();
        let tables = (0..EVER + 5).filter(|number| shown.may_show("db", &number.to_string()));
        assert_eq!(tables.count(), EVER);
        assert!(shown.may_show("db", "0"), "what is shown stays so");
    }
}
