#!/usr/bin/env bash
# Version:   Linux 6.18 (tun_alloc_skb of drivers/net/tun.c); nft of the system (1.0.6 here); nothing is installed.
# Guess:     skb->sk of a received packet is null until the stack has looked up whom it is for: only what a socket of this
#            host sends has an owner. A packet with one that comes in on an interface has crossed a veth pair or a bridge.
# Behaviour: what a process writes to /dev/net/tun is received with the socket of the open file as its owner, which IP takes
#            away (skb_orphan in ip_rcv_core): the ingress hook, and programs at TC ingress, see it. The packets of
#            virtual machines, VPNs and network stacks in user space come like that, and each of them seems to have been sent
#            by a socket here. Its family is AF_UNSPEC.
# Output:    ingress: 1 of 1 with an owner; prerouting: 0 of 1
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a tun device in a network namespace" >&2; exit 2; }
command -v nft >/dev/null || { echo "this needs nft" >&2; exit 2; }
[ -c /dev/net/tun ] || { echo "this needs /dev/net/tun" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside

seen=$(python3 - <<'PYTHON'
import fcntl, json, os, socket, struct, subprocess

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 0x0001, 0x1000
RULES = """
table netdev early {
  chain c {
    type filter hook ingress device tun0 priority 0
    counter
    meta skuid 0 counter
  }
}
table ip late {
  chain c {
    type filter hook prerouting priority 0
    iif tun0 counter
    iif tun0 meta skuid 0 counter
  }
}
"""

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff

tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
subprocess.run(["ip", "addr", "add", "10.47.0.1/24", "dev", "tun0"], check=True)
subprocess.run(["ip", "link", "set", "tun0", "up"], check=True)
subprocess.run(["nft", "-f", "-"], input=RULES, text=True, check=True)
# An empty UDP datagram.
addresses = socket.inet_aton("10.47.0.2") + socket.inet_aton("10.47.0.1")
header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, socket.IPPROTO_UDP, 0) + addresses
header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
os.write(tun, header + struct.pack("!HHHH", 4704, 4705, 8, 0))

# write() returns after the packet was received.
rules = json.loads(subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, check=True).stdout)
rules = [item["rule"] for item in rules["nftables"] if "rule" in item]
counts = [expr["counter"]["packets"] for rule in rules for expr in rule["expr"] if "counter" in expr]
print(f"ingress: {counts[1]} of {counts[0]} with an owner; prerouting: {counts[3]} of {counts[2]}")
PYTHON
)
echo "seen:     $seen"
echo "expected: ingress: 1 of 1 with an owner; prerouting: 0 of 1"
[ "$seen" = "ingress: 1 of 1 with an owner; prerouting: 0 of 1" ]
