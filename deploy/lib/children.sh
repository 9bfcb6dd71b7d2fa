# shellcheck shell=bash
# The processes that a command starts, and their end.
#
# Each child gets a session of its own, so that Ctrl-C reaches this script alone, which then stops the children in
# the reverse order of their start: first those that depend, then what they depend on. Should the script itself be
# killed outright, the kernel sends every child its first stop signal. Nothing here knows what a child does.

child_names=()
child_pids=()
child_signals=()
child_logs=()
# Longest wait after each stop signal. Above the grace time that services give their requests.
stop_limit_s=40

# A pipe that nobody writes to: `read -t` on it waits without starting a `sleep` that could outlive us.
exec {idle_fd}<> <(:)
lock_fd=

nap() {
    read -rt "$1" -u "$idle_fd" _ || true
}

# Between the start of a child and the note of its pid a signal only leaves a mark.
in_birth=
caught=

on_signal() {
    caught=$1
    [[ -n $in_birth ]] || leave
}

leave() {
    case $caught in
        INT) exit "${exit_on_signal:-130}" ;;
        *) exit "${exit_on_signal:-143}" ;;
    esac
}

watch_signals() {
    trap 'stop_children' EXIT
    trap 'on_signal INT' INT
    trap 'on_signal TERM' TERM
    trap 'on_signal HUP' HUP
    # The reader of our output has gone, so nobody sees what we do any longer.
    trap 'on_signal PIPE' PIPE
}

# Options of setpriv that say as whom a child runs; none means as ourselves.
child_identity=()

# start_child NAME "SIGNALS" LOG COMMAND…: SIGNALS are tried in turn when it has to stop; a LOG of - is our own output.
start_child() {
    local name=$1 signals=$2 log=$3
    shift 3
    in_birth=yes
    if [[ $log == - ]]; then
        launch "$signals" "$@" &
    else
        launch "$signals" "$@" >>"$log" 2>&1 &
    fi
    child_names+=("$name")
    child_pids+=("$!")
    child_signals+=("$signals")
    child_logs+=("$log")
    in_birth=
    [[ -z $caught ]] || leave
}

# Becomes the command: no process stands between it and this script.
launch() {
    local signals=$1
    shift
    trap - EXIT INT TERM HUP PIPE
    exec {idle_fd}>&-
    [[ -z $lock_fd ]] || exec {lock_fd}>&-
    # In one step with the change of user, which would otherwise clear the signal of the parent's death.
    exec setsid setpriv "${child_identity[@]}" --pdeathsig "${signals%% *}" -- "$@" </dev/null
}

# run_job NAME LOG COMMAND…: runs a command to its end as a child, so that a signal need not wait for it.
run_job() {
    local code=0
    start_child "job:$1" "TERM KILL" "${@:2}"
    wait "${child_pids[-1]}" || code=$?
    forget_last_child
    return "$code"
}

forget_last_child() {
    unset 'child_names[-1]' 'child_pids[-1]' 'child_signals[-1]' 'child_logs[-1]'
}

# A child that has ended but was not waited for does not live; bash itself may be late to notice (in a trap it is).
alive() {
    local line
    { read -r line <"/proc/$1/stat"; } 2>/dev/null && [[ ${line##*) } != Z* ]]
}

# Sets `fallen` to the index of a child that has ended, if there is one.
find_fallen() {
    local index
    fallen=
    for index in "${!child_pids[@]}"; do
        if ! alive "${child_pids[index]}"; then
            fallen=$index
            return 0
        fi
    done
    return 1
}

# Ends the command with what the fallen child said last.
report_fallen() {
    local code=0
    wait "${child_pids[fallen]}" || code=$?
    warn "${child_names[fallen]} ended by itself with exit code $code; the end of ${child_logs[fallen]}:"
    tail -n 5 "${child_logs[fallen]}" >&2
    exit 1
}

# Stays until a child falls or a signal comes.
watch_children() {
    until find_fallen; do
        nap 0.3
    done
    report_fallen
}

# wait_until SECONDS NAME COMMAND…: waits for COMMAND to succeed while every child lives. COMMAND may set `unready`.
wait_until() {
    local limit_s=$1 name=$2 until_s=$((SECONDS + $1)) unready=
    shift 2
    until "$@"; do
        if find_fallen; then report_fallen; fi
        ((SECONDS < until_s)) || die "$name is not ready after $limit_s s${unready:+: $unready}; the end of its log is in ${child_logs[-1]}"
        nap 0.1
    done
}

# The exit trap. A second signal shortens every wait; whatever then still runs is killed.
stop_children() {
    local index hurry=
    set +e
    trap 'hurry=yes' INT TERM HUP
    trap '' PIPE
    ((${#child_pids[@]})) || return 0
    say "stopping"
    for ((index = ${#child_pids[@]} - 1; index >= 0; index--)); do
        stop_child "$index"
    done
    child_pids=()
    say "stopped"
}

stop_child() {
    local name=${child_names[$1]} pid=${child_pids[$1]} signal first=yes
    for signal in ${child_signals[$1]}; do
        alive "$pid" || break
        [[ -n $first ]] || warn "${name#job:} does not stop: sending SIG$signal"
        first=''
        send "$signal" "$pid"
        wait_gone "$pid"
    done
    wait "$pid" 2>/dev/null
    # Whatever the child left behind. Nothing, normally.
    session_members "$pid" | while read -r pid; do kill -KILL "$pid" 2>/dev/null; done
    return 0
}

# A job (a build, a test run) is a tree of processes, so its signal is for the whole group.
send() {
    if [[ $1 == KILL || $name == job:* ]] && kill -s "$1" -- "-$2" 2>/dev/null; then
        return
    fi
    kill -s "$1" "$2" 2>/dev/null
}

# The living processes of a session, in whatever process group.
session_members() {
    local stat line fields
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        # After the name in parentheses: state, parent, process group, session.
        read -ra fields <<<"${line##*) }"
        if [[ ${fields[3]} == "$1" && ${fields[0]} != Z ]]; then
            stat=${stat#/proc/}
            printf '%s\n' "${stat%/stat}"
        fi
    done
}

wait_gone() {
    local pid=$1 until_s=$((SECONDS + stop_limit_s))
    while alive "$pid" && ((SECONDS < until_s)); do
        if [[ -n $hurry ]]; then
            hurry=
            nap 1
            return
        fi
        nap 0.05
    done
}
