//! Which texts have come before, so that a statement that is asked again is worth being prepared. Pure.
//!
//! Small, without a lock, and forgetful: a text that is taken for new costs what it cost before, and one that is taken
//! for known is prepared a call too early.

use std::sync::atomic::{AtomicU64, Ordering};

/// A power of two; at eight bytes each.
const SLOTS: usize = 4_096;

/// The hashes of texts that came lately.
#[derive(Debug)]
pub(crate) struct Repeats(Box<[AtomicU64]>);

impl Default for Repeats {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Repeats {
    /// Whether the text with this hash came before. From now on it did.
    pub(crate) fn has(&self, text_hash: u64) -> bool {
        let index = usize::try_from(text_hash % SLOTS as u64).unwrap_or_default();
        let Some(slot) = self.0.get(index) else { return false };
        // Read first: a text that is asked again and again writes nothing that other threads would have to wait for.
        slot.load(Ordering::Relaxed) == text_hash || {
            slot.store(text_hash, Ordering::Relaxed);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_the_second_time_until_another_takes_its_place() {
        let repeats = Repeats::default();
        assert!(!repeats.has(7) && repeats.has(7) && repeats.has(7));
        assert!(!repeats.has(8) && repeats.has(7));
        assert!(!repeats.has(7 + SLOTS as u64) && !repeats.has(7));
    }
}
