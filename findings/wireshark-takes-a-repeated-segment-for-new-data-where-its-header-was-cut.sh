#!/usr/bin/env bash
# Version:   tshark 4.0.17
# Guess:     a snap length that keeps the TCP header up to the window keeps all that is needed to tell a retransmission: ports,
#            sequence and acknowledgement numbers, flags and window. The two fields behind them, checksum and urgent pointer, say
#            nothing about it.
# Behaviour: without these four bytes the analysis does not take place: ports, numbers and lengths are shown, but no retransmission
#            is marked, and a repeated segment counts as more data. With them, still without a byte of the data, the same
#            packets are told right.
# Output:    16 bytes of TCP: lengths 0 0 0 500 500, retransmissions 0; 20 bytes: lengths 0 0 0 500 500, retransmissions 1
set -euo pipefail
command -v tshark python3 > /dev/null || { echo "this needs tshark and python3" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 - "$folder" <<'PYTHON'
import struct, sys

CLIENT, SERVER = (b"\xc0\0\2\1", 40000), (b"\xc0\0\2\2", 80)
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def frame(src, dst, seq, ack, flags, length):
    tcp = struct.pack(">HHIIBBHHH", src[1], dst[1], seq, ack, 5 << 4, flags, 8192, 0, 0) + bytes(length)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, src[0], dst[0])
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + tcp


frames = [
    frame(CLIENT, SERVER, 100, 0, SYN, 0),
    frame(SERVER, CLIENT, 900, 101, SYN | ACK, 0),
    frame(CLIENT, SERVER, 101, 901, ACK, 0),
    frame(CLIENT, SERVER, 101, 901, PSH | ACK, 500),
    frame(CLIENT, SERVER, 101, 901, PSH | ACK, 500),
]
for kept in (16, 20):
    snap = 14 + 20 + kept
    with open(f"{sys.argv[1]}/{kept}.pcap", "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, 1))
        for number, captured in enumerate(frames):
            # A second apart: what is sent again so late is no segment out of order.
            file.write(struct.pack("<IIII", 1_700_000_000 + number, 0, snap, len(captured)) + captured[:snap])
PYTHON

told() {
  lengths=$(tshark -n -r "$folder/$1.pcap" -T fields -e tcp.len 2> /dev/null | xargs)
  again=$(tshark -n -r "$folder/$1.pcap" -Y tcp.analysis.retransmission 2> /dev/null | wc -l)
  echo "lengths $lengths, retransmissions $again"
}
seen="16 bytes of TCP: $(told 16); 20 bytes: $(told 20)"
expected="16 bytes of TCP: lengths 0 0 0 500 500, retransmissions 0; 20 bytes: lengths 0 0 0 500 500, retransmissions 1"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
