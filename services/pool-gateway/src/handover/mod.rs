//! Takes the ports over from the gateway that runs, and hands them over to the next one.
//!
//! The sockets are the same in both processes, so that no client is refused and none in the queue is lost. Nobody lets
//! go of anything before somebody else serves it: a process that does not become ready changes nothing. What becomes of
//! the sessions is not decided here: they end with their clients, or with the shutdown.

mod channel;
mod elder;
mod heir;
mod kin;
mod place;

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use weir_config::{Error as ConfigError, Origin};
use weir_runtime::{Ground, Listener, Release, Stage, StartError, adopt, bind};

use crate::client::{Door, Transactions};
use crate::settings::GatewaySettings;
use channel::Channel;
use elder::Elder;
use heir::Inheritance;
pub(crate) use kin::Kin;
use kin::{Link, Side};

/// The setting, and the name of its socket among those that are handed over.
const SETTING: &str = "gateway.handover";
/// What this process says of itself.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why doors cannot be taken over. One line that names the setting.
#[derive(Debug, thiserror::Error)]
enum HandoverError {
    #[error("setting gateway.handover: {path}: {reason}")]
    Place { path: String, reason: String },
    #[error("setting gateway.handover: {path} belongs to another user's process")]
    Stranger { path: String },
    #[error("setting gateway.handover: the running gateway does not hand over: {0}")]
    Refused(String),
    #[error("setting gateway.handover: the running gateway does not answer; it goes on as it is")]
    Silent,
    #[error("setting gateway.handover_timeout: not ready within {after:?} ({why}); the running gateway goes on")]
    NotReady { after: std::time::Duration, why: String },
}

/// Says for a process that runs several services that it hands nothing over.
pub(crate) fn refuse(settings: &GatewaySettings) -> Result<(), ConfigError> {
    if settings.handover.is_none() {
        return Ok(());
    }
    let reason = "only the gateway as a process of its own hands over: start pool-gateway, or unset it";
    Err(ConfigError::invalid(SETTING, Origin::File, reason))
}

/// The doors of a process that hands over, on the way from their predecessor to their successor.
pub(crate) struct Handover {
    path: PathBuf,
    release: Release,
    inheritance: Option<Inheritance>,
    /// The way to the process before.
    link: Option<Link>,
    /// What the next process is offered, by name.
    offers: Vec<(&'static str, OwnedFd)>,
    socket: Option<UnixListener>,
}

impl Handover {
    /// Asks the gateway that runs for its doors, if there is one.
    pub(crate) async fn begin(path: &Path, settings: &GatewaySettings) -> Result<Self, StartError> {
        Ok(Self {
            path: path.to_owned(),
            release: Release::default(),
            inheritance: heir::ask(path, settings.handover_timeout).await?,
            link: None,
            offers: Vec::new(),
            socket: None,
        })
    }

    /// A door: the inherited one if that is where the settings want it, else a new one.
    pub(crate) async fn door(
        &mut self,
        ground: &Ground,
        setting: &'static str,
        address: SocketAddr,
    ) -> Result<Listener, StartError> {
        let inherited = self.inheritance.as_mut().and_then(|it| it.take(setting));
        let adopted = match inherited {
            Some(socket) => adopt(ground, setting, address, socket.into())?,
            None => None,
        };
        let listener: TcpListener = match adopted {
            Some(listener) => listener,
            None => bind(ground, setting, address).await?,
        };
        self.offers.push((setting, listener.as_fd().try_clone_to_owned()?));
        Ok(Listener::new(listener, self.release.clone()))
    }

    /// Has the socket on which the next process will ask. To be called when the ports are there: who has them has it.
    pub(crate) fn settle(&mut self) -> Result<(), StartError> {
        let inherited = self.inheritance.as_mut().and_then(|it| it.take(SETTING));
        let socket = match inherited {
            Some(socket) => heir::unix_listener(socket),
            None => place::bind(&self.path),
        };
        let socket = socket.map_err(|error| wrong_place(&self.path, &error))?;
        self.offers.push((SETTING, socket.as_fd().try_clone_to_owned()?));
        self.socket = Some(socket);
        Ok(())
    }

    /// Waits until this process can serve, where another one serves until then.
    pub(crate) async fn until_ready(&mut self, ground: &Ground, door: &Door) -> Result<(), StartError> {
        let Some(inheritance) = &mut self.inheritance else {
            return Ok(());
        };
        inheritance.until_ready(ground).await?;
        door.kin.begin_calls_of_elder();
        if inheritance.has_channel() {
            self.link = Some(Link::new(Side::Elder, &door.kin));
        } else {
            door.kin.end_calls_of_elder(door.pools.common().members.now());
        }
        Ok(())
    }

    /// The doors serve: says so to the process before, and waits for the one after.
    pub(crate) fn carry_on(self, ground: &Ground, door: &Arc<Door>, transactions: Arc<Transactions>) {
        let Some(socket) = self.socket else { return };
        let elder = Elder {
            path: self.path,
            socket,
            offers: self.offers,
            release: self.release,
            ground: ground.clone(),
            door: door.clone(),
            transactions,
        };
        let before = self.inheritance.and_then(Inheritance::into_channel).zip(self.link);
        ground
            .tasks
            .spawn(Stage::Flow, "handover", |stop| elder.live(before, stop));
    }
}

fn wrong_place(path: &Path, reason: &dyn std::fmt::Display) -> HandoverError {
    HandoverError::Place {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// Sees that nobody but its own user's processes is on the other end.
fn check_kin(path: &Path, channel: &Channel) -> Result<(), HandoverError> {
    match channel.is_among_own() {
        Ok(true) => Ok(()),
        Ok(false) => Err(HandoverError::Stranger {
            path: path.display().to_string(),
        }),
        Err(error) => Err(wrong_place(path, &error)),
    }
}
