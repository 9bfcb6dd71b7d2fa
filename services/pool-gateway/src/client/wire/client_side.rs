//! The client's half of a session: its pipe, its names, its settings, and what is told of its statements.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;
use weir_pgwire::backend::TransactionStatus;
use weir_pgwire::reply;
use weir_proto::events::v1::CacheOutcome;
use weir_sql::Statement;

use super::Door;
use super::account::Totals;
use super::copying::Copying;
use super::crowd::Place;
use super::expect::Ongoing;
use super::journal::{Change, Journal, Settings};
use super::reader::Reader;
use super::recalling::Recollection;
use super::refusal::Refusal;
use super::seat::{Doing, Seat};
use super::statements::Names;
use super::stream::ClientStream;
use super::trace;
use crate::budget::Purse;
use crate::firewall::{End, Guarded};
use crate::pool::{Pool, Server};
use crate::profile::{DATE_STYLE, IDENTITY, Profile, Setting};
use crate::settings::PoolMode;
use crate::tap::{Origin, Outcome, Record};

/// A transaction that has no server yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pending {
    /// None.
    Idle,
    /// It was begun with this text; its first statement will bring a server.
    Begun(Box<str>),
    /// It was begun, and no server could be had for it.
    Failed,
}

/// A statement that ended before it was read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) ongoing: Ongoing,
    pub(super) in_block: bool,
}

/// The client's half of a session.
#[derive(Debug)]
pub(super) struct ClientSide {
    pub(super) door: Arc<Door>,
    pub(super) pool: Arc<Pool>,
    pub(super) seat: Arc<Seat>,
    pub(super) stream: ClientStream,
    /// The time of its present turn: the clock is read once for all that happens in one.
    pub(super) now: Instant,
    /// Bytes from the client that nobody has looked at.
    pub(super) inbound: BytesMut,
    /// So many bytes of the present frame are still to be dropped as they come.
    pub(super) to_drop: usize,
    /// Bytes that the client has not taken yet.
    pub(super) outbound: BytesMut,
    /// Since when the client takes nothing.
    pub(super) blocked_since: Option<Instant>,
    pub(super) origin: Arc<Origin>,
    /// The trace that its `application_name` names, for statements that name none themselves.
    pub(super) trace: Option<Arc<str>>,
    /// What its session looks like now, and what it looked like at first.
    pub(super) profile: Arc<Profile>,
    pub(super) first_profile: Arc<Profile>,
    /// How names in its statements read: search path and role.
    pub(super) scope: Arc<Profile>,
    pub(super) names: Names,
    pub(super) journal: Journal,
    /// Settings whose values have to be asked of the server, once it is at rest.
    pub(super) to_ask: Vec<Box<str>>,
    /// Nobody knows what the server's session looks like.
    pub(super) lost_track: bool,
    /// Statements that were too long to be read on the spot; they are told of when they have been.
    pub(super) unread: Vec<Unread>,
    pub(super) pending: Pending,
    /// What it takes to read from replicas; none where there are none.
    pub(super) reader: Option<Box<Reader>>,
    /// What it takes to be answered from memory; none where nothing is.
    pub(super) recollection: Option<Box<Recollection>>,
    /// What is copied of it; none where its database is not mirrored.
    pub(super) copying: Option<Box<Copying>>,
    /// What the firewall knows of it.
    pub(super) guarded: Guarded,
    pub(super) mode: PoolMode,
    /// The share of its project in the line for a server.
    pub(super) weight: f64,
    /// What it pays from, where its project has a budget.
    pub(super) purse: Option<Box<Purse>>,
    /// Its place among the clients that a rule counts.
    pub(super) place: Option<Place>,
    /// Frames are dropped up to the next Sync, because one before them failed.
    pub(super) skips_to_sync: bool,
    /// It has kept its server, whose session is reset before anybody else gets it.
    pub(super) was_pinned: bool,
    /// A batch is sent again: its statements are parsed for the second time.
    pub(super) replays: bool,
    /// It ends when the outbound bytes have left.
    pub(super) ends: bool,
    /// The statement that ended last.
    pub(super) last: Option<Arc<Statement>>,
}

