//! Settings of what runs: shown as each service has them, read again on request, and told apart where they differ.

use serde_json::Value as Json;
use tempfile::TempDir;
use weir_testkit::{Said, World};

use crate::console::Api;

const SERVICES: [&str; 7] = [
    "pool-gateway",
    "query-monitor",
    "cache",
    "scheduler",
    "maintenance",
    "backup",
    "console",
];

/// A settings file that a world reads.
struct File(TempDir);

impl File {
    fn new(text: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(text);
        file
    }

    fn path(&self) -> String {
        self.0.path().join("weir.toml").display().to_string()
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }
}

fn json(said: &Said) -> Json {
    let text: String = said.text.lines().filter(|line| !line.starts_with("weir: ")).collect();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

fn of<'j>(told: &'j Json, service: &str) -> &'j Json {
    let all = told.as_array().unwrap();
    all.iter().find(|one| one["service"] == service).unwrap()
}

#[tokio::test]
async fn a_reload_tells_what_each_service_took_over_and_what_needs_a_restart() {
    let file = File::new("[monitor]\nslow_query_threshold = \"1h\"\n");
    let world = World::new().with("WEIR_CONFIG", &file.path()).up().await;
    reloads(&world, &file).await;
}

#[tokio::test]
async fn every_process_is_told_where_each_service_is_its_own() {
    let file = File::new("[monitor]\nslow_query_threshold = \"1h\"\n");
    let world = World::new().with("WEIR_CONFIG", &file.path()).distributed().await;
    reloads(&world, &file).await;
}

async fn reloads(world: &World, file: &File) {
    let reload = async || world.weir(&["config", "reload", "--json"]).await;
    // The second world of a process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let unchanged = reload().await;
    assert!(unchanged.succeeded, "{unchanged:?}");
    for service in SERVICES {
        let told = json(&unchanged);
        assert_eq!(
            (&of(&told, service)["reloaded"], &of(&told, service)["taken_over"]),
            (&Json::from(true), &Json::Array(vec![]))
        );
    }

    file.write("[monitor]\nslow_query_threshold = \"300ms\"\nflush_every = \"7s\"\n[gateway]\npool_max = 7\n");
    let changed = json(&reload().await);
    assert_eq!(
        of(&changed, "query-monitor")["taken_over"],
        serde_json::json!(["monitor.slow_query_threshold"])
    );
    assert_eq!(
        of(&changed, "query-monitor")["needs_restart"],
        serde_json::json!(["monitor.flush_every"])
    );
    assert_eq!(
        of(&changed, "pool-gateway")["taken_over"],
        serde_json::json!(["gateway.pool_max"])
    );
    assert_eq!(of(&changed, "cache")["taken_over"], serde_json::json!([]));
    let pools = world.weir(&["pools", "show", "config"]).await;
    let max = pools
        .text
        .lines()
        .find(|line| line.contains("gateway.pool_max"))
        .unwrap_or_default();
    assert!(max.contains(" 7 "), "{pools:?}");

    // What waits is shown where it waits, and is not what is in force.
    let shown = world.weir(&["config", "show", "--json", "--all"]).await;
    assert!(shown.succeeded, "{shown:?}");
    let shown = json(&shown);
    let setting = |service: &str, key: &str| {
        let all = of(&shown, service)["told"]["settings"].as_array().unwrap().clone();
        all.into_iter().find(|setting| setting["key"] == key).unwrap()
    };
    let waits = setting("query-monitor", "monitor.flush_every");
    assert_eq!(
        (&waits["value"], &waits["waiting"]["value"]),
        (&Json::from("10s"), &Json::from("7s"))
    );
    assert_eq!(
        setting("query-monitor", "monitor.slow_query_threshold")["value"],
        "300ms"
    );
    let table = world.weir(&["config", "show"]).await;
    assert!(table.text.contains("a restart makes it 7s"), "{table:?}");

    file.write("[monitor]\nslow_query_treshold = \"1ms\"\n");
    // The command reads the same file, and says so before it asks anybody.
    let refused = reload().await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.text.contains("unknown setting monitor.slow_query_treshold"),
        "{refused:?}"
    );
    let url = format!("http://127.0.0.1:{}/reload", world.ops("query-monitor"));
    let answer = reqwest::Client::new().post(url).send().await.unwrap();
    let (status, error) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert_eq!(status, 422, "{error}");
    assert!(error.contains("unknown setting monitor.slow_query_treshold"), "{error}");
    file.write("[monitor]\nslow_query_threshold = \"300ms\"\nflush_every = \"7s\"\n[gateway]\npool_max = 7\n");
    let kept = json(&world.weir(&["config", "show", "--json"]).await);
    let all = of(&kept, "query-monitor")["told"]["settings"].as_array().unwrap();
    assert!(
        all.iter().any(|setting| setting["value"] == "300ms"),
        "the old settings did not stay"
    );
}

