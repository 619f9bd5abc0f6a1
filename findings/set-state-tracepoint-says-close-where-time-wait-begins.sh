#!/usr/bin/env bash
# Version:   Linux 6.18 (the same code since the tracepoint came with 4.16); nothing is installed.
# Guess:     sock:inet_sock_set_state shows each state of RFC 9293 that a socket goes through, so that the end that closes
#            first is shown to go from FIN_WAIT2 to TIME_WAIT, and 60 s later from TIME_WAIT to CLOSE.
# Behaviour: it is shown to go from FIN_WAIT2 to CLOSE at once. TIME_WAIT is held by another, smaller object
#            (tcp_time_wait in net/ipv4/tcp_minisocks.c), whose end no tracepoint shows; meanwhile `ss` lists TIME-WAIT.
# Output:    TCP_FIN_WAIT2 TCP_CLOSE
#            ss: TIME-WAIT
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2>/dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/time-wait-$$
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

python3 - <<'PYTHON'
import socket
listener = socket.create_server(("127.0.0.1", 4701))
client = socket.create_connection(("127.0.0.1", 4701))
server, _ = listener.accept()
client.shutdown(socket.SHUT_WR)
assert server.recv(1) == b""
server.close()
assert client.recv(1) == b""
client.close()
PYTHON

states=$(grep 'dport=4701' "$instance/trace" | grep -o 'oldstate=TCP_FIN_WAIT2 newstate=[A-Z_0-9]*' | sed 's/[a-z]*=//g' | sort -u)
listed=$(ss -Htan 'dport = :4701' | awk '{ print $1 }' | sort -u)
echo "seen:     $states; ss: $listed"
echo "expected: TCP_FIN_WAIT2 TCP_CLOSE; ss: TIME-WAIT"
[ "$states" = "TCP_FIN_WAIT2 TCP_CLOSE" ] && [ "$listed" = TIME-WAIT ]
