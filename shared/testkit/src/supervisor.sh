# Runs one server on behalf of a test process and outlives that process just long enough to clean up after it.
#
# Arguments: the server's directory, then its command line. Environment: WEIR_PREPARE (run once inside the fresh
# directory), WEIR_STOP and WEIR_END (the signals of an ordered stop and of the end). Orders come on standard input,
# one a line, and each gets one line of answer. When the pipe closes, the test process is gone, or has no more use
# for the server: it is stopped and the directory removed.

dir=$1
shift
pid=
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# An answer that nobody reads any more must not end this shell before it has cleaned up.
trap : PIPE

answer() {
    printf '%s\n' "$*"
}

# Sets `state` and `parent` of process $1; one that is gone counts as a zombie of nobody.
look() {
    line=
    read -r line 2>/dev/null <"/proc/$1/stat"
    set -- ${line##*) }
    state=${1:-Z}
    parent=${2:-0}
}

ended() {
    look "$pid"
    [ "$state" = Z ]
}

# Signals the server's children (PostgreSQL's each have a process group of their own).
signal_children() {
    for entry in /proc/[0-9]*; do
        look "${entry#/proc/}"
        [ "$parent" = "$pid" ] && kill -"$1" "${entry#/proc/}"
    done
}

resume() {
    signal_children CONT
    kill -CONT "$pid"
}

halt() {
    [ -n "$pid" ] || return 0
    kill -"$1" "$pid"
    resume
    patience=500
    until ended; do
        patience=$((patience - 1))
        [ "$patience" -gt 0 ] || kill -KILL "$pid"
        sleep 0.02
    done
    wait "$pid"
    pid=
}

if problem=$( (mkdir -m 700 "$dir" && cd "$dir" && eval "$WEIR_PREPARE") 2>&1 ); then
    answer ready
else
    answer "failed:" $problem
fi

while read -r order; do
    case $order in
    start)
        "$@" </dev/null >>"$dir/log" 2>&1 &
        pid=$!
        answer "$pid"
        ;;
    stop)
        halt "$WEIR_STOP"
        answer stopped
        ;;
    pause)
        kill -STOP "$pid"
        signal_children STOP
        answer paused
        ;;
    resume)
        resume
        answer resumed
        ;;
    esac
done

halt "$WEIR_END"
# What the server's children still wrote while the first removal ran goes with the second.
rm -rf -- "$dir" || { sleep 0.2 && rm -rf -- "$dir"; }
