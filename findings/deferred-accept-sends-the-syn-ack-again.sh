#!/usr/bin/env bash
# Version:   Linux 6.18 (tcp_check_req in net/ipv4/tcp_minisocks.c, reqsk_timer_handler in net/ipv4/inet_connection_sock.c);
#            nothing is installed.
# Guess:     with TCP_DEFER_ACCEPT (tcp(7)) a listener completes the handshake and wakes its program when data arrives: on the
#            wire nothing differs.
# Behaviour: the bare ACK is dropped, and the request stays in SYN_RECV. About when the time is up, the SYN,ACK is sent again,
#            though its ACK has come; the client's second ACK is what completes the handshake, without any data.
# Output:    client: ESTABLISHED at once; SYN,ACKs on the wire: 2; accepted without data after the second one
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside
ip link set lo up

seen=$(python3 - <<'PYTHON'
import socket

PORT, SECONDS = 4705, 1
ESTABLISHED, SYN, ACK = 1, 2, 16

def state(end):
    """tcpi_state of TCP_INFO."""
    return end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0]

wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
wire.bind(("lo", 0))
wire.setblocking(False)
listener = socket.create_server(("127.0.0.1", PORT))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, SECONDS)
listener.settimeout(20)
client = socket.create_connection(("127.0.0.1", PORT))
at_once = "ESTABLISHED" if state(client) == ESTABLISHED else state(client)
server, _ = listener.accept()
server.setblocking(False)
try:
    data = server.recv(1)
except BlockingIOError:
    data = None

answers = 0
while True:
    try:
        packet = wire.recv(65536)
    except BlockingIOError:
        break
    tcp = packet[(packet[0] & 15) * 4:]
    answers += int.from_bytes(tcp[0:2], "big") == PORT and tcp[13] & (SYN | ACK) == SYN | ACK
how = "without data" if data is None else f"with {data!r}"
print(f"client: {at_once} at once; SYN,ACKs on the wire: {answers}; accepted {how} after the second one")
PYTHON
)
expected="client: ESTABLISHED at once; SYN,ACKs on the wire: 2; accepted without data after the second one"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
