#!/usr/bin/env bash
# Version:   haproxy 2.6.12-1+deb12u4 (tcpcheck_eval_connect of src/tcpcheck.c, tcp_connect_server of src/proto_tcp.c,
#            _fd_delete_orphan of src/fd.c; the same in 2026), Linux 6.18.
# Guess:     a check by TCP connects and closes: SYN, SYN,ACK, ACK, FIN. The server accepts a connection that brings nothing, and
#            a server whose connections are reset before they are established is not up.
# Behaviour: haproxy switches quick ACKs off (TCP_QUICKACK), so that the kernel holds back the ACK of the handshake for a moment,
#            and closes by a reset within it (SO_LINGER 0), which leaves no port in TIME_WAIT. SYN, SYN,ACK, RST,ACK: the
#            connection has not left SYN_RECV, so that accept() does not return; the kernel counts a failed attempt
#            for each check, and haproxy takes the server to be up. Whoever watches the server sees each check that passes fail.
# Output:    check L4OK, server UP; segments S, S., R.; accepted none; TcpAttemptFails some
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for a network namespace" >&2; exit 2; }
if [ "${1:-}" != inside ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  (cd "$folder" && apt-get --quiet --quiet --option APT::Sandbox::User=root download haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 \
    libopentracing1=1.6.0-4 libopentracing-c-wrapper0=1.1.3-3+b1 && for package in ./*.deb; do dpkg-deb --extract "$package" .; done) || exit 2
  unshare --net bash "$0" inside "$folder"
  exit
fi
folder=$2
ip link set lo up

LD_LIBRARY_PATH=$(dirname "$(find "$folder" -name 'liblua5.3.so.0' -print -quit)")
export LD_LIBRARY_PATH

seen=$(python3 - "$folder" <<'PYTHON'
import collections, csv, select, socket, subprocess, sys, time

IPV4, CHECKS = 0x0800, 5
FLAGS = "FSRP."
folder = sys.argv[1]

def failed_attempts():
    with open("/proc/net/snmp") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    return int(dict(zip(names, values))["AttemptFails"])

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
with open(f"{folder}/haproxy.cfg", "w") as file:
    file.write(f"""
global
  stats socket {folder}/stats level user
defaults
  mode tcp
  timeout connect 2s
  timeout client 2s
  timeout server 2s
backend servers
  server one 127.0.0.1:{port} check inter 200ms
""")
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IPV4))
proxy = subprocess.Popen([f"{folder}/usr/sbin/haproxy", "-db", "-f", f"{folder}/haproxy.cfg"], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
try:
    connections, ended = collections.defaultdict(list), set()
    end = time.monotonic() + 30
    while len(ended) < CHECKS and time.monotonic() < end:
        if not select.select([sniffer], [], [], 1)[0]:
            continue
        packet, _ = sniffer.recvfrom(65536)
        tcp = packet[(packet[0] & 15) * 4:]
        ports = {int.from_bytes(tcp[:2], "big"), int.from_bytes(tcp[2:4], "big")}
        if packet[9] != socket.IPPROTO_TCP or port not in ports:
            continue
        client = (ports - {port}).pop()
        connections[client].append("".join(name for bit, name in enumerate(FLAGS) if tcp[13] >> bit & 1))
        if tcp[13] & 5:
            ended.add(client)
    with socket.socket(socket.AF_UNIX) as stats:
        stats.connect(f"{folder}/stats")
        stats.sendall(b"show stat\n")
        text = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
finally:
    proxy.kill()
    proxy.wait()
row = next(row for row in csv.DictReader(text.lstrip("# ").splitlines()) if row["svname"] == "one")
usual = collections.Counter(", ".join(connections[client]) for client in ended).most_common(1)[0][0]
accepted = "some" if select.select([listener], [], [], 0)[0] else "none"
print(f"check {row['check_status']}, server {row['status']}; segments {usual}; "
      f"accepted {accepted}; TcpAttemptFails {'some' if failed_attempts() else 'none'}")
PYTHON
)
expected="check L4OK, server UP; segments S, S., R.; accepted none; TcpAttemptFails some"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
