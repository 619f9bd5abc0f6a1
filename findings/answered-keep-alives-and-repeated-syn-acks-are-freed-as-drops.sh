#!/usr/bin/env bash
# Version:   Linux 6.18 (tcp_validate_incoming of net/ipv4/tcp_input.c; reasons since 5.17); nothing is installed.
# Guess:     skb:kfree_skb with a reason of its own tells of segments that are lost to their receiver: a connection that works has
#            none. A keep-alive probe is answered, so it has been received; so is a SYN,ACK that is sent again.
# Behaviour: each probe that the other end answers is freed as dropped for TCP_OLD_SEQUENCE, since it has the number before the next
#            one on purpose, and each repeated SYN,ACK for TCP_INVALID_SYN, the answer being a challenge ACK. What counts drops by
#            reason counts every idle connection with keep-alive, all the time.
# Output:    probes: TCP_OLD_SEQUENCE, the server is ESTABLISHED; repeated SYN,ACK: TCP_INVALID_SYN, the client is ESTABLISHED
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2>/dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/probes-$$
clean() {
  echo 0 >"$instance/events/enable" || true
  rmdir "$instance" || true
  umount "$folder"
  rmdir "$folder"
}
mkdir "$instance"
trap clean EXIT
ip link set lo up
echo 1 >"$instance/events/sock/sock_send_length/enable"
echo 1 >"$instance/events/skb/kfree_skb/enable"

seen=$(python3 - "$instance" <<'PYTHON'
import re, socket, sys, time

PROBED, DEFERRED = 4707, 4708
TCP_DEFER_ACCEPT, ESTABLISHED = 9, 1

TRACE = f"{sys.argv[1]}/trace"

def trace():
    with open(TRACE) as file:
        return file.read()

def key(connection):
    """The kernel's name for a socket, shown as it sends nothing."""
    open(TRACE, "w").close()
    connection.send(b"")
    return re.search(r"sk address = (\w+),.* length = 0,", trace())[1]

def await_drops(known):
    """The reasons for dropping what came for this socket."""
    deadline = time.monotonic() + 10
    found = set()
    while not found and time.monotonic() < deadline:
        time.sleep(0.1)
        found = set(re.findall(rf"rx_sk={known} .*reason: (\w+)", trace()))
    return " ".join(sorted(found))

def state(connection):
    """tcpi_state of TCP_INFO."""
    known = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0]
    return "ESTABLISHED" if known == ESTABLISHED else str(known)

listener = socket.create_server(("127.0.0.1", PROBED))
client = socket.create_connection(("127.0.0.1", PROBED))
server, _ = listener.accept()
client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
    client.setsockopt(socket.IPPROTO_TCP, option, 1)
probes = await_drops(key(server))
text = f"probes: {probes}, the server is {state(server)}"

# A listener that waits for data sends its SYN,ACK again, as one does whose client's ACK is lost.
listener = socket.create_server(("127.0.0.1", DEFERRED))
listener.setsockopt(socket.IPPROTO_TCP, TCP_DEFER_ACCEPT, 1)
client = socket.create_connection(("127.0.0.1", DEFERRED))
again = await_drops(key(client))
print(f"{text}; repeated SYN,ACK: {again}, the client is {state(client)}")
PYTHON
)
expected="probes: TCP_OLD_SEQUENCE, the server is ESTABLISHED; repeated SYN,ACK: TCP_INVALID_SYN, the client is ESTABLISHED"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
