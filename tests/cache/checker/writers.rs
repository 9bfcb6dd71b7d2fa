//! Those who write: several that share the registers, and one for each that counts its versions itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_tests::cached::{Answer, Asker};
use weir_tests::wire::{Address, Fault};

use super::callers::Caller;
use super::registers::{Kind, RANKS};
use super::run::Shared;
use super::verdict::Wrong;
use super::writes::{OWNED, Path, SHARED, Said, Write};

/// Before a log-in that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Writers go on while readers stand still.
const REST_MAX: Duration = Duration::from_secs(6);

/// One writer.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    rng: fastrand::Rng,
    caller: Caller,
    door: Option<Asker>,
    direct: Option<Asker>,
}

impl Writer {
    /// A writer of these choices.
    pub(crate) fn new(shared: Arc<Shared>, seed: u64) -> Self {
        Self {
            caller: Caller::new(&shared.grpc),
            shared,
            rng: fastrand::Rng::with_seed(seed),
            door: None,
            direct: None,
        }
    }

    /// Writes what anybody may write until the run ends.
    pub(crate) async fn share(mut self, every: u64) {
        let writes: Vec<Write> = SHARED
            .into_iter()
            .filter(|write| self.shared.registers.count(write.kind) > 0)
            .collect();
        let weights: u32 = writes.iter().map(|write| write.weight).sum();
        while self.shared.goes_on() && weights > 0 {
            let mut chosen = self.rng.u32(0..weights);
            let write = writes.iter().find(|write| {
                let found = chosen < write.weight;
                chosen = chosen.saturating_sub(write.weight);
                found
            });
            if let Some((write, key)) = write.and_then(|write| Some((*write, self.key(write.kind)?))) {
                self.write(&write, key).await;
            }
            self.rest(every).await;
        }
    }

    /// Some row; none where every row that is written once was written.
    fn key(&mut self, kind: Kind) -> Option<i32> {
        let count = self.shared.registers.count(kind);
        match kind {
            Kind::Once => self.shared.next_once(count),
            Kind::Hot if self.rng.bool() => Some(self.shared.hot_key(&mut self.rng)),
            _ => Some(self.rng.i32(0..count)),
        }
    }

    /// Writes what it alone writes until the run ends.
    pub(crate) async fn own(mut self, which: usize) {
        let (write, every) = OWNED[which];
        let keys = match write.path {
            _ if write.kind != Kind::Copied => 0..1,
            Path::Direct => 0..2,
            _ => 2..5,
        };
        if self.shared.registers.count(write.kind) == 0 {
            return;
        }
        while self.shared.goes_on() {
            let key = self.rng.i32(keys.clone());
            self.write(&write, key).await;
            self.rest(every).await;
        }
    }

    /// Until about so many answers more have been read, and not much longer where nothing is read.
    async fn rest(&mut self, reads: u64) {
        let enough = self.shared.verdict.reads() + self.rng.u64(0..=2 * reads);
        let end = self.shared.elapsed() + REST_MAX;
        while self.shared.goes_on() && self.shared.verdict.reads() < enough && self.shared.elapsed() < end {
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn write(&mut self, write: &Write, key: i32) {
        let shared = self.shared.clone();
        let Some(index) = shared.registers.index(write.kind, key) else {
            return;
        };
        let record = &shared.registers.get(index).record;
        let version = record.begin();
        if write.kind == Kind::Rank && version > RANKS {
            return;
        }
        match self.say(write, key, version).await {
            Ok(Some(version)) => {
                record.acknowledge(version, shared.now_ns());
                shared.verdict.wrote();
            }
            Ok(None) => shared.verdict.saw(Wrong::Other, shared.elapsed(), || {
                format!(
                    "a write of {:?} {key} by {:?} answered with no version",
                    write.kind, write.path
                )
            }),
            Err(lost) => {
                let how = format!("a write of {:?} {key} by {:?}: {}", write.kind, write.path, lost.how);
                shared.broke(&how, lost.answered_at);
            }
        }
    }

    /// The version that came of it.
    async fn say(&mut self, write: &Write, key: i32, version: u64) -> Result<Option<u64>, Lost> {
        if write.path == Path::Call {
            let Said::Answering(sql) = write.said else {
                return Err(Lost::call("calls only ask for answers".to_owned()));
            };
            return self.caller.write(sql, key).await.map_err(Lost::call);
        }
        let said = self.say_on_the_wire(write, key, version).await;
        said.map_err(|fault| {
            // Whatever it was, a session of which nothing is known is given up.
            let session = match write.path {
                Path::Direct => self.direct.take(),
                _ => self.door.take(),
            };
            Lost {
                how: fault.to_string(),
                answered_at: session.map(|session| session.answered_at()),
            }
        })
    }

    async fn say_on_the_wire(&mut self, write: &Write, key: i32, version: u64) -> Result<Option<u64>, Fault> {
        let asynchronous = self.shared.options.asynchronous && self.rng.u32(0..3) == 0;
        let asker = match write.path {
            Path::Direct => opened(&mut self.direct, &self.shared.direct).await?,
            _ => opened(&mut self.door, &self.shared.door).await?,
        };
        if asynchronous && write.path == Path::Direct {
            asker.run("set synchronous_commit = off").await?;
        }
        let answer = match (write.said, write.path) {
            (Said::Answering(sql), Path::Door(way)) => asker.ask(way, sql, &[&key.to_string()]).await?,
            (Said::Answering(sql), _) => asker.simple(&sql.replace("$1", &key.to_string())).await?,
            (Said::Telling(sql), _) => asker.simple(&sql.replace(":v", &version.to_string())).await?,
            (Said::Copying(sql), _) => asker.copy_in(sql, &format!("{key}\t{version}\n")).await?,
        };
        if asynchronous && write.path == Path::Direct {
            asker.run("reset synchronous_commit").await?;
        }
        match answer.error() {
            Some(error) => Err(Fault::Refused(error.clone())),
            None => Ok(made(write.said, version, &answer)),
        }
    }
}

/// A write of which nobody knows whether it was done.
struct Lost {
    how: String,
    /// When the connection had its last answer.
    answered_at: Option<Instant>,
}

impl Lost {
    const fn call(how: String) -> Self {
        Self { how, answered_at: None }
    }
}

fn made(said: Said, version: u64, answer: &Answer) -> Option<u64> {
    match said {
        Said::Answering(_) => u64::try_from(*answer.numbers()?.first()?).ok(),
        Said::Telling(_) | Said::Copying(_) => Some(version),
    }
}

/// A session; opened where there is none.
pub(crate) async fn opened<'a>(asker: &'a mut Option<Asker>, address: &Address) -> Result<&'a mut Asker, Fault> {
    if asker.is_none() {
        match Asker::open(address).await {
            Ok(open) => *asker = Some(open),
            Err(fault) => {
                sleep(AGAIN_AFTER).await;
                return Err(fault);
            }
        }
    }
    asker.as_mut().ok_or(Fault::Closed)
}
