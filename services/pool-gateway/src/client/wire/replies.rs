//! From the server to the client: frames are found, matched with what is awaited, and passed on as they lie.
//!
//! Nothing is copied while nothing has to be left out or put in. No row is looked into.

use bytes::BytesMut;
use weir_pgwire::backend::{Message, NotificationResponse, TransactionStatus, command_tag_rows, tag};
use weir_pgwire::{Frame, Header, reply, request};
use weir_sql::Deed;

use super::account::Totals;
use super::client_side::{ClientSide, Unread};
use super::copying::Answered;
use super::expect::{Expected, Ongoing};
use super::link::Link;
use super::refusal::{Refusal, says, sqlstate_of};
use super::stale::{Next, makes_temporary};
use super::statements::forgets_prepared;
use crate::mirror::OK;
use crate::pool::Standing;
use crate::settings::PoolMode;
use crate::tap::Outcome;

/// A frame of another kind than a row is waited for as a whole up to this length; longer ones are passed on as they
/// come.
const WHOLE_BYTES_MAX: usize = 64 * 1024;
/// PostgreSQL's words for a statement that ran too long.
const OVERDUE: &str = "canceling statement due to statement timeout";

/// The server broke the protocol, or what it sent cannot be understood.
#[derive(Debug)]
pub(super) struct OutOfStep;

/// What is to be written to the client: a part of the bytes that were read, or what was put together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// These bytes of what was read, as they are.
    AsRead(std::ops::Range<usize>),
    /// What was appended to the buffer.
    Edited,
}

/// What came of some bytes from the server.
#[derive(Debug)]
pub(super) struct Taken {
    /// So many bytes are done with; the rest is the beginning of a frame.
    pub(super) consumed: usize,
    pub(super) output: Output,
}

/// What becomes of a frame.
enum Fate {
    /// It goes to the client as it is.
    Pass,
    /// The client does not see it.
    Drop,
}

/// The bytes that go to the client, as a range of those read for as long as that will do.
struct Editor<'a> {
    data: &'a [u8],
    /// What has been kept of the data and not been copied: from here to the present frame.
    kept_from: usize,
    out: &'a mut BytesMut,
}

impl Editor<'_> {
    /// Copies what was kept up to `at`, to put something behind it.
    fn copy_up_to(&mut self, at: usize) {
        let kept = self.data.get(self.kept_from..at).unwrap_or_default();
        self.out.extend_from_slice(kept);
        self.kept_from = at;
    }

    /// Leaves out the frame from `at` to `end`.
    fn leave_out(&mut self, at: usize, end: usize) {
        self.copy_up_to(at);
        self.kept_from = end;
    }

    fn finish(mut self, end: usize) -> Output {
        if self.out.is_empty() {
            return Output::AsRead(self.kept_from..end);
        }
        self.copy_up_to(end);
        Output::Edited
    }
}

