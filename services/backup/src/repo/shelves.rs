//! The stores that a repository may lie on: a directory, S3, Google's, Azure's.
//!
//! Secrets come from files and are shown nowhere. Whatever speaks TLS trusts the certificates of the system.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, Checksum, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{ClientConfigKey, HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use weir_model::Secret;

use super::Shelf;
use super::directory::Directory;

/// A connection is made within this, or not.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A connection on which nothing comes for so long is given up.
const SILENT_FOR: Duration = Duration::from_secs(60);
/// A request is repeated for so long.
const REPEAT_FOR: Duration = Duration::from_secs(100);
/// A request is repeated so often.
const REPEAT_TIMES: usize = 8;

/// Where a repository is to lie, and how one gets in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The repository's name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The address of the service, where it is not the provider's own.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The id of the access key; an account's name at Azure.
    pub access_key_id: Option<String>,
    /// The file with the secret that belongs to it.
    pub secret_file: Option<PathBuf>,
    /// Whether an endpoint without TLS may be used.
    pub allow_http: bool,
}

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A bucket of S3, and a prefix in it.
    S3(String, String),
    /// The same of Google's.
    Google(String, String),
    /// A container of Azure's, and a prefix in it.
    Azure(String, String),
}

impl Location {
    /// Reads an address. The error says what is wrong with it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!(
                "{url} is not an address: file://, s3://, gs:// or az:// comes first"
            ));
        };
        if scheme == "file" {
            let directory = PathBuf::from(rest);
            let absolute = directory.is_absolute() && directory.components().count() > 1;
            return if absolute {
                Ok(Self::Directory(directory))
            } else {
                Err(format!("{url} names no directory: file:///directory is wanted"))
            };
        }
        if rest.contains(['@', '?', '#']) {
            // Whatever is written there may be a secret.
            return Err(format!(
                "an address of {scheme}:// is bucket and prefix only; a secret belongs into secret_file"
            ));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("{url} names no bucket"));
        }
        let (bucket, prefix) = (bucket.to_owned(), prefix.trim_matches('/').to_owned());
        match scheme {
            "s3" => Ok(Self::S3(bucket, prefix)),
            "gs" => Ok(Self::Google(bucket, prefix)),
            "az" => Ok(Self::Azure(bucket, prefix)),
            _ => Err(format!("{scheme}:// is not known: file://, s3://, gs:// and az:// are")),
        }
    }
}

impl Place {
    /// What is wrong with it, as far as can be told without going there.
    pub(crate) fn trouble(&self) -> Option<String> {
        let location = match Location::parse(&self.url) {
            Ok(location) => location,
            Err(reason) => return Some(reason),
        };
        if let Some(endpoint) = &self.endpoint
            && !endpoint.starts_with("https://")
            && !(self.allow_http && endpoint.starts_with("http://"))
        {
            return Some("endpoint has to begin with https://, or with http:// where allow_http is set".to_owned());
        }
        let wants_both = matches!(location, Location::S3(..) | Location::Azure(..));
        if wants_both && self.access_key_id.is_some() != self.secret_file.is_some() {
            return Some("access_key_id and secret_file are set together, or neither".to_owned());
        }
        None
    }

    /// The store. The error says why there is none.
    pub(crate) fn shelf(&self) -> Result<Shelf, String> {
        self.shelf_that_trusts(system_roots())
    }

    /// The same where these certificates are trusted.
    pub(crate) fn shelf_that_trusts(&self, roots: &Roots) -> Result<Shelf, String> {
        if let Some(trouble) = self.trouble() {
            return Err(trouble);
        }
        let connector = Connector(Arc::clone(roots));
        let (store, prefix) = match Location::parse(&self.url)? {
            Location::Directory(directory) => return self.directory(&directory),
            Location::S3(bucket, prefix) => (self.s3(&bucket, connector)?, prefix),
            Location::Google(bucket, prefix) => (self.google(&bucket, connector)?, prefix),
            Location::Azure(container, prefix) => (self.azure(&container, connector)?, prefix),
        };
        Ok(Shelf::new(store, prefix.into(), &self.name, false))
    }

