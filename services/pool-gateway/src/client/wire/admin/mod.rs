//! The virtual database `weir`: the gateway's own console, spoken to with SQL's simple protocol by `psql` and by tools
//! that know PgBouncer.
//!
//! It shows and it steers; it reads no data of anybody.

mod actions;
mod command;
mod show;
mod stock;
mod tables;

use std::sync::Arc;

use bytes::Buf as _;
use weir_pgwire::backend::{TransactionStatus, field};
use weir_pgwire::request::{self, tag};
use weir_pgwire::{Scan, reply, scan};

use super::Door;
use super::lobby::Lobby;
use super::refusal::Refusal;
use command::{Command, parse};
pub(crate) use show::table;

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

/// A setting that was set is not written into the file.
fn say_until_when(out: &mut bytes::BytesMut) {
    let fields = [
        (field::SEVERITY, "NOTICE"),
        (field::SEVERITY_PLAIN, "NOTICE"),
        (field::SQLSTATE, "00000"),
        (
            field::MESSAGE,
            "this holds until the next RELOAD; what is in the file holds then",
        ),
    ];
    // Our own words have no zero byte.
    let _ = reply::notice_response(out, fields);
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
            door.pause(database.as_deref())?;
            "PAUSE"
        }
        Command::Resume(database) => {
            door.resume(database.as_deref())?;
            "RESUME"
        }
        Command::Reconnect(database) => {
            door.reconnect(database.as_deref())?;
            "RECONNECT"
        }
        Command::Reload => {
            door.reload()?;
            "RELOAD"
        }
        Command::Kill(id) => {
            door.kill(*id)?;
            "KILL"
        }
        Command::KillDatabase(database) => {
            door.kill_database(database);
            "KILL"
        }
        Command::Set(key, value) => {
            door.set(key, value)?;
            say_until_when(out);
            "SET"
        }
    };
    // The tags are our own words.
    let _ = reply::command_complete(out, tag);
    Ok(())
}
