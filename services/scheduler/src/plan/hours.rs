//! Days of the week and hours of the day, as people write them. Pure.

use std::fmt;

use chrono::Weekday;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days of the week, Monday as bit 0. Never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Weekdays(u8);

impl Weekdays {
    /// Days counted from Monday as 0; none means every day.
    pub(crate) fn of(days: impl IntoIterator<Item = u32>) -> Self {
        let bits = days.into_iter().fold(0, |bits, day| bits | (1 << (day % 7)));
        if bits == 0 { Self(0b111_1111) } else { Self(bits) }
    }

    /// As they are stored.
    pub(crate) fn bits(self) -> i16 {
        self.0.into()
    }

    /// From what was stored.
    pub(crate) fn from_bits(bits: i16) -> Self {
        Self::of((0..7).filter(|day| bits & (1 << day) != 0))
    }

    /// Reads `mon-fri, sun`; empty means every day.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut days = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day_of(first)?, day_of(last)?);
            let further = (last + 7 - first) % 7;
            days.extend(first..=first + further);
        }
        Ok(Self::of(days))
    }

    /// The days, counted from Monday as 0.
    pub(crate) fn days(self) -> impl Iterator<Item = u32> {
        (0..7).filter(move |day| self.0 & (1 << day) != 0)
    }

    /// Whether that day is among them.
    pub(crate) fn has(self, day: Weekday) -> bool {
        self.0 & (1 << day.num_days_from_monday()) != 0
    }
}

fn day_of(text: &str) -> Result<u32, String> {
    let word = text.trim().to_ascii_lowercase();
    (0u32..)
        .zip(NAMES)
        .find(|(_, name)| *name == word)
        .map(|(day, _)| day)
        .ok_or_else(|| format!("{text:?} is not a day such as mon, nor days such as mon-fri"))
}

/// From one minute of the day to another, which may be on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hours {
    start: u16,
    end: u16,
}

impl Hours {
    /// Reads two times of day, each such as `22:00`; the second may be `24:00`.
    pub(crate) fn parse(start: &str, end: &str) -> Result<Self, InvalidHours> {
        let time = |field, text: &str, most| time_of(text, most).ok_or_else(|| InvalidHours::new(field, text));
        Ok(Self {
            start: time("start", start, DAY - 1)?,
            end: time("end", end, DAY)?,
        })
    }

    /// From minutes of a day. What lies beyond the day is cut off.
    pub(crate) fn of(start: u16, end: u16) -> Self {
        Self {
            start: start.min(DAY - 1),
            end: end.min(DAY),
        }
    }

    /// As they are stored.
    pub(crate) const fn stored(self) -> (u16, u16) {
        (self.start, self.end)
    }

    /// Minutes from the midnight before the start; the end may be beyond the next one. An end that is the start is a
    /// whole day later.
    pub(crate) const fn minutes(self) -> (u16, u16) {
        let end = if self.end > self.start {
            self.end
        } else {
            self.end + DAY
        };
        (self.start, end)
    }

    /// When they begin, as people write it.
    pub(crate) fn start(self) -> String {
        time_text(self.start)
    }

    /// When they end.
    pub(crate) fn end(self) -> String {
        time_text(self.end)
    }

    /// Whether all of an hour of the day, counted from 0, lies within.
    pub(crate) const fn have_hour(self, hour: u16) -> bool {
        let (start, end) = self.minutes();
        let (from, to) = (hour * 60, hour * 60 + 60);
        (start <= from && to <= end) || (start <= from + DAY && to + DAY <= end)
    }
}

/// What is no time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidHours {
    /// `start` or `end`.
    pub field: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl InvalidHours {
    fn new(field: &'static str, text: &str) -> Self {
        let reason = format!("{text:?} is not a time of day such as 02:00");
        Self { field, reason }
    }
}

impl fmt::Display for InvalidHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

fn time_of(text: &str, most: u16) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, length: std::ops::RangeInclusive<usize>| {
        let digits = length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
    let time = hours * 60 + minutes;
    (minutes < 60 && time <= most).then_some(time)
}

fn time_text(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_alone_in_ranges_and_over_the_weekend() {
        let days = |text: &str| Weekdays::parse(text).unwrap().days().collect::<Vec<_>>();
        assert_eq!(days(""), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(days("Sun"), [6]);
        assert_eq!(days("mon-fri"), [0, 1, 2, 3, 4]);
        assert_eq!(days("fri-mon, wed"), [0, 2, 4, 5, 6]);
        for wrong in ["someday", "mon-", "m", "mon-fri-sun", "monday"] {
            assert!(Weekdays::parse(wrong).unwrap_err().contains("is not a day"), "{wrong}");
        }
        let stored = Weekdays::parse("tue,sat").unwrap();
        assert_eq!(Weekdays::from_bits(stored.bits()), stored);
    }

    #[test]
    fn hours_are_read_and_may_end_on_the_next_day() {
        let minutes = |start, end| Hours::parse(start, end).unwrap().minutes();
        assert_eq!(minutes("02:00", "06:00"), (120, 360));
        assert_eq!(minutes("22:30", "5:00"), (1_350, 1_740));
        assert_eq!(minutes("00:00", "24:00"), (0, 1_440));
        assert_eq!(minutes("03:00", "03:00"), (180, 1_620), "a whole day");
        for (start, end, field) in [
            ("24:00", "06:00", "start"),
            ("02:60", "06:00", "start"),
            ("2", "06:00", "start"),
            ("+2:00", "06:00", "start"),
            ("02:00", "24:01", "end"),
            ("02:00", "06:0", "end"),
            ("02:00", "", "end"),
        ] {
            assert_eq!(Hours::parse(start, end).unwrap_err().field, field, "{start} {end}");
        }
        assert_eq!(
            (minutes("02:05", "00:00"), Hours::of(125, 0).start()),
            ((125, 1_440), "02:05".to_owned())
        );
    }

    #[test]
    fn an_hour_lies_within_or_it_does_not() {
        let night = Hours::parse("22:00", "06:00").unwrap();
        let within: Vec<u16> = (0..24).filter(|hour| night.have_hour(*hour)).collect();
        assert_eq!(within, [0, 1, 2, 3, 4, 5, 22, 23]);
        let odd = Hours::parse("02:30", "05:00").unwrap();
        assert_eq!((0..24).filter(|hour| odd.have_hour(*hour)).collect::<Vec<_>>(), [3, 4]);
    }
}
