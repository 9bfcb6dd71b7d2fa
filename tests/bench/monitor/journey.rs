//! How soon a statement that ran through the gateway is seen in the statistics.

use tokio::time::{Duration, Instant, sleep};
use weir_proto::monitor::v1::ListQueriesRequest;

use crate::Failure;
use crate::stage::{Gateway, Stage};

/// How long one may take before something is wrong.
const WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(count: usize) -> Result<(), Failure> {
    let stage = Stage::set(&[]).await?;
    let gateway = Gateway::start(&stage).await?;
    let mut took = Vec::new();
    for number in 0..count {
        // A shape of its own, so that nothing but this statement can have made it.
        let text = format!("select journey_{number}_ends from (values (1)) as there (journey_{number}_ends)");
        gateway.execute(&text).await?;
        let ended = Instant::now();
        seen(&stage, &format!("select journey_{number}_ends from")).await?;
        took.push(ended.elapsed());
        // Not in step with the gateway's clock.
        sleep(Duration::from_millis(fastrand::u64(..100))).await;
    }
    took.sort_unstable();
    let at = |share: f64| {
        took.get((share * (took.len() - 1) as f64) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{count} statements were seen in the statistics after {:?} (half of them), {:?} (99 of 100), {:?} (all)",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

async fn seen(stage: &Stage, text: &str) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < WITHIN {
        let request = ListQueriesRequest {
            search: text.to_owned(),
            ..ListQueriesRequest::default()
        };
        let answer = stage.client.clone().list_queries(request).await?.into_inner();
        if answer.queries.iter().any(|line| line.calls == 1) {
            return Ok(());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Err(format!("{text} was not seen within {WITHIN:?}").into())
}
