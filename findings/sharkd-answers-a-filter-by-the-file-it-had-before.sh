#!/usr/bin/env bash
# Version:   sharkd 4.0.17
# Guess:     After `load`, `frames` with a filter lists the frames of the file just loaded that match it.
# Behaviour: If the same filter, letter for letter, was used on the file before, its numbers of frames are listed again, with
#            the new file's contents: a frame that does not match, and not the one that does. Another spelling of the filter
#            finds the right one, so whoever compares files over one connection has to spell it anew for each.
# Output:    first file 1:80, second file 1:443, spelled anew 3:80 (frame:port for "tcp.port==80")
set -euo pipefail
command -v sharkd python3 > /dev/null || exit 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

seen=$(python3 - "$folder" <<'PYTHON'
import json, struct, subprocess, sys

def write(path, ports):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for number, port in enumerate(ports):
            tcp = struct.pack(">HHIIBBHHH", 40000, port, 100, 0, 5 << 4, 2, 8192, 0, 0)
            packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, b"\xc0\0\2\1", b"\xc0\0\2\2") + tcp
            file.write(struct.pack("<IIII", 1_700_000_000 + number, 0, len(packet), len(packet)) + packet)

first, second = (f"{sys.argv[1]}/{name}.pcap" for name in ("first", "second"))
write(first, [80, 443, 443])
write(second, [443, 443, 80])
calls = [
    ("load", {"file": first}),
    ("frames", {"filter": "tcp.port==80"}),
    ("load", {"file": second}),
    ("frames", {"filter": "tcp.port==80"}),
    ("frames", {"filter": "tcp.port == 80"}),
]
requests = "".join(
    json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}) + "\n"
    for id, (method, params) in enumerate(calls, 1)
)
sharkd = subprocess.run(["sharkd", "-"], input=requests, capture_output=True, text=True)
answers = {answer["id"]: answer["result"] for answer in map(json.loads, filter(str.strip, sharkd.stdout.splitlines()))}

def frames(id):
    return " ".join(f"{frame['num']}:{frame['c'][6].split()[2]}" for frame in answers[id])

print(f"first file {frames(2)}, second file {frames(4)}, spelled anew {frames(5)}")
PYTHON
)
expected="first file 1:80, second file 1:443, spelled anew 3:80"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
