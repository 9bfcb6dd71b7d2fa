//! Counters of the server at one moment, and what was counted between two. Pure.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

const HOUR_MS: f64 = 3_600_000.0;

/// What was counted from one moment to another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counters {
    /// From when it was counted, in milliseconds since 1970; none where that is not known.
    pub(crate) since_unix_ms: Option<i64>,
    /// Until when.
    pub(crate) at_unix_ms: i64,
    /// How much, by name.
    pub(crate) values: BTreeMap<String, f64>,
}

impl Counters {
    /// One of them; zero where it is not counted.
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or_default()
    }

    /// How long was counted; none where that is not known, or less than an hour.
    pub(crate) fn hours(&self) -> Option<f64> {
        let hours = self.at_unix_ms.saturating_sub(self.since_unix_ms?) as f64 / HOUR_MS;
        (hours >= 1.0).then_some(hours)
    }

    /// How much an hour.
    pub(crate) fn hourly(&self, name: &str) -> Option<f64> {
        self.hours().map(|hours| self.get(name) / hours)
    }

    /// What was counted since an earlier moment. Everything, if the counters began anew after it.
    pub(crate) fn after(&self, earlier: &Self) -> Self {
        let began_anew = self.since_unix_ms.is_some_and(|since| since > earlier.at_unix_ms);
        if began_anew || earlier.values.iter().any(|(name, before)| self.get(name) < *before) {
            return self.clone();
        }
        let less = |(name, value): (&String, &f64)| (name.clone(), value - earlier.get(name));
        Self {
            since_unix_ms: Some(earlier.at_unix_ms),
            at_unix_ms: self.at_unix_ms,
            values: self.values.iter().map(less).collect(),
        }
    }

    /// As it is kept beside a change.
    pub(crate) fn to_json(&self) -> Json {
        json!({ "at_unix_ms": self.at_unix_ms, "values": self.values })
    }

    pub(crate) fn from_json(json: &Json) -> Option<Self> {
        let values = json.get("values")?.as_object()?;
        let number = |(name, value): (&String, &Json)| Some((name.clone(), value.as_f64()?));
        Some(Self {
            since_unix_ms: None,
            at_unix_ms: json.get("at_unix_ms")?.as_i64()?,
            values: values.iter().filter_map(number).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64, files: f64) -> Counters {
        Counters {
            since_unix_ms: Some(0),
            at_unix_ms: hour * 3_600_000,
            values: BTreeMap::from([("files".to_owned(), files)]),
        }
    }

    #[test]
    fn what_was_counted_before_a_change_says_nothing_of_it() {
        let kept = Counters::from_json(&at(10, 500.0).to_json()).unwrap();
        let since = at(20, 520.0).after(&kept);
        assert_eq!((since.get("files"), since.hours()), (20.0, Some(10.0)));
        assert_eq!(since.hourly("files"), Some(2.0));
        assert_eq!(at(10, 501.0).after(&kept).hours(), None, "less than an hour is no time");
    }

    #[test]
    fn counters_that_began_anew_count_in_full() {
        let kept = at(10, 500.0);
        assert_eq!(at(20, 30.0).after(&kept), at(20, 30.0));
        let mut reset = at(20, 600.0);
        reset.since_unix_ms = Some(11 * 3_600_000);
        assert_eq!(reset.after(&kept), reset);
    }
}
