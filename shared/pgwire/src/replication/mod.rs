//! What a server and who replicates from it say to each other inside of the frames of a COPY in both directions, and
//! what its plugin `pgoutput` writes of transactions.
//!
//! Positions are numbers of bytes in the write-ahead log. Times are microseconds since 2000.

mod pgoutput;
mod stream;

pub use pgoutput::{Change, Column, Identity, Marker, Old, Pgoutput, Relation, Truncated, Tuple, Value};
pub use stream::{FromServer, StandbyStatus, standby_status};

use std::fmt;
use std::str::FromStr;

/// A position in the write-ahead log, written as PostgreSQL writes it: `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no position in the write-ahead log")]
pub struct NoLsn;

impl FromStr for Lsn {
    type Err = NoLsn;

    fn from_str(text: &str) -> Result<Self, NoLsn> {
        let (high, low) = text.split_once('/').ok_or(NoLsn)?;
        let half = |digits: &str| u32::from_str_radix(digits, 16).map_err(|_| NoLsn);
        Ok(Self(u64::from(half(high)?) << 32 | u64::from(half(low)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        for text in ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"] {
            assert_eq!(text.parse::<Lsn>().unwrap().to_string(), text);
        }
        for text in ["", "1", "1/", "/1", "1/100000000", "x/1", "-1/1"] {
            assert_eq!(text.parse::<Lsn>(), Err(NoLsn), "{text}");
        }
    }
}
