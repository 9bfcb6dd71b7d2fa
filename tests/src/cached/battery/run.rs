//! Runs the cases.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::case::{Case, Check, Step};
use crate::cached::{Answer, Asker, Counts, Way, at_level};
use crate::peers::Ground;
use crate::wire::{Address, Fault};

/// How long it may take, after definitions have changed, until answers come from memory again.
const HIT_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(3);
/// How often the last question is asked: a wrong answer may come into memory by the first.
const LAST_ASKED: u32 = 4;

/// Whom the cases are put to, and whom their answers are held against.
pub struct Doors {
    /// What is tested, for the superuser.
    pub door: Address,
    /// PostgreSQL itself, for the superuser.
    pub direct: Address,
    /// The gateway's port for metrics, where hits can be proved.
    pub ops: Option<u16>,
}

/// How a case went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// How it was asked.
    pub way: Way,
    /// Whether an answer came from memory before anything changed; `None` where that cannot be known.
    pub hit: Option<bool>,
    /// Whether answers may come from memory.
    pub cacheable: bool,
    /// What was wrong.
    pub wrong: Option<String>,
}

impl Outcome {
    /// Whether the case proves something: its answer was right, and came from memory just where it may.
    pub fn is_good(&self) -> bool {
        self.wrong.is_none() && self.hit.is_none_or(|hit| hit == self.cacheable)
    }
}

/// Sets everything up, then runs each case in each way.
pub async fn run(ground: &Ground, doors: &Doors, cases: &[Case]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    // In one transaction, so that whoever follows definitions has to look once.
    let all: String = each(cases).map(|(case, way)| set_up(case, way)).collect();
    ground.psql(&format!("begin; {all} commit;")).await;
    for (case, way) in each(cases) {
        outcomes.push(one(doors, case, way).await);
    }
    outcomes
}

fn each(cases: &[Case]) -> impl Iterator<Item = (&Case, Way)> {
    cases
        .iter()
        .flat_map(|case| case.ways.iter().map(move |way| (case, *way)))
}

fn schema(case: &Case, way: Way) -> String {
    let way = if way == Way::Simple { "s" } else { "p" };
    format!("{}_{way}", case.name)
}

fn set_up(case: &Case, way: Way) -> String {
    let usage = "grant usage on schema {s} to app;";
    let text = format!("create schema {{s}}; {usage} {}", case.setup);
    text.replace("{s}", &schema(case, way))
}

async fn one(doors: &Doors, case: &Case, way: Way) -> Outcome {
    let mut outcome = Outcome {
        name: case.name,
        way,
        hit: None,
        cacheable: case.cacheable,
        wrong: None,
    };
    let run = async {
        let mut running = Running::open(doors, case, way).await?;
        outcome.hit = running.prove().await?;
        running.change_and_check().await
    };
    outcome.wrong = match run.await {
        Ok(()) => None,
        Err(wrong) => Some(wrong.0),
    };
    outcome
}

/// What was wrong, for people.
struct Wrong(String);

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self(format!("the case could not be run: {fault}"))
    }
}

/// A case that runs.
struct Running<'a> {
    case: &'a Case,
    way: Way,
    schema: String,
    query: String,
    ops: Option<u16>,
    door: Asker,
    direct: Asker,
    others: Asker,
    held: Asker,
    /// What is true now came from memory.
    is_there: bool,
}

impl<'a> Running<'a> {
    async fn open(doors: &Doors, case: &'a Case, way: Way) -> Result<Self, Wrong> {
        let as_asked = |address: &Address| match case.app {
            false => address.clone(),
            true => Address {
                user: "app".to_owned(),
                password: "app".to_owned(),
                ..address.clone()
            },
        };
        let schema = schema(case, way);
        let mut running = Self {
            query: at_level(case.level, &case.query.replace("{s}", &schema)),
            case,
            way,
            schema,
            ops: doors.ops,
            door: Asker::open(&as_asked(&doors.door)).await?,
            direct: Asker::open(&as_asked(&doors.direct)).await?,
            others: Asker::open(&doors.direct).await?,
            held: Asker::open(&doors.direct).await?,
            is_there: false,
        };
        if !case.begin.is_empty() {
            running.step(&Step::Both(case.begin)).await?;
        }
        Ok(running)
    }

    /// Asks until an answer comes from memory, or a few times where that cannot be or cannot be known.
    async fn prove(&mut self) -> Result<Option<bool>, Wrong> {
        // Both have parsed it before anything changes.
        self.ask_direct().await?;
        let end = Instant::now() + HIT_WITHIN;
        let mut asked = 0;
        loop {
            let hit = self.is_hit().await?;
            asked += 1;
            match hit {
                Some(true) => return Ok(hit),
                Some(false) if self.case.cacheable && Instant::now() < end => sleep(PAUSE).await,
                _ if asked < LAST_ASKED => {}
                _ => return Ok(hit),
            }
        }
    }

    async fn is_hit(&mut self) -> Result<Option<bool>, Wrong> {
        let Some(ops) = self.ops else {
            self.ask_door().await?;
            return Ok(None);
        };
        let before = Counts::read(ops).await;
        self.ask_door().await?;
        Ok(Some(Counts::read(ops).await.hits() > before.hits()))
    }

    async fn ask_door(&mut self) -> Result<Answer, Wrong> {
        Ok(self.door.ask(self.way, &self.query, self.case.values).await?)
    }

    async fn ask_direct(&mut self) -> Result<Answer, Wrong> {
        Ok(self.direct.ask(self.way, &self.query, self.case.values).await?)
    }

    async fn change_and_check(&mut self) -> Result<(), Wrong> {
        let mut before = match self.case.check {
            Check::Moves => Some(self.ask_door().await?),
            _ => None,
        };
        for step in self.case.steps {
            self.step(step).await?;
        }
        for _ in 0..LAST_ASKED {
            self.check(before.as_ref()).await?;
            before = before.take();
        }
        Ok(())
    }

