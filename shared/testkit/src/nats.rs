//! A private NATS server with JetStream.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::blocking::blocking;
use crate::server::{Kind, Server};
use crate::supervisor::Recipe;

/// A NATS server of its own with JetStream on, at a private port; ended on drop and when the process dies.
pub struct Nats(Arc<Server<Broker>>);

impl Nats {
    /// Starts one and waits until it takes connections.
    pub async fn start() -> Self {
        Self(Arc::new(blocking(|| Server::start(Broker)).await))
    }

    /// The port on 127.0.0.1, the same over its whole life.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// The address for a client.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// Stops it in good order; what JetStream stored stays.
    pub async fn stop(&mut self) {
        let server = Arc::clone(&self.0);
        blocking(move || server.stop()).await;
    }

    /// Starts it again on the same port with the same streams.
    pub async fn start_again(&mut self) {
        let server = Arc::clone(&self.0);
        blocking(move || server.start_again()).await;
    }

    /// Its process and its directory.
    #[cfg(test)]
    pub(crate) fn facts(&self) -> (u32, std::path::PathBuf) {
        self.0.facts()
    }
}

pub(crate) struct Broker;

impl Kind for Broker {
    const NAME: &'static str = "nats";

    fn recipe(&self, dir: &Path) -> Recipe {
        let config = dir.join("nats.conf");
        Recipe {
            command: vec!["nats-server".into(), "--config".into(), config.into()],
            prepare: "mkdir jetstream".to_owned(),
            source: "".into(),
            stop: "TERM",
            end: "KILL",
        }
    }

    fn configure(&self, dir: &Path, port: u16) {
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: \"{}\"\njetstream {{ store_dir: {:?} }}\n",
            server_name(dir),
            dir.join("jetstream"),
        );
        fs::write(dir.join("nats.conf"), config).expect("write nats.conf");
    }

    fn is_ready(&self, dir: &Path, port: u16, _pid: u32) -> bool {
        greeting(port).is_some_and(|info| info.contains(&server_name(dir)) && info.contains("\"jetstream\":true"))
    }
}

/// The directory's name is unique, so the greeting tells this server from a stranger.
fn server_name(dir: &Path) -> String {
    dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The `INFO {…}` line that a NATS server sends first.
fn greeting(port: u16) -> Option<String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::eventually;
    use crate::server::is_alive;

    /// Sends lines of the NATS protocol and reads until `wanted` stands in what comes back.
    fn talk(port: u16, lines: &str, wanted: &str) -> Result<String, String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let hello = "CONNECT {\"verbose\":false}\r\nSUB inbox 1\r\n";
        stream.write_all(format!("{hello}{lines}").as_bytes()).unwrap();
        let mut seen = String::new();
        let mut buffer = [0; 4096];
        while !seen.contains(wanted) {
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
                other => return Err(format!("{other:?} after {seen}")),
            }
        }
        Ok(seen)
    }

    fn request(port: u16, subject: &str, body: &str, wanted: &str) -> Result<String, String> {
        talk(
            port,
            &format!("PUB {subject} inbox {}\r\n{body}\r\n", body.len()),
            wanted,
        )
    }

    #[tokio::test]
    async fn a_stored_message_is_there_after_stop_and_start() {
        let mut nats = Nats::start().await;
        let port = nats.port();
        let stream = r#"{"name":"KEPT","subjects":["kept.>"],"storage":"file"}"#;
        request(port, "$JS.API.STREAM.CREATE.KEPT", stream, "\"config\"").unwrap();
        request(port, "kept.one", "hello", "\"seq\":1").unwrap();
        nats.stop().await;
        assert!(
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(),
            "it still takes connections"
        );
        nats.start_again().await;
        assert_eq!(nats.url(), format!("nats://127.0.0.1:{port}"));
        eventually("the stream with its message", Duration::from_secs(10), async || {
            request(port, "$JS.API.STREAM.INFO.KEPT", "", "\"messages\":1,")
        })
        .await;
    }

    #[tokio::test]
    async fn nothing_is_left_after_drop() {
        let nats = Nats::start().await;
        let (pid, dir) = nats.facts();
        assert!(is_alive(pid) && dir.exists());
        drop(nats);
        assert!(!is_alive(pid), "process {pid} is left");
        assert!(!dir.exists(), "{} is left", dir.display());
    }
}
