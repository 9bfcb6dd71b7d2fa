//! The `[scheduler]` section.

use std::collections::HashSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use weir_config::{Error, Origin, Sources, Tables, Texts, unset};
use weir_model::Project;

use crate::terms::Terms;
use crate::{backups, file, windows};

weir_config::section! {
    /// Schedules and the runs they ask for.
    pub struct SchedulerSettings("scheduler") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7004",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8004",
        /// Schedules that are always there: tables with name, operation, cron (five fields, or six with seconds first), and optionally project, time_zone, parameters (JSON), misfire (skip or run_once), jitter_ms, ignores_windows, attempt_max, begin_within_ms. One that is taken out of the file is removed; others made by gRPC stay. Changes on reload.
        schedules: Tables<FileSchedule> = r#"[{ name = "auto", operation = "auto", cron = "*/10 * * * *" }]"#,
        /// Maintenance windows: tables with name, start and end (local time of day; an end that is not after the start is on the next day), and optionally project, weekdays (such as `mon-fri, sun`), time_zone, enabled. A project with windows of its own has only these. Changes on reload.
        windows: Tables<FileWindow> = "[]",
        /// When the window opens that projects without any have: local time of day. Changes on reload, as do the next six.
        window_start: String = "02:00", also ["MAINTENANCE_WINDOW_START" in ""],
        /// When it closes. Not after its start: on the next day.
        window_end: String = "06:00", also ["MAINTENANCE_WINDOW_END" in ""],
        /// The time zone in which it is meant, and in which windows are learned.
        window_time_zone: String = "UTC",
        /// Operations that are held to windows. Others run when they are asked for.
        windowed_operations: Texts = "auto; vacuum; analyze; freeze; reindex; reorganize; sweep; verify",
        /// Whether windows are learned from the traffic that the query monitor has counted, once it knows 14 days. They take the place of the default window for projects without windows of their own.
        learn_windows: bool = "false",
        /// Hours of the day that learned windows stay within, such as `20:00-08:00`. Empty: any.
        learn_within: String = "",
        /// Where the query monitor is; it is asked only where windows are learned.
        monitor_url: String = "http://127.0.0.1:7002",
        /// Whether the four schedules of backups below are there. Without it: where backups are on and the settings that the scheduler reads name a repository. Changes on reload, as do the next four.
        backups: Option<bool> = unset(),
        /// When a full backup is taken. Empty or `off`: never.
        backup_schedule_full: String = "0 2 * * *", also ["BACKUP_SCHEDULE_FULL" in ""],
        /// When an incremental one is. Empty or `off`: never.
        backup_schedule_incremental: String = "0 6 * * *", also ["BACKUP_SCHEDULE_INCREMENTAL" in ""],
        /// When what retention does not need is given up, beside what is after each backup. Empty or `off`: never.
        backup_schedule_expire: String = "30 3 * * *",
        /// When a backup is proven in full depth. Empty or `off`: never; each backup's own proof looks at what changed.
        backup_schedule_proof: String = "0 4 * * sun",
    }
}

/// A schedule in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSchedule {
    /// Its name, unique in its project.
    pub name: String,
    /// What it does.
    pub operation: String,
    /// When.
    pub cron: String,
    /// On whose behalf.
    #[serde(default = "default_project")]
    pub project: String,
    /// In which zone its times are meant.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// What the operation is told, as JSON.
    #[serde(default = "no_parameters")]
    pub parameters: String,
    /// What becomes of missed runs.
    #[serde(default = "skip")]
    pub misfire: String,
    /// Each run begins up to this much later.
    #[serde(default)]
    pub jitter_ms: u32,
    /// Its runs need no window.
    #[serde(default)]
    pub ignores_windows: bool,
    /// Attempts of each run at most; 0 is the worker's choice.
    #[serde(default)]
    pub attempt_max: u32,
    /// A run that has not begun by then is not begun; 0 is an hour.
    #[serde(default)]
    pub begin_within_ms: u32,
}

/// A window in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileWindow {
    /// Its name, unique in its project.
    pub name: String,
    /// Whose window it is.
    #[serde(default = "default_project")]
    pub project: String,
    /// The days on which it opens; empty means every day.
    #[serde(default)]
    pub weekdays: String,
    /// When it opens.
    pub start: String,
    /// When it closes.
    pub end: String,
    /// In which zone that is meant.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Whether it counts.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

const fn enabled() -> bool {
    true
}

fn default_project() -> String {
    Project::default().to_string()
}

fn utc() -> String {
    "UTC".to_owned()
}

fn no_parameters() -> String {
    "{}".to_owned()
}

fn skip() -> String {
    "skip".to_owned()
}

/// Whether a reload takes a setting over: all but where the scheduler listens.
pub(crate) fn reloads(key: &str) -> bool {
    key.starts_with("scheduler.") && !["scheduler.grpc_listen", "scheduler.ops_listen"].contains(&key)
}

/// Validates the section as the start would.
pub fn check(sources: &Sources) -> Result<SchedulerSettings, Error> {
    let mut settings: SchedulerSettings = sources.section()?;
    let mut names = HashSet::new();
    for schedule in &settings.schedules.0 {
        let wrong = |reason| {
            let reason = format!("schedule {:?}: {reason}", schedule.name);
            Error::invalid("scheduler.schedules", Origin::File, reason)
        };
        check_schedule(schedule).map_err(wrong)?;
        if !names.insert((&schedule.project, &schedule.name)) {
            return Err(wrong("its project has another of that name".to_owned()));
        }
    }
    check_windows(&settings.windows.0)?;
    backups::add(&mut settings, sources)?;
    Terms::of(settings).map(|terms| terms.settings)
}

