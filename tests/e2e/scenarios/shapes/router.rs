//! A host that forwards between two others.

use tcptrace_tests::{Netns, Veth};

/// A router, and cables to it: the hosts have the addresses 10.7.0.1 and 10.7.1.1, the router 10.7.0.2 and 10.7.1.2.
pub(super) struct Router {
    pub(super) netns: Netns,
    /// The cable between the host on the right and the router.
    pub(super) right: Veth,
}

impl Router {
    /// Joins two hosts that have routes to each other.
    #[track_caller]
    pub(super) fn between(left: &Netns, right: &Netns) -> Self {
        let netns = left.another();
        let cables = [(left, 0), (right, 1)].map(|(host, number)| Veth::between(host, &netns, number));
        netns.sysctl("ipv4/ip_forward", "1");
        for (host, cable) in [left, right].into_iter().zip(&cables) {
            host.ip(&["route", "add", "default", "via", &cable.right_v4(0).ip().to_string()]);
        }
        let [_, right] = cables;
        Self { netns, right }
    }
}
