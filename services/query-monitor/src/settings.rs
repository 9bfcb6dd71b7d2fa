//! The `[monitor]` section.

use std::net::SocketAddr;
use std::time::Duration;

use weir_config::{Error, Origin, Sources, Tables, Texts};

use crate::aggregate::{Bounds, Retention};
use crate::alert::Said;
use crate::alert::deliver::{self, FileChannel};
use crate::detect::{Objective, Objectives, RulePatch};
use crate::observe::trends::RECORDED;

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
        /// A statement that takes longer than this misses its target. Percentiles and objectives are judged by it.
        latency_target: Duration = "100ms",
        /// Distinct shapes (project, database, fingerprint) that are told apart in one span of time; the rarest beyond
        /// it are counted together under fingerprint zero.
        shapes_max: usize = "50000",
        /// How often statistics are written into the store. A monitor that is killed loses what it counted since, and
        /// says how much that was.
        flush_every: Duration = "10s",
        /// How often one of the monitors puts fine statistics together into coarse ones, and drops old ones.
        tidy_every: Duration = "15s",
        /// How long statistics are kept by ten seconds.
        keep_seconds: Duration = "2h",
        /// How long they are kept by the minute.
        keep_minutes: Duration = "2d",
        /// How long they are kept by the hour.
        keep_hours: Duration = "60d",
        /// How long they are kept by the day.
        keep_days: Duration = "800d",
        /// What is different in the rules of alerts, and rules of your own: tables with name, and optionally project, enabled, metric, labels, direction (above or below), info, warning and critical with the same and _clear, severity, for, keep_firing_for, summary, runbook, inhibits. See docs/guides/alerts.md.
        rules: Tables<RulePatch> = "[]",
        /// Service-level objectives: tables with project (* for all others), availability in per cent, and optionally latency (a duration) and latency_share in per cent. A project without one is promised an availability of 99.9 %.
        objectives: Tables<Objective> = "[]",
        /// Who is told of alerts: tables with name, kind (webhook, slack, email, pagerduty or alertmanager), url, or smtp, from and to, and optionally token, secret, user, password (each also as `…_file` or `…_variable`), severities, projects, rules, send_resolved, timeout, group_interval, repeat_interval, give_up_after, proxy, ca_file. See docs/guides/notifications.md.
        channels: Tables<FileChannel> = "[]",
        /// Where the console is, for links to alerts and statements.
        links_base: Option<String> = weir_config::unset(),
        /// Where the documentation is, for links to runbooks.
        docs_base: Option<String> = weir_config::unset(),
        /// Where a trace is shown: a URL with `{trace_id}` in it.
        trace_url: Option<String> = weir_config::unset(),
        /// Longest time for the analysis of one statement, and for one whose caller names none.
        explain_timeout: Duration = "30s",
        /// Analyses that run at once; one more is refused.
        explain_concurrency: usize = "2",
        /// Whether plans of slow statements are captured by themselves. They are never run for it.
        plan_capture: bool = "true",
        /// The plan of one shape is captured at most once in this time.
        plan_capture_every: Duration = "10m",
        /// Plans of all shapes that are captured at most in a minute.
        plan_capture_per_minute: usize = "6",
        /// Longest time for one such plan.
        plan_capture_timeout: Duration = "5s",
        /// How long a captured plan is kept after it was last seen.
        plans_keep: Duration = "14d",
        /// Captured plans that are kept; beyond, the oldest go.
        plans_max: usize = "10000",
        /// Whether the servers themselves are asked how they are, on direct connections: that of `database.url` and its replicas. docs/guides/server-view.md says what is read. A change takes a restart, as do the next three.
        server_watch: bool = "true",
        /// The replicas that are watched beside it (`host:port`, divided by commas); those of `gateway.replicas` without it.
        server_replicas: Option<String> = weir_config::unset(),
        /// What all questions together may cost each server, in per cent of one core; they are asked less often where they would cost more.
        server_cpu_percent: f64 = "1",
        /// Paths of this machine whose disks are watched, one on each. The disk with the data of a server on this machine is found without.
        disks: weir_config::Texts = "",
        /// Figures that are recorded over time, by name; trends and forecasts are found in them. Changes on reload.
        recorded: Texts = RECORDED,
        /// How often they are recorded.
        record_every: Duration = "1m",
        /// How long they are kept as they were recorded; after that, by hours.
        record_keep: Duration = "3d",
        /// How long they are kept by hours, and changes of latency with them.
        record_keep_hours: Duration = "400d",
        /// Series that are recorded at most: a figure of one database or disk is one. Those beyond are left out and counted.
        series_max: usize = "500",
        /// How often it is worked out anew when disks and transaction ids run out.
        forecast_every: Duration = "10m",
        /// How often the latencies of the heaviest shapes are searched for changes. Changes on reload.
        changes_every: Duration = "5m",
        /// How many of the heaviest shapes are searched; 0: none. Changes on reload.
        changes_shapes: usize = "200",
        /// The OTLP/gRPC collector that receives the durations of statements as metrics, such as `http://127.0.0.1:4317`. Without it none are sent; they are on `/metrics` all the same.
        otlp_endpoint: Option<String> = weir_config::unset(), also ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" in ""],
        /// How often they are sent.
        otlp_every: Duration = "1m", also ["OTEL_METRIC_EXPORT_INTERVAL" in "ms"],
    }
}

