//! The `[console]` section.

use std::net::SocketAddr;
use std::time::Duration;

use weir_config::{Error, Origin, Sources, Texts, unset};

weir_config::section! {
    /// REST, the live stream and the dashboard.
    pub struct ConsoleSettings("console") {
        /// Where REST, the dashboard, health and metrics are served.
        listen: SocketAddr = "127.0.0.1:8080",
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
            ("HEALTH_EVERY", "100ms"),
            ("MONITOR_URL", "no where"),
            ("BACKUP_OPS_URL", "ftp://x"),
        ] {
            let error = set(name, value).unwrap_err().to_string();
            assert!(error.contains(&format!("console.{}", name.to_lowercase())), "{error}");
        }
    }
}
