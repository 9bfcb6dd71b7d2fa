//! Looks after sessions that take too long: a statement, or a transaction in which nothing happens; and tells all when
//! another server is the primary.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_runtime::TaskResult;

use super::Door;
use super::leaks;
use super::pressure::Gauge;
use super::scaling::Scale;
use super::seat::{Doing, HOPELESS, MOVED, OVERDUE, Seat};
use crate::settings::{GatewaySettings, PoolMode};

/// How often all sessions are looked at. A time-out is late by so much at most.
pub(super) const PERIOD: Duration = Duration::from_millis(200);

pub(super) async fn run(door: Arc<Door>, stop: CancellationToken) -> TaskResult {
    let members = &door.pools.common().members;
    let mut primary = members.primary_index();
    let mut scale = Scale::default();
    let mut gauge = Gauge::new(door.bus.clone(), door.instance.clone());
    while !stop.is_cancelled() {
        let moved = members.moved.notified();
        if std::mem::replace(&mut primary, members.primary_index()) != members.primary_index() {
            door.seats.each(|seat| seat.wish(MOVED));
        }
        let settings = door.pools.common().live();
        door.metrics.clients.with([]).set(count(door.seats.len()));
        door.wall.compare();
        if let Some(mirror) = &door.mirror {
            mirror.follow(&settings);
        }
        door.crew.look(settings.workers_min, &door.seats);
        door.metrics.wire_workers.with([]).set(count(door.crew.serving()));
        door.seats.each(|seat| {
            seat.follow(&settings);
            leaks::look_at(&door, seat, &settings);
            look_at(seat, &settings);
        });
        leaks::look_at_calls(&door, &settings);
        gauge.look(&door);
        scale.look(&door, settings.pool_autoscale);
        door.witness.ledger.tick(Instant::now(), || door.witness.sums());
        door.clerk.rest(settings.idle_timeout).await;
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = moved => {}
            () = stop.cancelled() => {}
        }
    }
    door.clerk.rest(Duration::ZERO).await;
    Ok(())
}

fn look_at(seat: &Seat, settings: &GatewaySettings) {
    let (doing, for_ms) = seat.doing();
    let policy = seat.policy();
    let limit = match doing {
        Doing::Active if policy.mode != PoolMode::Session => policy.statement_timeout,
        Doing::Waiting => settings.acquire_timeout,
        Doing::Holding => policy.idle_in_transaction_timeout,
        _ => return,
    };
    let passed = Duration::from_millis(for_ms);
    if limit.is_zero() || passed < limit {
        return;
    }
    if seat.is_overdue_first() {
        seat.wish(OVERDUE);
    } else if doing == Doing::Active && passed >= limit + settings.connect_timeout {
        seat.wish(HOPELESS);
    }
}

/// A float holds every number of clients exactly.
fn count(clients: usize) -> f64 {
    f64::from(u32::try_from(clients).unwrap_or(u32::MAX))
}
