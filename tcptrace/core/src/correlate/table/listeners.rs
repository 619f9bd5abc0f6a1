//! Listening sockets in the namespaces of this host, and their owners.
//!
//! There are two sources: state changes, as they happen, and the kernel's answers to queries, which take a while. A
//! fact known from both must count once, whichever comes first; the times of the event and of the query decide.

use std::net::IpAddr;

use foldhash::HashMap;

use crate::event::{BootTime, Comm, Endpoint, ListenerOwner, Process};

/// Maximum number of endpoints remembered where listening has ceased: an older answer is in flight for less than a
/// second.
const MAX_GONE: usize = 1024;

/// Maximum number of processes whose names are remembered.
const MAX_NAMES: usize = 4096;

/// Owner of the sockets that listen at one address and port.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Holder {
    /// One process.
    One(Process),
    /// Several processes, or none that could be found.
    NotOne,
}

/// The sockets that listen at one address and port: several with `SO_REUSEPORT`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Listener {
    addr: IpAddr,
    sockets: u32,
    holder: Holder,
    /// Time of the query that told this: it includes what happened until then.
    asked: Option<BootTime>,
    /// Time of the last change that was seen.
    changed: Option<BootTime>,
}

/// Every known listener.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Listeners {
    /// Listeners by namespace and port.
    known: HashMap<(u32, u16), Vec<Listener>>,
    /// Times at which the last socket at an endpoint ceased to listen.
    gone: HashMap<(u32, Endpoint), BootTime>,
    /// Names that processes which listen have taken since, by their IDs.
    names: HashMap<u32, Comm>,
}

impl Listeners {
    /// Notes that a socket begins to listen.
    pub(in crate::correlate) fn open(&mut self, netns: u32, local: Endpoint, at: BootTime, by: Option<Process>) {
        let holder = by.map_or(Holder::NotOne, Holder::One);
        self.remember(holder);
        let here = self.known.entry((netns, local.port)).or_default();
        match here.iter_mut().find(|listener| listener.addr == local.addr) {
            Some(known) => {
                let same = known.is_held_as(holder);
                if !known.has_counted(at) {
                    known.sockets += 1;
                    known.changed = known.changed.max(Some(at));
                    known.holder = if same { known.holder } else { Holder::NotOne };
                }
                if same {
                    // The event names the thread that listens; the kernel's answer, requested earlier, names the
                    // process.
                    known.holder = holder;
                }
            }
            None => {
                here.push(Listener { addr: local.addr, sockets: 1, holder, asked: None, changed: Some(at) });
                self.gone.remove(&(netns, local));
            }
        }
    }

    /// Notes the name of a process, which may listen under another one.
    pub(in crate::correlate) fn rename(&mut self, Process { pid, comm }: Process) {
        if let Some(name) = self.names.get_mut(&pid) {
            *name = comm;
        }
    }

    /// Remembers the name of a process that listens.
    fn remember(&mut self, holder: Holder) {
        if let Holder::One(Process { pid, comm }) = holder {
            if self.names.len() >= MAX_NAMES {
                self.names.clear();
            }
            self.names.insert(pid, comm);
        }
    }

    /// Notes that a socket no longer listens.
    pub(in crate::correlate) fn close(&mut self, netns: u32, local: Endpoint, at: BootTime) {
        let here = self.known.entry((netns, local.port)).or_default();
        if let Some(known) = here.iter_mut().find(|listener| listener.addr == local.addr) {
            if known.has_counted(at) {
                return;
            }
            known.sockets = known.sockets.saturating_sub(1);
            known.changed = known.changed.max(Some(at));
        }
        here.retain(|listener| listener.sockets > 0);
        let any = here.iter().any(|listener| listener.addr == local.addr);
        if here.is_empty() {
            self.known.remove(&(netns, local.port));
        }
        if !any {
            // An answer from before this change may still arrive, whether the listener was known here or not.
            if self.gone.len() >= MAX_GONE {
                self.gone.clear();
            }
            self.gone.insert((netns, local), at);
        }
    }

