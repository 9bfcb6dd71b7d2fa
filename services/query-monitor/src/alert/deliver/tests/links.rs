//! Links: what they are made of, and that nothing of an alert gets out of them.

use weir_config::Sources;

use super::harness::firing;
use crate::alert::Notice;
use crate::alert::deliver::links::{Links, NoticeLinks};

pub(crate) fn links() -> Links {
    let settings = [
        ("WEIR_MONITOR__LINKS_BASE", "https://weir.example/console/"),
        ("WEIR_MONITOR__DOCS_BASE", "https://docs.example"),
        ("WEIR_MONITOR__TRACE_URL", "https://traces.example/trace/{trace_id}?v=1"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Links::of(&crate::settings::check(&Sources::load(None, settings).unwrap()).unwrap()).unwrap()
}

#[test]
fn an_alert_links_to_itself_its_statement_its_runbook_and_its_traces() {
    let made = links().of_notice(&firing(1, "g"));
    let wanted = NoticeLinks {
        alert: "https://weir.example/console/alerts/00000000-0000-0000-0000-000000000001?project=shop".to_owned(),
        query: "https://weir.example/console/queries/00000000000000ff?project=shop".to_owned(),
        runbook: "https://docs.example/docs/runbooks/slow-query.md".to_owned(),
        traces: vec!["https://traces.example/trace/0af7651916cd43dd8448eb211c80319c?v=1".to_owned()],
    };
    assert_eq!(made, wanted);
    assert_eq!(Links::default().of_notice(&firing(1, "g")), NoticeLinks::default());
}

#[test]
fn what_is_strange_makes_no_link_or_a_harmless_one() {
    let strange = Notice {
        project: "a&b|<c>".to_owned(),
        fingerprint: "\"><script>".to_owned(),
        runbook: "a b|c".to_owned(),
        traces: vec![
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01".to_owned(),
            "x|<y>".to_owned(),
        ],
        ..firing(1, "g")
    };
    let made = links().of_notice(&strange);
    assert_eq!(
        made.query,
        "https://weir.example/console/queries/%22%3E%3Cscript%3E?project=a%26b%7C%3Cc%3E"
    );
    assert_eq!((made.runbook.as_str(), made.traces.len()), ("", 1));
    let own = Notice {
        runbook: "https://wiki.example/page".to_owned(),
        fingerprint: String::new(),
        ..strange
    };
    let made = links().of_notice(&own);
    assert_eq!(
        (made.runbook.as_str(), made.query.as_str()),
        ("https://wiki.example/page", "")
    );
}
