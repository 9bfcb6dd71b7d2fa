//! Where one consumer name stands in its stream: what it has yet to see, and what is out. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::durable::{Answer, ConsumerSpec};

/// What a queue gives when asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This message, for the so-manieth time.
    Give { sequence: u64, attempt: u32 },
    /// Nothing before this moment, unless something changes; nothing at all until then where it is `None`.
    Wait(Option<Instant>),
}

#[derive(Debug)]
pub(crate) struct Queue {
    spec: ConsumerSpec,
    /// The first message that it has not looked at.
    next: u64,
    /// What was given out and is not settled.
    out: BTreeMap<u64, Out>,
}

#[derive(Debug)]
struct Out {
    attempt: u32,
    due: Instant,
}

impl Queue {
    pub(crate) const fn new(spec: ConsumerSpec) -> Self {
        Self {
            spec,
            next: 0,
            out: BTreeMap::new(),
        }
    }

    /// Takes over changed filters and options; where it stands in the stream stays.
    pub(crate) fn adopt(&mut self, spec: ConsumerSpec) {
        self.spec = spec;
    }

    /// Whether a message concerns it.
    pub(crate) fn wants(&self, subject: &str) -> bool {
        self.spec.wants(subject)
    }

    /// Whether it will never ask for this message again.
    pub(crate) fn is_done_with(&self, sequence: u64) -> bool {
        sequence < self.next && !self.out.contains_key(&sequence)
    }

    /// The next message to give out. What is due again comes before what is new.
    pub(crate) fn turn<'a, I>(&mut self, now: Instant, subjects_from: impl FnOnce(u64) -> I) -> Turn
    where
        I: Iterator<Item = (u64, &'a str)>,
    {
        if let Some(turn) = self.again(now) {
            return turn;
        }
        let has_room = self.out.len() < usize::try_from(self.spec.options.max_in_flight).unwrap_or(usize::MAX);
        if has_room {
            for (sequence, subject) in subjects_from(self.next) {
                self.next = sequence + 1;
                if self.spec.wants(subject) {
                    return self.give(sequence, 1, now);
                }
            }
        }
        Turn::Wait(self.out.values().map(|out| out.due).min())
    }

    /// The first message whose time has come again. Those that came too often are left.
    fn again(&mut self, now: Instant) -> Option<Turn> {
        loop {
            let (sequence, attempt) = self
                .out
                .iter()
                .find(|(_, out)| out.due <= now)
                .map(|(sequence, out)| (*sequence, out.attempt))?;
            if attempt < self.spec.options.max_deliver {
                return Some(self.give(sequence, attempt + 1, now));
            }
            self.out.remove(&sequence);
            tracing::warn!(
                bus.stream = self.spec.stream.name,
                bus.consumer = self.spec.name,
                bus.sequence = sequence,
                attempt,
                "a durable message was given out as often as allowed and is left"
            );
        }
    }

    fn give(&mut self, sequence: u64, attempt: u32, now: Instant) -> Turn {
        self.out.insert(
            sequence,
            Out {
                attempt,
                due: now + self.spec.options.ack_wait,
            },
        );
        Turn::Give { sequence, attempt }
    }

    /// A message went because of its age.
    pub(crate) fn forget(&mut self, sequence: u64) {
        self.out.remove(&sequence);
    }

    /// Settles or extends a delivery. What an overtaken delivery says about time no longer counts; that it is done does.
    pub(crate) fn answer(&mut self, sequence: u64, attempt: u32, answer: Answer, now: Instant) {
        let due_in = match answer {
            Answer::Ack | Answer::Reject => {
                self.out.remove(&sequence);
                return;
            }
            Answer::RetryAfter(wait) => wait,
            Answer::InProgress => self.spec.options.ack_wait,
        };
        if let Some(out) = self.out.get_mut(&sequence).filter(|out| out.attempt == attempt) {
            out.due = later(now, due_in);
        }
    }
}

/// Ages of the earth are as good as for ever.
fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait)
        .unwrap_or_else(|| now + Duration::from_secs(1 << 30))
}
