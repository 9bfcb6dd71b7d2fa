//! Statements that clients have parsed: one for each text, shared by all who send it.
//!
//! The trace in a text's comment belongs to the one who sent it: what is shared, and prepared, is the text without it.
//!
//! A server knows a statement by our name for it, a client by its own. Which is which is known here; what is prepared
//! on which connection, the connection knows.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use weir_sql::{Deed, Statement, Trace, text_hash, trace};

use crate::shapes::Shapes;

/// Texts that are shared; beyond it those used longest ago are forgotten, and live on with whoever still holds them.
const SHARED_MAX: NonZeroUsize = match NonZeroUsize::new(20_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// What the shared texts may hold together.
const SHARED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A statement as a server prepares it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) id: u64,
    /// Its name on every server.
    pub(super) name: Arc<[u8]>,
    pub(super) sql: Arc<[u8]>,
    /// Parameter types, as they stand in the Parse frame.
    pub(super) types: Arc<[u8]>,
    pub(super) statement: Arc<Statement>,
    pub(super) text_hash: u64,
    /// The trace that the comment of its sender's text named.
    pub(super) trace: Option<Arc<str>>,
    /// How often it was parsed.
    parsed: Arc<AtomicU32>,
}

impl Prepared {
    /// The name of a statement on every server.
    pub(super) fn name_of(id: u64) -> String {
        format!("__weir_{id:x}")
    }

    /// The same statement, in the text of one caller.
    fn traced(&self, trace: &Trace<'_>, sql: &[u8]) -> Self {
        Self {
            id: self.id,
            name: self.name.clone(),
            sql: self.sql.clone(),
            types: self.types.clone(),
            statement: self.statement.clone(),
            text_hash: text_hash(&String::from_utf8_lossy(sql)),
            trace: Some(trace.parent.into()),
            parsed: self.parsed.clone(),
        }
    }

    /// Counts a Parse. True: its text has come before, so that it pays to keep it prepared.
    pub(super) fn is_repeated(&self) -> bool {
        self.parsed.fetch_add(1, Ordering::Relaxed) > 0
    }
}

/// Every statement that is shared.
#[derive(Debug)]
pub(super) struct Library {
    shelf: Mutex<Shelf>,
    last_id: AtomicU64,
}

#[derive(Debug)]
struct Shelf {
    known: LruCache<Box<[u8]>, Arc<Prepared>>,
    bytes: usize,
    scratch: Vec<u8>,
}

impl Library {
    pub(super) fn new() -> Self {
        Self {
            shelf: Mutex::new(Shelf {
                known: LruCache::new(SHARED_MAX),
                bytes: 0,
                scratch: Vec::new(),
            }),
            last_id: AtomicU64::new(0),
        }
    }

    /// How many statements are shared, and what they hold of memory.
    pub(super) fn size(&self) -> (usize, usize) {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        (shelf.known.len(), shelf.bytes)
    }

    /// The statement of this text with these parameter types, as it reads under this scope (search path and role).
    pub(super) fn find(&self, scope: u64, sql: &[u8], types: &[u8], shapes: &Shapes) -> Arc<Prepared> {
        match trace(sql) {
            None => self.share(scope, sql, types, shapes),
            Some(trace) => {
                let shared = self.share(scope, &trace.rest(), types, shapes);
                Arc::new(shared.traced(&trace, sql))
            }
        }
    }

    fn share(&self, scope: u64, sql: &[u8], types: &[u8], shapes: &Shapes) -> Arc<Prepared> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = std::mem::take(&mut shelf.scratch);
        key.clear();
        key.extend_from_slice(&scope.to_ne_bytes());
        key.extend_from_slice(&types.len().to_ne_bytes());
        key.extend_from_slice(types);
        key.extend_from_slice(sql);
        let known = shelf.known.get(key.as_slice()).cloned();
        let found = known.unwrap_or_else(|| {
            let prepared = Arc::new(self.make(sql, types, shapes));
            shelf.keep(&key, prepared.clone());
            prepared
        });
        shelf.scratch = key;
        found
    }

    fn make(&self, sql: &[u8], types: &[u8], shapes: &Shapes) -> Prepared {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let text = String::from_utf8_lossy(sql);
        let statement = shapes.at_once(&text).unwrap_or_else(|| shapes.read_now(&text));
        Prepared {
            id,
            name: Prepared::name_of(id).into_bytes().into(),
            sql: sql.into(),
            types: types.into(),
            statement,
            text_hash: text_hash(&text),
            trace: None,
            parsed: Arc::default(),
        }
    }
}

impl Shelf {
    fn keep(&mut self, key: &[u8], prepared: Arc<Prepared>) {
        self.bytes += key.len() * 2;
        while self.bytes > SHARED_BYTES_MAX || self.known.len() == SHARED_MAX.get() {
            let Some((old, _)) = self.known.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(old.len() * 2);
        }
        self.known.put(key.into(), prepared);
    }
}

