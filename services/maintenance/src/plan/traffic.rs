//! What users' statements took lately, step by step, and what they took before work began. Pure.
//!
//! Users of a database are told apart by project, so that the many calls of one do not hide what another suffers. What
//! is counted while work runs never becomes part of what is compared with.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use weir_model::Sketch;

/// Steps that can be judged together.
const LIVE_STEPS: u64 = 6;
/// So many calls say enough, however short the time in which they came: a stall that is over then counts once only.
const CALLS_ENOUGH: u64 = 200;
/// Calm steps are kept in blocks of so many, the latest so many blocks: a quarter of an hour of steps of five seconds.
const BLOCK_STEPS: u64 = 12;
const BLOCKS: usize = 15;
/// What is older says nothing of today: a day of steps of five seconds.
const CALM_AGE_STEPS: u64 = 17_280;
/// Steps with calls that it takes to know what is usual.
const CALM_STEPS_MIN: u32 = 6;
/// Pairs of database and project; what comes beyond is left out.
const USERS_MAX: usize = 2_000;

/// What is known of the users of every database.
#[derive(Debug)]
pub(crate) struct Traffic {
    step: Duration,
    /// The step that is being counted.
    now: u64,
    /// How much work runs.
    works: usize,
    /// The last step in which some ran.
    worked: Option<u64>,
    /// By database, by project.
    users: BTreeMap<String, BTreeMap<String, Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    open: Sketch,
    live: VecDeque<(u64, Sketch)>,
    calm: VecDeque<Block>,
}

#[derive(Debug, Default)]
struct Block {
    number: u64,
    last_step: u64,
    steps: u32,
    sketch: Sketch,
}

/// The users of a database in one project.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users {
    /// The project.
    pub project: String,
    /// What their statements took before work began; none where too little is known.
    pub before: Option<Before>,
    /// What they take now; none where nothing was called lately.
    pub live: Option<Live>,
}

/// What is usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Before {
    /// All calls of it.
    pub sketch: Sketch,
}

/// What was called lately.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    /// All calls of it.
    pub span: Sketch,
    /// The calls of the last step alone.
    pub newest: Sketch,
}

impl Traffic {
    /// Nothing known yet.
    pub(crate) const fn new(step: Duration) -> Self {
        Self {
            step,
            now: 0,
            works: 0,
            worked: None,
            users: BTreeMap::new(),
        }
    }

    /// Lets time pass: steps that have ended are closed. `at` counts from the time when the traffic was made.
    pub(crate) fn roll(&mut self, at: Duration) {
        let now = u64::try_from(at.as_millis() / self.step.as_millis().max(1)).unwrap_or(u64::MAX);
        if now <= self.now {
            return;
        }
        let closed = std::mem::replace(&mut self.now, now);
        let is_calm = self.works == 0 && self.worked.is_none_or(|worked| worked < closed);
        for projects in self.users.values_mut() {
            projects.values_mut().for_each(|kept| kept.close(closed, now, is_calm));
            projects.retain(|_, kept| !kept.is_empty());
        }
        self.users.retain(|_, projects| !projects.is_empty());
    }

    /// Counts statements by what they took.
    pub(crate) fn count(&mut self, project: &str, database: &str, micros: impl Iterator<Item = u64>) {
        let Some(kept) = self.kept(project, database) else {
            return;
        };
        micros.for_each(|micros| kept.open.add(micros));
    }

    fn kept(&mut self, project: &str, database: &str) -> Option<&mut Kept> {
        let known = self.users.get(database).is_some_and(|all| all.contains_key(project));
        if !known {
            if self.users.values().map(BTreeMap::len).sum::<usize>() >= USERS_MAX {
                return None;
            }
            let projects = self.users.entry(database.to_owned()).or_default();
            projects.insert(project.to_owned(), Kept::default());
        }
        self.users.get_mut(database)?.get_mut(project)
    }

    /// Work begins: from here on nothing is usual.
    pub(crate) const fn begin(&mut self) {
        self.works += 1;
    }

    /// Work has ended; the next step may be usual again.
    pub(crate) const fn end(&mut self) {
        self.works = self.works.saturating_sub(1);
        self.worked = Some(self.now);
    }

    /// How many steps have passed.
    pub(crate) const fn steps(&self) -> u64 {
        self.now
    }

    /// How long steps are.
    pub(crate) const fn step(&self) -> Duration {
        self.step
    }

    /// The users of a database.
    pub(crate) fn users(&self, database: &str) -> Vec<Users> {
        let projects = self.users.get(database).into_iter().flatten();
        let users = |(project, kept): (&String, &Kept)| Users {
            project: project.clone(),
            before: kept.before(),
            live: kept.lately(self.now),
        };
        projects.map(users).collect()
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.live.is_empty() && self.calm.is_empty()
    }

    fn close(&mut self, closed: u64, now: u64, is_calm: bool) {
        let open = std::mem::take(&mut self.open);
        if open.count() > 0 {
            if is_calm {
                self.keep(closed, &open);
            }
            self.live.push_back((closed, open));
        }
        while self.live.front().is_some_and(|(number, _)| number + LIVE_STEPS < now) {
            self.live.pop_front();
        }
        while self.calm.len() > BLOCKS || self.calm.front().is_some_and(|block| block.is_old(now)) {
            self.calm.pop_front();
        }
    }

    /// Adds a step in which nothing was worked to what is usual.
    fn keep(&mut self, closed: u64, step: &Sketch) {
        let number = closed / BLOCK_STEPS;
        if self.calm.back().is_none_or(|block| block.number != number) {
            self.calm.push_back(Block {
                number,
                ..Block::default()
            });
        }
        if let Some(block) = self.calm.back_mut() {
            block.last_step = closed;
            block.steps += 1;
            block.sketch.merge(step);
        }
    }

