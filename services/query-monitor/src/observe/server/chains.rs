//! Who holds whom up: from "waits for" to chains with a root. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use weir_proto::monitor::v1 as api;

/// A session of a chain: one that waits, or one that others wait for.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    pub(super) session: api::ServerSession,
    /// For whom it waits directly. Empty: for nobody.
    pub(super) waits_for: Vec<i32>,
    pub(super) blocked_seconds: f64,
}

/// One chain for each root, the longest wait first. A circle that the server has not broken yet has its lowest process
/// for a root.
pub(super) fn chains(links: Vec<Link>) -> Vec<api::BlockingChain> {
    let links: BTreeMap<i32, Link> = links.into_iter().map(|link| (link.session.pid, link)).collect();
    let waiters = waiters(&links);
    let is_root = |pid: &&i32| waiters.contains_key(pid) && links.get(pid).is_none_or(|link| link.waits_for.is_empty());
    let known: BTreeSet<i32> = links.keys().chain(waiters.keys()).copied().collect();
    let mut reached = BTreeSet::new();
    let mut chains = Vec::new();
    for root in known.iter().filter(is_root) {
        chains.push(chain(*root, false, &links, &waiters, &mut reached));
    }
    for pid in links.keys() {
        if !reached.contains(pid) && waiters.contains_key(pid) {
            chains.push(chain(*pid, true, &links, &waiters, &mut reached));
        }
    }
    chains.sort_by(|left, right| right.blocked_seconds.total_cmp(&left.blocked_seconds));
    chains
}

/// Who waits for each.
fn waiters(links: &BTreeMap<i32, Link>) -> BTreeMap<i32, Vec<i32>> {
    let mut waiters: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, link) in links {
        for blocker in &link.waits_for {
            waiters.entry(*blocker).or_default().push(*pid);
        }
    }
    waiters
}

/// All that wait for a root, the nearest first on the way through.
fn chain(
    root: i32,
    is_circle: bool,
    links: &BTreeMap<i32, Link>,
    waiters: &BTreeMap<i32, Vec<i32>>,
    reached: &mut BTreeSet<i32>,
) -> api::BlockingChain {
    let mut seen = BTreeSet::from([root]);
    let mut open = VecDeque::from([(root, 0_u32)]);
    let mut blocked = Vec::new();
    while let Some((pid, depth)) = open.pop_front() {
        for waiter in waiters.get(&pid).into_iter().flatten() {
            if let (true, Some(link)) = (seen.insert(*waiter), links.get(waiter)) {
                blocked.push(behind(link, depth + 1));
                open.push_back((*waiter, depth + 1));
            }
        }
    }
    reached.extend(seen);
    blocked.sort_by(|left, right| right.blocked_seconds.total_cmp(&left.blocked_seconds));
    let longest = blocked.first().map_or(0.0, |first| first.blocked_seconds);
    api::BlockingChain {
        root: Some(session_of(root, links, &blocked)),
        is_circle,
        blocked_seconds: longest,
        blocked,
    }
}

fn behind(link: &Link, depth: u32) -> api::BlockedSession {
    api::BlockedSession {
        session: Some(link.session.clone()),
        blocked_by: link.waits_for.clone(),
        blocked_seconds: link.blocked_seconds,
        depth,
    }
}

/// The root as far as it is known: a prepared transaction is no session, and one that has just gone is not seen.
fn session_of(pid: i32, links: &BTreeMap<i32, Link>, blocked: &[api::BlockedSession]) -> api::ServerSession {
    let first = blocked.first().and_then(|first| first.session.as_ref());
    links.get(&pid).map_or_else(
        || api::ServerSession {
            upstream: first.map(|first| first.upstream.clone()).unwrap_or_default(),
            pid,
            ..api::ServerSession::default()
        },
        |link| link.session.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(pid: i32, waits_for: &[i32], blocked_seconds: f64) -> Link {
        let session = api::ServerSession {
            pid,
            ..api::ServerSession::default()
        };
        Link {
            session,
            waits_for: waits_for.to_vec(),
            blocked_seconds,
        }
    }

    /// Root, whether it is a circle, and the others with their depth.
    type Found = (i32, bool, Vec<(i32, u32)>);

    fn found(links: Vec<Link>) -> Vec<Found> {
        let pid = |session: &Option<api::ServerSession>| session.as_ref().map_or(0, |session| session.pid);
        let of = |chain: api::BlockingChain| {
            let blocked = chain.blocked.iter().map(|one| (pid(&one.session), one.depth));
            (pid(&chain.root), chain.is_circle, blocked.collect())
        };
        chains(links).into_iter().map(of).collect()
    }

    #[test]
    fn a_chain_is_followed_to_its_root() {
        let links = vec![link(3, &[2], 1.0), link(2, &[1], 5.0), link(1, &[], 0.0)];
        assert_eq!(found(links), [(1, false, vec![(2, 1), (3, 2)])]);
    }

    #[test]
    fn one_who_waits_for_two_is_behind_both_and_the_longest_wait_comes_first() {
        let links = vec![
            link(1, &[], 0.0),
            link(2, &[], 0.0),
            link(3, &[1, 2], 4.0),
            link(4, &[2], 9.0),
        ];
        assert_eq!(
            found(links),
            [(2, false, vec![(4, 1), (3, 1)]), (1, false, vec![(3, 1)])]
        );
    }

    #[test]
    fn a_circle_is_one_chain_and_ends() {
        let links = vec![link(7, &[5], 2.0), link(5, &[7], 1.0), link(9, &[5], 3.0)];
        assert_eq!(found(links), [(5, true, vec![(9, 1), (7, 1)])]);
    }

    #[test]
    fn a_root_without_a_session_is_a_root_all_the_same() {
        assert_eq!(found(vec![link(3, &[0], 1.0)]), [(0, false, vec![(3, 1)])]);
        assert_eq!(found(vec![link(3, &[], 0.0)]), []);
    }
}
