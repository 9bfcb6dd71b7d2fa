//! A client before it is let in: encryption, protocol, what it says of itself.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use weir_pgwire::hello::{Hello, HelloScan, Startup, hello};
use weir_pgwire::reply;

use super::Door;
use super::admission::{Applicant, Guest};
use super::refusal::Refusal;
use super::stream::ClientStream;
use crate::client::tls::names_postgresql;

/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// The newest minor version of the protocol that is spoken.
const MINOR_MAX: u16 = 2;
/// Parameters with this prefix are options of the protocol.
const PROTOCOL_OPTION: &[u8] = b"_pq_.";

/// A client that has not said who it is.
pub(super) struct Lobby {
    pub(super) stream: ClientStream,
    pub(super) inbound: BytesMut,
    pub(super) outbound: BytesMut,
    pub(super) peer: SocketAddr,
}

/// What a client says of itself.
#[derive(Debug, Default, Clone)]
pub(super) struct Introduction {
    pub(super) user: String,
    pub(super) database: String,
    pub(super) minor: u16,
    /// The settings it wants, in its order.
    pub(super) settings: Vec<(String, String)>,
    pub(super) options: Option<String>,
    /// What kind of replication it asks for.
    pub(super) replication: Option<String>,
}

/// Lets a client in, or says why not. `None`: there is no session.
pub(super) async fn admit(door: Arc<Door>, tcp: TcpStream, peer: SocketAddr) -> Option<Guest> {
    let limit = door.pools.common().live().login_timeout;
    let outcome = tokio::time::timeout(limit, come_in(&door, tcp, peer)).await;
    let (label, session) = match outcome {
        Ok(Ok(Some(session))) => ("accepted", Some(session)),
        Ok(Ok(None)) => return None,
        Ok(Err(())) | Err(_) => ("refused", None),
    };
    door.metrics.logins.with([label]).inc();
    session
}

/// `Ok(None)`: it wanted something else than a session. `Err`: it was refused, and knows why if it listens.
async fn come_in(door: &Arc<Door>, tcp: TcpStream, peer: SocketAddr) -> Result<Option<Guest>, ()> {
    let Some(stream) = greet(door, tcp).await? else {
        return Ok(None);
    };
    let lobby = Lobby {
        stream,
        inbound: BytesMut::new(),
        outbound: BytesMut::new(),
        peer,
    };
    let Some((lobby, introduction)) = lobby.listen(door).await? else {
        return Ok(None);
    };
    match Applicant::new(door.clone(), introduction).admit(lobby).await {
        Ok(guest) => Ok(Some(guest)),
        Err((lobby, refusal)) => {
            turn_away(lobby, &refusal).await;
            Err(())
        }
    }
}

/// Some clients encrypt from the first byte.
async fn greet(door: &Door, tcp: TcpStream) -> Result<Option<ClientStream>, ()> {
    let mut first = [0];
    // A client that connects and goes is a probe, and no refusal.
    if !matches!(tcp.peek(&mut first).await, Ok(1)) {
        return Ok(None);
    }
    match (&door.tls, first) {
        (Some(tls), [TLS_HANDSHAKE]) => {
            let encrypted = TlsAcceptor::from(tls.config.clone())
                .accept(tcp)
                .await
                .map_err(|_| ())?;
            if !names_postgresql(encrypted.get_ref().1) {
                return Err(());
            }
            Ok(Some(ClientStream::Tls(Box::new(encrypted))))
        }
        _ => Ok(Some(ClientStream::Tcp(tcp))),
    }
}

async fn turn_away(mut lobby: Lobby, refusal: &Refusal) {
    refusal.write("FATAL", &mut lobby.outbound);
    // It may not listen any more.
    let _ = lobby.flush().await;
    let _ = lobby.stream.shutdown().await;
}

