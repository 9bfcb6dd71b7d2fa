//! The firewall: which statements are let through, what of them is told, and which shapes each user is known to send.
//!
//! A statement is judged where it comes in, from what is remembered of it anyway; nobody waits for the store or the bus.
//! What is learned is kept in the store by a task of its own, and what is told leaves by another.

mod changes;
mod desk;
mod keeper;
mod list;
mod modes;
mod repeats;
mod scope;
mod signs;
mod telling;
mod verdict;
mod windows;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::mpsc;
use tokio::time::Instant;
use weir_model::Clock;
use weir_proto::common::v1::Severity;
use weir_proto::events::v1::Door;
use weir_sql::Statement;

use crate::metrics::Metrics;
use crate::settings::FirewallMode;
use crate::tap::Outcome;

pub(crate) use changes::Which;
use desk::Desk;
pub(crate) use keeper::start as keep;
pub(crate) use list::{Shape, Standing};
pub(crate) use modes::{ModeSet, Whom};
pub(crate) use scope::{Scope, ScopeKey};
pub(crate) use signs::{call_text, function_call};
pub(crate) use telling::{Violation, start as tell};
use verdict::Verdict;
pub(crate) use verdict::{Action, Terms};
use windows::Tallies;

/// Scopes of which there is a list; further ones have none, and what is in them is judged by its looks alone.
const SCOPES_MAX: usize = 1_000;
/// Violations that wait to be told.
const WAITING_MAX: usize = 1_024;
/// Clients whose refused log-ins are counted.
const CLIENTS_MAX: usize = 4_096;
/// So many refused log-ins of one client within a minute are told of,
const LOGINS_MAX: u32 = 10;
/// and so many cancel requests that name no session.
const CANCELS_MAX: u32 = 20;

/// The firewall of this process.
#[derive(Debug)]
pub(crate) struct Guard {
    scopes: RwLock<HashMap<ScopeKey, Arc<Scope>>>,
    modes: Mutex<Vec<ModeSet>>,
    in_all: Arc<AtomicUsize>,
    line: mpsc::Sender<Violation>,
    strangers: Mutex<Strangers>,
    metrics: Arc<Metrics>,
    clock: Clock,
    since_ms: i64,
    /// What has to be written, and whether anybody does that.
    desk: Desk,
}

/// What is counted of those who are not in.
#[derive(Debug)]
struct Strangers {
    logins: Tallies<Box<str>>,
    cancels: Tallies<Box<str>>,
}

impl Guard {
    /// A firewall that knows nothing yet, and what it has to tell.
    pub(crate) fn new(metrics: Arc<Metrics>, clock: Clock) -> (Arc<Self>, mpsc::Receiver<Violation>) {
        let (line, told) = mpsc::channel(WAITING_MAX);
        let guard = Self {
            scopes: RwLock::default(),
            modes: Mutex::default(),
            in_all: Arc::default(),
            line,
            strangers: Mutex::new(Strangers {
                logins: Tallies::new(CLIENTS_MAX),
                cancels: Tallies::new(CLIENTS_MAX),
            }),
            metrics,
            since_ms: clock.unix_ms(),
            clock,
            desk: Desk::new(),
        };
        (Arc::new(guard), told)
    }

