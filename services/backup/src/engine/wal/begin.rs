//! Where reception begins: after the last byte that the repository has, or after a gap that cannot be closed. Pure.

use crate::repo::state::Position;

use super::history::History;

/// What is known when a session begins.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// What the repository has of each timeline of the server's history: up to where. Nothing: left out.
    pub held: &'a [Position],
    /// The latest timeline that the repository has anything of, of whatever history. 0: none.
    pub held_latest: u32,
    /// How the server came to its timeline.
    pub history: &'a History,
    /// Where the server is.
    pub server: Position,
    /// From where on the slot holds log.
    pub slot: Option<u64>,
    /// What the server was asked for before, and did not have any more.
    pub gone: Option<Position>,
    pub segment_bytes: u32,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begin {
    /// From here on: what is before it in the same segment is asked for again, and compared.
    pub at: Position,
    /// What is missing before it.
    pub gap: Option<Gap>,
}

/// Log that nobody has any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub from: Position,
    pub to: Position,
}

impl Known<'_> {
    /// Where to begin. An error: why this server's log cannot follow what the repository has.
    pub(super) fn begin(&self) -> Result<Begin, String> {
        let server = self.server;
        if self.held_latest > server.timeline {
            return Err(format!(
                "the server is on timeline {} and the repository holds timeline {}: another server was promoted, and this one was overtaken",
                server.timeline, self.held_latest
            ));
        }
        let Some(after) = self.after()? else {
            let at = self.first();
            return Ok(Begin { at, gap: None });
        };
        if self.gone != Some(after) {
            return Ok(Begin { at: after, gap: None });
        }
        let to = self.first();
        let gap = (to != after).then_some(Gap { from: after, to });
        Ok(Begin { at: to, gap })
    }

    /// Where the log goes on that the repository has; none where it has nothing.
    fn after(&self) -> Result<Option<Position>, String> {
        let held = |timeline: u32| self.held.iter().find(|held| held.timeline == timeline);
        let Some(last) = self.history.back().find_map(|stretch| held(stretch.timeline)) else {
            return Ok(None);
        };
        if last.timeline == self.server.timeline && last.lsn > self.server.lsn {
            return Err(format!(
                "the server's log ends at {} and the repository holds it up to {}: the server was set back",
                weir_upstream::Lsn(self.server.lsn),
                weir_upstream::Lsn(last.lsn)
            ));
        }
        let end = self.history.of(last.timeline).and_then(|stretch| stretch.end);
        // Of a timeline that was left there may be more than its successor took over.
        match (end.filter(|end| last.lsn >= *end), self.history.after(last.timeline)) {
            (Some(_), Some(next)) => Ok(Some(self.border(next.timeline, next.begin))),
            _ => Ok(Some(*last)),
        }
    }

    /// The first that can be had: what the slot holds, or what comes now.
    fn first(&self) -> Position {
        let held = self.slot.filter(|lsn| *lsn > 0 && *lsn <= self.server.lsn);
        let lsn = held.unwrap_or(self.server.lsn);
        let timeline = self
            .history
            .at(lsn)
            .map_or(self.server.timeline, |stretch| stretch.timeline);
        let at = self.border(timeline, lsn);
        if self.gone == Some(at) {
            self.border(self.server.timeline, self.server.lsn)
        } else {
            at
        }
    }

    /// The beginning of the segment that a position is in.
    fn border(&self, timeline: u32, lsn: u64) -> Position {
        Position {
            timeline,
            lsn: lsn - lsn % u64::from(self.segment_bytes.max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(timeline: u32, lsn: u64) -> Position {
        Position { timeline, lsn }
    }

    const S: u64 = 1 << 20;

    fn begin(held: &[Position], server: Position, slot: Option<u64>, gone: Option<Position>) -> Result<Begin, String> {
        let file = format!("1\t0/{:X}\tx\n2\t0/{:X}\tx\n", 10 * S + 77, 20 * S + 5);
        let lines: String = file
            .lines()
            .take(server.timeline as usize - 1)
            .map(|line| format!("{line}\n"))
            .collect();
        let history = History::read(server.timeline, Some(lines.as_bytes())).unwrap();
        let held_latest = held.iter().map(|held| held.timeline).max().unwrap_or(0);
        let known = Known {
            held,
            held_latest,
            history: &history,
            server,
            slot,
            gone,
            segment_bytes: S as u32,
        };
        known.begin()
    }

    fn plain(position: Position) -> Result<Begin, String> {
        Ok(Begin {
            at: position,
            gap: None,
        })
    }

    #[test]
    fn an_empty_repository_begins_with_what_the_slot_holds() {
        assert_eq!(begin(&[], at(1, 9 * S + 4), Some(7 * S + 3), None), plain(at(1, 7 * S)));
        assert_eq!(begin(&[], at(1, 9 * S + 4), None, None), plain(at(1, 9 * S)));
        let gone = Some(at(1, 7 * S));
        assert_eq!(begin(&[], at(1, 9 * S + 4), Some(7 * S), gone), plain(at(1, 9 * S)));
        assert_eq!(begin(&[], at(2, 12 * S), Some(9 * S), None), plain(at(1, 9 * S)));
    }

    #[test]
    fn it_goes_on_after_the_last_byte() {
        assert_eq!(
            begin(&[at(1, 5 * S + 9)], at(1, 9 * S), None, None),
            plain(at(1, 5 * S + 9))
        );
        assert_eq!(
            begin(&[at(1, 5 * S + 9)], at(3, 29 * S), None, None),
            plain(at(1, 5 * S + 9))
        );
    }

    #[test]
    fn a_timeline_that_was_left_is_followed_by_the_next() {
        let ends = [at(1, 10 * S + 77), at(1, 13 * S)];
        for end in ends {
            assert_eq!(
                begin(&[end], at(3, 29 * S), None, None),
                plain(at(2, 10 * S)),
                "{end:?}"
            );
        }
        assert_eq!(
            begin(&[at(1, 13 * S), at(2, 20 * S + 5)], at(3, 29 * S), None, None),
            plain(at(3, 20 * S))
        );
        assert_eq!(
            begin(&[at(2, 20 * S + 4)], at(3, 29 * S), None, None),
            plain(at(2, 20 * S + 4))
        );
    }

    #[test]
    fn what_cannot_follow_is_refused() {
        let set_back = begin(&[at(1, 9 * S + 1)], at(1, 9 * S), None, None).unwrap_err();
        assert!(set_back.contains("set back"), "{set_back}");
        let overtaken = begin(&[at(2, 9 * S)], at(1, 9 * S), None, None).unwrap_err();
        assert!(overtaken.contains("overtaken"), "{overtaken}");
    }

    #[test]
    fn a_gap_is_told() {
        let end = at(1, 5 * S + 9);
        let gap = |to| Some(Gap { from: end, to });
        let begun = begin(&[end], at(1, 9 * S + 1), Some(7 * S + 1), Some(end)).unwrap();
        assert_eq!(
            begun,
            Begin {
                at: at(1, 7 * S),
                gap: gap(at(1, 7 * S))
            }
        );
        let begun = begin(&[end], at(1, 9 * S + 1), None, Some(end)).unwrap();
        assert_eq!(
            begun,
            Begin {
                at: at(1, 9 * S),
                gap: gap(at(1, 9 * S))
            }
        );
    }
}
