#!/usr/bin/env bash
# Version:   Linux 6.18; nft of the system (1.0.6 here); nothing is installed.
# Guess:     skb:kfree_skb says where a buffer is freed. What a rule of nftables drops is freed by whoever ran the hook and got
#            the verdict NF_DROP, which is nf_hook_slow (net/netfilter/core.c): one location for every packet filter.
# Behaviour: the location is nft_do_chain: nftables frees the buffer itself where the rule has its verdict, and hands on that it
#            is gone (nft_do_chain of net/netfilter/nf_tables_core.c, NF_DROP_REASON of linux/netfilter.h). The reason is NETFILTER_DROP all the same,
#            so whoever looks for dropped segments by the location of the hook misses those of nftables.
# Output:    location=nft_do_chain reason: NETFILTER_DROP
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "this needs root, for tracefs and a network namespace" >&2; exit 2; }
command -v nft >/dev/null || { echo "this needs nft" >&2; exit 2; }
[ "${1:-}" = inside ] || exec unshare --net --mount bash "$0" inside

folder=$(mktemp -d)
mount -t tracefs none "$folder" 2>/dev/null || { echo "tracefs cannot be mounted" >&2; exit 2; }
instance=$folder/instances/nft-drop-$$
clean() {
  echo 0 >"$instance/events/skb/kfree_skb/enable" || true
  rmdir "$instance" || true
  umount "$folder"
  rmdir "$folder"
}
mkdir "$instance"
trap clean EXIT
ip link set lo up
nft -f - <<'RULES'
table ip filter {
  chain out {
    type filter hook output priority 0;
    tcp dport 4702 drop
  }
}
RULES

# Only what this process tree frees: the instance is of the whole host.
python3 - "$instance" <<'PYTHON'
import os, socket, sys
instance = sys.argv[1]
with open(f"{instance}/set_event_pid", "w") as file:
    file.write(str(os.getpid()))
with open(f"{instance}/events/skb/kfree_skb/enable", "w") as file:
    file.write("1")
client = socket.socket()
client.setblocking(False)
client.connect_ex(("127.0.0.1", 4702))
client.close()
with open(f"{instance}/events/skb/kfree_skb/enable", "w") as file:
    file.write("0")
PYTHON

seen=$(grep -o 'location=[a-z_]*.*reason: NETFILTER_DROP' "$instance/trace" | sed 's/+0x[^ ]* / /' | sort -u)
echo "seen:     $seen"
echo "expected: location=nft_do_chain reason: NETFILTER_DROP"
[ "$seen" = "location=nft_do_chain reason: NETFILTER_DROP" ]
