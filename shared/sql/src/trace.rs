//! Pure. The caller's trace in the comment of a statement, as sqlcommenter writes it, and the text without it.
//!
//! Such a comment is other with every statement, so whoever remembers texts remembers them without. A comment counts
//! only where nothing else than pairs stands in it, and nothing that could end or begin anything but itself: then the
//! text without the trace means what the text means, even where what looks like a comment is none.

use std::borrow::Cow;

use weir_model::is_traceparent;

/// Longer comments are not looked into.
const COMMENT_BYTES_MAX: usize = 4 * 1024;
/// What a comment says of a trace.
const TRACE_KEYS: [&str; 2] = ["traceparent", "tracestate"];

/// The trace that a statement's comment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace<'s> {
    /// W3C's `traceparent`.
    pub parent: &'s str,
    before: &'s [u8],
    pairs: &'s str,
    after: &'s [u8],
}

impl Trace<'_> {
    /// The text without the trace; what else the comment says stays.
    pub fn rest(&self) -> Vec<u8> {
        let stays = |piece: &&str| pair(piece).is_none_or(|(key, _)| !TRACE_KEYS.contains(&key));
        let kept: Vec<&str> = self.pairs.split(',').filter(stays).collect();
        let comment = match kept.as_slice() {
            [] => String::new(),
            kept => format!("/*{}*/", kept.join(",")),
        };
        [self.before, comment.as_bytes(), self.after].concat()
    }
}

/// The trace in the comment at the end of a text, or at its beginning: `/*traceparent='00-…-01'*/`, with other pairs
/// beside it. A text that neither ends nor begins with a comment costs the look at both ends.
pub fn trace(sql: &[u8]) -> Option<Trace<'_>> {
    at_end(sql).or_else(|| at_beginning(sql))
}

/// The text without the trace in its comment.
pub fn without_trace(sql: &str) -> Cow<'_, str> {
    // What is taken out is ASCII, so the rest is as well-formed as the whole.
    let rest = trace(sql.as_bytes()).and_then(|trace| String::from_utf8(trace.rest()).ok());
    rest.map_or(Cow::Borrowed(sql), Cow::Owned)
}

fn at_end(sql: &[u8]) -> Option<Trace<'_>> {
    let text = sql.trim_ascii_end();
    let text = text.strip_suffix(b";").unwrap_or(text).trim_ascii_end();
    let open = text.strip_suffix(b"*/")?;
    let seen = open.get(open.len().saturating_sub(COMMENT_BYTES_MAX)..)?;
    let body = seen.windows(2).rposition(|pair| pair == b"/*")? + 2;
    let begins = open.len() - seen.len() + body;
    read(sql, begins, open.len())
}

fn at_beginning(sql: &[u8]) -> Option<Trace<'_>> {
    let text = sql.trim_ascii_start();
    let open = text.strip_prefix(b"/*")?;
    let seen = open.get(..open.len().min(COMMENT_BYTES_MAX))?;
    let body = seen.windows(2).position(|pair| pair == b"*/")?;
    let begins = sql.len() - open.len();
    read(sql, begins, begins + body)
}

/// Reads the comment whose words stand between these two places.
fn read(sql: &[u8], begins: usize, ends: usize) -> Option<Trace<'_>> {
    let pairs = std::str::from_utf8(sql.get(begins..ends)?).ok()?;
    if pairs.contains("--") {
        return None;
    }
    let mut parent = None;
    for piece in pairs.split(',') {
        let (key, value) = pair(piece)?;
        if key == "traceparent" {
            parent = Some(value);
        }
    }
    Some(Trace {
        parent: parent.filter(|parent| is_traceparent(parent))?,
        before: sql.get(..begins - 2)?,
        pairs,
        after: sql.get(ends + 2..)?,
    })
}

/// `key='value'`, of characters that end neither a comment nor a string, a name or a line.
pub(crate) fn pair(piece: &str) -> Option<(&str, &str)> {
    let (key, value) = piece.trim_matches(' ').split_once('=')?;
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !b"'\"$\\*".contains(&byte);
    key.bytes().chain(value.bytes()).all(is_plain).then_some((key, value))
}
