//! How a session comes by a server, leaves it in order, and goes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;
use weir_pgwire::backend::TransactionStatus;
use weir_pgwire::frontend;
use weir_runtime::Stage;
use weir_sql::Statement;

use super::client_side::{ClientSide, Pending, Unread};
use super::expect::Expected;
use super::following::Look;
use super::journal::pin;
use super::link::Link;
use super::refusal::Refusal;
use super::seat::{CANCEL, Doing, KILL, LEAVE, OVERDUE};
use super::session::{Broken, Found, Lined, Session, Turn};
use crate::error::Error;
use crate::pool::{Lease, LinedUp, Pool, Served, Unanswered};
use crate::profile::{Setting, literal};
use crate::settings::PoolMode;
use crate::tap::Outcome;

/// What a client may send while it waits for a server.
const INBOUND_WAITING_MAX: usize = 64 * 1024;
/// Time for the last words to a client that leaves, and for what it has not taken yet.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(3);
/// PostgreSQL's words for a statement that its user cancelled.
const CANCELLED: &str = "canceling statement due to user request";

/// How the wait for a server ended without one.
pub(super) enum Waited {
    For(Result<Lease, Error>),
    Cancelled,
    ClientGone,
}

impl Session {
    /// Takes a server whose session fits as it is, or a place in the line. Nothing is waited for.
    pub(super) fn line_up(&mut self, request: &[u8]) -> Lined {
        self.me.follow_primary();
        self.me.route(request);
        let me = &self.me;
        if !me.has_paid() {
            return Lined::TakesTime;
        }
        match me
            .destination()
            .line_up(&me.origin.project, me.weight, &me.profile, me.now)
        {
            LinedUp::Served(lease) => self.use_lease(lease, Duration::ZERO),
            LinedUp::Waiting(ticket) => {
                self.ticket = Some(ticket);
                self.me.does(Doing::Waiting);
                Lined::Waits
            }
            LinedUp::MayOpen(right) => {
                self.found = Some(Found::Right(right));
                Lined::TakesTime
            }
            LinedUp::Otherwise => Lined::TakesTime,
        }
    }

    fn use_lease(&mut self, mut lease: Lease, waited: Duration) -> Lined {
        let fits = lease
            .server()
            .is_some_and(|server| server.profile().id() == self.me.profile.id());
        if fits && !self.me.must_say_begin_first() {
            self.belong(lease, waited);
            return Lined::Linked;
        }
        self.found = Some(Found::Lease(lease));
        Lined::TakesTime
    }

