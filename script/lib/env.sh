# shellcheck shell=bash
# Sourced by every script: where things are, and which versions of the tools that no other file pins.

SOUK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Shared by all clones of one user: build output, tools, the Python environment.
SOUK_CACHE=${SOUK_CACHE:-$HOME/.cache/souk}
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$SOUK_CACHE/target}
export SOUK_ROOT SOUK_CACHE CARGO_TARGET_DIR

# Committed query data decide, whatever database the caller's environment names.
export SQLX_OFFLINE=${SQLX_OFFLINE:-true}
export WRANGLER_SEND_METRICS=false PYTHONDONTWRITEBYTECODE=1

WORKER_BUILD_VERSION=0.8.7
CARGO_NEXTEST_VERSION=0.9.143
CARGO_DENY_VERSION=0.20.2
CARGO_MACHETE_VERSION=0.9.2

# Versions that must equal a library's are read from where the library is pinned.
locked_version() { # CRATE: its version in Cargo.lock
    awk -v name="name = \"$1\"" '$0 == name { getline; gsub(/version = |"/, ""); print; exit }' \
        "$SOUK_ROOT/Cargo.lock"
}

tool_dir() { # CRATE VERSION: where that version of a tool is installed
    printf '%s/tools/%s-%s\n' "$SOUK_CACHE" "$1" "$2"
}

venv_dir() {
    local hash
    hash=$(sha256sum "$SOUK_ROOT/local/requirements.txt")
    printf '%s/venv-%s\n' "$SOUK_CACHE" "${hash:0:16}"
}

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
