//! Sessions that hold a connection and say nothing: they are asked for what they ran last, and told of when it lasts.

use std::time::Duration;

use super::Door;
use super::seat::{Doing, Seat, TELL};
use super::session::Session;
use super::starvation::{Holder, named};
use super::witness::as_holder;
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
    if is_leak(doing, lasts, settings.leak_after) && seat.is_leak_first() {
        report(door, seat, for_ms);
    }
}

/// Whether a session that has done this for so long is to be told of; zero: none is.
fn is_leak(doing: Doing, lasts: Duration, limit: Duration) -> bool {
    doing == Doing::Holding && !limit.is_zero() && lasts >= limit
}

fn report(door: &Door, seat: &Seat, for_ms: u64) {
    door.metrics.leaks.with([&seat.who.database]).inc();
    if let Some(holder) = seat.as_holder() {
        say(&holder, &seat.who.database, Some(seat.id), for_ms / 1_000);
    }
}

fn say(holder: &Holder, database: &str, id: Option<i32>, idle_s: u64) {
    tracing::warn!(
        client.id = id,
        client.name = named(holder),
        pool.database = database,
        idle_s,
        query.text = holder.statement.as_deref().unwrap_or("not known"),
        "a client holds a connection in an open transaction and says nothing (gateway.leak_after)"
    );
}

/// Looks at the transactions of calls, as the sweep does all the time.
pub(super) fn look_at_calls(door: &Door, settings: &GatewaySettings) {
    if settings.leak_after.is_zero() {
        return;
    }
    for pool in door.pools.all() {
        for holding in pool.forgotten(settings.leak_after) {
            door.metrics.leaks.with([&pool.key.database]).inc();
            let holder = as_holder(&pool, &holding);
            say(&holder, &pool.key.database, None, holding.idle_for().as_secs());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_connection_for_long_and_runs_nothing_is_a_leak() {
        let [short, long] = [1, 3].map(Duration::from_secs);
        assert!(is_leak(Doing::Holding, long, long));
        assert!(!is_leak(Doing::Holding, short, long));
        assert!(!is_leak(Doing::Active, long, short), "it runs something");
        assert!(!is_leak(Doing::Idle, long, short), "it has its connection for itself");
        assert!(!is_leak(Doing::Holding, long, Duration::ZERO), "nobody wants to know");
    }
}
