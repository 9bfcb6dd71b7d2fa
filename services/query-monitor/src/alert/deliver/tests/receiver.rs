//! A small HTTP server that receives notifications, remembers each request, and answers as a test wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use weir_runtime::{Stage, Tasks};
use weir_testkit::eventually;

use super::harness::SOON;

/// How a request is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// With a status, further header lines, and a body.
    Status(u16, &'static str, &'static str),
    /// With a status, after a while.
    After(Duration, u16),
    /// Not at all: the connection is closed when the request is there.
    Close,
    /// By a head that promises more than comes.
    HalfAnAnswer(u16),
    /// Never.
    Hang,
}

pub(super) const OK: Reply = Reply::Status(200, "", "ok");

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at: Instant,
    pub reply: Reply,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn id(&self) -> &str {
        self.header("idempotency-key")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn group(&self) -> String {
        self.json()["group"].as_str().unwrap().to_owned()
    }

    /// The ids of its alerts with their states.
    pub(super) fn alerts(&self) -> Vec<String> {
        let body = self.json();
        let name = |alert: &Value| {
            format!(
                "{} {}",
                alert["id"].as_str().unwrap(),
                alert["status"].as_str().unwrap()
            )
        };
        let mut names: Vec<String> = body["alerts"].as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }

    pub(super) fn was_accepted(&self) -> bool {
        matches!(
            self.reply,
            Reply::Status(200..=299, ..) | Reply::After(_, 200..=299) | Reply::HalfAnAnswer(200..=299)
        )
    }
}

type Script = Box<dyn FnMut(&Received) -> Reply + Send>;

/// The server. It ends with the tasks of its test.
#[derive(Clone)]
pub(super) struct Receiver {
    pub port: u16,
    log: Arc<Mutex<Vec<Received>>>,
    script: Arc<Mutex<Script>>,
}

impl Receiver {
    pub(super) async fn start(tasks: &Tasks, script: impl FnMut(&Received) -> Reply + Send + 'static) -> Self {
        Self::begin(tasks, None, Box::new(script)).await
    }

    /// One that speaks TLS.
    pub(super) async fn start_encrypted(tasks: &Tasks, config: ServerConfig) -> Self {
        Self::begin(tasks, Some(TlsAcceptor::from(Arc::new(config))), Box::new(|_| OK)).await
    }

    async fn begin(tasks: &Tasks, acceptor: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            log: Arc::default(),
            script: Arc::new(Mutex::new(script)),
        };
        let (own, at) = (receiver.clone(), tasks.clone());
        tasks.spawn(Stage::Watch, "receiver", |stop| async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                let (own, stop, acceptor) = (own.clone(), stop.clone(), acceptor.clone());
                at.spawn_short(Stage::Watch, "request", async move {
                    stop.run_until_cancelled(own.open(stream, acceptor)).await;
                });
            }
            Ok(())
        });
        receiver
    }

    async fn open(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) -> Option<()> {
        match acceptor {
            Some(acceptor) => self.serve(acceptor.accept(stream).await.ok()?).await,
            None => self.serve(stream).await,
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let received = self.read(&mut stream).await?;
        let answer = |status: u16, more: &str, body: &str, length: usize| {
            format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n{body}")
        };
        let text = match &received.reply {
            Reply::Status(status, more, body) => answer(*status, more, body, body.len()),
            Reply::After(pause, status) => {
                tokio::time::sleep(*pause).await;
                answer(*status, "", "", 0)
            }
            Reply::HalfAnAnswer(status) => answer(*status, "", "half", 100),
            Reply::Close => return None,
            Reply::Hang => std::future::pending().await,
        };
        stream.write_all(text.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()
    }

    async fn read(&self, stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Received> {
        let (mut line, mut headers) = (String::new(), Vec::new());
        stream.read_line(&mut line).await.ok()?;
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.ok()?;
            let Some((name, value)) = header.trim().split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let length = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        stream.read_exact(&mut body).await.ok()?;
        let mut received = Received {
            line: line.trim().to_owned(),
            headers,
            body: String::from_utf8(body).unwrap(),
            at: Instant::now(),
            reply: OK,
        };
        received.reply = (self.script.lock().unwrap())(&received);
        self.log.lock().unwrap().push(received.clone());
        Some(received)
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(super) fn answers(&self, script: impl FnMut(&Received) -> Reply + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    pub(super) fn log(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }

    pub(super) fn accepted(&self) -> Vec<Received> {
        self.log().into_iter().filter(Received::was_accepted).collect()
    }

    /// Waits until so many requests have come, and returns them.
    pub(super) async fn until(&self, count: usize) -> Vec<Received> {
        eventually("the requests", SOON, || async {
            let log = self.log();
            if log.len() >= count {
                Ok(log)
            } else {
                Err(format!("{log:?}"))
            }
        })
        .await
    }

    /// Waits until so many were accepted, and returns those.
    pub(super) async fn until_accepted(&self, count: usize) -> Vec<Received> {
        eventually("what is accepted", SOON, || async {
            let accepted = self.accepted();
            if accepted.len() >= count {
                Ok(accepted)
            } else {
                Err(format!("{:?}", self.log()))
            }
        })
        .await
    }
}
