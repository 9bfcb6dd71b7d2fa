//! Calls that can be cancelled by an id that their caller chose.
//!
//! An id is known for as long as its calls run, and within its project only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use weir_model::Project;

/// As long as an id may be.
pub(crate) const OPERATION_BYTES_MAX: usize = 128;

type Running = HashMap<(Project, String), Vec<CancellationToken>>;

/// The calls that run under an id.
#[derive(Debug, Default)]
pub(crate) struct Operations(Mutex<Running>);

impl Operations {
    /// A call begins; it ends with the drop of what is returned. Without an id it cannot be cancelled.
    pub(crate) fn enter(self: &Arc<Self>, project: &Project, id: &str) -> Operation {
        let token = CancellationToken::new();
        let entry = (!id.is_empty()).then(|| {
            let key = (project.clone(), id.to_owned());
            self.with(|running| running.entry(key.clone()).or_default().push(token.clone()));
            (self.clone(), key)
        });
        Operation { token, entry }
    }

    /// Cancels the calls that run under an id, and says how many.
    pub(crate) fn cancel(&self, project: &Project, id: &str) -> usize {
        let key = (project.clone(), id.to_owned());
        let tokens = self.with(|running| running.get(&key).cloned()).unwrap_or_default();
        tokens.iter().for_each(CancellationToken::cancel);
        tokens.len()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Running) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One call that runs.
#[derive(Debug)]
pub(crate) struct Operation {
    token: CancellationToken,
    entry: Option<(Arc<Operations>, (Project, String))>,
}

impl Operation {
    /// Returns when somebody cancels it.
    pub(crate) async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let Some((operations, key)) = self.entry.take() else {
            return;
        };
        // Its own mark, by which it is found among the others.
        self.token.cancel();
        operations.with(|running| {
            if let Some(tokens) = running.get_mut(&key) {
                tokens.retain(|token| !token.is_cancelled());
                if tokens.is_empty() {
                    running.remove(&key);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_id_reaches_its_own_calls_and_is_forgotten_with_them() {
        let operations = Arc::new(Operations::default());
        let [shop, blog] = ["shop", "blog"].map(|name| Project::parse(name).unwrap());
        let first = operations.enter(&shop, "a");
        let second = operations.enter(&shop, "a");
        let other = operations.enter(&blog, "a");
        drop(operations.enter(&shop, "b"));
        assert_eq!(operations.cancel(&shop, "b"), 0);
        assert_eq!(operations.cancel(&shop, "a"), 2);
        first.cancelled().await;
        second.cancelled().await;
        assert!(!other.token.is_cancelled());
        drop((first, second, other));
        assert!(operations.with(|running| running.is_empty()));
    }

    #[tokio::test]
    async fn one_that_ends_leaves_the_others_of_its_id_alone() {
        let operations = Arc::new(Operations::default());
        let shop = Project::parse("shop").unwrap();
        let stays = operations.enter(&shop, "a");
        drop(operations.enter(&shop, "a"));
        assert!(!stays.token.is_cancelled());
        assert_eq!(operations.cancel(&shop, "a"), 1);
    }
}