#[tokio::test]
async fn the_console_shows_what_every_service_has_and_no_secret() {
    let file = File::new("");
    let mut world = World::new()
        .with("WEIR_CONFIG", &file.path())
        .with("WEIR_BUS__TOKEN", "hunter2")
        .with("WEIR_TELEMETRY__OTLP_ENDPOINT", "http://user:hunter2@127.0.0.1:9")
        .distributed()
        .await;
    let api = Api::of(&world);
    let configuration = api.get("/database/configuration").await;
    assert_eq!(configuration["missing"], serde_json::json!([]), "{configuration}");
    assert!(!configuration.to_string().contains("hunter2"), "{configuration}");
    let settings = configuration["settings"].as_array().unwrap();
    for section in weir_config::SECTIONS {
        let own = settings
            .iter()
            .filter(|setting| setting["key"].as_str().unwrap().starts_with(section));
        assert!(own.count() > 0, "[{section}] is not listed");
    }
    let of = |configuration: &Json, key: &str| {
        let all = configuration["settings"].as_array().unwrap().clone();
        all.into_iter().find(|setting| setting["key"] == key).unwrap()
    };
    let token = of(&configuration, "bus.token");
    assert_eq!(
        (&token["value"], &token["origin"]),
        (&Json::from("***"), &Json::from("environment WEIR_BUS__TOKEN"))
    );
    assert_eq!(of(&configuration, "backup.retention_days")["service"], "backup");
    assert_eq!(
        of(&configuration, "telemetry.log_filter")["elsewhere"],
        serde_json::json!([])
    );

    // One service is started anew with something else.
    world.set("WEIR_TELEMETRY__LOG_FILTER", "warn");
    world.start("cache", &[]);
    world.until_ready().await;
    let elsewhere = of(&api.get("/database/configuration").await, "telemetry.log_filter")["elsewhere"].clone();
    assert_eq!(elsewhere[0]["service"], "cache", "{elsewhere}");
    let shown = world.weir(&["config", "show", "--section", "telemetry"]).await;
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.text.contains("differ"), "{shown:?}");
}

#[tokio::test]
async fn only_this_machine_may_ask_for_settings_or_have_them_read() {
    let world = World::new().with("WEIR_RUNTIME__OPS_TOKEN", "open-sesame").up().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    for (service, path) in [
        ("cache", "configuration"),
        ("console", "configuration"),
        ("cache", "reload"),
        ("console", "reload"),
    ] {
        let url = format!("http://127.0.0.1:{}/{path}", world.ops(service));
        let ask = async |header: Option<(&str, &str)>| {
            let request = if path == "reload" {
                client.post(&url)
            } else {
                client.get(&url)
            };
            let request = header
                .into_iter()
                .fold(request, |request, (name, value)| request.header(name, value));
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask(None).await, 200, "{url}");
        for stranger in [
            ("x-forwarded-for", "192.0.2.1"),
            ("host", "weir.example"),
            ("origin", "https://elsewhere.example"),
        ] {
            assert_eq!(ask(Some(stranger)).await, 403, "{url} {stranger:?}");
        }
        let both = async |token: &str| {
            let request = if path == "reload" {
                client.post(&url)
            } else {
                client.get(&url)
            };
            let request = request.header("host", "weir.example").bearer_auth(token);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(
            (both("open-sesame").await, both("open-sesam").await, both("").await),
            (200, 403, 403),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_project_is_shown_with_what_it_has() {
    let world = World::new()
        .with(
            "WEIR_GATEWAY__RULES",
            "application=shop* : project=shop; project=shop : queries_per_second=500",
        )
        .up()
        .await;
    let listed = world.weir(&["project", "--json"]).await;
    assert!(listed.succeeded, "{listed:?}");
    assert_eq!(json(&listed)["projects"][0]["project"], "default");
    let made = world.weir(&["token", "create", "till", "--project", "shop"]).await;
    assert!(made.succeeded, "{made:?}");
    let shown = world.weir(&["project", "show", "shop", "--json"]).await;
    assert!(shown.succeeded, "{shown:?}");
    let shown = json(&shown);
    assert_eq!(
        shown["members"],
        serde_json::json!(["application=shop* : project=shop"])
    );
    assert_eq!(
        shown["limits"],
        serde_json::json!(["project=shop : queries_per_second=500"])
    );
    assert_eq!(
        (&shown["tokens"][0]["name"], &shown["known_from"]),
        (&Json::from("till"), &serde_json::json!(["token"]))
    );
    let table = world.weir(&["project", "show", "shop"]).await;
    assert!(
        table.succeeded && table.text.contains("limit       project=shop"),
        "{table:?}"
    );
    let unknown = world.weir(&["project", "show", "nobody"]).await;
    assert!(
        unknown.code == Some(1) && unknown.text.contains("weir project lists"),
        "{unknown:?}"
    );
}
