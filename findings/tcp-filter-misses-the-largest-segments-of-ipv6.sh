#!/usr/bin/env bash
# Version:   Linux 6.18 (ip6_xmit of net/ipv6/ip6_output.c; since 5.19), tcpdump 4.99.3 with libpcap 1.10.3 (Debian 12).
# Guess:     nobody sends TCP with extension headers of IPv6 (RFC 8200 §4), so that the filter `tcp` of a capture finds all of
#            it. That it does not look behind such headers (pcap-filter(7)) matters to unusual traffic alone.
# Behaviour: Linux itself puts one there. Where the interface takes more than 64 KiB at once (gso_max_size, "BIG TCP"), the
#            length does not fit into the IPv6 header, and is given in the Jumbo Payload option of a hop-by-hop header
#            (RFC 2675 §2). The first header that follows IPv6 is not TCP then. The segments that carry most of the bytes are
#            missing where `tcp` or `port` is the filter, as if they had been lost before the capture; their ACKs are there.
# Output:    segments above 64 KiB: without filter some, tcp none, tcp port 4712 none, ip6 protochain 6 some
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
command -v tcpdump >/dev/null || { echo "this needs tcpdump" >&2; exit 2; }
if [ "${1:-}" != inside ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  unshare --net bash "$0" inside "$folder"
  exit
fi
folder=$2

ip link set lo gso_max_size 190000 gro_max_size 190000 || { echo "this needs BIG TCP, of Linux 5.19" >&2; exit 2; }
ip link set lo up

python3 - "$folder" <<'PYTHON'
import os, socket, subprocess, sys, time

SIZE = 4_000_000
path = f"{sys.argv[1]}/all"
# A buffer of 64 MiB, for all of it.
capture = subprocess.Popen(["tcpdump", "-i", "lo", "-w", path, "-U", "-B", "65536", "-Z", "root"], stderr=subprocess.PIPE, text=True)
while "listening on" not in capture.stderr.readline():
    if capture.poll() is not None:
        raise SystemExit("tcpdump has ended")

# Two full segments of lo, more than 64 KiB, fit into this receive buffer, and Reno sends as many at once (BBR may not).
listener = socket.create_server(("::1", 4712), family=socket.AF_INET6)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
client = socket.socket(socket.AF_INET6)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
client.connect(("::1", 4712))
server, _ = listener.accept()
client.setblocking(False)
left = SIZE
while left:
    try:
        left -= client.send(bytes(min(left, 1_000_000)))
    except BlockingIOError:
        server.recv(1 << 20)
client.close()
while server.recv(1 << 20):
    pass
# tcpdump reads from the kernel at intervals, and nothing more after it was told to end.
end = time.monotonic() + 30
while os.path.getsize(path) < SIZE and time.monotonic() < end:
    time.sleep(0.1)
capture.terminate()
capture.wait()
PYTHON

large() {
  tcpdump -n -r "$folder/all" "$@" 2>/dev/null | awk '/Flags/ && $NF > 65535 { found = 1 } END { print found ? "some" : "none" }'
}
seen="segments above 64 KiB: without filter $(large), tcp $(large tcp), tcp port 4712 $(large tcp port 4712)"
seen+=", ip6 protochain 6 $(large ip6 protochain 6)"
expected="segments above 64 KiB: without filter some, tcp none, tcp port 4712 none, ip6 protochain 6 some"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
