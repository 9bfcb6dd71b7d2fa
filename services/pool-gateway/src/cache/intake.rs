//! Hears what became invalid, and keeps each view complete: after a gap, and at the beginning, the whole state is
//! fetched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message, Subscription};
use weir_events::{cache, decode};
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::fetch_state_response::Part;
use weir_proto::events::v1::CacheInvalidated;
use weir_runtime::TaskResult;
use weir_tags::{BUCKETS, Tag};

use super::asking::Service;
use super::fault::{self, Fault};
use super::view::{Marks, View};
use super::views::Views;

/// How often a view that is not followed yet is looked after.
const PERIOD: Duration = Duration::from_millis(100);
/// The pause between two tries to fetch a state, which doubles up to the longest: a database may be one that nobody follows.
const FETCH_AGAIN_AFTER: Duration = Duration::from_millis(200);
const FETCH_AGAIN_MAX: Duration = Duration::from_secs(5);
/// How long the whole state may take to come.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that are kept while the state is fetched. Where more come, it is fetched anew.
const EARLY_MAX: usize = 10_000;

/// Where one view stands among the messages.
#[derive(Debug, Default)]
struct Place {
    epoch: String,
    sequence: u64,
    /// The state has to be fetched, since then.
    is_lost: bool,
    /// Messages that came before the state.
    early: Vec<CacheInvalidated>,
    tried_at: Option<Instant>,
    /// How often in a row it could not be fetched.
    failures: u32,
}

impl Place {
    /// The pause before the state is fetched again.
    fn pause(&self) -> Duration {
        FETCH_AGAIN_AFTER
            .saturating_mul(1 << self.failures.min(8))
            .min(FETCH_AGAIN_MAX)
    }
}

/// What a fetched state says.
#[derive(Debug)]
struct State {
    header: api::StateHeader,
    buckets: Vec<(u32, u64)>,
}

/// Takes in what is told of every database.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) views: Arc<Views>,
    pub(crate) service: Service,
    pub(crate) places: Places,
}

/// Where every view stands.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<u32, Place>);

/// Subscribes to what becomes invalid.
pub(crate) async fn subscribe(bus: &Bus) -> Result<Subscription, weir_bus::Error> {
    bus.subscribe(cache::every_invalidated().as_str(), None).await
}

impl Intake {
    /// Hears until told to stop.
    pub(crate) async fn run(mut self, mut subscription: Subscription, stop: CancellationToken) -> TaskResult {
        let (sender, mut fetched) = tokio::sync::mpsc::channel::<(Arc<View>, Result<State, tonic::Status>)>(16);
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut fetches = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                message = subscription.next() => match message {
                    Some(message) => self.hear(&message),
                    None => return Err("the subscription to invalidations ended".into()),
                },
                Some((view, state)) = fetched.recv() => self.take_state(&view, state),
                Some(_) = fetches.join_next(), if !fetches.is_empty() => {}
                _ = ticks.tick() => {}
            }
            for view in self.lost() {
                let (service, sender) = (self.service.clone(), sender.clone());
                fetches.spawn(async move {
                    let state = tokio::time::timeout(FETCH_TIMEOUT, fetch(service, &view)).await;
                    let state = state.unwrap_or_else(|_| Err(tonic::Status::deadline_exceeded("too slow")));
                    let _ = sender.send((view, state)).await;
                });
            }
        }
    }

    /// The views whose state is to be fetched now.
    fn lost(&mut self) -> Vec<Arc<View>> {
        let now = Instant::now();
        let places = &mut self.places.0;
        let mut lost = Vec::new();
        for view in self.views.all() {
            let place = places.entry(view.id).or_insert_with(|| Place {
                is_lost: true,
                ..Place::default()
            });
            let is_due = place
                .tried_at
                .is_none_or(|tried| now.duration_since(tried) >= place.pause());
            if place.is_lost && is_due {
                place.tried_at = Some(now + FETCH_TIMEOUT);
                lost.push(view);
            }
        }
        lost
    }

    fn hear(&mut self, message: &Message) {
        let Ok((_, told)) = decode::<CacheInvalidated>(&message.subject, &message.payload) else {
            tracing::warn!(
                subject = message.subject,
                "a message on what became invalid cannot be read"
            );
            return;
        };
        for view in self.views.named(&told.database) {
            if let Some(place) = self.places.0.get_mut(&view.id) {
                place.hear(&view, told.clone());
            }
        }
    }

    fn take_state(&mut self, view: &View, state: Result<State, tonic::Status>) {
        let Some(place) = self.places.0.get_mut(&view.id) else {
            return;
        };
        place.tried_at = Some(Instant::now());
        match state {
            Ok(state) => place.take(view, state),
            Err(status) => {
                place.failures = place.failures.saturating_add(1);
                tracing::debug!(database = %view.database, error = %status, "the state of the cache could not be fetched");
            }
        }
    }
}

impl Place {
    /// The next message, or one that is not.
    fn hear(&mut self, view: &View, told: CacheInvalidated) {
        if self.is_lost {
            // Somebody follows it, so its state is there.
            self.failures = 0;
            if self.early.len() >= EARLY_MAX {
                self.early.clear();
            }
            self.early.push(told);
            return;
        }
        if told.epoch == self.epoch && told.sequence <= self.sequence {
            // It came twice, or was part of the state.
            return;
        }
        if told.epoch == self.epoch && told.sequence == self.sequence + 1 {
            self.sequence = told.sequence;
            apply(view, &told);
            return;
        }
        // Nothing that was missed can be known of before the whole is fetched: the log is followed no further till then.
        tracing::debug!(
            database = %view.database,
            expected = self.sequence + 1,
            came = told.sequence,
            "messages on what became invalid are missing"
        );
        self.is_lost = true;
        self.tried_at = None;
        self.early = vec![told];
    }

