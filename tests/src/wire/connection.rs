//! One connection: log-in, sending, receiving, and every way to leave it.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use weir_pgwire::backend::{Authentication, Message, tag};
use weir_pgwire::frontend::{self, ProtocolVersion};
use weir_pgwire::{Frame, Scan, WireError, scan};

use super::address::Address;
use super::fault::{Fault, ServerError};
use super::scram::{MECHANISM, Scram};

/// Longer than any frame of a test. What says it is longer is not a frame.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const READ_BYTES: usize = 8 * 1024;

/// A frame that came.
#[derive(Debug, Clone)]
pub struct Received {
    /// What kind of frame it is.
    pub tag: u8,
    body: Bytes,
}

impl Received {
    /// Its body, as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What it says.
    pub fn message(&self) -> Result<Message<'_>, WireError> {
        Message::parse(Frame {
            tag: self.tag,
            body: &self.body,
        })
    }
}

/// What a cancel request has to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CancelKey {
    process_id: i32,
    secret: Vec<u8>,
}

impl CancelKey {
    /// Asks for a cancel and waits until the other side has closed the connection, which PostgreSQL does after it has
    /// sent the signal.
    pub async fn cancel(&self, address: &Address) -> Result<(), Fault> {
        let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        let mut out = BytesMut::new();
        frontend::cancel_request(&mut out, self.process_id, &self.secret)?;
        stream.write_all(&out).await?;
        let mut nothing = [0; 16];
        while stream.read(&mut nothing).await? > 0 {}
        Ok(())
    }
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    inbox: BytesMut,
    key: CancelKey,
}

impl Connection {
    /// Connects and logs in; `parameters` are further start-up parameters.
    pub async fn open(address: &Address, parameters: &[(&str, &str)]) -> Result<Self, Fault> {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self {
            stream,
            inbox: BytesMut::new(),
            key: CancelKey::default(),
        };
        let mut out = BytesMut::new();
        let who = [("user", address.user.as_str()), ("database", &address.database)];
        let all = who.into_iter().chain(parameters.iter().copied());
        frontend::startup(&mut out, ProtocolVersion::V3_0, all)?;
        connection.send(&out).await?;
        connection.log_in(&address.password).await?;
        Ok(connection)
    }

    /// What a cancel request for this connection has to show.
    pub const fn cancel_key(&self) -> &CancelKey {
        &self.key
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// The next frame.
    pub async fn receive(&mut self) -> Result<Received, Fault> {
        loop {
            let missing = match scan(&self.inbox, |_| BODY_BYTES_MAX)? {
                Scan::Whole(frame) => {
                    let tag = frame.tag;
                    let mut whole = self.inbox.split_to(frame.bytes());
                    let body = whole.split_off(whole.len().min(5)).freeze();
                    self.forget_empty_inbox();
                    return Ok(Received { tag, body });
                }
                Scan::Part { missing, .. } => missing,
            };
            self.inbox.reserve(missing.max(READ_BYTES));
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(Fault::Closed);
            }
        }
    }

    /// Ten thousand idle clients must not hold a buffer each.
    fn forget_empty_inbox(&mut self) {
        if self.inbox.is_empty() {
            self.inbox = BytesMut::new();
        }
    }

    /// Reads raw bytes, whatever they mean, and throws them away.
    pub async fn skip(&mut self, bytes_max: usize) -> Result<usize, Fault> {
        let mut seen = vec![0; bytes_max];
        Ok(self.stream.read(&mut seen).await?)
    }

    /// Leaves in good order.
    pub async fn close(mut self) -> Result<(), Fault> {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        self.send(&out).await?;
        Ok(self.stream.shutdown().await?)
    }

    /// Leaves without a word, as a program that is killed: the other side gets a reset.
    pub fn abort(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    async fn log_in(&mut self, password: &str) -> Result<(), Fault> {
        let mut scram = Scram::new()?;
        loop {
            let received = self.receive().await?;
            match received.message()? {
                Message::Authentication(asked) => {
                    let mut out = BytesMut::new();
                    answer(&mut scram, password, asked, &mut out)?;
                    self.send(&out).await?;
                }
                Message::BackendKeyData(data) => {
                    self.key = CancelKey {
                        process_id: data.process_id,
                        secret: data.key.to_vec(),
                    };
                }
                Message::ErrorResponse(fields) => return Err(Fault::Refused(ServerError::of(&fields))),
                Message::ReadyForQuery(_) => return Ok(()),
                _ if [tag::PARAMETER_STATUS, tag::NOTICE_RESPONSE].contains(&received.tag) => {}
                other => return Err(Fault::Login(format!("{other:?} does not belong there"))),
            }
        }
    }
}

fn answer(scram: &mut Scram, password: &str, asked: Authentication<'_>, out: &mut BytesMut) -> Result<(), Fault> {
    match asked {
        Authentication::Ok => {}
        Authentication::Sasl(_) => frontend::sasl_initial_response(out, MECHANISM, scram.first().as_bytes())?,
        Authentication::SaslContinue(challenge) => {
            frontend::sasl_response(out, scram.answer(password, challenge)?.as_bytes())?;
        }
        Authentication::SaslFinal(last) => scram.verify(last)?,
        Authentication::CleartextPassword => frontend::password(out, password.as_bytes())?,
        other => return Err(Fault::Login(format!("{other:?} is not spoken here"))),
    }
    Ok(())
}
