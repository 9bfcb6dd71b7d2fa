//! From the client to the server: frames are found, names are changed into ours, and what will answer is written down.

use std::sync::Arc;

use bytes::BytesMut;
use weir_pgwire::request::{self, BindHead, Execute, Parse, Target, tag};
use weir_pgwire::{Header, WireError, frontend};
use weir_sql::{Deed, Statement};

use super::client_side::ClientSide;
use super::expect::Expected;
use super::journal::pin;
use super::link::Link;
use super::refusal::Refusal;
use super::statements::{Prepared, forgets_prepared};
use super::trace;
use crate::pool::Standing;

/// A Bind longer than this is passed on as it comes, once its names are there.
const WHOLE_BIND_BYTES_MAX: usize = 32 * 1024;
/// No frame but those that carry data is longer.
const SMALL_FRAME_BYTES_MAX: usize = 128 * 1024;
/// PostgreSQL takes no longer frame of any kind: its length may be 0x3fff_fffe, which the tag is not counted in.
const FRAME_BYTES_MAX: usize = 0x3fff_ffff;
/// Bytes of the number of a function.
const OID_BYTES: usize = 4;
/// Room in a Parse frame besides its text: a name and 65,535 types.
const PARSE_EXTRA_BYTES: usize = 384 * 1024;

/// The session has to end, and this is why.
pub(super) type Fatal = Box<Refusal>;

/// A frame that has arrived, or whose beginning has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) tag: u8,
    /// As much of it as is there, header included.
    pub(super) frame: &'a [u8],
    pub(super) body: &'a [u8],
    /// Its whole length.
    pub(super) bytes: usize,
}

impl Incoming<'_> {
    pub(super) const fn is_whole(&self) -> bool {
        self.frame.len() == self.bytes
    }
}

/// The frame at the front; `None` while it cannot be told or handled yet.
pub(super) fn incoming<'a>(data: &'a [u8], me: &ClientSide) -> Result<Option<Incoming<'a>>, Fatal> {
    let Some(header) = Header::read(data).map_err(|error| protocol(&error))? else {
        return Ok(None);
    };
    let tag = header.tag();
    if !request::is_client_tag(tag) || tag == tag::PASSWORD {
        return Err(Box::new(Refusal::new(
            "08P01",
            format!("invalid frontend message type {tag}"),
        )));
    }
    let bytes = header.frame_bytes();
    let frame = data.get(..bytes.min(data.len())).unwrap_or_default();
    let incoming = Incoming {
        tag,
        frame,
        body: frame.get(5..).unwrap_or_default(),
        bytes,
    };
    check_length(header, me.door.statement_bytes_max())?;
    let is_ready = incoming.is_whole() || passes_in_part(&incoming, me.door.statement_bytes_max());
    Ok(is_ready.then_some(incoming))
}

fn check_length(header: Header, statement_bytes_max: usize) -> Result<(), Fatal> {
    if header.frame_bytes() > FRAME_BYTES_MAX {
        return Err(Box::new(Refusal::new("08P01", "invalid message length")));
    }
    let max = match header.tag() {
        tag::PARSE => statement_bytes_max + PARSE_EXTRA_BYTES,
        tag::QUERY | tag::BIND | tag::FUNCTION_CALL | tag::COPY_DATA | tag::COPY_FAIL => return Ok(()),
        _ => SMALL_FRAME_BYTES_MAX,
    };
    if header.body_bytes() <= max {
        return Ok(());
    }
    let said = format!(
        "a message of {} bytes is too long; at most {max} are accepted (gateway.statement_bytes_max)",
        header.body_bytes()
    );
    Err(Box::new(Refusal::new("54000", said)))
}

/// Whether a frame is passed on before it is whole.
fn passes_in_part(incoming: &Incoming<'_>, statement_bytes_max: usize) -> bool {
    match incoming.tag {
        tag::COPY_DATA => true,
        tag::BIND => incoming.bytes > WHOLE_BIND_BYTES_MAX && matches!(BindHead::read(incoming.body), Ok(Some(_))),
        tag::QUERY => incoming.bytes > statement_bytes_max,
        // It is looked at which function is called.
        tag::FUNCTION_CALL => incoming.bytes > SMALL_FRAME_BYTES_MAX && incoming.body.len() >= OID_BYTES,
        tag::COPY_FAIL => incoming.bytes > SMALL_FRAME_BYTES_MAX,
        _ => false,
    }
}

