//! What callers could send: nothing of it is answered as if a service had failed.

use serde_json::{Value as Json, json};

use crate::console::Api;

/// What callers could send.
pub(super) const TEXTS: [&str; 11] = [
    "\0",
    "a\0b",
    "'; drop table runs; --",
    "\u{202e}🙂",
    "%",
    "9999999999999999999999",
    "-1",
    "x~y",
    "00000000-0000-0000-0000-000000000000~9223372036854775807",
    "00000000-0000-0000-0000-000000000000.00000000-0000-0000-0000-000000000000~-9223372036854775808",
    "00000000-0000-0000-0000-000000000000.\0",
];

/// Nothing that is sent is answered as if a service had failed.
pub(super) async fn hostile(api: &Api, texts: &[&str]) {
    let mut calls = Vec::new();
    for text in texts {
        let sent = encoded(text);
        for path in [
            "/database/jobs?page=",
            "/database/jobs?operation=",
            "/database/jobs?schedule=",
            "/database/jobs?state=",
            "/database/jobs?limit=",
            "/database/jobs?project=",
            "/database/jobs/",
            "/database/schedules?page=",
            "/database/maintenance/plan?table=",
            "/database/maintenance/plan?index=",
            "/database/maintenance/plan?operation=",
            "/database/maintenance/pieces?page=",
            "/database/maintenance/pieces?job=",
            "/database/maintenance/wraparound?tables=",
            "/database/maintenance/status?project=",
            "/database/backups?page=",
            "/database/backups?project=",
            "/database/backups?since=",
            "/database/backups/",
            "/database/backup/proofs?page=",
            "/database/backup/proofs?backup=",
            "/database/backup/proofs/",
            "/database/backup/commits?page=",
            "/database/backup/commits?since=",
            "/database/backup/commits?table=",
            "/database/backup/expiry/plan?repository=",
        ] {
            calls.push(call("GET", &format!("{path}{sent}"), None));
        }
        for (method, path) in [
            ("DELETE", format!("/database/schedules/{sent}")),
            ("POST", format!("/database/schedules/{sent}/run")),
            ("DELETE", format!("/database/windows/{sent}")),
            ("POST", format!("/database/jobs/{sent}/cancel")),
            ("POST", format!("/database/backup/{sent}/test-recovery")),
        ] {
            calls.push(call(method, &path, None));
        }
        bodies(&mut calls, text);
    }
    for number in [
        "-1",
        "0",
        "1e400",
        "18446744073709551616",
        "1.5",
        "9223372036854775807",
        "-9223372036854775808",
    ] {
        for path in ["commits?since=", "commits?until="] {
            calls.push(call("GET", &format!("/database/backup/{path}{number}"), None));
        }
        calls.push(call("GET", &format!("/database/backups?since={number}"), None));
    }
    for cron in [
        "* * * * * * *",
        "0 0 30 2 *",
        "60 * * * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "L L L L L",
        "0 0 * * 5#9",
        "0 0 31W 2 *",
        "@yearly",
        "@reboot",
        "0-59/99999999999 * * * *",
        ",,,, * * * *",
        "# # # # #",
    ] {
        let body = json!({ "name": "odd", "operation": "analyze", "cron": cron });
        calls.push(call("PUT", "/database/schedules", Some(body)));
    }
    let part = calls.len().div_ceil(6);
    let mut parts = calls.chunks(part);
    let mut next = || parts.next().unwrap_or_default();
    let parts = [next(), next(), next(), next(), next(), next()];
    let [a, b, c, d, e, f] = parts.map(|part| all_unbroken(api, part));
    tokio::join!(a, b, c, d, e, f);
}

fn bodies(calls: &mut Vec<Call>, text: &str) {
    let schedule = |key: &str, value: Json| {
        let mut body = json!({ "name": "odd", "operation": "analyze", "cron": "0 3 * * *" });
        body[key] = value;
        body
    };
    for key in ["name", "operation", "cron", "time_zone", "misfire"] {
        calls.push(call("PUT", "/database/schedules", Some(schedule(key, json!(text)))));
    }
    let nested = json!({ text: { "table": text, "n": [1e300, -1, u64::MAX] } });
    for value in [
        json!({ "table": text }),
        nested,
        json!([]),
        json!({ "x": "y".repeat(100_000) }),
    ] {
        calls.push(call("PUT", "/database/schedules", Some(schedule("parameters", value))));
    }
    for key in ["name", "start", "end", "time_zone", "weekdays"] {
        let mut body = json!({ "name": "odd", "start": "22:00", "end": "05:00" });
        body[key] = json!(text);
        calls.push(call("PUT", "/database/windows", Some(body)));
    }
    for body in [
        json!({ "operation": text }),
        json!({ "operation": "analyze", "table": text, "dry_run": true }),
        json!({ "operation": "reindex", "index": text, "dry_run": true }),
    ] {
        calls.push(call("POST", "/database/maintenance/run", Some(body)));
    }
    for body in [
        json!({ "kind": text }),
        json!({ "repository": text }),
        json!({ "kind": "project", "project": text }),
    ] {
        calls.push(call("POST", "/database/backup/create", Some(body)));
    }
    // What would be done is asked for only where it cannot be.
    if text.contains('\0') {
        let (analyze, label) = (
            json!({ "operation": "analyze", "table": text }),
            json!({ "label": text }),
        );
        calls.push(call("POST", "/database/maintenance/run", Some(analyze)));
        calls.push(call("POST", "/database/backup/create", Some(label)));
    }
    for target in [
        json!({ "restore_point": text }),
        json!({ "time_unix_ms": i64::MAX }),
        json!({ "time_unix_ms": -1 }),
        json!({ "lsn": u64::MAX, "timeline": u32::MAX }),
        json!({ "xid": 0 }),
    ] {
        let body = json!({ "directory": "/srv/x", "target": target });
        calls.push(call("POST", "/database/backup/restore/plan", Some(body)));
    }
    for body in [
        json!({ "directory": text }),
        json!({ "directory": format!("/{text}") }),
        json!({ "directory": "/srv/x", "repository": text }),
        json!({ "directory": "/srv/x", "tablespaces": { "1": text } }),
    ] {
        calls.push(call("POST", "/database/backup/restore/plan", Some(body)));
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What somebody could send.
type Call = (&'static str, String, Option<Json>);

fn call(method: &'static str, path: &str, body: Option<Json>) -> Call {
    (method, path.to_owned(), body)
}

async fn all_unbroken(api: &Api, calls: &[Call]) {
    for (method, path, body) in calls {
        let (status, answer) = api.ask(method, path, body.clone()).await;
        let sent = body
            .as_ref()
            .map(|body| body.to_string().chars().take(300).collect::<String>());
        assert!(
            status < 500 && status != 429,
            "{method} {path} {sent:?}: {status} {answer}"
        );
    }
}
