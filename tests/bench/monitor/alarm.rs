//! How soon somebody is told that a statement was slow: from its end to the webhook.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant, sleep};

use crate::Failure;
use crate::stage::{Gateway, Stage, eventually};

/// When each project was told of, by its name.
type Told = Arc<Mutex<HashMap<String, Instant>>>;

pub(crate) async fn run(count: usize) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let hook = format!("http://{}/", listener.local_addr()?);
    let told = Told::default();
    let receiver = tokio::spawn(receive(listener, told.clone()));
    let channel = format!("[{{ name = \"hook\", kind = \"webhook\", url = \"{hook}\" }}]");
    let stage = Stage::set_with(
        &[],
        &[
            ("WEIR_MONITOR__CHANNELS", &channel),
            ("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "50ms"),
        ],
    )
    .await?;
    let gateway = Gateway::start(&stage).await?;
    let mut took = Vec::new();
    for number in 0..count {
        // A project of its own, whose first alert waits for no other.
        let project = format!("project-{number}");
        gateway.execute_for(&project, "select pg_sleep(0.06)").await?;
        let ended = Instant::now();
        let heard = || {
            told.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&project)
                .copied()
        };
        eventually("the webhook to be called", async || Ok(heard().is_some())).await?;
        took.extend(heard().map(|at| at.duration_since(ended)));
        sleep(Duration::from_millis(fastrand::u64(..200))).await;
    }
    receiver.abort();
    took.sort_unstable();
    let at = |share: f64| {
        took.get((share * (took.len() - 1) as f64) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{count} slow statements were told of {:?} (half of them), {:?} (99 of 100), {:?} (all) after they had ended",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

async fn receive(listener: TcpListener, told: Told) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, told.clone()));
    }
}

/// Answers the requests of one connection, and notes which projects they are about.
async fn answer(mut stream: TcpStream, told: Told) {
    let mut request = Vec::new();
    while let Ok(read) = stream.read_buf(&mut request).await {
        if read == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        if !is_whole(&text) {
            continue;
        }
        note(&text, &told);
        request.clear();
        if stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .is_err()
        {
            return;
        }
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())
            .flatten()
    });
    body.len() >= length.unwrap_or(0)
}

fn note(text: &str, told: &Told) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    for part in text.split("\"project\":\"").skip(1) {
        if let Some((project, _)) = part.split_once('"') {
            told.entry(project.to_owned()).or_insert_with(Instant::now);
        }
    }
}
