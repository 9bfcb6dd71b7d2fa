//! `weir backup status`: where backups are, how the log gets there, and how far back one can go.

use serde_json::{Value as Json, json};
use weir_model::size_in_words;
use weir_proto::backup::v1 as api;

use super::Client;
use super::windows::{span, window_json};
use super::words::{duration, position};
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, say, say_json};

pub(super) async fn run(mut client: Client<'_>) -> Result<(), Failure> {
    let backup = &mut client.backup;
    let repositories = backup
        .list_repositories(api::ListRepositoriesRequest {})
        .await
        .map_err(refusal)?;
    let repositories = repositories.into_inner().repositories;
    // Without a repository that can be read, the rest has nothing to say, which is no reason to hide this.
    let wal = backup.get_wal_state(api::GetWalStateRequest::default()).await;
    let windows = backup
        .get_recovery_windows(api::GetRecoveryWindowsRequest::default())
        .await;
    let wal = wal.map(|reply| reply.into_inner().clusters).map_err(refusal);
    let windows = windows.map(|reply| reply.into_inner().windows).map_err(refusal);
    if client.json {
        let shown = |shown: Result<Vec<Json>, String>| shown.map_or_else(|error| json!({ "error": error }), Json::from);
        say_json(&json!({
            "repositories": repositories.iter().map(repository_json).collect::<Vec<_>>(),
            "wal": shown(listed(&wal, wal_json)),
            "windows": shown(listed(&windows, window_json)),
        }))?;
    } else {
        say_repositories(&repositories)?;
        match &wal {
            Ok(clusters) => clusters.iter().try_for_each(say_wal)?,
            Err(error) => say(&format!("log: {error}"))?,
        }
        match &windows {
            Ok(windows) if windows.is_empty() => say("nothing can be restored yet")?,
            Ok(windows) => windows
                .iter()
                .try_for_each(|window| say(&format!("restorable {}", span(window))))?,
            Err(error) => say(&format!("windows: {error}"))?,
        }
    }
    match repositories.iter().find(|repository| !repository.reachable) {
        Some(away) => Err(format!("repository {} cannot be used", away.name).into()),
        None => wal.and(windows).map(drop),
    }
}

fn listed<T>(known: &Result<Vec<T>, Failure>, shown: impl Fn(&T) -> Json) -> Result<Vec<Json>, String> {
    let known = known.as_ref().map_err(ToString::to_string)?;
    Ok(known.iter().map(shown).collect())
}

fn say_repositories(repositories: &[api::Repository]) -> Result<(), Failure> {
    let headings = [
        "REPOSITORY",
        "URL",
        "STATE",
        "BACKUPS",
        "STORED",
        "GARBAGE",
        "GENERATION",
    ];
    let mut listing = Listing::new(&headings, "no repository is set: add one to backup.repositories");
    for repository in repositories {
        let state = match (repository.reachable, repository.trouble.as_str()) {
            (true, "") => "usable".to_owned(),
            (_, trouble) => trouble.to_owned(),
        };
        listing.row([
            repository.name.clone(),
            repository.url.clone(),
            state,
            repository.backups.to_string(),
            size_in_words(repository.stored_bytes),
            size_in_words(repository.garbage_bytes),
            repository.generation.to_string(),
        ]);
    }
    listing.say()
}

fn way(wal: &api::WalState) -> &'static str {
    match wal.way() {
        api::WalWay::Unspecified => "-",
        api::WalWay::Streaming => "streamed",
        api::WalWay::Archive => "archived by the server",
        api::WalWay::CatchUp => "catching up",
        api::WalWay::Off => "off",
    }
}

fn say_wal(wal: &api::WalState) -> Result<(), Failure> {
    let reason = if wal.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", wal.reason)
    };
    say(&format!(
        "log of {} {}{reason}: safe up to {}, {} behind; {} of commits would be lost now (p99 of the hour {})",
        wal.cluster,
        way(wal),
        position(wal.durable),
        size_in_words(wal.lag_bytes),
        duration(wal.exposure_ms),
        duration(wal.exposure_p99_ms),
    ))?;
    if wal.slot.is_empty() {
        return Ok(());
    }
    let guard = match wal.slot_guard_bytes {
        0 => "without a guard".to_owned(),
        bytes => format!("given up at {}", size_in_words(bytes)),
    };
    say(&format!(
        "slot {} holds back {}, {guard}",
        wal.slot,
        size_in_words(wal.slot_retained_bytes)
    ))
}

fn repository_json(repository: &api::Repository) -> Json {
    json!({
        "name": repository.name,
        "url": repository.url,
        "reachable": repository.reachable,
        "trouble": repository.trouble,
        "generation": repository.generation,
        "stored_bytes": repository.stored_bytes,
        "stored_objects": repository.stored_objects,
        "backups": repository.backups,
        "garbage_bytes": repository.garbage_bytes,
        "object_lock": repository.object_lock,
        "format_version": repository.format_version,
    })
}

fn wal_json(wal: &api::WalState) -> Json {
    json!({
        "cluster": wal.cluster,
        "way": wal.way().as_str_name().trim_start_matches("WAL_WAY_").to_lowercase(),
        "reason": wal.reason,
        "server": position(wal.server),
        "received": position(wal.received),
        "durable": position(wal.durable),
        "lag_bytes": wal.lag_bytes,
        "exposure_ms": wal.exposure_ms,
        "exposure_p99_ms": wal.exposure_p99_ms,
        "slot": wal.slot,
        "slot_retained_bytes": wal.slot_retained_bytes,
        "slot_guard_bytes": wal.slot_guard_bytes,
    })
}
