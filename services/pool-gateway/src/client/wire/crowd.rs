//! How many clients of each rule are in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::refusal::Refusal;
use crate::rules::Crowd;

/// The clients that are in, by whom their rule is about.
#[derive(Debug, Default)]
pub(super) struct Crowds(Mutex<HashMap<Arc<str>, usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowds: Arc<Crowds>,
    scope: Arc<str>,
}

impl Crowds {
    /// Lets one more in, if there is room.
    pub(super) fn enter(self: &Arc<Self>, crowd: Option<&Crowd>) -> Result<Option<Place>, Refusal> {
        let Some(Crowd { scope, max }) = crowd else {
            return Ok(None);
        };
        let there = self.with(|inside| inside.get(scope).copied().unwrap_or_default());
        if there >= *max {
            let said =
                format!("too many clients of \"{scope}\": {there} are in, {max} may be (gateway.rules, clients_max)");
            return Err(Refusal::new("53300", said).with_hint("Try again when others have left."));
        }
        Ok(Some(self.count(scope)))
    }

    /// Counts one who is in already.
    pub(super) fn count(self: &Arc<Self>, scope: &Arc<str>) -> Place {
        self.with(|inside| *inside.entry(scope.clone()).or_default() += 1);
        Place {
            crowds: self.clone(),
            scope: scope.clone(),
        }
    }

    /// How many are in of those whom a rule is about.
    pub(super) fn inside(&self, scope: &str) -> usize {
        self.with(|inside| inside.get(scope).copied().unwrap_or_default())
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Arc<str>, usize>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowds.with(|inside| {
            if let Some(count) = inside.get_mut(&self.scope) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    inside.remove(&self.scope);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_come_in_as_may_and_one_who_leaves_makes_room() {
        let crowds = Arc::new(Crowds::default());
        let crowd = Crowd {
            scope: "user=a".into(),
            max: 2,
        };
        let first = crowds.enter(Some(&crowd)).unwrap();
        let _second = crowds.enter(Some(&crowd)).unwrap();
        let refused = crowds.enter(Some(&crowd)).unwrap_err();
        assert_eq!(refused.sqlstate, "53300");
        assert!(refused.message.contains("\"user=a\": 2 are in"), "{}", refused.message);
        drop(first);
        let third = crowds.enter(Some(&crowd)).unwrap();
        assert!(third.is_some() && crowds.enter(None).unwrap().is_none());
        assert_eq!(crowds.inside("user=a"), 2);
    }
}
