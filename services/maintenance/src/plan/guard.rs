//! Whether users suffer from what maintenance does at this moment. Pure.
//!
//! Three things count: what their statements take against what is usual, whether one of them waits for a lock of ours,
//! and how far replicas are behind. A figure that rests on few calls is read in favour of the work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use weir_model::Sketch;

use super::traffic::{Live, Users};

/// The share of statements that must not take longer.
const SHARE: f64 = 0.95;
/// How sure it has to be that it did, in standard deviations: 95 of 100 times.
const SURE: f64 = 1.645;
/// Far less than any figure says.
const TINY: f64 = 1e-6;

/// What users have to bear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GuardRule {
    /// The p95 may become so many times what is usual.
    pub factor: f64,
    /// Or so much longer, whichever is more.
    pub margin: Duration,
    /// It has to be beyond that so many times in a row.
    pub ticks: u32,
    /// Less than that counts as well where it lasts: the p95 may be so many times what is usual,
    pub lasting_factor: f64,
    /// for less than so long without a break; zero: for as long as it likes. What is twice as much above the usual is
    /// borne half as long, but never less than those looks in a row.
    pub lasting_for: Duration,
    /// With fewer calls nothing is judged.
    pub calls_min: u64,
    /// Longest wait of a client for a lock of ours.
    pub block_limit: Duration,
    /// Furthest that a replica may be behind, in time; zero: it is not looked at.
    pub lag_max: Duration,
    /// The same in bytes of log.
    pub lag_bytes_max: u64,
}

impl GuardRule {
    fn limit_us(&self, usual_us: f64) -> f64 {
        (usual_us * self.factor).max(usual_us + self.margin.as_secs_f64() * 1e6)
    }

    fn lasting_limit_us(&self, usual_us: f64) -> f64 {
        (usual_us * self.lasting_factor).min(self.limit_us(usual_us))
    }

    /// Whether users have suffered for long enough.
    fn is_broken_by(&self, streak: Streak, step: Duration) -> bool {
        let borne = self.lasting_for.as_secs_f64() * (self.lasting_factor - 1.0);
        let lost = step.as_secs_f64() * streak.lost;
        let lasted = !self.lasting_for.is_zero() && streak.slower >= self.ticks && lost >= borne - TINY;
        streak.over >= self.ticks || lasted
    }
}

/// One look at what statements take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Finding {
    /// Longer than they may.
    Over(Figures),
    /// Longer than they may for long.
    Slower(Figures),
    /// No longer than they may.
    Within(Figures),
    /// Nobody called in the last step, so it says nothing new.
    Quiet,
    /// Too little is known to say anything.
    Unknown,
}

/// What a finding rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    /// The p95 now.
    pub p95_us: f64,
    /// The p95 that is usual.
    pub usual_us: f64,
}

impl Figures {
    /// How many times what is usual.
    fn ratio(self) -> f64 {
        self.p95_us / self.usual_us.max(1.0)
    }
}

/// Judges what the statements of some users take.
pub(crate) fn look(rule: &GuardRule, users: &Users) -> Finding {
    let (Some(before), Some(live)) = (&users.before, &users.live) else {
        return Finding::Unknown;
    };
    if before.sketch.count() < rule.calls_min || live.span.count() < rule.calls_min {
        return Finding::Unknown;
    }
    if live.newest.count() == 0 {
        return Finding::Quiet;
    }
    let usual_us = at_most_us(&before.sketch);
    let figures = Figures {
        p95_us: live.span.quantile_us(SHARE),
        usual_us: before.sketch.quantile_us(SHARE),
    };
    if is_beyond(rule.limit_us(usual_us), live) {
        Finding::Over(figures)
    } else if is_beyond(rule.lasting_limit_us(usual_us), live) {
        Finding::Slower(figures)
    } else {
        Finding::Within(figures)
    }
}