    /// Looks whether it is this session's turn. A client that goes meanwhile leaves the line.
    pub(super) fn wait_in_line(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<Turn>>, Broken> {
        let Some(ticket) = &mut self.ticket else {
            return Ok(Poll::Ready(None));
        };
        let Poll::Ready(served) = ticket.poll(cx) else {
            return match self.me.poll_presence(cx) {
                Poll::Ready(_) => Err(Broken::Client),
                Poll::Pending => Ok(Poll::Pending),
            };
        };
        let waited = self.me.now.duration_since(ticket.since());
        self.ticket = None;
        self.me.pool.waited(waited);
        let lined = match served {
            Served::Lease(lease) => self.use_lease(lease, waited),
            Served::MayOpen(right) => {
                self.found = Some(Found::Right(right));
                Lined::TakesTime
            }
            Served::Nothing => Lined::TakesTime,
        };
        Ok(Poll::Ready(matches!(lined, Lined::TakesTime).then_some(Turn::Link)))
    }

    /// Leaves the line, because the client wants no more or has waited too long.
    pub(super) fn give_up_waiting(&mut self, overdue: bool) {
        let Some(ticket) = self.ticket.take() else { return };
        let waited = self.me.now.duration_since(ticket.since());
        self.me.pool.waited(waited);
        let refusal = if overdue {
            let error = self.me.pool.timed_out(waited);
            Refusal::from(&self.me.door.witness.explain(&self.me.pool, error))
        } else {
            Refusal::new("57014", CANCELLED)
        };
        drop(ticket);
        self.me.refuse_request(&refusal);
        self.me.does(Doing::Idle);
    }

    /// Waits for a server, and makes its session look as the client's. Where a link exists already, that alone.
    pub(super) async fn find_server(&mut self) {
        let begun = self.me.now;
        if let Some(unpaid) = self.pay().await {
            return self.end_wait(unpaid);
        }
        if self.link.is_some() && !self.must_wear() {
            self.me.look_at_clock();
            return self.me.does(Doing::Idle);
        }
        loop {
            let (found, was_linked) = match self.link.take() {
                // The session of a connection that is kept was emptied.
                Some(link) => (Waited::For(Ok(link.into_lease())), true),
                None => (self.wait_for_server().await, false),
            };
            let ended = match found {
                Waited::For(Ok(lease)) => self.fit(lease, begun).await,
                Waited::For(Err(error)) => Err(error),
                other => break self.end_wait(other),
            };
            let Err(error) = ended else { break };
            if self.me.gives_up_replica(&error) {
                continue;
            }
            let look = if was_linked {
                Look::Enough
            } else {
                self.look_on(&error, begun).await
            };
            match look {
                Look::Again => {}
                Look::Cancelled => break self.end_wait(Waited::Cancelled),
                Look::Enough => break self.end_wait(Waited::For(Err(error))),
            }
        }
        self.me.look_at_clock();
        if self.link.as_ref().is_none_or(|link| !link.is_fresh) {
            self.me.does(Doing::Idle);
        }
    }

    async fn wait_for_server(&mut self) -> Waited {
        match self.found.take() {
            Some(Found::Lease(lease)) => return Waited::For(Ok(lease)),
            Some(Found::Right(right)) => return Waited::For(right.open().await),
            None => {}
        }
        self.me.follow_primary();
        self.me.does(Doing::Waiting);
        let (pool, project, profile) = (
            self.me.destination().clone(),
            self.me.origin.project.clone(),
            self.me.profile.clone(),
        );
        let timeout = pool.common.live().acquire_timeout;
        let mut lease = pin!(pool.acquire(&project, self.me.weight, &profile, timeout));
        poll_fn(|cx| {
            if let Poll::Ready(lease) = lease.as_mut().poll(cx) {
                return Poll::Ready(Waited::For(lease));
            }
            self.me.poll_interruption(cx)
        })
        .await
    }

    /// No server could be had, and what asked for one is refused.
    pub(super) fn end_wait(&mut self, waited: Waited) {
        self.me.look_at_clock();
        match waited {
            Waited::For(Ok(_)) => {}
            Waited::For(Err(error)) => {
                let error = self.me.door.witness.explain(&self.me.pool, error);
                self.me.refuse_request(&Refusal::from(&error));
                self.me.ends |= matches!(error, Error::Stopping);
            }
            Waited::Cancelled => self.me.refuse_request(&Refusal::new("57014", CANCELLED)),
            Waited::ClientGone => self.me.ends = true,
        }
        self.me.does(Doing::Idle);
    }

    /// Makes a server's session look as the client's, and begins the transaction that waits for it.
    async fn fit(&mut self, mut lease: Lease, begun: Instant) -> Result<(), Error> {
        let profile = self.me.profile.clone();
        let changes = lease
            .server()
            .is_some_and(|server| server.profile().id() != profile.id());
        if changes {
            self.me.pool.common.metrics.session_changes.with(["switch"]).inc();
            lease.wear(&profile).await.inspect_err(|_| lease.needs_reset())?;
        }
        if let Some(text) = self.me.begin_to_say_first() {
            let connection = lease.connection().ok_or(Error::Stopping)?;
            let limit = self.me.pool.common.live().connect_timeout;
            let said = tokio::time::timeout(limit, connection.simple_query(&text)).await;
            said.map_err(|_| self.me.pool.silent(limit))??;
            self.me.pending = Pending::Idle;
            if let Some(reader) = &mut self.me.reader {
                reader.begins(&text);
            }
            if let Some(copying) = &mut self.me.copying {
                copying.begun(&text);
            }
            self.me.look_at_clock();
            self.belong(lease, self.me.now.duration_since(begun));
            if let Some(link) = &mut self.link {
                link.status = TransactionStatus::InTransaction;
            }
            return Ok(());
        }
        self.me.look_at_clock();
        self.belong(lease, self.me.now.duration_since(begun));
        Ok(())
    }

    /// The session has this server from now on. A transaction that was only begun begins with its first statement.
    fn belong(&mut self, mut lease: Lease, waited: Duration) {
        if let Some(connection) = lease.connection() {
            connection.begin_forwarding();
            self.me.journal.note_encoding(connection.reads_ascii());
        }
        let number = lease.server().map_or(0, |server| server.number());
        let mut link = Link::new(lease, waited);
        link.reading = self.me.reader.as_mut().and_then(|reader| reader.begin());
        if let Some(memory) = &mut self.me.recollection {
            if let Some(connection) = link.lease.connection() {
                memory.links(connection);
            }
            // What a replica answers is as of another moment than the one that was noted.
            link.fill = memory.take_miss().filter(|_| link.reading.is_none());
        }
        if let Pending::Begun(text) = &self.me.pending {
            // It came in a frame, so it fits one.
            let _ = frontend::query(&mut link.to_server, text);
            link.expect(Expected::HideQuery);
            if let Some(copying) = &mut self.me.copying {
                copying.begun(text);
            }
            self.me.pending = Pending::Idle;
        }
        self.link = Some(link);
        self.me.holds(number);
    }

    /// Puts in order what the last transaction left, while the server is at rest.
    pub(super) async fn settle(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        for cancel in link.cancels.drain(..) {
            // Dropped or sent, it has arrived.
            let _ = cancel.await;
        }
        if let Some(connection) = link.lease.connection() {
            connection.left_at(link.status);
        }
        let settled = self.me.settle(&mut link).await;
        self.me.look_at_clock();
        match settled {
            Ok(After::Keep) => {
                if let Some(connection) = link.lease.connection() {
                    connection.begin_forwarding();
                }
                self.link = Some(link);
            }
            Ok(After::GiveBack) => {}
            Ok(After::Reset) => {
                self.me.pool.common.metrics.session_changes.with(["reset"]).inc();
                link.lease.needs_reset();
            }
            Ok(After::Close) => link.lease.discard("dirty"),
            // The client has its answer; the next request will find another server.
            Err(_) => link.lease.discard("broken"),
        }
        if self.link.is_none() {
            self.me.lets_go();
        }
    }

    /// The session ends: what it holds is given back or closed, whichever is right.
    pub(super) async fn leave(&mut self) {
        // A server that was found and not used goes back as it came.
        self.found = None;
        self.ticket = None;
        if let Some(link) = self.link.take() {
            self.me.part_from(*link);
        }
        let door = &self.me.door;
        door.seats.leave(self.me.seat.id, &door.witness.ledger);
        let goodbye = async {
            // Nobody may be there to hear it.
            let _ = self.me.stream.write_all(&self.me.outbound).await;
            let _ = self.me.stream.shutdown().await;
        };
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, goodbye).await;
    }
}

