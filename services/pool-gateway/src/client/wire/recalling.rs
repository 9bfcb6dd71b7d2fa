//! A session whose requests may be answered from memory: which they are, and what is heard instead of PostgreSQL.
//!
//! A request is answered only where it is there to its end, outside any transaction, from a session of which everything
//! is known that its answer depends on.

use std::sync::Arc;

use tokio::time::Instant;
use weir_pgwire::Header;
use weir_pgwire::request::{self, Bind, BindHead, Execute, Parse, Target, tag};
use weir_proto::cache::v1 as api;
use weir_proto::events::v1::CacheOutcome;
use weir_sql::Literal;
use weir_upstream::Connection;

use super::client_side::{ClientSide, Pending};
use super::linking::Waited;
use super::session::Session;
use super::statements::Prepared;
use super::trace;
use crate::cache::{
    Asker, BypassReason, Cache, Entry, Flight, Key, Miss, MissReason, Moment, Reader, Recalled, Shape, SharedName,
    Taken, Taking, Values, Why, Wrapping, is_candidate, shared_name,
};
use crate::profile::{Profile, Setting};
use crate::settings::PoolMode;
use crate::tap::Outcome;

/// A longer request is not looked up.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Settings under which texts or rights are others than the cache service thinks.
const ODD_SETTINGS: [&str; 4] = [
    "role",
    "session_authorization",
    "standard_conforming_strings",
    "row_security",
];

/// What a session needs to be answered from memory.
#[derive(Debug)]
pub(super) struct Recollection {
    cache: Arc<Cache>,
    asker: Asker,
    key: Key,
    /// All that was acknowledged before this moment has to be in what it reads.
    need_after: Moment,
    /// PostgreSQL has answered it since anybody looked.
    was_linked: bool,
    /// When the present request came, and whether it has waited already.
    arrived: Moment,
    has_waited: bool,
    /// What it is to wait for.
    waits_for: Wait,
    /// What its connections read is not what the cache service thinks: another encoding, other quotes.
    is_odd: bool,
    /// The number of the profile that was judged, and how.
    judged: Option<(u64, Option<Box<str>>)>,
    /// The present request, if its result is to be kept.
    miss: Option<Box<Miss>>,
}

/// What a request waits for.
#[derive(Debug)]
enum Wait {
    /// All that was acknowledged before this moment.
    Fresh(Moment),
    /// A result that somebody else has asked for.
    Result(Arc<Flight>),
    /// A result that another gateway may have.
    Shared(Box<Shared>),
}

/// What it takes to ask other gateways.
#[derive(Debug)]
struct Shared {
    name: SharedName,
    key: Box<[u8]>,
    shape: Arc<Shape>,
}

/// What came of looking a request up.
pub(super) enum Recall {
    /// It was answered; so many bytes are done with.
    Answered(usize),
    /// It may be answered soon.
    Waits,
    /// PostgreSQL is to be asked.
    No,
}

/// A request that might be answered.
struct Request<'d> {
    bytes: usize,
    wrapping: Wrapping,
    what: What<'d>,
}

enum What<'d> {
    Simple(&'d str),
    Bound {
        /// The name under which it was parsed in the same request.
        named: Option<&'d [u8]>,
        prepared: Arc<Prepared>,
        bind: &'d [u8],
        /// What follows the names.
        bound: &'d [u8],
    },
}

impl Recollection {
    pub(super) fn new(cache: &Arc<Cache>, asker: Asker) -> Box<Self> {
        Box::new(Self {
            cache: cache.clone(),
            asker,
            key: Key::default(),
            need_after: 0,
            was_linked: false,
            arrived: 0,
            has_waited: false,
            waits_for: Wait::Fresh(0),
            is_odd: false,
            judged: None,
            miss: None,
        })
    }

    /// The session has this connection from now on, which says what it takes bytes and quotes for.
    pub(super) fn links(&mut self, connection: &Connection) {
        self.was_linked = true;
        let says = |name, value| connection.parameter(name).is_none_or(|said| said == value);
        self.is_odd = !says("client_encoding", "UTF8") || !says("standard_conforming_strings", "on");
    }

    /// PostgreSQL is not asked after all.
    pub(super) fn forget_miss(&mut self) {
        self.miss = None;
    }

