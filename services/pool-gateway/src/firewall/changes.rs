//! What people decide of shapes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_sql::Statement;

use super::Guard;
use super::list::{Change, Shape, Standing};
use super::modes::Whom;
use super::scope::{Scope, ScopeKey};
use crate::settings::FirewallMode;

/// How long one who decides waits until that is written.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which shapes.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// Those of these ids.
    These(Vec<u64>),
    /// All of this standing.
    All(Standing),
}

impl Which {
    fn of(&self, scope: &Scope) -> Vec<Arc<Shape>> {
        match self {
            Self::These(ids) => ids.iter().filter_map(|id| scope.list.find(*id)).collect(),
            Self::All(standing) => {
                let mut shapes = scope.list.all();
                shapes.retain(|shape| shape.standing() == *standing);
                shapes
            }
        }
    }
}

impl Guard {
    /// Lets shapes through from now on, up to the score that they were seen with. How many there are.
    pub(crate) async fn approve(&self, key: &ScopeKey, which: &Which, by: &str) -> usize {
        let (scope, now_ms) = (self.scope(key), self.now_ms());
        let shapes = which.of(&scope);
        for shape in &shapes {
            approve(&scope, shape, by, now_ms);
        }
        self.decided("approved", &scope, shapes.len(), by).await;
        shapes.len()
    }

    /// Takes shapes out of the list. How many there were.
    pub(crate) async fn forget(&self, key: &ScopeKey, which: &Which, by: &str) -> usize {
        let scope = self.scope(key);
        let mut shapes = which.of(&scope);
        shapes.retain(|shape| shape.standing() != Standing::Forgotten);
        for shape in &shapes {
            if self.desk.has_keeper() {
                scope.list.judge(shape, |judgement| {
                    judgement.standing = Standing::Forgotten;
                    judgement.change = Change::Decision;
                });
            } else {
                scope.list.take(shape.id);
            }
        }
        self.decided("forgotten", &scope, shapes.len(), by).await;
        shapes.len()
    }

    /// Puts the shape of a statement into the list. None: there is no room for it.
    pub(crate) async fn add(&self, key: &ScopeKey, statement: &Statement, by: &str) -> Option<Arc<Shape>> {
        let (scope, now_ms) = (self.scope(key), self.now_ms());
        if scope.list.find(statement.identity).is_none() {
            scope.list.sight(statement, Standing::Approved, 0);
            // Nobody has seen it yet.
            scope.list.find(statement.identity)?.fresh.store(0, Ordering::Relaxed);
        }
        let shape = scope.list.find(statement.identity)?;
        approve(&scope, &shape, by, now_ms);
        self.decided("added", &scope, 1, by).await;
        Some(shape)
    }

    /// Sets a mode, or leaves it to the settings.
    pub(crate) async fn decide_mode(&self, whom: Whom, mode: Option<FirewallMode>, by: &str) {
        let word = mode.map_or("as the settings say", FirewallMode::as_str);
        tracing::info!(
            by, mode = word, project = %whom.project, db.name = %whom.database, db.user = %whom.user,
            "the firewall's mode was set"
        );
        self.set_mode(whom, mode, by);
        self.desk.written(PATIENCE).await;
    }

    async fn decided(&self, what: &str, scope: &Scope, count: usize, by: &str) {
        let ScopeKey {
            project,
            database,
            user,
        } = &scope.key;
        tracing::info!(
            by, count, project = %project, db.name = %database, db.user = %user,
            "shapes of the firewall's list were {what}"
        );
        if count > 0 {
            self.desk.written(PATIENCE).await;
        }
    }
}

fn approve(scope: &Scope, shape: &Shape, by: &str, now_ms: i64) {
    scope.list.judge(shape, |judgement| {
        judgement.standing = Standing::Approved;
        judgement.approved_by = by.to_owned();
        judgement.approved_ms = now_ms;
        judgement.approved_score = judgement.score;
        judgement.change = Change::Decision;
    });
}
