//! An answer of the mirror's, of which nothing is kept but how it ended. Pure.

use weir_pgwire::Header;
use weir_pgwire::backend::{TransactionStatus, command_tag_rows, field, tag};

use super::transaction::OK;

/// What is looked at of a frame at most; the rest of a longer one is passed over.
const LOOKED_AT_BYTES_MAX: usize = 64 * 1024;

/// The mirror broke the protocol, or asks for something that it will not get.
#[derive(Debug)]
pub(super) struct OutOfStep;

/// What is known of an answer so far.
#[derive(Debug)]
pub(super) struct Reply {
    /// Bytes of the present frame that are passed over.
    skip: usize,
    /// The beginning of a frame that arrived in part.
    part: Vec<u8>,
    /// The code of its error.
    pub(super) sqlstate: [u8; 5],
    /// Rows as the command tags count them.
    pub(super) rows: u64,
    /// Statements that were parsed.
    pub(super) parsed: usize,
    /// Its end, and in which state.
    pub(super) ended: Option<TransactionStatus>,
}

impl Reply {
    pub(super) const fn new() -> Self {
        Self {
            skip: 0,
            part: Vec::new(),
            sqlstate: OK,
            rows: 0,
            parsed: 0,
            ended: None,
        }
    }

    /// Takes what has arrived.
    pub(super) fn take(&mut self, mut data: &[u8]) -> Result<(), OutOfStep> {
        if self.skip == 0 && !self.part.is_empty() {
            let mut joined = std::mem::take(&mut self.part);
            joined.extend_from_slice(data);
            return self.take(&joined);
        }
        loop {
            let passed = self.skip.min(data.len());
            self.skip -= passed;
            data = data.get(passed..).unwrap_or_default();
            if data.is_empty() {
                return Ok(());
            }
            let header = Header::read(data).map_err(|_| OutOfStep)?;
            let wanted = header.map_or(5, wanted_bytes);
            let Some(header) = header.filter(|_| data.len() >= wanted) else {
                self.part = data.to_vec();
                return Ok(());
            };
            self.frame(header.tag(), data.get(5..wanted).unwrap_or_default())?;
            self.skip = header.frame_bytes();
        }
    }

    fn frame(&mut self, tag: u8, body: &[u8]) -> Result<(), OutOfStep> {
        match tag {
            tag::PARSE_COMPLETE => self.parsed += 1,
            tag::COMMAND_COMPLETE => {
                let text = body.strip_suffix(b"\0").unwrap_or(body);
                self.rows += command_tag_rows(text).unwrap_or_default();
            }
            tag::ERROR_RESPONSE if self.sqlstate == OK => self.sqlstate = code_of(body),
            tag::READY_FOR_QUERY => {
                self.ended = Some(match body {
                    b"I" => TransactionStatus::Idle,
                    b"T" => TransactionStatus::InTransaction,
                    b"E" => TransactionStatus::Failed,
                    _ => return Err(OutOfStep),
                });
            }
            tag::COPY_IN_RESPONSE | tag::COPY_BOTH_RESPONSE => return Err(OutOfStep),
            _ => {}
        }
        Ok(())
    }
}

/// How much of a frame has to be there before it is looked at.
fn wanted_bytes(header: Header) -> usize {
    match header.tag() {
        tag::COMMAND_COMPLETE | tag::ERROR_RESPONSE | tag::READY_FOR_QUERY => {
            header.frame_bytes().min(LOOKED_AT_BYTES_MAX)
        }
        _ => 5,
    }
}

/// The code of an error, which may have been cut behind it.
fn code_of(body: &[u8]) -> [u8; 5] {
    let mut fields = body.split(|byte| *byte == 0);
    let code = fields.find_map(|text| text.strip_prefix(&[field::SQLSTATE])?.first_chunk().copied());
    code.unwrap_or(*b"XX000")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    #[test]
    fn an_answer_is_understood_wherever_it_is_cut() {
        let whole = [
            frame(b'1', b""),
            frame(b'2', b""),
            frame(b'T', b"\0\0"),
            frame(b'D', &[7; 300]),
            frame(b'C', b"SELECT 2\0"),
            frame(b'C', b"UPDATE 3\0"),
            frame(b'E', b"SERROR\0C42P01\0Mno\0\0"),
            frame(b'E', b"SERROR\0C25P02\0Mno\0\0"),
            frame(b'Z', b"E"),
        ]
        .concat();
        for at in 0..whole.len() {
            let mut reply = Reply::new();
            for part in [&whole[..at], &whole[at..]] {
                reply.take(part).unwrap();
            }
            assert_eq!(
                (reply.rows, reply.parsed, &reply.sqlstate),
                (5, 1, b"42P01"),
                "cut at {at}"
            );
            assert_eq!(reply.ended, Some(TransactionStatus::Failed));
        }
        let mut reply = Reply::new();
        for byte in &whole {
            reply.take(&[*byte]).unwrap();
        }
        assert_eq!((reply.rows, reply.parsed, reply.ended.is_some()), (5, 1, true));
    }

    #[test]
    fn nothing_of_rows_is_kept_and_little_of_a_long_error() {
        let mut reply = Reply::new();
        let row = frame(b'D', &vec![1; 3_000_000]);
        for piece in row.chunks(64 * 1024) {
            reply.take(piece).unwrap();
            assert!(reply.part.is_empty());
        }
        let error = frame(
            b'E',
            &[b"SERROR\0C42601\0M".to_vec(), vec![b'x'; 200_000], b"\0\0".to_vec()].concat(),
        );
        let end = frame(b'Z', b"I");
        for piece in [error, end].concat().chunks(10_000) {
            reply.take(piece).unwrap();
            assert!(reply.part.len() <= LOOKED_AT_BYTES_MAX);
        }
        assert_eq!(
            (reply.sqlstate, reply.ended),
            (*b"42601", Some(TransactionStatus::Idle))
        );
    }

    #[test]
    fn one_who_wants_data_is_out_of_step() {
        assert!(Reply::new().take(&frame(b'G', b"\0\0\0")).is_err());
        assert!(Reply::new().take(&frame(b'Z', b"?")).is_err());
    }
}
