//! Answers that were given lately. Several gateways ask for the same statements, all at once after a change of
//! definitions; each is studied once.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use prost::Message as _;
use tokio::time::Instant;
use weir_proto::cache::v1 as api;

use crate::follow::Followed;

/// Answers kept.
const ANSWERS_MAX: NonZeroUsize = match NonZeroUsize::new(8_192) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// A longer answer is not kept.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// A gateway for which an answer is too old asks again, and must get a new one before long.
const AGE_MAX: Duration = Duration::from_secs(2);

/// What a question is, as a number that nobody can forge.
pub(super) type Key = [u8; 32];

/// Answers by question.
pub(super) struct Memory(Mutex<LruCache<Key, Remembered>>);

struct Remembered {
    answer: api::StudyResponse,
    since: Instant,
    tables: Arc<std::collections::HashMap<u32, crate::follow::Told>>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(ANSWERS_MAX)))
    }
}

/// Everything that a question consists of.
pub(super) fn key(request: &api::StudyRequest) -> Key {
    *blake3::hash(&request.encode_to_vec()).as_bytes()
}

impl Memory {
    /// The answer to a question, if it was given to the state of now.
    pub(super) fn get(&self, key: &Key, followed: &Followed) -> Option<api::StudyResponse> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(key)?;
        let same = found.answer.epoch == followed.epoch && Arc::ptr_eq(&found.tables, &followed.tables);
        (same && found.since.elapsed() < AGE_MAX).then(|| found.answer.clone())
    }

    pub(super) fn put(&self, key: Key, followed: &Followed, answer: &api::StudyResponse) {
        if answer.encoded_len() > ANSWER_BYTES_MAX {
            return;
        }
        let remembered = Remembered {
            answer: answer.clone(),
            since: Instant::now(),
            tables: followed.tables.clone(),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(key, remembered);
    }
}
