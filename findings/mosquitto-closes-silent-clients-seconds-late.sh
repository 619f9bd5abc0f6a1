#!/usr/bin/env bash
# Version:   mosquitto 2.0.11-1.2+deb12u2 (keepalive__check of src/keepalive.c).
# Guess:     a server closes the connection of a client that has been silent for one and a half times its keep-alive, as MQTT
#            3.1.1 §3.1.2.10 says that it must: clients with a keep-alive of one second that fall silent one after the other are
#            closed one after the other, each a second and a half later.
# Behaviour: it looks for silent clients every five seconds, and closes those that it then finds at the same moment. How long a
#            connection was idle before its close does not tell the time-out that closed it.
# Output:    each closed by the server; 8 clients closed at no more than 2 moments; the last one later than 3 s: yes
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
if [ "${1:-}" != inside ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  (cd "$folder" && apt-get --quiet --quiet --option APT::Sandbox::User=root download mosquitto=2.0.11-1.2+deb12u2 \
    libwebsockets17=4.1.6-3 libcjson1=1.7.15-1+deb12u4 libdlt2=2.18.8-6 libev4=1:4.33-1 libuv1=1.44.2-1+deb12u1 &&
    for package in ./*.deb; do dpkg-deb --extract "$package" .; done) || exit 2
  unshare --net bash "$0" inside "$folder"
  exit
fi
folder=$2
ip link set lo up

LD_LIBRARY_PATH=$(dirname "$(find "$folder" -name 'libwebsockets.so.17' -print -quit)")
export LD_LIBRARY_PATH

seen=$(python3 - "$folder" <<'PYTHON'
import select, socket, subprocess, sys, time

ADDRESS, KEEP_ALIVE, CLIENTS = ("127.0.0.1", 1883), 1, 8
folder = sys.argv[1]

def connected():
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            return socket.create_connection(ADDRESS)
        except ConnectionRefusedError:
            select.select([], [], [], 0.05)
    sys.exit(2)

with open(f"{folder}/mosquitto.conf", "w") as file:
    file.write(f"listener {ADDRESS[1]} {ADDRESS[0]}\nallow_anonymous true\nuser root\n")
server = subprocess.Popen([f"{folder}/usr/sbin/mosquitto", "-c", f"{folder}/mosquitto.conf"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
silent, late, ends = {}, [], []
try:
    for number in range(CLIENTS):
        client = connected()
        name = f"client{number}".encode()
        content = b"\x00\x04MQTT\x04\x02" + KEEP_ALIVE.to_bytes(2, "big") + len(name).to_bytes(2, "big") + name
        client.sendall(b"\x10" + bytes([len(content)]) + content)
        if client.recv(4) != b"\x20\x02\x00\x00":
            sys.exit(2)
        silent[client] = time.monotonic()
        # They fall silent one after the other.
        select.select([], [], [], 0.3)
    while silent:
        readable = select.select(list(silent), [], [], 30)[0]
        if not readable:
            sys.exit(2)
        for client in readable:
            assert client.recv(1) == b"", "a FIN"
            ends.append(time.monotonic())
            late.append(ends[-1] - silent.pop(client))
finally:
    server.kill()
    server.wait()
moments = 1 + sum(later - earlier > 0.2 for earlier, later in zip(ends, ends[1:]))
print(f"each closed by the server; {CLIENTS} clients closed at {'no' if moments <= 2 else ''} more than 2 moments; "
      f"the last one later than 3 s: {'yes' if max(late) > 3 else 'no'}")
PYTHON
)
expected="each closed by the server; 8 clients closed at no more than 2 moments; the last one later than 3 s: yes"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
