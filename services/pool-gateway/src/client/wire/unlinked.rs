//! A session that holds no server: what it can answer without one.
//!
//! A transaction takes no server until its first statement, and what only concerns the gateway's own book-keeping takes
//! none at all.

use std::sync::Arc;

use bytes::Buf as _;
use weir_pgwire::reply;
use weir_pgwire::request::{self, Target, tag};
use weir_sql::{Deed, Statement};

use super::client_side::{ClientSide, Pending};
use super::guarding::Stopped;
use super::recalling::Recall;
use super::refusal::Refusal;
use super::requests::{Fatal, Incoming, incoming, protocol};
use super::trace;
use crate::settings::PoolMode;
use crate::tap::Outcome;

/// PostgreSQL's words for a statement in a transaction that has failed.
const ABORTED: &str = "current transaction is aborted, commands ignored until end of transaction block";

/// What came of some bytes of a client that holds no server.
#[derive(Debug)]
pub(super) struct Heard {
    /// So many bytes are done with.
    pub(super) consumed: usize,
    /// What follows needs a server.
    pub(super) needs_server: bool,
    /// What follows may be answered from memory in a moment.
    pub(super) waits: bool,
    /// The statement of the query that follows, where it has been looked at.
    pub(super) query: Option<Arc<Statement>>,
}

/// What came of one frame.
enum Answer {
    Given,
    /// It needs a server. A query has been looked at to find that out.
    NeedsServer(Option<Arc<Statement>>),
}

impl ClientSide {
    /// Takes what can be answered without a server.
    pub(super) fn hear(&mut self, data: &[u8]) -> Result<Heard, Fatal> {
        let mut consumed = self.to_drop.min(data.len());
        self.to_drop -= consumed;
        let (mut needs_server, mut waits, mut query) = (false, false, None);
        while let Some(rest) = data.get(consumed..).filter(|rest| !rest.is_empty() && !self.ends) {
            if let Stopped::Refused(bytes) = self.stop_at_front(rest)? {
                consumed += bytes;
                continue;
            }
            match self.recall(rest) {
                Recall::Answered(bytes) => {
                    consumed += bytes;
                    continue;
                }
                Recall::Waits => {
                    waits = true;
                    break;
                }
                Recall::No => {}
            }
            let Some(incoming) = incoming(rest, self)? else { break };
            if let Answer::NeedsServer(looked_at) = self.answers(incoming, rest)? {
                needs_server = true;
                query = looked_at;
                break;
            }
            consumed += incoming.frame.len();
            self.to_drop = incoming.bytes - incoming.frame.len();
        }
        Ok(Heard {
            consumed,
            needs_server,
            waits,
            query,
        })
    }

    /// Answers one frame, unless it needs a server.
    fn answers(&mut self, incoming: Incoming<'_>, rest: &[u8]) -> Result<Answer, Fatal> {
        match incoming.tag {
            tag::TERMINATE => {
                self.ends = true;
            }
            tag::SYNC => {
                self.skips_to_sync = false;
                self.say_ready();
            }
            // Nothing is outstanding, and nobody copies any more.
            tag::FLUSH | tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL => {}
            _ if self.skips_to_sync => {}
            tag::CLOSE if !self.is_session() && self.closes_alone(incoming, rest) => {}
            tag::QUERY if incoming.is_whole() && !self.is_session() => return self.answers_query(incoming),
            _ if self.pending == Pending::Failed => {
                self.refuse(&Refusal::new("25P02", ABORTED));
                self.skips_to_sync = true;
            }
            _ => return Ok(Answer::NeedsServer(None)),
        }
        Ok(Answer::Given)
    }

    const fn is_session(&self) -> bool {
        matches!(self.mode, PoolMode::Session)
    }

    /// Forgets a statement, where that and a Sync is all that the client wants.
    fn closes_alone(&mut self, incoming: Incoming<'_>, rest: &[u8]) -> bool {
        let next = rest.get(incoming.bytes).copied();
        let Ok(Target::Statement(name)) = Target::read(incoming.body) else {
            return false;
        };
        if !incoming.is_whole() || !matches!(next, Some(tag::SYNC | tag::CLOSE)) {
            return false;
        }
        self.names.remove(name);
        reply::close_complete(&mut self.outbound);
        true
    }

    fn answers_query(&mut self, incoming: Incoming<'_>) -> Result<Answer, Fatal> {
        let sql = request::query(incoming.body).map_err(|error| protocol(&error))?;
        let Some(statement) = std::str::from_utf8(sql)
            .ok()
            .and_then(|sql| self.door.shapes.at_once(sql))
        else {
            return Ok(Answer::NeedsServer(None));
        };
        let Some(answer) = self.own_answer(&statement, sql) else {
            return Ok(Answer::NeedsServer(Some(statement)));
        };
        let text = String::from_utf8_lossy(sql);
        let mut ongoing = self.begin(statement, weir_sql::text_hash(&text), incoming.bytes);
        ongoing.trace = trace::of_text(sql);
        match answer {
            Ok(tag) => {
                self.say_complete(tag);
                self.tell(&ongoing, Outcome::Ok);
            }
            Err(refusal) => {
                ongoing.sqlstate = refusal.sqlstate.as_bytes().first_chunk().copied().unwrap_or(*b"XX000");
                self.refuse(&refusal);
                self.say_ready();
                self.tell(&ongoing, Outcome::Error);
            }
        }
        Ok(Answer::Given)
    }

