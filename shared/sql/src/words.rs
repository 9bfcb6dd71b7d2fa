//! Pure. Words that PostgreSQL reads as a time that goes on: `now` and its like.

/// `allballs` is midnight of no particular day, which a zone turns into one.
const WORDS: [&[u8]; 5] = [b"now", b"today", b"tomorrow", b"yesterday", b"allballs"];

/// Whether a text has such a word where a date or a time would be read from it.
pub fn tells_present(text: &[u8]) -> bool {
    text.split(|byte| !byte.is_ascii_alphabetic())
        .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_wherever_it_stands() {
        for text in [
            "now",
            " NOW ",
            "'now'::date",
            "[now,infinity)",
            "{2026-01-01,Today}",
            "now()",
            "allballs",
            "é now",
        ] {
            assert!(tells_present(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "know",
            "nowhere",
            "2026-01-01",
            "infinity",
            "epoch",
            "snow today_s".trim_end_matches(" today_s"),
        ] {
            assert!(!tells_present(text.as_bytes()), "{text}");
        }
    }
}
