//! Channels in the file: what is understood, what is refused, and that no secret shows.

use weir_config::{Section as _, Sources};

use crate::settings::{MonitorSettings, check};

fn sources(channels: &str, more: &[(&str, &str)]) -> Sources {
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let channels = [("WEIR_MONITOR__CHANNELS".to_owned(), channels.to_owned())];
    Sources::load(None, channels.into_iter().chain(more)).unwrap()
}

fn error(channels: &str) -> String {
    check(&sources(channels, &[])).unwrap_err().to_string()
}

const ALL: &str = r#"[
    { name = "ops", kind = "webhook", url = "https://user.example/path-secret?token=query-secret", secret = "sign-secret", token = "token-secret", timeout = "5s", proxy = "http://me:proxy-secret@proxy.example:3128" },
    { name = "chat", kind = "slack", url = "https://hooks.slack.com/services/T0/B0/slack-secret", send_resolved = false },
    { name = "pager", kind = "pagerduty", token_variable = "PAGER_KEY", severities = ["critical"] },
    { name = "am", kind = "alertmanager", url = "http://127.0.0.1:9093/base/", user = "weir", password = "basic-secret" },
    { name = "mail", kind = "email", smtp = "mail.example", user = "weir", password = "mail-secret", from = "Weir <weir@example.org>", to = ["ops@example.org"] },
]"#;

#[test]
fn every_kind_is_understood_and_no_secret_shows() {
    let sources = sources(ALL, &[("PAGER_KEY", "pager-secret")]);
    let settings = check(&sources).unwrap();
    let effective = MonitorSettings::effective(&sources).unwrap();
    let shown = effective
        .iter()
        .find(|setting| setting.key == "monitor.channels")
        .unwrap()
        .value
        .clone()
        .unwrap();
    let debug = format!(
        "{settings:?} {:?}",
        crate::alert::deliver::channel::Channels::of(&settings, &sources).unwrap()
    );
    for text in [&shown, &debug] {
        assert!(!text.contains("-secret"), "{text}");
    }
    assert!(
        shown.contains(r#"url = "https://hooks.slack.com""#) && shown.contains(r#"secret = "***""#),
        "{shown}"
    );
}

#[test]
fn a_secret_may_be_in_a_file_or_a_variable() {
    let dir = weir_testkit_dir();
    let file = dir.join("token");
    std::fs::write(&file, "from-a-file\n").unwrap();
    let channel = format!(
        r#"[{{ name = "p", kind = "pagerduty", token_file = "{}" }}]"#,
        file.display()
    );
    let settings = check(&sources(&channel, &[])).unwrap();
    assert_eq!(
        settings.channels.0[0]
            .token(&sources(&channel, &[]))
            .unwrap()
            .unwrap()
            .expose(),
        "from-a-file"
    );
    std::fs::write(&file, "").unwrap();
    assert!(error(&channel).contains("token is empty"), "{}", error(&channel));
    std::fs::remove_dir_all(&dir).unwrap();
    let message = error(&channel);
    assert!(
        message.contains("channel \"p\": token_file") && message.contains("No such file"),
        "{message}"
    );
    let message = error(r#"[{ name = "p", kind = "pagerduty", token_variable = "NOT_THERE" }]"#);
    assert!(message.contains("NOT_THERE is not set"), "{message}");
}

fn weir_testkit_dir() -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("weir-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&dir).unwrap();
    dir
}

#[test]
fn every_mistake_is_named_in_one_line() {
    let web = |more: &str| format!(r#"[{{ name = "a", kind = "webhook", url = "https://h.example/"{more} }}]"#);
    let mail =
        |more: &str| format!(r#"[{{ name = "a", kind = "email", from = "a@b.example", to = ["c@d.example"]{more} }}]"#);
    let cases = [
        (r#"[{ name = "a", kind = "fax", url = "https://h.example/" }]"#.to_owned(), "fax"),
        (r#"[{ name = "a", kind = "webhook" }]"#.to_owned(), "url, url_file or url_variable is needed"),
        (r#"[{ name = "A b", kind = "slack", url = "https://h.example/" }]"#.to_owned(), "a name has 1 to 63"),
        (web(r#", tokn = "x""#), "tokn"),
        (web(r#", timeout = "soon""#), "duration"),
        (web(r#", timeout = "1ms""#), "timeout must be between"),
        (web(r#", severities = ["loud"]"#), "severities: \"loud\""),
        (web(r#", projects = ["A B"]"#), "projects"),
        (web(r#", token = "x", token_variable = "Y""#), "exclude each other"),
        (web(r#", token = "a\nb""#), "line end"),
        (web(r#", user = "u""#), "belong together"),
        (web(r#", to = ["a@b.example"]"#), "to does not belong to the kind webhook"),
        (web(r#", proxy = "socks5://h.example""#), "proxy must begin with http"),
        (web(r#", ca_file = "/nowhere/ca.pem""#), "ca_file /nowhere/ca.pem"),
        (r#"[{ name = "a", kind = "webhook", url = "ftp://h.example/" }]"#.to_owned(), "http:// or https://"),
        (r#"[{ name = "a", kind = "webhook", url = "https://u:p@h.example/" }]"#.to_owned(), "must not hold a login"),
        (r#"[{ name = "a", kind = "webhook", url = "http://h.example/", token = "x" }]"#.to_owned(), "in the clear"),
        (r#"[{ name = "a", kind = "slack", url = "http://h.example/x" }]"#.to_owned(), "in the clear"),
        (r#"[{ name = "a", kind = "pagerduty" }]"#.to_owned(), "integration key"),
        (r#"[{ name = "a", kind = "slack", url = "https://h.example/", secret = "x" }]"#.to_owned(), "secret does not belong"),
        (mail(""), "smtp is needed"),
        (mail(r#", smtp = "h.example:x""#), "is not a port"),
        (mail(r#", smtp = "h.example", encryption = "none""#), "on loopback"),
        (mail(r#", smtp = "h.example", url = "https://h.example/""#), "url does not belong"),
        (mail(r#", smtp = "h.example", user = "u""#), "belong together"),
        (r#"[{ name = "a", kind = "email", smtp = "h.example", from = "nobody", to = ["c@d.example"] }]"#.to_owned(), "from: \"nobody\""),
        (r#"[{ name = "a", kind = "email", smtp = "h.example", from = "a@b.example", to = [] }]"#.to_owned(), "to needs 1 to 50"),
        (r#"[{ name = "a", kind = "slack", url = "https://h.example/" }, { name = "a", kind = "slack", url = "https://h.example/" }]"#.to_owned(), "another of that name"),
    ];
    for (channels, word) in cases {
        let message = error(&channels);
        assert!(
            message.contains("monitor.channels") && message.contains(word),
            "{channels}: {message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn bases_of_links_are_checked() {
    let with = |name: &str, value: &str| check(&sources("[]", &[(name, value)]));
    assert!(with("WEIR_MONITOR__LINKS_BASE", "https://weir.example/").is_ok());
    for (name, value) in [
        ("WEIR_MONITOR__LINKS_BASE", "weir.example"),
        ("WEIR_MONITOR__DOCS_BASE", "javascript:alert(1)"),
        ("WEIR_MONITOR__TRACE_URL", "https://traces.example/"),
        ("WEIR_MONITOR__TRACE_URL", "https://traces.example/{trace_id} x"),
    ] {
        let message = with(name, value).unwrap_err().to_string();
        assert!(message.contains("monitor."), "{message}");
    }
}
