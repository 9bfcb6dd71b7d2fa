//! Texts of others on a terminal: nothing in them moves the cursor, changes colours or hides what follows, and what
//! they take is counted in columns. Pure.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Marks upon one character beyond these are left out.
const MARKS_MAX: usize = 2;
const INSTEAD: char = '\u{FFFD}';

/// A text on one line, of characters that show themselves: white space is one space, control characters become a sign,
/// and what is invisible or turns the direction of writing is left out.
pub(crate) fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut marks = 0;
    for character in text.trim().chars() {
        if character.is_whitespace() {
            if !line.ends_with(' ') {
                line.push(' ');
            }
        } else if character.is_control() {
            line.push(INSTEAD);
        } else if !is_invisible(character) && (marks < MARKS_MAX || columns_of(character) > 0) {
            marks = if columns_of(character) == 0 { marks + 1 } else { 0 };
            line.push(character);
        }
    }
    line
}

/// A text whose spaces and lines stay as they are, without what a terminal would obey.
pub(crate) fn harmless(text: &str) -> String {
    let shown = text.chars().filter(|character| !is_invisible(*character));
    let shown = shown.map(|character| match character {
        '\n' => '\n',
        '\t' => ' ',
        _ if character.is_control() => INSTEAD,
        _ => character,
    });
    shown.collect()
}

/// Formatting characters: they join, hide, mark a direction of writing, or choose another look.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

fn columns_of(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// How many columns a clean text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The beginning of a clean text that fits into these columns, with a sign where something is left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut taken = 0;
    let mut kept: String = text
        .chars()
        .take_while(|character| {
            taken += columns_of(*character);
            taken < most
        })
        .collect();
    if most > 0 {
        kept.push('…');
    }
    kept
}

/// A clean text in lines of at most so many columns, broken at spaces where there are any.
pub(crate) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        for piece in pieces(word, most.max(2)) {
            let space = usize::from(!line.is_empty());
            if columns(&line) + space + columns(&piece) > most && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            } else if space > 0 {
                line.push(' ');
            }
            line.push_str(&piece);
        }
    }
    lines.push(line);
    lines
}

fn pieces(word: &str, most: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut taken = 0;
    for character in word.chars() {
        taken += columns_of(character);
        if taken > most {
            pieces.push(String::new());
            taken = columns_of(character);
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_reaches_the_terminal_but_what_shows_itself() {
        assert_eq!(clean("select\n\t 1"), "select 1");
        assert_eq!(
            clean("a\u{1b}[2Jb\u{9b}31mc\u{7}\0"),
            "a\u{FFFD}[2Jb\u{FFFD}31mc\u{FFFD}\u{FFFD}"
        );
        assert_eq!(clean("a\u{202E}b\u{2066}c\u{200D}d\u{FEFF}e\u{FE0F}\u{E0041}"), "abcde");
        assert_eq!(clean(&format!("e{}x", "\u{301}".repeat(50))), "e\u{301}\u{301}x");
        assert_eq!(clean("\u{2028}a\u{2029}b"), "a b");
        assert_eq!(harmless("  a\u{1b}\n\tb\r\u{202E}"), "  a\u{FFFD}\n b\u{FFFD}");
    }

    #[test]
    fn columns_are_counted_not_characters() {
        assert_eq!(columns("日本"), 4);
        assert_eq!(
            (cut("日本語", 6).as_str(), cut("日本語", 5).as_str()),
            ("日本語", "日本…")
        );
        assert_eq!((cut("日本語", 4).as_str(), cut("日本語", 1).as_str()), ("日…", "…"));
        assert_eq!((cut("abc", 0).as_str(), cut("abc", 2).as_str()), ("", "a…"));
    }

    #[test]
    fn long_texts_are_broken_at_spaces_where_that_is_possible() {
        assert_eq!(wrapped("select one from two", 10), ["select one", "from two"]);
        assert_eq!(wrapped("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrapped("日本語", 4), ["日本", "語"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
