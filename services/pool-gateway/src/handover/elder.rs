//! The process that hands over: it waits for one that asks, lets go when that one serves, and ends when its own callers
//! have gone.
//!
//! Until the other process serves nothing changes here, whatever becomes of it. Afterwards there is no way back.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_proto::gateway::v1::handover_message::Message;
use weir_proto::gateway::v1::{HandoverAsk, HandoverDoors, HandoverRefused, HandoverReleased};
use weir_runtime::{Ground, Release, Stage, TaskError, TaskResult};

use super::channel::{Channel, SOON};
use super::heir::{Parting, part};
use super::kin::{Link, Side};
use super::{VERSION, check_kin};
use crate::client::{Door, Transactions};

/// No process is waited for longer than this, whatever it asks for.
const PATIENCE_MAX: Duration = Duration::from_secs(3600);
/// How often it is looked whether everybody has gone,
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// and how often it is said who has not.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// How long accepting rests when it fails.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A process that serves, and hands over one day.
pub(super) struct Elder {
    pub(super) path: PathBuf,
    pub(super) socket: UnixListener,
    pub(super) offers: Vec<(&'static str, OwnedFd)>,
    pub(super) release: Release,
    pub(super) ground: Ground,
    pub(super) door: Arc<Door>,
    pub(super) transactions: Arc<Transactions>,
}

/// One who has asked.
struct Heir {
    channel: Channel,
    /// For requests that come here and are for sessions that it already has.
    link: Link,
    process_id: u32,
    version: String,
    patience: Duration,
}

/// How the time at the doors is over.
enum Ending {
    /// Somebody else serves.
    Serves(Heir),
    /// This process is to stop. Whether somebody has the sockets who goes on with them.
    Stopping { inherited: bool },
}

impl Elder {
    /// From the moment on that the doors serve, to the end of the process.
    pub(super) async fn live(self, before: Option<(Channel, Link)>, stop: CancellationToken) -> TaskResult {
        let ending = match before {
            Some((channel, link)) => self.take_leave_of(channel, link).await?,
            None => None,
        };
        match self.until_over(ending).await {
            Ending::Serves(heir) => self.hand_over(heir).await,
            Ending::Stopping { inherited } => self.close(inherited),
        }
        stop.cancelled().await;
        Ok(())
    }

    async fn until_over(&self, ending: Option<Ending>) -> Ending {
        let mut ending = ending;
        loop {
            match ending {
                Some(ending) => return ending,
                None => ending = self.wait_for_heir().await,
            }
        }
    }

