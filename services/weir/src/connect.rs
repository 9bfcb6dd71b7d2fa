//! Where the services are: at the addresses of the settings.

use std::net::SocketAddr;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use weir_backup::BackupSettings;
use weir_cache::CacheSettings;
use weir_config::Sources;
use weir_maintenance::MaintenanceSettings;
use weir_pool_gateway::GatewaySettings;
use weir_proto::backup::v1::backup_service_client::BackupServiceClient;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_proto::gateway::v1::gateway_admin_service_client::GatewayAdminServiceClient;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_proto::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use weir_query_monitor::MonitorSettings;
use weir_scheduler::SchedulerSettings;

use crate::http::Place;
use crate::terminal::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Replies of the gateway may be as large as its own limit allows.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Opens clients of the services.
pub(crate) struct Services<'a>(pub(crate) &'a Sources);

impl Services<'_> {
    pub(crate) async fn gateway(&self) -> Result<GatewayServiceClient<Channel>, Failure> {
        let address = self.0.section::<GatewaySettings>()?.grpc_listen;
        let client = GatewayServiceClient::new(channel("pool-gateway", address).await?);
        Ok(client.max_decoding_message_size(REPLY_BYTES_MAX))
    }

    pub(crate) async fn gateway_admin(&self) -> Result<GatewayAdminServiceClient<Channel>, Failure> {
        let address = self.0.section::<GatewaySettings>()?.grpc_listen;
        Ok(GatewayAdminServiceClient::new(channel("pool-gateway", address).await?))
    }

    pub(crate) async fn monitor(&self) -> Result<MonitorServiceClient<Channel>, Failure> {
        let address = self.0.section::<MonitorSettings>()?.grpc_listen;
        Ok(MonitorServiceClient::new(channel("query-monitor", address).await?))
    }

    pub(crate) async fn cache(&self) -> Result<CacheServiceClient<Channel>, Failure> {
        let address = self.0.section::<CacheSettings>()?.grpc_listen;
        Ok(CacheServiceClient::new(channel("cache", address).await?))
    }

    pub(crate) async fn scheduler(&self) -> Result<SchedulerServiceClient<Channel>, Failure> {
        let address = self.0.section::<SchedulerSettings>()?.grpc_listen;
        Ok(SchedulerServiceClient::new(channel("scheduler", address).await?))
    }

    pub(crate) async fn maintenance(&self) -> Result<MaintenanceServiceClient<Channel>, Failure> {
        let address = self.0.section::<MaintenanceSettings>()?.grpc_listen;
        Ok(MaintenanceServiceClient::new(channel("maintenance", address).await?))
    }

    pub(crate) async fn backup(&self) -> Result<BackupServiceClient<Channel>, Failure> {
        let address = self.0.section::<BackupSettings>()?.grpc_listen;
        let client = BackupServiceClient::new(channel("backup", address).await?);
        Ok(client.max_decoding_message_size(REPLY_BYTES_MAX))
    }
}

/// Where each service tells how it is, in the order in which `weir up` starts them.
pub(crate) fn doors(sources: &Sources) -> Result<[(&'static str, Place); 7], Failure> {
    let ops = |address| Place::ops(address, sources);
    Ok([
        ("pool-gateway", ops(sources.section::<GatewaySettings>()?.ops_listen)?),
        ("query-monitor", ops(sources.section::<MonitorSettings>()?.ops_listen)?),
        ("cache", ops(sources.section::<CacheSettings>()?.ops_listen)?),
        ("scheduler", ops(sources.section::<SchedulerSettings>()?.ops_listen)?),
        (
            "maintenance",
            ops(sources.section::<MaintenanceSettings>()?.ops_listen)?,
        ),
        ("backup", ops(sources.section::<BackupSettings>()?.ops_listen)?),
        ("console", Place::console(sources)?),
    ])
}

/// Channels that connect when something is asked, and again after a service was away.
#[derive(Debug, Clone)]
pub(crate) struct LazyChannels {
    pub(crate) gateway: Channel,
    pub(crate) monitor: Channel,
    pub(crate) cache: Channel,
    pub(crate) maintenance: Channel,
    pub(crate) backup: Channel,
}

impl Services<'_> {
    /// Channels to the services; none of them has to be there.
    pub(crate) fn lazily(&self) -> Result<LazyChannels, Failure> {
        Ok(LazyChannels {
            gateway: endpoint(self.0.section::<GatewaySettings>()?.grpc_listen)?.connect_lazy(),
            monitor: endpoint(self.0.section::<MonitorSettings>()?.grpc_listen)?.connect_lazy(),
            cache: endpoint(self.0.section::<CacheSettings>()?.grpc_listen)?.connect_lazy(),
            maintenance: endpoint(self.0.section::<MaintenanceSettings>()?.grpc_listen)?.connect_lazy(),
            backup: endpoint(self.0.section::<BackupSettings>()?.grpc_listen)?.connect_lazy(),
        })
    }
}

fn endpoint(address: SocketAddr) -> Result<Endpoint, Failure> {
    Ok(Endpoint::from_shared(format!("http://{}", reachable(address)))?.connect_timeout(CONNECT_TIMEOUT))
}

/// Where an address of the settings is reached: a service that listens on every address, through loopback.
pub(crate) fn reachable(address: SocketAddr) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => ip.to_string(),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    format!("{host}:{}", address.port())
}

pub(crate) async fn channel(service: &str, address: SocketAddr) -> Result<Channel, Failure> {
    let connected = endpoint(address)?.connect().await;
    connected.map_err(|_| {
        format!("{service} does not answer at {address}; is it running? (weir status; weir doctor says more)").into()
    })
}

/// A refusal of a service as one line, with the slug that the reference explains.
pub(crate) fn refusal(status: tonic::Status) -> Failure {
    let slug = status.metadata().get("weir-error").and_then(|slug| slug.to_str().ok());
    let slug = slug.map(|slug| format!(" [{slug}]")).unwrap_or_default();
    format!("{}{slug}", status.message()).into()
}
