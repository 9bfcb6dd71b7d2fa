//! A few lines of text that show how something went over time. Pure.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A figure in a span of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) from_ms: i64,
    pub(super) value: f64,
}

/// One character for each of `width` equal spans between two moments: as high as the greatest value in it, a space where
/// nothing ran. With it comes the greatest value of all.
pub(super) fn bars(points: &[Point], from_ms: i64, to_ms: i64, width: usize) -> (String, f64) {
    let mut columns: Vec<Option<f64>> = vec![None; width];
    let span = (to_ms - from_ms).max(1) as f64;
    for point in points {
        let place = (point.from_ms - from_ms) as f64 / span * width as f64;
        let at = (place.max(0.0) as usize).min(width.saturating_sub(1));
        if let Some(column) = columns.get_mut(at) {
            *column = Some(column.unwrap_or(0.0).max(point.value));
        }
    }
    let top = columns.iter().flatten().copied().fold(0.0, f64::max);
    let line = columns.iter().map(|column| column.map_or(' ', |value| bar(value, top)));
    (line.collect(), top)
}

fn bar(value: f64, top: f64) -> char {
    let share = if top > 0.0 { value / top } else { 0.0 };
    let step = (share * (BARS.len() - 1) as f64).round() as usize;
    BARS.get(step).copied().unwrap_or('█')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(i64, f64)]) -> Vec<Point> {
        values
            .iter()
            .map(|(from_ms, value)| Point {
                from_ms: *from_ms,
                value: *value,
            })
            .collect()
    }

    #[test]
    fn heights_follow_the_greatest_and_gaps_stay_empty() {
        let told = points(&[(0, 1.0), (10, 7.0), (15, 14.0), (39, 0.0)]);
        assert_eq!(bars(&told, 0, 40, 4), ("▂█ ▁".to_owned(), 14.0));
        assert_eq!(bars(&[], 0, 40, 3), ("   ".to_owned(), 0.0));
        let outside = points(&[(-5, 2.0), (99, 2.0)]);
        assert_eq!(bars(&outside, 0, 40, 2).0, "██");
    }
}