/// What becomes of a server after its session was put in order.
enum After {
    Keep,
    GiveBack,
    /// Everything in its session is forgotten first.
    Reset,
    /// Something is left that nothing but the end removes.
    Close,
}

impl ClientSide {
    /// Whether the transaction that waits has to be begun, and that answered, before its first statement is sent:
    /// what a plain BEGIN asks for cannot fail.
    fn must_say_begin_first(&self) -> bool {
        self.begin_to_say_first().is_some()
    }

    fn begin_to_say_first(&self) -> Option<Box<str>> {
        const PLAIN: [&str; 4] = ["begin", "begin transaction", "begin work", "start transaction"];
        let Pending::Begun(text) = &self.pending else {
            return None;
        };
        let words = text.trim_end_matches([';', ' ', '\n', '\t']);
        let is_plain = PLAIN.iter().any(|plain| words.eq_ignore_ascii_case(plain));
        (!is_plain).then(|| text.clone())
    }

    /// Notices while waiting that it is no longer to be waited.
    pub(super) fn poll_interruption(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        self.seat.listen(cx.waker());
        let wishes = self.seat.wishes();
        if wishes & (CANCEL | OVERDUE) != 0 {
            return Poll::Ready(Waited::Cancelled);
        }
        if wishes & (KILL | LEAVE) != 0 {
            return Poll::Ready(Waited::For(Err(Error::Stopping)));
        }
        self.poll_presence(cx)
    }

