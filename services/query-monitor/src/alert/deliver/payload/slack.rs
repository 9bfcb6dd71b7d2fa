//! Slack's incoming webhooks: `text` for notifications and for those who know no blocks, and blocks. Pure.

use serde_json::{Value, json};

use super::{Told, words};
use crate::alert::notice::{Notice, NoticeState};

/// Slack takes 50 blocks; one is the head, one the end.
const ALERTS_MAX: usize = 20;
/// Slack takes 3,000 characters in a section.
const SECTION_CHARACTERS_MAX: usize = 2_900;
const SUMMARY_CHARACTERS_MAX: usize = 600;

/// The body of an incoming webhook.
pub(crate) fn message(told: &Told<'_>) -> Value {
    let title = words::title(told);
    let listed: Vec<String> = told
        .batch
        .notices
        .iter()
        .take(ALERTS_MAX)
        .map(|notice| section(told, notice))
        .collect();
    let left_out = told
        .batch
        .notices
        .len()
        .saturating_sub(listed.len())
        .saturating_add(told.batch.more as usize);
    let end = words::more(left_out);
    let mut blocks = vec![json!({ "type": "header", "text": { "type": "plain_text", "text": title, "emoji": false } })];
    blocks.extend(listed.iter().map(|text| block("section", text)));
    blocks.extend(end.iter().map(|text| block("section", text)));
    json!({ "text": fallback(&title, &listed, end), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

fn block(kind: &str, text: &str) -> Value {
    // Verbatim: names and channels in a text are not made to call anybody.
    json!({ "type": kind, "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// The same without blocks, as far as it fits.
fn fallback(title: &str, listed: &[String], end: Option<String>) -> String {
    let mut text = escaped(title);
    for part in listed.iter().chain(&end) {
        if text.len() + part.len() > SECTION_CHARACTERS_MAX {
            break;
        }
        text = format!("{text}\n\n{part}");
    }
    text
}

fn section(told: &Told<'_>, notice: &Notice) -> String {
    let mark = match (notice.state, notice.severity.as_str()) {
        (NoticeState::Resolved, _) => ":large_green_circle:",
        (_, "critical") => ":red_circle:",
        (_, "warning") => ":large_yellow_circle:",
        _ => ":large_blue_circle:",
    };
    let summary = escaped(&words::line(&notice.summary, SUMMARY_CHARACTERS_MAX));
    let facts: Vec<String> = words::facts(notice)
        .iter()
        .map(|(name, value)| format!("{}: {}", escaped(name), escaped(value)))
        .collect();
    let links = told.links.of_notice(notice);
    let links: Vec<String> = words::named(&links)
        .iter()
        .map(|(name, link)| format!("<{}|{name}>", escaped(link)))
        .collect();
    let head = format!(
        "{mark} *{}* {}\n{summary}",
        escaped(&words::line(&notice.rule, 80)),
        words::state(notice)
    );
    let mut text = head;
    for part in [facts.join(" · "), links.join(" · ")] {
        // A link that is cut in half is worse than none.
        if !part.is_empty() && text.chars().count() + part.chars().count() < SECTION_CHARACTERS_MAX {
            text = format!("{text}\n{part}");
        }
    }
    text
}

/// The three characters that mean something to Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
