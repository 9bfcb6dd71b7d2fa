//! Who gets the next connection. Pure.
//!
//! Projects share by their weights, whatever number of callers each sends; within a project it is first come, first
//! served. A freed connection prefers a caller on its own thread, but only past callers who came within a moment of
//! each other, so that nobody is overtaken for long.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use weir_model::Project;

/// How many places from the front a caller on the right thread is looked for.
const LOOK_AHEAD: usize = 16;
/// Nobody is overtaken by one who came later than this after them.
const OVERTAKEN_BY_MAX: Duration = Duration::from_millis(5);

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub(super) what: T,
    /// The thread on which it waits.
    pub(super) worker: usize,
    pub(super) since: Instant,
}

/// The callers of one project.
#[derive(Debug)]
struct Lane<T> {
    project: Project,
    weight: f64,
    /// What it has been served, divided by its weight.
    served: f64,
    line: VecDeque<Waiter<T>>,
}

/// All who wait for one pool.
#[derive(Debug)]
pub(super) struct Line<T> {
    lanes: Vec<Lane<T>>,
    /// How far the lane was that was served last: one that was empty starts from here, and saves nothing up.
    served: f64,
}

impl<T> Line<T> {
    pub(super) const fn new() -> Self {
        Self {
            lanes: Vec::new(),
            served: 0.0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.line.len()).sum()
    }

    /// Everybody who waits.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter<T>> {
        self.lanes.iter().flat_map(|lane| &lane.line)
    }

    /// Forgets those who no longer wait.
    pub(super) fn retain(&mut self, waits: impl Fn(&T) -> bool) {
        for lane in &mut self.lanes {
            lane.line.retain(|waiter| waits(&waiter.what));
        }
        self.lanes.retain(|lane| !lane.line.is_empty());
    }

    pub(super) fn join(&mut self, project: &Project, weight: f64, waiter: Waiter<T>) {
        let served = self.served;
        let known = self.lanes.iter().position(|lane| lane.project == *project);
        let index = known.unwrap_or_else(|| {
            self.lanes.push(Lane {
                project: project.clone(),
                weight,
                served,
                line: VecDeque::new(),
            });
            self.lanes.len() - 1
        });
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.weight = weight;
            lane.line.push_back(waiter);
        }
    }

    /// The next to be served by what was freed on this thread.
    pub(super) fn next(&mut self, worker: usize) -> Option<Waiter<T>> {
        let index = self.next_lane()?;
        let lane = self.lanes.get_mut(index)?;
        self.served = self.served.max(lane.served);
        lane.served += 1.0 / lane.weight;
        let at = chosen(&lane.line, worker);
        let waiter = lane.line.remove(at);
        if lane.line.is_empty() && self.lanes.len() > 1 {
            // What it was served is remembered only as far as the others have come.
            self.lanes.swap_remove(index);
        }
        waiter
    }

    fn next_lane(&self) -> Option<usize> {
        let waiting = self.lanes.iter().enumerate().filter(|(_, lane)| !lane.line.is_empty());
        let least = waiting.min_by(|(_, a), (_, b)| a.served.total_cmp(&b.served));
        least.map(|(index, _)| index)
    }

    pub(super) fn clear(&mut self) {
        self.lanes.clear();
    }
}

fn chosen<T>(line: &VecDeque<Waiter<T>>, worker: usize) -> usize {
    let Some(first) = line.front() else { return 0 };
    let near = line.iter().take(LOOK_AHEAD);
    let mut near = near.take_while(|waiter| waiter.since.duration_since(first.since) <= OVERTAKEN_BY_MAX);
    near.position(|waiter| waiter.worker == worker).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str) -> Project {
        Project::parse(name).unwrap()
    }

    fn waiter(what: u32, worker: usize, since: Instant) -> Waiter<u32> {
        Waiter { what, worker, since }
    }

    fn order(line: &mut Line<u32>, worker: usize) -> Vec<u32> {
        std::iter::from_fn(|| line.next(worker).map(|waiter| waiter.what)).collect()
    }

    #[test]
    fn within_a_project_it_is_first_come_first_served() {
        let (mut line, now) = (Line::new(), Instant::now());
        for number in 0..50 {
            let later = now + Duration::from_millis(10) * number;
            line.join(&project("a"), 1.0, waiter(number, (number % 2) as usize, later));
        }
        assert_eq!(order(&mut line, 0), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_crowd_does_not_push_out_a_single_caller() {
        let (mut line, now) = (Line::new(), Instant::now());
        for number in 0..100 {
            line.join(&project("crowd"), 1.0, waiter(number, 0, now));
        }
        line.join(&project("single"), 1.0, waiter(1_000, 0, now));
        let order = order(&mut line, 0);
        assert!(order.iter().position(|what| *what == 1_000).unwrap() <= 2, "{order:?}");
    }

    #[test]
    fn weights_divide_what_there_is() {
        let (mut line, now) = (Line::new(), Instant::now());
        for number in 0..90 {
            line.join(&project("big"), 2.0, waiter(number, 0, now));
            line.join(&project("small"), 1.0, waiter(1_000 + number, 0, now));
        }
        let first: Vec<u32> = (0..60).filter_map(|_| line.next(0)).map(|waiter| waiter.what).collect();
        let big = first.iter().filter(|what| **what < 1_000).count();
        assert!((39..=41).contains(&big), "{big} of 60");
    }

    #[test]
    fn a_lane_that_was_empty_has_saved_nothing_up() {
        let (mut line, now) = (Line::new(), Instant::now());
        for number in 0..200 {
            line.join(&project("busy"), 1.0, waiter(number, 0, now));
        }
        for _ in 0..100 {
            line.next(0);
        }
        for number in 1_000..1_100 {
            line.join(&project("late"), 1.0, waiter(number, 0, now));
        }
        let next: Vec<u32> = (0..20).filter_map(|_| line.next(0)).map(|waiter| waiter.what).collect();
        let late = next.iter().filter(|what| **what >= 1_000).count();
        assert!((9..=11).contains(&late), "{next:?}");
    }

    #[test]
    fn the_own_thread_is_preferred_for_a_moment_only() {
        let (mut line, now) = (Line::new(), Instant::now());
        line.join(&project("a"), 1.0, waiter(1, 0, now));
        line.join(&project("a"), 1.0, waiter(2, 1, now + Duration::from_micros(100)));
        line.join(&project("a"), 1.0, waiter(3, 1, now + Duration::from_secs(1)));
        assert_eq!(order(&mut line, 1), [2, 1, 3]);
    }
}
