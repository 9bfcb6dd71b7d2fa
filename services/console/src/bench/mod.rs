//! The built-in verification and benchmark: four ways to ask PostgreSQL beside each other, and whether what Weir
//! promises holds here.
//!
//! It works on a schema of its own, which is dropped however it ends. The same is run by the console's calls and by
//! `weir bench`.

mod desk;
mod judge;
mod load;
mod page;
mod proofs;
mod report;
mod scene;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_config::{DatabaseSettings, Error, Origin, Sources};
use weir_model::Clock;
use weir_upstream::Target;

use crate::auth::Keyring;
use crate::services::Services;
use crate::settings::ConsoleSettings;
use judge::Found;
use load::Load;
use scene::Scene;

pub(crate) use desk::{Desk, DeskError, ended};
pub use page::page;
pub use report::{Check, Kind, Mode, Progress, Report, Setup, Span, State, Statement, Step, Summary, Verdict};

pub(crate) const CONNECT_PER_REQUEST: &str = "connect_per_request";
pub(crate) const DIRECT: &str = "direct";
pub(crate) const POOLED: &str = "pooled";
pub(crate) const POOLED_CACHED: &str = "pooled_cached";

const MODES: [(&str, &str); 4] = [
    (CONNECT_PER_REQUEST, "A connection for each request"),
    (DIRECT, "Direct, one connection a client"),
    (POOLED, "Through the pool"),
    (POOLED_CACHED, "Through the pool, with the cache"),
];
const SEED: u64 = 42;
/// Before the cache is measured, it has to have seen what is asked.
const WARM_UP: Duration = Duration::from_secs(2);

/// What is wanted of a verification.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which.
    pub kind: Kind,
    /// Seconds of each way.
    pub seconds: u64,
    /// Clients at once.
    pub clients: u64,
    /// Rows of each table.
    pub rows: u64,
    /// Who wants it.
    pub requested_by: String,
}

impl Order {
    /// The usual sizes.
    pub fn usual(kind: Kind, requested_by: &str) -> Self {
        let (seconds, rows) = match kind {
            Kind::Comprehensive => (10, 100_000),
            Kind::Quick => (1, 10_000),
        };
        Self {
            kind,
            seconds,
            clients: 8,
            rows,
            requested_by: requested_by.to_owned(),
        }
    }

    /// What of it cannot be.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: u64, least: u64, most: u64| {
            let fits = (least..=most).contains(&value);
            fits.then_some(())
                .ok_or_else(|| format!("{name}: {value} is not from {least} to {most}"))
        };
        within("seconds", self.seconds, 1, 300)?;
        within("clients", self.clients, 1, 200)?;
        within("rows", self.rows, 1_000, 10_000_000)
    }
}

/// What a verification is done with.
#[derive(Debug, Clone)]
pub struct Bench {
    services: Services,
    direct: Target,
    door: Target,
    /// Where the console is, for the check of isolation.
    console: proofs::Own,
    clock: Clock,
}

impl Bench {
    /// With what the settings say.
    pub fn of(sources: &Sources, clock: Clock) -> Result<Self, Error> {
        let settings: ConsoleSettings = crate::settings::check(sources)?;
        let database: DatabaseSettings = sources.section()?;
        let wrong = |key: &str, reason: String| Error::invalid(key, Origin::File, reason);
        let url = database
            .url
            .as_ref()
            .ok_or_else(|| wrong("database.url", "it is not set".to_owned()))?;
        let direct = Target::parse(url.secret().expose()).map_err(|error| wrong("database.url", error.to_string()))?;
        let door = direct
            .at(&settings.door(sources)?)
            .map_err(|error| wrong("console.gateway_wire", error.to_string()))?;
        Ok(Self {
            services: Services::at(&settings, sources)?,
            direct,
            door,
            console: proofs::Own::of(&settings)?,
            clock,
        })
    }

