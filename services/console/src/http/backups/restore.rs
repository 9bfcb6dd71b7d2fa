//! What a restore would do, and the command that does it. It is typed where it is meant, not pressed here.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use weir_proto::backup::v1 as api;
use weir_proto::backup::v1::restore_target::Moment;

use crate::http::{Body, Console, Operator, Problem};

/// A restore that somebody has in mind.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = console::WantedRestore)]
pub(crate) struct WantedRestore {
    /// The data directory to write, on the backup service's machine.
    directory: String,
    /// Where to end.
    #[serde(default)]
    target: Target,
    /// The backup to begin with; null: the best for the moment.
    backup_id: Option<uuid::Uuid>,
    /// The repository to read; null: the first that has everything.
    repository: Option<String>,
    /// Use what is in the directory, and write only what differs.
    #[serde(default)]
    delta: bool,
    /// Where tablespaces go, by their number; those not named go where they were.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    tablespaces: BTreeMap<u32, String>,
    /// Only these tablespaces, by their number; none: everything.
    #[serde(default)]
    only_tablespaces: Vec<u32>,
    /// What happens then; null: somebody else starts the server.
    then: Option<Then>,
    /// Go on in spite of what can be forced.
    #[serde(default)]
    force: bool,
}

/// Where a restore is to end: one moment, or none for the end of the log.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = console::WantedTarget)]
pub(crate) struct Target {
    /// The last commit at or before this time, in milliseconds since 1970.
    time_unix_ms: Option<i64>,
    /// This place in the log, as a number.
    lsn: Option<u64>,
    /// The restore point of this name.
    #[schema(min_length = 1, max_length = 63)]
    restore_point: Option<String>,
    /// This transaction.
    xid: Option<u32>,
    /// As soon as the backup is consistent.
    consistent: bool,
    /// Just before the moment rather than just after it.
    before: bool,
    /// The timeline. 0: the latest that the moment lies on.
    timeline: u32,
}

/// What happens when the target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::RestoreThen)]
pub(crate) enum Then {
    /// The server is started, recovers, and is stopped again.
    Stop,
    /// It is started, recovers, and waits read-only for a person to decide.
    Pause,
    /// It is started, recovers, and takes writes on a new timeline.
    Promote,
    /// Files and settings of a standby are written.
    Standby,
}

/// What a restore would do, and how to have it done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::RestorePlan)]
pub(crate) struct RestorePlan {
    /// What it would do.
    plan: api::PlanRestoreResponse,
    /// Whether it would refuse, as things stand.
    refuses: bool,
    /// What to type in a shell to have it done.
    command: String,
}

/// What a restore would do, and the command that does it. Changes nothing.
#[utoipa::path(post, path = "/database/backup/restore/plan", tag = "backups", request_body = WantedRestore, responses((status = 200, description = "the plan and the command", body = RestorePlan)))]
pub(crate) async fn plan(
    State(console): State<Console>,
    Operator(_): Operator,
    Body(wanted): Body<WantedRestore>,
) -> Result<Json<RestorePlan>, Problem> {
    let (order, command) = (order(&wanted)?, command(&wanted)?);
    let asked = api::PlanRestoreRequest { order: Some(order) };
    let mut backup = console.services.backup();
    let plan = backup.plan_restore(console.services.ask(asked)).await?.into_inner();
    let refuses = |one: &api::Obstacle| !(one.can_be_forced && wanted.force);
    Ok(Json(RestorePlan {
        refuses: plan.obstacles.iter().any(refuses),
        plan,
        command,
    }))
}

fn order(wanted: &WantedRestore) -> Result<api::RestoreOrder, Problem> {
    let then = match wanted.then {
        None => api::RestoreAction::Unspecified,
        Some(Then::Stop) => api::RestoreAction::Stop,
        Some(Then::Pause) => api::RestoreAction::Pause,
        Some(Then::Promote) => api::RestoreAction::Promote,
        Some(Then::Standby) => api::RestoreAction::Standby,
    };
    Ok(api::RestoreOrder {
        cluster: String::new(),
        target: Some(wanted.target.message()?),
        backup_id: wanted.backup_id.map(|id| id.to_string()).unwrap_or_default(),
        directory: wanted.directory.clone(),
        delta: wanted.delta,
        tablespaces: wanted.tablespaces.clone(),
        only_tablespaces: wanted.only_tablespaces.clone(),
        then: then.into(),
        force: wanted.force,
        repository: wanted.repository.clone().unwrap_or_default(),
    })
}

impl Target {
    fn message(&self) -> Result<api::RestoreTarget, Problem> {
        let (timeline, lsn) = (self.timeline, self.lsn);
        let position = lsn.map(|lsn| Moment::Position(api::LogPosition { timeline, lsn }));
        let named = [
            self.time_unix_ms.map(Moment::TimeUnixMs),
            position,
            self.restore_point.clone().map(Moment::RestorePoint),
            self.xid.map(Moment::Xid),
            self.consistent.then_some(Moment::Consistent(api::Consistent {})),
        ];
        let mut named = named.into_iter().flatten();
        let moment = named.next();
        if named.next().is_some() {
            return Err(Problem::strange("target: more than one moment is named"));
        }
        if self.before && moment.is_none() {
            return Err(Problem::strange("target: before which moment is not said"));
        }
        Ok(api::RestoreTarget {
            moment,
            before: self.before,
            timeline,
        })
    }

