#!/usr/bin/env bash
# Version:   Linux 6.18 (tcp_v4_connect of net/ipv4/tcp_ipv4.c, tcp_fastopen_defer_connect of net/ipv4/tcp_fastopen.c); ss of
#            iproute2 6.1; nothing is installed.
# Guess:     where sock:inet_sock_set_state goes from CLOSE to SYN_SENT, a SYN leaves, or is dropped on its way out (RFC 9293
#            §3.3.2: the state is that of waiting for an answer to it). A socket in SYN_SENT waits for the other end.
# Behaviour: the state is set first. Where no source port is free, connect() fails with EADDRNOTAVAIL after SYN_SENT and back to
#            CLOSE, both with source port 0, as an unanswered attempt ends. With TCP_FASTOPEN_CONNECT and a cookie of the server,
#            connect() returns at once, and the SYN waits for the first send(): until then `ss` shows a connection that waits
#            for its server (and any number as the bytes it has queued), and TCP_INFO counts no segment. A client that
#            wants to receive first is never answered.
# Output:    no port: EADDRNOTAVAIL, CLOSE-SYN_SENT SYN_SENT-CLOSE, SYNs 0; fast open: connected, CLOSE-SYN_SENT, SYN-SENT, SYNs 0
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
command -v ss >/dev/null || { echo "this needs ss (package iproute2)" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2>/dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/no-syn-$$
clean() {
  echo 0 >"$instance/events/sock/inet_sock_set_state/enable" || true
  rmdir "$instance" || true
  umount "$folder"
  rmdir "$folder"
}
mkdir "$instance"
trap clean EXIT
ip link set lo up
# Of a client and of a server.
echo 3 >/proc/sys/net/ipv4/tcp_fastopen
echo 1 >"$instance/events/sock/inet_sock_set_state/enable"

seen=$(python3 - "$instance" <<'PYTHON'
import errno, re, select, socket, subprocess, sys

IPV4, SYN, ACK = 0x0800, 2, 16
TCP_FASTOPEN_CONNECT = 30
# Of this script alone, since the tracepoint sees all namespaces.
SERVER = ("127.0.47.23", 4723)

def states():
    with open(f"{sys.argv[1]}/trace") as file:
        return [re.sub(r".*oldstate=TCP_(\S+) newstate=TCP_(\S+)\s*", r"\1-\2", line) for line in file
                if f"dport={SERVER[1]} " in line and f"daddr={SERVER[0]} " in line]

def syns():
    count = 0
    while select.select([sniffer], [], [], 0.5)[0]:
        packet, (_, _, kind, *_) = sniffer.recvfrom(65536)
        # lo shows each packet twice.
        if kind != socket.PACKET_OUTGOING and packet[9] == socket.IPPROTO_TCP:
            count += packet[(packet[0] & 15) * 4 + 13] & (SYN | ACK) == SYN
    return count

def attempt(client):
    """The result of connect(), the states that it went through, and the SYNs that left."""
    before = len(states())
    result = client.connect_ex(SERVER)
    return errno.errorcode.get(result, "connected"), " ".join(states()[before:]), syns()

listener = socket.create_server(SERVER)
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 10)
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IPV4))

# It brings the cookie, and holds the only port that there is.
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
    file.write("40000 40000")
first = socket.socket()
first.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
first.connect(SERVER)
assert syns() == 1
result, passed, left = attempt(socket.socket())
print(f"no port: {result}, {passed}, SYNs {left}", end="; ")

with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
    file.write("40000 40999")
client = socket.socket()
client.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
result, passed, left = attempt(client)
text = subprocess.run(["ss", "-Htan", "sport", "=", str(client.getsockname()[1])], check=True, capture_output=True, text=True).stdout
print(f"fast open: {result}, {passed}, {text.split()[0]}, SYNs {left}")
PYTHON
)
expected="no port: EADDRNOTAVAIL, CLOSE-SYN_SENT SYN_SENT-CLOSE, SYNs 0; fast open: connected, CLOSE-SYN_SENT, SYN-SENT, SYNs 0"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
