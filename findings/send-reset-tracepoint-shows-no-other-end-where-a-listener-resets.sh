#!/usr/bin/env bash
# Version:   Linux 6.18 (TRACE_EVENT(tcp_send_reset) of include/trace/events/tcp.h, tcp_v4_send_reset of net/ipv4/tcp_ipv4.c,
#            tcp_check_req and tcp_timewait_state_process of net/ipv4/tcp_minisocks.c); nothing is installed.
# Guess:     since Linux 6.10, which gave it a reason and resets without a socket, tcp:tcp_send_reset shows each reset that this host
#            sends, from where to where, and tcp:tcp_receive_reset each one that ends a connection here.
# Behaviour: the ends are taken from the segment only where no socket was found. A server that was restarted has one, its
#            listener: its resets for the connections of before go to 0.0.0.0:0, and are as many as there are old clients, of
#            which none can be told. And a reset is received by full sockets alone: one that ends a connection in SYN_RECV (as
#            each health check by RST does), or one in FIN_WAIT2 whose socket was closed, is not shown.
# Output:    sent by a closed port: to 127.0.0.1:PORT; by a listener: to 0.0.0.0:0;
#            received in ESTABLISHED: 1, in SYN_RECV: 0, in FIN_WAIT2: 0
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2>/dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/resets-$$
clean() {
  echo 0 >"$instance/events/enable" || true
  rmdir "$instance" || true
  umount "$folder"
  rmdir "$folder"
}
mkdir "$instance"
trap clean EXIT
grep -q reason "$instance/events/tcp/tcp_send_reset/format" || { echo "this needs the tracepoint of Linux 6.10" >&2; exit 2; }
ip link set lo up
echo 1 >"$instance/events/tcp/tcp_send_reset/enable"
echo 1 >"$instance/events/tcp/tcp_receive_reset/enable"

seen=$(python3 - "$instance" <<'PYTHON'
import re, select, socket, struct, sys, time

TCP_QUICKACK, TCP_REPAIR = 12, 19
FIN_WAIT2 = "05"
# Of this script alone, since the tracepoints see all namespaces.
SERVER = ("127.0.47.22", 4722)

def lines():
    with open(f"{sys.argv[1]}/trace") as file:
        return [line for line in file if SERVER[0] in line or f"src=0.0.0.0:{SERVER[1]} " in line]

def connect(listener):
    client = socket.create_connection(SERVER)
    return client, listener.accept()[0]

def close_by_reset(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()

def forget(end):
    """As if its host had been restarted: nothing is sent."""
    end.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    end.close()

def in_state(port, state):
    with open("/proc/net/tcp") as file:
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == state for line in file)

def sent(client):
    """Where the tracepoint says that the reset went for a byte of this client's."""
    before = len(lines())
    port = client.getsockname()[1]
    client.send(b"x")
    if not select.select([client], [], [], 10)[0]:
        raise SystemExit("no reset was received")
    line = next(line for line in lines()[before:] if "tcp_send_reset" in line)
    return re.search(r"dest=(\S+)", line)[1].replace(str(port), "PORT")

def received(reset):
    """How often the end that has this port is shown to have received a reset."""
    before = len(lines())
    port = reset()
    return sum("tcp_receive_reset" in line and f"sport={port} " in line for line in lines()[before:])

listener = socket.create_server(("0.0.0.0", SERVER[1]))
client, server = connect(listener)
forget(server)
by_listener = sent(client)
client, server = connect(listener)
forget(server)
listener.close()
by_closed_port = sent(client)

listener = socket.create_server(SERVER)
def in_established():
    client, server = connect(listener)
    close_by_reset(client)
    assert select.select([server], [], [], 10)[0]
    return SERVER[1]
def in_syn_recv():
    client = socket.socket()
    # The ACK of the handshake is held back.
    client.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 0)
    client.connect(SERVER)
    close_by_reset(client)
    # The next one is accepted first: that one never was.
    _, server = connect(listener)
    assert server.getpeername() != SERVER
    return SERVER[1]
def in_fin_wait2():
    client, server = connect(listener)
    port = client.getsockname()[1]
    client.close()
    # Its FIN is not acknowledged at once.
    end = time.monotonic() + 10
    while not in_state(port, FIN_WAIT2) and time.monotonic() < end:
        time.sleep(0.01)
    close_by_reset(server)
    return port
counts = [received(reset) for reset in (in_established, in_syn_recv, in_fin_wait2)]
print(f"sent by a closed port: to {by_closed_port.replace(SERVER[0], '127.0.0.1')}; by a listener: to {by_listener}; "
      "received in ESTABLISHED: {}, in SYN_RECV: {}, in FIN_WAIT2: {}".format(*counts))
PYTHON
)
expected="sent by a closed port: to 127.0.0.1:PORT; by a listener: to 0.0.0.0:0"
expected+="; received in ESTABLISHED: 1, in SYN_RECV: 0, in FIN_WAIT2: 0"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
