//! A Redis Cluster.

use std::time::Duration;

use super::{Memory, Redis};
use crate::blocking::blocking;
use crate::server::Server;
use crate::{eventually, free_port};

const SLOTS: usize = 16_384;
const PATIENCE: Duration = Duration::from_secs(60);

/// Primaries without replicas that share the slots of a cluster among them, each in a row.
pub struct RedisCluster {
    /// The nodes, in the order of their slots.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts so many nodes and waits until all of them say that the cluster is complete.
    pub async fn start(count: usize) -> Self {
        let mut nodes: Vec<Redis> = Vec::new();
        for index in 0..count {
            let (node, bus) = start_node().await;
            let first = (index * SLOTS / count).to_string();
            let last = ((index + 1) * SLOTS / count - 1).to_string();
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            if let Some(known) = nodes.first() {
                let (port, bus) = (node.port().to_string(), bus.to_string());
                known.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
            }
            nodes.push(node);
        }
        let cluster = Self { nodes };
        cluster.until_complete().await;
        cluster
    }

    async fn until_complete(&self) {
        for node in &self.nodes {
            let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
            eventually("the cluster is complete", PATIENCE, async || {
                let info = node.command(&["CLUSTER", "INFO"]).await;
                let ready = info.contains("cluster_state:ok") && info.contains(&known);
                ready.then_some(()).ok_or(info)
            })
            .await;
        }
    }

    fn node(&self, index: usize) -> &Redis {
        self.nodes.get(index).expect("a node of the cluster")
    }

    /// The address for a client, as the setting of Weir writes it.
    pub fn url(&self) -> String {
        let nodes = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port()));
        format!("redis+cluster://{}", nodes.collect::<Vec<_>>().join(","))
    }

    /// The node that has the slot of a key, and the slot.
    pub async fn owner(&self, key: &str) -> (usize, usize) {
        let slot = self.node(0).command(&["CLUSTER", "KEYSLOT", key]).await;
        let slot: usize = slot.parse().expect("a slot is a number");
        (slot * self.nodes.len() / SLOTS, slot)
    }

    /// Moves a slot with what is in it from one node to another, as `redis-cli --cluster reshard` does.
    pub async fn move_slot(&self, slot: usize, from: usize, to: usize) {
        let (source, target) = (self.node(from), self.node(to));
        let source_id = source.command(&["CLUSTER", "MYID"]).await;
        let target_id = target.command(&["CLUSTER", "MYID"]).await;
        let (slot, port) = (slot.to_string(), target.port().to_string());
        target
            .command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id])
            .await;
        source
            .command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id])
            .await;
        let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]).await;
        for key in keys.lines() {
            source.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).await;
        }
        target.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await;
        source.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await;
    }
}

async fn start_node() -> (Redis, u16) {
    let bus = free_port();
    let lines = [
        "cluster-enabled yes",
        "cluster-node-timeout 2000",
        &format!("cluster-port {bus}"),
    ];
    let memory = Memory::server(&lines);
    (Redis(blocking(|| Server::start(memory)).await.into()), bus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn three_nodes_share_the_slots_and_a_slot_can_be_moved() {
        let cluster = RedisCluster::start(3).await;
        assert_eq!(cluster.url().matches(',').count(), 2);
        let (owner, slot) = cluster.owner("name").await;
        cluster.nodes[owner].command(&["SET", "name", "weir"]).await;
        let other = (owner + 1) % 3;
        cluster.move_slot(slot, owner, other).await;
        assert_eq!(cluster.nodes[other].command(&["GET", "name"]).await, "weir");
    }
}
