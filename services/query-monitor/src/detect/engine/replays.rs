//! Months of tenants in seconds: who is woken for nothing, and how soon somebody is when there is something. Pure.
//!
//! Seeds are fixed. The whole of it is `just soak-alerts`; what runs with every test is a part of the same.
#![expect(clippy::print_stdout, reason = "figures are what a replay is made for")]

mod bench;
mod outage;
mod tenants;

use tenants::{Errors, Healthy, Outbreak};

const RATES: [f64; 5] = [0.2, 1.0, 5.0, 20.0, 100.0];

/// Replays healthy tenants at every rate, prints the figures, and wants nobody to have been woken.
fn nobody_is_woken(tenants: usize, days: u64) {
    println!("{tenants} tenants of {days} days each, errors at half the budget of 99.9 %:");
    for errors in [Errors::Alone, Errors::Bursts] {
        for rate in RATES {
            let told = Healthy {
                tenants,
                days,
                rate,
                errors,
            }
            .replay();
            println!(
                "  {rate:>5} requests/min, errors {errors:?}: {} pages, {} tickets",
                told.pages, told.tickets
            );
            assert_eq!(
                told.pages, 0,
                "false pages at {rate} requests a minute, errors {errors:?}"
            );
        }
    }
}

/// Replays outbreaks of errors and prints how many minutes passed until somebody was woken.
fn minutes_to_page(rate: f64, share: f64, errors: Errors, trials: u64) -> (f64, f64) {
    let mut minutes: Vec<f64> = (0..trials)
        .map(|seed| {
            Outbreak {
                rate,
                share,
                errors,
                seed,
            }
            .minutes_to_page()
        })
        .collect();
    minutes.sort_by(f64::total_cmp);
    let at = |part: f64| minutes[((trials - 1) as f64 * part) as usize];
    let (median, p95) = (at(0.5), at(0.95));
    println!(
        "  {rate:>5} requests/min, {:.0} % fail, {errors:?}: median {median:.1} min, p95 {p95:.1} min",
        share * 100.0
    );
    (median, p95)
}

fn somebody_is_woken_in_time(trials: u64) {
    println!("{trials} outbreaks each:");
    let (median, _) = minutes_to_page(1.0, 0.2, Errors::Alone, trials.max(1_500));
    assert!(median <= 20.0, "20 % errors at 1 request a minute took {median} min");
    let (median, p95) = minutes_to_page(5.0, 0.2, Errors::Alone, trials);
    assert!(
        median <= 8.0 && p95 <= 15.0,
        "20 % errors at 5 requests a minute took {median} min, {p95} at worst"
    );
    for rate in [20.0, 100.0, 1_000.0] {
        let (median, p95) = minutes_to_page(rate, 0.2, Errors::Alone, trials);
        assert!(
            median <= 5.0 && p95 <= 5.0,
            "20 % errors at {rate} requests a minute took {median} min, {p95} at worst"
        );
    }
    let (_, p95) = minutes_to_page(20.0, 1.0, Errors::Alone, trials);
    assert!(p95 <= 3.0, "a whole failure took {p95} min");
    // Slower, and worth knowing: the same share in bursts, and a share that the page leaves to the ticket.
    minutes_to_page(20.0, 0.2, Errors::Bursts, trials);
    minutes_to_page(1.0, 0.02, Errors::Alone, trials / 10);
}

#[test]
fn a_part_of_the_tenants() {
    nobody_is_woken(3, 8);
}

#[test]
fn a_part_of_the_outbreaks() {
    somebody_is_woken_in_time(100);
}

#[test]
#[ignore = "takes minutes; `just soak-alerts` runs it"]
fn all_tenants() {
    nobody_is_woken(120, 30);
}

#[test]
#[ignore = "takes minutes; `just soak-alerts` runs it"]
fn all_outbreaks() {
    somebody_is_woken_in_time(2_000);
}
