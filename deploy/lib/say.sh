# shellcheck shell=bash
# How the commands speak: progress on stdout, one sentence on stderr when they cannot go on.

say() {
    printf '%s\n' "$*"
}

warn() {
    printf '%s: %s\n' "$program" "$*" >&2
}

# Ends the command with one clear sentence.
die() {
    warn "$*"
    exit 1
}

has() {
    [[ -x $(type -P "$1") ]]
}
