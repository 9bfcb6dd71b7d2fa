//! Statements that nobody can read, from the gateway's doors into the statistics: counted, listed, and without a literal.

use std::time::Duration;

use weir_proto::common::v1::StatementKind;
use weir_testkit::{World, eventually};

use crate::ask::{gateway, intake, queries, statement};

const SOON: Duration = Duration::from_secs(30);
/// What must not be seen anywhere.
const MARK: &str = "swordfish";

/// Texts, and whether the server takes them.
fn texts() -> Vec<(String, bool)> {
    let filled = |bytes: usize| MARK.repeat(bytes / MARK.len());
    vec![
        (format!("select length('{}')", filled(1_000_000)), true),
        (
            format!("select '{MARK}' where 1 = 1{}", " or 1 = 2".repeat(64_000)),
            true,
        ),
        (
            format!("select {}'{MARK}'{}", "(".repeat(50_000), ")".repeat(50_000)),
            false,
        ),
        (format!("select '{MARK}"), false),
        (format!("select $x${MARK}"), false),
        (format!("select 1 /* {MARK}"), false),
        (format!("selct '{MARK}' frm"), false),
        (format!(r"selct 'a\' {MARK} \'b'"), false),
        (format!("select 1 {} '{MARK}'", "+".repeat(100_000)), false),
        (format!("select '{MARK}\0'"), false),
        (format!("select '{}' as \u{fffd}\u{fffd}", filled(9_000)), true),
    ]
}

#[tokio::test]
async fn hostile_texts_are_counted_and_listed_without_their_literals() {
    let world = World::new().up().await;
    let texts = texts();
    for (sql, succeeds) in &texts {
        // Twice each, so that what is the same has to be counted as the same.
        for _ in 0..2 {
            let answer = gateway(&world).await.execute(statement("shop", sql)).await;
            let head: String = sql.chars().take(60).collect();
            assert_eq!(answer.is_ok(), *succeeds, "{head}: {:?}", answer.err());
        }
    }
    let lines = eventually("a line for each", SOON, async || {
        let lines = queries(&world, "shop").await;
        let calls: u64 = lines.iter().map(|line| line.calls).sum();
        (calls == 2 * texts.len() as u64).then_some(lines).ok_or(calls)
    })
    .await;
    let shown = format!("{lines:?}");
    assert!(!shown.contains(MARK), "{shown}");
    assert_eq!(lines.len(), texts.len(), "{shown}");
    assert!(lines.iter().all(|line| line.calls == 2), "{shown}");
    let failed = texts.iter().filter(|(_, succeeds)| !succeeds).count();
    assert_eq!(lines.iter().filter(|line| line.errors == 2).count(), failed, "{shown}");
    // Those that cannot be read are known by a hash, and say nothing of themselves.
    let unread = lines.iter().filter(|line| line.text.is_empty()).count();
    let unknown = lines
        .iter()
        .filter(|line| line.kind() == StatementKind::Unspecified)
        .count();
    assert!(unread >= 5 && unknown >= failed, "{unread} {unknown} {shown}");
    assert_eq!(intake(&world).await.batches_malformed_total, 0);
}
