//! What people read: every call on one page, and the pages on errors, runbooks and guides, from this binary.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use pulldown_cmark::{Options, Parser};
use serde_json::Value as Json;

use super::document::document;
use super::{Console, Problem};

#[derive(rust_embed::RustEmbed)]
#[folder = "../../docs"]
#[include = "guides/*.md"]
#[include = "reference/*.md"]
#[include = "runbooks/*.md"]
struct Pages;

const STYLE: &str = "body{font:15px/1.6 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#12303a;background:#fbfdfd}\
a{color:#0f6e85}h1,h2,h3{font-weight:600;line-height:1.25}h2{margin-top:2.5rem}code,pre{font:13px/1.5 ui-monospace,monospace}\
pre{background:#eef4f5;padding:.8rem 1rem;overflow:auto;border-radius:6px}table{border-collapse:collapse;width:100%}\
td,th{padding:.3rem .6rem;text-align:left;border-bottom:1px solid #d5e2e5;vertical-align:top}details{border-bottom:1px solid #d5e2e5;padding:.4rem 0}\
summary{cursor:pointer}.m{display:inline-block;min-width:4.2rem;font-weight:600}\
@media(prefers-color-scheme:dark){body{color:#dbe9ec;background:#0b1a1f}a{color:#7cc7da}pre{background:#122830}td,th,details{border-color:#24404a}}";

/// Pages for people; they hold nothing of anybody's.
pub(crate) fn pages() -> Router<Console> {
    Router::new()
        .route("/docs", get(calls))
        .route("/docs/errors", get(async || page("reference/errors")))
        .route(
            "/docs/{room}/{name}",
            get(async |Path((room, name)): Path<(String, String)>| page(&format!("{room}/{name}"))),
        )
}

fn page(name: &str) -> Response {
    let name = name.strip_suffix(".md").unwrap_or(name);
    let found = Pages::get(&format!("{name}.md"));
    let Some(text) = found.as_ref().and_then(|file| std::str::from_utf8(&file.data).ok()) else {
        return Problem::not_found("there is no such page: /docs lists every call").into_response();
    };
    let mut body = String::new();
    let options = Options::ENABLE_TABLES | Options::ENABLE_HEADING_ATTRIBUTES;
    pulldown_cmark::html::push_html(&mut body, Parser::new_ext(&anchored(text), options));
    Html(whole(name, &body)).into_response()
}

/// Each heading is a place that links lead to: `## pool-timeout` is `#pool-timeout`.
fn anchored(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("## ") {
        Some(title)
            if title
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') =>
        {
            format!("{line} {{#{title}}}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Weir: {title}</title><style>{STYLE}</style><body><p><a href=\"/\">Dashboard</a> · <a href=\"/docs\">Calls</a> · \
         <a href=\"/docs/errors\">Errors</a> · <a href=\"/openapi.json\">OpenAPI</a></p><main>{body}</main></body></html>\n"
    )
}

/// Every call, by area.
async fn calls() -> Html<String> {
    // The document is this program's own.
    let document: Json = serde_json::from_str(&document()).unwrap_or_default();
    let mut areas: Vec<(String, String)> = Vec::new();
    for (path, item) in document.get("paths").and_then(Json::as_object).into_iter().flatten() {
        for (method, call) in item.as_object().into_iter().flatten() {
            let area = text(call.pointer("/tags/0")).to_owned();
            let shown = call_shown(method, path, call);
            match areas.iter_mut().find(|(known, _)| *known == area) {
                Some((_, calls)) => calls.push_str(&shown),
                None => areas.push((area, shown)),
            }
        }
    }
    let mut body = "<h1>Every call</h1><p>JSON in and out; each call needs <code>Authorization: Bearer weir_…</code>, except on the \
                    machine itself in development. Errors are problem documents.</p>"
        .to_owned();
    for (area, calls) in areas {
        // Writing to a String cannot fail.
        let _ = write!(body, "<h2>{}</h2>{calls}", shown(&area));
    }
    Html(whole("every call", &body))
}

fn call_shown(method: &str, path: &str, call: &Json) -> String {
    let mut rows = String::new();
    for parameter in call.get("parameters").and_then(Json::as_array).into_iter().flatten() {
        let _ = write!(
            rows,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            shown(text(parameter.get("name"))),
            shown(text(parameter.get("in"))),
            shown(text(parameter.get("description")))
        );
    }
    if let Some(schema) = call.pointer("/requestBody/content/application~1json/schema") {
        let _ = write!(
            rows,
            "<tr><td>body</td><td>json</td><td><code>{}</code></td></tr>",
            shown(&named(schema))
        );
    }
    for (status, answer) in call.get("responses").and_then(Json::as_object).into_iter().flatten() {
        let schema = answer
            .get("content")
            .and_then(Json::as_object)
            .and_then(|content| content.values().next());
        let name = schema
            .and_then(|content| content.get("schema"))
            .map(named)
            .unwrap_or_default();
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>answer</td><td><code>{}</code></td></tr>",
            shown(status),
            shown(&name)
        );
    }
    let summary = [text(call.get("summary")), text(call.get("description"))].join(" ");
    format!(
        "<details><summary><span class=\"m\">{}</span> <code>{}</code></summary><p>{}</p><table>{rows}</table></details>",
        method.to_uppercase(),
        shown(path),
        shown(summary.trim())
    )
}

/// The name of a schema, or the schema itself.
fn named(schema: &Json) -> String {
    match schema.get("$ref").and_then(Json::as_str) {
        Some(reference) => reference.rsplit('/').next().unwrap_or_default().to_owned(),
        None => schema.to_string(),
    }
}

fn text(value: Option<&Json>) -> &str {
    value.and_then(Json::as_str).unwrap_or_default()
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

    #[tokio::test]
    async fn every_call_is_on_the_page_and_errors_can_be_linked_to() {
        let Html(page) = calls().await;
        let document: Json = serde_json::from_str(&document()).unwrap();
        for path in document["paths"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        }
        assert!(
            anchored("# A\n## pool-timeout\n## Two words\n")
                .contains("## pool-timeout {#pool-timeout}\n## Two words\n")
        );
        assert_eq!(super::page("reference/errors").status(), 200);
        assert_eq!(super::page("../Cargo").status(), 404);
    }
}