    /// Nobody asks any more. The sockets close now and not with the process, or clients would wait at them in vain.
    fn close(self, inherited: bool) {
        if !inherited {
            // Left behind, it is found to be a dead one's.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Tells the process before that it may go, and keeps in touch with it while it has callers.
    async fn take_leave_of(&self, channel: Channel, link: Link) -> Result<Option<Ending>, TaskError> {
        let parting = tokio::select! {
            parting = part(channel) => parting,
            // The other one goes on, with the same sockets.
            () = self.ground.tasks.asked() => return Ok(Some(Ending::Stopping { inherited: true })),
        };
        match parting {
            Parting::Released(channel) => {
                tracing::info!("took over; the process before serves those whom it has");
                self.keep_in_touch(channel, link);
            }
            Parting::Gone => {
                tracing::warn!("took over from a process that has ended");
                self.door.kin.end_calls_of_elder(self.door.pools.common().members.now());
            }
            Parting::Refused(reason) => return Err(format!("the gateway before goes on: {reason}").into()),
        }
        Ok(None)
    }

    fn keep_in_touch(&self, channel: Channel, link: Link) {
        let door = self.door.clone();
        let tasks = &self.ground.tasks;
        let stop = tasks.stop_token(Stage::Flow);
        tasks.spawn_short(Stage::Flow, "handover link", async move {
            tokio::select! {
                () = link.keep(channel, &door) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Waits until somebody asks, gives what is asked for, and waits until it serves. `None`: it does not, and somebody
    /// else may ask.
    async fn wait_for_heir(&self) -> Option<Ending> {
        let channel = tokio::select! {
            channel = self.next_visitor() => channel,
            () = self.ground.tasks.asked() => return Some(Ending::Stopping { inherited: false }),
        };
        let mut heir = self.receive(channel).await?;
        let patience = heir.patience;
        let reason = tokio::select! {
            served = until_serving(&mut heir) => match served {
                Ok(true) => return Some(Ending::Serves(heir)),
                Ok(false) => None,
                Err(error) => Some(format!("it is not understood: {error}")),
            },
            () = self.refuse_others() => None,
            () = sleep(patience) => Some("it was not ready in time".to_owned()),
            // Whoever has the sockets goes on with them.
            () = self.ground.tasks.asked() => return Some(Ending::Stopping { inherited: true }),
        };
        tracing::warn!(
            heir.pid = heir.process_id,
            reason,
            "the process that was to take over does not; going on"
        );
        if let Some(reason) = reason {
            // Closed without a word it would think that nobody serves any more.
            refuse(&heir.channel, &reason).await;
        }
        None
    }

    async fn next_visitor(&self) -> Channel {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => return Channel::new(stream),
                Err(error) => {
                    tracing::warn!(error = %error, "a process that wants to take over could not be accepted");
                    sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
    }

    /// Hears what a visitor wants, and gives it the sockets.
    async fn receive(&self, mut channel: Channel) -> Option<Heir> {
        if let Err(error) = check_kin(&self.path, &channel) {
            tracing::warn!(error = %error, "somebody who may not wanted to take over");
            refuse(&channel, "only processes of the same user may take over").await;
            return None;
        }
        let Ok(Ok(Some(Message::Ask(ask)))) = timeout(SOON, channel.hear()).await else {
            refuse(&channel, "the request was not understood").await;
            return None;
        };
        let link = Link::new(Side::Heir, &self.door.kin);
        match self.offer(&channel).await {
            Ok(()) => Some(Heir::new(channel, link, ask)),
            Err(error) => {
                tracing::warn!(error = %error, "the sockets could not be handed over");
                refuse(&channel, "the sockets could not be handed over; its log says why").await;
                None
            }
        }
    }

    async fn offer(&self, channel: &Channel) -> io::Result<()> {
        let doors = HandoverDoors {
            version: VERSION.to_owned(),
            process_id: std::process::id(),
            names: self.offers.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        let sockets: Vec<_> = self.offers.iter().map(|(_, socket)| socket.as_fd()).collect();
        channel.say(Message::Doors(doors), &sockets).await
    }

    /// One at a time.
    async fn refuse_others(&self) {
        loop {
            let channel = self.next_visitor().await;
            refuse(&channel, "a hand-over to another process is under way").await;
        }
    }

    /// Lets go of the doors, and ends the process when everybody has gone or had time enough.
    async fn hand_over(self, heir: Heir) {
        self.release.tell();
        self.ground.readiness.stop();
        let said = heir.channel.say(Message::Released(HandoverReleased {}), &[]).await;
        if let Err(error) = said {
            tracing::warn!(error = %error, "the process that took over could not be told so");
        }
        self.keep_in_touch(heir.channel, heir.link);
        let Self {
            ground,
            door,
            release,
            transactions,
            socket,
            offers,
            ..
        } = self;
        drop((socket, offers));
        door.pools.keep_none_idle();
        let drain = door.pools.common().live().handover_drain;
        tracing::info!(
            heir.pid = heir.process_id,
            clients = door.clients(),
            ?drain,
            "handed over; serving those who are in"
        );
        tokio::select! {
            () = until_left(&door, &transactions, &release) => tracing::info!("everybody has gone"),
            () = tell_of_those_left(&door) => {}
            () = sleep(drain) => tracing::info!(clients = door.clients(), "those who are left are told to come again"),
            () = ground.tasks.asked() => {}
        }
        ground.tasks.shut_down();
    }
}

impl Heir {
    fn new(channel: Channel, link: Link, ask: HandoverAsk) -> Self {
        let own = Duration::from_millis(ask.ready_within_ms).min(PATIENCE_MAX);
        Self {
            channel,
            link,
            process_id: ask.process_id,
            version: ask.version,
            // It gives up by itself before.
            patience: own + SOON,
        }
    }
}

/// Whether it says that it serves, before it ends.
async fn until_serving(heir: &mut Heir) -> io::Result<bool> {
    tracing::info!(
        heir.pid = heir.process_id,
        heir.version,
        "another process is getting ready to take over"
    );
    loop {
        match heir.channel.hear().await? {
            Some(Message::Serving(_)) => return Ok(true),
            Some(_) => {}
            None => return Ok(false),
        }
    }
}

async fn refuse(channel: &Channel, reason: &str) {
    let refused = HandoverRefused {
        reason: reason.to_owned(),
    };
    // It may not listen any more.
    let _ = channel.say(Message::Refused(refused), &[]).await;
}

/// Waits until nobody is served here any more, nor by the process before.
async fn until_left(door: &Door, transactions: &Transactions, release: &Release) {
    // Their later calls know no other process.
    while transactions.are_open() {
        sleep(LOOK_EVERY).await;
    }
    release.move_calls();
    release.until_empty().await;
    while door.kin.has_calls_of_elder() {
        sleep(LOOK_EVERY).await;
    }
    door.kin.tell_calls_ended().await;
    let mut quiet_looks = 0;
    // Somebody on the way to a thread is not seen for a moment.
    while quiet_looks < 2 {
        sleep(LOOK_EVERY).await;
        let quiet = door.clients() == 0 && !door.kin.has_elder();
        quiet_looks = if quiet { quiet_looks + 1 } else { 0 };
    }
}

async fn tell_of_those_left(door: &Door) {
    loop {
        sleep(TELL_EVERY).await;
        tracing::info!(clients = door.clients(), "still serving those who were in");
    }
}
