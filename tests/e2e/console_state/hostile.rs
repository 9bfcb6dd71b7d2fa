//! What callers could send by mistake or on purpose: every answer says what is wrong, and none is a failure of Weir's.

use serde_json::json;

use crate::console::Api;

pub(super) async fn hostile_input_is_refused(api: &Api) {
    let nul = "\u{0}";
    let long = "x".repeat(100_000);
    for (method, path, body) in [
        ("GET", "/database/health/history?since=-9223372036854775808", None),
        ("GET", "/database/health/history?since=9223372036854775807", None),
        ("GET", "/database/health/history?since=9223372036854775808", None),
        (
            "GET",
            "/database/health/history?page=9223372036854775807.9223372036854775807",
            None,
        ),
        ("GET", "/database/health/history?page=%00", None),
        ("GET", "/database/connections?page=-9223372036854775808", None),
        ("GET", "/database/cache/shapes?search=%00&page=%00", None),
        ("GET", "/database/cache/policies?page=AAAA", None),
        ("GET", "/database/cache?project=%00", None),
        ("GET", "/database/cache/followers?upstream=%00", None),
        ("GET", "/database/monitoring/dashboard?project=%2a%2a", None),
        ("GET", "/database/metrics?project=", None),
        ("DELETE", "/database/connections/-2147483648", None),
        ("DELETE", "/database/connections/99999999999999999999", None),
        ("DELETE", "/database/cache/policies/%00", None),
        ("DELETE", "/database/cache/policies/file%2Fx", None),
        (
            "POST",
            "/database/connection-pool/pause",
            Some(json!({ "database": nul })),
        ),
        (
            "POST",
            "/database/connection-pool/resume",
            Some(json!({ "database": long })),
        ),
        (
            "POST",
            "/database/connection-pool/reconnect",
            Some(json!({ "database": 7 })),
        ),
        (
            "PUT",
            "/database/cache/policies",
            Some(json!({ "subject": { "relation": nul } })),
        ),
        (
            "PUT",
            "/database/cache/policies",
            Some(json!({ "subject": { "relation": long } })),
        ),
        (
            "PUT",
            "/database/cache/policies",
            Some(json!({ "subject": { "fingerprint": "x" } })),
        ),
        (
            "PUT",
            "/database/cache/policies",
            Some(
                json!({ "subject": { "whole_project": {} }, "memory_bytes_max": u64::MAX, "ttl_ms": 4_294_967_295_u32 }),
            ),
        ),
        (
            "PUT",
            "/database/cache/policies",
            Some(json!({ "subject": { "whole_project": {} }, "result_bytes_max": u64::MAX })),
        ),
        (
            "PUT",
            "/database/cache/policies",
            Some(json!({ "subject": { "whole_project": {} }, "note": nul })),
        ),
        (
            "PUT",
            "/database/cache/policies",
            Some(json!({ "subject": { "whole_project": {} }, "bound_ms": -1 })),
        ),
        ("POST", "/database/cache/invalidate", Some(json!({ "table": nul }))),
        (
            "POST",
            "/database/cache/invalidate",
            Some(json!({ "table": "public.things", "key": { nul: nul } })),
        ),
        (
            "POST",
            "/database/cache/invalidate",
            Some(json!({ "fingerprint": nul })),
        ),
        (
            "POST",
            "/database/cache/invalidate",
            Some(json!({ "everything": true, "database": nul })),
        ),
        ("POST", "/database/cache/explain", Some(json!({ "sql": nul }))),
        (
            "POST",
            "/database/cache/explain",
            Some(json!({ "sql": "select 1", "role": nul })),
        ),
        (
            "POST",
            "/database/cache/explain",
            Some(json!({ "sql": "select 1", "role": "nobody \" at all" })),
        ),
        (
            "POST",
            "/database/cache/explain",
            Some(json!({ "sql": "select 1", "database": nul })),
        ),
        (
            "POST",
            "/database/cache/explain",
            Some(json!({ "sql": "select 1", "search_path": [nul, long] })),
        ),
        (
            "POST",
            "/database/cache/explain",
            Some(json!({ "sql": "select $1", "parameter_types": [nul, "'"] })),
        ),
        (
            "POST",
            "/database/cache/explain",
            Some(json!({ "sql": "select $1", "parameter_types": [long] })),
        ),
        (
            "POST",
            "/database/cache/explain",
            Some(json!({ "sql": format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000)) })),
        ),
    ] {
        let (code, answer) = api.ask(method, path, body.clone()).await;
        assert!(
            code < 500,
            "{method} {path} {}: {code} {answer}",
            body.map(|body| body.to_string().chars().take(200).collect::<String>())
                .unwrap_or_default()
        );
    }
}
