//! A private Redis server.

mod cluster;
mod reply;
mod sentinel;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::blocking::blocking;
use crate::server::{Kind, Server};
use crate::supervisor::Recipe;

pub use cluster::RedisCluster;
pub use sentinel::RedisSentinel;

/// A Redis server of its own at a private port, without persistence: after a stop it comes back empty, as a cache may.
/// Ended on drop and when the process dies.
pub struct Redis(Arc<Server<Memory>>);

impl Redis {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with more lines in its configuration, such as `maxmemory 1mb`.
    pub async fn start_with(lines: &[&str]) -> Self {
        let memory = Memory::server(lines);
        Self(Arc::new(blocking(|| Server::start(memory)).await))
    }

    /// The port on 127.0.0.1, the same over its whole life.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// The address for a client.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port())
    }

    /// Sends one command and returns the reply: texts as they are, one line for each element of an array. One that
    /// Redis refuses fails the test.
    pub async fn command(&self, words: &[&str]) -> String {
        let port = self.port();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        blocking(move || reply::command(port, &words)).await
    }

    /// Ends it at once; what it held is gone.
    pub async fn stop(&mut self) {
        let server = Arc::clone(&self.0);
        blocking(move || server.stop()).await;
    }

    /// Starts it again on the same port.
    pub async fn start_again(&mut self) {
        let server = Arc::clone(&self.0);
        blocking(move || server.start_again()).await;
    }

    /// Freezes it, as a machine that hangs: connections stay open and nothing answers.
    pub async fn pause(&self) {
        let server = Arc::clone(&self.0);
        blocking(move || server.pause()).await;
    }

    /// Lets it go on after [`Redis::pause`].
    pub async fn resume(&self) {
        let server = Arc::clone(&self.0);
        blocking(move || server.resume()).await;
    }

    /// Its process and its directory.
    #[cfg(test)]
    pub(crate) fn facts(&self) -> (u32, std::path::PathBuf) {
        self.0.facts()
    }
}

/// What its configuration says beside the place, and in which mode it runs.
#[derive(Default)]
pub(crate) struct Memory {
    lines: Vec<String>,
    sentinel: bool,
}

impl Memory {
    fn server(lines: &[&str]) -> Self {
        let own = ["save \"\"", "appendonly no"].iter().chain(lines);
        Self {
            lines: own.map(|line| (*line).to_owned()).collect(),
            sentinel: false,
        }
    }

    fn sentinel(lines: Vec<String>) -> Self {
        Self { lines, sentinel: true }
    }
}

impl Kind for Memory {
    const NAME: &'static str = "redis";

    fn recipe(&self, dir: &Path) -> Recipe {
        let config = dir.join("redis.conf");
        let mode = self.sentinel.then(|| "--sentinel".into());
        Recipe {
            command: ["redis-server".into(), config.into()].into_iter().chain(mode).collect(),
            prepare: String::new(),
            source: "".into(),
            stop: "KILL",
            end: "KILL",
        }
    }

    fn configure(&self, dir: &Path, port: u16) {
        let mut config = format!("bind 127.0.0.1\nport {port}\ndir {dir:?}\ndaemonize no\n");
        for line in &self.lines {
            let _ = writeln!(config, "{line}");
        }
        fs::write(dir.join("redis.conf"), config).expect("write redis.conf");
    }

    fn is_ready(&self, _dir: &Path, port: u16, pid: u32) -> bool {
        let own = format!("process_id:{pid}\r\n");
        ask(port, "INFO server\r\n", &own).is_some_and(|reply| reply.contains(&own))
    }
}

/// Sends one inline command and reads until `wanted` is there, or the reply is not.
fn ask(port: u16, command: &str, wanted: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(command.as_bytes()).ok()?;
    let mut reply = String::new();
    let mut buffer = [0; 4096];
    while !reply.contains(wanted) {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        reply.push_str(&String::from_utf8_lossy(buffer.get(..count)?));
    }
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::is_alive;

    #[tokio::test]
    async fn it_answers_and_comes_back_empty_on_the_same_port() {
        let mut redis = Redis::start().await;
        let port = redis.port();
        assert_eq!(redis.url(), format!("redis://127.0.0.1:{port}/"));
        assert_eq!(ask(port, "*1\r\n$4\r\nPING\r\n", "PONG").as_deref(), Some("+PONG\r\n"));
        assert_eq!(ask(port, "SET name weir\r\n", "OK").as_deref(), Some("+OK\r\n"));
        redis.stop().await;
        assert_eq!(ask(port, "PING\r\n", "PONG"), None);
        redis.start_again().await;
        assert_eq!(ask(port, "GET name\r\n", "\r\n").as_deref(), Some("$-1\r\n"));
    }

    #[tokio::test]
    async fn nothing_is_left_after_drop() {
        let redis = Redis::start().await;
        let (pid, dir) = redis.facts();
        assert!(is_alive(pid) && dir.exists());
        drop(redis);
        assert!(!is_alive(pid), "process {pid} is left");
        assert!(!dir.exists(), "{} is left", dir.display());
    }

    #[tokio::test]
    async fn it_takes_lines_of_configuration_and_commands_and_may_hang() {
        let redis = Redis::start_with(&["maxmemory 3mb"]).await;
        assert_eq!(
            redis.command(&["CONFIG", "GET", "maxmemory"]).await,
            "maxmemory\n3145728"
        );
        redis.pause().await;
        assert_eq!(ask(redis.port(), "PING\r\n", "PONG"), None);
        redis.resume().await;
        assert_eq!(redis.command(&["PING"]).await, "PONG");
    }
}