    fn directory(&self, directory: &Path) -> Result<Shelf, String> {
        let failed = |error: String| format!("{}: {error}", directory.display());
        std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        let store = Directory::of(directory).map_err(|error| failed(error.to_string()))?;
        Ok(Shelf::in_directory(store, &self.name))
    }

    fn s3(&self, bucket: &str, connector: Connector) -> Result<Arc<dyn ObjectStore>, String> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // What is put under a lock has to bring one; and whatever changes on its way there is refused.
            .with_checksum_algorithm(Checksum::SHA256)
            .with_disable_bulk_delete(true)
            .with_allow_http(self.allow_http)
            .with_retry(repetition())
            .with_client_options(ClientOptions::new().with_allow_http(self.allow_http))
            .with_http_connector(connector);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let (Some(id), Some(secret)) = (&self.access_key_id, self.secret()?) {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose());
        }
        Ok(Arc::new(builder.build().map_err(|error| error.to_string())?))
    }

    fn google(&self, bucket: &str, connector: Connector) -> Result<Arc<dyn ObjectStore>, String> {
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(bucket)
            .with_retry(repetition())
            .with_client_options(ClientOptions::new().with_allow_http(self.allow_http))
            .with_http_connector(connector);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_base_url(endpoint);
        }
        if let Some(account) = self.secret()? {
            builder = builder.with_service_account_key(account.expose());
        }
        // What the account's file holds is in the text of an error about it.
        let built = builder.build();
        Ok(Arc::new(
            built.map_err(|_| self.unreadable("a service account of Google's"))?,
        ))
    }

    fn azure(&self, container: &str, connector: Connector) -> Result<Arc<dyn ObjectStore>, String> {
        let mut builder = MicrosoftAzureBuilder::new()
            .with_container_name(container)
            .with_allow_http(self.allow_http)
            .with_retry(repetition())
            .with_client_options(ClientOptions::new().with_allow_http(self.allow_http))
            .with_http_connector(connector);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        if let (Some(account), Some(secret)) = (&self.access_key_id, self.secret()?) {
            builder = builder.with_account(account).with_access_key(secret.expose());
        }
        let built = builder.build();
        Ok(Arc::new(
            built.map_err(|_| self.unreadable("an account's key at Azure"))?,
        ))
    }

    fn unreadable(&self, wanted: &str) -> String {
        match &self.secret_file {
            Some(file) => format!("{} does not hold {wanted}", file.display()),
            None => format!("secret_file is to name a file with {wanted}"),
        }
    }

    fn secret(&self) -> Result<Option<Secret>, String> {
        let Some(file) = &self.secret_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("{} is empty", file.display()));
        }
        Ok(Some(Secret::new(text)))
    }
}

fn repetition() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
        max_retries: REPEAT_TIMES,
        retry_timeout: REPEAT_FOR,
    }
}

/// Certificates that are trusted.
pub(crate) type Roots = Arc<RootCertStore>;

/// The system's, read when they are first needed.
fn system_roots() -> &'static Roots {
    static ROOTS: OnceLock<Roots> = OnceLock::new();
    ROOTS.get_or_init(|| roots_of(rustls_native_certs::load_native_certs().certs))
}

fn roots_of(certificates: Vec<CertificateDer<'static>>) -> Roots {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    Arc::new(roots)
}

/// Makes clients that bring their own TLS: no library of the process is asked to choose one.
#[derive(Debug)]
struct Connector(Roots);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let client = self.client(plain).map_err(|source| object_store::Error::Generic {
            store: "client",
            source,
        })?;
        Ok(HttpClient::new(client))
    }
}

impl Connector {
    fn client(&self, plain: bool) -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent("weir-backup")
            .https_only(!plain)
            .no_proxy()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(SILENT_FOR)
            .build()?;
        Ok(client)
    }
}

/// A client that speaks without TLS too.
#[cfg(test)]
pub(crate) fn plain_client() -> reqwest::Client {
    Connector(roots_of(Vec::new())).client(true).unwrap()
}

#[cfg(test)]
mod tests;
