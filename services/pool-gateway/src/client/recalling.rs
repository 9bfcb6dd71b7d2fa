//! Calls that are answered from memory, and results of calls that are kept there.
//!
//! A result is kept as the frames that PostgreSQL's rows came in, in text form, which is how calls read them.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;
use weir_model::Project;
use weir_pgwire::reply::{self, Column};
use weir_pgwire::{Scan, backend, scan};
use weir_proto::cache::v1 as api;
use weir_proto::events::v1::CacheOutcome;
use weir_sql::Statement;
use weir_upstream::{DataRow, Format, RowDescription};

use super::reading::ReadOut;
use super::recording::Recording;
use super::session::{Ask, Done, Rows, Sessions, done};
use crate::cache::{
    Asker, Body, Cache, Entry, Key, Miss, MissReason, Reader, Recalled as Found, Shape, SharedName, Values, Why,
    Wrapping, is_candidate, says, shared_name,
};
use crate::error::Error;

/// Rows that are handed over before their reader is waited for.
const ROWS_AT_ONCE: usize = 256;

/// What memory had for a call.
pub(super) enum Recalled {
    Answered(Done),
    /// PostgreSQL is to be asked, and its answer kept.
    Miss(Keeper),
    No,
}

/// Where an answer is to be kept.
#[derive(Debug)]
pub(super) struct Keeper {
    cache: Arc<Cache>,
    miss: Box<Miss>,
}

impl Sessions {
    /// Who asks, as memory tells askers apart.
    pub(super) fn asker(&self, project: &Project, database: &str) -> Option<Asker> {
        let database = match database {
            "" => self.pools.common().target.database(),
            named => named,
        };
        self.cache.as_ref()?.asker(project, database, &self.user)
    }

    /// Answers a call from memory, if that has its answer.
    pub(super) async fn recall(
        &self,
        ask: &Ask,
        statement: &Arc<Statement>,
        rows: &mut impl Rows,
        recording: &mut Recording,
    ) -> Result<Recalled, Error> {
        let (Some(cache), Some(asker)) = (&self.cache, recording.terms.asker.clone()) else {
            return Ok(Recalled::No);
        };
        if !is_candidate(statement) || !rows.takes_texts() || !rows.is_untouched() {
            return Ok(Recalled::No);
        }
        let mut key = Key::default();
        let values = ask.arguments.iter().map(|given| (given.type_oid, given.text.as_ref()));
        let key = key.call(&asker, self.profile.id(), &ask.sql, values);
        let shape = self.shape_of(cache, &asker, ask, statement);
        let name = cache.shares().then(|| self.shared_name(&asker, ask));
        let mut found = self.find_result(cache, key, &asker, ask).await;
        if let (Err(Why::Miss(MissReason::Absent)), Some(name)) = (&found, name)
            && cache.may_be_shared(key, &shape, &asker.view)
        {
            cache.fetch(name, key, &asker, &shape).await;
            found = self.find_result(cache, key, &asker, ask).await;
        }
        let why = match found {
            Ok(entry) => {
                recording.cache = CacheOutcome::Hit;
                let since = Instant::now();
                let read = hand_over(&entry.body, rows, recording).await?;
                cache.served(&entry, &asker.view, since);
                recording.figures.rows = read.rows.unwrap_or_default();
                return Ok(Recalled::Answered(done(read, statement, recording)));
            }
            Err(why) => why,
        };
        let miss = self.note_miss((cache, key), &asker, ask, &shape, why);
        let Some(mut miss) = miss else {
            recording.cache = CacheOutcome::Bypass;
            return Ok(Recalled::No);
        };
        recording.cache = CacheOutcome::Miss;
        if let Some(name) = name {
            miss.is_called(name);
        }
        if let Some(empty_ttl) = ask.empty_ttl {
            miss.if_empty_lives(empty_ttl);
        }
        Ok(Recalled::Miss(Keeper {
            cache: cache.clone(),
            miss,
        }))
    }