    /// The same as the command has it.
    fn words(&self) -> Result<Vec<String>, Problem> {
        let mut words = Vec::new();
        if let Some(time) = self.time_unix_ms {
            words.push(format!("--time={}", written(time)?));
        }
        if let Some(lsn) = self.lsn {
            words.push(format!("--lsn={:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF));
        }
        if let Some(name) = &self.restore_point {
            words.push(format!("--name={}", quoted("target.restore_point", name)?));
        }
        if let Some(xid) = self.xid {
            words.push(format!("--xid={xid}"));
        }
        let switches = [(self.consistent, "--consistent"), (self.before, "--before")];
        words.extend(
            switches
                .iter()
                .filter(|(on, _)| *on)
                .map(|(_, word)| (*word).to_owned()),
        );
        if self.timeline > 0 {
            words.push(format!("--timeline={}", self.timeline));
        }
        Ok(words)
    }
}

/// The command of the restore, for a shell.
fn command(wanted: &WantedRestore) -> Result<String, Problem> {
    let mut words = vec![
        "weir backup restore".to_owned(),
        quoted("directory", &wanted.directory)?,
    ];
    words.extend(wanted.target.words()?);
    if let Some(id) = wanted.backup_id {
        words.push(format!("--backup={id}"));
    }
    if let Some(name) = &wanted.repository {
        words.push(format!("--repository={}", quoted("repository", name)?));
    }
    for (number, place) in &wanted.tablespaces {
        words.push(format!("--tablespace={number}={}", quoted("tablespaces", place)?));
    }
    let only = wanted.only_tablespaces.iter();
    words.extend(only.map(|number| format!("--only-tablespace={number}")));
    let then = wanted.then.map(|then| match then {
        Then::Stop => "--then=stop",
        Then::Pause => "--then=pause",
        Then::Promote => "--then=promote",
        Then::Standby => "--then=standby",
    });
    words.extend(then.map(str::to_owned));
    let switches = [(wanted.delta, "--delta"), (wanted.force, "--force"), (true, "--wait")];
    words.extend(
        switches
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| (*word).to_owned()),
    );
    Ok(words.join(" "))
}

/// A time as the command reads it, with its zone.
fn written(unix_ms: i64) -> Result<String, Problem> {
    let moment = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(unix_ms);
    // The command reads years of four digits.
    let moment = moment.filter(|_| (1..=253_402_300_799_999).contains(&unix_ms));
    let moment = moment.ok_or_else(|| Problem::strange(format!("target: {unix_ms} is no time after 1970")))?;
    Ok(moment.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// One word for a shell, whatever is in it. What no terminal shows as it is, nobody could check before typing it.
fn quoted(field: &str, text: &str) -> Result<String, Problem> {
    if text.chars().any(char::is_control) {
        return Err(Problem::strange(format!("{field}: it has control characters")));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(target: Target) -> WantedRestore {
        WantedRestore {
            directory: "/srv/back".to_owned(),
            target,
            ..WantedRestore::default()
        }
    }

    #[test]
    fn the_command_says_what_was_planned() {
        let before = Target {
            time_unix_ms: Some(1_772_366_400_500),
            before: true,
            ..Target::default()
        };
        assert_eq!(
            command(&wanted(before)).unwrap(),
            "weir backup restore /srv/back --time=2026-03-01T12:00:00.500Z --before --wait"
        );
        let mut all = wanted(Target {
            lsn: Some(0x1_4A00_00F8),
            timeline: 2,
            ..Target::default()
        });
        all.tablespaces = [(16_390, "/srv/my disk".to_owned())].into();
        all.only_tablespaces = vec![7];
        all.then = Some(Then::Promote);
        (all.delta, all.force) = (true, true);
        assert_eq!(
            command(&all).unwrap(),
            "weir backup restore /srv/back --lsn=1/4A0000F8 --timeline=2 --tablespace=16390='/srv/my disk' \
             --only-tablespace=7 --then=promote --delta --force --wait"
        );
    }

    #[test]
    fn nothing_in_a_word_is_more_than_a_word() {
        assert_eq!(quoted("x", "it's $(rm) `x` \\").unwrap(), r"'it'\''s $(rm) `x` \'");
        assert_eq!(quoted("x", "").unwrap(), "''");
        assert_eq!(quoted("x", "~/x").unwrap(), "'~/x'");
        for hostile in ["a\nb", "a\0b", "a\u{1b}[2J"] {
            assert!(quoted("x", hostile).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn one_moment_or_none() {
        let two = Target {
            xid: Some(1),
            consistent: true,
            ..Target::default()
        };
        assert!(two.message().is_err());
        let before = Target {
            before: true,
            ..Target::default()
        };
        assert!(before.message().is_err());
        for time in [0, -1, i64::MIN, i64::MAX] {
            assert!(written(time).is_err(), "{time}");
        }
    }
}
