//! Payloads beside the documents of those who read them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{MailText, Told, alerts, event, mail, message, notification, signature, still_holds_until_ms};
use crate::alert::Notice;
use crate::alert::deliver::group::Batch;
use crate::alert::deliver::links::Links;
use crate::alert::deliver::tests::{NOON, firing, links, resolved};
use crate::alert::notice::NoticeState;

fn batch(notices: Vec<Notice>) -> Batch {
    let mut batch = Batch::alone(Uuid::from_u128(7), firing(0, "g"));
    batch.notices = notices;
    batch
}

fn told<'a>(batch: &'a Batch, links: &'a Links) -> Told<'a> {
    Told {
        batch,
        channel: "ops",
        group: "shop/slow-query",
        links,
    }
}

fn hostile() -> Notice {
    Notice {
        rule: "<!channel> &\r\nBcc: x@evil.example *bold*".to_owned(),
        summary: format!(
            "\u{202e}<!everyone>\n<https://evil.example|click>\0 {}",
            "x".repeat(50_000)
        ),
        labels: (0..100)
            .map(|number| (format!("l{number:03}"), "<@U1>\u{0}".repeat(200)))
            .collect(),
        traces: vec!["0af7651916cd43dd8448eb211c80319c".to_owned(); 1_000],
        ..firing(1, "g")
    }
}

