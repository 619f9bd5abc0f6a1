#!/usr/bin/env bash
# Version:   tshark 4.0.17
# Guess:     whether a frame ends with its check sequence is asked once, of the whole frame: by default the Ethernet dissector
#            decides by what the packet inside leaves over.
# Behaviour: the dissector of Cisco's FabricPath always takes the last four bytes of the frame away, check sequence or not. In a
#            capture without them, as network cards deliver it, every TCP segment is four bytes short: 96 B of 100, and
#            one without data has no length at all. The same segment in plain Ethernet is right.
# Output:    plain 100, FabricPath 96, FabricPath with a check sequence 100
set -euo pipefail
command -v tshark python3 > /dev/null || exit 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 - "$folder" <<'PYTHON'
import struct, sys

MACS = b"\2\0\0\0\0\1\2\0\0\0\0\2"
tcp = struct.pack(">HHIIBBHHH", 40000, 80, 100, 1, 5 << 4, 0x18, 8192, 0, 0) + b"x" * 100
packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 140, 1, 0, 64, 6, 0, b"\xc0\0\2\1", b"\xc0\0\2\2") + tcp
plain = MACS + b"\x08\0" + packet
tagged = MACS + b"\x89\x03\0\x40" + plain
for name, frame in {"plain": plain, "tagged": tagged, "checked": tagged + b"\0\0\0\0"}.items():
    with open(f"{sys.argv[1]}/{name}.pcap", "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        file.write(struct.pack("<IIII", 1_700_000_000, 0, len(frame), len(frame)) + frame)
PYTHON

length() { tshark -n -r "$folder/$1.pcap" -T fields -e tcp.len 2> /dev/null; }
seen="plain $(length plain), FabricPath $(length tagged), FabricPath with a check sequence $(length checked)"
expected="plain 100, FabricPath 96, FabricPath with a check sequence 100"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
