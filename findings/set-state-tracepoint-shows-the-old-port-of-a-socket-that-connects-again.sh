#!/usr/bin/env bash
# Version:   Linux 6.18; nothing is installed.
# Guess:     at CLOSE > SYN_SENT, sock:inet_sock_set_state shows the source port that the SYN will have, or 0 since none has
#            been chosen yet.
# Behaviour: 0 is shown when a socket connects for the first time. A socket whose connection was dissolved (connect() with
#            AF_UNSPEC) and that connects again shows the port of its last connection, which the SYN does not have: the port
#            is chosen after the state has been set (tcp_v4_connect in net/ipv4/tcp_ipv4.c), and the old one is still there.
# Output:    first connection: sport=0, then a port; second: the first one's port, then another one.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2>/dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/old-port-$$
clean() {
  echo 0 >"$instance/events/sock/inet_sock_set_state/enable" || true
  rmdir "$instance" || true
  umount "$folder"
  rmdir "$folder"
}
mkdir "$instance"
trap clean EXIT
ip link set lo up
echo 1 >"$instance/events/sock/inet_sock_set_state/enable"

ports=$(python3 - <<'PYTHON'
import ctypes, socket
listener = socket.create_server(("127.0.0.1", 4702))
client = socket.socket()
client.connect(("127.0.0.1", 4702))
first = client.getsockname()[1]
# struct sockaddr whose family is AF_UNSPEC
libc = ctypes.CDLL(None, use_errno=True)
assert libc.connect(client.fileno(), bytes(16), 16) == 0
client.connect(("127.0.0.1", 4702))
print(first, client.getsockname()[1])
PYTHON
)
read -r first second <<<"$ports"
shown=$(grep 'dport=4702' "$instance/trace" | grep 'oldstate=TCP_CLOSE newstate=TCP_SYN_SENT' | grep -o 'sport=[0-9]*' | cut -d= -f2 | paste -sd' ')
echo "ports of the connections: $first $second"
echo "shown at CLOSE > SYN_SENT: $shown"
echo "expected:                  0 $first, and the second connection has another port"
[ "$shown" = "0 $first" ] && [ "$first" != "$second" ]
