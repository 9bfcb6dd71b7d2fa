//! The grammar of a connection URL.
//!
//! What is refused is named by its place, never quoted: in a URL that was put together without care, any piece of it
//! may be a piece of the password.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use weir_model::Secret;

use crate::resolve;
use crate::target::{ChannelBinding, Host, SslMode, Target, TargetError, Tls};

/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// The parameters that may follow the `?`.
pub(crate) const PARAMETERS: [&str; 11] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "options",
    "password",
    "port",
    "sslmode",
    "sslrootcert",
    "user",
];

/// A URL's pieces, decoded; a parameter wins over the same piece in front of the `?`.
#[derive(Default)]
struct Pieces<'u> {
    host: Option<Cow<'u, str>>,
    port: Option<u16>,
    user: Option<Cow<'u, str>>,
    password: Option<Secret>,
    database: Option<Cow<'u, str>>,
    sslmode: SslMode,
    sslrootcert: Option<PathBuf>,
    channel_binding: ChannelBinding,
    application_name: Option<String>,
    connect_timeout: Option<Duration>,
    options: Option<String>,
}

pub(crate) fn read(url: &str) -> Result<Target, TargetError> {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or(TargetError::Scheme)?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    if database.contains('@') || query.contains('@') {
        // Most likely a password with one of these in it, which moved everything behind it.
        return Err(TargetError::Form(
            "has an '@' behind the host; write '/', '?' and '@' in user and password as %2F, %3F and %40",
        ));
    }
    let mut pieces = Pieces::default();
    pieces.read_authority(authority)?;
    pieces.database = decoded(database)?;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        pieces.read_parameter(parameter)?;
    }
    pieces.into_target()
}

/// The same target at another door, which is written as `host:port`, `[address]:port` or a socket's directory.
pub(crate) fn at(target: &Target, door: &str) -> Result<Target, TargetError> {
    let mut pieces = Pieces::default();
    if door.starts_with('/') {
        pieces.host = Some(Cow::Borrowed(door));
    } else {
        pieces.read_door(door)?;
    }
    let host = pieces.host.ok_or(TargetError::Form("names no host"))?;
    Ok(Target {
        host: host_of(&host),
        port: pieces.port.unwrap_or(PORT),
        ..target.clone()
    })
}

fn host_of(host: &str) -> Host {
    if host.starts_with('/') {
        Host::Unix(PathBuf::from(host))
    } else {
        Host::Tcp(host.to_owned())
    }
}

/// Percent-decodes a piece; `None` where it is empty.
fn decoded(piece: &str) -> Result<Option<Cow<'_, str>>, TargetError> {
    let text = percent_decode_str(piece).decode_utf8();
    let text = text.map_err(|_| TargetError::Form("has a percent-encoded part that is not UTF-8"))?;
    if text.contains('\0') {
        return Err(TargetError::Form("has a zero byte in it"));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

impl<'u> Pieces<'u> {
    fn read_authority(&mut self, authority: &'u str) -> Result<(), TargetError> {
        let door = match authority.rsplit_once('@') {
            Some((who, door)) => {
                let (user, password) = who.split_once(':').unwrap_or((who, ""));
                self.user = decoded(user)?;
                self.password = decoded(password)?.map(Secret::new);
                door
            }
            None => authority,
        };
        self.read_door(door)
    }

    fn read_door(&mut self, door: &'u str) -> Result<(), TargetError> {
        if door.contains(',') {
            return Err(TargetError::Form("names several hosts; one is possible"));
        }
        let (host, port) = match door.strip_prefix('[') {
            Some(rest) => rest
                .split_once(']')
                .ok_or(TargetError::Form("has a '[' without its ']'"))?,
            None => door.split_at(door.find(':').unwrap_or(door.len())),
        };
        self.host = decoded(host)?;
        self.port = match port {
            "" | ":" => None,
            port => {
                let digits = port.strip_prefix(':');
                Some(read_port(digits.ok_or(TargetError::Form(
                    "has no ':' between the host's ']' and its port",
                ))?)?)
            }
        };
        Ok(())
    }

    fn read_parameter(&mut self, parameter: &'u str) -> Result<(), TargetError> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let Some(value) = decoded(value)? else {
            return if PARAMETERS.contains(&name) {
                Ok(())
            } else {
                Err(unknown(name))
            };
        };
        match name {
            "host" => self.host = Some(value),
            "port" => self.port = Some(read_port(&value)?),
            "user" => self.user = Some(value),
            "password" => self.password = Some(Secret::new(value)),
            "dbname" => self.database = Some(value),
            "sslmode" => self.sslmode = read_sslmode(&value)?,
            "sslrootcert" => self.sslrootcert = Some(PathBuf::from(value.into_owned())),
            "channel_binding" => self.channel_binding = read_channel_binding(&value)?,
            "application_name" => self.application_name = Some(value.into_owned()),
            "connect_timeout" => self.connect_timeout = read_timeout(&value)?,
            "options" => self.options = Some(value.into_owned()),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn into_target(self) -> Result<Target, TargetError> {
        let user = self.user.ok_or(TargetError::Form("names no user"))?.into_owned();
        let host = self.host.ok_or(TargetError::Form(
            "names no host; a socket's directory is named by ?host=/directory",
        ))?;
        Ok(Target {
            host: host_of(&host),
            port: self.port.unwrap_or(PORT),
            database: self.database.map_or_else(|| user.clone(), Cow::into_owned),
            user,
            password: self.password,
            sslmode: self.sslmode,
            sslrootcert: self.sslrootcert,
            channel_binding: self.channel_binding,
            application_name: self.application_name,
            connect_timeout: self.connect_timeout,
            options: self.options,
            tls: Tls::default(),
            resolver: resolve::system(),
        })
    }
}

fn unknown(name: &str) -> TargetError {
    TargetError::UnknownParameter {
        name: name.replace(char::is_control, " "),
    }
}

fn read_port(text: &str) -> Result<u16, TargetError> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or(TargetError::Form("has a port that is no number from 1 to 65535"))
}

fn read_sslmode(text: &str) -> Result<SslMode, TargetError> {
    use SslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    let known = [Disable, Prefer, Require, VerifyCa, VerifyFull];
    known
        .into_iter()
        .find(|mode| mode.name() == text)
        .ok_or(TargetError::Parameter {
            name: "sslmode",
            reason: "must be disable, prefer, require, verify-ca or verify-full",
        })
}

fn read_channel_binding(text: &str) -> Result<ChannelBinding, TargetError> {
    match text {
        "disable" => Ok(ChannelBinding::Disable),
        "prefer" => Ok(ChannelBinding::Prefer),
        "require" => Ok(ChannelBinding::Require),
        _ => Err(TargetError::Parameter {
            name: "channel_binding",
            reason: "must be disable, prefer or require",
        }),
    }
}

/// In seconds, as everywhere in PostgreSQL; 0 leaves the choice to the caller.
fn read_timeout(text: &str) -> Result<Option<Duration>, TargetError> {
    let seconds = text.parse::<u32>();
    let seconds = seconds.map_err(|_| TargetError::Parameter {
        name: "connect_timeout",
        reason: "must be a whole number of seconds",
    })?;
    Ok((seconds > 0).then(|| Duration::from_secs(u64::from(seconds))))
}

#[cfg(test)]
mod tests;
