//! How many connections a pool should have, as the second that has passed tells. Pure.
//!
//! More connections help only while the server is not the one who is waited for. So the pool grows by a step while
//! callers wait and statements take no longer than they usually do; it is cut back at once when they take much longer;
//! and where nobody waits, it shrinks until three quarters of it are in use.

use std::time::Duration;

use crate::settings::Bounds;

/// A step up is this share of the present limit, and at least one.
const STEP: f64 = 0.25;
/// Above this share of the best time, in speed, statements count as undisturbed.
const UNDISTURBED: f64 = 0.8;
/// Below this share they count as held up by each other.
const CROWDED: f64 = 0.5;
/// What is left of the limit then.
const CUT: f64 = 0.8;
/// After a cut the pool is left alone for so many looks, until its effect shows.
const REST_AFTER_CUT: u32 = 3;
/// The share that is aimed at.
const AIM: f64 = 0.75;
/// Below this share the pool shrinks.
const SPARE_BELOW: f64 = 0.7;
/// It shrinks when it was so for so many looks in a row.
const SPARE_FOR: u32 = 5;
/// Within this factor of the best time, a time confirms it.
const CONFIRMS: f64 = 1.1;
/// A best time that was not confirmed for so many looks is measured again.
const DOUBTED_AFTER: u32 = 120;
/// For that the pool is cut to half for so many looks.
const PROBE: u32 = 3;
/// How much the present use counts for the average.
const LATEST: f64 = 0.3;

/// What was measured since the last look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Connections in use, on average.
    pub(crate) active: f64,
    /// Whether callers waited for one.
    pub(crate) waited: bool,
    /// What a statement took the server, on average; none where there was none.
    pub(crate) latency: Option<Duration>,
}

/// The controller of one pool.
#[derive(Debug)]
pub(crate) struct Controller {
    limit: f64,
    /// The best time of a statement, in seconds, and how many looks ago it was last confirmed.
    best: Option<f64>,
    doubted: u32,
    probe: Option<Probe>,
    active: f64,
    spare_for: u32,
    rests: u32,
}

/// The best time is being measured anew.
#[derive(Debug)]
struct Probe {
    left: u32,
    /// The limit that is taken up again.
    limit: f64,
    best: f64,
}

impl Controller {
    /// Begins half way.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            limit: f64::midpoint(float(bounds.min.max(1)), float(bounds.max)),
            best: None,
            doubted: 0,
            probe: None,
            active: 0.0,
            spare_for: 0,
            rests: 0,
        }
    }

    /// The limit after what was seen.
    pub(crate) fn step(&mut self, seen: Seen, bounds: Bounds) -> usize {
        let latency = seen.latency.map(|latency| latency.as_secs_f64().max(1e-6));
        let speed = if self.is_probing(latency) {
            0.0
        } else {
            self.speed(latency)
        };
        if self.probe.is_none() {
            self.decide(seen, speed);
        }
        if self.doubted >= DOUBTED_AFTER {
            self.measure_again(seen.waited, latency);
        }
        self.limit = self.limit.clamp(float(bounds.min.max(1)), float(bounds.max.max(1)));
        // Between one and the largest number of connections there can be.
        self.limit.ceil() as usize
    }

    fn decide(&mut self, seen: Seen, speed: f64) {
        self.active += (seen.active - self.active) * LATEST;
        self.rests = self.rests.saturating_sub(1);
        let is_full = seen.waited || seen.active >= self.limit.floor() * AIM;
        self.spare_for = if seen.waited || self.active >= self.limit * SPARE_BELOW {
            0
        } else {
            self.spare_for + 1
        };
        if speed < CROWDED && is_full && self.rests == 0 {
            self.limit *= CUT;
            self.rests = REST_AFTER_CUT;
        } else if seen.waited && speed >= UNDISTURBED && self.rests == 0 {
            self.limit += (self.limit * STEP).max(1.0);
        } else if self.spare_for >= SPARE_FOR {
            self.limit = (self.limit - 1.0).max(self.active / AIM);
        }
    }

    /// How fast statements are, as a share of the best.
    fn speed(&mut self, latency: Option<f64>) -> f64 {
        let Some(latency) = latency else { return 1.0 };
        let best = self.best.map_or(latency, |best| best.min(latency));
        self.best = Some(best);
        self.doubted = if latency <= best * CONFIRMS {
            0
        } else {
            self.doubted + 1
        };
        best / latency
    }

    /// Nobody knows whether the best time can still be had. Where callers wait, the pool itself may be what is in its
    /// way; else statements are other ones now.
    fn measure_again(&mut self, waited: bool, latency: Option<f64>) {
        self.doubted = 0;
        if !waited {
            self.best = latency;
            return;
        }
        self.probe = Some(Probe {
            left: PROBE,
            limit: self.limit,
            best: f64::INFINITY,
        });
        self.limit /= 2.0;
    }

    /// Goes on with a measurement; true as long as the pool is left as it is.
    fn is_probing(&mut self, latency: Option<f64>) -> bool {
        let Some(probe) = &mut self.probe else { return false };
        probe.best = latency.map_or(probe.best, |latency| probe.best.min(latency));
        probe.left -= 1;
        if probe.left > 0 {
            return true;
        }
        self.limit = probe.limit;
        self.best = Some(probe.best).filter(|best| best.is_finite());
        self.probe = None;
        // The last look was at the smaller pool.
        self.rests = self.rests.max(1) + 1;
        false
    }
}

