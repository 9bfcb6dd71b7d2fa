//! The target: bytes from the engine become a text, and what must hold of every text is checked.
#![no_main]

#[path = "../../../shared/sql/tests/texts/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::check(&checks::text_of(data)));
