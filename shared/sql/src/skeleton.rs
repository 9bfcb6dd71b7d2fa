//! Pure. A text with its literals and comments taken out: one key for all statements that differ in nothing else.
//!
//! A lexer of its own, by PostgreSQL's rules and with `standard_conforming_strings = on`, because the query's path
//! cannot wait for PostgreSQL's. Everything that is not a literal or a comment stays as it is, byte for byte. What
//! stands for a literal is a byte that UTF-8 does not have, so it cannot be taken for anything that was written.

use crate::risk::comments;

/// What stands for what. Literals that the grammar tells apart have places of their own.
pub(crate) mod place {
    /// An integer of 32 bits.
    pub(crate) const INTEGER: u8 = 0xf8;
    /// Any other number.
    pub(crate) const NUMBER: u8 = 0xf9;
    /// `'…'`.
    pub(crate) const STRING: u8 = 0xfa;
    /// `E'…'`.
    pub(crate) const ESCAPED: u8 = 0xfb;
    /// `$$…$$`, which is never continued on the next line.
    pub(crate) const DOLLAR: u8 = 0xfc;
    /// `B'…'`.
    pub(crate) const BITS: u8 = 0xfd;
    /// `X'…'`.
    pub(crate) const HEX: u8 = 0xfe;
    /// `/* … */`.
    pub(crate) const BLOCK: u8 = 0xff;
    /// `-- …`, which unlike the other may stand between the parts of one string.
    pub(crate) const LINE: u8 = 0xf7;
    /// A string that is kept for its escapes. Never written.
    pub(crate) const KEPT: u8 = 0xf6;
}

/// Appends the text with a placeholder for each literal and comment: texts with the same skeleton differ in the values
/// of literals and in comments only. False, and `out` of no use, where the text does not lex to its end (an open quote
/// or comment, a NUL, junk behind a number) or depends on `UESCAPE`; then only the whole text can be the key.
///
/// Strings whose value decides whether they are well-formed (`U&'…'`, `E'…'` with numeric escapes) are kept, and so is
/// what [`Statement::risk`](crate::Statement::risk) looks at: comments that are no plain notes, patterns that match everything. Quotes are
/// read as with `standard_conforming_strings = on`. Costs 1 to 2 ns a byte, and allocates nothing but `out`'s room.
pub fn skeleton(sql: &str, out: &mut Vec<u8>) -> bool {
    Lexer::of(sql, out).run().is_some()
}

/// A literal or a comment: what stands for it, where it begins, and where what follows begins.
pub(crate) type Place = (u8, usize, usize);

/// Every literal and comment of a text in order; none where [`skeleton`] says false.
pub(crate) fn places(sql: &str) -> Option<Vec<Place>> {
    let mut out = Vec::with_capacity(sql.len());
    let mut lexer = Lexer::of(sql, &mut out);
    lexer.places = Some(Vec::new());
    lexer.run()?;
    lexer.places
}

/// What a byte may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// White space and punctuation.
    Dull,
    Word,
    Digit,
    Dot,
    Quote,
    Name,
    Dollar,
    Dash,
    Slash,
    Nul,
}

const fn start(byte: u8) -> Start {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => Start::Word,
        b'0'..=b'9' => Start::Digit,
        b'.' => Start::Dot,
        b'\'' => Start::Quote,
        b'"' => Start::Name,
        b'$' => Start::Dollar,
        b'-' => Start::Dash,
        b'/' => Start::Slash,
        0 => Start::Nul,
        _ => Start::Dull,
    }
}

const fn continues_word(byte: u8) -> bool {
    matches!(start(byte), Start::Word | Start::Digit | Start::Dollar)
}

/// The same two for every byte, looked up instead of worked out.
const BYTES: [(Start, bool); 256] = {
    let mut bytes = [(Start::Dull, false); 256];
    let mut rest: &mut [(Start, bool)] = &mut bytes;
    let mut byte = 0;
    while let Some((first, behind)) = rest.split_first_mut() {
        *first = (start(byte), continues_word(byte));
        byte = byte.wrapping_add(1);
        rest = behind;
    }
    bytes
};

fn in_word(byte: u8) -> bool {
    BYTES.get(usize::from(byte)).is_some_and(|(_, continues)| *continues)
}

#[derive(Debug)]
struct Lexer<'s> {
    text: &'s [u8],
    /// What is lexed already ends here.
    at: usize,
    /// What is written already ends here.
    kept: usize,
    /// Where the last string with a prefix ended, which a string on the next line would continue by the same rules.
    prefixed: Option<usize>,
    out: &'s mut Vec<u8>,
    /// What was found, where somebody wants to know.
    places: Option<Vec<Place>>,
}

impl<'s> Lexer<'s> {
    const fn of(sql: &'s str, out: &'s mut Vec<u8>) -> Self {
        Self {
            text: sql.as_bytes(),
            at: 0,
            kept: 0,
            prefixed: None,
            out,
            places: None,
        }
    }

