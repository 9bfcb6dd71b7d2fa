//! `weir top` in a terminal, against a whole stack.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value as Json;
use weir_testkit::{World, binary_path, eventually};

use crate::ask::{execute, gateway, statement};
use crate::terminal::Terminal;

const SOON: Duration = Duration::from_secs(20);

fn top(world: &World, size: (u16, u16)) -> Terminal {
    start(world, &binary_path("weir"), &["top", "--interval", "0.5"], size)
}

fn start(world: &World, program: &Path, arguments: &[&str], size: (u16, u16)) -> Terminal {
    let settings = world
        .settings()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    Terminal::start(program, arguments, settings, size)
}

#[tokio::test]
async fn one_sees_what_runs_now_in_a_terminal_of_any_size() {
    let mut world = World::new().up().await;
    execute(&world, "", "select 1 as \"evil\u{1b}[2J\u{9b}31m\"").await;
    for number in 0..20 {
        execute(&world, "", &format!("select {number} + 1 as 日本語の列")).await;
    }
    let mut terminal = top(&world, (80, 24));
    terminal.until("select $1 + $2 as 日本語の列").await;
    terminal.until("  up ").await;
    terminal.until("evil").await;
    assert!(!terminal.raw().contains("evil\u{1b}"), "{}", terminal.raw());
    assert!(terminal.screen().contains("TIME/S▼"), "{}", terminal.screen());
    terminal.resize(30, 8);
    terminal.until("weir top needs 40 columns").await;
    terminal.resize(40, 10);
    terminal.until("1queries 2sessions").await;
    terminal.resize(120, 40);
    terminal.until("x end session").await;
    terminal.keys("/日本\r");
    terminal.until("1 rows with /日本").await;
    terminal.keys("?");
    terminal.until("suspend; fg goes on").await;
    terminal.keys("q");
    assert!(terminal.ended().await.success(), "{}", terminal.screen());
    until_restored(&terminal).await;
    without_a_terminal(&world).await;
    away_and_back(&mut world).await;
}

async fn until_restored(terminal: &Terminal) {
    let is_so = async || {
        if terminal.is_restored() {
            Ok(())
        } else {
            Err(terminal.screen())
        }
    };
    eventually("the terminal is as it was", SOON, is_so).await;
}

/// Every service is away for a while: that is said, what was known stays, and the rest goes on when they are back.
async fn away_and_back(world: &mut World) {
    let mut terminal = top(world, (100, 30));
    terminal.until("日本語の列").await;
    world.process("weir").kill9();
    terminal.until("away: backup since").await;
    terminal.until("what is shown is of").await;
    assert!(terminal.screen().contains("日本語の列"), "{}", terminal.screen());
    terminal.keys("3");
    terminal.until("WAITING▼").await;
    let round = world.weir(&["top", "--once"]).await;
    assert_eq!(round.code, Some(1), "{round:?}");
    assert!(round.text.contains("no service could be asked anything"), "{round:?}");
    world.start("weir", &["up"]);
    world.until_ready().await;
    terminal
        .until_screen("nobody is away", |screen| !screen.contains("away"))
        .await;
    // Whoever asks for an end gets it, and the terminal as it was.
    terminal.signal(Signal::TERM);
    assert!(terminal.ended().await.success());
    until_restored(&terminal).await;
}

#[tokio::test]
async fn sessions_are_seen_with_whom_they_hold_up_and_can_be_ended() {
    let world = World::new().up().await;
    world
        .database()
        .psql("create table stock (n int); insert into stock values (1)")
        .await;
    let url = world.database().url();
    let (_, name) = url.rsplit_once('/').unwrap();
    let door = format!("postgres://postgres@127.0.0.1:{}/{name}", world.wire());
    let script = "begin; update stock set n = 2; select 'locked';";
    let holder = start(
        &world,
        Path::new("psql"),
        &["-X", "-q", &door, "-c", script, "-f", "-"],
        (80, 24),
    );
    holder.until("locked").await;
    let mut client = gateway(&world).await;
    let waits = tokio::spawn(async move { client.execute(statement("", "update stock set n = 3")).await });
    let mut terminal = top(&world, (160, 30));
    terminal.keys("2");
    terminal.until("└").await;
    terminal.until("blocked 1").await;
    terminal.until("idle in xact").await;
    // Who calls itself so wants to move the cursor of whoever looks.
    let evil = format!("{door}?application_name=evil%1B%5B2J");
    let idler = start(
        &world,
        Path::new("psql"),
        &["-X", "-q", &evil, "-c", "select 'idle'", "-f", "-"],
        (80, 24),
    );
    idler.until("idle").await;
    terminal.keys("i");
    // Obeyed, it would be gone with everything else.
    terminal.until("evil[2J").await;
    drop(idler);
    // Something else than yes leaves it alone.
    terminal.keys("x");
    terminal.until("y: yes, other keys: no").await;
    terminal.keys("n");
    terminal.until("it was left alone").await;
    terminal.keys("x");
    terminal.until("y: yes, other keys: no").await;
    terminal.keys("y");
    terminal.until("was ended").await;
    eventually("the statement that waited goes on", SOON, async || {
        waits.is_finished().then_some(())
    })
    .await;
    assert!(waits.await.unwrap().is_ok());
    terminal.until("blocked 0").await;
}

#[tokio::test]
async fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_gives_it_back() {
    let world = World::new().up().await;
    let mut terminal = start(&world, Path::new("bash"), &["--norc", "--noprofile", "-i"], (80, 24));
    terminal.until("bash").await;
    let weir = binary_path("weir");
    terminal.keys(&format!("{} top\r", weir.display()));
    terminal.until("every 2 s").await;
    assert!(!terminal.is_left());
    terminal.keys("\u{1a}");
    terminal.until("Stopped").await;
    assert!(terminal.is_left());
    terminal.keys("clear; stty -a; fg\r");
    terminal.until("every 2 s").await;
    // The keys are the view's again. Whether anybody is in a transaction just now is chance: idle clients are asked for too.
    terminal.keys("2i");
    terminal.until("2 sessions").await;
    // What a shell knows as an interrupt is a key here.
    terminal.keys("\u{3}");
    terminal.until(" icanon").await;
    terminal.keys("exit 7\r");
    assert_eq!(terminal.ended().await.code(), Some(7), "{}", terminal.screen());
}

async fn without_a_terminal(world: &World) {
    let round = world.weir(&["top"]).await;
    assert!(
        round.succeeded && round.text.contains("TIME/S") && round.text.contains("pools"),
        "{round:?}"
    );
    assert!(!round.text.contains('\u{1b}'), "{round:?}");
    let round = world.weir(&["top", "--json"]).await;
    let told: Json = serde_json::from_str(&round.text).unwrap();
    assert_eq!(
        (&told["project"], &told["away"]),
        (&"default".into(), &Json::Array(Vec::new())),
        "{round:?}"
    );
    assert!(told["pools"][0]["max"].as_u64() > Some(0), "{round:?}");
    assert!(
        told["queries"].as_array().is_some_and(|queries| !queries.is_empty()),
        "{round:?}"
    );
}
