//! Where a store is and how much of it an instance may take.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use weir_config::{DatabaseSettings, RedactedUrl};
use weir_model::Secret;

use crate::StoreError;
use crate::error::one_line;

weir_config::section! {
    /// Weir's own tables.
    pub struct StoreSettings("store") {
        /// Where they are: `postgres://user:password@host:port/database`. Without it, the database of `database.url`.
        url: Option<RedactedUrl> = weir_config::unset(),
        /// Most connections that one instance of a service opens for its statements; a few more watch and wait.
        connections_max: u32 = "10",
        /// Longest wait for one of these connections.
        acquire_timeout: Duration = "5s",
        /// Longest wait for a new connection to open.
        connect_timeout: Duration = "5s",
    }
}

/// Where a store is and how much of it an instance may take.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `postgres://user:password@host:port/database`.
    pub url: Secret,
    /// The schema of the service: lower case, digits and `_`.
    pub schema: &'static str,
    /// Most connections of the pool.
    pub connections_max: u32,
    /// Longest wait for one of them.
    pub acquire_timeout: Duration,
    /// Longest wait for a new connection to open.
    pub connect_timeout: Duration,
}

impl StoreOptions {
    /// The options of a service's schema from the settings. Weir's own tables may live in the database it stands before.
    pub fn from_settings(
        store: &StoreSettings,
        database: &DatabaseSettings,
        schema: &'static str,
    ) -> Result<Self, StoreError> {
        let url = store.url.as_ref().or(database.url.as_ref()).ok_or(StoreError::NoUrl)?;
        Ok(Self {
            url: url.secret().clone(),
            schema,
            connections_max: store.connections_max,
            acquire_timeout: store.acquire_timeout,
            connect_timeout: store.connect_timeout,
        })
    }

    /// How the driver connects: every connection sees the service's schema and nothing else.
    pub(crate) fn connect(&self) -> Result<PgConnectOptions, StoreError> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.schema.is_empty() || !self.schema.bytes().all(fits) {
            return Err(StoreError::InvalidSchema(self.schema));
        }
        let url = self.url.expose();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::InvalidUrl("it must begin with postgres://".to_owned()));
        }
        let parsed = PgConnectOptions::from_str(url).map_err(|error| StoreError::InvalidUrl(one_line(error)))?;
        Ok(parsed
            .options([("search_path", self.schema)])
            .application_name(self.schema))
    }
}

#[cfg(test)]
mod tests {
    use weir_config::Setting as _;
    use weir_model::Coded as _;

    use super::*;

    #[test]
    fn the_tables_live_beside_the_users_data_unless_told_otherwise() {
        let url = |text: &str| Some(RedactedUrl::read(text).unwrap());
        let with = |store, database| {
            let store = StoreSettings {
                url: store,
                connections_max: 3,
                acquire_timeout: Duration::from_secs(1),
                connect_timeout: Duration::from_secs(2),
            };
            StoreOptions::from_settings(&store, &DatabaseSettings { url: database }, "weir_test")
        };
        let own = with(url("postgres://own/x"), url("postgres://users/x")).unwrap();
        assert_eq!((own.url.expose(), own.connections_max), ("postgres://own/x", 3));
        assert_eq!(
            with(None, url("postgres://users/x")).unwrap().url.expose(),
            "postgres://users/x"
        );
        assert_eq!(with(None, None).unwrap_err().slug(), "store-url");
    }

    #[test]
    fn a_schema_that_needs_quoting_is_refused() {
        for schema in ["", "Weir", "weir-test", "a\"b"] {
            let options = StoreOptions {
                url: Secret::new("postgres://h/d"),
                schema,
                connections_max: 1,
                acquire_timeout: Duration::ZERO,
                connect_timeout: Duration::ZERO,
            };
            assert_eq!(options.connect().unwrap_err().slug(), "store-schema", "{schema:?}");
        }
    }
}
