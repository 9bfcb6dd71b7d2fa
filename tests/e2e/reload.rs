//! SIGHUP: a good file is taken over as a whole, a bad one is refused and the old settings stay.

use std::time::Duration;

use weir_testkit::{World, eventually};

use crate::ask::{alerts, execute, queries};

const SOON: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_changed_file_is_taken_over_and_a_bad_one_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.toml");
    std::fs::write(&path, "[monitor]\nslow_query_threshold = \"1h\"\n").unwrap();
    let world = World::new().with("WEIR_CONFIG", path.to_str().unwrap()).up().await;
    let says = async |words: &str| {
        eventually(&format!("the log says {words:?}"), SOON, async || {
            let output = world.process("weir").output();
            if output.contains(words) { Ok(()) } else { Err(output) }
        })
        .await;
    };
    execute(&world, "before", "select pg_sleep(0.4)").await;
    eventually("it is counted under the old threshold", SOON, async || {
        queries(&world, "before").await.pop()
    })
    .await;

    std::fs::write(&path, "[monitor]\nslow_query_treshold = \"1ms\"\n").unwrap();
    world.process("weir").signal("HUP");
    says("unknown setting monitor.slow_query_treshold (file); did you mean slow_query_threshold?").await;
    assert!(world.process("weir").exit_status().is_none());

    std::fs::write(&path, "[monitor]\nslow_query_threshold = \"300ms\"\n").unwrap();
    world.process("weir").signal("HUP");
    says("settings reloaded").await;
    execute(&world, "after", "select pg_sleep(0.4)").await;
    eventually("an alert under the new threshold", SOON, async || {
        alerts(&world, "after").await.pop()
    })
    .await;
    assert!(
        alerts(&world, "before").await.is_empty(),
        "the old threshold was not in force"
    );
}