    /// Notices while waiting that the client has gone; what it sends meanwhile is kept.
    fn poll_presence(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        let mut room = [0; 4096];
        while self.inbound.len() < INBOUND_WAITING_MAX {
            match self.stream.poll_bytes(cx, &mut room) {
                Poll::Ready(Ok(count @ 1..)) => {
                    self.inbound.extend_from_slice(room.get(..count).unwrap_or_default());
                }
                Poll::Ready(_) => return Poll::Ready(Waited::ClientGone),
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }

    async fn settle(&mut self, link: &mut Link) -> Result<After, Error> {
        self.read_long_ones(link).await;
        if link.status != TransactionStatus::Idle {
            return Ok(After::Keep);
        }
        let limit = self.pool.common.live().connect_timeout;
        let asked = tokio::time::timeout(limit, self.ask_what_is_left(link)).await;
        asked.map_err(|_| self.pool.silent(limit))??;
        Ok(self.after(link))
    }

    /// Asks the server what could not be seen from outside.
    async fn ask_what_is_left(&mut self, link: &mut Link) -> Result<(), Error> {
        if std::mem::take(&mut self.journal.unlocked) && self.journal.pins & pin::ADVISORY_LOCK != 0 {
            self.look_for_locks(link).await?;
        }
        let calls = std::mem::take(&mut self.journal.calls);
        if !calls.is_empty() && self.pool.is_suspect(&mut link.lease, &calls).await? {
            self.journal.opaque = true;
        }
        if !self.to_ask.is_empty() {
            self.ask_settings(link).await?;
        }
        Ok(())
    }

    /// Whether the server is kept, and what has to be done before it is anybody else's.
    fn after(&mut self, link: &mut Link) -> After {
        if self.counts_as_pinned() {
            return After::Keep;
        }
        let dirty = std::mem::take(&mut self.lost_track) | std::mem::take(&mut self.journal.opaque);
        if std::mem::take(&mut self.journal.is_seeded) {
            return After::Close;
        }
        if dirty || std::mem::take(&mut link.has_foreign_names) || std::mem::take(&mut self.was_pinned) {
            return After::Reset;
        }
        After::GiveBack
    }

    /// Whether the server is kept; the first time, why is counted.
    fn counts_as_pinned(&mut self) -> bool {
        if self.journal.pins != 0 && !std::mem::replace(&mut self.was_pinned, true) {
            for (_, name) in pin::NAMES.iter().filter(|(bit, _)| self.journal.pins & bit != 0) {
                self.pool.common.metrics.pins.with([name]).inc();
            }
        }
        self.mode == PoolMode::Session || self.journal.pins != 0
    }

    /// Reads the statements that were too long to be read before they were sent.
    async fn read_long_ones(&mut self, link: &mut Link) {
        for Unread { mut ongoing, in_block } in std::mem::take(&mut self.unread) {
            let text = ongoing.long_text.take().unwrap_or_default();
            let statement: Arc<Statement> = self.door.shapes.read(&text).await;
            ongoing.statement = statement;
            let failed = ongoing.sqlstate != [0; 5];
            self.journal.note(&ongoing.statement, in_block, failed);
            self.tell_ended(&ongoing);
            if link.status == TransactionStatus::Idle
                && let Some(server) = link.lease.server()
            {
                self.transaction_ended(!failed, server);
            }
        }
    }

    async fn look_for_locks(&mut self, link: &mut Link) -> Result<(), Error> {
        const HELD: &str = "select exists (select from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid())";
        let Some(connection) = link.lease.connection() else {
            return Ok(());
        };
        let held = first_texts(connection.simple_query(HELD).await?);
        if held.first().is_some_and(|held| held.as_deref() == Some("f")) {
            self.journal.pins &= !pin::ADVISORY_LOCK;
        }
        Ok(())
    }

    /// Asks the server for the values of settings that were made where nobody could follow.
    async fn ask_settings(&mut self, link: &mut Link) -> Result<(), Error> {
        let mut names = std::mem::take(&mut self.to_ask);
        names.sort();
        names.dedup();
        let columns: Vec<String> = names
            .iter()
            .map(|name| format!("pg_catalog.current_setting({},true)", literal(name)))
            .collect();
        let question = format!("select {}", columns.join(","));
        let Some(server) = link.lease.server() else {
            return Ok(());
        };
        let values = first_texts(server.connection().simple_query(&question).await?);
        let profiles = &self.pool.common.profiles;
        let mut profile = self.profile.clone();
        for (name, value) in names.iter().zip(values) {
            profile = match value {
                Some(value) => profiles.with(&profile, name, Setting::Value(value.into())),
                None => profiles.without(&profile, name),
            };
        }
        server.wears(profile.clone());
        self.become_profile(profile);
        Ok(())
    }

    /// The client has gone, or has to go, and leaves this behind.
    pub(super) fn part_from(&mut self, mut link: Link) {
        let mut broke_off = !link.is_in_step();
        let unanswered = Unanswered {
            requests: link.expected.requests(),
            begun: std::mem::take(&mut link.from_server),
            skip: link.skip_to_client,
        };
        for expected in link.expected.drain() {
            if let Expected::Query(mut ongoing) | Expected::Execute(mut ongoing) = expected {
                ongoing.sqlstate = *b"57014";
                self.tell(&ongoing, Outcome::Cancelled);
                broke_off = true;
            }
        }
        if broke_off || self.journal.is_seeded || self.journal.pins & pin::LOAD != 0 {
            return link.lease.abandon(unanswered);
        }
        let dirty = self.journal.pins != 0
            || self.was_pinned
            || self.journal.opaque
            || self.lost_track
            || !self.to_ask.is_empty()
            || !self.unread.is_empty()
            || !self.journal.calls.is_empty()
            || link.has_foreign_names
            || self.mode == PoolMode::Session;
        let tasks = self.pool.common.tasks.clone();
        let limit = self.pool.common.live().connect_timeout;
        tasks.spawn_short(Stage::Flow, "tidy up", async move {
            for cancel in link.cancels.drain(..) {
                let _ = cancel.await;
            }
            tidy_up(link, dirty, limit).await;
        });
    }
}

/// Ends the transaction that a client left open, and gives the server back.
async fn tidy_up(mut link: Link, dirty: bool, limit: Duration) {
    let Some(connection) = link.lease.connection() else {
        return;
    };
    connection.left_at(link.status);
    if link.status != TransactionStatus::Idle {
        let ended = tokio::time::timeout(limit, connection.simple_query("ROLLBACK")).await;
        if !matches!(ended, Ok(Ok(_))) {
            return link.lease.discard("broken");
        }
    }
    if dirty {
        link.lease.needs_reset();
    }
}

impl Link {
    /// The server of a link that has nothing on the way.
    fn into_lease(mut self: Box<Self>) -> Lease {
        if let Some(connection) = self.lease.connection() {
            connection.left_at(self.status);
        }
        self.lease
    }
}

/// The values of the first row.
fn first_texts(rows: Vec<weir_upstream::Row>) -> Vec<Option<String>> {
    let Some(row) = rows.into_iter().next() else {
        return Vec::new();
    };
    row.values().map(|value| value.map(str::to_owned)).collect()
}

impl Pool {
    /// Whether any of these functions of the user's own may change its session.
    pub(super) async fn is_suspect(self: &Arc<Self>, lease: &mut Lease, calls: &[Box<str>]) -> Result<bool, Error> {
        let definitions = self.definitions();
        if let Some(verdict) = self.suspects(definitions, calls) {
            return Ok(verdict);
        }
        let Some(connection) = lease.connection() else {
            return Ok(true);
        };
        let rows = connection.simple_query(SUSPECTS).await?;
        let names = rows
            .iter()
            .filter_map(|row| row.values().next()?.map(Box::from))
            .collect();
        self.remember_suspects(definitions, names);
        Ok(self.suspects(definitions, calls).unwrap_or(true))
    }
}

/// Functions outside PostgreSQL's own that may change the session they run in, as far as their text tells; functions
/// that call such a function count too.
const SUSPECTS: &str = r"with recursive own as (
    select p.proname, l.lanname, pg_catalog.lower(p.prosrc) as source
    from pg_catalog.pg_proc p
    join pg_catalog.pg_language l on l.oid = p.prolang
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname not in ('pg_catalog', 'information_schema') and l.lanname not in ('internal', 'c')
), suspect(proname) as (
    select proname from own
    where lanname not in ('sql', 'plpgsql')
       or source ~ '(set_config|\mset\M|\mreset\M|\mtemp|advisory|\mlisten\M|\mprepare\M|\mexecute\M|dblink|setseed|\mdiscard\M|\mhold\M|\mload\M)'
    union
    select o.proname from own o join suspect s on pg_catalog.strpos(o.source, pg_catalog.lower(s.proname)) > 0
)
select proname from suspect";
