# shellcheck shell=bash
# Steps of script/bootstrap. Each returns at once when there is nothing to do.

need_rust() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust as https://rustup.rs tells"
    command -v cc >/dev/null || die "a C compiler is missing: apt-get install build-essential, or your system's equivalent"
    command -v rustup >/dev/null || return 0 # a distribution's cargo: it says itself what it cannot do
    local channel
    channel=$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$SOUK_ROOT/rust-toolchain.toml")
    if ! rustup run "$channel" cargo --version >/dev/null 2>&1; then
        say "installing Rust $channel"
        rustup toolchain install "$channel" --profile minimal --component rustfmt,clippy ||
            die "rustup could not install Rust $channel"
    fi
    [[ -n ${SOUK_WASM_TOOLCHAIN-} ]] && return 0
    local sysroot target
    sysroot=$(rustc --print sysroot)
    for target in wasm32-unknown-unknown wasm32-wasip2; do
        [[ -d $sysroot/lib/rustlib/$target ]] && continue
        say "adding the target $target"
        rustup target add "$target" ||
            die "rustup could not add the target $target; name a toolchain that has it by SOUK_WASM_TOOLCHAIN"
    done
}

need_python_environment() { # REQUIREMENTS, a file of local; WHAT it holds, in words
    local requirements=$SOUK_ROOT/local/$1 venv
    venv=$(venv_dir "$1")
    [[ -e $venv/complete ]] && return 0
    rm -rf "$venv" # half an installation, cut off
    command -v python3 >/dev/null || die "python3 is missing: install Python 3.11 or newer"
    say "installing $2"
    if ! python3 -m venv "$venv"; then
        rm -rf "$venv"
        die "python3 cannot make a virtual environment: apt-get install python3-venv, or your system's equivalent"
    fi
    if ! "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        --requirement "$requirements"; then
        rm -rf "$venv"
        die "pip could not install what local/$1 names"
    fi
    touch "$venv/complete"
}

need_npm_packages() { # FOLDER: of this repository, with a lock file
    local folder=$SOUK_ROOT/$1 modules
    modules=$SOUK_CACHE/npm-$(hash_of "$folder/package-lock.json")
    if [[ ! -d $modules ]]; then
        command -v npm >/dev/null || die "npm is missing: install Node.js with npm; its version does not matter"
        say "installing the npm packages of $1"
        local draft=$modules.draft
        rm -rf "$draft"
        mkdir "$draft"
        cp "$folder"/{package.json,package-lock.json,.npmrc} "$draft"
        (cd "$draft" && npm ci --loglevel=error >&2) ||
            die "npm could not install what $1/package-lock.json names"
        mv "$draft" "$modules"
    fi
    local link=$folder/node_modules
    if [[ ! $link -ef $modules/node_modules ]]; then
        rm -rf "$link"
        ln -s "$modules/node_modules" "$link"
    fi
}

need_cargo_tool() { # PACKAGE PROGRAM VERSION [cargo install options]
    local package=$1 program=$2 version=$3 dir
    dir=$(tool_dir "$package" "$version")
    [[ -x $dir/bin/$program ]] && return 0
    say "compiling $package $version, which takes some minutes"
    # Everything built once, in a folder of its own, and kept only as long as it is compiled.
    CARGO_TARGET_DIR=$dir/target cargo install --quiet --root "$dir" "$package" \
        --version "=$version" "${@:4}" || die "cargo could not install $package $version"
    rm -rf "$dir/target"
}

need_nextest() {
    # Any version runs the tests; one that the machine has is not built again.
    command -v cargo-nextest >/dev/null && return 0
    need_cargo_tool cargo-nextest cargo-nextest "$(tool_version cargo-nextest)" --locked
}

need_pgbouncer() {
    # The tests through a transaction pooler. Debian's package, unpacked without root with the libraries that a small
    # system lacks; elsewhere the machine's own.
    command -v pgbouncer >/dev/null || [[ -x /usr/sbin/pgbouncer || -x $SOUK_PGBOUNCER/pgbouncer ]] && return 0
    local how="install pgbouncer, or set SOUK_TEST_WITHOUT_PGBOUNCER=1 to leave out the tests that need it"
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        say "pgbouncer is missing: $how"
        return 0
    fi
    say "unpacking pgbouncer"
    local draft=$SOUK_PGBOUNCER.draft
    rm -rf "$draft"
    mkdir -p "$draft"
    if ! (cd "$draft" && apt-get download -qq pgbouncer libc-ares2 libevent-2.1-7 >/dev/null 2>&1); then
        rm -rf "$draft"
        say "apt-get could not download pgbouncer: $how"
        return 0
    fi
    local package
    for package in "$draft"/*.deb; do
        dpkg-deb --extract "$package" "$draft/root"
    done
    cat >"$draft/pgbouncer" <<'EOF'
#!/bin/sh
here=$(dirname "$0")
LD_LIBRARY_PATH=$(echo "$here"/root/usr/lib/*-linux-gnu) exec "$here/root/usr/sbin/pgbouncer" "$@"
EOF
    chmod -R a+rX "$draft"
    chmod +x "$draft/pgbouncer"
    rm -f "$draft"/*.deb
    mv "$draft" "$SOUK_PGBOUNCER"
}
