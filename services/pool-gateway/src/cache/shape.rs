//! Statements that might be answered from memory, with what the cache service says of each. Pure but for a lock held
//! for moments.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use lru::LruCache;
use weir_pgwire::request::Bind;
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::dependency::Value;
use weir_sql::{Deed, Kind, Literal, Statement, tells_present};
use weir_tags::{Canonical, Family, Tag};

use super::view::{View, nanos};
use super::worth::{Account, Order};
use crate::settings::Consistency;

/// Shapes that are remembered.
const SHAPES_MAX: NonZeroUsize = match NonZeroUsize::new(20_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// A statement is asked about when it comes for the second time.
const SEEN_MIN: u32 = 2;

/// One statement as one kind of session sends it.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) statement: Arc<Statement>,
    pub(crate) says: Says,
    /// What it costs and brings.
    pub(crate) account: Arc<Account>,
    known: RwLock<Known>,
    /// What PostgreSQL needs for it, smoothed, in nanoseconds.
    cost_ns: AtomicU64,
}

#[derive(Debug, Clone)]
enum Known {
    Seen(u32),
    Asked,
    Told(Arc<Verdict>),
}

/// What the cache service said of a statement, and as of when.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) incarnation: u64,
    pub(crate) studied: u64,
    pub(crate) policies: u64,
    pub(crate) finding: Finding,
}

/// Whether results may be kept.
#[derive(Debug)]
pub(crate) enum Finding {
    /// No.
    Refused,
    May(Terms),
}

/// What results depend on, and what rules say of them.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) dependencies: Vec<api::Dependency>,
    pub(crate) dated_parameters: Vec<u32>,
    dated_literals: Vec<u32>,
    /// It holds whatever the values of literals are.
    any_literals: bool,
    pub(crate) level: Option<Consistency>,
    /// Results are served until their end, whatever changes.
    pub(crate) is_ttl: bool,
    /// How long a result lives at most.
    pub(crate) lives: Option<Duration>,
    /// How old it may be, whatever is asked.
    pub(crate) bound: Option<Duration>,
    /// What results of the project may hold.
    pub(crate) project_bytes_max: Option<u64>,
    pub(crate) empty_ttl: Option<Duration>,
    pub(crate) bytes_max: Option<usize>,
    pub(crate) order: Order,
    /// The rule that decided.
    pub(crate) policy: Box<str>,
}

/// What a comment of the statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Says {
    pub(crate) level: Option<Consistency>,
}

/// What became of looking a verdict up.
#[derive(Debug)]
pub(crate) enum Look {
    Is(Arc<Verdict>),
    /// The cache service is to be asked.
    Ask,
    /// It has been, or need not be yet.
    Wait,
}

/// Whether a statement is one that the cache service might be asked about: it reads, and does nothing else.
pub(crate) fn is_candidate(statement: &Statement) -> bool {
    let calls = |deed: &Deed| matches!(deed, Deed::Calls { .. });
    statement.kind == Kind::Select
        && statement.parsed
        && statement.statements == 1
        && !(statement.writes || statement.locks)
        && statement.deeds.iter().all(calls)
}

/// What a comment at the beginning or the end of a text says of the cache.
pub(crate) fn says(sql: &[u8]) -> Says {
    let sql = sql.trim_ascii();
    let sql = sql.strip_suffix(b";").unwrap_or(sql).trim_ascii_end();
    let leading = sql
        .strip_prefix(b"/*")
        .and_then(|rest| rest.split(|byte| *byte == b'*').next());
    let trailing = sql
        .strip_suffix(b"*/")
        .and_then(|rest| rest.rsplit(|byte| *byte == b'*').next());
    let words = [leading, trailing].into_iter().flatten().map(<[u8]>::trim_ascii);
    let named = |words: &[u8]| {
        let level = words.strip_prefix(b"weir:cache=")?;
        Consistency::named(std::str::from_utf8(level).ok()?)
    };
    Says {
        level: words.filter_map(named).next(),
    }
}

impl Shape {
    pub(crate) const fn new(statement: Arc<Statement>, says: Says, account: Arc<Account>) -> Self {
        Self {
            statement,
            says,
            account,
            known: RwLock::new(Known::Seen(0)),
            cost_ns: AtomicU64::new(0),
        }
    }