impl Link {
    /// Takes what the server sent. `out` is empty and is used where the bytes cannot be passed on as they are.
    pub(super) fn replies(&mut self, me: &mut ClientSide, data: &[u8], out: &mut BytesMut) -> Result<Taken, OutOfStep> {
        let mut at = self.skip_to_client.min(data.len());
        self.skip_to_client -= at;
        let mut editor = Editor {
            data,
            kept_from: 0,
            out,
        };
        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(header) = Header::read(rest).map_err(|_| OutOfStep)? else {
                break;
            };
            let (tag, end) = (header.tag(), at + header.frame_bytes());
            let body = rest.get(5..header.frame_bytes().min(rest.len())).unwrap_or_default();
            let is_whole = end <= data.len();
            if !is_whole && !passes_in_part(header) {
                break;
            }
            if tag == tag::PARAMETER_DESCRIPTION && is_whole && self.replay.is_possible() {
                match self.follows(data.get(end..).unwrap_or_default()) {
                    Next::Unknown => break,
                    Next::OurFault => {
                        editor.leave_out(at, end);
                        at = end;
                        continue;
                    }
                    Next::Answer => {}
                }
            }
            self.say_what_is_due(tag, at, &mut editor);
            if matches!(tag, tag::DATA_ROW | tag::COPY_DATA) {
                self.count_row(header.frame_bytes());
            }
            match self.reply(me, Frame { tag, body }, at, &mut editor)? {
                Fate::Pass => {}
                Fate::Drop => editor.leave_out(at, end.min(data.len())),
            }
            if !is_whole {
                self.skip_to_client = end - data.len();
                at = data.len();
                break;
            }
            at = end;
        }
        let output = editor.finish(at);
        Ok(Taken { consumed: at, output })
    }

    /// Puts in what the gateway answers itself, before the frame that the server answers next.
    fn say_what_is_due(&mut self, tag: u8, at: usize, editor: &mut Editor<'_>) {
        if is_unasked(tag) || self.replay.is_due || (tag == tag::ERROR_RESPONSE && self.replay.is_possible()) {
            return;
        }
        while let Some(Expected::SayParse { .. } | Expected::SayClose) = self.expected.front() {
            editor.copy_up_to(at);
            self.say_next(editor.out);
        }
    }

    fn say_next(&mut self, out: &mut BytesMut) {
        match self.expected.pop() {
            Some(Expected::SayParse { .. }) => reply::parse_complete(out),
            Some(Expected::SayClose) => reply::close_complete(out),
            _ => return,
        }
        self.replay.is_answered = true;
    }

    /// Answers what the gateway answers itself, where the client asked for the answers so far.
    pub(super) fn say_at_flush(&mut self, out: &mut BytesMut) {
        if std::mem::take(&mut self.flush_asked) {
            while let Some(Expected::SayParse { .. } | Expected::SayClose) = self.expected.front() {
                self.say_next(out);
            }
            self.flush_asked = !self.expected.is_empty();
        }
    }

    fn reply(
        &mut self,
        me: &mut ClientSide,
        frame: Frame<'_>,
        at: usize,
        editor: &mut Editor<'_>,
    ) -> Result<Fate, OutOfStep> {
        if is_unasked(frame.tag) {
            let fate = self.unasked(me, frame);
            return Ok(match fate {
                _ if self.replay.is_due => Fate::Drop,
                Fate::Pass if frame.tag == tag::NOTIFICATION_RESPONSE => self.notified(me, frame.body, at, editor),
                fate => fate,
            });
        }
        if self.replay.is_due {
            return Ok(self.drop_up_to_ready(me, frame));
        }
        let hides =
            |front: &mut Expected| front.is_hidden() && (frame.tag != tag::ERROR_RESPONSE || front.ends_with_ready());
        let hidden = self.expected.front().is_some_and(hides);
        let fate = match frame.tag {
            tag::DATA_ROW | tag::COPY_DATA => Fate::Pass,
            tag::COMMAND_COMPLETE => self.complete(me, frame.body),
            tag::READY_FOR_QUERY => self.ready(me, frame.body)?,
            tag::ERROR_RESPONSE => self.error(me, frame.body, at, editor)?,
            _ => self.step(me, frame.tag)?,
        };
        if hidden {
            return Ok(Fate::Drop);
        }
        if frame.tag == tag::ERROR_RESPONSE {
            self.has_ended = matches!(fate, Fate::Pass) && is_last_word(frame.body);
        }
        // With ReadyForQuery the next batch begins, of whose answer the client has heard nothing.
        self.replay.is_answered = frame.tag != tag::READY_FOR_QUERY;
        Ok(fate)
    }

    /// What a server says unasked: the client hears it, unless it is about a change that the gateway made.
    fn unasked(&mut self, me: &mut ClientSide, frame: Frame<'_>) -> Fate {
        if frame.tag == tag::PARAMETER_STATUS
            && let Ok(message) = Message::parse(frame)
            && let Some(connection) = self.lease.connection()
        {
            connection.hear(&message);
            me.journal.note_encoding(connection.reads_ascii());
        }
        let hidden = self.expected.front().is_some_and(|front| front.is_hidden());
        let unwanted = frame.tag == tag::NOTIFICATION_RESPONSE && !self.may_listen(me);
        if hidden || unwanted { Fate::Drop } else { Fate::Pass }
    }

    /// Whether the client may have asked for notifications: it keeps its connection, or what runs may just have done
    /// it. A query is noted at its end, and what it notifies itself of comes before that.
    fn may_listen(&mut self, me: &ClientSide) -> bool {
        if me.journal.pins != 0 || me.journal.opaque || me.mode == PoolMode::Session {
            return true;
        }
        match self.expected.front() {
            Some(Expected::Query(ongoing)) => {
                let listens = |deed: &Deed| matches!(deed, Deed::Listen | Deed::Opaque | Deed::Calls { .. });
                ongoing.long_text.is_some() || ongoing.statement.deeds.iter().any(listens)
            }
            _ => !me.journal.calls.is_empty(),
        }
    }

    /// A notification that the session itself has sent comes from the process that its client knows: drivers leave out
    /// their own by that. Any other keeps the process id that the server has for its sender. It is no client's.
    fn notified(&mut self, me: &ClientSide, body: &[u8], at: usize, editor: &mut Editor<'_>) -> Fate {
        let own = self.lease.connection().map(|connection| connection.process_id());
        match NotificationResponse::parse(body) {
            Ok(said) if own == Some(said.process_id) => {
                editor.copy_up_to(at);
                // What came in a frame fits one.
                let _ = reply::notification_response(editor.out, me.seat.id, said.channel, said.payload);
                Fate::Drop
            }
            _ => Fate::Pass,
        }
    }

    fn count_row(&mut self, bytes: usize) {
        if let Some(Expected::Query(ongoing) | Expected::Execute(ongoing)) = self.expected.front() {
            ongoing.rows += 1;
            ongoing.bytes_out += bytes as u64;
        }
    }

    /// CommandComplete.
    fn complete(&mut self, me: &mut ClientSide, body: &[u8]) -> Fate {
        let text = body.strip_suffix(b"\0").unwrap_or(body);
        self.note_end_of_transaction(text);
        let rows = command_tag_rows(text);
        self.tagged_rows += rows.unwrap_or_default();
        match self.expected.front() {
            Some(Expected::Query(ongoing)) => {
                if let Some(rows) = rows {
                    ongoing.tagged_rows = Some(ongoing.tagged_rows.unwrap_or_default() + rows);
                }
            }
            Some(Expected::Execute(ongoing)) => {
                ongoing.tagged_rows = rows.or(ongoing.tagged_rows);
                self.executed(me);
            }
            _ => {}
        }
        Fate::Pass
    }

    fn note_end_of_transaction(&mut self, command: &[u8]) {
        match command {
            b"ROLLBACK" => self.rolled_back = true,
            b"COMMIT" | b"PREPARE TRANSACTION" => self.rolled_back = false,
            _ => {}
        }
    }

    /// The statement at the front has ended.
    fn executed(&mut self, me: &mut ClientSide) {
        if let Some(Expected::Execute(ongoing)) = self.expected.pop() {
            self.note(me, &ongoing, false);
            me.tell_ended(&ongoing);
            me.last = Some(ongoing.statement);
        }
    }

    /// A statement ended that forgets all that is prepared.
    fn forgot_prepared(&mut self, me: &mut ClientSide, failed: bool) {
        if failed {
            return me.names.spare();
        }
        me.names.bury();
        if let Some(connection) = self.lease.connection() {
            connection.forget_all_prepared();
        }
    }

    fn note(&mut self, me: &mut ClientSide, ongoing: &Ongoing, failed: bool) {
        let in_block = self.status != TransactionStatus::Idle;
        me.journal.note(&ongoing.statement, in_block, failed);
        if forgets_prepared(&ongoing.statement) {
            self.forgot_prepared(me, failed && ongoing.statement.statements <= 1);
        }
        if in_block && !failed && ongoing.statement.deeds.contains(&Deed::Definitions) {
            // Others see them when the transaction has ended; this one goes by them from now on.
            me.pool.definitions_changed();
        }
        if !failed && makes_temporary(&ongoing.statement) {
            self.outdate_prepared();
        }
        if let Some(reader) = me.reader.as_mut().filter(|_| self.reading.is_none()) {
            reader.note(&ongoing.statement);
        }
    }

    /// Frames that answer one step each.
    fn step(&mut self, me: &mut ClientSide, tag: u8) -> Result<Fate, OutOfStep> {
        match (tag, self.expected.front()) {
            (tag::PARSE_COMPLETE, Some(Expected::Parse { .. } | Expected::HideParse { .. })) => self.parsed(),
            (tag::PARSE_COMPLETE, Some(Expected::ParseOnce))
            | (tag::BIND_COMPLETE, Some(Expected::Bind))
            | (tag::CLOSE_COMPLETE, Some(Expected::Close | Expected::HideClose { .. }))
            | (tag::ROW_DESCRIPTION | tag::NO_DATA, Some(Expected::Describe)) => {
                self.expected.pop();
            }
            (tag::EMPTY_QUERY_RESPONSE | tag::PORTAL_SUSPENDED, Some(Expected::Execute(_))) => self.executed(me),
            (tag::COPY_IN_RESPONSE, _) => {
                self.copies_in = self.expected.copy_in_begins();
                self.is_open |= !self.expected.has_end();
                if let Some(copying) = &mut me.copying {
                    copying.lose_step();
                }
            }
            (_, Some(Expected::Query(_) | Expected::HideQuery | Expected::Execute(_) | Expected::Describe)) => {}
            _ => return Err(OutOfStep),
        }
        Ok(Fate::Pass)
    }

    /// A statement is there.
    fn parsed(&mut self) {
        let id = match self.expected.pop() {
            Some(Expected::Parse { prepared, .. }) => prepared.id,
            Some(Expected::HideParse { id: Some(id) }) => id,
            _ => return,
        };
        if let Some(standing) = self.lease.server().and_then(|server| server.prepared().peek_mut(&id)) {
            standing.batch = 0;
        }
    }

    fn error(
        &mut self,
        me: &mut ClientSide,
        body: &[u8],
        at: usize,
        editor: &mut Editor<'_>,
    ) -> Result<Fate, OutOfStep> {
        if matches!(self.expected.front(), Some(Expected::HideQuery)) {
            // A BEGIN that failed: what is sent behind it is committed by itself, whatever the client is told.
            return Err(OutOfStep);
        }
        self.failed = true;
        self.copies_in = false;
        if self.is_our_fault(body) {
            // Which statements are outdated nobody can say; all are parsed anew when they are needed.
            me.pool.definitions_changed();
            if self.may_hide(body) {
                self.replay.is_due = true;
                return Ok(Fate::Drop);
            }
        }
        while let Some(Expected::SayParse { .. } | Expected::SayClose) = self.expected.front() {
            editor.copy_up_to(at);
            self.say_next(editor.out);
        }
        let refusal = self.refused(body);
        let sqlstate = refusal
            .as_ref()
            .map_or_else(|| sqlstate_of(body), |refusal| refusal.code());
        self.sqlstate = sqlstate;
        if sqlstate == *b"25006" {
            me.pool.common.members.doubt();
        }
        match self.expected.front() {
            Some(Expected::Query(ongoing) | Expected::Execute(ongoing)) => ongoing.sqlstate = sqlstate,
            // A server that is about to go says so before anything was asked.
            None => return Ok(Fate::Pass),
            _ => {}
        }
        self.skip(me, sqlstate);
        if let Some(refusal) = refusal {
            editor.copy_up_to(at);
            refusal.write("ERROR", editor.out);
            return Ok(Fate::Drop);
        }
        if sqlstate == *b"57014" && std::mem::take(&mut self.overdue) {
            editor.copy_up_to(at);
            Refusal::new("57014", OVERDUE).write("ERROR", editor.out);
            return Ok(Fate::Drop);
        }
        Ok(Fate::Pass)
    }

    /// What the client is told instead of an error that the gateway has asked for.
    fn refused(&mut self, body: &[u8]) -> Option<Box<Refusal>> {
        match self.expected.front() {
            // A server that goes says so whatever was asked.
            Some(Expected::Query(ongoing) | Expected::Refused(ongoing)) if !is_last_word(body) => {
                ongoing.refusal.clone()
            }
            _ => None,
        }
    }

    /// The server skips everything up to the next Sync.
    fn skip(&mut self, me: &mut ClientSide, sqlstate: [u8; 5]) {
        let mut is_first = true;
        while let Some(skipped) = self.expected.pop_skipped() {
            match skipped {
                Expected::Execute(mut ongoing) => {
                    // What stood behind the statement that failed never began; PostgreSQL does not count it either.
                    if is_first {
                        ongoing.sqlstate = sqlstate;
                        self.note(me, &ongoing, true);
                        me.tell_ended(&ongoing);
                        me.last = Some(ongoing.statement);
                    } else if forgets_prepared(&ongoing.statement) {
                        me.names.spare();
                    }
                    is_first = false;
                }
                Expected::Refused(mut ongoing) if std::mem::take(&mut is_first) => {
                    ongoing.sqlstate = sqlstate;
                    me.tell(&ongoing, Outcome::Refused);
                }
                Expected::Parse { prepared, name } => {
                    self.doubt(prepared.id);
                    if let Some(name) = name {
                        me.names.remove(&name);
                    }
                }
                Expected::SayParse { name: Some(name) } => me.names.remove(&name),
                Expected::HideParse { id: Some(id) } | Expected::HideClose { id } => self.doubt(id),
                _ => {}
            }
        }
        self.skips = self.is_open && self.expected.is_empty();
    }

    /// Nobody knows whether the server has this statement: it is closed and parsed anew before it is used.
    fn doubt(&mut self, id: u64) {
        if let Some(server) = self.lease.server() {
            server.prepared().put(id, Standing::DOUBTED);
        }
    }

    fn ready(&mut self, me: &mut ClientSide, body: &[u8]) -> Result<Fate, OutOfStep> {
        let status = match body {
            b"I" => TransactionStatus::Idle,
            b"T" => TransactionStatus::InTransaction,
            b"E" => TransactionStatus::Failed,
            _ => return Err(OutOfStep),
        };
        let answered = self.expected.pop();
        let is_clients = matches!(answered, Some(Expected::Query(_) | Expected::Sync));
        match answered {
            Some(Expected::Query(ongoing)) if ongoing.long_text.is_some() => {
                let in_block = self.status != TransactionStatus::Idle;
                me.unread.push(Unread { ongoing, in_block });
                if let Some(reader) = &mut me.reader {
                    reader.note_unknown();
                }
            }
            Some(Expected::Query(ongoing)) if ongoing.refusal.is_some() => me.tell(&ongoing, Outcome::Refused),
            Some(Expected::Query(ongoing)) => {
                self.note(me, &ongoing, ongoing.sqlstate != [0; 5]);
                me.tell_ended(&ongoing);
                me.last = Some(ongoing.statement);
            }
            Some(Expected::Sync | Expected::HideQuery | Expected::HideSync) => {}
            _ => return Err(OutOfStep),
        }
        self.replay.begin();
        self.copies_in = false;
        self.overdue = false;
        self.status = status;
        let (failed, rolled_back) = (self.failed, self.rolled_back);
        self.failed = false;
        if status == TransactionStatus::Idle {
            self.rolled_back = false;
            self.portals.clear();
            me.seat.account.add_own(Totals::TRANSACTION);
            if let Some(server) = self.lease.server() {
                me.transaction_ended(!failed && !rolled_back, server);
            }
            if let Some(reader) = &mut me.reader {
                reader.transaction_ended(&me.pool.common.members);
            }
        }
        if let Some(copying) = me.copying.as_mut().filter(|_| is_clients) {
            copying.answered(Answered {
                now: me.now,
                sqlstate: self.sqlstate,
                rows: self.tagged_rows,
                status,
                profile: &me.profile,
            });
        }
        self.sqlstate = OK;
        self.tagged_rows = 0;
        Ok(Fate::Pass)
    }

    /// The batch will be sent again; the rest of its answer is of no interest.
    fn drop_up_to_ready(&mut self, me: &mut ClientSide, frame: Frame<'_>) -> Fate {
        if frame.tag != tag::READY_FOR_QUERY {
            return Fate::Drop;
        }
        while self.expected.pop_skipped().is_some() {}
        self.expected.pop();
        self.failed = false;
        self.replay_first(me);
        Fate::Drop
    }

    /// The batch is the client's next request.
    pub(super) fn replay_first(&mut self, me: &mut ClientSide) {
        let batch = self.replay.take();
        if let Some(copying) = &mut me.copying {
            copying.forget_unanswered();
        }
        let rest = std::mem::take(&mut me.inbound);
        me.replays = batch.first().is_some_and(|tag| *tag != request::tag::QUERY);
        me.inbound = BytesMut::from(batch.as_slice());
        me.inbound.extend_from_slice(&rest);
    }
}

/// Whether a frame may be passed on before it has arrived as a whole.
fn passes_in_part(header: Header) -> bool {
    match header.tag() {
        tag::DATA_ROW | tag::COPY_DATA => true,
        tag::READY_FOR_QUERY | tag::PARAMETER_STATUS => false,
        _ => header.body_bytes() > WHOLE_BYTES_MAX,
    }
}

const fn is_unasked(tag: u8) -> bool {
    matches!(
        tag,
        tag::NOTICE_RESPONSE | tag::PARAMETER_STATUS | tag::NOTIFICATION_RESPONSE
    )
}

/// Whether the server ends the connection with this error.
fn is_last_word(body: &[u8]) -> bool {
    says(body, b'V', b"FATAL") || says(body, b'V', b"PANIC")
}
