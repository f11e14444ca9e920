#!/usr/bin/env bash
# Compiles RocksDB once and keeps the archive outside the checkout, so that neither a fresh clone
# nor `cargo clean` costs those minutes again. Prints the variables that make cargo use it:
#
#     eval "$(stores/rocksdb/prepare.sh)"
#
# Without them cargo compiles RocksDB itself: the same result, 12 to 25 minutes on two cores.
# May run any number of times, also at once.
set -euo pipefail
IFS=$'\n'
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"

main() {
    install_tools >&2
    local name archive cache
    name=$(key)
    for cache in $(caches); do
        archive=$cache/$name/librocksdb.a
        [ -f "$archive" ] || continue
        announce "$cache/$name"
        return
    done
    cache=$(first_writable)
    make_archive "$cache" "$name" >&2
    announce "$cache/$name"
}

announce() {
    printf 'export ROCKSDB_LIB_DIR=%q ROCKSDB_STATIC=1\n' "$1"
}

# ---- where it lies --------------------------------------------------------------------------

# All that decides what the archive holds: an archive of another version, target or other flags
# has another name.
key() {
    local crate target flags features
    crate=$(grep -A1 '^name = "librocksdb-sys"$' Cargo.lock | sed -n 's/^version = "\(.*\)"$/\1/p')
    target=$(rustc -vV | sed -n 's/^host: //p')
    flags=CXXFLAGS_${target//-/_}
    flags=${!flags:-$(sed -n "s/^$flags = \"\(.*\)\"$/\1/p" .cargo/config.toml)}
    features=$(grep '^rocksdb = ' Cargo.toml)
    local sum
    sum=$(printf '%s;' "$crate" "$flags" "$features" "${CXX:-}" "${CXXFLAGS:-}" "${ROCKSDB_CXX_STD:-}" "${RUSTFLAGS:-}" | cksum)
    echo "rocksdb-${crate#*+}-$target-${sum%% *}"
}

caches() {
    [ -z "${HOME:-}" ] || echo "$HOME/.cache/gossip"
    echo "${CARGO_TARGET_DIR:-$root/target}/gossip"
}

first_writable() {
    local cache
    for cache in $(caches); do
        mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] && echo "$cache" && return
    done
    fail "none of these can be written to: $(caches | tr '\n' ' ')"
}

# ---- making it ------------------------------------------------------------------------------

# Whoever comes second waits for the first, where the system knows how to wait.
make_archive() {
    local cache=$1 name=$2
    if command -v flock >/dev/null; then
        exec 9>"$cache/$name.lock"
        flock 9
        [ ! -f "$cache/$name/librocksdb.a" ] || return 0
    fi
    work=$(mktemp -d "$cache/making-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "compiling RocksDB into $cache/$name: 12 to 25 minutes on two cores"
    # In the checkout, so that its lock file, features, profile and flags hold.
    env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC \
        nice cargo build --locked -p librocksdb-sys --target-dir "$work"
    local made
    made=$(find "$work" -path '*/out/librocksdb.a')
    [ -f "$made" ] || fail "cargo made no librocksdb.a"
    # A rename: nobody ever sees half an archive.
    mkdir -p "$cache/$name"
    mv "$made" "$cache/$name/.making-$$"
    mv "$cache/$name/.making-$$" "$cache/$name/librocksdb.a"
}

# A C++ compiler, for the C++ library when linking too, and libclang for the bindings.
install_tools() {
    [ "$(uname)" = Linux ] || return 0
    local lacking=()
    command -v "${CXX:-c++}" >/dev/null || lacking+=(g++)
    has_libclang || lacking+=(libclang-dev)
    [ ${#lacking[@]} -ne 0 ] || return 0
    command -v apt-get >/dev/null || fail "install a C++20 compiler and libclang (lacking: ${lacking[*]})"
    echo "installing ${lacking[*]}"
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${lacking[@]}"
}

# Not libclang-cpp, which comes with LLVM and is of no use to bindings.
has_libclang() {
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    local place name
    for place in '/usr/lib*/llvm-*/lib' '/usr/lib*' '/usr/lib/*'; do
        for name in 'libclang.so*' 'libclang-[0-9]*.so*'; do
            ! compgen -G "$place/$name" >/dev/null || return 0
        done
    done
    return 1
}

fail() {
    echo "prepare.sh: $*" >&2
    exit 1
}

main
