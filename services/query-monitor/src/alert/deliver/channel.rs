//! A channel as it is used: checked, with its secrets read and its client built.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use weir_config::{Error, Origin, Sources, Tables};
use weir_model::{Project, Secret};

use super::group::Policy;
use super::http::{HttpTarget, SystemRoots};
use super::links::Links;
use super::mail::MailTarget;
use super::settings::{FileChannel, Kind};
use crate::alert::notice::Notice;
use crate::settings::MonitorSettings;

/// Most channels; each costs a little on every look.
const CHANNELS_MAX: usize = 50;
/// Attempts of one channel at a time.
pub(crate) const SENDS_MAX: usize = 4;
/// How long the first notice of a group waits for others: alerts are told within two seconds.
const GATHER_MS: i64 = 300;
/// How often Alertmanager is told what still fires, as it expects.
const ALERTMANAGER_REPEAT_MS: i64 = 60_000;
const REPEAT_MS: i64 = 4 * 3_600_000;
const NAME_CHARACTERS_MAX: usize = 63;
const SECRET_BYTES_MIN: usize = 4;

/// One receiver of alerts.
#[derive(Debug)]
pub(crate) struct Channel {
    pub name: String,
    pub kind: Kind,
    pub file: FileChannel,
    pub policy: Policy,
    pub timeout: Duration,
    pub target: Target,
    /// Whether more may be sent to it now.
    pub permits: Arc<Semaphore>,
}

/// How it is reached.
#[derive(Debug)]
pub(crate) enum Target {
    /// By a POST.
    Http(Box<HttpTarget>),
    /// By a mail.
    Mail(Box<MailTarget>),
}

/// Every channel of the file, and how links are made.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    pub list: Vec<Arc<Channel>>,
    pub links: Links,
}

impl Channels {
    /// The channels of the file. The error names the channel and never a secret.
    pub(crate) fn of(settings: &MonitorSettings, sources: &Sources) -> Result<Self, Error> {
        let Tables(tables) = &settings.channels;
        if tables.len() > CHANNELS_MAX {
            return Err(wrong(format!("there are more than {CHANNELS_MAX}")));
        }
        let (roots, mut names, mut list) = (SystemRoots::default(), HashSet::new(), Vec::new());
        for table in tables {
            let of_channel = |reason| wrong(format!("channel {:?}: {reason}", table.name));
            if !names.insert(&table.name) {
                return Err(of_channel("there is another of that name".to_owned()));
            }
            list.push(Arc::new(Channel::of(table, sources, &roots).map_err(of_channel)?));
        }
        let links = Links::of(settings)?;
        Ok(Self { list, links })
    }

    /// Counts what is still being sent to a channel of the file before against the same bound.
    #[must_use]
    pub(crate) fn after(mut self, before: &Self) -> Self {
        for channel in &mut self.list {
            let permits = before.named(&channel.name).map(|channel| channel.permits.clone());
            if let Some((channel, permits)) = Arc::get_mut(channel).zip(permits) {
                channel.permits = permits;
            }
        }
        self
    }

    /// The channel of a name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Channel>> {
        self.list.iter().find(|channel| channel.name == name)
    }
}

fn wrong(reason: String) -> Error {
    Error::invalid("monitor.channels", Origin::File, reason)
}

impl Channel {
    fn of(file: &FileChannel, sources: &Sources, roots: &SystemRoots) -> Result<Self, String> {
        check_words(file)?;
        let target = match file.kind {
            Kind::Email => Target::Mail(Box::new(MailTarget::of(file, sources)?)),
            _ => Target::Http(Box::new(HttpTarget::of(file, sources, roots)?)),
        };
        Ok(Self {
            name: file.name.clone(),
            kind: file.kind,
            policy: policy(file),
            timeout: file.timeout.0,
            target,
            file: file.clone(),
            permits: Arc::new(Semaphore::new(SENDS_MAX)),
        })
    }

    /// Whether it wants this alert.
    pub(crate) fn wants(&self, notice: &Notice) -> bool {
        let among = |list: &[String], word: &String| list.is_empty() || list.contains(word);
        among(&self.file.severities, &notice.severity)
            && among(&self.file.projects, &notice.project)
            && among(&self.file.rules, &notice.rule)
    }

    /// What this channel tells together. PagerDuty's events are of one alert each.
    pub(crate) fn group_of<'a>(&self, notice: &'a Notice) -> &'a str {
        match self.kind {
            Kind::Pagerduty => &notice.key,
            _ => &notice.group,
        }
    }

    /// Where it goes, without what is secret.
    pub(crate) fn place(&self) -> String {
        match &self.target {
            Target::Http(http) => http.place(),
            Target::Mail(mail) => mail.place(),
        }
    }

    /// Takes its secrets out of a text that somebody else wrote.
    pub(crate) fn mask(&self, text: &str) -> String {
        let secrets: &[Secret] = match &self.target {
            Target::Http(http) => http.secrets(),
            Target::Mail(mail) => mail.secrets(),
        };
        // A path such as `/` is no secret, and every text has it.
        let secrets = secrets
            .iter()
            .map(Secret::expose)
            .filter(|secret| secret.len() >= SECRET_BYTES_MIN);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// When its groups are told. PagerDuty and Alertmanager gather and repeat by rules of their own.
fn policy(file: &FileChannel) -> Policy {
    let (group_interval_ms, repeat_ms) = match file.kind {
        Kind::Alertmanager => (0, ALERTMANAGER_REPEAT_MS),
        Kind::Pagerduty => (0, REPEAT_MS),
        _ => (file.group_interval.ms(), REPEAT_MS),
    };
    Policy {
        gather_ms: GATHER_MS,
        group_interval_ms,
        repeat_ms: file.repeat_interval.map_or(repeat_ms, super::settings::Span::ms),
        give_up_ms: file.give_up_after.ms(),
        send_resolved: file.send_resolved,
    }
}

fn check_words(file: &FileChannel) -> Result<(), String> {
    let fits =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-_".contains(character);
    if file.name.is_empty() || file.name.len() > NAME_CHARACTERS_MAX || !file.name.chars().all(fits) {
        return Err(format!("a name has 1 to {NAME_CHARACTERS_MAX} of a-z, 0-9, - and _"));
    }
    if let Some(severity) = file
        .severities
        .iter()
        .find(|word| !["info", "warning", "critical"].contains(&word.as_str()))
    {
        return Err(format!("severities: {severity:?} is not info, warning or critical"));
    }
    if let Some(project) = file.projects.iter().find(|name| Project::parse(name).is_err()) {
        return Err(format!(
            "projects: {project:?} is not a project name (a-z, 0-9, - and _)"
        ));
    }
    let bounds = [
        ("timeout", file.timeout, 100, 120_000),
        ("group_interval", file.group_interval, 0, 86_400_000),
        (
            "repeat_interval",
            file.repeat_interval.unwrap_or(file.give_up_after),
            1_000,
            30 * 86_400_000,
        ),
        ("give_up_after", file.give_up_after, 1_000, 30 * 86_400_000),
    ];
    for (name, span, least_ms, most_ms) in bounds {
        if !(least_ms..=most_ms).contains(&span.ms()) {
            return Err(format!("{name} must be between {least_ms}ms and {most_ms}ms"));
        }
    }
    Ok(())
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Refuses a setting that does not belong to a kind: it would be thought to do something.
pub(crate) fn refuse(file: &FileChannel, given: &[(&str, bool)]) -> Result<(), String> {
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(format!("{name} does not belong to the kind {}", file.kind.as_str())),
        None => Ok(()),
    }
}
