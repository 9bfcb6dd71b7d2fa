# shellcheck shell=bash
# Addresses: who holds one, which is free, and a small HTTP question. Reads /proc, so that it needs no tool.

# Sets `host` and `port` from host:port.
split_address() {
    host=${1%:*}
    port=${1##*:}
    host=${host#[}
    host=${host%]}
}

# Where to reach a listener: one on every interface is asked on this one.
reachable() {
    split_address "$1"
    case $host in
        0.0.0.0) printf '127.0.0.1:%s' "$port" ;;
        ::) printf '[::1]:%s' "$port" ;;
        *) printf '%s' "$1" ;;
    esac
}

# The socket inode of a listener that is in the way of 127.0.0.1:PORT or 0.0.0.0:PORT; nothing, if there is none.
listener_inode() {
    local hex line
    printf -v hex '%04X' "$1"
    # Local address, state 0A (listening), inode. Loopback and wildcard addresses, version 4 and 6.
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -ra line; do
        [[ ${line[3]} == 0A && ${line[1]##*:} == "$hex" ]] || continue
        case ${line[1]%:*} in
            00000000 | 0100007F | 00000000000000000000000000000000 | 0000000000000000FFFF00000100007F)
                printf '%s' "${line[9]}"
                break
                ;;
        esac
    done
}

port_taken() {
    [[ -n $(listener_inode "$1") ]]
}

# Who listens there, as far as we may see: " by pool-gateway (process 123)".
holder_words() {
    local inode fd pid
    inode=$(listener_inode "$1")
    fd=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" -print -quit 2>/dev/null) || true
    pid=${fd#/proc/}
    pid=${pid%%/*}
    [[ -z $pid ]] || printf ' by %s (process %s)' "$(cat "/proc/$pid/comm" 2>/dev/null)" "$pid"
}

# The first free port from the given one on.
free_port() {
    local candidate
    for ((candidate = $1; candidate < $1 + 50; candidate++)); do
        if ! port_taken "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    die "no port is free between $1 and $candidate"
}

# http_get ADDRESS PATH: sets `http_status` and `http_body`; false when nobody answers within 2 s.
http_get() {
    local host port door line
    http_status='' http_body=''
    split_address "$1"
    { exec {door}<>"/dev/tcp/$host/$port"; } 2>/dev/null || return 1
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$2" "$1" >&"$door"
    read -rt 2 -u "$door" _ http_status _ || true
    while read -rt 2 -u "$door" line && [[ $line != $'\r' ]]; do :; done
    read -rt 2 -d '' -u "$door" http_body || true
    exec {door}>&-
    [[ -n $http_status ]]
}

# answers_with ADDRESS QUESTION START: the server's first line begins with START. An empty QUESTION only listens.
answers_with() {
    local host port door line=
    split_address "$1"
    { exec {door}<>"/dev/tcp/$host/$port"; } 2>/dev/null || return 1
    [[ -z $2 ]] || printf '%s\r\n' "$2" >&"$door"
    read -rt 2 -u "$door" line || true
    exec {door}>&-
    [[ $line == "$3"* ]]
}
