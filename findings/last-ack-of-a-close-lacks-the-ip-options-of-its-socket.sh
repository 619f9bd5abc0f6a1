#!/usr/bin/env bash
# Version:   Linux 6.18 (tcp_v4_timewait_ack of net/ipv4/tcp_ipv4.c, ip_send_unicast_reply of net/ipv4/ip_output.c); nothing is
#            installed.
# Guess:     IP options set by setsockopt(IP_OPTIONS) "are sent with every packet from this socket" (ip(7)), and so they are in all
#            segments of a connection.
# Behaviour: after close() the last ACK has none: a socket in FIN_WAIT2 that no process holds is replaced by one of TIME_WAIT, which
#            answers the other end's FIN, and which keeps no IP options. After shutdown(SHUT_WR) the socket itself answers, with them.
#            A filter on options finds one segment less, depending on how the socket was closed and on what the scheduler did: where
#            the other end's FIN comes together with its ACK, the socket itself answers too.
# Output:    close: S yes, . yes, F. yes, . no; shutdown: S yes, . yes, F. yes, . yes
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside
ip link set lo up

seen=$(python3 - <<'PYTHON'
import socket, struct

PORT = 4707
OUTGOING = 4  # PACKET_OUTGOING: each segment on lo passes twice
EVERYTHING = 3  # ETH_P_ALL
NO_OPERATIONS = b"\1\1\1\1"
FIN, SYN, ACK = 1, 2, 16

sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERYTHING))
sniffer.bind(("lo", EVERYTHING))
sniffer.settimeout(10)

def segment():
    """The next segment: whether it is the client's, whether its IP header has options, and its flags."""
    while True:
        packet, (_, _, kind, *_) = sniffer.recvfrom(2000)
        if kind == OUTGOING and packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_TCP:
            length = (packet[0] & 15) * 4
            _, destination = struct.unpack_from("!HH", packet, length)
            return destination == PORT, length > 20, packet[length + 13]

def words(flags):
    return ("S" if flags & SYN else "") + ("F" if flags & FIN else "") + ("." if flags & ACK else "")

def closed(how):
    listener = socket.create_server(("127.0.0.1", PORT))
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, NO_OPERATIONS)
    client.connect(("127.0.0.1", PORT))
    server, _ = listener.accept()
    how(client)
    seen = []
    while len(seen) < 4:
        is_client, has_options, flags = segment()
        if is_client:
            seen.append(f"{words(flags)} {'yes' if has_options else 'no'}")
        elif len(seen) == 3 and not flags & FIN:
            # The client's FIN is acknowledged: the client is in FIN_WAIT2.
            server.close()
    listener.close()
    return ", ".join(seen)

print(f"close: {closed(socket.socket.close)}; shutdown: {closed(lambda client: client.shutdown(socket.SHUT_WR))}")
PYTHON
)
expected="close: S yes, . yes, F. yes, . no; shutdown: S yes, . yes, F. yes, . yes"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
