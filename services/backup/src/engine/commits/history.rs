//! Which timeline holds which part of the log, as the history of a timeline tells. Pure.

/// A span of the log on one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub timeline: u32,
    pub from: u64,
    /// The position after it.
    pub until: u64,
}

/// The log that leads to a timeline, the oldest span first. `history` is the file of that name; the first timeline has
/// none.
pub(crate) fn reaches(timeline: u32, history: Option<&[u8]>) -> Result<Vec<Reach>, String> {
    let text = String::from_utf8_lossy(history.unwrap_or_default()).into_owned();
    let mut reaches: Vec<Reach> = Vec::new();
    let mut from = 0;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (earlier, until) = parent(line).ok_or_else(|| format!("its line {line} cannot be read"))?;
        let is_later = reaches.last().is_none_or(|last| last.timeline < earlier);
        if !is_later || earlier >= timeline || until < from {
            return Err("its timelines are not in order".to_owned());
        }
        reaches.push(Reach {
            timeline: earlier,
            from,
            until,
        });
        from = until;
    }
    reaches.push(Reach {
        timeline,
        from,
        until: u64::MAX,
    });
    Ok(reaches)
}

/// A timeline and where it was left.
fn parent(line: &str) -> Option<(u32, u64)> {
    let mut words = line.split_ascii_whitespace();
    let timeline = words.next()?.parse().ok()?;
    let (high, low) = words.next()?.split_once('/')?;
    let high = u64::from(u32::from_str_radix(high, 16).ok()?);
    let low = u64::from(u32::from_str_radix(low, 16).ok()?);
    Some((timeline, high << 32 | low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(timeline: u32, from: u64, until: u64) -> Reach {
        Reach { timeline, from, until }
    }

    #[test]
    fn a_history_says_who_holds_what() {
        let text = b"1\t0/3000148\tno recovery target specified\n\n3\t1/A0\tbefore 2026-01-01 00:00:00+00\n";
        let expected = vec![
            reach(1, 0, 0x300_0148),
            reach(3, 0x300_0148, 0x1_0000_00A0),
            reach(7, 0x1_0000_00A0, u64::MAX),
        ];
        assert_eq!(reaches(7, Some(text)), Ok(expected));
        assert_eq!(reaches(1, None), Ok(vec![reach(1, 0, u64::MAX)]));
    }

    #[test]
    fn a_history_that_contradicts_itself_is_refused() {
        for wrong in [
            "2\t0/100\tx\n1\t0/200\tx",
            "1\t0/200\tx\n2\t0/100\tx",
            "9\t0/100\tx",
            "1 x",
            "one\t0/1",
        ] {
            assert!(reaches(5, Some(wrong.as_bytes())).is_err(), "{wrong}");
        }
    }
}