    /// When it began to count.
    pub(crate) const fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// The present time.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.unix_ms()
    }

    /// What has to be written, and whether anybody does that.
    pub(crate) const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The scope of a caller. Of too many, those that come last have a list that nobody keeps.
    pub(crate) fn scope(&self, key: &ScopeKey) -> Arc<Scope> {
        let known = self
            .scopes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned();
        known.unwrap_or_else(|| self.new_scope(key))
    }

    fn new_scope(&self, key: &ScopeKey) -> Arc<Scope> {
        let mut scopes = self.scopes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = scopes.get(key) {
            return known.clone();
        }
        let scope = Arc::new(Scope::new(key.clone(), self.in_all.clone()));
        scope.set_mode(modes::deciding(&*self.modes(), key).map(|set| set.mode));
        if scopes.len() < SCOPES_MAX {
            scopes.insert(key.clone(), scope.clone());
        }
        scope
    }

    /// All scopes, in order.
    pub(crate) fn scopes(&self) -> Vec<Arc<Scope>> {
        let scopes = self.scopes.read().unwrap_or_else(PoisonError::into_inner);
        let mut scopes: Vec<_> = scopes.values().cloned().collect();
        scopes.sort_by(|one, other| one.key.cmp(&other.key));
        scopes
    }

    fn modes(&self) -> MutexGuard<'_, Vec<ModeSet>> {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The modes that were set by calls.
    pub(crate) fn modes_set(&self) -> Vec<ModeSet> {
        self.modes().clone()
    }

    /// Sets a mode for some, or takes back what was set for exactly them.
    pub(crate) fn set_mode(&self, whom: Whom, mode: Option<FirewallMode>, by: &str) {
        let now_ms = self.now_ms();
        let mut modes = self.modes_set();
        modes.retain(|set| set.whom != whom);
        let set = mode.map(|mode| ModeSet {
            whom: whom.clone(),
            mode,
            by: by.to_owned(),
            at_ms: now_ms,
        });
        modes.extend(set.clone());
        self.desk.mode(whom, set);
        self.become_modes(modes);
    }

    /// These modes are set from now on.
    fn become_modes(&self, mut modes: Vec<ModeSet>) {
        modes.sort_by(|one, other| one.whom.cmp(&other.whom));
        *self.modes() = modes.clone();
        for scope in self.scopes() {
            let deciding = modes::deciding(&modes, &scope.key);
            let mode = deciding.map(|set| set.mode);
            let is_anew = deciding.is_some_and(|set| set.at_ms > scope.relaxed_ms());
            if scope.mode_set() != mode || is_anew {
                scope.set_mode(mode);
                scope.tries_again();
            }
        }
    }

    /// Sets the gauges that mirror the lists.
    pub(crate) fn show(&self) {
        let scopes = self.scopes();
        for (word, standing) in [
            ("learned", Standing::Learned),
            ("approved", Standing::Approved),
            ("queued", Standing::Queued),
        ] {
            let shapes: usize = scopes.iter().map(|scope| scope.list.len(standing)).sum();
            self.metrics.firewall_shapes.with([word]).set(shapes as f64);
        }
        let overflowed: u64 = scopes
            .iter()
            .map(|scope| scope.list.overflowed.load(Ordering::Relaxed))
            .sum();
        self.metrics.firewall_overflowed.with([]).set(overflowed as f64);
    }

    /// Counts a violation, and has it told.
    pub(crate) fn violated(&self, violation: Violation) {
        let action = violation.action_word();
        self.metrics.security_violations.with([violation.rule, action]).inc();
        if self.line.try_send(violation).is_err() {
            self.metrics.security_events.with(["lost"]).inc();
        }
    }

    /// Somebody was not let in.
    pub(crate) fn login_failed(&self, who: Stranger<'_>) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = strangers.logins.count(who.client.into(), Instant::now());
        drop(strangers);
        if count >= LOGINS_MAX {
            let words = "a client was refused ten times within a minute, or more often";
            self.violated(who.violation(signs::LOGIN_FAILURES, words, Severity::Warning));
        }
    }

    /// Somebody asked for a project that is not its own.
    pub(crate) fn project_refused(&self, who: Stranger<'_>) {
        let words = "a client chose a project that is not its own";
        self.violated(who.violation(signs::PROJECT_NOT_ALLOWED, words, Severity::Warning));
    }

    /// Somebody wanted a statement cancelled, and named no session.
    pub(crate) fn cancel_failed(&self, who: Stranger<'_>) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = strangers.cancels.count(who.client.into(), Instant::now());
        drop(strangers);
        if count >= CANCELS_MAX {
            let words = "a client sent twenty cancel requests within a minute that name no session, or more";
            self.violated(who.violation(signs::CANCEL_GUESSING, words, Severity::Warning));
        }
    }
}

/// Somebody who is not in, or not as he wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stranger<'s> {
    pub(crate) project: &'s weir_model::Project,
    pub(crate) database: &'s str,
    pub(crate) user: &'s str,
    pub(crate) application: &'s str,
    /// The address, without a port.
    pub(crate) client: &'s str,
    pub(crate) door: Door,
}

impl Stranger<'_> {
    fn violation(&self, rule: &'static str, words: &'static str, severity: Severity) -> Violation {
        Violation {
            rule,
            rules: Vec::new(),
            blocks: true,
            severity,
            score: 0,
            project: self.project.clone(),
            database: self.database.into(),
            user: self.user.into(),
            application: self.application.into(),
            upstream: "".into(),
            client: self.client.into(),
            door: self.door,
            fingerprint: None,
            summary: words,
            traceparent: "".into(),
        }
    }
}

/// A caller, as the firewall knows it.
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    guard: Arc<Guard>,
    scope: Arc<Scope>,
    /// The calling program and the server, as events name them.
    application: Arc<str>,
    upstream: Arc<str>,
    /// The address, without a port.
    client: Arc<str>,
    door: Door,
}

/// Why a statement is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocked {
    pub(crate) rule: &'static str,
    pub(crate) words: &'static str,
}

impl Guarded {
    pub(crate) fn new(
        guard: &Arc<Guard>,
        key: &ScopeKey,
        application: &str,
        upstream: &str,
        client: &str,
        door: Door,
    ) -> Self {
        Self {
            guard: guard.clone(),
            scope: guard.scope(key),
            application: application.into(),
            upstream: upstream.into(),
            client: client.into(),
            door,
        }
    }

    /// Whether a statement may be refused.
    pub(crate) fn enforces(&self, terms: Terms) -> bool {
        self.scope.mode(terms) == FirewallMode::Enforce
    }

    /// The server says whether the role is a superuser.
    pub(crate) fn hears(&self, is_superuser: Option<&str>) {
        if let Some(said) = is_superuser {
            self.scope.is_superuser(said == "on");
        }
    }

