//! What a server has to be told to recover: lines of `postgresql.auto.conf`, and which signal file. Pure.

use std::fmt::Write as _;
use std::path::Path;

/// Where recovery ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum End {
    /// With the log.
    #[default]
    Log,
    /// After the last commit at or before this time; where `before`, after the last one before it. PostgreSQL compares
    /// the times of commits in the order of the log, and ends at the first that is later.
    Time { unix_ms: i64, before: bool },
    /// After everything that ends at or before this position.
    Position(u64),
    /// At the restore point of this name.
    RestorePoint(String),
    /// After this transaction ended; where `before`, just before that.
    Transaction { xid: u32, before: bool },
    /// As soon as the files are consistent.
    Consistent,
}

/// The timeline that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Along {
    /// The one that the backup was taken on.
    #[default]
    Current,
    /// This one.
    Timeline(u32),
    /// The newest that there is, and then its successors.
    Latest,
}

/// What the server does where it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Action {
    /// Waits, read-only.
    #[default]
    Pause,
    /// Takes writes on a new timeline.
    Promote,
}

/// What a server has to be told to recover.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Recovery {
    /// How it gets a segment of the log: with `%f` and `%p`. None: what is in `pg_wal` has to do.
    pub restore_command: Option<String>,
    pub end: End,
    pub along: Along,
    pub action: Action,
    /// It goes on recovering after the end of the log, until somebody promotes it.
    pub standby: bool,
    /// Further settings, which take the place of those that were there.
    pub settings: Vec<(String, String)>,
}

/// Settings that an earlier restore may have left.
const NAMES: [&str; 9] = [
    "restore_command",
    "recovery_target",
    "recovery_target_time",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_xid",
    "recovery_target_inclusive",
    "recovery_target_timeline",
    "recovery_target_action",
];
/// Those of them of which one at most may be set.
const TARGETS: [&str; 5] = [
    "recovery_target",
    "recovery_target_time",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_xid",
];

impl Recovery {
    /// The file whose presence makes the server recover.
    pub(crate) const fn signal(&self) -> &'static str {
        if self.standby {
            "standby.signal"
        } else {
            "recovery.signal"
        }
    }

    /// The settings, in order.
    fn lines(&self) -> Vec<(&str, String)> {
        let mut lines = Vec::new();
        if let Some(command) = &self.restore_command {
            lines.push(("restore_command", command.clone()));
        }
        let target = self.target();
        // One that `postgresql.conf` still has is emptied, and before the one that holds is set: two at once are an
        // error to the server.
        let others = TARGETS
            .iter()
            .filter(|name| target.as_ref().is_none_or(|(set, _, _)| set != *name));
        lines.extend(others.map(|name| (*name, String::new())));
        if let Some((name, value, inclusive)) = target {
            lines.push((name, value));
            lines.push(("recovery_target_inclusive", inclusive.to_string()));
            lines.push(("recovery_target_action", self.action.name().to_owned()));
        }
        lines.push((
            "recovery_target_timeline",
            match self.along {
                Along::Current => "current".to_owned(),
                Along::Timeline(timeline) => timeline.to_string(),
                Along::Latest => "latest".to_owned(),
            },
        ));
        lines.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
        lines
    }

    fn target(&self) -> Option<(&'static str, String, bool)> {
        Some(match &self.end {
            End::Log => return None,
            End::Time { unix_ms, before } => ("recovery_target_time", timestamp(*unix_ms), !before),
            // Everything ends at or before a position that begins before it.
            End::Position(lsn) => ("recovery_target_lsn", written_lsn(*lsn), false),
            End::RestorePoint(name) => ("recovery_target_name", name.clone(), true),
            End::Transaction { xid, before } => ("recovery_target_xid", xid.to_string(), !before),
            End::Consistent => ("recovery_target", "immediate".to_owned(), true),
        })
    }

    /// `postgresql.auto.conf` as it was, with these settings in the place of any that it had.
    pub(crate) fn composed(&self, was: &str) -> String {
        let mut text = String::new();
        for line in was.lines().filter(|line| !self.replaces(line)) {
            text.push_str(line);
            text.push('\n');
        }
        for (name, value) in self.lines() {
            let _ = writeln!(text, "{name} = {}", quoted(&value));
        }
        text
    }

    fn replaces(&self, line: &str) -> bool {
        let name = line.trim_start();
        let end = name.find(|mark: char| mark == '=' || mark.is_whitespace());
        let name = name
            .get(..end.unwrap_or(name.len()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        NAMES.contains(&name.as_str()) || self.settings.iter().any(|(own, _)| *own == name)
    }
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Promote => "promote",
        }
    }
}

