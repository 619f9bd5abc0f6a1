#!/usr/bin/env bash
# Version:   Linux 6.18, ss of iproute2 6.1 (with CONFIG_INET_DIAG_DESTROY)
# Guess:     sock:inet_sock_set_state reports changes: its old and its new state differ, and a socket goes to CLOSE once.
# Behaviour: a listener that is destroyed from outside, as by `ss -K`, goes to CLOSE twice, the second time from CLOSE:
#            tcp_abort (net/ipv4/tcp.c) sets the state to stop listening, and tcp_done sets it again for every kind of
#            socket. An established one that is destroyed so goes to CLOSE once. Who counts listeners by their changes to
#            CLOSE counts one too many.
# Output:    listener: LISTEN-CLOSE CLOSE-CLOSE; established: ESTABLISHED-CLOSE
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
command -v ss python3 > /dev/null || { echo "this needs ss and python3" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2> /dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/destroyed-$$
clean() {
  echo 0 > "$instance/events/sock/inet_sock_set_state/enable" || true
  rmdir "$instance" || true
  umount "$folder"
  rmdir "$folder"
}
mkdir "$instance"
trap clean EXIT
ip link set lo up

python3 - "$instance" <<'PYTHON'
import socket, subprocess, sys

listener = socket.create_server(("127.0.0.1", 4703))
client = socket.create_connection(("127.0.0.1", 4703))
server, _ = listener.accept()
with open(f"{sys.argv[1]}/events/sock/inet_sock_set_state/enable", "w") as enable:
    enable.write("1")
for sockets in [["state", "listening", "sport", "=", ":4703"], ["state", "established", "sport", "=", ":4703"]]:
    subprocess.run(["ss", "-K", *sockets], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
PYTHON

# The server's end and the listener have the port 4703.
changes() { grep 'sport=4703' "$instance/trace" | grep -o 'oldstate=TCP_[A-Z_0-9]* newstate=TCP_[A-Z_0-9]*' | sed 's/oldstate=TCP_//; s/ newstate=TCP_/-/'; }
listening=$(changes | grep -v '^ESTABLISHED' | xargs)
established=$(changes | grep '^ESTABLISHED' | xargs)
echo "seen:     listener: $listening; established: $established"
echo "expected: listener: LISTEN-CLOSE CLOSE-CLOSE; established: ESTABLISHED-CLOSE"
[ "$listening" = "LISTEN-CLOSE CLOSE-CLOSE" ] && [ "$established" = ESTABLISHED-CLOSE ]
