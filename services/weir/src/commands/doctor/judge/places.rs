//! What lies between the services and around them: bus, Redis, disks, files, channels. Pure.

use weir_model::size_in_words;

use super::super::check::{Check, Subject};
use super::super::facts::{Bus, Certificate, Channel, Disk, Facts, Space};
use super::{ago, certificate, clock, span};

/// Room below which something stops soon.
const DISK_PROBLEM: (f64, u64) = (0.03, 512 << 20);
const DISK_WARNING: (f64, u64) = (0.10, 2 << 30);
/// A process with many connections needs this many.
const DESCRIPTORS: u64 = 4_096;

pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    let mut checks = bus(&facts.bus, facts);
    checks.extend(redis(facts));
    checks.extend(facts.disks.iter().map(disk));
    checks.extend(descriptors(facts));
    checks.extend(facts.certificates.iter().map(|file| in_file(file, facts.here.unix_ms)));
    checks.extend(channels(facts));
    checks
}

fn bus(bus: &Bus, facts: &Facts) -> Vec<Check> {
    match bus {
        Bus::Memory => vec![memory(facts)],
        Bus::Nats { place, reached } => {
            let subject = Subject("bus.reachable", place);
            match reached {
                Err(reason) => {
                    let mend =
                        "start NATS with JetStream (nats-server --jetstream --store_dir DIRECTORY), or correct bus.url";
                    vec![subject.problem(reason, mend)]
                }
                Ok(gap) => {
                    let mut checks = vec![subject.good("reached, with JetStream")];
                    checks.push(match gap {
                        Some(gap) => clock(Subject("bus.clock", place), *gap, "the clock of NATS"),
                        None => Subject("bus.clock", place)
                            .skipped("NATS tells its time from version 2.10 on, as soon as it has a stream"),
                    });
                    checks
                }
            }
        }
    }
}

/// Nobody tells whether services are one process or several; the bus of several that have none in common is seen by
/// what does not arrive.
fn memory(facts: &Facts) -> Check {
    let subject = Subject("bus.reachable", "");
    let found = "in the memory of weir up; services that run apart do not hear each other";
    if facts.wanted.is_development {
        return subject.good(found);
    }
    subject.note(
        found,
        "set bus.url to a NATS server, unless all services run as weir up",
    )
}

fn redis(facts: &Facts) -> Option<Check> {
    let subject = Subject("redis.reachable", "");
    Some(match facts.redis.as_ref()? {
        Ok(()) => subject.good("reached"),
        Err(reason) => subject.warning(
            format!("{reason}; gateways work without it, each from its own memory"),
            "start Redis, or correct gateway.cache_redis_url",
        ),
    })
}

fn disk(disk: &Disk) -> Check {
    let subject = Subject("disk.space", &disk.path);
    match &disk.space {
        Err(reason) => subject.warning(
            format!("{} ({}) cannot be looked at: {reason}", disk.path, disk.holds),
            "mount the disk, and let this user see it",
        ),
        Ok(space) => room(subject, &disk.holds, *space),
    }
}

fn room(subject: Subject<'_>, holds: &str, space: Space) -> Check {
    let share = space.available_bytes as f64 / (space.total_bytes as f64).max(1.0);
    let found = format!(
        "{} of {} free ({:.0} %) for {holds}",
        size_in_words(space.available_bytes),
        size_in_words(space.total_bytes),
        share * 100.0
    );
    // On a large disk a small share is plenty, on a small one a few gigabytes are all there is.
    let is_below = |(ratio, bytes): (f64, u64)| {
        share < ratio && space.available_bytes < bytes * 10 || space.available_bytes < bytes && share < 0.5
    };
    let mend = "make room or give the disk more; docs/runbooks/disk-full-eta.md says where to look first";
    match () {
        () if is_below(DISK_PROBLEM) => subject.problem(found, mend),
        () if is_below(DISK_WARNING) => subject.warning(found, mend),
        () => subject.good(found),
    }
}

fn descriptors(facts: &Facts) -> Option<Check> {
    let subject = Subject("process.descriptors", "");
    let max = facts.here.descriptors_max?;
    let found = format!("ulimit -n is {max} here");
    if max >= DESCRIPTORS {
        return Some(subject.good(found));
    }
    let needed = facts.wanted.clients_max + 1_024;
    Some(subject.note(
        format!("{found}; a gateway that is started from here serves hardly more clients"),
        format!("ulimit -n {needed} before weir up, or LimitNOFILE={needed} in the unit"),
    ))
}

fn in_file(file: &Certificate, now_ms: i64) -> Check {
    let subject = Subject("certificate.expiry", file.setting);
    match &file.until_ms {
        Err(reason) => subject.problem(
            format!("{} cannot be read: {reason}", file.path),
            format!("correct {}", file.setting),
        ),
        Ok(until_ms) => {
            let mend = format!("put a renewed certificate into {} and restart what uses it", file.path);
            certificate(subject, now_ms, *until_ms, &mend)
        }
    }
}

fn channels(facts: &Facts) -> Vec<Check> {
    let subject = Subject("alerts.channels", "");
    if facts.wanted.channels == 0 {
        let mend = "add a table to monitor.channels, as docs/guides/notifications.md shows; then weir alerts test NAME";
        let found = "none is set: alerts are seen only by those who look";
        let check = if facts.wanted.is_development {
            subject.note(found, mend)
        } else {
            subject.warning(found, mend)
        };
        return vec![check];
    }
    let mut checks = vec![subject.good(format!("{} set", facts.wanted.channels))];
    match &facts.channels {
        Err(reason) => {
            checks.push(Subject("alerts.delivery", "").skipped(format!("the monitor cannot be asked: {reason}")));
        }
        Ok(channels) => checks.extend(channels.iter().map(|channel| delivery(channel, facts.here.unix_ms))),
    }
    checks
}

fn delivery(channel: &Channel, now_ms: i64) -> Check {
    let subject = Subject("alerts.delivery", &channel.name);
    let mend = format!(
        "weir alerts test {} shows what the receiver says; correct its table in monitor.channels",
        channel.name
    );
    if channel.last_error_unix_ms > channel.last_success_unix_ms {
        let found = format!(
            "refused {} ago, {} alerts wait: {}",
            span(ago(now_ms, channel.last_error_unix_ms)),
            channel.pending,
            channel.last_error
        );
        return subject.problem(found, mend);
    }
    match channel.last_success_unix_ms {
        0 => subject.note(
            "nothing was sent yet",
            format!("try it: weir alerts test {}", channel.name),
        ),
        at => subject.good(format!("accepted {} ago", span(ago(now_ms, at)))),
    }
}