    /// What is known of it, as long as that holds. Each look counts.
    pub(crate) fn verdict(&self, view: &View) -> Look {
        if let Known::Told(verdict) = &*self.known.read().unwrap_or_else(PoisonError::into_inner)
            && verdict.holds(view)
        {
            return Look::Is(verdict.clone());
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match &mut *known {
            Known::Asked => Look::Wait,
            Known::Seen(times) if *times + 1 < SEEN_MIN => {
                *times += 1;
                Look::Wait
            }
            Known::Told(verdict) if verdict.holds(view) => Look::Is(verdict.clone()),
            _ => {
                *known = Known::Asked;
                Look::Ask
            }
        }
    }

    /// The cache service has said this.
    pub(crate) fn is(&self, verdict: Verdict, is_dry: bool) {
        if let Finding::May(terms) = &verdict.finding {
            let order = if is_dry { Order::DryRun } else { terms.order };
            self.account.ordered(order, &terms.policy);
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known::Told(Arc::new(verdict));
    }

    /// PostgreSQL needed so much.
    pub(crate) fn costs(&self, server: Duration) {
        let (old, new) = (self.cost_ns.load(Ordering::Relaxed), nanos(server));
        let smoothed = if old == 0 { new } else { old - old / 8 + new / 8 };
        self.cost_ns.store(smoothed, Ordering::Relaxed);
    }

    /// What PostgreSQL needs for it. Nothing is known at first, so that it is tried.
    pub(crate) fn cost(&self) -> Duration {
        match self.cost_ns.load(Ordering::Relaxed) {
            0 => Duration::MAX,
            cost => Duration::from_nanos(cost),
        }
    }

    /// The verdict by which its results may be kept, if there is one.
    pub(crate) fn kept_by(&self, view: &View) -> Option<Arc<Verdict>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Known::Told(verdict) = &*known else { return None };
        let may = verdict.holds(view) && matches!(verdict.finding, Finding::May(_));
        may.then(|| verdict.clone())
    }
    /// Whether what is said of it holds for one text only, of all that differ in the values of literals.
    pub(crate) fn is_particular(&self) -> bool {
        match &*self.known.read().unwrap_or_else(PoisonError::into_inner) {
            Known::Told(verdict) => matches!(&verdict.finding, Finding::May(terms) if !terms.any_literals),
            Known::Seen(_) | Known::Asked => false,
        }
    }

    /// The cache service could not be asked; it is when the statement comes again.
    pub(crate) fn is_unknown(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known::Seen(SEEN_MIN);
    }
}

impl Verdict {
    /// Whether nothing has changed that it could hang on.
    pub(crate) fn holds(&self, view: &View) -> bool {
        self.incarnation == view.incarnation() && view.kill() <= self.studied && self.policies >= view.policies()
    }
}

/// What the values of a statement are.
#[derive(Debug)]
pub(crate) enum Values<'v> {
    Bound(&'v Bind<'v>),
    Texts(&'v [Option<&'v [u8]>]),
    /// The literals of the text.
    Literals(&'v [Literal<'v>]),
    /// They stand in the text, and the verdict is for just that.
    Said,
}

impl Values<'_> {
    /// A parameter, counted from 1, as something that tags are computed of.
    fn canonical(&self, number: u32, type_oid: u32) -> Option<Canonical> {
        let family = Family::of_type(type_oid)?;
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        match self {
            Values::Bound(bind) => {
                let value = bind.values().nth(index)??;
                match bind.format(index) {
                    weir_pgwire::Format::Text => family.from_text(value),
                    weir_pgwire::Format::Binary => family.from_binary(value),
                }
            }
            Values::Texts(texts) => family.from_text((*texts.get(index)?)?),
            Values::Literals(_) | Values::Said => None,
        }
    }

    /// A literal, counted from 0.
    fn literal(&self, number: u32, type_oid: u32) -> Option<Canonical> {
        let Values::Literals(literals) = self else { return None };
        let literal = literals.get(usize::try_from(number).ok()?)?;
        Family::of_type(type_oid)?.from_text(literal.value.as_bytes())
    }

    /// Whether a literal may be a word such as `now`.
    fn is_literal_word(&self, number: u32) -> bool {
        let Values::Literals(literals) = self else { return false };
        let literal = usize::try_from(number).ok().and_then(|number| literals.get(number));
        literal.is_none_or(|literal| tells_present(literal.value.as_bytes()))
    }

    /// Whether a parameter may be a word such as `now`. In binary form a date is a number.
    fn is_word(&self, number: u32) -> bool {
        let Some(index) = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)) else {
            return true;
        };
        let text = match self {
            Values::Bound(bind) if bind.format(index) == weir_pgwire::Format::Binary => return false,
            Values::Bound(bind) => bind.values().nth(index).flatten(),
            Values::Texts(texts) => texts.get(index).copied().flatten(),
            Values::Literals(_) | Values::Said => return true,
        };
        text.is_some_and(tells_present)
    }
}

