//! Who listens where in the namespaces of this host.

use std::{collections::HashMap, net::IpAddr};

use crate::event::{Endpoint, ListenerOwner, Process};

/// Who holds the sockets that listen at one address and port.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Holder {
    /// One process.
    One(Process),
    /// Several, or none that could be found.
    NotOne,
}

/// The sockets that listen at one address and port: several with `SO_REUSEPORT`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Listener {
    addr: IpAddr,
    sockets: u32,
    holder: Holder,
}

/// All that is known to listen.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// By namespace and port.
    known: HashMap<(u32, u16), Vec<Listener>>,
}

impl Listeners {
    /// A socket begins to listen.
    pub(super) fn open(&mut self, netns: u32, local: Endpoint, by: Option<Process>) {
        let holder = by.map_or(Holder::NotOne, Holder::One);
        let here = self.known.entry((netns, local.port)).or_default();
        match here.iter_mut().find(|listener| listener.addr == local.addr) {
            Some(known) => {
                known.sockets += 1;
                let same = matches!((known.holder, holder), (Holder::One(a), Holder::One(b)) if a.pid == b.pid);
                // The thread that listens is named; the kernel may have been asked before that was read, and names the process.
                known.holder = if same { holder } else { Holder::NotOne };
            }
            None => here.push(Listener { addr: local.addr, sockets: 1, holder }),
        }
    }

    /// A socket does not listen any more.
    pub(super) fn close(&mut self, netns: u32, local: Endpoint) {
        let Some(here) = self.known.get_mut(&(netns, local.port)) else { return };
        if let Some(known) = here.iter_mut().find(|listener| listener.addr == local.addr) {
            known.sockets = known.sockets.saturating_sub(1);
        }
        here.retain(|listener| listener.sockets > 0);
        if here.is_empty() {
            self.known.remove(&(netns, local.port));
        }
    }

    /// The kernel has been asked who holds a listener. Returns whether that is news.
    pub(super) fn learn(&mut self, netns: u32, owner: &ListenerOwner) -> bool {
        let told = Listener {
            addr: owner.local.addr,
            sockets: owner.sockets.max(1),
            holder: owner.process.map_or(Holder::NotOne, Holder::One),
        };
        let here = self.known.entry((netns, owner.local.port)).or_default();
        match here.iter_mut().find(|listener| listener.addr == told.addr) {
            Some(known) if known.is_as(&told) => return false,
            Some(known) => *known = told,
            None => here.push(told),
        }
        true
    }

    /// Whether something listens at the port, whatever its address.
    pub(super) fn listens(&self, netns: u32, port: u16) -> bool {
        self.known.contains_key(&(netns, port))
    }

    /// Who holds the listener that connections to `local` go to, if there is one: one for the address comes before those for
    /// all addresses, and of these the one of the same family. The process is none where it is not one.
    pub(super) fn holder(&self, netns: u32, local: Endpoint) -> Option<Option<Process>> {
        let here = self.known.get(&(netns, local.port))?;
        let rank = |listener: &Listener| match listener.addr {
            addr if addr == local.addr => Some(0),
            addr if !addr.is_unspecified() => None,
            addr if addr.is_ipv4() == local.addr.is_ipv4() => Some(1),
            IpAddr::V6(_) => Some(2),
            IpAddr::V4(_) => None,
        };
        let ranked = here.iter().filter_map(|listener| Some((rank(listener)?, listener.holder)));
        ranked.min_by_key(|&(rank, _)| rank).map(|(_, holder)| match holder {
            Holder::One(process) => Some(process),
            Holder::NotOne => None,
        })
    }
}

impl Listener {
    /// The name of a process is that of whichever thread was looked at: it makes no difference.
    fn is_as(&self, other: &Self) -> bool {
        let pid = |holder| match holder {
            Holder::One(process) => Some(process.pid),
            Holder::NotOne => None,
        };
        self.sockets == other.sockets && pid(self.holder) == pid(other.holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BootTime, Comm};

    const NETNS: u32 = 5;

    fn process(pid: u32) -> Process {
        Process { pid, comm: Comm([0; 16]) }
    }

    fn at(addr: &str) -> Endpoint {
        Endpoint { addr: addr.parse().expect("an address"), port: 80 }
    }

    fn told(addr: &str, pid: Option<u32>) -> ListenerOwner {
        ListenerOwner { at: BootTime(9), local: at(addr), sockets: 1, process: pid.map(process) }
    }

    fn pid(listeners: &Listeners, local: &str) -> Option<u32> {
        listeners.holder(NETNS, at(local)).flatten().map(|process| process.pid)
    }

    #[test]
    fn the_listener_nearest_to_the_address_is_meant() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("::"), Some(process(6)));
        assert_eq!((pid(&listeners, "10.0.0.1"), pid(&listeners, "fd00::1")), (Some(6), Some(6)));
        listeners.open(NETNS, at("0.0.0.0"), Some(process(4)));
        listeners.open(NETNS, at("10.0.0.2"), Some(process(2)));
        let found = ["10.0.0.1", "10.0.0.2", "fd00::1"].map(|local| pid(&listeners, local));
        assert_eq!(found, [Some(4), Some(2), Some(6)]);
        assert_eq!(listeners.holder(NETNS + 1, at("10.0.0.1")), None);
    }

    #[test]
    fn a_port_that_several_processes_share_is_nobodys() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("0.0.0.0"), Some(process(4)));
        listeners.open(NETNS, at("0.0.0.0"), Some(process(4)));
        assert_eq!(pid(&listeners, "10.0.0.1"), Some(4), "two sockets of one process");
        listeners.open(NETNS, at("0.0.0.0"), Some(process(5)));
        assert_eq!(pid(&listeners, "10.0.0.1"), None);
    }

    #[test]
    fn what_the_kernel_tells_replaces_what_was_known() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("0.0.0.0"), Some(process(4)));
        assert!(!listeners.learn(NETNS, &told("0.0.0.0", Some(4))));
        assert!(listeners.learn(NETNS, &told("0.0.0.0", None)));
        assert_eq!(listeners.holder(NETNS, at("10.0.0.1")), Some(None), "its children hold it too");
        assert!(listeners.learn(NETNS, &told("0.0.0.0", Some(4))));
        assert_eq!(pid(&listeners, "10.0.0.1"), Some(4));
    }

    #[test]
    fn the_last_socket_that_closes_ends_it() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("0.0.0.0"), None);
        listeners.open(NETNS, at("0.0.0.0"), None);
        listeners.close(NETNS, at("0.0.0.0"));
        assert!(listeners.listens(NETNS, 80));
        listeners.close(NETNS, at("0.0.0.0"));
        assert!(!listeners.listens(NETNS, 80));
        listeners.close(NETNS, at("0.0.0.0"));
    }
}
