//! The firewall as people and programs read it.

use serde_json::json;
use weir_proto::gateway::v1 as api;

use crate::terminal::{Failure, Listing, moment, say, say_json, shortened};
use crate::text::clean;

/// What it does for whom, and what it did.
pub(super) fn status(told: &api::FirewallStatusResponse, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({
            "scopes": told.scopes,
            "modes": told.modes,
            "kept": told.kept,
            "reason": told.reason,
            "since_unix_ms": told.since_unix_ms,
        }));
    }
    let headings = [
        "PROJECT", "DATABASE", "ROLE", "MODE", "FROM", "LEARNED", "APPROVED", "QUEUED", "JUDGED", "REPORTED",
        "BLOCKED", "LAST",
    ];
    let mut listing = Listing::new(&headings, "nobody has sent a statement yet");
    for status in &told.scopes {
        listing.row(row(status));
    }
    listing.say()?;
    for status in &told.scopes {
        for sentence in sentences(status, told.since_unix_ms) {
            say(&sentence)?;
        }
    }
    for set in &told.modes {
        say(&clean(&format!(
            "{} is set for {} by {}, {}",
            mode(set.mode()),
            set.scope.as_ref().map(scope).unwrap_or_default(),
            if set.by.is_empty() { "somebody" } else { &set.by },
            moment(set.at_unix_ms)
        )))?;
    }
    if told.kept {
        return Ok(());
    }
    say(&clean(&format!("shapes are not kept now: {}", told.reason)))
}

fn row(status: &api::FirewallScopeStatus) -> [String; 12] {
    let whose = status.scope.clone().unwrap_or_default();
    [
        whose.project,
        whose.database,
        whose.user,
        mode_of(status),
        status.mode_from.clone(),
        status.learned.to_string(),
        status.approved.to_string(),
        status.queued.to_string(),
        status.statements.to_string(),
        status.reported.to_string(),
        status.blocked.to_string(),
        moment(status.last_violation_unix_ms),
    ]
}

/// The mode that holds, and the one that is set if that is another.
fn mode_of(status: &api::FirewallScopeStatus) -> String {
    let (set, holds) = (status.mode(), status.effective_mode());
    if set == holds {
        return mode(set);
    }
    format!("{} (set: {})", mode(holds), mode(set))
}

/// What is worth knowing beyond the figures.
fn sentences(status: &api::FirewallScopeStatus, since_unix_ms: i64) -> Vec<String> {
    let whose = status.scope.as_ref().map(scope).unwrap_or_default();
    let mut sentences = Vec::new();
    if !status.reason.is_empty() {
        sentences.push(format!("{whose}: {}", status.reason));
    }
    if status.mode() != api::FirewallMode::Enforce && status.statements > 0 {
        sentences.push(format!(
            "{whose}: enforce would have blocked {} of {} statements since {}",
            status.would_block,
            status.statements,
            moment(since_unix_ms)
        ));
    }
    if status.overflowed > 0 {
        sentences.push(format!(
            "{whose}: {} shapes found no room in the list",
            status.overflowed
        ));
    }
    sentences.iter().map(|sentence| clean(sentence)).collect()
}

/// Shapes, and how to go on.
pub(super) fn shapes(shapes: &[api::FirewallShape], next: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "shapes": shapes, "next": (!next.is_empty()).then_some(next) }));
    }
    let headings = [
        "ID",
        "STATE",
        "SCORE",
        "RULES",
        "SEEN",
        "LAST SEEN",
        "PROJECT",
        "DATABASE",
        "ROLE",
        "STATEMENT",
    ];
    let mut listing = Listing::new(&headings, "no shape is known");
    for shape in shapes {
        let whose = shape.scope.clone().unwrap_or_default();
        listing.row([
            shape.id.clone(),
            word(shape.state().as_str_name(), "FIREWALL_SHAPE_STATE_"),
            shape.score.to_string(),
            if shape.rules.is_empty() {
                "-".to_owned()
            } else {
                shape.rules.join(", ")
            },
            shape.count.to_string(),
            moment(shape.last_seen_unix_ms),
            whose.project,
            whose.database,
            whose.user,
            shortened(&shape.text, 60),
        ]);
    }
    listing.say()?;
    match next {
        "" => Ok(()),
        next => say(&format!("there are more: --page {next}")),
    }
}

pub(super) fn mode(mode: api::FirewallMode) -> String {
    word(mode.as_str_name(), "FIREWALL_MODE_")
}

fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

/// Whose, in words.
pub(super) fn scope(scope: &api::FirewallScope) -> String {
    let whose = if scope.project.is_empty() {
        "everybody"
    } else {
        &scope.project
    };
    let role = if scope.user.is_empty() {
        "every role"
    } else {
        &scope.user
    };
    let database = if scope.database.is_empty() {
        "every database"
    } else {
        &scope.database
    };
    format!("{whose}, {role} on {database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> api::FirewallScopeStatus {
        api::FirewallScopeStatus {
            scope: Some(api::FirewallScope {
                project: "shop".to_owned(),
                database: "orders".to_owned(),
                user: "app".to_owned(),
            }),
            mode: api::FirewallMode::Learn.into(),
            effective_mode: api::FirewallMode::Learn.into(),
            statements: 1_200,
            would_block: 3,
            ..api::FirewallScopeStatus::default()
        }
    }

    #[test]
    fn what_enforcing_would_have_done_is_said_where_it_does_not_hold() {
        assert_eq!(
            sentences(&status(), 1_790_000_000_000),
            ["shop, app on orders: enforce would have blocked 3 of 1200 statements since 2026-09-21 14:13:20Z"]
        );
        let enforced = api::FirewallScopeStatus {
            mode: api::FirewallMode::Enforce.into(),
            effective_mode: api::FirewallMode::Monitor.into(),
            reason: "no shape is known yet\u{1b}".to_owned(),
            ..status()
        };
        assert_eq!(
            sentences(&enforced, 0),
            ["shop, app on orders: no shape is known yet\u{FFFD}"]
        );
        assert_eq!(
            (mode_of(&enforced), mode_of(&status())),
            ("monitor (set: enforce)".to_owned(), "learn".to_owned())
        );
    }
}
