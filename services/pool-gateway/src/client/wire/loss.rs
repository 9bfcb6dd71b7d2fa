//! What becomes of a session whose server is lost or given up, and of one that has to end: what its client is told, and
//! whether anything may be told at all.

use weir_pgwire::backend::TransactionStatus;

use super::expect::Expected;
use super::link::Link;
use super::refusal::Refusal;
use super::session::Session;
use crate::settings::PoolMode;

impl Session {
    /// The server is gone. A client that has seen a part of an answer, or is in a transaction, has to go too.
    pub(super) fn server_lost(&mut self, why: &str) {
        if self.asks_elsewhere() {
            return;
        }
        let Some(mut link) = self.link.take() else { return };
        if let Some(reader) = &mut self.me.reader {
            // Nobody knows what of it was done.
            reader.note_unknown();
            reader.transaction_ended(&self.me.pool.common.members);
        }
        let said = format!("the connection to the server was lost: {why}");
        let mut lost = Refusal::new("08006", said);
        if link.status != TransactionStatus::Idle {
            lost = lost.with_hint("The transaction was rolled back, unless its COMMIT was under way.");
        }
        let is_in_frame = link.skip_to_client > 0;
        let mut in_transaction = link.status != TransactionStatus::Idle;
        let was_pinned = self.me.journal.pins != 0;
        let (mut queries, mut syncs) = (0, 0);
        for expected in link.expected.drain() {
            match expected {
                Expected::Query(mut ongoing) => {
                    ongoing.sqlstate = *b"08006";
                    self.me.tell_ended(&ongoing);
                    queries += 1;
                }
                Expected::Execute(mut ongoing) => {
                    ongoing.sqlstate = *b"08006";
                    self.me.tell_ended(&ongoing);
                }
                Expected::Sync => syncs += 1,
                // Its BEGIN was answered, though not by the server.
                Expected::HideQuery => in_transaction = true,
                _ => {}
            }
        }
        link.lease.lost();
        self.me.names.spare();
        self.me.journal.pins = 0;
        if is_in_frame || link.has_ended {
            // Whatever is said now would pass for the rest of the frame; or the client has heard why.
            self.me.ends = true;
            return;
        }
        if link.replay.is_answered
            || in_transaction
            || was_pinned
            || self.me.mode == PoolMode::Session
            || queries + syncs != 1
        {
            return self.me.dismiss(&lost);
        }
        self.me.refuse(&lost);
        self.me.say_ready();
        self.me.lets_go();
    }

    /// Says no and ends the session. Where half a frame has gone out nothing is said: it would pass for the other half.
    pub(super) fn dismiss(&mut self, refusal: &Refusal) {
        let is_in_frame = self.link.as_ref().is_some_and(|link| link.skip_to_client > 0);
        if is_in_frame {
            self.me.ends = true;
        } else {
            self.me.dismiss(refusal);
        }
    }

    /// The server has taken no note of a cancel: it is frozen or cut off, or it waits for a client that takes nothing.
    pub(super) fn give_up_server(&mut self) {
        let waits = |link: &Link| link.overdue && link.is_busy();
        if !self.link.as_deref().is_some_and(waits) {
            return;
        }
        if self.me.outbound.is_empty() {
            return self.server_lost("it did not answer a request to cancel");
        }
        let words = "terminating connection due to statement timeout: the client takes nothing";
        self.dismiss(&Refusal::new("57014", words));
    }
}
