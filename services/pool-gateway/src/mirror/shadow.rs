//! A connection to the mirror, and how a transaction is done on it once more.

use std::future::poll_fn;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use lru::LruCache;
use tokio::time::Instant;
use weir_pgwire::backend::TransactionStatus;
use weir_pgwire::request::{self, BindHead};
use weir_pgwire::{WriteError, frontend};
use weir_upstream::{ConnectOptions, Connection, Error, Target};

use super::reply::Reply;
use super::transaction::{Answer, OK, Request, Step, Text, Transaction};
use crate::profile::Profile;
use crate::settings::GatewaySettings;

/// The name of the mirror's connections. Who comes in under it is not mirrored, so that no mirror mirrors itself.
pub(crate) const APPLICATION: &str = "weir mirror";
/// Types from here on are the user's own, and have other numbers in another database.
const FIRST_OWN_TYPE: u32 = 16_384;
/// What a mirror has over the time that a statement may take, to say that it took too long.
const GRACE: Duration = Duration::from_secs(2);
/// One read takes at most so much.
const READ_BYTES: usize = 32 * 1024;
/// What the buffer may keep for the next request.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was done to its end.
    Ran,
    /// The mirror answered otherwise in the middle of it; it was rolled back there.
    Diverged,
    /// Its session's settings could not be made there.
    Settings,
    /// A statement that was prepared earlier is outdated; nothing was done.
    Outdated,
}

