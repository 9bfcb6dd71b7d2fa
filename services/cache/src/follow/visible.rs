//! Pure. Which of the commits that the log told of are seen by new reads.
//!
//! The log tells of a commit before others see it: for microseconds as a rule, for as long as a synchronous standby
//! takes where there is one. Only a snapshot of the primary says what is seen, and what one has seen every later one
//! sees. So the watermark of what is visible follows snapshots, and never positions.

use std::collections::VecDeque;

/// What one snapshot sees, as `pg_current_snapshot()` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// None from here on is seen.
    xmax: u64,
    /// Those between that have not ended, in ascending order.
    running: Vec<u64>,
}

impl Snapshot {
    /// Reads `xmin:xmax:xip,…`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let mut number = || parts.next()?.parse().ok();
        // Every transaction below the first number has ended.
        let (_, xmax): (u64, u64) = (number()?, number()?);
        let listed = parts.next()?;
        let running = listed.split(',').filter(|xid| !xid.is_empty());
        let mut running = running.map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
        running.sort_unstable();
        Some(Self { xmax, running })
    }

    /// Whether what this transaction did is seen, if it was committed.
    pub(crate) fn sees(&self, xid: u64) -> bool {
        xid < self.xmax && self.running.binary_search(&xid).is_err()
    }

    /// The same, but for transactions that still hold the lock of their number, which others wait for: they give it back
    /// when everybody has heard of what they did to definitions.
    pub(crate) fn without(mut self, locked: impl IntoIterator<Item = u32>) -> Self {
        let locked: Vec<u64> = locked.into_iter().map(|xid| self.widened(xid)).collect();
        self.running.extend(locked);
        self.running.sort_unstable();
        self.running.dedup();
        self
    }

    /// The transactions that have not ended.
    pub(crate) fn running(&self) -> &[u64] {
        &self.running
    }

    /// A number of 32 bits as the one of 64 bits that is near.
    fn widened(&self, xid: u32) -> u64 {
        let era = self.xmax & !u64::from(u32::MAX);
        let near = era | u64::from(xid);
        let half = 1 << 31;
        if near > self.xmax + half {
            near.saturating_sub(1 << 32)
        } else if near + half < self.xmax {
            near + (1 << 32)
        } else {
            near
        }
    }
}

/// A commit that is not known to be seen.
#[derive(Debug)]
struct Unseen {
    xid: u32,
    end_lsn: u64,
}

/// Commits in the order of the log that are not known to be seen: no more than there are transactions at a time.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Transactions whose commit may lie before the beginning of the log that is read.
    before: Vec<u64>,
    is_begun: bool,
    commits: VecDeque<Unseen>,
    /// The last commit, if it stays until it is let go: more has to happen before it may count as seen.
    held: Option<Unseen>,
    visible_lsn: u64,
}

impl Pending {
    /// Nothing counts as seen before all of these have ended and [`Pending::let_go`] was called.
    pub(crate) fn after(before: Vec<u64>) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// The log told of a commit. Of those that are to be held there is one at a time, and none comes behind it.
    pub(crate) fn push(&mut self, xid: u32, end_lsn: u64, is_held: bool) {
        let unseen = Unseen { xid, end_lsn };
        if is_held {
            self.held = Some(unseen);
        } else {
            self.commits.push_back(unseen);
        }
    }

    /// Takes what new reads see; says whether any commit became visible.
    pub(crate) fn look(&mut self, snapshot: &Snapshot) -> bool {
        let before = self.commits.len() + self.before.len();
        self.before.retain(|xid| snapshot.running.binary_search(xid).is_ok());
        self.commits
            .retain(|commit| !snapshot.sees(snapshot.widened(commit.xid)));
        self.commits.len() + self.before.len() < before
    }

    /// Whether the log must wait, because of what is held or of what was before.
    pub(crate) const fn is_held(&self) -> bool {
        !self.is_begun || self.held.is_some()
    }

    /// Whether what is held is seen by this snapshot, so that it may be looked at and let go.
    pub(crate) fn is_ripe(&self, snapshot: &Snapshot) -> bool {
        let held = self.held.as_ref();
        self.before.is_empty() && held.is_none_or(|commit| snapshot.sees(snapshot.widened(commit.xid)))
    }

    /// What was held needs nothing more: it is seen, and what had to happen has happened.
    pub(crate) fn let_go(&mut self) {
        self.is_begun = true;
        self.held = None;
    }

    /// Whether a snapshot would tell anything.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_held() || !self.commits.is_empty()
    }

    /// How many commits wait.
    pub(crate) fn len(&self) -> usize {
        self.commits.len() + usize::from(self.held.is_some())
    }

    /// Every commit up to here is seen, where everything up to `applied_lsn` was told.
    pub(crate) fn visible_lsn(&mut self, applied_lsn: u64) -> u64 {
        if self.is_begun {
            let first = self.commits.front().or(self.held.as_ref());
            let safe = first.map_or(applied_lsn, |commit| commit.end_lsn.saturating_sub(1).min(applied_lsn));
            self.visible_lsn = self.visible_lsn.max(safe);
        }
        self.visible_lsn
    }
}

