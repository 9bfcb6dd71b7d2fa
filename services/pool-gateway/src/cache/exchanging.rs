//! Results that gateways give each other through level 2.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::Cache;
use super::entry::Entry;
use super::key::Asker;
use super::level2::Level2;
use super::shape::{Finding, Shape};
use super::sharing::{Name, Written};
use super::view::{Basis, View};
use super::worth::Mode;

impl Cache {
    /// Shares a result with other gateways. It has been served, so all that it contains has been followed by now.
    pub(super) fn share(&self, level2: &Level2, name: Name, entry: &Entry, view: &View) {
        let epoch = view.epoch();
        let (upper, rights) = (view.applied(), view.rights());
        let is_ours = view.incarnation() == entry.basis.incarnation;
        if entry.is_shared.swap(true, Ordering::Relaxed) || entry.body.count == 0 || !is_ours {
            return;
        }
        let written = Written {
            epoch: epoch.to_string(),
            stamp: entry.basis.stamp,
            upper,
            rights,
            buckets: entry.basis.buckets.clone(),
            body: entry.body.clone(),
        };
        level2.put(name, written.write(), self.ttl_max);
    }

    /// Nobody can use a result any more: its room is given back.
    pub(super) fn unshare(&self, entry: &Entry) {
        if let (Some(level2), Some(name)) = (&self.level2, entry.name)
            && entry.is_shared.load(Ordering::Relaxed)
        {
            level2.forget(name);
        }
    }

    /// Whether other gateways may have a result of this shape, and asking them is quicker than PostgreSQL.
    pub(crate) fn may_be_shared(&self, key: &[u8], shape: &Shape, view: &View) -> bool {
        let Some(level2) = &self.level2 else { return false };
        let is_looked_up = shape.account.mode(Instant::now(), key) == Mode::Serve;
        is_looked_up && level2.is_there() && shape.kept_by(view).is_some() && shape.cost() >= level2.usual_wait()
    }

    /// Whether results are shared among gateways at all.
    pub(crate) const fn shares(&self) -> bool {
        self.level2.is_some()
    }

    /// Asks for a result that another gateway may have, and keeps it in memory.
    pub(crate) async fn fetch(&self, name: Name, key: &[u8], asker: &Asker, shape: &Arc<Shape>) {
        let (Some(level2), Some(verdict)) = (&self.level2, shape.kept_by(&asker.view)) else {
            return;
        };
        let Finding::May(terms) = &verdict.finding else { return };
        let view = &asker.view;
        let incarnation = view.incarnation();
        let Some(written) = level2.get(&name).await.and_then(Written::read) else {
            return;
        };
        // What it contains beyond what is followed here may be newer than what a reader is served next.
        let is_ours = *written.epoch == *view.epoch() && written.rights == view.rights();
        if !is_ours || view.applied() < written.upper {
            return;
        }
        let entry = Entry {
            basis: Basis {
                incarnation,
                stamp: written.stamp,
                buckets: written.buckets,
            },
            complete_at: 0,
            ends_at: u64::MAX,
            // Whatever the other gateway's rules said: these are for here and now.
            serving: self.serving(terms, shape.says.level.or(terms.level), verdict.policies),
            shape: shape.clone(),
            body: written.body,
            key_bytes: key.len(),
            name: Some(name),
            is_shared: AtomicBool::new(true),
            is_foreign: AtomicBool::new(true),
            was_used: AtomicBool::new(false),
            project: asker.project_number,
        };
        let bytes = entry.bytes();
        let kept = self.memory.put(key, Arc::new(entry), self.project_bytes_max(terms));
        if kept.is_ok() {
            shape.account.filled(bytes);
        }
    }
}
