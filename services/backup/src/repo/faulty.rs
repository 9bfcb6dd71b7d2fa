//! A store that fails as stores do: a request that is refused, one whose answer is lost, one that never ends, a process
//! that is gone between two requests, a store that overwrites what it was told to create only.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::Shelf;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused, and nothing was done.
    Fails,
    /// It is done, and the answer is lost.
    Lost,
    /// It never ends.
    Stalls,
    /// It and all after it are refused: whoever asks is gone.
    Crash,
    /// It is done, its answer is lost, and whoever asks is gone.
    LostAndCrash,
    /// The process that asks is killed before it.
    Killed,
    /// The process that asks is killed when it is done.
    DoneAndKilled,
}

/// A store in front of another. Cheap to clone; clones fail together.
#[derive(Clone)]
pub(crate) struct Faulty(Arc<Inner>);

struct Inner {
    store: Arc<dyn ObjectStore>,
    calls: AtomicU64,
    faults: Mutex<Vec<(u64, Fault)>>,
    /// One in so many requests fails somehow; 0: none.
    one_in: AtomicU64,
    random: Mutex<fastrand::Rng>,
    gone: AtomicBool,
    overwrites: AtomicBool,
    holds: AtomicBool,
    yields: AtomicBool,
}

impl Faulty {
    /// Nothing fails yet.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, seed: u64) -> Self {
        Self(Arc::new(Inner {
            store,
            calls: AtomicU64::new(0),
            faults: Mutex::default(),
            one_in: AtomicU64::new(0),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            gone: AtomicBool::new(false),
            overwrites: AtomicBool::new(false),
            holds: AtomicBool::new(false),
            yields: AtomicBool::new(false),
        }))
    }

    /// The repository's part of it.
    pub(crate) fn shelf(&self, name: &str) -> Shelf {
        Shelf::new(Arc::new(self.clone()), Path::default(), name, true)
    }

    /// So many requests were made.
    pub(crate) fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// The request of this number, counted from now on, meets this.
    pub(crate) fn at(&self, number: u64, fault: Fault) {
        self.0.faults.lock().unwrap().push((self.calls() + number, fault));
    }

    /// One in so many requests is refused, or loses its answer.
    pub(crate) fn one_in(&self, requests: u64) {
        self.0.one_in.store(requests, Ordering::SeqCst);
    }

    /// Overwrites what it is told to create.
    pub(crate) fn overwrite(&self) {
        self.0.overwrites.store(true, Ordering::SeqCst);
    }

    /// Lets nothing go that is there, as a lock or a policy of the store's does.
    pub(crate) fn hold(&self, holds: bool) {
        self.0.holds.store(holds, Ordering::SeqCst);
    }

    /// Lets others go before each request, now and then.
    pub(crate) fn yielding(&self) {
        self.0.yields.store(true, Ordering::SeqCst);
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.one_in(0);
        self.0.faults.lock().unwrap().clear();
        self.0.gone.store(false, Ordering::SeqCst);
    }

    fn next(&self) -> Option<Fault> {
        if self.0.gone.load(Ordering::SeqCst) {
            return Some(Fault::Fails);
        }
        let number = self.0.calls.fetch_add(1, Ordering::SeqCst);
        let faults = self.0.faults.lock().unwrap();
        let planned = faults.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault);
        let one_in = self.0.one_in.load(Ordering::SeqCst);
        let mut random = self.0.random.lock().unwrap();
        let fault = planned.or_else(|| {
            let fails = one_in > 0 && random.u64(..one_in) == 0;
            fails.then(|| if random.bool() { Fault::Fails } else { Fault::Lost })
        });
        if matches!(fault, Some(Fault::Crash | Fault::LostAndCrash)) {
            self.0.gone.store(true, Ordering::SeqCst);
        }
        fault
    }

    async fn ask<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        let yields = match self.0.yields.load(Ordering::SeqCst) {
            true => self.0.random.lock().unwrap().usize(..4),
            false => 0,
        };
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        match self.next() {
            None => request.await,
            Some(Fault::Fails | Fault::Crash) => Err(refused()),
            Some(Fault::Lost | Fault::LostAndCrash) => {
                let _ = request.await;
                Err(refused())
            }
            Some(Fault::Stalls) => std::future::pending().await,
            Some(Fault::Killed) => killed().await,
            Some(Fault::DoneAndKilled) => {
                let _ = request.await;
                killed().await
            }
        }
    }
}

/// Ends this process as nothing can prepare for.
async fn killed<T>() -> T {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::future::pending().await
}

fn refused() -> object_store::Error {
    object_store::Error::Generic {
        store: "faulty",
        source: "it was refused, or its answer was lost".into(),
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.0.store)
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.0.store)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut opts: PutOptions) -> Result<PutResult> {
        if self.0.overwrites.load(Ordering::SeqCst) {
            opts.mode = PutMode::Overwrite;
        }
        self.ask(self.0.store.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.ask(self.0.store.put_multipart_opts(location, opts)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.ask(self.0.store.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let faulty = self.clone();
        let deleted = locations.then(move |location| {
            let faulty = faulty.clone();
            async move {
                let location = location?;
                if faulty.0.holds.load(Ordering::SeqCst) {
                    return Err(object_store::Error::PermissionDenied {
                        path: location.to_string(),
                        source: "it is locked".into(),
                    });
                }
                let one = futures_util::stream::iter([Ok(location.clone())]).boxed();
                let mut deleting = faulty.0.store.delete_stream(one);
                faulty
                    .ask(async { deleting.next().await.unwrap_or(Ok(location)) })
                    .await
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let faulty = self.clone();
        let prefix = prefix.cloned();
        let listed = async move {
            let listing = faulty.0.store.list(prefix.as_ref()).collect::<Vec<_>>();
            match faulty.ask(async { Ok(listing.await) }).await {
                Ok(listed) => listed,
                Err(error) => vec![Err(error)],
            }
        };
        futures_util::stream::once(listed)
            .flat_map(futures_util::stream::iter)
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.ask(self.0.store.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.ask(self.0.store.copy_opts(from, to, options)).await
    }
}

/// A store in memory, behind faults to come.
pub(crate) fn in_memory(seed: u64) -> Faulty {
    Faulty::new(Arc::new(object_store::memory::InMemory::new()), seed)
}

/// Another way to the same store, with faults of its own.
pub(crate) fn beside(other: &Faulty, seed: u64) -> Faulty {
    Faulty::new(Arc::clone(&other.0.store), seed)
}
