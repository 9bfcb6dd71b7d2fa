//! What nobody should send: texts with zero bytes, numbers beyond all bounds, ids that are none.

use serde_json::{Value as Json, json};

use super::{MONITORING, in_an_hour};
use crate::console::Api;

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Whatever is sent, it is answered as what it is: never by a failure.
pub(super) async fn nothing_that_is_sent_breaks_anything(home: &Api) {
    let long = "x".repeat(3_000);
    let huge = i64::MAX;
    let mut asked: Vec<(&str, String, Option<Json>)> = Vec::new();
    let lists = [
        "/queries",
        "/timeline",
        "/changes",
        "/alerts",
        "/silences",
        "/servers",
        "/activity",
        "/blocking",
        "/recommendations",
        "/recommendations/changes",
        "/queries/00000000000000aa",
        "/queries/00000000000000aa/timeline",
        "/queries/00000000000000aa/heatmap",
        "/queries/00000000000000aa/plans",
    ];
    for path in lists {
        for query in [
            "search=%00",
            "database=%00",
            "upstream=%00",
            "kind=%00",
            "state=%00",
            "fingerprint=%00",
            "page=%00",
            "page=~",
            "page=1~1",
            "page=00000000-0000-0000-0000-000000000000~9223372036854775807",
            "since=-1",
            "until=-1",
            "points=0",
            "points=4294967296",
            "limit=0",
            "limit=-1",
            "limit=1001",
            "project=%00",
            "project=a.b",
            "search=a&search=b",
            "since=",
            "sort=no",
            "%ff=%fe",
            "since=253402300799999&until=1",
            "since=1&points=3",
        ] {
            asked.push(("GET", format!("{path}?{query}"), None));
        }
        asked.push(("GET", format!("{path}?since={huge}&until={huge}"), None));
        asked.push(("GET", format!("{path}?search={long}&database={long}&page={long}"), None));
    }
    for query in [
        "",
        "?metric=%00",
        "?metric=x&label=%00=%00",
        "?metric=x&label=none",
        "?metric=x&horizon_days=-1",
        "?metric=x&horizon_days=4294967295",
        "?metric=x&metric=y",
    ] {
        asked.push(("GET", format!("/forecast{query}"), None));
    }
    for id in ["%00", "x", "a%2Fb", long.as_str(), NIL] {
        asked.push((
            "POST",
            format!("/alerts/{id}/acknowledge"),
            Some(json!({ "note": "\0" })),
        ));
        asked.push(("DELETE", format!("/silences/{id}"), None));
        asked.push(("DELETE", format!("/rules/{id}"), None));
        asked.push(("DELETE", format!("/rules/{id}?project=%00"), None));
        asked.push(("POST", format!("/channels/{id}/test"), None));
        asked.push(("POST", format!("/recommendations/{id}/apply"), None));
        asked.push(("POST", format!("/recommendations/{id}/revert"), None));
        asked.push(("GET", format!("/queries/{id}"), None));
    }
    for body in [
        json!({ "name": "\0", "metric": "query.p95_ms", "warning": 1 }),
        json!({ "name": long, "metric": "query.p95_ms", "warning": 1 }),
        json!({ "name": "own", "metric": "\0", "warning": 1 }),
        json!({ "name": "own", "project": "\0", "metric": "query.p95_ms", "warning": 1 }),
        json!({ "name": "own", "metric": "query.p95_ms", "warning": 1e308, "critical": -1e308 }),
        json!({ "name": "own", "metric": "query.p95_ms", "warning": 1, "for_ms": u64::MAX }),
        json!({ "name": "own", "metric": "query.p95_ms", "warning": 1, "window_ms": u64::MAX, "keep_firing_for_ms": -1 }),
        json!({ "name": "own", "metric": "query.p95_ms", "warning": 1, "summary": "\0" }),
        json!({ "name": "own", "metric": "query.p95_ms", "warning": 1, "labels": { "\0": "x" } }),
        json!({ "name": "own", "metric": "query.p95_ms", "warning": 1, "labels": { "x": long } }),
        json!({ "name": "own", "unknown": 1 }),
        json!([]),
    ] {
        asked.push(("PUT", "/rules".to_owned(), Some(body)));
    }
    for body in [
        json!({ "matchers": { "rule": "\0" }, "ends_unix_ms": in_an_hour() }),
        json!({ "matchers": {}, "ends_unix_ms": in_an_hour() }),
        json!({ "matchers": { "rule": long }, "ends_unix_ms": in_an_hour() }),
        json!({ "matchers": { "rule": "x" }, "ends_unix_ms": huge }),
        json!({ "matchers": { "rule": "x" }, "ends_unix_ms": -1 }),
        json!({ "matchers": { "rule": "x" }, "ends_unix_ms": in_an_hour(), "starts_unix_ms": -huge }),
        json!({ "matchers": { "rule": "x" }, "ends_unix_ms": in_an_hour(), "comment": long }),
    ] {
        asked.push(("POST", "/silences".to_owned(), Some(body)));
    }
    for body in [
        json!({ "sql": "select '\0'" }),
        json!({ "sql": "" }),
        json!({ "sql": "select 1; select 2" }),
        json!({ "sql": "selct" }),
        json!({ "sql": "select $1", "params": ["\0"] }),
        json!({ "sql": "select $1::int", "params": [1e300] }),
        json!({ "sql": "select 1", "params": [1, 2, 3] }),
        json!({ "sql": "select 1 / 0" }),
        json!({ "sql": "select $70000" }),
        json!({ "sql": "select 1", "database": "\0" }),
        json!({ "sql": "select 1", "settings": { "work_mem": "\0" } }),
        json!({ "sql": "select 1", "settings": { "work_mem": "much" } }),
        json!({ "sql": "select 1", "settings": { "role": "postgres" } }),
        json!({ "sql": "select 1", "timeout_ms": -1 }),
        json!({ "sql": format!("select {}1{}", "(".repeat(50_000), ")".repeat(50_000)) }),
    ] {
        asked.push(("POST", "/query/analyze".to_owned(), Some(body)));
    }
    let mut wrong = Vec::new();
    for (method, path, body) in asked {
        let sent: String = format!("{method} {path} {body:?}").chars().take(200).collect();
        let (status, answer) = home.ask(method, &format!("{MONITORING}{path}"), body).await;
        let told = answer["slug"].is_string() && answer["type"].is_string();
        if status >= 500 || (status >= 400 && !told) || (method != "GET" && status < 400) {
            wrong.push(format!("{sent}: {status} {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