    async fn check(&mut self, before: Option<&Answer>) -> Result<(), Wrong> {
        match self.case.check {
            Check::LikeDirect | Check::LikeDirectOrReplanned | Check::SameValues => self.compare().await,
            Check::First(expected) => {
                let seen = self.ask_door().await?;
                let first = seen.rows().into_iter().next().unwrap_or_default();
                let first: Vec<String> = first.into_iter().flatten().collect();
                wrong_unless(first.join("/") == expected, || {
                    format!("expected {expected}, got {}", seen.shown())
                })
            }
            Check::Moves => {
                let seen = self.ask_door().await?;
                let same = before.is_some_and(|before| before.essence() == seen.essence());
                wrong_unless(!same, || format!("the same twice: {}", seen.shown()))
            }
        }
    }

    async fn compare(&mut self) -> Result<(), Wrong> {
        let (seen, truth) = (self.ask_door().await?, self.ask_direct().await?);
        let well = match self.case.check {
            Check::SameValues => seen.rows() == truth.rows() && seen.error() == truth.error(),
            _ => seen.essence() == truth.essence(),
        };
        let well =
            well || (matches!(self.case.check, Check::LikeDirectOrReplanned) && self.is_replanned(&seen).await?);
        wrong_unless(well, || format!("got {}, where it is {}", seen.shown(), truth.shown()))
    }

    async fn is_replanned(&mut self, seen: &Answer) -> Result<bool, Wrong> {
        let refused = seen.error().is_some_and(|error| error.sqlstate == "0A000");
        Ok(refused || seen.essence() == self.anew().await?.essence())
    }

    /// What is true for a statement that is parsed now, in frames as the question was asked.
    async fn anew(&mut self) -> Result<Answer, Wrong> {
        let way = if self.way == Way::Simple {
            Way::Simple
        } else {
            Way::Extended
        };
        let answer = self.direct.ask(way, &self.query, self.case.values).await?;
        Ok(answer.without_parse())
    }

    /// Asks until what is true now comes from memory. Only what happened before the first time may have made it void.
    async fn spared(&mut self) -> Result<(), Wrong> {
        let Some(ops) = self.ops else {
            return self.compare().await;
        };
        let void = |counts: &Counts| counts.of_reason("invalidated");
        let before = Counts::read(ops).await;
        self.compare().await?;
        wrong_unless(self.prove().await? == Some(true), || {
            "it never came from memory again".to_owned()
        })?;
        let now = Counts::read(ops).await;
        let was_there = std::mem::replace(&mut self.is_there, true);
        wrong_unless(!was_there || void(&now) <= void(&before), || {
            format!("what it does not depend on made it void: {}", now.since(&before))
        })
    }

    async fn step(&mut self, step: &Step) -> Result<(), Wrong> {
        let text = |sql: &str| sql.replace("{s}", &self.schema);
        match step {
            Step::Direct(sql) => succeeded(self.others.run(&text(sql)).await, sql),
            Step::Held(sql) => succeeded(self.held.run(&text(sql)).await, sql),
            Step::Door(sql) => succeeded(self.door.run(&text(sql)).await, sql),
            Step::Both(sql) => {
                let sql = text(sql);
                succeeded(self.door.run(&sql).await, &sql)?;
                succeeded(self.direct.run(&sql).await, &sql)
            }
            Step::Copy(sql, data) => {
                let answer = self.door.copy_in(&text(sql), data).await?;
                wrong_unless(answer.error().is_none(), || format!("{sql}: {}", answer.shown()))
            }
            Step::Ask => self.compare().await,
            Step::Spared => self.spared().await,
            Step::Binary => {
                (self.door.binary, self.direct.binary) = (true, true);
                Ok(())
            }
        }
    }
}

fn succeeded(answer: Result<Answer, Fault>, sql: &str) -> Result<(), Wrong> {
    answer.map(|_| ()).map_err(|fault| Wrong(format!("{sql}: {fault}")))
}

fn wrong_unless(well: bool, why: impl FnOnce() -> String) -> Result<(), Wrong> {
    if well { Ok(()) } else { Err(Wrong(why())) }
}

/// Runs the cases at PostgreSQL itself and gives those in which an old answer would pass for the last one, however it is
/// asked.
pub async fn deaf(ground: &Ground, doors: &Doors, cases: &[Case]) -> Vec<&'static str> {
    let checked = cases
        .iter()
        .filter(|case| !case.stays && !matches!(case.check, Check::Moves));
    let mut deaf = Vec::new();
    for case in checked {
        let mut hears = false;
        for way in case.ways {
            ground.psql(&set_up(case, *way)).await;
            hears |= told_apart(doors, case, *way).await.unwrap_or(false);
        }
        if !hears {
            deaf.push(case.name);
        }
    }
    deaf
}

/// Whether the answer changes, at some point, with what happens in the case.
async fn told_apart(doors: &Doors, case: &Case, way: Way) -> Result<bool, Wrong> {
    let mut running = Running::open(doors, case, way).await?;
    let first = running.ask_door().await?.essence();
    let mut changed = false;
    for step in case.steps {
        running.alone(step).await?;
        changed |= running.ask_door().await?.essence() != first;
    }
    Ok(changed)
}

impl Running<'_> {
    /// A step where the session at the door is the only one that is asked.
    async fn alone(&mut self, step: &Step) -> Result<(), Wrong> {
        match step {
            Step::Both(sql) => Box::pin(self.step(&Step::Door(sql))).await,
            Step::Ask | Step::Spared => Ok(()),
            step => Box::pin(self.step(step)).await,
        }
    }
}