    fn take(&mut self, view: &View, state: State) {
        let State { header, buckets } = state;
        if header.bucket_count as usize != BUCKETS || header.epoch.is_empty() {
            tracing::warn!("the cache service counts in other buckets; another version is running");
            return;
        }
        if *view.epoch() != *header.epoch {
            view.begins(&header.epoch);
        }
        for (bucket, commit_lsn) in buckets {
            view.raise_bucket(bucket as usize, commit_lsn);
        }
        view.reaches(Marks {
            applied: header.applied_lsn,
            visible: header.visible_lsn,
            kill: if fault::is(Fault::EpochIgnored) {
                0
            } else {
                header.kill_lsn.max(header.horizon_lsn)
            },
            policies: 0,
        });
        self.epoch = header.epoch;
        self.sequence = header.sequence;
        self.failures = 0;
        self.is_lost = false;
        for told in std::mem::take(&mut self.early) {
            // Messages of the epoch before are no gap.
            if told.epoch == self.epoch {
                self.hear(view, told);
            }
        }
    }
}

fn apply(view: &View, told: &CacheInvalidated) {
    // Everything that changed first, then how far is known.
    let is_dropped = fault::is(Fault::DroppedBatch) && told.sequence.is_multiple_of(10);
    for tag in told.tags.iter().filter(|_| !is_dropped) {
        view.raise(Tag::told(tag.tag), tag.commit_lsn);
    }
    view.reaches(Marks {
        applied: told.applied_lsn,
        visible: told.visible_lsn,
        kill: told.kill_lsn,
        policies: told.policy_generation,
    });
}

async fn fetch(mut service: Service, view: &View) -> Result<State, tonic::Status> {
    let request = api::FetchStateRequest {
        upstream: String::new(),
        database: view.database.to_string(),
    };
    let mut stream = service.fetch_state(request).await?.into_inner();
    let (mut header, mut buckets) = (None, Vec::new());
    while let Some(message) = stream.message().await? {
        match message.part {
            Some(Part::Header(first)) => header = Some(first),
            Some(Part::Buckets(more)) => buckets.extend(more.numbers.into_iter().zip(more.commit_lsns)),
            None => {}
        }
    }
    let header = header.ok_or_else(|| tonic::Status::data_loss("a state without its beginning"))?;
    Ok(State { header, buckets })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(epoch: &str, sequence: u64, applied: u64, tag: u64) -> CacheInvalidated {
        CacheInvalidated {
            epoch: epoch.to_owned(),
            sequence,
            applied_lsn: applied,
            visible_lsn: applied,
            tags: vec![weir_proto::events::v1::InvalidatedTag {
                tag,
                commit_lsn: applied,
                ..Default::default()
            }],
            ..CacheInvalidated::default()
        }
    }

    fn state(epoch: &str, sequence: u64, applied: u64) -> State {
        State {
            header: api::StateHeader {
                epoch: epoch.to_owned(),
                sequence,
                applied_lsn: applied,
                visible_lsn: applied,
                bucket_count: BUCKETS as u32,
                ..api::StateHeader::default()
            },
            buckets: Vec::new(),
        }
    }

    fn begun() -> (View, Place) {
        let view = View::new(1, "db", Instant::now());
        let mut place = Place {
            is_lost: true,
            ..Place::default()
        };
        place.take(&view, state("e", 5, 100));
        (view, place)
    }

    #[test]
    fn messages_apply_in_order_and_a_gap_stops_them() {
        let (view, mut place) = begun();
        place.hear(&view, told("e", 5, 100, 1));
        place.hear(&view, told("e", 6, 110, 1));
        assert_eq!((view.applied(), place.is_lost), (110, false));
        place.hear(&view, told("e", 8, 130, 1));
        assert_eq!(
            (view.applied(), place.is_lost),
            (110, true),
            "what the seventh said is not known"
        );
        place.hear(&view, told("e", 9, 140, 1));
        place.take(&view, state("e", 7, 120));
        assert_eq!((view.applied(), place.sequence, place.is_lost), (140, 9, false));
    }

    #[test]
    fn a_gap_behind_the_state_is_one_too() {
        let (view, mut place) = begun();
        place.hear(&view, told("e", 7, 120, 1));
        place.hear(&view, told("e", 9, 140, 1));
        place.take(&view, state("e", 7, 120));
        assert_eq!((view.applied(), place.is_lost), (120, true));
    }

    #[test]
    fn a_database_that_nobody_follows_is_asked_after_less_and_less() {
        let mut place = Place::default();
        let mut pauses = Vec::new();
        for failures in [0, 1, 2, 40] {
            place.failures = failures;
            pauses.push(place.pause().as_millis());
        }
        assert_eq!(pauses, [200, 400, 800, 5_000]);
    }

    #[test]
    fn another_epoch_is_another_world() {
        let (view, mut place) = begun();
        let before = view.incarnation();
        place.hear(&view, told("f", 1, 50, 1));
        assert!(place.is_lost);
        place.take(&view, state("f", 1, 50));
        assert!(view.incarnation() > before);
        assert_eq!((view.applied(), &*view.epoch()), (50, "f"));
    }
}
