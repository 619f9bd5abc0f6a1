#!/usr/bin/env bash
# Version:   Linux 6.18 (tcp_diag_get_info of net/ipv4/tcp_diag.c: rcv_nxt - copied_seq, write_seq - snd_una); ss of iproute2 6.1;
#            nothing is installed.
# Guess:     Recv-Q and Send-Q of `ss` are "the count of bytes not copied by the user program" and "not acknowledged by the remote
#            host" (netstat(8)): 18 bytes that nobody has read are 18.
# Behaviour: both are differences of sequence numbers, and a FIN has one. In CLOSE_WAIT the other end's FIN is counted until the
#            program has read up to it; in FIN_WAIT1 and LAST_ACK the own FIN is, until it is acknowledged.
# Output:    CLOSE-WAIT: 18 bytes unread, Recv-Q 19, and 0 after reading to the end; LAST-ACK: nothing unsent, Send-Q 1
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
command -v ss >/dev/null || { echo "this needs ss (package iproute2)" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside
ip link set lo up

seen=$(python3 - <<'PYTHON'
import socket, subprocess, time

PORT = 4706

def queues(state):
    """State, Recv-Q and Send-Q of the server's socket once it is in this state."""
    for _ in range(200):
        command = ["ss", "-Htn", "state", state, "sport", "=", f":{PORT}"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        if lines:
            return lines[0].split()[:2]
        time.sleep(0.01)
    raise SystemExit(f"no socket in {state}")

listener = socket.create_server(("127.0.0.1", PORT))
client = socket.create_connection(("127.0.0.1", PORT))
server, _ = listener.accept()
client.sendall(b"x" * 18)
client.shutdown(socket.SHUT_WR)
unread = queues("close-wait")[0]
while server.recv(100):
    pass
read = queues("close-wait")[0]
# From now on nothing arrives: the server's FIN is not acknowledged.
subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
server.close()
unsent = queues("last-ack")[1]
print(f"CLOSE-WAIT: 18 bytes unread, Recv-Q {unread}, and {read} after reading to the end; "
      f"LAST-ACK: nothing unsent, Send-Q {unsent}")
PYTHON
)
expected="CLOSE-WAIT: 18 bytes unread, Recv-Q 19, and 0 after reading to the end; LAST-ACK: nothing unsent, Send-Q 1"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
