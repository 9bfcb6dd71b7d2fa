//! Which server of a cluster is the primary, and how fresh the others are. Pure.
//!
//! What a server is, it says itself. Of two that claim to be the primary the one on the higher time line is: a
//! promotion begins a new one, and whoever is left on an older one has been overtaken. That one is never followed again.
//!
//! How fresh a standby is, is told without asking anybody for the sake of a caller: the primary is asked again and again
//! how far its log has come, and the moment *before* the question is kept with the answer. A standby that has replayed
//! the log up to there has everything that was committed before that moment.

use std::collections::VecDeque;

/// Marks that are kept; older ones are of no use, as who is so far behind is left out anyway.
const MARKS_MAX: usize = 1_024;
/// A page of the log, and the headers that pages begin with.
const PAGE_BYTES: u64 = 8_192;
const HEADERS_BYTES: [u64; 2] = [24, 40];

/// A position in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Lsn(pub(crate) u64);

impl Lsn {
    /// Reads PostgreSQL's form, `16/B374D848`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let number = |part: &str| u32::from_str_radix(part, 16).ok();
        Some(Self(u64::from(number(high)?) << 32 | u64::from(number(low)?)))
    }

    /// Where the last record ends when the next one will stand here: a position behind the header of a page that is
    /// empty otherwise is the end of the page before.
    pub(crate) const fn end_of_last(self) -> Self {
        let within = self.0 % PAGE_BYTES;
        if within == HEADERS_BYTES[0] || within == HEADERS_BYTES[1] {
            Self(self.0 - within)
        } else {
            self
        }
    }
}

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Role {
    /// It does not answer.
    #[default]
    Unknown,
    Primary,
    Standby,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Unknown, Self::Primary, Self::Standby];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Primary => "primary",
            Self::Standby => "standby",
        }
    }
}

/// What a server said of itself when it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Claim {
    pub(crate) role: Role,
    /// 0 where it is not known.
    pub(crate) timeline: u32,
    pub(crate) lsn: Lsn,
    /// Since when it is in this role.
    pub(crate) since: u64,
}

/// The primary from now on, given the present one and the highest time line that any primary was on.
pub(super) fn primary_of(present: usize, highest: u32, claims: &[Claim]) -> usize {
    let is_primary = |claim: &Claim| claim.role == Role::Primary && claim.timeline >= highest;
    let claimants = || claims.iter().enumerate().filter(|(_, claim)| is_primary(claim));
    let best = claimants().max_by_key(|(_, claim)| (claim.timeline, claim.since));
    let Some((best, claim)) = best else { return present };
    let stays = claimants().any(|(index, own)| index == present && own.timeline == claim.timeline);
    if stays { present } else { best }
}

/// How far the log of a primary had come, by moments.
#[derive(Debug, Default)]
pub(super) struct Marks {
    timeline: u32,
    /// The moment before the question, and the answer to it.
    marks: VecDeque<(u64, Lsn)>,
}

impl Marks {
    /// The primary was asked at this moment, and had come so far.
    pub(super) fn note(&mut self, asked_at: u64, timeline: u32, lsn: Lsn) {
        if timeline != self.timeline {
            *self = Self {
                timeline,
                ..Self::default()
            };
        }
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back((asked_at, lsn.end_of_last()));
    }

    /// The moment of which a standby has everything; none where that is not known.
    pub(super) fn fresh_as_of(&self, standby: &Claim) -> Option<u64> {
        if standby.timeline != self.timeline {
            return None;
        }
        let replayed = self.marks.iter().rev().find(|(_, lsn)| *lsn <= standby.lsn);
        replayed.map(|(asked_at, _)| *asked_at)
    }

    /// The moment of the last answer.
    pub(super) fn newest(&self) -> u64 {
        self.marks.back().map_or(0, |(asked_at, _)| *asked_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(role: Role, timeline: u32, since: u64) -> Claim {
        Claim {
            role,
            timeline,
            since,
            ..Claim::default()
        }
    }

    #[test]
    fn the_present_primary_stays_until_another_has_taken_over() {
        use Role::{Primary, Standby, Unknown};
        for (claims, expected, why) in [
            ([claim(Primary, 1, 0), claim(Standby, 1, 0)], 0, "nothing happened"),
            ([claim(Unknown, 0, 9), claim(Standby, 1, 0)], 0, "nobody took over"),
            ([claim(Unknown, 0, 9), claim(Primary, 2, 9)], 1, "it died"),
            ([claim(Standby, 2, 9), claim(Primary, 2, 8)], 1, "they changed places"),
            (
                [claim(Primary, 1, 0), claim(Primary, 2, 9)],
                1,
                "it was overtaken and does not know",
            ),
            ([claim(Primary, 1, 0), claim(Primary, 1, 9)], 0, "a doubt"),
            ([claim(Unknown, 0, 9), claim(Primary, 0, 9)], 0, "an old one is back"),
        ] {
            assert_eq!(primary_of(0, 1, &claims), expected, "{why}");
        }
        let back = [claim(Primary, 1, 99), claim(Unknown, 0, 99)];
        assert_eq!(
            primary_of(1, 2, &back),
            1,
            "one that was overtaken is never followed again"
        );
    }

    #[test]
    fn a_standby_is_as_fresh_as_the_last_mark_that_it_has_passed() {
        let mut marks = Marks::default();
        let standby = |timeline, lsn| Claim {
            lsn: Lsn(lsn),
            ..claim(Role::Standby, timeline, 0)
        };
        for (at, lsn) in [(10, 100), (20, 200), (30, 200), (40, 300)] {
            marks.note(at, 1, Lsn(lsn));
        }
        for (lsn, expected) in [
            (99, None),
            (100, Some(10)),
            (199, Some(10)),
            (200, Some(30)),
            (999, Some(40)),
        ] {
            assert_eq!(marks.fresh_as_of(&standby(1, lsn)), expected, "{lsn}");
        }
        assert_eq!(marks.fresh_as_of(&standby(2, 999)), None, "on another time line");
        marks.note(50, 2, Lsn(250));
        assert_eq!(marks.fresh_as_of(&standby(1, 999)), None);
        assert_eq!((marks.fresh_as_of(&standby(2, 250)), marks.newest()), (Some(50), 50));
    }

    #[test]
    fn the_header_of_an_empty_page_is_nothing_to_be_replayed() {
        for (here, end) in [
            (8_192 + 24, 8_192),
            (16_777_216 + 40, 16_777_216),
            (8_192 + 48, 8_192 + 48),
        ] {
            assert_eq!(Lsn(here).end_of_last(), Lsn(end));
        }
        let lsn = Lsn::parse("16/B374D848").unwrap();
        assert_eq!((lsn.0, lsn.to_string().as_str()), (0x16_B374_D848, "16/B374D848"));
        assert_eq!(Lsn::parse("16"), None);
    }
}
