//! A store that stops answering, or fails, when a test says so.

use std::fmt;
use std::ops::Range;
use std::path::Path as FilePath;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::watch;

use crate::repo::directory::Directory;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    /// What is put is never answered.
    Stalls,
    /// Nothing can be put.
    Fails,
    /// What is put is there, and the answer says that it failed.
    LosesAnswers,
}

/// A directory behind a mood.
#[derive(Debug)]
pub(super) struct Moody {
    store: Directory,
    mood: watch::Sender<Mood>,
}

impl Moody {
    pub(super) fn new(dir: &FilePath) -> Self {
        Self {
            store: Directory::of(dir).unwrap(),
            mood: watch::Sender::new(Mood::Well),
        }
    }

    pub(super) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    async fn may_put(&self) -> Result<bool> {
        let mut mood = self.mood.subscribe();
        let now = *mood.wait_for(|mood| *mood != Mood::Stalls).await.unwrap();
        match now {
            Mood::Fails => Err(failed()),
            now => Ok(now != Mood::LosesAnswers),
        }
    }
}

fn failed() -> object_store::Error {
    object_store::Error::Generic {
        store: "moody",
        source: "it fails because the test says so".into(),
    }
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moody")
    }
}

impl ObjectStore for Moody {
    fn put_opts<'s, 'l, 'f>(
        &'s self,
        location: &'l Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Answer<'f, PutResult>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let answers = self.may_put().await?;
            let put = self.store.put_opts(location, payload, opts).await;
            if answers { put } else { put.and(Err(failed())) }
        })
    }

    fn put_multipart_opts<'s, 'l, 'f>(
        &'s self,
        location: &'l Path,
        opts: PutMultipartOptions,
    ) -> Answer<'f, Box<dyn MultipartUpload>>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        self.store.put_multipart_opts(location, opts)
    }

    fn get_opts<'s, 'l, 'f>(&'s self, location: &'l Path, options: GetOptions) -> Answer<'f, GetResult>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        self.store.get_opts(location, options)
    }

    fn get_ranges<'s, 'l, 'r, 'f>(&'s self, location: &'l Path, ranges: &'r [Range<u64>]) -> Answer<'f, Vec<Bytes>>
    where
        's: 'f,
        'l: 'f,
        'r: 'f,
        Self: 'f,
    {
        self.store.get_ranges(location, ranges)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    fn list_with_delimiter<'s, 'p, 'f>(&'s self, prefix: Option<&'p Path>) -> Answer<'f, ListResult>
    where
        's: 'f,
        'p: 'f,
        Self: 'f,
    {
        self.store.list_with_delimiter(prefix)
    }

    fn copy_opts<'s, 'a, 'b, 'f>(&'s self, from: &'a Path, to: &'b Path, options: CopyOptions) -> Answer<'f, ()>
    where
        's: 'f,
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        self.store.copy_opts(from, to, options)
    }
}
