//! A session whose reads may go to replicas: what it knows of its own writes, and which requests may leave the primary.
//!
//! A request leaves only as a whole batch that is there to its end, so that nothing is sent to a replica of which
//! nobody has looked what it does, and so that all of it can be sent again to the primary.

use std::sync::Arc;

use weir_pgwire::Header;
use weir_pgwire::request::{self, BindHead, Execute, Parse, Target, tag};
use weir_proto::events::v1::Door as DoorKind;
use weir_sql::Statement;

use super::client_side::{ClientSide, Pending};
use super::link::REPLAY_BYTES_MAX;
use super::statements::Prepared;
use crate::pool::{Member, Members, Pool, Reading};
use crate::route::{self, Needs};
use crate::settings::PoolMode;
use crate::tap::Origin;

/// What a session knows that reads from replicas.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The moment at which the session may have written last; 0: never.
    wrote_at: u64,
    /// As of when the freshest replica was that answered it.
    seen: u64,
    /// A statement of the present transaction may have written.
    is_dirty: bool,
    /// The next request goes to the primary, whatever it is.
    is_barred: bool,
    /// With what the transaction was begun that a replica answers.
    begun: Option<Box<str>>,
    /// Who will answer the present request.
    chosen: Option<Chosen>,
    /// The pools of replicas that it has used, with what is told of their statements.
    known: Vec<(Arc<Pool>, Arc<Origin>)>,
    /// Who is told to have answered, where it is a replica.
    serving: Option<Arc<Origin>>,
}

#[derive(Debug)]
struct Chosen {
    pool: Arc<Pool>,
    origin: Arc<Origin>,
    reading: Reading,
}

impl Reader {
    /// A statement has ended on the primary.
    pub(super) fn note(&mut self, statement: &Statement) {
        self.is_dirty |= route::may_have_written(statement);
    }

    /// Something has ended of which nobody knows what it was.
    pub(super) const fn note_unknown(&mut self) {
        self.is_dirty = true;
    }

    /// A transaction has ended on the primary.
    pub(super) fn transaction_ended(&mut self, members: &Members) {
        if std::mem::take(&mut self.is_dirty) {
            self.wrote_at = members.now();
        }
    }

    /// The next request goes to the primary.
    pub(super) const fn bar(&mut self) {
        self.is_barred = true;
    }

    /// A transaction begins on a replica.
    pub(super) fn begins(&mut self, text: &str) {
        self.begun = Some(text.into());
    }

    /// With what the transaction was begun that is to go on on the primary.
    pub(super) const fn take_begun(&mut self) -> Option<Box<str>> {
        self.begun.take()
    }

    /// Gives up the replica that was to answer. False: there was none.
    pub(super) fn give_up(&mut self) -> Option<Arc<Member>> {
        let chosen = self.chosen.take()?;
        Some(chosen.reading.member.clone())
    }

    /// The session has a server from now on: the chosen replica, or the primary.
    pub(super) fn begin(&mut self) -> Option<Reading> {
        self.serving = None;
        let Chosen { origin, reading, .. } = self.chosen.take()?;
        self.serving = Some(origin);
        Some(reading)
    }
}

impl ClientSide {
    /// What is told of who answers.
    pub(super) fn answering(&self) -> &Arc<Origin> {
        let replica = self.reader.as_ref().and_then(|reader| reader.serving.as_ref());
        replica.unwrap_or(&self.origin)
    }

    /// The pool that the present request waits for.
    pub(super) fn destination(&self) -> &Arc<Pool> {
        let chosen = self.reader.as_ref().and_then(|reader| reader.chosen.as_ref());
        chosen.map_or(&self.pool, |chosen| &chosen.pool)
    }

    /// Chooses who answers the request that begins here.
    pub(super) fn route(&mut self, data: &[u8]) {
        let Some(mut reader) = self.reader.take() else { return };
        reader.chosen = None;
        let is_barred = std::mem::take(&mut reader.is_barred);
        reader.begun = None;
        if !is_barred && self.is_free_to_leave() && self.may_leave(data, false).is_some() {
            self.choose(&mut reader);
        }
        self.reader = Some(reader);
    }

    /// Whether nothing but the request itself speaks against a replica.
    fn is_free_to_leave(&self) -> bool {
        let begins_well = match &self.pending {
            Pending::Idle => true,
            Pending::Begun(text) => route::begins_reading(text) && self.takes_no_snapshot(),
            Pending::Failed => false,
        };
        self.mode != PoolMode::Session
            && self.to_ask.is_empty()
            && begins_well
            && self.pool.common.members.serve_reads()
    }

    /// Whether the session has not asked for another isolation than each statement's own.
    fn takes_no_snapshot(&self) -> bool {
        self.profile.get("default_transaction_isolation").is_none()
    }

