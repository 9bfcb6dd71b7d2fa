//! The whole round on stores that others make: the log under load, backups, proofs, collection, keys. `just soak-s3`
//! and `just soak-azure` bring the servers; each is a process of its own here.
#![expect(clippy::print_stderr, reason = "a measurement talks to whoever runs it")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ring::hmac;
use tokio::task::JoinSet;
use uuid::Uuid;
use weir_testkit::{Process, free_port};

use super::*;
use crate::bed::{Bed, bed, pace};
use crate::care;
use crate::engine::base::back_up;
use crate::orders::{BackupOrder, ExpireOrder, Kind, ProofOrder, RotateKeysOrder};
use crate::prove::prove;
use crate::repo::shelves::plain_client;
use crate::repo::state::BackupState;

/// A commit is safe within this, but for one in a hundred.
const EXPOSED_MAX_MS: u64 = 5_000;
const LOAD_SECONDS: &str = "15";
/// The account of the server for Azure, which is told it.
const ACCOUNT: &str = "weir";

/// Where the servers are put.
fn tools() -> PathBuf {
    fs::canonicalize("../../target/soak-stores").expect("just soak-s3 and just soak-azure bring the servers")
}

/// Digits that stand for 32 bytes of a key, in base 64.
fn account_key() -> String {
    format!("{}=", "d2Vp".repeat(10) + "d2U")
}

async fn until_listens(port: u16) {
    eventually("a store to listen", SOON, async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await
    })
    .await;
}

async fn asked(request: reqwest::RequestBuilder) -> Result<(), String> {
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let status = answer.status();
    match status.is_success() || status.as_u16() == 409 {
        true => Ok(()),
        false => Err(format!("{status}: {}", answer.text().await.unwrap_or_default())),
    }
}

/// A cluster under load, and everything that is done with what is stored of it there.
async fn whole_round(store: &str, more: &str) {
    let options = PostgresOptions::new().setting("max_wal_size", "2GB").checksums();
    let postgres = options.start().await;
    let dir = tempfile::tempdir().unwrap();
    let scratch = dir.path().join("scratch");
    for (place, mode) in [(dir.path(), 0o755), (&scratch, 0o755)] {
        fs::create_dir_all(place).unwrap();
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
    }
    let key = dir.path().join("key");
    fs::write(&key, [7; 32]).unwrap();
    let repositories = format!(
        "[{{ name = \"{store}\", allow_http = true, key_file = \"{}\", {more} }}]",
        key.display()
    );
    let scratch = scratch.display().to_string();
    let settings = [
        ("repositories", repositories.as_str()),
        ("scratch_directory", &scratch),
        ("garbage_grace", "0s"),
        ("retention_days", "0"),
        ("retention_count", "1"),
        ("wal", "true"),
    ];
    let bed = bed(&postgres, &settings).await;
    let (log, stop) = (
        Log::new("main", 0, Duration::from_secs(60), bed.keeper.metrics.clone()),
        CancellationToken::new(),
    );
    let mut receiving = JoinSet::new();
    let (keeper, receiver, stopped) = (Arc::clone(&bed.keeper), log.clone(), stop.clone());
    receiving.spawn(async move { Box::pin(lead(&keeper, &receiver, &stopped)).await });

    load(&postgres, &["-i", "-s", "5", "-q"]).await;
    let full = taken(&bed, Kind::Full).await;
    let said = load(&postgres, &["-c", "4", "-T", LOAD_SECONDS]).await;
    let exposed = log.state().exposure_p99_ms;
    let tps = said.lines().find(|line| line.starts_with("tps")).unwrap_or_default();
    eprintln!(
        "{store}: {tps}; p99 of exposure {exposed} ms; a full backup of {} bytes",
        full.1
    );
    assert!(exposed <= EXPOSED_MAX_MS, "{store}: {exposed} ms");
    let second = taken(&bed, Kind::Incremental).await;
    let rotated = care::rotate(&bed.keeper, &RotateKeysOrder::default()).await.unwrap();
    assert_eq!(rotated.repositories[store].set, 2);
    let third = taken(&bed, Kind::Incremental).await;
    let proof = prove(&bed.keeper, Uuid::now_v7(), &ProofOrder::default(), &pace().0)
        .await
        .unwrap();
    assert_eq!(proof.reason, "", "{store}: {proof:?}");
    let repository = bed.keeper.repositories.get(store).await.unwrap();
    let state = repository.state().await.unwrap();
    assert_eq!(state.backup(&third.0).unwrap().state(), BackupState::Proven, "{store}");

    let mut removed = 0;
    for _ in 0..4 {
        let done = care::expire(&bed.keeper, &ExpireOrder::default(), &pace().0)
            .await
            .unwrap();
        let effect = &done.repositories[store];
        assert_eq!(effect.trouble, "", "{store}");
        removed += effect.collected.removed_objects;
    }
    let left: Vec<String> = repository
        .state()
        .await
        .unwrap()
        .of_cluster()
        .map(|at| at.id.clone())
        .collect();
    assert!(
        removed > 0 && !left.contains(&second.0) && left.contains(&third.0),
        "{store}: {left:?}, {removed}"
    );
    let report = care::verify(&repository, &pace().0).await.unwrap();
    assert_eq!(report.damage, [], "{store}");
    stop.cancel();
    while receiving.join_next().await.is_some() {}
}

