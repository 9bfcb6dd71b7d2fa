//! One frozen sample of each event, as its first version was published.
//!
//! The bytes are in `snapshots/<domain>.<event>.v1.hex`, written by another protobuf implementation.

use weir_proto::common::v1 as common;
use weir_proto::events::v1 as messages;

use crate::catalogue::{ALL, Payload};

const NEVER_CHANGE: &str = "this event was published like that, and messages like it lie in streams and are read by programs \
                            that we do not see. Never change a snapshot or its sample: put the field back as it was and add a \
                            new one. If the meaning must change, make a new event in weir.events.v2";

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const FINGERPRINT: &str = "aaaaaaaaaaaaaaaa";
const AT_MS: i64 = 1_763_719_200_123;

fn text(value: &str) -> String {
    value.to_owned()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Reads a snapshot, compares it with the sample, and writes it again. Returns the event that it is of.
#[track_caller]
fn frozen<M: Payload + PartialEq + std::fmt::Debug>(hex: &str, sample: &M) -> &'static str {
    let bytes = unhex(hex);
    let suffix = M::KIND.suffix;
    let read = M::decode(bytes.as_slice()).unwrap_or_else(|error| panic!("{suffix}: {error}: {NEVER_CHANGE}"));
    assert!(
        read == *sample,
        "{suffix} reads as\n{read:?}\nand no longer as\n{sample:?}\n{NEVER_CHANGE}"
    );
    assert!(
        read.encode_to_vec() == bytes,
        "{suffix} is written differently: {NEVER_CHANGE}"
    );
    suffix
}

macro_rules! snapshot {
    ($suffix:literal, $sample:expr) => {{
        let suffix = frozen(include_str!(concat!("../snapshots/", $suffix, ".v1.hex")), &$sample);
        assert_eq!(suffix, $suffix);
        suffix
    }};
}

#[test]
fn every_event_is_read_and_written_as_ever() {
    let frozen = [
        snapshot!("query.executed", query_batch()),
        snapshot!("pool.state", pool_state()),
        snapshot!("statistics.counted", statistics_counted()),
        snapshot!("cache.invalidated", cache_invalidated()),
        snapshot!("cache.counted", cache_counted()),
        snapshot!("alert.firing", alert_firing()),
        snapshot!("alert.resolved", alert_resolved()),
        snapshot!("job.requested", job_requested()),
        snapshot!("job.started", job_started()),
        snapshot!("job.progress", job_progress()),
        snapshot!("job.succeeded", job_succeeded()),
        snapshot!("job.failed", job_failed()),
        snapshot!("security.violation", security_violation()),
    ];
    let published: Vec<_> = ALL.iter().map(|kind| kind.suffix).collect();
    assert_eq!(
        frozen.as_slice(),
        published,
        "each event of the catalogue has a snapshot"
    );
}

fn query_batch() -> messages::QueryBatch {
    messages::QueryBatch {
        instance: text(ID),
        sequence: 42,
        dropped_total: 7,
        project: text("shop"),
        events: vec![update(), select()],
        shapes: vec![messages::QueryShape {
            fingerprint: 0xaaaa_aaaa_aaaa_aaaa,
            text: text("update orders set state = $1 where id = $2"),
            kind: common::StatementKind::Update.into(),
            writes: true,
        }],
        ..messages::QueryBatch::default()
    }
}

fn update() -> messages::QueryExecuted {
    messages::QueryExecuted {
        fingerprint: 0xaaaa_aaaa_aaaa_aaaa,
        text_hash: 0x1234_5678_9abc_def0,
        database: text("orders"),
        user: text("app"),
        application: text("web"),
        kind: common::StatementKind::Update.into(),
        writes: true,
        started_unix_ms: AT_MS,
        queue_wait_us: 150,
        server_us: 2_400,
        drain_us: 30,
        rows: 3,
        bytes_in: 120,
        bytes_out: 64,
        sqlstate: text("40001"),
        cache: messages::CacheOutcome::Bypass.into(),
        upstream: text("main"),
        traceparent: text(TRACE),
        door: messages::Door::Wire.into(),
    }
}

