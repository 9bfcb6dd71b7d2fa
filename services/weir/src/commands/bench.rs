//! `weir bench`: the built-in verification and benchmark, run from here.

use std::path::PathBuf;

use clap::Args;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use weir_config::Sources;
use weir_console::Desk;
use weir_console::bench::{Bench, Check, Kind, Order, Report, State, Verdict, page};
use weir_model::Clock;

use super::progress::Progress;
use crate::terminal::{Failure, Listing, milliseconds, say, say_json};

/// How often the line is drawn anew, so that one sees time pass.
const REDRAWN_EVERY: std::time::Duration = std::time::Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only the four ways, for a second each, without the checks of backups and isolation.
    #[arg(long)]
    quick: bool,
    /// Seconds of each way. Without it: 10, or 1 with --quick.
    #[arg(long)]
    seconds: Option<u64>,
    /// Clients at once. Without it: 8.
    #[arg(long)]
    clients: Option<u64>,
    /// Rows of each of the two tables that are made. Without it: 100000, or 10000 with --quick.
    #[arg(long)]
    rows: Option<u64>,
    /// Write the report as a page with charts too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn order(&self) -> Order {
        let kind = if self.quick { Kind::Quick } else { Kind::Comprehensive };
        let usual = Order::usual(kind, "command line");
        Order {
            seconds: self.seconds.unwrap_or(usual.seconds),
            clients: self.clients.unwrap_or(usual.clients),
            rows: self.rows.unwrap_or(usual.rows),
            ..usual
        }
    }
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let order = arguments.order();
    order.check()?;
    let clock = Clock::system();
    let bench = Bench::of(&sources, clock.clone())?;
    // Without the console's tables only the check of isolation is left out.
    let keyring = Desk::open(&sources, clock).await.ok().map(|desk| desk.keyring());
    let (told, heard) = watch::channel(bench.draft(uuid::Uuid::now_v7(), &order));
    let stop = CancellationToken::new();
    let mut work = Box::pin(bench.run(&order, keyring.as_ref(), &told, &stop));
    let mut shown = Box::pin(show_progress(heard, !arguments.json));
    tokio::select! {
        () = &mut work => {}
        () = &mut shown => {}
        // What was made is removed before the command ends.
        _ = tokio::signal::ctrl_c() => {
            stop.cancel();
            work.await;
        }
    }
    drop(shown);
    let report = told.borrow().clone();
    if let Some(path) = &arguments.html {
        std::fs::write(path, page(&report)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if arguments.json {
        say_json(&serde_json::to_value(&report)?)?;
    } else {
        show(&report)?;
    }
    outcome(&report)
}

/// Until it has ended; time goes on between two steps.
async fn show_progress(mut heard: watch::Receiver<Report>, is_wanted: bool) {
    let mut shown = Progress::new(is_wanted);
    loop {
        match tokio::time::timeout(REDRAWN_EVERY, heard.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => {
                shown.show_again();
                continue;
            }
        }
        if let Some(progress) = &heard.borrow_and_update().progress {
            shown.show(progress);
        }
    }
}

fn show(report: &Report) -> Result<(), Failure> {
    let headings = ["WAY", "CALLS/S", "P50", "P95", "P99", "CONNECTING P50", "ERRORS"];
    let mut listing = Listing::new(&headings, "nothing was measured");
    for mode in &report.modes {
        listing.row([
            mode.title.clone(),
            format!("{:.0}", mode.queries_per_second),
            milliseconds(mode.p50_ms),
            milliseconds(mode.p95_ms),
            milliseconds(mode.p99_ms),
            mode.connect_p50_ms.map_or_else(|| "-".to_owned(), milliseconds),
            mode.errors.to_string(),
        ]);
    }
    listing.say()?;
    say("")?;
    let mut listing = Listing::new(&["CHECK", "HAS TO BE", "IS", "VERDICT"], "nothing was checked");
    for check in &report.checks {
        listing.row([
            check.title.clone(),
            target(check),
            measured(check),
            word(check.verdict).to_owned(),
        ]);
    }
    listing.say()
}

fn target(check: &Check) -> String {
    match check.target {
        Some(target) => format!("{} {}", check.direction, figure(target, &check.unit)),
        None => "yes".to_owned(),
    }
}

fn measured(check: &Check) -> String {
    match check.measured {
        Some(measured) if check.verdict == Verdict::Fail && !check.note.is_empty() => {
            format!("{}: {}", figure(measured, &check.unit), check.note)
        }
        Some(measured) => figure(measured, &check.unit),
        None if check.note.is_empty() => "-".to_owned(),
        None => check.note.clone(),
    }
}

fn figure(value: f64, unit: &str) -> String {
    match unit {
        "ratio" => format!("{:.1} %", value * 100.0),
        _ => milliseconds(value),
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Skipped => "skipped",
        Verdict::Unknown => "unknown",
    }
}

fn outcome(report: &Report) -> Result<(), Failure> {
    match (report.state, report.verdict) {
        (State::Failed, _) => Err(format!("it did not come to its end: {}", report.error).into()),
        (State::Cancelled, _) => Err("stopped; what was made for it is removed".into()),
        (_, Verdict::Fail) => Err("a check failed: see above".into()),
        _ => Ok(()),
    }
}
