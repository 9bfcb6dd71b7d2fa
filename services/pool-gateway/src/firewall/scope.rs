//! One scope of the firewall: the list of a project, database and user, what was done with their statements, and what
//! holds for them beside the settings. Pure.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use weir_model::Project;
use weir_sql::Statement;

use super::list::{List, Standing};
use super::verdict::{Action, Facts, Known, Terms, Verdict, is_nothing, judge};
use super::windows::{Doubt, Hour, Probes};
use crate::settings::FirewallMode;

/// Whose statements.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ScopeKey {
    pub(crate) project: Project,
    pub(crate) database: String,
    pub(crate) user: String,
}

/// What is known of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Unknown = 0,
    Plain = 1,
    Superuser = 2,
}

/// What was done with statements since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) statements: AtomicU64,
    pub(crate) reported: AtomicU64,
    pub(crate) blocked: AtomicU64,
    pub(crate) would_block: AtomicU64,
    pub(crate) last_violation_ms: AtomicI64,
}

/// What was done in the last hour.
#[derive(Debug, Default)]
struct Lately {
    reported: Hour,
    blocked: Hour,
    doubt: Doubt,
    probes: Probes,
}

/// One scope.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) key: ScopeKey,
    pub(crate) list: List,
    pub(crate) figures: Figures,
    /// The mode that was set by a call, and one more; 0: none was.
    mode_set: AtomicU8,
    role: AtomicU8,
    /// What held for those who came last, and one more bit to tell that somebody did.
    terms: AtomicU32,
    /// When it was given up to refuse what is not on the list; 0: it was not.
    relaxed_ms: AtomicI64,
    /// Whether it was said that there is nothing on the list.
    warned: AtomicBool,
    lately: Mutex<Lately>,
}

/// Says that [`Scope::terms`] are somebody's.
const SOMEBODY: u32 = 1 << 31;

