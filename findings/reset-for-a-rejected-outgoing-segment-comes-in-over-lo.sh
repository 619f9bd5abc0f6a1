#!/usr/bin/env bash
# Version:   Linux 6.18 (nf_send_reset of net/ipv4/netfilter/nf_reject_ipv4.c); nft of the system (1.0.6 here); nothing is installed.
# Guess:     a rule for outgoing segments that says `reject with tcp reset` makes connect() fail with ECONNREFUSED without any
#            packet, since it decides within the host; if there is one, it comes in by the interface of the route to the
#            other end. What comes in over lo is from an address of this host.
# Behaviour: the reset is a packet, with the other end's address as its source. It is routed as any that this host sends: to an
#            address of its own, so that it comes in over lo. The SYN passed no interface. Whoever watches the interface
#            of the route sees nothing of the connection; whoever watches lo sees a reset from an address that is not this
#            host's, without the SYN that it answers.
# Output:    connect(): ECONNREFUSED; v0: nothing; lo: RST,ACK 10.47.0.2 > 10.47.0.1
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
command -v nft >/dev/null || { echo "this needs nft (package nftables)" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside

ip link set lo up
ip link add v0 type veth peer name v1
ip addr add 10.47.0.1/24 dev v0
ip link set v0 up
ip link set v1 up
# No ARP: a SYN would leave at once.
ip neigh add 10.47.0.2 lladdr 02:00:00:00:00:02 dev v0
nft -f - <<'NFT' || { echo "this needs the reject expression of nftables" >&2; exit 2; }
table ip filter {
  chain output { type filter hook output priority 0; ip daddr 10.47.0.2 tcp dport 80 reject with tcp reset; }
}
NFT

seen=$(python3 - <<'PYTHON'
import errno, select, socket

ALL, IPV4 = 3, 0x0800
NAMES = {2: "SYN", 20: "RST,ACK"}

# Without an interface, it sees what is received and transmitted on each of them.
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
client = socket.socket()
client.settimeout(5)
result = client.connect_ex(("10.47.0.2", 80))
seen = {"v0": [], "lo": []}
while select.select([sniffer], [], [], 0.5)[0]:
    packet, (interface, protocol, kind, *_) = sniffer.recvfrom(65536)
    # lo shows each packet twice; v1, the other end of v0, would show the same as v0.
    if protocol != IPV4 or packet[9] != socket.IPPROTO_TCP or interface == "lo" and kind == socket.PACKET_OUTGOING:
        continue
    flags = packet[(packet[0] & 15) * 4 + 13]
    source, destination = (socket.inet_ntoa(packet[at:at + 4]) for at in (12, 16))
    seen.setdefault(interface, []).append(f"{NAMES.get(flags, flags)} {source} > {destination}")
print(f"connect(): {errno.errorcode.get(result, result)}; v0: {', '.join(seen['v0']) or 'nothing'}; "
      f"lo: {', '.join(seen['lo']) or 'nothing'}")
PYTHON
)
expected="connect(): ECONNREFUSED; v0: nothing; lo: RST,ACK 10.47.0.2 > 10.47.0.1"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
