//! Where a server or pooler listens, and who logs in there.

use std::str::FromStr;

/// A door and who comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or number of a host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// Their password.
    pub password: String,
    /// The database.
    pub database: String,
}

impl Address {
    /// The same user and database at another port of this machine.
    #[must_use]
    pub fn at_port(&self, port: u16) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port,
            ..self.clone()
        }
    }

    /// As a URL, for programs that take one.
    pub fn url(&self) -> String {
        let Self {
            host,
            port,
            user,
            password,
            database,
        } = self;
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }
}

/// Reads `postgres://user:password@host:port/database`. Nothing is optional and nothing is decoded: whoever tests with
/// such names can choose plain ones.
impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let rest = text
                .strip_prefix("postgres://")
                .or_else(|| text.strip_prefix("postgresql://"))?;
            let (login, place) = rest.rsplit_once('@')?;
            let (user, password) = login.split_once(':')?;
            let (door, database) = place.split_once('/')?;
            let (host, port) = door.rsplit_once(':')?;
            Some(Self {
                host: host.to_owned(),
                port: port.parse().ok()?,
                user: user.to_owned(),
                password: password.to_owned(),
                database: database.to_owned(),
            })
        };
        parts().ok_or_else(|| format!("{text} is not postgres://user:password@host:port/database"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_written() {
        let url = "postgres://u:p@127.0.0.1:6432/d";
        let address: Address = url.parse().unwrap();
        assert_eq!((address.port, address.database.as_str()), (6432, "d"));
        assert_eq!(address.url(), url);
        assert_eq!(address.at_port(1).url(), "postgres://u:p@127.0.0.1:1/d");
    }

    #[test]
    fn what_is_missing_is_refused() {
        for url in [
            "127.0.0.1:6432",
            "postgres://u@h:1/d",
            "postgres://u:p@h/d",
            "postgres://u:p@h:x/d",
        ] {
            assert!(url.parse::<Address>().unwrap_err().contains(url));
        }
    }
}
