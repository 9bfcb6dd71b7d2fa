//! Rules of the cache by the command line, over a running Weir.

use serde_json::Value as Json;
use weir_testkit::World;

async fn said(world: &World, arguments: &[&str]) -> Json {
    let said = world.weir(&[&["cache", "--json"], arguments].concat()).await;
    assert!(said.succeeded, "{said:?}");
    serde_json::from_str(&said.text).expect("the command says JSON")
}

#[tokio::test]
async fn rules_are_put_shown_and_removed_from_the_command_line() {
    let world = World::new()
        .with("WEIR_CACHE__RULES", r#"[{ mode = "dry-run", note = "first look" }]"#)
        .up()
        .await;
    let put = said(
        &world,
        &[
            "put-rule",
            "--table",
            "public.users",
            "--consistency",
            "strict",
            "--empty-ttl",
            "5s",
            "--note",
            "revocation",
        ],
    )
    .await;
    assert_eq!(put["rules"][0]["about"], "table public.users");
    assert_eq!(put["rules"][0]["empty_ttl_ms"], 5_000);

    let rules = said(&world, &["rules"]).await;
    let shown: Vec<_> = rules["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (&rule["about"], &rule["origin"]))
        .collect();
    assert_eq!(
        format!("{shown:?}"),
        r#"[(String("table public.users"), String("call")), (String("project"), String("file"))]"#
    );

    let refused = world
        .weir(&["cache", "put-rule", "--whole-project", "--mode", "never"])
        .await;
    assert!(
        refused.code == Some(1) && refused.text.contains("[cache-rule-from-file]"),
        "{refused:?}"
    );
    let refused = world.weir(&["cache", "put-rule", "--table", "users"]).await;
    assert!(
        refused.code == Some(1) && refused.text.contains("schema.name"),
        "{refused:?}"
    );
    let refused = world.weir(&["cache", "invalidate"]).await;
    assert_eq!(refused.code, Some(2), "nothing named is refused: {refused:?}");

    let id = put["rules"][0]["id"].as_str().unwrap();
    assert!(world.weir(&["cache", "delete-rule", id]).await.succeeded);
    let gone = world.weir(&["cache", "delete-rule", id]).await;
    assert!(
        gone.code == Some(1) && gone.text.contains("[cache-rule-not-found]"),
        "{gone:?}"
    );
    assert_eq!(said(&world, &["rules"]).await["rules"].as_array().unwrap().len(), 1);

    let status = said(&world, &["status"]).await;
    assert_eq!(status["total"]["lookups"], 0);
    assert_eq!(said(&world, &["shapes"]).await["shapes"], Json::Array(Vec::new()));
    let table = world.weir(&["cache"]).await;
    assert!(table.succeeded && table.text.contains("misses: none"), "{table:?}");
}
