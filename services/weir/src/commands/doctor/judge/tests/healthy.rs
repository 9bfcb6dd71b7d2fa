//! Facts of a set-up in which nothing is wrong. Pure.

use std::time::Duration;

use super::super::super::facts::*;

/// 21 September 2026.
pub(super) const NOW_MS: i64 = 1_790_000_000_000;
pub(super) const HOUR_MS: i64 = 3_600_000;

/// Where the gateway stands among the services.
pub(super) const GATEWAY: usize = 0;

fn healthy_settings() -> Vec<(&'static str, &'static str)> {
    vec![
        ("wal_level", "logical"),
        ("max_replication_slots", "10"),
        ("max_wal_senders", "10"),
        ("max_connections", "200"),
        ("superuser_reserved_connections", "3"),
        ("track_io_timing", "on"),
        ("track_activity_query_size", "16384"),
        ("archive_mode", "off"),
        ("archive_command", ""),
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "600000"),
        ("ssl", "on"),
        ("password_encryption", "scram-sha-256"),
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("autovacuum", "on"),
        ("compute_query_id", "auto"),
        ("shared_preload_libraries", "pg_stat_statements"),
    ]
}

fn healthy_server() -> Server {
    let there = |version: &str| Extension {
        available: Some(version.to_owned()),
        installed: Some(version.to_owned()),
    };
    let extensions = [
        ("pg_stat_statements", "1.10"),
        ("pgstattuple", "1.5"),
        ("pg_repack", "1.5.2"),
    ];
    let settings = healthy_settings().into_iter();
    let seen = Seen {
        version: 150_020,
        clock: Some(ClockGap {
            ahead_ms: 3,
            give_or_take_ms: 2,
        }),
        role: Role {
            name: "weir".to_owned(),
            replicates: true,
            sees_stats: true,
            sees_settings: true,
            signals: true,
            reads_logins: true,
            begins_backups: true,
            tables: 12,
            ..Role::default()
        },
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        connections: 20,
        extensions: extensions
            .map(|(name, version)| (name.to_owned(), there(version)))
            .into(),
        slots: vec![Slot {
            name: "weir_backup".to_owned(),
            is_active: true,
            wal_status: "reserved".to_owned(),
            retained_bytes: 16 << 20,
        }],
        is_encrypted: true,
        certificate_until_ms: Some(NOW_MS + 200 * 24 * HOUR_MS),
        ..Seen::default()
    };
    Server {
        place: "db:5432".to_owned(),
        is_local: false,
        duty: Duty::Main,
        seen: Ok(seen),
    }
}

fn healthy_service(name: &'static str) -> Service {
    let report = Report {
        ready: true,
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        descriptors_max: Some(65_536),
        clock: Some(ClockGap {
            ahead_ms: 400,
            give_or_take_ms: 501,
        }),
        ..Report::default()
    };
    Service {
        name,
        grpc: "127.0.0.1:7001".to_owned(),
        serves: Ok(()),
        ops: "127.0.0.1:8001".to_owned(),
        report: Ok(report),
    }
}

fn healthy_wishes() -> Wanted {
    Wanted {
        is_development: false,
        pool_max: 30,
        store_connections: 65,
        clients_max: 20_000,
        statement_timeout: Duration::from_secs(15),
        acquire_timeout: Duration::from_secs(60),
        idle_in_transaction_timeout: Duration::from_secs(300),
        slow_query_threshold: Duration::from_secs(1),
        caches: true,
        followed: 1,
        backups: BackupWish {
            enabled: true,
            repositories: 1,
            encrypted: true,
            takes_log: true,
            has_archive_directory: false,
            has_scratch_directory: true,
            scheduled: true,
        },
        has_auth_query: false,
        channels: 1,
        looks: Vec::new(),
        open_doors: Vec::new(),
    }
}

fn healthy_backups() -> Backups {
    Backups {
        repositories: vec![Repository {
            name: "near".to_owned(),
            reachable: true,
            backups: 9,
            ..Repository::default()
        }],
        last_ms: Some(NOW_MS - 3 * HOUR_MS),
        proven_ms: Some(NOW_MS - 24 * HOUR_MS),
        log: vec![Log {
            cluster: "main".to_owned(),
            exposure_ms: 200,
            exposure_max_ms: 30_000,
            ..Log::default()
        }],
        ..Backups::default()
    }
}

pub(super) fn healthy() -> Facts {
    let schema = Schema {
        name: "weir_monitor",
        exists: true,
        usable: true,
        ..Schema::default()
    };
    Facts {
        wanted: healthy_wishes(),
        refused: Vec::new(),
        here: Here {
            unix_ms: NOW_MS,
            descriptors_max: Some(65_536),
        },
        services: ["pool-gateway", "query-monitor", "backup"].map(healthy_service).into(),
        servers: vec![healthy_server()],
        store: Store {
            place: "db:5432".to_owned(),
            seen: Ok(StoreSeen {
                role: "weir".to_owned(),
                database: "app".to_owned(),
                may_create: true,
                schemas: vec![schema],
            }),
        },
        bus: Bus::Nats {
            place: "nats://bus:4222".to_owned(),
            reached: Ok(Some(ClockGap {
                ahead_ms: -5,
                give_or_take_ms: 3,
            })),
        },
        redis: Some(Ok(())),
        disks: vec![Disk {
            path: "/srv/backups".to_owned(),
            holds: "the repository near".to_owned(),
            space: Ok(Space {
                total_bytes: 1 << 40,
                available_bytes: 1 << 39,
            }),
        }],
        certificates: vec![Certificate {
            setting: "gateway.tls_certificate",
            path: "/etc/weir/door.pem".to_owned(),
            until_ms: Ok(NOW_MS + 90 * 24 * HOUR_MS),
        }],
        channels: Ok(vec![Channel {
            name: "team".to_owned(),
            last_success_unix_ms: NOW_MS - HOUR_MS,
            ..Channel::default()
        }]),
        backups: Ok(healthy_backups()),
        keys: vec![Key {
            repository: "near".to_owned(),
            path: "/etc/weir/backup.key".to_owned(),
            file: Ok(KeyFile {
                mode: 0o600,
                is_beside_backups: false,
            }),
        }],
    }
}
