//! A node: a bridge with two pods, a host outside, and the translations that clusters and containers use.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use serde_json::Value;
use tcptrace_tests::{LIMIT, Netns, Trace, Tracer, Traffic, binary, eventually, is_type, number};

use crate::namespaces::wait_covered;

/// The addresses of the node on the bridge, and of its pods.
pub(super) const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
pub(super) const CALLER: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 11);
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 12);

/// The addresses of the node outside, and of the host there.
pub(super) const NODE: Ipv4Addr = Ipv4Addr::new(10, 9, 1, 1);
pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 1, 2);

/// The address of a service that exists only in the rules.
pub(super) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// The port that servers listen on, the one that the node publishes, and the one published on loopback only.
pub(super) const PORT: u16 = 4920;
pub(super) const PUBLISHED: u16 = 4921;
pub(super) const ON_LOOPBACK: u16 = 4922;

/// A published port without a listener behind it.
pub(super) const NOBODY: u16 = 4923;

pub(super) struct Node {
    pub(super) netns: Netns,
    pub(super) caller: Netns,
    pub(super) server: Netns,
    pub(super) outside: Netns,
    servers: Vec<Traffic>,
}

impl Node {
    /// Creates a node; `bridge_nf`: the bridge passes segments to netfilter, as Docker requires.
    #[track_caller]
    pub(super) fn new(bridge_nf: bool) -> Self {
        let netns = Netns::new();
        let [caller, server, outside] = [(); 3].map(|()| netns.another());
        netns.ip(&["link", "add", "br0", "type", "bridge"]);
        netns.ip(&["addr", "add", &format!("{BRIDGE}/24"), "dev", "br0"]);
        netns.ip(&["link", "set", "br0", "up"]);
        let cables =
            [("pod0", &caller, CALLER, BRIDGE), ("pod1", &server, SERVER, BRIDGE), ("ext", &outside, OUTSIDE, NODE)];
        for (name, pod, address, gateway) in cables {
            netns.ip(&["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", pod.name()]);
            if gateway == BRIDGE {
                netns.ip(&["link", "set", name, "master", "br0"]);
            } else {
                netns.ip(&["addr", "add", &format!("{gateway}/24"), "dev", name]);
            }
            netns.ip(&["link", "set", name, "up"]);
            pod.ip(&["addr", "add", &format!("{address}/24"), "dev", "eth0"]);
            pod.ip(&["link", "set", "eth0", "up"]);
            eventually("a carrier", LIMIT, || pod.ip(&["link", "show", "dev", "eth0"]).contains("state UP"));
            pod.ip(&["route", "add", "default", "via", &gateway.to_string()]);
        }
        netns.ip(&["route", "add", "10.96.0.0/16", "dev", "br0"]);
        netns.sysctl("ipv4/ip_forward", "1");
        netns.sysctl("ipv4/conf/br0/route_localnet", "1");
        netns.sysctl("bridge/bridge-nf-call-iptables", if bridge_nf { "1" } else { "0" });
        let balanced = |to: u16| format!("dnat to numgen inc mod 1 map {{ 0 : {SERVER} }} : {to}");
        let services = format!(
            "ip daddr {SERVICE} tcp dport {PORT} {}; ip daddr {NODE} tcp dport {PUBLISHED} dnat to {SERVER}:{PORT}; \
             ip daddr {NODE} tcp dport {NOBODY} dnat to {SERVER}:{NOBODY};",
            balanced(PORT)
        );
        let pods = "10.244.0.0/24";
        netns.nft(&format!(
            "table ip nat {{ \
             chain pre {{ type nat hook prerouting priority -100; {services} }}; \
             chain out {{ type nat hook output priority -100; {services} \
               ip daddr 127.0.0.1 tcp dport {ON_LOOPBACK} dnat to {SERVER}:{PORT}; }}; \
             chain post {{ type nat hook postrouting priority 100; \
               ip saddr {pods} ip daddr != {pods} masquerade; \
               ip saddr {CALLER} ip daddr {pods} ct status dnat masquerade; \
               ip saddr 127.0.0.1 oifname br0 masquerade; }}; }}"
        ));
        let mut node = Self { netns, caller, server, outside, servers: Vec::new() };
        let places = [(&node.server, SERVER), (&node.outside, OUTSIDE), (&node.netns, BRIDGE)];
        node.servers = places.map(|(netns, address)| serve(netns, address)).into();
        node
    }

    /// Returns the host's PID of the server with this address.
    #[track_caller]
    pub(super) fn server_pid(&self, address: Ipv4Addr) -> u32 {
        let index = [SERVER, OUTSIDE, BRIDGE].iter().position(|&one| one == address).expect("a server is there");
        child(self.servers[index].id())
    }

    /// Traces on the node, with the default settings, once all of its namespaces are covered.
    #[track_caller]
    pub(super) fn trace(&self) -> Tracer {
        self.trace_from(&self.netns, &[])
    }

    /// Traces in a namespace that may be another one, with more options.
    #[track_caller]
    pub(super) fn trace_from(&self, netns: &Netns, options: &[&str]) -> Tracer {
        let mut command = Command::new(binary());
        command.args(["--json", "-p", &format!("{PORT}-{NOBODY}")]).args(options);
        let tracer = Tracer::start_command(netns, &mut command);
        self.wait_covered();
        tracer
    }

    #[track_caller]
    pub(super) fn wait_covered(&self) {
        [&self.caller, &self.server, &self.outside].into_iter().for_each(|pod| wait_covered(pod, "eth0"));
    }
}

/// A server in a PID namespace of its own.
#[track_caller]
fn serve(netns: &Netns, address: Ipv4Addr) -> Traffic {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "--", env!("CARGO_BIN_EXE_tt-traffic"), "listen"]);
    let server = Traffic::start(netns, command.arg(SocketAddr::from((address, PORT)).to_string()));
    server.wait_ready();
    server
}

/// The only child of a process.
#[track_caller]
fn child(pid: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
    children.trim().parse().expect("it has one child")
}

/// Waits until this many connections have all their records.
#[track_caller]
pub(super) fn wait_closed(tracer: &Tracer, count: usize) {
    tracer.wait_until(&format!("{count} closes"), |records| {
        records.iter().filter(|record| is_type(record, "close")).count() >= count
    });
}

/// Client and server of a record, without the client's port.
pub(super) fn ends(record: &Value) -> (String, String) {
    let address = |end: &str| record[end]["addr"].as_str().expect("an address").to_owned();
    (address("client"), format!("{}:{}", address("server"), number(&record["server"], "port")))
}

/// Asserts that every side names all others, with their own ends.
#[track_caller]
pub(super) fn assert_tied(sides: &[&Value], trace: &Trace) {
    for side in sides {
        let others: Vec<&&Value> = sides.iter().filter(|other| other["conn"] != side["conn"]).collect();
        let named = |field: &str| side[field].as_array().map(Vec::len).unwrap_or_default();
        assert_eq!((named("same_as"), named("nat")), (others.len(), others.len()), "{side} {:#?}", trace.records);
        for (index, other) in others.iter().enumerate() {
            assert_eq!(side["same_as"][index], other["conn"], "{side}");
            let other_side = &side["nat"][index];
            assert_eq!(other_side["conn"], other["conn"], "{side}");
            for end in ["client", "server"] {
                for field in ["addr", "port"] {
                    assert_eq!(other_side[end][field], other[end][field], "{side} {other}");
                }
            }
        }
    }
}
