//! Connections beside a pool: opened for one question of the gateway's own, and closed after it.

use weir_upstream::{ConnectOptions, Connection};

use super::Pool;
use crate::error::Error;

impl Pool {
    /// A connection as the pool's role, which takes no place in it. For what must not wait for the pool's clients.
    pub(crate) async fn open_aside(&self, application: &str) -> Result<Connection, Error> {
        let options = ConnectOptions {
            timeout: Some(self.common.connect_timeout()),
            application_name: Some(application.to_owned()),
            database: Some(self.key.database.clone()),
            ..self.identity()
        };
        Ok(Box::pin(Connection::connect(&self.member.target, options)).await?)
    }
}
