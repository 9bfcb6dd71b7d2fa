//! Statements that are parsed once for a connection and used many times.
//!
//! Their number is bounded: the one that was used least lately goes first, and its name is closed at the server with
//! the next one that is prepared.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use weir_pgwire::backend::{Message, RowDescription, tag};
use weir_pgwire::frontend::{self, Subject};

use crate::connection::Connection;
use crate::error::Error;
use crate::query::Limits;

/// Statements kept for each connection.
const KEPT: NonZeroUsize = match NonZeroUsize::new(100) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// Of longer texts only the last one is kept.
const LONG_BYTES: usize = 16 * 1024;

/// One column of a prepared statement's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_oid: u32,
    /// The type's modifier, such as precision and scale of a `numeric(p, s)`; -1 without one.
    pub type_modifier: i32,
}

/// A statement that the server keeps under a name, for the connection that prepared it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    name: String,
    parameters: Box<[u32]>,
    columns: Box<[Column]>,
}

impl Prepared {
    /// Its name at the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of each parameter.
    pub fn parameters(&self) -> &[u32] {
        &self.parameters
    }

    /// The columns of its rows; none where it returns none.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// The text, a zero byte, and the types of the parameters that were given.
type Key = Box<[u8]>;

fn key(sql: &str, type_oids: &[u32]) -> Key {
    let mut key = Vec::with_capacity(sql.len() + 1 + size_of_val(type_oids));
    key.extend_from_slice(sql.as_bytes());
    key.push(0);
    type_oids
        .iter()
        .for_each(|oid| key.extend_from_slice(&oid.to_be_bytes()));
    key.into()
}

/// What a connection has prepared.
#[derive(Debug)]
pub(crate) struct Statements {
    /// Made with the first statement: most connections have none.
    known: Option<LruCache<Key, Arc<Prepared>>>,
    long: Option<(Key, Arc<Prepared>)>,
    /// Names to be closed.
    stale: Vec<Arc<Prepared>>,
    made: u64,
}

impl Statements {
    pub(crate) const fn new() -> Self {
        Self {
            known: None,
            long: None,
            stale: Vec::new(),
            made: 0,
        }
    }

    /// The server forgot them all.
    pub(crate) fn clear(&mut self) {
        let made = self.made;
        *self = Self { made, ..Self::new() };
    }

    fn get(&mut self, key: &Key) -> Option<Arc<Prepared>> {
        let long = self.long.iter().find(|(known, _)| known == key);
        match long {
            Some((_, prepared)) => Some(prepared.clone()),
            None => self.known.as_mut()?.get(key).cloned(),
        }
    }

    fn put(&mut self, key: Key, prepared: Arc<Prepared>) {
        let old = if key.len() > LONG_BYTES {
            self.long.replace((key, prepared))
        } else {
            self.known
                .get_or_insert_with(|| LruCache::new(KEPT))
                .push(key, prepared)
        };
        self.stale.extend(old.map(|(_, prepared)| prepared));
    }

    fn take(&mut self, key: &Key) -> Option<Arc<Prepared>> {
        let long = self.long.take_if(|(known, _)| known == key);
        match long {
            Some((_, prepared)) => Some(prepared),
            None => self.known.as_mut()?.pop(key),
        }
    }
}

impl Connection {
    /// The statement as the server keeps it: from before, or prepared now in one round trip. `type_oids` are the types
    /// of the first parameters, 0 or none for the server to infer.
    pub async fn prepare(&mut self, sql: &str, type_oids: &[u32]) -> Result<Arc<Prepared>, Error> {
        let key = key(sql, type_oids);
        if let Some(prepared) = self.statements.get(&key) {
            return Ok(prepared);
        }
        self.begin()?;
        let name = format!("weir_p{}", self.statements.made);
        self.statements.made += 1;
        let written = self.write_prepare(&name, sql, type_oids);
        if let Err(error) = written {
            self.channel.outbox().clear();
            return Err(error);
        }
        self.statements.stale.clear();
        self.send().await?;
        let prepared = Arc::new(self.read_prepared(name).await?);
        self.statements.put(key, prepared.clone());
        Ok(prepared)
    }

    /// Forgets a prepared statement that the server has lost, or whose result has changed.
    pub fn forget_prepared(&mut self, sql: &str, type_oids: &[u32]) {
        let old = self.statements.take(&key(sql, type_oids));
        self.statements.stale.extend(old);
    }

    /// Forgets all of them, because the server has: somebody sent DISCARD or DEALLOCATE ALL.
    pub fn forget_all_prepared(&mut self) {
        self.statements.clear();
    }

    fn write_prepare(&mut self, name: &str, sql: &str, type_oids: &[u32]) -> Result<(), Error> {
        let out = self.channel.outbox();
        for stale in &self.statements.stale {
            frontend::close(out, Subject::Statement(&stale.name))?;
        }
        frontend::parse(out, name, sql, type_oids.iter().copied())?;
        frontend::describe(out, Subject::Statement(name))?;
        frontend::sync(out);
        Ok(())
    }

    async fn read_prepared(&mut self, name: String) -> Result<Prepared, Error> {
        let mut prepared = Prepared {
            name,
            parameters: Box::default(),
            columns: Box::default(),
        };
        loop {
            match self.next_tag(Limits::default()).await? {
                tag::PARSE_COMPLETE | tag::CLOSE_COMPLETE | tag::NO_DATA => {}
                tag::PARAMETER_DESCRIPTION => {
                    if let Message::ParameterDescription(described) = self.channel.message()? {
                        prepared.parameters = described.type_oids().collect();
                    }
                }
                tag::ROW_DESCRIPTION => {
                    if let Message::RowDescription(described) = self.channel.message()? {
                        prepared.columns = columns(&described);
                    }
                }
                tag::READY_FOR_QUERY => {
                    self.ready()?;
                    return Ok(prepared);
                }
                tag::ERROR_RESPONSE => return Err(self.fail().await),
                _ => {
                    return Err(self
                        .channel
                        .unexpected("something else than the description of a statement"));
                }
            }
        }
    }
}

fn columns(described: &RowDescription<'_>) -> Box<[Column]> {
    let column = |field: weir_pgwire::backend::Field<'_>| Column {
        name: String::from_utf8_lossy(field.name).into_owned(),
        type_oid: field.type_oid,
        type_modifier: field.type_modifier,
    };
    described.fields().map(column).collect()
}
