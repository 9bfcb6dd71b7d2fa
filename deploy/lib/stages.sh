# shellcheck shell=bash
# The stages of deploy/test. Each is a function `stage_NAME` that fails when what it checks is not so; each cargo
# command runs as a job, so that Ctrl-C ends it with all that it started.

stages=(packages fmt build test apart doctest doc web shell)
# What takes too long for every run, or is part of another stage, and is run when it is asked for.
stages_on_demand=(lint browser)
tests_passed=0
tests_failed=0

is_stage() {
    [[ -n $1 && " ${stages[*]} ${stages_on_demand[*]} " == *" $1 "* ]]
}

choose_stages() {
    if [[ -n $only ]]; then stages=("$only"); fi
}

run_stages() {
    local stage began_s failed=''
    for stage in "${stages[@]}"; do
        say "== $stage"
        began_s=$SECONDS
        "stage_$stage" || failed=$stage
        say "== $stage: $((SECONDS - began_s)) s"
        [[ -z $failed ]] || break
    done
    if [[ -n $failed ]]; then warn "stage $failed failed after $SECONDS s"; fi
    say "$tests_passed passed, $tests_failed failed"
    [[ -z $failed ]]
}

cargo_job() {
    run_job "cargo $1" - cargo "$@"
}

# clippy is the compiler with more to say: as the compiler of our own crates it reads them once instead of twice. Whatever
# is built and run has to name the same compiler, for cargo would build all of it again.
linting_job() {
    RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ "$@"
}

stage_packages() {
    need_build_tools
    need_postgres_server
    need_postgres_contrib
    need_nats
    need_redis
    need_alertmanager
    need_python
    install_missing
    install_test_tools
    # Which package it is, the server tells; there may have been none before.
    need_pg_repack
    install_missing
    choose_linker
}

stage_fmt() {
    cargo_job fmt --all --check
}

stage_lint() {
    cargo_job clippy --workspace --all-targets --locked -- -D warnings
}

# In a workspace build features unify, so that a crate may live on what another one asked for.
stage_apart() {
    local member
    for member in $(members); do
        cargo_job check --quiet --locked -p "$member" || return
    done
    local feature
    for feature in $(proto_features); do
        cargo_job check --quiet --locked -p weir-proto --no-default-features --features "$feature" || return
    done
}

members() {
    cargo metadata --format-version 1 --no-deps --locked | tr '{' '\n' | sed -n 's/^"name":"\([^"]*\)","version":.*/\1/p'
}

proto_features() {
    sed -n '/^\[features\]/,/^\[[^f]/s/^\([a-z-]*\) *=.*/\1/p' "$root/shared/proto/Cargo.toml" | grep -vx default
}

# Tests that start the services need their programs; built together with the tests, they share every dependency.
# Benchmarks are built to be linted.
stage_build() {
    linting_job cargo_job build --workspace --all-targets --locked
}

stage_test() {
    if has cargo-nextest; then
        test_with_nextest
    else
        say "cargo-nextest is not here: using cargo test ('cargo install --locked cargo-nextest' brings it)"
        test_with_cargo
    fi
}

test_with_nextest() {
    local code=0 report="$target/nextest/ci/junit.xml"
    rm -f "$report"
    linting_job cargo_job nextest run --workspace --locked --profile ci --no-input-handler || code=$?
    count_report "$report"
    return "$code"
}

# The totals stand in the first element: <testsuites … tests="7" failures="1" errors="0" …>.
count_report() {
    local head tests failures errors
    head=$(grep -m 1 '<testsuites ' "$1" 2>/dev/null) || return 0
    tests=$(attribute tests "$head") failures=$(attribute failures "$head") errors=$(attribute errors "$head")
    tests_passed=$((tests_passed + tests - failures - errors))
    tests_failed=$((tests_failed + failures + errors))
}

attribute() {
    sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$2"
}

# Without nextest a test that hangs is not ended alone, so the whole run has its time.
test_with_cargo() {
    linting_job counted_job tests timeout --kill-after=10 1200 \
        cargo test --workspace --lib --bins --tests --locked --no-fail-fast
}

stage_doctest() {
    linting_job counted_job doctest cargo test --workspace --doc --locked --no-fail-fast
}

# counted_job NAME COMMAND…: shows the output and adds the sums of its "test result:" lines.
counted_job() {
    local code=0 log="$target/deploy-test/$1.log"
    # shellcheck disable=SC2016 # the inner shell expands them
    run_job "$1" - bash -o pipefail -c '"${@:2}" 2>&1 | tee "$1"' bash "$log" "${@:2}" || code=$?
    count_results "$log"
    return "$code"
}

