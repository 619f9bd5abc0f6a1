#!/usr/bin/env bash
# Version:   scapy 2.8.0, python-pcapng 2.1.1; dpkt 1.9.8 and tshark do it right.
# Guess:     a reader adds if_tsoffset, seconds, to the times of an interface's packets (pcapng, section 4.2): files whose
#            times count from a recent moment use it.
# Behaviour: scapy and python-pcapng read the option and leave it out: the packet is from 1970.
# Output:    dpkt 1700000000; scapy 0; python-pcapng 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{ python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" --quiet install scapy==2.8.0 python-pcapng==2.1.1 dpkt==1.9.8; } || exit 2

seen=$("$folder/venv/bin/python" - "$folder/offset.pcapng" <<'PYTHON'
import logging, struct, sys
logging.disable()
import dpkt, pcapng
from scapy.utils import PcapNgReader

def block(kind, body):
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length

SECTION = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
# Ethernet; if_tsoffset (14) of eight bytes; the end of the options.
INTERFACE = block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHqI", 14, 8, 1_700_000_000, 0))
# A frame of 60 bytes, 0 microseconds after the offset.
PACKET = block(6, struct.pack("<IIIII", 0, 0, 0, 60, 60) + bytes(60))

path = sys.argv[1]
with open(path, "wb") as file:
    file.write(SECTION + INTERFACE + PACKET)
with open(path, "rb") as file:
    by_dpkt = [time for time, _ in dpkt.pcapng.Reader(file)]
by_scapy = [packet.time for packet in PcapNgReader(path)]
with open(path, "rb") as file:
    by_pcapng = [read.timestamp for read in pcapng.FileScanner(file) if hasattr(read, "packet_data")]
print("; ".join(f"{name} {int(times[0])}" for name, times in
                [("dpkt", by_dpkt), ("scapy", by_scapy), ("python-pcapng", by_pcapng)]))
PYTHON
)
expected="dpkt 1700000000; scapy 0; python-pcapng 0"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
