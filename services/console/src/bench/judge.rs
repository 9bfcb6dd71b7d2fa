//! The compliance table: what has to be, what is. Pure.

use super::report::{Check, Mode, Report, Verdict};
use super::{POOLED, POOLED_CACHED};

const P95_MS_BELOW: f64 = 100.0;
const POOL_EFFICIENCY_ABOVE: f64 = 0.8;
const HIT_RATIO_ABOVE: f64 = 0.9;

/// What was found out beside the load: yes, no, or not to be found out, each with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) verdict: Verdict,
    pub(super) note: String,
}

impl Found {
    pub(super) fn new(verdict: Verdict, note: impl Into<String>) -> Self {
        Self {
            verdict,
            note: note.into(),
        }
    }
}

/// The table; what was not found out yet is unknown.
pub(super) fn checks(report: &Report, backup: &Found, isolation: &Found) -> Vec<Check> {
    let (pooled, cached) = (report.mode(POOLED), report.mode(POOLED_CACHED));
    let of = |mode: Option<&Mode>, pick: fn(&Mode) -> Option<f64>| mode.map(pick);
    vec![
        below(
            "p95",
            "P95 of pooled calls",
            P95_MS_BELOW,
            "ms",
            of(pooled, |mode| (mode.calls > mode.errors).then_some(mode.p95_ms)),
            &Why {
                skipped: "no call through the pool was answered",
                failed: "weir pools shows who waits, weir doctor what is in the way",
            },
        ),
        above(
            "pool_efficiency",
            "Calls over a connection that was there already",
            POOL_EFFICIENCY_ABOVE,
            of(pooled, |mode| mode.pool_efficiency),
            &Why {
                skipped: "the gateway does not tell what its pools opened",
                failed: "connections are made anew all the time: weir pools show servers",
            },
        ),
        above(
            "hit_ratio",
            "Repeated reads answered from memory",
            HIT_RATIO_ABOVE,
            of(cached, |mode| mode.hit_ratio),
            &Why {
                skipped: "nothing could be answered from memory: gateway.cache is off, or the log of this database is not followed (weir cache)",
                failed: "weir cache shapes says why statements were not answered from memory",
            },
        ),
        is("backup", "The latest backup was restored to prove it", backup),
        is("isolation", "A project's token sees nothing of another", isolation),
    ]
}

/// Passed: every check that could be made did, and one could.
pub(super) fn verdict(checks: &[Check]) -> Verdict {
    let has = |verdict| checks.iter().any(|check| check.verdict == verdict);
    match (has(Verdict::Fail), has(Verdict::Pass)) {
        (true, _) => Verdict::Fail,
        (false, true) => Verdict::Pass,
        (false, false) => Verdict::Unknown,
    }
}

/// Where to look if a figure is not as it has to be.
struct Why {
    skipped: &'static str,
    failed: &'static str,
}

fn below(name: &str, title: &str, target: f64, unit: &str, measured: Option<Option<f64>>, why: &Why) -> Check {
    let is_good = |value| value < target;
    bound(name, title, ("below", unit), (target, measured), why, is_good)
}

fn above(name: &str, title: &str, target: f64, measured: Option<Option<f64>>, why: &Why) -> Check {
    let is_good = |value| value > target;
    bound(name, title, ("above", "ratio"), (target, measured), why, is_good)
}

/// `measured`: none, the way was not gone yet; none in it, it could not be measured.
fn bound(
    name: &str,
    title: &str,
    (direction, unit): (&str, &str),
    (target, measured): (f64, Option<Option<f64>>),
    why: &Why,
    is_good: impl Fn(f64) -> bool,
) -> Check {
    let (verdict, note) = match measured {
        None => (Verdict::Unknown, ""),
        Some(None) => (Verdict::Skipped, why.skipped),
        Some(Some(value)) if is_good(value) => (Verdict::Pass, ""),
        Some(Some(_)) => (Verdict::Fail, why.failed),
    };
    Check {
        name: name.to_owned(),
        title: title.to_owned(),
        direction: direction.to_owned(),
        target: Some(target),
        measured: measured.flatten(),
        unit: unit.to_owned(),
        verdict,
        note: note.to_owned(),
    }
}

fn is(name: &str, title: &str, found: &Found) -> Check {
    Check {
        name: name.to_owned(),
        title: title.to_owned(),
        direction: "is".to_owned(),
        target: None,
        measured: None,
        unit: "none".to_owned(),
        verdict: found.verdict,
        note: found.note.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(modes: Vec<Mode>) -> Report {
        let mut report = super::super::tests::empty();
        report.modes = modes;
        report
    }

    fn mode(name: &str, p95_ms: f64, pool_efficiency: Option<f64>, hit_ratio: Option<f64>) -> Mode {
        Mode {
            mode: name.to_owned(),
            calls: 10,
            p95_ms,
            pool_efficiency,
            hit_ratio,
            ..Mode::default()
        }
    }

    #[test]
    fn what_is_missed_fails_and_what_cannot_be_found_out_does_not() {
        let unknown = Found::new(Verdict::Unknown, "");
        let at_first = checks(&report(vec![]), &unknown, &unknown);
        assert!(at_first.iter().all(|check| check.verdict == Verdict::Unknown));
        assert_eq!(verdict(&at_first), Verdict::Unknown);

        let proven = Found::new(Verdict::Pass, "proven");
        let skipped = Found::new(Verdict::Skipped, "no repository");
        let good = report(vec![
            mode(POOLED, 99.9, Some(0.81), None),
            mode(POOLED_CACHED, 1.0, None, None),
        ]);
        let table = checks(&good, &skipped, &proven);
        let verdicts: Vec<Verdict> = table.iter().map(|check| check.verdict).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Pass,
                Verdict::Pass,
                Verdict::Skipped,
                Verdict::Skipped,
                Verdict::Pass
            ]
        );
        assert_eq!(verdict(&table), Verdict::Pass);

        let slow = report(vec![
            mode(POOLED, 100.0, Some(0.8), None),
            mode(POOLED_CACHED, 1.0, None, Some(0.9)),
        ]);
        let table = checks(&slow, &proven, &proven);
        assert!(
            table.iter().take(3).all(|check| check.verdict == Verdict::Fail),
            "{table:?}"
        );
        assert_eq!(verdict(&table), Verdict::Fail);
    }
}
