//! The door's own connection, on which it asks who may come in.
//!
//! It belongs to no pool, so that clients who hold every connection of theirs keep nobody from coming in. It is opened
//! when somebody is to be looked up, kept while that happens, and closed when nobody has come for a while. One question
//! is asked at a time; those who come together share the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout};
use weir_model::{Coded as _, ErrorClass};
use weir_upstream::{ConnectOptions, Connection};

use crate::client::login::{Found, LookupError, lookup};
use crate::metrics::Metrics;
use crate::pool::{Address, Common, Member};

/// What the door's own connections are called at the server.
pub(super) const APPLICATION: &str = "weir door";

/// Asks the server on behalf of the door.
#[derive(Debug, Default)]
pub(super) struct Clerk(Mutex<Option<Desk>>);

/// The connection, while there is one.
#[derive(Debug)]
struct Desk {
    connection: Connection,
    /// Where it leads.
    address: Arc<Address>,
    used_at: Instant,
    _shown: Shown,
}

/// The gauge says that it is there, until it is dropped.
#[derive(Debug)]
struct Shown(Arc<Metrics>);

impl Shown {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.door_connections.with([]).set(1.0);
        Self(metrics)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.door_connections.with([]).set(0.0);
    }
}

/// One's turn to ask.
#[derive(Debug)]
pub(super) struct Turn<'c>(MutexGuard<'c, Option<Desk>>);

impl Clerk {
    /// Waits until the questions of others are answered. Look again then whether one's own is among them.
    pub(super) async fn turn(&self, common: &Common) -> Result<Turn<'_>, LookupError> {
        let patience = common.live().connect_timeout;
        let turn = timeout(patience, self.0.lock()).await;
        turn.map(Turn).map_err(|_| too_slow(common, patience))
    }

    /// Closes the connection if nobody has used it for so long, or its server's name leads elsewhere now.
    pub(super) async fn rest(&self, idle: Duration) {
        // Whoever asks at this moment uses it.
        let Ok(mut desk) = self.0.try_lock() else { return };
        let is_spent = |desk: &Desk| desk.used_at.elapsed() >= idle || desk.address.is_left();
        if desk.as_ref().is_some_and(is_spent) {
            close(desk.take()).await;
        }
    }
}

impl Turn<'_> {
    /// What the server knows of a user.
    pub(super) async fn look_up(&mut self, common: &Common, query: &str, user: &str) -> Result<Found, LookupError> {
        let (mut desk, was_open) = match self.0.take() {
            Some(desk) if desk.connection.is_clean() && !desk.address.is_left() => (desk, true),
            spoilt => {
                close(spoilt).await;
                (open(common).await?, false)
            }
        };
        let mut found = desk.ask(common, query, user).await;
        // One that was open may have been lost since; the question can be asked twice.
        if was_open && matches!(&found, Err(error) if error.class() == ErrorClass::Unavailable) {
            close(Some(desk)).await;
            desk = open(common).await?;
            found = desk.ask(common, query, user).await;
        }
        if desk.connection.is_clean() {
            *self.0 = Some(desk);
        } else {
            close(Some(desk)).await;
        }
        found
    }
}

impl Desk {
    async fn ask(&mut self, common: &Common, query: &str, user: &str) -> Result<Found, LookupError> {
        self.used_at = Instant::now();
        let limit = common.live().connect_timeout;
        timeout(limit, lookup(&mut self.connection, query, user))
            .await
            .unwrap_or_else(|_| Err(too_slow(common, limit)))
    }
}

fn too_slow(common: &Common, after: Duration) -> LookupError {
    let place = common.members.primary().name.clone();
    LookupError::Upstream(weir_upstream::Error::Timeout { place, after })
}

/// Who may come in is the same on all servers: where the primary is away, a replica is asked.
async fn open(common: &Common) -> Result<Desk, LookupError> {
    let mut connected = connect(common, common.members.primary()).await;
    for replica in common.members.readable().skip(1) {
        if !matches!(&connected, Err(error) if error.class() == ErrorClass::Unavailable) {
            break;
        }
        connected = connect(common, replica).await;
    }
    let (connection, address) = connected.map_err(LookupError::from)?;
    common.metrics.door_connections_opened.with(["verifier"]).inc();
    Ok(Desk {
        connection,
        address,
        used_at: Instant::now(),
        _shown: Shown::new(common.metrics.clone()),
    })
}

async fn connect(common: &Common, member: &Member) -> Result<(Connection, Arc<Address>), weir_upstream::Error> {
    let options = ConnectOptions {
        timeout: Some(common.live().connect_timeout),
        application_name: Some(APPLICATION.to_owned()),
        ..ConnectOptions::default()
    };
    let connection = Box::pin(Connection::connect(&member.target, options)).await?;
    let address = member.addresses.opened(connection.address());
    Ok((connection, address))
}

async fn close(desk: Option<Desk>) {
    if let Some(desk) = desk {
        desk.connection.close().await;
    }
}
