//! The `[bus]` section, and what a connection to NATS needs to know.

use std::path::{Path, PathBuf};

use weir_config::RedactedUrl;
use weir_model::Secret;

use crate::{Error, Limits};

weir_config::section! {
    /// How services tell each other what happened.
    pub struct BusSettings("bus") {
        /// The NATS servers: `nats://host:4222`, or `tls://host:4222`; more than one are separated by commas. Without it the bus lives in memory and joins the services of one process only.
        url: Option<RedactedUrl> = weir_config::unset(),
        /// The user at NATS.
        user: Option<String> = weir_config::unset(),
        /// The password of `user`.
        password: Option<Secret> = weir_config::unset(),
        /// The token for NATS, where it knows no users.
        token: Option<Secret> = weir_config::unset(),
        /// A file with a NATS user's JWT and key (`.creds`), where NATS runs with operators and accounts.
        credentials_file: Option<PathBuf> = weir_config::unset(),
        /// Certificates (PEM) of the authorities that may sign the server's certificate. Without it, those of the system.
        ca_file: Option<PathBuf> = weir_config::unset(),
        /// This side's certificate (PEM), where NATS asks for one.
        certificate_file: Option<PathBuf> = weir_config::unset(),
        /// The key (PEM) of `certificate_file`.
        key_file: Option<PathBuf> = weir_config::unset(),
        /// Bytes of messages that may wait to be written to the server. Beyond it lossy messages are refused, and counted.
        send_buffer_bytes: usize = "8388608",
        /// Messages that wait for one slow receiver. Beyond it they are dropped, and counted.
        subscription_messages: usize = "8192",
        /// Bytes that wait for one slow receiver. Beyond it messages are dropped, and counted.
        subscription_bytes: usize = "33554432",
        /// Durable messages that a stream in memory holds. Beyond it further ones are refused until some are dealt with.
        stream_messages: usize = "65536",
    }
}

impl BusSettings {
    /// Whether the settings fit together.
    pub fn check(&self) -> Result<(), Error> {
        together("bus.user", self.user.is_some(), "bus.password", self.password.is_some())?;
        together(
            "bus.certificate_file",
            self.certificate_file.is_some(),
            "bus.key_file",
            self.key_file.is_some(),
        )?;
        let logins = [
            ("bus.user", self.user.is_some()),
            ("bus.token", self.token.is_some()),
            ("bus.credentials_file", self.credentials_file.is_some()),
        ];
        let mut given = logins.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        if let (Some(one), Some(other)) = (given.next(), given.next()) {
            return Err(Error::setting(
                other,
                format!("{one} is set too, and there is one login only"),
            ));
        }
        for (name, value) in [
            ("bus.send_buffer_bytes", self.send_buffer_bytes),
            ("bus.subscription_messages", self.subscription_messages),
            ("bus.subscription_bytes", self.subscription_bytes),
            ("bus.stream_messages", self.stream_messages),
        ] {
            if value == 0 {
                return Err(Error::setting(name, "it must not be 0"));
            }
        }
        Ok(())
    }

    /// The bounds.
    pub const fn limits(&self) -> Limits {
        Limits {
            send_buffer_bytes: self.send_buffer_bytes,
            subscription_messages: self.subscription_messages,
            subscription_bytes: self.subscription_bytes,
            stream_messages: self.stream_messages,
        }
    }

    /// How to reach NATS; `None` where the bus lives in memory. The files are read, so that a missing one is told now.
    pub async fn nats(&self, name: &str) -> Result<Option<NatsSettings>, Error> {
        let Some(url) = &self.url else { return Ok(None) };
        read("bus.ca_file", self.ca_file.as_deref()).await?;
        read("bus.certificate_file", self.certificate_file.as_deref()).await?;
        read("bus.key_file", self.key_file.as_deref()).await?;
        Ok(Some(NatsSettings {
            url: url.secret().clone(),
            name: name.to_owned(),
            user: self.user.clone(),
            password: self.password.clone(),
            token: self.token.clone(),
            credentials: read("bus.credentials_file", self.credentials_file.as_deref()).await?,
            ca_file: self.ca_file.clone(),
            certificate_file: self.certificate_file.clone(),
            key_file: self.key_file.clone(),
        }))
    }
}