    /// The result, if it is or soon will be fresh enough.
    async fn find_result(&self, cache: &Cache, key: &[u8], asker: &Asker, ask: &Ask) -> Result<Arc<Entry>, Why> {
        let view = &asker.view;
        let arrived = view.now();
        let reader = Reader {
            need_after: asker.answered(),
            arrived,
            now: arrived,
            level: ask.consistency.or_else(|| says(ask.sql.as_bytes()).level),
            position: ask.min_position.map_or(0, |position| position.0),
        };
        // Columns are always told to whoever calls.
        let wrapping = Wrapping {
            described: true,
            ..Wrapping::default()
        };
        let moment = match cache.recall(key, asker, reader, wrapping) {
            Found::Hit(entry) => return Ok(entry),
            Found::Miss(why) => return self.join(cache, (key, asker), reader, wrapping).await.ok_or(why),
            Found::Soon(moment) => moment,
        };
        cache.freshen(view, moment).await;
        let now = view.now();
        match cache.recall(key, asker, Reader { now, ..reader }, wrapping) {
            Found::Hit(entry) => Ok(entry),
            Found::Miss(why) => Err(why),
            Found::Soon(_) => Err(Why::Miss(MissReason::NewerNeeded)),
        }
    }

    /// The shape of a call's statement, for parameters of these types.
    fn shape_of(&self, cache: &Cache, asker: &Asker, ask: &Ask, statement: &Arc<Statement>) -> Arc<Shape> {
        let mut key = Key::default();
        let nothing = ask.arguments.iter().map(|given| (given.type_oid, None::<&[u8]>));
        let key = key.call(asker, 0, &ask.sql, nothing);
        cache.shape(key, asker, statement, ask.sql.as_bytes())
    }

    /// What gateways call the result of a call.
    fn shared_name(&self, asker: &Asker, ask: &Ask) -> SharedName {
        let mut key = Key::default();
        let values = ask.arguments.iter().map(|given| (given.type_oid, given.text.as_ref()));
        let key = key.values(values);
        shared_name(asker, &self.profile, b'C', [ask.sql.as_bytes(), key])
    }

    /// The result that somebody else has asked for, if that will do.
    async fn join(
        &self,
        cache: &Cache,
        (key, asker): (&[u8], &Asker),
        reader: Reader,
        wrapping: Wrapping,
    ) -> Option<Arc<Entry>> {
        let flight = cache.flight(key, asker, reader)?;
        flight.until_over().await;
        let entry = flight.result().filter(|entry| entry.body.suits(wrapping))?;
        // As if it had asked itself.
        asker.was_answered();
        Some(entry.clone())
    }

    fn note_miss(
        &self,
        (cache, key): (&Cache, &[u8]),
        asker: &Asker,
        ask: &Ask,
        shape: &Arc<Shape>,
        why: Why,
    ) -> Option<Box<Miss>> {
        let types: Vec<u32> = ask.types();
        let texts: Vec<Option<&[u8]>> = ask.arguments.iter().map(|given| given.text.as_deref()).collect();
        let request = || {
            Some(api::StudyRequest {
                upstream: String::new(),
                database: asker.view.database.to_string(),
                project: asker.project.to_string(),
                role: asker.user.to_string(),
                search_path: String::new(),
                sql: ask.sql.clone(),
                parameter_types: types.clone(),
                utf8: true,
            })
        };
        cache.miss(key, asker, shape, &Values::Texts(&texts), why, request)
    }
}