/// What goes wrong with a connection. It is closed then.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Upstream(#[from] Error),
    #[error("the connection was lost: {0}")]
    Io(#[from] io::Error),
    #[error("it does not keep to the protocol")]
    OutOfStep,
    #[error("it answers nothing")]
    Silent,
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A session on the mirror.
#[derive(Debug)]
pub(super) struct Shadow {
    connection: Connection,
    profile: Arc<Profile>,
    baseline: Arc<Profile>,
    /// Statements prepared there, with their names.
    prepared: LruCache<u64, Arc<[u8]>>,
    /// Something may be left in its session that no profile knows of.
    is_dirty: bool,
    expires_at: Instant,
    limit: Duration,
    out: BytesMut,
    room: Box<[u8]>,
}

impl Shadow {
    pub(super) async fn open(
        target: &Target,
        settings: &GatewaySettings,
        baseline: Arc<Profile>,
    ) -> Result<Self, Error> {
        let limit = settings.mirror_statement_timeout;
        let options = ConnectOptions {
            timeout: Some(settings.connect_timeout),
            application_name: Some(APPLICATION.to_owned()),
            parameters: vec![("statement_timeout".to_owned(), limit.as_millis().to_string())],
            ..ConnectOptions::default()
        };
        let connection = Box::pin(Connection::connect(target, options)).await?;
        Ok(Self {
            connection,
            profile: baseline.clone(),
            baseline,
            prepared: LruCache::new(NonZeroUsize::new(settings.prepared_max).unwrap_or(NonZeroUsize::MIN)),
            is_dirty: false,
            expires_at: Instant::now() + settings.recycle_after,
            limit,
            out: BytesMut::new(),
            room: vec![0; READ_BYTES].into_boxed_slice(),
        })
    }

    /// Whether it may be used for another transaction.
    pub(super) fn is_fit(&mut self, settings: &GatewaySettings) -> bool {
        Instant::now() < self.expires_at
            && self.limit == settings.mirror_statement_timeout
            && self.connection.is_clean()
            && self.connection.is_quiet(&mut Context::from_waker(Waker::noop()))
    }

    /// Cancels what runs on it, and closes it.
    pub(super) async fn close(self) {
        if self.connection.is_broken() {
            // A mirror that is gone needs no cancel.
            let _ = tokio::time::timeout(GRACE, self.connection.cancel_token().cancel()).await;
        }
        self.connection.close().await;
    }

    /// Does a transaction. `tell` hears of each request how it went on the mirror.
    pub(super) async fn run(
        &mut self,
        transaction: &Transaction,
        tell: &(impl Fn(&Request, Answer) + Sync),
    ) -> Result<Fate, Broken> {
        match self.attempt(transaction, tell, true).await? {
            Fate::Outdated => self.attempt(transaction, tell, false).await,
            fate => Ok(fate),
        }
    }

    async fn attempt(
        &mut self,
        transaction: &Transaction,
        tell: &(impl Fn(&Request, Answer) + Sync),
        is_first: bool,
    ) -> Result<Fate, Broken> {
        if !self.wear(&transaction.profile).await? {
            return Ok(Fate::Settings);
        }
        self.is_dirty |= transaction.leaves_traces();
        let mut fate = Fate::Ran;
        if let Some(begin) = &transaction.begin
            && !self.control(begin).await?
        {
            fate = Fate::Diverged;
        }
        let mut requests = transaction.requests.iter().enumerate();
        while let Some((number, request)) = requests.next().filter(|_| fate == Fate::Ran) {
            if request.steps.is_empty() {
                continue;
            }
            let answer = self.ask(request).await?;
            if is_outdated(&answer) && is_first && number == 0 {
                // What was prepared before is forgotten, and all of it is begun anew.
                self.is_dirty = true;
                fate = Fate::Outdated;
                break;
            }
            tell(request, answer);
            let is_last = number + 1 == transaction.requests.len();
            if (answer.sqlstate == OK) != (request.answer.sqlstate == OK) && !is_last {
                fate = Fate::Diverged;
            }
        }
        self.tidy_up().await?;
        Ok(fate)
    }

    /// Leaves the session as the next transaction expects it.
    async fn tidy_up(&mut self) -> Result<(), Broken> {
        if self.connection.transaction_status() != TransactionStatus::Idle {
            self.control("ROLLBACK").await?;
        }
        if std::mem::take(&mut self.is_dirty) {
            self.prepared.clear();
            self.profile = self.baseline.clone();
            self.control("DISCARD ALL").await?;
        }
        Ok(())
    }

    /// Makes its session look as the client's did. False: the mirror cannot.
    async fn wear(&mut self, profile: &Arc<Profile>) -> Result<bool, Broken> {
        let Some(path) = self.profile.path_to(profile) else {
            return Ok(true);
        };
        let worn = self.control(&path).await?;
        if worn {
            self.profile = profile.clone();
        } else {
            self.is_dirty = true;
            self.tidy_up().await?;
        }
        Ok(worn)
    }

    /// Runs something of the gateway's own. False: the mirror refuses.
    async fn control(&mut self, sql: &str) -> Result<bool, Broken> {
        let asked = tokio::time::timeout(self.limit + GRACE, self.connection.simple_query(sql)).await;
        match asked {
            Err(_) => Err(Broken::Silent),
            Ok(Ok(_)) => Ok(true),
            Ok(Err(Error::Server(_))) if !self.connection.is_broken() => Ok(false),
            Ok(Err(error)) => Err(error.into()),
        }
    }

    /// Sends a request, and reads its answer to the end.
    async fn ask(&mut self, request: &Request) -> Result<Answer, Broken> {
        self.out.clear();
        let written = self.write(request)?;
        let begun = Instant::now();
        let reply = tokio::time::timeout(self.limit + GRACE, self.exchange()).await;
        let reply = reply.unwrap_or(Err(Broken::Silent))?;
        let took = begun.elapsed();
        if reply.sqlstate != OK {
            written.note_failure(&mut self.prepared, reply.parsed);
            self.is_dirty |= written.closes;
        }
        if self.out.capacity() > KEPT_BYTES_MAX {
            self.out = BytesMut::new();
        }
        Ok(Answer {
            sqlstate: reply.sqlstate,
            rows: reply.rows,
            took,
        })
    }

    fn write(&mut self, request: &Request) -> Result<Written, WriteError> {
        let mut written = Written::default();
        for step in &request.steps {
            match step {
                Step::Frame(frames) => self.out.extend_from_slice(frames),
                Step::Bind(text, frame) => self.write_bind(text, frame, &mut written)?,
            }
        }
        if !request.is_simple {
            frontend::sync(&mut self.out);
        }
        Ok(written)
    }

    fn write_bind(&mut self, text: &Text, frame: &[u8], written: &mut Written) -> Result<(), WriteError> {
        let name: &[u8] = if text.stays { &text.name } else { b"" };
        if !text.stays {
            request::put_parse(&mut self.out, name, &text.sql, &portable(&text.types))?;
            written.parses.push(None);
        } else if self.prepared.get(&text.id).is_none() {
            if let Some((_, old)) = self.prepared.push(text.id, text.name.clone()) {
                request::put_close_statement(&mut self.out, &old)?;
                written.closes = true;
            }
            request::put_parse(&mut self.out, name, &text.sql, &portable(&text.types))?;
            written.parses.push(Some(text.id));
        }
        let body = frame.get(5..).unwrap_or_default();
        // It was read before it was kept.
        if let Ok(Some(head)) = BindHead::read(body) {
            request::put_bind_head(&mut self.out, body.len(), &head, name)?;
            self.out.extend_from_slice(body.get(head.bytes..).unwrap_or_default());
        }
        Ok(())
    }

    /// Sends what was written while it reads: a mirror that answers before it has heard all must not be waited for.
    async fn exchange(&mut self) -> Result<Reply, Broken> {
        self.connection.begin_forwarding();
        let mut reply = Reply::new();
        let ended = poll_fn(|cx| {
            loop {
                self.push(cx)?;
                match self.connection.poll_bytes(cx, &mut self.room)? {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(0) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())),
                    Poll::Ready(count) => {
                        let taken = reply.take(self.room.get(..count).unwrap_or_default());
                        taken.map_err(|_| Broken::OutOfStep)?;
                    }
                }
                if let Some(status) = reply.ended.filter(|_| self.out.is_empty()) {
                    return Poll::Ready(Ok::<_, Broken>(status));
                }
            }
        })
        .await?;
        self.connection.left_at(ended);
        Ok(reply)
    }

    fn push(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.connection.poll_send(cx, &self.out)? {
                Poll::Ready(count) => self.out.advance(count),
                Poll::Pending => break,
            }
        }
        match self.connection.poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }
}

