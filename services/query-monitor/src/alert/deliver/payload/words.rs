//! Words that several kinds of receivers share. Pure.

use super::Told;
use crate::alert::deliver::links::NoticeLinks;
use crate::alert::deliver::retry::rfc3339;
use crate::alert::notice::{Notice, NoticeState};

/// The severities, the worst first.
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// A text of one line and bounded length: what others wrote must not pass for ours.
pub(super) fn line(text: &str, characters_max: usize) -> String {
    let clean = text.chars().map(|found| {
        if found.is_control() || is_format(found) {
            ' '
        } else {
            found
        }
    });
    let head: String = clean.take(characters_max.saturating_add(1)).collect();
    if head.chars().count() <= characters_max {
        return head.trim().to_owned();
    }
    let cut: String = head.chars().take(characters_max.saturating_sub(1)).collect();
    format!("{}…", cut.trim())
}

/// Line and paragraph separators, and marks that turn the direction of the text that follows.
const fn is_format(found: char) -> bool {
    matches!(found, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The head of a notification: what state how many alerts are in, and what they are about.
pub(super) fn title(told: &Told<'_>) -> String {
    let firing = told.batch.firing();
    let resolved = told.batch.notices.len().saturating_sub(firing);
    let mut counts = Vec::new();
    if firing > 0 || resolved == 0 {
        counts.push(format!("{firing} firing"));
    }
    if resolved > 0 {
        counts.push(format!("{resolved} resolved"));
    }
    let again = if told.batch.repeat { ", again" } else { "" };
    let subject = told
        .batch
        .notices
        .first()
        .map(|notice| format!(": {} in {}", notice.rule, notice.project));
    line(
        &format!("[{}{again}]{}", counts.join(", "), subject.unwrap_or_default()),
        150,
    )
}

/// The worst severity among those that fire, or among all where none does.
pub(super) fn worst(notices: &[Notice]) -> &'static str {
    let of = |word: &&str, firing: bool| {
        let matching = |notice: &Notice| notice.severity == **word && (!firing || notice.state == NoticeState::Firing);
        notices.iter().any(matching)
    };
    let found = [true, false]
        .iter()
        .find_map(|firing| SEVERITIES.iter().find(|word| of(word, *firing)));
    found.copied().unwrap_or("info")
}

/// What an alert says of itself in short lines, without links.
pub(super) fn facts(notice: &Notice) -> Vec<(String, String)> {
    let mut facts = vec![
        ("severity".to_owned(), line(&notice.severity, 20)),
        ("project".to_owned(), line(&notice.project, 100)),
    ];
    facts.extend(
        notice
            .labels
            .iter()
            .take(20)
            .map(|(name, value)| (line(name, 60), line(value, 200))),
    );
    facts.push((
        "value".to_owned(),
        format!("{} (bound {})", figure(notice.value), figure(notice.threshold)),
    ));
    facts.push(("since".to_owned(), rfc3339(notice.since_unix_ms)));
    if notice.state == NoticeState::Resolved {
        facts.push(("resolved".to_owned(), rfc3339(notice.resolved_unix_ms)));
    }
    if !notice.fingerprint.is_empty() {
        facts.push(("statement".to_owned(), line(&notice.fingerprint, 32)));
    }
    facts
}

/// The links of an alert with their names.
pub(super) fn named(links: &NoticeLinks) -> Vec<(&'static str, &str)> {
    let own = [
        ("alert", &links.alert),
        ("statement", &links.query),
        ("runbook", &links.runbook),
    ];
    let own = own.into_iter().map(|(name, link)| (name, link.as_str()));
    own.chain(links.traces.iter().map(|link| ("trace", link.as_str())))
        .filter(|(_, link)| !link.is_empty())
        .collect()
}

/// A figure for people.
pub(super) fn figure(value: f64) -> String {
    if !value.is_finite() {
        "unknown".to_owned()
    } else if value.abs() >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

/// The state of an alert in one word.
pub(super) const fn state(notice: &Notice) -> &'static str {
    match notice.state {
        NoticeState::Firing => "firing",
        NoticeState::Resolved => "resolved",
    }
}

/// How many alerts are not listed, in words; nothing where all are.
pub(super) fn more(left_out: usize) -> Option<String> {
    (left_out > 0).then(|| format!("and {left_out} more"))
}
