# shellcheck shell=bash
# For the suites' programs: how the parts of a suite come from the registries into the cache, each once.
#
# The places that serve packages are those that the machine's own clients are set up for; nothing is installed into the
# system, and nothing is kept in the repository.

cache=${CONFORMANCE_CACHE:?is set by tests/conformance/run}
results=${CONFORMANCE_RESULTS:-/dev/null}
patience=${CONFORMANCE_PATIENCE:-1} # how many times as long as usual anything may take
conformance=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# once NAME COMMAND…: COMMAND fills the directory that is its last word anew; with success, never again.
# The name has the version in it, so that a new version is fetched.
once() {
    local directory=$cache/$1
    shift
    [[ ! -e $directory ]] || return 0
    rm -rf "$directory.new"
    mkdir -p "$directory.new"
    "$@" "$directory.new"
    mv -T "$directory.new" "$directory"
}

# Python, PyPI -----------------------------------------------------------------------------------------------------

# python_packages NAME REQUIREMENT…: a virtual environment `NAME` with these.
python_packages() {
    local name=$1
    shift
    # It knows its own path, so it is made in place and only then marked as whole.
    [[ ! -e $cache/$name/whole ]] || return 0
    rm -rf "${cache:?}/$name"
    python3 -m venv "$cache/$name"
    "$cache/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
    touch "$cache/$name/whole"
}

# python_source PACKAGE VERSION DIRECTORY: the source distribution, unpacked.
python_source() {
    mkdir "$3.sdist"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$3.sdist" "$1==$2"
    tar -xzf "$3.sdist"/*.tar.gz -C "$3" --strip-components=1
    rm -r "$3.sdist"
}

# Runs pytest of environment $1 (with pytest-timeout) in directory $2 with the other words, and notes each outcome.
pytest_in() {
    local environment=$cache/$1 directory=$2
    shift 2
    rm -f "$results.xml"
    (cd "$directory" && "$environment/bin/python" -m pytest -q -p no:cacheprovider "--timeout=$((60 * patience))" "$@" \
        --junitxml="$results.xml") || (($? == 1))
    python3 "$conformance/outcomes.py" junit <"$results.xml" >"$results"
}

# Debian, apt ------------------------------------------------------------------------------------------------------

# debian_source PACKAGE VERSION DIRECTORY: the original source, unpacked. apt's own settings are left as they are.
debian_source() {
    local apt=$cache/apt-sources options
    mkdir -p "$apt/parts" "$apt/lists/partial"
    options=(-qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts" -o "Dir::State::lists=$apt/lists"
        -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1)
    if [[ ! -e $apt/whole ]]; then
        local list
        for list in /etc/apt/sources.list.d/*.sources; do
            [[ ! -e $list ]] || sed 's/^Types:.*/Types: deb-src/' "$list" >"$apt/parts/${list##*/}"
        done
        if [[ -s /etc/apt/sources.list ]]; then
            sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$apt/parts/main.list"
        fi
        apt-get "${options[@]}" update
        touch "$apt/whole"
    fi
    mkdir -p "$3.debian"
    (cd "$3.debian" && apt-get "${options[@]}" source --download-only "$1=$2")
    tar -xf "$3.debian"/*.orig.tar.* -C "$3" --strip-components=1
    rm -rf "$3.debian"
}

# debian_packages PACKAGE[=VERSION]… DIRECTORY: the packages themselves, unpacked there and not installed.
debian_packages() {
    local directory=${*: -1} file
    mkdir -p "$directory.debs"
    (cd "$directory.debs" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "${@:1:$#-1}")
    for file in "$directory.debs"/*.deb; do
        dpkg-deb --extract "$file" "$directory"
    done
    rm -rf "$directory.debs"
}

# The same with all that they depend on and that is not installed.
debian_packages_whole() {
    local directory=${*: -1} file
    mkdir -p "$directory.debs/partial"
    apt-get -qq -y --no-install-recommends --download-only -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" \
        -o Dir::Cache::archives="$directory.debs" install "${@:1:$#-1}"
    for file in "$directory.debs"/*.deb; do
        dpkg-deb --extract "$file" "$directory"
    done
    rm -rf "$directory.debs"
}

# The server's Debian version, such as 15.18-0+deb12u1.
server_package_version() {
    local version
    version=$(psql -XAtqw -c 'SHOW server_version' "${CONFORMANCE_DIRECT:-}")
    [[ $version =~ \(Debian\ (.*)\)$ ]] || die "the baseline is PostgreSQL $version and not Debian's: its sources are not obtainable"
    printf '%s\n' "${BASH_REMATCH[1]}"
}

# Rust and node ----------------------------------------------------------------------------------------------------

# crate_source NAME VERSION DIRECTORY: the crate as published. Cargo unpacks it into its own store.
crate_source() {
    local store
    mkdir -p "$3.probe/src"
    printf '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n%s = { version = "=%s", default-features = false }\n' \
        "$1" "$2" >"$3.probe/Cargo.toml"
    touch "$3.probe/src/lib.rs"
    (cd "$3.probe" && cargo --quiet fetch)
    for store in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$1-$2"; do
        cp -r "$store/." "$3"
    done
    rm -rf "$3.probe"
}

# node_packages PACKAGE@VERSION… DIRECTORY
node_packages() {
    local directory=${*: -1}
    printf '{ "private": true }\n' >"$directory/package.json"
    npm install --prefix "$directory" --silent --no-audit --no-fund --ignore-scripts "${@:1:$#-1}"
}

# Go ---------------------------------------------------------------------------------------------------------------

# Debian's packages for Go are sources with their tests; the compiler comes from there too.
go_packages=(golang-1.19-go golang-1.19-src golang-github-lib-pq-dev golang-github-jackc-pgx-v4-dev
    golang-github-jackc-pgmock-dev golang-github-masterminds-semver-dev golang-github-stretchr-testify-dev)
pgtype_version=1.10.0-4

go_packages() {
    once go-1.19-2 go_root
}

# What pgtype's tests have in common is in its source package only.
go_root() {
    debian_packages_whole "${go_packages[@]}" "$1"
    mkdir "$1.pgtype"
    debian_source golang-github-jackc-pgtype "$pgtype_version" "$1.pgtype"
    cp -r "$1.pgtype/testutil" "$1/usr/share/gocode/src/github.com/jackc/pgtype/"
    rm -r "$1.pgtype"
}

go_tool() {
    local root=$cache/go-1.19-2
    GOROOT=$root/usr/lib/go-1.19 GOPATH=$root/usr/share/gocode GO111MODULE=off GOCACHE=$cache/go-build \
        "$root/usr/lib/go-1.19/bin/go" "$@"
}

compile_go_tests() {
    go_tool test -vet=off -run '^$' "$@"
}

# go_tests IMPORT-PATH…: runs the tests of these packages, and notes each one's outcome.
go_tests() {
    go_tool test -json -vet=off -count=1 "-timeout=$((300 * patience))s" "$@" |
        tee "$results.json" | python3 "$conformance/outcomes.py" go >"$results" || true
}
