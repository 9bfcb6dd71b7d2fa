//! Planted truth: what was put into a series must be found, and what was not must not. Pure.

mod changing;
mod expecting;
mod running_out;

use fastrand::Rng;

use super::Point;

/// When the series of these tests begin.
const START: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

/// Of a normal distribution with mean 0 and standard deviation 1.
fn normal(random: &mut Rng) -> f64 {
    let (radius, angle) = (1.0 - random.f64(), random.f64() * std::f64::consts::TAU);
    (-2.0 * radius.ln()).sqrt() * angle.cos()
}

fn series(step: i64, values: &[f64]) -> Vec<Point> {
    let point = |(index, value): (i64, &f64)| Point::new(START + index * step, *value);
    (0..).zip(values).map(point).collect()
}

/// A day's wave of height 1 in hourly values.
fn wave(hour: usize) -> f64 {
    (hour as f64 / 24.0 * std::f64::consts::TAU).sin()
}
