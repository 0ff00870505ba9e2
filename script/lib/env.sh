# shellcheck shell=bash
# Sourced by every script: where things are.

SOUK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Shared by all clones of one user: build output, tools, the Python environment.
SOUK_CACHE=${SOUK_CACHE:-$HOME/.cache/souk}
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$SOUK_CACHE/target}
export SOUK_ROOT SOUK_CACHE CARGO_TARGET_DIR

say() { printf '%s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

xtask() { # TASK [arguments]
    local quiet=--quiet
    if [[ ! -e $CARGO_TARGET_DIR/debug/xtask ]]; then
        say "compiling this repository's tasks, which takes some minutes the first time"
        quiet=
    fi
    cd "$SOUK_ROOT" || exit
    exec cargo run ${quiet:+"$quiet"} --package xtask -- "$@"
}

locked_version() { # CRATE: its version in Cargo.lock
    awk -v wanted="name = \"$1\"" \
        'found { gsub(/version = |"/, ""); print; exit } $0 == wanted { found = 1 }' \
        "$SOUK_ROOT/Cargo.lock"
}

tool_version() { # TOOL: its version in local/tools.txt
    awk -v wanted="$1" '$1 == wanted { print $2 }' "$SOUK_ROOT/local/tools.txt"
}

tool_dir() { # TOOL VERSION: where it is installed
    printf '%s/tools/%s-%s\n' "$SOUK_CACHE" "$1" "$2"
}

hash_of() { # FILE: 16 digits
    local hash
    hash=$(sha256sum "$1")
    printf '%s\n' "${hash:0:16}"
}

venv_dir() { # REQUIREMENTS: a file of local
    printf '%s/venv-%s\n' "$SOUK_CACHE" "$(hash_of "$SOUK_ROOT/local/$1")"
}

# Tools of our own come after the machine's.
for _tool in cargo-nextest cargo-deny cargo-machete; do
    PATH=$PATH:$(tool_dir "$_tool" "$(tool_version "$_tool")")/bin
done
unset _tool
SOUK_PGBOUNCER=$SOUK_CACHE/tools/pgbouncer
PATH=$PATH:$SOUK_PGBOUNCER
export PATH