impl Terms {
    pub(crate) fn of(response: api::StudyResponse) -> Self {
        let policy = response.policy.unwrap_or_default();
        let millis = |ms: u32| (ms > 0).then(|| Duration::from_millis(ms.into()));
        Self {
            level: level_of(&policy),
            order: match policy.mode() {
                api::CacheMode::Always => Order::Always,
                api::CacheMode::Never => Order::Never,
                api::CacheMode::DryRun => Order::DryRun,
                api::CacheMode::Auto | api::CacheMode::Unspecified => Order::Auto,
            },
            policy: policy.id.as_str().into(),
            is_ttl: policy.consistency() == api::Consistency::Ttl && policy.ttl_ms > 0,
            lives: millis(policy.ttl_ms),
            bound: millis(policy.bound_ms),
            project_bytes_max: (policy.memory_bytes_max > 0).then_some(policy.memory_bytes_max),
            empty_ttl: millis(policy.negative_ttl_ms),
            bytes_max: usize::try_from(policy.result_bytes_max).ok().filter(|max| *max > 0),
            dependencies: response.dependencies,
            dated_parameters: response.dated_parameters,
            dated_literals: response.dated_literals,
            any_literals: response.any_literals,
        }
    }

    /// The buckets of what a result with these values depends on; none where it must not be kept.
    pub(crate) fn buckets(&self, values: &Values<'_>, also: &[Tag]) -> Option<Box<[u32]>> {
        let has_word = self.dated_parameters.iter().any(|number| values.is_word(*number))
            || self.dated_literals.iter().any(|number| values.is_literal_word(*number));
        if has_word {
            return None;
        }
        let mut buckets: Vec<u32> = Vec::with_capacity(self.dependencies.len() * 3 + also.len());
        let mut add = |tag: Tag| {
            // There are fewer buckets than that.
            buckets.push(u32::try_from(tag.bucket()).unwrap_or_default());
        };
        for dependency in &self.dependencies {
            match row_of(dependency, values) {
                Some(value) => {
                    let (table, column) = (dependency.relation_oid, &dependency.column);
                    add(Tag::row(table, column, &value));
                    add(Tag::all_rows(table));
                    match &dependency.cells {
                        Some(cells) => {
                            let tags = cells.columns.iter().map(|cell| Tag::cell(table, column, &value, cell));
                            tags.for_each(&mut add);
                        }
                        None => add(Tag::cells(table, column, &value)),
                    }
                }
                None => add(Tag::table(dependency.relation_oid)),
            }
        }
        also.iter().copied().for_each(add);
        Some(buckets.into())
    }
}

fn level_of(policy: &api::Policy) -> Option<Consistency> {
    match policy.consistency() {
        api::Consistency::Strict => Some(Consistency::Strict),
        api::Consistency::Session => Some(Consistency::Session),
        api::Consistency::Bounded => Some(Consistency::Bounded),
        api::Consistency::Ttl | api::Consistency::Unspecified => None,
    }
}

fn row_of(dependency: &api::Dependency, values: &Values<'_>) -> Option<Canonical> {
    if dependency.column.is_empty() {
        return None;
    }
    match dependency.value.as_ref()? {
        Value::Parameter(number) => values.canonical(*number, dependency.type_oid),
        Value::Constant(bytes) => Some(Canonical::told(bytes)),
        Value::Literal(number) => values.literal(*number, dependency.type_oid),
    }
}

/// Every shape that is remembered.
#[derive(Debug)]
pub(crate) struct Shelf(Mutex<LruCache<Box<[u8]>, Arc<Shape>>>);

impl Shelf {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(SHAPES_MAX)))
    }

    /// The shape of this key, made if there is none.
    pub(crate) fn find(&self, key: &[u8], make: impl FnOnce() -> Shape) -> Arc<Shape> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = shelf.get(key) {
            return shape.clone();
        }
        let shape = Arc::new(make());
        shelf.put(key.into(), shape.clone());
        shape
    }
}

