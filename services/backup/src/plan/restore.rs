//! What a restore would do, and what stands against it. Pure.
//!
//! The plan that is shown is the plan that is carried out.

use std::collections::BTreeMap;

use super::history::{Held, Lineage, Log};
use crate::engine::restore::recovery::{Along, End, timestamp, written_lsn};
use crate::orders::RestoreTarget;
use crate::repo::state::{BackupEntry, BackupKind, BackupState, Position, ProofEntry};

/// Something that stands against a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub slug: &'static str,
    /// What it is and what would help: one sentence.
    pub detail: String,
    pub can_be_forced: bool,
}

impl Obstacle {
    /// One that nobody may override.
    pub(crate) const fn firm(slug: &'static str, detail: String) -> Self {
        Self {
            slug,
            detail,
            can_be_forced: false,
        }
    }

    /// One that may be overridden by whoever knows better.
    pub(crate) const fn soft(slug: &'static str, detail: String) -> Self {
        Self {
            slug,
            detail,
            can_be_forced: true,
        }
    }
}

/// What is known of a repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub backups: Vec<BackupEntry>,
    pub log: Log,
    /// Histories of timelines, as they are written.
    pub histories: BTreeMap<u32, String>,
    pub known: Known,
}

/// What is known of the moment that is wanted, from an index of commits. Nothing of it has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Where the moment lies: after what is wanted, and, where it is to end before it, before it.
    pub at: Option<Position>,
    /// When the last commit was that the log holds.
    pub last_commit_unix_ms: Option<i64>,
    /// Whether there is such a moment: a transaction or name that the whole log has not is none.
    pub is_missing: bool,
}

/// Which backup and which log a restore uses, and where it ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    /// None: nothing can be restored, as the obstacles say.
    pub backup: Option<BackupEntry>,
    pub from: Position,
    pub to: Position,
    pub end: End,
    pub along: Along,
    /// Bytes of log that are read.
    pub wal_bytes: u64,
    pub obstacles: Vec<Obstacle>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub target: &'a RestoreTarget,
    /// Empty: the best.
    pub backup_id: &'a str,
    /// Whether obstacles that can be overridden are.
    pub force: bool,
}

/// Where recovery ends, as it is asked for. The error says what cannot be.
pub(crate) fn end_of(target: &RestoreTarget) -> Result<End, String> {
    let ends = [
        target.time_unix_ms.map(|unix_ms| End::Time {
            unix_ms,
            before: target.before,
        }),
        target.position.map(|position| End::Position(position.lsn)),
        target.restore_point.clone().map(End::RestorePoint),
        target.xid.map(|xid| End::Transaction {
            xid,
            before: target.before,
        }),
        target.consistent.map(|_| End::Consistent),
    ];
    let mut ends = ends.into_iter().flatten();
    let end = ends.next().unwrap_or_default();
    if ends.next().is_some() {
        return Err("more than one moment is named".to_owned());
    }
    match &end {
        End::Position(_) if target.before => {
            Err("a position is where something ends; to end before a commit, name its transaction".to_owned())
        }
        End::Log | End::Consistent if target.before => Err("before what is not said".to_owned()),
        End::RestorePoint(name) if name.is_empty() || name.len() > 63 || name.contains(['\n', '\r', '\0']) => {
            Err(format!("{name:?} is no name of a restore point"))
        }
        End::Transaction { xid: 0..=2, .. } => Err("no transaction has a number below 3".to_owned()),
        _ => Ok(end),
    }
}

/// Chooses. The error says what is wrong with the target itself.
pub(crate) fn choose(wish: Wish<'_>, facts: &Facts) -> Result<Choice, String> {
    let end = end_of(wish.target)?;
    let lineage = lineage_of(wish.target, facts);
    let mut best: Option<Choice> = None;
    for backup in candidates(wish, facts, &end, &lineage) {
        let choice = with_backup(wish, facts, &end, &lineage, backup);
        if choice.obstacles.is_empty() {
            return Ok(choice);
        }
        best.get_or_insert(choice);
    }
    Ok(best.unwrap_or_else(|| none(wish, facts, &end)))
}

/// The timeline that is asked for, else the one a position lies on, else the newest that a backup can reach.
fn lineage_of(target: &RestoreTarget, facts: &Facts) -> Lineage {
    let of = |timeline: u32| Lineage::of(timeline, facts.histories.get(&timeline).map(String::as_str));
    let named = [target.timeline, target.position.map_or(0, |position| position.timeline)];
    if let Some(timeline) = named.into_iter().find(|timeline| *timeline != 0) {
        return of(timeline);
    }
    let backups = || facts.backups.iter().filter(|backup| is_usable(backup));
    let mut timelines = facts.log.timelines();
    timelines.extend(facts.histories.keys());
    timelines.extend(backups().filter_map(|backup| Some(backup.stop?.timeline)));
    let reached = |lineage: &Lineage| backups().any(|backup| backup.stop.is_some_and(|stop| lineage.holds(stop)));
    timelines
        .into_iter()
        .rev()
        .map(of)
        .find(reached)
        .unwrap_or_else(|| of(1))
}

