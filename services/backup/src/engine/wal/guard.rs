//! Looks after the slot: that it never holds back more log than the primary's disk can bear.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use weir_store::pause;
use weir_upstream::{Connection, Lsn};

use super::log::{Log, Voice};
use super::server::{self, Facts, SlotFacts};
use crate::error::Error;
use crate::keeper::Keeper;

/// How often it looks, and how often where what the slot holds back is a part of what it may and becomes more.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOK_OFTEN: Duration = Duration::from_millis(50);
/// Such a part of what it may hold back is left for bursts.
const RESERVE: u64 = 8;
/// How long it may take until the slot is gone: what would come until then counts.
const GONE_WITHIN: Duration = Duration::from_secs(1);
/// How often it looks whether another server was promoted beside the one that is followed.
const OTHERS_EVERY: Duration = Duration::from_secs(15);
/// How long whoever uses the slot may take to let go of it.
const LET_GO_WITHIN: Duration = Duration::from_secs(5);

/// Looks after the slot until it is told to stop.
pub(super) async fn watch(keeper: &Keeper, log: &Log, stop: &CancellationToken) {
    let (mut asking, mut others, mut growth) = (None, Instant::now(), Growth::default());
    let much = keeper.settings.wal_slot_guard_bytes / RESERVE;
    while pause(stop, growth.next_look(much)).await {
        let look = look(keeper, log, &mut asking, &mut growth);
        match stop.run_until_cancelled(look).await {
            // Whoever receives tells why the server cannot be asked.
            Some(Err(_)) => asking = None,
            Some(Ok(())) => {}
            None => return,
        }
        log.watch_exposure();
        if others.elapsed() > OTHERS_EVERY {
            others = Instant::now();
            stop.run_until_cancelled(look_around(keeper, log)).await;
            stop.run_until_cancelled(look_for_backup(keeper, log)).await;
        }
    }
}

/// A gap is no trouble any more once a backup begins after it.
async fn look_for_backup(keeper: &Keeper, log: &Log) {
    let Some(gap) = log.gap() else {
        return;
    };
    if let Ok(repository) = keeper.repositories.first().await
        && let Ok(state) = repository.state().await
        && let Some(last) = state.of_cluster().next_back().and_then(|backup| backup.start)
        && (last.timeline, last.lsn) >= (gap.timeline, gap.lsn)
    {
        log.bridged();
    }
}

/// How fast what the slot holds back becomes more.
#[derive(Debug, Default)]
struct Growth {
    last: Option<(Instant, u64)>,
}

impl Growth {
    /// What it will be when the slot could be gone.
    fn soon(&mut self, now: Instant, retained: u64) -> u64 {
        let Some((then, before)) = self.last.replace((now, retained)) else {
            return retained;
        };
        let passed = now.saturating_duration_since(then).as_secs_f64().max(0.001);
        let per_second = retained.saturating_sub(before) as f64 / passed;
        retained.saturating_add((per_second * GONE_WITHIN.as_secs_f64()) as u64)
    }

    fn next_look(&self, much: u64) -> Duration {
        match self.last {
            Some((_, retained)) if much > 0 && retained > much => LOOK_OFTEN,
            _ => LOOK_EVERY,
        }
    }
}

async fn look(keeper: &Keeper, log: &Log, asking: &mut Option<Connection>, growth: &mut Growth) -> Result<(), Error> {
    let name = &keeper.settings.wal_slot;
    let mut connection = match asking.take() {
        Some(connection) => connection,
        None => {
            let followed = log.followed().map(|(target, _)| target);
            server::ask_primary(&keeper.cluster, name, followed.as_ref()).await?
        }
    };
    let facts = server::facts(&mut connection, name).await?;
    show(log, name, &facts);
    if let Some(slot) = facts.slot.filter(|slot| slot.is_physical) {
        let soon = growth.soon(Instant::now(), slot.retained);
        judge(keeper, log, &mut connection, &slot, soon).await?;
    }
    *asking = Some(connection);
    Ok(())
}

fn show(log: &Log, name: &str, facts: &Facts) {
    log.server_at(None, facts.flushed);
    let slot = facts.slot.as_ref();
    log.slot(slot.map(|_| name), slot.map_or(0, |slot| slot.retained));
}

async fn judge(keeper: &Keeper, log: &Log, asking: &mut Connection, slot: &SlotFacts, soon: u64) -> Result<(), Error> {
    let guard = keeper.settings.wal_slot_guard_bytes;
    let why = if slot.is_lost {
        "the server invalidated the slot, because it held back more than max_slot_wal_keep_size".to_owned()
    } else if guard > 0 && soon > guard - guard / RESERVE {
        format!(
            "the slot was given up: it held back {} bytes of log from {} on and would soon have held back more than backup.wal_slot_guard_bytes = {guard}",
            slot.retained,
            Lsn(slot.restart.unwrap_or_default())
        )
    } else {
        return Ok(());
    };
    tracing::error!(cluster.name = keeper.cluster.name, reason = why, "the slot is given up");
    log.hindered(Voice::Guard, &why);
    log.metrics().wal_slots_given_up.with([]).inc();
    log.give_up();
    remove(asking, &keeper.settings.wal_slot).await?;
    log.slot(None, 0);
    Ok(())
}

/// Removes the slot once nobody uses it; whoever does not let go of it is ended.
async fn remove(asking: &mut Connection, name: &str) -> Result<(), Error> {
    let until = Instant::now() + LET_GO_WITHIN;
    loop {
        let facts = server::facts(asking, name).await?;
        let Some(slot) = facts.slot else {
            return Ok(());
        };
        if slot.user.is_none() {
            return server::drop_slot(asking, name).await;
        }
        if Instant::now() > until {
            server::end_user(asking, name).await?;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Ends the session with a primary that was overtaken.
async fn look_around(keeper: &Keeper, log: &Log) {
    let (name, cluster) = (&keeper.settings.wal_slot, &keeper.cluster);
    let Some(followed) = log.followed().filter(|_| !cluster.standbys.is_empty()) else {
        return;
    };
    if server::is_overtaken(cluster, name, &followed.0, followed.1).await {
        tracing::warn!(
            cluster.name = cluster.name,
            "another server was promoted, and is followed from now on"
        );
        log.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_until_the_slot_is_gone_counts() {
        let (mut growth, begun) = (Growth::default(), Instant::now());
        assert_eq!(growth.soon(begun, 100), 100);
        assert_eq!(growth.soon(begun + Duration::from_millis(500), 200), 400);
        assert_eq!(
            growth.soon(begun + Duration::from_millis(600), 50),
            50,
            "it became less"
        );
        assert_eq!((growth.next_look(40), growth.next_look(60)), (LOOK_OFTEN, LOOK_EVERY));
        assert_eq!(growth.next_look(0), LOOK_EVERY, "there is no guard");
    }
}
