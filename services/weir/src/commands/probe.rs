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

/// An answer over plain HTTP.
pub(super) struct Answer {
    head: String,
    pub(super) body: String,
}

impl Answer {
    fn code(&self) -> Option<u16> {
        self.head.split_whitespace().nth(1)?.parse().ok()
    }

    /// When it was given by the clock of who gave it, to the second, in milliseconds since 1970.
    pub(super) fn date_unix_ms(&self) -> Option<i64> {
        let named = |line: &str| Some(line.split_once(':')?.1.trim().to_owned());
        let is_date = |line: &&str| line.to_ascii_lowercase().starts_with("date:");
        let date = self.head.lines().find(is_date).and_then(named)?;
        let moment = chrono::DateTime::parse_from_rfc2822(&date).ok()?;
        Some(moment.timestamp_millis())
    }
}

/// The status code and body of an answer over plain HTTP.
pub(super) async fn get(url: &str) -> Result<(u16, String), Failure> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("only http:// addresses can be asked")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let answer = ask_whole(host, path).await?;
    let code = answer.code().ok_or("the answer is not HTTP")?;
    Ok((code, answer.body))
}

/// The whole answer of a host at a path.
pub(super) async fn ask_whole(host: &str, path: &str) -> Result<Answer, Failure> {
    let answer = tokio::time::timeout(TIMEOUT, ask(host, path)).await;
    let answer = answer.map_err(|_| format!("http://{host}/{path} gave no answer within {TIMEOUT:?}"))?;
    let answer = answer.map_err(|error| format!("http://{host}/{path} cannot be asked: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
    Ok(Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_its_code_and_when_it_was_given() {
        let answer = |head: &str| Answer {
            head: head.to_owned(),
            body: String::new(),
        };
        let dated = answer("HTTP/1.0 503 Service Unavailable\r\ndate: Mon, 21 Sep 2026 14:13:20 GMT");
        assert_eq!(
            (dated.code(), dated.date_unix_ms()),
            (Some(503), Some(1_790_000_000_000))
        );
        assert_eq!(answer("SSH-2.0").code(), None);
        assert_eq!(answer("HTTP/1.0 200 OK\r\ndate: soon").date_unix_ms(), None);
    }
}
