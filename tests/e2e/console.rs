//! The console before the whole stack: who may call, what is written down, and that answers are those of the services.

use std::time::Duration;

use serde_json::{Value as Json, json};
use weir_testkit::{World, eventually};

use crate::ask::execute;

const SOON: Duration = Duration::from_secs(40);

/// A client of the console.
pub(crate) struct Api {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Api {
    pub(crate) fn of(world: &World) -> Self {
        // The second world of a process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            client: reqwest::Client::new(),
            base: format!("http://127.0.0.1:{}", world.ops("console")),
            token: None,
        }
    }

    /// The same with a token.
    pub(crate) fn with(&self, token: &str) -> Self {
        Self {
            client: self.client.clone(),
            base: self.base.clone(),
            token: Some(token.to_owned()),
        }
    }

    /// The status and the body of an answer.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Json>) -> (u16, Json) {
        let mut request = self
            .client
            .request(method.parse().unwrap(), format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> Json {
        let (status, body) = self.ask("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The status and the tag of an answer, asked by somebody who has one already.
    pub(crate) async fn tagged(&self, path: &str, known: Option<&str>) -> (u16, String) {
        let mut request = self.client.get(format!("{}{path}", self.base));
        if let Some(known) = known {
            request = request.header("if-none-match", known);
        }
        let answer = request.send().await.unwrap();
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (answer.status().as_u16(), tag.unwrap_or_default())
    }

    /// What is sent to a browser that takes it compressed, its headers and its bytes as they come.
    async fn compressed(&self, path: &str) -> (reqwest::header::HeaderMap, Vec<u8>) {
        let request = self.client.get(format!("{}{path}", self.base));
        let request = request
            .header("accept", "text/html, */*")
            .header("accept-encoding", "gzip, br");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        (answer.headers().clone(), answer.bytes().await.unwrap().to_vec())
    }

    pub(crate) async fn token(&self, project: Option<&str>, role: &str) -> (String, String) {
        let new = json!({ "name": format!("{role} of {project:?}"), "project": project, "role": role });
        let (status, made) = self.ask("POST", "/database/tokens", Some(new)).await;
        assert_eq!(status, 201, "{made}");
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        (text(&made["token"]["id"]), text(&made["secret"]))
    }
}

#[tokio::test]
async fn statements_are_listed_as_they_ran_and_tokens_bound_what_is_seen() {
    let world = World::new()
        .with("WEIR_CONSOLE__CORS_ORIGINS", "https://app.example")
        .up()
        .await;
    for _ in 0..3 {
        execute(&world, "", "select 41 + 1").await;
    }
    let api = Api::of(&world);
    let found = eventually("the statement to be listed", SOON, async || {
        let listed = api.get("/database/monitoring/queries?limit=10").await;
        let queries = listed["queries"].as_array().unwrap().clone();
        queries.into_iter().find(|query| query["calls"] == 3)
    })
    .await;
    assert!(found["query"].as_str().unwrap().contains("select $1"), "{found}");
    assert_eq!((&found["kind"], &found["errors"]), (&json!("select"), &json!(0)));

    // Whoever has a token is held to it, on this machine too.
    let (_, theirs) = api.token(Some("shop"), "viewer").await;
    let shop = api.with(&theirs);
    assert_eq!(shop.get("/session").await["project"], "shop");
    assert_eq!(shop.get("/database/monitoring/queries").await["queries"], json!([]));
    let (status, problem) = shop
        .ask("GET", "/database/monitoring/queries?project=default", None)
        .await;
    assert_eq!((status, &problem["slug"]), (403, &json!("forbidden")));
    let (status, _) = shop.ask("GET", "/database/tokens", None).await;
    assert_eq!(status, 403);
    let (id, everything) = api.token(None, "viewer").await;
    let viewer = api.with(&everything);
    let (status, problem) = viewer
        .ask("POST", "/database/tokens", Some(json!({ "name": "more" })))
        .await;
    assert_eq!((status, &problem["slug"]), (403, &json!("forbidden")));

    other_origins(&world, &theirs).await;
    nothing_of_another(&api, &shop).await;

    // A revoked token is refused soon, and everything that changed something or was refused is in the audit.
    assert_eq!(api.ask("DELETE", &format!("/database/tokens/{id}"), None).await.0, 204);
    eventually("the token to be refused", SOON, async || {
        (viewer.ask("GET", "/session", None).await.0 == 401).then_some(())
    })
    .await;
    let audit = api.get("/database/security/audit?limit=1000").await;
    let entries: Vec<(String, u64)> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["action"].as_str().unwrap().to_owned(),
                entry["status"].as_u64().unwrap(),
            )
        })
        .collect();
    for expected in [
        ("POST /database/tokens", 201),
        ("GET /database/monitoring/queries", 403),
        ("POST /database/tokens", 403),
        ("DELETE /database/tokens/{id}", 204),
    ] {
        assert!(
            entries.contains(&(expected.0.to_owned(), expected.1)),
            "{expected:?}: {entries:?}"
        );
    }
}