    /// The result of the present request is to be kept.
    pub(super) fn take_miss(&mut self) -> Option<Box<Fill>> {
        // What it takes bytes and quotes for is known now, and its tags may have been computed of something else.
        let miss = self.miss.take().filter(|_| !self.is_odd)?;
        Some(Box::new(Fill {
            taking: Taking::new(miss.bytes_max),
            miss: *miss,
            cache: self.cache.clone(),
        }))
    }

    /// The schemas that names are looked up in; none where the session is one that must not be answered.
    fn search_path(&mut self, profile: &Profile) -> Option<&str> {
        if self.judged.as_ref().is_none_or(|(id, _)| *id != profile.id()) {
            self.judged = Some((profile.id(), judge(profile)));
        }
        self.judged.as_ref().and_then(|(_, path)| path.as_deref())
    }
}

/// The search path of a session as the setting has it, empty for its role's own; none where it must not be answered.
fn judge(profile: &Profile) -> Option<Box<str>> {
    if ODD_SETTINGS.iter().any(|name| profile.get(name).is_some()) {
        return None;
    }
    let encoding_is_known = match profile.get("client_encoding") {
        None => true,
        Some(Setting::Value(value)) => matches!(value.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode"),
        Some(Setting::Statement(_)) => false,
    };
    if !encoding_is_known {
        return None;
    }
    match profile.get("search_path") {
        None => Some("".into()),
        Some(Setting::Value(value)) => Some(value.clone()),
        Some(Setting::Statement(text)) => path_of(text),
    }
}

/// What a plain `SET search_path` sets it to.
fn path_of(statement: &str) -> Option<Box<str>> {
    let text = statement.trim().trim_end_matches(';').trim_end().to_ascii_lowercase();
    let rest = text.strip_prefix("set")?.trim_start();
    let rest = rest.strip_prefix("session ").unwrap_or(rest).trim_start();
    let rest = rest.strip_prefix("search_path")?.trim_start();
    let value = rest.strip_prefix("to ").or_else(|| rest.strip_prefix('='))?.trim();
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_, ".contains(&byte);
    let names = value.bytes().all(is_plain) && !value.is_empty() && value != "default";
    names.then(|| value.into())
}

impl ClientSide {
    /// Looks the request at the front up in memory.
    pub(super) fn recall(&mut self, data: &[u8]) -> Recall {
        let Some(mut memory) = self.recollection.take() else {
            return Recall::No;
        };
        memory.miss = None;
        if std::mem::take(&mut memory.was_linked) {
            memory.need_after = memory.asker.view.now();
        }
        let recall = if self.may_be_answered(&mut memory) {
            self.look_up(&mut memory, data)
        } else {
            Recall::No
        };
        if !matches!(recall, Recall::Waits) {
            memory.arrived = 0;
            memory.has_waited = false;
        }
        self.recollection = Some(memory);
        recall
    }

    fn may_be_answered(&self, memory: &mut Recollection) -> bool {
        self.pending == Pending::Idle
            && self.mode != PoolMode::Session
            && !(self.skips_to_sync || self.lost_track || self.replays)
            && self.to_ask.is_empty()
            && self.copying.is_none()
            && self.journal.pins == 0
            && self.has_paid()
            && self.is_known(memory)
    }

    /// Whether all is known of the session that its answers depend on.
    fn is_known(&self, memory: &mut Recollection) -> bool {
        let is_known = !memory.is_odd && memory.search_path(&self.profile).is_some();
        if !is_known {
            memory.asker.others.bypass(BypassReason::UnknownSession);
        }
        is_known
    }

    fn look_up(&mut self, memory: &mut Recollection, data: &[u8]) -> Recall {
        let Some(request) = self.request(data) else {
            return Recall::No;
        };
        if memory.arrived == 0 {
            memory.arrived = memory.asker.view.moment(self.now);
        }
        let (asker, profile) = (&memory.asker, self.profile.id());
        let key = match &request.what {
            What::Simple(sql) => memory.key.simple(asker, profile, sql.as_bytes()),
            What::Bound { prepared, bound, .. } => memory.key.bound(asker, profile, prepared.id, bound),
        };
        let reader = Reader {
            need_after: memory.need_after,
            arrived: memory.arrived,
            now: asker.view.moment(self.now),
            level: None,
            position: 0,
        };
        if let Wait::Result(flight) = std::mem::replace(&mut memory.waits_for, Wait::Fresh(0))
            && let Some(entry) = flight.result().filter(|entry| entry.body.suits(request.wrapping))
        {
            // As if it had asked itself.
            memory.was_linked = true;
            self.answer(entry, &entry.shape, &request);
            return Recall::Answered(request.bytes);
        }
        let why = match memory.cache.recall(key, asker, reader, request.wrapping) {
            Recalled::Hit(entry) => {
                let shape = entry.shape.clone();
                let since = Instant::now();
                self.answer(&entry, &shape, &request);
                memory.cache.served(&entry, &memory.asker.view, since);
                return Recall::Answered(request.bytes);
            }
            Recalled::Soon(moment) if !memory.has_waited => {
                memory.waits_for = Wait::Fresh(moment);
                return Recall::Waits;
            }
            Recalled::Soon(_) => Why::Miss(MissReason::NewerNeeded),
            Recalled::Miss(why) => why,
        };
        if !memory.has_waited
            && let Some(flight) = memory.cache.flight(key, asker, reader)
        {
            memory.waits_for = Wait::Result(flight);
            return Recall::Waits;
        }
        self.note_miss(memory, &request, why);
        if matches!(memory.waits_for, Wait::Shared(_)) {
            return Recall::Waits;
        }
        Recall::No
    }

    fn note_miss(&self, memory: &mut Recollection, request: &Request<'_>, why: Why) {
        let literals = match &request.what {
            What::Simple(sql) => weir_sql::literals(sql),
            What::Bound { .. } => None,
        };
        let Some((shape, is_shared)) = self.shape_of(memory, request, literals.as_deref()) else {
            return;
        };
        // The key of the shape took the place of the request's.
        let (asker, profile) = (&memory.asker, self.profile.id());
        let bind;
        let (key, values) = match &request.what {
            What::Simple(sql) => {
                let values = match literals.as_deref().filter(|_| is_shared) {
                    Some(literals) => Values::Literals(literals),
                    None => Values::Said,
                };
                (memory.key.simple(asker, profile, sql.as_bytes()), values)
            }
            What::Bound {
                prepared,
                bound,
                bind: body,
                ..
            } => {
                let Ok(read) = Bind::read(body) else { return };
                bind = read;
                (
                    memory.key.bound(asker, profile, prepared.id, bound),
                    Values::Bound(&bind),
                )
            }
        };
        let name = memory.cache.shares().then(|| self.shared_name(&memory.asker, request));
        if let Some(name) = name
            && why == Why::Miss(MissReason::Absent)
            && !memory.has_waited
            && memory.cache.may_be_shared(key, &shape, &asker.view)
        {
            memory.waits_for = Wait::Shared(Box::new(Shared {
                name,
                key: key.into(),
                shape,
            }));
            return;
        }
        let path = memory.judged.as_ref().and_then(|(_, path)| path.as_deref());
        let ask = || self.study_request(asker, path?, request);
        memory.miss = memory.cache.miss(key, asker, &shape, &values, why, ask);
        if let (Some(miss), Some(name)) = (&mut memory.miss, name) {
            miss.is_called(name);
        }
    }

    /// What gateways call the result of a request.
    fn shared_name(&self, asker: &Asker, request: &Request<'_>) -> SharedName {
        match &request.what {
            What::Simple(sql) => shared_name(asker, &self.profile, b'Q', [sql.as_bytes()]),
            What::Bound { prepared, bound, .. } => {
                let parts = [&*prepared.sql, &*prepared.types, *bound];
                shared_name(asker, &self.profile, b'B', parts)
            }
        }
    }

    /// The shape of a request, and whether texts share it that differ in the values of literals.
    fn shape_of(
        &self,
        memory: &mut Recollection,
        request: &Request<'_>,
        literals: Option<&[Literal<'_>]>,
    ) -> Option<(Arc<Shape>, bool)> {
        let scope = self.scope.id();
        match &request.what {
            What::Simple(sql) => {
                let statement = self
                    .door
                    .shapes
                    .at_once(sql)
                    .filter(|statement| is_candidate(statement))?;
                let (cache, asker) = (&memory.cache, &memory.asker);
                if let Some(literals) = literals
                    && let Some(key) = memory.key.shared_shape(asker, scope, sql, literals)
                {
                    let shape = cache.shape(key, asker, &statement, sql.as_bytes());
                    if !shape.is_particular() {
                        return Some((shape, true));
                    }
                }
                let key = memory.key.shape(asker, scope, b'q', sql.as_bytes());
                Some((cache.shape(key, asker, &statement, sql.as_bytes()), false))
            }
            What::Bound { prepared, .. } => {
                let key = memory.key.shape(&memory.asker, scope, b'b', &prepared.id.to_ne_bytes());
                let (cache, asker) = (&memory.cache, &memory.asker);
                Some((cache.shape(key, asker, &prepared.statement, &prepared.sql), false))
            }
        }
    }

    fn study_request(&self, asker: &Asker, search_path: &str, request: &Request<'_>) -> Option<api::StudyRequest> {
        let (sql, types) = match &request.what {
            What::Simple(sql) => ((*sql).to_owned(), Vec::new()),
            What::Bound { prepared, .. } => {
                let types = prepared.types.as_chunks::<4>().0.iter();
                let types = types.map(|oid| u32::from_be_bytes(*oid)).collect();
                (String::from_utf8(prepared.sql.to_vec()).ok()?, types)
            }
        };
        Some(api::StudyRequest {
            upstream: String::new(),
            database: asker.view.database.to_string(),
            project: asker.project.to_string(),
            role: asker.user.to_string(),
            search_path: search_path.to_owned(),
            sql,
            parameter_types: types,
            utf8: true,
        })
    }

    /// Answers a request as PostgreSQL would.
    fn answer(&mut self, entry: &Entry, shape: &Shape, request: &Request<'_>) {
        let before = self.outbound.len();
        entry.body.write(request.wrapping, &mut self.outbound);
        let (text_hash, bytes_in, trace) = match &request.what {
            What::Simple(sql) => (weir_sql::text_hash(sql), sql.len(), trace::of_text(sql.as_bytes())),
            What::Bound { named, prepared, .. } => {
                if let Some(name) = named {
                    self.names.insert(name, prepared.clone());
                }
                (prepared.text_hash, prepared.sql.len(), prepared.trace.clone())
            }
        };
        let mut ongoing = self.begin(shape.statement.clone(), text_hash, bytes_in);
        ongoing.trace = trace;
        ongoing.rows = entry.body.count;
        ongoing.bytes_out = (self.outbound.len() - before) as u64;
        ongoing.cache = CacheOutcome::Hit;
        self.tell(&ongoing, Outcome::Ok);
    }

    /// The request at the front, if it is there to its end and reads.
    fn request<'d>(&self, data: &'d [u8]) -> Option<Request<'d>> {
        let header = Header::read(data).ok()??;
        if header.tag() != tag::QUERY {
            return self.batch(data);
        }
        let bytes = header.frame_bytes();
        let body = data.get(5..bytes).filter(|_| bytes <= REQUEST_BYTES_MAX)?;
        let sql = std::str::from_utf8(request::query(body).ok()?).ok()?;
        begins_reading(sql).then_some(Request {
            bytes,
            wrapping: Wrapping {
                described: true,
                ..Wrapping::default()
            },
            what: What::Simple(sql),
        })
    }

    /// A Parse or none, a Bind, a Describe or none, an Execute of everything, and a Sync.
    fn batch<'d>(&self, data: &'d [u8]) -> Option<Request<'d>> {
        let mut frames = Frames { data, at: 0 };
        let (mut kind, mut body) = frames.next()?;
        let mut wrapping = Wrapping {
            bound: true,
            ..Wrapping::default()
        };
        let mut parsed = None;
        if kind == tag::PARSE {
            parsed = Some(self.parsed(body)?);
            wrapping.parsed = true;
            (kind, body) = frames.next()?;
        }
        let bind = (kind == tag::BIND).then_some(body)?;
        let head = BindHead::read(bind).ok()??;
        let (named, prepared) = match parsed {
            Some((name, prepared)) if name == head.statement => (Some(name), prepared),
            Some(_) => return None,
            None => (None, self.names.get(head.statement)?.clone()),
        };
        let (mut kind, mut body) = frames.next()?;
        if kind == tag::DESCRIBE {
            let Target::Portal(portal) = Target::read(body).ok()? else {
                return None;
            };
            (portal == head.portal).then_some(())?;
            wrapping.described = true;
            (kind, body) = frames.next()?;
        }
        let execute = Execute::read((kind == tag::EXECUTE).then_some(body)?).ok()?;
        let runs_all = execute.portal == head.portal && execute.rows_max == 0;
        let (end, _) = frames.next().filter(|_| runs_all)?;
        (end == tag::SYNC && is_candidate(&prepared.statement)).then_some(())?;
        Some(Request {
            bytes: frames.at,
            wrapping,
            what: What::Bound {
                named,
                prepared,
                bind,
                bound: bind.get(head.bytes..)?,
            },
        })
    }

    fn parsed<'d>(&self, body: &'d [u8]) -> Option<(&'d [u8], Arc<Prepared>)> {
        let Parse { name, sql, types } = Parse::read(body).ok()?;
        // PostgreSQL itself says what it thinks of a name that is given twice.
        if !name.is_empty() && (self.names.get(name).is_some() || self.journal.has_prepared(name)) {
            return None;
        }
        let prepared = self.door.library.find(self.scope.id(), sql, types, &self.door.shapes);
        Some((name, prepared))
    }
}