    fn before(&self) -> Option<Before> {
        if self.calm.iter().map(|block| block.steps).sum::<u32>() < CALM_STEPS_MIN {
            return None;
        }
        let mut sketch = Sketch::default();
        self.calm.iter().for_each(|block| sketch.merge(&block.sketch));
        Some(Before { sketch })
    }

    /// The shortest time up to the end of the last step in which enough was called, or all of it.
    fn lately(&self, now: u64) -> Option<Live> {
        let mut live = Live::default();
        for (number, step) in self.live.iter().rev() {
            if number + 1 == now {
                live.newest.clone_from(step);
            }
            live.span.merge(step);
            if live.span.count() >= CALLS_ENOUGH {
                break;
            }
        }
        (live.span.count() > 0).then_some(live)
    }
}

impl Block {
    const fn is_old(&self, now: u64) -> bool {
        self.last_step + CALM_AGE_STEPS < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(5);

    /// Calls in each of so many steps, from the present one on.
    fn pass(traffic: &mut Traffic, steps: u64, calls: usize, ms: u64) {
        for _ in 0..steps {
            traffic.count("shop", "db", std::iter::repeat_n(ms * 1_000, calls));
            let at = STEP * u32::try_from(traffic.steps() + 1).unwrap();
            traffic.roll(at);
        }
    }

    fn p95_ms(sketch: &Sketch) -> f64 {
        (sketch.quantile_us(0.95) / 1e3).round()
    }

    fn shop(traffic: &Traffic) -> Users {
        let users = traffic.users("db");
        assert_eq!(users.len(), 1);
        users[0].clone()
    }

    #[test]
    fn what_is_usual_takes_half_a_minute_with_calls_to_be_known() {
        let mut traffic = Traffic::new(STEP);
        pass(&mut traffic, 5, 10, 4);
        pass(&mut traffic, 20, 0, 4);
        assert!(shop(&traffic).before.is_none());
        pass(&mut traffic, 1, 10, 4);
        let before = shop(&traffic).before.unwrap();
        assert_eq!((before.sketch.count(), p95_ms(&before.sketch)), (60, 4.0));
    }

    #[test]
    fn nothing_of_the_time_of_work_becomes_usual_and_what_was_before_it_stays() {
        let mut traffic = Traffic::new(STEP);
        pass(&mut traffic, 10, 10, 4);
        traffic.count("shop", "db", [9_000_000].into_iter());
        traffic.begin();
        pass(&mut traffic, 100, 10, 90);
        traffic.count("shop", "db", [9_000_000].into_iter());
        traffic.end();
        pass(&mut traffic, 1, 10, 90);
        let before = shop(&traffic).before.unwrap();
        assert_eq!((before.sketch.count(), before.sketch.above(5_000)), (100, 0));
        pass(&mut traffic, 1, 10, 8);
        assert_eq!(shop(&traffic).before.unwrap().sketch.count(), 110);
    }

    #[test]
    fn the_latest_quarter_of_an_hour_is_usual_and_a_day_later_nothing_is() {
        let mut traffic = Traffic::new(STEP);
        pass(&mut traffic, 12 * 15, 10, 4);
        pass(&mut traffic, 12 * 15, 10, 8);
        let before = shop(&traffic).before.unwrap();
        assert!((8.0..8.1).contains(&(before.sketch.quantile_us(0.01) / 1e3)));
        traffic.begin();
        pass(&mut traffic, CALM_AGE_STEPS + 12 * 15, 0, 0);
        assert!(traffic.users("db").is_empty());
    }

    #[test]
    fn a_busy_database_is_judged_by_its_last_step_and_a_quiet_one_by_half_a_minute() {
        let mut traffic = Traffic::new(STEP);
        pass(&mut traffic, 5, 200, 4);
        pass(&mut traffic, 1, 200, 40);
        let live = shop(&traffic).live.unwrap();
        assert_eq!(
            (live.span.count(), live.newest.count(), p95_ms(&live.span)),
            (200, 200, 40.0)
        );
        pass(&mut traffic, 10, 7, 4);
        let live = shop(&traffic).live.unwrap();
        assert_eq!((live.span.count(), live.newest.count()), (42, 7));
        pass(&mut traffic, 1, 0, 4);
        let live = shop(&traffic).live.unwrap();
        assert_eq!((live.span.count(), live.newest.count()), (35, 0));
        pass(&mut traffic, 5, 0, 4);
        assert!(shop(&traffic).live.is_none());
    }

    #[test]
    fn projects_and_databases_are_told_apart_and_bounded() {
        let mut traffic = Traffic::new(STEP);
        traffic.count("shop", "db", [1].into_iter());
        traffic.count("bank", "db", [1, 2].into_iter());
        traffic.count("shop", "other", [1].into_iter());
        traffic.roll(STEP);
        let counts = |users: Vec<Users>| -> Vec<(String, u64)> {
            let count = |users: Users| (users.project, users.live.unwrap().span.count());
            users.into_iter().map(count).collect()
        };
        assert_eq!(
            counts(traffic.users("db")),
            [("bank".to_owned(), 2), ("shop".to_owned(), 1)]
        );
        for number in 0..USERS_MAX {
            traffic.count(&format!("p{number}"), "many", [1].into_iter());
        }
        assert_eq!(traffic.users("many").len(), USERS_MAX - 3);
    }
}