impl Lobby {
    /// Hears what the client wants, and encrypts if it asks. `None`: no session.
    async fn listen(mut self, door: &Door) -> Result<Option<(Self, Introduction)>, ()> {
        loop {
            let heard = match hello(&self.inbound) {
                Ok(HelloScan::Part { .. }) => {
                    self.read().await?;
                    continue;
                }
                Ok(HelloScan::Whole { hello, bytes }) => Heard::of(hello, bytes),
                Err(error) => {
                    Refusal::new("08P01", error.to_string()).write("FATAL", &mut self.outbound);
                    self.flush().await?;
                    return Err(());
                }
            };
            match heard {
                Heard::Encrypt(bytes) => {
                    self.inbound.advance(bytes);
                    self = self.encrypt(door).await?;
                }
                Heard::EncryptByGss(bytes) => {
                    self.inbound.advance(bytes);
                    self.say(b"N").await?;
                }
                Heard::Cancel(process_id, key) => {
                    door.cancel(process_id, &key, self.peer).await;
                    door.metrics.logins.with(["cancel"]).inc();
                    return Ok(None);
                }
                Heard::Start(introduction, unknown, bytes) => {
                    self.inbound.advance(bytes);
                    self.negotiate(&introduction, &unknown)?;
                    return Ok(Some((self, *introduction)));
                }
            }
        }
    }

    async fn encrypt(mut self, door: &Door) -> Result<Self, ()> {
        let Some(tls) = door.tls.as_ref().filter(|_| !self.stream.is_encrypted()) else {
            self.say(b"N").await?;
            return Ok(self);
        };
        // What was sent in clear ahead of the handshake must not pass for something that came encrypted.
        if !self.inbound.is_empty() {
            return Err(());
        }
        self.say(b"S").await?;
        let stream = match self.stream {
            ClientStream::Tcp(tcp) => {
                let encrypted = TlsAcceptor::from(tls.config.clone())
                    .accept(tcp)
                    .await
                    .map_err(|_| ())?;
                ClientStream::Tls(Box::new(encrypted))
            }
            encrypted @ ClientStream::Tls(_) => encrypted,
        };
        Ok(Self { stream, ..self })
    }

    /// Tells a client that asks for more than is spoken what it gets.
    fn negotiate(&mut self, introduction: &Introduction, unknown: &[Vec<u8>]) -> Result<(), ()> {
        if introduction.minor <= MINOR_MAX && unknown.is_empty() {
            return Ok(());
        }
        let minor = u32::from(introduction.minor.min(MINOR_MAX));
        reply::negotiate_protocol_version(&mut self.outbound, minor, unknown).map_err(|_| ())
    }

    pub(super) async fn read(&mut self) -> Result<(), ()> {
        match self.stream.read_buf(&mut self.inbound).await {
            Ok(1..) => Ok(()),
            _ => Err(()),
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.outbound.extend_from_slice(bytes);
        self.flush().await
    }

    /// Sends what was written.
    pub(super) async fn flush(&mut self) -> Result<(), ()> {
        self.stream.write_all(&self.outbound).await.map_err(|_| ())?;
        self.outbound.clear();
        self.stream.flush().await.map_err(|_| ())
    }
}

/// A first frame, taken out of the buffer.
enum Heard {
    Encrypt(usize),
    EncryptByGss(usize),
    Cancel(i32, Vec<u8>),
    Start(Box<Introduction>, Vec<Vec<u8>>, usize),
}

impl Heard {
    fn of(hello: Hello<'_>, bytes: usize) -> Self {
        match hello {
            Hello::Ssl => Self::Encrypt(bytes),
            Hello::Gss => Self::EncryptByGss(bytes),
            Hello::Cancel { process_id, key } => Self::Cancel(process_id, key.to_vec()),
            Hello::Startup(startup) => {
                let (introduction, unknown) = Introduction::of(&startup);
                Self::Start(Box::new(introduction), unknown, bytes)
            }
        }
    }
}

/// Whether PostgreSQL reads this as false.
fn is_false(word: &str) -> bool {
    matches!(
        word.to_ascii_lowercase().as_str(),
        "false" | "off" | "no" | "0" | "f" | "n" | "of" | "fa" | "fal" | "fals"
    )
}

impl Introduction {
    fn of(startup: &Startup<'_>) -> (Self, Vec<Vec<u8>>) {
        let mut own = Self {
            minor: startup.minor,
            ..Self::default()
        };
        let mut unknown = Vec::new();
        for (name, value) in startup.parameters() {
            if name.starts_with(PROTOCOL_OPTION) {
                unknown.push(name.to_vec());
                continue;
            }
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let value = String::from_utf8_lossy(value).into_owned();
            match name.as_str() {
                "user" => own.user = value,
                "database" => own.database = value,
                "options" => own.options = Some(value),
                "replication" => own.replication = (!is_false(&value)).then_some(value),
                _ => own.settings.push((name, value)),
            }
        }
        if own.database.is_empty() {
            own.database.clone_from(&own.user);
        }
        (own, unknown)
    }
}
