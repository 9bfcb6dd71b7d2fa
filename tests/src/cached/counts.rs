//! What the gateway counted of its cache.

use std::collections::BTreeMap;

use weir_testkit::http_get;

/// The metric, with the label that says what became of a request.
const REQUESTS: &str = "weir_cache_requests_total";
const OUTCOME: &str = "outcome";
/// Why answers did not come from memory.
const REASONS: [&str; 3] = [
    "weir_cache_misses_total",
    "weir_cache_bypasses_total",
    "weir_cache_fills_refused_total",
];
/// Outcomes of answers from memory begin so.
const HIT: &str = "hit";

/// Requests by outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    outcomes: BTreeMap<String, f64>,
    reasons: BTreeMap<String, f64>,
}

impl Counts {
    /// As the gateway's ops door shows them now; none where it does not answer.
    pub async fn read(ops: u16) -> Self {
        match http_get(ops, "/metrics").await {
            Ok((_, text)) => Self::parse(&text),
            Err(_) => Self::default(),
        }
    }

    fn parse(text: &str) -> Self {
        let mut counts = Self::default();
        for line in text.lines().filter(|line| line.starts_with("weir_cache_")) {
            let name = line.split('{').next().unwrap_or_default();
            let (map, label) = match name {
                REQUESTS => (&mut counts.outcomes, OUTCOME),
                _ if REASONS.contains(&name) => (&mut counts.reasons, "reason"),
                _ => continue,
            };
            if let Some((value, count)) = labelled(line, label) {
                *map.entry(value.to_owned()).or_default() += count;
            }
        }
        counts
    }

    /// Answers from memory, of whichever level.
    pub fn hits(&self) -> f64 {
        self.sum(|outcome| outcome.starts_with(HIT))
    }

    /// Requests that were not answered from memory for this reason.
    pub fn of_reason(&self, reason: &str) -> f64 {
        self.reasons.get(reason).copied().unwrap_or_default()
    }

    /// Requests for which the cache was asked at all.
    pub fn all(&self) -> f64 {
        self.sum(|_| true)
    }

    fn sum(&self, counts: impl Fn(&str) -> bool) -> f64 {
        let chosen = self.outcomes.iter().filter(|(outcome, _)| counts(outcome));
        chosen.map(|(_, count)| count).sum()
    }

    /// What came since an earlier reading. A gateway that began anew counts from zero.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            outcomes: since(&self.outcomes, &before.outcomes),
            reasons: since(&self.reasons, &before.reasons),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (sum, more) in [
            (&mut self.outcomes, &other.outcomes),
            (&mut self.reasons, &other.reasons),
        ] {
            for (name, count) in more {
                *sum.entry(name.clone()).or_default() += count;
            }
        }
        self
    }

    /// Hits among all requests, 0 to 1; 0 where there were none.
    pub fn hit_ratio(&self) -> f64 {
        self.hits() / self.all().max(1.0) + 0.0
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |counts: &BTreeMap<String, f64>| {
            let each: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            each.join(", ")
        };
        let (outcomes, reasons) = (shown(&self.outcomes), shown(&self.reasons));
        write!(out, "{:.1} % hits ({outcomes}; {reasons})", self.hit_ratio() * 100.0)
    }
}

fn since(now: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let each = now.iter().map(|(name, count)| {
        let earlier = before.get(name).copied().unwrap_or_default();
        (name.clone(), if *count < earlier { *count } else { count - earlier })
    });
    each.filter(|(_, count)| *count > 0.0).collect()
}

fn labelled<'l>(line: &'l str, label: &str) -> Option<(&'l str, f64)> {
    let (series, count) = line.rsplit_once(' ')?;
    let (_, rest) = series.split_once(&format!("{label}=\""))?;
    Some((rest.split('"').next()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP weir_cache_requests_total x
weir_cache_requests_total{outcome=\"hit\"} 6
weir_cache_requests_total{level=\"2\",outcome=\"hit_shared\"} 2
weir_cache_requests_total{outcome=\"absent\"} 2
weir_cache_misses_total{reason=\"absent\"} 2
weir_other_total{outcome=\"hit\"} 9
";

    #[test]
    fn hits_are_told_from_the_rest() {
        let counts = Counts::parse(TEXT);
        assert!(
            (counts.hits() - 8.0).abs() < 1e-9 && (counts.all() - 10.0).abs() < 1e-9,
            "{counts}"
        );
        let since = Counts::parse(&TEXT.replace(" 6", " 7")).since(&counts);
        assert!((since.hit_ratio() - 1.0).abs() < 1e-9 && (since.all() - 1.0).abs() < 1e-9);
        assert!(counts.to_string().ends_with("; absent 2)"), "{counts}");
        assert!(Counts::default().hit_ratio().abs() < 1e-9);
    }
}
