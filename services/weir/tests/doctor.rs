//! `weir doctor` against real servers: faults are planted and found, and a good set-up has none.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::process::Command;
use weir_testkit::{Database, Nats, Postgres, PostgresOptions, World, eventually, free_port};

/// What a run of the doctor said.
struct Examined {
    code: Option<i32>,
    /// Name and subject, with the state and everything that was said.
    checks: BTreeMap<(String, String), (String, String)>,
}

impl Examined {
    fn read(code: Option<i32>, text: &str) -> Self {
        // The one line that says how it ended comes by another pipe, and may stand anywhere between.
        let said: String = text.lines().filter(|line| !line.starts_with("weir: ")).collect();
        let told: Json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {text}"));
        let part = |check: &Json, name: &str| check[name].as_str().unwrap().to_owned();
        let check = |check: &Json| {
            let said = format!("{} | {}", part(check, "found"), part(check, "mend"));
            (
                (part(check, "name"), part(check, "about")),
                (part(check, "state"), said),
            )
        };
        Self {
            code,
            checks: told["checks"].as_array().unwrap().iter().map(check).collect(),
        }
    }

    /// The worst state among the checks of a name, with what was said.
    fn of(&self, name: &str) -> (&str, &str) {
        let worst = ["problem", "warning", "note", "good", "skipped"];
        let named = self.checks.iter().filter(|((found, _), _)| found == name);
        let (_, (state, said)) = named
            .min_by_key(|(_, (state, _))| worst.iter().position(|known| known == state))
            .unwrap_or_else(|| panic!("there is no {name}: {:#?}", self.checks));
        (state, said)
    }

    fn at_least(&self, state: &str) -> Vec<String> {
        let bad: &[&str] = if state == "note" {
            &["note", "warning", "problem"]
        } else {
            &["warning", "problem"]
        };
        let found = self
            .checks
            .iter()
            .filter(|(_, (state, _))| bad.contains(&state.as_str()));
        found
            .map(|((name, about), said)| format!("{name} {about} {said:?}"))
            .collect()
    }
}

/// Runs the command with these settings alone.
async fn doctor(settings: &[(&str, &str)], arguments: &[&str]) -> Examined {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command
        .arg("doctor")
        .arg("--json")
        .args(arguments)
        .env_clear()
        .kill_on_drop(true);
    let output = command.envs(settings.iter().copied()).output().await.unwrap();
    Examined::read(output.status.code(), &String::from_utf8_lossy(&output.stdout))
}

/// Ports on which nobody listens, for every service.
fn nowhere() -> Vec<(String, String)> {
    let sections = ["GATEWAY", "MONITOR", "CACHE", "SCHEDULER", "MAINTENANCE", "BACKUP"];
    let doors = sections
        .iter()
        .flat_map(|section| [("GRPC", section), ("OPS", section)]);
    doors
        .map(|(door, section)| {
            (
                format!("WEIR_{section}__{door}_LISTEN"),
                format!("127.0.0.1:{}", free_port()),
            )
        })
        .collect()
}

