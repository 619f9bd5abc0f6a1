#!/usr/bin/env bash
# Version:   Linux 6.18, tshark 4.0.17
# Guess:     where a receiver's window is closed, the sender's probes are marked tcp.analysis.zero_window_probe, and
#            tcp.analysis.keep_alive says that a socket has SO_KEEPALIVE set and is idle.
# Behaviour: Linux probes a closed window with the number before the next one and no byte (tcp_xmit_probe_skb of
#            net/ipv4/tcp_output.c), which is the very segment of its keep-alive. tshark knows a window probe only by one byte
#            of new data, and calls all of them keep-alives, although no socket has the option and data waits to be sent.
#            Only the state of the connection tells them apart: the last window of the other end, which was 0.
# Output:    keep-alives: some; window probes: 0; SO_KEEPALIVE: 0
set -euo pipefail
command -v tcpdump tshark python3 > /dev/null || { echo "this needs tcpdump, tshark and python3" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ip link set lo up
tcpdump -i lo -U -w "$folder/lo.pcap" 2> /dev/null &
capturing=$!
until [ -s "$folder/lo.pcap" ]; do sleep 0.05; done

option=$(python3 - <<'PYTHON'
import socket, time

listener = socket.create_server(("127.0.0.1", 4702))
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
client = socket.create_connection(("127.0.0.1", 4702))
server, _ = listener.accept()
client.setblocking(False)
try:
    while True:
        client.send(bytes(10_000))
except BlockingIOError:
    pass
time.sleep(3)  # Nobody reads: probes are sent 0.2, 0.6, 1.4 and 3 s after the window has closed.
print(client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
PYTHON
)
sleep 0.3
kill -INT "$capturing"
wait "$capturing" || true

count() { tshark -n -r "$folder/lo.pcap" -Y "$1" 2> /dev/null | wc -l; }
keep_alives=$(count tcp.analysis.keep_alive)
probes=$(count tcp.analysis.zero_window_probe)
[ "$(count tcp.analysis.zero_window)" -gt 0 ] || { echo "the window did not close" >&2; exit 2; }
echo "seen:     keep-alives: $keep_alives; window probes: $probes; SO_KEEPALIVE: $option"
echo "expected: keep-alives: some; window probes: 0; SO_KEEPALIVE: 0"
[ "$keep_alives" -gt 0 ] && [ "$probes" = 0 ] && [ "$option" = 0 ]
