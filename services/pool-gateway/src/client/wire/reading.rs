//! A link to a replica: it carries one batch, or a transaction that only reads, batch by batch; and the client sees
//! nothing of an answer before it is sure that there is one.
//!
//! What fails for a reason that the primary does not have, or because the replica goes away, is sent to the primary,
//! as if it had never been sent before. So is the rest of a transaction as soon as it wants something that is not a
//! plain read: nothing but plain reads was done in it so far, each with a snapshot of its own, so nothing is lost.

use weir_pgwire::Header;
use weir_pgwire::backend::{TransactionStatus, tag as answer};
use weir_pgwire::request::tag;

use super::client_side::{ClientSide, Pending};
use super::link::Link;
use super::refusal::sqlstate_of;
use super::session::Session;
use crate::route;

/// An answer is held back up to this length before it is sure that it is one.
const HELD_BYTES_MAX: usize = 64 * 1024;

impl Link {
    /// A request was taken. On a replica nothing follows the end of a batch before that is answered.
    pub(super) fn note_taken(&mut self, tag: u8) {
        if self.reading.is_some() && matches!(tag, tag::QUERY | tag::SYNC) {
            self.waits = true;
        }
    }

    /// Whether this much of a replica's answer is kept until more of it is there.
    pub(super) fn holds_back(&mut self, me: &mut ClientSide, data: &[u8]) -> bool {
        if self.reading.is_none() || self.replay.is_answered || self.replay.is_due {
            return false;
        }
        let Some((tag, body)) = first_that_tells(data) else {
            return data.len() < HELD_BYTES_MAX;
        };
        if self.expected.is_empty() {
            // It is about to go, as will be seen.
            return tag == answer::ERROR_RESPONSE;
        }
        if tag == answer::ERROR_RESPONSE {
            let Some(body) = body else {
                return data.len() < HELD_BYTES_MAX;
            };
            self.judge_error(me, body);
        }
        false
    }

    fn judge_error(&mut self, me: &mut ClientSide, body: &[u8]) {
        let sqlstate = sqlstate_of(body);
        let is_hopeless = self.is_our_fault(body) || !route::may_ask_again(&sqlstate);
        if is_hopeless || !self.replay.is_possible() || !self.expected.is_one_batch() {
            return;
        }
        if route::is_end_of_server(&sqlstate) {
            self.leave_out(me);
        }
        self.replay.is_due = true;
        self.moves = self.status == TransactionStatus::InTransaction;
        me.ask_primary_next();
    }

    fn leave_out(&self, me: &ClientSide) {
        if let Some(reading) = &self.reading {
            me.pool.common.members.leave_out(&reading.member);
        }
    }
}

impl ClientSide {
    /// The transaction that was begun on a replica is to be begun once more.
    fn begin_again(&mut self) {
        let begun = self.reader.as_mut().and_then(|reader| reader.take_begun());
        if let Some(text) = begun {
            if let Some(copying) = &mut self.copying {
                copying.goes_on();
            }
            self.pending = Pending::Begun(text);
        }
    }

    /// What was asked of a replica is asked of the primary.
    pub(super) fn ask_primary_next(&mut self) {
        let routed = self.pool.common.metrics.reads_routed.with(["primary", "sent_again"]);
        routed.inc();
        if let Some(reader) = &mut self.reader {
            reader.bar();
        }
    }
}

impl Session {
    /// Whether the server that was lost was a replica, and its request is asked of the primary instead.
    pub(super) fn asks_elsewhere(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        let nothing_runs = link.expected.is_empty() && link.status == TransactionStatus::InTransaction;
        if link.reading.is_none() || !(nothing_runs || link.replay.is_possible()) {
            return false;
        }
        link.leave_out(&self.me);
        if !link.replay.is_due {
            self.me.ask_primary_next();
        }
        if !nothing_runs {
            link.replay_first(&mut self.me);
        }
        if link.status == TransactionStatus::InTransaction {
            self.me.begin_again();
        }
        if let Some(link) = self.link.take() {
            link.lease.discard("broken");
        }
        true
    }

    /// Looks what comes next in a transaction that a replica answers, and moves it to the primary if it has to be there.
    pub(super) fn go_on_reading(&mut self, data: &[u8]) {
        let Some(link) = &mut self.link else { return };
        if !link.waits || !link.is_in_step() {
            return;
        }
        let stays = link.status == TransactionStatus::Failed || self.me.may_leave(data, true).is_some();
        link.waits = false;
        link.replay.begin();
        if !stays {
            self.move_to_primary();
        }
    }

    /// The transaction goes on on the primary.
    pub(super) fn move_to_primary(&mut self) {
        let Some(link) = self.link.take() else { return };
        if let Some(reader) = &mut self.me.reader {
            reader.bar();
        }
        self.me.begin_again();
        self.me.part_from(*link);
    }
}

/// The first frame that says how a batch goes, with its body where that is whole. What comes before says only that
/// nothing has failed yet.
fn first_that_tells(data: &[u8]) -> Option<(u8, Option<&[u8]>)> {
    let mut rest = data;
    loop {
        let header = Header::read(rest).ok()??;
        let body = rest.get(5..header.frame_bytes());
        let tells_nothing = matches!(
            header.tag(),
            answer::PARSE_COMPLETE
                | answer::BIND_COMPLETE
                | answer::CLOSE_COMPLETE
                | answer::PARAMETER_DESCRIPTION
                | answer::ROW_DESCRIPTION
                | answer::NO_DATA
                | answer::NOTICE_RESPONSE
                | answer::PARAMETER_STATUS
                | answer::NOTIFICATION_RESPONSE
        );
        if !tells_nothing {
            return Some((header.tag(), body));
        }
        rest = rest.get(header.frame_bytes()..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    #[test]
    fn an_answer_is_one_from_its_first_row_or_end_on() {
        let beginning = [frame(b'1', b""), frame(b'2', b""), frame(b'T', b"\0\0")].concat();
        assert_eq!(first_that_tells(&beginning), None);
        assert_eq!(first_that_tells(&beginning[..7]), None);
        let row = [beginning.clone(), frame(b'D', b"\0\0")].concat();
        assert_eq!(first_that_tells(&row).map(|(tag, _)| tag), Some(b'D'));
        let error = [beginning, frame(b'E', b"C25006\0\0")].concat();
        assert_eq!(first_that_tells(&error), Some((b'E', Some(&b"C25006\0\0"[..]))));
        assert_eq!(first_that_tells(&error[..error.len() - 1]), Some((b'E', None)));
    }
}