fn is_usable(backup: &BackupEntry) -> bool {
    let usable = matches!(
        backup.state(),
        BackupState::Proven | BackupState::Unproven | BackupState::Failed
    );
    usable && backup.kind() != BackupKind::Project && backup.start.is_some() && backup.stop.is_some()
}

/// Backups to begin with, the best first.
fn candidates<'a>(wish: Wish<'_>, facts: &'a Facts, end: &End, lineage: &Lineage) -> Vec<&'a BackupEntry> {
    if !wish.backup_id.is_empty() {
        let named = facts.backups.iter().filter(|backup| backup.id == wish.backup_id);
        return named
            .filter(|backup| backup.start.is_some() && backup.stop.is_some())
            .collect();
    }
    let fits = |backup: &&BackupEntry| {
        let on_it = backup.stop.is_some_and(|stop| lineage.holds(stop));
        on_it && is_usable(backup) && backup.state() != BackupState::Failed && is_before(backup, end, facts.known)
    };
    let mut found: Vec<&BackupEntry> = facts.backups.iter().filter(fits).collect();
    // Where nobody knows where the moment lies, the earliest is the one that cannot be too late.
    let is_unknown = matches!(end, End::RestorePoint(_) | End::Transaction { .. }) && facts.known.at.is_none();
    found.sort_by_key(|backup| {
        let at = backup.stop.map_or(0, |stop| stop.lsn);
        let at = if is_unknown { at } else { u64::MAX - at };
        (backup.state() != BackupState::Proven, at)
    });
    found
}

/// Whether a backup is consistent before the moment at which recovery ends.
fn is_before(backup: &BackupEntry, end: &End, known: Known) -> bool {
    let stop = backup.stop.unwrap_or_default();
    if let Some(at) = known.at {
        return stop.lsn <= at.lsn;
    }
    match end {
        End::Time { unix_ms, before } => {
            let last = match backup.stop_unix_ms {
                0 => backup.ended_unix_ms,
                last => last,
            };
            last < *unix_ms || (last == *unix_ms && !before)
        }
        End::Position(lsn) => stop.lsn <= *lsn,
        _ => true,
    }
}

fn with_backup(wish: Wish<'_>, facts: &Facts, end: &End, lineage: &Lineage, backup: &BackupEntry) -> Choice {
    let (from, stop) = (backup.start.unwrap_or_default(), backup.stop.unwrap_or_default());
    let mut obstacles = Vec::new();
    obstacles.extend(trouble_of_backup(backup, end, facts.known, lineage));
    let wanted = match (end, facts.known.at) {
        (End::Position(lsn), _) => Some(*lsn),
        (End::Consistent, _) => Some(stop.lsn),
        (_, Some(at)) => Some(at.lsn),
        _ => None,
    };
    let held = facts.log.held(lineage, from.lsn, wanted);
    obstacles.extend(trouble_of_log(held, stop, wanted, end));
    obstacles.extend(trouble_of_time(end, facts.known));
    if facts.known.is_missing {
        obstacles.push(Obstacle::firm(
            "backup-restore-no-target",
            format!("the log has no {}", named(end)),
        ));
    }
    // What lies beyond the log is its end, for whoever overrides that; and its end is no position to stop at.
    let is_end = match end {
        End::Position(lsn) => *lsn >= facts.log.held(lineage, from.lsn, None).end,
        End::Time { .. } => obstacles
            .iter()
            .any(|obstacle| obstacle.slug == "backup-restore-target-late"),
        _ => false,
    };
    let is_end = is_end && (wish.force || obstacles.is_empty());
    Choice {
        backup: Some(backup.clone()),
        from,
        to: Position {
            timeline: lineage.timeline(),
            lsn: held.end,
        },
        end: if is_end { End::Log } else { end.clone() },
        along: if lineage.timeline() == stop.timeline {
            Along::Current
        } else {
            Along::Timeline(lineage.timeline())
        },
        wal_bytes: held.stored_bytes,
        obstacles,
    }
}

