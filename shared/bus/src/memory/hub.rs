//! Who listens to what: core subscriptions and their groups.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Message;
use crate::inbox::Inbox;
use crate::subject::Pattern;

#[derive(Debug, Default)]
pub(crate) struct Hub(Mutex<Members>);

#[derive(Debug, Default)]
struct Members {
    next: u64,
    turn: usize,
    members: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    pattern: Pattern,
    group: Option<String>,
    inbox: Arc<Inbox>,
}

/// A place in the hub, given up on drop.
#[derive(Debug)]
pub(crate) struct Membership {
    hub: Arc<Hub>,
    number: u64,
}

impl Hub {
    pub(crate) fn join(hub: &Arc<Self>, pattern: Pattern, group: Option<&str>, inbox: Arc<Inbox>) -> Membership {
        let mut members = hub.members();
        let number = members.next;
        members.next += 1;
        members.members.insert(
            number,
            Member {
                pattern,
                group: group.map(str::to_owned),
                inbox,
            },
        );
        Membership {
            hub: Arc::clone(hub),
            number,
        }
    }

    /// Gives a message to everyone who wants it, and to one of each group.
    pub(crate) fn deliver(&self, message: &Message) {
        let receivers = self.members().receivers(&message.subject);
        for inbox in receivers {
            inbox.push(message.clone());
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn receivers(&mut self, subject: &str) -> Vec<Arc<Inbox>> {
        let mut receivers = Vec::new();
        let mut groups: BTreeMap<&str, Vec<&Arc<Inbox>>> = BTreeMap::new();
        for member in self.members.values().filter(|member| member.pattern.matches(subject)) {
            match &member.group {
                None => receivers.push(Arc::clone(&member.inbox)),
                Some(group) => groups.entry(group).or_default().push(&member.inbox),
            }
        }
        self.turn = self.turn.wrapping_add(1);
        for inboxes in groups.values() {
            receivers.extend(inboxes.iter().copied().cycle().nth(self.turn % inboxes.len()).cloned());
        }
        receivers
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.members().members.remove(&self.number);
    }
}
