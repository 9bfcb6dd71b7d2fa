//! One connection, sought for ever: how it is opened, how long it pauses between attempts, how it is.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;

use crate::counters::Counters;
use crate::{Error, Health, Limits, NatsSettings};

/// Longest wait for one server to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A server that leaves two of these unanswered counts as lost.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PAUSE_FIRST_MS: u64 = 50;
/// Longest pause between two attempts, so that a server that is back is found soon.
const PAUSE_LAST_MS: u64 = 2000;
/// What a message takes in the client beside its bytes.
pub(super) const MESSAGE_OVERHEAD_BYTES: usize = 256;
/// Places in the client's queue that core messages cannot take: acknowledgements, pulls, subscriptions.
const CONTROL_PLACES: usize = 1024;

/// What is known about the connection.
#[derive(Debug)]
pub(crate) struct Monitor {
    name: String,
    health: watch::Sender<Health>,
    counters: Arc<Counters>,
    /// Connections so far.
    connections: AtomicU64,
}

impl Monitor {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            health: watch::Sender::new(Health::down("not connected yet")),
            counters: Arc::default(),
            connections: AtomicU64::new(0),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn shared_counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// How many connections there were, this one included.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits for the next loss of the connection.
    pub(super) async fn lost(&self) {
        let mut health = self.health();
        while health.changed().await.is_ok() {
            if !health.borrow_and_update().is_up() {
                return;
            }
        }
    }

    /// The error of whoever needs the connection while it is away.
    pub(super) fn away(&self) -> Error {
        match &*self.health.borrow() {
            Health::Up => Error::unavailable("the connection was lost"),
            Health::Down { reason } => Error::unavailable(reason),
        }
    }

    fn saw(&self, event: &Event) {
        match event {
            Event::Connected => self.is_up(),
            Event::Disconnected => self.is_down("the connection was lost"),
            Event::Closed => self.is_down("the connection was closed"),
            // An attempt to connect failed; why is told before the next one.
            Event::ClientError(_) if self.health.borrow().is_up() => self.is_down("the connection was lost"),
            Event::ServerError(error) => {
                tracing::warn!(bus.name = self.name, error = %error, "the server refused something");
            }
            Event::ClientError(_) | Event::LameDuckMode | Event::Draining | Event::SlowConsumer(_) => {}
        }
    }

    fn is_up(&self) {
        if self.connections.fetch_add(1, Ordering::Relaxed) > 0 {
            self.counters.reconnected();
        }
        tracing::info!(bus.name = self.name, "the bus is connected");
        self.health.send_replace(Health::Up);
    }

    fn is_down(&self, reason: &str) {
        tracing::warn!(bus.name = self.name, reason, "the bus is away");
        self.health.send_replace(Health::down(reason));
    }

    /// Before an attempt: tells why the last ones failed, once for as long as that stays the same.
    fn attempts(&self, servers: &[async_nats::Server]) {
        let failures = servers.iter().filter_map(|server| {
            let (host, port) = (server.addr.host(), server.addr.port());
            server
                .last_error
                .as_ref()
                .map(|error| format!("{host}:{port}: {error}"))
        });
        let reason = failures.collect::<Vec<_>>().join("; ");
        if !reason.is_empty() {
            self.attempts_failed(&format!("cannot connect to {reason}"));
        }
    }

    fn attempts_failed(&self, reason: &str) {
        let news = Health::down(reason);
        self.health.send_if_modified(|health| {
            let changes = *health != news;
            if changes {
                tracing::warn!(bus.name = self.name, reason, "the bus cannot be reached");
                *health = news;
            }
            changes
        });
    }
}

