//! Who may come in: asked as PostgreSQL would ask, and let in with a pool of its own role.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::time::Instant;
use weir_config::Profile as Environment;
use weir_model::{Coded as _, ErrorClass, Project};
use weir_pgwire::request::tag;
use weir_pgwire::{Scan, reply, scan};
use weir_proto::events::v1::Door as DoorKind;
use weir_upstream::{ConnectOptions, Connection, Credentials};

use super::Door;
use super::admin::{self, Console};
use super::clerk::APPLICATION;
use super::client_side::{ClientSide, Pending};
use super::crowd::Place;
use super::journal::Journal;
use super::lobby::{Introduction, Lobby};
use super::recalling::Recollection;
use super::refusal::Refusal;
use super::replication::Replication;
use super::seat::Who;
use super::session::Session;
use super::statements::Names;
use super::stream::ClientStream;
use super::trace;
use super::welcome::{self, client_settings};
use crate::client::login::{self, AUTH_QUERY, Found, Login, LookupError, Method, Random, Step, random};
use crate::client::tls::client_name;
use crate::error::Error;
use crate::firewall::{Guarded, ScopeKey, Stranger};
use crate::pool::Pool;
use crate::profile::Setting;
use crate::rules::{Caller, Policy};
use crate::settings::GatewaySettings;
use crate::tap::Origin;

/// How long it is remembered whether the server trusts a user.
const TRUST_LIVES_FOR: Duration = Duration::from_secs(10);
/// Users of whom it is remembered.
const TRUST_MAX: usize = 1_000;
/// Bytes of a cancel key: as PostgreSQL gives them, 4 to the old protocol and 32 to 3.2.
const KEY_BYTES: usize = 4;
const LONG_KEY_BYTES: usize = 32;
/// The minor version from which on keys may be long.
const LONG_KEY_MINOR: u16 = 2;
/// As much of a calling program's name as PostgreSQL keeps.
const APPLICATION_CHARS_MAX: usize = 63;

/// Whom the server trusts, as far as it was asked lately.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    known: Mutex<HashMap<(String, String), (bool, Instant)>>,
    /// Whoever asks the server holds it: those who come together share one question.
    asking: tokio::sync::Mutex<()>,
}

impl Trusted {
    fn recall(&self, who: &(String, String)) -> Option<bool> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (trusted, at) = known.get(who)?;
        (at.elapsed() < TRUST_LIVES_FOR).then_some(*trusted)
    }

    fn remember(&self, who: (String, String), trusted: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TRUST_MAX {
            known.clear();
        }
        known.insert(who, (trusted, Instant::now()));
    }
}

/// A client that has said who it is.
pub(super) struct Applicant {
    pub(super) door: Arc<Door>,
    pub(super) who: Introduction,
    begun: Instant,
}

/// Somebody who has been let in.
pub(super) enum Guest {
    Client(Box<Session>),
    Replication(Box<Replication>),
    Operator(Box<Console>),
}

/// What a client that is not let in is told, on the pipe that it has.
type TurnedAway = (Lobby, Refusal);

impl Applicant {
    pub(super) fn new(door: Arc<Door>, who: Introduction) -> Self {
        Self {
            door,
            who,
            begun: Instant::now(),
        }
    }

    /// Lets the client in, or says why not.
    pub(super) async fn admit(self, mut lobby: Lobby) -> Result<Guest, TurnedAway> {
        if self.who.database == admin::DATABASE {
            return match self.try_console(&mut lobby).await {
                Ok(()) => Ok(Guest::Operator(Box::new(Console::new(self.door, lobby)))),
                Err(refusal) => Err((lobby, refusal)),
            };
        }
        if let Some(kind) = self.who.replication.clone() {
            let replication = self.admit_replication(kind, lobby).await?;
            return Ok(Guest::Replication(Box::new(replication)));
        }
        match self.try_admit(&mut lobby).await {
            Ok(entry) => Ok(Guest::Client(self.seat(lobby, entry))),
            Err(refusal) => Err((lobby, refusal)),
        }
    }

