//! `weir security`: which rules were broken, by whom, and what was done about it; as it was, or as it happens.

use std::io::Write as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};
use tokio::signal::unix::{SignalKind, signal};
use weir_config::Sources;
use weir_console::{Desk, ViolationRow, ViolationsWanted};
use weir_model::{Clock, Project};

use super::times::When;
use crate::terminal::{Failure, Listing, moment, say, say_json, shortened};
use crate::text::clean;

/// How often is looked for what is new.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// While the tables are away.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Most lines between two looks.
const PAGE: i64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this project's. Without it: everybody's.
    #[arg(long)]
    project: Option<String>,
    /// Only of this rule, such as stacked-statements.
    #[arg(long)]
    rule: Option<String>,
    /// Only those about which this was done.
    #[arg(long, value_enum)]
    action: Option<Action>,
    /// Only of this role.
    #[arg(long)]
    role: Option<String>,
    /// Only on this database.
    #[arg(long)]
    database: Option<String>,
    /// Only from this address.
    #[arg(long)]
    client: Option<String>,
    /// Only those whose rule, summary, role, database, program or address contains this.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only what happened from then on: so long ago (15m, 2h, 7d) or a time (2026-03-01T12:00:00Z). Without it: all that is kept.
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Only what happened before then, written alike. Without it: up to now.
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    until: Option<When>,
    /// How many, the latest.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on with what happens from now on, until stopped: a line each.
    #[arg(long)]
    follow: bool,
    /// Print JSON; with --follow a line each.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Told and let through.
    Reported,
    /// Refused.
    Blocked,
}

impl Arguments {
    fn wanted(&self, clock: &Clock) -> Result<ViolationsWanted, Failure> {
        let project = self.project.as_deref().map(Project::parse).transpose()?;
        let now = clock.unix_ms();
        let at = |when: Option<When>| when.map_or(0, |when| when.unix_ms(now));
        Ok(ViolationsWanted {
            project: project.map(|project| project.to_string()),
            rule: self.rule.clone(),
            action: self.action.map(|action| match action {
                Action::Reported => "reported".to_owned(),
                Action::Blocked => "blocked".to_owned(),
            }),
            user: self.role.clone(),
            database: self.database.clone(),
            client: self.client.clone(),
            fingerprint: None,
            search: self.search.clone(),
            since_unix_ms: at(self.since),
            until_unix_ms: at(self.until),
            limit: i64::from(self.limit),
        })
    }
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let clock = Clock::system();
    let wanted = arguments.wanted(&clock)?;
    let desk = Desk::open(&sources, clock).await?;
    if !arguments.follow {
        return list(&desk.violations(&wanted).await?, arguments.json);
    }
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = follow(&desk, wanted, arguments.json) => ended,
        _ = stop.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

fn list(rows: &[ViolationRow], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&Json::Array(rows.iter().map(|row| json!(row)).collect()));
    }
    let headings = [
        "AT",
        "SEVERITY",
        "ACTION",
        "RULE",
        "COUNT",
        "PROJECT",
        "DATABASE",
        "ROLE",
        "FROM",
        "STATEMENT",
        "WHAT",
    ];
    let mut listing = Listing::new(&headings, "no rule was broken in that time");
    for row in rows {
        listing.row([
            moment(row.at_unix_ms),
            row.severity.clone(),
            row.action.clone(),
            row.rule.clone(),
            row.count.to_string(),
            row.project.clone(),
            row.database.clone(),
            row.user.clone(),
            row.client.clone(),
            or_dash(&row.fingerprint),
            shortened(&row.summary, 60),
        ]);
    }
    listing.say()
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

/// The latest that are there, and then whatever comes. Tables that are away are waited for: what is told meanwhile is
/// kept, and comes then.
async fn follow(desk: &Desk, mut wanted: ViolationsWanted, as_json: bool) -> Result<(), Failure> {
    // What is written between the two is in the second alone, if it is not in the first.
    let mut last = desk.last_violation().await?;
    let mut known = desk.violations(&wanted).await?;
    known.retain(|row| row.id <= last);
    for row in known.iter().rev() {
        say_line(row, as_json)?;
    }
    wanted.limit = PAGE;
    let mut is_away = false;
    loop {
        let wait = match fresh(desk, &wanted, &mut last).await {
            Ok(rows) => {
                is_away = false;
                for row in &rows {
                    say_line(row, as_json)?;
                }
                LOOK_EVERY
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    complain(&format!("weir: {error}; what happens meanwhile comes when it is back"));
                }
                LOOK_AGAIN
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// What is wanted of what was written after the last one that was looked at, which is another then.
async fn fresh(desk: &Desk, wanted: &ViolationsWanted, last: &mut i64) -> Result<Vec<ViolationRow>, Failure> {
    let newest = desk.last_violation().await?;
    if newest <= *last {
        return Ok(Vec::new());
    }
    let rows = desk.violations_after(wanted, *last).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= wanted.limit);
    let told = rows.last().map_or(*last, |row| row.id);
    // Rows become visible in the order of their ids, so nothing that is wanted is left below.
    *last = if is_full { told } else { told.max(newest) };
    Ok(rows)
}

/// Beside what is told, and of no consequence if nobody reads it.
fn complain(line: &str) {
    let _unread = writeln!(std::io::stderr().lock(), "{}", clean(line));
}

fn say_line(row: &ViolationRow, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say(&json!(row).to_string());
    }
    say(&line(row))
}

/// One line of what happened; what others chose of it does nothing to the terminal.
fn line(row: &ViolationRow) -> String {
    let times = if row.count > 1 {
        format!(" (×{})", row.count)
    } else {
        String::new()
    };
    let shape = if row.fingerprint.is_empty() {
        String::new()
    } else {
        format!(" [{}]", row.fingerprint)
    };
    clean(&format!(
        "{} {} {}{times} {}: {}@{} from {}: {}{shape}",
        moment(row.at_unix_ms),
        row.action,
        row.rule,
        row.project,
        row.user,
        row.database,
        or_dash(&row.client),
        row.summary,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> ViolationRow {
        ViolationRow {
            id: 7,
            event_id: "e".to_owned(),
            at_unix_ms: 1_790_000_000_000,
            project: "shop".to_owned(),
            rule: "tautology".to_owned(),
            action: "blocked".to_owned(),
            severity: "critical".to_owned(),
            upstream: String::new(),
            database: "orders".to_owned(),
            user: "app\u{1b}[2J".to_owned(),
            application: String::new(),
            client: "192.0.2.7".to_owned(),
            door: "wire".to_owned(),
            fingerprint: "0123456789abcdef".to_owned(),
            summary: "always true".to_owned(),
            traceparent: String::new(),
            count: 3,
            score: 60,
            rules: Vec::new(),
        }
    }

    #[test]
    fn a_line_says_who_did_what_and_nothing_to_the_terminal() {
        assert_eq!(
            line(&row()),
            "2026-09-21 14:13:20Z blocked tautology (×3) shop: app\u{FFFD}[2J@orders from 192.0.2.7: always true [0123456789abcdef]"
        );
        let other = ViolationRow {
            count: 1,
            fingerprint: String::new(),
            client: String::new(),
            ..row()
        };
        assert!(line(&other).ends_with("blocked tautology shop: app\u{FFFD}[2J@orders from -: always true"));
    }
}
