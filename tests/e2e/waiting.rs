//! Waiting for long work at a terminal and without one, and breaking it off.

use std::time::Duration;

use weir_testkit::{Process, World, binary_path, eventually};

use crate::terminal::Terminal;

const SOON: Duration = Duration::from_secs(30);
/// No worker knows it, so it is waited for until somebody breaks it off.
const ORDER: [&str; 4] = ["jobs", "run", "paint-the-fence", "--wait"];

#[tokio::test]
async fn who_breaks_the_waiting_off_is_told_how_to_go_on() {
    let world = World::new().up().await;
    let settings: Vec<(&str, &str)> = world
        .settings()
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let mut terminal = Terminal::start(&binary_path("weir"), &ORDER, settings.iter().copied(), (80, 24));
    terminal.until("requested  no worker has begun yet").await;
    terminal.keys("\u{3}");
    assert_eq!(terminal.ended().await.code(), Some(130), "{}", terminal.screen());
    terminal.until("goes on: `weir jobs wait").await;
    // The line of the progress is gone, whatever the terminal echoed behind it.
    assert!(!terminal.screen().contains("no worker"), "{}", terminal.screen());
    assert!(terminal.is_restored());

    let process = Process::start(binary_path("weir"), &ORDER, &settings);
    eventually("a line says how far it is", SOON, async || {
        let output = process.output();
        if output.contains("requested: no worker has begun yet\n") {
            Ok(())
        } else {
            Err(output)
        }
    })
    .await;
    process.term();
    assert_eq!(process.wait_exit(SOON).await.code(), Some(143));
    let output = process.output();
    let (_, rest) = output.split_once("weir jobs cancel ").expect("how to stop it");
    let (id, _) = rest.split_once('`').unwrap();
    let shown = world.weir(&["jobs", "show", id]).await;
    assert!(
        shown.succeeded && shown.text.contains("paint-the-fence requested"),
        "{shown:?}"
    );
}