fn trouble_of_backup(backup: &BackupEntry, end: &End, known: Known, lineage: &Lineage) -> Option<Obstacle> {
    let stop = backup.stop.unwrap_or_default();
    let id = &backup.id;
    if matches!(backup.state(), BackupState::Expired | BackupState::Shredded) {
        return Some(Obstacle::firm(
            "backup-restore-gone",
            format!("backup {id} was given up"),
        ));
    }
    if !lineage.holds(stop) {
        let detail = format!("backup {id} is not on the way to timeline {}", lineage.timeline());
        return Some(Obstacle::firm("backup-restore-timeline", detail));
    }
    if !is_before(backup, end, known) {
        let detail = format!(
            "backup {id} is consistent from {} on, which is after {}",
            written_lsn(stop.lsn),
            named(end)
        );
        return Some(Obstacle::firm("backup-restore-target-early", detail));
    }
    (backup.state() == BackupState::Failed).then(|| {
        let detail = format!("backup {id} failed its proof, and may not be what it has to be");
        Obstacle::soft("backup-restore-failed-backup", detail)
    })
}

fn trouble_of_log(held: Held, stop: Position, wanted: Option<u64>, end: &End) -> Option<Obstacle> {
    let (ends, until) = (written_lsn(held.end), written_lsn(wanted.unwrap_or(stop.lsn)));
    if held.end < stop.lsn {
        let until = written_lsn(stop.lsn);
        let detail = format!("log is missing from {ends} on, and the backup needs it until {until} to be consistent");
        return Some(Obstacle::firm("backup-restore-log-missing", detail));
    }
    match (held.resumes, wanted) {
        (_, Some(wanted)) if held.end >= wanted => None,
        (Some(resumes), _) => Some(Obstacle::soft(
            "backup-restore-log-missing",
            format!(
                "log is missing from {ends} to {}, and recovery would end there",
                written_lsn(resumes)
            ),
        )),
        (None, Some(_)) => Some(Obstacle::soft(
            "backup-restore-target-late",
            format!(
                "the log ends at {ends}, before {until}, which is {}; recovery would end there",
                named(end)
            ),
        )),
        (None, None) => None,
    }
}

fn trouble_of_time(end: &End, known: Known) -> Option<Obstacle> {
    match (end, known.last_commit_unix_ms) {
        (End::Time { unix_ms, .. }, Some(last)) if last < *unix_ms => Some(Obstacle::soft(
            "backup-restore-target-late",
            format!(
                "the last commit in the log is of {}, and whether there were others until then is not known; recovery would end with it",
                timestamp(last)
            ),
        )),
        _ => None,
    }
}

/// No backup fits.
fn none(wish: Wish<'_>, facts: &Facts, end: &End) -> Choice {
    let usable = facts.backups.iter().filter(|backup| is_usable(backup));
    let first = usable.min_by_key(|backup| backup.stop.map(|stop| stop.lsn));
    let obstacle = match first {
        _ if !wish.backup_id.is_empty() => Obstacle::firm(
            "backup-not-found",
            format!("there is no backup {} of this cluster", wish.backup_id),
        ),
        None => Obstacle::firm("backup-not-found", "there is no backup that can be restored".to_owned()),
        Some(first) => Obstacle::firm(
            "backup-restore-target-early",
            format!(
                "no backup is consistent before {}; the first is from {} on, {}",
                named(end),
                written_lsn(first.stop.map_or(0, |stop| stop.lsn)),
                timestamp(first.ended_unix_ms)
            ),
        ),
    };
    Choice {
        backup: None,
        from: Position::default(),
        to: Position::default(),
        end: end.clone(),
        along: Along::Current,
        wal_bytes: 0,
        obstacles: vec![obstacle],
    }
}

/// A moment, for people.
fn named(end: &End) -> String {
    match end {
        End::Log => "the end of the log".to_owned(),
        End::Time { unix_ms, .. } => timestamp(*unix_ms),
        End::Position(lsn) => format!("position {}", written_lsn(*lsn)),
        End::RestorePoint(name) => format!("restore point {name}"),
        End::Transaction { xid, .. } => format!("transaction {xid}"),
        End::Consistent => "consistency".to_owned(),
    }
}

/// How long a restore of so many bytes takes, from how long proofs took. 0: not known.
pub(crate) fn duration_ms(backups: &[BackupEntry], proofs: &[ProofEntry], write_bytes: u64) -> u64 {
    let sizes: BTreeMap<&str, u64> = backups
        .iter()
        .map(|backup| (backup.id.as_str(), backup.source_bytes))
        .collect();
    let took = |proof: &&ProofEntry| proof.recovery_ms > 0 && sizes.contains_key(proof.backup_id.as_str());
    let last: Vec<&ProofEntry> = proofs.iter().rev().filter(took).take(3).collect();
    let ms: u64 = last.iter().map(|proof| proof.recovery_ms).sum();
    let bytes: u64 = last
        .iter()
        .filter_map(|proof| sizes.get(proof.backup_id.as_str()))
        .sum();
    if bytes == 0 {
        return 0;
    }
    u64::try_from(u128::from(ms) * u128::from(write_bytes) / u128::from(bytes)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
