#!/usr/bin/env bash
# Version:   Linux 6.18 (__mptcp_close_ssk and mptcp_worker of net/mptcp/protocol.c), ss of iproute2 6.1 (with
#            CONFIG_INET_DIAG_DESTROY); nothing is installed.
# Guess:     RFC 8684 §3.6: a reset ends one subflow; the connection goes on by the others. Where there is no other, as
#            nearly always, it is over: both applications get ECONNRESET.
# Behaviour: neither is told. For net.mptcp.close_timeout, 60 s by default, another subflow may be made, and both sockets stay
#            ESTABLISHED without any TCP connection; send() succeeds and poll() says that it will. Thereafter they get ENOTCONN
#            and EPIPE, and no error waits in SO_ERROR. Whoever watches TCP sees a connection reset that its applications
#            go on using; `ss -K` kills it and does not free its applications.
# Output:    after the reset: 0 TCP sockets, 2 of MPTCP ESTAB, send() 2 of 2, errors none;
#            after the timeout: recv() ENOTCONN ENOTCONN, send() EPIPE EPIPE
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
command -v ss >/dev/null || { echo "this needs ss (package iproute2)" >&2; exit 2; }
if [ "${1:-}" != inside ]; then exec unshare --net bash "$0" inside; fi
[ "$(cat /proc/sys/net/mptcp/enabled 2>/dev/null || echo 0)" = 1 ] || { echo "this needs MPTCP" >&2; exit 2; }
[ -e /proc/sys/net/mptcp/close_timeout ] || { echo "this needs the timeout of Linux 6.6" >&2; exit 2; }
ip link set lo up
# Long enough to look at the sockets meanwhile, even on a busy machine.
echo 8 >/proc/sys/net/mptcp/close_timeout

seen=$(python3 - <<'PYTHON'
import errno, select, socket, subprocess, time

IPPROTO_MPTCP, PORT = 262, 4740

def sockets(kind, state):
    text = subprocess.run(["ss", "-Han", kind, "state", state], check=True, capture_output=True, text=True).stdout
    return text.count(f"127.0.0.1:{PORT} ")

def error(call, *arguments):
    try:
        call(*arguments)
        return "none"
    except OSError as failure:
        return errno.errorcode[failure.errno]

listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
listener.bind(("127.0.0.1", PORT))
listener.listen()
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
client.connect(("127.0.0.1", PORT))
server, _ = listener.accept()
# Fully established (RFC 8684 §3.1): the option has gone both ways.
client.send(b"x")
server.recv(1)
server.send(b"x")
client.recv(1)

subprocess.run(["ss", "-K", "-tn", "dport", "=", str(PORT)], check=True, stdout=subprocess.DEVNULL)
end = time.monotonic() + 5
while sockets("-t", "connected") and time.monotonic() < end:
    time.sleep(0.05)
sides = client, server
written = sum(side.send(b"x") for side in sides)
errors = {side.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for side in sides}
print(f"after the reset: {sockets('-t', 'connected')} TCP sockets, {sockets('-M', 'established')} of MPTCP ESTAB, "
      f"send() {written} of 2, errors {'none' if errors == {0} else errors}", end="; ")

poll = select.poll()
for side in sides:
    poll.register(side, 0)
end, over = time.monotonic() + 60, set()
while len(over) < 2 and time.monotonic() < end:
    over |= {descriptor for descriptor, events in poll.poll(100) if events & select.POLLHUP}
print(f"after the timeout: recv() {' '.join(error(side.recv, 1) for side in sides)}, "
      f"send() {' '.join(error(side.send, b'x') for side in sides)}")
PYTHON
)
expected="after the reset: 0 TCP sockets, 2 of MPTCP ESTAB, send() 2 of 2, errors none"
expected+="; after the timeout: recv() ENOTCONN ENOTCONN, send() EPIPE EPIPE"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
