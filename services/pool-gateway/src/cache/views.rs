//! The views of every database that sessions have used.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::view::View;

/// Databases that are followed at most.
const VIEWS_MAX: usize = 64;

/// Every view of this process.
#[derive(Debug)]
pub(crate) struct Views {
    began: Instant,
    all: Mutex<Vec<Arc<View>>>,
}

impl Views {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            all: Mutex::default(),
        }
    }

    /// The view of a database, and whether it is new; none where there are too many.
    pub(crate) fn of(&self, database: &str) -> Option<(Arc<View>, bool)> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = all.iter().find(|view| &*view.database == database) {
            return Some((view.clone(), false));
        }
        if all.len() >= VIEWS_MAX {
            return None;
        }
        let id = u32::try_from(all.len()).unwrap_or(u32::MAX) + 1;
        let view = Arc::new(View::new(id, database, self.began));
        all.push(view.clone());
        Some((view, true))
    }

    pub(crate) fn all(&self) -> Vec<Arc<View>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn named(&self, database: &str) -> Vec<Arc<View>> {
        let mut all = self.all();
        all.retain(|view| &*view.database == database);
        all
    }
}
