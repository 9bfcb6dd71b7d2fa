//! A restore from the order to the end: planned, written, and recovered where that is asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use weir_model::Clock;

use super::feed::Feed;
use super::open_files::Owner;
use super::recovery::{Action, Along, End, Recovery, fetch_command};
use super::server::{self, Server, ServerOptions};
use super::{FileOptions, Written, disk, facts, files, layout, moment, replay};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{RestoreOrder, Then};
use crate::plan::restore::{self as plan, Choice, Obstacle, Wish};
use crate::repo::Repository;
use crate::repo::state::Position;
use crate::repositories::Repositories;
use crate::settings::BackupSettings;

/// A server takes connections within this time, or it does not start. Before that it recovers until it is consistent.
const READY_WITHIN: Duration = Duration::from_secs(3600);

/// What a restore is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means<'a> {
    pub settings: &'a BackupSettings,
    pub repositories: &'a Repositories,
    /// Who asks the server while it recovers, and in which database.
    pub user: &'a str,
    pub database: &'a str,
    pub clock: &'a Clock,
    /// The settings file that the helper reads which fetches log for a server.
    pub config_file: Option<&'a Path>,
    /// In the place of that helper.
    pub restore_command: Option<&'a str>,
}

impl<'a> Means<'a> {
    /// Those of the service.
    pub(crate) fn of(keeper: &'a Keeper) -> Self {
        Self {
            settings: &keeper.settings,
            repositories: &keeper.repositories,
            user: keeper.cluster.target.user(),
            database: keeper.cluster.target.database(),
            clock: &keeper.clock,
            config_file: keeper.config_file.as_deref(),
            restore_command: None,
        }
    }
}

/// What a restore would do.
#[derive(Debug, Clone)]
pub(crate) struct RestorePlan {
    pub repository: Repository,
    pub choice: Choice,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub kept_bytes: u64,
    /// 0: not known.
    pub duration_ms: u64,
    /// All that stands against it, those of the choice too.
    pub obstacles: Vec<Obstacle>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Restored {
    pub backup_id: String,
    pub repository: String,
    pub directory: PathBuf,
    pub written_bytes: u64,
    pub kept_bytes: u64,
    pub read_bytes: u64,
    pub removed: u64,
    /// How far the server recovered; none where it was not started.
    pub recovered_to: Option<u64>,
    /// Whether a server was left at work.
    pub is_running: bool,
    pub took_ms: u64,
}

/// What a restore would do. Changes nothing.
pub(crate) async fn plan(keeper: &Keeper, order: &RestoreOrder) -> Result<RestorePlan, Error> {
    plan_with(Means::of(keeper), order, Looks::Closely, &idle()).await
}

/// What a restore would begin with, wherever it goes to. Looks at no directory.
pub(crate) async fn chosen(keeper: &Keeper, order: &RestoreOrder) -> Result<(Repository, Choice), Error> {
    let means = Means::of(keeper);
    check(means, order)?;
    let mut first = None;
    for repository in repositories(means, order).await? {
        let choice = choice(&repository, order).await?;
        if choice.obstacles.is_empty() {
            return Ok((repository, choice));
        }
        first.get_or_insert((repository, choice));
    }
    first.ok_or_else(no_repository)
}

/// Restores.
pub(crate) async fn restore(keeper: &Keeper, order: &RestoreOrder, pace: &Pace) -> Result<Restored, Error> {
    restore_with(Means::of(keeper), order, pace).await
}

fn idle() -> Pace {
    Pace::new(0, tokio_util::sync::CancellationToken::new(), Default::default())
}

/// How closely a plan looks at what is in a directory already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// Whether it may be written to. What of it is kept is found when it is written.
    Briefly,
    /// Piece by piece: what would be kept, and what fetched.
    Closely,
}

pub(super) async fn plan_with(
    means: Means<'_>,
    order: &RestoreOrder,
    looks: Looks,
    pace: &Pace,
) -> Result<RestorePlan, Error> {
    check(means, order)?;
    let mut first = None;
    for repository in repositories(means, order).await? {
        let plan = plan_in(means, order, repository, looks, pace).await?;
        if plan.obstacles.is_empty() {
            return Ok(plan);
        }
        first.get_or_insert(plan);
    }
    first.ok_or_else(no_repository)
}

fn no_repository() -> Error {
    Error::Refused {
        slug: "backup-no-repository",
        reason: "no repository is set: add one to backup.repositories".to_owned(),
    }
}