    fn note(&mut self, place: u8, from: usize) {
        let to = self.at;
        if let Some(places) = &mut self.places {
            places.push((place, from, to));
        }
    }

    fn run(&mut self) -> Option<()> {
        while let Some(byte) = self.peek(0) {
            let (begins, _) = BYTES.get(usize::from(byte))?;
            match begins {
                Start::Word => self.word()?,
                Start::Digit => self.number()?,
                Start::Dot => self.dot()?,
                Start::Quote => self.string()?,
                Start::Name => self.name()?,
                Start::Dollar => self.dollar()?,
                Start::Dash if self.peek(1) == Some(b'-') => self.line_comment()?,
                Start::Slash if self.peek(1) == Some(b'*') => self.block_comment()?,
                Start::Dull | Start::Dash | Start::Slash => self.at += 1,
                Start::Nul => return None,
            }
        }
        self.keep_to(self.at)
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'s [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Writes what stands before `end` and is not written yet.
    fn keep_to(&mut self, end: usize) -> Option<()> {
        self.out.extend_from_slice(self.text.get(self.kept..end)?);
        self.kept = end;
        Some(())
    }

    /// Writes what stands before `from`, and one byte for all from there to here.
    fn replace(&mut self, from: usize, place: u8) -> Option<()> {
        self.keep_to(from)?;
        self.out.push(place);
        self.kept = self.at;
        self.note(place, from);
        Some(())
    }

    /// An identifier, a keyword, or the prefix of a string.
    fn word(&mut self) -> Option<()> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !in_word(*byte)).unwrap_or(rest.len());
        let from = self.at;
        self.at += length;
        match length {
            1 => self.prefix(from, *rest.first()?),
            7 if rest.get(..length)?.eq_ignore_ascii_case(b"uescape") => None,
            _ => Some(()),
        }
    }

    /// A word of one letter, and the string whose prefix it may be.
    fn prefix(&mut self, from: usize, letter: u8) -> Option<()> {
        match (letter, self.peek(0), self.peek(1)) {
            (b'e' | b'E', Some(b'\''), _) => self.escaped(from)?,
            (b'b' | b'B', Some(b'\''), _) => self.undoubled(from, place::BITS)?,
            (b'x' | b'X', Some(b'\''), _) => self.undoubled(from, place::HEX)?,
            (b'u' | b'U', Some(b'&'), Some(b'\'')) => {
                self.doubled(self.at + 2, b'\'')?;
                self.note(place::KEPT, from);
            }
            _ => return Some(()),
        }
        self.prefixed = Some(self.at);
        Some(())
    }

    /// Goes behind the quote that closes what is open at `from`; a doubled one does not.
    fn doubled(&mut self, from: usize, quote: u8) -> Option<()> {
        self.at = from;
        loop {
            let length = self.rest().iter().position(|byte| *byte == quote || *byte == 0)?;
            self.at += length;
            if self.peek(0) == Some(0) {
                return None;
            }
            self.at += 1;
            if self.peek(0) != Some(quote) {
                return Some(());
            }
            self.at += 1;
        }
    }

    fn string(&mut self) -> Option<()> {
        let from = self.at;
        if let Some(end) = self.prefixed.take() {
            let between = self.text.get(end..from)?.trim_ascii_start();
            if between.is_empty() || between.starts_with(b"--") || between.starts_with(b"\x0b") {
                return None;
            }
        }
        self.doubled(from + 1, b'\'')?;
        if matches_all(self.text.get(from + 1..self.at - 1)?) {
            self.note(place::STRING, from);
            return Some(());
        }
        self.replace(from, place::STRING)
    }

    fn name(&mut self) -> Option<()> {
        self.doubled(self.at + 1, b'"')
    }

    /// `B'…'` and `X'…'`, which know no doubled quote.
    fn undoubled(&mut self, from: usize, place: u8) -> Option<()> {
        self.at += 1;
        let length = self.rest().iter().position(|byte| matches!(byte, b'\'' | 0))?;
        self.at += length;
        if self.peek(0) == Some(0) {
            return None;
        }
        self.at += 1;
        self.replace(from, place)
    }

    /// `E'…'`; one with an escape that may be malformed is kept.
    fn escaped(&mut self, from: usize) -> Option<()> {
        self.at += 1;
        let mut plain = true;
        loop {
            let length = self.rest().iter().position(|byte| matches!(byte, b'\'' | b'\\' | 0))?;
            self.at += length;
            let (byte, next) = (self.peek(0)?, self.peek(1));
            match (byte, next) {
                (0, _) | (b'\\', None | Some(0)) => return None,
                (b'\\', Some(next)) => {
                    plain &= !matches!(next, b'0'..=b'9' | b'x' | b'u' | b'U');
                    self.at += 2;
                }
                (_, Some(b'\'')) => self.at += 2,
                _ => {
                    self.at += 1;
                    break;
                }
            }
        }
        if plain {
            self.replace(from, place::ESCAPED)
        } else {
            self.note(place::KEPT, from);
            Some(())
        }
    }

    /// `..`, which is one token, or a number, or a dot.
    fn dot(&mut self) -> Option<()> {
        match self.peek(1) {
            Some(b'.') => self.at += 2,
            Some(b'0'..=b'9') => return self.number(),
            _ => self.at += 1,
        }
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let from = self.at;
        let radix = match (self.peek(0), self.peek(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => 16,
            (Some(b'0'), Some(b'o' | b'O')) => 8,
            (Some(b'0'), Some(b'b' | b'B')) => 2,
            _ => 10,
        };
        let place = if radix == 10 {
            self.decimal()?
        } else {
            self.at += 2;
            if self.peek(0) == Some(b'_') {
                self.at += 1;
            }
            fitting(self.digits(radix)?)
        };
        // PostgreSQL takes `1e1$` for junk as well, but not `1$`; nobody writes either.
        let junk = self.peek(0).is_some_and(in_word);
        if junk { None } else { self.replace(from, place) }
    }

    fn decimal(&mut self) -> Option<u8> {
        let mut place = place::NUMBER;
        if self.peek(0) != Some(b'.') {
            place = fitting(self.digits(10)?);
        }
        if self.peek(0) == Some(b'.') && self.peek(1) != Some(b'.') {
            place = place::NUMBER;
            self.at += 1;
            if self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
                self.digits(10)?;
            }
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            place = place::NUMBER;
            let signed = matches!(self.peek(1), Some(b'+' | b'-'));
            self.at += 1 + usize::from(signed);
            self.digits(10)?;
        }
        Some(place)
    }

    /// Digits, single underscores between them; their value. None if there is no digit.
    fn digits(&mut self, radix: u32) -> Option<u32> {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(radix);
        let mut value = digit(self.peek(0))?;
        self.at += 1;
        loop {
            let skip = usize::from(self.peek(0) == Some(b'_'));
            let Some(next) = digit(self.peek(skip)) else {
                return Some(value);
            };
            self.at += skip + 1;
            value = value.saturating_mul(radix).saturating_add(next);
        }
    }

    /// `$1`, `$$…$$`, `$tag$…$tag$`, or a stray dollar.
    fn dollar(&mut self) -> Option<()> {
        let from = self.at;
        self.at += 1;
        if self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            return self.parameter();
        }
        let Some(tag) = tag(self.rest()) else {
            return Some(());
        };
        let delimiter = self.text.get(from..self.at + tag + 1)?;
        self.at += tag + 1;
        loop {
            let length = self.rest().iter().position(|byte| matches!(byte, b'$' | 0))?;
            self.at += length;
            if self.peek(0) == Some(0) {
                return None;
            }
            if self.rest().starts_with(delimiter) {
                self.at += delimiter.len();
                return self.replace(from, place::DOLLAR);
            }
            self.at += 1;
        }
    }

    fn parameter(&mut self) -> Option<()> {
        let rest = self.rest();
        self.at += rest
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(rest.len());
        let junk = self.peek(0).is_some_and(|byte| byte != b'$' && in_word(byte));
        (!junk).then_some(())
    }

    fn line_comment(&mut self) -> Option<()> {
        let from = self.at;
        let rest = self.rest();
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r' | 0));
        self.at += length.unwrap_or(rest.len());
        if self.peek(0) == Some(0) {
            return None;
        }
        self.comment(from, place::LINE, self.at)
    }

    /// Replaces a comment that is a plain note; `to` is where its words end.
    fn comment(&mut self, from: usize, place: u8, to: usize) -> Option<()> {
        if comments::is_plain(self.text.get(from + 2..to)?, place == place::BLOCK) {
            return self.replace(from, place);
        }
        self.note(place, from);
        Some(())
    }

    /// `/* … */`, which nests.
    fn block_comment(&mut self) -> Option<()> {
        let from = self.at;
        let mut depth = 0_usize;
        loop {
            let length = self.rest().iter().position(|byte| matches!(byte, b'*' | b'/' | 0))?;
            self.at += length;
            match (self.peek(0)?, self.peek(1)) {
                (0, _) => return None,
                (b'/', Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return self.comment(from, place::BLOCK, self.at - 2);
            }
        }
    }
}

/// Whether a pattern for `LIKE` fits everything: `%`, `%%`.
pub(crate) fn matches_all(pattern: &[u8]) -> bool {
    !pattern.is_empty() && pattern.iter().all(|byte| *byte == b'%')
}

/// An integer that the grammar takes for one is no longer than 31 bits.
const fn fitting(value: u32) -> u8 {
    if value <= i32::MAX.unsigned_abs() {
        place::INTEGER
    } else {
        place::NUMBER
    }
}

/// The length of a dollar quote's tag, if `rest` begins with one and the dollar behind it.
fn tag(rest: &[u8]) -> Option<usize> {
    let length = rest.iter().position(|byte| *byte == b'$' || !in_word(*byte))?;
    let digit = rest.first().is_some_and(|byte| byte.is_ascii_digit());
    (rest.get(length) == Some(&b'$') && !digit).then_some(length)
}