/// Whether a text begins like one that reads, or with a comment.
fn begins_reading(sql: &str) -> bool {
    let begin = sql.trim_start().as_bytes().first().copied().unwrap_or_default();
    matches!(
        begin,
        b's' | b'S' | b'w' | b'W' | b't' | b'T' | b'v' | b'V' | b'(' | b'/' | b'-'
    )
}

struct Frames<'d> {
    data: &'d [u8],
    at: usize,
}

impl<'d> Frames<'d> {
    /// The next frame, if it is whole.
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let rest = self.data.get(self.at..)?;
        let header = Header::read(rest).ok()??;
        let body = rest.get(5..header.frame_bytes())?;
        self.at += header.frame_bytes();
        (self.at <= REQUEST_BYTES_MAX).then_some((header.tag(), body))
    }
}

/// A result that is being taken down.
#[derive(Debug)]
pub(super) struct Fill {
    taking: Taking,
    miss: Miss,
    cache: Arc<Cache>,
}

impl Fill {
    /// Takes what the client is sent. None: that was the end of it.
    pub(super) fn take(mut self: Box<Self>, sent: &[u8]) -> Option<Box<Self>> {
        match self.taking.take(sent) {
            Taken::More => return Some(self),
            Taken::Whole(body) => self.cache.keep(self.miss, body),
            Taken::TooLarge => {
                self.cache.too_large(&self.miss);
            }
            Taken::Nothing => {}
        }
        None
    }
}