    /// Whether a statement may run. One that may not is counted and told of.
    pub(crate) fn check(&self, terms: Terms, statement: &Statement, trace: Option<&str>) -> Result<(), Blocked> {
        let mode = self.scope.mode(terms);
        if mode != FirewallMode::Enforce {
            return Ok(());
        }
        if self.scope.is_to_warn() {
            self.warn_of_empty_list();
        }
        let verdict = self.scope.judge(terms, statement, mode);
        if verdict.action != Action::Block {
            return Ok(());
        }
        self.blocks(statement, verdict, trace);
        Err(Blocked {
            rule: verdict.rule,
            words: verdict.words,
        })
    }

    fn blocks(&self, statement: &Statement, verdict: Verdict, trace: Option<&str>) {
        let (guard, now_ms) = (&self.guard, self.guard.now_ms());
        self.scope.figures.statements.fetch_add(1, Ordering::Relaxed);
        self.scope.figures.would_block.fetch_add(1, Ordering::Relaxed);
        self.scope.counts(Action::Block, now_ms);
        if statement.parsed && self.scope.list.count(statement).is_none() {
            // It waits there for a person, who may know it.
            self.scope.list.sight(statement, Standing::Queued, now_ms);
            guard.desk.needs_store();
        }
        guard.violated(self.violation(Some(statement), verdict, trace));
        if verdict.is_for_the_list && self.scope.doubts_list(Instant::now(), now_ms) {
            self.give_up_list();
        }
    }

    /// Tells of a statement that runs, where that is called for. True: it was.
    pub(crate) fn passes(&self, terms: Terms, statement: &Statement, trace: Option<&str>) -> bool {
        if statement.risk.is_none() {
            return false;
        }
        let mode = self.scope.mode(terms);
        let verdict = self.scope.judge(terms, statement, mode);
        if verdict.action != Action::Report {
            return false;
        }
        self.scope.counts(Action::Report, self.guard.now_ms());
        self.guard.violated(self.violation(Some(statement), verdict, trace));
        true
    }

    /// A statement ended, which was told of or not. What was refused is counted already.
    pub(crate) fn ended(&self, terms: Terms, statement: &Statement, end: End<'_>) {
        self.scope.entered(terms);
        let mode = self.scope.mode(terms);
        if mode == FirewallMode::Off || end.outcome == Outcome::Refused {
            return;
        }
        if !end.is_told {
            self.passes(terms, statement, end.trace);
        }
        let (now, now_ms) = (Instant::now(), self.guard.now_ms());
        let is_well = end.outcome == Outcome::Ok;
        self.scope.ended(terms, statement, &self.client, is_well, (now, now_ms));
        if mode != FirewallMode::Monitor {
            self.guard.desk.needs_store();
        }
        if signs::is_probe(end.sqlstate) && self.scope.failed(&self.client, statement, now) {
            self.tells_of_probe(now_ms);
        }
    }

    fn tells_of_probe(&self, now_ms: i64) {
        let verdict = Verdict {
            action: Action::Report,
            rule: signs::ERROR_PROBING,
            words: "statements of a client failed in five different ways within a minute, as those of one who looks for a hole",
            severity: Severity::Info,
            is_for_the_list: false,
        };
        self.scope.counts(Action::Report, now_ms);
        self.guard.violated(self.violation(None, verdict, None));
    }

    fn give_up_list(&self) {
        let verdict = Verdict {
            action: Action::Report,
            rule: signs::BLOCK_RATE,
            words: "more than one of a hundred statements was not on the list; what is not on it is let through again, until the mode is set anew",
            severity: Severity::Critical,
            is_for_the_list: false,
        };
        self.guard.violated(self.violation(None, verdict, None));
    }

    fn warn_of_empty_list(&self) {
        let ScopeKey {
            project,
            database,
            user,
        } = &self.scope.key;
        tracing::warn!(
            project = %project, db.name = %database, db.user = %user,
            "the firewall is to enforce a list that is empty: what is not on it is let through until it knows something"
        );
    }

    fn violation(&self, statement: Option<&Statement>, verdict: Verdict, trace: Option<&str>) -> Violation {
        let risk = statement.and_then(|statement| statement.risk.as_deref());
        let ScopeKey {
            project,
            database,
            user,
        } = &self.scope.key;
        Violation {
            rule: verdict.rule,
            rules: risk.map_or_else(Vec::new, |risk| risk.signs.iter().map(|sign| sign.rule).collect()),
            blocks: verdict.action == Action::Block,
            severity: verdict.severity,
            score: risk.map_or(0, |risk| risk.score),
            project: project.clone(),
            database: database.as_str().into(),
            user: user.as_str().into(),
            application: self.application.clone(),
            upstream: self.upstream.clone(),
            client: self.client.clone(),
            door: self.door,
            fingerprint: statement.map(|statement| statement.fingerprint.get()),
            summary: verdict.words,
            traceparent: trace.unwrap_or_default().into(),
        }
    }
}

/// How a statement ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'e> {
    pub(crate) outcome: Outcome,
    /// Empty where it succeeded.
    pub(crate) sqlstate: &'e str,
    /// Whether it was told of already.
    pub(crate) is_told: bool,
    pub(crate) trace: Option<&'e str>,
}
