//! The cache service over gRPC, on a real store: rules and statistics.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;
use tonic::Code;
use tonic::transport::Channel;
use weir_bus::{Bus, Limits, Message};
use weir_config::Sources;
use weir_model::{Clock, Project};
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_proto::common::v1::PageRequest;
use weir_proto::events::v1 as events;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Postgres, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(20);

struct Cache {
    client: CacheServiceClient<Channel>,
    bus: Bus,
    tasks: Tasks,
    ops_port: u16,
    clock: Clock,
}

impl Cache {
    async fn start(rules: &str) -> Self {
        let database = Postgres::shared().await.database().await;
        let (port, ops_port) = (free_port(), free_port());
        let settings = [
            ("DATABASE_URL", database.url()),
            ("WEIR_STORE__URL", database.url()),
            ("WEIR_CACHE__GRPC_LISTEN", format!("127.0.0.1:{port}")),
            ("WEIR_CACHE__OPS_LISTEN", format!("127.0.0.1:{ops_port}")),
            ("WEIR_CACHE__RULES", rules.to_owned()),
        ];
        let sources = Sources::load(None, settings.map(|(name, value)| (name.to_owned(), value))).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let (tasks, bus) = (Tasks::new(), Bus::in_memory(Limits::default()));
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock.clone());
        Box::pin(weir_cache::start(ground, bus.clone())).await.unwrap();
        let client = CacheServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            client,
            bus,
            tasks,
            ops_port,
            clock,
        }
    }

    async fn tell(&self, project: &str, counted: &events::CacheCounted) {
        let project = Project::parse(project).unwrap();
        let event = weir_events::gateway::cache_counted(&project, counted, &Clock::system());
        let message = Message::new(event.subject.to_string(), event.payload);
        self.bus.publish(message).await.unwrap();
    }

    async fn statistics(&mut self, project: &str) -> api::GetStatisticsResponse {
        let project = project.to_owned();
        let answer = self.client.get_statistics(api::GetStatisticsRequest { project }).await;
        answer.unwrap().into_inner()
    }

    async fn shapes(&mut self, request: api::ListShapesRequest) -> api::ListShapesResponse {
        self.client.list_shapes(request).await.unwrap().into_inner()
    }

    /// Waits until so many lookups are known of all projects.
    async fn until_lookups(&mut self, lookups: u64) -> api::GetStatisticsResponse {
        let client = self.client.clone();
        eventually("all look-ups to be counted", SOON, || {
            let mut client = client.clone();
            async move {
                let answer = client.get_statistics(api::GetStatisticsRequest::default()).await;
                let answer = answer.map_err(|error| error.to_string())?.into_inner();
                let known = answer.total.as_ref().map_or(0, |total| total.lookups_total);
                (known == lookups).then_some(answer).ok_or(known.to_string())
            }
        })
        .await
    }

    async fn stop(self) {
        drop(self.client);
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

fn counts(hits: u64, misses: u64, saved_us_total: i64) -> events::CacheCounts {
    events::CacheCounts {
        hits_memory_total: hits,
        hit_us_total: hits,
        misses_total: [("absent".to_owned(), misses)].into(),
        miss_us_total: misses * 100,
        overhead_us_total: misses * 2,
        fills_total: misses,
        fill_bytes_total: misses * 300,
        entries: 3,
        bytes: 900,
        saved_us_total,
        ..events::CacheCounts::default()
    }
}

fn line(fingerprint: u64, text: &str, counts: events::CacheCounts) -> events::CacheLine {
    events::CacheLine {
        fingerprint,
        database: "orders".to_owned(),
        serial: fingerprint,
        counts: Some(counts),
        standing: events::CacheStanding::On.into(),
        text: text.to_owned(),
        ..events::CacheLine::default()
    }
}

fn counted(at_unix_ms: i64, totals: events::CacheCounts, lines: Vec<events::CacheLine>) -> events::CacheCounted {
    events::CacheCounted {
        instance: "gateway-1".to_owned(),
        at_unix_ms,
        serial: 1,
        totals: Some(totals),
        bypass_ms_total: 40,
        lines,
        leaving: false,
    }
}

#[tokio::test]
async fn rules_are_put_listed_and_removed_by_call() {
    let mut cache = Cache::start(r#"[{ mode = "dry-run", note = "first look" }]"#).await;
    let put = |subject, mode: api::CacheMode| api::PutPolicyRequest {
        policy: Some(api::Policy {
            subject,
            mode: mode.into(),
            ..api::Policy::default()
        }),
    };
    let shape = || Some(api::policy::Subject::Fingerprint("00ab00ab00ab00ab".to_owned()));
    let client = cache.client.clone();
    let answer = eventually("the store to be there", SOON, || {
        let (mut client, request) = (client.clone(), put(shape(), api::CacheMode::Never));
        async move { client.put_policy(request).await.map_err(|error| error.to_string()) }
    });
    let answer = answer.await.into_inner();
    let policy = answer.policy.unwrap();
    assert!(answer.created && policy.project == "default" && policy.origin() == api::PolicyOrigin::Call);

    let listed = cache
        .client
        .list_policies(api::ListPoliciesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<&str> = listed.policies.iter().map(|policy| policy.id.as_str()).collect();
    assert_eq!(ids, [policy.id.as_str(), "file/default/project"]);

    let whole = Some(api::policy::Subject::WholeProject(api::Everything {}));
    for (request, code, slug) in [
        (put(None, api::CacheMode::Never), Code::InvalidArgument, "cache-rule"),
        (
            put(whole, api::CacheMode::Never),
            Code::FailedPrecondition,
            "cache-rule-from-file",
        ),
    ] {
        let refusal = cache.client.put_policy(request).await.unwrap_err();
        let told = refusal.metadata().get("weir-error").unwrap().to_str().unwrap();
        assert_eq!((refusal.code(), told), (code, slug), "{refusal}");
    }
    let delete = || api::DeletePolicyRequest { id: policy.id.clone() };
    cache.client.delete_policy(delete()).await.unwrap();
    assert_eq!(
        cache.client.delete_policy(delete()).await.unwrap_err().code(),
        Code::NotFound
    );
    let listed = cache
        .client
        .list_policies(api::ListPoliciesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.policies.len(), 1);
    cache.stop().await;
}

#[tokio::test]
async fn what_gateways_tell_is_added_up_by_project_and_shape() {
    let mut cache = Cache::start("[]").await;
    assert_eq!(cache.statistics("").await.projects, []);
    cache
        .tell(
            "shop",
            &counted(
                1,
                counts(0, 0, 0),
                vec![line(1, "select a from t where id = $1", counts(0, 0, 0))],
            ),
        )
        .await;
    let lines = vec![
        line(1, "", counts(90, 10, 9_000)),
        line(2, "SELECT b FROM Users", counts(10, 10, 500)),
    ];
    cache.tell("shop", &counted(2, counts(100, 20, 9_500), lines)).await;
    cache
        .tell(
            "other",
            &counted(1, counts(1, 1, 5), vec![line(9, "select 9", counts(1, 1, 5))]),
        )
        .await;
    let again = vec![line(2, "", counts(30, 10, 2_500))];
    cache.tell("shop", &counted(3, counts(120, 20, 11_500), again)).await;
    let invalidated = events::CacheInvalidated {
        tags: vec![events::InvalidatedTag::default(); 3],
        ..events::CacheInvalidated::default()
    };
    let event = weir_events::cache::invalidated(&Project::parse("shop").unwrap(), &invalidated, &Clock::system());
    cache
        .bus
        .publish(Message::new(event.subject.to_string(), event.payload))
        .await
        .unwrap();
    cache
        .bus
        .publish(Message::new("weir.shop.cache.counted", "no protobuf"))
        .await
        .unwrap();

    let all = cache.until_lookups(142).await;
    let names: Vec<&str> = all.projects.iter().map(|project| project.project.as_str()).collect();
    assert_eq!(names, ["other", "shop"]);
    let total = all.total.unwrap();
    assert_eq!(
        (
            total.hits_memory_total,
            total.misses_total["absent"],
            total.saved_us_total
        ),
        (121, 21, 11_505)
    );
    assert_eq!(
        (total.entries_memory, total.bytes_memory, total.bypass_ms_total),
        (6, 1_800, 40)
    );
    eventually("invalidations to be counted", SOON, || {
        let mut client = cache.client.clone();
        async move {
            let request = api::GetStatisticsRequest {
                project: "shop".to_owned(),
            };
            let answer = client.get_statistics(request).await.unwrap().into_inner();
            let tags = answer.total.unwrap().invalidations_total;
            (tags == 3 && answer.projects.len() == 1).then_some(()).ok_or(tags)
        }
    })
    .await;

    let shop = |search: &str, token: String| api::ListShapesRequest {
        project: "shop".to_owned(),
        search: search.to_owned(),
        page: Some(PageRequest { size: 1, token }),
    };
    let first = cache.shapes(shop("", String::new())).await;
    let shape = &first.shapes[0];
    assert_eq!(
        (shape.fingerprint.as_str(), shape.database.as_str()),
        ("0000000000000001", "orders")
    );
    assert_eq!(shape.text, "select a from t where id = $1");
    let (benefit, decision) = (shape.benefit.unwrap(), shape.decision.clone().unwrap());
    assert!(
        (benefit.hit_ratio - 0.9).abs() < 1e-6 && (benefit.miss_us - 100.0).abs() < 1e-6,
        "{benefit:?}"
    );
    assert!((benefit.overhead_us - 2.0).abs() < 1e-6 && (benefit.result_bytes - 300.0).abs() < 1e-6);
    assert!(benefit.lookups == 100 && benefit.saved_us_per_second > 0.0);
    assert!(
        decision.mode() == api::CacheMode::Auto && decision.reason.contains("90.0 %"),
        "{decision:?}"
    );
    // What a shape saves in a second is less by then.
    cache.clock.advance(Duration::from_secs(10));
    let second = cache.shapes(shop("", first.page.unwrap().next_token)).await;
    assert_eq!(second.shapes[0].fingerprint, "0000000000000002");
    let found = cache.shapes(shop("USERS", String::new())).await;
    assert_eq!(found.shapes.len(), 1);
    assert_eq!(found.shapes[0].fingerprint, "0000000000000002");
    assert!(cache.shapes(shop("orders", String::new())).await.shapes.is_empty());
    let (_, metrics) = http_get(cache.ops_port, "/metrics").await.unwrap();
    assert!(
        metrics.contains("weir_cache_counts_total{outcome=\"malformed\"} 1"),
        "{metrics}"
    );
    cache.stop().await;
}

#[tokio::test]
async fn a_shape_says_who_decided() {
    let mut cache = Cache::start(r#"[{ table = "public.users", mode = "never", note = "too secret" }]"#).await;
    let client = cache.client.clone();
    eventually("the rules to be read", SOON, || {
        let mut client = client.clone();
        async move {
            client
                .list_policies(api::ListPoliciesRequest::default())
                .await
                .map_err(|error| error.to_string())
        }
    })
    .await;
    let standing = |fingerprint, standing: events::CacheStanding, policy_id: &str| events::CacheLine {
        standing: standing.into(),
        policy_id: policy_id.to_owned(),
        ..line(fingerprint, "select 1", counts(1, 1, 1))
    };
    use events::CacheStanding::{Always, DryRun, Never, Off, On};
    let lines = vec![
        standing(1, Never, "file/default/table/public.users"),
        standing(2, Off, ""),
        standing(3, On, ""),
        standing(4, DryRun, ""),
        standing(5, Always, "gone"),
    ];
    cache.tell("default", &counted(1, counts(1, 1, 1), lines)).await;
    cache.until_lookups(2).await;
    let shapes = cache.shapes(api::ListShapesRequest::default()).await.shapes;
    let told: Vec<_> = shapes.iter().map(|shape| shape.decision.clone().unwrap()).collect();
    use api::CacheMode;
    for (place, mode, policy_id, word) in [
        (0, CacheMode::Never, "file/default/table/public.users", "too secret"),
        (1, CacheMode::Never, "", "it loses"),
        (2, CacheMode::Auto, "", "of look-ups hit"),
        (3, CacheMode::DryRun, "", "settings"),
        (4, CacheMode::Always, "gone", "rule gone"),
    ] {
        let decision = &told[place];
        assert_eq!(
            (decision.mode(), decision.policy_id.as_str()),
            (mode, policy_id),
            "{decision:?}"
        );
        assert!(decision.reason.contains(word), "{decision:?}");
    }
    cache.stop().await;
}
