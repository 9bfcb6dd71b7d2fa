//! Events whose truth is known.

use std::collections::HashMap;

use bytes::Bytes;
use fastrand::Rng;
use prost::Message as _;
use weir_proto::events::v1::{QueryBatch, QueryExecuted, QueryShape};

/// The project of all events.
pub(crate) const PROJECT: &str = "bench";

/// What is true of one fingerprint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    pub(crate) rows: u64,
    pub(crate) bytes_out: u64,
    /// Microseconds of each call.
    pub(crate) durations_us: Vec<u64>,
}

/// One message, encoded.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) payload: Bytes,
    pub(crate) events: usize,
}

/// All messages, and what they come to.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) subject: String,
    pub(crate) messages: Vec<Told>,
    pub(crate) truth: HashMap<u64, Truth>,
}

impl Load {
    /// Events over fingerprints of which some are much more frequent than others.
    pub(crate) fn new(events: usize, fingerprints: usize, batch: usize, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut load = Self {
            subject: format!("weir.{PROJECT}.query.executed"),
            messages: Vec::new(),
            truth: HashMap::new(),
        };
        let (mut sequence, mut before) = (0, 0);
        // Every fingerprint at least once, then by chance.
        let numbers: Vec<u64> = (0..events)
            .map(|at| fingerprint(at, fingerprints, &mut random))
            .collect();
        for numbers in numbers.chunks(batch.max(1)) {
            sequence += 1;
            let message = load.message(numbers, (sequence, before), &mut random);
            before += numbers.len() as u64;
            load.messages.push(message);
        }
        load.truth
            .values_mut()
            .for_each(|truth| truth.durations_us.sort_unstable());
        load
    }

    fn message(&mut self, numbers: &[u64], (sequence, events_before): (u64, u64), random: &mut Rng) -> Told {
        let mut shapes = Vec::new();
        let mut events = Vec::new();
        for number in numbers {
            let event = event(*number, random);
            let is_new = !self.truth.contains_key(number);
            self.note(&event);
            shapes.extend(is_new.then(|| shape(*number)));
            events.push(event);
        }
        let batch = QueryBatch {
            instance: "bench-gateway".to_owned(),
            sequence,
            events_before,
            project: PROJECT.to_owned(),
            events,
            shapes,
            ..QueryBatch::default()
        };
        Told {
            payload: batch.encode_to_vec().into(),
            events: numbers.len(),
        }
    }

    fn note(&mut self, event: &QueryExecuted) {
        let truth = self.truth.entry(event.fingerprint).or_default();
        truth.calls += 1;
        truth.errors += u64::from(!event.sqlstate.is_empty());
        truth.rows += event.rows;
        truth.bytes_out += event.bytes_out;
        let took_us = event.queue_wait_us + event.server_us + event.drain_us;
        truth.durations_us.push(took_us);
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> usize {
        self.messages.iter().map(|message| message.events).sum()
    }
}

fn fingerprint(at: usize, fingerprints: usize, random: &mut Rng) -> u64 {
    let number = if at < fingerprints {
        at as u64
    } else {
        // The square of a chance: the first tenth of all gets a third of the calls.
        let chance = random.f64();
        (chance * chance * fingerprints as f64) as u64
    };
    // As spread as hashes are, and neither of the two that have a meaning.
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn event(fingerprint: u64, random: &mut Rng) -> QueryExecuted {
    // From 50 µs to half a second, short ones being the most frequent.
    let server_us = (50.0 * (random.f64() * random.f64() * 9.2).exp()) as u64;
    QueryExecuted {
        fingerprint,
        text_hash: random.u64(..),
        database: "shop".to_owned(),
        user: "application".to_owned(),
        application: "checkout".to_owned(),
        kind: 1,
        started_unix_ms: now_unix_ms(),
        queue_wait_us: random.u64(..40),
        server_us,
        drain_us: random.u64(..10),
        rows: random.u64(..50),
        bytes_in: 80,
        bytes_out: random.u64(..5_000),
        sqlstate: if random.u8(..) == 0 {
            "40001".to_owned()
        } else {
            String::new()
        },
        upstream: "127.0.0.1:5432".to_owned(),
        door: 2,
        ..QueryExecuted::default()
    }
}

fn shape(fingerprint: u64) -> QueryShape {
    QueryShape {
        fingerprint,
        text: format!("select * from orders_{fingerprint} where customer = $1 and state = $2 order by id limit $3"),
        kind: 1,
        writes: false,
    }
}

/// A message without events, of a gateway that is not counted on.
pub(crate) fn greeting() -> (String, Bytes) {
    let batch = QueryBatch {
        instance: "greeting".to_owned(),
        sequence: 1,
        project: "greeting".to_owned(),
        ..QueryBatch::default()
    };
    ("weir.greeting.query.executed".to_owned(), batch.encode_to_vec().into())
}

fn now_unix_ms() -> i64 {
    weir_model::Clock::system().unix_ms()
}
