#!/usr/bin/env bash
# Version:   Linux 6.18 (__dev_change_net_namespace of net/core/dev.c, dev_shutdown of net/sched/sch_generic.c; TCX since 6.6); tc of
#            iproute2 6.1; nothing is installed.
# Guess:     TCX is another way to attach a program to the hooks of clsact. What happens to one when its interface is moved to
#            another network namespace, as a runtime does with each container's, happens to the other: both stay, or both go.
# Behaviour: the move shuts down the queueing disciplines of the interface, clsact and its filters among them, without a word
#            to those who made them. A TCX link is not touched: its program runs on in the other namespace, on packets
#            that it was not attached for, and with interface numbers that mean other interfaces there.
# Output:    attached as a filter: arrived after the move, filters left 0; as a TCX link: dropped after the move, the link is attached
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for programs and network namespaces" >&2; exit 2; }
command -v tc >/dev/null || { echo "this needs tc (package iproute2)" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

# `ip netns` keeps its names in /run.
mount -t tmpfs tmpfs /run
mkdir /run/bpf
mount -t bpf bpf /run/bpf
ip netns add elsewhere
ip -n elsewhere link set lo up

seen=$(python3 - <<'PYTHON'
import ctypes, os, platform, socket, struct, subprocess

BPF_PROG_LOAD, BPF_OBJ_PIN, BPF_OBJ_GET_INFO_BY_FD, BPF_LINK_CREATE = 5, 6, 15, 28
BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS, SHOT = 3, 46, 2
NUMBER = {"x86_64": 321, "aarch64": 280}[platform.machine()]

libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, layout, *fields):
    attributes = ctypes.create_string_buffer(struct.pack(layout, *fields), 144)
    result = libc.syscall(NUMBER, command, attributes, 144)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout

# r0 = SHOT; exit
code = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xb7, 0, 0, SHOT, 0x95, 0, 0, 0))
license = ctypes.create_string_buffer(b"GPL")
program = bpf(BPF_PROG_LOAD, "=IIQQ", BPF_PROG_TYPE_SCHED_CLS, 2, ctypes.addressof(code), ctypes.addressof(license))
path = ctypes.create_string_buffer(b"/run/bpf/drop")
bpf(BPF_OBJ_PIN, "=QI", ctypes.addressof(path), program)

RECEIVE = """
import socket, sys
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind((sys.argv[1], 4711))
receiver.settimeout(2)
print("bound", flush=True)
try:
    receiver.recv(100)
    print("arrived")
except TimeoutError:
    print("dropped")
"""

def arrives(here, there, number):
    """What becomes of a datagram from the interface that stays to the one that has moved."""
    run("ip", "link", "set", there, "netns", "elsewhere")
    run("ip", "addr", "add", f"10.{number}.0.1/24", "dev", here)
    run("ip", "link", "set", here, "up")
    run("ip", "-n", "elsewhere", "addr", "add", f"10.{number}.0.2/24", "dev", there)
    run("ip", "-n", "elsewhere", "link", "set", there, "up")
    # Without ARP, which the program would drop as well.
    address = [word for word in run("ip", "-n", "elsewhere", "-br", "link", "show", there).split() if word.count(":") == 5][0]
    run("ip", "neigh", "replace", f"10.{number}.0.2", "lladdr", address, "dev", here)
    receiver = subprocess.Popen(["ip", "netns", "exec", "elsewhere", "python3", "-c", RECEIVE, f"10.{number}.0.2"],
                                stdout=subprocess.PIPE, text=True)
    receiver.stdout.readline()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (f"10.{number}.0.2", 4711))
    return receiver.stdout.readline().strip()

for number in (1, 2):
    run("ip", "link", "add", f"here{number}", "type", "veth", "peer", "name", f"there{number}")

run("tc", "qdisc", "add", "dev", "there1", "clsact")
run("tc", "filter", "add", "dev", "there1", "ingress", "bpf", "direct-action", "object-pinned", "/run/bpf/drop")
before = run("tc", "filter", "show", "dev", "there1", "ingress").count("drop")
if before == 0:
    raise SystemExit("the filter was not attached")
by_filter = arrives("here1", "there1", 1)
left = run("tc", "-n", "elsewhere", "filter", "show", "dev", "there1", "ingress").count("drop")

link = bpf(BPF_LINK_CREATE, "=IIII", program, socket.if_nametoindex("there2"), BPF_TCX_INGRESS, 0)
by_link = arrives("here2", "there2", 2)
# struct bpf_link_info: the number of the interface, 0 after the link was detached, is behind type, id and program.
info = ctypes.create_string_buffer(64)
bpf(BPF_OBJ_GET_INFO_BY_FD, "=IIQ", link, 64, ctypes.addressof(info))
state = "attached" if struct.unpack_from("=I", info, 16)[0] else "detached"
print(f"attached as a filter: {by_filter} after the move, filters left {left}; "
      f"as a TCX link: {by_link} after the move, the link is {state}")
PYTHON
)
expected="attached as a filter: arrived after the move, filters left 0; as a TCX link: dropped after the move, the link is attached"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