impl Scope {
    pub(crate) fn new(key: ScopeKey, in_all: Arc<AtomicUsize>) -> Self {
        Self {
            key,
            list: List::new(in_all),
            figures: Figures::default(),
            mode_set: AtomicU8::new(0),
            role: AtomicU8::new(Role::Unknown as u8),
            terms: AtomicU32::new(0),
            relaxed_ms: AtomicI64::new(0),
            warned: AtomicBool::new(false),
            lately: Mutex::default(),
        }
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is judged for whom the settings say this. What was given up is tried again when they have said otherwise.
    pub(crate) fn entered(&self, terms: Terms) {
        let packed = terms.packed() | SOMEBODY;
        if self.terms.load(Ordering::Relaxed) == packed {
            return;
        }
        self.terms.store(packed, Ordering::Relaxed);
        if self.mode(terms) != FirewallMode::Enforce {
            self.tries_again();
        }
    }

    /// What the settings said for those who came last.
    pub(crate) fn last_terms(&self) -> Option<Terms> {
        let packed = self.terms.load(Ordering::Relaxed);
        (packed & SOMEBODY != 0).then(|| Terms::unpacked(packed & !SOMEBODY))
    }

    /// Sets the mode, or leaves it to the settings again.
    pub(crate) fn set_mode(&self, mode: Option<FirewallMode>) {
        self.mode_set.store(number_of(mode), Ordering::Relaxed);
    }

    /// Refuses what is not on the list again, whatever came of it before.
    pub(crate) fn tries_again(&self) {
        self.relaxed_ms.store(0, Ordering::Relaxed);
        self.warned.store(false, Ordering::Relaxed);
    }

    /// The mode that was set by a call.
    pub(crate) fn mode_set(&self) -> Option<FirewallMode> {
        let number = usize::from(self.mode_set.load(Ordering::Relaxed));
        FirewallMode::ALL.get(number.checked_sub(1)?).copied()
    }

    /// The mode for one for whom the settings say this.
    pub(crate) fn mode(&self, terms: Terms) -> FirewallMode {
        self.mode_set().unwrap_or(terms.mode)
    }

    /// When it was given up to refuse what is not on the list; 0: it was not.
    pub(crate) fn relaxed_ms(&self) -> i64 {
        self.relaxed_ms.load(Ordering::Relaxed)
    }

    /// The role is a superuser, or none.
    pub(crate) fn is_superuser(&self, superuser: bool) {
        let role = if superuser { Role::Superuser } else { Role::Plain };
        if self.role.load(Ordering::Relaxed) != role as u8 {
            self.role.store(role as u8, Ordering::Relaxed);
        }
    }

    /// Whether nothing is forbidden to the role.
    pub(crate) fn is_exempt(&self, terms: Terms) -> bool {
        !terms.forbidden || self.role.load(Ordering::Relaxed) == Role::Superuser as u8
    }

    fn facts<'s>(&self, terms: Terms, statement: &'s Statement, known: Known) -> Facts<'s> {
        Facts {
            risk: statement.risk.as_deref(),
            is_readable: statement.parsed,
            known,
            list_counts: self.list.knows_any() && self.relaxed_ms() == 0,
            is_exempt: self.is_exempt(terms),
        }
    }

    /// Judges a statement in the mode that holds, or as if another one did.
    pub(crate) fn judge(&self, terms: Terms, statement: &Statement, mode: FirewallMode) -> Verdict {
        let known = if is_nothing(statement) && statement.risk.is_none() {
            Known::Learned
        } else {
            self.list.known(statement)
        };
        judge(Terms { mode, ..terms }, self.facts(terms, statement, known))
    }

    /// Counts what is done about a statement.
    pub(crate) fn counts(&self, action: Action, now_ms: i64) {
        let minute = u64::try_from(now_ms / 60_000).unwrap_or_default();
        self.figures.last_violation_ms.store(now_ms, Ordering::Relaxed);
        let mut lately = self.lately();
        if action == Action::Block {
            self.figures.blocked.fetch_add(1, Ordering::Relaxed);
            lately.blocked.add(minute);
        } else {
            self.figures.reported.fetch_add(1, Ordering::Relaxed);
            lately.reported.add(minute);
        }
    }

    /// What was told of and what was refused in the last hour.
    pub(crate) fn last_hour(&self, now_ms: i64) -> (u64, u64) {
        let minute = u64::try_from(now_ms / 60_000).unwrap_or_default();
        let lately = self.lately();
        (lately.reported.sum(minute), lately.blocked.sum(minute))
    }

    /// One more was refused because it is not on the list. True: that is too much, and it is given up.
    pub(crate) fn doubts_list(&self, now: Instant, now_ms: i64) -> bool {
        let statements = self.figures.statements.load(Ordering::Relaxed);
        if !self.lately().doubt.refused(statements, now) {
            return false;
        }
        let given_up = self
            .relaxed_ms
            .compare_exchange(0, now_ms, Ordering::Relaxed, Ordering::Relaxed);
        given_up.is_ok()
    }

    /// Whether it has to be said that the list is empty. Once.
    pub(crate) fn is_to_warn(&self) -> bool {
        !self.list.knows_any() && !self.warned.swap(true, Ordering::Relaxed)
    }

    /// A statement of this client failed. True: it fails in too many ways.
    pub(crate) fn failed(&self, client: &str, statement: &Statement, now: Instant) -> bool {
        let shape = statement.fingerprint.get();
        self.lately().probes.failed(client, shape, now)
    }

    /// A statement ended that the list may have to know.
    pub(crate) fn ended(
        &self,
        terms: Terms,
        statement: &Statement,
        client: &str,
        ended_well: bool,
        now: (Instant, i64),
    ) {
        self.figures.statements.fetch_add(1, Ordering::Relaxed);
        if is_nothing(statement) && statement.risk.is_none() {
            return;
        }
        let mode = self.mode(terms);
        let known = self.list.count(statement);
        let as_known = known.unwrap_or(Known::No);
        let enforced = Terms {
            mode: FirewallMode::Enforce,
            ..terms
        };
        if judge(enforced, self.facts(terms, statement, as_known)).action == Action::Block {
            self.figures.would_block.fetch_add(1, Ordering::Relaxed);
        }
        if as_known != Known::No || !statement.parsed || !ended_well {
            return;
        }
        let learns = mode == FirewallMode::Learn && self.may_learn(terms, statement, client, now.0);
        if learns {
            self.list.sight(statement, Standing::Learned, now.1);
        } else if known.is_none() {
            self.list.sight(statement, Standing::Queued, now.1);
        }
    }

    /// Nothing is learned that looks suspicious, and nothing of one who seems to look for a hole.
    fn may_learn(&self, terms: Terms, statement: &Statement, client: &str, now: Instant) -> bool {
        let score = statement.risk.as_deref().map_or(0, |risk| risk.score);
        score < terms.suspicious() && !self.lately().probes.has(client, now)
    }
}

/// A mode as one number; 0 for none.
fn number_of(mode: Option<FirewallMode>) -> u8 {
    let place = mode.and_then(|mode| FirewallMode::ALL.iter().position(|known| *known == mode));
    place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or_default()
}
