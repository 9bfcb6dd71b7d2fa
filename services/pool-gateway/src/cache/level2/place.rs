//! Where Redis is and who asks, read from the setting. Pure.
//!
//! What is wrong is said without any part of the URL that could be a password.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use weir_model::Secret;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;
const SCHEMES: &str =
    "redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://";

/// How the servers belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// One server.
    Single,
    /// Sentinels, which say where the primary of this name is.
    Sentinel(String),
    /// Some nodes of a cluster, which know the others.
    Cluster,
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

impl Login {
    /// A user without a password would not be logged in at all, but be whoever needs none.
    const fn is_half(&self) -> bool {
        self.user.is_some() && self.password.is_none()
    }
}

/// Everything that the setting says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) hosts: Vec<(String, u16)>,
    pub(super) encrypted: bool,
    pub(super) login: Login,
    /// For the Sentinels themselves.
    pub(super) sentinel_login: Login,
    pub(super) database: i64,
    /// The authority that signed the servers' certificates; the system's without it.
    pub(super) authority: Option<PathBuf>,
    /// The certificate that the gateway shows, and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

impl Place {
    /// Reads `scheme://[user[:password]@]host[:port][,…][/path][?name=value&…]`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(unknown_scheme)?;
        let (kind, encrypted) = scheme_of(scheme).ok_or_else(unknown_scheme)?;
        if rest.contains('#') {
            return Err("a part after # has no meaning here".to_owned());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if matches!(kind, Kind::Sentinel(_)) {
            SENTINEL_PORT
        } else {
            PORT
        };
        let hosts = hosts
            .split(',')
            .map(|host| host_of(host, port))
            .collect::<Result<_, _>>()?;
        let place = Self {
            kind,
            hosts,
            encrypted,
            login: login_of(login)?,
            sentinel_login: Login::default(),
            database: 0,
            authority: None,
            identity: None,
        };
        place.with_path(path)?.with_query(query)?.checked()
    }

    /// A database's number; with Sentinels the primary's name comes before it.
    fn with_path(mut self, path: &str) -> Result<Self, String> {
        let database = match &mut self.kind {
            Kind::Single | Kind::Cluster => path,
            Kind::Sentinel(name) => {
                let (first, database) = path.split_once('/').unwrap_or((path, ""));
                *name = decoded(first)?;
                database
            }
        };
        if !database.is_empty() {
            let number: Option<u32> = database.parse().ok();
            self.database = number.ok_or("the database is not a number")?.into();
        }
        Ok(self)
    }

    fn with_query(mut self, query: &str) -> Result<Self, String> {
        let (mut certificate, mut key) = (None, None);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = decoded(value)?;
            match name {
                "ca" => self.authority = Some(value.into()),
                "cert" => certificate = Some(PathBuf::from(value)),
                "key" => key = Some(PathBuf::from(value)),
                "sentinel_user" => self.sentinel_login.user = Some(value),
                "sentinel_password" => self.sentinel_login.password = Some(Secret::new(value)),
                _ => {
                    return Err(
                        "of parameters there are ca, cert, key, sentinel_user and sentinel_password".to_owned(),
                    );
                }
            }
        }
        self.identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("cert and key belong together".to_owned()),
        };
        Ok(self)
    }

    /// Nothing that is said has no effect.
    fn checked(self) -> Result<Self, String> {
        let is_sentinel = matches!(self.kind, Kind::Sentinel(_));
        let wrong = [
            (
                matches!(self.kind, Kind::Single) && self.hosts.len() > 1,
                "one server has one host; say redis+cluster:// or redis+sentinel:// for several",
            ),
            (
                self.login.is_half() || self.sentinel_login.is_half(),
                "a user has no password",
            ),
            (
                self.kind == Kind::Sentinel(String::new()),
                "the name of the primary is missing: redis+sentinel://host:port,host:port/name",
            ),
            (
                matches!(self.kind, Kind::Cluster) && self.database != 0,
                "a cluster has no database but 0",
            ),
            (
                !is_sentinel && self.sentinel_login != Login::default(),
                "a log-in for Sentinels is for redis+sentinel:// only",
            ),
            (
                !self.encrypted && (self.authority.is_some() || self.identity.is_some()),
                "ca, cert and key are for rediss:// only",
            ),
        ];
        match wrong.iter().find(|(applies, _)| *applies) {
            Some((_, reason)) => Err((*reason).to_owned()),
            None => Ok(self),
        }
    }
}

fn unknown_scheme() -> String {
    format!("the URL does not begin with {SCHEMES}")
}

