//! Processes that obey, that do not, and that leave children behind.

use std::os::unix::process::ExitStatusExt as _;

use super::*;
use crate::eventually;
use crate::server::is_alive;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    Process::start("sh", &["-c", script], &[("GREETING", "hello")])
}

async fn written(process: &Process, text: &str) -> String {
    let check = async || {
        Some(process.output())
            .filter(|output| output.contains(text))
            .ok_or_else(|| process.output())
    };
    eventually("a line of output", SOON, check).await
}

#[tokio::test]
async fn output_and_status_are_kept() {
    let process = shell("echo $GREETING; echo trouble >&2; exit 3");
    assert_eq!(process.wait_exit(SOON).await.code(), Some(3));
    let output = process.output();
    assert!(output.contains("hello\n") && output.contains("trouble\n"), "{output}");
}

#[tokio::test]
async fn lines_that_come_after_the_exit_are_not_lost() {
    let process = shell("(sleep 0.2; echo late) & exit 0");
    assert!(process.wait_exit(SOON).await.success());
    assert_eq!(process.output(), "late\n");
}

#[tokio::test]
async fn term_lets_it_clean_up_and_kill9_does_not() {
    let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
    let polite = shell(script);
    written(&polite, "up\n").await;
    polite.term();
    assert_eq!(polite.wait_exit(SOON).await.code(), Some(0));
    assert!(polite.output().contains("bye\n"));

    let rude = shell(script);
    written(&rude, "up\n").await;
    rude.kill9();
    assert_eq!(rude.wait_exit(SOON).await.signal(), Some(9));
    assert!(!rude.output().contains("bye\n"));
    rude.signal("HUP");
}

#[tokio::test]
async fn a_drop_kills_it_with_its_children() {
    let process = shell("trap '' TERM; sleep 1000 & echo child $!; wait");
    let output = written(&process, "child").await;
    let child: u32 = output.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let pid = process.pid();
    assert!(is_alive(pid) && is_alive(child));
    drop(process);
    assert!(!is_alive(pid));
    eventually("the end of the child", SOON, async || (!is_alive(child)).then_some(())).await;
}

#[tokio::test]
#[should_panic(expected = "still ran after 50ms; it wrote:\nstuck\n")]
async fn one_that_does_not_end_in_time_shows_what_it_wrote() {
    let process = shell("echo stuck; sleep 1000");
    written(&process, "stuck").await;
    process.wait_exit(Duration::from_millis(50)).await;
}
