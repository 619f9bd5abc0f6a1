#!/usr/bin/env bash
# Version:   Linux 6.18 (reqsk_timer_handler in net/ipv4/inet_connection_sock.c, tcp_rtx_synack in net/ipv4/tcp_output.c);
#            nothing is installed.
# Guess:     a SYN,ACK that a firewall drops is lost, wherever that happens: the request stays in SYN_RECV, and the SYN,ACK is
#            sent again five times within a minute (tcp_synack_retries, tcp(7)).
# Behaviour: so it is where the SYN,ACK is dropped as it comes in. If its own host drops it as it goes out, sending fails the
#            second time, a second later, and the kernel forgets the request: a full SYN queue then has room again.
# Output:    dropped in output: 1 request after 0.2 s, 0 after 2.2 s
#            dropped in input: 1 request after 0.2 s, 1 after 2.2 s
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for network namespaces" >&2; exit 2; }
for tool in ip nft unshare python3; do
  command -v "$tool" > /dev/null || { echo "this needs $tool" >&2; exit 2; }
done
if [ "${1:-}" != inside ]; then
  seen=$(for hook in output input; do echo "dropped in $hook: $(unshare --net bash "$0" inside "$hook")"; done)
  expected=$'dropped in output: 1 request after 0.2 s, 0 after 2.2 s\ndropped in input: 1 request after 0.2 s, 1 after 2.2 s'
  printf 'seen:\n%s\nexpected:\n%s\n' "$seen" "$expected"
  [ "$seen" = "$expected" ]
  exit
fi
ip link set lo up
nft "table ip t { chain c { type filter hook $2 priority 0; tcp sport 4706 tcp flags & (syn | ack) == syn | ack drop; }; }"
python3 - <<'PYTHON'
import socket, struct, time

FROM, TO = ("127.0.0.2", 5706), ("127.0.0.1", 4706)
SYN, SYN_RECV = 2, "03"

def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff

def requests():
    with open("/proc/net/tcp") as table:
        return sum(line.split()[3] == SYN_RECV for line in list(table)[1:])

listener = socket.create_server(TO)
# A SYN of nobody, which is sent once.
header = lambda check: struct.pack(">HHIIBBHHH", FROM[1], TO[1], 1, 0, 5 << 4, SYN, 64240, check, 0)
addresses = socket.inet_aton(FROM[0]) + socket.inet_aton(TO[0])
check = checksum(addresses + struct.pack(">HH", socket.IPPROTO_TCP, 20) + header(0))
wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
wire.bind((FROM[0], 0))
wire.sendto(header(check), (TO[0], 0))
time.sleep(0.2)
first = requests()
time.sleep(2)
print(f"{first} request after 0.2 s, {requests()} after 2.2 s")
PYTHON