    /// The console is for the gateway's own role, which may do all that the console does anyway.
    async fn try_console(&self, lobby: &mut Lobby) -> Result<(), Refusal> {
        let own = self.door.pools.common().target.user();
        if self.who.user != own {
            let said = format!("the console is for the role \"{own}\" only");
            return Err(Refusal::new("42501", said));
        }
        self.authenticate(lobby).await?;
        reply::authentication_ok(&mut lobby.outbound);
        Ok(())
    }

    /// Asks a client who it is, and looks whether there is room for it.
    pub(super) async fn let_in(&self, lobby: &mut Lobby) -> Result<LetIn, Refusal> {
        let who = &self.who;
        if who.user.is_empty() {
            let said = "no PostgreSQL user name specified in startup packet";
            return Err(Refusal::new("28000", said));
        }
        let settings = self.door.pools.common().live();
        if self.door.seats.len() >= settings.clients_max {
            return Err(Refusal::new(
                "53300",
                "sorry, too many clients already (gateway.clients_max)",
            ));
        }
        let (asked, wanted) = client_settings(who)?;
        let credentials = self.authenticate(lobby).await;
        let credentials = credentials.inspect_err(|refusal| self.note_refused(refusal, lobby, &settings))?;
        let sitter = self.sitter(asked, &settings, lobby.peer)?;
        let policy = settings.policy(&sitter.caller());
        let randomness = || random().map_err(|refusal| self.worded(&refusal));
        Ok(LetIn {
            credentials,
            wanted,
            key: key(who.minor, [randomness()?, randomness()?]),
            place: self.door.crowds.enter(policy.crowd.as_ref())?,
            sitter,
            policy,
        })
    }

    async fn try_admit(&self, lobby: &mut Lobby) -> Result<Entry, Refusal> {
        let who = &self.who;
        let let_in = self.let_in(lobby).await?;
        reply::authentication_ok(&mut lobby.outbound);
        let pool = self
            .door
            .pools
            .of(&who.database, &who.user)
            .map_err(|error| Refusal::from(&error))?;
        if who.user != self.door.pools.common().target.user() {
            pool.trust(let_in.credentials);
        }
        let profile = self.door.pools.common().profiles.of(let_in.wanted);
        let welcome = welcome::of(&self.door, &pool, &profile)
            .await
            .map_err(|error| self.refused(&error))?;
        Ok(Entry {
            sitter: let_in.sitter,
            policy: Arc::new(let_in.policy),
            place: let_in.place,
            pool,
            profile,
            welcome,
            key: let_in.key,
        })
    }

    /// Whose session it will be. Which project that is, the rules decide.
    fn sitter(&self, asked: Option<Project>, settings: &GatewaySettings, peer: SocketAddr) -> Result<Who, Refusal> {
        let who = &self.who;
        let application = who.settings.iter().find(|(name, _)| name == "application_name");
        let application = application.map_or("", |(_, value)| value.as_str());
        let application = trace::without(application);
        let application: String = application.chars().take(APPLICATION_CHARS_MAX).collect();
        let caller = Caller {
            database: &who.database,
            user: &who.user,
            application: &application,
            project: None,
        };
        let project = settings.project_of(caller, asked).map_err(|error| {
            self.door.guard.project_refused(Stranger {
                application: &application,
                ..self.stranger(&error.own, &peer.ip().to_string())
            });
            Refusal::from(&Error::from(error))
        });
        Ok(Who {
            project: project?,
            user: who.user.clone(),
            database: who.database.clone(),
            application,
            peer: peer.to_string(),
        })
    }

    /// Who was not let in is remembered for a while, unless nobody could be at present.
    fn note_refused(&self, refusal: &Refusal, lobby: &Lobby, settings: &GatewaySettings) {
        if !refusal.is_temporary() {
            let client = lobby.peer.ip().to_string();
            self.door
                .guard
                .login_failed(self.stranger(&settings.default_project, &client));
        }
    }

