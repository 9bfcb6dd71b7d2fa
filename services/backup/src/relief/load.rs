//! What users' statements take beside work that reads their server, and how fast that work may go. Pure.
//!
//! Projects are told apart, so that the many calls of one do not hide what another suffers. What is counted while work
//! runs never becomes part of what is compared with.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use weir_model::Sketch;

/// Figures are made of so much time.
pub(super) const STEP: Duration = Duration::from_secs(5);
/// So many steps are looked at together.
const LIVE_STEPS: u64 = 3;
/// What is usual is that of so many calm steps with calls: a quarter of an hour.
const USUAL_STEPS: usize = 180;
/// With fewer calls a p95 says nothing.
const CALLS_MIN: u64 = 20;
/// Projects beyond so many are left out.
const PROJECTS_MAX: usize = 1_000;
/// The share of statements that must not take longer.
const SHARE: f64 = 0.95;
/// Work is never held back below this: it has to end some day.
const SLOWEST: u64 = 1 << 20;
/// So much faster it may go after each calm step.
const RECOVERY: f64 = 1.2;

/// What users have to bear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rule {
    /// The p95 may become so many times what is usual. 0: it is not looked at.
    pub factor: f64,
    /// Or so much longer, whichever is more.
    pub margin: Duration,
}

impl Rule {
    fn limit_us(&self, usual_us: f64) -> f64 {
        (usual_us * self.factor).max(usual_us + self.margin.as_secs_f64() * 1e6)
    }
}

/// What users' statements took lately, step by step, and what is usual.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// The step that is being counted.
    now: u64,
    /// How much work runs.
    works: usize,
    /// The last step in which some ran.
    worked: Option<u64>,
    projects: BTreeMap<String, Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    open: Sketch,
    live: VecDeque<(u64, Sketch)>,
    usual: VecDeque<Sketch>,
}

impl Load {
    /// Lets time pass: steps that have ended are closed. `at` counts from when this was made.
    pub(super) fn roll(&mut self, at: Duration) {
        let now = u64::try_from(at.as_millis() / STEP.as_millis()).unwrap_or(u64::MAX);
        if now <= self.now {
            return;
        }
        let closed = std::mem::replace(&mut self.now, now);
        let is_calm = self.works == 0 && self.worked.is_none_or(|worked| worked < closed);
        self.projects
            .values_mut()
            .for_each(|kept| kept.close(closed, now, is_calm));
    }

    /// Counts statements of a project by what they took.
    pub(super) fn count(&mut self, project: &str, micros: impl Iterator<Item = u64>) {
        if !self.projects.contains_key(project) {
            if self.projects.len() >= PROJECTS_MAX {
                return;
            }
            self.projects.insert(project.to_owned(), Kept::default());
        }
        if let Some(kept) = self.projects.get_mut(project) {
            micros.for_each(|micros| kept.open.add(micros));
        }
    }

    /// Work begins: from here on nothing is usual.
    pub(super) const fn begin(&mut self) {
        self.works += 1;
    }

    /// Work has ended; the next step may be usual again.
    pub(super) const fn end(&mut self) {
        self.works = self.works.saturating_sub(1);
        self.worked = Some(self.now);
    }

    /// The projects whose statements take longer than they may.
    pub(super) fn suffering(&self, rule: &Rule) -> Vec<&str> {
        let suffers = self.projects.iter().filter(|(_, kept)| kept.suffers(rule));
        suffers.map(|(project, _)| project.as_str()).collect()
    }
}

impl Kept {
    fn close(&mut self, closed: u64, now: u64, is_calm: bool) {
        let open = std::mem::take(&mut self.open);
        if open.count() > 0 {
            if is_calm {
                self.usual.push_back(open.clone());
            }
            self.live.push_back((closed, open));
        }
        while self.live.front().is_some_and(|(number, _)| number + LIVE_STEPS < now) {
            self.live.pop_front();
        }
        while self.usual.len() > USUAL_STEPS {
            self.usual.pop_front();
        }
    }