count_results() {
    local passed failed
    read -r passed failed < <(awk '/^test result:/ { for (i = 2; i <= NF; i++) {
        if ($i == "passed;") p += $(i - 1); if ($i == "failed;") f += $(i - 1) } } END { print p + 0, f + 0 }' "$1")
    tests_passed=$((tests_passed + passed))
    tests_failed=$((tests_failed + failed))
}

stage_doc() {
    RUSTDOCFLAGS="-D warnings" cargo_job doc --workspace --no-deps --locked
}

# The dashboard and the React package. The dashboard's files are checked in so that cargo needs no Node; those who have
# none leave this out.
stage_web() {
    if ! has_node; then
        say "Node 20 or newer and npm are not here: the tests of the dashboard and of its React package are left out"
        return
    fi
    local web="$root/services/console/web"
    npm_job "$web" ci --no-audit --no-fund || return
    npm_job "$web" run check || return
    npm_tests "$web" || return
    same_dashboard "$web"
}

has_node() {
    has node && has npm && newer_or_same "$(node --version | tr -d v)" 20
}

npm_job() {
    run_job "npm $2" - npm --prefix "$1" "${@:2}"
}

# npm_tests DIRECTORY: shows the output and adds the sums of its "Tests  7 passed" lines.
npm_tests() {
    local code=0 log="$target/deploy-test/web.log"
    # shellcheck disable=SC2016 # the inner shell expands them
    NO_COLOR=1 run_job "npm test" - bash -o pipefail -c 'npm --prefix "$2" test 2>&1 | tee "$1"' bash "$log" "$1" || code=$?
    count_vitest "$log"
    return "$code"
}

count_vitest() {
    local passed failed
    read -r passed failed < <(awk '$1 == "Tests" { for (i = 2; i < NF; i++) {
        if ($(i + 1) == "passed") p += $i; if ($(i + 1) == "failed") f += $i } } END { print p + 0, f + 0 }' "$1")
    tests_passed=$((tests_passed + passed))
    tests_failed=$((tests_failed + failed))
}

# same_dashboard DIRECTORY: what its sources build is what is checked in, byte for byte. Built in a copy, so that the
# checked-in files are left as they are.
same_dashboard() {
    local copy="$target/deploy-test/web"
    rm -rf "$copy"
    mkdir -p "$copy"
    cp -r "$1/app" "$1/package.json" "$1/tsconfig.base.json" "$copy"
    ln -s "$1/node_modules" "$copy/node_modules"
    npm_job "$copy/app" run build || return
    diff -rq "$1/dist" "$copy/dist" || {
        warn "services/console/web/dist is not what its sources build: run 'npm run build' in services/console/web"
        return 1
    }
}

# The dashboard in a real browser and the API under a fuzzer, both before one Weir that runs for them alone: a short form
# of what `just browser` and `just soak-api` do.
stage_browser() {
    local options=(--short --out "$target/deploy-test/browser")
    install_chromium
    if ! has_node || ! find_chromium; then
        say "a browser, or Node and npm, are not here: the dashboard is not walked"
        options+=(--no-browser)
    fi
    if [[ -x $test_tools/bin/schemathesis ]]; then
        options+=(--also "$(printf %q "$root/tests/fuzz/api")")
    else
        say "schemathesis is not here: the API is not fuzzed"
    fi
    [[ " ${options[*]} " != *" --no-browser "* || " ${options[*]} " == *" --also "* ]] || return 0
    # Nothing is left to do where an earlier stage built it.
    linting_job cargo_job build --workspace --bins --locked || return
    browser_tests "${options[@]}"
}

# browser_tests OPTION…: shows the output and adds what it says of passed and failed tests, the browser's and the fuzzer's.
browser_tests() {
    local code=0 log="$target/deploy-test/browser.log"
    # shellcheck disable=SC2016 # the inner shell expands them
    NO_COLOR=1 WEIR_BIN="$target/debug/weir" CHROMIUM=${browser:-} run_job "the browser tests" - bash -o pipefail -c \
        '"$2" "${@:3}" 2>&1 | tee "$1"' bash "$log" "$root/services/console/web/tests/run" "$@" || code=$?
    count_vitest "$log"
    count_results "$log"
    return "$code"
}

stage_shell() {
    local script browser_script="$root/services/console/web/tests/run"
    local scripts=("$here/run" "$here/test" "$root/.ci/run" "$root/tests/fuzz/run" "$root/tests/fuzz/api")
    for script in "${scripts[@]}" "$browser_script" "$here"/lib/*.sh; do
        bash -n "$script" || return
    done
    if has shellcheck; then
        shellcheck --external-sources --check-sourced "${scripts[@]}" || return
        # These use a part only of what they read.
        shellcheck --external-sources "$here/lib/selftest.sh" "$browser_script" || return
    fi
    counted_job selftest bash "$here/lib/selftest.sh"
}
