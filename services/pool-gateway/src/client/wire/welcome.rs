//! What a client is told when it has come in: the settings that its server reports, as they are for this client.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use lru::LruCache;
use tokio::time::Instant;
use weir_model::Project;
use weir_pgwire::backend::field;
use weir_pgwire::reply;
use weir_upstream::Connection;

use super::Door;
use super::lobby::Introduction;
use super::refusal::Refusal;
use crate::error::Error;
use crate::pool::{Lease, LinedUp, Pool, PoolKey};
use crate::profile::{Profile, Setting};

/// Welcomes that are remembered.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(1_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// How long one is remembered: a server may come back as a newer one.
const LIVES_FOR: Duration = Duration::from_secs(30);
/// The setting that names the project of a session.
const PROJECT: &str = "weir.project";
/// What every program names differently, and no other setting depends on.
const APPLICATION: &str = "application_name";
/// PostgreSQL cuts a longer name off.
const NAME_BYTES_MAX: usize = 63;

/// Settings by name.
type Settings = Vec<(Box<str>, Setting)>;
type Reported = Arc<[(String, String)]>;

/// The settings that a server reports, by pool and profile.
#[derive(Debug)]
pub(super) struct Welcomes {
    known: Mutex<LruCache<(PoolKey, u64), (Reported, Instant)>>,
    /// Whoever asks beside a pool holds it: those who come together share one question.
    asking: tokio::sync::Mutex<()>,
}

impl Welcomes {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::new(LruCache::new(REMEMBERED)),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// What was reported no longer ago than that.
    fn recall(&self, key: &(PoolKey, u64), ago: Duration) -> Option<Reported> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (reported, at) = known.get(key)?;
        (at.elapsed() < ago).then(|| reported.clone())
    }

    fn remember(&self, key: (PoolKey, u64), reported: Reported) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(key, (reported, Instant::now()));
    }
}

/// What a client is told.
#[derive(Debug)]
pub(super) struct Welcome(Reported);

/// What the server reports to a client with this profile. A setting that the server does not accept is its error.
///
/// Nobody waits for a connection of the pool to come in: where there is none, an answer of earlier will do, or the door
/// opens a connection of its own.
pub(super) async fn of(door: &Door, pool: &Arc<Pool>, profile: &Arc<Profile>) -> Result<Welcome, Error> {
    let profile = pool.common.profiles.without(profile, APPLICATION);
    let key = (pool.key.clone(), profile.id());
    if let Some(reported) = door.welcomes.recall(&key, LIVES_FOR) {
        return Ok(Welcome(reported));
    }
    let reported = ask_anyone(door, pool, &profile, &key).await?;
    door.welcomes.remember(key, reported.clone());
    Ok(Welcome(reported))
}

/// What is reported is the same on all servers: while the primary cannot be reached, a replica is asked.
async fn ask_anyone(door: &Door, pool: &Pool, profile: &Arc<Profile>, key: &(PoolKey, u64)) -> Result<Reported, Error> {
    let mut failed = None;
    for member in door.pools.common().members.readable() {
        let pool = door.pools.sibling(pool, member)?;
        match ask_one(door, &pool, profile, key).await {
            Err(error) if error.is_without_server() => failed = failed.or(Some(error)),
            asked => return asked,
        }
    }
    Err(failed.unwrap_or(Error::Stopping))
}

async fn ask_one(
    door: &Door,
    pool: &Arc<Pool>,
    profile: &Arc<Profile>,
    key: &(PoolKey, u64),
) -> Result<Reported, Error> {
    if let Some(lease) = free_lease(pool, profile).await? {
        return ask(lease, profile).await;
    }
    let _turn = door.welcomes.asking.lock().await;
    match door.welcomes.recall(key, Duration::MAX) {
        Some(reported) => Ok(reported),
        None => ask_aside(door, pool, profile).await,
    }
}

/// A connection of the pool, if one can be had without standing in line.
async fn free_lease(pool: &Arc<Pool>, profile: &Profile) -> Result<Option<Lease>, Error> {
    let settings = pool.common.live();
    match pool.line_up(&settings.default_project, 1.0, profile, Instant::now()) {
        LinedUp::Served(lease) => return Ok(Some(lease)),
        LinedUp::MayOpen(right) => return right.open().await.map(Some),
        // A place in the line is left again.
        LinedUp::Waiting(_) | LinedUp::Otherwise => {}
    }
    // One who is held up on purpose waits, as everybody does.
    if !pool.state().paused {
        return Ok(None);
    }
    let timeout = settings.acquire_timeout;
    let lease = pool.acquire(&settings.default_project, 1.0, profile, timeout);
    lease.await.map(Some)
}

async fn ask(mut lease: Lease, profile: &Arc<Profile>) -> Result<Reported, Error> {
    if let Err(error) = lease.wear(profile).await {
        lease.needs_reset();
        return Err(error);
    }
    let connection = lease.connection().ok_or(Error::Stopping)?;
    Ok(reported(connection))
}

