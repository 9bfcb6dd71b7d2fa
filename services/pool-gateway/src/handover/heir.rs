//! The process that takes over: it asks, gets ready, and only then lets callers in.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::time::{Instant, sleep_until, timeout};
use weir_proto::gateway::v1::handover_message::Message;
use weir_proto::gateway::v1::{HandoverAsk, HandoverDoors, HandoverServing};
use weir_runtime::{Ground, StartError};

use super::channel::{Channel, SOON};
use super::{HandoverError, VERSION, check_kin, place, wrong_place};

/// What the running gateway gave.
pub(super) struct Inheritance {
    sockets: HashMap<String, OwnedFd>,
    /// `None`: it has ended meanwhile.
    channel: Option<Channel>,
    ready_within: Duration,
    ready_until: Instant,
}

/// Asks the gateway that runs for its doors. `None`: none runs.
pub(super) async fn ask(path: &Path, ready_within: Duration) -> Result<Option<Inheritance>, HandoverError> {
    let reached = place::reach(path).await.map_err(|error| wrong_place(path, &error))?;
    let Some(stream) = reached else { return Ok(None) };
    let mut channel = Channel::new(stream);
    check_kin(path, &channel)?;
    let ready_until = Instant::now() + ready_within;
    let asked = HandoverAsk {
        version: VERSION.to_owned(),
        process_id: std::process::id(),
        ready_within_ms: u64::try_from(ready_within.as_millis()).unwrap_or(u64::MAX),
    };
    // One that has closed may have said why.
    let _ = channel.say(Message::Ask(asked), &[]).await;
    match timeout(SOON, channel.hear()).await {
        Ok(Ok(Some(Message::Doors(doors)))) => {
            let sockets = named(doors, channel.take_sockets())?;
            Ok(Some(Inheritance {
                sockets,
                channel: Some(channel),
                ready_within,
                ready_until,
            }))
        }
        Ok(Ok(Some(Message::Refused(refused)))) => Err(HandoverError::Refused(refused.reason)),
        // It was about to end.
        Ok(Ok(None)) => Err(HandoverError::Refused("it has just ended; start again".to_owned())),
        Ok(Err(error)) => Err(wrong_place(path, &error)),
        Ok(Ok(Some(_))) | Err(_) => Err(HandoverError::Silent),
    }
}

fn named(doors: HandoverDoors, sockets: Vec<OwnedFd>) -> Result<HashMap<String, OwnedFd>, HandoverError> {
    if doors.names.len() != sockets.len() {
        let reason = format!("it named {} sockets and gave {}", doors.names.len(), sockets.len());
        return Err(HandoverError::Refused(reason));
    }
    tracing::info!(
        elder.version = doors.version,
        elder.pid = doors.process_id,
        doors = sockets.len(),
        "taking over from the running gateway"
    );
    Ok(doors.names.into_iter().zip(sockets).collect())
}

pub(super) fn unix_listener(socket: OwnedFd) -> io::Result<UnixListener> {
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

impl Inheritance {
    pub(super) fn take(&mut self, name: &str) -> Option<OwnedFd> {
        self.sockets.remove(name)
    }

    /// Whether the process before is still there.
    pub(super) const fn has_channel(&self) -> bool {
        self.channel.is_some()
    }

    /// The way to the process before, if it is still there.
    pub(super) fn into_channel(self) -> Option<Channel> {
        self.channel
    }

    /// Waits until this process can serve. Where the other one has ended there is nothing to wait for: nobody else serves.
    pub(super) async fn until_ready(&mut self, ground: &Ground) -> Result<(), StartError> {
        let Some(channel) = &mut self.channel else {
            return Ok(());
        };
        let mut ready = ground.readiness.watch();
        tokio::select! {
            // A refusal that is there already counts, however ready this process is.
            biased;
            heard = channel.hear() => match heard {
                Ok(Some(Message::Refused(refused))) => return Err(HandoverError::Refused(refused.reason).into()),
                _ => {
                    tracing::warn!("the gateway that was to hand over has ended; serving at once");
                    self.channel = None;
                }
            },
            () = ground.tasks.asked() => return Err("a task died before the doors were taken over".into()),
            _ = ready.wait_for(|ready| *ready) => {}
            () = sleep_until(self.ready_until) => return Err(self.not_ready(ground).into()),
        }
        Ok(())
    }

    fn not_ready(&self, ground: &Ground) -> HandoverError {
        let dependencies = ground.readiness.report().dependencies.into_iter();
        let away = dependencies.filter(|item| !item.optional && item.state != weir_runtime::DependencyState::Up);
        let reasons: Vec<String> = away.map(|item| format!("{}: {}", item.name, item.reason)).collect();
        HandoverError::NotReady {
            after: self.ready_within,
            why: reasons.join("; "),
        }
    }
}

/// What the process before says to one that serves.
pub(super) enum Parting {
    /// It lets nobody in any more.
    Released(Channel),
    /// It is not there any more.
    Gone,
    /// It had given up waiting, and goes on.
    Refused(String),
}

/// Says that the doors serve.
pub(super) async fn part(mut channel: Channel) -> Parting {
    // One that cannot be told has ended, or has said why it gave up.
    let _ = channel.say(Message::Serving(HandoverServing {}), &[]).await;
    loop {
        match channel.hear().await {
            Ok(Some(Message::Released(_))) => return Parting::Released(channel),
            Ok(Some(Message::Refused(refused))) => return Parting::Refused(refused.reason),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return Parting::Gone,
        }
    }
}
