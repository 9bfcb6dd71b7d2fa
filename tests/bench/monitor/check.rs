//! Figures against the truth.

use std::collections::HashMap;

use weir_proto::common::v1::PageRequest;
use weir_proto::monitor::v1::{GetIntakeRequest, ListQueriesRequest, QueryStatistics};

use crate::Failure;
use crate::load::{Load, PROJECT, Truth};
use crate::stage::Stage;

/// Compares everything that the monitor says with what is true, before and after a restart; where it was killed in
/// the middle, what is missing must be as much as it says.
pub(crate) async fn everything(stage: &mut Stage, load: &Load, killed: bool) -> Result<(), Failure> {
    for when in ["before a restart", "after it"] {
        let lines = lines(stage).await?;
        let intake = stage.client.clone().get_intake(GetIntakeRequest {}).await?.into_inner();
        let counted: u64 = lines.values().map(|line| line.calls).sum();
        let lost = intake.events_lost_total;
        println!(
            "{when}: {counted} calls in {} lines, {lost} events known to be lost",
            lines.len()
        );
        if counted + lost != load.events() as u64 {
            return Err(format!("{counted} counted and {lost} lost are not {}", load.events()).into());
        }
        if killed {
            return Ok(());
        }
        if lost > 0 {
            return Err("nothing was killed, and events are lost".into());
        }
        compare(&lines, &load.truth)?;
        stage.restart_monitor().await?;
    }
    Ok(())
}

async fn lines(stage: &Stage) -> Result<HashMap<u64, QueryStatistics>, Failure> {
    let mut lines = HashMap::new();
    let mut token = String::new();
    loop {
        let request = ListQueriesRequest {
            project: PROJECT.to_owned(),
            page: Some(PageRequest { size: 1_000, token }),
            ..ListQueriesRequest::default()
        };
        let answer = stage.client.clone().list_queries(request).await?.into_inner();
        for line in answer.queries {
            lines.insert(u64::from_str_radix(&line.fingerprint, 16)?, line);
        }
        token = answer.page.unwrap_or_default().next_token;
        if token.is_empty() {
            return Ok(lines);
        }
    }
}

fn compare(lines: &HashMap<u64, QueryStatistics>, truth: &HashMap<u64, Truth>) -> Result<(), Failure> {
    let mut worst: f64 = 0.0;
    for (fingerprint, truth) in truth {
        let line = lines.get(fingerprint).ok_or("a fingerprint is missing")?;
        let figures = (line.calls, line.errors, line.rows, line.bytes_out);
        if figures != (truth.calls, truth.errors, truth.rows, truth.bytes_out) {
            return Err(format!("{figures:?} are not the truth, which is {truth:?}").into());
        }
        for (share, found) in [(0.5, line.p50_ms), (0.95, line.p95_ms), (0.99, line.p99_ms)] {
            let exact = quantile_us(truth, share) / 1e3;
            worst = worst.max((found - exact).abs() / exact);
        }
    }
    println!(
        "  all counts exact; the worst of {} percentiles is off by {:.2} %",
        3 * truth.len(),
        worst * 1e2
    );
    if worst > 0.01 {
        return Err("a percentile is off by more than one per cent".into());
    }
    Ok(())
}

fn quantile_us(truth: &Truth, share: f64) -> f64 {
    let rank = (share * truth.durations_us.len() as f64).ceil() as usize;
    let value = truth.durations_us.get(rank.max(1) - 1).copied().unwrap_or_default();
    value as f64
}
