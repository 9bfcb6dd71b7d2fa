//! Looks the names of servers up now and then, and leaves the addresses that they no longer lead to.
//!
//! Every new connection looks its server's name up by itself; this is for the connections that there are. One task for
//! each server, so that a look-up that hangs delays no other, and one look-up at a time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_runtime::{Stage, TaskResult};

use super::{Common, Member, Pools};

/// A changed setting is noticed so late at most.
const SETTING_NOTICED_AFTER: Duration = Duration::from_secs(1);

impl Pools {
    /// Follows the names of servers that have one, until told to stop.
    pub(crate) fn follow_names(self: &Arc<Self>) {
        for member in self.common().members.all() {
            if member.target.name().is_some() {
                let (common, member) = (self.common().clone(), member.clone());
                let tasks = &self.common().tasks;
                tasks.spawn(Stage::Flow, "upstream name", |stop| run(common, member, stop));
            }
        }
    }
}

async fn run(common: Arc<Common>, member: Arc<Member>, stop: CancellationToken) -> TaskResult {
    let mut is_well = true;
    let mut asked = Instant::now();
    while !stop.is_cancelled() {
        let every = common.live().dns_check_every;
        let rest = match every.checked_sub(asked.elapsed()) {
            _ if every.is_zero() => SETTING_NOTICED_AFTER,
            rest => rest.unwrap_or_default().min(SETTING_NOTICED_AFTER),
        };
        let wait = async {
            tokio::time::sleep(rest).await;
            if !every.is_zero() && asked.elapsed() >= every {
                asked = Instant::now();
                look(&common, &member, &mut is_well).await;
            }
        };
        tokio::select! {
            () = wait => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}

/// Looks a name up once. Where that fails, nothing is known, and nothing changes.
async fn look(common: &Common, member: &Member, is_well: &mut bool) {
    let found = member.target.addresses().await;
    let was_well = std::mem::replace(is_well, found.is_ok());
    match found {
        Ok(found) => {
            let ips: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
            leave(common, member, &ips);
        }
        Err(error) if was_well => {
            tracing::warn!(upstream = %member.name, error = %error, "the name of a server cannot be looked up");
        }
        Err(_) => {}
    }
}

fn leave(common: &Common, member: &Member, found: &[IpAddr]) {
    for ip in member.addresses.heed(found) {
        tracing::warn!(
            upstream = %member.name,
            upstream.from = %ip,
            "the name of a server leads elsewhere now: connections to the old address are closed after their use"
        );
        common.members.doubt();
    }
}