    /// The report before anything was done.
    pub fn draft(&self, id: Uuid, order: &Order) -> Report {
        let schema = format!("weir_bench_{}", id.simple());
        let checked = order.kind == Kind::Comprehensive;
        let mut steps = vec![step("prepare", "Make tables to ask for")];
        steps.extend(MODES.map(|(name, title)| step(name, title)));
        if checked {
            steps.push(step("backup", "See whether the latest backup is proven"));
            steps.push(step("isolation", "Try to see another project"));
        }
        steps.push(step("clean_up", "Remove the tables"));
        let mut report = Report {
            id: id.to_string(),
            kind: order.kind,
            state: State::Running,
            verdict: Verdict::Unknown,
            requested_by: order.requested_by.clone(),
            started_unix_ms: self.clock.unix_ms(),
            ended_unix_ms: 0,
            error: String::new(),
            progress: Some(Progress::default()),
            setup: self.setup(order, &schema),
            steps,
            modes: Vec::new(),
            checks: Vec::new(),
        };
        let found = if checked {
            Found::new(Verdict::Unknown, "")
        } else {
            not_asked()
        };
        report.checks = judge::checks(&report, &found, &found);
        report
    }

    fn setup(&self, order: &Order, schema: &str) -> Setup {
        let statement = |name: &str, sql: &str, share| Statement {
            name: name.to_owned(),
            sql: sql.to_owned(),
            share,
        };
        Setup {
            weir_version: env!("CARGO_PKG_VERSION").to_owned(),
            upstream: format!("{}:{}", self.direct.host(), self.direct.port()),
            database: self.direct.database().to_owned(),
            schema: schema.to_owned(),
            rows: order.rows,
            clients: order.clients,
            seconds: order.seconds,
            seed: SEED,
            cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u64),
            statements: vec![
                statement(
                    "read one row by its key",
                    "select note, amount from items where id = $1",
                    0.9,
                ),
                statement(
                    "add up a hundred rows",
                    "select sum(amount) from items where id between $1 and $1 + 99",
                    0.1,
                ),
            ],
            ..Setup::default()
        }
    }

    /// Does it, and tells how far it is, until it has ended or is stopped; what was made for it is removed in any case.
    pub async fn run(
        &self,
        order: &Order,
        keyring: Option<&Keyring>,
        told: &watch::Sender<Report>,
        stop: &CancellationToken,
    ) {
        let schema = told.borrow().setup.schema.clone();
        let scene = Scene::new(self.direct.clone(), self.services.clone(), schema);
        let run = Run {
            bench: self,
            order,
            told,
            stop,
            scene: &scene,
        };
        let ended = Box::pin(run.all(keyring)).await;
        let cleaned = run.step("clean_up", scene.remove()).await;
        run.end(ended.and(cleaned));
    }
}

fn step(name: &str, title: &str) -> Step {
    Step {
        name: name.to_owned(),
        title: title.to_owned(),
        state: State::Requested,
        took_ms: None,
        note: String::new(),
    }
}

fn not_asked() -> Found {
    Found::new(Verdict::Skipped, "not a part of the quick benchmark")
}

/// Why it did not go on.
#[derive(Debug)]
enum Halt {
    Stopped,
    Failed(String),
}

impl From<String> for Halt {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

struct Run<'a> {
    bench: &'a Bench,
    order: &'a Order,
    told: &'a watch::Sender<Report>,
    stop: &'a CancellationToken,
    scene: &'a Scene,
}

