#!/usr/bin/env bash
# Version:   dpkt 1.9.8, scapy 2.8.0; python-pcapng 2.1.1 gives no time, as tshark does.
# Guess:     a simple packet block (pcapng, section 4.4) has no time: a reader delivers the packet without one.
# Behaviour: dpkt passes over the packet without a word. scapy delivers it with the time at which it is read, so that it
#            looks years younger than the packet before it.
# Output:    dpkt: 1 of 2 packets; scapy: 2 of 2 packets, the simple one has the present time
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{ python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" --quiet install dpkt==1.9.8 scapy==2.8.0; } || exit 2

seen=$("$folder/venv/bin/python" - "$folder/simple.pcapng" <<'PYTHON'
import logging, struct, sys, time
logging.disable()
import dpkt
from scapy.utils import PcapNgReader

def block(kind, body):
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length

SECTION = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
INTERFACE = block(1, struct.pack("<HHI", 1, 0, 0))
units = 1_700_000_000 * 10**6
ENHANCED = block(6, struct.pack("<IIIII", 0, units >> 32, units & 0xFFFFFFFF, 60, 60) + bytes(60))
SIMPLE = block(3, struct.pack("<I", 60) + bytes(60))

path = sys.argv[1]
with open(path, "wb") as file:
    file.write(SECTION + INTERFACE + ENHANCED + SIMPLE)
with open(path, "rb") as file:
    by_dpkt = list(dpkt.pcapng.Reader(file))
began = time.time()
by_scapy = [float(packet.time) for packet in PcapNgReader(path)]
simple = "the present time" if began - 1 <= by_scapy[-1] <= time.time() + 1 else by_scapy[-1]
print(f"dpkt: {len(by_dpkt)} of 2 packets; scapy: {len(by_scapy)} of 2 packets, the simple one has {simple}")
PYTHON
)
expected="dpkt: 1 of 2 packets; scapy: 2 of 2 packets, the simple one has the present time"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
