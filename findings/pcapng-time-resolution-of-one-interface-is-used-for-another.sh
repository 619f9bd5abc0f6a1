#!/usr/bin/env bash
# Version:   dpkt 1.9.8, scapy 2.8.0; python-pcapng 2.1.1 and tshark do it right.
# Guess:     each interface description of a pcapng file has its own if_tsresol (section 4.2), and a new section starts with
#            none: a file may mix microseconds and nanoseconds.
# Behaviour: dpkt keeps the resolution of the file's first interface for all others. scapy keeps the interfaces of the first
#            section for the next. Times come out a thousand times too late.
# Output:    second interface: dpkt 1700000000000, scapy 1700000000; second section: dpkt 1700000000000, scapy 1700000000000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{ python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" --quiet install dpkt==1.9.8 scapy==2.8.0; } || exit 2

seen=$("$folder/venv/bin/python" - "$folder/mixed.pcapng" <<'PYTHON'
import logging, struct, sys
logging.disable()
import dpkt
from scapy.utils import PcapNgReader

SECONDS = 1_700_000_000

def block(kind, body):
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length

def packet(interface, units):
    return block(6, struct.pack("<IIIII", interface, units >> 32, units & 0xFFFFFFFF, 60, 60) + bytes(60))

SECTION = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
MICROSECONDS = block(1, struct.pack("<HHI", 1, 0, 0))
# if_tsresol (9): 10^-9.
NANOSECONDS = block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHBxxxI", 9, 1, 9, 0))

FILES = {
    "second interface": SECTION + MICROSECONDS + NANOSECONDS + packet(0, SECONDS * 10**6) + packet(1, SECONDS * 10**9),
    "second section": SECTION + MICROSECONDS + packet(0, SECONDS * 10**6)
                      + SECTION + NANOSECONDS + packet(0, SECONDS * 10**9),
}
words = []
for name, contents in FILES.items():
    with open(sys.argv[1], "wb") as file:
        file.write(contents)
    with open(sys.argv[1], "rb") as file:
        by_dpkt = [time for time, _ in dpkt.pcapng.Reader(file)]
    by_scapy = [packet.time for packet in PcapNgReader(sys.argv[1])]
    assert int(by_dpkt[0]) == int(by_scapy[0]) == SECONDS
    words.append(f"{name}: dpkt {int(by_dpkt[1])}, scapy {int(by_scapy[1])}")
print("; ".join(words))
PYTHON
)
expected="second interface: dpkt 1700000000000, scapy 1700000000; second section: dpkt 1700000000000, scapy 1700000000000"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
