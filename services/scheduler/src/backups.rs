//! The schedules of backups that are there without anybody's asking.
//!
//! Where no repository is named, there is nothing to back up to, and nothing is scheduled that could only fail. A
//! schedule of the settings file with the name of one of these takes its place.

use weir_config::{Error, Origin, Sources, Tables, toml};
use weir_model::Project;

use crate::settings::{FileSchedule, SchedulerSettings, check_schedule};

/// A run may wait so long for the one before it: a full backup of a large cluster takes its time.
const BEGIN_WITHIN_MS: u32 = 12 * 3_600_000;

/// Times that never come. An environment cannot say nothing.
const OFF: [&str; 2] = ["", "off"];

/// Adds the schedules of backups to those of the file.
pub(crate) fn add(settings: &mut SchedulerSettings, sources: &Sources) -> Result<(), Error> {
    if !are_wanted(settings, sources)? {
        return Ok(());
    }
    let own = [
        ("full", &settings.backup_schedule_full, "backup", r#"{"kind": "full"}"#),
        (
            "incremental",
            &settings.backup_schedule_incremental,
            "backup",
            r#"{"kind": "incremental"}"#,
        ),
        ("expire", &settings.backup_schedule_expire, "expire", "{}"),
        (
            "proof",
            &settings.backup_schedule_proof,
            "prove",
            r#"{"depth": "full"}"#,
        ),
    ];
    let mut added = Vec::new();
    for (name, cron, operation, parameters) in own {
        let schedule = schedule(name, cron, operation, parameters);
        let is_known = |known: &FileSchedule| known.project == schedule.project && known.name == schedule.name;
        if OFF.contains(&cron.as_str()) || settings.schedules.0.iter().any(is_known) {
            continue;
        }
        let key = format!("scheduler.backup_schedule_{name}");
        check_schedule(&schedule).map_err(|reason| Error::invalid(key, Origin::File, reason))?;
        added.push(schedule);
    }
    settings.schedules.0.extend(added);
    Ok(())
}

fn schedule(name: &str, cron: &str, operation: &str, parameters: &str) -> FileSchedule {
    FileSchedule {
        name: format!("backup-{name}"),
        operation: operation.to_owned(),
        cron: cron.to_owned(),
        project: Project::default().to_string(),
        time_zone: "UTC".to_owned(),
        parameters: parameters.to_owned(),
        // A night without a backup is made good as soon as somebody is there again.
        misfire: "run_once".to_owned(),
        jitter_ms: 0,
        ignores_windows: true,
        attempt_max: 0,
        begin_within_ms: BEGIN_WITHIN_MS,
    }
}

/// What was said, else whether there is anything to back up to.
fn are_wanted(settings: &SchedulerSettings, sources: &Sources) -> Result<bool, Error> {
    if let Some(said) = settings.backups {
        return Ok(said);
    }
    let set: Option<bool> = sources.of_another("backup", "enabled")?;
    let named = sources.variable("BACKUP_ENABLED").map(str::trim);
    // One that is neither true nor false is its owner's to complain of.
    let is_on = set.unwrap_or(named != Some("false"));
    let repositories: Option<Tables<toml::Table>> = sources.of_another("backup", "repositories")?;
    Ok(is_on && repositories.is_some_and(|repositories| !repositories.0.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::check;

    const REPOSITORY: (&str, &str) = (
        "WEIR_BACKUP__REPOSITORIES",
        r#"[{ name = "here", url = "file:///r", key_file = "/k" }]"#,
    );

    fn schedules(variables: &[(&str, &str)]) -> Result<Vec<(String, String, String)>, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources::load(None, variables).unwrap();
        let settings = check(&sources).map_err(|error| error.to_string())?;
        let all = settings
            .schedules
            .0
            .into_iter()
            .filter(|schedule| schedule.name.starts_with("backup-"));
        Ok(all
            .map(|schedule| (schedule.name, schedule.cron, schedule.parameters))
            .collect())
    }

    fn names(variables: &[(&str, &str)]) -> Vec<String> {
        let all = schedules(variables).unwrap().into_iter();
        all.map(|(name, ..)| name).collect()
    }

    #[test]
    fn backups_are_scheduled_where_there_is_a_repository_and_they_are_on() {
        assert_eq!(names(&[]), [] as [&str; 0]);
        let all = ["backup-full", "backup-incremental", "backup-expire", "backup-proof"];
        assert_eq!(names(&[REPOSITORY]), all);
        assert_eq!(names(&[("WEIR_SCHEDULER__BACKUPS", "true")]), all);
        for off in [
            ("BACKUP_ENABLED", "false"),
            ("WEIR_BACKUP__ENABLED", "false"),
            ("WEIR_SCHEDULER__BACKUPS", "false"),
        ] {
            assert_eq!(names(&[REPOSITORY, off]), [] as [&str; 0], "{off:?}");
        }
        assert_eq!(names(&[REPOSITORY, ("BACKUP_ENABLED", "true")]), all);
    }

    #[test]
    fn the_established_names_say_when_and_a_schedule_of_the_file_takes_a_ones_place() {
        let full = |variables: &[(&str, &str)]| schedules(variables).unwrap().remove(0);
        let usual = (
            "backup-full".to_owned(),
            "0 2 * * *".to_owned(),
            r#"{"kind": "full"}"#.to_owned(),
        );
        assert_eq!(full(&[REPOSITORY]), usual);
        assert_eq!(
            full(&[REPOSITORY, ("BACKUP_SCHEDULE_FULL", "0 1 * * sun")]).1,
            "0 1 * * sun"
        );
        let own = (
            "WEIR_SCHEDULER__SCHEDULES",
            r#"[{ name = "backup-full", operation = "backup", cron = "0 3 * * *" }]"#,
        );
        assert_eq!(full(&[REPOSITORY, own]).1, "0 3 * * *");
        assert_eq!(names(&[REPOSITORY, own]).len(), 4, "each name once");
        let error = schedules(&[REPOSITORY, ("BACKUP_SCHEDULE_INCREMENTAL", "at six")]).unwrap_err();
        assert!(error.contains("scheduler.backup_schedule_incremental"), "{error}");
    }

    #[test]
    fn what_is_empty_or_off_is_never() {
        let variables = [
            ("WEIR_SCHEDULER__BACKUPS", "true"),
            ("WEIR_SCHEDULER__BACKUP_SCHEDULE_PROOF", "off"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources::load(None, variables)
            .unwrap()
            .with("scheduler", "backup_schedule_full", "");
        let settings = check(&sources).unwrap();
        let names: Vec<_> = settings
            .schedules
            .0
            .iter()
            .map(|schedule| schedule.name.as_str())
            .collect();
        assert_eq!(names, ["auto", "backup-incremental", "backup-expire"]);
    }
}