fn check_windows(listed: &[FileWindow]) -> Result<(), Error> {
    let mut names = HashSet::new();
    for window in listed {
        let wrong = |reason| {
            let reason = format!("window {:?}: {reason}", window.name);
            Error::invalid("scheduler.windows", Origin::File, reason)
        };
        windows::from_file(window).map_err(|error| wrong(error.to_string()))?;
        if !names.insert((&window.project, &window.name)) {
            return Err(wrong("its project has another of that name".to_owned()));
        }
    }
    Ok(())
}

pub(crate) fn check_schedule(schedule: &FileSchedule) -> Result<(), String> {
    file::schedule_of(schedule, 0).map_err(|error| error.to_string())?;
    if !["skip", "run_once"].contains(&schedule.misfire.as_str()) {
        return Err(format!("misfire {:?} is not skip or run_once", schedule.misfire));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<SchedulerSettings, Error> {
        let variable = (name.to_owned(), value.to_owned());
        check(&Sources::load(None, [variable]).unwrap())
    }

    fn checked(schedules: &str) -> Result<SchedulerSettings, Error> {
        set("WEIR_SCHEDULER__SCHEDULES", schedules)
    }

    #[test]
    fn windows_are_checked_and_the_established_names_are_understood() {
        let good = set(
            "WEIR_SCHEDULER__WINDOWS",
            r#"[{ name = "n", start = "22:00", end = "05:00" }]"#,
        )
        .unwrap();
        assert!(good.windows.0[0].enabled && good.windows.0[0].project == "default");
        let early = set("MAINTENANCE_WINDOW_START", "01:00").unwrap();
        assert_eq!(
            (early.window_start.as_str(), early.window_end.as_str()),
            ("01:00", "06:00")
        );
        for (name, value, words) in [
            (
                "MAINTENANCE_WINDOW_START",
                "two",
                ["scheduler.window_start", "time of day"],
            ),
            (
                "MAINTENANCE_WINDOW_END",
                "25:00",
                ["scheduler.window_end", "time of day"],
            ),
            (
                "WEIR_SCHEDULER__WINDOW_TIME_ZONE",
                "Mars",
                ["scheduler.window_time_zone", "Mars"],
            ),
            (
                "WEIR_SCHEDULER__LEARN_WITHIN",
                "night",
                ["scheduler.learn_within", "20:00-08:00"],
            ),
            (
                "WEIR_SCHEDULER__LEARN_WITHIN",
                "20:00-8",
                ["scheduler.learn_within", "time of day"],
            ),
            (
                "WEIR_SCHEDULER__MONITOR_URL",
                "no where",
                ["scheduler.monitor_url", "address"],
            ),
        ] {
            let error = set(name, value).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{value}: {error}");
        }
        let window = |more: &str| format!(r#"[{{ name = "n", start = "22:00", end = "05:00"{more} }}]"#);
        for (windows, word) in [
            (window(r#", weekdays = "mon-x""#), "weekdays"),
            (window(r#", time_zone = "Mars""#), "time zone"),
            (window(r#", project = "not a project""#), "project"),
            (window(r#", days = "mon""#), "days"),
            (window("").replace("22:00", "22"), "start"),
            (window("").replace("05:00", "5"), "end"),
            (window("").replace("\"n\"", "\"learned\""), "kept for"),
            (window("").replace("\"n\"", "\"default\""), "kept for"),
            (
                format!("[{0}, {0}]", window("").trim_matches(['[', ']'])),
                "another of that name",
            ),
        ] {
            let error = set("WEIR_SCHEDULER__WINDOWS", &windows).unwrap_err().to_string();
            assert!(error.contains("scheduler.windows") && error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_schedule_needs_little_and_every_mistake_is_named() {
        let good = checked(r#"[{ name = "a", operation = "analyze", cron = "0 2 * * *" }]"#).unwrap();
        assert_eq!(good.schedules.0[0].time_zone, "UTC");
        for (schedules, word) in [
            (
                r#"[{ name = "a", operation = "analyze", cron = "at two" }]"#,
                "cron pattern",
            ),
            (
                r#"[{ name = "a", operation = "analyze", cron = "0 2 * * *", time_zone = "X" }]"#,
                "time zone",
            ),
            (
                r#"[{ name = "a", operation = "analyze", cron = "0 2 * * *", misfire = "x" }]"#,
                "misfire",
            ),
            (
                r#"[{ name = "a", operation = "analyze", cron = "0 2 * * *", parameters = "{" }]"#,
                "parameters",
            ),
            (r#"[{ name = "a", operation = "analyze", kron = "0 2 * * *" }]"#, "kron"),
            (
                r#"[{ name = "a", operation = "analyze", cron = "0 2 * * *", parameters = "[]" }]"#,
                "parameters",
            ),
            (
                r#"[{ name = "a", operation = "analyze", cron = "0 2 * * *", attempt_max = 101 }]"#,
                "attempt_max",
            ),
            (
                r#"[{ name = "a", operation = "analyze", cron = "0 0 30 2 *" }]"#,
                "never comes",
            ),
            (
                r#"[{ name = "a", operation = "x", cron = "0 2 * * *" }, { name = "a", operation = "y", cron = "0 2 * * *" }]"#,
                "another of that name",
            ),
        ] {
            let error = checked(schedules).unwrap_err().to_string();
            assert!(error.contains("scheduler.schedules") && error.contains(word), "{error}");
        }
    }
}
