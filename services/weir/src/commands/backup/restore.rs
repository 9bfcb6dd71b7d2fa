//! `weir backup restore`: a cluster is restored into a directory, or the plan of it is printed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use weir_model::size_in_words;
use weir_proto::backup::v1 as api;

use super::Client;
use super::target::Target;
use super::words::{self, backup_json, commit, commit_json, duration, obstacle, obstacle_json, position};
use crate::connect::refusal;
use crate::terminal::{Failure, moment, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The data directory to write, on the worker's machine.
    directory: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The backup to begin with. Without it: the best for the moment.
    #[arg(long, default_value = "")]
    backup: String,
    /// The repository to read. Without it: the first that has everything.
    #[arg(long, default_value = "")]
    repository: String,
    /// Use what is in the directory, and write only what differs.
    #[arg(long)]
    delta: bool,
    /// Where a tablespace goes, as NUMBER=DIRECTORY; may be given several times.
    #[arg(long = "tablespace", value_name = "NUMBER=DIRECTORY")]
    tablespaces: Vec<String>,
    /// Only this tablespace; may be given several times.
    #[arg(long = "only-tablespace", value_name = "NUMBER")]
    only_tablespaces: Vec<u32>,
    /// What happens then: stop, pause, promote or standby. Without it, somebody else starts the server.
    #[arg(long, value_parser = ["stop", "pause", "promote", "standby"])]
    then: Option<String>,
    /// Go on in spite of what can be forced.
    #[arg(long)]
    force: bool,
    /// Print the plan and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Wait for its end; the exit status says how it ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let tablespaces = tablespaces(&arguments.tablespaces)?;
    if arguments.dry_run {
        return plan(client, &arguments, tablespaces).await;
    }
    let parameters = json!({
        "directory": arguments.directory,
        "target": arguments.target.json()?,
        "backup_id": arguments.backup,
        "repository": arguments.repository,
        "delta": arguments.delta,
        "tablespaces": tablespaces,
        "only_tablespaces": arguments.only_tablespaces,
        "then": arguments.then.as_deref().unwrap_or("unspecified"),
        "force": arguments.force,
    });
    client.order_and_tell("restore", &parameters, arguments.wait).await
}

fn tablespaces(given: &[String]) -> Result<BTreeMap<u32, String>, Failure> {
    let one = |text: &String| {
        let read = text
            .split_once('=')
            .and_then(|(number, place)| Some((number.parse().ok()?, place.to_owned())));
        read.ok_or_else(|| format!("{text:?} is not NUMBER=DIRECTORY").into())
    };
    given.iter().map(one).collect()
}

async fn plan(
    mut client: Client<'_>,
    arguments: &Arguments,
    tablespaces: BTreeMap<u32, String>,
) -> Result<(), Failure> {
    let then = match arguments.then.as_deref() {
        Some("stop") => api::RestoreAction::Stop,
        Some("pause") => api::RestoreAction::Pause,
        Some("promote") => api::RestoreAction::Promote,
        Some("standby") => api::RestoreAction::Standby,
        _ => api::RestoreAction::Unspecified,
    };
    let order = Some(api::RestoreOrder {
        directory: arguments.directory.display().to_string(),
        target: Some(arguments.target.message()?),
        backup_id: arguments.backup.clone(),
        repository: arguments.repository.clone(),
        delta: arguments.delta,
        tablespaces,
        only_tablespaces: arguments.only_tablespaces.clone(),
        then: then.into(),
        force: arguments.force,
        ..api::RestoreOrder::default()
    });
    let reply = client.backup.plan_restore(api::PlanRestoreRequest { order }).await;
    let plan = reply.map_err(refusal)?.into_inner();
    if client.json {
        say_json(&json!({
            "backup": plan.backup.as_ref().map(backup_json),
            "wal_from": position(plan.wal_from),
            "wal_to": position(plan.wal_to),
            "last_commit": plan.last_commit.as_ref().map(commit_json),
            "first_missing": plan.first_missing.iter().map(commit_json).collect::<Vec<_>>(),
            "read_bytes": plan.read_bytes,
            "write_bytes": plan.write_bytes,
            "kept_bytes": plan.kept_bytes,
            "duration_ms_estimate": plan.duration_ms_estimate,
            "obstacles": plan.obstacles.iter().map(obstacle_json).collect::<Vec<_>>(),
        }))?;
    } else {
        print(&plan)?;
    }
    let refuses = |one: &&api::Obstacle| !(one.can_be_forced && arguments.force);
    match plan.obstacles.iter().filter(refuses).count() {
        0 => Ok(()),
        count => Err(format!("the restore would refuse: {count} in the way").into()),
    }
}

fn print(plan: &api::PlanRestoreResponse) -> Result<(), Failure> {
    if let Some(backup) = &plan.backup {
        let (kind, state) = (words::kind(backup.kind()), words::state(backup.state()));
        say(&format!(
            "begins with backup {}, {kind} of {}, {state}",
            backup.id,
            moment(backup.ended_unix_ms)
        ))?;
    }
    say(&format!(
        "replays log from {} to {}",
        position(plan.wal_from),
        position(plan.wal_to)
    ))?;
    let (read, write) = (size_in_words(plan.read_bytes), size_in_words(plan.write_bytes));
    let takes = match plan.duration_ms_estimate {
        0 => "how long that takes is not known yet".to_owned(),
        ms => format!("takes about {}", duration(ms)),
    };
    say(&format!(
        "reads {read}, writes {write}, leaves {}; {takes}",
        size_in_words(plan.kept_bytes)
    ))?;
    if let Some(last) = &plan.last_commit {
        say(&format!("last commit in it:  {}", commit(last)))?;
    }
    for missing in &plan.first_missing {
        say(&format!("missing then:       {}", commit(missing)))?;
    }
    plan.obstacles.iter().try_for_each(|one| say(&obstacle(one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tablespace_has_a_number_and_a_place() {
        let read = tablespaces(&["16390=/srv/fast".to_owned()]).unwrap();
        assert_eq!(read, BTreeMap::from([(16_390, "/srv/fast".to_owned())]));
        for wrong in ["fast=/srv", "16390", ""] {
            assert!(tablespaces(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
