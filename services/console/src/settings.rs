//! The `[console]` section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use weir_config::{Error, Origin, Sources, Texts, unset};
use weir_runtime::{Ground, Stage};

weir_config::section! {
    /// REST, the live stream and the dashboard.
    pub struct ConsoleSettings("console") {
        /// Where REST, the dashboard, health and metrics are served.
        listen: SocketAddr = "127.0.0.1:8080",
        /// The certificate (PEM, with those above it) that the port encrypts with; needs `tls_key`. TLS 1.2 or later, HTTP/2 and HTTP/1.1. A renewed file is taken over by itself within half a minute. Without it: plain HTTP, which production refuses beyond loopback.
        tls_certificate: Option<PathBuf> = unset(),
        /// Its key (PEM).
        tls_key: Option<PathBuf> = unset(),
        /// Authorities (PEM) that the command line trusts beside the system's, where it asks the console at `url`.
        tls_authority: Option<PathBuf> = unset(),
        /// Where callers reach the console, such as `https://weir.example:8080`; the command line asks there. Unset: where it listens, on this machine.
        url: Option<String> = unset(),
        /// Connections at once. More wait until one ends.
        connections_max: usize = "4096",
        /// Where the pool gateway's gRPC is. Unset, as with the next five: where the settings have that service listen, on this machine.
        gateway_url: Option<String> = unset(),
        /// Where the query monitor's gRPC is.
        monitor_url: Option<String> = unset(),
        /// Where the cache service's gRPC is.
        cache_url: Option<String> = unset(),
        /// Where the scheduler's gRPC is.
        scheduler_url: Option<String> = unset(),
        /// Where maintenance's gRPC is.
        maintenance_url: Option<String> = unset(),
        /// Where the backup service's gRPC is.
        backup_url: Option<String> = unset(),
        /// Where the pool gateway's health and metrics are. Unset, as with the next five: where the settings have that service listen, on this machine.
        gateway_ops_url: Option<String> = unset(),
        /// Where the query monitor's health and metrics are.
        monitor_ops_url: Option<String> = unset(),
        /// Where the cache service's health and metrics are.
        cache_ops_url: Option<String> = unset(),
        /// Where the scheduler's health and metrics are.
        scheduler_ops_url: Option<String> = unset(),
        /// Where maintenance's health and metrics are.
        maintenance_ops_url: Option<String> = unset(),
        /// Where the backup service's health and metrics are.
        backup_ops_url: Option<String> = unset(),
        /// Where the pool gateway speaks PostgreSQL, such as `gateway:6432`; the benchmark asks there. Unset: where the settings have it listen, on this machine.
        gateway_wire: Option<String> = unset(),
        /// Longest wait for the answer of another service.
        call_timeout: Duration = "10s",
        /// Pages of other origins that may call, such as `https://app.example`. None: only the console's own.
        cors_origins: Texts = "",
        /// Calls that one caller may make each second; a fifth of a minute's worth may come at once. More are told to wait.
        requests_per_second: u32 = "50",
        /// Viewers of the live stream at once. More are told to come again.
        viewers_max: u32 = "2000",
        /// Whether a token of a project may have statements explained. That is done as the monitor's role, whose rights may reach beyond the project.
        explain_for_projects: bool = "false",
        /// For how long what was asked of the console is kept in the audit.
        audit_keep: Duration = "90d",
        /// For how long broken rules are kept.
        violations_keep: Duration = "90d",
        /// Most broken rules of one project that are kept; the oldest go first.
        violations_max: u32 = "100000",
        /// How often every service and dependency is asked how it is.
        health_every: Duration = "3s",
    }
}

impl ConsoleSettings {
    /// Where the gateway speaks PostgreSQL.
    pub(crate) fn door(&self, sources: &Sources) -> Result<String, Error> {
        if let Some(door) = &self.gateway_wire {
            return Ok(door.clone());
        }
        let listens: Option<SocketAddr> = sources.of_another("gateway", "wire_listen")?;
        let usual = SocketAddr::from(([127, 0, 0, 1], 6432));
        Ok(crate::services::reachable(listens.unwrap_or(usual)).to_string())
    }
}

