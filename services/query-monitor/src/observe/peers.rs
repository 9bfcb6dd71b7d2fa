//! What monitors tell each other, so that each can answer for all: lines out, lines in.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message, Subscription};
use weir_events::{Event, decode, monitor};
use weir_model::{Clock, Fingerprint, Project};
use weir_proto::events::v1::{GatewayCounted, StatisticsCounted, StatisticsLine};
use weir_runtime::TaskResult;

use super::Shared;
use crate::aggregate::{Cell, Counted, Key, OTHER, Seen, SeenBy, Sums, WHOLE};
use crate::detect::{Sighting, SlowKey};

/// How often lines are told. What is asked of another monitor is as old as this at most.
const EVERY: Duration = Duration::from_millis(250);
/// Rounds after which a monitor with nothing to tell says that it is there.
const ROUNDS_SILENT: u32 = 4;
/// Lines of one message: a line has a kilobyte or two at most, a message of NATS a thousand.
const LINES_MAX: usize = 400;
const SHAPES_MAX: usize = 60;

/// Hears and tells.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) subscription: Subscription,
    pub(crate) bus: Bus,
    pub(crate) shared: Shared,
    pub(crate) clock: Clock,
    /// The name of this monitor.
    pub(crate) monitor: std::sync::Arc<str>,
}

/// Subscribes to what monitors tell each other.
pub(crate) async fn subscribe(bus: &Bus) -> Result<Subscription, weir_bus::Error> {
    bus.subscribe(monitor::every_statistics_counted().as_str(), None).await
}

impl Exchange {
    /// Tells what is new and hears what others tell, until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> TaskResult {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut silent = ROUNDS_SILENT;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => self.tell(&mut silent).await,
                message = self.subscription.next() => match message {
                    Some(message) => self.hear(&message),
                    None => return Err("the subscription to other monitors ended".into()),
                },
            }
        }
    }

    async fn tell(&self, silent: &mut u32) {
        let now = self.clock.unix_ms();
        let counted = self.shared.with(|knowledge| knowledge.statistics.tell(now));
        if counted.lines.is_empty() && (counted.shapes.is_empty() || counted.peers == 0) {
            *silent += 1;
            if *silent < ROUNDS_SILENT {
                return;
            }
        }
        *silent = 0;
        for message in self.messages(counted) {
            let project = Project::parse(&message.project).unwrap_or_default();
            let event = monitor::statistics_counted(&project, &message, &self.clock);
            // Lossy on purpose: what others do not hear they read from the store a little later.
            let _ = self.bus.publish(message_of(&event)).await;
        }
    }

    /// The lines by project, in messages that fit; at least one, which says that this monitor is there.
    fn messages(&self, counted: Counted) -> Vec<StatisticsCounted> {
        let mut lines = counted.lines;
        lines.sort_by(|(_, left, _), (_, right, _)| left.project.cmp(&right.project));
        let message = |project: &Project, lines: Vec<StatisticsLine>| StatisticsCounted {
            monitor: self.monitor.to_string(),
            project: project.to_string(),
            batch: counted.batch.cast_unsigned(),
            lines,
            gateways: Vec::new(),
            shapes: Vec::new(),
        };
        let traces = &counted.slow_traces;
        let by_project = lines.chunk_by(|(_, left, _), (_, right, _)| left.project == right.project);
        let mut messages: Vec<StatisticsCounted> = by_project
            .flat_map(|lines| lines.chunks(LINES_MAX))
            .filter_map(|lines| {
                let (_, key, _) = lines.first()?;
                let line = |line: &(i64, Key, Cell)| line_of(line, traces);
                Some(message(&key.project, lines.iter().map(line).collect()))
            })
            .collect();
        if messages.is_empty() {
            messages.push(message(&Project::default(), Vec::new()));
        }
        if let Some(first) = messages.first_mut() {
            first.gateways = counted.gateways.iter().map(gateway_of).collect();
        }
        // A text has up to 8 KiB.
        let shapes = if counted.peers > 0 {
            counted.shapes.as_slice()
        } else {
            &[]
        };
        for shapes in shapes.chunks(SHAPES_MAX) {
            let mut texts = message(&Project::default(), Vec::new());
            texts.shapes = shapes.to_vec();
            messages.push(texts);
        }
        messages
    }

    fn hear(&self, message: &Message) {
        let Ok((project, counted)) = decode::<StatisticsCounted>(&message.subject, &message.payload) else {
            tracing::warn!(
                subject = message.subject,
                "a message on the subject of monitors cannot be read"
            );
            return;
        };
        if *counted.monitor == *self.monitor {
            return;
        }
        let lines: Option<Vec<_>> = counted.lines.iter().map(|line| cell_of(&project, line)).collect();
        let Some(lines) = lines else {
            tracing::warn!(monitor = counted.monitor, "another monitor tells what cannot be read");
            return;
        };
        let gateways: SeenBy = counted.gateways.into_iter().map(seen_of).collect();
        let (now, batch) = (self.clock.unix_ms(), counted.batch.cast_signed());
        self.shared.with(|knowledge| {
            for (line, told) in lines.iter().zip(&counted.lines) {
                if let Some((key, sighting)) = sighting_of(line, told) {
                    knowledge.slow.hear(key, sighting);
                }
            }
            let statistics = &mut knowledge.statistics;
            counted.shapes.iter().for_each(|shape| statistics.hear_of_shape(shape));
            statistics.hear((&counted.monitor, batch), &lines, now);
            if !gateways.is_empty() {
                statistics.intake.hear_of(&counted.monitor, gateways);
            }
        });
    }
}

