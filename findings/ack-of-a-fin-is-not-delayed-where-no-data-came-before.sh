#!/usr/bin/env bash
# Version:   Linux 6.18 (tcp_send_delayed_ack of net/ipv4/tcp_output.c, tcp_event_data_recv of net/ipv4/tcp_input.c); nothing is
#            installed.
# Guess:     Linux delays the ACK of a FIN by 40 ms (TCP_DELACK_MIN), so that the FIN of an application that closes at once can
#            carry it: a close of three segments.
# Behaviour: it is delayed by 40 ms only where the socket has received data before. The delay is set as the first data arrives
#            and is 0 until then, so that the timer expires at the next timer interrupt: after 4 ms at most with CONFIG_HZ=250.
#            Whether a connection without data closes in three segments or in four depends on that interrupt.
# Output:    median delay of 15 FINs: below 12 ms without data before, 40 ms or more after one byte
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside

ip link set lo up
seen=$(python3 - <<'PYTHON'
import socket, statistics, struct, time

OUTGOING, ALL, FIN, SYN, RST = 4, 3, 1, 2, 4

def segments(sniffer):
    """The TCP headers that pass, each once."""
    while True:
        packet, (_, _, kind, _, _) = sniffer.recvfrom(65536)
        if kind == OUTGOING and packet[9] == socket.IPPROTO_TCP:
            yield struct.unpack_from("!HHII", packet, 20), packet[33]

def delay(data):
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
    sniffer.bind(("lo", 0))
    sniffer.settimeout(10)
    with sniffer, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0] as server:
            client.sendall(data)
            while data:
                data = data[len(server.recv(len(data))):]
            client.shutdown(socket.SHUT_WR)
            sent = None
            for (source, destination, seq, ack), flags in segments(sniffer):
                if destination == port and flags & FIN:
                    sent, acknowledges = time.monotonic(), (seq + 1) % 2**32
                elif source == port and sent and ack == acknowledges and not flags & (FIN | SYN | RST):
                    return (time.monotonic() - sent) * 1000

def median(data):
    return statistics.median(delay(data) for _ in range(15))

before, after = median(b""), median(b"x")
print(f"median delay of 15 FINs: {'below 12 ms' if before < 12 else f'{before:.1f} ms'} without data before, "
      f"{'40 ms or more' if after >= 40 else f'{after:.1f} ms'} after one byte")
PYTHON
)
expected="median delay of 15 FINs: below 12 ms without data before, 40 ms or more after one byte"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
