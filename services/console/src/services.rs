//! Where the other services are, and how they are asked: lazily connected, each call with a deadline.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use weir_config::{DatabaseSettings, Error, Origin, Profile, Sources};
use weir_proto::backup::v1::backup_service_client::BackupServiceClient;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_proto::gateway::v1::gateway_admin_service_client::GatewayAdminServiceClient;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_proto::scheduler::v1::scheduler_service_client::SchedulerServiceClient;

use crate::settings::ConsoleSettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that has died is noticed within so long.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Answers are lists and plans; none is larger.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A service that the console asks.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The name of its binary.
    pub(crate) name: &'static str,
    /// Where its gRPC is.
    pub(crate) grpc: Channel,
    /// Where its health and metrics are: `http://host:port`.
    pub(crate) ops: String,
}

/// Every other service.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) peers: [Peer; 6],
    pub(crate) call_timeout: Duration,
    /// What shows the gateway that the operator calls, where it asks for that.
    proof: Option<MetadataValue<Ascii>>,
}

impl Services {
    /// Where the settings have them. Nobody is asked yet.
    pub(crate) fn at(settings: &ConsoleSettings, sources: &Sources) -> Result<Self, Error> {
        Ok(Self {
            peers: found(settings, sources)?.map(Found::peer),
            call_timeout: settings.call_timeout,
            proof: proof(sources)?,
        })
    }

    /// Whether the settings say where they are. Needs no runtime, as to make a connection does.
    pub(crate) fn check(settings: &ConsoleSettings, sources: &Sources) -> Result<(), Error> {
        found(settings, sources)?;
        proof(sources).map(drop)
    }

    /// A request with the usual deadline, which the other side hears of too.
    pub(crate) fn ask<T>(&self, message: T) -> tonic::Request<T> {
        self.ask_within(message, self.call_timeout)
    }

    /// A request that may take longer.
    pub(crate) fn ask_within<T>(&self, message: T, timeout: Duration) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(timeout);
        request
    }

    /// The same for what a gateway does for the operator only.
    pub(crate) fn ask_as_operator<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = self.ask(message);
        if let Some(proof) = &self.proof {
            request.metadata_mut().insert("authorization", proof.clone());
        }
        request
    }

    pub(crate) fn gateway(&self) -> GatewayServiceClient<Channel> {
        let [gateway, ..] = &self.peers;
        GatewayServiceClient::new(gateway.grpc.clone()).max_decoding_message_size(REPLY_BYTES_MAX)
    }

    pub(crate) fn gateway_admin(&self) -> GatewayAdminServiceClient<Channel> {
        let [gateway, ..] = &self.peers;
        GatewayAdminServiceClient::new(gateway.grpc.clone()).max_decoding_message_size(REPLY_BYTES_MAX)
    }

    pub(crate) fn monitor(&self) -> MonitorServiceClient<Channel> {
        let [_, monitor, ..] = &self.peers;
        MonitorServiceClient::new(monitor.grpc.clone()).max_decoding_message_size(REPLY_BYTES_MAX)
    }

    pub(crate) fn cache(&self) -> CacheServiceClient<Channel> {
        let [_, _, cache, ..] = &self.peers;
        CacheServiceClient::new(cache.grpc.clone())
    }

    pub(crate) fn scheduler(&self) -> SchedulerServiceClient<Channel> {
        let [.., scheduler, _, _] = &self.peers;
        SchedulerServiceClient::new(scheduler.grpc.clone()).max_decoding_message_size(REPLY_BYTES_MAX)
    }

    pub(crate) fn maintenance(&self) -> MaintenanceServiceClient<Channel> {
        let [.., maintenance, _] = &self.peers;
        MaintenanceServiceClient::new(maintenance.grpc.clone()).max_decoding_message_size(REPLY_BYTES_MAX)
    }

    pub(crate) fn backup(&self) -> BackupServiceClient<Channel> {
        let [.., backup] = &self.peers;
        BackupServiceClient::new(backup.grpc.clone()).max_decoding_message_size(REPLY_BYTES_MAX)
    }
}

/// A service whose addresses are known.
struct Found {
    name: &'static str,
    grpc: Endpoint,
    ops: String,
}

impl Found {
    fn peer(self) -> Peer {
        Peer {
            name: self.name,
            grpc: self.grpc.connect_lazy(),
            ops: self.ops,
        }
    }
}