impl ClientSide {
    /// The state of a session that has no server.
    pub(super) const fn status(&self) -> TransactionStatus {
        match self.pending {
            Pending::Idle => TransactionStatus::Idle,
            Pending::Begun(_) => TransactionStatus::InTransaction,
            Pending::Failed => TransactionStatus::Failed,
        }
    }

    /// Whether nothing of it is under way, so that another thread can take it over. An encrypted pipe stays where it is.
    pub(super) fn rests(&self) -> bool {
        self.pending == Pending::Idle
            && self.inbound.is_empty()
            && self.outbound.is_empty()
            && self.to_drop == 0
            && !(self.skips_to_sync || self.ends || self.stream.is_encrypted())
    }

    /// Says no to what the client asked, and goes on.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        refusal.write("ERROR", &mut self.outbound);
    }

    /// Says no, and ends the session.
    pub(super) fn dismiss(&mut self, refusal: &Refusal) {
        refusal.write("FATAL", &mut self.outbound);
        self.ends = true;
    }

    /// Answers a Sync without a server.
    pub(super) fn say_ready(&mut self) {
        let status = self.status();
        reply::ready_for_query(&mut self.outbound, status);
    }

    /// Answers a command without a server.
    pub(super) fn say_complete(&mut self, tag: &str) {
        // The tags are our own words.
        let _ = reply::command_complete(&mut self.outbound, tag);
        self.say_ready();
    }

    /// Looks at the clock, for the turn that begins or after something was waited for.
    pub(super) fn look_at_clock(&mut self) {
        self.now = Instant::now();
    }

    /// Lets others see that it does something else.
    pub(super) fn does(&self, doing: Doing) {
        self.seat.does(doing, self.now);
    }

    /// Does something else, if it did what it is thought to do.
    pub(super) fn does_from(&self, from: Doing, to: Doing) {
        self.seat.does_from(from, to, self.now);
    }

    /// It has this connection now, and runs something on it.
    pub(super) fn holds(&self, server: u64) {
        self.seat.holds(server, self.now);
    }

    /// It has none any more.
    pub(super) fn lets_go(&self) {
        self.seat.lets_go(self.now);
    }

    /// Begins the record of a statement.
    pub(super) fn begin(&self, statement: Arc<Statement>, text_hash: u64, bytes_in: usize) -> Ongoing {
        Ongoing {
            statement,
            text_hash,
            begun: self.now,
            queue_wait_us: 0,
            drain_us: 0,
            bytes_in: bytes_in as u64,
            bytes_out: 0,
            rows: 0,
            tagged_rows: None,
            long_text: None,
            sqlstate: [0; 5],
            trace: None,
            cache: CacheOutcome::Unspecified,
            is_told: false,
            refusal: None,
        }
    }

    /// A transaction has ended: what became of the session's settings is written down, on both sides.
    pub(super) fn transaction_ended(&mut self, committed: bool, server: &mut Server) {
        if self.journal.is_blank() {
            return;
        }
        // What was prepared under definitions that were undone goes by them all the same.
        let undone = std::mem::take(&mut self.journal.created) && !committed;
        if std::mem::take(&mut self.journal.definitions) || undone {
            self.pool.definitions_changed();
        }
        if std::mem::take(&mut self.journal.discarded) {
            server.forget_settings();
            self.become_profile(self.first_profile.clone());
        }
        match self.journal.settle(committed) {
            Settings::Same => {}
            Settings::Changed(mut changes) => {
                make_whole(&mut changes, server);
                // A reset returns to what the client said at the start, and on the server to what that has itself.
                server.wears(self.changed(&changes, &self.pool.common.profiles.baseline()));
                self.become_profile(self.changed(&changes, &self.first_profile));
            }
            Settings::Ask(names) => self.to_ask.extend(names),
            Settings::Unknown => self.lost_track = true,
        }
    }

    /// The profile after some changes, where a reset returns to `first`.
    fn changed(&self, changes: &[Change], first: &Profile) -> Arc<Profile> {
        let profiles = &self.pool.common.profiles;
        changes
            .iter()
            .fold(self.profile.clone(), |profile, change| match change {
                Change::Set(name, setting) => profiles.with(&profile, name, setting.clone()),
                Change::Reset(name) => match first.get(name) {
                    Some(setting) => profiles.with(&profile, name, setting.clone()),
                    None => profiles.without(&profile, name),
                },
                Change::ResetAll => {
                    let kept = IDENTITY
                        .iter()
                        .filter_map(|name| Some(((*name).into(), profile.get(name)?.clone())));
                    profiles.of(first.all().chain(kept.collect::<Vec<_>>()))
                }
            })
    }

    /// The session looks like this from now on.
    pub(super) fn become_profile(&mut self, profile: Arc<Profile>) {
        self.scope = self.pool.common.profiles.scope_of(&profile);
        self.trace = trace::of_profile(&profile);
        self.profile = profile;
    }

    /// Tells of a statement that has ended.
    pub(super) fn tell(&self, ongoing: &Ongoing, outcome: Outcome) {
        let sqlstate = match ongoing.sqlstate {
            [0, ..] => "",
            ref code => std::str::from_utf8(code).unwrap_or("XX000"),
        };
        let total = self.now.duration_since(ongoing.begun);
        let total_us = crate::client::micros(total);
        let spent_us = ongoing.queue_wait_us.saturating_add(ongoing.drain_us);
        let server_us = total_us.saturating_sub(spent_us);
        self.settle_bill(ongoing, server_us, outcome);
        let traceparent = ongoing.trace.as_deref().or(self.trace.as_deref()).unwrap_or_default();
        let end = End {
            outcome,
            sqlstate,
            is_told: ongoing.is_told,
            trace: Some(traceparent),
        };
        self.guarded.ended(self.seat.firewall(), &ongoing.statement, end);
        self.seat.account.add_own(Totals {
            statements: 1,
            bytes_in: ongoing.bytes_in,
            bytes_out: ongoing.bytes_out,
            server_us,
            wait_us: ongoing.queue_wait_us,
            ..Totals::default()
        });
        self.door.tap.record(&Record {
            origin: self.answering(),
            statement: &ongoing.statement,
            text_hash: ongoing.text_hash,
            outcome,
            sqlstate,
            traceparent,
            started_unix_ms: self.door.wall.unix_ms(ongoing.begun),
            ended: self.now,
            queue_wait_us: ongoing.queue_wait_us,
            server_us,
            drain_us: ongoing.drain_us,
            total,
            rows: ongoing.tagged_rows.unwrap_or(ongoing.rows),
            bytes_in: ongoing.bytes_in,
            bytes_out: ongoing.bytes_out,
            cache: ongoing.cache,
        });
    }

    /// Tells of a statement that ended as its code says.
    pub(super) fn tell_ended(&self, ongoing: &Ongoing) {
        let outcome = match &ongoing.sqlstate {
            [0, ..] => Outcome::Ok,
            b"57014" => Outcome::Cancelled,
            _ => Outcome::Error,
        };
        self.tell(ongoing, outcome);
    }
}

/// What the client said of dates may be half of what holds now, and the server has told the whole of it.
fn make_whole(changes: &mut [Change], server: &mut Server) {
    for change in changes {
        if let Change::Set(name, setting) = change
            && &**name == DATE_STYLE
            && let Some(told) = server.connection().parameter("DateStyle")
        {
            *setting = Setting::Value(told.into());
        }
    }
}
