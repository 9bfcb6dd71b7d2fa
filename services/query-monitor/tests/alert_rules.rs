//! Rules, silences and acknowledgements as operators say them over gRPC, and what comes of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use prost::Message as _;
use tokio::sync::watch;
use tonic::Code;
use tonic::transport::Channel;
use weir_bus::{Bus, Limits, Message};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::common::v1::Severity;
use weir_proto::events::v1::{QueryBatch, QueryExecuted};
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Postgres, eventually, free_port};

const SOON: Duration = Duration::from_secs(20);
const NOON: i64 = 1_800_000_000_000;

struct Monitor {
    tasks: Tasks,
    client: MonitorServiceClient<Channel>,
    bus: Bus,
    clock: Clock,
    sequence: u64,
}

impl Monitor {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let database = Postgres::shared().await.database().await;
        let (port, ops_port) = (free_port(), free_port());
        let own = [
            ("WEIR_STORE__URL".to_owned(), database.url()),
            ("WEIR_MONITOR__GRPC_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("WEIR_MONITOR__OPS_LISTEN".to_owned(), format!("127.0.0.1:{ops_port}")),
        ];
        let more = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources::load(None, own.into_iter().chain(more)).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let (tasks, bus) = (Tasks::new(), Bus::in_memory(Limits::default()));
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON.unsigned_abs()));
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock.clone());
        Box::pin(weir_query_monitor::start(ground, bus.clone())).await.unwrap();
        let client = MonitorServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        let monitor = Self {
            tasks,
            client,
            bus,
            clock,
            sequence: 0,
        };
        eventually("the tables", SOON, || async {
            monitor.client.clone().list_rules(api::ListRulesRequest {}).await
        })
        .await;
        monitor
    }

    async fn slow(&mut self, fingerprint: u64, took_ms: u64) {
        self.sequence += 1;
        let batch = QueryBatch {
            instance: "gateway-1".to_owned(),
            sequence: self.sequence,
            events: vec![QueryExecuted {
                fingerprint,
                database: "db".to_owned(),
                server_us: took_ms * 1_000,
                traceparent: format!("00-{fingerprint:032x}-b7ad6b7169203331-01"),
                ..QueryExecuted::default()
            }],
            ..QueryBatch::default()
        };
        let message = Message::new("weir.shop.query.executed", batch.encode_to_vec());
        self.bus.publish(message).await.unwrap();
    }

    async fn rules(&self) -> Vec<api::AlertRule> {
        let answer = self.client.clone().list_rules(api::ListRulesRequest {}).await;
        answer.unwrap().into_inner().rules
    }

    async fn put(&self, rule: api::AlertRule) -> Result<api::AlertRule, tonic::Status> {
        let request = api::PutRuleRequest { rule: Some(rule) };
        let answer = self.client.clone().put_rule(request).await?;
        Ok(answer.into_inner().rule.unwrap())
    }

    /// Waits for the alert of a shape to be as wanted.
    async fn alert(&self, fingerprint: u64, wanted: impl Fn(&api::Alert) -> bool) -> api::Alert {
        let print = format!("{fingerprint:016x}");
        eventually("the alert", SOON, || async {
            let request = api::ListAlertsRequest {
                project: "shop".to_owned(),
                ..api::ListAlertsRequest::default()
            };
            let alerts = self
                .client
                .clone()
                .list_alerts(request)
                .await
                .unwrap()
                .into_inner()
                .alerts;
            let seen = format!("{alerts:?}");
            alerts
                .into_iter()
                .find(|alert| alert.fingerprint == print && wanted(alert))
                .ok_or(seen)
        })
        .await
    }

    async fn silence(&self, silence: api::Silence) -> Result<api::Silence, tonic::Status> {
        let request = api::PutSilenceRequest { silence: Some(silence) };
        let answer = self.client.clone().put_silence(request).await?;
        Ok(answer.into_inner().silence.unwrap())
    }

    async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

fn rule(name: &str) -> api::AlertRule {
    api::AlertRule {
        name: name.to_owned(),
        ..api::AlertRule::default()
    }
}

