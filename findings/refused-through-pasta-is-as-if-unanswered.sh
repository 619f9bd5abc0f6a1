#!/usr/bin/env bash
# Version:   passt 0.0~git20230309.7c7625d-1 (Debian 12), client on Linux 6.18.
# Guess:     pasta connects a network namespace without a device of its own: a connection to a port on which nobody listens is
#            refused there as it is outside, since a reset comes in answer to the SYN.
# Behaviour: a reset does come, but without the ACK flag. In SYN_SENT a reset counts only if it acknowledges the SYN
#            (RFC 9293 §3.10.7.3): the client ignores it and sends its SYN again, until connect() times out. Whoever sees "SYN, RST" in
#            a capture takes that for refused.
# Output:    outside: ECONNREFUSED; through pasta: timed out, resets without ACK
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for network namespaces" >&2; exit 2; }
[ -c /dev/net/tun ] || { echo "this needs /dev/net/tun" >&2; exit 2; }
if [ "${1:-}" != inside ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  (cd "$folder" && apt-get --quiet --quiet --option APT::Sandbox::User=root download passt=0.0~git20230309.7c7625d-1 &&
    dpkg-deb --extract ./*.deb .) || exit 2
  unshare --net bash "$0" inside "$folder"
  exit
fi
folder=$2

# pasta takes its addresses from an interface with a default route.
unshare --net sleep 60 &
peer=$!
trap 'kill "$peer"' EXIT
until [ "$(readlink "/proc/$peer/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link add v0 type veth peer name v1 netns "$peer"
ip addr add 10.47.0.1/24 dev v0
ip link set v0 up
nsenter --target "$peer" --net ip addr add 10.47.0.2/24 dev v1
nsenter --target "$peer" --net ip link set v1 up
ip route add default via 10.47.0.2

cat >"$folder/client.py" <<'PYTHON'
import errno, socket
client = socket.socket()
client.settimeout(2.5)
try:
    client.connect(("10.47.0.2", 4711))
except TimeoutError:
    print("timed out")
except OSError as error:
    print(errno.errorcode[error.errno])
PYTHON
outside=$(python3 "$folder/client.py")
through=$(timeout 30 "$folder/usr/bin/pasta" --config-net --runas 0 --no-map-gw --foreground --quiet --pcap "$folder/wire" -- \
  python3 "$folder/client.py" 2>"$folder/errors") || { cat "$folder/errors" >&2; exit 2; }
resets=$(python3 - "$folder/wire" <<'PYTHON'
import struct, sys
with open(sys.argv[1], "rb") as file:
    data = file.read()
at, kinds = 24, set()
while at < len(data):
    length = struct.unpack_from("I", data, at + 8)[0]
    packet = data[at + 16 + 14:at + 16 + length]
    at += 16 + length
    # IPv4 with TCP.
    if packet[0] >> 4 == 4 and packet[9] == 6 and packet[(packet[0] & 15) * 4 + 13] & 4:
        kinds.add("with ACK" if packet[(packet[0] & 15) * 4 + 13] & 16 else "without ACK")
print(" and ".join(sorted(kinds)))
PYTHON
)
seen="outside: $outside; through pasta: $through, resets $resets"
expected="outside: ECONNREFUSED; through pasta: timed out, resets without ACK"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