async fn choice(repository: &Repository, order: &RestoreOrder) -> Result<Choice, Error> {
    let wish = Wish {
        target: &order.target,
        backup_id: &order.backup_id,
        force: order.force,
    };
    let facts = facts::of(repository, moment::known(repository, &order.target).await?).await?;
    plan::choose(wish, &facts).map_err(|reason| Error::Field {
        field: "target",
        reason,
    })
}

fn check(means: Means<'_>, order: &RestoreOrder) -> Result<(), Error> {
    let wrong = |field, reason: String| Err(Error::Field { field, reason });
    if !order.cluster.is_empty() && order.cluster != means.settings.cluster {
        return wrong("cluster", format!("there is no cluster {}", order.cluster));
    }
    if !order.directory.is_absolute() || order.directory.parent().is_none() {
        let reason = format!("{:?} is not the absolute path of a directory", order.directory);
        return wrong("directory", reason);
    }
    let end = plan::end_of(&order.target).map_err(|reason| Error::Field {
        field: "target",
        reason,
    })?;
    if !order.only_tablespaces.is_empty() && end != End::Log {
        let reason = "a tablespace alone can be restored to the end of the log only, where the rest of its cluster is";
        return wrong("only_tablespaces", reason.to_owned());
    }
    Ok(())
}