/// What was slow half a minute ago is in the span still; it goes on only where something of the last step is slow.
fn is_beyond(limit_us: f64, live: &Live) -> bool {
    live.newest.above(limit_us as u64) > 0 && at_least_us(&live.span) > limit_us
}

/// The p95 is hardly less than this.
fn at_least_us(sketch: &Sketch) -> f64 {
    sketch.quantile_us(SHARE - doubt(sketch.count()))
}

/// The p95 is hardly more than this.
fn at_most_us(sketch: &Sketch) -> f64 {
    sketch.quantile_us((SHARE + doubt(sketch.count())).min(1.0))
}

/// How far the share that a value stands for may be off, given how many were seen.
fn doubt(calls: u64) -> f64 {
    SURE * (SHARE * (1.0 - SHARE) / calls.max(1) as f64).sqrt()
}

/// How often in a row users were found to suffer.
#[derive(Debug, Clone, Copy, Default)]
struct Streak {
    /// Beyond what they bear at all.
    over: u32,
    /// Beyond what they bear for long, or at all.
    slower: u32,
    /// The sum of what was above the usual in these, as parts of it.
    lost: f64,
}

/// How often users were found to suffer without a break.
#[derive(Debug, Default)]
pub(crate) struct Streaks {
    by_project: BTreeMap<String, Streak>,
    /// Looks at everybody.
    pub looks: u64,
    /// Looks that could say something.
    pub judged: u64,
    /// Looks that found statements too long.
    pub over: u64,
    /// The look that was worst against what is usual.
    pub worst: Option<Figures>,
}

impl Streaks {
    /// Takes one look at everybody, and says in words if somebody has suffered long enough.
    pub(crate) fn take(&mut self, rule: &GuardRule, everybody: &[Users], step: Duration) -> Option<String> {
        self.by_project
            .retain(|project, _| everybody.iter().any(|users| users.project == *project));
        let found: Vec<_> = everybody.iter().map(|users| (users, look(rule, users))).collect();
        let judged = |finding: &Finding| !matches!(finding, Finding::Quiet | Finding::Unknown);
        self.looks += 1;
        self.judged += u64::from(found.iter().any(|(_, finding)| judged(finding)));
        self.over += u64::from(found.iter().any(|(_, finding)| matches!(finding, Finding::Over(_))));
        let words = found.into_iter().filter_map(|(users, finding)| {
            let (streak, figures) = self.goes_on(&users.project, finding)?;
            let lasting = step * streak.over.max(streak.slower);
            rule.is_broken_by(streak, step)
                .then(|| words(&users.project, figures, lasting))
        });
        words.reduce(|first, _| first)
    }

    /// How often it was too long by now, if it is.
    fn goes_on(&mut self, project: &str, finding: Finding) -> Option<(Streak, Figures)> {
        let streak = self.by_project.entry(project.to_owned()).or_default();
        let slower = |over: u32, figures: Figures| Streak {
            over,
            slower: streak.slower + 1,
            lost: streak.lost + figures.ratio() - 1.0,
        };
        let (goes_on, figures) = match finding {
            Finding::Over(figures) => (slower(streak.over + 1, figures), Some(figures)),
            Finding::Slower(figures) => (slower(0, figures), Some(figures)),
            Finding::Within(figures) => (Streak::default(), Some(figures)),
            Finding::Unknown => (Streak::default(), None),
            Finding::Quiet => return None,
        };
        *streak = goes_on;
        self.compare(figures?);
        Some((goes_on, figures?)).filter(|(streak, _)| streak.slower > 0)
    }

    fn compare(&mut self, figures: Figures) {
        if self.worst.is_none_or(|worst| figures.ratio() > worst.ratio()) {
            self.worst = Some(figures);
        }
    }
}

fn words(project: &str, figures: Figures, lasting: Duration) -> String {
    let Figures { p95_us, usual_us } = figures;
    let (p95, usual) = (shown_ms(p95_us), shown_ms(usual_us));
    format!(
        "p95 {p95} ms for {} s, before {usual} ms (project {project})",
        lasting.as_secs()
    )
}

