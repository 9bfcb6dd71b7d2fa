//! Transactions that wait for the mirror. Those of one session are done in their order, one at a time; sessions take
//! turns.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// What waits, by session.
#[derive(Debug)]
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    arrived: Notify,
}

#[derive(Debug)]
struct Inner<T> {
    lines: HashMap<i32, Line<T>>,
    /// Sessions of which something waits and nothing is being done, in the order of their turns.
    due: VecDeque<i32>,
    waiting: usize,
}

#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<T>,
    is_served: bool,
}

/// One whose turn it is. Until this is dropped, nothing else of its session is done.
#[derive(Debug)]
pub(super) struct Turn<'q, T> {
    queue: &'q Queue<T>,
    session: i32,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                lines: HashMap::new(),
                due: VecDeque::new(),
                waiting: 0,
            }),
            arrived: Notify::new(),
        }
    }

    fn with<R>(&self, act: impl FnOnce(&mut Inner<T>) -> R) -> R {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.with(|inner| inner.waiting)
    }

    /// Takes one in, unless so many wait already. False: it was not.
    pub(super) fn push(&self, session: i32, item: T, max: usize) -> bool {
        let taken = self.with(|inner| inner.push(session, item, max));
        if taken {
            self.arrived.notify_one();
        }
        taken
    }

    /// The next whose turn it is.
    pub(super) async fn next(&self) -> (Turn<'_, T>, T) {
        loop {
            let arrived = self.arrived.notified();
            let (taken, are_more) = self.with(|inner| (inner.take(), !inner.due.is_empty()));
            // One call may stand for several that arrived.
            if are_more {
                self.arrived.notify_one();
            }
            if let Some((session, item)) = taken {
                return (Turn { queue: self, session }, item);
            }
            arrived.await;
        }
    }

    /// Takes all out that wait.
    pub(super) fn clear(&self) -> Vec<T> {
        self.with(|inner| {
            inner.due.clear();
            inner.waiting = 0;
            let all = inner
                .lines
                .values_mut()
                .flat_map(|line| line.waiting.drain(..))
                .collect();
            inner.lines.retain(|_, line| line.is_served);
            all
        })
    }
}

impl<T> Inner<T> {
    fn push(&mut self, session: i32, item: T, max: usize) -> bool {
        if self.waiting >= max {
            return false;
        }
        self.waiting += 1;
        let line = self.lines.entry(session).or_insert_with(|| Line {
            waiting: VecDeque::new(),
            is_served: false,
        });
        if !line.is_served && line.waiting.is_empty() {
            self.due.push_back(session);
        }
        line.waiting.push_back(item);
        true
    }

    fn take(&mut self) -> Option<(i32, T)> {
        let session = self.due.pop_front()?;
        let line = self.lines.get_mut(&session)?;
        let item = line.waiting.pop_front()?;
        line.is_served = true;
        self.waiting -= 1;
        Some((session, item))
    }

    /// True: its session has more.
    fn done(&mut self, session: i32) -> bool {
        let Some(line) = self.lines.get_mut(&session) else {
            return false;
        };
        line.is_served = false;
        if line.waiting.is_empty() {
            self.lines.remove(&session);
            return false;
        }
        self.due.push_back(session);
        true
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        if self.queue.with(|inner| inner.done(self.session)) {
            self.queue.arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_session_is_done_in_order_and_others_meanwhile() {
        let queue = Queue::new();
        for (session, item) in [(1, "a"), (1, "b"), (2, "c")] {
            assert!(queue.push(session, item, 3));
        }
        assert!(!queue.push(3, "d", 3), "there is room for three");
        let next = || queue.next().now_or_never();
        let (first, a) = next().unwrap();
        let (second, c) = next().unwrap();
        assert_eq!((a, c, queue.len()), ("a", "c", 1));
        assert!(next().is_none(), "the first of its session is still being done");
        drop(second);
        assert!(next().is_none());
        drop(first);
        assert_eq!(next().unwrap().1, "b");
    }

    #[test]
    fn sessions_take_turns() {
        let queue = Queue::new();
        for (session, item) in [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5)] {
            assert!(queue.push(session, item, 10));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.next().now_or_never().map(|(_, item)| item)).collect();
        assert_eq!(order, [1, 4, 2, 5, 3]);
    }

    #[test]
    fn what_is_thrown_away_leaves_nothing_behind() {
        let queue = Queue::new();
        for item in 0..3 {
            assert!(queue.push(1, item, 10));
        }
        let (turn, _) = queue.next().now_or_never().unwrap();
        assert_eq!(queue.clear(), [1, 2]);
        assert!(queue.push(1, 7, 10));
        assert!(
            queue.next().now_or_never().is_none(),
            "one of its session is still being done"
        );
        drop(turn);
        assert_eq!(queue.next().now_or_never().unwrap().1, 7);
        assert!(queue.with(|inner| inner.lines.is_empty()));
    }
}
