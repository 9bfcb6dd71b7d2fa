//! Which backup is chosen for which moment, and what is told where none is.

use super::*;
use crate::orders::{Consistent, LogPosition};

const SEGMENT: u64 = 16 << 20;

fn backup(id: &str, state: BackupState, timeline: u32, segment: u64, ended: i64) -> BackupEntry {
    let mut entry = BackupEntry {
        id: id.to_owned(),
        start: Some(Position {
            timeline,
            lsn: segment * SEGMENT + 0x28,
        }),
        stop: Some(Position {
            timeline,
            lsn: segment * SEGMENT + 0x100,
        }),
        ended_unix_ms: ended,
        source_bytes: 1_000,
        ..BackupEntry::default()
    };
    entry.set_kind(BackupKind::Full);
    entry.set_state(state);
    entry
}

/// Three backups on one timeline, with all log from segment 2 to 9.
fn facts() -> Facts {
    let mut log = Log {
        segment_bytes: SEGMENT,
        ..Log::default()
    };
    log.whole.insert(1, (2..=9).map(|number| (number, 100)).collect());
    Facts {
        backups: vec![
            backup("old", BackupState::Proven, 1, 2, 1_000),
            backup("mid", BackupState::Proven, 1, 4, 2_000),
            backup("new", BackupState::Unproven, 1, 6, 3_000),
        ],
        log,
        ..Facts::default()
    }
}

fn chosen(target: &RestoreTarget, backup_id: &str, facts: &Facts) -> Choice {
    let wish = Wish {
        target,
        backup_id,
        force: false,
    };
    choose(wish, facts).unwrap()
}

fn id(choice: &Choice) -> &str {
    choice.backup.as_ref().map_or("", |backup| backup.id.as_str())
}

fn slugs(choice: &Choice) -> Vec<(&'static str, bool)> {
    choice
        .obstacles
        .iter()
        .map(|obstacle| (obstacle.slug, obstacle.can_be_forced))
        .collect()
}

fn time(unix_ms: i64) -> RestoreTarget {
    RestoreTarget {
        time_unix_ms: Some(unix_ms),
        ..RestoreTarget::default()
    }
}

fn position(lsn: u64) -> RestoreTarget {
    RestoreTarget {
        position: Some(LogPosition { timeline: 0, lsn }),
        ..RestoreTarget::default()
    }
}

#[test]
fn the_latest_proven_backup_before_the_moment_is_chosen() {
    let mut facts = facts();
    let latest = RestoreTarget::default();
    assert_eq!(id(&chosen(&latest, "", &facts)), "mid", "proven before unproven");
    assert_eq!(id(&chosen(&time(2_500), "", &facts)), "mid");
    assert_eq!(id(&chosen(&time(2_000), "", &facts)), "mid");
    let before = RestoreTarget {
        before: true,
        ..time(2_000)
    };
    assert_eq!(id(&chosen(&before, "", &facts)), "old");
    assert_eq!(id(&chosen(&position(4 * SEGMENT + 0x100), "", &facts)), "mid");
    assert_eq!(id(&chosen(&position(4 * SEGMENT + 0xFF), "", &facts)), "old");
    let early = chosen(&time(999), "", &facts);
    assert_eq!(
        (id(&early), slugs(&early)),
        ("", vec![("backup-restore-target-early", false)])
    );
    facts.backups[0].set_state(BackupState::Failed);
    facts.backups[1].set_state(BackupState::Failed);
    assert_eq!(
        id(&chosen(&latest, "", &facts)),
        "new",
        "a failed one is not chosen unasked"
    );
    let named = chosen(&latest, "mid", &facts);
    assert_eq!(
        (id(&named), slugs(&named)),
        ("mid", vec![("backup-restore-failed-backup", true)])
    );
    assert_eq!(slugs(&chosen(&latest, "other", &facts)), [("backup-not-found", false)]);
    assert_eq!(
        slugs(&chosen(&time(2_000), "new", &facts)),
        [("backup-restore-target-early", false)]
    );
}

#[test]
fn the_last_commit_of_a_backup_says_more_than_when_it_ended() {
    let mut facts = facts();
    facts.backups[1].stop_unix_ms = 1_500;
    assert_eq!(id(&chosen(&time(1_600), "", &facts)), "mid");
    assert_eq!(id(&chosen(&time(1_499), "", &facts)), "old");
}

#[test]
fn where_a_moment_lies_may_be_known_or_not() {
    let mut facts = facts();
    let xid = RestoreTarget {
        xid: Some(700),
        ..RestoreTarget::default()
    };
    assert_eq!(id(&chosen(&xid, "", &facts)), "old", "the earliest cannot be too late");
    facts.known.at = Some(Position {
        timeline: 1,
        lsn: 5 * SEGMENT,
    });
    let choice = chosen(&xid, "", &facts);
    assert_eq!(
        (id(&choice), choice.to.lsn, choice.wal_bytes),
        ("mid", 5 * SEGMENT, 100)
    );
    facts.known.is_missing = true;
    assert_eq!(slugs(&chosen(&xid, "", &facts)), [("backup-restore-no-target", false)]);
}

