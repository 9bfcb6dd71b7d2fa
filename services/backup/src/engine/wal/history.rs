//! Histories of timelines: which came before which, and where each ended. Pure.

use weir_upstream::Lsn;

/// A timeline on the way to a server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub timeline: u32,
    /// Where it begins.
    pub begin: u64,
    /// Where it ends; none for the last.
    pub end: Option<u64>,
}

/// The timelines that led to one, the oldest first, and that one last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct History(Vec<Stretch>);

impl History {
    /// Reads the file of a timeline; none for the first, which has no file.
    pub(crate) fn read(timeline: u32, file: Option<&[u8]>) -> Result<Self, String> {
        let text = String::from_utf8_lossy(file.unwrap_or_default());
        let (mut stretches, mut begin) = (Vec::new(), 0);
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (of, end) =
                line_of(line).ok_or_else(|| format!("a line of the history of timeline {timeline} is none: {line}"))?;
            let follows = stretches.last().is_none_or(|last: &Stretch| last.timeline < of);
            if end < begin || of >= timeline || !follows {
                return Err(format!("the history of timeline {timeline} is out of order"));
            }
            stretches.push(Stretch {
                timeline: of,
                begin,
                end: Some(end),
            });
            begin = end;
        }
        stretches.push(Stretch {
            timeline,
            begin,
            end: None,
        });
        Ok(Self(stretches))
    }

    /// The timelines, the newest first.
    pub(crate) fn back(&self) -> impl Iterator<Item = &Stretch> {
        self.0.iter().rev()
    }

    /// The stretch that a position lies in.
    pub(crate) fn at(&self, lsn: u64) -> Option<&Stretch> {
        self.0.iter().find(|stretch| stretch.end.is_none_or(|end| lsn < end))
    }

    /// The one after a timeline.
    pub(crate) fn after(&self, timeline: u32) -> Option<&Stretch> {
        self.0.iter().find(|stretch| stretch.timeline > timeline)
    }

    /// A timeline of it.
    pub(crate) fn of(&self, timeline: u32) -> Option<&Stretch> {
        self.0.iter().find(|stretch| stretch.timeline == timeline)
    }
}

fn line_of(line: &str) -> Option<(u32, u64)> {
    let mut words = line.split_whitespace();
    let timeline = words.next()?.parse().ok()?;
    let end: Lsn = words.next()?.parse().ok()?;
    Some((timeline, end.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read() {
        let file = b"1\t0/3000100\tno recovery target specified\n# a word\n\n3\t0/5000000\tbefore \xe9\n";
        let history = History::read(4, Some(file)).unwrap();
        let timelines: Vec<u32> = history.back().map(|stretch| stretch.timeline).collect();
        assert_eq!(timelines, [4, 3, 1]);
        assert_eq!(history.at(0x300_00FF).unwrap().timeline, 1);
        assert_eq!(history.at(0x300_0100).unwrap().timeline, 3);
        assert_eq!(history.at(u64::MAX).unwrap().timeline, 4);
        assert_eq!(history.after(1).unwrap().begin, 0x300_0100);
        assert!(history.of(2).is_none());
        assert_eq!(History::read(1, None).unwrap().at(7).unwrap().timeline, 1);
        for wrong in ["x", "1", "1 0", "4 0/1", "2\t0/5\n1\t0/9", "1\t0/9\n2\t0/5"] {
            assert!(History::read(4, Some(wrong.as_bytes())).is_err(), "{wrong}");
        }
    }
}