/// Pool sizes are small; a float holds them exactly.
fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        min: 2,
        steady: 40,
        max: 40,
    };

    /// A server that is undisturbed up to so many at once, and then takes as much longer as there are more.
    fn latency(active: f64, good_for: f64) -> Option<Duration> {
        Some(Duration::from_millis(2).mul_f64((active / good_for).max(1.0)))
    }

    /// Runs so many seconds in which so many connections are wanted, before such a server.
    fn run(controller: &mut Controller, seconds: usize, wanted: f64, good_for: f64) -> Vec<usize> {
        let mut limit = controller.limit.ceil();
        (0..seconds)
            .map(|_| {
                let active = wanted.min(limit);
                let seen = Seen {
                    active,
                    waited: wanted > limit,
                    latency: latency(active, good_for),
                };
                let next = controller.step(seen, BOUNDS);
                limit = float(next);
                next
            })
            .collect()
    }

    #[test]
    fn it_grows_while_callers_wait_and_the_server_is_undisturbed() {
        let mut controller = Controller::new(BOUNDS);
        let limits = run(&mut controller, 20, 100.0, 1_000.0);
        assert!(limits.windows(2).all(|pair| pair[0] <= pair[1]), "{limits:?}");
        assert_eq!(limits.last(), Some(&40), "{limits:?}");
    }

    #[test]
    fn it_shrinks_to_three_quarters_in_use_and_not_below_the_minimum() {
        let mut controller = Controller::new(BOUNDS);
        run(&mut controller, 20, 100.0, 1_000.0);
        let limits = run(&mut controller, 120, 9.0, 1_000.0);
        let last = *limits.last().unwrap();
        assert!((12..=13).contains(&last), "{limits:?}");
        assert!(limits[..4].iter().all(|limit| *limit == 40), "it shrank at once");
        assert_eq!(run(&mut controller, 120, 0.0, 1_000.0).last(), Some(&2));
    }

    #[test]
    fn it_stays_where_the_server_is_not_crowded() {
        let mut controller = Controller::new(BOUNDS);
        // 100 want a connection, and the server is undisturbed with ten.
        run(&mut controller, 10, 5.0, 10.0);
        let limits = run(&mut controller, 300, 100.0, 10.0);
        let late = &limits[60..];
        let (least, most) = (late.iter().min().unwrap(), late.iter().max().unwrap());
        assert!(*least >= 5 && *most <= 26, "{least} to {most}: {late:?}");
    }

    #[test]
    fn it_is_cut_at_once_where_statements_hold_each_other_up_and_then_left_alone_for_a_while() {
        let mut controller = Controller::new(BOUNDS);
        run(&mut controller, 20, 100.0, 1_000.0);
        let limits = run(&mut controller, 20, 100.0, 10.0);
        assert_eq!(limits[..10], [32, 32, 32, 26, 26, 26, 21, 21, 21, 17], "{limits:?}");
        assert!(limits[10..].iter().all(|limit| *limit == 17), "{limits:?}");
    }

    #[test]
    fn it_stays_where_callers_wait_for_a_server_that_is_somewhat_slower() {
        let mut controller = Controller::new(BOUNDS);
        run(&mut controller, 4, 14.0, 1_000.0);
        let limits = run(&mut controller, 20, 100.0, 15.0);
        assert!(limits.iter().all(|limit| *limit == 21), "{limits:?}");
    }

    #[test]
    fn what_a_probe_took_away_is_given_back() {
        let mut controller = Controller::new(BOUNDS);
        run(&mut controller, 4, 14.0, 1_000.0);
        let limits = run(&mut controller, 180, 100.0, 15.0);
        let half = limits.iter().position(|limit| *limit == 11).unwrap();
        assert_eq!(limits[half - 1..half + 5], [21, 11, 11, 11, 21, 21], "{limits:?}");
    }

    #[test]
    fn it_learns_that_statements_are_slower_ones_now() {
        let mut controller = Controller::new(BOUNDS);
        run(&mut controller, 10, 5.0, 1_000.0);
        // From now on they take ten times as long, however many there are.
        let seen = |waited| Seen {
            active: 2.0,
            waited,
            latency: Some(Duration::from_millis(20)),
        };
        let limits: Vec<usize> = (0..200).map(|_| controller.step(seen(true), BOUNDS)).collect();
        assert_eq!(limits.last(), Some(&40), "{limits:?}");
    }

    #[test]
    fn where_nobody_waits_the_usual_time_of_now_becomes_the_best() {
        let mut controller = Controller::new(BOUNDS);
        run(&mut controller, 10, 5.0, 1_000.0);
        let seen = |waited| Seen {
            active: 2.0,
            waited,
            latency: Some(Duration::from_millis(20)),
        };
        for _ in 0..=DOUBTED_AFTER {
            controller.step(seen(false), BOUNDS);
        }
        let before = controller.limit;
        controller.step(seen(true), BOUNDS);
        assert!(controller.limit > before, "{} of {before}", controller.limit);
    }

    #[test]
    fn a_slow_server_with_room_in_the_pool_is_no_reason_to_cut() {
        let mut controller = Controller::new(BOUNDS);
        run(&mut controller, 5, 14.0, 1_000.0);
        let before = controller.limit;
        let slow = Seen {
            active: 4.0,
            waited: false,
            latency: Some(Duration::from_secs(1)),
        };
        controller.step(slow, BOUNDS);
        assert!(controller.limit >= before - 1.0, "{} of {before}", controller.limit);
    }
}
