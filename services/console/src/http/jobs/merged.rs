//! The list of all work: what the scheduler asked for, and what the backup service asked itself to do. Pure.
//!
//! Both lists are cut into blocks, the latest first, and ids are times: so the newest id comes first, each once. The
//! scheduler orders by its own clock, which may differ by a moment, so that its place is remembered by itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use uuid::Uuid;

use super::job::Job;

/// How far a list was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Only ids below this one are still to come.
    below: Option<Uuid>,
    /// The scheduler's own token.
    run: String,
}

impl Place {
    /// As a list gave it out; none for what no list did.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        if token.is_empty() {
            return Some(Self::default());
        }
        let (below, run) = token.split_once('.')?;
        Some(Self {
            below: Some(below.parse().ok()?),
            run: run.to_owned(),
        })
    }

    pub(crate) fn token(&self) -> String {
        format!("{}.{}", self.below.unwrap_or_default(), self.run)
    }

    /// Where the scheduler goes on.
    pub(crate) fn of_runs(&self) -> String {
        self.run.clone()
    }

    /// Where a worker goes on, whose lists are in the order of ids.
    pub(crate) fn of_jobs(&self) -> String {
        self.below.map(|id| format!("{id}~{id}")).unwrap_or_default()
    }
}

/// A part of a list, and whether it goes on.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) jobs: Vec<Job>,
    pub(crate) goes_on: bool,
}

/// The next jobs that are wanted, and where to go on.
pub(crate) fn merge(
    place: &Place,
    runs: Block,
    own: Block,
    room: usize,
    is_wanted: impl Fn(&Job) -> bool,
) -> (Vec<Job>, Option<Place>) {
    let order: Vec<(Uuid, i64)> = runs
        .jobs
        .iter()
        .map(|job| (id_of(job), job.requested_unix_ms))
        .collect();
    let floor = settled(&runs).max(floor(&own));
    let ends_here = !runs.goes_on && !own.goes_on;
    let all = together(place, runs.jobs, own.jobs);
    let (mut found, mut below, mut is_all) = (Vec::new(), place.below, true);
    for (Reverse(id), job) in all {
        if found.len() >= room || floor.is_some_and(|floor| id < floor) {
            is_all = false;
            break;
        }
        below = Some(id);
        if is_wanted(&job) {
            found.push(job);
        }
    }
    let done = order
        .iter()
        .take_while(|(id, _)| below.is_some_and(|below| *id >= below));
    let run = done
        .last()
        .map_or_else(|| place.run.clone(), |(id, at)| format!("{id}~{at}"));
    (found, (!ends_here || !is_all).then_some(Place { below, run }))
}

/// Each job once: what a worker says of what was asked for is added to it.
fn together(place: &Place, runs: Vec<Job>, own: Vec<Job>) -> BTreeMap<Reverse<Uuid>, Job> {
    let is_left = |job: &Job| place.below.is_none_or(|below| id_of(job) < below);
    let mut all: BTreeMap<_, _> = own
        .into_iter()
        .filter(is_left)
        .map(|job| (Reverse(id_of(&job)), job))
        .collect();
    for run in runs.into_iter().filter(is_left) {
        let id = Reverse(id_of(&run));
        let whole = match all.remove(&id) {
            Some(worker) => run.told_by(worker),
            None => run,
        };
        all.insert(id, whole);
    }
    all
}

/// How far apart the clocks of two schedulers may be.
const APART_MS: i64 = 2_000;

/// The same for runs, which are in the order of another clock: what was asked for at almost the same time as the last one
/// may have a lower id than what follows. It is left for the next block, unless there is nothing else.
fn settled(runs: &Block) -> Option<Uuid> {
    let last = runs.jobs.last().filter(|_| runs.goes_on)?.requested_unix_ms;
    let is_settled = |job: &&Job| job.requested_unix_ms.saturating_sub(last) > APART_MS;
    let settled = runs.jobs.iter().filter(is_settled).map(id_of).min();
    settled.or_else(|| floor(runs))
}

/// Below this, what follows the block may come first.
fn floor(block: &Block) -> Option<Uuid> {
    let lowest = block.jobs.iter().map(id_of).min();
    lowest.filter(|_| block.goes_on)
}

