//! Looks after sessions that take too long: a statement, or a transaction in which nothing happens; and tells all when
//! another server is the primary.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_runtime::TaskResult;

use super::Door;
use super::seat::{Doing, MOVED, OVERDUE, Seat};
use crate::settings::{GatewaySettings, PoolMode};

/// How often all sessions are looked at. A time-out is late by so much at most.
pub(super) const PERIOD: Duration = Duration::from_millis(200);

pub(super) async fn run(door: Arc<Door>, stop: CancellationToken) -> TaskResult {
    let members = &door.pools.common().members;
    let mut primary = members.primary_index();
    while !stop.is_cancelled() {
        let moved = members.moved.notified();
        if std::mem::replace(&mut primary, members.primary_index()) != members.primary_index() {
            door.seats.each(|seat| seat.wish(MOVED));
        }
        let settings = door.pools.common().live();
        door.metrics.clients.with([]).set(count(door.seats.len()));
        door.wall.compare();
        door.crew.look(settings.workers_min, &door.seats);
        door.metrics.wire_workers.with([]).set(count(door.crew.serving()));
        door.seats.each(|seat| look_at(seat, &settings));
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = moved => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}

fn look_at(seat: &Seat, settings: &GatewaySettings) {
    let (doing, for_ms) = seat.doing();
    let limit = match doing {
        Doing::Active if settings.pool_mode != PoolMode::Session => settings.statement_timeout,
        Doing::Waiting => settings.acquire_timeout,
        Doing::Holding => settings.idle_in_transaction_timeout,
        _ => return,
    };
    if !limit.is_zero() && Duration::from_millis(for_ms) >= limit && seat.is_overdue_first() {
        seat.wish(OVERDUE);
    }
}

/// A float holds every number of clients exactly.
fn count(clients: usize) -> f64 {
    f64::from(u32::try_from(clients).unwrap_or(u32::MAX))
}