/// Those that may be read, in their order.
async fn repositories(means: Means<'_>, order: &RestoreOrder) -> Result<Vec<Repository>, Error> {
    if !order.repository.is_empty() {
        return Ok(vec![means.repositories.get(&order.repository).await?]);
    }
    let (mut found, mut trouble) = (Vec::new(), None);
    for name in means.repositories.names() {
        match means.repositories.get(name).await {
            Ok(repository) => found.push(repository),
            Err(error) => {
                tracing::warn!(repository = name, error = %error, "a repository cannot be read for a restore");
                trouble = Some(error);
            }
        }
    }
    match trouble {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

async fn plan_in(
    means: Means<'_>,
    order: &RestoreOrder,
    repository: Repository,
    looks: Looks,
    pace: &Pace,
) -> Result<RestorePlan, Error> {
    let choice = choice(&repository, order).await?;
    let mut obstacles = choice.obstacles.clone();
    let mut outlook = files::Outlook::default();
    if let Some(backup) = &choice.backup {
        let options = file_options(means, order)?;
        outlook = files::outlook(&repository, backup, &order.directory, &options, looks, pace).await?;
        obstacles.append(&mut outlook.obstacles);
    }
    let state = repository.state().await?;
    Ok(RestorePlan {
        duration_ms: plan::duration_ms(&state.backups, &state.proofs, outlook.write_bytes),
        read_bytes: outlook.read_bytes + choice.wal_bytes,
        write_bytes: outlook.write_bytes,
        kept_bytes: outlook.kept_bytes,
        obstacles,
        repository,
        choice,
    })
}

/// How files are written, without what the server is told.
fn file_options(means: Means<'_>, order: &RestoreOrder) -> Result<FileOptions, Error> {
    Ok(FileOptions {
        threads: means.settings.threads,
        delta: order.delta,
        force: order.force,
        tablespaces: order.tablespaces.clone(),
        only_tablespaces: order.only_tablespaces.clone(),
        owner: server::owner_of(&means.settings.postgres_user)?,
        recovery: None,
    })
}

pub(super) async fn restore_with(means: Means<'_>, order: &RestoreOrder, pace: &Pace) -> Result<Restored, Error> {
    let begun = means.clock.unix_ms();
    let plan = plan_with(means, order, Looks::Briefly, pace).await?;
    let against = plan
        .obstacles
        .iter()
        .find(|obstacle| !(order.force && obstacle.can_be_forced));
    if let Some(obstacle) = against {
        return Err(Error::Refused {
            slug: obstacle.slug,
            reason: obstacle.detail.clone(),
        });
    }
    let Some(backup) = &plan.choice.backup else {
        return Err(crate::repo::Error::NoBackup(order.backup_id.clone()).into());
    };
    // Asked for now, not when everything is written.
    let bin = match order.then {
        Then::Unspecified | Then::Standby => None,
        _ => Some(server::programs(means.settings.postgres_bin.as_deref(), backup.server_version).await?),
    };
    let last = recovery(means, order, &plan)?;
    let mut options = file_options(means, order)?;
    let mut feed = match &bin {
        Some(_) => Some(Feed::of(means, &plan, backup, options.owner).await?),
        None => None,
    };
    options.recovery = Some(match &feed {
        Some(feed) => Recovery {
            action: Action::Pause,
            standby: last.end == End::Log,
            restore_command: Some(means.restore_command.map_or_else(|| feed.command(), str::to_owned)),
            ..last.clone()
        },
        None => last.clone(),
    });
    let written = files::files(&plan.repository, backup, &order.directory, &options, pace).await?;
    let mut restored = restored(order, &plan, written);
    if let (Some(bin), Some(feed)) = (bin, &mut feed) {
        let reached = replay(means, order, &plan, (&bin, options.owner), feed, pace).await?;
        restored.recovered_to = Some(reached.lsn);
        let promotes = order.then == Then::Promote;
        if promotes {
            // It comes to the same end once more, and needs the same log for it; then none any more.
            let command = means.restore_command.map_or_else(|| feed.command(), str::to_owned);
            let once = Recovery {
                restore_command: Some(command),
                ..last.clone()
            };
            tell(&order.directory, &once, options.owner)?;
        } else {
            tell(&order.directory, &last, options.owner)?;
        }
        if order.then != Then::Stop {
            let running = server::leave_running(&bin, &order.directory, options.owner, READY_WITHIN);
            feed.while_giving(running, pace).await?;
            restored.is_running = true;
        }
    }
    restored.took_ms = u64::try_from(means.clock.unix_ms() - begun).unwrap_or_default();
    Ok(restored)
}

fn restored(order: &RestoreOrder, plan: &RestorePlan, written: Written) -> Restored {
    Restored {
        backup_id: plan
            .choice
            .backup
            .as_ref()
            .map(|backup| backup.id.clone())
            .unwrap_or_default(),
        repository: plan.repository.name().to_owned(),
        directory: order.directory.clone(),
        written_bytes: written.written_bytes,
        kept_bytes: written.kept_bytes,
        read_bytes: written.read_bytes,
        removed: written.removed,
        recovered_to: None,
        is_running: false,
        took_ms: 0,
    }
}

/// What the server is told in the end.
fn recovery(means: Means<'_>, order: &RestoreOrder, plan: &RestorePlan) -> Result<Recovery, Error> {
    let command = match means.restore_command {
        Some(command) => command.to_owned(),
        None => fetch_command(&own_program()?, means.config_file, plan.repository.name()),
    };
    let end = plan.choice.end.clone();
    // Where nobody said on which timeline, a standby follows whoever is promoted.
    let follows = order.then == Then::Standby && end == End::Log && order.target.timeline == 0;
    Ok(Recovery {
        restore_command: Some(command),
        along: if follows { Along::Latest } else { plan.choice.along },
        action: if order.then == Then::Promote {
            Action::Promote
        } else {
            Action::Pause
        },
        // At the end of the log there is nothing to stop at: a server that is to wait there is a standby.
        standby: order.then == Then::Standby || (order.then == Then::Pause && end == End::Log),
        end,
        settings: Vec::new(),
    })
}

/// This program, as others can start it.
fn own_program() -> Result<PathBuf, Error> {
    let path = std::env::current_exe().map_err(|error| Error::file(Path::new("/proc/self/exe"), error))?;
    // One that was replaced since it was started is called so.
    let text = path.to_string_lossy();
    Ok(text
        .strip_suffix(" (deleted)")
        .map_or_else(|| path.clone(), PathBuf::from))
}

/// Has the server recover, and stops it where it is to end.
async fn replay(
    means: Means<'_>,
    order: &RestoreOrder,
    plan: &RestorePlan,
    (bin, owner): (&Path, Option<Owner>),
    feed: &mut Feed,
    pace: &Pace,
) -> Result<Position, Error> {
    let run = server::run_directory(owner)?;
    let options = ServerOptions {
        owner,
        run: run.path().to_owned(),
        user: means.user.to_owned(),
        database: means.database.to_owned(),
        settings: Vec::new(),
    };
    let replaying = async {
        let mut server = Server::start(bin, &order.directory, &options).await?;
        let reached = replay::to_its_end(&mut server, &plan.choice, READY_WITHIN, pace).await?;
        server.stop().await?;
        Ok(reached)
    };
    feed.while_giving(Box::pin(replaying), pace).await
}

/// Puts what the server is told in the place of what it was told to recover.
fn tell(directory: &Path, recovery: &Recovery, owner: Option<Owner>) -> Result<(), Error> {
    let conf = directory.join(layout::AUTO_CONF);
    let was = disk::content(&conf)?.unwrap_or_default();
    let text = recovery.composed(&String::from_utf8_lossy(&was));
    disk::put(&conf, text.as_bytes(), 0o600, owner)?;
    disk::put(&directory.join(recovery.signal()), b"", 0o600, owner)?;
    let other = if recovery.standby {
        "recovery.signal"
    } else {
        "standby.signal"
    };
    disk::remove(&directory.join(other))?;
    disk::sync_directory(directory)
}