#[tokio::test]
async fn rules_put_count_more_than_the_file_and_can_be_taken_back() {
    let file = r#"[{ name = "latency-p95", warning = 300 }, { name = "pool-wait", enabled = false }]"#;
    let monitor = Monitor::start(&[("WEIR_MONITOR__RULES", file)]).await;
    let of = |rules: Vec<api::AlertRule>, name: &str, project: &str| {
        rules
            .into_iter()
            .find(|rule| rule.name == name && rule.project == project)
    };
    let listed = of(monitor.rules().await, "latency-p95", "").unwrap();
    assert_eq!(
        (listed.warning, listed.origin.as_str(), listed.for_ms),
        (Some(300.0), "file", Some(300_000))
    );
    assert_eq!(of(monitor.rules().await, "pool-wait", "").unwrap().enabled, Some(false));

    let put = api::AlertRule {
        project: "shop".to_owned(),
        warning: Some(500.0),
        ..rule("latency-p95")
    };
    let put = monitor.put(put).await.unwrap();
    assert_eq!(
        (put.warning, put.warning_clear, put.origin.as_str()),
        (Some(500.0), Some(425.0), "grpc")
    );
    assert_eq!(
        of(monitor.rules().await, "latency-p95", "").unwrap().warning,
        Some(300.0)
    );
    let own = api::AlertRule {
        metric: Some("pool.waiting".to_owned()),
        labels: BTreeMap::from([("role".to_owned(), "app|web*".to_owned())]),
        critical: Some(50.0),
        ..rule("queue-length")
    };
    monitor.put(own).await.unwrap();
    assert_eq!(
        of(monitor.rules().await, "queue-length", "").unwrap().labels["role"],
        "app|web*"
    );

    for (wrong, word) in [
        (
            api::AlertRule {
                warning: Some(1.0),
                ..rule("unknown")
            },
            "needs a metric",
        ),
        (
            api::AlertRule {
                warning_clear: Some(900.0),
                ..rule("latency-p95")
            },
            "beyond",
        ),
        (
            api::AlertRule {
                warning: Some(10.0),
                ..rule("slow-query")
            },
            "slow_query_threshold",
        ),
        (
            api::AlertRule {
                summary: Some("a\0b".to_owned()),
                ..rule("latency-p95")
            },
            "zero byte",
        ),
    ] {
        let refused = monitor.put(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(word), "{refused}");
    }
    let reset = |name: &str, project: &str| api::ResetRuleRequest {
        name: name.to_owned(),
        project: project.to_owned(),
    };
    let mut client = monitor.client.clone();
    client.reset_rule(reset("latency-p95", "shop")).await.unwrap();
    client.reset_rule(reset("queue-length", "")).await.unwrap();
    assert_eq!(
        client.reset_rule(reset("queue-length", "")).await.unwrap_err().code(),
        Code::NotFound
    );
    let rules = monitor.rules().await;
    assert!(of(rules.clone(), "latency-p95", "shop").is_none() && of(rules, "queue-length", "").is_none());
    monitor.stop().await;
}

#[tokio::test]
async fn a_put_rule_is_judged_by_within_a_moment() {
    let mut monitor = Monitor::start(&[]).await;
    monitor.slow(1, 2_000).await;
    let alert = monitor.alert(1, |alert| alert.state() == api::AlertState::Firing).await;
    assert_eq!((alert.severity(), alert.traces.len()), (Severity::Warning, 1));
    monitor
        .put(api::AlertRule {
            critical: Some(1_800.0),
            ..rule("slow-query")
        })
        .await
        .unwrap();
    let alert = monitor.alert(1, |alert| alert.severity() == Severity::Critical).await;
    assert_eq!((alert.state(), alert.threshold), (api::AlertState::Firing, 1_800.0));
    monitor
        .put(api::AlertRule {
            enabled: Some(false),
            ..rule("slow-query")
        })
        .await
        .unwrap();
    monitor
        .alert(1, |alert| alert.state() == api::AlertState::Resolved)
        .await;
    monitor.stop().await;
}