    fn suffers(&self, rule: &Rule) -> bool {
        let usual = merged(self.usual.iter());
        let live = merged(self.live.iter().map(|(_, step)| step));
        usual.count() >= CALLS_MIN
            && live.count() >= CALLS_MIN
            && live.quantile_us(SHARE) > rule.limit_us(usual.quantile_us(SHARE))
    }
}

fn merged<'a>(sketches: impl Iterator<Item = &'a Sketch>) -> Sketch {
    let mut all = Sketch::default();
    sketches.for_each(|sketch| all.merge(sketch));
    all
}

/// How fast work may go next: half as fast where users suffer, a little faster where they do not. 0 is no limit, which
/// is what `most` says where nobody set one.
pub(super) fn next_limit(limit: u64, most: u64, rate: u64, suffers: bool) -> u64 {
    if suffers {
        let now = if limit == 0 { rate } else { limit };
        return (now / 2).max(SLOWEST);
    }
    if limit == most {
        return limit;
    }
    let faster = (limit as f64 * RECOVERY) as u64;
    match most {
        // It does not come near its limit any more.
        0 if faster > rate.saturating_mul(4) => 0,
        0 => faster,
        most => faster.min(most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        factor: 1.5,
        margin: Duration::from_millis(20),
    };
    const MB: u64 = 1 << 20;

    fn pass(load: &mut Load, steps: u64, calls: usize, ms: u64) {
        for _ in 0..steps {
            load.count("shop", std::iter::repeat_n(ms * 1_000, calls));
            load.roll(STEP * u32::try_from(load.now + 1).unwrap());
        }
    }

    #[test]
    fn users_suffer_beyond_factor_and_margin_and_not_before_enough_is_known() {
        let mut load = Load::default();
        pass(&mut load, 1, 19, 4);
        load.begin();
        pass(&mut load, 3, 50, 90);
        assert!(
            load.suffering(&RULE).is_empty(),
            "19 calls say nothing of what is usual"
        );
        load.end();
        pass(&mut load, 4, 50, 4);
        load.begin();
        pass(&mut load, 3, 50, 20);
        assert!(load.suffering(&RULE).is_empty(), "20 ms are within the margin");
        pass(&mut load, 3, 50, 30);
        assert_eq!(load.suffering(&RULE), ["shop"]);
        pass(&mut load, 100, 50, 30);
        assert_eq!(
            load.suffering(&RULE),
            ["shop"],
            "it never becomes usual while work runs"
        );
        pass(&mut load, 3, 50, 5);
        assert!(load.suffering(&RULE).is_empty());
        pass(&mut load, 3, 5, 90);
        assert!(load.suffering(&RULE).is_empty(), "few calls say nothing");
    }

    #[test]
    fn one_project_does_not_hide_another() {
        let mut load = Load::default();
        for step in 1..=10_u32 {
            load.count("busy", std::iter::repeat_n(1_000, 5_000));
            load.count("quiet", std::iter::repeat_n(if step > 6 { 80_000 } else { 1_000 }, 30));
            if step == 6 {
                load.begin();
            }
            load.roll(STEP * step);
        }
        assert_eq!(load.suffering(&RULE), ["quiet"]);
    }

    #[test]
    fn it_slows_down_at_once_and_recovers_slowly_up_to_what_was_ordered() {
        assert_eq!(next_limit(0, 0, 100 * MB, true), 50 * MB);
        assert_eq!(next_limit(50 * MB, 0, 50 * MB, true), 25 * MB);
        assert_eq!(next_limit(MB, 0, MB, true), SLOWEST);
        assert_eq!(next_limit(50 * MB, 0, 50 * MB, false), 60 * MB);
        assert_eq!(
            next_limit(300 * MB, 0, 50 * MB, false),
            0,
            "it is not held back any more"
        );
        assert_eq!(next_limit(90 * MB, 100 * MB, 90 * MB, false), 100 * MB);
        assert_eq!(next_limit(100 * MB, 100 * MB, 20 * MB, false), 100 * MB);
        assert_eq!(next_limit(0, 0, 0, false), 0);
    }
}