/// Milliseconds with as many digits as mean something.
fn shown_ms(us: f64) -> String {
    if us < 10_000.0 {
        format!("{:.1}", us / 1e3)
    } else {
        format!("{:.0}", us / 1e3)
    }
}

/// A client that waits for a lock of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its process.
    pub pid: i32,
    /// How it calls itself.
    pub application: String,
    /// For how long.
    pub waited: Duration,
    /// What for.
    pub lock: String,
}

/// Says in words if a client has waited too long.
pub(crate) fn blocks(rule: &GuardRule, waiting: &[Waiting]) -> Option<String> {
    let longest = waiting.iter().max_by_key(|client| client.waited)?;
    (longest.waited > rule.block_limit).then(|| {
        let Waiting {
            pid, application, lock, ..
        } = longest;
        let application = if application.is_empty() { "unnamed" } else { application };
        let others = match waiting.len() - 1 {
            0 => String::new(),
            others => format!(", and {others} more"),
        };
        let waited = longest.waited.as_secs_f64();
        format!("pid {pid} (app {application}) waiting {waited:.1} s for {lock} that we hold or wait for{others}")
    })
}

/// How far a replica is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replica {
    /// How it calls itself.
    pub name: String,
    /// In time.
    pub lag: Duration,
    /// In bytes of log.
    pub bytes: u64,
}

/// Replicas that were behind before the work began. They are not its doing until they have caught up.
#[derive(Debug, Default)]
pub(crate) struct Late(Option<BTreeSet<String>>);

