//! Pure. One log, from frames to what is to be told.

use std::collections::HashSet;
use std::sync::Arc;

use weir_pgwire::replication::Pgoutput;
use weir_tags::Buckets;
use weir_upstream::FromServer;

use super::decode::{Committed, Decoder};
use super::lost::Lost;
use super::news::{News, Positions};
use super::orders::{OrderId, Ordered};
use super::server::Server;
use super::tables::Catalogue;
use super::visible::{Pending, Snapshot};

/// One log that is read.
#[derive(Debug)]
pub(crate) struct Core {
    decoder: Decoder,
    pub(crate) pending: Pending,
    pub(crate) news: News,
    buckets: Arc<Buckets>,
    server: Server,
    at: Positions,
    /// The server waits for a word.
    pub(crate) owes_reply: bool,
    /// Orders that are in the news.
    pub(crate) ordered: Vec<OrderId>,
    pub(crate) counts: Counts,
}

/// What was counted since somebody looked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) commits: u64,
    pub(crate) tags: u64,
    pub(crate) kills: u64,
    pub(crate) collapsed: u64,
}

impl Core {
    pub(crate) fn new(
        decoder: Decoder,
        before: Vec<u64>,
        news: News,
        buckets: Arc<Buckets>,
        server: Server,
        horizon_lsn: u64,
    ) -> Self {
        Self {
            decoder,
            pending: Pending::after(before),
            news,
            buckets,
            server,
            // What was read before the log began is not known to be true.
            at: Positions {
                applied_lsn: horizon_lsn,
                kill_lsn: horizon_lsn,
                ..Positions::default()
            },
            owes_reply: false,
            ordered: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Takes what the server said at this time.
    pub(crate) fn take(&mut self, frame: FromServer<'_>, unix_us: i64) -> Result<(), Lost> {
        match frame {
            FromServer::Data { bytes, .. } => {
                let message = Pgoutput::parse(bytes).map_err(|error| Lost::other(error.to_string()))?;
                if let Some(committed) = self.decoder.take(&message) {
                    self.commit(committed, unix_us);
                }
            }
            FromServer::Keepalive { sent, wants_reply } => {
                self.owes_reply |= wants_reply;
                self.applied(sent);
            }
        }
        Ok(())
    }

    fn applied(&mut self, lsn: u64) {
        self.at.applied_lsn = self.at.applied_lsn.max(self.server.past_page_head(lsn));
    }

    fn commit(&mut self, committed: Committed, unix_us: i64) {
        self.counts.commits += 1;
        if committed.is_news() {
            self.news.received(unix_us);
            self.tell(committed);
        } else {
            self.applied(committed.end_lsn);
        }
    }

    fn tell(&mut self, mut committed: Committed) {
        let end_lsn = committed.end_lsn;
        for order in std::mem::take(&mut committed.orders) {
            let ordered = Ordered::read(&order, self.decoder.catalogue());
            ordered.add_to(&mut committed);
            self.ordered.extend(ordered.id);
        }
        if committed.kills {
            self.counts.kills += 1;
            self.at.kill_lsn = self.at.kill_lsn.max(end_lsn);
        }
        self.counts.collapsed += u64::from(committed.is_collapsed);
        self.counts.tags += committed.tags.len() as u64;
        for (tag, about) in committed.tags {
            self.buckets.raise(tag.bucket(), end_lsn);
            self.news.touch(tag, end_lsn, about);
        }
        self.pending.push(committed.xid, end_lsn, committed.is_ddl);
        self.applied(end_lsn);
    }

    /// Whether what was held may be let go after this snapshot, once the catalogue was read.
    pub(crate) fn is_ripe(&self, snapshot: &Snapshot) -> bool {
        self.pending.is_held() && self.pending.is_ripe(snapshot)
    }

    /// The catalogue was read after everything that was held had become visible.
    pub(crate) fn go_on(&mut self, catalogue: Arc<Catalogue>) {
        self.decoder.set_catalogue(catalogue);
        self.pending.let_go();
    }

    /// How far everything is.
    pub(crate) fn positions(&mut self, policy_generation: u64) -> Positions {
        self.at.visible_lsn = self.pending.visible_lsn(self.at.applied_lsn);
        self.at.policy_generation = policy_generation;
        self.at
    }

    /// Up to where the server need not keep anything.
    pub(crate) const fn applied_lsn(&self) -> u64 {
        self.at.applied_lsn
    }
}

/// Tables that are published, and since when.
#[derive(Debug, Default)]
pub(crate) struct Ripening {
    /// Every transaction that may have changed them unseen has ended.
    pub(crate) ripe: HashSet<u32>,
    /// Tables, with the transactions that were under way when they were published.
    waiting: Vec<(HashSet<u32>, Vec<u64>)>,
    /// The publication could not be changed as it should be.
    pub(crate) is_incomplete: bool,
}

impl Ripening {
    /// These were published when the log began.
    pub(crate) fn begun(published: HashSet<u32>) -> Self {
        Self {
            ripe: published,
            ..Self::default()
        }
    }

    /// Those that are published and not known yet.
    pub(crate) fn unknown(&self, published: &HashSet<u32>) -> HashSet<u32> {
        let waits = |oid: &u32| self.waiting.iter().any(|(tables, _)| tables.contains(oid));
        let unknown = published.iter().filter(|oid| !self.ripe.contains(oid) && !waits(oid));
        unknown.copied().collect()
    }

    /// These have just been published, while these transactions were under way.
    pub(crate) fn wait(&mut self, tables: HashSet<u32>, running: Vec<u64>) {
        self.waiting.push((tables, running));
    }

    /// Forgets what is not published any more.
    pub(crate) fn keep(&mut self, published: &HashSet<u32>) {
        self.ripe.retain(|oid| published.contains(oid));
        for (tables, _) in &mut self.waiting {
            tables.retain(|oid| published.contains(oid));
        }
        self.waiting.retain(|(tables, _)| !tables.is_empty());
    }

    /// Whether anything waits.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes what new reads see; returns the tables for which nothing is under way any more.
    pub(crate) fn look(&mut self, snapshot: &Snapshot) -> HashSet<u32> {
        let mut done = HashSet::new();
        self.waiting.retain_mut(|(tables, running)| {
            running.retain(|xid| snapshot.running().binary_search(xid).is_ok());
            if running.is_empty() {
                done.extend(tables.drain());
            }
            !running.is_empty()
        });
        done
    }
}
