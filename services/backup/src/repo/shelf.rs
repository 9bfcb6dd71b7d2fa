//! The store that a repository lies on: what is put there is made once and never changed, but for the one pointer.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use super::Error;
use super::directory::{Directory, Swept};

/// How long one request may take, repetitions by the store's client included.
const REQUEST_WITHIN: Duration = Duration::from_secs(120);

/// An object that is there when it is put, and is not when it is read, is put so often.
const CONTENDED_TRIES: u32 = 5;

/// A store, and the part of it that belongs to one repository. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shelf {
    store: Arc<dyn ObjectStore>,
    root: Path,
    /// The repository's name, for errors.
    name: Arc<str>,
    near: bool,
    /// Where it is one of this machine.
    directory: Option<Directory>,
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its path within the repository.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was stored, by the store's clock.
    pub modified_unix_ms: i64,
}

/// Whether an object was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It was made, now or by an earlier attempt of ours whose answer was lost.
    Made,
    /// Another is there.
    Exists,
}

/// What became of an object that was to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is not there any more.
    Gone,
    /// The store does not let it go: a lock, a policy or a missing permission. What it said.
    Held(String),
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shelf({})", self.name)
    }
}

impl Shelf {
    /// A part of a store. `near`: its bytes are at hand, so that reading a few of them costs little.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, root: Path, name: &str, near: bool) -> Self {
        Self {
            store,
            root,
            name: name.into(),
            near,
            directory: None,
        }
    }

    /// A directory of this machine.
    pub(crate) fn in_directory(directory: Directory, name: &str) -> Self {
        Self {
            directory: Some(directory.clone()),
            ..Self::new(Arc::new(directory), Path::default(), name, true)
        }
    }

    /// The repository's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its bytes are at hand.
    pub(crate) const fn is_near(&self) -> bool {
        self.near
    }

    /// Puts an object that nobody may have put before.
    pub(crate) async fn put_new(&self, path: &str, bytes: Bytes) -> Result<Put, Error> {
        for _ in 0..CONTENDED_TRIES {
            let (at, options) = (self.at(path), PutOptions::from(PutMode::Create));
            let put = self.store.put_opts(&at, PutPayload::from_bytes(bytes.clone()), options);
            match self.in_time(put).await {
                Ok(_) => return Ok(Put::Made),
                Err(Failure::There) => match self.find(path).await? {
                    Some(there) if there == bytes => return Ok(Put::Made),
                    Some(_) => return Ok(Put::Exists),
                    // It was removed since, or several put it at once and none could.
                    None => {}
                },
                Err(failure) => return Err(self.failed(path, failure)),
            }
        }
        Err(self.failed(path, Failure::Contended))
    }

    /// Whether the store refuses to create what is there already.
    pub(crate) async fn creates_only(&self, path: &str, bytes: Bytes) -> Result<bool, Error> {
        if self.directory.is_some() {
            // It cannot do otherwise, and may be full: what is in it can be read all the same.
            return Ok(true);
        }
        let (at, options) = (self.at(path), PutOptions::from(PutMode::Create));
        let put = self.store.put_opts(&at, PutPayload::from_bytes(bytes), options);
        match self.in_time(put).await {
            Err(Failure::There) => Ok(true),
            Ok(_) => Ok(false),
            Err(failure) => Err(self.failed(path, failure)),
        }
    }

    /// Puts an object that nobody else can have put, because its name is new.
    pub(crate) async fn put_own(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        match self.put_new(path, bytes).await? {
            Put::Made => Ok(()),
            Put::Exists => Err(Error::corrupt(path, "another object has its name")),
        }
    }

    /// Puts an object in the place of whatever is there.
    pub(crate) async fn put_over(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        let at = self.at(path);
        let put = self.store.put(&at, PutPayload::from_bytes(bytes));
        self.in_time(put)
            .await
            .map(drop)
            .map_err(|failure| self.failed(path, failure))
    }

    /// A whole object.
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, Error> {
        let at = self.at(path);
        let get = async { self.store.get(&at).await?.bytes().await };
        self.in_time(get).await.map_err(|failure| self.failed(path, failure))
    }

    /// A whole object, or none.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Bytes>, Error> {
        match self.get(path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A part of an object, which has to have it all.
    pub(crate) async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let wanted = range.end.saturating_sub(range.start);
        let at = self.at(path);
        let bytes = self.in_time(self.store.get_range(&at, range)).await;
        let bytes = bytes.map_err(|failure| self.failed(path, failure))?;
        if u64::try_from(bytes.len()).ok() == Some(wanted) {
            Ok(bytes)
        } else {
            Err(Error::corrupt(path, "it is shorter than it was"))
        }
    }

    /// How big an object is.
    pub(crate) async fn size(&self, path: &str) -> Result<u64, Error> {
        let at = self.at(path);
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let asked = async { Ok(self.store.get_opts(&at, options).await?.meta.size) };
        self.in_time(asked).await.map_err(|failure| self.failed(path, failure))
    }

    /// Every object below a prefix, which is whole names between slashes, in order of path.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        let at = self.at(prefix);
        let list = self.store.list(Some(&at)).try_collect::<Vec<_>>();
        let found = self
            .in_time(list)
            .await
            .map_err(|failure| self.failed(prefix, failure))?;
        let mut listed: Vec<Listed> = found.iter().filter_map(|meta| self.listed(meta)).collect();
        listed.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(listed)
    }

    /// Removes an object. One that is not there counts as removed.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Error> {
        match self.remove(path).await? {
            Removal::Gone => Ok(()),
            Removal::Held(reason) => Err(self.failed(path, Failure::Denied(reason))),
        }
    }

    /// The same; says so where the store answers that it holds the object.
    pub(crate) async fn remove(&self, path: &str) -> Result<Removal, Error> {
        let at = self.at(path);
        match self.in_time(self.store.delete(&at)).await {
            Ok(()) | Err(Failure::Gone) => Ok(Removal::Gone),
            Err(Failure::Denied(reason)) => Ok(Removal::Held(reason)),
            Err(Failure::There) => Ok(Removal::Held(format!("{path} is held"))),
            Err(failure) => Err(self.failed(path, failure)),
        }
    }

    fn at(&self, path: &str) -> Path {
        path.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.root.clone(), Path::join)
    }

    fn listed(&self, meta: &object_store::ObjectMeta) -> Option<Listed> {
        let parts: Vec<_> = meta.location.prefix_match(&self.root)?.collect();
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        Some(Listed {
            path: parts.join("/"),
            bytes: meta.size,
            modified_unix_ms: meta.last_modified.timestamp_millis(),
        })
    }

    /// Has what was done below a prefix last, whoever did it: what is there, and what is not. A store that is no directory
    /// answers only when it does.
    pub(crate) async fn settle(&self, prefix: &str) -> Result<(), Error> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let settled = self.in_time(directory.settle(&self.at(prefix))).await;
        settled.map_err(|failure| self.failed(prefix, failure))
    }

    /// Removes what writers left half done that are gone; what was written to since then stays. Only a directory shows
    /// anything half done.
    pub(crate) async fn sweep(&self, since_unix_ms: i64) -> Result<Swept, Error> {
        let Some(directory) = &self.directory else {
            return Ok(Swept::default());
        };
        let swept = self.in_time(directory.sweep(since_unix_ms)).await;
        swept.map_err(|failure| self.failed("", failure))
    }

    async fn in_time<T>(&self, request: impl Future<Output = object_store::Result<T>>) -> Result<T, Failure> {
        match tokio::time::timeout(REQUEST_WITHIN, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(object_store::Error::NotFound { .. })) => Err(Failure::Gone),
            Ok(Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. })) => {
                Err(Failure::There)
            }
            Ok(Err(error @ object_store::Error::PermissionDenied { .. })) => Err(Failure::Denied(told(&error))),
            Ok(Err(error)) => Err(Failure::Other(told(&error))),
            Err(_) => Err(Failure::Other(format!("no answer within {REQUEST_WITHIN:?}"))),
        }
    }

    fn failed(&self, path: &str, failure: Failure) -> Error {
        let repository = self.name.to_string();
        match failure {
            Failure::Gone => Error::Missing {
                repository,
                path: path.to_owned(),
            },
            Failure::There => Error::Store {
                repository,
                reason: format!("{path} is there already"),
            },
            Failure::Contended => Error::Store {
                repository,
                reason: format!("{path} was put by several at once, and is not there"),
            },
            Failure::Denied(reason) | Failure::Other(reason) => Error::Store { repository, reason },
        }
    }
}

enum Failure {
    Gone,
    There,
    /// Others put the same at the same time, and nothing came of it.
    Contended,
    Denied(String),
    Other(String),
}

/// An error with its causes, in one line.
fn told(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text.replace('\n', " ")
}
