#!/usr/bin/env bash
# Version:   Linux 6.18 (mptcp_do_fastclose of net/mptcp/protocol.c; reasons for resets since 6.10); nothing is installed.
# Guess:     tcp:tcp_send_reset says why the kernel resets. TCP_ABORT_ON_CLOSE is "the connection was closed with unread data"
#            (SK_RST_REASON_TCP_ABORT_ON_CLOSE in include/net/rstreason.h), and close() with SO_LINGER 0 is TCP_STATE.
# Behaviour: that holds for TCP. The subflow of an MPTCP connection is reset for TCP_ABORT_ON_CLOSE whatever ends the connection at
#            once: here SO_LINGER 0, with everything read. An MPTCP socket that its process has closed, and whose peer does not
#            follow within 60 s, is reset for the same reason.
# Output:    TCP: TCP_STATE; MPTCP: TCP_ABORT_ON_CLOSE
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
[ -e /proc/sys/net/mptcp/enabled ] || { echo "this kernel has no MPTCP" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2>/dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/fast-close-$$
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
import re, socket, struct, sys

words = []
for name, protocol, port in [("TCP", socket.IPPROTO_TCP, 4709), ("MPTCP", 262, 4710)]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    client.connect(("127.0.0.1", port))
    server, _ = listener.accept()
    for sender, receiver in [(client, server), (server, client)]:
        sender.sendall(b"x")
        assert receiver.recv(1) == b"x"
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    try:
        server.recv(1)
    except ConnectionResetError:
        pass
    with open(f"{sys.argv[1]}/trace") as file:
        reasons = set(re.findall(rf"dest=127.0.0.1:{port} .*reason=(\w+)", file.read()))
    words.append(f"{name}: {' '.join(sorted(reasons))}")
print("; ".join(words))
PYTHON
)
echo "seen:     $seen"
echo "expected: TCP: TCP_STATE; MPTCP: TCP_ABORT_ON_CLOSE"
[ "$seen" = "TCP: TCP_STATE; MPTCP: TCP_ABORT_ON_CLOSE" ]