/// A client that connects in the background and, when it loses the server, again and again.
pub(super) async fn connect(
    settings: &NatsSettings,
    addresses: Vec<ServerAddr>,
    limits: &Limits,
    monitor: &Arc<Monitor>,
) -> Result<Client, Error> {
    let jitter = RandomState::new();
    let (watcher, chronicler) = (Arc::clone(monitor), Arc::clone(monitor));
    let options = credentials(settings, &addresses)?
        .name(&settings.name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(move |attempt| pause(attempt, jitter.hash_one(attempt)))
        .reconnect_to_server_callback(move |servers, _| {
            chronicler.attempts(&servers);
            // Which server comes next is left to the client.
            std::future::ready(None)
        })
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(limits.send_buffer_bytes / MESSAGE_OVERHEAD_BYTES + CONTROL_PLACES)
        .event_callback(move |event| {
            watcher.saw(&event);
            std::future::ready(())
        });
    tls(options, settings)
        .connect(addresses)
        .await
        .map_err(|error| Error::setting("bus.url", error))
}

/// Whether a list of servers can be read.
pub(crate) fn check_url(urls: &str) -> Result<(), Error> {
    addresses(urls).map(drop)
}

/// The servers of a list. What cannot be read is not shown, because a password may stand in it.
pub(super) fn addresses(urls: &str) -> Result<Vec<ServerAddr>, Error> {
    let unreadable = || Error::setting("bus.url", "nats://host:port or tls://host:port is expected");
    let read = |url: &str| {
        let (scheme, _) = url.split_once("://")?;
        matches!(scheme, "nats" | "tls").then(|| url.parse().ok()).flatten()
    };
    urls.split(',')
        .map(|url| read(url.trim()).ok_or_else(unreadable))
        .collect()
}

/// Who we are: what the settings say, or else what stands in the URL.
fn credentials(settings: &NatsSettings, addresses: &[ServerAddr]) -> Result<ConnectOptions, Error> {
    let options = ConnectOptions::new();
    if let Some(credentials) = &settings.credentials {
        // The error is not shown: it may quote the key.
        return options
            .credentials(credentials.expose())
            .map_err(|_| Error::setting("bus.credentials_file", "no JWT and key were found in it"));
    }
    if let Some(token) = &settings.token {
        return Ok(options.token(token.expose().to_owned()));
    }
    if let Some(user) = &settings.user {
        let password = settings.password.as_ref().map_or("", |password| password.expose());
        return Ok(options.user_and_password(user.clone(), password.to_owned()));
    }
    let in_url = addresses
        .iter()
        .find_map(|address| Some((address.username()?, address.password()?)));
    Ok(match in_url {
        Some((user, password)) => options.user_and_password(user.to_owned(), password.to_owned()),
        None => options,
    })
}

fn tls(mut options: ConnectOptions, settings: &NatsSettings) -> ConnectOptions {
    if let Some(ca) = &settings.ca_file {
        options = options.add_root_certificates(ca.clone());
    }
    match (&settings.certificate_file, &settings.key_file) {
        (Some(certificate), Some(key)) => options.add_client_certificate(certificate.clone(), key.clone()),
        _ => options,
    }
}

/// The pause before an attempt: it doubles up to a cap, and half of it is chance, so that instances do not return as one.
fn pause(attempt: usize, chance: u64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let full_ms = (PAUSE_FIRST_MS << doublings).min(PAUSE_LAST_MS);
    let half_ms = full_ms / 2;
    Duration::from_millis(half_ms + chance % (half_ms + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_differ_by_chance() {
        assert_eq!(pause(1, 0), Duration::from_millis(25));
        assert_eq!(pause(1, 25), Duration::from_millis(50));
        assert_eq!(pause(3, 0), Duration::from_millis(100));
        for chance in [0, 1, 999, u64::MAX] {
            for attempt in [7, 20, 1000, usize::MAX] {
                let pause = pause(attempt, chance);
                assert!(
                    pause >= Duration::from_secs(1) && pause <= Duration::from_secs(2),
                    "{attempt}: {pause:?}"
                );
            }
        }
    }

    #[test]
    fn a_faulty_url_is_refused_without_being_shown() {
        for bad in [
            "",
            "host:4222",
            "http://host",
            "nats://u:hunter2@host:x",
            "nats://a:4222,,",
        ] {
            let error = addresses(bad).unwrap_err().to_string();
            assert!(error.contains("bus.url") && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(addresses("nats://a:4222, tls://b").unwrap().len(), 2);
    }

    #[test]
    fn the_health_follows_the_events() {
        let monitor = Monitor::new("test");
        let failure = || Event::ClientError(async_nats::ClientError::Other("IO error".to_owned()));
        assert!(monitor.away().to_string().contains("not connected yet"));
        monitor.saw(&failure());
        monitor.attempts_failed("cannot connect to host:4222: refused");
        assert!(monitor.away().to_string().contains("host:4222: refused"));
        monitor.saw(&Event::Connected);
        assert!(monitor.health().borrow().is_up());
        monitor.saw(&Event::Disconnected);
        assert!(!monitor.health().borrow().is_up());
        assert_eq!(monitor.counters().read().reconnects_total, 0);
        monitor.saw(&Event::Connected);
        assert_eq!(monitor.counters().read().reconnects_total, 1);
        // The news of the loss itself was lost.
        monitor.saw(&failure());
        assert!(!monitor.health().borrow().is_up());
    }
}