/// Settings that are taken over while the console runs.
const RELOADED: [&str; 5] = [
    "console.cors_origins",
    "console.viewers_max",
    "console.explain_for_projects",
    "console.audit_keep",
    "console.health_every",
];

/// The settings from now on.
pub(crate) fn follow(ground: &Ground, settings: ConsoleSettings) -> watch::Receiver<Arc<ConsoleSettings>> {
    let (say, now) = watch::channel(Arc::new(settings));
    let mut reloads = ground.reloads.clone();
    ground.tasks.spawn(Stage::Work, "console settings", |stop| async move {
        while let Some(Ok(())) = stop.run_until_cancelled(reloads.changed()).await {
            // A reload that does not pass the check never gets here.
            if let Ok(settings) = check(&reloads.borrow_and_update()) {
                say.send_replace(Arc::new(settings));
            }
        }
        stop.cancelled().await;
        Ok(())
    });
    now
}

/// Whether a reload takes a setting over.
pub(crate) fn reloads(key: &str) -> bool {
    RELOADED.contains(&key)
}

/// Validates the section as the start would.
pub fn check(sources: &Sources) -> Result<ConsoleSettings, Error> {
    let settings: ConsoleSettings = sources.section()?;
    let wrong = |key: &str, reason: String| Error::invalid(format!("console.{key}"), Origin::File, reason);
    if settings.requests_per_second == 0 {
        return Err(wrong("requests_per_second", "0 would let nobody in".to_owned()));
    }
    if settings.call_timeout.is_zero() {
        return Err(wrong("call_timeout", "no service answers in no time".to_owned()));
    }
    if !(Duration::from_millis(500)..=Duration::from_secs(60)).contains(&settings.health_every) {
        return Err(wrong("health_every", "it takes 500ms to 60s".to_owned()));
    }
    if settings.violations_max == 0 {
        return Err(wrong("violations_max", "0 would keep none".to_owned()));
    }
    if settings.connections_max == 0 {
        return Err(wrong("connections_max", "0 would let nobody in".to_owned()));
    }
    if let Some(url) = &settings.url
        && !url.starts_with("https://")
        && !url.starts_with("http://")
    {
        return Err(wrong("url", format!("{url:?} does not begin with http:// or https://")));
    }
    crate::http::encryption(&settings)?;
    for origin in &settings.cors_origins.0 {
        check_origin(origin).map_err(|reason| wrong("cors_origins", reason))?;
    }
    crate::services::Services::check(&settings, sources)?;
    Ok(settings)
}

fn check_origin(origin: &str) -> Result<(), String> {
    let rest = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
        .ok_or_else(|| format!("{origin:?} does not begin with http:// or https://"))?;
    if rest.is_empty() || rest.contains(['/', '*', ' ', '?', '#', '@']) {
        return Err(format!("{origin:?} is not an origin such as https://app.example:8443"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<ConsoleSettings, Error> {
        let variable = (format!("WEIR_CONSOLE__{name}"), value.to_owned());
        check(&Sources::load(None, [variable]).unwrap())
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert!(set("CORS_ORIGINS", "https://app.example; http://localhost:5173").is_ok());
        for (name, value) in [
            ("CORS_ORIGINS", "*"),
            ("CORS_ORIGINS", "https://app.example/"),
            ("REQUESTS_PER_SECOND", "0"),
            ("CALL_TIMEOUT", "0s"),
            ("VIOLATIONS_MAX", "0"),
            ("HEALTH_EVERY", "100ms"),
            ("CONNECTIONS_MAX", "0"),
            ("URL", "weir.example"),
            ("TLS_CERTIFICATE", "/nowhere.pem"),
            ("TLS_KEY", "/nowhere.key"),
            ("MONITOR_URL", "no where"),
            ("BACKUP_OPS_URL", "ftp://x"),
        ] {
            let error = set(name, value).unwrap_err().to_string();
            assert!(error.contains(&format!("console.{}", name.to_lowercase())), "{error}");
        }
    }
}