#[cfg(test)]
mod tests {
    use weir_sql::{Limits, analyse};

    use super::*;

    #[test]
    fn only_what_reads_is_asked_about() {
        for (sql, expected) in [
            ("select a from t where b = $1", true),
            ("with x as (select 1) select * from x", true),
            ("select f(a) from t", true),
            ("select a from t for update", false),
            ("insert into t values (1) returning a", false),
            ("select nextval('s')", false),
            ("select 1; select 2", false),
            ("begin", false),
            ("show work_mem", false),
        ] {
            assert_eq!(is_candidate(&analyse(sql, Limits::default())), expected, "{sql}");
        }
    }

    #[test]
    fn a_comment_says_how_fresh() {
        for (sql, level) in [
            ("/* weir:cache=strict */ select 1", Some(Consistency::Strict)),
            ("select 1 /* weir:cache=off */;", Some(Consistency::Off)),
            ("select 1 /* weir:cache=ever */", None),
            ("select '/* weir:cache=off */'", None),
        ] {
            assert_eq!(says(sql.as_bytes()).level, level, "{sql}");
        }
    }

    #[test]
    fn what_a_rule_says_holds_for_results() {
        let told = |policy| {
            Terms::of(api::StudyResponse {
                policy: Some(policy),
                ..api::StudyResponse::default()
            })
        };
        let bounded = told(api::Policy {
            consistency: api::Consistency::Bounded.into(),
            bound_ms: 200,
            ttl_ms: 5_000,
            memory_bytes_max: 7,
            ..api::Policy::default()
        });
        let ms = Duration::from_millis;
        assert_eq!(
            (
                bounded.level,
                bounded.bound,
                bounded.lives,
                bounded.is_ttl,
                bounded.project_bytes_max
            ),
            (
                Some(Consistency::Bounded),
                Some(ms(200)),
                Some(ms(5_000)),
                false,
                Some(7)
            )
        );
        let ttl = told(api::Policy {
            consistency: api::Consistency::Ttl.into(),
            ttl_ms: 9,
            ..api::Policy::default()
        });
        assert!(ttl.is_ttl && ttl.level.is_none() && ttl.lives == Some(ms(9)));
        let none = told(api::Policy::default());
        assert_eq!(
            (none.level, none.bound, none.lives, none.is_ttl),
            (None, None, None, false)
        );
    }

    #[test]
    fn tags_come_from_values_and_words_forbid() {
        let row = |value| api::Dependency {
            relation_oid: 7,
            relation: "public.t".to_owned(),
            column: "id".to_owned(),
            type_oid: 23,
            value,
            cells: None,
        };
        let terms = Terms {
            dependencies: vec![row(Some(Value::Parameter(1)))],
            dated_parameters: vec![2],
            ..Terms::of(api::StudyResponse::default())
        };
        let buckets =
            |one: &str, two: &str| terms.buckets(&Values::Texts(&[Some(one.as_bytes()), Some(two.as_bytes())]), &[]);
        let bucket = |tag: Tag| u32::try_from(tag.bucket()).unwrap();
        let seven = Family::Integer.from_text(b"7").unwrap();
        assert_eq!(
            buckets("7", "2026-01-01").unwrap()[..],
            [
                bucket(Tag::row(7, "id", &seven)),
                bucket(Tag::all_rows(7)),
                bucket(Tag::cells(7, "id", &seven))
            ]
        );
        assert_eq!(buckets(" 7", "2026-01-01").unwrap()[..], [bucket(Tag::table(7))]);
        assert_eq!(buckets("7", "Tomorrow 10:00"), None);
        let cells = Terms {
            dependencies: vec![api::Dependency {
                cells: Some(api::Cells {
                    columns: vec!["id".to_owned(), "name".to_owned()],
                }),
                ..row(Some(Value::Parameter(1)))
            }],
            ..Terms::of(api::StudyResponse::default())
        };
        assert_eq!(
            cells.buckets(&Values::Texts(&[Some(b"7")]), &[]).unwrap()[..],
            [
                bucket(Tag::row(7, "id", &seven)),
                bucket(Tag::all_rows(7)),
                bucket(Tag::cell(7, "id", &seven, "id")),
                bucket(Tag::cell(7, "id", &seven, "name"))
            ]
        );
    }
}
