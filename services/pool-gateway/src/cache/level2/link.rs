//! Connections to Redis, whatever its servers are.
//!
//! A connection lives on the runtime on which it was opened and is used from any other. Nothing here limits how long an
//! answer may take, and nothing tries again: that is decided by whoever asks.

use std::fs;
use std::path::Path;
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode, Value, cmd,
};

use super::place::{Kind, Login, Place};

/// A host that does not answer is given up after this.
const CONNECT: Duration = Duration::from_secs(1);
/// Requests that wait for their turn on a connection before whoever asks has to wait too.
const WAITING_MAX: usize = 1024;
/// How often a cluster's client asks again on its own: enough to follow a slot to where it went.
const RETRIES: u32 = 3;
const RETRY_WAIT_MS: u64 = 20;

/// A host and a port.
pub(super) type Address = (String, u16);

/// How connections are made.
pub(super) struct Links {
    place: Place,
    certificates: Option<TlsCertificates>,
}

impl Links {
    /// Reads the certificates.
    pub(super) fn prepare(place: Place) -> Result<Self, String> {
        let authority = place.authority.as_deref().map(read).transpose()?;
        let identity = match &place.identity {
            Some((certificate, key)) => Some(ClientTlsConfig {
                client_cert: read(certificate)?,
                client_key: read(key)?,
            }),
            None => None,
        };
        let certificates = TlsCertificates {
            client_tls: identity,
            root_cert: authority,
        };
        let links = Self {
            certificates: place.encrypted.then_some(certificates),
            place,
        };
        links.cluster().map_err(|error| error.to_string())?;
        Ok(links)
    }

    /// Opens a connection: to the server, to the present primary, or to all nodes of the cluster. With it comes where the
    /// primary is, if Sentinels say so.
    pub(super) async fn connect(&self) -> RedisResult<(Link, Option<Address>)> {
        match &self.place.kind {
            Kind::Single => {
                let node = self.nodes().next().ok_or_else(no_host)?;
                let client = match &self.certificates {
                    Some(certificates) => Client::build_with_tls(node, certificates.clone()),
                    None => Client::open(node),
                };
                Ok((Link::Server(connected(&client?).await?), None))
            }
            Kind::Sentinel(name) => {
                let client = self.sentinels(name)?.build()?.async_get_client().await?;
                let address = address_of(client.get_connection_info().addr());
                Ok((Link::Server(connected(&client).await?), address))
            }
            Kind::Cluster => Ok((Link::Cluster(self.cluster()?.get_async_connection().await?), None)),
        }
    }

    /// A connection to a Sentinel, where there are any.
    pub(super) async fn scout(&self) -> RedisResult<Option<Scout>> {
        let Kind::Sentinel(name) = &self.place.kind else {
            return Ok(None);
        };
        let client = self.sentinels(name)?.build()?.async_get_sentinel_client().await?;
        let link = connected(&client).await?;
        Ok(Some(Scout {
            link,
            name: name.clone(),
        }))
    }

    fn sentinels(&self, name: &str) -> RedisResult<SentinelClientBuilder> {
        let (own, theirs) = (&self.place.login, &self.place.sentinel_login);
        let addresses = self.addresses();
        let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_redis_db(self.place.database);
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        if let Some(user) = &own.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &own.password {
            builder = builder.set_client_to_redis_password(password.expose());
        }
        if let Some(user) = &theirs.user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &theirs.password {
            builder = builder.set_client_to_sentinel_password(password.expose());
        }
        Ok(builder)
    }

    fn cluster(&self) -> RedisResult<ClusterClient> {
        let mut builder = ClusterClientBuilder::new(self.nodes())
            .connection_timeout(CONNECT)
            .response_timeout(CONNECT)
            .retries(RETRIES)
            .min_retry_wait(1)
            .max_retry_wait(RETRY_WAIT_MS)
            .tcp_settings(tcp());
        if let Some(certificates) = &self.certificates {
            builder = builder.tls(TlsMode::Secure).certs(certificates.clone());
        }
        builder.build()
    }

    fn addresses(&self) -> impl Iterator<Item = ConnectionAddr> + '_ {
        let hosts = self.place.hosts.iter().cloned();
        hosts.map(|(host, port)| match self.place.encrypted {
            true => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
            false => ConnectionAddr::Tcp(host, port),
        })
    }

    fn nodes(&self) -> impl Iterator<Item = ConnectionInfo> + '_ {
        let settings = server(&self.place.login, self.place.database);
        let nodes = self
            .addresses()
            .filter_map(|address| address.into_connection_info().ok());
        nodes.map(move |node| node.set_redis_settings(settings.clone()).set_tcp_settings(tcp()))
    }
}

async fn connected(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(WAITING_MAX);
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn address_of(address: &ConnectionAddr) -> Option<Address> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some((host.clone(), *port)),
        _ => None,
    }
}

fn server(login: &Login, database: i64) -> RedisConnectionInfo {
    let mut server = RedisConnectionInfo::default().set_db(database);
    if let Some(user) = &login.user {
        server = server.set_username(user);
    }
    if let Some(password) = &login.password {
        server = server.set_password(password.expose());
    }
    server
}

/// A small request must not wait for the answer to the one before.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn no_host() -> RedisError {
    (redis::ErrorKind::InvalidClientConfig, "there is no host").into()
}

/// Asks a Sentinel.
pub(super) struct Scout {
    link: MultiplexedConnection,
    name: String,
}

impl Scout {
    /// Where the primary is.
    pub(super) async fn primary(&mut self) -> RedisResult<Address> {
        let mut command = cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        command.query_async(&mut self.link).await
    }
}

/// One connection. Cheap to clone; clones share it.
#[derive(Clone)]
pub(super) enum Link {
    /// To one server.
    Server(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

impl Link {
    /// What lies under a name, or the beginning of it where it is longer than the limit.
    pub(super) async fn read(&self, name: &str, bytes_max: usize) -> RedisResult<Option<Vec<u8>>> {
        let mut command = cmd("GETRANGE");
        // Nothing and an empty string look alike, and nothing that is kept is empty.
        command.arg(name).arg(0).arg(bytes_max);
        match self.send(&command).await {
            Ok(Value::BulkString(found)) if found.is_empty() => Ok(None),
            Ok(Value::BulkString(found)) => Ok(Some(found)),
            Ok(_) => Err((redis::ErrorKind::UnexpectedReturnType, "not a string").into()),
            // A stranger keeps a list or the like under our name; Redis itself is well.
            Err(error) if error.code() == Some("WRONGTYPE") => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        }
    }

    /// Keeps something under a name for so long.
    pub(super) async fn write(&self, name: &str, packed: &[u8], ttl: Duration) -> RedisResult<()> {
        let mut command = cmd("SET");
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        command.arg(name).arg(packed).arg("PX").arg(ttl_ms);
        self.send(&command).await.map(drop)
    }

    /// Gives the memory back.
    pub(super) async fn remove(&self, name: &str) -> RedisResult<()> {
        let mut command = cmd("UNLINK");
        command.arg(name);
        self.send(&command).await.map(drop)
    }

    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let value = match self.clone() {
            Self::Server(mut link) => link.req_packed_command(command).await,
            Self::Cluster(mut link) => link.req_packed_command(command).await,
        };
        value?.extract_error()
    }
}
