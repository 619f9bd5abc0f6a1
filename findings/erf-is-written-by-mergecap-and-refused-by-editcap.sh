#!/usr/bin/env bash
# Version:   editcap, tshark and mergecap 4.0.17
# Guess:     editcap converts to every format that `editcap -F` lists, ERF among them: it writes Ethernet.
# Behaviour: editcap and tshark write a record that describes the capture, and refuse the first packet: "has a record type
#            that can't be saved". The packets are not what is wrong with it: mergecap writes the same file as ERF.
# Output:    editcap 0, tshark 0, mergecap 1 (packets in the ERF file)
set -euo pipefail
command -v editcap tshark mergecap python3 > /dev/null || exit 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 - "$folder/frame.pcap" <<'PYTHON'
import struct, sys

tcp = struct.pack(">HHIIBBHHH", 40000, 80, 100, 0, 5 << 4, 2, 8192, 0, 0)
packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, b"\xc0\0\2\1", b"\xc0\0\2\2") + tcp
frame = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + packet
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    file.write(struct.pack("<IIII", 1_700_000_000, 0, len(frame), len(frame)) + frame)
PYTHON

packets() { { tshark -n -r "$1" -Y tcp 2> /dev/null || true; } | wc -l; }
editcap -F erf "$folder/frame.pcap" "$folder/editcap.erf" 2> "$folder/editcap.err" || true
tshark -n -r "$folder/frame.pcap" -F erf -w "$folder/tshark.erf" 2> /dev/null || true
mergecap -F erf -w "$folder/mergecap.erf" "$folder/frame.pcap" 2> /dev/null
grep "can't be saved" "$folder/editcap.err" || true
seen="editcap $(packets "$folder/editcap.erf"), tshark $(packets "$folder/tshark.erf"), mergecap $(packets "$folder/mergecap.erf")"
expected="editcap 0, tshark 0, mergecap 1"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
