//! The messages in what a NATS server sends, so that single ones can be lost or swapped.

use bytes::{Bytes, BytesMut};

use super::Knobs;

/// The subjects that are meddled with contain this.
const SUBJECT: &[u8] = b".cache.invalidated";
const END: &[u8] = b"\r\n";

/// What is under way on one connection.
#[derive(Debug, Default)]
pub(super) struct Messages {
    held: Option<BytesMut>,
}

impl Messages {
    /// Takes every whole frame out of the buffer, and gives what shall be passed on. A frame that is held back goes out
    /// behind the next of its kind.
    pub(super) fn through(&mut self, buffer: &mut BytesMut, knobs: &Knobs) -> Bytes {
        let mut out = BytesMut::new();
        while let Some(length) = frame_length(buffer) {
            let frame = buffer.split_to(length);
            if !is_about_the_cache(&frame) {
                out.extend_from_slice(&frame);
            } else if knobs.loses() {
            } else if self.held.is_none() && knobs.swaps() {
                self.held = Some(frame);
            } else {
                out.extend_from_slice(&frame);
                out.extend_from_slice(&self.held.take().unwrap_or_default());
            }
        }
        out.freeze()
    }
}

/// Bytes of the first frame, where it is there to its end: a line, and behind the line of a message its body.
fn frame_length(buffer: &[u8]) -> Option<usize> {
    let line = buffer.windows(END.len()).position(|window| window == END)?;
    let head = buffer.get(..line)?;
    let whole = line + END.len() + body_length(head);
    (buffer.len() >= whole).then_some(whole)
}

fn body_length(head: &[u8]) -> usize {
    if !(head.starts_with(b"MSG ") || head.starts_with(b"HMSG ")) {
        return 0;
    }
    let last = head.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let bytes = std::str::from_utf8(last)
        .ok()
        .and_then(|text| text.parse::<usize>().ok());
    bytes.map_or(0, |bytes| bytes + END.len())
}

fn is_about_the_cache(frame: &[u8]) -> bool {
    let mut words = frame.split(|byte| byte.is_ascii_whitespace());
    let is_message = words.next().is_some_and(|word| word.ends_with(b"MSG"));
    is_message && words.next().is_some_and(|subject| subject.ends_with(SUBJECT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "HMSG weir.a.cache.invalidated 1 2 5\r\n\r\none\r\n";
    const TWO: &str = "MSG weir.a.cache.invalidated 1 3\r\ntwo\r\n";
    const OTHER: &str = "MSG weir.a.alert.firing 1 4\r\n\r\n\r\n\r\nPING\r\n";

    fn passed(chunks: &[&str], lost: u32, swapped: u32) -> String {
        let knobs = Knobs::default();
        knobs.meddle(lost, swapped);
        let (mut messages, mut buffer, mut out) = (Messages::default(), BytesMut::new(), String::new());
        for chunk in chunks {
            buffer.extend_from_slice(chunk.as_bytes());
            out.push_str(std::str::from_utf8(&messages.through(&mut buffer, &knobs)).unwrap());
        }
        out
    }

    #[test]
    fn frames_pass_whole_however_they_come() {
        let all = format!("INFO {{}}\r\n{ONE}{OTHER}{TWO}");
        let (first, second) = all.split_at(30);
        assert_eq!(passed(&[first, second], 0, 0), all);
        assert_eq!(passed(&[ONE.split_at(40).0], 0, 0), "");
    }

    #[test]
    fn only_messages_about_the_cache_are_lost_or_swapped() {
        assert_eq!(passed(&[ONE, OTHER, TWO], 1000, 0), OTHER);
        assert_eq!(passed(&[ONE, OTHER, TWO], 0, 1000), format!("{OTHER}{TWO}{ONE}"));
    }
}
