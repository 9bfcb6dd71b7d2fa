//! Sessions with the database that is exported or written, and their end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use weir_upstream::{CancelToken, ConnectOptions, Connection, Target};

use super::scope::constant;
use crate::engine::pace::Pace;
use crate::error::Error;

/// A lock that is not had within this time is given up: whoever stands before us may be waiting for us.
const LOCK_WITHIN: &str = "60s";
/// How long the ends of all sessions may take.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Values are written in one way, whatever the defaults of the server, and nothing is hidden from whoever reads: where
/// a policy would, that is an error.
const PLAIN: [(&str, &str); 14] = [
    ("row_security", "off"),
    ("search_path", ""),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("xmloption", "content"),
    ("synchronize_seqscans", "off"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("standard_conforming_strings", "on"),
    ("lock_timeout", LOCK_WITHIN),
];

/// Everything that was begun at servers for one piece of work, to be ended however that ends. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<Vec<CancelToken>>>);

impl Sessions {
    /// A session in which values are written in one way.
    pub(crate) async fn open(&self, target: &Target, name: &str) -> Result<Connection, Error> {
        let options = ConnectOptions {
            application_name: Some(name.to_owned()),
            ..ConnectOptions::default()
        };
        let mut connection = Connection::connect(target, options).await?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection.cancel_token());
        connection.simple_query(&plain()).await?;
        Ok(connection)
    }

    /// Does something until it is stopped. In any case nothing is left running at the servers if it fails.
    pub(crate) async fn watch<T>(&self, pace: &Pace, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        // On the heap, and gone with its connections before the server is asked to end what it does for them.
        let mut work = Box::pin(work);
        let done = tokio::select! {
            done = &mut work => done,
            () = pace.stop().cancelled() => Err(Error::Stopped),
        };
        drop(work);
        if done.is_err() {
            self.end().await;
        }
        done
    }

    async fn end(&self) {
        let tokens = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let ends = tokens.iter().map(CancelToken::cancel);
        // A session that has ended by itself cannot be cancelled, and need not be.
        let _ = tokio::time::timeout(END_WITHIN, futures_util::future::join_all(ends)).await;
    }
}

fn plain() -> String {
    let set =
        PLAIN.map(|(name, value)| format!("pg_catalog.set_config({}, {}, false)", constant(name), constant(value)));
    // Known from version 17 on.
    let newer = "(select pg_catalog.set_config(name, '0', false) from pg_catalog.pg_settings where name = 'transaction_timeout')";
    format!("select {}, {newer}", set.join(", "))
}
