//! Two namespaces joined by a cable.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{netns::Netns, process::eventually, tracer::LIMIT};

/// A veth pair between two namespaces: the equivalent of two hosts on one wire.
pub struct Veth {
    /// Name of the interface in the left namespace.
    pub left: String,
    /// Name of the interface in the right namespace.
    pub right: String,
    number: u8,
}

impl Veth {
    /// Joins two namespaces. Pairs between the same two have different `number`s, which are part of names and addresses.
    #[track_caller]
    pub fn between(left: &Netns, right: &Netns, number: u8) -> Self {
        let veth = Self { left: format!("left{number}"), right: format!("right{number}"), number };
        let (left_name, right_name) = (veth.left.as_str(), veth.right.as_str());
        left.ip(&["link", "add", left_name, "type", "veth", "peer", "name", right_name, "netns", right.name()]);
        for (netns, interface, v4, v6) in
            [(left, left_name, veth.v4(1), veth.v6(1)), (right, right_name, veth.v4(2), veth.v6(2))]
        {
            // No link-local address, so that the only segments on the wire are the test's own.
            netns.ip(&["link", "set", interface, "addrgenmode", "none"]);
            netns.ip(&["addr", "add", &format!("{v4}/24"), "dev", interface]);
            netns.ip(&["addr", "add", &format!("{v6}/64"), "dev", interface, "nodad"]);
            netns.ip(&["link", "set", interface, "up"]);
        }
        for (netns, interface) in [(left, left_name), (right, right_name)] {
            // The kernel drops everything sent before a work queue has noticed the carrier.
            eventually("a veth interface that is up", LIMIT, || {
                netns.ip(&["link", "show", "dev", interface]).contains("state UP")
            });
        }
        veth
    }

    /// Returns an IPv4 endpoint of the left end.
    pub fn left_v4(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.v4(1)), port)
    }

    /// Returns an IPv4 endpoint of the right end.
    pub fn right_v4(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.v4(2)), port)
    }

    /// Returns an IPv6 endpoint of the left end.
    pub fn left_v6(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V6(self.v6(1)), port)
    }

    /// Returns an IPv6 endpoint of the right end.
    pub fn right_v6(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V6(self.v6(2)), port)
    }

    fn v4(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 7, self.number, host)
    }

    fn v6(&self, host: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfd07, u16::from(self.number), 0, 0, 0, 0, 0, host)
    }
}