    /// The tag with which a statement is answered without a server, or the error; none where it needs one.
    fn own_answer(&mut self, statement: &Statement, sql: &[u8]) -> Option<Result<&'static str, Refusal>> {
        if let Pending::Failed = self.pending {
            return Some(self.answer_when_failed(statement));
        }
        let [deed] = &*statement.deeds else { return None };
        if statement.statements != 1 {
            return None;
        }
        match (deed, &self.pending) {
            (Deed::Begin, Pending::Idle) if self.mode == PoolMode::Statement => Some(Err(Refusal::new(
                "0A000",
                "a transaction of several statements is not possible in the pool mode \"statement\"",
            ))),
            (Deed::Begin, Pending::Idle) => {
                let text = std::str::from_utf8(sql).ok()?.trim();
                self.pending = Pending::Begun(text.into());
                let is_start = text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("start"));
                Some(Ok(if is_start { "START TRANSACTION" } else { "BEGIN" }))
            }
            (Deed::Commit { chain: false }, Pending::Begun(_)) => {
                self.ends_alone();
                Some(Ok("COMMIT"))
            }
            (Deed::Rollback { chain: false }, Pending::Begun(_)) => {
                self.ends_alone();
                Some(Ok("ROLLBACK"))
            }
            (Deed::Deallocate { name }, _) if self.names.get(name.as_bytes()).is_some() => {
                self.names.remove(name.as_bytes());
                Some(Ok("DEALLOCATE"))
            }
            (Deed::DeallocateAll, _) => {
                self.names.clear();
                Some(Ok("DEALLOCATE ALL"))
            }
            (Deed::DiscardAll, Pending::Idle) if self.profile.id() == self.first_profile.id() => {
                self.names.clear();
                Some(Ok("DISCARD ALL"))
            }
            _ => None,
        }
    }

    /// The transaction ends that has no server.
    fn ends_alone(&mut self) {
        self.pending = Pending::Idle;
        if let Some(copying) = &mut self.copying {
            copying.ended_alone(self.now);
        }
    }

    fn answer_when_failed(&mut self, statement: &Statement) -> Result<&'static str, Refusal> {
        let ends = |deed: &Deed| matches!(deed, Deed::Commit { .. } | Deed::Rollback { .. });
        if statement.deeds.iter().any(ends) {
            self.pending = Pending::Idle;
            return Ok("ROLLBACK");
        }
        Err(Refusal::new("25P02", ABORTED))
    }

    /// The request that needed a server cannot have one.
    pub(super) fn refuse_request(&mut self, refusal: &Refusal) {
        if matches!(self.pending, Pending::Begun(_)) {
            self.pending = Pending::Failed;
        }
        self.refuse(refusal);
        if let Some(memory) = &mut self.recollection {
            memory.forget_miss();
        }
        let Some(front) = self.inbound.first().copied() else {
            return;
        };
        let is_query = matches!(front, tag::QUERY | tag::FUNCTION_CALL);
        self.tell_refused(refusal, is_query);
        if is_query {
            self.drop_front_frame();
            self.say_ready();
        } else {
            self.skips_to_sync = true;
        }
    }

    /// Drops the frame at the front, and what is still to come of it.
    fn drop_front_frame(&mut self) {
        let front = incoming(&self.inbound, self).ok().flatten();
        let Some((here, bytes)) = front.map(|incoming| (incoming.frame.len(), incoming.bytes)) else {
            return;
        };
        self.inbound.advance(here);
        self.to_drop = bytes - here;
    }

    fn tell_refused(&self, refusal: &Refusal, is_query: bool) {
        let text = is_query.then(|| incoming(&self.inbound, self).ok().flatten()).flatten();
        let sql = text.and_then(|incoming| Some(String::from_utf8_lossy(request::query(incoming.body).ok()?)));
        let sql = sql.as_deref();
        let statement = sql.and_then(|sql| self.door.shapes.at_once(sql));
        let statement = statement.unwrap_or_else(|| self.door.shapes.unread(sql.unwrap_or_default()));
        let mut ongoing = self.begin(statement, sql.map_or(0, weir_sql::text_hash), self.inbound.len());
        ongoing.sqlstate = refusal.sqlstate.as_bytes().first_chunk().copied().unwrap_or(*b"XX000");
        ongoing.trace = sql.and_then(|sql| trace::of_text(sql.as_bytes()));
        self.tell(&ongoing, Outcome::Refused);
    }
}
