//! The smallest HTTP client that can look at an ops door.

use std::io::{Error, ErrorKind};
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// `GET path` from 127.0.0.1: the status and the body.
pub async fn http_get(port: u16, path: &str) -> Result<(u16, String), Error> {
    let reply = timeout(PATIENCE, exchange(port, path)).await??;
    parse(&reply).ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("not an HTTP reply: {reply:?}")))
}

async fn exchange(port: u16, path: &str) -> Result<String, Error> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

fn parse(reply: &str) -> Option<(u16, String)> {
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let body = match header(head, "transfer-encoding") {
        Some("chunked") => unchunked(body)?,
        _ => whole(head, body)?,
    };
    Some((status, body))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

/// A body that was cut off must not pass as a short one.
fn whole(head: &str, body: &str) -> Option<String> {
    let announced = header(head, "content-length").map(str::parse::<usize>);
    let complete = announced.is_none_or(|length| length == Ok(body.len()));
    complete.then(|| body.to_owned())
}

fn unchunked(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, chunk) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(chunk.get(..size)?);
        rest = chunk.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Serves one request with this reply and returns the request and what [`http_get`] made of the reply.
    async fn get(reply: &str) -> (String, Result<(u16, String), Error>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        };
        tokio::join!(serve, http_get(port, "/readyz?verbose"))
    }

    #[tokio::test]
    async fn status_and_body_come_back() {
        let (request, answer) = get("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 6\r\n\r\nbus: x").await;
        assert!(request.starts_with("GET /readyz?verbose HTTP/1.1\r\n"), "{request}");
        assert_eq!(answer.unwrap(), (503, "bus: x".to_owned()));
    }

    #[tokio::test]
    async fn chunks_are_put_together() {
        let reply =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=1\r\n, all of u\r\n0\r\n\r\n";
        assert_eq!(get(reply).await.1.unwrap(), (200, "hello, all of u".to_owned()));
    }

    #[tokio::test]
    async fn a_reply_that_is_cut_off_is_an_error() {
        for reply in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe",
        ] {
            assert_eq!(
                get(reply).await.1.unwrap_err().kind(),
                ErrorKind::InvalidData,
                "{reply}"
            );
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_an_error_not_a_panic() {
        assert_eq!(
            http_get(crate::free_port(), "/").await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
    }
}