fn id_of(job: &Job) -> Uuid {
    job.id.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use weir_proto::{backup::v1 as backup, scheduler::v1 as scheduler};

    use super::*;

    fn id(number: u128) -> String {
        Uuid::from_u128(number).to_string()
    }

    fn operation(number: u128) -> String {
        if number.is_multiple_of(2) { "vacuum" } else { "prove" }.to_owned()
    }

    fn runs(of: &[(u128, i64)], after: &str, size: usize) -> Block {
        let mut all = of.to_vec();
        all.sort_by_key(|(id, at)| Reverse((*at, *id)));
        let after: Option<(i64, Uuid)> = after
            .split_once('~')
            .map(|(id, at)| (at.parse().unwrap(), id.parse().unwrap()));
        all.retain(|(id, at)| after.is_none_or(|after| (*at, Uuid::from_u128(*id)) < after));
        let jobs: Vec<Job> = all
            .iter()
            .take(size)
            .map(|(number, at)| {
                Job::of_run(scheduler::Run {
                    id: id(*number),
                    requested_unix_ms: *at,
                    operation: operation(*number),
                    ..scheduler::Run::default()
                })
            })
            .collect();
        Block {
            goes_on: jobs.len() == size,
            jobs,
        }
    }

    fn own(of: &[u128], after: &str, size: usize) -> Block {
        let after: Option<Uuid> = after.split_once('~').map(|(id, _)| id.parse().unwrap());
        let mut all: Vec<u128> = of.to_vec();
        all.sort_by_key(|id| Reverse(*id));
        all.retain(|id| after.is_none_or(|after| Uuid::from_u128(*id) < after));
        let jobs: Vec<Job> = all
            .iter()
            .take(size)
            .map(|number| {
                Job::of_backup(backup::Job {
                    id: id(*number),
                    operation: operation(*number),
                    ..backup::Job::default()
                })
            })
            .collect();
        Block {
            goes_on: jobs.len() == size,
            jobs,
        }
    }

    /// Every page until there is no next one.
    fn all(asked: &[(u128, i64)], theirs: &[u128], size: usize, is_wanted: impl Fn(&Job) -> bool + Copy) -> Vec<u128> {
        let (mut found, mut place) = (Vec::new(), Place::default());
        for _ in 0..200 {
            let known = Place::parse(&place.token()).unwrap();
            let known = if place == Place::default() {
                place.clone()
            } else {
                known
            };
            // Blocks are larger than what clocks put out of order.
            let runs = runs(asked, &known.of_runs(), size.max(3));
            let own = own(theirs, &known.of_jobs(), size.max(3));
            let (jobs, next) = merge(&known, runs, own, size, is_wanted);
            assert!(jobs.len() <= size);
            found.extend(jobs.iter().map(|job| id_of(job).as_u128()));
            match next {
                Some(next) => place = next,
                None => return found,
            }
        }
        panic!("it never ends: {found:?}");
    }

    #[test]
    fn each_job_is_listed_once_the_newest_first() {
        // 6 was asked for half a second before 5, by the clock of its scheduler; 3, 4 and 9 the worker has too; 2 and 8 it asked itself.
        let asked = [9, 7, 6, 5, 4, 3, 1].map(|id: i64| {
            let late = if id == 6 { -10_500 } else { 0 };
            (u128::try_from(id).unwrap(), id * 10_000 + late)
        });
        let theirs = [9, 8, 4, 3, 2];
        for size in 1..12 {
            assert_eq!(
                all(&asked, &theirs, size, |_| true),
                [9, 8, 7, 6, 5, 4, 3, 2, 1],
                "{size}"
            );
            assert_eq!(
                all(&asked, &theirs, size, |job| job.operation == "vacuum"),
                [8, 6, 4, 2],
                "{size}"
            );
            assert_eq!(all(&asked, &[], size, |_| true), [9, 7, 6, 5, 4, 3, 1], "{size}");
            assert_eq!(all(&[], &theirs, size, |_| true), [9, 8, 4, 3, 2], "{size}");
        }
        assert!(all(&[], &[], 3, |_| true).is_empty());
    }

    #[test]
    fn a_strange_token_is_none() {
        for token in ["x", "~", ".", "1.2", "00000000"] {
            assert_eq!(Place::parse(token), None, "{token}");
        }
        assert_eq!(Place::parse(""), Some(Place::default()));
    }
}
