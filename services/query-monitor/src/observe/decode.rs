//! The bytes of a message of query events, read where they lie. Pure.
//!
//! The generated code would make six strings of every event, which costs more than everything else that happens to it;
//! a test compares with what it reads.

use prost::Message as _;
use weir_proto::events::v1::{CacheOutcome, QueryShape};

use crate::aggregate::{Batch, Head, Told};

/// One field's value.
#[derive(Debug, Clone, Copy)]
enum Value<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

impl<'m> Value<'m> {
    const fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Bytes(_) => 0,
        }
    }

    const fn bytes(self) -> &'m [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }

    fn text(self) -> Option<&'m str> {
        str::from_utf8(self.bytes()).ok()
    }
}

/// The fields of a message, one after another.
#[derive(Debug)]
struct Fields<'m>(&'m [u8]);

impl<'m> Fields<'m> {
    /// The next field and its value; none where the message is malformed or at its end.
    fn next(&mut self) -> Option<(u64, Value<'m>)> {
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Number(u64::from_le_bytes(*self.chunk()?)),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Number(u64::from(u32::from_le_bytes(*self.chunk()?))),
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn chunk<const N: usize>(&mut self) -> Option<&'m [u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Reads the payload of a `query.executed`: all of it, or nothing where any of it is malformed.
pub(crate) fn batch(payload: &[u8]) -> Option<Batch<'_>> {
    let mut batch = Batch {
        head: Head::default(),
        // An event is rarely smaller.
        events: Vec::with_capacity(payload.len() / 64),
        shapes: Vec::new(),
    };
    let mut fields = Fields(payload);
    while !fields.is_at_end() {
        let (field, value) = fields.next()?;
        match field {
            1 => batch.head.instance = value.text()?,
            2 => batch.head.sequence = value.number(),
            3 => batch.head.dropped = value.number(),
            5 => batch.events.push(event(value.bytes())?),
            6 => batch.shapes.push(QueryShape::decode(value.bytes()).ok()?),
            7 => batch.head.events_before = value.number(),
            _ => {}
        }
    }
    batch.head.events = batch.events.len() as u64;
    Some(batch)
}

fn event(bytes: &[u8]) -> Option<Told<'_>> {
    let mut told = Told::default();
    let mut fields = Fields(bytes);
    while !fields.is_at_end() {
        let (field, value) = fields.next()?;
        match field {
            1 => told.fingerprint = value.number(),
            3 => told.database = value.text()?,
            6 => told.kind = i32::try_from(value.number()).unwrap_or_default(),
            8 => told.started_unix_ms = value.number().cast_signed(),
            9 => told.wait_us = value.number(),
            10 => told.server_us = value.number(),
            11 => told.drain_us = value.number(),
            12 => told.rows = value.number(),
            13 => told.bytes_in = value.number(),
            14 => told.bytes_out = value.number(),
            15 => told.sqlstate = value.text()?,
            16 => told.cache = cache(value.number()),
            18 => told.traceparent = value.text()?,
            _ => {}
        }
    }
    Some(told)
}

fn cache(number: u64) -> CacheOutcome {
    let outcome = i32::try_from(number)
        .ok()
        .and_then(|number| CacheOutcome::try_from(number).ok());
    outcome.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use weir_proto::common::v1::StatementKind;
    use weir_proto::events::v1::{QueryBatch, QueryExecuted};

    use super::*;

    fn told() -> QueryBatch {
        let event = |number: u64| QueryExecuted {
            fingerprint: number << 40,
            text_hash: 7,
            database: format!("db{number}"),
            user: "app".to_owned(),
            kind: StatementKind::Select.into(),
            started_unix_ms: 1_800_000_000_000,
            queue_wait_us: number,
            server_us: 300 * number,
            drain_us: 2,
            rows: 3,
            bytes_in: 4,
            bytes_out: 50_000,
            sqlstate: "23505".to_owned(),
            cache: CacheOutcome::Miss.into(),
            traceparent: "00-aa-bb-01".to_owned(),
            ..QueryExecuted::default()
        };
        QueryBatch {
            instance: "gateway".to_owned(),
            sequence: 9,
            dropped_total: 2,
            project: "shop".to_owned(),
            events: (1..=3).map(event).collect(),
            shapes: vec![QueryShape {
                fingerprint: 5,
                text: "SELECT $1".to_owned(),
                ..QueryShape::default()
            }],
            events_before: 77,
        }
    }

    #[test]
    fn it_reads_what_the_generated_code_writes() {
        let (told, bytes) = (told(), told().encode_to_vec());
        let read = batch(&bytes).unwrap();
        let head = Head {
            instance: "gateway",
            sequence: 9,
            events_before: 77,
            events: 3,
            dropped: 2,
        };
        assert_eq!((read.head, &read.shapes), (head, &told.shapes));
        for (read, event) in read.events.iter().zip(&told.events) {
            let expected = Told {
                fingerprint: event.fingerprint,
                database: &event.database,
                started_unix_ms: event.started_unix_ms,
                wait_us: event.queue_wait_us,
                server_us: event.server_us,
                drain_us: event.drain_us,
                rows: event.rows,
                bytes_in: event.bytes_in,
                bytes_out: event.bytes_out,
                sqlstate: &event.sqlstate,
                cache: event.cache(),
                traceparent: &event.traceparent,
                kind: event.kind,
            };
            assert_eq!(*read, expected);
        }
    }

    #[test]
    fn what_is_cut_is_refused_and_never_half_read() {
        let bytes = told().encode_to_vec();
        for end in 0..bytes.len() {
            let cut = &bytes[..end];
            let generated = QueryBatch::decode(cut).ok().map(|batch| batch.events.len());
            let read = batch(cut).map(|batch| batch.events.len());
            assert_eq!(read, generated, "cut at {end}");
        }
    }
}
