#!/usr/bin/env bash
# Tests of the shell that starts and stops things, run by deploy/test. Each test is a function; the children are real.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

program=selftest
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=say.sh
source "$here/say.sh"
# shellcheck source=ports.sh
source "$here/ports.sh"
# shellcheck source=postgres.sh
source "$here/postgres.sh"
# shellcheck source=stages.sh
source "$here/stages.sh"
# shellcheck source=toolchain.sh
source "$here/toolchain.sh"

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

expect() {
    [[ $1 == "$2" ]] || {
        printf '  expected %q, found %q\n' "$2" "$1"
        return 1
    }
}

# eventually COMMAND…: within ten seconds.
eventually() {
    local until_s=$((SECONDS + 10))
    until "$@"; do
        ((SECONDS < until_s)) || return 1
        read -rt 0.05 <> <(:) || true
    done
}

holds() {
    grep -q -- "$2" "$1" 2>/dev/null
}

gone() {
    ! kill -0 "$1" 2>/dev/null || [[ $(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null || printf Z) == Z ]]
}

# A script of its own that starts children as deploy/run does. $1 is its body; sets `main_pid`.
start_script() {
    cat >"$room/script" <<END
set -euo pipefail
program=script
source "$here/say.sh"
source "$here/children.sh"
watch_signals
$1
END
    rm -f "$room"/out "$room"/ends "$room"/log
    # Whoever runs this may ignore a signal, as nohup does, and a shell cannot take that back by itself.
    env --default-signal=HUP,INT bash "$room/script" >"$room/out" 2>&1 &
    main_pid=$!
}

# A child that notes its end, and leaves on SIGTERM.
noting_child() {
    printf 'start_child %s TERM "%s/log" bash -c '\''trap "echo %s >>%s/ends; exit" TERM; echo up-%s; while :; do read -rt 1 <> <(:); done'\''\n' \
        "$1" "$room" "$1" "$room" "$1"
}

script_ends_with() {
    local code=0
    { wait "$main_pid"; } 2>/dev/null || code=$?
    expect "$code" "$1"
}

test_children_stop_in_reverse_order() {
    start_script "$(noting_child a; noting_child b; noting_child c; printf 'watch_children\n')"
    eventually holds "$room/log" up-a
    eventually holds "$room/log" up-b
    eventually holds "$room/log" up-c
    kill -TERM "$main_pid"
    script_ends_with 143
    expect "$(tr '\n' ' ' <"$room/ends")" "c b a "
}

test_a_signal_after_ready_is_an_orderly_end() {
    start_script "$(noting_child a; printf 'exit_on_signal=0\nwatch_children\n')"
    eventually holds "$room/log" up-a
    kill -HUP "$main_pid"
    script_ends_with 0
}

test_a_fallen_child_ends_all_and_is_named() {
    start_script "$(noting_child a
        printf 'start_child b TERM "%s/b.log" bash -c "echo what went wrong >&2; exit 3"\nwatch_children\n' "$room")"
    script_ends_with 1
    expect "$(cat "$room/ends")" a
    holds "$room/out" "b ended by itself with exit code 3"
    holds "$room/out" "what went wrong"
}

test_a_stubborn_child_is_killed() {
    start_script "stop_limit_s=1
        start_child mule 'TERM KILL' $room/log bash -c 'trap : TERM; echo \$\$ up; while :; do read -rt 1 <> <(:); done'
        watch_children"
    eventually holds "$room/log" up
    kill -TERM "$main_pid"
    script_ends_with 143
    holds "$room/out" "mule does not stop: sending SIGKILL"
    gone "$(cut -d ' ' -f 1 "$room/log")"
}

test_a_job_is_stopped_with_all_that_it_started() {
    start_script "run_job build $room/log bash -c 'sleep 600 & echo \$! up; wait'"
    eventually holds "$room/log" up
    kill -TERM "$main_pid"
    script_ends_with 143
    gone "$(cut -d ' ' -f 1 "$room/log")"
}

test_a_job_tells_its_exit_code() {
    start_script 'run_job build - bash -c "exit 7" || exit $?'
    script_ends_with 7
}

test_children_hear_of_a_killed_script() {
    start_script "$(noting_child a; printf 'watch_children\n')"
    eventually holds "$room/log" up-a
    kill -KILL "$main_pid"
    script_ends_with 137
    eventually holds "$room/ends" a
}

test_what_a_child_leaves_behind_is_killed() {
    start_script "start_child a TERM $room/log bash -c 'setsid true; (trap \"\" TERM; sleep 600) & echo \$! up; wait'
        watch_children"
    eventually holds "$room/log" up
    kill -TERM "$main_pid"
    script_ends_with 143
    eventually gone "$(cut -d ' ' -f 1 "$room/log")"
}

test_a_url_gives_its_password_to_the_environment_only() {
    set_database_url 'postgres://ann:p%40ss%2Fw@db.example:5432/app?sslmode=require'
    expect "$psql_url" 'postgres://ann@db.example:5432/app?sslmode=require'
    expect "$psql_password" 'p@ss/w'
    set_database_url 'postgresql:///app'
    expect "$psql_url|$psql_password" 'postgresql:///app|'
}

test_addresses_fall_apart() {
    local host port
    split_address 127.0.0.1:7001
    expect "$host $port" "127.0.0.1 7001"
    split_address '[::1]:7001'
    expect "$host $port" "::1 7001"
    expect "$(reachable 0.0.0.0:7001)" 127.0.0.1:7001
}

test_versions_are_compared_as_numbers() {
    newer_or_same 1.100.0 1.95
    newer_or_same 1.95 1.95
    expect "$(newer_or_same 1.94.9 1.95 || printf older)" older
}

test_passed_and_failed_tests_are_counted() {
    printf '<?xml version="1.0"?>\n<testsuites name="nextest-run" tests="12" failures="2" errors="1" uuid="x">\n <testsuite tests="3" failures="0">\n' >"$room/report"
    tests_passed=0 tests_failed=0
    count_report "$room/report"
    expect "$tests_passed $tests_failed" "9 3"
    printf 'x\ntest result: ok. 5 passed; 0 failed; 1 ignored;\ntest result: FAILED. 2 passed; 1 failed; 0 ignored;\n' >"$room/report"
    count_results "$room/report"
    expect "$tests_passed $tests_failed" "16 4"
    count_report "$room/missing"
    expect "$tests_passed $tests_failed" "16 4"
    printf ' Test Files  1 failed | 2 passed (3)\n      Tests  1 failed | 20 passed | 3 skipped (24)\n      Tests  7 passed (7)\n' >"$room/report"
    count_vitest "$room/report"
    expect "$tests_passed $tests_failed" "43 5"
}

# set -e does not reach into a condition, so that a test stands alone, and each of its commands too.
main() {
    local name code passed=0 failed=0
    for name in $(declare -F | sed -n 's/^declare -f \(test_.*\)/\1/p' | grep -vE '^test_with_'); do
        rm -f "$room/out"
        set +e
        (set -e; "$name")
        code=$?
        set -e
        if ((code == 0)); then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            say "FAILED $name"
            sed 's/^/  /' "$room/out" 2>/dev/null || true
        fi
    done
    say "test result: $passed passed; $failed failed;"
    ((failed == 0))
}

main
