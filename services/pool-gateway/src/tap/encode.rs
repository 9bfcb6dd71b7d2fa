//! The bytes of an event, written by hand. Pure.
//!
//! Protobuf does not mind in which order fields come, so those that a session's statements have in common are written
//! once. A test compares with what the generated code makes of the same event.

use prost::Message as _;
use prost::encoding::WireType;
use prost::encoding::{encode_key, encode_varint};
use weir_proto::events::v1::{Door, QueryExecuted};

use super::Record;
use crate::client::kind_code;

/// The fields of `weir.events.v1.QueryExecuted` that are written here, by their numbers.
mod field {
    pub(super) const FINGERPRINT: u32 = 1;
    pub(super) const TEXT_HASH: u32 = 2;
    pub(super) const DATABASE: u32 = 3;
    pub(super) const USER: u32 = 4;
    pub(super) const APPLICATION: u32 = 5;
    pub(super) const KIND: u32 = 6;
    pub(super) const WRITES: u32 = 7;
    pub(super) const STARTED_UNIX_MS: u32 = 8;
    pub(super) const QUEUE_WAIT_US: u32 = 9;
    pub(super) const SERVER_US: u32 = 10;
    pub(super) const DRAIN_US: u32 = 11;
    pub(super) const ROWS: u32 = 12;
    pub(super) const BYTES_IN: u32 = 13;
    pub(super) const BYTES_OUT: u32 = 14;
    pub(super) const SQLSTATE: u32 = 15;
    pub(super) const CACHE: u32 = 16;
    pub(super) const UPSTREAM: u32 = 17;
    pub(super) const TRACEPARENT: u32 = 18;
    pub(super) const DOOR: u32 = 19;
}

/// The field of `weir.events.v1.QueryBatch` that holds the events.
const EVENTS: u32 = 5;

/// What all statements of a session have in common.
pub(super) fn origin(database: &str, user: &str, application: &str, upstream: &str, door: Door) -> Box<[u8]> {
    let mut out = Vec::new();
    text(&mut out, field::DATABASE, database);
    text(&mut out, field::USER, user);
    text(&mut out, field::APPLICATION, application);
    text(&mut out, field::UPSTREAM, upstream);
    number(&mut out, field::DOOR, enumeration(door.into()));
    out.into_boxed_slice()
}

/// The calling program of what [`origin`] has written.
pub(super) fn application(origin: &[u8]) -> String {
    // What was written here can be read.
    QueryExecuted::decode(origin).unwrap_or_default().application
}

/// Appends one event, as an element of a batch. `own` is a scratch buffer.
pub(super) fn event(record: &Record<'_>, own: &mut Vec<u8>, out: &mut Vec<u8>) {
    own.clear();
    fixed(own, field::FINGERPRINT, record.statement.fingerprint.get());
    fixed(own, field::TEXT_HASH, record.text_hash);
    number(own, field::KIND, enumeration(kind_code(record.statement.kind).into()));
    number(own, field::WRITES, u64::from(record.statement.writes));
    number(own, field::STARTED_UNIX_MS, record.started_unix_ms.cast_unsigned());
    number(own, field::QUEUE_WAIT_US, record.queue_wait_us);
    number(own, field::SERVER_US, record.server_us);
    number(own, field::DRAIN_US, record.drain_us);
    number(own, field::ROWS, record.rows);
    number(own, field::BYTES_IN, record.bytes_in);
    number(own, field::BYTES_OUT, record.bytes_out);
    text(own, field::SQLSTATE, record.sqlstate);
    number(own, field::CACHE, enumeration(record.cache.into()));
    text(own, field::TRACEPARENT, record.traceparent);
    encode_key(EVENTS, WireType::LengthDelimited, out);
    encode_varint((own.len() + record.origin.encoded.len()) as u64, out);
    out.extend_from_slice(own);
    out.extend_from_slice(&record.origin.encoded);
}

/// Enumerations have small numbers from 0.
fn enumeration(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        encode_key(field, WireType::Varint, out);
        encode_varint(value, out);
    }
}

fn fixed(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        encode_key(field, WireType::SixtyFourBit, out);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn text(out: &mut Vec<u8>, field: u32, value: &str) {
    if !value.is_empty() {
        encode_key(field, WireType::LengthDelimited, out);
        encode_varint(value.len() as u64, out);
        out.extend_from_slice(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prost::Message as _;
    use weir_model::Project;
    use weir_proto::events::v1::{CacheOutcome, QueryBatch, QueryExecuted};
    use weir_sql::{Limits, analyse};

    use super::super::{Origin, Outcome};
    use super::*;

    #[test]
    fn it_is_what_the_generated_code_reads() {
        let statement = analyse("delete from t where a = 1", Limits::default());
        let origin = Origin::new(Project::default(), "shop", "app", "psql", "db:5432", Door::Wire);
        assert_eq!(origin.application(), "psql");
        let record = Record {
            origin: &origin,
            statement: &statement,
            text_hash: 77,
            outcome: Outcome::Error,
            sqlstate: "23503",
            traceparent: "00-aa-bb-01",
            started_unix_ms: 1_700_000_000_123,
            ended: tokio::time::Instant::now(),
            queue_wait_us: 1,
            server_us: 200,
            drain_us: 30_000,
            total: Duration::from_micros(30_201),
            rows: 4,
            bytes_in: 5,
            bytes_out: 6,
            cache: CacheOutcome::Bypass,
        };
        let mut out = Vec::new();
        event(&record, &mut Vec::new(), &mut out);
        event(&record, &mut Vec::new(), &mut out);
        let expected = QueryExecuted {
            fingerprint: statement.fingerprint.get(),
            text_hash: 77,
            database: "shop".to_owned(),
            user: "app".to_owned(),
            application: "psql".to_owned(),
            kind: kind_code(statement.kind).into(),
            writes: true,
            started_unix_ms: 1_700_000_000_123,
            queue_wait_us: 1,
            server_us: 200,
            drain_us: 30_000,
            rows: 4,
            bytes_in: 5,
            bytes_out: 6,
            sqlstate: "23503".to_owned(),
            cache: CacheOutcome::Bypass.into(),
            upstream: "db:5432".to_owned(),
            traceparent: "00-aa-bb-01".to_owned(),
            door: Door::Wire.into(),
        };
        let batch = QueryBatch::decode(out.as_slice()).unwrap();
        assert_eq!(batch.events, [expected.clone(), expected]);
    }
}
