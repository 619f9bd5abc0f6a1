#!/usr/bin/env bash
# Version:   Linux 6.18 (msstab and cookie_init_timestamp of net/ipv4/syncookies.c, msstab of net/ipv6/syncookies.c); nothing is
#            installed.
# Guess:     a SYN cookie matters to the handshake. Where both ends use timestamps, window scale and SACK are kept in them
#            (ip-sysctl still says that no extension is), and the connection is as any other from then on.
# Behaviour: two things stay. The cookie holds one of four sizes of segments, the largest being 1460 B for IPv4 and 8940 B for
#            IPv6: with jumbo frames, or on lo, the server sends no larger ones for the life of the connection, although
#            its own SYN,ACK asks for large segments and gets them. And the options take the six lowest bits of the time in the
#            SYN,ACK, which is up to 64 ms too early: the server takes that for the RTT, which begins with tens of ms
#            on a path of microseconds, and for the RTO, until enough segments have been measured.
# Output:    without cookies: IPv4 32768 B, IPv6 32768 B, RTT below 5 ms; with: IPv4 1448 B, IPv6 8928 B, RTT above 5 ms;
#            with, no timestamps: IPv4 1460 B, IPv6 8940 B, no window scale, no SACK
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
[ -e /proc/sys/net/ipv4/tcp_syncookies ] || { echo "this needs SYN cookies" >&2; exit 2; }
if [ "${1:-}" != inside ]; then exec unshare --net bash "$0" inside; fi
ip link set lo up

seen=$(python3 - <<'PYTHON'
import socket, statistics, struct, time

# struct tcp_info of linux/tcp.h
OPTIONS, SND_MSS, RTT = 5, 16, 68
TIMESTAMPS, SACK, WINDOW_SCALE = 1, 2, 4
FAMILIES = {"IPv4": (socket.AF_INET, "127.0.0.1"), "IPv6": (socket.AF_INET6, "::1")}

def configure(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
        file.write(str(value))

def connect(family, address):
    with socket.create_server((address, 0), family=family) as listener:
        with socket.create_connection(listener.getsockname()[:2]) as client, listener.accept()[0] as server:
            info = server.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return info[OPTIONS], *(struct.unpack_from("I", info, at)[0] for at in (SND_MSS, RTT))

def segments():
    return ", ".join(f"{name} {connect(*family)[1]} B" for name, family in FAMILIES.items())

def round_trip():
    values = []
    # They begin at any time of the 64 ms.
    for _ in range(25):
        values.append(connect(*FAMILIES["IPv4"])[2])
        time.sleep(0.007)
    return f"RTT {'above' if statistics.median(values) > 5000 else 'below'} 5 ms"

# 2: for each SYN, not only for those that find the queue full.
configure("tcp_syncookies", 0)
print(f"without cookies: {segments()}, {round_trip()}", end="; ")
configure("tcp_syncookies", 2)
print(f"with: {segments()}, {round_trip()}", end="; ")
configure("tcp_timestamps", 0)
options = connect(*FAMILIES["IPv4"])[0]
print(f"with, no timestamps: {segments()}, {'window scale' if options & WINDOW_SCALE else 'no window scale'}, "
      f"{'SACK' if options & SACK else 'no SACK'}")
PYTHON
)
expected="without cookies: IPv4 32768 B, IPv6 32768 B, RTT below 5 ms; with: IPv4 1448 B, IPv6 8928 B, RTT above 5 ms"
expected+="; with, no timestamps: IPv4 1460 B, IPv6 8940 B, no window scale, no SACK"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