/// The command by which a server gets log out of a repository, as a value for `restore_command`.
pub(crate) fn fetch_command(program: &Path, config: Option<&Path>, repository: &str) -> String {
    // The operators' command has the backup service's as a part.
    let is_own = program.file_name().is_some_and(|name| name == "backup");
    let mut words = vec![shell_word(&program.to_string_lossy())];
    words.extend((!is_own).then(|| "backup".to_owned()));
    words.push("wal-fetch".to_owned());
    if let Some(config) = config {
        words.push("--config".to_owned());
        words.push(shell_word(&config.to_string_lossy()));
    }
    words.push("--repository".to_owned());
    words.push(shell_word(repository));
    // What the server puts in the place of `%f` and `%p` is its own.
    words.push("%f \"%p\"".to_owned());
    words.join(" ")
}

/// A word that the shell takes as it is, in a command in which the server replaces what follows a `%`.
fn shell_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''").replace('%', "%%"))
}

/// A value as it stands in a settings file.
fn quoted(value: &str) -> String {
    let plain = value
        .replace('\\', r"\\")
        .replace('\'', "''")
        .replace(['\n', '\r'], " ");
    format!("'{plain}'")
}

/// A position as PostgreSQL writes it.
pub(crate) fn written_lsn(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF)
}

/// A time as PostgreSQL reads it whatever its time zone is.
pub(crate) fn timestamp(unix_ms: i64) -> String {
    let (days, ms) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let micros = ms % 1000 * 1000;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}+00")
}

/// The date that is so many days after the first of January 1970.
const fn civil(days: i64) -> (i64, i64, i64) {
    // Counted in years that begin in March, so that the day that comes every four years is the last.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_to_the_microsecond() {
        for (unix_ms, written) in [
            (0, "1970-01-01 00:00:00.000000+00"),
            (951_782_399_999, "2000-02-28 23:59:59.999000+00"),
            (951_782_400_000, "2000-02-29 00:00:00.000000+00"),
            (1_709_164_800_001, "2024-02-29 00:00:00.001000+00"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000000+00"),
            (-1, "1969-12-31 23:59:59.999000+00"),
        ] {
            assert_eq!(timestamp(unix_ms), written);
        }
    }

    #[test]
    fn settings_of_a_second_restore_take_the_place_of_the_first() {
        let was = "# Do not edit this file manually!\nwork_mem = '5MB'\nRecovery_Target_Time='x'\n  restore_command 'cp'\nrecovery_target_timelines = 'kept'\n";
        let first = Recovery {
            restore_command: Some("cp /a/%f \"%p\"".to_owned()),
            end: End::Position(0x1_0000_00A0),
            ..Recovery::default()
        };
        let second = Recovery {
            end: End::RestorePoint("it's \\ here".to_owned()),
            ..first.clone()
        };
        let once = second.composed(was);
        assert_eq!(second.composed(&first.composed(was)), once);
        assert!(once.starts_with(
            "# Do not edit this file manually!\nwork_mem = '5MB'\nrecovery_target_timelines = 'kept'\nrestore_command = "
        ));
        assert!(once.contains("recovery_target_lsn = ''\n"), "{once}");
        assert!(once.contains("recovery_target_name = 'it''s \\\\ here'\n"), "{once}");
        let emptied = once.find("recovery_target_lsn").unwrap();
        assert!(emptied < once.find("recovery_target_name").unwrap(), "{once}");
        assert!(
            first
                .composed("")
                .contains("recovery_target_lsn = '1/A0'\nrecovery_target_inclusive = 'false'\n")
        );
    }

    #[test]
    fn the_command_holds_whatever_the_paths_are_called() {
        let command = fetch_command(Path::new("/opt/it's 100%/weir"), Some(Path::new("/etc/w.toml")), "near");
        assert_eq!(
            command,
            r#"'/opt/it'\''s 100%%/weir' backup wal-fetch --config '/etc/w.toml' --repository 'near' %f "%p""#
        );
        let own = fetch_command(Path::new("/opt/backup"), None, "near");
        assert_eq!(own, r#"'/opt/backup' wal-fetch --repository 'near' %f "%p""#);
    }
}
