//! One connection's worth of work for the mirror: takes a transaction, has it done, and compares.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_runtime::TaskResult;
use weir_sql::Kind;

use super::shadow::{Broken, Fate, Shadow};
use super::transaction::{Answer, OK, Request, Transaction};
use super::{Loss, Mirror};

pub(super) async fn run(mirror: Arc<Mirror>, stop: CancellationToken) -> TaskResult {
    let mut shadow = None;
    while !stop.is_cancelled() {
        tokio::select! {
            () = Box::pin(work(&mirror, &mut shadow)) => {}
            () = stop.cancelled() => {}
        }
    }
    for _ in mirror.queue.clear() {
        mirror.dropped(Loss::Stopped);
    }
    if let Some(shadow) = shadow {
        shadow.close().await;
    }
    Ok(())
}

/// Waits for one transaction and does it; a connection that nobody needs for a while is closed.
async fn work(mirror: &Mirror, shadow: &mut Option<Box<Shadow>>) {
    let idle_timeout = mirror.common.live().idle_timeout;
    let next = mirror.queue.next();
    let (turn, transaction) = if shadow.is_some() {
        match tokio::time::timeout(idle_timeout, next).await {
            Ok(next) => next,
            Err(_) => return close(shadow.take()).await,
        }
    } else {
        next.await
    };
    let waited = transaction.ended_at.elapsed();
    mirror
        .common
        .metrics
        .mirror_wait_seconds
        .with([])
        .observe(waited.as_secs_f64());
    let counted = Counted::new(mirror);
    match find(mirror, shadow).await {
        Some(found) => counted.done(done(mirror, found, &transaction).await, shadow).await,
        None => counted.lost(Loss::Away),
    }
    drop(turn);
}

async fn close(shadow: Option<Box<Shadow>>) {
    if let Some(shadow) = shadow {
        shadow.close().await;
    }
}

/// A connection that can be used; none where the mirror cannot be reached.
async fn find<'s>(mirror: &Mirror, shadow: &'s mut Option<Box<Shadow>>) -> Option<&'s mut Shadow> {
    let settings = mirror.common.live();
    if shadow.as_mut().is_some_and(|shadow| !shadow.is_fit(&settings)) {
        close(shadow.take()).await;
    }
    if shadow.is_none() {
        let baseline = mirror.common.profiles.baseline();
        match Shadow::open(&mirror.target, &settings, baseline).await {
            Ok(opened) => {
                mirror.succeeded();
                *shadow = Some(Box::new(opened));
            }
            Err(error) => mirror.failed(&error),
        }
    }
    shadow.as_deref_mut()
}

async fn done(mirror: &Mirror, shadow: &mut Shadow, transaction: &Transaction) -> Result<Fate, Broken> {
    let tell = |request: &Request, answer: Answer| compare(mirror, request, answer);
    shadow.run(transaction, &tell).await
}

/// Counts how the two answers to a request compare.
fn compare(mirror: &Mirror, request: &Request, answer: Answer) {
    let Some(kind) = request.kind else { return };
    let (metrics, server) = (&mirror.common.metrics, request.answer);
    let outcome = if server.sqlstate != answer.sqlstate {
        "other"
    } else if server.rows != answer.rows {
        "rows"
    } else {
        "same"
    };
    metrics.mirror_requests.with([outcome]).inc();
    if server.sqlstate != OK || answer.sqlstate != OK {
        let codes = [server.sqlstate, answer.sqlstate].map(code);
        metrics.mirror_errors.with([&codes[0], &codes[1]]).inc();
    }
    if server.sqlstate == answer.sqlstate {
        observe(mirror, kind, "server", server);
        observe(mirror, kind, "mirror", answer);
    }
}

fn observe(mirror: &Mirror, kind: Kind, by: &str, answer: Answer) {
    let durations = &mirror.common.metrics.mirror_duration_seconds;
    durations.with([by, kind.as_str()]).observe(answer.took.as_secs_f64());
}

fn code(sqlstate: [u8; 5]) -> String {
    if sqlstate == OK {
        return "ok".to_owned();
    }
    String::from_utf8_lossy(&sqlstate).into_owned()
}

/// A transaction that is counted once, also if the gateway stops in the middle of it.
struct Counted<'m> {
    mirror: &'m Mirror,
    is_counted: bool,
}

impl<'m> Counted<'m> {
    const fn new(mirror: &'m Mirror) -> Self {
        Self {
            mirror,
            is_counted: false,
        }
    }

    fn lost(mut self, why: Loss) {
        self.is_counted = true;
        self.mirror.dropped(why);
    }

    async fn done(mut self, fate: Result<Fate, Broken>, shadow: &mut Option<Box<Shadow>>) {
        match fate {
            Ok(Fate::Ran) => {
                self.is_counted = true;
                self.mirror.counts.ran.inc();
            }
            Ok(Fate::Settings) => self.lost(Loss::Settings),
            Ok(Fate::Diverged | Fate::Outdated) => self.lost(Loss::Diverged),
            Err(error) => {
                tracing::debug!(error = %error, "a connection to the mirror was lost");
                self.lost(Loss::Lost);
                close(shadow.take()).await;
            }
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.is_counted {
            self.mirror.dropped(Loss::Stopped);
        }
    }
}