    fn choose(&self, reader: &mut Reader) {
        let common = &self.pool.common;
        let needs = Needs {
            after: reader.wrote_at,
            seen: reader.seen,
            ..Needs::default()
        };
        let count = |target, reason| common.metrics.reads_routed.with([target, reason]).inc();
        match common.members.replica_for(needs) {
            Ok(reading) => {
                if let Some((pool, origin)) = self.replica(reader, &reading.member) {
                    reader.seen = reader.seen.max(reading.member.fresh_as_of());
                    count("replica", "fit");
                    reader.chosen = Some(Chosen { pool, origin, reading });
                }
            }
            Err(stays) => {
                count("primary", stays.as_str());
            }
        }
    }

    /// The pool of a replica, and what is told of its statements.
    fn replica(&self, reader: &mut Reader, member: &Arc<Member>) -> Option<(Arc<Pool>, Arc<Origin>)> {
        let known = reader.known.iter().find(|(pool, _)| pool.key.member == member.index);
        if let Some((pool, origin)) = known {
            return Some((pool.clone(), origin.clone()));
        }
        let pool = self.door.pools.sibling(&self.pool, member).ok()?;
        let origin = self.origin_at(&pool);
        reader.known.push((pool.clone(), origin.clone()));
        Some((pool, origin))
    }

    /// What is told of this session's statements on a server.
    pub(super) fn origin_at(&self, pool: &Pool) -> Arc<Origin> {
        Origin::new(
            self.origin.project.clone(),
            &self.seat.who.database,
            &self.seat.who.user,
            self.application(),
            &pool.member.name,
            DoorKind::Wire,
        )
    }

    /// Something, where the request at the front may be answered by a replica as a whole. Within a transaction, its
    /// end may be asked for there too.
    pub(super) fn may_leave(&self, data: &[u8], within: bool) -> Option<()> {
        let header = Header::read(data).ok()??;
        if header.tag() != tag::QUERY {
            return self.batch_may_leave(data, within);
        }
        let body = data.get(5..header.frame_bytes().min(REPLAY_BYTES_MAX))?;
        if body.len() + 5 != header.frame_bytes() {
            return None;
        }
        let sql = std::str::from_utf8(request::query(body).ok()?).ok()?;
        let statement = self.door.shapes.at_once(sql)?;
        let leaves = route::may_leave(&statement, route::hint(sql.as_bytes()));
        (leaves || within && route::ends_transaction(&statement)).then_some(())
    }

    /// The same for what ends with a Sync.
    fn batch_may_leave(&self, data: &[u8], within: bool) -> Option<()> {
        let mut batch = Batch {
            within,
            ..Batch::default()
        };
        let (mut at, mut runs) = (0, false);
        loop {
            let rest = data.get(at..)?;
            let header = Header::read(rest).ok()??;
            at += header.frame_bytes();
            if at > REPLAY_BYTES_MAX {
                return None;
            }
            let body = rest.get(5..header.frame_bytes())?;
            match header.tag() {
                tag::SYNC => return runs.then_some(()),
                tag::PARSE => batch.parse(self, body)?,
                tag::BIND => batch.bind(self, body)?,
                tag::EXECUTE => {
                    let Execute { portal, rows_max } = Execute::read(body).ok()?;
                    runs = batch.portals.contains(&portal) && rows_max == 0;
                    runs.then_some(())?;
                }
                tag::DESCRIBE | tag::CLOSE => match Target::read(body).ok()? {
                    Target::Statement(name) => batch.statement(self, name).map(|_| ())?,
                    Target::Portal(name) => batch.portals.contains(&name).then_some(())?,
                },
                _ => return None,
            }
        }
    }
}

/// What a batch has parsed and bound so far.
#[derive(Default)]
struct Batch<'d> {
    within: bool,
    parsed: Vec<(&'d [u8], Arc<Prepared>)>,
    portals: Vec<&'d [u8]>,
}

impl<'d> Batch<'d> {
    fn statement<'a>(&'a self, me: &'a ClientSide, name: &[u8]) -> Option<&'a Arc<Prepared>> {
        let parsed = self.parsed.iter().rev().find(|(own, _)| *own == name);
        parsed.map(|(_, prepared)| prepared).or_else(|| me.names.get(name))
    }

    fn parse(&mut self, me: &ClientSide, body: &'d [u8]) -> Option<()> {
        let Parse { name, sql, types } = Parse::read(body).ok()?;
        if !name.is_empty() && !me.replays && me.names.get(name).is_some() {
            return None;
        }
        let prepared = me.door.library.find(me.scope.id(), sql, types, &me.door.shapes);
        self.leaves(&prepared)?;
        self.parsed.push((name, prepared));
        Some(())
    }

    fn bind(&mut self, me: &ClientSide, body: &'d [u8]) -> Option<()> {
        let head = BindHead::read(body).ok()??;
        self.leaves(self.statement(me, head.statement)?)?;
        self.portals.push(head.portal);
        Some(())
    }

    fn leaves(&self, prepared: &Prepared) -> Option<()> {
        let leaves = route::may_leave(&prepared.statement, route::hint(&prepared.sql));
        (leaves || self.within && route::ends_transaction(&prepared.statement)).then_some(())
    }
}