impl MonitorSettings {
    /// The bounds of the statistics.
    pub(crate) fn bounds(&self) -> Bounds {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Bounds {
            shapes_max: self.shapes_max,
            slow_from_us: micros(self.slow_query_threshold),
            late_from_us: micros(self.latency_target),
            objectives: Objectives::new(self.objectives.0.clone()),
        }
    }

    /// How long statistics are kept.
    pub(crate) const fn retention(&self) -> Retention {
        Retention {
            seconds: self.keep_seconds,
            minutes: self.keep_minutes,
            hours: self.keep_hours,
            days: self.keep_days,
        }
    }
}

/// Settings that are taken over while the monitor runs.
const RELOADED: [&str; 23] = [
    "monitor.slow_query_threshold",
    "monitor.slow_query_resolve_after",
    "monitor.latency_target",
    "monitor.rules",
    "monitor.objectives",
    "monitor.channels",
    "monitor.links_base",
    "monitor.docs_base",
    "monitor.trace_url",
    "monitor.plan_capture",
    "monitor.plan_capture_every",
    "monitor.plan_capture_per_minute",
    "monitor.plan_capture_timeout",
    "monitor.plans_keep",
    "monitor.plans_max",
    "monitor.recorded",
    "monitor.record_every",
    "monitor.record_keep",
    "monitor.record_keep_hours",
    "monitor.series_max",
    "monitor.forecast_every",
    "monitor.changes_every",
    "monitor.changes_shapes",
];

/// Whether a reload takes a setting over.
pub(crate) fn reloads(key: &str) -> bool {
    RELOADED.contains(&key)
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
    for (key, time) in [
        ("monitor.flush_every", settings.flush_every),
        ("monitor.tidy_every", settings.tidy_every),
        ("monitor.latency_target", settings.latency_target),
    ] {
        if time.is_zero() {
            return wrong(key, "it must be longer than nothing");
        }
    }
    check_retention(&settings)?;
    if settings.shapes_max == 0 {
        return wrong("monitor.shapes_max", "at least one must fit");
    }
    Said::check(&settings)?;
    deliver::check(&settings, sources)?;
    crate::observe::explain::check(&settings, sources)?;
    if !(settings.server_cpu_percent > 0.0 && settings.server_cpu_percent <= 100.0) {
        return wrong("monitor.server_cpu_percent", "give more than 0 and at most 100");
    }
    crate::observe::server::upstreams(sources, &settings)?;
    crate::observe::trends::check(&settings)?;
    crate::feed::check(&settings)?;
    Ok(settings)
}

/// Rows of a level are gone only when those of the next have long been made of them.
fn check_retention(settings: &MonitorSettings) -> Result<(), Error> {
    let kept = [
        ("monitor.keep_seconds", settings.keep_seconds, 600),
        ("monitor.keep_minutes", settings.keep_minutes, 3 * 3_600),
        ("monitor.keep_hours", settings.keep_hours, 3 * 86_400),
        ("monitor.keep_days", settings.keep_days, 3 * 86_400),
    ];
    for (key, kept, seconds_min) in kept {
        if kept < Duration::from_secs(seconds_min) {
            let reason = format!("at least {seconds_min} seconds are needed to make the coarser statistics");
            return Err(Error::invalid(key, Origin::File, &reason));
        }
    }
    Ok(())
}
