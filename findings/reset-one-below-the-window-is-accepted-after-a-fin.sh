#!/usr/bin/env bash
# Version:   Linux 6.18 (since 4.10; tcp_reset_check in net/ipv4/tcp_input.c); nothing is installed.
# Guess:     RFC 9293 §3.10.7.4 and RFC 5961 §3.2: an RST whose number is below RCV.NXT is outside of the window and dropped, in
#            every synchronized state.
# Behaviour: in CLOSE_WAIT, LAST_ACK and CLOSING, that is once the peer's FIN was received, an RST with exactly RCV.NXT - 1
#            ends the connection: some systems reset so after their own FIN. In ESTABLISHED it is dropped.
# Output:    ESTABLISHED: still open; CLOSE_WAIT: reset
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for raw sockets in a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside
ip link set lo up

seen=$(python3 - <<'PYTHON'
import select, socket, struct

PORT = 4704

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff

def reset(source, destination, seq):
    """An RST between two ports of 127.0.0.1."""
    header = struct.pack("!HHIIBBHHH", source, destination, seq, 0, 5 << 4, 4, 0, 0, 0)
    address = socket.inet_aton("127.0.0.1")
    pseudo = address + address + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header))
    header = header[:16] + struct.pack("!H", checksum(pseudo + header)) + header[18:]
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.sendto(header, ("127.0.0.1", 0))

def next_number(wire, source, flag):
    """The number behind the next segment of `source` that has `flag`."""
    while True:
        packet = wire.recv(65536)
        ip = packet[(packet[0] & 15) * 4:]
        if int.from_bytes(ip[0:2], "big") == source and ip[13] & flag:
            return int.from_bytes(ip[4:8], "big") + 1 & 0xffffffff

def state(server):
    """What became of the server's socket: tcpi_state of TCP_INFO."""
    return server.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0]

SYN, FIN, CLOSE = 2, 1, 7
listener = socket.create_server(("127.0.0.1", PORT))
words = []
for name in ["ESTABLISHED", "CLOSE_WAIT"]:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    wire.bind(("lo", 0))
    wire.settimeout(2)
    client = socket.create_connection(("127.0.0.1", PORT))
    server, _ = listener.accept()
    port = client.getsockname()[1]
    following = next_number(wire, port, SYN)
    if name == "CLOSE_WAIT":
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
        following = next_number(wire, port, FIN)
    reset(port, PORT, following - 1 & 0xffffffff)
    # lo delivers on the sender's own processor before sendto() returns.
    words.append(f"{name}: {'reset' if state(server) == CLOSE else 'still open'}")
print("; ".join(words))
PYTHON
)
echo "seen:     $seen"
echo "expected: ESTABLISHED: still open; CLOSE_WAIT: reset"
[ "$seen" = "ESTABLISHED: still open; CLOSE_WAIT: reset" ]
