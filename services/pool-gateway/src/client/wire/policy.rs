//! What the rules say of a session: from when it comes in, and after each change of the settings.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::client_side::{ClientSide, Pending};
use super::link::Link;
use super::seat::{REVIEW, Seat};
use super::session::Session;
use crate::firewall::Terms;
use crate::rules::Policy;
use crate::settings::{GatewaySettings, PoolMode};

impl Seat {
    /// What holds for the session.
    pub(super) fn policy(&self) -> Arc<Policy> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the firewall does with its statements.
    pub(super) fn firewall(&self) -> Terms {
        Terms::unpacked(self.firewall.load(Ordering::Relaxed))
    }

    /// Has the session follow changed settings, as soon as it can.
    pub(super) fn follow(&self, settings: &Arc<GatewaySettings>) {
        if Arc::ptr_eq(&self.policy().settings, settings) {
            return;
        }
        let policy = Arc::new(settings.policy(&self.who.caller()));
        // Whatever is under way: the next statement is judged by it.
        self.firewall.store(policy.firewall.packed(), Ordering::Relaxed);
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = policy;
        self.wish(REVIEW);
    }
}

impl Session {
    /// Takes changed rules over, where nothing is under way; else it is asked again.
    pub(super) fn review(&mut self) {
        let is_at_rest = |link: &Link| link.is_at_rest() && !link.is_fresh;
        let may = self.link.as_deref().is_none_or(is_at_rest)
            && self.ticket.is_none()
            && self.found.is_none()
            && self.me.pending == Pending::Idle;
        if !may {
            return;
        }
        self.me.seat.forget(REVIEW);
        let policy = self.me.seat.policy();
        if self.link.is_some() && self.me.mode == PoolMode::Session {
            // What was done to the session was not looked after as in the other modes.
            self.me.was_pinned = true;
        }
        self.me.obey(&policy);
    }
}

impl ClientSide {
    /// This holds from now on. One who is in stays in, however many may be.
    fn obey(&mut self, policy: &Policy) {
        self.mode = policy.mode;
        self.weight = policy.weight;
        self.purse = self.pool_purse(policy);
        let crowds = &self.door.crowds;
        self.place = policy.crowd.as_ref().map(|crowd| crowds.count(&crowd.scope));
    }

    fn pool_purse(&self, policy: &Policy) -> Option<Box<crate::budget::Purse>> {
        let budgets = &self.door.pools.budgets;
        budgets.purse(&self.origin.project, policy.rates).map(Box::new)
    }
}
