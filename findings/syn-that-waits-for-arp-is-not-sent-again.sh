#!/usr/bin/env bash
# Version:   Linux 6.18 (skb_still_in_host_queue, called by __tcp_retransmit_skb, of net/ipv4/tcp_output.c; __neigh_event_send of
#            net/core/neighbour.c); nothing is installed.
# Guess:     RFC 6298 §5.4: each time the retransmission timer expires, the SYN is sent again. Where the next hop answers ARP only
#            after two seconds, the SYNs of three attempts wait for it and leave together, or all but the last are lost.
# Behaviour: one leaves, two seconds late. The timer expires, but TCP finds the SYN still in a queue of its own host, which is the
#            neighbour's, and sends nothing: TCPTimeouts and TCPSpuriousRtxHostQueues count it, TCPSynRetrans and
#            tcpi_total_retrans do not. On the wire, the SYN is answered at once and nothing shows why connect() took so long;
#            the socket takes the time for an RTT of two seconds.
# Output:    timeouts: some, in queues of the host: some, retransmissions: 0; SYNs: 1; connected after 2 s, answered within 0.5 s;
#            RTT 2 s
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a tap device in a network namespace" >&2; exit 2; }
[ -c /dev/net/tun ] || { echo "this needs /dev/net/tun" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside

seen=$(python3 - <<'PYTHON'
import fcntl, os, select, socket, struct, subprocess, time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000
SYN, ACK = 2, 16
HARDWARE, PEER, OWN = b"\2\0\0\0\0\2", socket.inet_aton("10.47.0.2"), socket.inet_aton("10.47.0.1")

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff)

def counters():
    with open("/proc/net/netstat") as file:
        names, values = (next(file).split() for _ in range(2))
    return dict(zip(names, values))

tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", b"tap0", IFF_TAP | IFF_NO_PI))
# No datagrams of IPv6 on the device.
subprocess.run(["ip", "link", "set", "tap0", "addrgenmode", "none"], check=True)
subprocess.run(["ip", "addr", "add", "10.47.0.1/24", "dev", "tap0"], check=True)
subprocess.run(["ip", "link", "set", "tap0", "up"], check=True)

client = socket.socket()
client.setblocking(False)
begin = time.monotonic()
client.connect_ex(("10.47.0.2", 80))
requests = syns = 0
connected = None
# Some time more than the connection takes: further SYNs would come.
while time.monotonic() < begin + 5 and not (connected and time.monotonic() > connected + 1):
    if not select.select([tap], [], [], 0.1)[0]:
        continue
    frame = os.read(tap, 2000)
    source, kind, packet = frame[6:12], frame[12:14], frame[14:]
    if kind == b"\x08\x06" and packet[24:28] == PEER:
        requests += 1
        if requests == 3:
            reply = packet[:6] + b"\0\2" + HARDWARE + PEER + source + OWN
            os.write(tap, source + HARDWARE + kind + reply)
    elif kind == b"\x08\0" and packet[9] == socket.IPPROTO_TCP and packet[33] & (SYN | ACK) == SYN:
        syns += 1
        sent = time.monotonic()
        port, _, seq = struct.unpack("!HHI", packet[20:28])
        tcp = struct.pack("!HHIIBBHHH", 80, port, 900, seq + 1 & 0xffffffff, 5 << 4, SYN | ACK, 8192, 0, 0)
        tcp = tcp[:16] + checksum(PEER + OWN + struct.pack("!HH", 6, len(tcp)) + tcp) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + PEER + OWN
        os.write(tap, source + HARDWARE + kind + ip[:10] + checksum(ip) + ip[12:] + tcp)
        if select.select([], [client], [], 1)[1] and client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            connected = time.monotonic()
if not connected:
    raise SystemExit("no connection")

info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
rtt, total_retrans = struct.unpack_from("I", info, 68)[0], struct.unpack_from("I", info, 100)[0]
counted = counters()
timeouts, queued = (int(counted[name]) for name in ("TCPTimeouts", "TCPSpuriousRtxHostQueues"))
answered = "within 0.5 s" if connected - sent < 0.5 else f"after {connected - sent:.1f} s"
print(f"timeouts: {'some' if timeouts else 'none'}, in queues of the host: {'some' if queued else 'none'}, "
      f"retransmissions: {int(counted['TCPSynRetrans']) + total_retrans}; SYNs: {syns}; "
      f"connected after {connected - begin:.0f} s, answered {answered}; RTT {rtt / 1e6:.0f} s")
PYTHON
)
expected="timeouts: some, in queues of the host: some, retransmissions: 0; SYNs: 1"
expected+="; connected after 2 s, answered within 0.5 s; RTT 2 s"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
