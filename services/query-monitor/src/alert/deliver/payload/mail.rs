//! A mail: subject, plain text, and the same as simple HTML. Pure.

use super::{Told, words};
use crate::alert::notice::Notice;

/// Alerts that a mail lists.
const ALERTS_MAX: usize = 100;

/// What stands in a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailText {
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For those who read HTML.
    pub html: String,
}

/// The mail of a notification.
pub(crate) fn mail(told: &Told<'_>) -> MailText {
    let (title, notices) = (words::title(told), &told.batch.notices);
    let listed = || notices.iter().take(ALERTS_MAX);
    let left_out = notices
        .len()
        .saturating_sub(ALERTS_MAX)
        .saturating_add(told.batch.more as usize);
    let end = words::more(left_out).unwrap_or_default();
    let text: String = listed().map(|notice| text(told, notice)).collect();
    let html: String = listed().map(|notice| html(told, notice)).collect();
    MailText {
        text: format!("{title}\n\n{text}{end}\n"),
        html: format!(
            "<!doctype html><html><body><h3>{}</h3>{html}<p>{end}</p></body></html>\n",
            escaped(&title)
        ),
        subject: title,
    }
}

fn text(told: &Told<'_>, notice: &Notice) -> String {
    let facts: String = words::facts(notice)
        .iter()
        .map(|(name, value)| format!("  {name}: {value}\n"))
        .collect();
    let links = told.links.of_notice(notice);
    let links: String = words::named(&links)
        .iter()
        .map(|(name, link)| format!("  {name}: {link}\n"))
        .collect();
    format!("{}\n{facts}{links}\n", head(notice))
}

fn html(told: &Told<'_>, notice: &Notice) -> String {
    let row = |name: &str, value: &str| format!("<tr><td>{}</td><td>{value}</td></tr>", escaped(name));
    let facts: String = words::facts(notice)
        .iter()
        .map(|(name, value)| row(name, &escaped(value)))
        .collect();
    let links = told.links.of_notice(notice);
    let link = |(name, link): &(&str, &str)| row(name, &format!("<a href=\"{0}\">{0}</a>", escaped(link)));
    let links: String = words::named(&links).iter().map(link).collect();
    format!("<p><b>{}</b></p><table>{facts}{links}</table>", escaped(&head(notice)))
}

fn head(notice: &Notice) -> String {
    format!(
        "{} {}: {}",
        words::line(&notice.rule, 80),
        words::state(notice),
        words::line(&notice.summary, 1_000)
    )
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}
