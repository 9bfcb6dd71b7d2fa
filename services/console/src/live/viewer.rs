//! One viewer: reads the ring at its own pace, as a stream of server-sent events.

use std::convert::Infallible;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::ring::Wanted;
use super::{Hub, Watched};

/// Proxies and browsers notice a dead connection by its silence.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// What is written at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// How soon a browser comes again.
const GREETING: &str = "retry: 2000\n\n";

/// Somebody who looks.
pub(crate) struct Viewer {
    hub: Hub,
    wanted: Wanted,
    watched: Watched,
    news: watch::Receiver<u64>,
    next: u64,
    beat: Instant,
    /// What is said before anything else.
    first: Option<Bytes>,
}

impl Viewer {
    /// From now on, or from after the event that was read last, if it is still known.
    pub(crate) fn new(hub: &Hub, wanted: Wanted, last: Option<&str>) -> Self {
        let news = hub.0.news.subscribe();
        let ring = hub.0.ring.read().unwrap_or_else(PoisonError::into_inner);
        let mut first = GREETING.to_owned();
        let resumed = last.map(|last| hub.number_after(last).filter(|next| *next <= ring.next()));
        if resumed == Some(None) {
            first.push_str(&gap(None));
        }
        let latest = ring.latest("figures", &wanted).unwrap_or_default();
        first.push_str(&String::from_utf8_lossy(&latest));
        let watched = (wanted.project.clone(), wanted.is_operator);
        *hub.watched().entry(watched.clone()).or_default() += 1;
        Self {
            next: resumed.flatten().unwrap_or_else(|| ring.next()),
            hub: hub.clone(),
            wanted,
            watched,
            news,
            beat: Instant::now() + BEAT_EVERY,
            first: Some(Bytes::from(first)),
        }
    }

    /// The next piece, once there is one. None: it is time for a sign of life.
    async fn piece(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            self.news.borrow_and_update();
            if let Some(read) = self.read() {
                return Some(read);
            }
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = sleep_until(self.beat) => return None,
            }
        }
    }

    fn read(&mut self) -> Option<Bytes> {
        let ring = self.hub.0.ring.read().unwrap_or_else(PoisonError::into_inner);
        let read = ring.read(self.next, &self.wanted, CHUNK_BYTES);
        self.next = read.next;
        if read.missed == 0 {
            return Some(read.frames).filter(|frames| !frames.is_empty());
        }
        self.hub.0.metrics.events_missed.with([]).inc_by(read.missed);
        Some(
            [gap(Some(read.missed)).into_bytes(), read.frames.to_vec()]
                .concat()
                .into(),
        )
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut watched = self.hub.watched();
        if let Some(count) = watched.get_mut(&self.watched) {
            *count -= 1;
            if *count == 0 {
                watched.remove(&self.watched);
            }
        }
    }
}

impl Hub {
    /// What comes after the event of that id. None: it is of another process, or not an id.
    fn number_after(&self, id: &str) -> Option<u64> {
        let (epoch, number) = id.split_once('-')?;
        (epoch == self.0.epoch).then_some(())?;
        number.parse::<u64>().ok()?.checked_add(1)
    }
}

fn gap(missed: Option<u64>) -> String {
    format!("event: gap\ndata: {}\n\n", json!({ "missed": missed }))
}

/// The stream of a viewer: until it goes, may look no longer, or the process stops. It is asked for a piece only when
/// the one before was taken.
pub(crate) fn stream<F, Fut>(
    viewer: Viewer,
    stop: CancellationToken,
    may_look: F,
) -> impl Stream<Item = Result<Bytes, Infallible>>
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = bool> + Send,
{
    stream::unfold((viewer, stop, may_look), |(mut viewer, stop, may_look)| async move {
        let piece = stop.run_until_cancelled(viewer.piece()).await?;
        let bytes = match piece {
            Some(bytes) => bytes,
            None if may_look().await => {
                viewer.beat = Instant::now() + BEAT_EVERY;
                Bytes::from_static(b": beat\n\n")
            }
            None => return None,
        };
        Some((Ok(bytes), (viewer, stop, may_look)))
    })
}
