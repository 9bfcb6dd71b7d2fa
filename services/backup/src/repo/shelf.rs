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

/// How long one request may take, repetitions by the store's client included.
const REQUEST_WITHIN: Duration = Duration::from_secs(120);

/// A store, and the part of it that belongs to one repository. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shelf {
    store: Arc<dyn ObjectStore>,
    root: Path,
    /// The repository's name, for errors.
    name: Arc<str>,
    near: bool,
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
        let (at, options) = (self.at(path), PutOptions::from(PutMode::Create));
        let put = self.store.put_opts(&at, PutPayload::from_bytes(bytes.clone()), options);
        match self.in_time(put).await {
            Ok(_) => Ok(Put::Made),
            Err(Failure::There) if self.holds(path, &bytes).await? => Ok(Put::Made),
            Err(Failure::There) => Ok(Put::Exists),
            Err(failure) => Err(self.failed(path, failure)),
        }
    }

    /// Whether the store refuses to create what is there already.
    pub(crate) async fn creates_only(&self, path: &str, bytes: Bytes) -> Result<bool, Error> {
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
        let at = self.at(path);
        match self.in_time(self.store.delete(&at)).await {
            Ok(()) | Err(Failure::Gone) => Ok(()),
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

    async fn holds(&self, path: &str, bytes: &Bytes) -> Result<bool, Error> {
        Ok(self.find(path).await?.as_ref() == Some(bytes))
    }

    async fn in_time<T>(&self, request: impl Future<Output = object_store::Result<T>>) -> Result<T, Failure> {
        match tokio::time::timeout(REQUEST_WITHIN, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(object_store::Error::NotFound { .. })) => Err(Failure::Gone),
            Ok(Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. })) => {
                Err(Failure::There)
            }
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
            Failure::Other(reason) => Error::Store { repository, reason },
        }
    }
}

enum Failure {
    Gone,
    There,
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