impl Run<'_> {
    async fn all(&self, keyring: Option<&Keyring>) -> Result<(), Halt> {
        let version = self
            .step("prepare", self.stopped(Box::pin(self.scene.make(self.order.rows))))
            .await?;
        self.told.send_modify(|report| report.setup.server_version = version);
        for way in MODES {
            let mode = self.step(way.0, self.way(way)).await?;
            self.told.send_modify(|report| report.modes.push(mode));
            self.judge(|_, _| {});
        }
        if self.order.kind == Kind::Comprehensive {
            let backup = self
                .step("backup", async {
                    Ok::<_, Halt>(proofs::backup(&self.bench.services).await)
                })
                .await?;
            self.judge(|first, _| *first = backup);
            let isolation = async { Ok::<_, Halt>(proofs::isolation(&self.bench.console, keyring).await) };
            let isolation = self.step("isolation", isolation).await?;
            self.judge(|_, second| *second = isolation);
        }
        Ok(())
    }

    /// The table anew, with what more was found out.
    fn judge(&self, found: impl FnOnce(&mut Found, &mut Found)) {
        self.told.send_modify(|report| {
            let known = |name: &str| report.checks.iter().find(|check| check.name == name);
            let as_found = |check: Option<&Check>| {
                check.map_or_else(not_asked, |check| Found::new(check.verdict, check.note.as_str()))
            };
            let (mut backup, mut isolation) = (as_found(known("backup")), as_found(known("isolation")));
            found(&mut backup, &mut isolation);
            report.checks = judge::checks(report, &backup, &isolation);
        });
    }

    async fn stopped<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, Halt> {
        match self.stop.run_until_cancelled(work).await {
            Some(done) => done.map_err(Halt::Failed),
            None => Err(Halt::Stopped),
        }
    }

    /// A step with its account.
    async fn step<T, E: Into<Halt>>(&self, name: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, Halt> {
        self.note(name, |step| step.state = State::Running);
        let begun = Instant::now();
        let ended = work.await.map_err(Into::into);
        let took_ms = begun.elapsed().as_secs_f64() * 1_000.0;
        self.note(name, |step| {
            step.took_ms = Some(took_ms);
            (step.state, step.note) = match &ended {
                Ok(_) => (State::Succeeded, String::new()),
                Err(Halt::Stopped) => (State::Cancelled, String::new()),
                Err(Halt::Failed(why)) => (State::Failed, why.clone()),
            };
        });
        ended
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut Step)) {
        self.told.send_modify(|report| {
            if let Some(step) = report.steps.iter_mut().find(|step| step.name == name) {
                change(step);
            }
            let done = report.steps.iter().filter(|step| step.took_ms.is_some()).count() as u64;
            let now = report.steps.iter().find(|step| step.state == State::Running);
            report.progress = Some(Progress {
                done,
                total: report.steps.len() as u64,
                note: now.map(|step| step.title.clone()).unwrap_or_default(),
            });
        });
    }

    async fn way(&self, way: (&str, &str)) -> Result<Mode, Halt> {
        let load = self.load(way.0);
        let is_pooled = [POOLED, POOLED_CACHED].contains(&way.0);
        if way.0 == POOLED_CACHED {
            let warm_up = Load {
                lasts: WARM_UP,
                seed: SEED + 1_000,
                ..load.clone()
            };
            load::run(warm_up, self.stop).await;
        }
        let opened = self.scene.connections_opened(is_pooled).await;
        let started = self.bench.clock.unix_ms();
        let (felt, took) = load::run(load, self.stop).await;
        if self.stop.is_cancelled() {
            return Err(Halt::Stopped);
        }
        let mut mode = felt.mode(way, self.order.clients, started, took);
        if mode.calls == 0 || mode.calls == mode.errors {
            let why = felt.trouble.unwrap_or_else(|| "nobody was answered".to_owned());
            return Err(Halt::Failed(why));
        }
        if is_pooled {
            let after = self.scene.connections_opened(true).await;
            mode.connections_opened = opened.zip(after).map(|(before, after)| after.saturating_sub(before));
            mode.pool_efficiency = mode
                .connections_opened
                .map(|opened| 1.0 - opened.min(mode.calls) as f64 / mode.calls as f64);
        } else {
            mode.connections_opened = Some(felt.connections());
        }
        if way.0 == POOLED_CACHED {
            mode.hit_ratio = self.scene.hit_ratio(started, mode.calls).await;
        }
        Ok(mode)
    }

    fn load(&self, way: &str) -> Load {
        let is_pooled = [POOLED, POOLED_CACHED].contains(&way);
        let bench = self.bench;
        Load {
            target: if is_pooled {
                bench.door.clone()
            } else {
                bench.direct.clone()
            },
            connects_each: way == CONNECT_PER_REQUEST,
            table: self.scene.table(way == POOLED_CACHED),
            rows: self.order.rows,
            clients: self.order.clients,
            lasts: Duration::from_secs(self.order.seconds),
            seed: SEED,
            repeats: way == POOLED_CACHED,
        }
    }

    fn end(&self, ended: Result<(), Halt>) {
        self.told.send_modify(|report| {
            report.ended_unix_ms = self.bench.clock.unix_ms();
            report.progress = None;
            match ended {
                Ok(()) => (report.state, report.verdict) = (State::Succeeded, judge::verdict(&report.checks)),
                Err(Halt::Stopped) => report.state = State::Cancelled,
                Err(Halt::Failed(why)) => (report.state, report.error) = (State::Failed, why),
            }
            for step in report.steps.iter_mut().filter(|step| step.state == State::Requested) {
                step.state = State::Cancelled;
            }
        });
    }
}