    fn stranger<'s>(&'s self, project: &'s Project, client: &'s str) -> Stranger<'s> {
        Stranger {
            project,
            database: &self.who.database,
            user: &self.who.user,
            application: "",
            client,
            door: DoorKind::Wire,
        }
    }

    /// The server's own word on why nobody may come in, or ours.
    pub(super) fn refused(&self, error: &Error) -> Refusal {
        if let Error::Upstream(weir_upstream::Error::Auth { .. }) = error {
            self.door
                .with_verifiers(|verifiers| verifiers.doubt(&self.who.user, self.begun));
        }
        Refusal::from(error)
    }

    async fn authenticate(&self, lobby: &mut Lobby) -> Result<Credentials, Refusal> {
        if self.may_trust(lobby) && self.is_trusted().await? {
            return Ok(Credentials::None);
        }
        let found = self.look_up().await;
        // A password would help nobody while the server is away.
        if let Err(refusal) = &found
            && refusal.is_temporary()
        {
            return Err(refusal.clone());
        }
        let method = self.method(lobby, found.as_ref())?;
        let is_cleartext = matches!(method, Method::Cleartext);
        let credentials = self.ask(lobby, method).await?;
        match found {
            Ok(found) => found.admits().map_err(|refusal| self.worded(&refusal))?,
            Err(_) if is_cleartext => self.try_upstream(credentials.clone()).await?,
            Err(refusal) => return Err(refusal),
        }
        Ok(credentials)
    }

    fn method(&self, lobby: &Lobby, found: Result<&Found, &Refusal>) -> Result<Method, Refusal> {
        let end_point = self.door.tls.as_ref().and_then(|tls| tls.end_point.clone());
        let end_point = end_point.filter(|_| lobby.stream.is_encrypted());
        if let ClientStream::Tls(tls) = &lobby.stream
            && let Some(name) = client_name(tls.get_ref().1)
            && name == self.who.user
        {
            return Ok(Method::Certificate);
        }
        match found {
            Ok(found) => Ok(found.method(&self.door.strangers, end_point)),
            // Without a verifier only the server can tell; the password is not asked for where others read along.
            Err(_) if lobby.stream.is_encrypted() || lobby.peer.ip().is_loopback() => Ok(Method::Cleartext),
            Err(refusal) => Err(refusal.clone()),
        }
    }

    /// Asks the client until it has proved who it is.
    async fn ask(&self, lobby: &mut Lobby, method: Method) -> Result<Credentials, Refusal> {
        let random = random().map_err(|refusal| self.worded(&refusal))?;
        let (mut login, mut step) = Login::begin(method, &self.who.user, random, &mut lobby.outbound);
        loop {
            match step {
                Step::Done(credentials) => return Ok(credentials),
                Step::Send => {
                    let body = next_answer(lobby).await?;
                    step = login.step(&body, &mut lobby.outbound).map_err(|refusal| {
                        self.door
                            .with_verifiers(|verifiers| verifiers.doubt(&self.who.user, self.begun));
                        self.worded(&refusal)
                    })?;
                }
            }
        }
    }

    fn worded(&self, refusal: &login::Refusal) -> Refusal {
        let worded = Refusal::new(refusal.sqlstate(), refusal.message(&self.who.user));
        match refusal.detail() {
            Some(detail) => worded.with_detail(detail),
            None => worded,
        }
    }

    /// What the server knows of the user.
    async fn look_up(&self) -> Result<Found, Refusal> {
        let (door, user) = (&self.door, &self.who.user);
        if let Some(found) = door.with_verifiers(|verifiers| verifiers.find(user, self.begun)) {
            return Ok(found);
        }
        self.check_breakers().map_err(|error| Refusal::from(&error))?;
        self.ask_clerk().await.map_err(|error| {
            if error.class() == ErrorClass::Unavailable {
                let members = &door.pools.common().members;
                members.failed_to_open(members.primary(), error.slug());
            }
            door.metrics.lookups.with(["failed"]).inc();
            tracing::warn!(error = %error, "a user's verifier could not be looked up");
            Refusal::new("28000", error.to_string())
        })
    }

    /// Nobody waits for servers that did not answer lately; the upkeep asks them all the time.
    fn check_breakers(&self) -> Result<(), Error> {
        let members = &self.door.pools.common().members;
        match members.readable().find(|member| member.heed_breaker().is_ok()) {
            Some(_) => Ok(()),
            None => members.primary().heed_breaker(),
        }
    }

    async fn ask_clerk(&self) -> Result<Found, LookupError> {
        let (door, user) = (&self.door, &self.who.user);
        let common = door.pools.common();
        let mut turn = door.clerk.turn(common).await?;
        if let Some(found) = door.with_verifiers(|verifiers| verifiers.find(user, self.begun)) {
            door.metrics.lookups.with(["shared"]).inc();
            return Ok(found);
        }
        let (asked_at, settings) = (Instant::now(), common.live());
        let query = settings.auth_query.as_deref().unwrap_or(AUTH_QUERY);
        let found = turn.look_up(common, query, user).await?;
        door.metrics.lookups.with(["asked"]).inc();
        door.with_verifiers(|verifiers| verifiers.keep(user, found.clone(), asked_at));
        Ok(found)
    }

    /// Whether a user whom the server trusts may be let in: in development, and on this machine only.
    fn may_trust(&self, lobby: &Lobby) -> bool {
        self.door.environment == Environment::Development && lobby.peer.ip().is_loopback()
    }

    /// An error where nobody can tell now; that is not remembered.
    async fn is_trusted(&self) -> Result<bool, Refusal> {
        let who = (self.who.user.clone(), self.who.database.clone());
        if let Some(trusted) = self.door.trusted.recall(&who) {
            return Ok(trusted);
        }
        let _turn = self.door.trusted.asking.lock().await;
        if let Some(trusted) = self.door.trusted.recall(&who) {
            return Ok(trusted);
        }
        let common = self.door.pools.common();
        self.check_breakers().map_err(|error| Refusal::from(&error))?;
        let trusted = match self.connect_as(Credentials::None).await {
            Ok(connection) => {
                let trusted = connection.was_trusted();
                connection.close().await;
                trusted
            }
            // It was let in before it was told that there is no such database.
            Err(weir_upstream::Error::Refused { server, .. }) if server.sqlstate == "3D000" => true,
            Err(weir_upstream::Error::Auth { .. }) => false,
            Err(error) => {
                let error = Error::Upstream(error);
                if error.class() == ErrorClass::Unavailable {
                    common.members.failed_to_open(common.members.primary(), error.slug());
                }
                return Err(Refusal::from(&error));
            }
        };
        self.door.trusted.remember(who, trusted);
        Ok(trusted)
    }

    async fn try_upstream(&self, credentials: Credentials) -> Result<(), Refusal> {
        match self.connect_as(credentials).await {
            Ok(connection) => {
                connection.close().await;
                Ok(())
            }
            Err(error) => Err(Refusal::from(&Error::Upstream(error))),
        }
    }

    async fn connect_as(&self, credentials: Credentials) -> Result<Connection, weir_upstream::Error> {
        let common = self.door.pools.common();
        let options = ConnectOptions {
            timeout: Some(common.live().connect_timeout),
            application_name: Some(APPLICATION.to_owned()),
            user: Some(self.who.user.clone()),
            credentials: Some(credentials),
            database: (self.who.database != admin::DATABASE).then(|| self.who.database.clone()),
            ..ConnectOptions::default()
        };
        let members = &common.members;
        let first = Connection::connect(&members.primary().target, options.clone()).await;
        // Who may come in is the same on all servers.
        let silent = first.as_ref().err().filter(|error| is_silence(error));
        let replica = silent.and_then(|_| members.readable().nth(1));
        let connection = match replica {
            Some(replica) => Connection::connect(&replica.target, options).await?,
            None => first?,
        };
        self.door.metrics.door_connections_opened.with(["proof"]).inc();
        Ok(connection)
    }

    fn seat(self, lobby: Lobby, entry: Entry) -> Box<Session> {
        let Lobby {
            stream,
            inbound,
            mut outbound,
            peer: lobby_peer,
        } = lobby;
        let (who, door) = (self.who, self.door);
        let (project, application) = (entry.sitter.project.clone(), entry.sitter.application.clone());
        let seat = door.seats.take(entry.key, entry.sitter, entry.policy.clone());
        entry.welcome.write(&entry.profile, &mut outbound);
        // A key of this length fits, whatever the protocol.
        let _ = reply::backend_key_data(&mut outbound, seat.id, seat.key());
        reply::ready_for_query(&mut outbound, weir_pgwire::backend::TransactionStatus::Idle);
        let upstream = &entry.pool.member.name;
        let origin = Origin::new(
            project.clone(),
            &who.database,
            &who.user,
            &application,
            upstream,
            DoorKind::Wire,
        );
        let key = ScopeKey {
            project: project.clone(),
            database: who.database.clone(),
            user: who.user,
        };
        let client = lobby_peer.ip().to_string();
        let guarded = Guarded::new(&door.guard, &key, &application, upstream, &client, DoorKind::Wire);
        guarded.hears(entry.welcome.value("is_superuser"));
        let profiles = &door.pools.common().profiles;
        let copying = door.copying(&seat);
        let recollection = door.cache.as_ref().and_then(|cache| {
            let asker = cache.asker(&project, &entry.pool.key.database, &entry.pool.key.user)?;
            Some(Recollection::new(cache, asker))
        });
        let me = ClientSide {
            pool: entry.pool,
            seat,
            stream,
            now: Instant::now(),
            inbound,
            to_drop: 0,
            outbound,
            blocked_since: None,
            origin,
            trace: trace::of_profile(&entry.profile),
            scope: profiles.scope_of(&entry.profile),
            first_profile: entry.profile.clone(),
            profile: entry.profile,
            names: Names::default(),
            journal: Journal::default(),
            to_ask: Vec::new(),
            lost_track: false,
            unread: Vec::new(),
            pending: Pending::Idle,
            reader: door.pools.common().members.are_several().then(Box::default),
            recollection,
            copying,
            guarded,
            mode: entry.policy.mode,
            weight: entry.policy.weight,
            purse: door.pools.budgets.purse(&project, entry.policy.rates).map(Box::new),
            place: entry.place,
            skips_to_sync: false,
            was_pinned: false,
            replays: false,
            ends: false,
            last: None,
            door,
        };
        Box::new(Session {
            me,
            link: None,
            ticket: None,
            found: None,
        })
    }
}

