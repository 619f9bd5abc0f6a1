#!/usr/bin/env bash
# Version:   tshark 4.0.17, tcpdump 4.99.3 with libpcap 1.10.3 (Debian 12)
# Guess:     what tcpdump captures on the port by which Linux drives a switch (DSA), Wireshark shows.
# Behaviour: libpcap gives such a capture a link type of its own (281, 282, 284, 285). tcpdump reads it; Wireshark does not open
#            the file, though it has a dissector for Broadcom's tag: wiretap maps no number to it. The same holds for Cisco
#            HDLC and frame relay with a direction (205, 206), which tcpdump does not decode either.
# Output:    281 0/1, 282 0/1, 284 0/1, 285 0/1, 205 0/0, 206 0/0 (TCP segments that tshark and tcpdump find)
set -euo pipefail
command -v tshark tcpdump python3 > /dev/null || exit 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 - "$folder" <<'PYTHON'
import struct, sys

MACS = b"\2\0\0\0\0\1\2\0\0\0\0\2"
IPV4 = b"\x08\0"
tcp = struct.pack(">HHIIBBHHH", 40000, 80, 100, 0, 5 << 4, 2, 8192, 0, 0)
packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, b"\xc0\0\2\1", b"\xc0\0\2\2") + tcp
headers = {
    281: MACS + b"\0\0\0\1" + IPV4,
    282: b"\0\0\0\1" + MACS + IPV4,
    284: MACS + b"\xc0\x08\0\5" + IPV4,
    285: MACS + b"\xda\xda\0\0\xc0\x08\0\5" + IPV4,
    205: b"\1\x0f\0" + IPV4,
    206: b"\1\x18\x41\3\xcc",
}
for link_type, header in headers.items():
    frame = header + packet
    with open(f"{sys.argv[1]}/{link_type}.pcap", "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type))
        file.write(struct.pack("<IIII", 1_700_000_000, 0, len(frame), len(frame)) + frame)
PYTHON

seen=
for number in 281 282 284 285 205 206; do
    by_tshark=$( { tshark -n -r "$folder/$number.pcap" -Y tcp 2> "$folder/$number.err" || true; } | wc -l)
    by_tcpdump=$( { tcpdump -n -r "$folder/$number.pcap" 2> /dev/null || true; } | grep -c 'Flags \[S\]' || true)
    seen+="${seen:+, }$number $by_tshark/$by_tcpdump"
    grep -q "network type $number unknown or unsupported" "$folder/$number.err" || seen+=" (opened)"
done
expected="281 0/1, 282 0/1, 284 0/1, 285 0/1, 205 0/0, 206 0/0"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
