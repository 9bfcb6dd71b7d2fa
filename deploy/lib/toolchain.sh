# shellcheck shell=bash
# cargo, its version, the linker, and where the built programs lie.

# rustup puts cargo where a non-login shell may not look.
find_cargo() {
    if ! has cargo && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    has cargo || die "cargo is not found: install Rust $wanted or newer (rustup.rs)$(sudo_hint)"
    found=$(cd "$root" && cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
    [[ -n $found ]] || die "cargo is found but does not run: 'cargo --version' says why"
    newer_or_same "$found" "$wanted" || die "cargo is $found, but Rust $wanted or newer is needed: run 'rustup update stable'"
}

# The names are there without the components where rustup put them.
find_fmt_and_clippy() {
    { cargo fmt --version && clippy-driver --version; } >/dev/null 2>&1 ||
        die "cargo fmt or clippy is missing: run 'rustup component add rustfmt clippy'"
}

sudo_hint() {
    [[ -z ${SUDO_USER:-} ]] || printf '; or start it without sudo, it asks for sudo itself'
}

newer_or_same() {
    [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]
}

# .cargo/config.toml asks for mold; where the C compiler is too old to call it, clang can, and else the default links.
choose_linker() {
    local triple
    if links_with cc -fuse-ld=mold; then
        return
    fi
    if links_with clang -fuse-ld=mold; then
        triple=$(cd "$root" && rustc -vV | sed -n 's/^host: //p')
        triple=${triple//-/_}
        export "CARGO_TARGET_${triple^^}_LINKER=clang"
        return
    fi
    export RUSTFLAGS="${RUSTFLAGS:-}"
}

links_with() {
    has "$1" && printf 'int main(void) { return 0; }\n' | "$1" -x c - "$2" -o /dev/null 2>/dev/null
}

target_directory() {
    (cd "$root" && cargo metadata --format-version 1 --no-deps) |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}