/// Whether nobody was there to say anything.
const fn is_silence(error: &weir_upstream::Error) -> bool {
    use weir_upstream::Error::{Io, Timeout, Unreachable};
    matches!(error, Unreachable { .. } | Timeout { .. } | Io { .. })
}

/// A client that may come in.
pub(super) struct LetIn {
    pub(super) credentials: Credentials,
    /// The settings it starts with.
    pub(super) wanted: Vec<(Box<str>, Setting)>,
    pub(super) sitter: Who,
    pub(super) policy: Policy,
    pub(super) place: Option<Place>,
    /// What a cancel request has to know.
    pub(super) key: Box<[u8]>,
}

/// What a client that is let in has.
struct Entry {
    sitter: Who,
    policy: Arc<Policy>,
    place: Option<Place>,
    pool: Arc<Pool>,
    profile: Arc<crate::profile::Profile>,
    welcome: welcome::Welcome,
    /// What a cancel request has to know.
    key: Box<[u8]>,
}

/// Waits for the client's next answer during the log-in.
async fn next_answer(lobby: &mut Lobby) -> Result<BytesMut, Refusal> {
    let gone = |()| Refusal::new("08006", "the client has gone");
    lobby.flush().await.map_err(gone)?;
    loop {
        let scanned = scan(&lobby.inbound, |_| login::BODY_BYTES_MAX);
        match scanned.map_err(|error| Refusal::new("08P01", error.to_string()))? {
            Scan::Whole(frame) if frame.tag == tag::PASSWORD => {
                let bytes = frame.bytes();
                let mut whole = lobby.inbound.split_to(bytes);
                whole.advance(bytes.min(5));
                return Ok(whole);
            }
            Scan::Whole(frame) => {
                let said = format!("expected password response, got message type {}", frame.tag);
                return Err(Refusal::new("08P01", said));
            }
            Scan::Part { .. } => lobby.read().await.map_err(gone)?,
        }
    }
}

/// A key that nobody guesses.
fn key(minor: u16, random: [Random; 2]) -> Box<[u8]> {
    let mut key = random.concat();
    key.truncate(if minor >= LONG_KEY_MINOR {
        LONG_KEY_BYTES
    } else {
        KEY_BYTES
    });
    key.into_boxed_slice()
}
