//! Forecasts in words. Pure.

use super::runs_out::RunsOut;

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Bytes,
    /// Parts of a whole, 0 to 1.
    Ratio,
}

/// Decimal units of bytes, the largest first.
const BYTES: [(&str, f64); 5] = [("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];

/// One sentence on when something ends, with its interval and the pace behind it. `end` is such as "full".
pub(crate) fn sentence(outlook: &RunsOut, end: &str, unit: Unit) -> String {
    match outlook {
        RunsOut::In { days, .. } if *days <= 0.0 => format!("{end} now"),
        RunsOut::In {
            days,
            low,
            high,
            per_day,
        } => {
            let range = high.map_or_else(
                || format!("not before {}", whole(*low)),
                |high| format!("between {} and {}", whole(*low), whole(high)),
            );
            format!("{end} in {} days, {range}, at {}", whole(*days), pace(*per_day, unit))
        }
        RunsOut::NotWithin { days, low: Some(low) } => {
            format!(
                "likely not {end} within {} days, at the earliest in {} days",
                whole(*days),
                whole(*low)
            )
        }
        RunsOut::NotWithin { days, low: None } => format!("not {end} within {} days", whole(*days)),
        RunsOut::NoTrend => "its trend cannot be told from none".to_owned(),
        RunsOut::TooLittleData(reason) => reason.to_string(),
    }
}

/// A growth, such as "3.1 GB a day".
pub(crate) fn pace(per_day: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => format!("{} a day", bytes(per_day)),
        Unit::Ratio => format!("{:.2} percentage points a day", per_day * 100.0),
    }
}

fn bytes(count: f64) -> String {
    let fits = BYTES.iter().find(|(_, size)| count.abs() >= *size);
    fits.map_or_else(
        || format!("{count:.0} bytes"),
        |(name, size)| format!("{:.1} {name}", count / size),
    )
}

fn whole(days: f64) -> String {
    if days < 3.0 {
        format!("{days:.1}")
    } else {
        format!("{days:.0}")
    }
}