    /// Updates a listener with the kernel's answer about its owner. Returns true if that is new.
    pub(in crate::correlate) fn learn(&mut self, netns: u32, owner: &ListenerOwner) -> bool {
        let holder = owner.process.map_or(Holder::NotOne, Holder::One);
        let (sockets, asked) = (owner.sockets.max(1), Some(owner.asked));
        let place = (netns, owner.local.port);
        let known =
            self.known.get_mut(&place).and_then(|here| here.iter_mut().find(|known| known.addr == owner.local.addr));
        let changed =
            known.as_ref().map_or_else(|| self.gone.get(&(netns, owner.local)).copied(), |known| known.changed);
        // The answer may or may not include later changes: what was seen takes precedence.
        if changed > asked {
            return false;
        }
        match known {
            // A process may have taken another name since.
            Some(known) if known.sockets == sockets && known.holder == holder => return false,
            Some(known) => *known = Listener { sockets, holder, asked, ..*known },
            None => {
                let told = Listener { addr: owner.local.addr, sockets, holder, asked, changed };
                self.gone.remove(&(netns, owner.local));
                self.known.entry(place).or_default().push(told);
            }
        }
        self.remember(holder);
        true
    }

    /// Returns true if a socket listens at the port, at any address.
    pub(in crate::correlate) fn listens(&self, netns: u32, port: u16) -> bool {
        self.known.contains_key(&(netns, port))
    }

    /// Returns the owner of the listener that connections to `local` go to, if there is one: one for the address takes
    /// precedence over those for all addresses, and among these the one of the same family. The process is `None`
    /// unless there is exactly one.
    pub(in crate::correlate) fn holder(&self, netns: u32, local: Endpoint) -> Option<Option<Process>> {
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
            Holder::One(process) => {
                Some(Process { comm: self.names.get(&process.pid).copied().unwrap_or(process.comm), ..process })
            }
            Holder::NotOne => None,
        })
    }
}

impl Listener {
    /// Returns true if the owner is the same process. The name may differ, depending on which thread was looked at.
    fn is_held_as(&self, holder: Holder) -> bool {
        match (self.holder, holder) {
            (Holder::One(one), Holder::One(other)) => one.pid == other.pid,
            (Holder::NotOne, Holder::NotOne) => true,
            _ => false,
        }
    }

