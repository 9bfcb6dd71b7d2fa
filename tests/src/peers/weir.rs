//! Weir's gateway, with a NATS server for its events.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use weir_testkit::{Process, free_port};

use super::{Ground, Kind, POLL, Peer, READY_WITHIN, last_lines};

pub(super) async fn start(ground: &Ground, kind: Kind) -> Result<Peer, String> {
    let program = program(ground)?;
    let files = tempfile::tempdir().map_err(|error| error.to_string())?;
    let nats_port = free_port();
    let nats = (kind == Kind::Weir && ground.setup.nats).then(|| start_nats(&files, nats_port));
    if let Some(nats) = &nats {
        until_it_listens(nats, nats_port).await?;
    }
    let (port, grpc) = (free_port(), free_port());
    let mut environment = settings(ground, kind, port, grpc);
    if nats.is_some() {
        environment.push(("WEIR_BUS__URL".to_owned(), format!("nats://127.0.0.1:{nats_port}")));
    }
    environment.extend(ground.setup.weir_environment.iter().cloned());
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let peer = Peer {
        kind,
        address: ground.address.at_port(port),
        grpc: Some(grpc),
        has_prepared: true,
        pooler: Some(Process::start(program, &[] as &[&str], &environment)),
        nats,
        _files: Some(files),
    };
    peer.until_ready().await
}

fn program(ground: &Ground) -> Result<PathBuf, String> {
    let path = match &ground.setup.weir {
        Some(path) => path.clone(),
        None => beside_this_program().ok_or("this program does not know where it lies")?,
    };
    if path.is_file() {
        Ok(path)
    } else {
        let how = "build it with: cargo build --release -p weir-pool-gateway";
        Err(format!("{} is missing; {how}", path.display()))
    }
}

/// Tests and benchmarks lie in `target/PROFILE/deps`, programs one higher.
fn beside_this_program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.parent().and_then(Path::parent)?.join("pool-gateway"))
}

fn settings(ground: &Ground, kind: Kind, port: u16, grpc: u16) -> Vec<(String, String)> {
    let door = |port: u16| format!("127.0.0.1:{port}");
    let pairs = [
        ("DATABASE_URL", ground.address.url()),
        ("WEIR_GATEWAY__WIRE_LISTEN", door(port)),
        ("WEIR_GATEWAY__GRPC_LISTEN", door(grpc)),
        ("WEIR_GATEWAY__OPS_LISTEN", door(free_port())),
        ("WEIR_GATEWAY__EVENTS", (kind == Kind::Weir).to_string()),
        ("DB_POOL_MAX", ground.setup.pool.to_string()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn start_nats(files: &TempDir, port: u16) -> Process {
    let (port, store) = (port.to_string(), files.path().join("nats"));
    let store = store.display().to_string();
    let arguments = [
        "--addr",
        "127.0.0.1",
        "--port",
        &port,
        "--jetstream",
        "--store_dir",
        &store,
    ];
    Process::start("nats-server", &arguments, &[])
}

async fn until_it_listens(nats: &Process, port: u16) -> Result<(), String> {
    let end = Instant::now() + READY_WITHIN;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if nats.exit_status().is_some() || Instant::now() > end {
            return Err(format!("nats-server does not listen:\n{}", last_lines(&nats.output())));
        }
        sleep(POLL).await;
    }
    Ok(())
}
