#!/usr/bin/env bash
# Version:   scapy 2.8.0, dpkt 1.9.8; tcpdump and tshark do it right.
# Guess:     the last word of a pcap file's header is the link type.
# Behaviour: its upper bits are something else: whether frames end with a frame check sequence, and how long that is
#            (bit 26 and bits 28 to 31; pcap-savefile(5), draft-ietf-opsawg-pcap section 4). libpcap masks them. scapy and dpkt
#            take the whole word, and do not know the type 0x24000001, which is Ethernet with four bytes of FCS.
# Output:    scapy: Raw; dpkt: link type 603979777
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{ python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" --quiet install scapy==2.8.0 dpkt==1.9.8; } || exit 2

seen=$("$folder/venv/bin/python" - "$folder/fcs.pcap" <<'PYTHON'
import logging, struct, sys
logging.disable()
import dpkt
from scapy.layers.l2 import Ether
from scapy.layers.inet import IP, TCP
from scapy.utils import PcapReader

ETHERNET, HAS_FCS, FOUR_BYTES = 1, 1 << 26, 2 << 28
frame = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="192.0.2.2") / TCP())
frame += b"\x01\x02\x03\x04"

def written(link_type):
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type))
        file.write(struct.pack("<IIII", 1_700_000_000, 0, len(frame), len(frame)) + frame)
    return sys.argv[1]

[plain] = PcapReader(written(ETHERNET))
assert plain.haslayer(TCP)
path = written(FOUR_BYTES | HAS_FCS | ETHERNET)
[packet] = PcapReader(path)
with open(path, "rb") as file:
    link_type = dpkt.pcap.Reader(file).datalink()
print(f"scapy: {packet.summary()}; dpkt: link type {link_type}")
PYTHON
)
expected="scapy: Raw; dpkt: link type 603979777"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
