#!/usr/bin/env bash
# Version:   Linux 6.18 (tcp_v4_send_reset of net/ipv4/tcp_ipv4.c, tcp_v6_send_reset of net/ipv6/tcp_ipv6.c; with
#            CONFIG_TCP_MD5SIG); nothing is installed.
# Guess:     a SYN to a port that nobody listens on is answered by a reset (RFC 9293 §3.5.2), which a client that signs its
#            segments (TCP_MD5SIG, as BGP does) takes or ignores, since nobody is there to sign it.
# Behaviour: none is sent. For a signed segment without a socket the kernel looks for the key at a listener of the *sender's* port,
#            and without one says nothing: no ECONNREFUSED at a router whose daemon is down, but a timeout, as if
#            its host or the path were. A client that is connected to a daemon which has gone without a word is not reset
#            either, until the daemon listens again, with the key: then it is, by its listener.
# Output:    IPv4: without a key ECONNREFUSED, with a key ETIMEDOUT; IPv6: without a key ECONNREFUSED, with a key ETIMEDOUT;
#            connected: no listener none, a listener with the key ECONNRESET
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
if [ "${1:-}" != inside ]; then exec unshare --net bash "$0" inside; fi
ip link set lo up
# An attempt takes 3 s rather than two minutes.
echo 1 >/proc/sys/net/ipv4/tcp_syn_retries
[ ! -e /proc/sys/net/ipv4/tcp_syn_linear_timeouts ] || echo 0 >/proc/sys/net/ipv4/tcp_syn_linear_timeouts

result=0
seen=$(python3 - <<'PYTHON'
import errno, select, socket, struct

TCP_MD5SIG, TCP_REPAIR = 14, 19
KEY = b"secret"

def sign(end, family, address):
    # struct tcp_md5sig of linux/tcp.h
    peer = struct.pack("=H", family) + bytes(2 if family == socket.AF_INET else 6) + socket.inet_pton(family, address)
    option = struct.pack("=128sBBHi80s", peer, 0, 0, len(KEY), 0, KEY)
    try:
        end.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, option)
    except OSError:
        # 2: it could not be run here.
        raise SystemExit(2)

def attempt(family, address, signed):
    with socket.socket(family) as client:
        if signed:
            sign(client, family, address)
        return errno.errorcode[client.connect_ex((address, 4750))]

for name, family, address in (("IPv4", socket.AF_INET, "127.0.0.1"), ("IPv6", socket.AF_INET6, "::1")):
    print(f"{name}: without a key {attempt(family, address, False)}, with a key {attempt(family, address, True)}", end="; ")

def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sign(listener, socket.AF_INET, "127.0.0.1")
    listener.bind(("127.0.0.1", 4750))
    listener.listen()
    return listener

def error(client):
    poll = select.poll()
    poll.register(client, 0)
    poll.poll(1000)
    return errno.errorcode.get(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "none")

listener = listen()
client = socket.socket()
sign(client, socket.AF_INET, "127.0.0.1")
client.connect(("127.0.0.1", 4750))
server, _ = listener.accept()
# As if its host had been restarted: nothing is sent.
server.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
server.close()
listener.close()
client.send(b"x")
gone = error(client)
listener = listen()
client.send(b"x")
print(f"connected: no listener {gone}, a listener with the key {error(client)}")
PYTHON
) || result=$?
[ "$result" != 2 ] || { echo "this needs CONFIG_TCP_MD5SIG" >&2; exit 2; }
expected="IPv4: without a key ECONNREFUSED, with a key ETIMEDOUT; IPv6: without a key ECONNREFUSED, with a key ETIMEDOUT"
expected+="; connected: no listener none, a listener with the key ECONNRESET"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