async fn load(postgres: &Postgres, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(postgres.bin_dir().join("pgbench"));
    command.args(arguments).arg(postgres.url("postgres")).kill_on_drop(true);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A backup: its id, and how much it holds.
async fn taken(bed: &Bed, kind: Kind) -> (String, u64) {
    let order = BackupOrder {
        kind,
        checkpoint_now: true,
        ..BackupOrder::default()
    };
    let entry = back_up(&bed.keeper, Uuid::now_v7(), &order, &pace().0).await.unwrap();
    (entry.id, entry.source_bytes)
}

/// SeaweedFS, with everything that it consists of on ports of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a server: just soak-s3"]
async fn the_whole_round_on_seaweedfs() {
    let data = tempfile::tempdir().unwrap();
    let names = [
        "s3.port",
        "s3.port.grpc",
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
    ];
    let ports: BTreeMap<&str, u16> = names.into_iter().map(|name| (name, free_port())).collect();
    let mut arguments: Vec<String> = ["server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=50"]
        .map(str::to_owned)
        .into();
    arguments.push(format!("-dir={}", data.path().display()));
    arguments.extend(ports.iter().map(|(name, port)| format!("-{name}={port}")));
    let _server = Process::start(tools().join("python/bin/weed"), &arguments, &[]);
    let endpoint = format!("http://127.0.0.1:{}", ports["s3.port"]);
    eventually("a bucket to be made", SOON, async || {
        asked(plain_client().put(format!("{endpoint}/bucket"))).await
    })
    .await;
    whole_round(
        "seaweedfs",
        &format!(
            "url = \"s3://bucket/some/where\", endpoint = \"{endpoint}\", {}",
            credentials(data.path(), "any", "any")
        ),
    )
    .await;
}

/// Settings with credentials.
fn credentials(dir: &Path, id: &str, secret: &str) -> String {
    let file = dir.join("secret");
    fs::write(&file, secret).unwrap();
    format!("access_key_id = \"{id}\", secret_file = \"{}\"", file.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a server: just soak-azure"]
async fn the_whole_round_on_azurite() {
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let arguments = [
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        &port.to_string(),
        "--location",
        &data.path().display().to_string(),
        "--silent",
        "--skipApiVersionCheck",
    ]
    .map(str::to_owned);
    let accounts = format!("{ACCOUNT}:{}", account_key());
    let program = tools().join("node/node_modules/.bin/azurite-blob");
    let _server = Process::start(program, &arguments, &[("AZURITE_ACCOUNTS", &accounts)]);
    until_listens(port).await;
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    make_container(&endpoint).await;
    whole_round(
        "azurite",
        &format!(
            "url = \"az://container/some/where\", endpoint = \"{endpoint}\", {}",
            credentials(data.path(), ACCOUNT, &account_key())
        ),
    )
    .await;
}

/// Azure's own clients would do it; a signature is all that it takes.
async fn make_container(endpoint: &str) {
    let (date, version) = ("Mon, 30 Nov 2026 00:00:00 GMT", "2021-12-02");
    let signed = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/container\nrestype:container"
    );
    let mut secret = [0; 32];
    secret.copy_from_slice(&b"wei".repeat(11)[..32]);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let signature = base64(hmac::sign(&key, signed.as_bytes()).as_ref());
    let request = plain_client().put(format!("{endpoint}/container?restype=container"));
    let request = request.header("x-ms-date", date).header("x-ms-version", version);
    asked(request.header("authorization", format!("SharedKey {ACCOUNT}:{signature}")))
        .await
        .unwrap();
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let number = (0..3).fold(0, |number, at| {
            number << 8 | u32::from(part.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= part.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