fn select() -> messages::QueryExecuted {
    messages::QueryExecuted {
        fingerprint: 1,
        database: text("orders"),
        user: text("app"),
        kind: common::StatementKind::Select.into(),
        started_unix_ms: AT_MS + 1,
        cache: messages::CacheOutcome::Hit.into(),
        upstream: text("main"),
        door: messages::Door::Grpc.into(),
        ..messages::QueryExecuted::default()
    }
}

fn pool_state() -> messages::PoolState {
    let pool = common::Pool {
        upstream: text("main"),
        database: text("orders"),
        role: text("app"),
        total: 8,
        idle: 3,
        active: 5,
        waiting: 2,
        max: 12,
        min: 3,
        opened_total: 20,
        closed_total: 12,
    };
    messages::PoolState {
        instance: text(ID),
        at_unix_ms: AT_MS,
        pools: vec![pool],
        ..messages::PoolState::default()
    }
}

fn statistics_counted() -> messages::StatisticsCounted {
    let line = messages::StatisticsLine {
        span_unix_ms: 1_763_719_200_000,
        database: text("orders"),
        fingerprint: 0xaaaa_aaaa_aaaa_aaaa,
        sums: (1..=11).collect(),
        max_us: 1_500_000,
        first_seen_unix_ms: AT_MS,
        last_seen_unix_ms: AT_MS + 9,
        detail: vec![1, 0, 0, 0, 0, 0].into(),
        traceparent: text(TRACE),
    };
    let gateway = messages::GatewayCounted {
        instance: text(ID),
        first_sequence: 1,
        events_before_first: 0,
        last_sequence: 42,
        events_through_last: 900,
        batches: 40,
        events: 880,
        dropped: 7,
        heard_unix_ms: AT_MS,
    };
    messages::StatisticsCounted {
        monitor: text("monitor-1"),
        project: text("shop"),
        batch: 3,
        lines: vec![line],
        gateways: vec![gateway],
        shapes: Vec::new(),
    }
}

fn cache_invalidated() -> messages::CacheInvalidated {
    messages::CacheInvalidated {
        epoch: text("7301-1-1763719000-4"),
        sequence: 9,
        upstream: text("main"),
        database: text("orders"),
        applied_lsn: 26_476_648,
        visible_lsn: 26_476_500,
        kill_lsn: 26_000_000,
        tags: vec![messages::InvalidatedTag {
            tag: 0x1234_5678_9abc_def0,
            commit_lsn: 26_476_640,
            relation: text("public.orders"),
            columns: vec![text("id"), text("tenant")],
        }],
        policy_generation: 0,
        received_unix_us: 0,
    }
}

fn cache_counted() -> messages::CacheCounted {
    let line = messages::CacheLine {
        fingerprint: 0xaaaa_aaaa_aaaa_aaaa,
        database: text("orders"),
        serial: 3,
        counts: Some(cache_counts()),
        standing: messages::CacheStanding::Trial.into(),
        policy_id: text("file/shop/project"),
        text: text("select state from orders where id = $1"),
    };
    messages::CacheCounted {
        instance: text(ID),
        at_unix_ms: AT_MS,
        serial: 2,
        totals: Some(cache_counts()),
        bypass_ms_total: 1_500,
        lines: vec![line],
        leaving: true,
    }
}

fn cache_counts() -> messages::CacheCounts {
    let reasons = |names: [&str; 2]| names.map(|name| (text(name), 300)).into();
    messages::CacheCounts {
        hits_memory_total: 1,
        hits_shared_total: 2,
        hit_us_total: 3,
        misses_total: reasons(["absent", "invalidated"]),
        miss_us_total: 5,
        overhead_us_total: 6,
        bypasses_total: reasons(["gap", "policy"]),
        fills_total: 8,
        fill_bytes_total: 9,
        fills_refused_total: reasons(["budget", "too_large"]),
        evictions_total: 11,
        entries: 12,
        bytes: 13,
        saved_us_total: -14,
        dry_hits_total: 15,
        dry_hit_us_total: 16,
        dry_misses_total: 17,
        dry_miss_us_total: 18,
        dry_overhead_us_total: 19,
        would_have_saved_us_total: 20,
    }
}

