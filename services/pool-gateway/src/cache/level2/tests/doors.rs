//! Who may come in, from where, and how.

use std::path::Path;
use std::process::Command;

use super::*;

/// Callers have runtimes of their own, which come and go; the connection does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn it_is_asked_from_any_thread() {
    let redis = Redis::start().await;
    let subject = Arc::new(Subject::connected(&redis.url()).await);
    subject.keep(1, "a row").await;
    for _ in 0..2 {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let subject = Arc::clone(&subject);
                std::thread::spawn(move || on_a_runtime(&subject))
            })
            .collect();
        let ended = tokio::task::spawn_blocking(|| threads.into_iter().map(|thread| thread.join().unwrap()).sum());
        let found: usize = ended.await.unwrap();
        assert_eq!(found, 400);
    }
    assert!(subject.is_there());
}

fn on_a_runtime(subject: &Subject) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut found = 0;
        for number in 0..100 {
            subject.put(key(100 + number), blob("another"), PATIENCE);
            found += usize::from(subject.get(&key(1)).await.is_some_and(|found| found == "a row"));
        }
        found
    })
}

#[tokio::test]
async fn a_user_needs_few_rights_and_the_right_password() {
    let redis = Redis::start().await;
    let rights = ["on", ">p@ss:word", "~weir:*", "+getrange", "+set", "+unlink"];
    redis
        .command(&[&["ACL", "SETUSER", "weir"][..], &rights].concat())
        .await;
    redis.command(&["ACL", "SETUSER", "default", "off"]).await;
    let at = |login: &str| redis.url().replace("//", &format!("//{login}@"));
    let subject = Subject::connected(&at("weir:p%40ss%3Aword")).await;
    subject.keep(1, "a row").await;
    subject.forget(key(1));
    let forgotten = async || (subject.puts(Put::Forgotten) == 1).then_some(());
    eventually("a result is forgotten", PATIENCE, forgotten).await;

    let stranger = Subject::open(&at("weir:hunter2"), &[]);
    let reason = async || stranger.health().err().filter(|reason| reason != "not connected yet");
    let reason = eventually("a refusal", PATIENCE, reason).await;
    assert!(
        reason.to_lowercase().contains("password") && !reason.contains("hunter2"),
        "{reason}"
    );
    assert_eq!(
        (stranger.get(&key(1)).await, stranger.lookups(Lookup::Skipped)),
        (None, 1)
    );
}

#[tokio::test]
async fn an_encrypted_connection_is_made_to_those_whom_the_authority_knows() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let port = weir_testkit::free_port();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let lines = [
        format!("tls-port {port}"),
        format!("tls-cert-file {}", file("cert.pem")),
        format!("tls-key-file {}", file("key.pem")),
        format!("tls-ca-cert-file {}", file("cert.pem")),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let _redis = Redis::start_with(&lines).await;
    let known = format!(
        "rediss://127.0.0.1:{port}?ca={0}&cert={0}&key={1}",
        file("cert.pem"),
        file("key.pem")
    );
    let subject = Subject::connected(&known).await;
    subject.keep(1, "a row").await;

    let stranger = Subject::open(&format!("rediss://127.0.0.1:{port}"), &[]);
    let reason = async || stranger.health().err().filter(|reason| reason.contains("certificate"));
    eventually("a refusal", PATIENCE, reason).await;
    assert!(!stranger.is_there());
}

/// One for 127.0.0.1 that vouches for itself.
fn certificate(dir: &Path) {
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=redis \
                     -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
                     -keyout key.pem -out cert.pem";
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .output();
    let output = output.expect("openssl must be installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_setting_that_cannot_be_is_named() {
    for (url, more, key, reason) in [
        ("redis://u:hunter2@h:x", &[][..], URL, "port is not a number"),
        (
            "rediss://u:hunter2@h?ca=/nowhere/ca.pem",
            &[],
            URL,
            "cannot read /nowhere/ca.pem",
        ),
        (
            "redis://h",
            &[("WEIR_GATEWAY__CACHE_REDIS_TIMEOUT", "0s")],
            "gateway.cache_redis_timeout",
            "no time",
        ),
        (
            "redis://h",
            &[("WEIR_GATEWAY__CACHE_REDIS_TTL", "0s")],
            "gateway.cache_redis_ttl",
            "no time",
        ),
    ] {
        let error = settings(url, more).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(reason), "{error}");
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn without_a_url_there_is_none() {
    let metrics = Arc::new(Metrics::register(&weir_telemetry::Registry::default()));
    let opened = Level2::open(&crate::settings::defaults(), &Tasks::new(), &metrics);
    assert!(opened.unwrap().is_none());
}
