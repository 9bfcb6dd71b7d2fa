//! Messages that are kept, and the queues that go through them.
//!
//! A message that a consumer has yet to deal with is never let go for lack of room: the publisher is refused instead.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::queue::{Queue, Turn};
use crate::durable::{Answer, ConsumerSpec};
use crate::subject::Pattern;
use crate::{Error, Message, StreamSpec};

/// A message given out to one consumer.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) sequence: u64,
    pub(crate) attempt: u32,
    pub(crate) message: Message,
}

#[derive(Debug)]
pub(crate) struct Stream {
    name: String,
    messages_max: usize,
    kept: Mutex<Kept>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    patterns: Vec<Pattern>,
    max_age: Duration,
    duplicate_window: Duration,
    next: u64,
    messages: BTreeMap<u64, Stored>,
    ids: HashSet<String>,
    ids_by_age: VecDeque<(Instant, String)>,
    queues: BTreeMap<String, Queue>,
    /// Something was settled since the last search for room, so another search may find some.
    settled: bool,
}

#[derive(Debug)]
struct Stored {
    at: Instant,
    message: Message,
}

impl Stored {
    fn place<'a>((sequence, stored): (&u64, &'a Self)) -> (u64, &'a str) {
        (*sequence, stored.message.subject.as_str())
    }
}

impl Stream {
    pub(crate) fn new(name: &str, messages_max: usize) -> Self {
        Self {
            name: name.to_owned(),
            messages_max,
            kept: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes over what a specification says.
    pub(crate) fn adopt(&self, spec: &StreamSpec, patterns: Vec<Pattern>) {
        let mut kept = self.kept();
        kept.patterns = patterns;
        kept.max_age = spec.max_age;
        kept.duplicate_window = spec.duplicate_window;
    }

    pub(crate) fn keeps(&self, subject: &str) -> bool {
        self.kept().patterns.iter().any(|pattern| pattern.matches(subject))
    }

    pub(crate) fn overlaps(&self, others: &[Pattern]) -> bool {
        self.kept()
            .patterns
            .iter()
            .any(|pattern| others.iter().any(|other| pattern.overlaps(other)))
    }

    /// Makes a consumer's queue, or changes it. A new one begins with the oldest message.
    pub(crate) fn open(&self, spec: ConsumerSpec) {
        let mut kept = self.kept();
        match kept.queues.get_mut(&spec.name) {
            Some(queue) => queue.adopt(spec),
            None => drop(kept.queues.insert(spec.name.clone(), Queue::new(spec))),
        }
    }

    /// Keeps a message, unless one with this id came within the window.
    pub(crate) fn store(&self, id: Option<&str>, message: Message) -> Result<(), Error> {
        let now = Instant::now();
        let mut kept = self.kept();
        kept.expire(now);
        if id.is_some_and(|id| kept.ids.contains(id)) {
            return Ok(());
        }
        if kept.messages.len() >= self.messages_max {
            kept.make_room();
        }
        if kept.messages.len() >= self.messages_max {
            return Err(Error::Full {
                buffer: "stream in memory",
                setting: "bus.stream_messages",
            });
        }
        kept.insert(id, message, now);
        drop(kept);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Waits for a consumer's next message.
    pub(crate) async fn take(&self, name: &str) -> Taken {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before looking, so that a change between the look and the wait is not missed.
            changed.as_mut().enable();
            let wait_until = match self.kept().try_take(name, Instant::now()) {
                Ok(taken) => return taken,
                Err(wait_until) => wait_until,
            };
            match wait_until {
                None => changed.await,
                Some(moment) => drop(tokio::time::timeout_at(moment, changed).await),
            }
        }
    }

    /// Settles or extends a delivery.
    pub(crate) fn answer(&self, name: &str, sequence: u64, attempt: u32, answer: Answer) {
        let mut kept = self.kept();
        kept.settled = true;
        if let Some(queue) = kept.queues.get_mut(name) {
            queue.answer(sequence, attempt, answer, Instant::now());
        }
        drop(kept);
        self.changed.notify_waiters();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn insert(&mut self, id: Option<&str>, message: Message, now: Instant) {
        if let Some(id) = id {
            self.ids.insert(id.to_owned());
            self.ids_by_age.push_back((now, id.to_owned()));
        }
        self.messages.insert(self.next, Stored { at: now, message });
        self.next += 1;
    }

    /// Lets go of ids and messages that are too old.
    fn expire(&mut self, now: Instant) {
        while self
            .ids_by_age
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) >= self.duplicate_window)
        {
            if let Some((_, id)) = self.ids_by_age.pop_front() {
                self.ids.remove(&id);
            }
        }
        while let Some(entry) = self.messages.first_entry() {
            if now.duration_since(entry.get().at) < self.max_age {
                break;
            }
            let (sequence, _) = entry.remove_entry();
            self.queues.values_mut().for_each(|queue| queue.forget(sequence));
        }
    }

    /// Lets go of messages that every consumer they concern has dealt with. One that concerns nobody yet stays.
    fn make_room(&mut self) {
        if !std::mem::take(&mut self.settled) {
            return;
        }
        let queues = &self.queues;
        self.messages.retain(|sequence, stored| {
            let mut concerned = queues
                .values()
                .filter(|queue| queue.wants(&stored.message.subject))
                .peekable();
            concerned.peek().is_none() || !concerned.all(|queue| queue.is_done_with(*sequence))
        });
    }

    /// A consumer's next message, or until when there is none unless something changes.
    fn try_take(&mut self, name: &str, now: Instant) -> Result<Taken, Option<Instant>> {
        self.expire(now);
        self.settled = true;
        let messages = &self.messages;
        let Some(queue) = self.queues.get_mut(name) else {
            return Err(None);
        };
        match queue.turn(now, |first| messages.range(first..).map(Stored::place)) {
            Turn::Wait(until) => Err(until),
            Turn::Give { sequence, attempt } => match messages.get(&sequence) {
                Some(stored) => Ok(Taken {
                    sequence,
                    attempt,
                    message: stored.message.clone(),
                }),
                None => Err(Some(now)),
            },
        }
    }
}