/// Of the transactions that have not ended for others, those whose commit the log has already passed at its beginning:
/// `log` is what it holds for committed there.
pub(crate) fn committed_before(log: &Snapshot, others: &Snapshot) -> Vec<u64> {
    let running = others.running().iter().copied();
    running.filter(|xid| log.sees(*xid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(text: &str) -> Snapshot {
        Snapshot::parse(text).unwrap()
    }

    fn begun() -> Pending {
        let mut pending = Pending::default();
        pending.let_go();
        pending
    }

    #[test]
    fn a_snapshot_is_read_and_nothing_else() {
        let seen = snapshot("10:20:19,12");
        assert_eq!(
            [9, 10, 11, 12, 19, 20, 21].map(|xid| seen.sees(xid)),
            [true, true, true, false, false, false, false]
        );
        assert!(snapshot("10:10:").sees(9));
        let seen = seen.without([5, 19]);
        assert_eq!([5, 9, 19].map(|xid| seen.sees(xid)), [false, true, false]);
        for text in ["", "1", "1:2", "a:b:", "1:2:x", "1:2:3,x", "-1:2:"] {
            assert_eq!(Snapshot::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_widened_to_the_nearest() {
        let at = |xmax: u64| Snapshot { xmax, running: vec![] };
        let era = 1_u64 << 32;
        assert_eq!(at(5 * era + 100).widened(90), 5 * era + 90);
        assert_eq!(at(5 * era + 100).widened(110), 5 * era + 110);
        assert_eq!(at(5 * era + 100).widened(u32::MAX), 5 * era - 1);
        assert_eq!(at(5 * era - 1).widened(3), 5 * era + 3);
        assert_eq!(at(100).widened(90), 90);
    }

    #[test]
    fn what_is_visible_stops_at_the_first_commit_that_is_not() {
        let mut pending = begun();
        pending.push(11, 100, false);
        pending.push(12, 200, false);
        pending.push(13, 300, false);
        assert_eq!(pending.visible_lsn(350), 99);
        assert!(pending.look(&snapshot("12:14:12")));
        assert_eq!(
            (pending.visible_lsn(350), pending.len()),
            (199, 1),
            "13 is seen, but 12 before it is not"
        );
        assert!(!pending.look(&snapshot("12:15:12")));
        assert!(pending.look(&snapshot("14:14:")));
        assert_eq!(pending.visible_lsn(350), 350);
    }

    #[test]
    fn nothing_waiting_lets_it_follow_what_was_applied() {
        let mut pending = begun();
        assert_eq!(pending.visible_lsn(70), 70);
        pending.push(11, 100, false);
        assert_eq!(pending.visible_lsn(150), 99);
    }

    #[test]
    fn a_transaction_that_is_newer_than_the_snapshot_is_not_seen() {
        let mut pending = begun();
        pending.push(20, 100, false);
        pending.look(&snapshot("20:20:"));
        assert_eq!(pending.visible_lsn(100), 99);
    }

    #[test]
    fn what_is_held_is_not_passed_before_it_is_let_go() {
        let mut pending = begun();
        pending.push(11, 100, false);
        pending.push(12, 200, true);
        assert!(pending.is_held());
        let seen = snapshot("12:13:12");
        pending.look(&seen);
        assert!(!pending.is_ripe(&seen));
        assert_eq!(pending.visible_lsn(200), 199);
        let seen = snapshot("13:13:");
        pending.look(&seen);
        assert!(pending.is_ripe(&seen) && pending.is_held());
        assert_eq!(pending.visible_lsn(200), 199);
        pending.let_go();
        assert_eq!(pending.visible_lsn(200), 200);
    }

    #[test]
    fn a_beginning_waits_for_commits_that_are_stuck_before_it() {
        // For the log 12 and 13 are committed; others still wait for 12, and for 14, which is yet to come in the log.
        let before = committed_before(&snapshot("14:15:14"), &snapshot("12:15:12,14"));
        assert_eq!(before, [12]);
        let mut pending = Pending::after(before);
        let stuck = snapshot("12:16:12,14");
        pending.look(&stuck);
        assert!(pending.is_held() && !pending.is_ripe(&stuck));
        assert_eq!(pending.visible_lsn(50), 0);
        let free = snapshot("14:16:14");
        pending.look(&free);
        assert!(pending.is_ripe(&free));
        assert_eq!(pending.visible_lsn(50), 0, "the catalogue was not read yet");
        pending.let_go();
        assert_eq!(pending.visible_lsn(50), 50);
    }
}