/// What a request brings along that the client does not know of.
#[derive(Debug, Default)]
struct Written {
    /// The statements that it parses, those that stay with their numbers.
    parses: Vec<Option<u64>>,
    /// It closes one.
    closes: bool,
}

impl Written {
    /// An error made the mirror skip the rest: what stands behind so many statements was not prepared.
    fn note_failure(&self, prepared: &mut LruCache<u64, Arc<[u8]>>, parsed: usize) {
        for id in self.parses.iter().skip(parsed).flatten() {
            prepared.pop(id);
        }
    }
}

/// Whether the mirror complains of a statement that it prepared under other definitions.
const fn is_outdated(answer: &Answer) -> bool {
    matches!(&answer.sqlstate, b"0A000" | b"26000")
}

/// Types of parameters, where those of the user's own are left for the mirror to find out.
fn portable(types: &[u8]) -> Vec<u8> {
    let mut portable = types.to_vec();
    for oid in portable.as_chunks_mut::<4>().0 {
        if u32::from_be_bytes(*oid) >= FIRST_OWN_TYPE {
            *oid = [0; 4];
        }
    }
    portable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_types_are_for_the_mirror_to_find_out() {
        let types = [23_u32, 16_384, 90_000, 0].map(u32::to_be_bytes).concat();
        let found = portable(&types);
        assert_eq!(found, [23_u32, 0, 0, 0].map(u32::to_be_bytes).concat());
    }

    #[test]
    fn what_stands_behind_an_error_was_not_prepared() {
        let mut prepared = LruCache::new(NonZeroUsize::new(5).unwrap());
        for id in [1, 2, 3] {
            prepared.push(id, Arc::from(&b"name"[..]));
        }
        let written = Written {
            parses: vec![Some(1), None, Some(2), Some(3)],
            closes: false,
        };
        written.note_failure(&mut prepared, 3);
        assert_eq!(prepared.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 1]);
    }
}