#[tokio::test]
async fn a_silence_is_shown_at_its_alerts_until_it_ends() {
    let mut monitor = Monitor::start(&[]).await;
    let silence = api::Silence {
        matchers: BTreeMap::from([
            ("rule".to_owned(), "slow-*".to_owned()),
            ("database".to_owned(), "db".to_owned()),
        ]),
        ends_unix_ms: NOON + 3_600_000,
        author: "ada".to_owned(),
        comment: "a known report".to_owned(),
        ..api::Silence::default()
    };
    let put = monitor.silence(silence.clone()).await.unwrap();
    assert_eq!(put.starts_unix_ms, NOON);
    monitor.slow(1, 2_000).await;
    let silent = monitor.alert(1, |alert| !alert.silenced_by.is_empty()).await;
    assert_eq!(
        (silent.state(), &silent.silenced_by),
        (api::AlertState::Firing, &put.id)
    );
    let mut client = monitor.client.clone();
    let listed = client
        .list_silences(api::ListSilencesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .silences;
    assert_eq!(listed, std::slice::from_ref(&put));
    let expire = api::ExpireSilenceRequest {
        id: put.id.clone(),
        ..api::ExpireSilenceRequest::default()
    };
    client.expire_silence(expire.clone()).await.unwrap();
    monitor.alert(1, |alert| alert.silenced_by.is_empty()).await;
    assert_eq!(client.expire_silence(expire).await.unwrap_err().code(), Code::NotFound);

    for wrong in [
        api::Silence {
            matchers: BTreeMap::new(),
            ..silence.clone()
        },
        api::Silence {
            ends_unix_ms: NOON - 1,
            ..silence.clone()
        },
        api::Silence {
            ends_unix_ms: i64::MAX,
            ..silence.clone()
        },
        api::Silence {
            author: String::new(),
            ..silence.clone()
        },
        api::Silence {
            id: "no id".to_owned(),
            ..silence
        },
    ] {
        assert_eq!(monitor.silence(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }
    monitor.stop().await;
}

#[tokio::test]
async fn who_looks_after_an_alert_is_shown_until_it_is_resolved() {
    let mut monitor = Monitor::start(&[]).await;
    monitor.slow(1, 2_000).await;
    let alert = monitor.alert(1, |alert| alert.state() == api::AlertState::Firing).await;
    let acknowledge = api::AcknowledgeAlertRequest {
        id: alert.id,
        by: "ada".to_owned(),
        note: "on it".to_owned(),
        ..api::AcknowledgeAlertRequest::default()
    };
    let mut client = monitor.client.clone();
    let answer = client
        .acknowledge_alert(acknowledge.clone())
        .await
        .unwrap()
        .into_inner()
        .alert
        .unwrap();
    assert_eq!(
        (answer.acknowledged_by.as_str(), answer.acknowledged_unix_ms),
        ("ada", NOON)
    );
    // What the engine writes of an alert leaves alone what people said of it.
    monitor.slow(1, 3_000).await;
    let refreshed = eventually("the new figure", SOON, || async {
        monitor.clock.advance(Duration::from_secs(2));
        let alert = monitor.alert(1, |_| true).await;
        (alert.value > 2_500.0).then_some(alert)
    })
    .await;
    assert_eq!(refreshed.acknowledged_note, "on it");
    monitor.clock.advance(Duration::from_secs(400));
    let over = monitor
        .alert(1, |alert| alert.state() == api::AlertState::Resolved)
        .await;
    assert_eq!(over.acknowledged_by, "ada");
    assert_eq!(
        client.acknowledge_alert(acknowledge).await.unwrap_err().code(),
        Code::NotFound
    );
    monitor.slow(1, 2_000).await;
    let again = monitor.alert(1, |alert| alert.state() == api::AlertState::Firing).await;
    assert!(again.acknowledged_by.is_empty());
    monitor.stop().await;
}

#[tokio::test]
async fn settings_that_cannot_be_stop_the_start_with_their_name() {
    for (name, value, words) in [
        (
            "WEIR_MONITOR__RULES",
            r#"[{ name = "latency-p95", warnin = 3 }]"#,
            ["monitor.rules", "warnin"],
        ),
        (
            "WEIR_MONITOR__RULES",
            r#"[{ name = "own", metric = "no.such" }]"#,
            ["monitor.rules", "no.such"],
        ),
        (
            "WEIR_MONITOR__OBJECTIVES",
            r#"[{ project = "shop", availability = 0.999 }]"#,
            ["monitor.objectives", "shop"],
        ),
    ] {
        let sources = Sources::load(None, [(name.to_owned(), value.to_owned())]).unwrap();
        let error = weir_query_monitor::check(&sources).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}