#[test]
fn the_webhook_says_all_that_the_guide_promises() {
    let (batch, links) = (batch(vec![firing(1, "g"), resolved(2, "g")]), links());
    let body = notification(&told(&batch, &links));
    let page = "https://weir.example/console";
    let wanted = json!({
        "version": 1,
        "id": "00000000-0000-0000-0000-000000000007",
        "channel": "ops",
        "group": "shop/slow-query",
        "status": "firing",
        "severity": "warning",
        "title": "[1 firing, 1 resolved]: slow-query in shop",
        "repeat": false,
        "firing": 1,
        "resolved": 1,
        "more": 0,
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
    }
    let first = json!({
        "id": "00000000-0000-0000-0000-000000000001",
        "key": "0000000000000001",
        "status": "firing",
        "rule": "slow-query",
        "severity": "warning",
        "project": "shop",
        "labels": { "database": "orders" },
        "summary": "a statement took 1234 ms in database orders",
        "value": 1234.0,
        "threshold": 1000.0,
        "since_unix_ms": NOON,
        "resolved_unix_ms": 0,
        "fingerprint": "00000000000000ff",
        "runbook": "docs/runbooks/slow-query.md",
        "traces": ["0af7651916cd43dd8448eb211c80319c"],
        "links": {
            "alert": format!("{page}/alerts/00000000-0000-0000-0000-000000000001?project=shop"),
            "query": format!("{page}/queries/00000000000000ff?project=shop"),
            "runbook": "https://docs.example/docs/runbooks/slow-query.md",
            "traces": ["https://traces.example/trace/0af7651916cd43dd8448eb211c80319c?v=1"],
        },
    });
    assert_eq!(body["alerts"][0], first);
    assert_eq!(
        (&body["alerts"][1]["status"], &body["alerts"][1]["resolved_unix_ms"]),
        (&json!("resolved"), &json!(NOON + 60_000))
    );
}

#[test]
fn a_signature_is_that_of_the_time_and_the_body() {
    // printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac sesame
    let digits = "3c3753e6c8eeaa840ae59e66e7ed44c78747150ae63e0d095bcd7eba3a7d6e5d";
    assert_eq!(
        signature("sesame", 1_800_000_000, b"{\"a\":1}"),
        format!("t=1800000000,v1={digits}")
    );
}

/// What Slack's documents bound: 50 blocks, 150 characters in a header, 3,000 in a section.
fn fits_slack(body: &Value) {
    let blocks = body["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50, "{}", blocks.len());
    for block in blocks {
        let text = block["text"]["text"].as_str().unwrap();
        let (kind, most) = match block["type"].as_str().unwrap() {
            "header" => ("plain_text", 150),
            "section" => ("mrkdwn", 3_000),
            other => panic!("{other}"),
        };
        assert_eq!(block["text"]["type"], kind);
        assert!(
            !text.is_empty() && text.chars().count() <= most,
            "{}",
            text.chars().count()
        );
    }
    assert!(body["text"].as_str().unwrap().len() < 4_000);
}

#[test]
fn slack_gets_blocks_within_its_bounds_and_nothing_that_calls_anybody() {
    let links = links();
    let ordinary = batch(vec![firing(1, "g"), resolved(2, "g")]);
    let body = message(&told(&ordinary, &links));
    fits_slack(&body);
    assert_eq!(
        body["blocks"][0]["text"]["text"],
        "[1 firing, 1 resolved]: slow-query in shop"
    );
    let section = body["blocks"][1]["text"]["text"].as_str().unwrap();
    for wanted in [
        ":large_yellow_circle: *slow-query* firing",
        "database: orders",
        "1234 (bound 1000)",
        "|runbook>",
        "|trace>",
        "|statement>",
    ] {
        assert!(section.contains(wanted), "{wanted} is missing in {section}");
    }
    assert!(
        body["text"].as_str().unwrap().contains("a statement took 1234 ms"),
        "those without blocks read nothing"
    );

    let many = batch((0..500).map(|_| hostile()).collect());
    let body = message(&told(&many, &links));
    fits_slack(&body);
    assert_eq!(body["blocks"].as_array().unwrap().len(), 22);
    assert_eq!(body["blocks"][21]["text"]["text"], "and 480 more");
    let text = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(
        text.contains("&lt;!channel&gt; &amp; ") && text.contains("&lt;!everyone&gt;"),
        "{text}"
    );
    assert!(
        !text.contains("<!") && !text.contains("<@") && !text.contains("<https://evil"),
        "{text}"
    );
    assert!(!text.contains('\u{202e}') && !text.contains('\0'));
    assert!(
        text.lines().count() <= 4,
        "a line of an alert passes for one of ours: {text}"
    );
    // The head is plain text, which Slack does not read for names.
    let marked = json!([
        body["text"],
        body["blocks"].as_array().unwrap().split_first().unwrap().1
    ])
    .to_string();
    assert!(!marked.contains("<!") && !marked.contains("<@"));
}

#[test]
fn pagerduty_gets_an_event_that_it_takes() {
    let (links, key) = (links(), "0123456789abcdef0123456789abcdef");
    let of = |notice: &Notice| {
        let batch = batch(vec![notice.clone()]);
        event(&told(&batch, &links), notice, key)
    };
    let body = of(&firing(1, "g"));
    let wanted = json!({
        "summary": "a statement took 1234 ms in database orders",
        "source": "orders",
        "severity": "warning",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "component": "shop",
        "group": "g",
        "class": "slow-query",
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(body["payload"][name], *value, "{name}");
    }
    assert_eq!(
        (&body["routing_key"], &body["event_action"], &body["dedup_key"]),
        (&json!(key), &json!("trigger"), &json!("0000000000000001"))
    );
    assert_eq!(body["links"].as_array().unwrap().len(), 4);
    assert!(body["links"][0]["href"].as_str().unwrap().starts_with("https://") && body["client_url"].is_string());
    let end = json!({ "routing_key": key, "event_action": "resolve", "dedup_key": "0000000000000001" });
    assert_eq!(of(&resolved(1, "g")), end);

    let body = of(&Notice {
        key: "k".repeat(900),
        severity: "odd".to_owned(),
        ..hostile()
    });
    assert!(body["payload"]["summary"].as_str().unwrap().chars().count() <= 1_024);
    assert_eq!(body["dedup_key"].as_str().unwrap().chars().count(), 255);
    assert_eq!(body["payload"]["severity"], "info");
    assert!(body.to_string().len() < 512 * 1024, "an event has 512 KB at most");
    assert_eq!(
        of(&Notice {
            summary: " \n".to_owned(),
            ..firing(1, "g")
        })["payload"]["summary"],
        "slow-query"
    );
}

#[test]
fn alertmanager_gets_the_same_labels_for_the_beginning_and_the_end() {
    let (links, until) = (links(), still_holds_until_ms(NOON, 60_000));
    assert_eq!(until - NOON, 240_000);
    let batch = batch(vec![firing(1, "g"), resolved(1, "g")]);
    let body = alerts(&told(&batch, &links), until);
    assert_eq!(body[0]["labels"], body[1]["labels"]);
    assert_eq!(
        (&body[0]["startsAt"], &body[0]["endsAt"]),
        (&json!("2027-01-15T08:00:00.000Z"), &json!("2027-01-15T08:04:00.000Z"))
    );
    assert_eq!(body[1]["endsAt"], "2027-01-15T08:01:00.000Z");
    assert!(body[0]["generatorURL"].as_str().unwrap().contains("/queries/"));
    let own = Notice {
        labels: [
            ("alertname".to_owned(), "mine".to_owned()),
            ("9".to_owned(), "x".to_owned()),
        ]
        .into(),
        ..firing(1, "g")
    };
    let batch = self::batch(vec![own]);
    let body = alerts(&told(&batch, &links), until);
    assert_eq!(
        (&body[0]["labels"]["alertname"], &body[0]["labels"]["_9"]),
        (&json!("slow-query"), &json!("x"))
    );
}

#[test]
fn a_mail_is_bounded_and_its_html_is_inert() {
    let links = links();
    let batch = batch((0..500).map(|_| hostile()).collect());
    let MailText { subject, text, html } = mail(&told(&batch, &links));
    assert!(subject.chars().count() <= 150 && !subject.contains(['\r', '\n']));
    assert!(text.contains("and 400 more") && html.contains("and 400 more"));
    assert!(!html.contains("<!everyone>") && !html.contains("<https") && html.contains("&lt;!everyone&gt;"));
    assert!(!text.contains('\u{202e}') && !text.contains('\0') && !text.contains("\nBcc"));
    let states: Vec<bool> = batch
        .notices
        .iter()
        .map(|notice| notice.state == NoticeState::Firing)
        .collect();
    assert!(
        states.iter().all(|firing| *firing) && text.len() < 2_000_000,
        "{}",
        text.len()
    );
}