async fn ask_aside(door: &Door, pool: &Arc<Pool>, profile: &Arc<Profile>) -> Result<Reported, Error> {
    let mut connection = pool.open_aside(super::clerk::APPLICATION).await?;
    door.metrics.door_connections_opened.with(["welcome"]).inc();
    if let Some(path) = pool.common.profiles.baseline().path_to(profile) {
        connection.simple_query(&path).await?;
    }
    let reported = reported(&connection);
    connection.close().await;
    Ok(reported)
}

fn reported(connection: &Connection) -> Reported {
    connection
        .parameters()
        .filter(|(name, _)| *name != APPLICATION)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

impl Welcome {
    /// What the server reports of a setting.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn write(&self, profile: &Profile, out: &mut BytesMut) {
        let wanted = value_of(profile, APPLICATION);
        let application = clipped(wanted);
        if application.len() < wanted.len() && hears_notices(profile) {
            say_clipped(wanted, application, out);
        }
        let own = [(APPLICATION, application)];
        let reported = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in reported.chain(own) {
            // Neither the server's words nor those of a start-up frame have a zero byte in them.
            let _ = reply::parameter_status(out, name, value);
        }
    }
}

/// The value of a setting that a client started with.
fn value_of<'a>(profile: &'a Profile, name: &str) -> &'a str {
    match profile.get(name) {
        Some(Setting::Value(value)) => value,
        _ => "",
    }
}

/// As much of a name as PostgreSQL takes.
fn clipped(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or(name)
}

fn hears_notices(profile: &Profile) -> bool {
    let level = value_of(profile, "client_min_messages").to_ascii_lowercase();
    !matches!(level.as_str(), "warning" | "error")
}

/// What PostgreSQL says of a name that is too long.
fn say_clipped(wanted: &str, clipped: &str, out: &mut BytesMut) {
    let said = format!("identifier \"{wanted}\" will be truncated to \"{clipped}\"");
    let fields = [
        (field::SEVERITY, "NOTICE"),
        (field::SEVERITY_PLAIN, "NOTICE"),
        (field::SQLSTATE, "42622"),
        (field::MESSAGE, &said),
    ];
    // What came in a start-up frame has no zero byte in it.
    let _ = reply::notice_response(out, fields);
}

/// The project that a client asks for, and the settings that it starts with.
pub(super) fn client_settings(who: &Introduction) -> Result<(Option<Project>, Settings), Refusal> {
    let mut project = None;
    let mut settings = Vec::new();
    let options = who.options.as_deref().map(options).transpose()?.unwrap_or_default();
    // As at PostgreSQL, what stands in the options comes before the rest.
    for (name, value) in options.into_iter().chain(who.settings.iter().cloned()) {
        if name == PROJECT {
            let asked = Project::parse(&value).map_err(|error| Refusal::new("22023", error.to_string()))?;
            project = Some(asked);
        } else {
            settings.push((name.into_boxed_str(), Setting::Value(value.into_boxed_str())));
        }
    }
    Ok((project, settings))
}

/// The settings in a start-up packet's `options`, which are written as on PostgreSQL's command line.
fn options(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut words = words(text).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c") {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => word.strip_prefix("--").map(str::to_owned),
        };
        let Some((name, value)) = setting.as_deref().and_then(|setting| setting.split_once('=')) else {
            let said = format!("invalid command-line argument for server process: {word}");
            return Err(Refusal::new("42601", said));
        };
        settings.push((name.replace('-', "_").to_ascii_lowercase(), value.to_owned()));
    }
    Ok(settings)
}

/// Words divided by white space; a backslash takes the next character as it is.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            space if space.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(options: &str) -> Introduction {
        Introduction {
            options: Some(options.to_owned()),
            settings: vec![("datestyle".to_owned(), "ISO".to_owned())],
            ..Introduction::default()
        }
    }

    #[test]
    fn options_are_read_as_on_the_command_line() {
        let read = |text: &str| options(text).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("-c geqo=off -cstatement_timeout=5min --search-path=a\\ b"),
            [
                pair("geqo", "off"),
                pair("statement_timeout", "5min"),
                pair("search_path", "a b")
            ]
        );
        assert_eq!(read("  "), []);
        assert!(options("-x 1").unwrap_err().message.contains("-x"));
        assert!(options("-c").is_err() && options("-c geqo").is_err());
    }

    #[test]
    fn the_project_is_a_setting_of_ours_alone() {
        let (project, settings) = client_settings(&who("-c weir.project=shop -c geqo=off")).unwrap();
        assert_eq!(project, Some(Project::parse("shop").unwrap()));
        let names: Vec<&str> = settings.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["geqo", "datestyle"]);
        assert!(client_settings(&who("-c weir.project=No!")).is_err());
        assert_eq!(client_settings(&who("")).unwrap().0, None);
    }
}
