//! One small stack that keeps every rule, and each rule broken once.

use std::collections::BTreeMap;

use super::super::{Case, House};
use super::*;
use crate::settings::Settings;

const EXAMPLE: &str = "
name: example
x-settings: &settings
  DATABASE_URL: postgres://u:pw@postgres:5432/app
services:
  postgres:
    image: postgres:17
    volumes:
      - data:/data
    healthcheck:
      test: [CMD, pg_isready]
      interval: 2s
      timeout: 5s
      retries: 3
  pool-gateway:
    build:
      context: ../..
      dockerfile: deploy/compose/Dockerfile
      target: pool-gateway
    environment:
      <<: *settings
      WEIR_GATEWAY__GRPC_LISTEN: 0.0.0.0:7001
      WEIR_GATEWAY__OPS_LISTEN: 0.0.0.0:8001
    ports:
      - 127.0.0.1:7001:7001
      - 127.0.0.1:8001:8001
    depends_on:
      postgres:
        condition: service_healthy
    stop_grace_period: 30s
volumes:
  data:
";

const IMAGE: &str = "
FROM rust:1.95-slim AS build
COPY Cargo.toml Cargo.lock ./
COPY services services
RUN cargo build -p weir -p weir-pool-gateway && install -t /out target/release/weir target/release/pool-gateway
FROM debian:12 AS runtime
COPY --from=build /out/weir /bin/weir
USER 10001
FROM runtime AS pool-gateway
COPY --from=build /out/pool-gateway /bin/pool-gateway
EXPOSE 7001 8001
HEALTHCHECK CMD [\"weir\", \"probe\", \"http://127.0.0.1:8001/readyz\"]
ENTRYPOINT [\"pool-gateway\"]
";

const ADMITTED: &str = "*\n!Cargo.toml\n!Cargo.lock\n!services\n";
const TABLE: &str = "services=(\n    \"gateway pool-gateway 7001 8001\"\n)\n";

const SETTINGS: &str = "
## `[runtime]`
| `shutdown_grace` | m | v | `25s` | `WEIR_RUNTIME__SHUTDOWN_GRACE` |
## `[database]`
| `url` | m | v | none | `DATABASE_URL` |
## `[gateway]`
| `grpc_listen` | m | v | `127.0.0.1:7001` | `WEIR_GATEWAY__GRPC_LISTEN` |
| `ops_listen` | m | v | `127.0.0.1:8001` | `WEIR_GATEWAY__OPS_LISTEN` |
";

fn house() -> House {
    let text = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    let programs = [("weir", "weir"), ("pool-gateway", "weir-pool-gateway")];
    House {
        settings: Settings::parse(SETTINGS),
        programs: programs
            .map(|(program, package)| (program.to_owned(), package.to_owned()))
            .into(),
        crates: text(&["services/pool-gateway", "services/weir"]),
        files: text(&["Cargo.toml", "Cargo.lock", "services/weir/src/main.rs", DOCKERFILE]),
        rust_version: "1.95".to_owned(),
    }
}

fn case(compose: &str, image: &str) -> Case {
    Case::new([compose, image, ADMITTED, TABLE], house()).expect("the example is understood")
}

/// The example with one piece of the compose file replaced.
fn composed(from: &str, to: &str) -> Case {
    assert!(EXAMPLE.contains(from), "the example has no {from}");
    case(&EXAMPLE.replace(from, to), IMAGE)
}

/// The example with one piece of the Dockerfile replaced.
fn built(from: &str, to: &str) -> Case {
    assert!(IMAGE.contains(from), "the example has no {from}");
    case(EXAMPLE, &IMAGE.replace(from, to))
}

#[test]
fn the_example_keeps_every_rule() {
    crate::assert_none(&all(&case(EXAMPLE, IMAGE)));
}

#[test]
fn a_misspelt_key_is_not_understood() {
    let broken = EXAMPLE.replace("stop_grace_period", "stop_grace_time");
    let error = Case::new([&broken, IMAGE, ADMITTED, TABLE], house())
        .err()
        .expect("it was understood");
    assert!(error.contains("stop_grace_time"), "{error}");
}

#[test]
fn a_strange_setting_is_caught() {
    let broken = composed("DATABASE_URL:", "DATABASE_URI:");
    crate::assert_caught(&strange_settings(&broken), &["DATABASE_URI, which is no setting"]);
    // The same variable at two services: at one of them it is another's.
    let second = EXAMPLE
        .split_once("  pool-gateway:")
        .map(|(_, rest)| rest.split("volumes:\n  data").next());
    let second = second.flatten().unwrap_or_default();
    let page = format!(
        "{SETTINGS}## `[monitor]`\n| `grpc_listen` | m | v | `127.0.0.1:7002` | `WEIR_MONITOR__GRPC_LISTEN` |\n"
    );
    let compose = EXAMPLE.replace(
        "volumes:\n  data:",
        &format!("  query-monitor:{second}volumes:\n  data:"),
    );
    let house = House {
        settings: Settings::parse(&page),
        ..house()
    };
    let broken = Case::new([&compose, IMAGE, ADMITTED, TABLE], house).expect("the example is understood");
    let culprits = [
        "query-monitor sets WEIR_GATEWAY__GRPC_LISTEN",
        "query-monitor sets WEIR_GATEWAY__OPS_LISTEN",
    ];
    crate::assert_caught(&strange_settings(&broken), &culprits);
}

#[test]
fn a_wrong_listener_is_caught() {
    let broken = composed("0.0.0.0:7001", "127.0.0.1:7001");
    crate::assert_caught(
        &wrong_listeners(&broken),
        &["WEIR_GATEWAY__GRPC_LISTEN to 0.0.0.0:7001"],
    );
    let broken = composed("- 127.0.0.1:8001:8001", "- 8001:8001");
    crate::assert_caught(&wrong_listeners(&broken), &["has to publish"]);
    let broken = built("EXPOSE 7001 8001", "EXPOSE 7001");
    crate::assert_caught(&wrong_listeners(&broken), &["pool-gateway has to expose 7001 8001"]);
    let broken = built("127.0.0.1:8001/readyz", "127.0.0.1:8002/readyz");
    crate::assert_caught(&wrong_listeners(&broken), &["http://127.0.0.1:8001/readyz"]);
}

#[test]
fn a_strange_program_is_caught() {
    let broken = built("/out/pool-gateway", "/out/poolgateway");
    let culprits = ["no program poolgateway", "starts pool-gateway, which is not in it"];
    crate::assert_caught(&strange_programs(&broken), &culprits);
    let broken = built(" -p weir-pool-gateway", "");
    crate::assert_caught(&strange_programs(&broken), &["weir-pool-gateway is not built"]);
    let broken = built(" target/release/weir ", " ");
    crate::assert_caught(&strange_programs(&broken), &["weir is taken, but not kept"]);
    let broken = built("COPY --from=build /out/weir /bin/weir\n", "");
    crate::assert_caught(&strange_programs(&broken), &["pool-gateway starts weir"]);
}

#[test]
fn a_missing_service_is_caught() {
    let mut house = house();
    house.programs.insert("cache".to_owned(), "weir-cache".to_owned());
    let broken = Case::new([EXAMPLE, IMAGE, ADMITTED, TABLE], house).expect("the example is understood");
    crate::assert_caught(&missing_services(&broken), &["the service cache is missing"]);
}

#[test]
fn a_strange_target_is_caught() {
    let broken = composed("target: pool-gateway", "target: runtime");
    crate::assert_caught(&strange_targets(&broken), &["built from runtime"]);
    let broken = composed("context: ../..", "context: ..");
    crate::assert_caught(&strange_targets(&broken), &["the root of the tree"]);
    let broken = composed("compose/Dockerfile", "compose/Containerfile");
    crate::assert_caught(&strange_targets(&broken), &["deploy/compose/Containerfile"]);
}

#[test]
fn a_strange_source_is_caught() {
    let broken = built("COPY services services", "COPY services src services");
    crate::assert_caught(
        &strange_sources(&broken),
        &["src does not exist", "src is copied but kept out"],
    );
    let broken = built("COPY services services\n", "");
    crate::assert_caught(&strange_sources(&broken), &["services is needed but not copied"]);
    let broken = built("Cargo.toml Cargo.lock", "Cargo.toml");
    crate::assert_caught(&strange_sources(&broken), &["Cargo.lock is needed"]);
}

#[test]
fn an_unsafe_order_is_caught() {
    let broken = composed("service_healthy", "service_started");
    crate::assert_caught(&unsafe_order(&broken), &["until postgres is service_started"]);
    let broken = composed("@postgres:5432", "@database:5432");
    crate::assert_caught(&unsafe_order(&broken), &["uses database but does not wait"]);
    let health =
        "    healthcheck:\n      test: [CMD, pg_isready]\n      interval: 2s\n      timeout: 5s\n      retries: 3\n";
    crate::assert_caught(
        &unsafe_order(&composed(health, "")),
        &["postgres, which has no health check"],
    );
}

#[test]
fn a_strange_volume_is_caught() {
    let broken = composed("- data:/data", "- dta:/data");
    crate::assert_caught(&strange_volumes(&broken), &["volume data", "volume dta"]);
}

#[test]
fn a_short_grace_is_caught() {
    let broken = composed("stop_grace_period: 30s", "stop_grace_period: 25s");
    crate::assert_caught(&short_grace(&broken), &["pool-gateway needs"]);
    crate::assert_caught(
        &short_grace(&composed("    stop_grace_period: 30s\n", "")),
        &["more than 25s"],
    );
}

#[test]
fn a_careless_image_is_caught() {
    crate::assert_caught(
        &careless_images(&composed("postgres:17", "postgres")),
        &["postgres needs a version"],
    );
    crate::assert_caught(
        &careless_images(&built("debian:12", "debian:latest")),
        &["debian:latest"],
    );
    crate::assert_caught(&careless_images(&built("rust:1.95", "rust:1.94")), &["rust:1.95-"]);
    crate::assert_caught(
        &careless_images(&built("USER 10001\n", "")),
        &["pool-gateway runs as root"],
    );
    crate::assert_caught(
        &careless_images(&built("USER 10001", "USER root")),
        &["pool-gateway runs as root"],
    );
}

#[test]
fn a_wrong_table_is_caught() {
    let script = TABLE.replace("7001", "7011");
    let broken = Case::new([EXAMPLE, IMAGE, ADMITTED, &script], house()).expect("the example is understood");
    crate::assert_caught(
        &wrong_table(&broken),
        &["gateway pool-gateway 7001 8001", "gateway pool-gateway 7011 8001"],
    );
    let empty: BTreeMap<String, String> = BTreeMap::new();
    let house = House {
        programs: empty,
        ..house()
    };
    let broken = Case::new([EXAMPLE, IMAGE, ADMITTED, TABLE], house).expect("the example is understood");
    crate::assert_caught(&wrong_table(&broken), &["gateway pool-gateway 7001 8001"]);
}