fn together(one: &str, has_one: bool, other: &str, has_other: bool) -> Result<(), Error> {
    match (has_one, has_other) {
        (true, false) => Err(Error::setting(one, format!("{other} is missing"))),
        (false, true) => Err(Error::setting(other, format!("{one} is missing"))),
        _ => Ok(()),
    }
}

async fn read(setting: &str, path: Option<&Path>) -> Result<Option<Secret>, Error> {
    let Some(path) = path else { return Ok(None) };
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(error) => Err(Error::setting(setting, format!("{}: {error}", path.display()))),
    }
}

/// How to reach NATS.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// `nats://host:4222` or `tls://host:4222`, more than one separated by commas. It may hold a user and a password.
    pub url: Secret,
    /// How the connection is called in the server's lists, such as `pool-gateway`.
    pub name: String,
    /// The user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// A token instead of a user.
    pub token: Option<Secret>,
    /// The text of a `.creds` file: a user's JWT and key.
    pub credentials: Option<Secret>,
    /// Authorities that may sign the server's certificate; those of the system where it is not set.
    pub ca_file: Option<PathBuf>,
    /// This side's certificate.
    pub certificate_file: Option<PathBuf>,
    /// The key of this side's certificate.
    pub key_file: Option<PathBuf>,
}

impl NatsSettings {
    /// A server that asks for nothing.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            name: name.into(),
            user: None,
            password: None,
            token: None,
            credentials: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_config::Sources;

    use super::*;

    fn settings(environment: &[(&str, &str)]) -> BusSettings {
        let environment = environment
            .iter()
            .map(|(name, value)| (format!("WEIR_BUS__{name}"), (*value).to_owned()));
        Sources::load(None, environment).unwrap().section().unwrap()
    }

    #[tokio::test]
    async fn without_a_url_the_bus_lives_in_memory() {
        let settings = settings(&[]);
        settings.check().unwrap();
        assert!(settings.nats("test").await.unwrap().is_none());
        assert_eq!(settings.limits(), Limits::default());
    }

    #[test]
    fn contradictory_settings_are_refused_by_name() {
        for (environment, named) in [
            (
                &[("USER", "weir")][..],
                "setting bus.user cannot be used: bus.password is missing",
            ),
            (
                &[("PASSWORD", "hunter2")],
                "setting bus.password cannot be used: bus.user is missing",
            ),
            (
                &[("TOKEN", "t"), ("USER", "u"), ("PASSWORD", "p")],
                "setting bus.token cannot be used: bus.user is set too, and there is one login only",
            ),
            (
                &[("KEY_FILE", "key.pem")],
                "setting bus.key_file cannot be used: bus.certificate_file is missing",
            ),
            (
                &[("SEND_BUFFER_BYTES", "0")],
                "setting bus.send_buffer_bytes cannot be used: it must not be 0",
            ),
        ] {
            assert_eq!(settings(environment).check().unwrap_err().to_string(), named);
        }
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        for (key, name) in [
            ("CREDENTIALS_FILE", "credentials_file"),
            ("CA_FILE", "ca_file"),
            ("KEY_FILE", "key_file"),
        ] {
            let settings = settings(&[("URL", "nats://localhost"), (key, "no/such.file")]);
            let error = settings.nats("test").await.unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("setting bus.{name} cannot be used: no/such.file")),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn secrets_are_not_shown() {
        let settings = settings(&[
            ("URL", "nats://u:hunter2@localhost"),
            ("TOKEN", "hunter2"),
            ("PASSWORD", "hunter2"),
        ]);
        let shown = format!("{settings:?} {:?}", settings.nats("test").await.unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
