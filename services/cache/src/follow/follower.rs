//! One database: who leads, and the way back after every loss.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_proto::cache::v1::FollowerState;
use weir_runtime::TaskResult;
use weir_store::{Backoff, pause};
use weir_upstream::{Connection, Error, Target};

use super::core::Ripening;
use super::keeping::Keeping;
use super::lost::Lost;
use super::opening::{Opened, Way};
use super::server::Server;
use super::watching::{Around, Watching};

/// The lock of who leads, within the database that is followed.
const LOCK: i64 = 0x7765_6972_6c6f_6731;
/// How soon somebody who does not lead tries again: soon at first, because the one before may be just going.
const TRY_FIRST: Duration = Duration::from_millis(25);
const TRY_EVERY: Duration = Duration::from_millis(500);
/// A log that has not begun after this waits for somebody.
const LONG: Duration = Duration::from_secs(2);
/// After a loss it is tried again soon, then less and less often.
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// One database that is to be followed.
pub(crate) struct Follower {
    pub(crate) around: Around,
    pub(crate) way: Way,
    /// The servers of one cluster, one of which is the primary.
    pub(crate) servers: Vec<Target>,
    pub(crate) retry_max: Duration,
}

impl Follower {
    /// Follows until it is told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) -> TaskResult {
        let mut backoff = Backoff::new(RETRY_FIRST, self.retry_max);
        loop {
            let attempt = Box::pin(self.attempt(&mut backoff));
            let Some(lost) = stop.run_until_cancelled(attempt).await else {
                return Ok(());
            };
            self.say(&lost);
            if !pause(&stop, backoff.failed()).await {
                return Ok(());
            }
        }
    }

    fn say(&self, lost: &Lost) {
        let state = if lost.is_blocked {
            FollowerState::Blocked
        } else {
            FollowerState::Starting
        };
        let is_new = self.around.shared.lock().hindrance != lost.sentence;
        if is_new {
            tracing::warn!(
                database.name = %self.around.database,
                reason = lost.sentence,
                "the log is not followed; nothing is answered from memory"
            );
        }
        self.around.shared.stopped(state, lost.sentence.clone(), String::new());
    }

    async fn attempt(&self, backoff: &mut Backoff) -> Lost {
        match self.lead(backoff).await {
            Ok(lost) | Err(lost) => lost,
        }
    }

    async fn lead(&self, backoff: &mut Backoff) -> Result<Lost, Lost> {
        let (way, mut keeper) = self.primary().await?;
        self.take_lock(&mut keeper).await?;
        let instance = way.instance.to_string();
        // What hindered before is known until it does not.
        let hindrance = self.around.shared.lock().hindrance.clone();
        self.around.shared.stopped(FollowerState::Starting, hindrance, instance);
        let opened = self.opened(way.open(&mut keeper)).await?;
        tracing::info!(database.name = %self.around.database, epoch = %opened.epoch, "the log is followed");
        backoff.reset();
        let ripening = Mutex::new(Ripening::begun(opened.published.clone()));
        let keeper = tokio::sync::Mutex::new(keeper);
        let (shared, manager) = (self.around.shared.clone(), &way.manager);
        let (around, is_awaited) = (self.around.clone(), AtomicBool::new(true));
        let keeping = Keeping {
            keeper: &keeper,
            manager,
            ripening: &ripening,
            shared: &shared,
            is_awaited: &is_awaited,
            process_id: opened.stream.process_id(),
            version: opened.server.version,
            is_everything: opened.is_everything,
        };
        let target = way.target.clone();
        let watching = Watching::new(around, manager, &keeper, &ripening, target, opened, &is_awaited);
        let lost = tokio::select! {
            lost = watching.run() => lost,
            lost = keeping.run() => lost,
        };
        Ok(lost)
    }

    /// Waits for a log, and says so where it takes long.
    async fn opened(&self, opening: impl Future<Output = Result<Opened, Lost>>) -> Result<Opened, Lost> {
        let mut opening = std::pin::pin!(opening);
        if let Ok(opened) = tokio::time::timeout(LONG, &mut opening).await {
            return opened;
        }
        const WAITS: &str = "the log begins once the transactions have ended that were under way";
        WAITS.clone_into(&mut self.around.shared.lock().hindrance);
        opening.await
    }

    /// A session with the primary, whichever of the servers that is.
    async fn primary(&self) -> Result<(Way, Connection), Lost> {
        let mut last = None;
        for target in &self.servers {
            let way = Way {
                target: target.clone(),
                ..self.way.clone()
            };
            match self.greet(&way).await {
                Ok((server, keeper)) if server.is_primary() || self.servers.len() == 1 => return Ok((way, keeper)),
                Ok(_) => last = last.or_else(|| Some(Lost::other("none of the servers is a primary".to_owned()))),
                Err(lost) => last = Some(lost),
            }
        }
        Err(last.unwrap_or_else(Lost::silent))
    }

    async fn greet(&self, way: &Way) -> Result<(Server, Connection), Lost> {
        let mut connection = way.connect().await?;
        let server = Server::ask(&mut connection).await?;
        Ok((server, connection))
    }

    async fn take_lock(&self, keeper: &mut Connection) -> Result<(), Lost> {
        let mut backoff = Backoff::new(TRY_FIRST, TRY_EVERY);
        while !try_lock(keeper).await? {
            let leader = leader(keeper).await?;
            self.around
                .shared
                .stopped(FollowerState::Standby, String::new(), leader.unwrap_or_default());
            tokio::time::sleep(backoff.failed()).await;
        }
        Ok(())
    }
}

async fn try_lock(keeper: &mut Connection) -> Result<bool, Error> {
    let sql = format!("select pg_catalog.pg_try_advisory_lock({LOCK}) as locked");
    let rows = keeper.simple_query(&sql).await?;
    rows.first().map_or(Ok(false), |row| row.flag("locked"))
}

/// Who holds the lock, as far as the server lets us see it.
async fn leader(keeper: &mut Connection) -> Result<Option<String>, Error> {
    let sql = format!(
        "select a.application_name as leader from pg_catalog.pg_locks l \
         join pg_catalog.pg_stat_activity a on a.pid = l.pid \
         where l.locktype = 'advisory' and l.granted and l.objsubid = 1 \
         and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) \
         and l.classid::bigint << 32 | l.objid::bigint = {LOCK}"
    );
    let rows = keeper.simple_query(&sql).await?;
    Ok(rows.first().and_then(|row| row.get("leader")).map(str::to_owned))
}

/// For tests and for those who list: an instance's name.
pub(crate) fn instance() -> Arc<str> {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let tail = id.get(20..).unwrap_or_default();
    format!("weir-cache-{tail}").into()
}