/// Whether a statement makes the server forget all that is prepared on it.
pub(super) fn forgets_prepared(statement: &Statement) -> bool {
    let forgets = |deed: &Deed| matches!(deed, Deed::DeallocateAll | Deed::DiscardAll);
    statement.deeds.iter().any(forgets)
}

type Named = HashMap<Box<[u8]>, Arc<Prepared>>;

/// The statements of one client, by its own names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Boxed, because most clients name nothing.
    named: Option<Box<Named>>,
    unnamed: Option<Arc<Prepared>>,
    /// Those that go if the statement succeeds that is to forget them all.
    doomed: Option<Box<Named>>,
}

impl Names {
    pub(super) fn get(&self, name: &[u8]) -> Option<&Arc<Prepared>> {
        if name.is_empty() {
            return self.unnamed.as_ref();
        }
        self.named.as_ref()?.get(name)
    }

    pub(super) fn insert(&mut self, name: &[u8], prepared: Arc<Prepared>) {
        if name.is_empty() {
            self.unnamed = Some(prepared);
        } else {
            let named = self.named.get_or_insert_default();
            named.insert(name.into(), prepared);
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        if name.is_empty() {
            self.unnamed = None;
        } else if let Some(named) = &mut self.named {
            named.remove(name);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A statement is sent that forgets them all. What is named behind it is not meant.
    pub(super) fn doom(&mut self) {
        let named = self.named.take().into_iter().flat_map(|named| *named);
        self.doomed.get_or_insert_default().extend(named);
    }

    /// It was done.
    pub(super) fn bury(&mut self) {
        self.doomed = None;
    }

    /// It was not.
    pub(super) fn spare(&mut self) {
        for (name, prepared) in self.doomed.take().into_iter().flat_map(|doomed| *doomed) {
            let named = self.named.get_or_insert_default();
            named.entry(name).or_insert(prepared);
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_sql::Limits;

    use super::*;

    #[test]
    fn one_text_is_one_statement_unless_types_or_scope_differ() {
        let (library, shapes) = (Library::new(), Shapes::new(Limits::default(), 1));
        let find = |scope, sql: &[u8], types: &[u8]| library.find(scope, sql, types, &shapes).id;
        let first = find(0, b"select $1", b"");
        assert_eq!(first, find(0, b"select $1", b""));
        assert_ne!(first, find(1, b"select $1", b""));
        assert_ne!(first, find(0, b"select $1", b"\0\0\0\x17"));
        assert_ne!(first, find(0, b"select $2", b""));
    }

    #[test]
    fn what_is_to_be_forgotten_is_when_that_is_done() {
        let (library, shapes) = (Library::new(), Shapes::new(Limits::default(), 1));
        let [one, other] = [&b"select 1"[..], b"select 2"].map(|sql| library.find(0, sql, b"", &shapes));
        let mut names = Names::default();
        let known = |names: &Names| [&b"a"[..], b"b"].map(|name| names.get(name).map(|prepared| prepared.id));
        names.insert(b"a", one.clone());
        names.insert(b"b", one.clone());
        names.doom();
        assert_eq!(known(&names), [None, None]);
        names.insert(b"b", other.clone());
        names.spare();
        assert_eq!(known(&names), [Some(one.id), Some(other.id)]);
        names.doom();
        names.insert(b"a", other.clone());
        names.bury();
        names.spare();
        assert_eq!(known(&names), [Some(other.id), None]);
    }

    #[test]
    fn a_text_is_worth_keeping_when_it_comes_again() {
        let (library, shapes) = (Library::new(), Shapes::new(Limits::default(), 1));
        let prepared = library.find(0, b"select 1", b"", &shapes);
        assert!(!prepared.is_repeated());
        assert!(library.find(0, b"select 1", b"", &shapes).is_repeated());
    }

    #[test]
    fn texts_that_differ_in_their_trace_are_one_statement_with_a_trace_for_each() {
        let (library, shapes) = (Library::new(), Shapes::new(Limits::default(), 1));
        let find = |span: u32| {
            let sql = format!("select $1 /*app='a',traceparent='00-{:032x}-{span:016x}-01'*/", 7);
            library.find(0, sql.as_bytes(), b"", &shapes)
        };
        let (one, other) = (find(1), find(2));
        assert_eq!((one.id, &*one.sql), (other.id, b"select $1 /*app='a'*/".as_slice()));
        assert_ne!((one.text_hash, &one.trace), (other.text_hash, &other.trace));
        assert!(!one.is_repeated() && other.is_repeated());
        assert_eq!(library.size().0, 1);
        let plain = library.find(0, b"select $1 /*app='a'*/", b"", &shapes);
        assert_eq!((plain.id, &plain.trace), (one.id, &None));
    }
}
