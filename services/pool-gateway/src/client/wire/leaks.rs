//! Sessions that hold a connection and say nothing: they are asked for what they ran last, and told of when it lasts.

use std::time::Duration;

use super::Door;
use super::seat::{Doing, Seat, TELL};
use super::session::Session;
use super::starvation::named;
use crate::settings::GatewaySettings;

/// After so long a session is asked what it runs, or ran last.
const ASKED_AFTER: Duration = Duration::from_millis(400);

/// Looks at one session, as the sweep does all the time.
pub(super) fn look_at(door: &Door, seat: &Seat, settings: &GatewaySettings) {
    let (doing, for_ms) = seat.doing();
    let lasts = Duration::from_millis(for_ms);
    if !matches!(doing, Doing::Active | Doing::Holding) || lasts < ASKED_AFTER {
        return;
    }
    if seat.is_asked_first() {
        seat.wish(TELL);
    }
    let limit = settings.leak_after;
    let is_leak = doing == Doing::Holding && !limit.is_zero() && lasts >= limit;
    if is_leak && seat.is_leak_first() {
        report(door, seat, for_ms);
    }
}

fn report(door: &Door, seat: &Seat, for_ms: u64) {
    door.metrics.leaks.with([&seat.who.database]).inc();
    let Some(holder) = seat.as_holder() else { return };
    tracing::warn!(
        client.id = seat.id,
        client.name = named(&holder),
        pool.database = seat.who.database,
        idle_s = for_ms / 1_000,
        query.text = holder.statement.as_deref().unwrap_or("not known"),
        "a client holds a connection in an open transaction and says nothing (gateway.leak_after)"
    );
}

impl Session {
    /// Says what it runs, or ran last.
    pub(super) fn tell_last(&mut self) {
        self.me.seat.forget(TELL);
        let running = self.link.as_mut().and_then(|link| link.running());
        if let Some(statement) = running.or_else(|| self.me.last.clone()) {
            self.me.seat.tell(statement);
        }
    }
}
