//! Where a store is, as errors and logs may say it.

use std::fmt;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

/// Host, port and database of a store. Never its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Arc<str>);

impl Address {
    pub(crate) fn of(options: &PgConnectOptions) -> Self {
        // Without a name, PostgreSQL takes the user's.
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        let text = match options.get_socket() {
            Some(path) => format!("{}:{}/{database}", path.display(), options.get_port()),
            None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
        };
        Self(text.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
