//! What `archive_command` and `restore_command` call: one file there, one file back, and the exit status that
//! PostgreSQL expects.
//!
//! `wal-push %p` ends with 0 once the first repository has the file, and with 1 otherwise: the server tries again.
//! `wal-fetch %f %p` ends with 0, or with 1 where no repository has the file, which is how a recovery finds the end of
//! the log. Whatever else goes wrong must not look like that, or a recovery would end early and nobody would know: then
//! the status is 150, and PostgreSQL stops the recovery.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use weir_config::Sources;
use weir_model::Clock;

use super::files::{self, File};
use super::header::FirstPage;
use crate::error::Error;
use crate::repo::Repository;
use crate::repo::wal::Held;
use crate::repositories::Repositories;
use crate::settings::BackupSettings;

/// Nothing of this name is there.
const ABSENT: u8 = 1;
/// It did not work, and may later.
const FAILED: u8 = 1;
/// A recovery must not go on.
const STOP: u8 = 150;
/// For so long a repository that fails is tried again while a recovery waits.
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY_EVERY: Duration = Duration::from_secs(1);
const USAGE: &str =
    "wal-push [--config FILE] [--repository NAME] PATH, or wal-fetch [--config FILE] [--repository NAME] NAME PATH";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    config: Option<PathBuf>,
    repository: Option<String>,
    words: Vec<OsString>,
}

/// Does what `wal-push` or `wal-fetch` and the words behind it ask for; none where the first word is neither.
pub fn helper(words: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut words = words.into_iter();
    let verb = words.next()?;
    let (status, fetches) = match verb.to_str()? {
        "wal-push" => (FAILED, false),
        "wal-fetch" => (STOP, true),
        _ => return None,
    };
    let name = if fetches { "wal-fetch" } else { "wal-push" };
    let done = Asked::read(words).and_then(|asked| run(&asked, fetches));
    Some(match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(ABSENT),
        Err(why) => weir_runtime::report_failure(name, status, &why),
    })
}

impl Asked {
    fn read(mut words: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut asked = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("usage: {USAGE}"));
            match word.to_str() {
                Some("--config") => asked.config = Some(value()?.into()),
                Some("--repository") => asked.repository = Some(value()?.to_string_lossy().into_owned()),
                Some(option) if option.starts_with("--") => {
                    return Err(format!("unknown option {option}; usage: {USAGE}"));
                }
                _ => asked.words.push(word),
            }
        }
        Ok(asked)
    }
}

fn run(asked: &Asked, fetches: bool) -> Result<bool, String> {
    let sources = Sources::from_process(asked.config.clone()).map_err(|error| error.to_string())?;
    let settings: BackupSettings = sources.section().map_err(|error| error.to_string())?;
    let repositories = Repositories::of(&settings, Clock::system());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let names: Vec<String> = match &asked.repository {
        Some(name) => vec![name.clone()],
        None => repositories.names().map(str::to_owned).collect(),
    };
    if names.is_empty() {
        return Err("no repository is set: add one to backup.repositories".to_owned());
    }
    match (asked.words.as_slice(), fetches) {
        ([path], false) => runtime
            .block_on(push(&repositories, &names, Path::new(path)))
            .map(|()| true),
        ([name, path], true) => {
            let name = name.to_str().ok_or_else(|| format!("usage: {USAGE}"))?;
            runtime.block_on(fetch(&repositories, &names, name, Path::new(path)))
        }
        _ => Err(format!("usage: {USAGE}")),
    }
}

/// Stores a file of `pg_wal`. The first repository has to take it; others are brought up to it otherwise.
pub(crate) async fn push(repositories: &Repositories, names: &[String], path: &Path) -> Result<(), String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| format!("{} is no file", path.display()))?;
    let content = tokio::fs::read(path)
        .await
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let content = Bytes::from(content);
    for (at, repository) in names.iter().enumerate() {
        let put = async {
            let repository = repositories
                .get(repository)
                .await
                .map_err(|error| (error.is_passing(), error.to_string()))?;
            let put = files::put(&repository, name, content.clone(), 0).await;
            put.map_err(|error| (error.is_passing(), error.to_string()))
        };
        match put.await {
            Ok(_) => {}
            Err((true, why)) if at > 0 => {
                weir_runtime::report_failure(
                    "wal-push",
                    FAILED,
                    &format!("repository {repository} gets it later: {why}"),
                );
            }
            Err((_, why)) => return Err(why),
        }
    }
    Ok(())
}

/// Fetches a file of `pg_wal`; false where no repository has it.
pub(crate) async fn fetch(
    repositories: &Repositories,
    names: &[String],
    name: &str,
    path: &Path,
) -> Result<bool, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match find(repositories, names, name).await {
            Ok(None) => return Ok(false),
            Ok(Some(content)) => return write(path, &content).map(|()| true),
            Err((true, _)) if Instant::now() < until => sleep(RETRY_EVERY).await,
            Err((_, why)) => return Err(why),
        }
    }
}

/// The best that the repositories have of a file. An error, and whether it may pass: one could not be asked, so that it
/// is not known whether there is more.
async fn find(repositories: &Repositories, names: &[String], name: &str) -> Result<Option<Vec<u8>>, (bool, String)> {
    let (mut best, mut trouble) = (None::<(u64, Vec<u8>)>, None);
    for repository in names {
        let found = async { of_repository(&repositories.find(repository).await?, name).await };
        match found.await {
            Ok(Some((length, content))) => {
                if length == content.len() as u64 {
                    return Ok(Some(content));
                }
                if best.as_ref().is_none_or(|best| best.0 < length) {
                    best = Some((length, content));
                }
            }
            Ok(None) => {}
            Err(error) => trouble = Some((error.is_passing(), error.to_string())),
        }
    }
    trouble.map_or(Ok(best.map(|best| best.1)), Err)
}

/// A file as PostgreSQL expects it, and how much of it is real: of a segment of which only the beginning is there, the
/// rest is zeros, in which a recovery finds the end of the log.
async fn of_repository(repository: &Repository, name: &str) -> Result<Option<(u64, Vec<u8>)>, Error> {
    match File::of_name(name) {
        Some(File::History(timeline)) => {
            let history = repository.history(timeline).await?;
            Ok(history.map(|content| (content.len() as u64, content)))
        }
        Some(File::Segment) => segment(repository, name).await,
        // Others are never asked for, or not kept.
        _ => Ok(None),
    }
}

async fn segment(repository: &Repository, name: &str) -> Result<Option<(u64, Vec<u8>)>, Error> {
    let held = match repository.named_segment(name).await? {
        Some(Held::Whole(content) | Held::Beginning(content)) => content,
        None => return Ok(None),
    };
    if held.is_empty() {
        return Ok(None);
    }
    let page = FirstPage::read(&held).filter(|page| held.len() <= page.segment_bytes as usize);
    let page = page.ok_or_else(|| {
        let reason = "it does not begin as a segment of the write-ahead log does";
        Error::Repository(crate::repo::Error::corrupt(name, reason))
    })?;
    let (length, mut content) = (held.len() as u64, Vec::from(held));
    content.resize(page.segment_bytes as usize, 0);
    Ok(Some((length, content)))
}

/// Writes it beside its place first: what PostgreSQL finds there is whole.
fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    let beside = path.with_added_extension("weir");
    let written = std::fs::write(&beside, content).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        // It is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        format!("{}: {error}", path.display())
    })
}
