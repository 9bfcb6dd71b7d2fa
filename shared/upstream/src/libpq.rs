//! A target as PostgreSQL's own programs read it: the environment of a child process.

use std::path::Path;

use crate::target::{ChannelBinding, SslMode, Target};

impl Target {
    /// The variables that lead a program of PostgreSQL to the same place, as the same user and with the same encryption.
    /// The password is among them: they belong into the environment of one child, and nowhere else.
    pub fn libpq_environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("PGHOST", self.host().to_owned()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGSSLMODE", self.sslmode.name().to_owned()),
            ("PGCHANNELBINDING", channel_binding(self.channel_binding).to_owned()),
        ];
        let optional = [
            (
                "PGPASSWORD",
                self.password.as_ref().map(|password| password.expose().to_owned()),
            ),
            ("PGOPTIONS", self.options.clone()),
            ("PGSSLROOTCERT", self.authorities()),
            (
                "PGCONNECT_TIMEOUT",
                self.connect_timeout.map(|limit| limit.as_secs().max(2).to_string()),
            ),
        ];
        variables.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        variables
    }

    /// Without a file, a certificate is checked against the system's authorities; libpq knows that from version 16 on,
    /// and an older one refuses the connection.
    fn authorities(&self) -> Option<String> {
        let is_checked = matches!(self.sslmode, SslMode::VerifyCa | SslMode::VerifyFull);
        let file = self.sslrootcert.as_deref().and_then(Path::to_str).map(str::to_owned);
        file.or_else(|| is_checked.then(|| "system".to_owned()))
    }
}

const fn channel_binding(binding: ChannelBinding) -> &'static str {
    match binding {
        ChannelBinding::Disable => "disable",
        ChannelBinding::Prefer => "prefer",
        ChannelBinding::Require => "require",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(url: &str) -> Vec<(&'static str, String)> {
        Target::parse(url).unwrap().libpq_environment()
    }

    fn value<'a>(environment: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn everything_that_a_url_says_is_passed_on() {
        let url = "postgres://ann:s%20ecret@db.example:5433/shop?sslmode=verify-full&sslrootcert=/etc/ca.pem&channel_binding=require&connect_timeout=7";
        let environment = environment(url);
        for (name, expected) in [
            ("PGHOST", "db.example"),
            ("PGPORT", "5433"),
            ("PGUSER", "ann"),
            ("PGPASSWORD", "s ecret"),
            ("PGDATABASE", "shop"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/etc/ca.pem"),
            ("PGCHANNELBINDING", "require"),
            ("PGCONNECT_TIMEOUT", "7"),
        ] {
            assert_eq!(value(&environment, name), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_a_url_leaves_open_stays_open() {
        let environment = environment("postgres://ann@/shop?host=/run/postgresql");
        assert_eq!(value(&environment, "PGHOST"), Some("/run/postgresql"));
        assert_eq!(value(&environment, "PGSSLMODE"), Some("prefer"));
        for name in ["PGPASSWORD", "PGOPTIONS", "PGSSLROOTCERT", "PGCONNECT_TIMEOUT"] {
            assert_eq!(value(&environment, name), None, "{name}");
        }
    }

    #[test]
    fn a_certificate_that_has_to_be_checked_is_checked_against_something() {
        let environment = environment("postgres://ann@db.example/shop?sslmode=verify-ca");
        assert_eq!(value(&environment, "PGSSLROOTCERT"), Some("system"));
    }
}
