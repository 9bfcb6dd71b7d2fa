//! Replication connections: a connection to the primary of the client's own, whose bytes pass both ways as they are.
//!
//! Nothing of it can be shared, so it is outside of the pools: PostgreSQL counts it against `max_wal_senders`. What is
//! said on it is not looked into and not told of. It ends when the server's or the client's end does, when another
//! server becomes the primary, and when the process stops.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt as _;
use weir_pgwire::backend::TransactionStatus;
use weir_pgwire::reply;
use weir_runtime::Stage;
use weir_upstream::{ConnectOptions, Connection};

use super::Door;
use super::admission::{Applicant, LetIn};
use super::crowd::Place;
use super::lobby::Lobby;
use super::refusal::Refusal;
use super::seat::{CANCEL, KILL, LEAVE, MOVED, Seat};
use super::stream::ClientStream;
use crate::error::Error;
use crate::profile::Setting;

/// What may be on the way in either direction.
const BUFFER_BYTES: usize = 64 * 1024;

/// A client that replicates, and its server.
pub(super) struct Replication {
    door: Arc<Door>,
    seat: Arc<Seat>,
    client: ClientStream,
    server: Connection,
    to_server: Pipe,
    to_client: Pipe,
    _place: Option<Place>,
}

impl Applicant {
    /// Lets a client in that asked for replication of this kind: `database`, or a word for true.
    pub(super) async fn admit_replication(
        self,
        kind: String,
        mut lobby: Lobby,
    ) -> Result<Replication, (Lobby, Refusal)> {
        match self.try_replication(kind, &mut lobby).await {
            Ok((let_in, server)) => Ok(Replication::new(self.door, let_in, server, lobby)),
            Err(refusal) => Err((lobby, refusal)),
        }
    }

    async fn try_replication(&self, kind: String, lobby: &mut Lobby) -> Result<(LetIn, Connection), Refusal> {
        let let_in = self.let_in(lobby).await?;
        let common = self.door.pools.common();
        let is_own = self.who.user == common.target.user();
        let values = let_in.wanted.iter().filter_map(|(name, setting)| match setting {
            Setting::Value(value) => Some((name.to_string(), value.to_string())),
            Setting::Statement(_) => None,
        });
        let options = ConnectOptions {
            timeout: Some(common.live().connect_timeout),
            user: (!is_own).then(|| self.who.user.clone()),
            credentials: (!is_own).then(|| let_in.credentials.clone()),
            database: Some(self.who.database.clone()),
            parameters: values.chain([("replication".to_owned(), kind)]).collect(),
            ..ConnectOptions::default()
        };
        let opened = Connection::connect(&common.members.primary().target, options).await;
        let server = opened.map_err(|error| self.refused(&Error::Upstream(error)))?;
        self.door.metrics.door_connections_opened.with(["replication"]).inc();
        Ok((let_in, server))
    }
}

impl Replication {
    fn new(door: Arc<Door>, let_in: LetIn, mut server: Connection, lobby: Lobby) -> Self {
        let seat = door.seats.take(let_in.key, let_in.sitter, Arc::new(let_in.policy));
        let Lobby {
            stream,
            inbound,
            mut outbound,
            ..
        } = lobby;
        reply::authentication_ok(&mut outbound);
        for (name, value) in server.parameters() {
            // The server's own words have no zero byte in them.
            let _ = reply::parameter_status(&mut outbound, name, value);
        }
        // A key of this length fits, whatever the protocol.
        let _ = reply::backend_key_data(&mut outbound, seat.id, seat.key());
        reply::ready_for_query(&mut outbound, TransactionStatus::Idle);
        server.begin_forwarding();
        Self {
            door,
            seat,
            client: stream,
            server,
            to_server: Pipe::holding(inbound),
            to_client: Pipe::holding(outbound),
            _place: let_in.place,
        }
    }

    /// Passes bytes on until either side ends, or the connection has to.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        self.door.seats.leave(self.seat.id, &self.door.witness.ledger);
        // Either may have gone already. The drop of the server's socket tells it.
        let _ = self.client.shutdown().await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.seat.listen(cx.waker());
        let wishes = self.seat.wishes();
        if wishes & (KILL | LEAVE | MOVED) != 0 {
            return Poll::Ready(());
        }
        if wishes & CANCEL != 0 {
            self.cancel();
        }
        let (client, server) = (&mut self.client, &mut self.server);
        // What the server said last is passed on before its end is noticed.
        let down = self.to_client.poll(
            cx,
            |cx, room| server.poll_bytes(cx, room),
            |cx, bytes| client.poll_send(cx, bytes),
        );
        let up = self.to_server.poll(
            cx,
            |cx, room| client.poll_bytes(cx, room),
            |cx, bytes| server.poll_send(cx, bytes),
        );
        // What is held back by encryption goes with the next bytes at the latest, and is pushed as far as it goes now.
        let pushed = client.push(cx).is_ok() && !matches!(server.poll_flush(cx), Poll::Ready(Err(_)));
        if down.is_ready() || up.is_ready() || !pushed {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn cancel(&self) {
        let token = self.server.cancel_token();
        let tasks = &self.door.pools.common().tasks;
        tasks.spawn_short(Stage::Flow, "cancel", async move {
            // A server that is gone needs no cancel.
            let _ = token.cancel().await;
        });
    }
}

/// Bytes on the way in one direction.
struct Pipe {
    held: BytesMut,
    room: Box<[u8]>,
}

impl Pipe {
    fn holding(held: BytesMut) -> Self {
        Self {
            held,
            room: vec![0; BUFFER_BYTES].into_boxed_slice(),
        }
    }

    /// Passes on what there is; no more is read before all of it was taken. Ready: one side is at its end.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>,
        mut write: impl FnMut(&mut Context<'_>, &[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<()> {
        loop {
            while !self.held.is_empty() {
                match std::task::ready!(write(cx, &self.held)) {
                    Ok(count @ 1..) => drop(self.held.split_to(count)),
                    _ => return Poll::Ready(()),
                }
            }
            match std::task::ready!(read(cx, &mut self.room)) {
                Ok(count @ 1..) => self.held.extend_from_slice(self.room.get(..count).unwrap_or_default()),
                _ => return Poll::Ready(()),
            }
        }
    }
}