fn labels() -> std::collections::BTreeMap<String, String> {
    [("database", "orders"), ("upstream", "main")]
        .map(|(name, value)| (text(name), text(value)))
        .into()
}

fn alert_firing() -> messages::AlertFiring {
    messages::AlertFiring {
        id: text(ID),
        rule: text("slow-query"),
        severity: common::Severity::Warning.into(),
        project: text("shop"),
        labels: labels(),
        summary: text("a statement took 1500 ms in database orders"),
        value: 1_500.5,
        threshold: 1_000.0,
        since_unix_ms: AT_MS,
        fingerprint: text(FINGERPRINT),
        runbook: text("docs/runbooks/slow-query.md"),
        traceparent: text(TRACE),
    }
}

fn alert_resolved() -> messages::AlertResolved {
    messages::AlertResolved {
        id: text(ID),
        rule: text("slow-query"),
        project: text("shop"),
        labels: labels(),
        since_unix_ms: AT_MS,
        resolved_unix_ms: AT_MS + 300_000,
        fingerprint: text(FINGERPRINT),
    }
}

fn job_requested() -> messages::JobRequested {
    messages::JobRequested {
        job_id: text(ID),
        project: text("shop"),
        operation: text("analyze"),
        parameters_json: text(r#"{"table":"public.orders"}"#),
        requested_by: text("schedule"),
        schedule_id: text("01890a5d-ac96-774b-bcce-b302099a8058"),
        dry_run: true,
        deadline_unix_ms: 1_763_722_800_000,
        attempt_max: 3,
        window_ends_unix_ms: 0,
        outside_window: false,
    }
}

fn job_started() -> messages::JobStarted {
    messages::JobStarted {
        job_id: text(ID),
        project: text("shop"),
        operation: text("analyze"),
        worker: text("maintenance-1"),
        attempt: 2,
        started_unix_ms: AT_MS,
    }
}

fn job_progress() -> messages::JobProgress {
    messages::JobProgress {
        job_id: text(ID),
        project: text("shop"),
        operation: text("analyze"),
        progress: Some(common::Progress {
            done: 3,
            total: 10,
            note: text("public.orders"),
        }),
    }
}

fn job_succeeded() -> messages::JobSucceeded {
    messages::JobSucceeded {
        job_id: text(ID),
        project: text("shop"),
        operation: text("analyze"),
        effect_json: text(r#"{"analyzed":1}"#),
        attempts: 2,
        ended_unix_ms: AT_MS + 333,
    }
}

fn job_failed() -> messages::JobFailed {
    messages::JobFailed {
        job_id: text(ID),
        project: text("shop"),
        operation: text("analyze"),
        error: text("canceling statement due to lock timeout"),
        slug: text("lock-timeout"),
        attempts: 3,
        r#final: true,
        cancelled: true,
        ended_unix_ms: AT_MS + 333,
    }
}

fn security_violation() -> messages::SecurityViolation {
    messages::SecurityViolation {
        project: text("shop"),
        rule: text("stacked-statements"),
        action: messages::ViolationAction::Blocked.into(),
        severity: common::Severity::Critical.into(),
        upstream: text("main"),
        database: text("orders"),
        user: text("app"),
        application: text("web"),
        client: text("127.0.0.1"),
        door: messages::Door::Wire.into(),
        fingerprint: text(FINGERPRINT),
        summary: text("two statements in one text"),
        at_unix_ms: AT_MS,
        traceparent: text(TRACE),
        ..messages::SecurityViolation::default()
    }
}
