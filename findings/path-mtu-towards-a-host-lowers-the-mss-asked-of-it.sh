#!/usr/bin/env bash
# Version:   Linux 6.18 (ipv4_default_advmss of net/ipv4/route.c, ip6_default_advmss of net/ipv6/route.c); nothing is installed.
# Guess:     the MSS option of a SYN tells what its sender can receive (RFC 9293 §3.2), which its interface decides (§3.7.1). What
#            Path MTU Discovery has found about the way *to* the other end is about the other direction. A SYN that asks for
#            less than its interface takes has passed a router that clamps it, or leaves by a tunnel.
# Behaviour: Linux asks for what the path to the other end takes. After one message that a datagram was too big, each new connection
#            to that host has a smaller MSS in its SYN, for ten minutes (net.ipv4.route.mtu_expires), and the other end sends
#            smaller segments too, on a path that takes large ones. Two SYNs from the same interface to the same port differ,
#            and nobody on the way has touched them.
# Output:    IPv4: MSS 1460, then 1360; IPv6: MSS 1440, then 1340; IPv4 to another host: MSS 1460
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for network namespaces" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside

unshare --net sleep 60 &
router=$!
unshare --net sleep 60 &
server=$!
trap 'kill $router $server' EXIT
own=$(readlink "/proc/$$/ns/net")
for process in $router $server; do
  until [ "$(readlink "/proc/$process/ns/net")" != "$own" ]; do sleep 0.05; done
done
on_router() { nsenter --net="/proc/$router/ns/net" "$@"; }
on_server() { nsenter --net="/proc/$server/ns/net" "$@"; }

ip link add v0 type veth peer name v0 netns $router
on_router ip link add v1 type veth peer name v1 netns $server
ip addr add 10.47.0.1/24 dev v0
ip addr add fd47::1/64 dev v0 nodad
ip link set v0 up
on_router ip addr add 10.47.0.254/24 dev v0
on_router ip addr add fd47::254/64 dev v0 nodad
on_router ip addr add 10.48.0.254/24 dev v1
on_router ip addr add fd48::254/64 dev v1 nodad
# What goes to the server is limited, and what comes from there is not.
on_router ip link set v1 mtu 1400
on_router ip link set v0 up
on_router ip link set v1 up
on_router bash -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
on_server ip addr add 10.48.0.2/24 dev v1
on_server ip addr add 10.48.0.3/24 dev v1
on_server ip addr add fd48::2/64 dev v1 nodad
on_server ip link set v1 up
on_server ip route add default via 10.48.0.254
on_server ip route add default via fd48::254
ip route add default via 10.47.0.254
ip route add default via fd47::254

seen=$(python3 - "$server" <<'PYTHON'
import ctypes, os, select, socket, sys, threading

ALL, SYN, ACK, SIZE = 3, 2, 16, 100_000
HEADERS = {4: 20, 6: 40}
CLONE_NEWNET = 0x40000000

sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))

def serve(address, family, ready):
    # The listener belongs to the namespace that its thread is in as it is made.
    with open(f"/proc/{sys.argv[1]}/ns/net") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    listener = socket.create_server((address, 80), family=family)
    ready.set()
    while True:
        connection, _ = listener.accept()
        with connection:
            left = SIZE
            while left:
                left -= len(connection.recv(left))
            connection.send(b"x")

def mss(address, family):
    """The MSS in the SYN of a connection that then sends some segments."""
    with socket.create_connection((address, 80), timeout=20) as client:
        client.sendall(bytes(SIZE))
        client.recv(1)
    found = None
    while select.select([sniffer], [], [], 0)[0]:
        packet = sniffer.recv(65536)
        if packet[0] >> 4 not in HEADERS:
            continue
        tcp = packet[HEADERS[packet[0] >> 4]:]
        if packet[9 if packet[0] >> 4 == 4 else 6] == socket.IPPROTO_TCP and tcp[13] & (SYN | ACK) == SYN:
            # The first option, of four bytes (RFC 9293 §3.2).
            found = int.from_bytes(tcp[22:24], "big") if tcp[20:22] == b"\2\4" else None
    return found

servers = {"10.48.0.2": socket.AF_INET, "10.48.0.3": socket.AF_INET, "fd48::2": socket.AF_INET6}
for address, family in servers.items():
    ready = threading.Event()
    threading.Thread(target=serve, args=(address, family, ready), daemon=True).start()
    if not ready.wait(20):
        raise SystemExit("no server")
four = [mss("10.48.0.2", socket.AF_INET) for _ in range(2)]
six = [mss("fd48::2", socket.AF_INET6) for _ in range(2)]
other = mss("10.48.0.3", socket.AF_INET)
print(f"IPv4: MSS {four[0]}, then {four[1]}; IPv6: MSS {six[0]}, then {six[1]}; IPv4 to another host: MSS {other}", flush=True)
os._exit(0)
PYTHON
)
expected="IPv4: MSS 1460, then 1360; IPv6: MSS 1440, then 1340; IPv4 to another host: MSS 1460"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
