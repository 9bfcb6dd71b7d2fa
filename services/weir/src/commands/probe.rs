//! `weir probe`: one HTTP request to an ops port; no more is needed in a container.

use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::terminal::{Failure, say};

const TIMEOUT: Duration = Duration::from_secs(5);
/// A readiness report is small; more than this is not read.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Such as <http://127.0.0.1:8001/readyz>.
    url: String,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (code, body) = get(&arguments.url).await?;
    say(body.trim_end())?;
    if (200..300).contains(&code) {
        Ok(())
    } else {
        Err(format!("{} answered {code}", arguments.url).into())
    }
}

/// The status code and body of an answer over plain HTTP.
pub(super) async fn get(url: &str) -> Result<(u16, String), Failure> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("only http:// addresses can be asked")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let answer = tokio::time::timeout(TIMEOUT, ask(host, path)).await;
    let answer = answer.map_err(|_| format!("{url} gave no answer within {TIMEOUT:?}"))?;
    let answer = answer.map_err(|error| format!("{url} cannot be asked: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
    let code = head
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or("the answer is not HTTP")?;
    Ok((code, body.to_owned()))
}

async fn ask(host: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host).await?;
    // HTTP/1.0 answers in one piece and closes.
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
