//! The `[monitor]` section.

use std::net::SocketAddr;
use std::time::Duration;

use weir_config::{Error, Origin, Sources, Tables};

use crate::alert::deliver::{self, FileChannel};

weir_config::section! {
    /// Query statistics and alerts.
    pub struct MonitorSettings("monitor") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7002",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8002",
        /// A statement that takes at least this long is slow.
        slow_query_threshold: Duration = "1s", also ["SLOW_QUERY_THRESHOLD_MS" in "ms"],
        /// A slow-query alert is resolved when no slow statement of its shape was seen for this long.
        slow_query_resolve_after: Duration = "5m",
        /// Distinct shapes (project, database, fingerprint) that are kept; the rest is counted together under fingerprint zero.
        shapes_max: usize = "50000",
        /// Who is told of alerts: tables with name, kind (webhook, slack, email, pagerduty or alertmanager), url, or smtp, from and to, and optionally token, secret, user, password (each also as `…_file` or `…_variable`), severities, projects, rules, send_resolved, timeout, group_interval, repeat_interval, give_up_after, proxy, ca_file. See docs/guides/notifications.md.
        channels: Tables<FileChannel> = "[]",
        /// Where the console is, for links to alerts and statements.
        links_base: Option<String> = weir_config::unset(),
        /// Where the documentation is, for links to runbooks.
        docs_base: Option<String> = weir_config::unset(),
        /// Where a trace is shown: a URL with `{trace_id}` in it.
        trace_url: Option<String> = weir_config::unset(),
    }
}

/// Validates the section as the start would.
pub fn check(sources: &Sources) -> Result<MonitorSettings, Error> {
    let settings: MonitorSettings = sources.section()?;
    let wrong = |key, reason: &str| Err(Error::invalid(key, Origin::File, reason));
    if settings.slow_query_threshold.is_zero() {
        return wrong("monitor.slow_query_threshold", "zero would make every statement slow");
    }
    if settings.slow_query_resolve_after.is_zero() {
        return wrong(
            "monitor.slow_query_resolve_after",
            "zero would resolve an alert while it is told",
        );
    }
    if settings.shapes_max == 0 {
        return wrong("monitor.shapes_max", "at least one must fit");
    }
    deliver::check(&settings, sources)?;
    Ok(settings)
}
