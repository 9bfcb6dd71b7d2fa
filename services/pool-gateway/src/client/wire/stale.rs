//! Errors that come of how the gateway keeps statements prepared, and which batches are sent again for them.

use weir_pgwire::backend::{TransactionStatus, tag};
use weir_pgwire::{Scan, scan};
use weir_sql::{Deed, Kind, Statement};

use super::link::Link;
use super::refusal::{says, sqlstate_of};
use crate::pool::Standing;

/// What is behind a frame.
pub(super) enum Next {
    /// Not enough of it has come.
    Unknown,
    /// An error for which the batch is sent again.
    OurFault,
    /// Anything else.
    Answer,
}

/// Whether a statement makes something temporary. What had its name before may have looked otherwise.
pub(super) fn makes_temporary(statement: &Statement) -> bool {
    statement.kind == Kind::Ddl && statement.deeds.contains(&Deed::Temporary)
}

impl Link {
    /// What is parsed from now on is parsed anew on this server.
    pub(super) fn outdate_prepared(&mut self) {
        let Some(server) = self.lease.server() else { return };
        let known = server.prepared().iter_mut().map(|(_, standing)| standing);
        known
            .filter(|standing| **standing != Standing::DOUBTED)
            .for_each(|standing| standing.definitions = Standing::OUTDATED);
    }

    /// What follows a description of parameters. The server writes it before it finds that the rows look otherwise
    /// than when the statement was parsed: of a batch that is sent again for that, the client must not have heard.
    pub(super) fn follows(&self, rest: &[u8]) -> Next {
        match scan(rest, |_| usize::MAX) {
            Ok(Scan::Whole(frame)) if frame.tag == tag::ERROR_RESPONSE => {
                if self.is_our_fault(frame.body) && self.may_hide(frame.body) {
                    Next::OurFault
                } else {
                    Next::Answer
                }
            }
            Ok(Scan::Part { header, .. }) if header.is_none_or(|header| header.tag() == tag::ERROR_RESPONSE) => {
                Next::Unknown
            }
            _ => Next::Answer,
        }
    }

    /// Whether the statement failed because of how the gateway keeps statements prepared.
    pub(super) fn is_our_fault(&self, body: &[u8]) -> bool {
        match &sqlstate_of(body) {
            b"0A000" => says(body, b'R', b"RevalidateCachedQuery"),
            b"26000" => contains(body, b"\"__weir_"),
            // A type was dropped, and maybe made anew, that a parameter had when it was parsed.
            b"XX000" => contains(body, b"Mcache lookup failed for type "),
            _ => false,
        }
    }

    /// Whether the batch can be sent again, and its client need not know. One that is not told in this batch what its
    /// rows look like goes by what it was told earlier, and has to hear that they look otherwise now.
    pub(super) fn may_hide(&self, body: &[u8]) -> bool {
        let looks_otherwise = sqlstate_of(body) == *b"0A000";
        // In a transaction the error has its consequence.
        self.status == TransactionStatus::Idle
            && self.replay.is_possible()
            && self.expected.is_one_batch()
            && (self.replay.describes() || !looks_otherwise)
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