/// Bytes of the first load of a page, at most.
const FIRST_LOAD_BYTES_MAX: usize = 300_000;

#[tokio::test]
async fn what_browsers_load_comes_compressed_and_is_the_same() {
    let world = World::new().up().await;
    let api = Api::of(&world);
    let (_, page) = api.compressed("/").await;
    let text = inflated(&page);
    let files: Vec<&str> = text.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(files.len() >= 2, "{text}");
    let (mut sent, mut whole) = (page.len(), text.len());
    for file in files {
        let (headers, bytes) = api.compressed(file).await;
        assert_eq!(headers["content-encoding"], "gzip", "{file}");
        let (status, plain) = api.ask("GET", file, None).await;
        assert_eq!((status, plain), (200, Json::String(inflated(&bytes))), "{file}");
        sent += bytes.len();
        whole += inflated(&bytes).len();
    }
    assert!(
        sent <= FIRST_LOAD_BYTES_MAX && 2 * sent < whole,
        "{sent} of {whole} bytes"
    );

    // An answer has one tag, compressed or not.
    let (headers, bytes) = api.compressed("/openapi.json").await;
    assert_eq!(
        (&headers["content-encoding"], &bytes[..2]),
        (&"gzip".parse().unwrap(), &[0x1f, 0x8b][..])
    );
    let path = "/database/projects";
    let (headers, bytes) = api.compressed(path).await;
    let answer: Json = serde_json::from_str(&inflated(&bytes)).unwrap();
    assert_eq!(answer, api.get(path).await);
    let tag = headers["etag"].to_str().unwrap();
    assert_eq!(api.tagged(path, Some(tag)).await, (304, tag.to_owned()));
    assert_eq!(api.tagged(path, Some(tag.trim_start_matches("W/"))).await.0, 304);
}

fn inflated(bytes: &[u8]) -> String {
    std::io::read_to_string(flate2::read::GzDecoder::new(bytes)).unwrap()
}

/// Pages of an origin that the settings name may call, and no others.
async fn other_origins(world: &World, token: &str) {
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{}/session", world.ops("console"));
    let ask = |method: reqwest::Method, origin: &'static str| {
        let request = client.request(method, &url).header("origin", origin).bearer_auth(token);
        request.header("access-control-request-method", "GET").send()
    };
    let told = |answer: &reqwest::Response| {
        let origin = answer.headers().get("access-control-allow-origin");
        origin.map(|origin| origin.to_str().unwrap().to_owned())
    };
    let first = ask(reqwest::Method::OPTIONS, "https://app.example").await.unwrap();
    assert_eq!(
        (first.status().as_u16(), told(&first)),
        (204, Some("https://app.example".to_owned()))
    );
    let then = ask(reqwest::Method::GET, "https://app.example").await.unwrap();
    assert_eq!(
        (then.status().as_u16(), told(&then)),
        (200, Some("https://app.example".to_owned()))
    );
    let other = ask(reqwest::Method::GET, "https://elsewhere.example").await.unwrap();
    assert_eq!(told(&other), None);
}

/// What is about the caller, or about nobody, whatever project is named.
const NOBODYS: [&str; 3] = ["/session", "/health/database", "/database/projects"];

/// Every call of the document, asked for another project: not one is answered.
async fn nothing_of_another(api: &Api, shop: &Api) {
    let document = api.get("/openapi.json").await;
    let (mut asked, mut answered) = (0, Vec::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        if NOBODYS.contains(&path.as_str()) {
            continue;
        }
        for method in item.as_object().unwrap().keys() {
            let url = format!("{}?project=default", filled(path));
            let body = (method != "get").then(|| json!({}));
            let (status, answer) = shop.ask(&method.to_uppercase(), &url, body).await;
            if ![403, 404].contains(&status) {
                answered.push(format!("{method} {url}: {status} {answer}"));
            }
            asked += 1;
        }
    }
    assert!(answered.is_empty(), "{}", answered.join("\n"));
    assert!(asked > 98, "{asked}");
}

/// A path with something in the place of each parameter.
fn filled(path: &str) -> String {
    let part = |part: &str| match part {
        "{fingerprint}" => "0123456789abcdef".to_owned(),
        "{id}" => "0192e000-0000-7000-8000-000000000000".to_owned(),
        part if part.starts_with('{') => "something".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}
