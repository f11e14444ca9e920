#!/usr/bin/env bash
# Five nodes in network namespaces on one bridge (gossip/tests/netns): lays the network, runs the test in it, and
# takes it away. Everything is in user, mount, process and network namespaces of this script, so that nothing
# of it can be seen from outside and nothing stays, however it ends. Prints SKIPPED where that is refused.
set -euo pipefail
cd "$(dirname "$0")/.."

namespaces=(unshare --map-root-user --user --net --mount --propagation private --pid --fork --kill-child)
test=(cargo test --profile sweep -p gossip --features crash --test netns)

skip() {
    echo "SKIPPED netns: $*"
    exit 0
}

# Hosts 1 to 5 are for nodes, 9 is for the relay. See gossip/tests/netns/network.rs.
lay() {
    mount -t tmpfs gossip-netns /var/run
    local bridge host
    for bridge in switch aside; do
        ip link add "$bridge" type bridge
        ip link set "$bridge" up
    done
    for host in 1 2 3 4 5 9; do
        ip netns add "host$host"
        ip link add "port$host" type veth peer name eth0 netns "host$host"
        ip link set "port$host" master switch up
        ip -n "host$host" address add "10.77.0.$host/24" dev eth0
        ip -n "host$host" link set eth0 up
        ip -n "host$host" link set lo up
    done
}

# With the network and what lives in it gone, the namespaces are as well.
clear_away() {
    ip -all netns delete
    umount -l /var/run
}

case "${1:-}" in
    "")
        command -v ip >/dev/null || skip "no ip (iproute2)"
        refused=$("${namespaces[@]}" true 2>&1) || skip "namespaces are refused: $refused"
        "${test[@]}" --no-run
        "${namespaces[@]}" .ci/netns.sh inside
        ;;
    inside)
        trap clear_away EXIT
        .ci/netns.sh lay || skip "no network can be laid here"
        GOSSIP_NETNS_LAID=1 "${test[@]}"
        ;;
    lay) lay ;;
esac