fn message_of(event: &Event) -> Message {
    Message::new(event.subject.to_string(), event.payload.clone()).with_headers(event.headers())
}

/// What a line says of slow statements, for whoever raises alerts.
fn sighting_of((_, key, cell): &(i64, Key, Cell), told: &StatisticsLine) -> Option<(SlowKey, Sighting)> {
    let is_shape = key.fingerprint != WHOLE && key.fingerprint != OTHER;
    if !is_shape || cell.sums.slow == 0 {
        return None;
    }
    let slow = SlowKey {
        project: key.project.clone(),
        database: key.database.clone(),
        fingerprint: key.fingerprint,
    };
    let sighting = Sighting {
        count: cell.sums.slow.cast_signed(),
        worst_ms: cell.max_us as f64 / 1e3,
        last_unix_ms: cell.last_seen_unix_ms,
        traceparent: told.traceparent.clone(),
    };
    Some((slow, sighting))
}

fn line_of((span, key, cell): &(i64, Key, Cell), traces: &HashMap<u64, String>) -> StatisticsLine {
    let trace = traces.get(&key.fingerprint.get()).filter(|_| cell.sums.slow > 0);
    StatisticsLine {
        span_unix_ms: *span,
        database: key.database.clone(),
        fingerprint: key.fingerprint.get(),
        sums: cell.sums.figures().to_vec(),
        max_us: cell.max_us,
        first_seen_unix_ms: cell.first_seen_unix_ms,
        last_seen_unix_ms: cell.last_seen_unix_ms,
        detail: cell.detail().into(),
        traceparent: trace.cloned().unwrap_or_default(),
    }
}

/// A line as it was told; none where no monitor of this kind told it.
fn cell_of(project: &Project, line: &StatisticsLine) -> Option<(i64, Key, Cell)> {
    let mut cell = Cell::default();
    cell.sums = Sums::of(line.sums.clone().try_into().ok()?);
    cell.max_us = line.max_us;
    cell.first_seen_unix_ms = line.first_seen_unix_ms;
    cell.last_seen_unix_ms = line.last_seen_unix_ms;
    let key = Key {
        project: project.clone(),
        database: line.database.clone(),
        fingerprint: Fingerprint::new(line.fingerprint),
    };
    cell.read_detail(&line.detail).then_some((line.span_unix_ms, key, cell))
}

fn gateway_of((gateway, seen): &(String, Seen)) -> GatewayCounted {
    GatewayCounted {
        instance: gateway.clone(),
        first_sequence: seen.first,
        events_before_first: seen.events_before_first,
        last_sequence: seen.last,
        events_through_last: seen.events_through_last,
        batches: seen.batches,
        events: seen.events,
        dropped: seen.dropped,
        heard_unix_ms: seen.heard_unix_ms,
    }
}

fn seen_of(counted: GatewayCounted) -> (String, Seen) {
    let seen = Seen {
        first: counted.first_sequence,
        events_before_first: counted.events_before_first,
        last: counted.last_sequence,
        events_through_last: counted.events_through_last,
        batches: counted.batches,
        events: counted.events,
        dropped: counted.dropped,
        heard_unix_ms: counted.heard_unix_ms,
    };
    (counted.instance, seen)
}