impl Late {
    /// Takes one look at all replicas, and says in words if one has fallen too far behind.
    pub(crate) fn take(&mut self, rule: &GuardRule, replicas: &[Replica]) -> Option<String> {
        let is_late = |replica: &&Replica| {
            !rule.lag_max.is_zero() && (replica.lag > rule.lag_max || replica.bytes > rule.lag_bytes_max)
        };
        let late = replicas.iter().filter(is_late);
        let known = self
            .0
            .get_or_insert_with(|| late.clone().map(|one| one.name.clone()).collect());
        known.retain(|name| late.clone().any(|one| one.name == *name));
        let fresh = late.clone().find(|one| !known.contains(&one.name))?;
        let (lag, mb) = (fresh.lag.as_secs_f64(), fresh.bytes / 1_000_000);
        Some(format!("replica {} is {lag:.0} s and {mb} MB behind", fresh.name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::traffic::Before;
    use super::*;

    const STEP: Duration = Duration::from_secs(5);

    fn rule() -> GuardRule {
        GuardRule {
            factor: 1.5,
            margin: Duration::from_millis(20),
            ticks: 3,
            lasting_factor: 1.25,
            lasting_for: Duration::from_mins(1),
            calls_min: 20,
            block_limit: Duration::from_secs(1),
            lag_max: Duration::from_secs(30),
            lag_bytes_max: 256_000_000,
        }
    }

    fn calls(of_ms: &[(usize, f64)]) -> Sketch {
        let mut sketch = Sketch::default();
        for (calls, ms) in of_ms {
            (0..*calls).for_each(|_| sketch.add((ms * 1e3) as u64));
        }
        sketch
    }

    fn users(before: &[(usize, f64)], live: &[(usize, f64)]) -> Users {
        Users {
            project: "shop".to_owned(),
            before: Some(Before { sketch: calls(before) }),
            live: Some(Live {
                span: calls(live),
                newest: calls(live),
            }),
        }
    }

    fn is_over(before_ms: f64, live_ms: f64) -> bool {
        let users = users(&[(10_000, before_ms)], &[(1_000, live_ms)]);
        matches!(look(&rule(), &users), Finding::Over(_))
    }

    #[test]
    fn users_suffer_beyond_half_as_much_again_and_twenty_milliseconds() {
        for (before_ms, live_ms, over) in [
            (1.0, 20.0, false),
            (1.0, 22.0, true),
            (40.0, 59.0, false),
            (40.0, 61.5, true),
            (100.0, 147.0, false),
            (100.0, 153.0, true),
        ] {
            assert_eq!(is_over(before_ms, live_ms), over, "{before_ms} {live_ms}");
        }
    }

    #[test]
    fn few_calls_are_read_in_favour_of_the_work() {
        // Two of twenty are the p95 to the letter; by chance it happens every few minutes.
        let usual = [(9_700, 5.0), (300, 400.0)];
        let finding = |live: &[(usize, f64)]| look(&rule(), &users(&usual, live));
        assert!(matches!(finding(&[(18, 5.0), (2, 400.0)]), Finding::Within(_)));
        assert!(matches!(finding(&[(16, 5.0), (4, 400.0)]), Finding::Over(_)));
        assert!(matches!(finding(&[(936, 5.0), (64, 400.0)]), Finding::Over(_)));
        assert!(matches!(finding(&[(945, 5.0), (55, 400.0)]), Finding::Within(_)));
        assert_eq!(finding(&[(19, 400.0)]), Finding::Unknown);
        assert_eq!(look(&rule(), &users(&[(19, 5.0)], &[(1_000, 400.0)])), Finding::Unknown);
        assert_eq!(look(&rule(), &Users::default()), Finding::Unknown);
    }

    #[test]
    fn it_takes_three_looks_in_a_row_and_says_so_in_figures() {
        let slow = [users(&[(1_000, 40.0)], &[(500, 180.0)])];
        let fine = [users(&[(1_000, 40.0)], &[(500, 41.0)])];
        let mut streaks = Streaks::default();
        let mut take = |everybody: &[Users]| streaks.take(&rule(), everybody, STEP);
        assert_eq!((take(&slow), take(&slow), take(&fine)), (None, None, None));
        assert_eq!((take(&slow), take(&slow)), (None, None));
        let words = take(&slow).unwrap();
        assert_eq!(words, "p95 179 ms for 15 s, before 40 ms (project shop)");
        assert_eq!((streaks.judged, streaks.over), (6, 5));
        assert!((streaks.worst.unwrap().p95_us / 180e3 - 1.0).abs() < 0.01);
    }

    #[test]
    fn a_pause_neither_counts_nor_forgives_and_what_is_over_does_not_go_on() {
        let slow = users(&[(1_000, 40.0)], &[(100, 180.0)]);
        let mut quiet = slow.clone();
        quiet.live.as_mut().unwrap().newest = Sketch::default();
        let mut past = slow.clone();
        past.live.as_mut().unwrap().newest = calls(&[(20, 40.0)]);
        let mut streaks = Streaks::default();
        let mut take = |users: &Users| streaks.take(&rule(), std::slice::from_ref(users), STEP).is_some();
        assert_eq!(
            [take(&slow), take(&slow), take(&quiet), take(&slow)],
            [false, false, false, true]
        );
        assert_eq!([take(&past), take(&slow), take(&slow)], [false; 3]);
        let gone = Users {
            live: None,
            ..slow.clone()
        };
        assert_eq!(
            [take(&gone), take(&slow), take(&slow), take(&slow)],
            [false, false, false, true]
        );
    }

    #[test]
    fn a_quarter_more_is_borne_for_less_than_a_minute() {
        let at = |ms: f64| [users(&[(1_000, 4.0)], &[(5_000, ms)])];
        // Hardly more than a quarter, so that a minute is what it takes.
        let (slower, fine, far_over) = (at(5.07), at(4.9), at(30.0));
        let mut streaks = Streaks::default();
        let mut borne = |everybody: &[Users], looks: u32| {
            let mut words = (0..looks).map(|_| streaks.take(&rule(), everybody, STEP));
            words.find_map(|words| words)
        };
        assert_eq!(borne(&slower, 11), None);
        assert_eq!(
            borne(&slower, 1).unwrap(),
            "p95 5.1 ms for 60 s, before 4.0 ms (project shop)"
        );
        // One look that is fine begins anew.
        assert_eq!((borne(&fine, 1), borne(&slower, 11)), (None, None));
        // What is beyond all bounds is part of what lasts.
        assert_eq!((borne(&fine, 1), borne(&slower, 10)), (None, None));
        assert!(borne(&far_over, 1).is_some());
        assert_eq!((streaks.judged, streaks.over), (36, 1));
        let for_ever = GuardRule {
            lasting_for: Duration::ZERO,
            ..rule()
        };
        let mut streaks = Streaks::default();
        assert!((0..100).all(|_| streaks.take(&for_ever, &slower, STEP).is_none()));
    }

    #[test]
    fn the_more_users_lose_the_shorter_they_bear_it() {
        let looks_until_broken = |ms: f64| {
            let everybody = [users(&[(1_000, 4.0)], &[(5_000, ms)])];
            let mut streaks = Streaks::default();
            let broken = (1..=100).find(|_| streaks.take(&rule(), &everybody, STEP).is_some());
            broken.unwrap_or(u32::MAX)
        };
        // A quarter, a third, half, as much again; then three looks are the least.
        let looks = [4.9, 5.08, 5.4, 6.1, 8.1, 14.0, 23.0, 25.0, 400.0].map(looks_until_broken);
        assert_eq!(looks, [u32::MAX, 12, 9, 6, 3, 3, 3, 3, 3]);
    }

    #[test]
    fn one_project_is_not_hidden_by_another() {
        let mut bank = users(&[(1_000, 40.0)], &[(50, 180.0)]);
        bank.project = "bank".to_owned();
        let everybody = [users(&[(1_000, 40.0)], &[(5_000, 40.0)]), bank];
        let mut streaks = Streaks::default();
        let words: Vec<_> = (0..3).map(|_| streaks.take(&rule(), &everybody, STEP)).collect();
        assert!(words[1].is_none());
        assert!(words[2].as_ref().unwrap().contains("(project bank)"));
    }

    #[test]
    fn a_client_may_wait_for_a_second() {
        let client = |pid: i32, ms: u64| Waiting {
            pid,
            application: "x".to_owned(),
            waited: Duration::from_millis(ms),
            lock: "an AccessShareLock on public.t".to_owned(),
        };
        assert_eq!(blocks(&rule(), &[]), None);
        assert_eq!(blocks(&rule(), &[client(1, 1_000), client(2, 300)]), None);
        assert_eq!(
            blocks(&rule(), &[client(122, 1_050), client(123, 1_400)]).unwrap(),
            "pid 123 (app x) waiting 1.4 s for an AccessShareLock on public.t that we hold or wait for, and 1 more"
        );
    }

    #[test]
    fn a_replica_counts_once_it_falls_behind_while_work_runs() {
        let replica = |name: &str, secs: u64, bytes: u64| Replica {
            name: name.to_owned(),
            lag: Duration::from_secs(secs),
            bytes,
        };
        let mut late = Late::default();
        let mut take = |replicas: &[Replica]| late.take(&rule(), replicas);
        assert_eq!(take(&[replica("delayed", 3_600, 0), replica("b", 30, 1)]), None);
        assert_eq!(
            take(&[replica("delayed", 3_700, 0), replica("b", 1, 256_000_000)]),
            None
        );
        let words = take(&[replica("delayed", 3_700, 0), replica("b", 31, 300_000_000)]).unwrap();
        assert_eq!(words, "replica b is 31 s and 300 MB behind");
        assert_eq!(take(&[replica("delayed", 1, 0)]), None);
        assert!(take(&[replica("delayed", 40, 0)]).is_some());
        let off = GuardRule {
            lag_max: Duration::ZERO,
            ..rule()
        };
        assert_eq!(late.take(&off, &[replica("b", 99, u64::MAX)]), None);
    }
}