pub(super) fn protocol(error: &WireError) -> Fatal {
    Box::new(Refusal::new("08P01", error.to_string()))
}

impl Link {
    /// Takes what the client sent, as far as it can be understood. Returns how many bytes are done with. `query` is
    /// the statement of the query at the front, where somebody has looked at it already.
    pub(super) fn requests(
        &mut self,
        me: &mut ClientSide,
        data: &[u8],
        mut query: Option<Arc<Statement>>,
        out: &mut BytesMut,
    ) -> Result<usize, Fatal> {
        let mut at = self.skip_to_server.min(data.len());
        self.skip_to_server -= at;
        if !self.drops_rest {
            out.extend_from_slice(data.get(..at).unwrap_or_default());
        }
        let is_copied = me.copying.is_some();
        let mut begins = is_copied && self.is_at_beginning();
        if is_copied && at > 0 {
            me.copy_more(data.get(..at).unwrap_or_default());
        }
        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
            // What follows a batch that is to be sent again waits behind it.
            if me.ends || self.replay.is_due || self.waits {
                break;
            }
            let Some(incoming) = incoming(rest, me)? else { break };
            at += incoming.frame.len();
            self.is_fresh = false;
            self.drops_rest = false;
            self.skip_to_server = incoming.bytes - incoming.frame.len();
            if is_copied {
                self.copy(me, incoming, std::mem::take(&mut begins));
            }
            self.request(me, incoming, query.take(), out)?;
            self.note_batch(incoming.tag);
            self.note_taken(incoming.tag);
        }
        Ok(at)
    }

    fn request(
        &mut self,
        me: &mut ClientSide,
        incoming: Incoming<'_>,
        query: Option<Arc<Statement>>,
        out: &mut BytesMut,
    ) -> Result<(), Fatal> {
        if me.skips_to_sync && incoming.tag != tag::SYNC {
            return Ok(());
        }
        if self.skips && !matches!(incoming.tag, tag::SYNC | tag::TERMINATE) {
            out.extend_from_slice(incoming.frame);
            return Ok(());
        }
        match incoming.tag {
            tag::QUERY => return self.query(me, incoming, query, out),
            tag::PARSE => self.parse(me, incoming, out)?,
            tag::BIND => self.bind(me, incoming, out)?,
            tag::DESCRIBE => self.describe(me, incoming, out)?,
            tag::EXECUTE => self.execute(me, incoming, out)?,
            tag::CLOSE => self.close(me, incoming, out)?,
            tag::SYNC => self.sync(me, incoming, out),
            tag::FLUSH => {
                self.flush_asked = true;
                self.replay.give_up();
                out.extend_from_slice(incoming.frame);
            }
            tag::COPY_DONE | tag::COPY_FAIL => {
                if !std::mem::take(&mut self.copies_in) && self.is_busy() {
                    self.expect(Expected::CopyEnd);
                }
                out.extend_from_slice(incoming.frame);
            }
            tag::FUNCTION_CALL => self.function_call(me, incoming, out),
            tag::TERMINATE => me.ends = true,
            _ => out.extend_from_slice(incoming.frame),
        }
        Ok(())
    }

    fn function_call(&mut self, me: &mut ClientSide, incoming: Incoming<'_>, out: &mut BytesMut) {
        let mut ongoing = me.begin(me.function_called(incoming.body), 0, incoming.bytes);
        if let Err(refusal) = me.may_run(&ongoing.statement, None) {
            return self.refuse_query(me, ongoing, refusal, out);
        }
        me.note_passed(&mut ongoing);
        me.journal.opaque = true;
        self.expect(Expected::Query(ongoing));
        out.extend_from_slice(incoming.frame);
    }

    fn query(
        &mut self,
        me: &mut ClientSide,
        incoming: Incoming<'_>,
        known: Option<Arc<Statement>>,
        out: &mut BytesMut,
    ) -> Result<(), Fatal> {
        let text = if incoming.is_whole() {
            let sql = request::query(incoming.body).map_err(|error| protocol(&error))?;
            // In another encoding than UTF-8 what cannot be read stands in names, literals and comments.
            Some(String::from_utf8_lossy(sql))
        } else {
            None
        };
        let text = text.as_deref();
        let known = known.or_else(|| match text {
            // What may be refused is read before it is sent, however long it is.
            Some(text) if me.is_guarded() => Some(me.read(text)),
            text => me.door.shapes.at_once(text?),
        });
        let statement = known.unwrap_or_else(|| me.door.shapes.unread(text.unwrap_or_default()));
        let text_hash = text.map_or(0, weir_sql::text_hash);
        let mut ongoing = me.begin(statement.clone(), text_hash, incoming.bytes);
        ongoing.queue_wait_us = self.take_wait();
        ongoing.trace = text.and_then(|text| trace::of_text(text.as_bytes()));
        if let Err(refusal) = me.may_run(&statement, ongoing.trace.as_deref()) {
            self.refuse_query(me, ongoing, refusal, out);
            return Ok(());
        }
        me.note_passed(&mut ongoing);
        self.make_names_real(me, &statement, true, out);
        self.doom_prepared(me, &statement);
        if let Some(text) = text.filter(|text| !ongoing.statement.parsed && me.door.shapes.is_long(text)) {
            ongoing.long_text = Some(text.into());
        }
        self.expect(Expected::Query(ongoing));
        if self.reading.is_some() {
            self.replay.keep(incoming.frame);
        }
        self.unnamed = None;
        out.extend_from_slice(incoming.frame);
        Ok(())
    }

    /// How long the first statement waited for the connection; those behind it did not wait.
    fn take_wait(&mut self) -> u64 {
        crate::client::micros(std::mem::take(&mut self.waited))
    }

    /// A statement in SQL that names one of the client's protocol-level statements finds it on the server.
    fn make_names_real(&mut self, me: &mut ClientSide, statement: &Statement, is_simple: bool, out: &mut BytesMut) {
        for deed in &statement.deeds {
            let (name, is_closed) = match deed {
                Deed::Deallocate { name } => (name, true),
                Deed::Execute { name } => (name, false),
                _ => continue,
            };
            let Some(prepared) = me.names.get(name.as_bytes()).cloned().filter(|_| !name.is_empty()) else {
                continue;
            };
            // An empty statement is enough for one that is to be closed.
            let sql: &[u8] = if is_closed { b"" } else { &prepared.sql };
            let types: &[u8] = if is_closed { b"" } else { &prepared.types };
            // A name that came in a frame goes out in one.
            let _ = request::put_parse(out, name.as_bytes(), sql, types);
            self.expect(Expected::HideParse { id: None });
            if is_simple {
                frontend::sync(out);
                self.expect(Expected::HideSync);
            }
            if is_closed {
                me.names.remove(name.as_bytes());
                self.has_foreign_names |= self.status != weir_pgwire::backend::TransactionStatus::Idle;
            } else {
                me.names.remove(name.as_bytes());
                me.journal.pins |= pin::PREPARE;
                me.journal.prepared.push(name.clone());
            }
        }
    }

    /// A statement may make the server forget all that is prepared on it, at once and whatever becomes of its
    /// transaction: what is used behind it is closed and parsed anew.
    fn doom_prepared(&mut self, me: &mut ClientSide, statement: &Statement) {
        if !forgets_prepared(statement) {
            return;
        }
        me.names.doom();
        if let Some(server) = self.lease.server() {
            for (_, standing) in server.prepared().iter_mut() {
                *standing = Standing::DOUBTED;
            }
        }
    }

    fn parse(&mut self, me: &mut ClientSide, incoming: Incoming<'_>, out: &mut BytesMut) -> Result<(), Fatal> {
        let Parse { name, sql, types } = Parse::read(incoming.body).map_err(|error| protocol(&error))?;
        self.replay.keep(incoming.frame);
        if !name.is_empty() && !me.replays && (me.names.get(name).is_some() || me.journal.has_prepared(name)) {
            self.collide(name, incoming, out);
            return Ok(());
        }
        let prepared = me.door.library.find(me.scope.id(), sql, types, &me.door.shapes);
        if self.refuses(me, &prepared, incoming, out) {
            return Ok(());
        }
        self.make_names_real(me, &prepared.statement.clone(), false, out);
        let client_name = (!name.is_empty()).then(|| Box::from(name));
        let keeps = !name.is_empty() || (prepared.is_repeated() && can_stay_prepared(&prepared.statement));
        me.names.insert(name, prepared.clone());
        if name.is_empty() {
            // What the server has without a name may be the same text, parsed before definitions changed.
            self.unnamed = None;
        }
        if !keeps {
            self.unnamed = Some(prepared.id);
            out.extend_from_slice(incoming.frame);
            self.expect(Expected::ParseOnce);
        } else if self.ensure(me, &prepared, true, out) {
            self.expect(Expected::Parse {
                prepared,
                name: client_name,
            });
        } else {
            self.expect(Expected::SayParse { name: client_name });
        }
        Ok(())
    }

    /// Whether the firewall refuses a statement that is parsed or bound, which the client hears when it is its turn.
    fn refuses(
        &mut self,
        me: &mut ClientSide,
        prepared: &Prepared,
        incoming: Incoming<'_>,
        out: &mut BytesMut,
    ) -> bool {
        let Err(refusal) = me.may_run(&prepared.statement, prepared.trace.as_deref()) else {
            return false;
        };
        let mut ongoing = me.begin(prepared.statement.clone(), prepared.text_hash, incoming.bytes);
        ongoing.trace.clone_from(&prepared.trace);
        self.refuse_step(me, ongoing, refusal, out);
        true
    }

    /// The client gives a name for the second time: PostgreSQL itself says what it thinks of that.
    fn collide(&mut self, name: &[u8], incoming: Incoming<'_>, out: &mut BytesMut) {
        // What came in a frame fits one.
        let _ = request::put_parse(out, name, b"", b"");
        self.expect(Expected::HideParse { id: None });
        self.has_foreign_names = true;
        self.replay.give_up();
        out.extend_from_slice(incoming.frame);
        self.expect(Expected::ParseOnce);
    }

    /// Has a statement prepared on the server, `anew` if definitions have changed since it was. True: its Parse was
    /// written, and its answer is to be awaited.
    fn ensure(&mut self, me: &ClientSide, prepared: &Arc<Prepared>, anew: bool, out: &mut BytesMut) -> bool {
        let (wanted, batch) = (me.pool.definitions(), self.batch);
        let Some(server) = self.lease.server() else {
            return false;
        };
        let on_server = server.prepared();
        let known = on_server.get(&prepared.id).copied();
        let is_current = |known: Standing| known.definitions == wanted || (!anew && known != Standing::DOUBTED);
        let is_there = |known: Standing| is_current(known) && (known.batch == 0 || known.batch == batch);
        if known.is_some_and(is_there) {
            return false;
        }
        let is_full = on_server.len() == on_server.cap().get();
        let outdated = match known {
            Some(_) => Some(prepared.id),
            None if is_full => on_server.pop_lru().map(|(id, _)| id),
            None => None,
        };
        let standing = Standing {
            definitions: wanted,
            batch,
        };
        on_server.put(prepared.id, standing);
        if let Some(id) = outdated {
            // Our own names are short and have no zero byte.
            let _ = request::put_close_statement(out, Prepared::name_of(id).as_bytes());
            self.expect(Expected::HideClose { id });
        }
        if request::put_parse(out, &prepared.name, &prepared.sql, &prepared.types).is_err() {
            self.lease_doubt(prepared.id);
            return false;
        }
        true
    }

    fn lease_doubt(&mut self, id: u64) {
        if let Some(server) = self.lease.server() {
            server.prepared().put(id, Standing::DOUBTED);
        }
    }

    /// The name by which the server knows a statement of the client's, which is prepared if need be.
    fn server_name(&mut self, me: &ClientSide, name: &[u8], out: &mut BytesMut) -> Option<Arc<Prepared>> {
        let prepared = me.names.get(name)?.clone();
        if name.is_empty() && self.unnamed == Some(prepared.id) {
            return None;
        }
        // The client may know from earlier what the rows look like: the server says if they no longer do.
        if self.ensure(me, &prepared, me.replays, out) {
            self.expect(Expected::HideParse { id: Some(prepared.id) });
        }
        Some(prepared)
    }

    fn bind(&mut self, me: &mut ClientSide, incoming: Incoming<'_>, out: &mut BytesMut) -> Result<(), Fatal> {
        let head = BindHead::read(incoming.body).map_err(|error| protocol(&error))?;
        let head = head.ok_or_else(|| Box::new(Refusal::new("08P01", "a Bind message ends too early")))?;
        if incoming.is_whole() {
            self.replay.keep(incoming.frame);
        } else {
            self.replay.give_up();
        }
        let statement = me.names.get(head.statement).cloned();
        if let Some(prepared) = &statement
            && self.refuses(me, prepared, incoming, out)
        {
            return Ok(());
        }
        match self.server_name(me, head.statement, out) {
            Some(prepared) => {
                let body_bytes = incoming.bytes - 5;
                request::put_bind_head(out, body_bytes, &head, &prepared.name)
                    .map_err(|error| Box::new(Refusal::new("54000", error.to_string())))?;
                out.extend_from_slice(incoming.body.get(head.bytes..).unwrap_or_default());
            }
            None => out.extend_from_slice(incoming.frame),
        }
        if let Some(prepared) = statement {
            self.bind_portal(head.portal, prepared);
        }
        self.expect(Expected::Bind);
        Ok(())
    }

    fn describe(&mut self, me: &mut ClientSide, incoming: Incoming<'_>, out: &mut BytesMut) -> Result<(), Fatal> {
        self.replay.keep(incoming.frame);
        let target = Target::read(incoming.body).map_err(|error| protocol(&error))?;
        let renamed = match target {
            Target::Statement(name) => self.server_name(me, name, out),
            Target::Portal(_) => None,
        };
        match renamed {
            Some(prepared) => {
                // Our own names are short and have no zero byte.
                let _ = request::put_describe_statement(out, &prepared.name);
            }
            None => out.extend_from_slice(incoming.frame),
        }
        self.expect(Expected::Describe);
        Ok(())
    }

    fn execute(&mut self, me: &mut ClientSide, incoming: Incoming<'_>, out: &mut BytesMut) -> Result<(), Fatal> {
        self.replay.keep(incoming.frame);
        let Execute { portal, .. } = Execute::read(incoming.body).map_err(|error| protocol(&error))?;
        let bound = self.portal(portal).cloned();
        let statement = bound.as_ref().map(|prepared| prepared.statement.clone());
        let statement = statement.unwrap_or_else(|| me.door.shapes.unread(""));
        self.doom_prepared(me, &statement);
        let trace = bound.as_ref().and_then(|prepared| prepared.trace.clone());
        let (text_hash, bytes) = bound.map_or((0, 0), |prepared| (prepared.text_hash, prepared.sql.len()));
        let mut ongoing = me.begin(statement, text_hash, bytes);
        ongoing.trace = trace;
        ongoing.queue_wait_us = self.take_wait();
        me.note_passed(&mut ongoing);
        self.expect(Expected::Execute(ongoing));
        out.extend_from_slice(incoming.frame);
        Ok(())
    }

    fn close(&mut self, me: &mut ClientSide, incoming: Incoming<'_>, out: &mut BytesMut) -> Result<(), Fatal> {
        self.replay.keep(incoming.frame);
        match Target::read(incoming.body).map_err(|error| protocol(&error))? {
            Target::Statement(name) if me.names.get(name).is_some() => {
                // It stays prepared for others, and for the next time.
                me.names.remove(name);
                self.expect(Expected::SayClose);
            }
            Target::Portal(name) => {
                self.portals.retain(|(known, _)| **known != *name);
                self.expect(Expected::Close);
                out.extend_from_slice(incoming.frame);
            }
            Target::Statement(name) => {
                if let Ok(name) = std::str::from_utf8(name) {
                    me.journal.unprepare(name);
                }
                self.expect(Expected::Close);
                out.extend_from_slice(incoming.frame);
            }
        }
        Ok(())
    }

    fn sync(&mut self, me: &mut ClientSide, incoming: Incoming<'_>, out: &mut BytesMut) {
        out.extend_from_slice(incoming.frame);
        me.skips_to_sync = false;
        me.replays = false;
        // While COPY data is awaited the server does not hear it.
        if !self.copies_in {
            self.replay.keep(incoming.frame);
            self.expect(Expected::Sync);
            self.batch += 1;
        }
    }
}

/// Whether a repeated text may be kept prepared. A transaction command or a utility gains nothing by it.
pub(super) fn can_stay_prepared(statement: &Statement) -> bool {
    use weir_sql::Kind::{Delete, Insert, Merge, Select, Update};
    matches!(statement.kind, Select | Insert | Update | Delete | Merge) && statement.statements == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of this kind that says it is so long.
    fn said(tag: u8, length: u32) -> Header {
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&length.to_be_bytes());
        Header::read(&bytes).unwrap().unwrap()
    }

    #[test]
    fn a_frame_may_be_as_long_as_at_postgresql_and_no_longer() {
        for tag in [tag::COPY_DATA, tag::BIND, tag::QUERY] {
            assert!(check_length(said(tag, 0x3fff_fffe), 1).is_ok());
            let refusal = check_length(said(tag, 0x3fff_ffff), 1).unwrap_err();
            assert_eq!(refusal.sqlstate, "08P01");
        }
    }
}
