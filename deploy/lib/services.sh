# shellcheck shell=bash
# Weir's services: what each is called, and where it listens. A test compares this table with the settings reference.

# section binary gRPC ops, and PostgreSQL where it is spoken, in the order of their start; the one that takes queries comes last and stops first.
# `-`: the console has one door, which serves its health too.
services=(
    "monitor query-monitor 7002 8002"
    "cache cache 7003 8003"
    "scheduler scheduler 7004 8004"
    "maintenance maintenance 7005 8005"
    "backup backup 7006 8006"
    "console console - 8080"
    "gateway pool-gateway 7001 8001 6432"
)

# A first SIGTERM lets calls finish, a second cuts them off.
service_signals="TERM TERM KILL"

# Exports each listening address, so that the file cannot disagree with what is checked, awaited and printed here.
export_addresses() {
    local section binary grpc ops wire
    for service in "${services[@]}"; do
        read -r section binary grpc ops wire <<<"$service"
        [[ $grpc == - ]] || default_setting "${section}__grpc_listen" "127.0.0.1:$grpc"
        default_setting "${section}__$(listener "$section" ops)" "127.0.0.1:$ops"
        [[ -z $wire ]] || default_setting "${section}__wire_listen" "127.0.0.1:$wire"
    done
    default_setting gateway__cache_url "http://$(reachable "$(address cache grpc)")"
    default_setting scheduler__monitor_url "http://$(reachable "$(address monitor grpc)")"
    default_setting maintenance__monitor_url "http://$(reachable "$(address monitor grpc)")"
}

# default_setting KEY VALUE: exports WEIR_KEY unless the caller has set it.
default_setting() {
    local name="WEIR_${1^^}"
    export "$name=${!name:-$2}"
}

# listener SECTION KIND: the key of the setting.
listener() {
    if [[ $1 == console ]]; then printf listen; else printf '%s_listen' "$2"; fi
}

# variable SECTION KIND: the environment variable that sets it.
variable() {
    local key
    key=$(listener "$1" "$2")
    printf 'WEIR_%s__%s' "${1^^}" "${key^^}"
}

address() {
    local name
    name=$(variable "$1" "$2")
    printf '%s' "${!name}"
}

check_ports() {
    local service section binary kind name host port
    for service in "${services[@]}"; do
        read -r section binary _ <<<"$service"
        for kind in grpc ops wire; do
            name=$(variable "$section" "$kind")
            [[ $section != console || $kind == ops ]] || continue
            [[ -n ${!name:-} ]] || continue
            split_address "${!name}"
            [[ $port =~ ^[0-9]+$ ]] || die "$name=${!name} is not an address such as 127.0.0.1:7001"
            if port_taken "$port"; then
                die "port $port, which $binary needs, is taken$(holder_words "$port"): stop that, or set $name"
            fi
        done
    done
}

start_in_one_process() {
    fresh_log weir
    start_child weir "$service_signals" "$log_dir/weir.log" "$programs/weir" up --config "$config"
}

start_apart() {
    local service section binary
    for service in "${services[@]}"; do
        read -r section binary _ <<<"$service"
        fresh_log "$binary"
        start_child "$binary" "$service_signals" "$log_dir/$binary.log" "$programs/$binary" --config "$config"
    done
}

# True when every service says it can do its work; otherwise `unready` says which does not, and why.
services_ready() {
    local service section binary
    for service in "${services[@]}"; do
        read -r section binary _ <<<"$service"
        if ! http_get "$(reachable "$(address "$section" ops)")" /readyz; then
            unready="$binary does not answer on its ops port"
            return 1
        fi
        if [[ $http_status != 200 ]]; then
            unready="$binary says: ${http_body//$'\n'/ }"
            return 1
        fi
    done
}

print_addresses() {
    local service section binary
    for service in "${services[@]}"; do
        read -r section binary _ <<<"$service"
        if [[ $section == console ]]; then
            printf '  %-14s http://%s\n' "$binary" "$(reachable "$(address console ops)")"
            continue
        fi
        printf '  %-14s gRPC %-18s ops http://%s\n' "$binary" "$(address "$section" grpc)" "$(reachable "$(address "$section" ops)")"
        [[ $section != gateway ]] || printf '  %-14s PostgreSQL %s\n' '' "$(reachable "$(address "$section" wire)")"
    done
}

# The two servers that services apart from each other share.
start_nats() {
    local port program
    port=$(free_port 4222)
    nats_url="nats://127.0.0.1:$port"
    program=$(command -v nats-server || printf /usr/sbin/nats-server)
    fresh_log nats
    start_child NATS "TERM KILL" "$log_dir/nats.log" "$program" --addr 127.0.0.1 --port "$port" --jetstream --store_dir "$data_dir/nats"
    wait_until 20 NATS answers_with "127.0.0.1:$port" '' INFO
}

start_redis() {
    local port
    port=$(free_port 6379)
    redis_url="redis://127.0.0.1:$port"
    fresh_log redis
    # Results that gateways share: what is least used makes room, and nothing of it is worth a disk.
    start_child Redis "TERM KILL" "$log_dir/redis.log" redis-server --bind 127.0.0.1 --port "$port" --daemonize no \
        --dir "$data_dir" --save '' --maxmemory 64mb --maxmemory-policy allkeys-lfu
    wait_until 20 Redis answers_with "127.0.0.1:$port" PING +PONG
}
