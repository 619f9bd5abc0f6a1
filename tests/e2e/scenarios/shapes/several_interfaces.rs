//! A segment on several interfaces of the host is shown and counted once.

use std::net::SocketAddr;

use tcptrace_tests::{Ends, LIMIT, Netns, Tracer, Veth, eventually, lines_of};

use super::{Plain, SEGMENTS, exchange, start, wait_verdicts};

/// Plugs the cable's right end, which is in `host`, into a bridge.
fn plug(host: &Netns, cable: &Veth, bridge: &str) {
    host.ip(&["addr", "flush", "dev", &cable.right]);
    host.ip(&["link", "set", &cable.right, "master", bridge]);
}

fn add_bridge(host: &Netns, bridge: &str) {
    host.ip(&["link", "add", bridge, "type", "bridge"]);
    host.ip(&["link", "set", bridge, "addrgenmode", "none"]);
    host.ip(&["link", "set", bridge, "up"]);
}

/// Traces a connection on `host`, on all of its interfaces and on each of `through` alone: the states of a socket count as
/// those of the interface with its address.
fn check(host: &Netns, through: &[&str], ends: impl FnOnce() -> Ends, here: (bool, bool), port: u16) {
    let everywhere = start(host, &[port]);
    let alone = through.iter().map(|interface| Tracer::start(host, &["-p", &port.to_string(), "-i", interface]));
    let alone: Vec<_> = alone.collect();
    let ends = ends();
    let client = exchange(&ends, ends.open());
    let plain = Plain { here, ..Plain::new(host, client, ends.address) };
    wait_verdicts(&everywhere, host, 1, 1);
    plain.check_only(&everywhere.stop());
    for (tracer, interface) in alone.into_iter().zip(through) {
        wait_verdicts(&tracer, host, 1, 1);
        let trace = tracer.stop();
        let segments = trace.segments(host, port);
        assert_eq!(lines_of(&segments, port), SEGMENTS, "through {interface}");
        assert!(segments.iter().all(|segment| segment["interface"] == **interface), "{segments:#?}");
    }
}

#[test]
fn a_server_behind_a_bridge_of_its_own_host() {
    const PORT: u16 = 4811;
    let (left, host) = (Netns::new(), Netns::new());
    let cable = Veth::between(&left, &host, 0);
    add_bridge(&host, "br0");
    plug(&host, &cable, "br0");
    let address = cable.right_v4(PORT);
    host.ip(&["addr", "add", &format!("{}/24", address.ip()), "dev", "br0"]);
    check(&host, &[&cable.right, "br0"], || Ends::between(&left, &host, address), (false, true), PORT);
}

#[test]
fn a_connection_through_two_bridges_and_a_veth_pair_between_them() {
    const PORT: u16 = 4812;
    let (left, host, right) = (Netns::new(), Netns::new(), Netns::new());
    let cables = [Veth::between(&left, &host, 0), Veth::between(&right, &host, 1)];
    for (cable, bridge) in cables.iter().zip(["br0", "br1"]) {
        add_bridge(&host, bridge);
        plug(&host, cable, bridge);
    }
    host.ip(&["link", "add", "between0", "type", "veth", "peer", "name", "between1"]);
    for (pair, bridge) in [("between0", "br0"), ("between1", "br1")] {
        host.ip(&["link", "set", pair, "addrgenmode", "none", "master", bridge]);
        host.ip(&["link", "set", pair, "up"]);
    }
    eventually("bridges whose ports forward", LIMIT, || {
        host.ip(&["-d", "link", "show"]).matches("state forwarding").count() == 4
    });
    right.ip(&["addr", "add", "10.7.0.3/24", "dev", &cables[1].left]);
    let address = SocketAddr::from(([10, 7, 0, 3], PORT));
    let through = [cables[0].right.as_str(), "between0", "between1", &cables[1].right];
    check(&host, &through, || Ends::between(&left, &right, address), (false, false), PORT);
}