#[test]
fn missing_log_is_told_of() {
    let mut facts = facts();
    facts.log.whole.get_mut(&1).unwrap().remove(&5);
    // The unproven one needs none of what is missing.
    assert_eq!(id(&chosen(&RestoreTarget::default(), "", &facts)), "new");
    let named = chosen(&RestoreTarget::default(), "mid", &facts);
    assert_eq!(
        (slugs(&named), named.to.lsn),
        (vec![("backup-restore-log-missing", true)], 5 * SEGMENT)
    );
    let consistent = RestoreTarget {
        consistent: Some(Consistent {}),
        ..RestoreTarget::default()
    };
    assert_eq!(slugs(&chosen(&consistent, "mid", &facts)), []);
    facts.log.whole.get_mut(&1).unwrap().remove(&4);
    assert_eq!(
        slugs(&chosen(&consistent, "mid", &facts)),
        [("backup-restore-log-missing", false)]
    );
}

#[test]
fn a_moment_after_the_log_is_told_of_and_may_be_taken_as_its_end() {
    let mut facts = facts();
    let end = 10 * SEGMENT;
    let at_end = chosen(&position(end), "", &facts);
    assert_eq!(
        (slugs(&at_end), &at_end.end),
        (vec![], &End::Log),
        "nothing begins there to stop at"
    );
    let inside = chosen(&position(end - 8), "", &facts);
    assert_eq!(inside.end, End::Position(end - 8));
    let target = position(end + 8);
    let late = chosen(&target, "", &facts);
    assert_eq!(slugs(&late), [("backup-restore-target-late", true)]);
    let forced = Wish {
        target: &target,
        backup_id: "",
        force: true,
    };
    assert_eq!(choose(forced, &facts).unwrap().end, End::Log);
    facts.known.last_commit_unix_ms = Some(4_000);
    assert_eq!(
        slugs(&chosen(&time(4_001), "", &facts)),
        [("backup-restore-target-late", true)]
    );
    assert_eq!(slugs(&chosen(&time(4_000), "", &facts)), []);
}

#[test]
fn the_newest_timeline_that_a_backup_reaches_is_followed() {
    let mut facts = facts();
    facts
        .histories
        .insert(2, format!("1\t{}\tfork\n", written_lsn(7 * SEGMENT)));
    facts.log.whole.insert(2, (7..=8).map(|number| (number, 100)).collect());
    let latest = chosen(&RestoreTarget::default(), "", &facts);
    assert_eq!((latest.along, latest.to.lsn), (Along::Timeline(2), 9 * SEGMENT));
    let named = RestoreTarget {
        timeline: 1,
        ..RestoreTarget::default()
    };
    let old = chosen(&named, "", &facts);
    assert_eq!((old.along, old.to.lsn), (Along::Current, 10 * SEGMENT));
    // One that was taken after the fork on the old timeline is not on the way.
    facts.backups.push(backup("dead", BackupState::Proven, 1, 8, 4_000));
    assert_eq!(id(&chosen(&RestoreTarget::default(), "", &facts)), "mid");
    assert_eq!(
        slugs(&chosen(&RestoreTarget::default(), "dead", &facts)),
        [("backup-restore-timeline", false)]
    );
    // A timeline that no backup reaches is not taken for the latest.
    facts.histories.insert(9, "1\t0/10\tlong ago\n".to_owned());
    assert_eq!(chosen(&RestoreTarget::default(), "", &facts).along, Along::Timeline(2));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let wrong = [
        RestoreTarget {
            xid: Some(9),
            ..time(1)
        },
        RestoreTarget {
            before: true,
            ..RestoreTarget::default()
        },
        RestoreTarget {
            before: true,
            ..position(9)
        },
        RestoreTarget {
            restore_point: Some("a\nb".to_owned()),
            ..RestoreTarget::default()
        },
        RestoreTarget {
            xid: Some(2),
            ..RestoreTarget::default()
        },
    ];
    for target in wrong {
        assert!(end_of(&target).is_err(), "{target:?}");
    }
}

#[test]
fn a_duration_is_estimated_from_proofs() {
    let backups = facts().backups;
    assert_eq!(duration_ms(&backups, &[], 500), 0);
    let proof = ProofEntry {
        backup_id: "mid".to_owned(),
        recovery_ms: 300,
        ..ProofEntry::default()
    };
    assert_eq!(duration_ms(&backups, &[proof], 500), 150);
}
