//! How surprising a count is. Pure.

/// How likely at least `count` events are where `mean` are expected, if they come independently.
pub(crate) fn at_least(count: u64, mean: f64) -> f64 {
    let first = count as f64;
    if count == 0 || mean >= first {
        // Not surprising; an exact figure is of no use to anybody here.
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    // P(count) · (1 + m/(c+1) + m²/((c+1)(c+2)) + …), which falls faster than a geometric series.
    let (mut sum, mut term, mut next) = (1.0_f64, 1.0_f64, first + 1.0);
    while term > sum * 1e-12 {
        term *= mean / next;
        sum += term;
        next += 1.0;
    }
    (first * mean.ln() - mean - ln_factorial(count) + sum.ln())
        .exp()
        .min(1.0)
}

fn ln_factorial(count: u64) -> f64 {
    if count < 16 {
        return (2..=count).map(|factor| (factor as f64).ln()).sum();
    }
    // Stirling, exact to 1e-10 from here on.
    let x = count as f64;
    x * x.ln() - x + 0.5 * (std::f64::consts::TAU * x).ln() + 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_tables() {
        // Summed with sixty digits.
        for (count, mean, expected) in [
            (1, 0.001, 9.995_001_666e-4),
            (3, 0.012, 2.854_204e-7),
            (4, 0.06, 5.147_170e-7),
            (10, 2.0, 4.649_807_501e-5),
            (30, 10.0, 2.509_951e-7),
            (120, 60.0, 6.155_483e-12),
        ] {
            let found = at_least(count, mean);
            assert!((found / expected - 1.0).abs() < 1e-6, "{count} of {mean}: {found}");
        }
        assert_eq!((at_least(0, 1.0), at_least(5, 6.0), at_least(1, 0.0)), (1.0, 1.0, 0.0));
        let far = at_least(100_000, 50_000.0);
        assert!((0.0..1e-300).contains(&far));
    }
}
