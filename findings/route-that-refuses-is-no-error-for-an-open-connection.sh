#!/usr/bin/env bash
# Version:   Linux 6.18 (__tcp_transmit_skb of net/ipv4/tcp_output.c); nothing is installed.
# Guess:     ip-route(8): with a route of type blackhole, "local senders get an EINVAL error", with one of type unreachable
#            EHOSTUNREACH. tcpi_segs_out of TCP_INFO counts segments that were sent.
# Behaviour: only connect() gets these errors. On a connection that is open, send() succeeds, and it ends with ETIMEDOUT like one
#            whose segments are lost on the way. Its data counts as never sent (tcpi_notsent_bytes, and no
#            tcpi_total_retrans), while tcpi_segs_out counts each attempt, although nothing leaves.
# Output:    blackhole: connect EINVAL, send 5 bytes, then ETIMEDOUT; 5 bytes not sent, segs_out has grown, 0 retransmitted
#            unreachable: connect EHOSTUNREACH, send 5 bytes, then ETIMEDOUT; 5 bytes not sent, segs_out has grown, 0 retransmitted
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for network namespaces" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside
unshare --net sleep 60 &
peer=$!
trap 'kill "$peer"' EXIT
until [ "$(readlink "/proc/$peer/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link add v0 type veth peer name v1 netns "$peer"
ip addr add 10.47.0.1/24 dev v0
ip link set v0 up
nsenter --target "$peer" --net ip addr add 10.47.0.2/24 dev v1
nsenter --target "$peer" --net ip link set v1 up

seen=$(python3 - "$peer" <<'PYTHON'
import ctypes, errno, os, socket, struct, subprocess, sys

CLONE_NEWNET, TCP_USER_TIMEOUT = 0x40000000, 18
SERVER = ("10.47.0.2", 4706)

def enter(namespace):
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")

here, there = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(f"/proc/{sys.argv[1]}/ns/net", os.O_RDONLY)
enter(there)
listener = socket.create_server(SERVER)
enter(here)

def info(client):
    """tcpi_notsent_bytes, tcpi_segs_out and tcpi_total_retrans of TCP_INFO (linux/tcp.h)."""
    data = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return [struct.unpack_from("I", data, offset)[0] for offset in (144, 136, 100)]

for kind in ["blackhole", "unreachable"]:
    client = socket.create_connection(SERVER)
    server, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1500)
    before = info(client)[1]
    subprocess.run(["ip", "route", "add", kind, SERVER[0]], check=True)
    refused = errno.errorcode[socket.socket().connect_ex(SERVER)]
    sent = client.send(b"hello")
    try:
        client.recv(1)
        ended = "nothing"
    except OSError as error:
        ended = errno.errorcode[error.errno]
    unsent, segments, again = info(client)
    grown = "has grown" if segments > before else "is the same"
    print(f"{kind}: connect {refused}, send {sent} bytes, then {ended}; {unsent} bytes not sent, segs_out {grown}, "
          f"{again} retransmitted")
    subprocess.run(["ip", "route", "del", kind, SERVER[0]], check=True)
PYTHON
)
expected="blackhole: connect EINVAL, send 5 bytes, then ETIMEDOUT; 5 bytes not sent, segs_out has grown, 0 retransmitted
unreachable: connect EHOSTUNREACH, send 5 bytes, then ETIMEDOUT; 5 bytes not sent, segs_out has grown, 0 retransmitted"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
