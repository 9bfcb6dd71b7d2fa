//! One run: the system, those who write, read and trouble it, and the comparison at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use weir_tests::cached::{Counts, Ghost, Plan, Stage, Way, postgres_settings};
use weir_tests::facts::raise_open_files;
use weir_tests::peers::{Ground, Setup};
use weir_tests::wire::Address;

use super::callers::Reading;
use super::options::Options;
use super::quiet;
use super::readers::{Reader, Seen};
use super::record::{Asked, Level};
use super::registers::{Kind, Question, Registers};
use super::troubles::Tormentor;
use super::verdict::{Verdict, Wrong};
use super::writers::Writer;
use super::writes::OWNED;

/// Writers of what anybody may write.
const WRITERS: u64 = 6;
/// `gateway.cache_bound`.
const BOUND: Duration = Duration::from_secs(1);
/// Rows on both sides of those that are written next.
const ONCE_AROUND: i32 = 40;
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What all of them share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) registers: Registers,
    pub(crate) verdict: Verdict,
    pub(crate) door: Address,
    pub(crate) direct: Address,
    pub(crate) grpc: String,
    begun: Instant,
    stopped: AtomicBool,
    once: AtomicI32,
    /// Until then, in nanoseconds, a broken connection has an excuse.
    excused_ns: AtomicU64,
}

impl Shared {
    /// Whether the run goes on.
    pub(crate) fn goes_on(&self) -> bool {
        let over = self.options.length().is_some_and(|length| self.elapsed() >= length);
        let read = self.options.reads.is_some_and(|reads| self.verdict.reads() >= reads);
        let wrong = self.options.until_wrong && self.verdict.all() > 0;
        !(over || read || wrong || self.stopped.load(Ordering::Relaxed))
    }

    /// Since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The same in nanoseconds.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Connections may break from now on.
    pub(crate) fn excuse_from_now_on(&self) {
        self.excused_ns.store(u64::MAX, Ordering::SeqCst);
    }

    /// And may be broken for so long.
    pub(crate) fn excuse_for(&self, longer: Duration) {
        let longer = u64::try_from(longer.as_nanos()).unwrap_or(u64::MAX);
        self.excused_ns
            .store(self.now_ns().saturating_add(longer), Ordering::SeqCst);
    }

    /// A request came to nothing, on a connection whose last answer came at some moment.
    pub(crate) fn broke(&self, how: &str, answered_at: Option<Instant>) {
        let answered_at = answered_at.unwrap_or_else(Instant::now).duration_since(self.begun);
        let answered_ns = u64::try_from(answered_at.as_nanos()).unwrap_or(u64::MAX);
        if answered_ns < self.excused_ns.load(Ordering::SeqCst) {
            self.verdict.broken.fetch_add(1, Ordering::Relaxed);
        } else {
            self.verdict.saw(Wrong::Error, self.elapsed(), || how.to_owned());
        }
    }

    /// The next row that is written once; none where all were.
    pub(crate) fn next_once(&self, count: i32) -> Option<i32> {
        let next = self.once.fetch_add(1, Ordering::Relaxed);
        (next < count).then_some(next)
    }

    /// A row, the first ones far more often than the last.
    pub(crate) fn hot_key(&self, rng: &mut fastrand::Rng) -> i32 {
        let count = self.registers.count(Kind::Hot);
        let drawn = f64::from(count).powf(rng.f64()) - 1.0;
        (0..count).rfind(|key| f64::from(*key) <= drawn).unwrap_or(0)
    }

