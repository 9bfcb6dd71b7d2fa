# shellcheck shell=bash
# The private PostgreSQL: one cluster in the data directory, loopback only, a generated password, port 54329 or the
# next free one. Never touches a cluster that this script did not make; with DATABASE_URL it only asks that server.
#
# PostgreSQL refuses to run as root; as root, the cluster belongs to the user `postgres` that the package brings.

pg_database=app
pg_port_first=54329

# Everything that can be found wrong before anything is started. Sets `pg_home`, which holds the cluster (data/) and
# the password of its superuser (password).
check_private_postgres() {
    pg_identity=()
    pg_home="$data_dir/pg"
    find_earlier_home
    if [[ -e $pg_home ]]; then
        check_cluster
    else
        find_postgres "" || die "no PostgreSQL server is found here, and apt-get brought none: install one, or set DATABASE_URL"
        ((EUID != 0)) || run_postgres_as postgres
    fi
    pg_port=$(free_port "$pg_port_first")
}

check_cluster() {
    local owner version
    owner=$(stat -L -c %U "$pg_home")
    if ((EUID == 0)); then
        run_postgres_as "$owner"
    elif [[ ! -O $pg_home ]]; then
        die "$pg_home belongs to $owner: start as the user who made it, or choose another --data-dir"
    fi
    version=$(cat "$pg_home/data/PG_VERSION" 2>/dev/null) ||
        die "$pg_home is not a cluster that this script made: move it away, or choose another --data-dir"
    find_postgres "$version" ||
        die "the data in $pg_home is of PostgreSQL $version: install postgresql-$version, or move that directory away"
}

run_postgres_as() {
    if [[ $1 == root ]] || ! id "$1" >/dev/null 2>&1; then
        die "PostgreSQL does not run as root, and there is no other user to run it as: start as an ordinary user"
    fi
    pg_identity=("--reuid=$1" "--regid=$(id -g "$1")" --init-groups)
    pg_user=$1
}

as_owner() {
    if ((${#pg_identity[@]})); then
        (cd / && setpriv "${pg_identity[@]}" -- "$@")
    else
        "$@"
    fi
}

# Where the cluster lies when its owner cannot get into the data directory, as in a checkout under /root.
place_elsewhere() {
    printf '/var/lib/weir/%s-%s' "$(basename "$root")" "$(printf '%s' "$data_dir" | sha256sum | cut -c1-8)"
}

# The data directory was thrown away, but the cluster elsewhere is still there.
find_earlier_home() {
    local place
    place=$(place_elsewhere)
    if ((EUID == 0)) && [[ ! -e $pg_home && -d $place/data ]]; then
        say "using the PostgreSQL data of an earlier start in $place"
        ln -sfn "$place" "$pg_home"
    fi
}

start_private_postgres() {
    local child_identity=("${pg_identity[@]}") preload=()
    [[ -e $pg_home ]] || make_cluster
    stop_orphaned_postgres
    if [[ -e $("$pg_bin/pg_config" --pkglibdir)/pg_stat_statements.so ]]; then
        preload=(-c shared_preload_libraries=pg_stat_statements)
    fi
    fresh_log postgres
    start_child PostgreSQL "INT QUIT KILL" "$log_dir/postgres.log" \
        "$pg_bin/postgres" -D "$(readlink -f "$pg_home/data")" -c listen_addresses=127.0.0.1 -c "port=$pg_port" \
        -c unix_socket_directories= -c logging_collector=off -c wal_level=logical "${preload[@]}"
    set_database_url "postgres://postgres:$(cat "$pg_home/password")@127.0.0.1:$pg_port/postgres"
    wait_until 60 PostgreSQL postgres_answers
    make_database "${#preload[@]}"
}

postgres_answers() {
    psql_quiet -c 'select 1' >/dev/null 2>&1
}

# Made aside and moved into place, so that a broken-off start never leaves half a cluster.
make_cluster() {
    local home=$pg_home
    if ! as_owner test -x "$data_dir"; then
        home=$(place_elsewhere)
        say "user $pg_user cannot reach $data_dir: the cluster lies in $home"
        install -d -m 755 "${home%/*}"
    fi
    say "making a PostgreSQL $(major "$pg_bin") cluster in $pg_home"
    rm -rf "$home.new"
    mkdir -m 700 "$home.new"
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$home.new/password")
    [[ -z ${pg_user:-} ]] || chown -R "$pg_user": "$home.new"
    fresh_log initdb
    run_job initdb "$log_dir/initdb.log" env -C / "$pg_bin/initdb" -D "$home.new/data" --username=postgres \
        --pwfile="$home.new/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --data-checksums ||
        die "initdb failed: $(tail -n 1 "$log_dir/initdb.log")"
    mv -T "$home.new" "$home"
    [[ $home == "$pg_home" ]] || ln -sfn "$home" "$pg_home"
}

# Only after an earlier start was killed outright and its server did not hear of it.
stop_orphaned_postgres() {
    if as_owner "$pg_bin/pg_ctl" status -D "$pg_home/data" >/dev/null 2>&1; then
        say "stopping the PostgreSQL of an earlier start"
        as_owner "$pg_bin/pg_ctl" stop -D "$pg_home/data" -m fast -w -t 30 >/dev/null ||
            die "the PostgreSQL of an earlier start does not stop: see $log_dir/postgres.log.1"
    fi
}

# make_database STATEMENTS: not 0 when pg_stat_statements is loaded.
make_database() {
    if [[ -z $(psql_quiet -c "select 1 from pg_database where datname = '$pg_database'") ]]; then
        psql_quiet -c "create database $pg_database"
    fi
    set_database_url "${database_url%/*}/$pg_database"
    if (($1)); then
        PGOPTIONS='-c client_min_messages=warning' psql_quiet -c 'create extension if not exists pg_stat_statements'
    fi
    (umask 077 && printf '%s\n' "$database_url" >"$data_dir/database-url")
}

# Sets `database_url`, and `psql_url` and `psql_password`, which keep the password out of the process list.
set_database_url() {
    database_url=$1 psql_url=$1 psql_password=''
    if [[ $1 =~ ^(postgres(ql)?://[^:@/]*):([^@/]*)@(.*)$ ]]; then
        psql_url="${BASH_REMATCH[1]}@${BASH_REMATCH[4]}"
        local escaped=${BASH_REMATCH[3]//\\/\\\\}
        printf -v psql_password '%b' "${escaped//%/\\x}"
    fi
}

psql_quiet() {
    PGPASSWORD=${psql_password:-${PGPASSWORD:-}} PGCONNECT_TIMEOUT=5 psql -XAtq -w -v ON_ERROR_STOP=1 "$@" "$psql_url" </dev/null
}

# One sentence if the server that DATABASE_URL names cannot be used.
check_given_database() {
    local error
    [[ $1 =~ ^postgres(ql)?:// ]] || die "DATABASE_URL does not begin with postgres://: it has to name a PostgreSQL server"
    set_database_url "$1"
    error=$(psql_quiet -c 'select 1' 2>&1 >/dev/null) ||
        die "the PostgreSQL that DATABASE_URL names cannot be used: $(first_line "$error")"
}

# The first line of psql's message, without psql's name.
first_line() {
    head -n 1 <<<"${1#psql: error: }"
}
