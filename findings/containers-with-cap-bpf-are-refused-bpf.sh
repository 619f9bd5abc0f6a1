#!/usr/bin/env bash
# Version:   the filter of system calls that Debian 12's Podman 4.3.1 applies to containers: seccomp.json of
#            golang-github-containers-common 0.50.1+ds1-4. Upstream allows it from containers/common 0.60 (Podman 5.2) on.
# Guess:     a container that is given CAP_BPF (capabilities(7): split off CAP_SYS_ADMIN for this, in Linux 5.8) may call
#            bpf(2), and one with CAP_PERFMON perf_event_open(2).
# Behaviour: the rules that allow these calls name CAP_SYS_ADMIN alone. With the finer capabilities the filter answers EPERM
#            before the kernel looks at them.
# Output:    default SCMP_ACT_ERRNO; bpf: CAP_SYS_ADMIN; perf_event_open: CAP_SYS_ADMIN
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# As root, apt would give its rights up in a folder that the other user cannot write to, and say so.
(cd "$folder" && apt-get --quiet --quiet --option APT::Sandbox::User=root download \
    golang-github-containers-common=0.50.1+ds1-4 && dpkg-deb --extract ./*.deb .) || exit 2

seen=$(python3 - "$folder/usr/share/containers/seccomp.json" <<'PYTHON'
import json, sys

with open(sys.argv[1]) as file:
    profile = json.load(file)

def allowed(call):
    """The capabilities of which one allows this call; "always" without any."""
    rules = [rule for rule in profile["syscalls"] if call in rule["names"] and rule["action"] == "SCMP_ACT_ALLOW"]
    return ", ".join(cap for rule in rules for cap in rule.get("includes", {}).get("caps", ["always"]))

print("; ".join([f"default {profile['defaultAction']}",
                 *(f"{call}: {allowed(call)}" for call in ("bpf", "perf_event_open"))]))
PYTHON
)
expected="default SCMP_ACT_ERRNO; bpf: CAP_SYS_ADMIN; perf_event_open: CAP_SYS_ADMIN"
echo "seen:     $seen"
echo "expected: $expected"
[ "$seen" = "$expected" ]
