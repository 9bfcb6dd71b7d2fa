//! Statements that the firewall does not let through: the client hears why, in PostgreSQL's own form, and no server hears
//! anything of them.
//!
//! A session that holds no server is answered at once. Where one is held, something is sent in the statement's place that
//! fails there: so the transaction fails, what stands behind it up to the Sync is skipped, and answers keep their order,
//! as with any error of the server's own.

use std::sync::Arc;

use bytes::BytesMut;
use weir_pgwire::frontend;
use weir_pgwire::request::{self, BindHead, Parse, tag};
use weir_sql::Statement;

use super::client_side::{ClientSide, Pending};
use super::expect::{Expected, Ongoing};
use super::link::Link;
use super::refusal::Refusal;
use super::requests::{Fatal, Incoming, incoming};
use super::trace;
use crate::error::Error;
use crate::firewall::{call_text, function_call};
use crate::tap::Outcome;

/// What fails at every server, as soon as it is parsed, and leaves nothing behind.
pub(crate) const FAILS: &str = "select 'refused by the firewall of Weir'::pg_catalog.int4";
/// The name under which it is parsed; it never comes to be.
const FAILS_AS: &[u8] = b"__weir_refused";

/// What came of looking at a frame.
pub(super) enum Stopped {
    /// It was refused; so many bytes are done with.
    Refused(usize),
    No,
}

impl ClientSide {
    /// Whether a statement may run.
    pub(super) fn may_run(&self, statement: &Statement, trace: Option<&str>) -> Result<(), Refusal> {
        let trace = trace.or(self.trace.as_deref());
        let checked = self.guarded.check(self.seat.firewall(), statement, trace);
        checked.map_err(|blocked| Refusal::from(&Error::from(blocked)))
    }

    /// Whether a statement may be refused.
    pub(super) fn is_guarded(&self) -> bool {
        self.guarded.enforces(self.seat.firewall())
    }

    /// Tells of a statement that runs, if it has to be told of.
    pub(super) fn note_passed(&self, ongoing: &mut Ongoing) {
        let trace = ongoing.trace.as_deref().or(self.trace.as_deref());
        ongoing.is_told = self.guarded.passes(self.seat.firewall(), &ongoing.statement, trace);
    }

    /// A call by a function's number, as a statement.
    pub(super) fn function_called(&self, body: &[u8]) -> Arc<Statement> {
        let Some(oid) = body.first_chunk().map(|oid| u32::from_be_bytes(*oid)) else {
            return self.door.shapes.unread("");
        };
        let shape = self.door.shapes.read_now(&call_text(oid));
        Arc::new(function_call(oid, &shape))
    }

    /// Refuses the request at the front, with no server held, if the firewall does.
    pub(super) fn stop_at_front(&mut self, data: &[u8]) -> Result<Stopped, Fatal> {
        // In a transaction that has failed nothing is run anyway.
        if !self.is_guarded() || self.skips_to_sync || self.to_drop > 0 || self.pending == Pending::Failed {
            return Ok(Stopped::No);
        }
        let Some(incoming) = incoming(data, self)? else {
            return Ok(Stopped::No);
        };
        let Some((statement, trace)) = self.asked_at_front(incoming) else {
            return Ok(Stopped::No);
        };
        let Err(refusal) = self.may_run(&statement, trace.as_deref()) else {
            return Ok(Stopped::No);
        };
        self.refuse_at_front(incoming, statement, trace, &refusal);
        Ok(Stopped::Refused(incoming.frame.len()))
    }

    fn refuse_at_front(
        &mut self,
        incoming: Incoming<'_>,
        statement: Arc<Statement>,
        trace: Option<Arc<str>>,
        refusal: &Refusal,
    ) {
        self.to_drop = incoming.bytes - incoming.frame.len();
        if matches!(self.pending, Pending::Begun(_)) {
            self.pending = Pending::Failed;
        }
        let mut ongoing = self.begin(statement, 0, incoming.bytes);
        ongoing.trace = trace;
        ongoing.sqlstate = refusal.code();
        self.refuse(refusal);
        self.tell(&ongoing, Outcome::Refused);
        if matches!(incoming.tag, tag::QUERY | tag::FUNCTION_CALL) {
            self.say_ready();
        } else {
            self.skips_to_sync = true;
        }
    }

    /// What a request wants to have run, with its trace; none where it runs nothing.
    fn asked_at_front(&self, incoming: Incoming<'_>) -> Option<(Arc<Statement>, Option<Arc<str>>)> {
        match incoming.tag {
            tag::QUERY if incoming.is_whole() => {
                let sql = request::query(incoming.body).ok()?;
                Some((self.read(&String::from_utf8_lossy(sql)), trace::of_text(sql)))
            }
            tag::QUERY => Some((self.door.shapes.unread(""), None)),
            tag::PARSE => {
                let Parse { sql, .. } = Parse::read(incoming.body).ok()?;
                Some((self.read(&String::from_utf8_lossy(sql)), trace::of_text(sql)))
            }
            tag::BIND => {
                let head = BindHead::read(incoming.body).ok()??;
                let prepared = self.names.get(head.statement)?;
                Some((prepared.statement.clone(), prepared.trace.clone()))
            }
            tag::FUNCTION_CALL => Some((self.function_called(incoming.body), None)),
            _ => None,
        }
    }

    /// What a text is, however long that takes.
    pub(super) fn read(&self, text: &str) -> Arc<Statement> {
        let shapes = &self.door.shapes;
        shapes.at_once(text).unwrap_or_else(|| shapes.read_now(text))
    }
}

impl Link {
    /// Refuses a query or a function call: an error is all that the server is asked for.
    pub(super) fn refuse_query(&mut self, me: &mut ClientSide, ongoing: Ongoing, refusal: Refusal, out: &mut BytesMut) {
        self.expect(Expected::Query(refused(ongoing, refusal)));
        // Our own words have no zero byte.
        let _ = frontend::query(out, FAILS);
        self.unnamed = None;
        self.keeps_nothing(me);
    }

    /// Refuses a step of a batch, and with it what is behind it.
    pub(super) fn refuse_step(&mut self, me: &mut ClientSide, ongoing: Ongoing, refusal: Refusal, out: &mut BytesMut) {
        self.expect(Expected::Refused(refused(ongoing, refusal)));
        // Our own words are short and have no zero byte.
        let _ = request::put_parse(out, FAILS_AS, FAILS.as_bytes(), &[]);
        self.keeps_nothing(me);
    }

    /// What was refused is not sent again, goes to no mirror, and has no rest that would have to be passed on.
    fn keeps_nothing(&mut self, me: &mut ClientSide) {
        self.replay.give_up();
        self.drops_rest = true;
        if let Some(copying) = &mut me.copying {
            copying.lose_step();
        }
    }
}

fn refused(mut ongoing: Ongoing, refusal: Refusal) -> Ongoing {
    ongoing.sqlstate = refusal.code();
    ongoing.refusal = Some(Box::new(refusal));
    ongoing
}
