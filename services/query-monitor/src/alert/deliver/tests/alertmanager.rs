//! A real Alertmanager: alerts are there once, are held, and end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use weir_testkit::{Postgres, Process, eventually, free_port, http_get};

use super::harness::{NOON, Post, SOON, firing, named};
use crate::alert::Notice;
use crate::alert::notice::NoticeState;

/// Debian calls it `prometheus-alertmanager`, its own release `alertmanager`.
fn program() -> PathBuf {
    let names = ["prometheus-alertmanager", "alertmanager"];
    let mut places = ["/usr/bin", "/usr/local/bin"]
        .iter()
        .flat_map(|dir| names.map(|name| Path::new(dir).join(name)));
    let found = places.find(|path| path.is_file());
    found.expect("prometheus-alertmanager is needed: deploy/test installs it")
}

/// One of its own, on loopback.
struct Alertmanager {
    _process: Process,
    port: u16,
    dir: PathBuf,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Alertmanager {
    async fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("weir-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&dir).unwrap();
        let file = dir.join("alertmanager.yml");
        std::fs::write(&file, "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n").unwrap();
        let port = free_port();
        let args = [
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", dir.display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
        ];
        let process = Process::start(program(), &args, &[]);
        eventually("alertmanager", SOON, || async {
            let (status, body) = http_get(port, "/-/ready").await.map_err(|error| error.to_string())?;
            if status == 200 { Ok(()) } else { Err(body) }
        })
        .await;
        Self {
            _process: process,
            port,
            dir,
        }
    }

    async fn alerts(&self) -> Vec<Value> {
        let (status, body) = http_get(self.port, "/api/v2/alerts").await.unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body)
            .unwrap()
            .as_array()
            .unwrap()
            .clone()
    }

    async fn has(&self, count: usize) -> Vec<Value> {
        eventually("the alerts", SOON, || async {
            let alerts = self.alerts().await;
            if alerts.len() == count {
                Ok(alerts)
            } else {
                Err(format!("{alerts:?}"))
            }
        })
        .await
    }
}

fn now_ms() -> i64 {
    weir_model::Clock::system().unix_ms()
}

#[tokio::test]
async fn alertmanager_has_each_alert_once_holds_it_and_sees_its_end() {
    let (manager, database) = (Alertmanager::start().await, Postgres::shared().await.database().await);
    let url = format!("http://127.0.0.1:{}", manager.port);
    let channels = format!(r#"[{{ name = "am", kind = "alertmanager", url = "{url}", repeat_interval = "1s" }}]"#);
    let post = Post::start(&database.url(), &channels).await;
    post.clock
        .advance(Duration::from_millis((now_ms() - NOON).max(0).unsigned_abs()));
    let strange = [
        ("9 odd-näme".to_owned(), "a\"b\\c\nd".to_owned()),
        ("empty".to_owned(), String::new()),
    ];
    let since = now_ms() - 5_000;
    let one = Notice {
        labels: strange.into(),
        since_unix_ms: since,
        ..firing(1, "g")
    };
    let two = Notice {
        since_unix_ms: since,
        ..firing(2, "g")
    };
    post.tell(&[one.clone(), two.clone()]).await;
    let alerts = manager.has(2).await;
    let of = |alerts: &[Value], label: &str| {
        alerts
            .iter()
            .find(|alert| alert["labels"].get(label).is_some())
            .cloned()
            .unwrap()
    };
    let seen = of(&alerts, "_9_odd_n_me");
    let labels = serde_json::json!({
        "alertname": "slow-query", "severity": "warning", "project": "shop", "fingerprint": "00000000000000ff",
        "_9_odd_n_me": "a\"b\\c d",
    });
    assert_eq!(seen["labels"], labels, "{}", named(1, "firing"));
    assert_eq!(seen["annotations"]["runbook_url"], "docs/runbooks/slow-query.md");
    assert_eq!(seen["status"]["state"], "active");

    // Told again while it fires: the same alert, held for longer.
    let ends = |alert: &Value| alert["endsAt"].as_str().unwrap().to_owned();
    let held = eventually("the alert to be held for longer", SOON, || async {
        post.clock.advance(Duration::from_millis(100));
        let now = of(&manager.has(2).await, "_9_odd_n_me");
        (ends(&now) > ends(&seen)).then_some(now)
    })
    .await;
    assert_eq!(
        (&held["fingerprint"], &held["startsAt"]),
        (&seen["fingerprint"], &seen["startsAt"])
    );

    let end = Notice {
        state: NoticeState::Resolved,
        resolved_unix_ms: now_ms(),
        ..one
    };
    post.tell(&[end]).await;
    let left = manager.has(1).await;
    assert_eq!(left[0]["labels"]["database"], "orders");
    post.stop().await;
}