impl Session {
    /// Waits until memory is fresh enough for the request at the front, or no longer.
    pub(super) async fn freshen(&mut self) {
        let Some((asker, cache, wait)) = self.me.recollection.as_mut().map(|memory| {
            memory.has_waited = true;
            // Whoever looks again finds the result itself, if it is one.
            let wait = match &memory.waits_for {
                Wait::Result(flight) => Wait::Result(flight.clone()),
                _ => std::mem::replace(&mut memory.waits_for, Wait::Fresh(0)),
            };
            (memory.asker.clone(), memory.cache.clone(), wait)
        }) else {
            return;
        };
        let interrupted = std::future::poll_fn(|cx| self.me.poll_interruption(cx));
        let there = async {
            match wait {
                Wait::Result(flight) => flight.until_over().await,
                Wait::Shared(shared) => {
                    let Shared { name, key, shape } = *shared;
                    cache.fetch(name, &key, &asker, &shape).await;
                }
                Wait::Fresh(moment) => {
                    cache.freshen(&asker.view, moment).await;
                }
            }
        };
        let ended = tokio::select! {
            () = there => None,
            waited = interrupted => Some(waited),
        };
        // Of everything else the next turn hears by itself.
        if let Some(cancelled @ Waited::Cancelled) = ended {
            self.end_wait(cancelled);
        }
        self.me.look_at_clock();
    }
}
