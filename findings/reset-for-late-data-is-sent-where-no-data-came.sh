#!/usr/bin/env bash
# Version:   Linux 6.18 (tcp_rcv_state_process of net/ipv4/tcp_input.c; reasons for resets since 6.10); nothing is installed.
# Guess:     TCP_LINGER2 is "the lifetime of orphaned FIN_WAIT2 state sockets" (tcp(7)); a negative one is refused, or is none.
#            And tcp:tcp_send_reset with TCP_ABORT_ON_DATA tells that data came after close().
# Behaviour: with a negative one, close() sends its FIN as usual, and as soon as that is acknowledged, without any data, the kernel
#            resets for TCP_ABORT_ON_DATA: the other end, which may still have an answer to send, fails with EPIPE. It also counts
#            that in TCPAbortOnData.
# Output:    TCP_ABORT_ON_DATA; bytes that came: 0; TCPAbortOnData: 1; the other end: EPIPE
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2>/dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/linger2-$$
clean() {
  echo 0 >"$instance/events/tcp/tcp_send_reset/enable" || true
  rmdir "$instance" || true
  umount "$folder"
  rmdir "$folder"
}
mkdir "$instance"
trap clean EXIT
ip link set lo up
echo 1 >"$instance/events/tcp/tcp_send_reset/enable"

seen=$(python3 - "$instance" <<'PYTHON'
import errno, re, select, socket, sys

PORT = 4712
listener = socket.create_server(("127.0.0.1", PORT))
client = socket.create_connection(("127.0.0.1", PORT))
server, _ = listener.accept()
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, -1)
client.close()
# The FIN, and then the reset.
assert server.recv(1) == b""
hung_up = select.poll()
hung_up.register(server, select.POLLHUP)
hung_up.poll(10_000)
error = server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

with open(f"{sys.argv[1]}/trace") as file:
    reasons = re.findall(rf"tcp_send_reset:.*:{PORT} .*reason=(\w+)", file.read())
with open("/proc/net/netstat") as file:
    names, values = [line.split() for line in file if line.startswith("TcpExt:")]
counted = values[names.index("TCPAbortOnData")]
# tcpi_bytes_sent of TCP_INFO (linux/tcp.h).
sent = int.from_bytes(server.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)[200:208], sys.byteorder)
print(f"{' '.join(reasons)}; bytes that came: {sent}; TCPAbortOnData: {counted}; the other end: "
      f"{errno.errorcode.get(error, error)}")
PYTHON
)
echo "seen:     $seen"
echo "expected: TCP_ABORT_ON_DATA; bytes that came: 0; TCPAbortOnData: 1; the other end: EPIPE"
[ "$seen" = "TCP_ABORT_ON_DATA; bytes that came: 0; TCPAbortOnData: 1; the other end: EPIPE" ]