/// Hands a result over as if PostgreSQL had just given it.
async fn hand_over(body: &Body, rows: &mut impl Rows, recording: &mut Recording) -> Result<ReadOut, Error> {
    let description = body.description.get(5..).unwrap_or_default();
    let columns = RowDescription::parse(description).map_err(|_| Error::Stopping)?;
    rows.columns(&columns).await?;
    recording.figures.bytes_out += (body.description.len() + body.rows.len()) as u64;
    let (mut rest, mut handed, mut truncated, mut tag) = (&body.rows[..], 0usize, false, String::new());
    while let Ok(Scan::Whole(frame)) = scan(rest, |_| usize::MAX) {
        rest = rest.get(frame.bytes()..).unwrap_or_default();
        if frame.tag == backend::tag::COMMAND_COMPLETE {
            let text = frame.body.strip_suffix(b"\0").unwrap_or(frame.body);
            tag = String::from_utf8_lossy(text).into_owned();
        } else if !truncated {
            truncated = !rows.row(DataRow::parsed_before(frame.body))?;
            handed += 1;
            if handed.is_multiple_of(ROWS_AT_ONCE) {
                rows.make_room().await?;
            }
        }
    }
    rows.make_room().await?;
    Ok(ReadOut {
        tag,
        rows: Some(body.count),
        truncated,
    })
}

/// Hands rows on, and keeps what they came in.
pub(super) struct Keeping<'r, R> {
    rows: &'r mut R,
    keeper: Keeper,
    description: BytesMut,
    taken: BytesMut,
    count: u64,
    /// It is not to be kept after all.
    is_void: bool,
}

impl<'r, R: Rows> Keeping<'r, R> {
    pub(super) fn new(rows: &'r mut R, keeper: Keeper) -> Self {
        Self {
            rows,
            keeper,
            description: BytesMut::new(),
            taken: BytesMut::new(),
            count: 0,
            is_void: false,
        }
    }

    /// The statement has ended well.
    pub(super) fn keep(mut self, done: &Done) {
        let is_whole = !self.is_void && !done.truncated && !self.description.is_empty();
        if !is_whole || reply::command_complete(&mut self.taken, &done.command_tag).is_err() {
            return;
        }
        let body = Body {
            description: self.description.freeze(),
            rows: self.taken.freeze(),
            count: self.count,
        };
        self.keeper.cache.keep(*self.keeper.miss, body);
    }

    fn describe(&mut self, columns: &RowDescription<'_>) -> Option<()> {
        self.description.clear();
        let fields: Option<Vec<Column<'_>>> = columns
            .fields()
            .map(|field| {
                Some(Column {
                    name: std::str::from_utf8(field.name).ok()?,
                    table_oid: field.table_oid,
                    attribute: field.column_number,
                    type_oid: field.type_oid,
                    type_size: field.type_bytes,
                    type_modifier: field.type_modifier,
                    format: (field.format == Format::Text).then_some(Format::Text)?,
                })
            })
            .collect();
        reply::row_description(&mut self.description, fields?).ok()
    }
}

impl<R: Rows> Rows for Keeping<'_, R> {
    async fn columns(&mut self, columns: &RowDescription<'_>) -> Result<(), Error> {
        self.is_void |= self.describe(columns).is_none();
        self.rows.columns(columns).await
    }

    fn row(&mut self, row: DataRow<'_>) -> Result<bool, Error> {
        if !self.is_void {
            self.is_void = reply::data_row(&mut self.taken, row.values()).is_err()
                || self.taken.len() > self.keeper.miss.bytes_max;
            if self.is_void {
                self.taken = BytesMut::new();
                self.keeper.cache.too_large(&self.keeper.miss);
            }
        }
        self.count += 1;
        let goes_on = self.rows.row(row)?;
        self.is_void |= !goes_on;
        Ok(goes_on)
    }

    fn row_bytes_max(&self) -> usize {
        self.rows.row_bytes_max()
    }

    fn is_untouched(&self) -> bool {
        self.rows.is_untouched()
    }

    fn start_over(&mut self) -> bool {
        self.taken.clear();
        self.count = 0;
        // It is asked again in another transaction, perhaps of another server.
        self.is_void = true;
        self.rows.start_over()
    }

    async fn make_room(&mut self) -> Result<(), Error> {
        self.rows.make_room().await
    }
}
