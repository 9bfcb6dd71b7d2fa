//! What happens to the system while it is read and written.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use weir_testkit::Redis;
use weir_tests::cached::{Counts, Ghost, Stage};

use super::run::Shared;

/// How long connections that a trouble broke may take to be made anew.
const AFTERMATH: Duration = Duration::from_secs(5);

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The synchronous standby confirms nothing for a while: commits are told of and not visible.
    Stall,
    /// The process that sends the log ends.
    Walsender,
    /// The cache service stands still, for longer than the bound.
    Frozen,
    /// The cache service dies and comes again.
    Service,
    /// Redis forgets everything.
    Flush,
    /// Redis is away.
    Redis,
    /// Redis is slow.
    Slow,
    /// Every connection to the bus breaks.
    Cut,
    /// Messages of the bus are lost.
    Loss,
    /// Messages of the bus come in another order.
    Order,
    /// Tables and indexes come and go, columns are added.
    Definitions,
    /// Roles change.
    Roles,
    /// PostgreSQL crashes and comes again.
    Postgres,
    /// The gateway dies and comes again.
    Gateway,
}

impl Trouble {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
        Self::Stall,
        Self::Walsender,
        Self::Loss,
        Self::Frozen,
        Self::Definitions,
        Self::Flush,
        Self::Order,
        Self::Service,
        Self::Roles,
        Self::Cut,
        Self::Redis,
        Self::Slow,
        Self::Gateway,
        Self::Postgres,
    ];

    /// Whether clients lose their connections by it.
    const fn breaks_connections(self) -> bool {
        matches!(self, Self::Postgres | Self::Gateway)
    }
}

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |trouble: &Self| format!("{trouble:?}").eq_ignore_ascii_case(text);
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| format!("there is no trouble {text}"))
    }
}

/// The system, and those who make it suffer.
pub(crate) struct Tormentor {
    pub(crate) stage: Stage,
    pub(crate) ghost: Option<Ghost>,
    /// What gateways counted that are gone.
    pub(crate) counted: Counts,
    rng: fastrand::Rng,
    shared: Arc<Shared>,
    number: u32,
}

impl Tormentor {
    /// One of these choices.
    pub(crate) fn new(stage: Stage, ghost: Option<Ghost>, shared: Arc<Shared>, seed: u64) -> Self {
        Self {
            stage,
            ghost,
            counted: Counts::default(),
            rng: fastrand::Rng::with_seed(seed),
            shared,
            number: 0,
        }
    }

    /// One trouble after the other until the run ends.
    pub(crate) async fn work(mut self) -> Self {
        let troubles = self.shared.options.troubles();
        let calm = Duration::from_secs_f64(self.shared.options.calm);
        let mut turn = 0;
        while !calm.is_zero() && !troubles.is_empty() && rest(self.shared.clone(), calm).await {
            let trouble = troubles[turn % troubles.len()];
            turn += 1;
            self.shared
                .verdict
                .note(format!("{:.1} s: {trouble:?}", self.shared.elapsed().as_secs_f64()));
            if trouble.breaks_connections() {
                self.shared.excuse_from_now_on();
            }
            self.make(trouble).await;
            if trouble.breaks_connections() {
                self.shared.excuse_for(AFTERMATH);
            }
        }
        while rest(self.shared.clone(), Duration::from_millis(50)).await {}
        self
    }

