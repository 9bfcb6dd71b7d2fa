//! A primary, a replica and a Sentinel that watches over them.

use std::time::Duration;

use super::{Memory, Redis};
use crate::blocking::blocking;
use crate::eventually;
use crate::server::Server;

/// What the Sentinel calls the primary.
const NAME: &str = "weir";
const PATIENCE: Duration = Duration::from_secs(30);

/// Two Redis servers, the second a replica of the first, and a Sentinel that makes it the primary when the first fails.
pub struct RedisSentinel {
    /// The primary, until there is another one.
    pub first: Redis,
    /// The replica, until it is the primary.
    pub second: Redis,
    /// The Sentinel, which takes commands too.
    pub sentinel: Redis,
}

impl RedisSentinel {
    /// Starts all three and waits until the Sentinel knows the replica.
    pub async fn start() -> Self {
        let first = Redis::start().await;
        let replica = format!("replicaof 127.0.0.1 {}", first.port());
        let second = Redis::start_with(&[&replica, "repl-diskless-sync-delay 0"]).await;
        let memory = Memory::sentinel(vec![
            format!("sentinel monitor {NAME} 127.0.0.1 {} 1", first.port()),
            format!("sentinel down-after-milliseconds {NAME} 500"),
            format!("sentinel failover-timeout {NAME} 2000"),
        ]);
        let sentinel = Redis(blocking(|| Server::start(memory)).await.into());
        let all = Self {
            first,
            second,
            sentinel,
        };
        all.until_complete().await;
        all
    }

    async fn until_complete(&self) {
        eventually("the replica is in step and known", PATIENCE, async || {
            let known = self.sentinel.command(&["SENTINEL", "REPLICAS", NAME]).await;
            let role = self.second.command(&["ROLE"]).await;
            let port = self.second.port().to_string();
            let ready = known.lines().any(|line| line == port) && role.contains("\nconnected\n");
            ready.then_some(()).ok_or_else(|| format!("{known}\n{role}"))
        })
        .await;
    }

    /// The address for a client, as the setting of Weir writes it.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{NAME}", self.sentinel.port())
    }

    /// Has the Sentinel make the replica the primary, while the present one lives on.
    pub async fn fail_over(&self) {
        self.sentinel.command(&["SENTINEL", "FAILOVER", NAME]).await;
    }

    /// Waits until the Sentinel says that the server at this port is the primary.
    pub async fn until_primary(&self, port: u16) {
        eventually("another primary", PATIENCE, async || {
            let told = self
                .sentinel
                .command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])
                .await;
            told.ends_with(&format!("\n{port}")).then_some(()).ok_or(told)
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_replica_takes_over_when_it_is_told_to() {
        let all = RedisSentinel::start().await;
        all.first.command(&["SET", "name", "weir"]).await;
        all.until_primary(all.first.port()).await;
        all.fail_over().await;
        all.until_primary(all.second.port()).await;
        let role = async || {
            let role = all.second.command(&["ROLE"]).await;
            role.starts_with("master").then_some(()).ok_or(role)
        };
        eventually("the role of the second", PATIENCE, role).await;
        assert_eq!(all.second.command(&["GET", "name"]).await, "weir");
    }
}
