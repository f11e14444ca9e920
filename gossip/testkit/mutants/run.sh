#!/bin/sh
# Plants bugs in a scratch copy of the workspace, one at a time, and expects each to be found: by the sweep, or
# by what its line `--- found by:` says, which is a few scenarios of the swarm.
#
#   run.sh          all mutants
#   run.sh 3        the first three
#   run.sh --only X those whose name begins with X
#   run.sh --check  only whether all of them still apply
#
# Exit code 1: a mutant survived, does not apply or does not compile. A mutant that makes what looks for it
# hang counts as found.
set -eu

# Built once for each mutant: quickly, and fast enough for some hundred seeds.
export CARGO_PROFILE_SWEEP_OPT_LEVEL=1 CARGO_PROFILE_SWEEP_DEBUG=0

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/mutants
seeds=0..200
count=${1:-999}
only=
if [ "$count" = --only ]; then
    only=$2
    count=999
fi

fresh_tree() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree"
    for part in Cargo.toml Cargo.lock gossip transports stores materializers examples benches; do
        cp -Rp "$root/$part" "$work/tree/"
    done
    # What an earlier call built last had a mutant in it.
    for mutant in "$here"/*.mutant; do
        touch "$work/tree/$(target_of "$mutant")"
    done
}

plant() {
    awk -v root="$work/tree" -f "$here/apply.awk" "$1"
}

target_of() {
    sed -n 's/^--- file: //p' "$1" | head -n 1
}

# The modification time must be new, or cargo takes the mutated build for a fresh one.
restore() {
    cp "$root/$1" "$work/tree/$1"
    touch "$work/tree/$1"
}

build() {
    (cd "$work/tree" &&
        CARGO_TARGET_DIR="$work/target" cargo build --quiet --profile sweep -p gossip-testkit --features sweep)
}

sweep() {
    timeout 300 "$work/target/sweep/sweep" --seeds "$1" --first --no-coverage >"$work/log" 2>&1
}

# As in `swarm --n 20 --only s1`; nothing if the sweep looks for it.
finder_of() {
    sed -n 's/^--- found by: //p' "$1"
}

# What else than the sweep looks for the chosen ones.
finders() {
    ls "$here/$only"*.mutant | head -n "$count" | while read -r mutant; do
        finder_of "$mutant"
    done | sort -u
}

# Whether nothing is found.
passes() {
    case $1 in
        "") sweep "$seeds" ;;
        "swarm "*)
            # shellcheck disable=SC2086
            timeout 300 "$work/target/sweep/"$1 >"$work/log" 2>&1
            ;;
        *) echo "nothing is called $1" && exit 2 ;;
    esac
}

fresh_tree
if [ "$count" = --check ]; then
    for mutant in "$here"/*.mutant; do
        plant "$mutant"
        restore "$(target_of "$mutant")"
    done
    echo "all mutants apply"
    exit 0
fi

build
if ! sweep 0..40; then
    echo "the sweep fails without any mutant:"
    tail -n 5 "$work/log"
    exit 1
fi

finders | while read -r finder; do
    passes "$finder" || { echo "fails without any mutant: $finder"; exit 1; }
done

killed=0
survived=0
for mutant in "$here/$only"*.mutant; do
    [ $((killed + survived)) -lt "$count" ] || break
    name=$(basename "$mutant" .mutant)
    finder=$(finder_of "$mutant")
    plant "$mutant"
    build || { echo "$name does not compile"; exit 1; }
    if passes "$finder"; then
        survived=$((survived + 1))
        echo "SURVIVED $name"
    else
        killed=$((killed + 1))
        echo "killed   $name: $(grep -m 1 -e FAILED -e MISSED "$work/log" | tr -s ' ' | cut -c 1-150)"
    fi
    restore "$(target_of "$mutant")"
done

echo "$killed killed, $survived survived"
[ "$survived" -eq 0 ]
