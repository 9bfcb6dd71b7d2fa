//! The processes from whom this one took over, and to whom it handed over, while they live: for cancel requests that name
//! a session of theirs, and for calls of theirs that may yet write something.
//!
//! A request goes on in the direction in which it came, so that it never comes back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use weir_proto::gateway::v1::handover_message::Message;
use weir_proto::gateway::v1::{HandoverCallsEnded, HandoverCancel};

use super::channel::{Channel, Voice};
use crate::client::Door;

/// Messages on their way to one process. Further requests wait in their clients' sessions.
const WAITING_MAX: usize = 64;

/// On which side of this process another one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It was there before.
    Elder,
    /// It came after.
    Heir,
}

/// Until the end of something that has not ended.
const OPEN: u64 = u64::MAX;

type Line = mpsc::Sender<Message>;

/// How both are reached.
#[derive(Debug, Default)]
pub(crate) struct Kin {
    elder: Mutex<Option<Line>>,
    heir: Mutex<Option<Line>>,
    /// Until when calls of processes before this one may have written something, by the members' clock; 0: there was none.
    calls_until: AtomicU64,
}

impl Kin {
    /// There is a process before this one, which may have calls yet.
    pub(super) fn begin_calls_of_elder(&self) {
        self.calls_until.store(OPEN, Ordering::Relaxed);
    }

    /// They have ended by now.
    pub(super) fn end_calls_of_elder(&self, now: u64) {
        // Once is enough.
        let _ = self
            .calls_until
            .compare_exchange(OPEN, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether there may be such calls.
    pub(super) fn has_calls_of_elder(&self) -> bool {
        self.calls_until.load(Ordering::Relaxed) == OPEN
    }

    /// When they may have written last.
    pub(crate) fn calls_wrote_until(&self, now: u64) -> u64 {
        self.calls_until.load(Ordering::Relaxed).min(now)
    }

    /// Tells the process after this one that no call is left here, nor in those before.
    pub(super) async fn tell_calls_ended(&self) {
        self.pass_on(Side::Heir, Message::CallsEnded(HandoverCallsEnded {}))
            .await;
    }

    /// Whether the process from whom this one took over still serves somebody.
    pub(super) fn has_elder(&self) -> bool {
        self.line(Side::Elder).is_some()
    }

    /// Passes on a client's request for a session that is not here. False: there is nobody who could have it.
    pub(crate) async fn cancel(&self, process_id: i32, key: &[u8]) -> bool {
        if self.line(Side::Elder).is_none() && self.line(Side::Heir).is_none() {
            return false;
        }
        let cancel = HandoverCancel {
            process_id,
            key: key.to_vec().into(),
        };
        self.pass_on(Side::Elder, Message::Cancel(cancel.clone())).await;
        self.pass_on(Side::Heir, Message::Cancel(cancel)).await;
        true
    }

    async fn pass_on(&self, side: Side, message: Message) {
        if let Some(line) = self.line(side) {
            // One that has gone has no sessions.
            let _ = line.send(message).await;
        }
    }

    fn line(&self, side: Side) -> Option<Line> {
        self.of(side).lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, side: Side, line: Option<Line>) {
        *self.of(side).lock().unwrap_or_else(PoisonError::into_inner) = line;
    }

    const fn of(&self, side: Side) -> &Mutex<Option<Line>> {
        match side {
            Side::Elder => &self.elder,
            Side::Heir => &self.heir,
        }
    }
}

/// The way to a process on one side, for as long as this lives. It is made before that process serves, or before this one
/// does, so that no request comes too early: until [`Link::keep`] runs they wait.
#[derive(Debug)]
pub(super) struct Link {
    side: Side,
    kin: Arc<Kin>,
    waiting: mpsc::Receiver<Message>,
}

impl Link {
    pub(super) fn new(side: Side, kin: &Arc<Kin>) -> Self {
        let (line, waiting) = mpsc::channel(WAITING_MAX);
        kin.set(side, Some(line));
        Self {
            side,
            kin: kin.clone(),
            waiting,
        }
    }

    /// Carries messages both ways until the other process has ended.
    pub(super) async fn keep(mut self, channel: Channel, door: &Door) {
        let voice = channel.voice();
        tokio::select! {
            () = tell(voice, &mut self.waiting) => {}
            () = listen(channel, self.side, door) => {}
        }
        if self.side == Side::Elder {
            self.kin.end_calls_of_elder(door.pools.common().members.now());
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.kin.set(self.side, None);
    }
}

async fn tell(voice: Voice, waiting: &mut mpsc::Receiver<Message>) {
    while let Some(message) = waiting.recv().await {
        if voice.say(message).await.is_err() {
            return;
        }
    }
}

async fn listen(mut channel: Channel, side: Side, door: &Door) {
    let onwards = match side {
        Side::Elder => Side::Heir,
        Side::Heir => Side::Elder,
    };
    loop {
        match channel.hear().await {
            Ok(Some(Message::Cancel(cancel))) => {
                if !door.seats.cancel(cancel.process_id, &cancel.key) {
                    door.kin.pass_on(onwards, Message::Cancel(cancel)).await;
                }
            }
            Ok(Some(Message::CallsEnded(_))) if side == Side::Elder => {
                door.kin.end_calls_of_elder(door.pools.common().members.now());
            }
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = %error, "the other process is not understood any more");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_before_the_other_process_listens_waits_for_it() {
        let kin = Arc::new(Kin::default());
        assert!(!kin.cancel(7, b"key").await, "nobody else could have it");
        let mut link = Link::new(Side::Elder, &kin);
        assert!(kin.cancel(7, b"key").await);
        let waits = link.waiting.try_recv().unwrap();
        assert!(
            matches!(&waits, Message::Cancel(cancel) if cancel.process_id == 7 && *cancel.key == *b"key"),
            "{waits:?}"
        );
        drop(link);
        assert!(!kin.cancel(7, b"key").await, "it will not come any more");
    }
}