    /// What to read next.
    pub(crate) fn choose(&self, rng: &mut fastrand::Rng) -> Option<(usize, &'static Question)> {
        let kinds: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|kind| self.registers.count(*kind) > 0)
            .collect();
        let mut drawn = rng.u32(0..kinds.iter().map(|kind| kind.reads()).sum::<u32>().max(1));
        let kind = *kinds.iter().find(|kind| {
            let found = drawn < kind.reads();
            drawn = drawn.saturating_sub(kind.reads());
            found
        })?;
        let count = self.registers.count(kind);
        let key = match kind {
            Kind::Hot => self.hot_key(rng),
            Kind::Once => {
                let next = self.once.load(Ordering::Relaxed);
                (next + rng.i32(-ONCE_AROUND..ONCE_AROUND)).clamp(0, count - 1)
            }
            _ => rng.i32(0..count),
        };
        Some((self.registers.index(kind, key)?, rng.choice(kind.questions())?))
    }

    /// What is known just before a question is asked.
    pub(crate) fn ask(&self, index: usize, known: u64) -> Asked {
        Asked {
            acknowledged: self.registers.get(index).record.acknowledged(),
            at_ns: self.now_ns(),
            known,
            bound_ns: u64::try_from(BOUND.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Judges an answer; gives the version that it shows.
    pub(crate) fn judge(
        &self,
        index: usize,
        question: &Question,
        level: Level,
        asked: &Asked,
        seen: Seen,
    ) -> Option<u64> {
        let register = self.registers.get(index);
        let (key, kind) = (register.key, register.kind);
        let complain = |wrong: Wrong, how: &str| {
            self.verdict.saw(wrong, self.elapsed(), || {
                format!("{kind:?} {key} at {}: {how} ({})", level.name(), question.sql)
            });
        };
        self.verdict.read(level);
        match seen {
            Seen::Nothing => complain(Wrong::Other, "no row"),
            Seen::Torn(_, version) => complain(Wrong::Torn, &format!("version {version} in one half only")),
            Seen::Version(other, _) if other != i64::from(key) => complain(Wrong::Other, &format!("key {other}")),
            Seen::Version(_, version) => {
                if let Some((wrong, how)) = register.record.judge(level, asked, version) {
                    complain(wrong, &how);
                }
                return Some(version);
            }
        }
        None
    }
}

/// Does what the options ask for.
pub(crate) async fn run(options: &Options) -> Verdict {
    raise_open_files();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}, {options:?}");
    let registers = Registers::new(options);
    let (stage, ghost) = set(options, &registers).await;
    let shared = Arc::new(Shared {
        options: options.clone(),
        registers,
        verdict: Verdict::default(),
        door: stage.app_door(),
        direct: stage.ground.address.clone(),
        grpc: stage.grpc(),
        begun: Instant::now(),
        stopped: AtomicBool::new(false),
        once: AtomicI32::new(0),
        excused_ns: AtomicU64::new(0),
    });
    let before = Counts::read(stage.ops()).await;
    let tormentor = drive(stage, ghost, seed, &shared).await;
    let stage = &tormentor.stage;
    let counts = Counts::read(stage.ops()).await.plus(&tormentor.counted).since(&before);
    shared.verdict.note(format!("while it ran: {counts}"));
    finish(options, stage, &shared, &counts).await;
    drop(tormentor);
    println!("{}", shared.verdict.report());
    Arc::into_inner(shared).expect("everybody has ended").verdict
}

async fn finish(options: &Options, stage: &Stage, shared: &Arc<Shared>, counts: &Counts) {
    if options.until_wrong {
        return;
    }
    quiet::compare(stage, shared).await;
    if stage.caches() && counts.hit_ratio() * 100.0 < f64::from(options.hits_min) {
        shared.verdict.saw(Wrong::Other, shared.elapsed(), || {
            format!("too little came from memory: {counts}")
        });
        quiet::explain(stage, shared).await;
    }
    if shared.verdict.all() > 0 {
        println!("{}", stage.outputs());
    }
}

async fn set(options: &Options, registers: &Registers) -> (Stage, Option<Ghost>) {
    let ground = Ground::start(Setup {
        postgres_settings: postgres_settings(),
        shared_buffers: "128MB".to_owned(),
        ..Setup::default()
    })
    .await;
    ground.psql("alter system set max_wal_size = '4GB'").await;
    let mut plan = Plan {
        cache: options.cache.clone(),
        redis: true,
        ..Plan::default()
    };
    if let Some(fault) = &options.fault {
        plan.gateway = "pool-gateway-planted".to_owned();
        plan.gateway_environment
            .push(("WEIR_GATEWAY__CACHE_FAULT".to_owned(), fault.clone()));
    }
    let stage = Stage::start(plan, ground).await;
    stage.ground.psql(&registers.schema()).await;
    let delay = Duration::from_millis(options.bus_delay_ms);
    stage.bus.knobs.delay(delay);
    let ghost = match options.no_standby {
        true => None,
        false => Some(Ghost::start(&stage.ground).await),
    };
    if stage.caches() {
        stage.until_warm("select k, v from reg.fixed where k = 0").await;
    }
    (stage, ghost)
}

async fn drive(stage: Stage, ghost: Option<Ghost>, seed: u64, shared: &Arc<Shared>) -> Tormentor {
    let mut seeds = fastrand::Rng::with_seed(seed);
    let mut tasks = JoinSet::new();
    let tormentor = Tormentor::new(stage, ghost, shared.clone(), seeds.u64(..));
    for _ in 0..WRITERS {
        let every = WRITERS * shared.options.reads_per_write;
        tasks.spawn(Writer::new(shared.clone(), seeds.u64(..)).share(every));
    }
    for which in 0..OWNED.len() {
        tasks.spawn(Writer::new(shared.clone(), seeds.u64(..)).own(which));
    }
    for number in 0..shared.options.readers {
        tasks.spawn(Reader::new(shared.clone(), seeds.u64(..), level(number), way(number)).work());
    }
    for number in 0..shared.options.callers {
        let level = if number % 2 == 0 { Level::Strict } else { Level::Session };
        tasks.spawn(Reading::new(shared.clone(), seeds.u64(..), level).work());
    }
    tasks.spawn(tell(shared.clone()));
    let ended = async {
        tasks.join_all().await;
        shared.stopped.store(true, Ordering::Relaxed);
    };
    tokio::join!(tormentor.work(), ended).0
}

/// A third at each level, and one of twelve that asks PostgreSQL itself.
const fn level(number: usize) -> Level {
    match number % 12 {
        11 => Level::Off,
        number if number % 3 == 0 => Level::Strict,
        number if number % 3 == 1 => Level::Session,
        _ => Level::Bounded,
    }
}

const fn way(number: usize) -> Way {
    match number / 3 % 4 {
        0 | 3 => Way::Prepared,
        1 => Way::Simple,
        _ => Way::Extended,
    }
}

/// How far it is, every now and then.
async fn tell(shared: Arc<Shared>) {
    let mut told = Instant::now();
    while shared.goes_on() {
        sleep(Duration::from_millis(50)).await;
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let (reads, wrong) = (shared.verdict.reads(), shared.verdict.all());
            println!("{} s: {reads} reads, {wrong} wrong", shared.elapsed().as_secs());
        }
    }
}
