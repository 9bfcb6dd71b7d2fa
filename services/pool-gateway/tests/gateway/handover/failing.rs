//! Processes that cannot take over, or die while they do.

use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_model::Clock;
use weir_runtime::{Ground, Tasks};
use weir_testkit::{Process, eventually, http_get};

use super::{Site, ends_badly, ends_well};
use crate::gateway::PATIENCE;
use crate::wire::value;

/// A server that lets everybody connect and says nothing.
struct Mute(std::net::TcpListener);

impl Mute {
    fn new() -> Self {
        Self(std::net::TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.0.local_addr().unwrap())
    }
}

async fn still_serves(site: &Site, process: &Process) {
    let mut client = site.client("after").await;
    assert_eq!(value(&mut client, "select 7").await.as_deref(), Some("7"));
    client.close().await;
    assert_eq!(http_get(site.ops, "/readyz").await.unwrap().0, 200);
    assert_eq!(process.exit_status(), None, "{}", process.output());
}

/// Starts a process whose server says nothing, and waits until it has been given the doors.
async fn never_ready(site: &Site, mute: &Mute, timeout: &str) -> Process {
    let settings = [
        ("DATABASE_URL", mute.url()),
        ("WEIR_GATEWAY__HANDOVER_TIMEOUT", timeout.to_owned()),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let process = site.begin(&settings);
    let open = format!("/proc/{}/fd", process.pid());
    eventually("it has the doors", PATIENCE, async || {
        let listening = listening(&open, site.wire);
        assert_eq!(process.exit_status(), None, "{}", process.output());
        if listening { Ok(()) } else { Err(process.output()) }
    })
    .await;
    process
}

/// Whether one of these descriptors is the socket that listens on a port.
fn listening(descriptors: &str, port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X} 00000000:0000 0A");
    let inode = table
        .lines()
        .find(|line| line.contains(&local))
        .map(|line| line.split_whitespace().nth(9).unwrap());
    let Some(inode) = inode else { return false };
    let wanted = format!("socket:[{inode}]");
    let links = std::fs::read_dir(descriptors).into_iter().flatten().flatten();
    links
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|link| link.to_str() == Some(&wanted))
}

#[tokio::test]
async fn one_that_cannot_start_leaves_the_other_serving() {
    let site = Site::new().await;
    let first = site.first().await;
    ends_badly(&site.begin(&[("WEIR_GATEWAY__POOL_MAXX", "3")]), 2, "gateway.pool_maxx").await;
    still_serves(&site, &first).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let taker = site.begin(&[("WEIR_GATEWAY__OPS_LISTEN", &taken)]);
    ends_badly(&taker, 1, "setting gateway.ops_listen").await;
    still_serves(&site, &first).await;
    let mute = Mute::new();
    let late = never_ready(&site, &mute, "1s").await;
    ends_badly(&late, 1, "gateway.handover_timeout: not ready within 1s (upstream").await;
    still_serves(&site, &first).await;

    let second = site.begin(&[]);
    ends_well(&first).await;
    still_serves(&site, &second).await;
}

#[tokio::test]
async fn one_that_dies_leaves_the_other_serving_and_a_third_is_refused_meanwhile() {
    let site = Site::new().await;
    let first = site.first().await;
    let mute = Mute::new();
    let dying = never_ready(&site, &mute, "1m").await;
    ends_badly(&site.begin(&[]), 1, "a hand-over to another process is under way").await;
    still_serves(&site, &first).await;
    dying.kill9();
    dying.wait_exit(PATIENCE).await;
    still_serves(&site, &first).await;
    let second = site.begin(&[]);
    ends_well(&first).await;
    still_serves(&site, &second).await;
}

#[tokio::test]
async fn one_whose_predecessor_ends_serves_at_once() {
    for signal in ["KILL", "TERM"] {
        let site = Site::new().await;
        let first = site.first().await;
        let mute = Mute::new();
        let second = never_ready(&site, &mute, "1m").await;
        first.signal(signal);
        first.wait_exit(PATIENCE).await;
        eventually("it serves", PATIENCE, async || {
            match http_get(site.ops, "/readyz").await {
                Ok((503, body)) if body.contains("upstream") => Ok(()),
                other => Err(format!("{other:?} {}", second.output())),
            }
        })
        .await;
        second.kill9();
        second.wait_exit(PATIENCE).await;
    }
}

#[tokio::test]
async fn the_socket_of_one_that_crashed_is_replaced() {
    let site = Site::new().await;
    let first = site.first().await;
    first.kill9();
    first.wait_exit(PATIENCE).await;
    assert!(site.socket().exists());
    let second = site.first().await;
    let third = site.begin(&[]);
    ends_well(&second).await;
    still_serves(&site, &third).await;
}

#[tokio::test]
async fn a_file_in_its_place_is_left_alone() {
    let site = Site::new().await;
    std::fs::write(site.socket(), "kept").unwrap();
    ends_badly(&site.begin(&[]), 1, "there is a file that is not a socket").await;
    assert_eq!(std::fs::read_to_string(site.socket()).unwrap(), "kept");
}

#[tokio::test]
async fn a_gateway_beside_other_services_refuses() {
    let settings = [
        ("DATABASE_URL", "postgres://postgres@127.0.0.1:1/postgres"),
        ("WEIR_GATEWAY__HANDOVER", "/run/weir/handover"),
    ];
    let sources = Sources::load(None, settings.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    let (_, reloads) = tokio::sync::watch::channel(sources.clone());
    let ground = Ground::new(sources, reloads, Tasks::new(), Clock::system());
    let started = weir_pool_gateway::start(ground, Bus::in_memory(Limits::default())).await;
    let why = started.unwrap_err().to_string();
    assert!(
        why.contains("setting gateway.handover") && why.contains("process of its own"),
        "{why}"
    );
}
