//! Figures in few columns, with their units. Pure.

/// How long something lasts.
pub(in crate::commands) fn span(seconds: f64) -> String {
    match seconds {
        _ if seconds < 10.0 => format!("{:.1} s", seconds.max(0.0)),
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds < 172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.0} d", seconds / 86_400.0),
    }
}

/// A latency.
pub(super) fn latency(ms: f64) -> String {
    match ms {
        _ if ms >= 10_000.0 => span(ms / 1_000.0),
        _ if ms >= 100.0 => format!("{ms:.0} ms"),
        _ if ms >= 1.0 => format!("{ms:.1} ms"),
        _ => format!("{ms:.2} ms"),
    }
}

/// How often something happens in a second.
pub(in crate::commands) fn rate(per_second: f64) -> String {
    match per_second {
        _ if per_second >= 999_500.0 => format!("{:.1}M", per_second / 1e6),
        _ if per_second >= 9_999.5 => format!("{:.1}k", per_second / 1e3),
        _ if per_second >= 99.95 => format!("{per_second:.0}"),
        _ if per_second > 0.0 && per_second < 0.05 => "<0.1".to_owned(),
        _ => format!("{per_second:.1}"),
    }
}

/// A part of a whole.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// A time of day, in UTC.
pub(super) fn time_of_day(unix_ms: i64) -> String {
    let moment = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(unix_ms);
    moment.map_or_else(|| "-".to_owned(), |moment| moment.format("%H:%M:%SZ").to_string())
}

/// Seconds from one moment to another, in milliseconds since 1970; none where there is no such moment.
pub(super) fn seconds_since(unix_ms: i64, now_ms: i64) -> Option<f64> {
    (unix_ms > 0).then(|| now_ms.saturating_sub(unix_ms).max(0) as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_the_digits_that_matter() {
        let spans = [-1.0, 0.4, 42.0, 600.0, 9_000.0, 864_000.0].map(span);
        assert_eq!(spans, ["0.0 s", "0.4 s", "42 s", "10 min", "2.5 h", "10 d"]);
        let latencies = [0.041, 1.234, 123.4, 1_234.0, 12_345.0].map(latency);
        assert_eq!(latencies, ["0.04 ms", "1.2 ms", "123 ms", "1234 ms", "12 s"]);
        let rates = [0.0, 0.01, 0.5, 99.96, 9_999.4, 12_345.0, 2_500_000.0].map(rate);
        assert_eq!(rates, ["0.0", "<0.1", "0.5", "100", "9999", "12.3k", "2.5M"]);
        assert_eq!(time_of_day(1_790_000_000_000), "14:13:20Z");
        assert_eq!(
            (seconds_since(0, 5_000), seconds_since(3_500, 5_000)),
            (None, Some(1.5))
        );
    }
}
