//! One run: the ground, the peer, the clients, and the comparison at the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use weir_tests::facts::{raise_open_files, rss_kib};
use weir_tests::peers::{Ground, Peer};
use weir_tests::wire::{Address, Fault};

use crate::calls::{self, Caller};
use crate::chaos;
use crate::client::{Client, Shared};
use crate::ledger::{self, Ledger};
use crate::options::Options;
use crate::tally::{Oracle, Tally};

/// Servers may take this long to notice that their clients are gone.
const QUIET_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Where a run takes place. What it started itself ends with it.
struct Place {
    address: Address,
    postgres: Address,
    peer: Option<Peer>,
    _ground: Option<Ground>,
}

impl Place {
    async fn find(options: &Options) -> Result<Self, String> {
        if let (Some(address), Some(postgres)) = (&options.at, &options.postgres) {
            return Ok(Self {
                address: address.clone(),
                postgres: postgres.clone(),
                peer: None,
                _ground: None,
            });
        }
        let ground = Ground::start(options.setup()).await;
        let peer = ground.peer(options.peer).await?;
        Ok(Self {
            address: peer.address.clone(),
            postgres: ground.address.clone(),
            peer: Some(peer),
            _ground: Some(ground),
        })
    }

    fn pooler_kib(&self) -> u64 {
        self.peer.as_ref().and_then(Peer::pooler_pid).map_or(0, rss_kib)
    }
}

/// Does what the options ask for; an error tells why the peer cannot be had.
pub(crate) async fn run(options: &Options) -> Result<Tally, String> {
    raise_open_files();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let place = Place::find(options).await?;
    println!("seed {seed}, {options:?}");
    let before_kib = place.pooler_kib();
    let shared = shared(options, &place.address);
    let ledgers = drive(options, seed, &place, &shared).await;
    settle(&place.postgres, &ledgers, &shared.tally)
        .await
        .map_err(|fault| format!("the ledger cannot be read: {fault}"))?;
    let after_kib = place.pooler_kib();
    shared
        .tally
        .note(format!("pooler: {before_kib} KiB before, {after_kib} KiB after"));
    if let Some(ended) = place.peer.as_ref().and_then(Peer::ended) {
        shared.tally.saw(Oracle::Broken, || ended);
    }
    println!("{}", shared.tally.report());
    Ok(Arc::into_inner(shared).expect("every client has ended").tally)
}

fn shared(options: &Options, address: &Address) -> Arc<Shared> {
    Arc::new(Shared {
        address: address.clone(),
        tally: Tally::default(),
        pins: Arc::new(Semaphore::new(options.pins())),
        ops: options.ops(),
        chaos: options.chaos,
        end: options
            .seconds()
            .map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        queries_max: options.transactions.unwrap_or(u64::MAX),
    })
}

async fn drive(options: &Options, seed: u64, place: &Place, shared: &Arc<Shared>) -> Vec<Ledger> {
    ledger::create(&place.postgres).await.expect("the ledger can be made");
    let teller = tokio::spawn(tell(shared.clone()));
    let chaos = options
        .chaos
        .then(|| tokio::spawn(chaos::run(shared.clone(), place.postgres.clone(), seed)));
    let callers = call(options, seed, place, shared).await;
    let mut clients = JoinSet::new();
    for (id, caller) in callers {
        clients.spawn(async move { (id, caller.work().await) });
    }
    for id in 0..options.clients {
        let client = Client::new(id, seed, shared.clone());
        clients.spawn(async move { (id, client.work().await) });
    }
    let mut ledgers = clients.join_all().await;
    teller.await.expect("telling does not fail");
    if let Some(chaos) = chaos {
        let ended = chaos.await.expect("chaos does not panic");
        let ended = ended.expect("chaos reaches PostgreSQL");
        shared.tally.note(format!("chaos ended {ended} server connections"));
    }
    ledgers.sort_unstable_by_key(|(id, _)| *id);
    ledgers.into_iter().map(|(_, ledger)| ledger).collect()
}

/// The callers, numbered behind the clients.
async fn call(options: &Options, seed: u64, place: &Place, shared: &Arc<Shared>) -> Vec<(u32, Caller)> {
    if options.callers == 0 {
        return Vec::new();
    }
    let port = place.peer.as_ref().and_then(|peer| peer.grpc);
    let port = port.expect("callers need a gateway that was started here");
    let made = ledger::run(&place.postgres, calls::KEYS).await;
    made.expect("a table can be made");
    let channels = calls::channels(port).await.expect("gRPC listens");
    let session: Arc<[String]> = calls::session(channels[0].clone()).await.into();
    (options.clients..options.clients + options.callers)
        .zip(channels.iter().cycle())
        .map(|(id, channel)| {
            let caller = Caller::new(id, seed, shared.clone(), channel.clone(), session.clone());
            (id, caller)
        })
        .collect()
}

/// How far it is, every now and then.
async fn tell(shared: Arc<Shared>) {
    let begun = Instant::now();
    let mut told = begun;
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shared.goes_on() {
        ticks.tick().await;
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let wrong: u64 = Oracle::ALL.into_iter().map(|oracle| shared.tally.count(oracle)).sum();
            let queries = shared.tally.queries.load(Ordering::Relaxed);
            println!("{} s: {queries} queries, {wrong} wrong", begun.elapsed().as_secs());
        }
    }
}

/// Waits until nothing moves any more, then compares.
async fn settle(postgres: &Address, ledgers: &[Ledger], tally: &Tally) -> Result<(), Fault> {
    let end = Instant::now() + QUIET_WITHIN;
    while ledger::is_busy(postgres).await? {
        if Instant::now() > end {
            tally.saw(Oracle::Hung, || {
                "a server is still busy long after the last client left".to_owned()
            });
            break;
        }
        sleep(POLL).await;
    }
    ledger::compare(postgres, ledgers, tally).await
}