fn found(settings: &ConsoleSettings, sources: &Sources) -> Result<[Found; 6], Error> {
    let place = |place: &Place, grpc: &Option<String>, ops: &Option<String>| {
        place.find(grpc.as_deref(), ops.as_deref(), sources)
    };
    let [gateway, monitor, cache, scheduler, maintenance, backup] = &PLACES;
    Ok([
        place(gateway, &settings.gateway_url, &settings.gateway_ops_url)?,
        place(monitor, &settings.monitor_url, &settings.monitor_ops_url)?,
        place(cache, &settings.cache_url, &settings.cache_ops_url)?,
        place(scheduler, &settings.scheduler_url, &settings.scheduler_ops_url)?,
        place(maintenance, &settings.maintenance_url, &settings.maintenance_ops_url)?,
        place(backup, &settings.backup_url, &settings.backup_ops_url)?,
    ])
}

/// A service, and where it is if nobody says anything.
struct Place {
    name: &'static str,
    section: &'static str,
    number: u16,
}

const PLACES: [Place; 6] = [
    Place::new("pool-gateway", "gateway", 1),
    Place::new("query-monitor", "monitor", 2),
    Place::new("cache", "cache", 3),
    Place::new("scheduler", "scheduler", 4),
    Place::new("maintenance", "maintenance", 5),
    Place::new("backup", "backup", 6),
];

impl Place {
    const fn new(name: &'static str, section: &'static str, number: u16) -> Self {
        Self { name, section, number }
    }

    fn find(&self, grpc: Option<&str>, ops: Option<&str>, sources: &Sources) -> Result<Found, Error> {
        let grpc = grpc.map_or_else(|| self.listens("grpc_listen", 7000, sources), |url| Ok(url.to_owned()))?;
        let ops = ops.map_or_else(|| self.listens("ops_listen", 8000, sources), |url| Ok(url.to_owned()))?;
        if !ops.starts_with("http://") {
            return Err(self.wrong("ops_url", format!("{ops:?} does not begin with http://")));
        }
        let endpoint = Endpoint::from_shared(grpc.clone())
            .map_err(|error| self.wrong("url", format!("{grpc:?} is no address: {error}")))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE);
        Ok(Found {
            name: self.name,
            grpc: endpoint,
            ops: ops.trim_end_matches('/').to_owned(),
        })
    }

    /// Where the settings have it listen; on the port of its number if they do not say.
    fn listens(&self, key: &'static str, ports: u16, sources: &Sources) -> Result<String, Error> {
        let set: Option<SocketAddr> = sources.of_another(self.section, key)?;
        let usual = SocketAddr::from(([127, 0, 0, 1], ports + self.number));
        Ok(format!("http://{}", reachable(set.unwrap_or(usual))))
    }

    fn wrong(&self, key: &str, reason: String) -> Error {
        Error::invalid(format!("console.{}_{key}", self.section), Origin::File, reason)
    }
}

/// The role of `database.url` with its password. In development whoever calls from this machine is the operator.
fn proof(sources: &Sources) -> Result<Option<MetadataValue<Ascii>>, Error> {
    let database: DatabaseSettings = sources.section()?;
    let Some(url) = database.url.filter(|_| sources.profile() != Profile::Development) else {
        return Ok(None);
    };
    let Some((user, password)) = user_of(url.secret().expose()) else {
        return Ok(None);
    };
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
    let mut proof: Option<MetadataValue<Ascii>> = basic.parse().ok();
    if let Some(proof) = &mut proof {
        proof.set_sensitive(true);
    }
    Ok(proof)
}

/// User and password of a URL, where it has both.
fn user_of(url: &str) -> Option<(String, String)> {
    let (_, rest) = url.split_once("://")?;
    let place = rest.split(['/', '?']).next()?;
    let (user, password) = place.rsplit_once('@')?.0.split_once(':')?;
    let plain = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .ok()
            .map(|text| text.into_owned())
    };
    Some((plain(user)?, plain(password)?))
}

/// Who listens on every address is reached through loopback.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let ipv4 = IpAddr::from(Ipv4Addr::LOCALHOST);
        address.set_ip(if address.is_ipv4() {
            ipv4
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_shown_the_role_of_the_url() {
        assert_eq!(
            user_of("postgres://u:p%40ss:x@h:1/d"),
            Some(("u".to_owned(), "p@ss:x".to_owned()))
        );
        for without in ["postgres://u@h/d", "postgres://h/d?user=u:x@y", "nonsense"] {
            assert_eq!(user_of(without), None, "{without}");
        }
        let url = ("DATABASE_URL".to_owned(), "postgres://u:secret@h/d".to_owned());
        let development = Sources::load(None, [url.clone()]).unwrap();
        assert!(proof(&development).unwrap().is_none());
        let staging = Sources::load(None, [url, ("WEIR_PROFILE".to_owned(), "staging".to_owned())]).unwrap();
        let proof = proof(&staging).unwrap().unwrap();
        assert_eq!(proof.to_str().unwrap(), "Basic dTpzZWNyZXQ=");
        assert!(!format!("{proof:?}").contains("dTpz"));
    }
}