    /// Returns true if what happened at `at` was included when the kernel was asked.
    fn has_counted(&self, at: BootTime) -> bool {
        self.asked >= Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETNS: u32 = 5;

    fn process(pid: u32) -> Process {
        Process { pid, comm: Comm([0; 16]) }
    }

    fn at(addr: &str) -> Endpoint {
        Endpoint { addr: addr.parse().expect("an address"), port: 80 }
    }

    const EARLY: BootTime = BootTime(10);
    const LATE: BootTime = BootTime(20);

    fn told(addr: &str, pid: Option<u32>) -> ListenerOwner {
        asked(LATE, addr, 1, pid)
    }

    /// An answer of the kernel, requested at `asked` and received much later.
    fn asked(asked: BootTime, addr: &str, sockets: u32, pid: Option<u32>) -> ListenerOwner {
        ListenerOwner { at: BootTime(99), asked, netns: None, local: at(addr), sockets, process: pid.map(process) }
    }

    fn pid(listeners: &Listeners, local: &str) -> Option<u32> {
        listeners.holder(NETNS, at(local)).flatten().map(|process| process.pid)
    }

    #[test]
    fn the_listener_nearest_to_the_address_is_meant() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("::"), EARLY, Some(process(6)));
        assert_eq!((pid(&listeners, "10.0.0.1"), pid(&listeners, "fd00::1")), (Some(6), Some(6)));
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
        listeners.open(NETNS, at("10.0.0.2"), EARLY, Some(process(2)));
        let found = ["10.0.0.1", "10.0.0.2", "fd00::1"].map(|local| pid(&listeners, local));
        assert_eq!(found, [Some(4), Some(2), Some(6)]);
        assert_eq!(listeners.holder(NETNS + 1, at("10.0.0.1")), None);
    }

    #[test]
    fn a_port_that_several_processes_share_is_nobodys() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
        assert_eq!(pid(&listeners, "10.0.0.1"), Some(4), "two sockets of one process");
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(5)));
        assert_eq!(pid(&listeners, "10.0.0.1"), None);
    }

    #[test]
    fn what_the_kernel_tells_replaces_what_was_known() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
        assert!(!listeners.learn(NETNS, &told("0.0.0.0", Some(4))));
        assert!(listeners.learn(NETNS, &told("0.0.0.0", None)));
        assert_eq!(listeners.holder(NETNS, at("10.0.0.1")), Some(None), "its children hold it too");
        assert!(listeners.learn(NETNS, &told("0.0.0.0", Some(4))));
        assert_eq!(pid(&listeners, "10.0.0.1"), Some(4));
    }

    #[test]
    fn a_process_that_takes_another_name_listens_under_that() {
        let named = |name: u8| Process { pid: 4, comm: Comm([name; 16]) };
        let mut listeners = Listeners::default();
        let name = |listeners: &Listeners| listeners.holder(NETNS, at("10.0.0.1")).flatten();
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(named(b'a')));
        listeners.rename(named(b'b'));
        assert_eq!(name(&listeners), Some(named(b'b')), "by its own act");
        let told = ListenerOwner { process: Some(named(b'c')), ..told("0.0.0.0", None) };
        assert!(listeners.learn(NETNS, &told), "a recording of it says the same");
        assert!(!listeners.learn(NETNS, &told));
        assert_eq!(name(&listeners), Some(named(b'c')), "by the kernel's answer");
        listeners.rename(Process { pid: 5, comm: Comm([b'd'; 16]) });
        assert_eq!(name(&listeners), Some(named(b'c')), "another process");
    }

    #[test]
    fn the_last_socket_that_closes_ends_it() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("0.0.0.0"), EARLY, None);
        listeners.open(NETNS, at("0.0.0.0"), EARLY, None);
        listeners.close(NETNS, at("0.0.0.0"), EARLY);
        assert!(listeners.listens(NETNS, 80));
        listeners.close(NETNS, at("0.0.0.0"), EARLY);
        assert!(!listeners.listens(NETNS, 80));
        listeners.close(NETNS, at("0.0.0.0"), EARLY);
    }

    #[test]
    fn a_listener_that_the_answer_has_counted_counts_once() {
        let mut listeners = Listeners::default();
        assert!(listeners.learn(NETNS, &asked(LATE, "0.0.0.0", 1, Some(4))));
        // Its event arrives late.
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
        assert_eq!(pid(&listeners, "10.0.0.1"), Some(4));
        listeners.close(NETNS, at("0.0.0.0"), BootTime(21));
        assert!(!listeners.listens(NETNS, 80));

        let mut listeners = Listeners::default();
        assert!(listeners.learn(NETNS, &asked(LATE, "0.0.0.0", 1, Some(4))));
        listeners.open(NETNS, at("0.0.0.0"), BootTime(21), Some(process(4)));
        listeners.close(NETNS, at("0.0.0.0"), BootTime(22));
        assert!(listeners.listens(NETNS, 80), "another one, which had been there before");
    }

    #[test]
    fn a_listener_that_has_gone_before_the_answer_is_not_taken_off_again() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
        listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
        assert!(listeners.learn(NETNS, &asked(LATE, "0.0.0.0", 1, Some(4))));
        listeners.close(NETNS, at("0.0.0.0"), BootTime(15));
        assert!(listeners.listens(NETNS, 80));
        listeners.close(NETNS, at("0.0.0.0"), BootTime(21));
        assert!(!listeners.listens(NETNS, 80));
    }

    #[test]
    fn an_answer_that_is_older_than_what_was_seen_changes_nothing() {
        let mut listeners = Listeners::default();
        listeners.open(NETNS, at("0.0.0.0"), LATE, Some(process(4)));
        assert!(!listeners.learn(NETNS, &asked(EARLY, "0.0.0.0", 2, None)));
        assert_eq!(pid(&listeners, "10.0.0.1"), Some(4));
        listeners.close(NETNS, at("0.0.0.0"), BootTime(21));
        assert!(!listeners.learn(NETNS, &asked(LATE, "0.0.0.0", 1, Some(4))), "it has gone since");
        assert!(!listeners.listens(NETNS, 80));
        assert!(listeners.learn(NETNS, &asked(BootTime(22), "0.0.0.0", 1, Some(4))), "another");

        let mut listeners = Listeners::default();
        listeners.close(NETNS, at("0.0.0.0"), LATE);
        assert!(!listeners.learn(NETNS, &asked(EARLY, "0.0.0.0", 1, Some(4))), "nobody knew of it");
        assert!(!listeners.listens(NETNS, 80));
    }

    #[test]
    fn what_is_remembered_of_those_that_have_gone_has_an_end() {
        let mut listeners = Listeners::default();
        for port in 1..=3000 {
            listeners.close(NETNS, Endpoint { port, ..at("0.0.0.0") }, EARLY);
        }
        assert!(listeners.gone.len() <= MAX_GONE && listeners.known.is_empty());
    }
}
