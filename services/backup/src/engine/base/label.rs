//! `backup_label`: what the server says of where a backup begins. Pure.

use crate::error::Error;
use crate::repo::state::Position;

/// What a label says, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub start: Position,
    pub text: String,
}

impl Label {
    /// Reads the text.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.strip_prefix(": ")).unwrap_or_default()
        };
        let location = field("START WAL LOCATION").split(' ').next().unwrap_or_default();
        let timeline = field("START TIMELINE").trim().parse().map_err(|_| malformed(text))?;
        Ok(Self {
            start: Position {
                timeline,
                lsn: lsn_of(location)?,
            },
            text: text.to_owned(),
        })
    }

    /// A position on the label's timeline.
    pub(crate) const fn at(&self, lsn: u64) -> Position {
        Position {
            timeline: self.start.timeline,
            lsn,
        }
    }
}

/// Reads a position as the server writes it.
pub(crate) fn lsn_of(text: &str) -> Result<u64, Error> {
    let parts = text.split_once('/').and_then(|(high, low)| {
        let high = u32::from_str_radix(high, 16).ok()?;
        let low = u32::from_str_radix(low, 16).ok()?;
        Some(u64::from(high) << 32 | u64::from(low))
    });
    parts.ok_or_else(|| malformed(text))
}

fn malformed(text: &str) -> Error {
    Error::Refused {
        slug: "backup-label",
        reason: format!("the server's answer {text:?} does not say where the backup begins"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_where_to_begin() {
        let text = "START WAL LOCATION: 1/2000028 (file 000000030000000100000002)\nCHECKPOINT LOCATION: 1/2000060\n\
                    BACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: 2026-01-01 00:00:00 UTC\nLABEL: x\nSTART TIMELINE: 3\n";
        let label = Label::read(text).unwrap();
        let (timeline, lsn) = (3, 0x1_0200_0028);
        assert_eq!(label.start, Position { timeline, lsn });
        for wrong in [
            "",
            "START TIMELINE: 3\n",
            "START WAL LOCATION: 1-2\nSTART TIMELINE: 3\n",
        ] {
            assert!(Label::read(wrong).is_err(), "{wrong}");
        }
    }
}
