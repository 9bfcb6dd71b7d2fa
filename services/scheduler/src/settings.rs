//! The `[scheduler]` section.

use std::collections::HashSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use weir_config::{Error, Origin, Sources, Tables};
use weir_model::Project;

use crate::desk;

weir_config::section! {
    /// Schedules and the runs they ask for.
    pub struct SchedulerSettings("scheduler") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7004",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8004",
        /// Schedules that are always there: tables with name, operation, cron (five fields, or six with seconds first), and optionally project, time_zone, parameters (JSON), misfire (skip or run_once), jitter_ms. One that is taken out of the file is removed; others made by gRPC stay.
        schedules: Tables<FileSchedule> = r#"[{ name = "analyze", operation = "analyze", cron = "*/30 2-5 * * *" }]"#,
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

/// Validates the section as the start would.
pub fn check(sources: &Sources) -> Result<SchedulerSettings, Error> {
    let settings: SchedulerSettings = sources.section()?;
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
    Ok(settings)
}

fn check_schedule(schedule: &FileSchedule) -> Result<(), String> {
    desk::from_file(schedule, 0).map_err(|error| error.to_string())?;
    if !["skip", "run_once"].contains(&schedule.misfire.as_str()) {
        return Err(format!("misfire {:?} is not skip or run_once", schedule.misfire));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(schedules: &str) -> Result<SchedulerSettings, Error> {
        let variable = ("WEIR_SCHEDULER__SCHEDULES".to_owned(), schedules.to_owned());
        check(&Sources::load(None, [variable]).unwrap())
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
