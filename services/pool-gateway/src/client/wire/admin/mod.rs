//! The virtual database `weir`: the gateway's own console, spoken to with SQL's simple protocol by `psql` and by tools
//! that know PgBouncer.
//!
//! It shows and it steers; it reads no data of anybody.

mod command;
mod show;

use std::sync::Arc;

use bytes::Buf as _;
use weir_pgwire::backend::TransactionStatus;
use weir_pgwire::request::{self, tag};
use weir_pgwire::{Scan, reply, scan};

use super::Door;
use super::lobby::Lobby;
use super::refusal::Refusal;
use super::seat::KILL;
use command::{Command, parse};

/// The name of the virtual database.
pub(super) const DATABASE: &str = "weir";
/// The longest command.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// The console of one client.
pub(super) struct Console {
    door: Arc<Door>,
    lobby: Lobby,
}

impl Console {
    /// Greets the client, who has been let in.
    pub(super) fn new(door: Arc<Door>, mut lobby: Lobby) -> Self {
        let out = &mut lobby.outbound;
        let own = [
            ("server_version", concat!(env!("CARGO_PKG_VERSION"), "/weir")),
            ("client_encoding", "UTF8"),
            ("server_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
            ("standard_conforming_strings", "on"),
            ("integer_datetimes", "on"),
        ];
        for (name, value) in own {
            // Our own words have no zero byte.
            let _ = reply::parameter_status(out, name, value);
        }
        reply::ready_for_query(out, TransactionStatus::Idle);
        Self { door, lobby }
    }

    /// Answers until the client leaves.
    pub(super) async fn run(mut self) {
        // Whatever ends it, the client has gone or is to go.
        let _ = self.answer_all().await;
    }

    async fn answer_all(&mut self) -> Result<(), ()> {
        loop {
            self.lobby.flush().await?;
            let (bytes, is_over) = match scan(&self.lobby.inbound, |_| COMMAND_BYTES_MAX) {
                Ok(Scan::Whole(frame)) => {
                    let bytes = frame.bytes();
                    let text = (frame.tag == tag::QUERY)
                        .then(|| request::query(frame.body).ok())
                        .flatten();
                    let text = text.map(|text| String::from_utf8_lossy(text).into_owned());
                    (bytes, self.hear(frame.tag, text.as_deref()))
                }
                Ok(Scan::Part { .. }) => {
                    self.lobby.read().await?;
                    continue;
                }
                Err(_) => return Err(()),
            };
            self.lobby.inbound.advance(bytes);
            if is_over {
                return self.lobby.flush().await;
            }
        }
    }
}

impl Console {
    /// Answers one frame. True: the client is done.
    fn hear(&mut self, tag: u8, text: Option<&str>) -> bool {
        let out = &mut self.lobby.outbound;
        match (tag, text) {
            (tag::TERMINATE, _) => return true,
            (tag::QUERY, Some(text)) => {
                let done = parse(text).and_then(|command| perform(&self.door, &command, out));
                if let Err(refusal) = done {
                    refusal.write("ERROR", out);
                }
            }
            (tag::SYNC, _) => {}
            _ => {
                let said = "the console understands simple queries only; type SHOW HELP";
                Refusal::new("0A000", said).write("ERROR", out);
                if tag != tag::QUERY {
                    return false;
                }
            }
        }
        reply::ready_for_query(out, TransactionStatus::Idle);
        false
    }
}

fn perform(door: &Arc<Door>, command: &Command, out: &mut bytes::BytesMut) -> Result<(), Refusal> {
    let tag = match command {
        Command::Nothing => {
            reply::empty_query_response(out);
            return Ok(());
        }
        Command::Show(what) => {
            show::table(door, what)?.write(out);
            "SHOW"
        }
        Command::Pause(database) => {
            for_pools(door, database.as_deref(), |pool| pool.pause())?;
            "PAUSE"
        }
        Command::Resume(database) => {
            for_pools(door, database.as_deref(), crate::pool::Pool::resume)?;
            "RESUME"
        }
        Command::Reload => {
            door.reload()
                .map_err(|error| Refusal::new("F0000", error.to_string()))?;
            "RELOAD"
        }
        Command::Kill(id) => {
            let seat = door.seats.all().into_iter().find(|seat| seat.id == *id);
            let none = || Refusal::new("42704", format!("there is no client {id}"));
            seat.ok_or_else(none)?.wish(KILL);
            "KILL"
        }
        Command::KillDatabase(database) => {
            let ends = door.seats.all().into_iter().filter(|seat| seat.database == *database);
            ends.for_each(|seat| seat.wish(KILL));
            "KILL"
        }
        Command::Reconnect(database) => {
            for_pools(door, database.as_deref(), |pool| pool.distrust_idle())?;
            "RECONNECT"
        }
    };
    // The tags are our own words.
    let _ = reply::command_complete(out, tag);
    Ok(())
}

/// Does something with the pools of a database, or with all.
fn for_pools(door: &Door, database: Option<&str>, act: impl Fn(&Arc<crate::pool::Pool>)) -> Result<(), Refusal> {
    let mut found = false;
    for pool in door.pools.all() {
        if database.is_none_or(|database| database == pool.key.database) {
            act(&pool);
            found = true;
        }
    }
    if found {
        return Ok(());
    }
    let said = format!("no pool of database \"{}\"", database.unwrap_or_default());
    Err(Refusal::new("3D000", said))
}
