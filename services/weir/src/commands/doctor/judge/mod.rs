//! What facts mean. Pure.

mod backups;
mod extensions;
mod places;
mod releases;
mod role;
mod server;
mod services;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::check::{Check, Subject};
use super::facts::{ClockGap, Facts};
use super::names;

/// Every check, in the order of their names and then of their subjects.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    let mut checks = settings::judge(facts);
    checks.extend(services::judge(facts));
    checks.extend(facts.servers.iter().flat_map(|server| server::judge(server, facts)));
    if facts.servers.is_empty() {
        let mend = "set database.url (DATABASE_URL) to the server that Weir stands in front of";
        checks.push(Subject("server.reachable", "").problem("no server is set", mend));
    }
    checks.extend(store::judge(facts));
    checks.extend(places::judge(facts));
    checks.extend(backups::judge(facts));
    // A stable order: the subjects of a name stay as they were gathered.
    checks.sort_by_key(|check| names::place(check.name));
    checks
}

/// A difference of clocks below which nobody cares.
const CLOCK_NOTE_MS: i64 = 1_000;
/// One that misleads: windows, ages and expiry go by the clock.
const CLOCK_WARNING_MS: i64 = 5_000;
const CLOCK_PROBLEM_MS: i64 = 60_000;

/// A clock elsewhere, which may be off by what the measurement itself may be wrong.
fn clock(subject: Subject<'_>, gap: ClockGap, whose: &str) -> Check {
    let surely_ms = (gap.ahead_ms.abs() - gap.give_or_take_ms).max(0);
    let direction = if gap.ahead_ms < 0 { "behind" } else { "ahead" };
    let found = format!(
        "{whose} is {:.1} s {direction} of this machine (measured within {:.1} s)",
        gap.ahead_ms.unsigned_abs() as f64 / 1e3,
        gap.give_or_take_ms as f64 / 1e3,
    );
    let mend = "have all machines follow one time source: chronyc tracking, timedatectl set-ntp true";
    match surely_ms {
        _ if surely_ms >= CLOCK_PROBLEM_MS => subject.problem(found, mend),
        _ if surely_ms >= CLOCK_WARNING_MS => subject.warning(found, mend),
        _ if surely_ms >= CLOCK_NOTE_MS => subject.note(found, mend),
        _ => subject.good(found),
    }
}

/// A time that somebody waits, or something lasts.
fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds < 1.0 => format!("{} ms", time.as_millis()),
        _ if seconds < 120.0 => format!("{} s", (seconds * 10.0).round() / 10.0),
        _ if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds < 172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// How long ago a moment is.
fn ago(now_ms: i64, then_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(now_ms - then_ms).unwrap_or_default())
}

const DAY: Duration = Duration::from_secs(86_400);
/// A certificate that ends sooner than this has to be renewed now.
const CERTIFICATE_WARNING_MS: i64 = 30 * 86_400_000;
const CERTIFICATE_PROBLEM_MS: i64 = 7 * 86_400_000;

fn certificate(subject: Subject<'_>, now_ms: i64, until_ms: i64, mend: &str) -> Check {
    let left_ms = until_ms - now_ms;
    if left_ms <= 0 {
        return subject.problem(format!("expired {} ago", span(ago(now_ms, until_ms))), mend);
    }
    let found = format!("expires in {}", span(ago(until_ms, now_ms)));
    match left_ms {
        _ if left_ms < CERTIFICATE_PROBLEM_MS => subject.problem(found, mend),
        _ if left_ms < CERTIFICATE_WARNING_MS => subject.warning(found, mend),
        _ => subject.good(found),
    }
}
