#!/usr/bin/env bash
# Version:   Linux 6.18 (io_sqe_files_register of io_uring/rsrc.c); ss of iproute2 6.1; nothing is installed.
# Guess:     close() of the only descriptor of a connection ends it: a FIN is sent, or a reset. And the process of an open
#            connection is found by its descriptors, which /proc/PID/fd lists (proc(5)), as `ss -p` finds it.
# Behaviour: a file that is registered with a ring of io_uring (IORING_REGISTER_FILES; servers do so for speed, or accept()
#            straight into such a slot) stays open after close(), and nothing is sent. The connection has no descriptor any
#            more: `ss -p` names no process for a connection that is ESTABLISHED and that the ring can still read and
#            write. Only fdinfo of the ring's own descriptor lists it. The FIN leaves as the ring is closed.
# Output:    after close(): no FIN, ESTAB, owner none, descriptors 0, fdinfo of the ring 1; ring closed: FIN
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
command -v ss >/dev/null || { echo "this needs ss (package iproute2)" >&2; exit 2; }
[ "$(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null || echo 2)" = 0 ] || { echo "this needs io_uring" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net bash "$0" inside
ip link set lo up

seen=$(python3 - <<'PYTHON'
import ctypes, os, socket, subprocess

# The numbers are the same on all architectures.
IO_URING_SETUP, IO_URING_REGISTER, IORING_REGISTER_FILES = 425, 427, 2
PARAMETERS = 120

libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def is_at_end(connection, seconds):
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
ring = call(IO_URING_SETUP, 2, ctypes.create_string_buffer(PARAMETERS))
call(IO_URING_REGISTER, ring, IORING_REGISTER_FILES, (ctypes.c_int * 1)(client.fileno()), 1)
name = os.readlink(f"/proc/self/fd/{client.fileno()}")
port = client.getsockname()[1]
client.close()

fin = "FIN" if is_at_end(server, 1) else "no FIN"
state, *_, last = subprocess.run(["ss", "-Htnp", "sport", "=", f":{port}"], check=True, capture_output=True, text=True).stdout.split()
owner = last if "users:" in last else "none"
links = [os.path.join("/proc/self/fd", descriptor) for descriptor in os.listdir("/proc/self/fd")]
descriptors = sum(os.path.islink(link) and os.readlink(link) == name for link in links)
with open(f"/proc/self/fdinfo/{ring}") as file:
    listed = file.read().count(name)
os.close(ring)
end = "FIN" if is_at_end(server, 10) else "no FIN"
print(f"after close(): {fin}, {state}, owner {owner}, descriptors {descriptors}, fdinfo of the ring {listed}; ring closed: {end}")
PYTHON
)
expected="after close(): no FIN, ESTAB, owner none, descriptors 0, fdinfo of the ring 1; ring closed: FIN"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
