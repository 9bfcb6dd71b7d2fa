//! Whether a service can do its work now, and if not, what it waits for.
//!
//! Ready means that every dependency is up. A dependency starts as "starting", so a service that forgets to report
//! is never ready by accident.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use weir_model::Clock;

/// The state of one dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyState {
    /// Not reached yet since the start.
    Starting,
    /// Usable.
    Up,
    /// Not usable; the reason says why.
    Down,
}

impl DependencyState {
    /// The state as one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// One dependency as `/readyz` shows it.
#[derive(Debug, Clone)]
pub struct DependencyReport {
    /// Its name, such as `store`.
    pub name: &'static str,
    /// Its state.
    pub state: DependencyState,
    /// Why it is not up.
    pub reason: String,
    /// Since when it is in this state, in milliseconds since 1970.
    pub since_unix_ms: i64,
    /// Whether the service can work without it. Then it is shown, but does not decide.
    pub optional: bool,
    was_up: bool,
}

/// The whole state at one moment.
#[derive(Debug, Clone)]
pub struct Report {
    /// Every needed dependency is up and no shutdown has begun.
    pub ready: bool,
    /// Every needed dependency has been up once.
    pub started: bool,
    /// A shutdown has begun.
    pub stopping: bool,
    /// Each dependency.
    pub dependencies: Vec<DependencyReport>,
}

impl Report {
    /// The body of `/readyz`.
    pub fn to_json(&self) -> serde_json::Value {
        let dependencies = self.dependencies.iter().map(|item| {
            json!({
                "name": item.name,
                "state": item.state.as_str(),
                "reason": item.reason,
                "since_unix_ms": item.since_unix_ms,
                "optional": item.optional,
            })
        });
        json!({
            "ready": self.ready,
            "stopping": self.stopping,
            "version": env!("CARGO_PKG_VERSION"),
            "descriptors_max": rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            "dependencies": dependencies.collect::<Vec<_>>(),
        })
    }
}

#[derive(Debug)]
struct State {
    stopping: bool,
    dependencies: Vec<DependencyReport>,
}

/// What a service waits for. Cheap to clone; clones agree.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<Mutex<State>>,
    ready: Arc<watch::Sender<bool>>,
    clock: Clock,
}

impl Readiness {
    /// A service that waits for nothing yet.
    pub fn new(clock: Clock) -> Self {
        let state = State {
            stopping: false,
            dependencies: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            ready: Arc::new(watch::Sender::new(true)),
            clock,
        }
    }

    /// Adds something the service cannot work without.
    pub fn needs(&self, name: &'static str) -> Dependency {
        self.add(name, false)
    }

    /// Adds something the service can do without for a while; its absence is shown.
    pub fn uses(&self, name: &'static str) -> Dependency {
        self.add(name, true)
    }

    fn add(&self, name: &'static str, optional: bool) -> Dependency {
        let since_unix_ms = self.clock.unix_ms();
        let (state, reason) = (DependencyState::Starting, "not reached yet".to_owned());
        let report = DependencyReport {
            name,
            state,
            reason,
            since_unix_ms,
            optional,
            was_up: false,
        };
        let mut guard = self.lock();
        guard.dependencies.push(report);
        let index = guard.dependencies.len() - 1;
        drop(guard);
        self.announce();
        Dependency {
            readiness: self.clone(),
            index,
        }
    }

    /// From now on not ready, whatever the dependencies say: the process is stopping.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.announce();
    }

    /// The state now.
    pub fn report(&self) -> Report {
        let state = self.lock();
        let needed = || state.dependencies.iter().filter(|item| !item.optional);
        Report {
            ready: !state.stopping && needed().all(|item| item.state == DependencyState::Up),
            started: needed().all(|item| item.was_up),
            stopping: state.stopping,
            dependencies: state.dependencies.clone(),
        }
    }

    /// Follows whether the service is ready.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    fn announce(&self) {
        let ready = self.report().ready;
        self.ready
            .send_if_modified(|last| std::mem::replace(last, ready) != ready);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle by which the owner of a dependency reports its state.
#[derive(Debug, Clone)]
pub struct Dependency {
    readiness: Readiness,
    index: usize,
}

impl Dependency {
    /// It is usable.
    pub fn up(&self) {
        self.set(DependencyState::Up, "");
    }

    /// It is not usable, and why. Before the first `up` it still counts as starting, with the reason shown.
    pub fn down(&self, reason: impl AsRef<str>) {
        self.set(DependencyState::Down, reason.as_ref());
    }

    /// Up or down, by the outcome of a check.
    pub fn report<T, E: std::fmt::Display>(&self, checked: Result<T, E>) {
        match checked {
            Ok(_) => self.up(),
            Err(error) => self.down(error.to_string()),
        }
    }

    /// Follows a state that somebody else watches, until told to stop or until nobody watches it any more.
    pub async fn follow<T>(
        self,
        mut states: watch::Receiver<T>,
        check: impl Fn(&T) -> Result<(), String>,
        stop: CancellationToken,
    ) {
        loop {
            self.report(check(&states.borrow_and_update()));
            if !matches!(stop.run_until_cancelled(states.changed()).await, Some(Ok(()))) {
                return;
            }
        }
    }

    fn set(&self, state: DependencyState, reason: &str) {
        let now = self.readiness.clock.unix_ms();
        let mut guard = self.readiness.lock();
        let Some(item) = guard.dependencies.get_mut(self.index) else {
            return;
        };
        let state = if state == DependencyState::Down && !item.was_up {
            DependencyState::Starting
        } else {
            state
        };
        let changed = item.state != state;
        reason.clone_into(&mut item.reason);
        item.was_up |= state == DependencyState::Up;
        if changed {
            item.state = state;
            item.since_unix_ms = now;
        }
        let name = item.name;
        drop(guard);
        if changed {
            tracing::info!(dependency = name, state = state.as_str(), reason, "dependency changed");
        }
        self.readiness.announce();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_every_need_is_up_and_nothing_stops() {
        let readiness = Readiness::new(Clock::system());
        let (store, bus) = (readiness.needs("store"), readiness.uses("bus"));
        assert!(
            !readiness.report().ready,
            "a dependency that never reported counted as up"
        );
        store.up();
        assert!(readiness.report().ready, "an optional dependency decided");
        bus.down("connection refused");
        assert!(readiness.report().ready);
        store.down("gone");
        let report = readiness.report();
        assert!(!report.ready && report.started);
        store.up();
        readiness.stop();
        assert!(!readiness.report().ready);
    }

    #[test]
    fn watchers_see_each_change_once() {
        let readiness = Readiness::new(Clock::system());
        let mut watch = readiness.watch();
        let store = readiness.needs("store");
        assert!(!*watch.borrow_and_update());
        store.down("still away");
        assert!(!watch.has_changed().unwrap());
        store.up();
        assert!(watch.has_changed().unwrap() && *watch.borrow_and_update());
    }
}
