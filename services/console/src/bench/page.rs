//! A report as one page that needs nothing else: charts drawn here, no script. Pure.

use std::fmt::Write as _;

use super::report::{Check, Mode, Report, Verdict};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#12303a;background:#fbfdfd}\
h1{font-weight:600}table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{padding:.4rem .6rem;text-align:right;border-bottom:1px solid #d5e2e5}\
td:first-child,th:first-child{text-align:left}.pass{color:#0a6b47}.fail{color:#a3262a}.skipped,.unknown{color:#556a70}text{font:12px system-ui,sans-serif;fill:currentColor}\
@media(prefers-color-scheme:dark){body{color:#dbe9ec;background:#0b1a1f}td,th{border-color:#24404a}.pass{color:#5fd3a4}.fail{color:#ff8d8d}.skipped,.unknown{color:#9fb4ba}}";

/// The page.
pub fn page(report: &Report) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Weir: verification</title><style>{STYLE}</style><main><h1>Verification: <span class=\"{0}\">{0}</span></h1>",
        word(report.verdict)
    );
    let setup = &report.setup;
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<p>Weir {} before PostgreSQL {} at {}, database {}: {} clients, {} s each way, {} rows, {} cores.</p>{}",
        shown(&setup.weir_version),
        shown(&setup.server_version),
        shown(&setup.upstream),
        shown(&setup.database),
        setup.clients,
        setup.seconds,
        setup.rows,
        setup.cores,
        if report.error.is_empty() {
            String::new()
        } else {
            format!("<p class=\"fail\">{}</p>", shown(&report.error))
        },
    );
    html.push_str(&checks(&report.checks));
    html.push_str(&modes(&report.modes));
    html.push_str(&chart("95 of 100 calls took at most (ms)", &report.modes, |mode| {
        mode.p95_ms
    }));
    html.push_str(&chart("Calls a second", &report.modes, |mode| mode.queries_per_second));
    html.push_str("</main></html>\n");
    html
}

fn checks(checks: &[Check]) -> String {
    let rows: String = checks.iter().map(check).collect();
    format!("<table><tr><th>Check</th><th>Has to be</th><th>Is</th><th>Verdict</th></tr>{rows}</table>")
}

fn check(check: &Check) -> String {
    let value = |value: Option<f64>| match (value, check.unit.as_str()) {
        (None, _) => "–".to_owned(),
        (Some(value), "ratio") => format!("{:.1} %", value * 100.0),
        (Some(value), unit) => format!("{value:.2} {unit}"),
    };
    let target = if check.direction == "is" {
        "yes".to_owned()
    } else {
        format!("{} {}", check.direction, value(check.target))
    };
    let measured = if check.note.is_empty() {
        value(check.measured)
    } else {
        shown(&check.note)
    };
    format!(
        "<tr><td>{}</td><td>{target}</td><td>{measured}</td><td class=\"{1}\">{1}</td></tr>",
        shown(&check.title),
        word(check.verdict)
    )
}

fn modes(modes: &[Mode]) -> String {
    let row = |mode: &Mode| {
        format!(
            "<tr><td>{}</td><td>{:.0}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{}</td><td>{:.2} %</td></tr>",
            shown(&mode.title),
            mode.queries_per_second,
            mode.p50_ms,
            mode.p95_ms,
            mode.p99_ms,
            mode.connect_p50_ms
                .map_or_else(|| "–".to_owned(), |ms| format!("{ms:.2}")),
            mode.success_ratio.unwrap_or_default() * 100.0,
        )
    };
    let rows: String = modes.iter().map(row).collect();
    format!(
        "<table><tr><th>Way</th><th>Calls a second</th><th>p50 ms</th><th>p95 ms</th><th>p99 ms</th><th>Connecting, p50 ms</th><th>Succeeded</th></tr>{rows}</table>"
    )
}

/// A bar for each way.
fn chart(title: &str, modes: &[Mode], pick: fn(&Mode) -> f64) -> String {
    let most = modes.iter().map(pick).fold(f64::EPSILON, f64::max);
    let bars: String = (0..)
        .zip(modes)
        .map(|(row, mode): (u32, &Mode)| {
            let (y, width) = (row * 28, pick(mode) / most * 420.0);
            format!(
                "<text x=\"0\" y=\"{0}\">{1}</text><rect x=\"230\" y=\"{y}\" width=\"{width:.1}\" height=\"20\" rx=\"3\" fill=\"#2b8ca3\"/><text x=\"{2:.1}\" y=\"{0}\">{3:.2}</text>",
                y + 15,
                shown(&mode.title),
                236.0 + width,
                pick(mode)
            )
        })
        .collect();
    format!(
        "<h2>{title}</h2><svg role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 740 {}\" width=\"100%\">{bars}</svg>",
        modes.len() * 28
    )
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Skipped => "skipped",
        Verdict::Unknown => "unknown",
    }
}

fn shown(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_chose_is_shown_and_not_obeyed() {
        let mut report = super::super::tests::empty();
        report.error = "<script>alert(1)</script>".to_owned();
        report.modes.push(Mode {
            title: "a <way>".to_owned(),
            calls: 1,
            p95_ms: 2.0,
            ..Mode::default()
        });
        let html = page(&report);
        assert!(!html.contains("<script") && !html.contains("<way>"), "{html}");
        assert!(
            html.contains("&lt;script&gt;") && html.contains("width=\"420.0\""),
            "{html}"
        );
    }
}
