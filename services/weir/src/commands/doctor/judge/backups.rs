//! Backups: whether they are on, can be read, are fresh, and were proven. Pure.

use std::time::Duration;

use super::super::check::{Check, Subject};
use super::super::facts::{BackupWish, Backups, Facts, Key, KeyFile, Known, Log, Repository};
use super::{DAY, ago, span};

/// A daily backup that took its time is not older.
const RECENT: Duration = Duration::from_secs(26 * 3_600);
/// Backups that nobody has restored for so long are a hope.
const PROVEN: Duration = Duration::from_secs(8 * 86_400);

pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    let wish = &facts.wanted.backups;
    let mut checks = vec![on(wish, facts.wanted.is_development)];
    if !wish.is_on() {
        return checks;
    }
    checks.push(schedule(wish));
    checks.extend(keys(wish, &facts.keys));
    match &facts.backups {
        Err(reason) => checks.extend(unknown(reason)),
        Ok(backups) => checks.extend(known(backups, wish, facts.here.unix_ms)),
    }
    checks
}

fn on(wish: &BackupWish, is_development: bool) -> Check {
    let subject = Subject("backup.on", "");
    if wish.is_on() {
        return subject.good(format!("on, {} repositories", wish.repositories));
    }
    let mend =
        "weir backup key new FILE, then name a repository in backup.repositories, as docs/guides/backup.md shows";
    let found = if wish.enabled {
        "on, and no repository is named: nothing is backed up"
    } else {
        "off (backup.enabled)"
    };
    if is_development {
        subject.note(found, mend)
    } else {
        subject.warning(found, mend)
    }
}

fn schedule(wish: &BackupWish) -> Check {
    let subject = Subject("backup.schedule", "");
    if wish.scheduled {
        return subject.good("the scheduler of these settings asks for them");
    }
    subject.warning(
        "no schedule of these settings takes backups",
        "set scheduler.backups = true and scheduler.backup_schedule_full, or put a schedule: weir schedules put",
    )
}

fn keys(wish: &BackupWish, keys: &[Key]) -> Vec<Check> {
    if !wish.encrypted {
        let mend = "set backup.encryption = true and a key_file for each repository; backups taken so far stay readable by anybody";
        return vec![Subject("backup.key", "").warning(
            "backups are not encrypted: whoever reads a repository reads every table",
            mend,
        )];
    }
    keys.iter().map(|key| of_key(key, &key.file)).collect()
}

fn of_key(key: &Key, file: &Known<KeyFile>) -> Check {
    let subject = Subject("backup.key", &key.repository);
    let path = &key.path;
    match file {
        Err(reason) => subject.problem(
            format!("the key {path} cannot be seen here: {reason}"),
            "bring the key back from its copy; without it nothing in that repository can be read by anybody",
        ),
        Ok(file) if file.mode & 0o077 != 0 => {
            subject.warning(format!("{path} can be read by others (mode {:o})", file.mode), format!("chmod 600 {path}"))
        }
        Ok(file) if file.is_beside_backups => subject.note(
            format!("{path} is on the same disk as the backups that it opens: one loss takes both, and Weir cannot see whether there is a copy"),
            "keep a copy of the key elsewhere, on paper or in a vault; weir backup keys lists what is in use",
        ),
        Ok(_) => subject.good(format!("{path}, readable by its owner only, on another disk than the backups")),
    }
}

fn unknown(reason: &str) -> Vec<Check> {
    let because = format!("the backup service cannot be asked: {reason}");
    let names = ["backup.repositories", "backup.recent", "backup.proven"];
    names.map(|name| Subject(name, "").skipped(&because)).into()
}

fn known(backups: &Backups, wish: &BackupWish, now_ms: i64) -> Vec<Check> {
    let mut checks: Vec<Check> = backups.repositories.iter().map(repository).collect();
    if backups.trouble.is_empty() {
        checks.push(recent(backups, now_ms));
        checks.push(proven(backups, wish, now_ms));
        checks.extend(backups.log.iter().map(|log| of_log(log, wish)));
    } else {
        let because = format!("the service cannot tell: {}", backups.trouble);
        checks.extend(["backup.recent", "backup.proven"].map(|name| Subject(name, "").skipped(&because)));
    }
    checks
}

fn repository(repository: &Repository) -> Check {
    let subject = Subject("backup.repositories", &repository.name);
    match (repository.reachable, repository.trouble.as_str()) {
        (true, "") => subject.good(format!("usable, {} backups", repository.backups)),
        (true, trouble) => subject.warning(
            trouble,
            "weir backup status shows it; docs/guides/backup-care.md says what it means",
        ),
        (false, trouble) => subject.problem(
            trouble,
            "correct its table in backup.repositories, or what it names; then weir backup status",
        ),
    }
}

fn recent(backups: &Backups, now_ms: i64) -> Check {
    let subject = Subject("backup.recent", "");
    let mend = "weir backup create --kind full --wait; weir jobs shows why the last ones did not succeed";
    match backups.last_ms.map(|last| ago(now_ms, last)) {
        None => subject.problem("there is no backup yet", mend),
        Some(age) if age > RECENT => subject.problem(format!("the last one ended {} ago", span(age)), mend),
        Some(age) => subject.good(format!("the last one ended {} ago", span(age))),
    }
}

fn proven(backups: &Backups, wish: &BackupWish, now_ms: i64) -> Check {
    let subject = Subject("backup.proven", "");
    if let Some(failed) = &backups.proof_failed {
        let mend = "weir backup proofs and docs/runbooks/restore-test-failed.md; an earlier backup may be good";
        return subject.problem(format!("the last proof failed: {failed}"), mend);
    }
    let mend = if wish.has_scratch_directory {
        "weir backup drill"
    } else {
        "set backup.scratch_directory, where a backup is restored and checked; then weir backup drill"
    };
    match backups.proven_ms.map(|proven| ago(now_ms, proven)) {
        None => subject.warning("no backup was ever restored and checked", mend),
        Some(age) if age > PROVEN => subject.warning(
            format!(
                "the last proof is {:.0} days old",
                age.as_secs_f64() / DAY.as_secs_f64()
            ),
            mend,
        ),
        Some(age) => subject.good(format!("proven {} ago", span(age))),
    }
}

fn of_log(log: &Log, wish: &BackupWish) -> Check {
    let subject = Subject("backup.log", &log.cluster);
    if log.is_off {
        let mend = "set backup.wal = true, and see weir backup status";
        return match wish.takes_log {
            true => subject.problem(
                format!("the log is not received: {}", log.reason),
                "weir backup status; docs/runbooks/wal-exposed.md",
            ),
            false => subject.note(
                "the log is not received: only the moments of backups can be restored",
                mend,
            ),
        };
    }
    let found = format!(
        "{} of commits would be lost now",
        span(Duration::from_millis(log.exposure_ms))
    );
    if log.exposure_ms > log.exposure_max_ms {
        return subject.problem(
            format!("{found} {}", log.reason).trim().to_owned(),
            "docs/runbooks/wal-exposed.md says what to do",
        );
    }
    match log.reason.as_str() {
        "" => subject.good(found),
        reason => subject.note(
            format!("{found}; {reason}"),
            "weir backup status shows by which way the log comes",
        ),
    }
}
