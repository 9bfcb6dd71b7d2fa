//! What users waited for, read out of a message of statements where it lies: the part that counts for whoever has to
//! yield to them within seconds. Everything else of a [`QueryBatch`](weir_proto::events::v1::QueryBatch) is passed over.

use bytes::Bytes;
use prost::Message as _;
use weir_proto::events::v1::CacheOutcome;

use crate::DecodeError;

/// Programs that call themselves so are Weir's own.
const OWN: &[u8] = b"weir-";

/// The statements of one message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Waits {
    /// In the order in which they ended.
    #[prost(message, repeated, tag = "5")]
    pub statements: Vec<Wait>,
}

/// One statement. Texts are views into the message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Wait {
    /// The database.
    #[prost(bytes = "bytes", tag = "3")]
    pub database: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    application: Bytes,
    #[prost(uint64, tag = "9")]
    queue_wait_us: u64,
    #[prost(uint64, tag = "10")]
    server_us: u64,
    #[prost(bytes = "bytes", tag = "15")]
    sqlstate: Bytes,
    #[prost(enumeration = "CacheOutcome", tag = "16")]
    cache: i32,
}

impl Waits {
    /// Reads a message's payload.
    pub fn read(payload: Bytes) -> Result<Self, DecodeError> {
        Ok(Self::decode(payload)?)
    }
}

impl Wait {
    /// PostgreSQL did it, for a user, to the end.
    pub fn counts(&self) -> bool {
        self.sqlstate.is_empty() && self.cache() != CacheOutcome::Hit && !self.application.starts_with(OWN)
    }

    /// What the user waited for, without what he took to read.
    pub const fn took_us(&self) -> u64 {
        self.queue_wait_us.saturating_add(self.server_us)
    }
}

#[cfg(test)]
mod tests {
    use weir_proto::events::v1::{QueryBatch, QueryExecuted};

    use super::*;

    #[test]
    fn what_was_told_is_read_and_what_is_nobodys_wait_does_not_count() {
        let told = QueryExecuted {
            database: "shop".to_owned(),
            application: "checkout".to_owned(),
            queue_wait_us: 5,
            server_us: 70,
            ..QueryExecuted::default()
        };
        let other = |change: fn(&mut QueryExecuted)| {
            let mut other = told.clone();
            change(&mut other);
            other
        };
        let events = vec![
            told.clone(),
            other(|event| event.sqlstate = "57014".to_owned()),
            other(|event| event.application = "weir-maint/1".to_owned()),
            other(|event| event.set_cache(CacheOutcome::Hit)),
        ];
        let batch = QueryBatch {
            events,
            ..QueryBatch::default()
        };
        let read = Waits::read(batch.encode_to_vec().into()).unwrap().statements;
        let counting: Vec<bool> = read.iter().map(Wait::counts).collect();
        assert_eq!(counting, [true, false, false, false]);
        let first = read.first().unwrap();
        assert_eq!((&*first.database, first.took_us()), (b"shop".as_slice(), 75));
        assert!(Waits::read(Bytes::from_static(&[0x2A, 0x7F])).is_err());
    }
}