fn scheme_of(scheme: &str) -> Option<(Kind, bool)> {
    let (protocol, kind) = scheme.split_once('+').unwrap_or((scheme, "single"));
    let encrypted = match protocol {
        "redis" => false,
        "rediss" => true,
        _ => return None,
    };
    let kind = match kind {
        "single" if !scheme.contains('+') => Kind::Single,
        "sentinel" => Kind::Sentinel(String::new()),
        "cluster" => Kind::Cluster,
        _ => return None,
    };
    Some((kind, encrypted))
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_of(text: &str, port: u16) -> Result<(String, u16), String> {
    let (host, given) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("a host is missing".to_owned());
    }
    let port = given.map_or(Ok(port), str::parse);
    let port = port
        .ok()
        .filter(|port| *port > 0)
        .ok_or("a port is not a number from 1 to 65535")?;
    Ok((host.to_owned(), port))
}

fn login_of(text: &str) -> Result<Login, String> {
    let (user, password) = text
        .split_once(':')
        .map_or((text, None), |(user, word)| (user, Some(word)));
    let password = password
        .filter(|password| !password.is_empty())
        .map(decoded)
        .transpose()?;
    Ok(Login {
        user: Some(decoded(user)?).filter(|user| !user.is_empty()),
        password: password.map(Secret::new),
    })
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(Into::into)
        .map_err(|_| "what is written with % is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(place: &Place) -> Vec<(&str, u16)> {
        place.hosts.iter().map(|(host, port)| (host.as_str(), *port)).collect()
    }

    #[test]
    fn one_server() {
        let place =
            Place::parse("rediss://weir:p%40ss:w@cache.example:7000/3?ca=/etc/ca.pem&cert=c.pem&key=k.pem").unwrap();
        assert_eq!((&place.kind, place.encrypted, place.database), (&Kind::Single, true, 3));
        assert_eq!(hosts(&place), [("cache.example", 7000)]);
        assert_eq!(place.login.user.as_deref(), Some("weir"));
        assert_eq!(place.login.password.unwrap().expose(), "p@ss:w");
        assert_eq!(place.authority, Some("/etc/ca.pem".into()));
        assert_eq!(place.identity, Some(("c.pem".into(), "k.pem".into())));
        let place = Place::parse("redis://:word@[::1]").unwrap();
        assert_eq!((hosts(&place), place.encrypted), (vec![("::1", 6379)], false));
        assert_eq!(
            (place.login.user, place.login.password),
            (None, Some(Secret::new("word")))
        );
        assert_eq!(hosts(&Place::parse("redis://[::1]:7/").unwrap()), [("::1", 7)]);
    }

    #[test]
    fn several_servers() {
        let place = Place::parse("redis+sentinel://u:p@a:1,b/main/2?sentinel_user=s&sentinel_password=%25").unwrap();
        assert_eq!(place.kind, Kind::Sentinel("main".to_owned()));
        assert_eq!((hosts(&place), place.database), (vec![("a", 1), ("b", 26_379)], 2));
        assert_eq!(place.sentinel_login.user.as_deref(), Some("s"));
        assert_eq!(place.sentinel_login.password.unwrap().expose(), "%");
        let place = Place::parse("rediss+cluster://a:1,b:2").unwrap();
        assert_eq!((&place.kind, place.encrypted), (&Kind::Cluster, true));
        assert_eq!(hosts(&place), [("a", 1), ("b", 2)]);
    }

    #[test]
    fn what_cannot_be_is_said_without_the_password() {
        for (url, reason) in [
            ("http://u:hunter2@h", "does not begin with"),
            ("redis+single://u:hunter2@h", "does not begin with"),
            ("redis://u:hunter2@", "host is missing"),
            ("redis://u:hunter2@a,,b", "host is missing"),
            ("redis://u:hunter2", "port is not a number"),
            ("redis://u:hunter2@h:0", "port is not a number"),
            ("redis://u:hunter2@h:65536", "port is not a number"),
            ("redis://u:hunter2@h/first", "database is not a number"),
            ("redis://u:hunter2@h/-1", "database is not a number"),
            ("redis://hunter2@h", "a user has no password"),
            ("redis+sentinel://h/n?sentinel_user=hunter2", "a user has no password"),
            ("redis://u:hunter2@a,b", "one server has one host"),
            ("redis+sentinel://u:hunter2@h", "name of the primary is missing"),
            ("redis+cluster://u:hunter2@h/1", "no database but 0"),
            (
                "redis://u:hunter2@h?sentinel_password=hunter2",
                "redis+sentinel:// only",
            ),
            ("redis://u:hunter2@h?ca=hunter2", "rediss:// only"),
            ("rediss://u:hunter2@h?cert=hunter2", "belong together"),
            ("rediss://u:hunter2@h?hunter2=1", "of parameters there are"),
            ("rediss://u:hunter2@h#insecure", "after #"),
            ("redis://u:hunter2%ff@h", "not UTF-8"),
        ] {
            let said = Place::parse(url).unwrap_err();
            assert!(said.contains(reason) && !said.contains("hunter2"), "{url}: {said}");
        }
        let shown = format!("{:?}", Place::parse("redis://u:hunter2@h").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