    fn a_while(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.u64(from_ms..to_ms))
    }

    async fn make(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Stall => self.stall().await,
            Trouble::Walsender => self.end_walsender().await,
            Trouble::Frozen => self.freeze().await,
            Trouble::Service => self.stage.start_cache().await,
            Trouble::Flush => self.flush().await,
            Trouble::Redis => self.redis_away().await,
            Trouble::Slow => self.redis_slow().await,
            Trouble::Cut => self.cut().await,
            Trouble::Loss => self.meddle(200, 0).await,
            Trouble::Order => self.meddle(0, 200).await,
            Trouble::Definitions => self.define().await,
            Trouble::Roles => self.change_roles().await,
            Trouble::Postgres => self.crash().await,
            Trouble::Gateway => self.another_gateway().await,
        }
    }

    /// Three times, because what happens at the edges matters.
    async fn stall(&mut self) {
        for _ in 0..3 {
            let (stalled, between) = (self.a_while(50, 400), self.a_while(20, 100));
            let Some(ghost) = &self.ghost else { return };
            ghost.stall();
            sleep(stalled).await;
            ghost.go_on();
            sleep(between).await;
        }
    }

    async fn end_walsender(&mut self) {
        let ended =
            "select count(pg_terminate_backend(pid)) from pg_stat_replication where application_name <> 'ghost'";
        self.stage.ground.psql(ended).await;
    }

    async fn freeze(&mut self) {
        let frozen = self.a_while(300, 2_000);
        let Some(cache) = self.stage.cache() else { return };
        cache.signal("STOP");
        sleep(frozen).await;
        cache.signal("CONT");
    }

    async fn flush(&mut self) {
        if let Some(redis) = &self.stage.redis {
            flush(redis).await;
        }
    }

    async fn redis_away(&mut self) {
        let away = self.a_while(200, 800);
        if let Some(redis) = &mut self.stage.redis {
            redis.stop().await;
            sleep(away).await;
            redis.start_again().await;
        }
    }

    async fn redis_slow(&mut self) {
        let slow = self.a_while(300, 800);
        if let Some(shared) = &self.stage.shared {
            shared.knobs.delay(Duration::from_millis(100));
            sleep(slow).await;
            shared.knobs.delay(Duration::ZERO);
        }
    }

    async fn cut(&mut self) {
        let away = self.a_while(20, 600);
        let knobs = self.stage.bus.knobs.clone();
        knobs.stay_away(true);
        knobs.cut();
        sleep(away).await;
        knobs.stay_away(false);
    }

    async fn meddle(&mut self, lost: u32, swapped: u32) {
        let knobs = self.stage.bus.knobs.clone();
        let before = knobs.meddled();
        knobs.meddle(lost, swapped);
        sleep(self.a_while(300, 900)).await;
        knobs.meddle(0, 0);
        let meddled = knobs.meddled() - before;
        self.shared
            .verdict
            .note(format!("    {meddled} messages lost or swapped"));
    }

    async fn define(&mut self) {
        self.number += 1;
        let number = self.number;
        let sql = format!(
            "create table reg.other_{number} (k int primary key); create index on reg.hot (v);
             alter table reg.fixed add column c{number} int; analyze reg.hot; drop table reg.other_{number};
             drop index reg.hot_v_idx;"
        );
        self.stage.ground.psql(&sql).await;
    }

    async fn change_roles(&mut self) {
        self.number += 1;
        let number = self.number;
        let sql = format!(
            "create role other_{number}; grant other_{number} to app; alter role app set app.number = '{number}';
             revoke other_{number} from app; drop role other_{number};"
        );
        self.stage.ground.psql(&sql).await;
    }

    /// What the old one counted is not lost with it.
    async fn another_gateway(&mut self) {
        self.counted = std::mem::take(&mut self.counted).plus(&Counts::read(self.stage.ops()).await);
        self.stage.start_gateway().await;
    }

    async fn crash(&mut self) {
        self.ghost = self.ghost.take().filter(|_| false);
        self.stage.ground.postgres.stop().await;
        sleep(self.a_while(50, 500)).await;
        self.stage.ground.postgres.start_again().await;
        if !self.shared.options.no_standby {
            self.ghost = Some(Ghost::follow(&self.stage.ground).await);
        }
    }
}

/// Whether the run goes on after it.
async fn rest(shared: Arc<Shared>, calm: Duration) -> bool {
    let end = shared.elapsed() + calm;
    while shared.goes_on() && shared.elapsed() < end {
        sleep(Duration::from_millis(20)).await;
    }
    shared.goes_on()
}

/// Where it is away, there is nothing to forget.
async fn flush(redis: &Redis) {
    let flush = async {
        let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await?;
        stream.write_all(b"FLUSHALL\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await
    };
    let _flushed = timeout(Duration::from_secs(5), flush).await;
}