fn pairs(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(format!("/tmp/weir-doctor-{name}-{}", free_port()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A role with what the guide says that Weir needs, and a database of its own.
async fn well_kept(postgres: &Postgres) -> Database {
    let database = postgres.database().await;
    let grants = "create role weir login replication;
        grant pg_monitor, pg_signal_backend, pg_stat_scan_tables to weir;";
    postgres.psql("postgres", grants).await;
    let own = format!("alter database {} owner to weir;", database.name());
    postgres.psql("postgres", &own).await;
    // Even of a catalogue that all databases share, rights are those of one database.
    let inside = "create extension pg_stat_statements; create extension pgstattuple; create extension pg_repack;
        grant select on pg_authid to weir;";
    database.psql(inside).await;
    database.psql("set role weir; create table orders (id bigint primary key); insert into orders select generate_series(1, 1000);").await;
    database
}

fn well_set() -> PostgresOptions {
    let settings = [
        ("wal_level", "logical"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("autovacuum", "on"),
        ("max_connections", "200"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("track_io_timing", "on"),
        ("track_activity_query_size", "16384"),
        ("idle_in_transaction_session_timeout", "10min"),
    ];
    let with = |options: PostgresOptions, (name, value): (&str, &str)| options.setting(name, value);
    settings.into_iter().fold(PostgresOptions::new().checksums(), with)
}

fn as_weir(url: &str) -> String {
    url.replace("postgres@", "weir@")
}

#[tokio::test]
async fn a_good_set_up_has_nothing_to_mend() {
    let postgres = well_set().start().await;
    let database = well_kept(&postgres).await;
    let scratch = Scratch::new("good");
    let key = format!("/dev/shm/weir-doctor-{}.key", free_port());
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let repositories = format!(
        r#"[{{ name = "near", url = "file://{}", key_file = "{key}" }}]"#,
        scratch.path("repository")
    );
    let world = World::new()
        .with("DATABASE_URL", &as_weir(&database.url()))
        .with("WEIR_GATEWAY__CACHE", "on")
        .with("WEIR_GATEWAY__CLIENTS_MAX", "100")
        .with("WEIR_BACKUP__REPOSITORIES", &repositories)
        .with("WEIR_BACKUP__SCRATCH_DIRECTORY", &scratch.path("scratch"))
        .up()
        .await;
    let taken = world
        .weir(&["backup", "create", "--kind", "full", "--checkpoint-now", "--wait"])
        .await;
    assert!(taken.succeeded, "{taken:?}");
    let examined = eventually(
        "the backup is proven, and the doctor is content",
        Duration::from_secs(35),
        async || {
            // How full the disks of this machine are is nothing that a test decides.
            let areas = "settings,service,server,role,extension,store,bus,certificate,alerts,backup";
            let said = world.weir(&["doctor", "--json", "--only", areas]).await;
            let examined = Examined::read(said.code, &said.text);
            match (examined.code, examined.of("backup.proven").0) {
                (Some(0), "good") => Ok(examined),
                _ => Err(format!("{:#?}", examined.at_least("warning"))),
            }
        },
    )
    .await;
    fs::remove_file(&key).unwrap();
    let allowed = ["alerts.channels"];
    let notes = examined.at_least("note");
    let unexpected = notes
        .iter()
        .filter(|note| !allowed.iter().any(|name| note.starts_with(name)));
    assert_eq!(unexpected.collect::<Vec<_>>(), Vec::<&String>::new());
    for name in [
        "service.version",
        "server.wal_level",
        "role.replication",
        "store.migrations",
        "backup.log",
        "backup.key",
    ] {
        assert_eq!(examined.of(name).0, "good", "{name}: {:?}", examined.of(name));
    }
    assert_eq!(
        examined
            .checks
            .keys()
            .filter(|(name, _)| name == "store.migrations")
            .count(),
        6
    );
}

#[tokio::test]
async fn faults_of_a_server_are_found_with_what_mends_them() {
    let faults = [
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("max_replication_slots", "0"),
        ("max_connections", "30"),
        ("autovacuum", "off"),
        ("password_encryption", "md5"),
        ("compute_query_id", "off"),
        ("statement_timeout", "5s"),
    ];
    let with = |options: PostgresOptions, (name, value): (&str, &str)| options.setting(name, value);
    let postgres = faults.into_iter().fold(PostgresOptions::new(), with).start().await;
    let database = postgres.database().await;
    postgres.psql("postgres", "create role weir login").await;
    database
        .psql("create table orders (id int); insert into orders values (1), (1);")
        .await;
    let broken = format!("revoke create, temporary on database {} from public;", database.name());
    postgres.psql("postgres", &broken).await;
    let url = as_weir(&database.url());
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("DB_POOL_MAX", "40"),
        ("WEIR_GATEWAY__CACHE", "on"),
        ("WEIR_PROFILE", "production"),
    ];
    let nowhere = nowhere();
    let settings: Vec<_> = settings.into_iter().chain(pairs(&nowhere)).collect();
    let examined = doctor(&settings, &["--only", "server,role,extension,store", "--timeout", "20"]).await;
    assert_eq!(examined.code, Some(1));
    for (name, state, said) in [
        ("server.wal_level", "problem", "wal_level = 'logical'"),
        ("server.replication_slots", "problem", "max_replication_slots"),
        ("server.wal_senders", "problem", "max_wal_senders"),
        ("server.connections", "problem", "room for 27 clients"),
        ("server.durability", "problem", "fsync"),
        ("server.autovacuum", "warning", "autovacuum = on"),
        ("server.passwords", "warning", "md5"),
        ("server.query_id", "warning", "compute_query_id"),
        ("server.checksums", "note", "pg_checksums"),
        ("server.statement_timeout", "note", "5 s"),
        ("role.monitor", "warning", "grant pg_monitor to \"weir\""),
        ("role.replication", "problem", "alter role \"weir\" replication"),
        ("role.logins", "problem", "gateway.auth_query"),
        ("role.signal", "note", "pg_signal_backend"),
        ("role.tables", "warning", "1 of 1 tables"),
        ("extension.pg_stat_statements", "warning", "create extension"),
        ("store.schema", "problem", "grant create on database"),
    ] {
        let (found, text) = examined.of(name);
        assert_eq!(found, state, "{name}: {text}");
        assert!(text.contains(said), "{name}: {text}");
    }
    assert_eq!(
        examined.of("server.version").0,
        "good",
        "{:?}",
        examined.of("server.version")
    );
    // What it says mends it.
    postgres
        .psql(
            "postgres",
            "grant pg_monitor, pg_signal_backend to weir; alter role weir replication;",
        )
        .await;
    database
        .psql(&format!("grant create on database {} to weir", database.name()))
        .await;
    let mended = doctor(&settings, &["--only", "role,store"]).await;
    for name in ["role.monitor", "role.signal", "role.replication"] {
        assert_eq!(mended.of(name).0, "good", "{name}");
    }
    assert_eq!(mended.of("store.schema").0, "note");
    assert!(
        !mended.checks.keys().any(|(name, _)| name.starts_with("server.")),
        "only what was asked for"
    );
}

#[tokio::test]
async fn what_does_not_answer_stops_nothing_else() {
    let postgres = Postgres::start().await;
    let nats = format!("nats://127.0.0.1:{}", free_port());
    let redis = format!("redis://127.0.0.1:{}", free_port());
    let url = postgres.url("postgres");
    let nowhere = nowhere();
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("WEIR_BUS__URL", nats.as_str()),
        ("WEIR_GATEWAY__CACHE", "on"),
        ("WEIR_GATEWAY__CACHE_REDIS_URL", redis.as_str()),
    ];
    let settings: Vec<_> = settings.into_iter().chain(pairs(&nowhere)).collect();
    let examined = doctor(&settings, &["--timeout", "3"]).await;
    assert_eq!(examined.code, Some(1));
    for name in ["service.grpc", "bus.reachable"] {
        assert_eq!(examined.of(name).0, "problem", "{name}");
    }
    assert_eq!(examined.of("redis.reachable").0, "warning");
    assert_eq!(examined.of("server.reachable").0, "good");
    // A server that takes connections and says nothing is given up in time.
    postgres.pause();
    let begun = tokio::time::Instant::now();
    let frozen = doctor(&settings, &["--timeout", "1"]).await;
    postgres.resume();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(frozen.of("server.reachable").0, "problem");
    assert_eq!(frozen.of("bus.reachable").0, "problem");
    assert_eq!(frozen.of("settings.valid").0, "good");
}

#[tokio::test]
async fn tables_of_another_version_are_found() {
    let world = World::new().up().await;
    let only = ["doctor", "--json", "--only", "store"];
    let said = world.weir(&only).await;
    let before = Examined::read(said.code, &said.text);
    assert_eq!(
        before.of("store.migrations").0,
        "good",
        "{:?}",
        before.of("store.migrations")
    );
    let plant = "insert into weir_scheduler._sqlx_migrations select 9999, 'later', now(), true, '\\x00', 0;
        update weir_cache._sqlx_migrations set checksum = '\\x01' where version = 1;
        delete from weir_monitor._sqlx_migrations where version = (select max(version) from weir_monitor._sqlx_migrations);
        create table public.a (id int); insert into public.a values (1), (1);";
    world.database().psql(plant).await;
    let url = world.database().url();
    let broken = "create unique index concurrently a_ccnew on public.a (id)";
    let failed = Command::new("psql")
        .args(["-XAtqc", broken, &url])
        .output()
        .await
        .unwrap();
    assert!(!failed.status.success(), "the index was to fail");
    let said = world.weir(&only).await;
    let after = Examined::read(said.code, &said.text);
    for (schema, state, said) in [
        ("weir_scheduler", "problem", "newer than this version"),
        ("weir_cache", "problem", "another build"),
        ("weir_monitor", "warning", "not applied"),
        ("weir_backup", "good", ""),
    ] {
        let (found, text) = &after.checks[&("store.migrations".to_owned(), schema.to_owned())];
        assert_eq!(found, state, "{schema}: {text}");
        assert!(text.contains(said), "{schema}: {text}");
    }
    let (state, text) = after.of("store.leftovers");
    assert!(state == "warning" && text.contains("a_ccnew"), "{text}");
}

/// Where this is not root, nothing can be mounted; the judgement of figures has tests of its own.
#[tokio::test]
async fn a_full_disk_is_found() {
    let scratch = Scratch::new("full");
    let disk = scratch.path("disk");
    fs::create_dir(&disk).unwrap();
    let nowhere = nowhere();
    let script = format!(
        "mount -t tmpfs -o size=1m weir-doctor {disk} || exit 99; dd if=/dev/zero of={disk}/filler bs=64k 2>/dev/null; \
         exec {} doctor --json --only disk --timeout 1",
        env!("CARGO_BIN_EXE_weir")
    );
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", &script])
        .env("WEIR_MONITOR__DISKS", &disk);
    let output = command.envs(pairs(&nowhere)).output().await.unwrap();
    if !is_root() {
        return;
    }
    let examined = Examined::read(output.status.code(), &String::from_utf8_lossy(&output.stdout));
    let (state, text) = &examined.checks[&("disk.space".to_owned(), disk)];
    assert_eq!(state, "problem", "{text}");
    assert!(text.contains("0 B of 1"), "{text}");
}

fn is_root() -> bool {
    Path::new("/root").metadata().is_ok() && fs::read_dir("/root").is_ok()
}

#[tokio::test]
async fn the_clock_of_nats_is_read_as_soon_as_there_is_a_stream() {
    let nats = Nats::start().await;
    let url = nats.url();
    let nowhere = nowhere();
    let settings: Vec<_> = [("WEIR_BUS__URL", url.as_str())]
        .into_iter()
        .chain(pairs(&nowhere))
        .collect();
    let empty = doctor(&settings, &["--only", "bus"]).await;
    assert_eq!(
        (empty.of("bus.reachable").0, empty.of("bus.clock").0),
        ("good", "skipped")
    );
    assert_eq!(empty.code, Some(0));
    let bus = weir_bus::Bus::nats(&weir_bus::NatsSettings::new(&url, "test"), weir_bus::Limits::default())
        .await
        .unwrap();
    eventually("the stream is there", Duration::from_secs(20), async || {
        let made = bus
            .ensure_stream(&weir_store::outbox::stream_spec(&weir_events::catalogue::JOBS))
            .await;
        made.map_err(|error| error.to_string())
    })
    .await;
    let told = doctor(&settings, &["--only", "bus"]).await;
    let (state, text) = told.of("bus.clock");
    let tells = !nats_version().await.starts_with("nats-server: v2.9");
    assert_eq!(
        (state, text.contains("of this machine")),
        if tells { ("good", true) } else { ("skipped", false) },
        "{text}"
    );
}

async fn nats_version() -> String {
    let said = Command::new("nats-server").arg("--version").output().await.unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned()
}

#[tokio::test]
async fn a_wrong_name_or_setting_says_what_is_right() {
    let wrong = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["doctor", "--only", "sever"])
        .env_clear()
        .output()
        .await
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("did you mean server?"),
        "{wrong:?}"
    );
    let nowhere = nowhere();
    let settings: Vec<_> = [("DB_POOL_MIN", "9"), ("DB_POOL_MAX", "5")]
        .into_iter()
        .chain(pairs(&nowhere))
        .collect();
    let examined = doctor(&settings, &["--only", "settings", "--timeout", "1"]).await;
    let (state, text) = examined.of("settings.valid");
    assert_eq!(state, "problem", "{text}");
    assert!(text.contains("pool_min") || text.contains("database.url"), "{text}");
}
