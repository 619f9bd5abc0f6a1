#!/usr/bin/env bash
# Version:   Linux 6.18 (br_nf_pre_routing_finish_bridge of net/bridge/br_netfilter_hooks.c); nothing is installed.
# Guess:     a segment that a bridge forwards from one port to another passes the ports, in one and out of the other. The bridge's
#            own device transmits only what the host itself sends, with both addresses translated or none.
# Behaviour: with net.bridge.bridge-nf-call-iptables, a segment from one port whose destination is translated to an address
#            behind another port goes out through the bridge's device, as long as the neighbour has no cached link-layer header.
#            It is seen there with the new destination and the old source, since the source is translated later. Whoever
#            watches the bridge sees a connection that neither end has. Later segments to the same neighbour are not seen there.
# Output:    transmitted by br0: 1 of 2 SYNs, 10.88.0.2 > 10.88.0.3; received by the server: from 10.88.0.1
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for network namespaces" >&2; exit 2; }
command -v nft >/dev/null || { echo "this needs nft (package nftables)" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

# `ip netns` keeps its names in /run.
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add br0 type bridge
ip addr add 10.88.0.1/24 dev br0
ip link set br0 up
for pod in 2 3; do
  ip netns add "pod$pod"
  ip link add "port$pod" type veth peer name eth0 netns "pod$pod"
  ip link set "port$pod" master br0 up
  ip -n "pod$pod" addr add "10.88.0.$pod/24" dev eth0
  ip -n "pod$pod" link set eth0 up
  ip -n "pod$pod" route add default via 10.88.0.1
done
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || { echo "this needs the module br_netfilter" >&2; exit 2; }
nft -f - <<'NFT'
table ip nat {
  chain prerouting { type nat hook prerouting priority -100; ip daddr 10.96.0.1 tcp dport 80 dnat to 10.88.0.3; }
  chain postrouting { type nat hook postrouting priority 100; ip saddr 10.88.0.0/24 ip daddr 10.88.0.3 masquerade; }
}
NFT

seen=$(python3 - <<'PYTHON'
import os, socket, subprocess

SYN, ACK, OUTGOING, ALL, IPV4 = 2, 16, 4, 3, 0x0800

def inside(pod, code):
    command = ["ip", "netns", "exec", pod, "python3", "-c", code]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

# Only sockets for all protocols see what is transmitted.
bridge = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
bridge.bind(("br0", 0))
bridge.setblocking(False)
server = inside("pod3", """
import socket
listener = socket.create_server(("10.88.0.3", 80))
print("listening", flush=True)
peers = {listener.accept()[1][0] for _ in range(2)}
print(*peers)
""")
server.stdout.readline()
CONNECT = "import socket; socket.create_connection(('10.96.0.1', 80), timeout=10)"
for _ in range(2):
    if inside("pod2", CONNECT).wait() != 0:
        raise SystemExit("the connection failed")
peers = server.stdout.readline().strip()

syns = []
while True:
    try:
        packet, (_, protocol, kind, _, _) = bridge.recvfrom(65536)
    except BlockingIOError:
        break
    if (protocol, kind) != (IPV4, OUTGOING) or packet[9] != 6:
        continue
    tcp = packet[(packet[0] & 15) * 4:]
    if tcp[13] & (SYN | ACK) == SYN:
        syns.append(f"{socket.inet_ntoa(packet[12:16])} > {socket.inet_ntoa(packet[16:20])}")
print(f"transmitted by br0: {len(syns)} of 2 SYNs, {', '.join(sorted(set(syns)))}; received by the server: from {peers}")
PYTHON
)
expected="transmitted by br0: 1 of 2 SYNs, 10.88.0.2 > 10.88.0.3; received by the server: from 10.88.0.1"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
